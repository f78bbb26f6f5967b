"""What a service goes through is no corruption; and what is one is found on PostgreSQL too."""

import contextlib
import dataclasses
import shlex
from dataclasses import replace

import audit_life
import faulty_node
import psycopg
import pytest
import sqlalchemy
from fsck_life import told
from ledger_at_work import anchor_foreign

import ledger.serving.working
from ledger import tables as t
from ledger.audit.fsck.run import Wanted, fsck, judging, look
from ledger.core.records import CustodyKind as K
from ledger.errors import StoreError
from ledger.store import Store
from ledger.vault import add_wrapping_key


@contextlib.contextmanager
def unseen(_name, _steps):
    yield lambda *_: None


@pytest.fixture
def wanted(founded, wrapping_keys):
    return Wanted(founded.profile, audit_life.trust_for(founded.profile), wrapping_keys)


@pytest.fixture
def wrapping_keys(founded, tmp_path):
    path = tmp_path / "wrapping-keys"
    add_wrapping_key(path)
    return path


@pytest.fixture
def node(founded):
    with faulty_node.before(founded.chain.url) as node:
        yield node


@pytest.fixture
def troubled(founded, node, open_ledger, wrapping_keys, tmp_path):
    """A ledger whose node may do wrong."""
    return open_ledger(
        profile=dataclasses.replace(founded.profile, rpc_url=node.url),
        database_url=f"sqlite:///{tmp_path / 'troubled.sqlite3'}",
        wrapping_keys_file=wrapping_keys,
    )


def clean(desk, wanted):
    """Look through it while it is open, and find nothing; what is said of it."""
    desk.anvil.mine(desk.profile.confirmations + 2)
    desk.settle()
    with contextlib.closing(Store(desk.config.database_url)) as store:
        outcome = fsck(store, wanted, unseen)
    assert (outcome.found, outcome.verdict) == ([], "VALID"), told(outcome) + "\n".join(outcome.unchecked)
    return outcome


def test_what_a_service_goes_through_is_no_corruption(troubled, node, wanted):
    desk = troubled
    desk.settle()
    box = desk.opened_and_settled()
    desk.recorded(K.SEAL, "exporter", box.consignment)
    desk.turn()  # sent, and taken by a block
    desk.anvil.mine(3)
    desk.work()
    desk.anvil.reorganise(3)  # the same blocks with none of their transactions
    desk.settle()
    clean(desk, wanted)

    swallowing = faulty_node.Swallowing(node)
    desk.recorded(K.SEAL, "exporter", box.consignment)
    for _ in range(3):  # sent, sent again, replaced on its nonce by a better one
        desk.turn()
        desk.anvil.mine(5)
    node.fault, node.withheld = None, set()
    assert len(swallowing.raw) == 3
    desk.settle()
    with desk.ledger._store.read() as session:
        assert {row.state for row in session.every(t.transactions)} >= {"outrun", "final"}
    clean(desk, wanted)

    desk.lodged()
    desk.settle()
    desk.lodged()
    anchor_foreign(desk, 9)
    desk.settle()
    outcome = clean(desk, wanted)
    assert any("not of this tree" in each for each in outcome.notes)
    desk.send("ManifestLog", "restart", b"SG".ljust(8, b"\0"), 1, role="governor")
    desk.anvil.mine(3)
    desk.settle()
    desk.lodged()
    desk.settle()
    outcome = clean(desk, wanted)
    assert not outcome.notes


def test_a_promise_whose_time_passed_without_a_head_is_named(troubled, wanted, monkeypatch):
    desk = troubled
    desk.settle()
    desk.lodged()
    desk.settle()
    monkeypatch.setattr(
        ledger.serving.working, "SEQUENCE_SECONDS", 1e9
    )  # accepted and promised, and nothing anchors it
    left = desk.lodged()
    clean(desk, wanted)
    desk.anvil.ask("evm_increaseTime", hex(desk.config.promise_seconds + 5))
    desk.anvil.mine(desk.profile.confirmations + 2)
    desk.work()
    with contextlib.closing(Store(desk.config.database_url)) as store:
        outcome = fsck(store, wanted, unseen)
    (broken,) = outcome.found
    assert outcome.verdict == "INVALID" and (broken.kind, broken.where) == ("missing", "manifests")
    digest = left.record.digest(desk.profile.log_domain)
    assert broken.id == "0x" + digest.hex() and "index 1 of epoch 1 was to be anchored by" in broken.what
    monkeypatch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
    desk.settle()
    outcome = clean(desk, wanted)
    assert any("1 promises were kept late" in each for each in outcome.notes)


def change(store, statement):
    with store.write() as session:
        assert session._connection.execute(statement).rowcount


def flipped(data):
    return data[:-1] + bytes((data[-1] ^ 1,))


def bit(table, column, **where):
    def damage(store):
        with store.read() as session:
            row = session.first(table, **where)
        key = (each == getattr(row, each.name) for each in table.primary_key.columns)
        value = flipped(getattr(row, column))
        change(store, sqlalchemy.update(table).where(*key).values(**{column: value}))

    return damage


ON_POSTGRESQL = {
    "a bit of a record of the chain": (bit(t.chain_custody, "body"), "chain_custody"),
    "a head taken out": (lambda store: change(store, sqlalchemy.delete(t.chain_heads)), "chain_heads"),
    "a bit of a node": (bit(t.tiles, "hashes"), "tiles"),
    "a bit of a leaf": (bit(t.manifests, "leaf"), "manifests"),
    "a bit of a document": (bit(t.sealed_objects, "body", kind="document"), "sealed_objects"),
    "a bit of a sent transaction": (bit(t.transactions, "raw"), "transactions"),
    "an accepted record to be sent again": (
        lambda store: change(store, sqlalchemy.update(t.custody).values(state="waiting")),
        "custody",
    ),
    "an event for another party's eyes": (
        lambda store: change(
            store,
            sqlalchemy.update(t.feed).where(t.feed.c.kind == "custody.open").values(party=b"X" * 16),
        ),
        "feed",
    ),
}


def test_corruptions_are_found_on_postgresql_and_what_derives_from_the_chain_is_put_right(
    founded, open_ledger, postgres, wrapping_keys, wanted
):
    desk = open_ledger(database_url=postgres.create("fsck"), wrapping_keys_file=wrapping_keys)
    desk.settle()
    desk.opened_and_settled()
    clean(desk, wanted)
    url = desk.config.database_url
    desk.ledger.close()
    with contextlib.closing(Store(url)) as store, judging(wanted, unseen) as judged:
        for name, (damage, table) in ON_POSTGRESQL.items():
            damage(store)
            outcome = look(store, wanted, judged, unseen)
            here = [each for each in outcome.found if each.where == table]
            assert here, f"{name}: {told(outcome)}"
            program, _, _, query = shlex.split(here[0].command)
            assert program == "psql"
            with psycopg.connect(url) as connection:
                connection.execute(query).fetchall()
        outcome = look(store, replace(wanted, repairs=True), judged, unseen)
        assert {each.where for each in outcome.repaired} == {"chain_custody", "chain_heads"}
        assert {each.where for each in outcome.found} == {table for _, table in ON_POSTGRESQL.values()} - {
            "chain_custody",
            "chain_heads",
        }
        with pytest.raises(StoreError, match="read-only"), store.snapshot(None) as session:
            session.set_next_index(0)
