"""ConsignmentLedger: each rule of who may take which step, with the step that is refused beside the one that is taken.

Signatures, times, batches and gas: test_consignment_batches.py. All rules together: tests/parity.
"""

from itertools import pairwise

import pytest
from custody_desk import Desk, changed

from ledger.core.records import ZERO16, ZERO32, CustodyKind, extend_trail, keccak
from ledger.errors import Refusal

K = CustodyKind
MANIFEST = keccak(b"manifest id")
FACTS = (K.ARRIVAL, K.DEPARTURE, K.SEAL, K.REMARK)
DAY = 86_400  # seconds


@pytest.fixture
def desk(network, chain) -> Desk:
    return Desk(network, chain.provider.uri)


@pytest.fixture
def consignment(desk, exporter) -> bytes:
    """In the charge of SG:ACME01."""
    return desk.open(exporter)


@pytest.fixture
def offered(desk, consignment, exporter, carrier) -> bytes:
    """The digest of an offer of `consignment` to the carrier."""
    return desk.must(K.OFFER, exporter, consignment, counterpart=carrier.party)


@pytest.fixture
def nested(desk, exporter) -> list[bytes]:
    """Three consignments of SG:ACME01, the first inside the second inside the third."""
    ids = [desk.open(exporter) for _ in range(3)]
    desk.must(K.CONSOLIDATE, exporter, ids[1], subject=ids[2])
    desk.must(K.CONSOLIDATE, exporter, ids[0], subject=ids[1])
    return ids


# ----------------------------------------------------------------------------------------------------------- opening


def test_whoever_opens_is_in_charge_and_the_trail_begins(desk, exporter):
    record = desk.opening(exporter)
    (outcome,) = desk.file(exporter, record)
    time = desk.latest_time()
    assert outcome.refusal is Refusal.NONE
    assert (outcome.record, outcome.other, outcome.signer) == (record, ZERO32, exporter.address_bytes)
    assert desk.party("custodian", record.consignment) == exporter.party
    trail = extend_trail(ZERO32, outcome.digest, exporter.address_bytes, time)
    assert desk.word("trail", record.consignment) == trail
    assert desk.word("custodyLine", record.consignment) == ZERO32, "OPEN is on no line"


def test_a_consignment_is_opened_once_even_after_it_was_closed(desk, exporter):
    record = desk.opening(exporter)
    desk.file(exporter, record)
    desk.refuses_record(Refusal.ALREADY_OPENED, record, exporter)
    desk.must(K.CLOSE, exporter, record.consignment)
    desk.refuses_record(Refusal.ALREADY_OPENED, record, exporter)


def test_nobody_opens_an_id_that_is_not_theirs(desk, exporter, carrier):
    theirs = desk.opening(exporter)
    taken = changed(theirs, party=carrier.party)
    desk.refuses_record(Refusal.NOT_ITS_ID, taken, carrier)
    desk.refuses_record(Refusal.NOT_ITS_ID, changed(theirs, previous=keccak(b"guess")), exporter)
    assert desk.file(exporter, theirs)[0].refusal is Refusal.NONE


def test_nothing_comes_before_open(desk, exporter, origin_officer):
    unopened = keccak(b"never opened")
    for kind in FACTS:
        desk.refuses(Refusal.NOT_OPENED, kind, exporter, unopened)
    desk.refuses(Refusal.NOT_OPENED, K.TAKE, origin_officer, unopened)


def test_a_part_is_split_off_by_the_custodian_or_an_officer_and_stands_in_both_trails(
    desk, consignment, exporter, carrier, destination_officer
):
    for actor in (exporter, destination_officer):
        before = desk.word("trail", consignment)
        (outcome,) = desk.file(actor, desk.opening(actor, subject=consignment))
        assert outcome.refusal is Refusal.NONE
        assert outcome.other == consignment
        after = extend_trail(before, outcome.digest, actor.address_bytes, desk.latest_time())
        assert desk.word("trail", consignment) == after
        assert desk.number("contents", consignment) == 0, "a part is not inside"
    desk.refuses_record(Refusal.NOT_ALLOWED, desk.opening(carrier, subject=consignment), carrier)


def test_a_part_of_what_is_inside_another_is_split_off_by_the_outermost_custodian(
    desk, nested, exporter, carrier
):
    inner, _, outermost = nested
    offer = desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party)
    desk.must(K.ACCEPT, carrier, outermost, subject=offer)
    desk.refuses_record(Refusal.NOT_ALLOWED, desk.opening(exporter, subject=inner), exporter)
    assert desk.file(carrier, desk.opening(carrier, subject=inner))[0].refusal is Refusal.NONE


def test_no_part_is_split_off_from_what_is_not_open(desk, consignment, exporter, origin_officer):
    desk.refuses_record(Refusal.NO_PARENT, desk.opening(exporter, subject=keccak(b"never")), exporter)
    desk.must(K.CLOSE, exporter, consignment)
    desk.refuses_record(Refusal.NO_PARENT, desk.opening(origin_officer, subject=consignment), origin_officer)


# ------------------------------------------------------------------------------------------------------------- lines


def test_the_same_record_again_is_already_appended_and_an_older_one_not_next(desk, consignment, exporter):
    first = desk.record(K.REMARK, exporter, consignment)
    assert desk.file(exporter, first)[0].refusal is Refusal.NONE
    desk.refuses_record(Refusal.ALREADY_APPENDED, first, exporter)
    desk.must(K.REMARK, exporter, consignment)
    desk.refuses_record(Refusal.NOT_NEXT, first, exporter)


def test_the_same_record_twice_in_one_batch_counts_once(desk, consignment, exporter):
    record = desk.record(K.ARRIVAL, exporter, consignment)
    first, second = desk.append(desk.signed(exporter, record, record))
    assert (first.refusal, second.refusal) == (Refusal.NONE, Refusal.ALREADY_APPENDED)
    assert second.sequence == first.sequence + 1


def test_each_account_has_its_own_line_that_nobody_overtakes(
    desk, consignment, exporter, origin_officer, destination_officer
):
    captured = desk.record(K.ARRIVAL, origin_officer, consignment)
    desk.must(K.ARRIVAL, destination_officer, consignment)
    desk.must(K.REMARK, exporter, consignment)
    desk.must(K.OFFER, exporter, consignment)
    assert desk.file(origin_officer, captured)[0].refusal is Refusal.NONE
    desk.refuses(Refusal.NOT_NEXT, K.ARRIVAL, origin_officer, consignment, previous=ZERO32)
    desk.refuses(Refusal.NOT_NEXT, K.ARRIVAL, destination_officer, consignment, previous=keccak(b"guess"))


def test_custody_records_follow_one_line_whoever_signs(desk, consignment, offered, exporter, carrier):
    desk.refuses(Refusal.NOT_NEXT, K.ACCEPT, carrier, consignment, subject=offered, previous=ZERO32)
    accepted = desk.must(K.ACCEPT, carrier, consignment, subject=offered, previous=offered)
    assert desk.word("custodyLine", consignment) == accepted
    desk.must(K.CLOSE, carrier, consignment, previous=accepted)


def test_a_take_follows_the_officers_line_and_becomes_the_last_of_both(
    desk, consignment, offered, origin_officer, exporter
):
    first = desk.must(K.INSPECTION, origin_officer, consignment)
    desk.refuses(Refusal.NOT_NEXT, K.TAKE, origin_officer, consignment, previous=offered)
    taken = desk.must(K.TAKE, origin_officer, consignment, previous=first)
    assert desk.word("custodyLine", consignment) == taken
    assert desk.line(K.REMARK, consignment, origin_officer) == taken
    desk.refuses(Refusal.NOT_NEXT, K.OFFER, origin_officer, consignment, previous=offered)
    desk.must(K.OFFER, origin_officer, consignment, previous=taken, counterpart=exporter.party)


def test_another_account_of_the_party_may_sign_the_same_fact_but_not_the_same_hold(
    desk, network, new_actor, consignment, origin_officer
):
    second = new_actor("SG")
    network.enrol(network.origin_governor, second, 2)
    desk.now = desk.latest_time() + 1
    fact = desk.record(K.INSPECTION, origin_officer, consignment)
    hold = desk.record(K.HOLD, origin_officer, consignment, previous=desk.digest(fact))
    assert [each.refusal for each in desk.file(origin_officer, fact, hold)] == [Refusal.NONE] * 2
    assert desk.file(second, fact)[0].refusal is Refusal.NONE
    desk.refuses_record(Refusal.ALREADY_APPENDED, hold, second)
    assert desk.state(consignment)[7] == (1).to_bytes(32, "big")


# -------------------------------------------------------------------------------------------------------- permission


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.name)
def test_facts_are_for_officers_and_the_custodian(
    desk, consignment, exporter, carrier, origin_officer, agency_officer, kind
):
    for actor in (exporter, origin_officer, agency_officer):
        digest = desk.must(kind, actor, consignment, details=keccak(b"details"))
        assert desk.line(kind, consignment, actor) == digest
    desk.refuses(Refusal.NOT_ALLOWED, kind, carrier, consignment)


@pytest.mark.parametrize("kind", [K.INSPECTION, K.HOLD], ids=lambda kind: kind.name)
def test_inspections_and_holds_are_for_officers_of_any_party(
    desk, consignment, exporter, agency_officer, transit_officer, kind
):
    desk.must(kind, agency_officer, consignment)
    desk.must(kind, transit_officer, consignment)
    desk.refuses(Refusal.NOT_ALLOWED, kind, exporter, consignment)


@pytest.mark.parametrize("kind", [K.RELEASE, K.CLEARANCE, K.TAKE], ids=lambda kind: kind.name)
def test_decisions_and_seizures_are_for_officers_of_customs(
    desk, consignment, exporter, agency_officer, destination_officer, kind
):
    subject = ZERO32 if kind == K.TAKE else MANIFEST
    desk.refuses(Refusal.NOT_ALLOWED, kind, agency_officer, consignment, subject=subject)
    desk.refuses(Refusal.NOT_ALLOWED, kind, exporter, consignment, subject=subject)
    desk.must(kind, destination_officer, consignment, subject=subject)


@pytest.mark.parametrize("kind", [K.OFFER, K.CLOSE], ids=lambda kind: kind.name)
def test_offers_and_closing_are_for_the_custodian(desk, consignment, exporter, carrier, origin_officer, kind):
    desk.refuses(Refusal.NOT_ALLOWED, kind, carrier, consignment)
    desk.refuses(Refusal.NOT_ALLOWED, kind, origin_officer, consignment)
    desk.must(kind, exporter, consignment)


def test_any_account_of_the_custodians_party_acts_for_it(desk, network, new_actor, consignment, exporter):
    colleague = new_actor("SG:ACME01")
    network.enrol(network.origin_governor, colleague, 1)
    desk.now = desk.latest_time() + 1
    desk.must(K.DEPARTURE, colleague, consignment)
    desk.must(K.CLOSE, colleague, consignment)


# --------------------------------------------------------------------------------------------------------- handovers


def test_custody_moves_by_offer_and_acceptance(desk, consignment, offered, exporter, carrier):
    assert desk.party("offeredTo", consignment) == carrier.party
    assert desk.party("custodian", consignment) == exporter.party
    desk.must(K.ACCEPT, carrier, consignment, subject=offered)
    assert desk.party("custodian", consignment) == carrier.party
    assert desk.party("offeredTo", consignment) == ZERO16
    desk.refuses(Refusal.NOT_ALLOWED, K.DEPARTURE, exporter, consignment)


def test_a_declined_offer_leaves_custody_where_it_is(desk, consignment, offered, exporter, carrier):
    declined = desk.must(K.DECLINE, carrier, consignment, subject=offered)
    assert desk.party("custodian", consignment) == exporter.party
    desk.refuses(Refusal.NOT_OFFERED, K.ACCEPT, carrier, consignment, subject=offered)
    desk.refuses(Refusal.NOT_OFFERED, K.ACCEPT, carrier, consignment, subject=declined)


@pytest.mark.parametrize("kind", [K.ACCEPT, K.DECLINE], ids=lambda kind: kind.name)
def test_only_the_offered_party_answers_and_only_the_offer_that_stands(
    desk, consignment, offered, importer, carrier, exporter, kind
):
    desk.refuses(Refusal.NOT_OFFERED, kind, importer, consignment, subject=offered)
    desk.refuses(Refusal.NOT_OFFERED, kind, exporter, consignment, subject=offered)
    desk.refuses(Refusal.NOT_OFFERED, kind, carrier, consignment, subject=keccak(b"another offer"))
    desk.must(kind, carrier, consignment, subject=offered)


def test_an_offer_can_be_withdrawn(desk, consignment, offered, exporter, carrier):
    withdrawn = desk.must(K.OFFER, exporter, consignment)
    assert desk.party("offeredTo", consignment) == ZERO16
    for subject in (offered, withdrawn):
        desk.refuses(Refusal.NOT_OFFERED, K.ACCEPT, carrier, consignment, subject=subject)


def test_the_later_of_two_offers_stands_and_only_one_taker_succeeds(
    desk, consignment, offered, exporter, carrier, importer
):
    late = desk.record(K.ACCEPT, carrier, consignment, subject=offered)
    second = desk.must(K.OFFER, exporter, consignment, counterpart=importer.party)
    desk.refuses_record(Refusal.NOT_NEXT, late, carrier)
    desk.refuses(Refusal.NOT_OFFERED, K.ACCEPT, carrier, consignment, subject=second)
    desk.must(K.ACCEPT, importer, consignment, subject=second)
    assert desk.party("custodian", consignment) == importer.party


def test_facts_and_holds_do_not_end_an_offer(desk, consignment, offered, exporter, carrier, origin_officer):
    desk.must(K.DEPARTURE, exporter, consignment)
    desk.must(K.HOLD, origin_officer, consignment)
    desk.must(K.ACCEPT, carrier, consignment, subject=offered)
    assert desk.party("custodian", consignment) == carrier.party


def test_an_offer_ends_when_customs_takes(desk, consignment, offered, carrier, origin_officer):
    taken = desk.must(K.TAKE, origin_officer, consignment)
    assert desk.party("offeredTo", consignment) == ZERO16
    for subject in (offered, taken):
        desk.refuses(Refusal.NOT_OFFERED, K.ACCEPT, carrier, consignment, subject=subject)


def test_an_offer_ends_when_the_consignment_goes_into_another_or_is_closed(
    desk, consignment, offered, exporter, carrier
):
    container = desk.open(exporter)
    desk.must(K.CONSOLIDATE, exporter, consignment, subject=container)
    assert desk.party("offeredTo", consignment) == ZERO16
    desk.must(K.DECONSOLIDATE, exporter, consignment, subject=container)
    assert desk.party("offeredTo", consignment) == ZERO16
    desk.must(K.OFFER, exporter, consignment, counterpart=carrier.party)
    desk.must(K.CLOSE, exporter, consignment)
    assert desk.party("offeredTo", consignment) == ZERO16


@pytest.mark.parametrize("change", ["put in", "taken out", "seized", "split off"])
def test_an_offer_ends_with_any_change_of_contents_at_any_depth(
    desk, nested, exporter, carrier, origin_officer, change
):
    inner, middle, outermost = nested
    offer = desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party)
    if change == "put in":
        desk.must(K.CONSOLIDATE, exporter, desk.open(exporter), subject=inner)
    elif change == "taken out":
        desk.must(K.DECONSOLIDATE, exporter, inner, subject=middle)
    elif change == "seized":
        desk.must(K.TAKE, origin_officer, inner)
    else:
        desk.open(exporter, subject=inner)
    assert desk.party("offeredTo", outermost) == ZERO16
    assert desk.word("custodyLine", outermost) == offer, "its line still ends in the offer"
    desk.refuses(Refusal.NOT_OFFERED, K.ACCEPT, carrier, outermost, subject=offer)


def test_what_is_inside_is_in_the_charge_of_the_outermosts_custodian(desk, nested, exporter, carrier):
    inner, middle, outermost = nested
    offer = desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party)
    desk.must(K.ACCEPT, carrier, outermost, subject=offer)
    assert {desk.party("custodian", each) for each in nested} == {carrier.party}
    desk.must(K.SEAL, carrier, inner)
    desk.refuses(Refusal.NOT_ALLOWED, K.SEAL, exporter, inner)
    desk.refuses(Refusal.NOT_ALLOWED, K.DECONSOLIDATE, exporter, inner, subject=middle)
    desk.must(K.DECONSOLIDATE, carrier, middle, subject=outermost)
    assert {desk.party("custodian", each) for each in nested} == {carrier.party}, "it keeps that custodian"


def test_what_is_inside_another_is_not_offered(desk, nested, exporter, carrier):
    inner, middle, _ = nested
    desk.refuses(Refusal.INSIDE_ANOTHER, K.OFFER, exporter, inner, counterpart=carrier.party)
    desk.must(K.DECONSOLIDATE, exporter, inner, subject=middle)
    desk.must(K.OFFER, exporter, inner, counterpart=carrier.party)


# ------------------------------------------------------------------------------------------------------------- holds


def test_release_is_refused_while_a_hold_is_open(desk, consignment, origin_officer):
    hold = desk.must(K.HOLD, origin_officer, consignment)
    for kind in (K.RELEASE, K.CLEARANCE):
        desk.refuses(Refusal.HELD, kind, origin_officer, consignment, subject=MANIFEST)
    desk.must(K.LIFT, origin_officer, consignment, subject=hold)
    for kind in (K.RELEASE, K.CLEARANCE):
        desk.must(kind, origin_officer, consignment, subject=MANIFEST)


def test_another_partys_hold_of_the_same_administration_stops_release(
    desk, consignment, origin_officer, agency_officer
):
    hold = desk.must(K.HOLD, agency_officer, consignment)
    desk.refuses(Refusal.HELD, K.RELEASE, origin_officer, consignment, subject=MANIFEST)
    desk.must(K.LIFT, agency_officer, consignment, subject=hold)
    desk.must(K.RELEASE, origin_officer, consignment, subject=MANIFEST)


def test_a_hold_stops_release_in_its_own_administration_alone(
    desk, consignment, origin_officer, destination_officer
):
    desk.must(K.HOLD, origin_officer, consignment)
    desk.must(K.RELEASE, destination_officer, consignment, subject=MANIFEST)


def test_a_hold_on_what_it_is_in_stops_release_at_any_depth(desk, nested, origin_officer):
    inner, _, outermost = nested
    hold = desk.must(K.HOLD, origin_officer, outermost)
    desk.refuses(Refusal.HELD, K.RELEASE, origin_officer, inner, subject=MANIFEST)
    desk.must(K.LIFT, origin_officer, outermost, subject=hold)
    desk.must(K.HOLD, origin_officer, inner)
    desk.must(K.RELEASE, origin_officer, outermost, subject=MANIFEST)


def test_only_the_party_that_placed_a_hold_lifts_it(
    desk, consignment, origin_officer, agency_officer, destination_officer, exporter
):
    hold = desk.must(K.HOLD, origin_officer, consignment)
    desk.refuses(Refusal.NOT_A_HOLD, K.LIFT, agency_officer, consignment, subject=hold)
    desk.refuses(Refusal.NOT_A_HOLD, K.LIFT, destination_officer, consignment, subject=hold)
    desk.refuses(Refusal.NOT_ALLOWED, K.LIFT, exporter, consignment, subject=hold)
    desk.must(K.LIFT, origin_officer, consignment, subject=hold)


def test_a_hold_is_lifted_once_and_on_its_own_consignment(desk, consignment, exporter, origin_officer):
    hold = desk.must(K.HOLD, origin_officer, consignment)
    other = desk.open(exporter)
    desk.refuses(Refusal.NOT_A_HOLD, K.LIFT, origin_officer, other, subject=hold)
    desk.must(K.LIFT, origin_officer, consignment, subject=hold)
    desk.refuses(Refusal.NOT_A_HOLD, K.LIFT, origin_officer, consignment, subject=hold)
    desk.refuses(Refusal.NOT_A_HOLD, K.LIFT, origin_officer, consignment, subject=keccak(b"no hold"))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (0, 2, 1)], ids=str)
def test_holds_of_one_administration_are_counted_and_lifted_each_by_its_digest(
    desk, consignment, origin_officer, agency_officer, order
):
    actors = (origin_officer, agency_officer, origin_officer)
    holds = [desk.must(K.HOLD, actor, consignment, details=keccak(b"reason")) for actor in actors]

    def opened() -> list[bool]:
        types = ["bytes32", "bytes16", "bytes32"]
        asked = [
            ("isOpenHold", types, [consignment, actor.party, hold])
            for actor, hold in zip(actors, holds, strict=True)
        ]
        return [bool(answer[31]) for answer in desk.ask_many(asked)]

    assert opened() == [True] * 3
    for done, each in enumerate(order, start=1):
        desk.refuses(Refusal.HELD, K.RELEASE, origin_officer, consignment, subject=MANIFEST)
        desk.must(K.LIFT, actors[each], consignment, subject=holds[each])
        assert opened() == [index not in order[:done] for index in range(3)]
        assert int.from_bytes(desk.state(consignment)[7], "big") == 3 - done
        if done == 1:  # the room that became free is used again
            again = desk.must(K.HOLD, origin_officer, consignment, details=keccak(b"again"))
            desk.must(K.LIFT, origin_officer, consignment, subject=again)
    desk.must(K.RELEASE, origin_officer, consignment, subject=MANIFEST)


def test_cargo_under_hold_moves_and_changes_hands_on_record(
    desk, consignment, exporter, carrier, origin_officer
):
    desk.must(K.HOLD, origin_officer, consignment)
    desk.must(K.DEPARTURE, exporter, consignment)
    offer = desk.must(K.OFFER, exporter, consignment, counterpart=carrier.party)
    desk.must(K.ACCEPT, carrier, consignment, subject=offer)
    desk.must(K.CONSOLIDATE, carrier, consignment, subject=desk.open(carrier))


# ------------------------------------------------------------------------------------------------- closing and taking


def test_after_closing_nobody_is_in_charge_and_officers_go_on(
    desk, consignment, exporter, carrier, origin_officer, agency_officer, destination_officer
):
    closed = desk.must(K.CLOSE, exporter, consignment)
    assert desk.party("custodian", consignment) == ZERO16
    assert desk.word("custodyLine", consignment) == closed
    for kind in (*FACTS, K.OFFER, K.CLOSE):
        desk.refuses(Refusal.CLOSED, kind, exporter, consignment)
    desk.refuses(Refusal.CLOSED, K.ACCEPT, carrier, consignment, subject=closed)
    desk.refuses(Refusal.CLOSED, K.OFFER, origin_officer, consignment)
    desk.refuses(Refusal.CLOSED, K.CONSOLIDATE, exporter, consignment, subject=desk.open(exporter))
    for kind in (*FACTS, K.INSPECTION):
        desk.must(kind, agency_officer, consignment)
    hold = desk.must(K.HOLD, agency_officer, consignment)
    desk.must(K.LIFT, agency_officer, consignment, subject=hold)
    for kind in (K.RELEASE, K.CLEARANCE):
        desk.must(kind, destination_officer, consignment, subject=MANIFEST)


def test_a_take_opens_a_closed_consignment_again(desk, consignment, exporter, origin_officer):
    desk.must(K.CLOSE, exporter, consignment)
    desk.refuses(Refusal.CLOSED, K.OFFER, exporter, consignment)
    desk.must(K.TAKE, origin_officer, consignment)
    assert desk.party("custodian", consignment) == origin_officer.party
    desk.must(K.OFFER, origin_officer, consignment, counterpart=exporter.party)


def test_close_is_refused_under_a_hold_of_ones_own_administration_alone(
    desk, consignment, exporter, agency_officer, destination_officer
):
    desk.must(K.HOLD, destination_officer, consignment)
    hold = desk.must(K.HOLD, agency_officer, consignment)
    desk.refuses(Refusal.HELD, K.CLOSE, exporter, consignment)
    desk.must(K.LIFT, agency_officer, consignment, subject=hold)
    desk.must(K.CLOSE, exporter, consignment)


def test_close_is_refused_inside_another_and_while_something_is_inside(desk, nested, exporter):
    inner, middle, outermost = nested
    desk.refuses(Refusal.INSIDE_ANOTHER, K.CLOSE, exporter, inner)
    desk.refuses(Refusal.NOT_EMPTY, K.CLOSE, exporter, outermost)
    desk.must(K.DECONSOLIDATE, exporter, middle, subject=outermost)
    desk.must(K.CLOSE, exporter, outermost)
    desk.refuses(Refusal.NOT_EMPTY, K.CLOSE, exporter, middle)
    desk.must(K.DECONSOLIDATE, exporter, inner, subject=middle)
    desk.must(K.CLOSE, exporter, inner)


def test_a_take_takes_out_with_what_is_inside_and_stands_in_the_parents_trail(
    desk, nested, exporter, origin_officer
):
    inner, middle, outermost = nested
    before = desk.word("trail", outermost)
    outcome = desk.step(K.TAKE, origin_officer, middle)
    assert outcome.other == outermost
    after = extend_trail(before, outcome.digest, origin_officer.address_bytes, desk.latest_time())
    assert desk.word("trail", outermost) == after
    assert desk.word("parent", middle) == ZERO32
    assert desk.word("parent", inner) == middle
    parties = [desk.party("custodian", each) for each in nested]
    assert parties == [origin_officer.party, origin_officer.party, exporter.party]
    assert [desk.number("height", each) for each in nested] == [0, 1, 0]
    assert desk.number("contents", outermost) == 0
    assert desk.step(K.TAKE, origin_officer, middle).other == ZERO32, "it is inside nothing now"


# ----------------------------------------------------------------------------------------------------- consolidation


def test_what_is_consolidated_is_inside_and_stands_in_both_trails(desk, consignment, exporter):
    container = desk.open(exporter)
    before = desk.word("trail", container)
    outcome = desk.step(K.CONSOLIDATE, exporter, consignment, subject=container)
    assert outcome.other == container
    after = extend_trail(before, outcome.digest, exporter.address_bytes, desk.latest_time())
    assert desk.word("trail", container) == after
    assert desk.word("parent", consignment) == container
    assert (desk.number("contents", container), desk.number("height", container)) == (1, 1)
    assert desk.word("custodyLine", container) == ZERO32, "the parent's line is not moved"
    outcome = desk.step(K.DECONSOLIDATE, exporter, consignment, subject=container)
    assert outcome.other == container
    assert desk.word("parent", consignment) == ZERO32
    assert (desk.number("contents", container), desk.number("height", container)) == (0, 0)
    assert desk.party("custodian", consignment) == exporter.party


def test_consolidation_needs_the_custodian_of_both(desk, consignment, exporter, carrier):
    theirs = desk.open(carrier)
    desk.refuses(Refusal.NOT_ALLOWED, K.CONSOLIDATE, exporter, consignment, subject=theirs)
    desk.refuses(Refusal.NOT_ALLOWED, K.CONSOLIDATE, carrier, consignment, subject=theirs)
    offer = desk.must(K.OFFER, exporter, consignment, counterpart=carrier.party)
    desk.must(K.ACCEPT, carrier, consignment, subject=offer)
    desk.must(K.CONSOLIDATE, carrier, consignment, subject=theirs)


def test_consolidation_asks_the_outermost_custodian_of_the_parent(desk, nested, exporter, carrier):
    inner, _, outermost = nested
    offer = desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party)
    desk.must(K.ACCEPT, carrier, outermost, subject=offer)
    desk.refuses(Refusal.NOT_ALLOWED, K.CONSOLIDATE, exporter, desk.open(exporter), subject=inner)
    desk.must(K.CONSOLIDATE, carrier, desk.open(carrier), subject=inner)


def test_what_is_inside_one_does_not_go_into_another(desk, nested, exporter):
    inner, middle, _ = nested
    other = desk.open(exporter)
    desk.refuses(Refusal.INSIDE_ANOTHER, K.CONSOLIDATE, exporter, inner, subject=other)
    desk.must(K.DECONSOLIDATE, exporter, inner, subject=middle)
    desk.must(K.CONSOLIDATE, exporter, inner, subject=other)


def test_nothing_goes_into_what_is_not_open(desk, consignment, exporter):
    container = desk.open(exporter)
    desk.refuses(Refusal.NO_PARENT, K.CONSOLIDATE, exporter, consignment, subject=keccak(b"never opened"))
    desk.must(K.CLOSE, exporter, container)
    desk.refuses(Refusal.NO_PARENT, K.CONSOLIDATE, exporter, consignment, subject=container)
    desk.must(K.CONSOLIDATE, exporter, consignment, subject=desk.open(exporter))


def test_nothing_goes_into_itself_or_what_is_inside_it(desk, nested, exporter):
    inner, middle, outermost = nested
    for into in (outermost, middle, inner):
        desk.refuses(Refusal.LOOP, K.CONSOLIDATE, exporter, outermost, subject=into)
    desk.must(K.CONSOLIDATE, exporter, outermost, subject=desk.open(exporter))


def test_it_is_taken_out_of_its_direct_parent_alone(desk, nested, consignment, exporter):
    inner, middle, outermost = nested
    desk.refuses(Refusal.NOT_INSIDE_IT, K.DECONSOLIDATE, exporter, inner, subject=outermost)
    desk.refuses(Refusal.NOT_INSIDE_IT, K.DECONSOLIDATE, exporter, consignment, subject=outermost)
    desk.must(K.DECONSOLIDATE, exporter, inner, subject=middle)
    desk.refuses(Refusal.NOT_INSIDE_IT, K.DECONSOLIDATE, exporter, inner, subject=middle)


def tower(desk: Desk, actor: object, levels: int) -> list[bytes]:
    """`levels` consignments, each inside the next; the innermost first."""
    ids = [desk.open(actor) for _ in range(levels)]
    for inner, outer in reversed(list(pairwise(ids))):
        desk.must(K.CONSOLIDATE, actor, inner, subject=outer)
    return ids


def test_nothing_comes_to_have_more_than_eight_above_it(desk, consignment, exporter):
    eight = tower(desk, exporter, 8)
    desk.must(K.CONSOLIDATE, exporter, consignment, subject=eight[0])
    assert desk.number("height", eight[-1]) == 8
    desk.refuses(Refusal.TOO_DEEP, K.CONSOLIDATE, exporter, desk.open(exporter), subject=consignment)
    desk.must(K.CONSOLIDATE, exporter, desk.open(exporter), subject=eight[0])


def test_what_is_inside_counts_when_it_goes_in_and_no_more_when_it_is_out(desk, exporter):
    five, four = tower(desk, exporter, 5), tower(desk, exporter, 4)
    one_more = desk.open(exporter)
    desk.must(K.CONSOLIDATE, exporter, one_more, subject=four[0])  # four is five high now
    desk.refuses(Refusal.TOO_DEEP, K.CONSOLIDATE, exporter, four[-1], subject=five[0])
    desk.must(K.DECONSOLIDATE, exporter, one_more, subject=four[0])
    desk.must(K.CONSOLIDATE, exporter, four[-1], subject=five[0])
    assert [desk.number("height", each) for each in (*four, *five)] == list(range(9))


def test_heights_follow_the_tallest_content_down_again(desk, exporter, origin_officer):
    top, low = desk.open(exporter), desk.open(exporter)
    tall = tower(desk, exporter, 4)
    desk.must(K.CONSOLIDATE, exporter, low, subject=top)
    desk.must(K.CONSOLIDATE, exporter, tall[-1], subject=top)
    assert (desk.number("contents", top), desk.number("height", top)) == (2, 4)
    desk.must(K.TAKE, origin_officer, tall[1])
    assert [desk.number("height", each) for each in (*tall, top)] == [0, 1, 0, 1, 2]
    desk.must(K.DECONSOLIDATE, exporter, tall[-1], subject=top)
    assert (desk.number("contents", top), desk.number("height", top)) == (1, 1)
