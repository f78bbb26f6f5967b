"""The feed tells everything once and in order, and takes back what the chain took back."""

import json
import threading
from contextlib import closing

import pytest
import sqlalchemy

from ledger import events, tables
from ledger.chain import custody_tuple
from ledger.core.records import CustodyKind
from ledger.errors import Conflict, EventsForgotten
from ledger.messages import to_hex
from ledger.retention import Retention


def told(at_work, after=0, **narrowed):
    """All events of the feed."""
    found = []
    while True:
        views, reached = at_work.ledger.events(after, **narrowed)
        found += views
        if reached == after:
            return found
        after = reached


def kinds(views):
    return [view.kind for view in views]


def standing(views):
    """What is left when each reversal has taken its event away; it must take one that stands."""
    left = {}
    for view in views:
        if view.reverts is None:
            left[view.id] = view
        else:
            taken = left.pop(view.reverts)
            assert view.kind == taken.kind + events.REVERTED
            assert (view.consignment, view.facts, view.party) == (
                taken.consignment,
                taken.facts,
                taken.party,
            )
    return list(left.values())


def test_a_consignment_is_told_from_acceptance_to_finality(singapore):
    manifest = singapore.opened_and_settled()
    seen = told(singapore, consignment=manifest.consignment)
    assert kinds(seen) == [
        "manifest.accepted",
        "record.accepted",
        *sorted(["manifest.anchored", "custody.open"], key=kinds(seen).index),
        *sorted(["manifest.final", "record.final"], key=kinds(seen).index),
    ]
    assert {view.party for view in seen} == {"SG:ACME01"} and {view.administration for view in seen} == {"SG"}
    by_kind = {view.kind: view for view in seen}
    assert by_kind["manifest.anchored"].facts["manifest"] == to_hex(manifest.id)
    view = singapore.ledger.manifest(manifest.id)
    assert by_kind["manifest.final"].facts["block"] == view.anchor.block
    assert by_kind["manifest.anchored"].facts["transaction"] == view.anchor.transaction
    assert by_kind["custody.open"].facts["record_kind"] == "OPEN"
    assert manifest.reference not in json.dumps([view.model_dump(mode="json") for view in seen])


def test_ids_are_gapless_and_each_page_ends_where_the_next_begins(singapore, monkeypatch):
    singapore.opened_and_settled()
    everything = told(singapore)
    assert [view.id for view in everything] == list(range(1, singapore.ledger.last_event() + 1))
    monkeypatch.setattr("ledger.serving.feed.EVENTS_AT_A_TIME", 3)
    assert told(singapore) == everything
    assert told(singapore, after=5) == everything[5:]
    with pytest.raises(Conflict, match="is not among them"):
        singapore.ledger.events(len(everything) + 1)


def test_filters_narrow_and_reversals_come_with_what_they_reverse(singapore):
    first, second = singapore.opened_and_settled(), singapore.opened_and_settled()
    singapore.recorded(CustodyKind.HOLD, "officer", first.consignment, details=b"\1" * 32)
    singapore.turn()
    singapore.turn()
    singapore.anvil.roll_back(1)
    singapore.anvil.mine(2)
    singapore.turn()
    assert kinds(told(singapore, kinds=["custody.hold"])) == ["custody.hold", "custody.hold.reverted"]
    assert kinds(told(singapore, kinds=["custody", "manifest.final"], consignment=second.consignment)) in (
        ["custody.open", "manifest.final"],
        ["manifest.final", "custody.open"],
    )
    assert {view.administration for view in told(singapore, administration="NL")} == {"NL"}
    assert told(singapore, administration="NL", kinds=["custody"]) == []


def test_both_consignments_of_a_record_are_told(singapore):
    child, parent = singapore.opened_and_settled(), singapore.opened_and_settled()
    singapore.recorded(CustodyKind.CONSOLIDATE, "exporter", child.consignment, subject=parent.consignment)
    singapore.settle()
    for consignment in (child.consignment, parent.consignment):
        assert "custody.consolidate" in kinds(told(singapore, consignment=consignment))


def test_what_a_reorganisation_takes_away_is_taken_back_newest_first_and_told_again(singapore):
    manifest = singapore.opened()
    singapore.turn()
    singapore.turn()
    before = told(singapore, kinds=["manifest.anchored", "custody.open"])
    assert len(before) == 2
    place = singapore.ledger.last_event()
    depth = singapore.anvil.head() - min(view.facts["block"] for view in before) + 1
    singapore.anvil.roll_back(depth)
    singapore.anvil.mine(depth + 1)
    singapore.turn()  # sees the turn
    reversals = [view for view in told(singapore, after=place) if view.reverts]
    taken = [view.reverts for view in reversals]
    assert taken == sorted(taken, reverse=True) and {view.id for view in before} <= set(taken)
    assert kinds(standing(told(singapore, consignment=manifest.consignment)))[:2] == [
        "manifest.accepted",
        "record.accepted",
    ]
    singapore.settle()
    left = kinds(standing(told(singapore, consignment=manifest.consignment)))
    assert sorted(left) == sorted(
        [
            "manifest.accepted",
            "record.accepted",
            "manifest.anchored",
            "custody.open",
            "manifest.final",
            "record.final",
        ]
    )


def test_what_was_final_is_told_once_unless_its_own_block_goes(singapore):
    """Blocks on top come and go; what they made final stays so while the block that carries it is there."""
    manifest = singapore.opened_and_settled()
    final = told(singapore, kinds=["manifest.final", "record.final"], consignment=manifest.consignment)
    assert len(final) == 2
    singapore.anvil.roll_back(1)
    singapore.anvil.mine(3)
    singapore.work()
    assert (
        told(singapore, kinds=["manifest.final", "record.final"], consignment=manifest.consignment) == final
    )
    depth = singapore.anvil.head() - min(view.facts["block"] for view in final) + 1
    singapore.anvil.roll_back(depth)
    singapore.anvil.mine(depth + 1)
    singapore.work()
    again = told(singapore, kinds=["manifest.final", "record.final"], consignment=manifest.consignment)
    assert {"manifest.final.reverted", "record.final.reverted"} <= set(kinds(again))


def test_a_refusal_is_told_and_taken_back_with_its_block(singapore):
    manifest = singapore.opened_and_settled()
    rival, signature = singapore.custody(
        CustodyKind.OFFER, "exporter", manifest.consignment, counterpart=b"NL".ljust(16, b"\0")
    )
    digest = singapore.recorded(
        CustodyKind.OFFER, "exporter", manifest.consignment, counterpart=b"AE".ljust(16, b"\0")
    )
    singapore.send("ConsignmentLedger", "append", [custody_tuple(rival)], [signature])
    singapore.turn()
    singapore.turn()
    singapore.turn()
    refused = told(singapore, kinds=["record.refused"])
    assert kinds(refused) == ["record.refused"]
    assert refused[0].facts == {
        "digest": to_hex(digest),
        "record_kind": "OFFER",
        "refusal": "NOT_NEXT",
    }
    singapore.anvil.roll_back(1)
    singapore.anvil.mine(2)
    singapore.turn()
    assert kinds(told(singapore, kinds=["record.refused"]))[:2] == [
        "record.refused",
        "record.refused.reverted",
    ]
    singapore.settle()
    last = told(singapore, kinds=["record.refused"])
    assert len(standing(last)) == 1


def test_the_registry_is_told_with_whom_it_is_about(singapore):
    address = singapore.network.address("carrier")
    with closing(singapore.network.governance()) as governance:
        governance.revoke(address, 1)
    singapore.work()
    (revoked,) = told(singapore, kinds=["account.revoked"])
    assert (revoked.administration, revoked.party) == ("SG", "SG:CARR01")
    assert revoked.facts["account"] == address
    singapore.anvil.roll_back(1)
    singapore.anvil.mine(2)
    singapore.work()
    assert kinds(told(singapore, kinds=["account.revoked"])) == [
        "account.revoked",
        "account.revoked.reverted",
    ]


def test_a_write_that_fails_tells_nothing_and_leaves_no_gap(singapore):
    manifest = singapore.lodged()
    row = events.of_manifest("manifest.accepted", _row(singapore, manifest), 1)
    before = singapore.ledger.last_event()
    with pytest.raises(ZeroDivisionError), singapore.ledger._store.write() as session:
        session.tell([row])
        raise ZeroDivisionError
    assert singapore.ledger.last_event() == before
    singapore.lodged()
    assert singapore.ledger.last_event() == before + 1


def test_whoever_reads_up_to_an_id_misses_none_below_it_however_many_write(singapore):
    singapore.work()
    row = events.of_manifest("manifest.accepted", _row(singapore, singapore.lodged()), 1)
    seen, done = [], threading.Event()

    def write():
        for _ in range(30):
            with singapore.ledger._store.write() as session:
                session.tell([row, row])

    def read():
        after = singapore.ledger.last_event()
        while True:
            is_last = done.is_set()
            views, after = singapore.ledger.events(after)
            seen.extend(view.id for view in views)
            if is_last and not views:
                return

    reader = threading.Thread(target=read)
    first = singapore.ledger.last_event() + 1
    reader.start()
    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert seen == list(range(first, first + 240))


def _row(at_work, manifest):
    with at_work.ledger._store.read() as session:
        row = session._one(
            sqlalchemy.select(tables.manifests).where(tables.manifests.c.manifest_id == manifest.id)
        )
    assert row is not None
    return row


def test_who_comes_for_what_is_forgotten_is_told_and_what_goes_on_is_whole(singapore):
    singapore.opened_and_settled()
    everything = told(singapore)
    Retention(singapore.ledger._store, -60, lambda session: ()).turn()
    rest = told(singapore)
    gone = len(everything) - len(rest)
    assert gone > 10 and rest == everything[gone:]
    assert all(view.kind.startswith("account.") is False for view in rest)  # the enrolments are gone
    for after in (1, gone - 1):
        with pytest.raises(EventsForgotten, match=f"events after {everything[-1].id}"):
            singapore.ledger.events(after)
    assert singapore.ledger.events(gone)[0] == rest[:200]
    with closing(singapore.network.governance()) as governance:
        governance.revoke(singapore.network.address("carrier"), 1)
    singapore.work()
    (revoked,) = told(singapore, kinds=["account.revoked"])
    assert (revoked.administration, revoked.party) == ("SG", "SG:CARR01")
