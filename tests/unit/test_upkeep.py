"""Wrapping keys rotate at any moment and through any kill, and looking through finds every flipped bit and names it."""

import os
import secrets
import signal
import threading
from contextlib import closing

import pytest
from vaults import unlocked_store, vault_at

from ledger import terms, upkeep
from ledger.errors import WrappingKeyMissing
from ledger.rows.sealed import ACCOMPANYING, CONSIGNMENT, DOCUMENT
from ledger.store import Session, Store
from ledger.vault import add_wrapping_key

BODY = b'{"containers":[{"number":"CSQU3054383"}],"mass":"12.5"}'
PARSED = {"containers": [{"number": "CSQU3054383"}]}


def still(done, total):
    """No progress is shown."""


@pytest.fixture
def store(database_url, tmp_path):
    with unlocked_store(database_url, tmp_path) as store:
        with store.write() as session:
            session.begin_epoch(1)
        yield store


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "wrapping-keys"


def keep(store, index=0, document=BODY):
    """A manifest with its document and what it makes findable, as the ledger keeps them; its digest."""
    digest, root = secrets.token_bytes(32), secrets.token_bytes(32)
    row = {
        "digest": digest,
        "manifest_id": secrets.token_bytes(32),
        "epoch": 1,
        "log_index": index,
        "leaf": bytes(188),
        "signer": bytes(20),
        "party": bytes(16),
        "consignment": bytes(32),
        "supersedes": None,
        "seen": True,
        "accepted_at": 1,
        "promise_epoch": 1,
        "promise_index": index,
        "anchor_by": 2,
        "promise_signer": bytes(20),
        "promise_signature": bytes(65),
        "closing": None,
        "closing_transaction": None,
        "problem": None,
    }
    with store.write() as session:
        session.add_manifests([row])
        session.add_content(digest, root, document, bytes(32))
        session.add_search_terms(bytes(32), digest, terms.search_terms(PARSED))
    return digest


def flaws(store):
    return [(flaw.kind, flaw.object_id) for flaw in upkeep.scrub(store, still)]


def change(store, column, value, digest):
    dialect = "%s" if store.place.startswith("postgresql") else "?"
    with store.write() as session:
        session._connection.exec_driver_sql(
            f"UPDATE sealed_objects SET {column} = {dialect} WHERE position = {dialect}", (value, digest)
        )


# --- looking through


def test_every_flipped_byte_of_a_stored_object_is_found_and_named(store):
    other, digest = keep(store, 0), keep(store, 1)
    assert flaws(store) == []
    with store.read() as session:
        row = next(row for row in session.sealed_after(0, 10) if row.object_id == digest)
    for column in ("data_key", "body", "root", "object_id"):
        true = bytes(getattr(row, column))
        for place in range(len(true)):
            changed = bytearray(true)
            changed[place] ^= 1 << secrets.randbelow(8)
            change(store, column, bytes(changed), row.position)
            found = flaws(store)
            if column == "object_id":
                assert found == [(DOCUMENT, bytes(changed)), (DOCUMENT, digest)], (column, place)
            else:
                assert found == [(DOCUMENT, digest)], (column, place)
        change(store, column, true, row.position)
    for column, value in (("kind", CONSIGNMENT), ("wrapping_key", "another")):
        change(store, column, value, row.position)
        assert (DOCUMENT, digest) in flaws(store) and (DOCUMENT, other) not in flaws(store)
        change(store, column, getattr(row, column), row.position)
    assert flaws(store) == []


def test_what_is_missing_came_back_or_is_not_findable_is_named(store):
    whole, gone, lost, undead = (keep(store, n) for n in range(4))
    consignment = secrets.token_bytes(32)
    with store.write() as session:
        session.add_consignment(consignment, "ucr:6SG1", bytes(32), bytes(16))
        session._erase_sealed(CONSIGNMENT, consignment)
        session._erase_sealed(DOCUMENT, gone)
        session._connection.exec_driver_sql(
            "DELETE FROM search_terms WHERE source = "
            + ("%s" if store.place.startswith("postgresql") else "?"),
            (lost,),
        )
        erasure = {"manifest": undead, "issued_at": 1, "signature": bytes(65), "signer": bytes(20)}
        session.erase_content({"digest": undead, "erased_at": 1} | erasure)
    assert set(flaws(store)) == {(DOCUMENT, gone), (DOCUMENT, lost), (CONSIGNMENT, consignment)}
    with store.write() as session:
        session.add_content(undead, bytes(32), BODY, bytes(32))
        session.add_search_terms(bytes(32), undead, terms.search_terms(PARSED))
    assert (DOCUMENT, undead) in flaws(store) and (DOCUMENT, whole) not in flaws(store)


def test_an_older_accompanying_file_that_is_put_back_is_found(store):
    manifest = secrets.token_bytes(32)
    with store.write() as session:
        session.put_accompanying(manifest, bytes(32), b"the first")
    with store.read() as session:
        first = session.sealed_after(0, 10)[-1]
    with store.write() as session:
        session.put_accompanying(manifest, bytes(32), b"the second")
        assert session.accompanying_file(session.accompanying_of(bytes(32))[0]) == b"the second"
    assert flaws(store) == []
    with store.read() as session:
        position = session.sealed_after(0, 10)[-1].position
    for column in ("data_key", "body", "version"):
        change(store, column, getattr(first, column), position)
    assert flaws(store) == [(ACCOMPANYING, manifest)]


def test_progress_is_told_to_the_end(store, monkeypatch, keys):
    monkeypatch.setattr(upkeep, "_AT_A_TIME", 3)
    for n in range(7):
        keep(store, n)
    told = []
    assert list(upkeep.scrub(store, lambda done, total: told.append((done, total)))) == []
    assert told == [(3, 8), (6, 8), (8, 8)], "seven documents and the index key"
    told.clear()
    add_wrapping_key(keys)
    upkeep.rewrap(store, store._vault, lambda done, total: told.append((done, total)))
    assert told == [(3, 8), (6, 8), (8, 8)]


# --- wrapping keys


def test_a_rotation_that_is_killed_at_every_step_ends_right_when_it_is_run_again(store, database_url, keys):
    digests = [keep(store, n) for n in range(5)]
    for step in range(14):
        old = vault_at(keys).keys.newest
        new = add_wrapping_key(keys)
        store.close()
        child = os.fork()
        if child == 0:
            try:
                _rewrap_until_killed(database_url, keys, step)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "it was to be killed"
        with closing(Store(database_url)) as again:
            again.unlock(vault_at(keys))
            _all_readable(again, digests)
            result = upkeep.rewrap(again, again._vault, still)
            assert result.by_key == {new: 6} and not result.flaws
            assert 0 <= result.moved <= 6
            _drop(keys, old)
            _all_readable(again, digests)
            assert flaws(again) == []
        with closing(Store(database_url)) as fresh:
            fresh.unlock(vault_at(keys))
            _all_readable(fresh, digests)


def _rewrap_until_killed(url, keys, step):
    """In a child: object by object; killed after so many, or inside the transaction of the next."""
    upkeep._AT_A_TIME = 1
    store = Store(url)
    store.unlock(vault_at(keys))
    done = 0

    def killed(number, _total):
        nonlocal done
        done = number
        if step % 2 == 0 and number == step // 2:
            os.kill(os.getpid(), signal.SIGKILL)

    true = Session.rewrap

    def rewrap(session, row):
        true(session, row)
        session.flush()
        if step % 2 == 1 and done == step // 2:
            os.kill(os.getpid(), signal.SIGKILL)

    Session.rewrap = rewrap
    upkeep.rewrap(store, store._vault, killed)
    os.kill(os.getpid(), signal.SIGKILL)


def _all_readable(store, digests):
    with store.read() as session:
        assert all(session.content(digest).document == BODY for digest in digests)


def _drop(keys, name):
    text = keys.read_text()
    keys.write_text("".join(line for line in text.splitlines(True) if not line.startswith(name)))


def test_it_rotates_while_others_write_and_the_old_key_can_go(store, database_url, keys):
    digests = [keep(store, n) for n in range(30)]
    old = vault_at(keys).keys.newest
    stop = threading.Event()
    added = []

    def write():
        with closing(Store(database_url)) as own:
            own.unlock(vault_at(keys))
            while not stop.is_set():
                added.append(keep(own, 30 + len(added)))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not added:  # it is at work
            stop.wait(0.001)
        add_wrapping_key(keys)
        result = upkeep.rewrap(store, store._vault, still)
    finally:
        stop.set()
        writer.join()
    assert added and not result.flaws and old not in result.by_key
    _drop(keys, old)
    _all_readable(store, digests + added)
    assert flaws(store) == []


def test_what_a_missing_key_wraps_is_named_and_the_rest_is_moved(store, database_url, keys):
    digest = keep(store)
    first = vault_at(keys).keys.newest
    kept = keys.read_text()
    add_wrapping_key(keys)
    another = keep(store, 1)
    _drop(keys, first)
    with closing(Store(database_url)) as fresh, pytest.raises(WrappingKeyMissing):
        fresh.unlock(vault_at(keys))
    newest = add_wrapping_key(keys)
    result = upkeep.rewrap(store, store._vault, still)
    assert result.by_key == {newest: 1, first: 2}
    assert (DOCUMENT, digest) in {(flaw.kind, flaw.object_id) for flaw in result.flaws}
    assert all(first in flaw.sentence for flaw in result.flaws)
    keys.write_text(keys.read_text() + kept)
    assert upkeep.rewrap(store, store._vault, still).by_key == {newest: 3}
    _all_readable(store, [digest, another])
