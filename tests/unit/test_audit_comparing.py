"""The database held against a replay: both are read side by side, so that a long chain takes no more memory than a short one."""

import runpy
import tracemalloc
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from vaults import unlocked_store

from ledger import tables as t
from ledger.audit import compare, journal, shelf
from ledger.audit.replay import Settings, replay
from ledger.config import CONTRACTS
from ledger.core.signatures import checksummed
from ledger.rows import chain
from ledger.rows.custody import encode_custody

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "generated_chain.py"))


def kept(act):
    """An act as the service's index has it."""
    return {
        "sequence": act.sequence,
        "digest": act.digest,
        "consignment": act.record.consignment,
        "other": act.other,
        "kind": act.record.kind,
        "signer": act.signer,
        "body": encode_custody(act.record),
        "signature": bytes(65),
        "accepted_at": act.accepted_at,
        "block_number": act.block,
        "transaction_hash": bytes(32),
        "log_index": act.place,
    }


@contextmanager
def indexed(folder, consignments):
    """A replay of so many consignments, and a database that indexed the same."""
    source = BENCH["Generated"](12 * consignments, alive=35, signed=False)
    folder.mkdir()
    with (
        closing(source),
        replay(source, Settings(BENCH["trust"](), folder / "replay", recovers=False)) as replayed,
        unlocked_store(f"sqlite:///{folder / 'service.sqlite3'}", folder) as store,
    ):
        network = replayed.network
        names = zip(("registry", "manifest_log", "consignment_ledger"), CONTRACTS, strict=True)
        identity = {name: checksummed(network.addresses[contract]) for name, contract in names}
        identity |= {"chain_id": str(network.chain_id), "genesis_hash": "0x" + network.genesis_hash.hex()}
        with store.write() as session:
            session.set_identity(identity)
            session.add_block(replayed.block, replayed.block_hash, replayed.block_time)
            session._connection.execute(t.chain_custody.insert(), [kept(act) for act in replayed.acts()])
        yield replayed, store


def peak_of(replayed, store):
    """Bytes that a comparison takes at most, of those that Python counts; and what it finds."""
    tracemalloc.start()
    try:
        found = list(compare.database(replayed, store))
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def test_comparing_four_times_as_many_consignments_takes_no_more_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_READ_ROWS", 128)
    monkeypatch.setattr(shelf, "NEAR", 64)
    monkeypatch.setattr(chain, "ROWS_AT_A_TIME", 50)
    peaks = []
    for consignments in (35, 70, 280):  # the first one warms what is kept once
        with indexed(tmp_path / str(consignments), consignments) as made:
            peak, found = peak_of(*made)
            assert found == []
        peaks.append(peak)
    assert peaks[2] < 1.3 * peaks[1]


@pytest.mark.parametrize("sequence", [1, 211, 420])
def test_what_is_missing_at_either_end_or_between_is_found_by_a_comparison_that_reads_on(tmp_path, sequence):
    with indexed(tmp_path / "chain", 35) as (replayed, store):
        with store.write() as session:
            session._connection.execute(
                sqlalchemy.delete(t.chain_custody).where(t.chain_custody.c.sequence == sequence)
            )
        found = [(each.kind, each.what.split(" (")[0]) for each in compare.database(replayed, store)]
        assert found == [("missing", f"The record {sequence}")]


def test_a_record_that_was_moved_behind_all_others_is_out_of_order_at_its_place_and_too_much_there(tmp_path):
    with indexed(tmp_path / "chain", 35) as (replayed, store):
        with store.write() as session:
            session._connection.execute(
                sqlalchemy.update(t.chain_custody).where(t.chain_custody.c.sequence == 7).values(sequence=999)
            )
        found = [(each.kind, each.what.split(" (")[0]) for each in compare.database(replayed, store)]
        assert found == [("out of order", "The record 7"), ("extra", "The record 999")]
