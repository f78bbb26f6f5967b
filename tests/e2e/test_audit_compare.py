"""Replay, contract storage and database side by side: all agree, and each planted difference is named by its kind."""

import contextlib
import json

import audit_life
import pytest
import sqlalchemy
from audit_life import trust_for
from typer.testing import CliRunner

from ledger import tables as t
from ledger.audit import compare
from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.chain import Chain
from ledger.cli.main import app
from ledger.core import slots
from ledger.errors import StoreError


@pytest.fixture
def audited(singapore):
    audit_life.live(singapore)
    return singapore


def differences(desk):
    """What the database and storage have otherwise."""
    with (
        contextlib.closing(NodeSource(Chain(desk.profile))) as source,
        replay(source, Settings(trust_for(desk.profile))) as replayed,
    ):
        chain = desk.ledger._chain
        return list(compare.storage(replayed, chain)), list(compare.database(replayed, desk.ledger._store))


def change(desk, *statements):
    with desk.ledger._store.write() as session:
        for statement in statements:
            session._connection.execute(statement)


def test_all_three_agree_on_what_happened(audited, tmp_path, monkeypatch):
    assert differences(audited) == ([], [])
    audited.profile.save(tmp_path / "profile.json")
    (tmp_path / "trust.json").write_bytes(trust_for(audited.profile).encode())
    words = ["audit", "compare", "--trust", str(tmp_path / "trust.json")]
    words += ["--profile", str(tmp_path / "profile.json"), "--database", audited.config.database_url]
    result = CliRunner().invoke(app, [*words, "--json"], prog_name="cargo-ledger")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["compared"] == ["blocks", "contract storage", "database"]
    change(audited, sqlalchemy.delete(t.chain_custody).where(t.chain_custody.c.sequence == 3))
    result = CliRunner().invoke(app, words, prog_name="cargo-ledger")
    assert result.exit_code == 1
    assert "missing" in result.output and "1 difference." in result.output


CUSTODY, CLOSURES, HEADS = t.chain_custody, t.chain_closures, t.chain_heads
PLANTED = {
    "a record missing": (
        [sqlalchemy.delete(CUSTODY).where(CUSTODY.c.sequence == 5)],
        [("missing", "record 5")],
    ),
    "a record changed": (
        [sqlalchemy.update(CUSTODY).where(CUSTODY.c.sequence == 4).values(accepted_at=1)],
        [("changed", "record 4")],
    ),
    "a record of another block": (
        [sqlalchemy.update(CUSTODY).where(CUSTODY.c.sequence == 4).values(block_number=1)],
        [("changed", "record 4")],
    ),
    "two records exchanged": (
        [
            sqlalchemy.update(CUSTODY).where(CUSTODY.c.sequence == old).values(sequence=new)
            for old, new in ((4, 99), (5, 4), (99, 5))
        ],
        [("out of order", "record 4"), ("out of order", "record 5")],
    ),
    "a record too many": (
        [
            CUSTODY.insert().values(
                sequence=50,
                digest=b"\x01" * 32,
                consignment=b"\x02" * 32,
                other=None,
                kind=1,
                log_index=0,
                signer=b"\x03" * 20,
                body=bytes(177),
                signature=bytes(65),
                accepted_at=1,
                block_number=9,
                transaction_hash=bytes(32),
            )
        ],
        [("extra", "record 50")],
    ),
    "a closure missing": ([sqlalchemy.delete(CLOSURES)], [("missing", "closure")]),
    "a closure changed": ([sqlalchemy.update(CLOSURES).values(reason=4)], [("changed", "closure")]),
    "a head changed": (
        [sqlalchemy.update(HEADS).where(HEADS.c.size == 3).values(root=b"\x07" * 32)],
        [("changed", "head of size 3")],
    ),
}


@pytest.mark.parametrize(("statements", "expected"), PLANTED.values(), ids=list(PLANTED))
def test_a_database_that_was_tampered_with_is_found_out(audited, statements, expected):
    change(audited, *statements)
    storage, database = differences(audited)
    assert storage == []
    assert [(each.kind, each.where) for each in database] == [(kind, "database") for kind, _ in expected]
    for each, (_, what) in zip(database, expected, strict=True):
        assert what in each.what and each.block > 0 and each.command.startswith("cargo-ledger ")


def test_storage_that_is_not_what_the_blocks_say_is_found_out(audited):
    with contextlib.closing(Chain(audited.profile)) as chain:
        consignment = next(iter(_consignments(audited)))
        address = chain.profile.address_of("ConsignmentLedger")
    slot = "0x" + slots.trail(consignment).hex()
    audited.anvil.ask("anvil_setStorageAt", address, slot, "0x" + "11" * 32)
    audited.anvil.mine(20)
    storage, _ = differences(audited)
    assert [(each.kind, each.where) for each in storage] == [("changed", "contract storage")]
    assert f"trail of consignment 0x{consignment.hex()}" in storage[0].what


def _consignments(desk):
    with desk.ledger._store.read() as session:
        return {row.consignment for row in session._all(sqlalchemy.select(CUSTODY))}


def test_the_database_of_another_chain_is_refused(audited):
    with audited.ledger._store.write() as session:
        session.set_identity({"genesis_hash": "0x" + "00" * 32})
    with pytest.raises(StoreError, match="of another chain"):
        differences(audited)
