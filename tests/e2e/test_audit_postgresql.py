"""The auditor beside a service on PostgreSQL: the comparison and the questions, on a database that goes on working."""

import contextlib

import asked_life
import ledger_at_work
import psycopg
import pytest
import sqlalchemy
from audit_life import party, replayed, trust_for

import ledger.serving.working
from ledger import tables as t
from ledger.audit import compare, questions
from ledger.audit.citing import NodeCiting
from ledger.audit.papers import Reading
from ledger.audit.replayed import ReplayedChronicle
from ledger.chain import Chain
from ledger.errors import StoreError
from ledger.store import Store
from ledger.vault import add_wrapping_key


@pytest.fixture(scope="module")
def life(network, postgres, tmp_path_factory):
    """The life that questions are asked of, kept in PostgreSQL."""
    folder = tmp_path_factory.mktemp("asked")
    with pytest.MonkeyPatch.context() as patch, contextlib.closing(ledger_at_work.controls(network)) as anvil:
        patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
        url = postgres.create("audited")
        add_wrapping_key(folder / "keys")
        changes = {"database_url": url, "wrapping_keys_file": folder / "keys"}
        desk = ledger_at_work.open_ledger(network, anvil, folder / "none.sqlite3", **changes)
        with contextlib.closing(desk.ledger):
            desk.settle()
            yield asked_life.live(desk)


@pytest.fixture
def replay(life):
    with replayed(life.desk.profile, trust_for(life.desk.profile)) as result:
        assert result.digest is not None
        yield result


def change(desk, *statements):
    with desk.ledger._store.write() as session:
        for statement in statements:
            session._connection.execute(statement)


def test_the_service_on_postgresql_gives_the_answers_that_a_replay_gives(life, replay):
    box, officer = life.box.consignment, bytes.fromhex(life.officer.removeprefix("0x"))
    asked_of = [
        ("holder", {"consignment": box, "at": life.times["departure"]}),
        ("allowed", {"party": party("SG"), "at": life.compromised}),
        ("signed-since", {"account": officer}),
        ("amended", {}),
        ("released-before", {"consignment": box, "at": life.times["accept"]}),
        ("moved-while-held", {}),
        ("disputed", {}),
        ("disputed", {"limit": 1}),
        ("late-records", {"over_seconds": 0}),
    ]
    with contextlib.closing(Chain(life.desk.profile)) as chain:
        chronicle = ReplayedChronicle(replay, Reading(), NodeCiting(chain))
        for question, about in asked_of:
            asked = questions.Asked(**about)
            told = questions.ask(chronicle, question, asked).to_json()
            service = life.desk.ledger.ask(question, asked).model_dump(mode="json", by_alias=True)
            assert told["rows"] != [], question
            for part in ("question", "asked", "more"):
                assert service[part] == told[part], (question, part)
            # the service holds the documents, this replay none: what stands in them is not compared
            for ours, theirs in zip(told["rows"], service["rows"], strict=True):
                named = (
                    "record",
                    "consignment",
                    "account",
                    "time",
                    "kind",
                    "relation",
                    "then",
                    "now",
                    "holder",
                )
                for name in (each for each in named if each in ours["facts"]):
                    assert theirs["facts"][name] == ours["facts"][name], (question, name)


def test_a_comparison_reads_one_snapshot_and_holds_nobody_up(life, replay):
    desk, url = life.desk, life.desk.config.database_url
    assert list(compare.database(replay, desk.ledger._store)) == []
    custody = t.chain_custody
    change(desk, sqlalchemy.update(custody).where(custody.c.sequence == 4).values(accepted_at=1))
    change(desk, sqlalchemy.delete(custody).where(custody.c.sequence == 6))
    with contextlib.closing(Store(url)) as store:
        found = compare.database(replay, store)
        first = next(found)  # it has its snapshot, and is not at its end
        with psycopg.connect(url, autocommit=True) as other:
            others = "pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            modes = other.execute(
                f"SELECT DISTINCT mode FROM pg_locks WHERE locktype = 'relation' AND {others}"
            )
            assert {mode for (mode,) in modes} == {"AccessShareLock"}
        opened = desk.opened()  # the service goes on meanwhile, and nothing of it is in the snapshot
        desk.settle()
        assert desk.ledger.consignment(opened.consignment).custodian == "SG:ACME01"
        assert [each.kind for each in (first, *found)] == ["changed", "missing"]
        with pytest.raises(StoreError, match="read-only"), store.snapshot(None) as session:
            session.set_next_index(0)


def test_a_database_of_another_chain_is_refused_on_postgresql_too(life, replay, postgres):
    with contextlib.closing(Store(life.desk.config.database_url)) as store:
        with store.write() as session:
            before = session.identity()["genesis_hash"]
            session.set_identity({"genesis_hash": "0x" + "00" * 32})
        try:
            with pytest.raises(StoreError, match="of another chain"):
                list(compare.database(replay, store))
        finally:
            with store.write() as session:
                session.set_identity({"genesis_hash": before})
