"""A database is of one version, which says what its tables are; a step to the next is taken whole or not at all."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from postgres_keeper import BINARIES
from sqlalchemy import Engine, event, inspect, text

from ledger import migrations, sequencing, store
from ledger.core import merkle
from ledger.database import open_database
from ledger.errors import StoreError
from ledger.store import Store
from ledger.tables import METADATA


def tables_of(url):
    """Names of the tables in a database, whoever made them."""
    with closing(open_database(url, create=True)) as database, database.reading() as connection:
        return set(inspect(connection).get_table_names())


def differences(url):
    """What Alembic would change to make the tables as `ledger/tables.py` says."""
    with closing(open_database(url)) as database, database.reading() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)


def form(url):
    """Everything a database says of its own form, but for the version's table."""
    if url.startswith("postgresql"):
        dumping = [BINARIES[-1] / "pg_dump", "--schema-only", "--exclude-table=alembic_version", url]
        dump = subprocess.run(dumping, capture_output=True, text=True, check=True).stdout
        return [
            line for line in dump.splitlines() if not line.startswith("\\")
        ]  # a token that is new each time
    with closing(open_database(url)) as database, database.reading() as connection:
        query = text("SELECT sql FROM sqlite_master WHERE tbl_name <> 'alembic_version' ORDER BY name")
        return [" ".join((row.sql or "").split()) for row in connection.execute(query)]


def test_the_steps_make_the_tables_that_the_program_knows(new_database_url):
    Store(new_database_url, create=True).close()
    assert differences(new_database_url) == []
    with closing(open_database(new_database_url)) as database, database.writing() as connection:
        connection.execute(text("ALTER TABLE manifests DROP COLUMN problem"))
    assert [change[0] for change in differences(new_database_url)] == ["add_column"]


def test_the_steps_make_what_the_tables_say_to_the_letter(new_database_url, request, tmp_path):
    Store(new_database_url, create=True).close()
    other = f"sqlite:///{tmp_path / 'other'}"
    if new_database_url.startswith("postgresql"):
        other = request.getfixturevalue("postgres").create("from_metadata")
    with closing(open_database(other, create=True)) as database, database.writing() as connection:
        METADATA.create_all(connection)
    assert form(new_database_url) == form(other)


def test_the_version_is_that_of_the_last_step():
    assert ScriptDirectory(str(migrations.FOLDER)).get_heads() == [migrations.VERSION]


@pytest.mark.parametrize(
    "statement", [r"CREATE TABLE consignments", r"CREATE INDEX .*transactions", "commit"]
)
def test_a_process_killed_while_it_makes_the_tables_leaves_none(new_database_url, statement):
    child = os.fork()
    if child == 0:
        try:
            has_begun = []

            @event.listens_for(Engine, "after_cursor_execute")
            def kill_after(_connection, _cursor, executed, *_rest):
                has_begun.extend(re.findall("INSERT INTO alembic_version", executed))
                if re.search(statement, executed):
                    os.kill(os.getpid(), signal.SIGKILL)

            @event.listens_for(Engine, "commit")
            def kill_before_commit(_connection):
                if has_begun:
                    os.kill(os.getpid(), signal.SIGKILL)

            Store(new_database_url, create=True)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it ended by itself"
    assert tables_of(new_database_url) == set()
    with pytest.raises(StoreError, match=r"no ledger in the database .* --create"):
        Store(new_database_url)
    Store(new_database_url, create=True).close()
    Store(new_database_url).close()


def test_an_empty_database_is_no_ledger_until_it_is_made_one(new_database_url):
    tables_of(new_database_url)
    with pytest.raises(StoreError, match=r"no ledger in the database .* --create"):
        Store(new_database_url)
    with pytest.raises(StoreError, match=r"no ledger in the database .* --create"):
        store.upgrade(new_database_url)
    assert tables_of(new_database_url) == set()


def test_tables_of_somebody_else_by_the_same_names_are_left_alone(new_database_url):
    with closing(open_database(new_database_url, create=True)) as database, database.writing() as connection:
        connection.execute(text("CREATE TABLE manifests (ship integer)"))
    with pytest.raises(StoreError, match="did not make them"):
        Store(new_database_url, create=True)
    assert tables_of(new_database_url) == {"manifests"}


# --- from one version to the next

_STEP = """
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.create_table("berths", sa.Column("name", sa.Text(), primary_key=True))
    op.add_column("consignments", sa.Column("berth", sa.Text()))
"""


@pytest.fixture
def become(tmp_path, monkeypatch):
    """Be the program of the next version, whose step ends with a statement: `become()`."""

    def become_next(statement=""):
        folder = tmp_path / "migrations"
        shutil.copytree(migrations.FOLDER, folder)
        (folder / "versions" / "0003_berths.py").write_text(_STEP + f"    {statement}\n")
        monkeypatch.setattr(migrations, "FOLDER", folder)
        monkeypatch.setattr(migrations, "VERSION", "0003")

    return become_next


def test_a_database_of_an_older_version_is_used_once_it_is_brought_up(new_database_url, become):
    with closing(Store(new_database_url, create=True)) as older, older.write() as session:
        session.begin_epoch(7)
    become()
    for create in (False, True):
        with pytest.raises(StoreError, match=r"version 0002, .* needs 0003: .*--upgrade"):
            Store(new_database_url, create=create)
    assert store.upgrade(new_database_url) == ("0002", "0003")
    assert store.upgrade(new_database_url) == ("0003", "0003")
    with closing(Store(new_database_url)) as newer, newer.read() as session:
        assert session.log().epoch == 7
    assert "berths" in tables_of(new_database_url)


def test_a_database_of_a_newer_version_is_refused(new_database_url, become, monkeypatch):
    become()
    Store(new_database_url, create=True).close()
    monkeypatch.undo()
    for use in (Store, store.upgrade):
        with pytest.raises(StoreError, match="version 0003, which this program does not know"):
            use(new_database_url)


def test_a_step_that_fails_half_way_changes_nothing(new_database_url, become):
    Store(new_database_url, create=True).close()
    before = form(new_database_url)
    become("op.execute('INSERT INTO nowhere VALUES (1)')")
    with pytest.raises(StoreError, match="nowhere"):
        store.upgrade(new_database_url)
    assert form(new_database_url) == before
    with pytest.raises(StoreError, match="version 0002"):
        Store(new_database_url)


def test_nothing_is_changed_under_a_worker(new_database_url, become):
    with closing(Store(new_database_url, create=True)) as older:
        lock = older.worker_lock()
        become()
        with pytest.raises(StoreError, match="stop the service"):
            store.upgrade(new_database_url)
        lock.close()
        assert store.upgrade(new_database_url) == ("0002", "0003")


# --- what the second step makes of the log's tree, which had a row for each node


def made_by_the_first(url, epochs):
    """A database as the first version's program left it: for each epoch of the log, its leaves."""
    with closing(open_database(url, create=True)) as database, database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrations.FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        newest = max(epochs)
        connection.execute(
            text("INSERT INTO log (id, epoch, next_index, sequenced) VALUES (1, :epoch, :size, :size)"),
            {"epoch": newest, "size": len(epochs[newest])},
        )
        rows = [
            {"epoch": epoch, "level": level, "position": position, "hash": node}
            for epoch, leaves in epochs.items()
            for (level, position), node in merkle.complete_nodes(leaves).items()
        ]
        connection.execute(
            text(
                "INSERT INTO nodes (epoch, level, position, hash) VALUES (:epoch, :level, :position, :hash)"
            ),
            rows,
        )


def require_tree(opened, epoch, leaves):
    """Everything that is asked of a log: its heads, proofs in it, and that it goes on."""
    size = len(leaves)
    with opened.read() as session:
        for at in (1, 64, size // 3, size):
            assert sequencing.root_at(session, epoch, at) == merkle.root(leaves[:at])
            for index in (0, at // 2, at - 1):
                path = sequencing.inclusion_path(session, epoch, index, at)
                merkle.verify_inclusion(leaves[index], index, at, path, merkle.root(leaves[:at]))
            path = sequencing.consistency_path(session, epoch, at, size)
            merkle.verify_consistency(at, merkle.root(leaves[:at]), size, merkle.root(leaves), path)


OLD, NEW = ([merkle.hash_leaf(b"%d of %d" % (at, epoch)) for at in range(4500 * epoch)] for epoch in (1, 2))


def test_a_log_of_the_first_version_goes_on_in_the_second(new_database_url):
    made_by_the_first(new_database_url, {1: OLD, 2: NEW[:-300]})
    assert store.upgrade(new_database_url) == ("0001", migrations.VERSION)
    with closing(Store(new_database_url)) as opened:
        require_tree(opened, 1, OLD)
        require_tree(opened, 2, NEW[:-300])
        with opened.write() as session:
            sequencing.append(session, 2, len(NEW) - 300, NEW[-300:])
        require_tree(opened, 2, NEW)
    assert differences(new_database_url) == []


def test_an_upgrade_that_is_killed_half_way_has_done_nothing_and_is_done_again(new_database_url):
    made_by_the_first(new_database_url, {1: OLD})
    before = form(new_database_url)
    child = os.fork()
    if child == 0:
        try:

            @event.listens_for(Engine, "after_cursor_execute")
            def kill_after(_connection, _cursor, executed, *_rest):
                if "INSERT INTO tiles" in executed:
                    os.kill(os.getpid(), signal.SIGKILL)

            store.upgrade(new_database_url)
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it ended by itself"
    assert form(new_database_url) == before
    with pytest.raises(StoreError, match="--upgrade"):
        Store(new_database_url)
    store.upgrade(new_database_url)
    with closing(Store(new_database_url)) as opened:
        require_tree(opened, 1, OLD)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM nodes WHERE level = 2 AND position = 7", "lacks a node before node"),
        ("UPDATE nodes SET level = 50 WHERE level = 7 AND position = 0", "belong to a tree"),
        ("UPDATE nodes SET position = -3 WHERE level = 7 AND position = 0", "belong to a tree"),
        ("UPDATE nodes SET hash = leaf FROM (SELECT {} AS leaf) AS w WHERE level = 1", "another length"),
    ],
)
def test_a_tree_that_is_damaged_is_left_as_it_is(new_database_url, damage, said):
    made_by_the_first(new_database_url, {1: OLD[:128]})
    short = r"'\x00'::bytea" if new_database_url.startswith("postgresql") else "x'00'"
    with closing(open_database(new_database_url)) as database, database.writing() as connection:
        connection.exec_driver_sql(damage.format(short))
    before = form(new_database_url)
    with pytest.raises(StoreError, match=said):
        store.upgrade(new_database_url)
    assert form(new_database_url) == before
