"""ConsignmentLedger: who signed, when, in what form; batches, events, slots and gas. The rules: test_consignment_ledger.py."""

from itertools import pairwise

import ape
import pytest
from custody_desk import GAS_A_RECORD, Desk, changed, fields

from ledger.core.records import ZERO16, ZERO32, CustodyKind, Domain, Role, keccak
from ledger.errors import Refusal

K = CustodyKind
DAY = 86_400  # seconds
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MANIFEST = keccak(b"manifest id")
NEEDS_SUBJECT = (K.ACCEPT, K.DECLINE, K.LIFT, K.RELEASE, K.CLEARANCE, K.CONSOLIDATE, K.DECONSOLIDATE)


@pytest.fixture
def desk(network, chain) -> Desk:
    return Desk(network, chain.provider.uri)


@pytest.fixture
def consignment(desk, exporter) -> bytes:
    return desk.open(exporter)


# -------------------------------------------------------------------------------------------------------- signatures


def test_digest_and_domain_are_those_of_the_library(desk, ledger, consignment, exporter):
    record = desk.record(K.REMARK, exporter, consignment, subject=keccak(b"corrected"))
    assert bytes(ledger.digestOf(fields(record))) == desk.digest(record)
    assert bytes(ledger.domainSeparator()) == desk.domain.separator


@pytest.mark.parametrize(
    "form", ["high s", "v 0 or 1", "64 bytes", "66 bytes", "none", "zeros", "v 29", "s zero"], ids=str
)
def test_a_signature_in_another_form_is_no_signature(desk, consignment, exporter, form):
    record = desk.record(K.REMARK, exporter, consignment)
    good = exporter.sign(desk.digest(record))
    mirrored = (ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    bad = {
        "high s": good[:32] + mirrored + bytes([55 - good[64]]),
        "v 0 or 1": good[:64] + bytes([good[64] - 27]),
        "64 bytes": good[:64],
        "66 bytes": good + b"\0",
        "none": b"",
        "zeros": bytes(65),
        "v 29": good[:64] + b"\x1d",
        "s zero": good[:32] + bytes(32) + good[64:],
    }[form]
    desk.refuses_record(Refusal.NOT_SIGNED, record, exporter, bad)
    assert desk.append([(record, good)])[0].refusal is Refusal.NONE


@pytest.mark.parametrize("replayed", ["another contract", "another chain", "another record", "another name"])
def test_a_signature_for_something_else_is_by_nobody_enrolled(desk, network, consignment, exporter, replayed):
    record = desk.record(K.REMARK, exporter, consignment)
    here = desk.domain
    digest = {
        "another contract": record.digest(Domain(here.chain_id, bytes.fromhex(network.log.address[2:]))),
        "another chain": record.digest(Domain(here.chain_id + 1, here.contract)),
        "another record": desk.digest(changed(record, details=keccak(b"other"))),
        "another name": keccak(b"\x19\x01" + here.separator + keccak(b"ManifestRecord")),
    }[replayed]
    desk.refuses_record(Refusal.NOT_ENROLLED, record, exporter, exporter.sign(digest))
    assert desk.file(exporter, record)[0].refusal is Refusal.NONE


def test_a_fork_with_another_chain_id_takes_no_signature_of_this_chain(desk, consignment, exporter):
    """The separator follows the chain; asked of the view, since the node's own keys sign for one chain alone."""
    record = desk.record(K.REMARK, exporter, consignment)
    signature = exporter.sign(desk.digest(record))
    desk.rpc("anvil_setChainId", desk.domain.chain_id + 1)
    try:
        fork = Domain(desk.domain.chain_id + 1, desk.domain.contract)
        assert desk.ask("domainSeparator") == fork.separator
        assert desk.check(record, signature) is Refusal.NOT_ENROLLED
        assert desk.check(record, exporter.sign(record.digest(fork))) is Refusal.NONE
    finally:
        desk.rpc("anvil_setChainId", desk.domain.chain_id)
    assert desk.check(record, signature) is Refusal.NONE


# --------------------------------------------------------------------------------------------------------- enrolment


def test_traders_and_officers_of_the_party_sign_and_nobody_else(
    desk, exporter, carrier, auditor, origin_sequencer, stranger, origin_officer
):
    for actor in (exporter, origin_officer):
        assert desk.file(actor, desk.opening(actor))[0].refusal is Refusal.NONE
    for actor in (auditor, origin_sequencer, stranger):
        desk.refuses_record(Refusal.NOT_ENROLLED, desk.opening(actor), actor)
    desk.refuses_record(Refusal.NOT_ENROLLED, desk.opening(exporter), carrier)
    desk.refuses_record(Refusal.NOT_ENROLLED, changed(desk.opening(exporter), party=ZERO16), exporter)


def test_an_account_signs_until_its_validity_ends(desk, network, new_actor):
    temporary = new_actor("SG:ACME01")
    ends = desk.now + 1000
    network.enrol(network.origin_governor, temporary, Role.TRADER, ends)
    desk.now = ends - 1
    record = desk.opening(temporary)
    assert desk.file(temporary, record)[0].refusal is Refusal.NONE
    assert desk.now == ends
    desk.refuses_record(Refusal.NOT_ENROLLED, desk.opening(temporary), temporary)


def test_a_revoked_account_signs_no_more_not_even_what_it_observed_before(
    desk, network, consignment, exporter, carrier
):
    captured = desk.record(K.REMARK, exporter, consignment)
    network.registry.revoke(exporter.address, desk.latest_time(), sender=network.origin_governor.account)
    desk.now = desk.latest_time() + 1
    desk.refuses_record(Refusal.NOT_ENROLLED, captured, exporter)
    assert desk.file(carrier, desk.opening(carrier))[0].refusal is Refusal.NONE


def test_a_suspended_administration_writes_no_more_and_what_it_wrote_stands(
    desk, network, suspend, consignment, exporter, destination_officer
):
    before = desk.word("trail", consignment)
    suspend(network.origin_governor)
    desk.now = desk.latest_time() + 1
    desk.refuses(Refusal.NOT_ENROLLED, K.REMARK, exporter, consignment)
    assert desk.word("trail", consignment) == before
    desk.must(K.HOLD, destination_officer, consignment)


def test_a_reinstated_administration_writes_again_where_it_left_off(
    desk, network, suspend, consignment, exporter
):
    last = desk.must(K.REMARK, exporter, consignment)
    suspend(network.origin_governor)
    desk.now = desk.latest_time() + 1
    desk.refuses(Refusal.NOT_ENROLLED, K.REMARK, exporter, consignment)
    proposer, second, origin = network.transit_governor, network.destination_governor, network.origin_governor
    network.registry.proposeReinstatement(origin.administration, sender=proposer.account)
    proposal = network.registry.proposalId(3, origin.administration, "0x" + "0" * 40)
    network.registry.approve(proposal, sender=second.account)
    desk.now = desk.latest_time() + 1
    desk.must(K.REMARK, exporter, consignment, previous=last)


# ------------------------------------------------------------------------------------------------- fields and times


@pytest.mark.parametrize("kind", [0, 18, 31, 255])
def test_there_are_seventeen_kinds(desk, consignment, exporter, kind):
    record = changed(desk.record(K.REMARK, exporter, consignment), kind=kind)
    desk.refuses_record(Refusal.NO_KIND, record, exporter)


@pytest.mark.parametrize("kind", list(K), ids=lambda kind: kind.name)
def test_counterpart_and_subject_stand_where_they_belong(desk, consignment, exporter, carrier, kind):
    needs, may = kind in NEEDS_SUBJECT, kind in (K.OPEN, K.REMARK)
    subject = MANIFEST if needs else ZERO32
    record = (
        desk.opening(exporter)
        if kind == K.OPEN
        else desk.record(kind, exporter, consignment, subject=subject)
    )
    good = desk.check(record, exporter.sign(desk.digest(record)))
    assert good is not Refusal.FIELDS
    if kind != K.OFFER:
        bad = changed(record, counterpart=carrier.party)
        desk.refuses_record(Refusal.FIELDS, bad, exporter)
    if not may:
        bad = changed(record, subject=ZERO32 if needs else MANIFEST)
        desk.refuses_record(Refusal.FIELDS, bad, exporter)
    if kind == K.OPEN:
        desk.refuses_record(Refusal.FIELDS, changed(record, details=ZERO32), exporter)


def test_a_record_is_taken_in_its_last_second_and_not_after(desk, consignment, exporter):
    record = desk.record(K.REMARK, exporter, consignment, expires_at=desk.now)
    assert desk.file(exporter, record)[0].refusal is Refusal.NONE
    desk.refuses(Refusal.EXPIRED, K.REMARK, exporter, consignment, expires_at=desk.now - 1)


@pytest.mark.parametrize(
    ("kind", "days"), [(K.REMARK, 30), (K.HOLD, 30), (K.TAKE, 30), (K.RELEASE, 1), (K.CLEARANCE, 1)]
)
def test_a_record_is_good_for_thirty_days_a_decision_for_one(desk, consignment, origin_officer, kind, days):
    subject = MANIFEST if days == 1 else ZERO32
    longest = desk.now + days * DAY
    record = desk.record(kind, origin_officer, consignment, subject=subject, expires_at=longest)
    assert desk.file(origin_officer, record)[0].refusal is Refusal.NONE
    too_long = desk.now + days * DAY + 1
    desk.refuses(Refusal.TOO_LONG, kind, origin_officer, consignment, subject=subject, expires_at=too_long)


def test_what_was_observed_is_at_most_300_seconds_ahead(desk, consignment, exporter):
    record = desk.record(K.REMARK, exporter, consignment, observed_at=desk.now + 300)
    assert desk.file(exporter, record)[0].refusal is Refusal.NONE
    desk.refuses(Refusal.AHEAD, K.REMARK, exporter, consignment, observed_at=desk.now + 301)


def test_a_late_capture_is_taken_with_its_own_time(desk, consignment, origin_officer):
    observed = desk.now - 29 * DAY
    desk.must(K.ARRIVAL, origin_officer, consignment, observed_at=observed, expires_at=observed + 30 * DAY)


def test_the_highest_times_overflow_nothing(desk, consignment, exporter):
    highest = 2**64 - 1
    desk.refuses(Refusal.AHEAD, K.REMARK, exporter, consignment, observed_at=highest, expires_at=highest)
    desk.refuses(Refusal.TOO_LONG, K.REMARK, exporter, consignment, expires_at=highest)


# ----------------------------------------------------------------------------------------------------------- batches


def test_no_record_spoils_another_and_sequences_have_no_gap(
    desk, consignment, exporter, stranger, origin_officer
):
    first = int.from_bytes(desk.ask("sequence"), "big") + 1
    arrival = desk.record(K.ARRIVAL, exporter, consignment)
    batch = [
        *desk.signed(stranger, desk.opening(stranger)),
        *desk.signed(exporter, arrival),
        (changed(arrival, kind=255), b""),
        *desk.signed(exporter, arrival),
        *desk.signed(origin_officer, desk.record(K.HOLD, origin_officer, consignment)),
    ]
    outcomes = desk.append(batch)
    expected = [
        Refusal.NOT_ENROLLED,
        Refusal.NONE,
        Refusal.NOT_SIGNED,
        Refusal.ALREADY_APPENDED,
        Refusal.NONE,
    ]
    assert [outcome.refusal for outcome in outcomes] == expected
    assert [outcome.sequence for outcome in outcomes] == list(range(first, first + 5))
    assert int.from_bytes(desk.ask("sequence"), "big") == first + 4
    assert [outcome.signer for outcome in outcomes[:3]] == [
        stranger.address_bytes,
        exporter.address_bytes,
        bytes(20),
    ]


def test_every_event_ever_has_the_next_sequence(desk, consignment, exporter, stranger):
    for _ in range(3):
        desk.must(K.REMARK, exporter, consignment)
        desk.file(stranger, desk.opening(stranger), desk.opening(stranger))
    logs = desk.rpc("eth_getLogs", {"address": desk.address, "fromBlock": "0x0", "toBlock": "latest"})
    sequences = [int(log["data"][2:66], 16) for log in logs]
    assert sequences == list(range(1, len(logs) + 1))
    assert len(logs) == 10


def test_a_record_later_in_the_batch_stands_on_those_before_it(desk, exporter, carrier):
    opening = desk.opening(exporter)
    offer = desk.record(K.OFFER, exporter, opening.consignment, counterpart=carrier.party)
    digest = desk.digest(offer)
    accept = desk.record(K.ACCEPT, carrier, opening.consignment, previous=digest, subject=digest)
    batch = desk.signed(exporter, opening, offer) + desk.signed(carrier, accept)
    assert [outcome.refusal for outcome in desk.append(batch)] == [Refusal.NONE] * 3
    assert desk.party("custodian", opening.consignment) == carrier.party


def test_two_parties_of_one_account_are_told_apart_within_a_batch(desk, exporter, carrier):
    """The registry is asked again when the signer or the party changes."""
    good = desk.opening(exporter)
    blind = keccak(b"the other party's")
    bad = desk.opening(carrier, previous=blind)
    again = desk.opening(exporter)
    outcomes = desk.append(desk.signed(exporter, good, bad, again))
    expected = [Refusal.NONE, Refusal.NOT_ENROLLED, Refusal.NONE]
    assert [outcome.refusal for outcome in outcomes] == expected


def test_a_batch_needs_one_signature_a_record(desk, ledger, consignment, exporter, stranger):
    ((record, signature),) = desk.signed(exporter, desk.record(K.REMARK, exporter, consignment))
    with ape.reverts(ledger.ConsignmentBatchMismatched, records=1, signatures=0):
        ledger.append([fields(record)], [], sender=stranger.account)
    with ape.reverts(ledger.ConsignmentBatchMismatched, records=1, signatures=2):
        ledger.append([fields(record)], [signature, signature], sender=stranger.account)
    desk.now = desk.latest_time() + 1
    assert desk.append([(record, signature)])[0].refusal is Refusal.NONE


def test_a_batch_holds_at_most_a_hundred_records(desk, ledger, consignment, exporter, stranger):
    ((record, signature),) = desk.signed(exporter, desk.record(K.REMARK, exporter, consignment))
    limit = ledger.batchLimit()
    assert limit == 100
    with ape.reverts(ledger.ConsignmentBatchTooLong, records=limit + 1, limit=limit):
        ledger.append([fields(record)] * (limit + 1), [signature] * (limit + 1), sender=stranger.account)
    desk.now = desk.latest_time() + 1
    outcomes = desk.append([(record, signature)] * limit)
    assert [outcome.refusal for outcome in outcomes] == [
        Refusal.NONE,
        *[Refusal.ALREADY_APPENDED] * (limit - 1),
    ]


def test_an_empty_batch_changes_nothing(desk, consignment):
    before = int.from_bytes(desk.ask("sequence"), "big")
    assert desk.append([]) == []
    assert int.from_bytes(desk.ask("sequence"), "big") == before


def test_anyone_may_bring_anybodys_signed_record(desk, ledger, consignment, exporter, stranger):
    ((record, signature),) = desk.signed(exporter, desk.record(K.REMARK, exporter, consignment))
    receipt = ledger.append([fields(record)], [signature], sender=stranger.account)
    (event,) = receipt.events
    assert (event.event_name, event.signer) == ("RecordAppended", exporter.address)
    assert bytes(event.consignment) == consignment


# ------------------------------------------------------------------------------------------- what a verifier relies on


def mapping_slot(slot: int, *keys: bytes) -> bytes:
    """Where a mapping's value lies: keccak256(key ‖ slot), keys padded as their types are."""
    place = slot.to_bytes(32, "big")
    for key in keys:
        place = keccak((key if len(key) == 32 else key.ljust(32, b"\0")) + place)
    return place


def test_the_slots_are_where_the_contract_says(desk, exporter, carrier, agency_officer, origin_officer):
    container, inside = desk.open(exporter), desk.open(exporter)
    desk.must(K.CONSOLIDATE, exporter, inside, subject=container)
    offer = desk.must(K.OFFER, exporter, container, counterpart=carrier.party)
    first = desk.must(K.HOLD, agency_officer, container)
    second = desk.must(K.HOLD, origin_officer, container)
    assert int.from_bytes(desk.slot(bytes(32)), "big") == int.from_bytes(desk.ask("sequence"), "big")
    assert desk.slot(mapping_slot(1, container)) == desk.word("trail", container)
    assert desk.slot(mapping_slot(2, container)) == offer
    account = agency_officer.address_bytes.rjust(32, b"\0")
    assert desk.slot(mapping_slot(3, container, account)) == first
    assert desk.slot(mapping_slot(4, container)) == carrier.party + exporter.party
    assert desk.slot(mapping_slot(4, inside)) == ZERO32, "the outermost's custodian counts"
    assert desk.slot(mapping_slot(5, inside)) == container
    assert desk.slot(mapping_slot(5, container)) == ZERO32
    assert desk.slot(mapping_slot(6, container)) == (1).to_bytes(32, "big")
    holds = first[:20] + agency_officer.party[8:] + (2).to_bytes(4, "big")
    assert desk.slot(mapping_slot(7, container, b"SG")) == holds
    assert desk.slot(mapping_slot(7, container, b"NL")) == ZERO32
    assert desk.slot(mapping_slot(8, container, second)) == ZERO16 + origin_officer.party
    for actor, hold in ((agency_officer, first), (origin_officer, second)):
        desk.must(K.LIFT, actor, container, subject=hold)
    assert desk.slot(mapping_slot(7, container, b"SG")) == ZERO32
    assert desk.slot(mapping_slot(8, container, second)) == ZERO32


def test_it_says_which_network_it_belongs_to(ledger, network):
    assert bytes(ledger.genesisHash()) == network.genesis_hash
    assert ledger.registry() == network.registry.address
    assert ledger.manifestLog() == network.log.address


def test_it_says_who_rules_it_and_that_nobody_can_end_it(ledger):
    doc = ledger.contract_type.devdoc
    assert "AdministrationRegistry alone" in doc["custom:authority"]
    assert doc["custom:kill"].startswith("None")


def test_unopened_consignments_read_as_nothing(desk):
    assert set(desk.state(keccak(b"never opened"))) == {ZERO32}


# --------------------------------------------------------------------------------------------------------------- gas

DETAILS = keccak(b"details")


def gas_a_record(desk: Desk, actor, records) -> float:
    """What a record costs in one batch; all are taken."""
    outcomes = desk.file(actor, *records)
    assert {outcome.refusal for outcome in outcomes} == {Refusal.NONE}
    return round(desk.gas_used / len(records), 1)


@pytest.fixture
def fifty(desk, exporter) -> list[bytes]:
    openings = [desk.opening(exporter) for _ in range(50)]
    desk.file(exporter, *openings)
    return [opening.consignment for opening in openings]


def test_gas_of_opening(desk, exporter, gas_snapshot):
    gas = gas_a_record(desk, exporter, [desk.opening(exporter) for _ in range(50)])
    gas_snapshot.compare("ConsignmentLedger.append OPEN, 50 a batch", gas)
    assert gas <= 70_000


@pytest.mark.parametrize("who", ["officer", "custodian"])
def test_gas_of_a_fact_on_an_existing_line(desk, fifty, exporter, origin_officer, gas_snapshot, who):
    actor = {"officer": origin_officer, "custodian": exporter}[who]
    for _ in range(2):
        records = [desk.record(K.ARRIVAL, actor, each, details=DETAILS) for each in fifty]
        gas = gas_a_record(desk, actor, records)
    gas_snapshot.compare(
        f"ConsignmentLedger.append ARRIVAL by the {who} on an existing line, 50 a batch", gas
    )
    assert gas <= 35_000


def test_gas_does_not_grow_with_history(desk, consignment, exporter):
    """What is stored is a hash, however long the history behind it."""
    costs = []
    for _ in range(2):
        records = []
        for _ in range(60):
            previous = desk.digest(records[-1]) if records else desk.line(K.REMARK, consignment, exporter)
            records.append(desk.record(K.REMARK, exporter, consignment, previous=previous, details=DETAILS))
        assert {outcome.refusal for outcome in desk.file(exporter, *records)} == {Refusal.NONE}
        desk.must(K.REMARK, exporter, consignment, details=DETAILS)
        costs.append(desk.gas_used)
    assert abs(costs[1] - costs[0]) <= 0.01 * costs[0]


def test_gas_of_a_hold_even_on_a_new_line(desk, fifty, origin_officer, agency_officer, gas_snapshot):
    for name, actor in (("first", origin_officer), ("second", agency_officer)):
        records = [desk.record(K.HOLD, actor, each, details=DETAILS) for each in fifty]
        gas = gas_a_record(desk, actor, records)
        gas_snapshot.compare(
            f"ConsignmentLedger.append {name} HOLD of an administration on a new line, 50 a batch", gas
        )
        assert gas <= 80_000


def test_gas_of_a_handover(desk, fifty, exporter, carrier, gas_snapshot):
    offers = [desk.record(K.OFFER, exporter, each, counterpart=carrier.party) for each in fifty]
    gas_snapshot.compare("ConsignmentLedger.append OFFER, 50 a batch", gas_a_record(desk, exporter, offers))
    digests = [desk.digest(offer) for offer in offers]
    accepts = [
        desk.record(K.ACCEPT, carrier, each, subject=digest)
        for each, digest in zip(fifty, digests, strict=True)
    ]
    gas_snapshot.compare("ConsignmentLedger.append ACCEPT, 50 a batch", gas_a_record(desk, carrier, accepts))


def towers(desk: Desk, actor, count: int) -> list[list[bytes]]:
    """`count` towers of nine consignments, the outermost first, the innermost not yet inside."""
    built = []
    for _ in range(count):
        openings = [desk.opening(actor) for _ in range(9)]
        ids = [opening.consignment for opening in openings]
        puttings = [
            desk.record(K.CONSOLIDATE, actor, inner, subject=outer, previous=ZERO32)
            for outer, inner in pairwise(ids[:-1])
        ]
        assert {outcome.refusal for outcome in desk.file(actor, *openings, *puttings)} == {Refusal.NONE}
        built.append(ids)
    return built


def test_gas_of_consolidating_eight_deep(desk, exporter, carrier, gas_snapshot):
    """The dearest case: every height above changes, the outermost's offer ends, the custody line is new."""
    records = []
    for outermost, *_, parent, innermost in towers(desk, exporter, 50):
        desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party, previous=ZERO32)
        record = desk.record(
            K.CONSOLIDATE, exporter, innermost, subject=parent, details=DETAILS, previous=ZERO32
        )
        records.append(record)
    gas = gas_a_record(desk, exporter, records)
    gas_snapshot.compare("ConsignmentLedger.append CONSOLIDATE 8 deep, 50 a batch", gas)
    assert gas <= 170_000


def test_no_record_alone_in_a_transaction_is_over_the_budget(
    desk, exporter, carrier, origin_officer, importer
):
    """What costs most of each sort. On top of the budget come the 21,000 of any transaction."""

    def within_budget(kind, actor, consignment, **changes):
        record = desk.record(kind, actor, consignment, details=DETAILS, **changes)
        receipt = desk.send(desk.data(desk.signed(actor, record)), 21_000 + GAS_A_RECORD)
        assert (int(receipt["status"], 16), len(receipt["logs"])) == (1, 1)
        assert len(receipt["logs"][0]["topics"]) == 4, "refused"
        return desk.digest(record)

    (first, second) = towers(desk, exporter, 2)
    for outermost, *_, parent, innermost in (first, second):
        desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party)
        within_budget(K.CONSOLIDATE, exporter, innermost, subject=parent)
        within_budget(K.SEAL, exporter, innermost)
        within_budget(K.RELEASE, origin_officer, innermost, subject=MANIFEST)
        hold = within_budget(K.HOLD, origin_officer, innermost)
        within_budget(K.LIFT, origin_officer, innermost, subject=hold)
        desk.must(K.OFFER, exporter, outermost, counterpart=carrier.party)
    within_budget(K.DECONSOLIDATE, exporter, first[-1], subject=first[-2])
    within_budget(K.TAKE, origin_officer, second[-1])
