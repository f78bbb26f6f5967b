"""PostgreSQL as a store's database: what of it is believed, and what its going away does."""

import os
import signal
import time
from contextlib import closing

import psycopg
import pytest

from ledger.errors import StoreError
from ledger.store import Store


@pytest.fixture
def url(postgres):
    return postgres.empty_ledger()


def refusal(url):
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the URL


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql:///",
        "postgresql://ledger:PLANTED%ZZ@localhost/x",
        "postgresql://ledger:PLANTED@localhost/x?PLANTED",
        "postgresql://ledger:PLANTED@[::1/x",
        "postgresql://h/x?no_such_setting=PLANTED",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url):
    said = refusal(url)
    assert "URL" in said and "PLANTED" not in said


def test_a_server_that_is_not_there_is_one_sentence_without_the_password(tmp_path):
    said = refusal(f"postgresql://ledger:PLANTED@/customs?host={tmp_path}")
    assert f"postgresql:///customs?host={tmp_path}" in said and "No such file" in said
    assert "PLANTED" not in said and "ledger:" not in said


def test_a_database_that_is_not_there_is_told(postgres):
    assert 'database "nowhere" does not exist' in refusal(postgres.url("nowhere"))


# --- what is believed


def test_the_durability_is_ours_whatever_the_database_is_set_to(postgres, url):
    postgres.run("ALTER DATABASE ledger SET synchronous_commit = off")
    postgres.run("ALTER DATABASE ledger SET default_transaction_isolation = 'serializable'")
    try:
        with closing(Store(url)) as store:
            with store.write() as session:
                assert session._connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
                ask = session._connection.exec_driver_sql
                assert ask("SHOW transaction_isolation").scalar() == "read committed"
            with store.read() as session:
                ask = session._connection.exec_driver_sql
                assert ask("SHOW transaction_isolation").scalar() == "repeatable read"
                assert ask("SHOW transaction_read_only").scalar() == "on"
    finally:
        postgres.run("ALTER DATABASE ledger RESET ALL")


def test_a_server_that_loses_what_it_acknowledged_is_refused(postgres, url):
    def set_fsync(value):
        postgres.run(f"ALTER SYSTEM SET fsync = {value}")
        postgres.run("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute("SHOW fsync").fetchone() != (value,):
                assert time.monotonic() < deadline
                time.sleep(0.05)

    set_fsync("off")
    try:
        assert "fsync" in refusal(url)
    finally:
        set_fsync("on")
    Store(url).close()


def test_a_database_that_cannot_hold_every_letter_is_refused(postgres):
    postgres.run("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "LATIN1" in refusal(postgres.url("latin"))


# --- what its going away does


def _end_connections(url, but=()):
    """End the connections of a database, as an operator or a restart does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_connections_that_were_ended_are_made_anew(url):
    with closing(Store(url)) as store:
        with store.write() as session:
            session.begin_epoch(1)
        _end_connections(url)
        with store.write() as session:
            session.set_next_index(3)
        _end_connections(url)
        with store.read() as session:
            assert session.log().next_index == 3


def test_a_connection_that_ends_half_way_through_is_one_error_and_nothing_is_written(url):
    with closing(Store(url)) as store:
        with pytest.raises(StoreError, match="cannot be used") as caught, store.write() as session:
            session.begin_epoch(1)
            _end_connections(url)
            session.set_next_index(3)
        assert "\n" not in str(caught.value)
        with store.write() as session:
            assert session.identity() == {}
            with pytest.raises(StoreError, match="no log row"):
                session.log()


def test_a_workers_lock_that_is_lost_is_known_to_be(url):
    with closing(Store(url)) as first, closing(Store(url)) as second:
        lock = first.worker_lock()
        assert lock.is_held() and second.worker_lock() is None
        _end_connections(url)
        theirs = second.worker_lock()
        assert theirs is not None and theirs.is_held() and not lock.is_held()
        lock.close()
        assert first.worker_lock() is None
        theirs.close()


# --- the tests' own cluster


def test_the_cluster_ends_with_the_run_that_is_killed(tmp_path):
    """So that no test run, however it ends, leaves a server behind."""
    import postgres

    told = tmp_path / "told"
    child = os.fork()
    if child == 0:
        try:
            cluster = postgres.begin()
            assert cluster is not None
            told.write_text(f"{cluster.folder} {cluster.server()}")
            time.sleep(60)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 60
    while not told.exists() or " " not in told.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    folder, server = told.read_text().split()
    os.kill(int(server), 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while os.path.exists(folder) or os.path.exists(f"/proc/{server}"):
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.05)
