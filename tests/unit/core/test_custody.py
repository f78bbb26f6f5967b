"""The custody model, rule by rule, without a chain: tests/parity drives it beside the contract."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest

from ledger.core.custody import Custody, Standing
from ledger.core.findings import FindingKind
from ledger.core.identifiers import Party
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
    Domain,
    Role,
    consignment_id,
    extend_trail,
    keccak,
)
from ledger.errors import (
    ConsignmentAlreadyOpened,
    ConsignmentHeld,
    NotFound,
    RecordRefused,
    Refusal,
    StepNotAllowed,
    refusal_class,
)

K = CustodyKind
NOW = 1_790_000_000
DAY = 86_400
DOMAIN = Domain(31337, b"\x33" * 20)
MANIFEST = keccak(b"manifest id")
SG, AE, NL = (code.ljust(8, b"\0") for code in (b"SG", b"AE", b"NL"))
NEEDS_SUBJECT = (K.ACCEPT, K.DECLINE, K.LIFT, K.RELEASE, K.CLEARANCE, K.CONSOLIDATE, K.DECONSOLIDATE)
FACTS = (K.ARRIVAL, K.DEPARTURE, K.SEAL, K.REMARK)


@dataclass(frozen=True)
class Person:
    """An account: an address and what the registry says of it."""

    address: bytes
    standing: Standing | None

    @property
    def party(self) -> bytes:
        assert self.standing is not None
        return self.standing.party


def person(party: str, roles: int, number: int = 0) -> Person:
    data = Party.parse(party).to_bytes()
    address = keccak(data + bytes([roles, number]))[:20]
    return Person(address, Standing(data, roles, NOW + 1000 * DAY, 0, 0, True))


EXPORTER = person("SG:ACME01", Role.TRADER)
CARRIER = person("SG:CARRIER1", Role.TRADER)
OFFICER = person("SG", Role.OFFICER)
COLLEAGUE = person("SG", Role.OFFICER, 1)
AGENCY = person("SG:FOODSAFE", Role.OFFICER)
TRANSIT = person("AE", Role.OFFICER)
DESTINATION = person("NL", Role.OFFICER)
IMPORTER = person("NL:IMPORT01", Role.TRADER)
AUDITOR = person("SG", Role.AUDITOR)
STRANGER = Person(b"\x09" * 20, None)


class Book:
    """A model and a clock; fills in lines and times as a client would."""

    def __init__(self) -> None:
        self.custody = Custody()
        self.now = NOW
        self.taken: list[tuple[CustodyRecord, bytes, Person, int]] = []
        self._blinds = 0

    def record(self, kind: int, who: Person, consignment: bytes, **changes: Any) -> CustodyRecord:
        custody_line = kind in (K.OFFER, K.ACCEPT, K.DECLINE, K.CLOSE, K.CONSOLIDATE, K.DECONSOLIDATE)
        given: dict[str, Any] = {
            "consignment": consignment,
            "kind": int(kind),
            "party": who.standing.party if who.standing else ZERO16,
            "previous": self.custody.custody_line(consignment)
            if custody_line
            else self.custody.account_line(consignment, who.address),
            "subject": ZERO32,
            "details": ZERO32,
            "counterpart": ZERO16,
            "observed_at": self.now,
            "expires_at": self.now + 3600,
        }
        return CustodyRecord(**(given | changes))

    def opening(self, who: Person, **changes: Any) -> CustodyRecord:
        self._blinds += 1
        blind = keccak(b"blind %d" % self._blinds)
        opened = consignment_id(who.party, blind)
        return self.record(
            K.OPEN, who, opened, **({"previous": blind, "details": keccak(b"manifest")} | changes)
        )

    def file(self, who: Person, record: CustodyRecord) -> Refusal:
        digest = record.digest(DOMAIN)
        refusal = self.custody.append(record, digest, who.address, who.standing, self.now)
        if refusal is Refusal.NONE:
            self.taken.append((record, digest, who, self.now))
        self.now += 1
        return refusal

    def must(self, kind: int, who: Person, consignment: bytes, **changes: Any) -> bytes:
        record = self.record(kind, who, consignment, **changes)
        assert self.file(who, record) is Refusal.NONE
        return record.digest(DOMAIN)

    def refuses(
        self, refusal: Refusal, kind: int, who: Person, consignment: bytes, **changes: Any
    ) -> RecordRefused:
        return self.refuses_record(refusal, who, self.record(kind, who, consignment, **changes))

    def refuses_record(self, refusal: Refusal, who: Person, record: CustodyRecord) -> RecordRefused:
        """Refused for this reason, with its own error, and nothing changed."""
        before = {each: self.custody.state(each) for each in self.opened}
        assert self.file(who, record) is refusal
        assert {each: self.custody.state(each) for each in self.opened} == before
        error = self.custody.error(refusal, record, who.address, self.now - 1)
        assert type(error) is refusal_class(refusal)
        assert error.refusal is refusal
        assert str(error).startswith("Refused: ")
        return error

    def open(self, who: Person, **changes: Any) -> bytes:
        record = self.opening(who, **changes)
        assert self.file(who, record) is Refusal.NONE
        return record.consignment

    @property
    def opened(self) -> list[bytes]:
        return [record.consignment for record, *_ in self.taken if record.kind == K.OPEN]

    def kinds(self, consignment: bytes, documents: dict[bytes, dict[str, object]] | None = None) -> list[str]:
        return [finding.kind.value for finding in self.custody.findings(consignment, documents)]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def consignment(book: Book) -> bytes:
    return book.open(EXPORTER)


@pytest.fixture
def nested(book: Book) -> list[bytes]:
    """The first inside the second inside the third."""
    ids = [book.open(EXPORTER) for _ in range(3)]
    book.must(K.CONSOLIDATE, EXPORTER, ids[1], subject=ids[2])
    book.must(K.CONSOLIDATE, EXPORTER, ids[0], subject=ids[1])
    return ids


# ------------------------------------------------------------------------------------------------------ who may sign


def test_a_signature_that_is_none_is_not_signed(book, consignment):
    record = book.record(K.REMARK, EXPORTER, consignment)
    digest = record.digest(DOMAIN)
    custody = book.custody
    assert custody.judge(record, digest, None, EXPORTER.standing, NOW) is Refusal.NOT_SIGNED
    assert custody.append(record, digest, None, None, NOW) is Refusal.NOT_SIGNED
    assert custody.error(Refusal.NOT_SIGNED, record, None, NOW).refusal is Refusal.NOT_SIGNED


@pytest.mark.parametrize(
    "change",
    [
        {"roles": Role.AUDITOR},
        {"roles": Role.SEQUENCER},
        {"valid_until": NOW + 1},
        {"revoked_at": NOW},
        {"administration_active": False},
        {"party": CARRIER.party},
    ],
    ids=str,
)
def test_only_valid_traders_and_officers_of_the_party_sign(book, consignment, change):
    record = book.record(K.REMARK, EXPORTER, consignment)
    bad = replace(EXPORTER, standing=replace(EXPORTER.standing, **change))
    error = book.refuses_record(Refusal.NOT_ENROLLED, bad, record)
    assert "0x" + EXPORTER.address.hex() in str(error)
    assert "SG:ACME01" in str(error)
    assert book.file(EXPORTER, record) is Refusal.NONE


def test_a_stranger_is_not_enrolled(book, consignment):
    record = replace(book.record(K.REMARK, STRANGER, consignment), party=EXPORTER.party)
    book.refuses_record(Refusal.NOT_ENROLLED, STRANGER, record)
    assert "this party" not in str(book.custody.error(Refusal.NOT_ENROLLED, record, None, NOW))


def test_an_act_of_an_account_revoked_since_stands_and_is_disputed_from_the_date_on():
    revoked = Standing(EXPORTER.party, Role.TRADER, NOW + DAY, NOW + 10, NOW + 20, True)
    assert revoked.as_of(NOW + 20).may_sign(EXPORTER.party, NOW + 20)
    assert not revoked.as_of(NOW + 21).may_sign(EXPORTER.party, NOW + 21)
    assert EXPORTER.standing.as_of(NOW) == EXPORTER.standing
    disputed = [revoked.is_disputed(NOW + at) for at in (9, 10, 20, 21)]
    assert disputed == [False, True, True, False]
    assert not EXPORTER.standing.is_disputed(NOW)


# --------------------------------------------------------------------------------------------------- form and times


@pytest.mark.parametrize("kind", [0, 18, 255])
def test_there_are_seventeen_kinds(book, consignment, kind):
    error = book.refuses(Refusal.NO_KIND, kind, EXPORTER, consignment)
    assert f"kind {kind}" in str(error)


@pytest.mark.parametrize("kind", list(K), ids=lambda kind: kind.name)
def test_counterpart_and_subject_stand_where_they_belong(book, consignment, kind):
    needs, may = kind in NEEDS_SUBJECT, kind in (K.OPEN, K.REMARK)
    record = (
        book.opening(EXPORTER)
        if kind == K.OPEN
        else book.record(kind, EXPORTER, consignment, subject=MANIFEST if needs else ZERO32)
    )
    digest = record.digest(DOMAIN)
    assert book.custody.judge(record, digest, EXPORTER.address, EXPORTER.standing, NOW) is not Refusal.FIELDS
    if kind != K.OFFER:
        error = book.refuses_record(Refusal.FIELDS, EXPORTER, replace(record, counterpart=CARRIER.party))
        assert "counterpart" in str(error)
    if not may:
        bad = replace(record, subject=ZERO32 if needs else MANIFEST)
        assert "subject" in str(book.refuses_record(Refusal.FIELDS, EXPORTER, bad))
    if kind == K.OPEN:
        bad = replace(record, details=ZERO32)
        assert "details" in str(book.refuses_record(Refusal.FIELDS, EXPORTER, bad))


def test_a_record_is_taken_in_its_last_second_and_not_after(book, consignment):
    book.must(K.REMARK, EXPORTER, consignment, expires_at=book.now)
    error = book.refuses(Refusal.EXPIRED, K.REMARK, EXPORTER, consignment, expires_at=book.now - 7)
    assert "7 seconds ago" in str(error)


@pytest.mark.parametrize(("kind", "days"), [(K.REMARK, 30), (K.HOLD, 30), (K.RELEASE, 1), (K.CLEARANCE, 1)])
def test_a_record_is_good_for_thirty_days_a_decision_for_one(book, consignment, kind, days):
    subject = MANIFEST if days == 1 else ZERO32
    longest = book.now + days * DAY
    book.must(kind, OFFICER, consignment, subject=subject, expires_at=longest)
    error = book.refuses(
        Refusal.TOO_LONG, kind, OFFICER, consignment, subject=subject, expires_at=longest + 2
    )
    assert f"{days} days" in str(error)


def test_what_was_observed_is_at_most_300_seconds_ahead(book, consignment):
    book.must(K.REMARK, EXPORTER, consignment, observed_at=book.now + 300)
    error = book.refuses(Refusal.AHEAD, K.REMARK, EXPORTER, consignment, observed_at=book.now + 301)
    assert "301 seconds" in str(error)


# ------------------------------------------------------------------------------------------------- opening and lines


def test_whoever_opens_is_in_charge_and_the_trail_begins(book):
    record = book.opening(EXPORTER)
    assert book.file(EXPORTER, record) is Refusal.NONE
    digest = record.digest(DOMAIN)
    state = book.custody.state(record.consignment)
    assert state.trail == extend_trail(ZERO32, digest, EXPORTER.address, NOW)
    assert (state.custodian, state.records, state.closed) == (EXPORTER.party, 1, False)
    assert (state.offered_to, state.inside, state.contents, state.height) == (None, None, (), 0)
    assert (state.holds, state.releases, state.findings) == ((), (), ())
    assert (state.custody_line, dict(state.account_lines)) == (ZERO32, {})
    assert record.consignment in book.custody
    assert len(book.custody) == 1


def test_a_consignment_is_opened_once_under_its_own_id(book):
    record = book.opening(EXPORTER)
    stolen = replace(record, party=CARRIER.party)
    book.refuses_record(Refusal.NOT_ITS_ID, CARRIER, stolen)
    assert book.file(EXPORTER, record) is Refusal.NONE
    error = book.refuses_record(Refusal.ALREADY_OPENED, EXPORTER, record)
    assert isinstance(error, ConsignmentAlreadyOpened)


def test_a_part_is_split_off_by_the_custodian_or_an_officer(book, consignment):
    for who in (EXPORTER, DESTINATION):
        before = book.custody.trail(consignment)
        part = book.open(who, subject=consignment)
        assert book.custody.trail(consignment) != before
        assert book.custody.steps(consignment)[-1].record.consignment == part
    error = book.refuses_record(Refusal.NOT_ALLOWED, CARRIER, book.opening(CARRIER, subject=consignment))
    assert "SG:ACME01" in str(error)
    book.must(K.CLOSE, EXPORTER, consignment)
    for subject in (consignment, keccak(b"never opened")):
        book.refuses_record(Refusal.NO_PARENT, OFFICER, book.opening(OFFICER, subject=subject))


def test_nothing_comes_before_open(book):
    book.refuses(Refusal.NOT_OPENED, K.REMARK, EXPORTER, keccak(b"never opened"))
    book.refuses(Refusal.NOT_OPENED, K.TAKE, OFFICER, keccak(b"never opened"))


def test_a_record_follows_its_line_and_stands_once(book, consignment):
    first = book.record(K.REMARK, EXPORTER, consignment)
    assert book.file(EXPORTER, first) is Refusal.NONE
    book.refuses_record(Refusal.ALREADY_APPENDED, EXPORTER, first)
    last = book.must(K.REMARK, EXPORTER, consignment)
    error = book.refuses_record(Refusal.NOT_NEXT, EXPORTER, first)
    assert last.hex() in str(error)
    error = book.refuses(Refusal.NOT_NEXT, K.OFFER, EXPORTER, consignment, previous=last)
    assert "00" * 32 in str(error)
    assert book.custody.state(consignment).account_lines == {EXPORTER.address: last}


def test_one_hold_by_two_officers_who_sign_the_same_words(book, consignment):
    hold = book.record(K.HOLD, OFFICER, consignment)
    assert book.file(OFFICER, hold) is Refusal.NONE
    book.refuses_record(Refusal.ALREADY_APPENDED, COLLEAGUE, hold)
    fact = book.record(K.INSPECTION, COLLEAGUE, consignment)
    assert book.file(COLLEAGUE, fact) is Refusal.NONE


# -------------------------------------------------------------------------------------------------------- permission


def test_facts_are_for_officers_and_the_custodian(book, consignment):
    for kind in FACTS:
        for who in (EXPORTER, OFFICER, AGENCY):
            book.must(kind, who, consignment)
        error = book.refuses(Refusal.NOT_ALLOWED, kind, CARRIER, consignment)
        assert "officers and the party in charge, SG:ACME01" in str(error)


def test_inspections_and_holds_are_for_officers_and_decisions_for_customs(book, consignment):
    for kind in (K.INSPECTION, K.HOLD):
        book.must(kind, TRANSIT, consignment)
        assert "is for officers." in str(book.refuses(Refusal.NOT_ALLOWED, kind, EXPORTER, consignment))
    for kind in (K.RELEASE, K.CLEARANCE, K.TAKE):
        subject = ZERO32 if kind == K.TAKE else MANIFEST
        for who in (EXPORTER, AGENCY):
            error = book.refuses(Refusal.NOT_ALLOWED, kind, who, consignment, subject=subject)
            assert "officers of a customs administration" in str(error)
        book.must(kind, DESTINATION, consignment, subject=subject)


def test_offers_and_closing_are_for_the_custodian(book, consignment):
    for kind in (K.OFFER, K.CLOSE):
        for who in (CARRIER, OFFICER):
            error = book.refuses(Refusal.NOT_ALLOWED, kind, who, consignment)
            assert "the party in charge, SG:ACME01" in str(error)
        book.must(kind, EXPORTER, consignment)


# --------------------------------------------------------------------------------------------------------- handovers


def test_custody_moves_by_offer_and_acceptance(book, consignment):
    offer = book.must(K.OFFER, EXPORTER, consignment, counterpart=CARRIER.party)
    assert book.custody.state(consignment).offered_to == CARRIER.party
    error = book.refuses(Refusal.NOT_OFFERED, K.ACCEPT, IMPORTER, consignment, subject=offer)
    assert "SG:CARRIER1" in str(error)
    book.refuses(Refusal.NOT_OFFERED, K.DECLINE, CARRIER, consignment, subject=MANIFEST)
    accepted = book.must(K.ACCEPT, CARRIER, consignment, subject=offer)
    assert book.custody.custodian(consignment) == CARRIER.party
    assert book.custody.custody_line(consignment) == accepted
    assert book.custody.offered_to(consignment) == ZERO16
    error = book.refuses(Refusal.NOT_OFFERED, K.ACCEPT, CARRIER, consignment, subject=accepted)
    assert "no such offer" in str(error)


def test_a_declined_or_withdrawn_offer_moves_nothing(book, consignment):
    offer = book.must(K.OFFER, EXPORTER, consignment, counterpart=CARRIER.party)
    book.must(K.DECLINE, CARRIER, consignment, subject=offer)
    book.must(K.OFFER, EXPORTER, consignment, counterpart=CARRIER.party)
    withdrawn = book.must(K.OFFER, EXPORTER, consignment)
    assert book.custody.offered_to(consignment) == ZERO16
    book.refuses(Refusal.NOT_OFFERED, K.ACCEPT, CARRIER, consignment, subject=withdrawn)
    assert book.custody.custodian(consignment) == EXPORTER.party


@pytest.mark.parametrize("change", ["put in", "taken out", "seized", "split off", "taken", "put away"])
def test_an_offer_ends_with_any_change_of_contents_at_any_depth(book, nested, change):
    inner, middle, outermost = nested
    book.must(K.OFFER, EXPORTER, outermost, counterpart=CARRIER.party)
    book.must(K.REMARK, EXPORTER, outermost)
    book.must(K.HOLD, OFFICER, inner)
    assert book.custody.offered_to(outermost) == CARRIER.party
    steps: dict[str, Callable[[], object]] = {
        "put in": lambda: book.must(K.CONSOLIDATE, EXPORTER, book.open(EXPORTER), subject=inner),
        "taken out": lambda: book.must(K.DECONSOLIDATE, EXPORTER, inner, subject=middle),
        "seized": lambda: book.must(K.TAKE, OFFICER, inner),
        "split off": lambda: book.open(EXPORTER, subject=inner),
        "taken": lambda: book.must(K.TAKE, OFFICER, outermost),
        "put away": lambda: book.must(K.CONSOLIDATE, EXPORTER, outermost, subject=book.open(EXPORTER)),
    }
    steps[change]()
    assert book.custody.offered_to(outermost) == ZERO16


# ------------------------------------------------------------------------------------------------------------- holds


def test_release_is_refused_while_a_hold_is_open_and_the_error_says_whose(book, consignment):
    hold = book.must(K.HOLD, AGENCY, consignment)
    for kind in (K.RELEASE, K.CLEARANCE):
        error = book.refuses(Refusal.HELD, kind, OFFICER, consignment, subject=MANIFEST)
        assert isinstance(error, ConsignmentHeld)
        assert error.holders == ("SG:FOODSAFE",)
        step = kind.name.lower()
        expected = f"on hold by SG:FOODSAFE; a {step} is possible once the hold is lifted"
        assert expected in str(error)
    book.must(K.RELEASE, DESTINATION, consignment, subject=MANIFEST)
    book.must(K.LIFT, AGENCY, consignment, subject=hold)
    book.must(K.RELEASE, OFFICER, consignment, subject=MANIFEST)


def test_a_hold_on_what_it_is_in_stops_release_and_one_inside_does_not(book, nested):
    inner, _, outermost = nested
    hold = book.must(K.HOLD, OFFICER, outermost)
    book.refuses(Refusal.HELD, K.RELEASE, COLLEAGUE, inner, subject=MANIFEST)
    book.must(K.LIFT, COLLEAGUE, outermost, subject=hold)
    book.must(K.HOLD, OFFICER, inner)
    book.must(K.RELEASE, OFFICER, outermost, subject=MANIFEST)


def test_only_the_party_that_placed_a_hold_lifts_it_once(book, consignment):
    hold = book.must(K.HOLD, OFFICER, consignment)
    assert book.custody.open_holds(consignment, SG) == 1
    assert book.custody.open_holds(consignment, NL) == 0
    for who in (AGENCY, DESTINATION):
        book.refuses(Refusal.NOT_A_HOLD, K.LIFT, who, consignment, subject=hold)
    book.must(K.LIFT, COLLEAGUE, consignment, subject=hold)
    error = book.refuses(Refusal.NOT_A_HOLD, K.LIFT, OFFICER, consignment, subject=hold)
    assert hold.hex() in str(error)
    assert book.custody.holds(consignment) == ()


# ----------------------------------------------------------------------------------- closing, taking, consolidating


def test_after_closing_officers_go_on_and_a_take_opens_again(book, consignment):
    closed = book.must(K.CLOSE, EXPORTER, consignment)
    state = book.custody.state(consignment)
    assert (state.custodian, state.closed, state.custody_line) == (None, True, closed)
    assert book.custody.is_closed(consignment)
    for kind in (*FACTS, K.OFFER, K.CLOSE):
        book.refuses(Refusal.CLOSED, kind, EXPORTER, consignment)
    book.refuses(Refusal.CLOSED, K.OFFER, OFFICER, consignment)
    for kind in (*FACTS, K.INSPECTION, K.HOLD):
        book.must(kind, AGENCY, consignment)
    taken = book.must(K.TAKE, OFFICER, consignment)
    assert book.custody.custodian(consignment) == OFFICER.party
    assert book.custody.custody_line(consignment) == taken
    assert book.custody.account_line(consignment, OFFICER.address) == taken


def test_close_is_refused_under_ones_own_hold_inside_another_and_while_not_empty(book, nested, consignment):
    inner, middle, outermost = nested
    book.refuses(Refusal.INSIDE_ANOTHER, K.CLOSE, EXPORTER, inner)
    error = book.refuses(Refusal.NOT_EMPTY, K.CLOSE, EXPORTER, outermost)
    assert "1 other" in str(error)
    book.must(K.HOLD, DESTINATION, consignment)
    hold = book.must(K.HOLD, OFFICER, consignment)
    error = book.refuses(Refusal.HELD, K.CLOSE, EXPORTER, consignment)
    assert "closing is possible" in str(error)
    book.must(K.LIFT, OFFICER, consignment, subject=hold)
    book.must(K.CLOSE, EXPORTER, consignment)
    error = book.refuses(Refusal.INSIDE_ANOTHER, K.OFFER, EXPORTER, inner)
    assert middle.hex() in str(error)


def test_what_is_inside_is_in_the_charge_of_the_outermosts_custodian(book, nested):
    inner, middle, outermost = nested
    offer = book.must(K.OFFER, EXPORTER, outermost, counterpart=CARRIER.party)
    book.must(K.ACCEPT, CARRIER, outermost, subject=offer)
    assert [book.custody.state(each).custodian for each in nested] == [CARRIER.party] * 3
    assert book.custody.contents(outermost) == (middle,)
    assert [book.custody.height(each) for each in nested] == [0, 1, 2]
    book.must(K.DECONSOLIDATE, CARRIER, middle, subject=outermost)
    assert book.custody.custodian(inner) == CARRIER.party
    book.must(K.TAKE, OFFICER, inner)
    assert book.custody.steps(middle)[-1].record.consignment == inner
    assert (book.custody.parent(inner), book.custody.custodian(middle)) == (None, CARRIER.party)


def test_consolidation_is_for_the_custodian_of_both_into_what_is_open(book, nested, consignment):
    inner, middle, outermost = nested
    theirs = book.open(CARRIER)
    for who, into in ((EXPORTER, theirs), (CARRIER, theirs)):
        error = book.refuses(Refusal.NOT_ALLOWED, K.CONSOLIDATE, who, consignment, subject=into)
        assert isinstance(error, StepNotAllowed)
        assert "SG:ACME01, the other SG:CARRIER1" in str(error)
    book.refuses(Refusal.INSIDE_ANOTHER, K.CONSOLIDATE, EXPORTER, inner, subject=consignment)
    book.refuses(Refusal.NO_PARENT, K.CONSOLIDATE, EXPORTER, consignment, subject=keccak(b"never"))
    book.must(K.CLOSE, CARRIER, theirs)
    book.refuses(Refusal.NO_PARENT, K.CONSOLIDATE, EXPORTER, consignment, subject=theirs)
    for into in nested:
        book.refuses(Refusal.LOOP, K.CONSOLIDATE, EXPORTER, outermost, subject=into)
    book.refuses(Refusal.NOT_INSIDE_IT, K.DECONSOLIDATE, EXPORTER, inner, subject=outermost)
    error = book.refuses(Refusal.NOT_INSIDE_IT, K.DECONSOLIDATE, EXPORTER, consignment, subject=outermost)
    assert "inside 0x" not in str(error)
    book.must(K.CONSOLIDATE, EXPORTER, consignment, subject=inner)
    assert book.custody.height(outermost) == 3
    book.must(K.DECONSOLIDATE, EXPORTER, inner, subject=middle)
    assert book.custody.height(outermost) == 1


def test_nothing_comes_to_have_more_than_eight_above_it(book, consignment):
    ids = [book.open(EXPORTER) for _ in range(9)]
    for outer, inner in pairwise(ids[:-1]):
        book.must(K.CONSOLIDATE, EXPORTER, inner, subject=outer)
    book.must(K.CONSOLIDATE, EXPORTER, consignment, subject=ids[8])
    book.refuses(Refusal.TOO_DEEP, K.CONSOLIDATE, EXPORTER, ids[8], subject=ids[7])
    book.must(K.DECONSOLIDATE, EXPORTER, consignment, subject=ids[8])
    book.must(K.CONSOLIDATE, EXPORTER, ids[8], subject=ids[7])
    book.refuses(Refusal.TOO_DEEP, K.CONSOLIDATE, EXPORTER, consignment, subject=ids[8])


# ---------------------------------------------------------------------------------------------------------- releases


def test_cargo_may_go_by_our_release_of_the_manifest_shown(book, consignment):
    custody = book.custody
    assert not custody.may_go(consignment, SG, MANIFEST)
    record = book.must(K.RELEASE, OFFICER, consignment, subject=MANIFEST)
    (release,) = custody.releases(consignment)
    assert (release.party, release.manifest, release.record) == (OFFICER.party, MANIFEST, record)
    assert custody.may_go(consignment, SG, MANIFEST)
    assert not custody.may_go(consignment, SG, keccak(b"another manifest"))
    assert not custody.may_go(consignment, NL, MANIFEST)
    assert not custody.may_go(keccak(b"never opened"), SG, MANIFEST)


def test_a_hold_voids_the_releases_of_its_administration_on_it_and_all_inside(book, nested):
    middle = nested[1]
    for each in nested:
        book.must(K.RELEASE, OFFICER, each, subject=MANIFEST)
        book.must(K.RELEASE, DESTINATION, each, subject=MANIFEST)
    hold = book.must(K.HOLD, AGENCY, middle)
    assert [book.custody.may_go(each, SG, MANIFEST) for each in nested] == [False] * 3
    assert all(book.custody.may_go(each, NL, MANIFEST) for each in nested)
    book.must(K.LIFT, AGENCY, middle, subject=hold)
    may_go = [book.custody.may_go(each, SG, MANIFEST) for each in nested]
    assert may_go == [False, False, True], "a lifted hold gives no release back"


def test_what_leaves_something_that_is_held_loses_the_holders_releases(book, nested):
    inner, middle, outermost = nested
    book.must(K.HOLD, OFFICER, outermost)
    released = book.open(EXPORTER)
    book.must(K.RELEASE, OFFICER, released, subject=MANIFEST)
    book.must(K.RELEASE, DESTINATION, released, subject=MANIFEST)
    book.must(K.CONSOLIDATE, EXPORTER, released, subject=inner)
    assert not book.custody.may_go(released, SG, MANIFEST), "what it is in is held"
    book.must(K.DECONSOLIDATE, EXPORTER, inner, subject=middle)
    assert [release.party for release in book.custody.releases(released)] == [DESTINATION.party]
    book.must(K.DECONSOLIDATE, EXPORTER, released, subject=inner)
    assert book.custody.may_go(released, NL, MANIFEST)


def test_a_clearance_counts_as_a_release_where_none_stands(book, consignment):
    cleared = book.must(K.CLEARANCE, OFFICER, consignment, subject=MANIFEST)
    (release,) = book.custody.releases(consignment)
    assert release.record == cleared
    book.must(K.CLEARANCE, OFFICER, consignment, subject=MANIFEST)
    assert len(book.custody.releases(consignment)) == 1
    book.must(K.RELEASE, OFFICER, consignment, subject=MANIFEST)
    assert len(book.custody.releases(consignment)) == 2
    book.must(K.CLEARANCE, OFFICER, consignment, subject=keccak(b"another"))
    assert len(book.custody.releases(consignment)) == 3


# ---------------------------------------------------------------------------------------------------------- findings


def test_cargo_under_hold_that_moves_is_a_finding_on_all_concerned(book, nested):
    inner, middle, outermost = nested
    book.must(K.HOLD, OFFICER, middle)
    moved = FindingKind.MOVED_UNDER_HOLD.value
    book.must(K.DEPARTURE, EXPORTER, middle)
    assert (book.kinds(inner), book.kinds(middle), book.kinds(outermost)) == ([], [moved], [])
    book.must(K.DEPARTURE, EXPORTER, outermost)
    assert (book.kinds(inner), book.kinds(middle), book.kinds(outermost)) == ([], [moved] * 2, [moved])
    book.must(K.DEPARTURE, EXPORTER, inner)
    assert (book.kinds(inner), book.kinds(middle)) == ([moved], [moved] * 3)
    sentences = [finding.sentence for finding in book.custody.findings(middle)]
    assert sentences == [
        "The consignment left a checkpoint while it was on hold by SG.",
        "While the consignment was on hold by SG, what it is in left a checkpoint.",
        "While the consignment was on hold by SG, something inside it left a checkpoint.",
    ]
    assert "what is inside it was on hold by SG" in book.custody.findings(outermost)[0].sentence
    assert "what it is in was on hold by SG" in book.custody.findings(inner)[0].sentence


def test_cargo_under_hold_that_is_repacked_or_changes_hands_is_a_finding(book, consignment):
    container = book.open(EXPORTER)
    book.must(K.HOLD, OFFICER, consignment)
    book.must(K.CONSOLIDATE, EXPORTER, consignment, subject=container)
    book.must(K.DECONSOLIDATE, EXPORTER, consignment, subject=container)
    offer = book.must(K.OFFER, EXPORTER, consignment, counterpart=CARRIER.party)
    book.must(K.ACCEPT, CARRIER, consignment, subject=offer)
    assert book.kinds(consignment) == [
        FindingKind.MOVED_UNDER_HOLD.value,
        FindingKind.MOVED_UNDER_HOLD.value,
        FindingKind.CHANGED_HANDS_UNDER_HOLD.value,
    ]
    assert book.kinds(container) == []


def test_taking_what_one_holds_oneself_is_no_finding_and_what_another_holds_is(book, consignment):
    book.must(K.HOLD, OFFICER, consignment)
    book.must(K.TAKE, OFFICER, consignment)
    assert book.kinds(consignment) == []
    book.must(K.TAKE, COLLEAGUE, consignment)
    assert book.kinds(consignment) == [], "it was theirs already"
    book.must(K.TAKE, DESTINATION, consignment)
    assert book.kinds(consignment) == [FindingKind.CHANGED_HANDS_UNDER_HOLD.value]


def test_closing_without_release_or_under_anothers_hold_is_a_finding(book):
    released, unreleased = book.open(EXPORTER), book.open(EXPORTER)
    book.must(K.RELEASE, DESTINATION, released, subject=MANIFEST)
    book.must(K.HOLD, TRANSIT, released)
    for each in (released, unreleased):
        book.must(K.CLOSE, EXPORTER, each)
    assert book.kinds(released) == [FindingKind.CLOSED_UNDER_HOLD.value]
    assert "on hold by AE" in book.custody.findings(released)[0].sentence
    assert book.kinds(unreleased) == [FindingKind.CLOSED_WITHOUT_RELEASE.value]


def test_a_capture_taken_more_than_a_day_later_is_late(book, consignment):
    for delay, kinds in ((DAY, []), (DAY + 1, [FindingKind.LATE.value])):
        observed = book.now - delay
        book.must(K.ARRIVAL, OFFICER, consignment, observed_at=observed, expires_at=observed + 2 * DAY)
        assert book.kinds(consignment) == kinds
    assert "24 hours later" in book.custody.findings(consignment)[0].sentence


def test_findings_of_nothing_are_none_and_there_is_no_state_of_it(book):
    nothing = keccak(b"never opened")
    custody = book.custody
    assert custody.findings(nothing) == ()
    with pytest.raises(NotFound, match=nothing.hex()):
        custody.state(nothing)
    assert (custody.trail(nothing), custody.custody_line(nothing)) == (ZERO32, ZERO32)
    assert custody.account_line(nothing, OFFICER.address) == ZERO32
    assert (custody.custodian(nothing), custody.offered_to(nothing)) == (ZERO16, ZERO16)
    assert (custody.parent(nothing), custody.contents(nothing), custody.height(nothing)) == (None, (), 0)
    assert (custody.holds(nothing), custody.releases(nothing), custody.steps(nothing)) == ((), (), ())
    assert not custody.is_closed(nothing)
    assert nothing not in custody


# ------------------------------------------------------------------------------------------------------------ replay


def test_a_replay_by_what_the_registry_says_now_gives_the_same_state(book, nested, consignment):
    book.must(K.HOLD, OFFICER, nested[1])
    book.must(K.TAKE, DESTINATION, nested[0])
    book.open(EXPORTER, subject=nested[2])
    again = Custody()
    for record, digest, who, time in book.taken:
        revoked = replace(who.standing, revoked_from=NOW + 3, revoked_at=book.now)
        step = again.apply(record, digest, who.address, revoked, time)
        assert (step.record, step.digest, step.signer, step.accepted_at) == (
            record,
            digest,
            who.address,
            time,
        )
        before = [finding.kind for finding in again.findings(record.consignment)]
        assert (FindingKind.DISPUTED in before) or time < NOW + 3
    assert again.steps(nested[2])[-1].other == nested[2]
    for each in book.opened:
        one, two = book.custody.state(each), again.state(each)
        assert replace(one, findings=()) == replace(two, findings=())


def test_a_replay_takes_no_record_that_the_rules_refuse(book, consignment):
    illegal = book.record(K.CLOSE, CARRIER, consignment)
    digest = illegal.digest(DOMAIN)
    before = book.custody.state(consignment)
    with pytest.raises(StepNotAllowed, match="SG:ACME01"):
        book.custody.apply(illegal, digest, CARRIER.address, CARRIER.standing, book.now)
    with pytest.raises(RecordRefused) as refused:
        book.custody.apply(illegal, digest, STRANGER.address, None, book.now)
    assert refused.value.refusal is Refusal.NOT_ENROLLED
    after_revocation = replace(CARRIER.standing, revoked_from=NOW - 9, revoked_at=book.now - 1)
    with pytest.raises(RecordRefused) as refused:
        book.custody.apply(illegal, digest, CARRIER.address, after_revocation, book.now)
    assert refused.value.refusal is Refusal.NOT_ENROLLED
    assert book.custody.state(consignment) == before
