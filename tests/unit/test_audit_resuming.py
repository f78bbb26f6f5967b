"""A replay of an export that is killed, and goes on: the same digest, and nothing of another replay or an altered one."""

import contextlib
import dataclasses
import json
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.audit import export_file
from ledger.audit.export_file import ExportSource
from ledger.audit.replay import Settings, replay
from ledger.errors import JournalInUse, JournalUnusable

BENCH_FILE = Path(__file__).parents[2] / "bench" / "generated_chain.py"
BENCH = runpy.run_path(str(BENCH_FILE))
TRUST = BENCH["trust"]()

# A replay that stands still once it has come to block 5.
PROGRAM = f"""
import runpy, sys, threading
from pathlib import Path
import ledger.audit.replay
from ledger.audit.export_file import ExportSource
ledger.audit.replay._NOTE_SECONDS = 0.0
trust = runpy.run_path({str(BENCH_FILE)!r})["trust"]()
stand = lambda done, total: done >= 5 and threading.Event().wait()
settings = ledger.audit.replay.Settings(trust, Path(sys.argv[2]))
ledger.audit.replay.replay(ExportSource(Path(sys.argv[1])), settings, stand)
"""


class Watched(ExportSource):
    """An export that tells which chunks were read of it."""

    def chunks(self, first):
        self.given = []
        for chunk in super().chunks(first):
            self.given.append((chunk.first, chunk.last))
            yield chunk


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export of eight blocks, in chunks of two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_file, "_CHUNK_BYTES", 600_000)
        path = tmp_path_factory.mktemp("export") / "chain.audit"
        BENCH["write"](path, 4_900)
    return path


@pytest.fixture(scope="module")
def killed(export, tmp_path_factory):
    """The folder of a replay that was killed when it had the blocks up to the fifth or sixth."""
    folder = tmp_path_factory.mktemp("killed") / "replay"
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, export, folder])
    until = time.monotonic() + 60
    position = folder / "position.json"
    while not (position.exists() and json.loads(position.read_bytes())["block"] >= 5):
        assert program.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    program.kill()
    program.wait()
    return folder


@pytest.fixture
def folder(killed, tmp_path):
    """The same, for a test of its own."""
    copy = tmp_path / "replay"
    copy.mkdir()
    for each in killed.iterdir():
        (copy / each.name).write_bytes(each.read_bytes())
    return copy


def judged(source, folder=None, **settings):
    with contextlib.closing(source), replay(source, Settings(TRUST, folder, **settings)) as result:
        return result.digest, result.counts, [(each.status, each.message) for each in result.checks]


@pytest.mark.parametrize("processes", [0, 1])
def test_a_replay_of_an_export_that_was_killed_ends_as_one_that_was_not(export, folder, processes):
    reached = json.loads((folder / "position.json").read_bytes())["block"]
    source = Watched(export)
    assert judged(source, folder, processes=processes) == judged(ExportSource(export))
    assert source.given[0][0] <= reached <= source.given[0][1]  # what was done before is not done again
    assert len(source.given) < source.last / 2


def test_a_replay_that_is_done_is_not_done_again(export, tmp_path):
    whole = judged(ExportSource(export), tmp_path / "replay")
    source = Watched(export)
    assert judged(source, tmp_path / "replay") == whole
    assert len(source.given) == 1


@pytest.mark.parametrize("name", ["acts.rows", "events.jsonl"])
def test_a_replay_does_not_go_on_from_files_that_were_altered_or_cut_off(export, folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:150] + bytes([data[150] ^ 1]) + data[151:])
    with pytest.raises(JournalUnusable, match="was altered"):
        judged(ExportSource(export), folder)
    (folder / name).write_bytes(data[:150])
    with pytest.raises(JournalUnusable, match=f"{name} is shorter"):
        judged(ExportSource(export), folder)


@pytest.mark.parametrize(("name", "change"), [("block", 1), ("acts", -1), ("receipts", 1), ("signatures", 1)])
def test_a_replay_does_not_go_on_from_a_position_that_was_altered(export, folder, name, change):
    position = json.loads((folder / "position.json").read_bytes())
    position[name] += change
    (folder / "position.json").write_text(json.dumps(position))
    with pytest.raises(JournalUnusable, match=r"position\.json was altered"):
        judged(ExportSource(export), folder)
    (folder / "position.json").write_text("[]")
    with pytest.raises(JournalUnusable, match=r"position\.json was altered"):
        judged(ExportSource(export), folder)


def test_a_replay_does_not_go_on_from_one_of_another_chain_or_that_checked_less(export, folder):
    with pytest.raises(JournalUnusable, match="of another chain, or checked something else"):
        judged(ExportSource(export), folder, recovers=False)
    source = ExportSource(export)
    source.network = dataclasses.replace(source.network, genesis_hash=bytes(32))
    trust = dataclasses.replace(TRUST, genesis_hash=bytes(32))
    with (
        contextlib.closing(source),
        pytest.raises(JournalUnusable, match="of another chain"),
        replay(source, Settings(trust, folder)),
    ):
        pass


def test_a_replay_that_meets_another_history_of_the_same_chain_says_so(folder, tmp_path):
    BENCH["write"](tmp_path / "other.audit", 4_900, alive=350)
    digest, _, checks = judged(ExportSource(tmp_path / "other.audit"), folder)
    assert digest is None
    assert [said for status, said in checks if status == "INVALID"] == [
        f"Block {json.loads((folder / 'position.json').read_bytes())['block']} is another than when the replay was "
        "interrupted."
    ]


def test_a_replay_does_not_go_on_with_an_export_that_ends_before(export, folder, tmp_path):
    BENCH["write"](tmp_path / "short.audit", 1_400)
    with pytest.raises(JournalUnusable, match=r"the export short\.audit only block 4"):
        judged(ExportSource(tmp_path / "short.audit"), folder)


def test_two_replays_do_not_work_in_one_folder_and_the_second_says_so(export, tmp_path):
    """By a process that stands still: it holds the folder until it is gone, and what it wrote stays as it was."""
    folder = tmp_path / "replay"
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, export, folder])
    try:
        until = time.monotonic() + 60
        while not (folder / "position.json").exists():
            assert program.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        with pytest.raises(JournalInUse, match=r"Another replay is at work in .*replay"):
            judged(ExportSource(export), folder)
    finally:
        program.kill()
        program.wait()
    assert judged(ExportSource(export), folder) == judged(ExportSource(export))


@pytest.mark.parametrize("lives", [1, 2])
def test_the_sentences_of_the_checks_count_as_people_do(lives):
    """One of a thing is one; the shortest chain has one consignment."""
    _, counts, checks = judged(BENCH["Generated"](12 * lives))
    said = " ".join(sentence for _, sentence in checks)
    assert counts.consignments == lives
    assert (
        f"of {lives} consignment{'s' * (lives > 1)} obey every rule" in said
    ) and "1 administration " in said
    assert not re.search(
        r"\b1 (blocks|receipts|events|signatures|accounts|administrations|records|heads|manifests)\b", said
    )
