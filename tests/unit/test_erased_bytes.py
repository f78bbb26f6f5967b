"""What is erased from a SQLite database stands nowhere in its files, however its pages are written over.

On PostgreSQL it is another promise: the server's pages, its log and its backups keep what was written until they are used
again, and nobody can make it forget at once. What stands there was never anything but sealed, so what is erased is gone for good
with the wrapping key that it was sealed under: rotate, rewrap, and destroy the former key.
"""

import random
import secrets

import pytest
from vaults import unlocked_store

from ledger.errors import WrappingKeyMissing
from ledger.rows.sealed import DOCUMENT, _sealed
from ledger.store import Store
from ledger.vault import Place, Vault, WrappingKeys, add_wrapping_key


@pytest.fixture
def store(tmp_path):
    with unlocked_store(f"sqlite:///{tmp_path / 'ledger.sqlite3'}", tmp_path) as store:
        yield store


@pytest.mark.row("D5")
def test_no_data_key_of_an_erased_object_is_left_in_any_file(store, tmp_path):
    """600 objects of many sizes, wrapped anew, 400 of them erased.

    Of seeds 0 to 11 this one alone has SQLite move a row whose old place keeps its bytes, if rows are deleted.
    """
    chance = random.Random(1)
    digests: list[bytes] = []
    for _ in range(15):
        with store.write() as session:
            for _ in range(40):
                digests.append(chance.randbytes(32))
                document = chance.randbytes(chance.choice([50, 400, 2_400, 9_000]))
                session.add_content(digests[-1], digests[-1], document, bytes(32))
    chance.shuffle(digests)
    erased, kept = digests[:400], digests[400:]

    def rows():
        with store.read() as session:
            return {row.object_id: row for row in session.sealed_after(0, 10_000)}

    before = rows()
    gone = [row.data_key for row in before.values()]
    add_wrapping_key(tmp_path / "wrapping-keys")
    with store.write() as session:
        for row in before.values():
            session.rewrap(row)
    after = rows()
    for first in range(0, 400, 5):
        with store.write() as session:
            for digest in erased[first : first + 5]:
                gone += [after[digest].data_key, after[digest].body[:40], after[digest].body[-40:]]
                session._erase_sealed(DOCUMENT, digest)
    assert store.forget()
    data = b"".join(each.read_bytes() for each in tmp_path.glob("ledger.sqlite3*"))
    assert [each.hex() for each in gone if each in data] == []
    assert all(after[digest].data_key in data for digest in kept), "the search finds what is there"
    with store.read() as session:
        assert all(session.content(digest) for digest in kept)
        assert not any(session.content(digest) for digest in erased)


@pytest.mark.row("D5")
def test_on_postgresql_nothing_ever_stands_unsealed_and_what_is_erased_goes_with_its_wrapping_key(
    postgres, tmp_path
):
    keys = tmp_path / "wrapping-keys"
    url = postgres.create("erased")
    plain, sealed, digests = [], {}, [secrets.token_bytes(32) for _ in range(30)]
    with unlocked_store(url, tmp_path) as store:
        for digest in digests:
            secret, text = secrets.token_bytes(32), secrets.token_bytes(24)
            plain += [secret, text, text.hex().encode()]
            with store.write() as session:
                session.add_content(
                    digest, digest, b'{"text": "' + text.hex().encode() + b'"}' + text, secret
                )
                session.add_consignment(digest, f"ucr:6SG{text.hex().upper()}", secret, bytes(16))
        plain += [f"6SG{text.hex().upper()}".encode()]
        with store.read() as session:
            rows = {row.object_id: row for row in session.sealed_after(0, 1_000) if row.kind == DOCUMENT}
        sealed = {digest: _sealed(rows[digest]) for digest in digests}
        erased, kept = digests[:20], digests[20:]
        add_wrapping_key(keys)
        with store.write() as session:
            for digest in erased:
                session._erase_sealed(DOCUMENT, digest)
            for row in session.sealed_after(0, 1_000, not_wrapped_by=WrappingKeys(keys).newest):
                session.rewrap(row)
        assert store.forget()
        postgres.run("CHECKPOINT")
        data = folder_of(postgres)
        assert [each.hex() for each in plain if each in data] == [], "something stands there as it is"
        left = [digest for digest in erased if sealed[digest].data_key in data]
        assert left, "PostgreSQL keeps what was erased for a while: else the README promises too little"

        former = tmp_path / "former" / "wrapping-keys"  # as it was, in the hands of whoever has a copy
        former.parent.mkdir(mode=0o700)
        former.write_text(keys.read_text())
        former.chmod(0o600)
        keys.write_text(keys.read_text().splitlines(keepends=True)[0])  # the newest alone
        thief, ours = Vault("SG", WrappingKeys(former)), Vault("SG", WrappingKeys(keys))
        for digest in left:
            place = Place(DOCUMENT, digest, digest)
            assert thief.open(place, sealed[digest])[32:].startswith(b'{"text"')
            with pytest.raises(WrappingKeyMissing):
                ours.open(place, sealed[digest])
    reopened = Store(url)
    try:
        reopened.unlock(ours)
        with reopened.read() as session:
            assert all(session.content(digest) for digest in kept)
            assert not any(session.content(digest) for digest in erased)
    finally:
        reopened.close()


def folder_of(cluster):
    """Every byte of a server's data folder: tables, indexes, its log, its messages."""
    found = []
    for path in sorted(cluster.folder.rglob("*")):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue  # a folder, a socket, or gone meanwhile
    return b"".join(found)
