"""A power cut at any moment: what was acknowledged is there and can be read, whatever of the rest is lost."""

import random
import secrets
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import power_loss
import pytest
from documents_writer import digest_of, document_of
from proof import form
from vaults import vault_at

from ledger.store import Store

WRITER = Path(__file__).parents[1] / "support" / "documents_writer.py"
DOCUMENTS, CUTS = form((40, 60), (600, 3_000))


@pytest.mark.row("D6")
@pytest.mark.skipif(not power_loss.HAS_STRACE, reason="strace (Debian's package) is not installed")
def test_what_was_acknowledged_outlives_a_power_cut_whatever_was_not_synced_is_lost(tmp_path):
    seed = secrets.randbelow(2**32)
    chance = random.Random(seed)
    folder = tmp_path / "live"
    folder.mkdir()
    told = tmp_path / "trace"
    done = power_loss.trace([sys.executable, str(WRITER), str(folder), str(DOCUMENTS)], told)
    assert done.returncode == 0 and done.stdout.split()[-1] == b"%d" % (DOCUMENTS - 1)
    moments = sorted(chance.randrange(DOCUMENTS) for _ in range(CUTS))
    disk, acknowledged, cuts = power_loss.Disk(folder), -1, 0
    for line in disk.follow(told):
        if line == b"begun\n":
            continue
        acknowledged = int(line)
        for _ in range(moments.count(acknowledged)):
            cuts += 1
            after = tmp_path / f"after-{cuts}"
            after.mkdir(mode=0o700)
            disk.cut(chance, after)
            assert_there(after, acknowledged, seed)
    assert acknowledged == DOCUMENTS - 1 and cuts == CUTS and disk.syncs > DOCUMENTS, "the trace is whole"


def assert_there(folder, acknowledged, seed):
    with closing(sqlite3.connect(folder / "ledger.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",), seed
    with closing(Store(f"sqlite:///{folder / 'ledger.db'}")) as store:
        assert (folder / "wrapping-keys").exists(), (seed, "the keys are lost, and all that they wrap")
        store.unlock(vault_at(folder / "wrapping-keys"))
        with store.read() as session:
            for place in range(acknowledged + 1):
                content = session.content(digest_of(place))
                assert content is not None and content.document == document_of(place), (seed, place)
