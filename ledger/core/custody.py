"""Who is in charge of cargo, what holds it and what may happen next: ConsignmentLedger's rules, judged alike.

`Custody` is the contract's twin: given the same records, signers, standings and times it refuses what the contract
refuses, for the same reason, and its trails, lines, custodians, offers, parents, heights and holds are the contract's
(tests/parity drives both side by side). Where the design leaves a question, the NatSpec of `IConsignmentLedger` has the
answer and this module follows it. Beyond the contract it keeps what no rule on chain reads: releases, and findings.

Signatures are **not** checked here, nor digests computed: the caller recovers the signer (`signatures.recover`) and
takes the digest from the record and its domain. It hands in the account's standing, from the registry.

To rebuild one consignment, feed `apply` with the appended records, in the order of their sequence, of that consignment
and of everything that is connected with it: a record of consignment a with second consignment b connects a and b. A
consignment that was never connected with another needs its own records only.

Sources: DESIGN 4; contracts/interfaces/IConsignmentLedger.sol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ledger.core import findings as _findings
from ledger.core.findings import Documents, Finding, FindingKind, Step, kind_name, party_text
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, Role, consignment_id, extend_trail
from ledger.errors import (
    ConsignmentHeld,
    ConsignmentInside,
    ConsignmentNotEmpty,
    ConsignmentNotInside,
    ConsignmentNotOffered,
    HoldNotOpen,
    NotFound,
    ParentNotOpen,
    RecordExpired,
    RecordExpiryTooFar,
    RecordFieldsWrong,
    RecordNotNext,
    RecordObservedAhead,
    RecordRefused,
    Refusal,
    SignerNotEnrolled,
    StepNotAllowed,
    UnknownRecordKind,
    refusal_class,
)

LONGEST_SECONDS = 30 * 86_400  # from observed_at to expires_at
LONGEST_DECISION_SECONDS = 86_400  # the same for RELEASE and CLEARANCE: the state they decide on moves
MOST_AHEAD_SECONDS = 300  # observed_at ahead of the block: clocks differ
MOST_ABOVE = 8  # consignments that one may be inside of, one in the other: bounds the gas of every walk

_Kind = CustodyKind
_NEED_SUBJECT = frozenset(
    (
        _Kind.ACCEPT,
        _Kind.DECLINE,
        _Kind.LIFT,
        _Kind.RELEASE,
        _Kind.CLEARANCE,
        _Kind.CONSOLIDATE,
        _Kind.DECONSOLIDATE,
    )
)
_MAY_HAVE_SUBJECT = _NEED_SUBJECT | {_Kind.OPEN, _Kind.REMARK}
ON_CUSTODY_LINE = frozenset(
    (_Kind.OFFER, _Kind.ACCEPT, _Kind.DECLINE, _Kind.CLOSE, _Kind.CONSOLIDATE, _Kind.DECONSOLIDATE)
)
"""Kinds whose `previous` is the consignment's custody line; the others but OPEN follow their account's own."""
_FACTS = frozenset((_Kind.ARRIVAL, _Kind.DEPARTURE, _Kind.SEAL, _Kind.REMARK))
_BY_OFFICER = frozenset((_Kind.INSPECTION, _Kind.HOLD, _Kind.LIFT))
_BY_CUSTOMS = frozenset((_Kind.RELEASE, _Kind.CLEARANCE, _Kind.TAKE))
_BY_CUSTODIAN = frozenset((_Kind.OFFER, _Kind.CLOSE, _Kind.CONSOLIDATE, _Kind.DECONSOLIDATE))
_DECISIONS = frozenset((_Kind.RELEASE, _Kind.CLEARANCE))
_ANSWERS = frozenset((_Kind.ACCEPT, _Kind.DECLINE))
_NOT_INSIDE = frozenset((_Kind.OFFER, _Kind.CLOSE, _Kind.CONSOLIDATE))
_WHEN_CLOSED = _FACTS | _BY_OFFICER | _BY_CUSTOMS
_MOVES = {
    _Kind.DEPARTURE: "left a checkpoint",
    _Kind.CONSOLIDATE: "was put into another consignment",
    _Kind.DECONSOLIDATE: "was taken out of another consignment",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the registry says of an account, at the time of judgement.

    Attributes:
        party: The party it acts for, 16 bytes.
        roles: Bits of `Role`.
        valid_until: Unix seconds; the first second in which it may no longer act.
        revoked_from: Unix seconds from which its acts are disputed; of meaning only if `revoked_at` is not 0.
        revoked_at: Time of the block that revoked it first, Unix seconds; 0 if it is not revoked.
        administration_active: Whether its administration is active, and not suspended.
    """

    party: bytes
    roles: int
    valid_until: int
    revoked_from: int
    revoked_at: int
    administration_active: bool

    @property
    def is_officer(self) -> bool:
        """Whether it has the role OFFICER."""
        return bool(self.roles & Role.OFFICER)

    def may_sign(self, party: bytes, time: int) -> bool:
        """Whether the contract takes its signature for a party at a time."""
        return (
            self.party == party
            and bool(self.roles & (Role.TRADER | Role.OFFICER))
            and time < self.valid_until
            and self.revoked_at == 0
            and self.administration_active
        )

    def as_of(self, time: int) -> Standing:
        """The standing that the contract saw at an earlier time, by what the registry says now.

        Validity only ever grows while it lasts, so it needs no history. At the very second of the revocation what the
        contract took stands. Whether the administration was active then is **not** looked back on.
        """
        if self.revoked_at >= time:
            return replace(self, revoked_from=0, revoked_at=0)
        return self

    def is_disputed(self, time: int) -> bool:
        """Whether an act accepted at this time is disputed: from `revoked_from` to `revoked_at`, both included."""
        return self.revoked_at != 0 and self.revoked_from <= time <= self.revoked_at


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold.

    Attributes:
        party: Who placed it, 16 bytes.
        record: Digest of the HOLD, 32 bytes; LIFT names it.
        at: Acceptance time, Unix seconds.
    """

    party: bytes
    record: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Release:
    """A release that stands: not voided by a later hold of the same administration.

    Attributes:
        party: The customs administration that released, 16 bytes.
        manifest: Id of the manifest decided on, 32 bytes; the release counts for no other.
        record: Digest of the RELEASE, or of the CLEARANCE that counts as one, 32 bytes; its details hold the procedure.
        at: Acceptance time, Unix seconds.
    """

    party: bytes
    manifest: bytes
    record: bytes
    at: int


@dataclass(frozen=True, slots=True)
class ConsignmentState:
    """All there is to say of one consignment, frozen.

    Attributes:
        consignment: Its id, 32 bytes.
        trail: The hash over its history, 32 bytes.
        records: How many records extended the trail, those of other consignments included.
        custodian: The party in charge (the outermost's custodian), 16 bytes; None when closed.
        offered_to: The party to whom it is offered, 16 bytes, or None.
        inside: What it is directly inside, 32 bytes, or None.
        contents: What is directly inside it, 32 bytes each, in the order in which they went in.
        height: How many levels are inside it.
        holds: Open holds on it itself, in the order in which they were placed.
        releases: Releases that stand, in the order in which they were given.
        closed: Whether it is closed.
        findings: What is odd about it, as `Custody.findings`.
        custody_line: The digest that the next record of the custody line names as `previous`, 32 bytes.
        account_lines: The same for each account's own line, by address (20 bytes); an absent account names zero.
    """

    consignment: bytes
    trail: bytes
    records: int
    custodian: bytes | None
    offered_to: bytes | None
    inside: bytes | None
    contents: tuple[bytes, ...]
    height: int
    holds: tuple[Hold, ...]
    releases: tuple[Release, ...]
    closed: bool
    findings: tuple[Finding, ...]
    custody_line: bytes
    account_lines: Mapping[bytes, bytes]


class _Consignment:
    """What is kept of one consignment; changed in place, since a replay takes millions of steps."""

    __slots__ = (
        "account_lines",
        "contents",
        "custodian",
        "custody_line",
        "findings",
        "holds",
        "offered_to",
        "parent",
        "releases",
        "steps",
        "trail",
    )

    def __init__(self, custodian: bytes) -> None:
        self.trail = ZERO32
        self.custody_line = ZERO32
        self.account_lines: dict[bytes, bytes] = {}
        # Zero when closed. Of what is inside another, who was in charge when it went in: the outermost's counts.
        self.custodian = custodian
        self.offered_to = ZERO16
        self.parent: bytes | None = None
        self.contents: dict[bytes, None] = {}  # a dict for its order
        self.holds: dict[bytes, Hold] = {}
        self.releases: list[Release] = []
        self.steps: list[Step] = []
        self.findings: list[Finding] = []


class Custody:
    """The state of the consignments whose records it was given.

    1. `judge` tells what the contract would refuse, and changes nothing.
    2. `append` judges and, if there is no refusal, applies: for records on their way to the chain.
    3. `apply` takes a record that the chain has appended, and raises if the rules would not have: for replays.
    """

    def __init__(self) -> None:
        self._consignments: MutableMapping[bytes, _Consignment] = {}

    # ------------------------------------------------------------------------------------------------------ judging

    def judge(
        self, record: CustodyRecord, digest: bytes, signer: bytes | None, account: Standing | None, time: int
    ) -> Refusal:
        """Judge a record as the contract would in a block of this time.

        Args:
            record: The record.
            digest: Its EIP-712 digest in the contract's domain, 32 bytes; **not** checked against the record.
            signer: The address its signature recovers, 20 bytes; None if the signature is none.
            account: The signer's standing now; None if it is not enrolled.
            time: The block's time, Unix seconds.

        Returns:
            The first refusal that applies, in the order of `Refusal`, or NONE.
        """
        if signer is None:
            return Refusal.NOT_SIGNED
        if account is None or not account.may_sign(record.party, time):
            return Refusal.NOT_ENROLLED
        refusal = _judge_form(record, time)
        if refusal:
            return refusal
        if record.kind == _Kind.OPEN:
            return self._judge_opening(record, account.is_officer)
        consignment = self._consignments.get(record.consignment)
        if consignment is None:
            return Refusal.NOT_OPENED
        return (
            _judge_line(consignment, record, digest, signer)
            or self._judge_permission(consignment, record, account.is_officer)
            or self._judge_step(consignment, record)
        )

    def append(
        self, record: CustodyRecord, digest: bytes, signer: bytes | None, account: Standing | None, time: int
    ) -> Refusal:
        """Judge a record as `judge` does and, if there is no refusal, take it; else nothing changes."""
        refusal = self.judge(record, digest, signer, account, time)
        if not refusal and signer is not None and account is not None:
            self._take(record, digest, signer, account, time)
        return refusal

    def apply(
        self, record: CustodyRecord, digest: bytes, signer: bytes, account: Standing | None, time: int
    ) -> Step:
        """Take a record that the chain has appended.

        Args:
            record: The record.
            digest: Its EIP-712 digest, 32 bytes.
            signer: Its signer's address, 20 bytes.
            account: What the registry says of the signer now, revocations since then included; `administration_active`
                as it was then, or True where that is not known.
            time: Time of the block that took it, Unix seconds.

        Returns:
            The step; `other` must be what the event says.

        Raises:
            RecordRefused: By its class: the rules would have refused the record, so the chain's history, the registry's
                or the one given here is not whole.
        """
        then = None if account is None else account.as_of(time)
        refusal = self.judge(record, digest, signer, then, time)
        if refusal or account is None:
            raise self.error(refusal, record, signer, time)
        return self._take(record, digest, signer, account, time)

    def error(
        self, refusal: Refusal, record: CustodyRecord, signer: bytes | None, time: int
    ) -> RecordRefused:
        """The error of a refusal, with the facts as they stand here.

        Args:
            refusal: What `judge` or the chain answered; not NONE.
            record: The record that was judged.
            signer: The signer's address, 20 bytes, or None.
            time: The time of judgement, Unix seconds.
        """
        here = self._consignments.get(record.consignment)
        consignment = record.consignment
        match refusal:
            case Refusal.NOT_ENROLLED:
                name = "" if signer is None else "0x" + signer.hex()
                return SignerNotEnrolled(consignment, name, party_text(record.party))
            case Refusal.NO_KIND:
                return UnknownRecordKind(consignment, record.kind)
            case Refusal.FIELDS:
                return RecordFieldsWrong(consignment, *(_wrong_field(record) or ("", "")))
            case Refusal.EXPIRED:
                return RecordExpired(consignment, record.expires_at, time)
            case Refusal.TOO_LONG:
                return RecordExpiryTooFar(consignment, _longest(record.kind))
            case Refusal.AHEAD:
                return RecordObservedAhead(consignment, record.observed_at - time)
            case Refusal.NOT_ALLOWED:
                return StepNotAllowed(consignment, kind_name(record.kind), self._who_may(record))
            case Refusal.NO_PARENT:
                return ParentNotOpen(consignment, record.subject)
            case Refusal.NOT_A_HOLD:
                return HoldNotOpen(consignment, record.subject)
        if here is None:
            return refusal_class(refusal)(consignment)  # type: ignore[call-arg]
        match refusal:
            case Refusal.NOT_NEXT:
                return RecordNotNext(consignment, record.previous, _last(here, record, signer or b""))
            case Refusal.NOT_OFFERED:
                offered = here.offered_to
                return ConsignmentNotOffered(consignment, "" if offered == ZERO16 else party_text(offered))
            case Refusal.HELD:
                held = self._holders(consignment, record.party[:8])
                step = "closing" if record.kind == _Kind.CLOSE else f"a {kind_name(record.kind).lower()}"
                return ConsignmentHeld(consignment, tuple(sorted(party_text(party) for party in held)), step)
            case Refusal.INSIDE_ANOTHER:
                return ConsignmentInside(consignment, here.parent or b"")
            case Refusal.NOT_INSIDE_IT:
                return ConsignmentNotInside(consignment, here.parent or b"")
            case Refusal.NOT_EMPTY:
                return ConsignmentNotEmpty(consignment, len(here.contents))
        return refusal_class(refusal)(consignment)  # type: ignore[call-arg]

    def _judge_opening(self, record: CustodyRecord, officer: bool) -> Refusal:
        if record.consignment in self._consignments:
            return Refusal.ALREADY_OPENED
        if consignment_id(record.party, record.previous) != record.consignment:
            return Refusal.NOT_ITS_ID
        if record.subject == ZERO32:
            return Refusal.NONE
        if not self._is_open(record.subject):
            return Refusal.NO_PARENT
        if not officer and self.custodian(record.subject) != record.party:
            return Refusal.NOT_ALLOWED
        return Refusal.NONE

    def _judge_permission(self, consignment: _Consignment, record: CustodyRecord, officer: bool) -> Refusal:
        goes_on = officer and record.kind in _WHEN_CLOSED
        if consignment.custodian == ZERO16 and not goes_on:
            return Refusal.CLOSED
        if not self._is_allowed(record, officer):
            return Refusal.NOT_ALLOWED
        if record.kind in _ANSWERS and (
            consignment.offered_to != record.party or record.subject != consignment.custody_line
        ):
            return Refusal.NOT_OFFERED
        if record.kind == _Kind.LIFT:
            hold = consignment.holds.get(record.subject)
            if hold is None or hold.party != record.party:
                return Refusal.NOT_A_HOLD
        return Refusal.NONE

    def _is_allowed(self, record: CustodyRecord, officer: bool) -> bool:
        kind = record.kind
        if kind in _BY_OFFICER:
            return officer
        if kind in _BY_CUSTOMS:
            return officer and record.party[8:] == bytes(8)
        if kind in _FACTS:
            return officer or self.custodian(record.consignment) == record.party
        if kind in _BY_CUSTODIAN:
            if self.custodian(record.consignment) != record.party:
                return False
            # Where the parent is not open there is nobody to ask: NO_PARENT says so.
            return (
                kind != _Kind.CONSOLIDATE
                or not self._is_open(record.subject)
                or self.custodian(record.subject) == record.party
            )
        return True  # ACCEPT and DECLINE: NOT_OFFERED says who

    def _judge_step(self, consignment: _Consignment, record: CustodyRecord) -> Refusal:
        kind = record.kind
        if kind in _DECISIONS and self._holders(record.consignment, record.party[:8]):
            return Refusal.HELD
        if kind == _Kind.CLOSE and _held_by(consignment, record.party[:8]):
            return Refusal.HELD
        if kind in _NOT_INSIDE and consignment.parent is not None:
            return Refusal.INSIDE_ANOTHER
        if kind == _Kind.DECONSOLIDATE and consignment.parent != record.subject:
            return Refusal.NOT_INSIDE_IT
        if kind == _Kind.CLOSE and consignment.contents:
            return Refusal.NOT_EMPTY
        if kind != _Kind.CONSOLIDATE:
            return Refusal.NONE
        if not self._is_open(record.subject):
            return Refusal.NO_PARENT
        line = list(self._upwards(record.subject))
        if line[-1] == record.consignment:
            return Refusal.LOOP
        if len(line) + self._height(record.consignment) > MOST_ABOVE:
            return Refusal.TOO_DEEP
        return Refusal.NONE

    def _who_may(self, record: CustodyRecord) -> str:
        kind = record.kind
        if kind in _BY_OFFICER:
            return "officers"
        if kind in _BY_CUSTOMS:
            return "officers of a customs administration"
        custodian = self._custodian_text(record.subject if kind == _Kind.OPEN else record.consignment)
        if kind == _Kind.CONSOLIDATE:
            return f"whoever is in charge of both: this one {custodian}, the other {self._custodian_text(record.subject)}"
        if kind in _FACTS or kind == _Kind.OPEN:
            return f"officers and the party in charge, {custodian}"
        return f"the party in charge, {custodian}"

    def _custodian_text(self, consignment: bytes) -> str:
        custodian = self.custodian(consignment)
        return "nobody" if custodian == ZERO16 else party_text(custodian)

    # ----------------------------------------------------------------------------------------------------- applying

    def _take(
        self, record: CustodyRecord, digest: bytes, signer: bytes, account: Standing, time: int
    ) -> Step:
        """Change the state as a judged record says."""
        before = self._consignments.get(record.consignment)
        other = self._other(record)
        step = Step(record, digest, signer, time, other)
        if before is not None:
            self._find_before(before, step)
        here = before if before is not None else self._open(record)
        self._change(here, step)
        for touched in (here, None if other is None else self._consignments[other]):
            if touched is not None:
                touched.trail = extend_trail(touched.trail, digest, signer, time)
                self._keep(touched, step)
        late = _findings.late(step)
        if late is not None:
            self._found(here, late)
        if account.is_disputed(time):
            self._found(
                here,
                Finding(
                    FindingKind.DISPUTED,
                    record.consignment,
                    digest,
                    time,
                    f"The signer's account was revoked from {_findings.time_text(account.revoked_from)} on, by a revocation "
                    f"at {_findings.time_text(account.revoked_at)}; this record was taken between.",
                ),
            )
        return step

    def _keep(self, here: _Consignment, step: Step) -> None:
        """Keep a step of a consignment; a replay of millions keeps them elsewhere."""
        here.steps.append(step)

    def _found(self, here: _Consignment, finding: Finding) -> None:
        """Keep a finding of a consignment; the same."""
        here.findings.append(finding)

    def _other(self, record: CustodyRecord) -> bytes | None:
        if record.kind == _Kind.OPEN:
            return None if record.subject == ZERO32 else record.subject
        if record.kind in (_Kind.CONSOLIDATE, _Kind.DECONSOLIDATE):
            return record.subject
        if record.kind == _Kind.TAKE:
            return self._consignments[record.consignment].parent
        return None

    def _open(self, record: CustodyRecord) -> _Consignment:
        opened = _Consignment(record.party)
        self._consignments[record.consignment] = opened
        return opened

    def _change(self, here: _Consignment, step: Step) -> None:
        record = step.record
        if step.other is not None:
            self._end_offer(step.other)
        if record.kind in ON_CUSTODY_LINE or record.kind == _Kind.TAKE:
            here.custody_line = step.digest
            here.offered_to = ZERO16
        if record.kind not in ON_CUSTODY_LINE and record.kind != _Kind.OPEN:
            here.account_lines[step.signer] = step.digest
        match record.kind:
            case _Kind.OFFER:
                here.offered_to = record.counterpart
            case _Kind.ACCEPT:
                here.custodian = record.party
            case _Kind.HOLD:
                here.holds[step.digest] = Hold(record.party, step.digest, step.accepted_at)
                self._void_releases(record.consignment, {record.party[:8]})
            case _Kind.LIFT:
                del here.holds[record.subject]
            case _Kind.RELEASE | _Kind.CLEARANCE:
                self._release(here, step)
            case _Kind.CLOSE:
                here.custodian = ZERO16
            case _Kind.TAKE | _Kind.DECONSOLIDATE:
                self._leave(here, record.consignment)
                here.custodian = record.party
            case _Kind.CONSOLIDATE:
                here.parent = record.subject
                self._consignments[record.subject].contents[record.consignment] = None

    def _leave(self, here: _Consignment, consignment: bytes) -> None:
        if here.parent is None:
            return
        holders = {
            hold.party[:8]
            for above in self._upwards(here.parent)
            for hold in self._consignments[above].holds.values()
        }
        self._void_releases(consignment, holders)
        del self._consignments[here.parent].contents[consignment]
        here.parent = None

    def _end_offer(self, consignment: bytes) -> None:
        self._consignments[self._outermost(consignment)].offered_to = ZERO16

    def _void_releases(self, consignment: bytes, administrations: set[bytes]) -> None:
        if not administrations:
            return
        for inside in self._downwards(consignment):
            kept = self._consignments[inside]
            kept.releases = [release for release in kept.releases if release.party[:8] not in administrations]

    @staticmethod
    def _release(here: _Consignment, step: Step) -> None:
        record = step.record
        stands = any(
            release.party == record.party and release.manifest == record.subject for release in here.releases
        )
        if record.kind == _Kind.RELEASE or not stands:
            here.releases.append(Release(record.party, record.subject, step.digest, step.accepted_at))

    def _find_before(self, here: _Consignment, step: Step) -> None:
        """Note what is odd about a step, by the state before it."""
        kind = step.record.kind
        if kind in _MOVES:
            self._find_held(step, FindingKind.MOVED_UNDER_HOLD, _MOVES[CustodyKind(kind)], b"")
        elif kind == _Kind.ACCEPT:
            self._find_held(step, FindingKind.CHANGED_HANDS_UNDER_HOLD, "changed hands", b"")
        elif kind == _Kind.TAKE and self.custodian(step.record.consignment) != step.record.party:
            # A seizure of what the taker itself holds is what the hold was for.
            self._find_held(step, FindingKind.CHANGED_HANDS_UNDER_HOLD, "was taken", step.record.party[:8])
        elif kind == _Kind.CLOSE:
            others = sorted({party_text(hold.party) for hold in here.holds.values()})
            if others:
                sentence = f"The consignment was closed while it was on hold by {', '.join(others)}."
                self._note(here, FindingKind.CLOSED_UNDER_HOLD, step, sentence)
            if not here.releases:
                sentence = "The consignment was closed without a release that stands."
                self._note(here, FindingKind.CLOSED_WITHOUT_RELEASE, step, sentence)

    def _find_held(self, step: Step, kind: FindingKind, what: str, excused: bytes) -> None:
        """Note a step of cargo that is held itself, or in or around which something is, on all concerned."""
        moved = step.record.consignment
        around = list(self._upwards(moved))[1:]
        concerned: dict[bytes, set[str]] = {}
        for consignment in (*self._downwards(moved), *around):
            holders = {
                party_text(hold.party)
                for hold in self._consignments[consignment].holds.values()
                if hold.party[:8] != excused
            }
            if holders:
                concerned[consignment] = holders
        if not concerned:
            return
        by = ", ".join(sorted(set().union(*concerned.values())))
        where = (
            "it"
            if moved in concerned
            else "what it is in"
            if concerned.keys() & set(around)
            else "what is inside it"
        )
        self._note(
            self._consignments[moved],
            kind,
            step,
            f"The consignment {what} while {where} was on hold by {by}.",
        )
        for consignment in concerned:
            if consignment == moved:
                continue
            relation = "something inside it" if consignment in around else "what it is in"
            sentence = f"While the consignment was on hold by {', '.join(sorted(concerned[consignment]))}, {relation} {what}."
            self._found(
                self._consignments[consignment],
                Finding(kind, consignment, step.digest, step.accepted_at, sentence),
            )

    def _note(self, here: _Consignment, kind: FindingKind, step: Step, sentence: str) -> None:
        self._found(here, Finding(kind, step.record.consignment, step.digest, step.accepted_at, sentence))

    # ------------------------------------------------------------------------------------------------------ reading

    def __contains__(self, consignment: object) -> bool:
        return consignment in self._consignments

    def __len__(self) -> int:
        return len(self._consignments)

    def trail(self, consignment: bytes) -> bytes:
        """The hash over the whole history, 32 bytes; zero if the consignment was never opened, as on chain."""
        here = self._consignments.get(consignment)
        return ZERO32 if here is None else here.trail

    def custody_line(self, consignment: bytes) -> bytes:
        """What the next record of the custody line names as `previous`, 32 bytes; zero starts it."""
        here = self._consignments.get(consignment)
        return ZERO32 if here is None else here.custody_line

    def account_line(self, consignment: bytes, account: bytes) -> bytes:
        """What the account's next own record names as `previous`, 32 bytes; zero starts its line.

        Args:
            consignment: 32 bytes.
            account: Address, 20 bytes.
        """
        here = self._consignments.get(consignment)
        return ZERO32 if here is None else here.account_lines.get(account, ZERO32)

    def custodian(self, consignment: bytes) -> bytes:
        """The party in charge, 16 bytes: the outermost's custodian; zero if never opened, or closed."""
        if consignment not in self._consignments:
            return ZERO16
        return self._consignments[self._outermost(consignment)].custodian

    def offered_to(self, consignment: bytes) -> bytes:
        """The party to whom it is offered, 16 bytes; zero if none."""
        here = self._consignments.get(consignment)
        return ZERO16 if here is None else here.offered_to

    def parent(self, consignment: bytes) -> bytes | None:
        """What it is directly inside, 32 bytes, or None."""
        here = self._consignments.get(consignment)
        return None if here is None else here.parent

    def contents(self, consignment: bytes) -> tuple[bytes, ...]:
        """What is directly inside, 32 bytes each, in the order in which they went in."""
        here = self._consignments.get(consignment)
        return () if here is None else tuple(here.contents)

    def height(self, consignment: bytes) -> int:
        """How many levels are inside, 0 to 8."""
        return self._height(consignment) if consignment in self._consignments else 0

    def is_closed(self, consignment: bytes) -> bool:
        """Whether it was opened and is closed."""
        here = self._consignments.get(consignment)
        return here is not None and here.custodian == ZERO16

    def holds(self, consignment: bytes) -> tuple[Hold, ...]:
        """Open holds on the consignment itself, in the order in which they were placed."""
        here = self._consignments.get(consignment)
        return () if here is None else tuple(here.holds.values())

    def open_holds(self, consignment: bytes, administration: bytes) -> int:
        """How many holds the parties of an administration (8 bytes) have open on the consignment itself."""
        return sum(hold.party[:8] == administration for hold in self.holds(consignment))

    def releases(self, consignment: bytes) -> tuple[Release, ...]:
        """Releases of the consignment that stand, in the order in which they were given."""
        here = self._consignments.get(consignment)
        return () if here is None else tuple(here.releases)

    def steps(self, consignment: bytes) -> tuple[Step, ...]:
        """What extended the trail, in order; records of other consignments, whose second this one is, included."""
        here = self._consignments.get(consignment)
        return () if here is None else tuple(here.steps)

    def may_go(self, consignment: bytes, administration: bytes, manifest: bytes) -> bool:
        """Whether cargo may go as far as an administration is concerned.

        Its release, naming this manifest, stands, and it has no open hold on the consignment, on anything that is in,
        or on anything that is inside. Whether the manifest is the current one is **not** checked.

        Args:
            consignment: 32 bytes.
            administration: 8 bytes.
            manifest: Id of the manifest shown, 32 bytes.
        """
        released = any(
            release.party[:8] == administration and release.manifest == manifest
            for release in self.releases(consignment)
        )
        if not released:
            return False
        around = (*self._upwards(consignment), *self._downwards(consignment))
        return not any(self.open_holds(each, administration) for each in around)

    def findings(self, consignment: bytes, documents: Documents | None = None) -> tuple[Finding, ...]:
        """What is odd about the consignment, in the order in which the chain took the records that show it.

        Args:
            consignment: 32 bytes.
            documents: Disclosed details by record digest; seals and places are found as far as these go. Each is
                taken to be what its record commits to: **not** checked here.
        """
        here = self._consignments.get(consignment)
        if here is None:
            return ()
        shown = documents or {}
        found = [
            *here.findings,
            *_findings.passages(consignment, here.steps, shown),
            *_findings.seals(consignment, here.steps, shown),
        ]
        return tuple(sorted(found, key=lambda finding: finding.at))

    def state(self, consignment: bytes, documents: Documents | None = None) -> ConsignmentState:
        """All there is to say of one consignment.

        Args:
            consignment: 32 bytes.
            documents: Disclosed details by record digest, for `findings`.

        Raises:
            NotFound: It was never opened.
        """
        here = self._consignments.get(consignment)
        if here is None:
            raise NotFound("consignment", "0x" + consignment.hex())
        custodian = self.custodian(consignment)
        return ConsignmentState(
            consignment=consignment,
            trail=here.trail,
            records=len(here.steps),
            custodian=None if custodian == ZERO16 else custodian,
            offered_to=None if here.offered_to == ZERO16 else here.offered_to,
            inside=here.parent,
            contents=tuple(here.contents),
            height=self._height(consignment),
            holds=tuple(here.holds.values()),
            releases=tuple(here.releases),
            closed=here.custodian == ZERO16,
            findings=self.findings(consignment, documents),
            custody_line=here.custody_line,
            account_lines=MappingProxyType(dict(here.account_lines)),
        )

    # ------------------------------------------------------------------------------------------------------ walking

    def _is_open(self, consignment: bytes) -> bool:
        here = self._consignments.get(consignment)
        return here is not None and here.custodian != ZERO16

    def _upwards(self, consignment: bytes) -> Iterator[bytes]:
        """The consignment, what it is in, and so on to the outermost: at most 9."""
        at: bytes | None = consignment
        while at is not None:
            yield at
            at = self._consignments[at].parent

    def _downwards(self, consignment: bytes) -> Iterator[bytes]:
        """The consignment and all that is inside it, at any depth."""
        yield consignment
        for inside in self._consignments[consignment].contents:
            yield from self._downwards(inside)

    def _outermost(self, consignment: bytes) -> bytes:
        *_, outermost = self._upwards(consignment)
        return outermost

    def _height(self, consignment: bytes) -> int:
        return max(
            (1 + self._height(inside) for inside in self._consignments[consignment].contents), default=0
        )

    def _holders(self, consignment: bytes, administration: bytes) -> set[bytes]:
        """Parties of the administration that hold the consignment or anything it is in."""
        return {
            hold.party
            for above in self._upwards(consignment)
            for hold in self._consignments[above].holds.values()
            if hold.party[:8] == administration
        }


def _judge_form(record: CustodyRecord, time: int) -> Refusal:
    if not 1 <= record.kind <= _Kind.REMARK:
        return Refusal.NO_KIND
    if _wrong_field(record) is not None:
        return Refusal.FIELDS
    if time > record.expires_at:
        return Refusal.EXPIRED
    if record.expires_at > record.observed_at + _longest(record.kind):
        return Refusal.TOO_LONG
    if record.observed_at > time + MOST_AHEAD_SECONDS:
        return Refusal.AHEAD
    return Refusal.NONE


def _wrong_field(record: CustodyRecord) -> tuple[str, str] | None:
    """The first field that is zero and must not be, or the reverse, with what it should be."""
    if record.counterpart != ZERO16 and record.kind != _Kind.OFFER:
        return "counterpart", f"must be zero in {kind_name(record.kind)}: only an OFFER is made to somebody"
    if record.subject == ZERO32:
        if record.kind in _NEED_SUBJECT:
            return (
                "subject",
                f"must not be zero in {kind_name(record.kind)}: it says what the record is about",
            )
    elif record.kind not in _MAY_HAVE_SUBJECT:
        return "subject", f"must be zero in {kind_name(record.kind)}"
    if record.kind == _Kind.OPEN and record.details == ZERO32:
        return "details", "must be the manifest root in OPEN, and not zero"
    return None


def _longest(kind: int) -> int:
    return LONGEST_DECISION_SECONDS if kind in _DECISIONS else LONGEST_SECONDS


def _last(here: _Consignment, record: CustodyRecord, signer: bytes) -> bytes:
    if record.kind in ON_CUSTODY_LINE:
        return here.custody_line
    return here.account_lines.get(signer, ZERO32)


def _judge_line(here: _Consignment, record: CustodyRecord, digest: bytes, signer: bytes) -> Refusal:
    last = _last(here, record, signer)
    # Two officers of a party can sign the same words: one hold, not two.
    if last == digest or (record.kind == _Kind.HOLD and digest in here.holds):
        return Refusal.ALREADY_APPENDED
    return Refusal.NONE if last == record.previous else Refusal.NOT_NEXT


def _held_by(here: _Consignment, administration: bytes) -> bool:
    return any(hold.party[:8] == administration for hold in here.holds.values())
