"""What is erased from a SQLite database stands nowhere in its files, however its pages are written over."""

import random

import pytest
from vaults import unlocked_store

from ledger.store import DOCUMENT
from ledger.vault import add_wrapping_key


@pytest.fixture
def store(tmp_path):
    with unlocked_store(f"sqlite:///{tmp_path / 'ledger.sqlite3'}", tmp_path) as store:
        yield store


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
