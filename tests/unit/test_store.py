"""One writer at a time, whole or not at all, and every trouble of the database one error."""

import fcntl
import os
import secrets
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete
from vaults import unlocked_store

import ledger.database
import ledger.rows.chain
from ledger import sequencing
from ledger import tables as t
from ledger.core import merkle, records
from ledger.core.records import CustodyRecord
from ledger.errors import NotFound, StoreError
from ledger.rows.custody import decode_custody, encode_custody
from ledger.store import Store


@pytest.fixture
def store(database_url, tmp_path):
    with unlocked_store(database_url, tmp_path) as store:
        with store.write() as session:
            session.begin_epoch(1)
        yield store


def manifest_row(index, epoch=1, **changes):
    return {
        "digest": secrets.token_bytes(32),
        "manifest_id": secrets.token_bytes(32),
        "epoch": epoch,
        "log_index": index,
        "leaf": secrets.token_bytes(188),
        "signer": bytes(20),
        "party": b"SG:ACME01".ljust(16, b"\0"),
        "consignment": bytes(32),
        "supersedes": None,
        "seen": True,
        "accepted_at": 1,
        "promise_epoch": epoch,
        "promise_index": index,
        "anchor_by": 2,
        "promise_signer": bytes(20),
        "promise_signature": bytes(65),
        "closing": None,
        "closing_transaction": None,
        "problem": None,
    } | changes


def accept(store, count, **changes):
    """Take leaves in as the ledger does: index and row in one transaction."""
    with store.write() as session:
        first = session.log().next_index
        rows = [manifest_row(first + i, session.log().epoch, **changes) for i in range(count)]
        session.add_manifests(rows)
        session.set_next_index(first + count)
    return rows


uint64 = st.integers(0, 2**64 - 1)
bytes32 = st.binary(min_size=32, max_size=32)
bytes16 = st.binary(min_size=16, max_size=16)


@given(
    st.builds(
        CustodyRecord,
        bytes32,
        st.integers(0, 255),
        bytes16,
        bytes32,
        bytes32,
        bytes32,
        bytes16,
        uint64,
        uint64,
    )
)
def test_a_record_comes_out_of_the_store_as_it_went_in(record):
    assert len(encode_custody(record)) == 177
    assert decode_custody(encode_custody(record)) == record


# --- opening


def test_a_database_is_made_only_when_that_is_asked_for(tmp_path):
    path = tmp_path / "deep" / "ledger.sqlite3"
    with pytest.raises(StoreError, match="--create"):
        Store(f"sqlite:///{path}")
    assert not path.parent.exists()
    Store(f"sqlite:///{path}", create=True).close()
    Store(f"sqlite:///{path}").close()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql+psycopg://h/d", "", "x"]
)
def test_a_url_of_another_kind_is_refused(url):
    with pytest.raises(StoreError, match=r"use sqlite:///path or postgresql://"):
        Store(url, create=True)


def test_a_path_is_taken_as_it_is_written(tmp_path):
    path = tmp_path / "a?b=c%20d#e.sqlite3"
    Store(f"sqlite:///{path}", create=True).close()
    assert path.exists()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear customs, " * 1_000)
    with pytest.raises(StoreError, match="not a database"):
        Store(f"sqlite:///{path}")
    assert path.read_text().startswith("Dear customs")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        Store(f"sqlite:///{tmp_path / 'file' / 'ledger.sqlite3'}", create=True)


def test_many_processes_may_make_the_same_database_at_once(new_database_url):
    begin = time.time() + 0.3
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                time.sleep(max(0, begin - time.time()))
                Store(new_database_url, create=True)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.WEXITSTATUS(os.waitpid(child, 0)[1]) for child in children] == [0] * 6


def test_a_new_file_that_another_process_is_writing_to_is_waited_for(tmp_path):
    """Whoever makes the database first locks it for a moment, for which SQLite itself does not wait."""
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = threading.Event()
        release = threading.Timer(0.3, lambda: (begun.set(), other.execute("COMMIT")))
        release.start()
        with closing(Store(f"sqlite:///{path}", create=True)) as store, store.read() as session:
            assert begun.is_set()
            assert session.version() is not None
        release.join()


# --- transactions


def test_what_fails_half_way_is_not_written(store):
    with pytest.raises(RuntimeError), store.write() as session:
        session.add_manifests([manifest_row(0)])
        session.set_next_index(1)
        raise RuntimeError
    with store.read() as session:
        assert session.log().next_index == 0
        assert session.manifests_where(limit=10) == []


def test_a_reader_sees_one_moment(store):
    accept(store, 1)
    with store.read() as session:
        assert session.log().next_index == 1
        accept(store, 1)
        assert session.log().next_index == 1
        assert len(session.manifests_where(limit=10)) == 1
    with store.read() as session:
        assert session.log().next_index == 2


def test_forty_writers_at_once_give_out_each_index_once(store):
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda _: accept(store, 3), range(80)))
    with store.read() as session:
        rows = session.manifests_where(limit=1_000)
        assert [row.log_index for row in rows] == list(range(240))
        assert session.log().next_index == 240


def test_a_writer_that_waits_too_long_for_its_turn_is_told_and_may_come_again(database_url, monkeypatch):
    with closing(Store(database_url, create=True)) as first:
        monkeypatch.setattr(ledger.database, "WAIT_SECONDS", 0.1)
        with closing(Store(database_url)) as second:
            with first.write() as session:
                session.begin_epoch(7)
                with pytest.raises(StoreError, match=r"locked|lock timeout"), second.write():
                    pass
            with second.write() as session:
                assert session.log().epoch == 7


def test_a_writer_reads_what_the_writer_before_it_wrote(database_url, store):
    """Also where it began to wait for its turn while that one was still writing."""
    waiting = threading.Event()

    def write_next():
        with closing(Store(database_url)) as other:
            waiting.set()
            with other.write() as session:
                session.set_next_index(session.log().next_index + 1)

    with ThreadPoolExecutor(1) as pool:
        with store.write() as session:
            after = pool.submit(write_next)
            assert waiting.wait(10)
            time.sleep(0.2)
            session.set_next_index(41)
        after.result(30)
    with store.read() as session:
        assert session.log().next_index == 42


def waits_for_its_turn(database_url):
    """Whether a writer of the database stands in line; there is another that has the turn."""
    if database_url.startswith("sqlite"):
        with open(database_url.removeprefix("sqlite:///") + ".turn") as line:
            try:
                fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False
    with psycopg.connect(database_url) as connection:
        return bool(connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())


def test_a_writer_that_waits_has_its_turn_before_the_one_that_had_it_has_it_again(database_url, store):
    """However fast that one comes back: neither process keeps the other from writing."""
    turns = []

    def write_next():
        with closing(Store(database_url)) as other, other.write():
            turns.append("the one that waited")

    for _ in range(5):
        with ThreadPoolExecutor(1) as pool:
            with store.write():
                waiting = pool.submit(write_next)
                deadline = time.monotonic() + 20
                while not waits_for_its_turn(database_url):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            with store.write():
                turns.append("the one that had it")
            waiting.result(30)
    assert turns == ["the one that waited", "the one that had it"] * 5


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_who_stands_still_in_line_keeps_nobody_from_writing(database_url, store, monkeypatch):
    """A process that was stopped while it waited, say."""
    monkeypatch.setattr(ledger.database, "_LINE_SECONDS", 0.1)
    with open(database_url.removeprefix("sqlite:///") + ".turn") as line:
        fcntl.flock(line, fcntl.LOCK_EX)
        goes_on = threading.Timer(20, fcntl.flock, (line, fcntl.LOCK_UN))
        goes_on.start()
        accept(store, 1)
        assert goes_on.is_alive(), "it was waited for"
        goes_on.cancel()
        goes_on.join()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_written_comes_out_of_the_log_beside_the_writers_and_all_is_there(database_url, store):
    """So that it is short, and starts anew, though no writer ever has to do that."""
    log = Path(database_url.removeprefix("sqlite:///") + "-wal")
    accept(store, 500)
    store.tidy()
    length = log.stat().st_size
    for _ in range(20):
        accept(store, 100)
        with store.read():  # nor does a reader of what is newest keep it from that
            store.tidy()
    assert log.stat().st_size <= length
    with store.read() as session:
        assert [row.log_index for row in session.manifests_where(limit=10**4)] == list(range(2_500))


def test_the_same_manifest_twice_is_one_error_and_neither_is_written(store):
    row = manifest_row(0)
    with pytest.raises(StoreError, match=r"(?i)unique constraint") as caught, store.write() as session:
        session.add_manifests([row])
        session.add_manifests([row | {"digest": secrets.token_bytes(32), "log_index": 1}])
    for secret in (row["leaf"], row["manifest_id"]):
        assert secret.hex() not in str(caught.value) and repr(secret) not in str(caught.value)
    with store.read() as session:
        assert session.manifests_where(limit=10) == []


def test_rows_of_one_write_come_back_as_they_were_whatever_stands_beside_them(store):
    rows = [
        manifest_row(0),
        manifest_row(
            2**40, seen=False, closing="waiting", supersedes=b"\xff" * 32, problem="{\"ü\": '\\\\'}"
        ),
        manifest_row(7, manifest_id=None, closing_transaction=bytes(32), leaf=b""),
    ]
    with store.write() as session:
        session.add_manifests(rows)
    with store.read() as session:
        for row in rows:
            assert dict(session.manifest(row["digest"])._mapping) == row


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_text_that_is_too_long_is_refused_and_not_cut(store):
    with pytest.raises(StoreError, match="too long"), store.write() as session:
        session.add_manifests([manifest_row(0), manifest_row(1, closing="waiting, still")])
    with store.read() as session:
        assert session.manifests_where(limit=10) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_one_error_and_the_store_goes_on_when_there_is_room(store):
    accept(store, 1)
    with store.write() as session:
        pages = session._connection.exec_driver_sql("PRAGMA page_count").scalar()
        session._connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="full"), store.write() as session:
        session.add_content(bytes(32), bytes(32), b"x" * 1_000_000, bytes(32))
    with store.read() as session:
        session._connection.exec_driver_sql("PRAGMA max_page_count=1000000")
        assert session.content(bytes(32)) is None
    for _ in range(4):  # whichever connection of the pool it is
        accept(store, 1)


def test_writes_are_durable_before_they_return(store):
    """The settings that make it so: without them a power cut loses what was promised."""
    with store.write() as session:
        ask = session._connection.exec_driver_sql
        if session._connection.dialect.name == "sqlite":
            assert ask("PRAGMA journal_mode").scalar() == "wal"
            assert ask("PRAGMA synchronous").scalar() == 2
        else:
            assert ask("SHOW fsync").scalar() == "on"
            assert ask("SHOW synchronous_commit").scalar() == "on"


def test_a_writer_killed_at_any_moment_leaves_whole_transactions(database_url, store):
    store.close()
    for turn in range(8):
        hears, tells = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                own = Store(database_url)
                while True:
                    accept(own, 5)
                    os.write(tells, b".")
            finally:
                os._exit(0)
        os.close(tells)
        assert os.read(hears, 1)  # it is at work
        time.sleep(0.01 * turn)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(hears)
    with store.read() as session:
        next_index = session.log().next_index
        assert next_index % 5 == 0 and next_index > 0
        assert [row.log_index for row in session.manifests_where(limit=10**6)] == list(range(next_index))


def test_one_worker_has_the_lock_until_it_ends(database_url, store):
    child = os.fork()
    if child == 0:
        own = Store(database_url)
        while (kept := own.worker_lock()) is None:  # as we try it too, it may come just then
            time.sleep(0.01)
        time.sleep(600)
        os._exit(kept is None)
    deadline = time.monotonic() + 60
    try:
        while (mine := store.worker_lock()) is not None:
            mine.close()
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    killed = time.monotonic()
    while (mine := store.worker_lock()) is None:  # the server notices the closed connection, not the death
        assert time.monotonic() < killed + 10
        time.sleep(0.01)
    assert mine.is_held()
    mine.close()


# --- queries


def test_pages_of_manifests_join_without_a_gap_and_an_unknown_place_is_refused(store):
    rows = accept(store, 7)
    with store.read() as session:
        seen, after = [], None
        while page := session.manifests_where(after=after, limit=3):
            seen += [row.digest for row in page]
            after = page[-1].digest
        assert seen == [row["digest"] for row in rows]
        with pytest.raises(NotFound):
            session.manifests_where(after=secrets.token_bytes(32), limit=3)


def test_leaves_move_to_the_next_epoch_in_their_order(store):
    rows = accept(store, 5)
    with store.write() as session:
        assert session.move_leaves(1, 2, 2) == 3
        session.begin_epoch(2)
        session.set_next_index(3)
        assert [row.leaf for row in session.leaves(2, 0, 9)] == [row["leaf"] for row in rows[2:]]
        assert [row.leaf for row in session.leaves(1, 0, 9)] == [row["leaf"] for row in rows[:2]]
        assert session.waiting_manifests() == 3


def test_thousands_of_consignments_are_asked_for_at_once(store):
    ids = [i.to_bytes(32, "big") for i in range(12_000)]
    with store.read() as session:
        assert session.chain_custody_of(ids) == []
        assert session.unfinished_custody(ids) == []
        assert session.contents(ids) == ({}, set())
        assert session.records_of_manifests(ids) == {}


def test_search_terms_are_kept_once(store):
    with store.write() as session:
        session.add_search_terms(bytes(32), b"a", [("seal", "A1"), ("seal", "A1"), ("container", "A1")])
        session.add_search_terms(bytes(32), b"a", [("seal", "A1")])
        session.add_search_terms(bytes(32), b"b", [("seal", "A1")])
        session.add_search_terms(bytes(32), b"c", [])
        assert session.consignments_with_term("seal", "A1") == [bytes(32)]
        assert session.consignments_with_term("container", "A1") == [bytes(32)]
        assert session.consignments_with_term("seal", "a1") == []


def _block(session, number):
    session.add_block(number, number.to_bytes(32, "big"), number)


def test_a_rewind_takes_back_what_came_after_and_is_counted(store):
    with store.write() as session:
        for number in (5, 6, 7):
            _block(session, number)
            session.add_event(
                {
                    "contract": "ManifestLog",
                    "sequence": number,
                    "name": "LogRestarted",
                    "block_number": number,
                    "block_hash": bytes(32),
                    "transaction_hash": bytes(32),
                    "log_index": 0,
                    "at": number,
                },
                {"administration": b"SG".ljust(8, b"\0")},
            )
        assert session.restarts(b"SG".ljust(8, b"\0"), 6) == 2
        assert session.restarts(b"NL".ljust(8, b"\0"), 7) == 0
        assert session.last_place("ManifestLog") == 7 and session.last_place("ConsignmentLedger") is None
        session.rewind(5)
        assert session.cursor().number == 5
        assert session.last_sequence("ManifestLog") == 5
        assert session.identity()["rewinds"] == "1"


def test_only_the_newest_blocks_hashes_are_kept(store, monkeypatch):
    monkeypatch.setattr(ledger.rows.chain, "KEPT_BLOCKS", 10)
    with store.write() as session:
        for number in range(1, 257):
            _block(session, number)
        assert session.oldest_block() == 246


# --- the tree that is kept


@pytest.mark.parametrize("batches", [[1], [2, 1, 4], [1] * 9, [64], [63, 1, 1, 65], [100, 28, 3]])
def test_the_tree_that_is_kept_is_the_tree_of_its_leaves(store, batches):
    leaves, roots = [], {}
    for count in batches:
        leaves += [records.leaf_hash(row["leaf"]) for row in accept(store, count)]
        assert sequencing.extend(store) == count
        roots[len(leaves)] = merkle.root(leaves)
    assert sequencing.extend(store) == 0
    with store.read() as session:
        for size in range(1, len(leaves) + 1):
            root = sequencing.root_at(session, 1, size)
            assert root == merkle.root(leaves[:size])
            for index in {0, size // 2, size - 1}:
                path = sequencing.inclusion_path(session, 1, index, size)
                merkle.verify_inclusion(leaves[index], index, size, path, root)
            for first in {1, (size + 1) // 2, size}:
                path = sequencing.consistency_path(session, 1, first, size)
                merkle.verify_consistency(first, merkle.root(leaves[:first]), size, root, path)


def test_leaves_are_taken_in_batches_that_join(store, monkeypatch):
    monkeypatch.setattr(sequencing, "BATCH_LEAVES", 4)
    leaves = [records.leaf_hash(row["leaf"]) for row in accept(store, 10)]
    assert [sequencing.extend(store) for _ in range(4)] == [4, 4, 2, 0]
    with store.read() as session:
        assert sequencing.root_at(session, 1, 10) == merkle.root(leaves)


def test_a_leaf_that_is_missing_stops_the_log(store):
    rows = accept(store, 3)
    with store.write() as session:
        session._connection.execute(delete(t.manifests).where(t.manifests.c.digest == rows[1]["digest"]))
    with pytest.raises(StoreError, match="damaged"):
        sequencing.extend(store)
    with store.read() as session:
        assert session.log().sequenced == 0


def test_a_node_of_the_tree_that_is_missing_is_told(store):
    accept(store, 4)
    sequencing.extend(store)
    with store.write() as session:
        session._connection.execute(delete(t.tiles))
    with store.read() as session, pytest.raises(StoreError, match="node 0 of level 2 is missing"):
        sequencing.root_at(session, 1, 4)


def test_readers_and_a_writer_do_not_wait_for_each_other(store):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            accept(store, 1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        began = time.monotonic()
        for _ in range(50):
            with store.read() as session:
                assert len(session.manifests_where(limit=10**6)) == session.log().next_index
        assert time.monotonic() - began < 20
    finally:
        stop.set()
        writer.join()
