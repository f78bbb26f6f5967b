"""All three contracts from their events in order: sequences, authority as of its time, custody, heads, closures.

`Fold` takes what `checking` has cut out and refuses the first event that the contracts would not have emitted then. It
keeps the state of each consignment and no history: that goes to the journal, with links to read it by. States that were
not touched lately go to a file beside it (`shelf`), so that memory does not grow with the chain.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from typing import TypeAlias, cast

from ledger.audit.blocks import Network
from ledger.audit.checking import FIELDS, LINKS, ROW, Happening, custody_record
from ledger.audit.journal import Journal
from ledger.audit.log import Closure, Head, Log
from ledger.audit.registry import AccountHistory, Registry
from ledger.audit.shelf import Shelf
from ledger.config import CONTRACTS
from ledger.core.custody import (
    LONGEST_DECISION_SECONDS,
    LONGEST_SECONDS,
    MOST_AHEAD_SECONDS,
    ON_CUSTODY_LINE,
    Custody,
    Hold,
    Release,
    Standing,
    _Consignment,
)
from ledger.core.findings import LATE_SECONDS, Finding, FindingKind, Step, before_its_time, time_text
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, Domain, keccak
from ledger.errors import RecordRefused, Refusal, RuleBroken, SequenceGap

Fields: TypeAlias = tuple[
    int, int, bytes, bytes, bytes, bytes, bytes, int, bytes, bytes, bytes, bytes, bytes, int, int
]  # of a row, see `checking.FIELDS`
_LINKS = struct.Struct(">QQQ")
# A consignment on the shelf: trail, custody line, custodian, offered party, parent or zero, kind and time of the last passage,
# last row; then how many contents, holds, releases and lines follow.
_KEPT = struct.Struct(">32s32s16s16s32sBQQIIII")
_KEPT_HOLD = struct.Struct(">16s32sQ")
_KEPT_RELEASE = struct.Struct(">16s32s32sQ")
_KEPT_LINE = struct.Struct(">20s32s")
_DIGEST_PREFIX = b"cargo-ledger/audit/1"
# Plain integers: comparing with an enumeration's members costs more than all else in the quick path.
_OPEN, _DEPARTURE, _INSPECTION, _OFFER, _ACCEPT, _DECLINE, _HOLD, _LIFT, _CLOSE, _REMARK = (
    int(kind)
    for kind in (
        CustodyKind.OPEN,
        CustodyKind.DEPARTURE,
        CustodyKind.INSPECTION,
        CustodyKind.OFFER,
        CustodyKind.ACCEPT,
        CustodyKind.DECLINE,
        CustodyKind.HOLD,
        CustodyKind.LIFT,
        CustodyKind.CLOSE,
        CustodyKind.REMARK,
    )
)
_PASSAGES = frozenset((int(CustodyKind.ARRIVAL), int(CustodyKind.DEPARTURE)))
_OBSERVED = _PASSAGES | {_INSPECTION, int(CustodyKind.SEAL), _REMARK}
_DECIDED = frozenset((_HOLD, _LIFT, int(CustodyKind.RELEASE)))
_ON_LINE = frozenset(map(int, ON_CUSTODY_LINE))
_SHORT = frozenset((int(CustodyKind.RELEASE), int(CustodyKind.CLEARANCE)))


_NO_STEPS: list[Step] = []
_NO_FINDINGS: list[Finding] = []


class _Kept(_Consignment):
    """What a replay keeps of a consignment beside the model's state."""

    __slots__ = ("last_row", "passage")

    def __init__(self, custodian: bytes) -> None:
        super().__init__(custodian)
        self.steps, self.findings = (
            _NO_STEPS,
            _NO_FINDINGS,
        )  # those go to the journal; a list each would be memory
        self.last_row = 0  # from 1
        self.passage: tuple[int, int] | None = (
            None  # kind and time of the last arrival or departure, as observed
        )


def _encoded(consignment: _Consignment) -> bytes:
    here = cast(_Kept, consignment)
    kind, observed = here.passage or (0, 0)
    return b"".join(
        (
            _KEPT.pack(
                here.trail,
                here.custody_line,
                here.custodian,
                here.offered_to,
                here.parent or ZERO32,
                kind,
                observed,
                here.last_row,
                len(here.contents),
                len(here.holds),
                len(here.releases),
                len(here.account_lines),
            ),
            *here.contents,
            *(_KEPT_HOLD.pack(each.party, each.record, each.at) for each in here.holds.values()),
            *(_KEPT_RELEASE.pack(each.party, each.manifest, each.record, each.at) for each in here.releases),
            *(signer + line for signer, line in here.account_lines.items()),
        )
    )


def _decoded(data: bytes) -> _Kept:
    trail, custody_line, custodian, offered_to, parent, kind, observed, last_row, *counts = _KEPT.unpack_from(
        data
    )
    here = _Kept(custodian)
    here.trail, here.custody_line, here.offered_to, here.last_row = trail, custody_line, offered_to, last_row
    here.parent = None if parent == ZERO32 else parent
    here.passage = (kind, observed) if kind else None
    parts = []
    at = _KEPT.size
    for count, size in zip(counts, (32, _KEPT_HOLD.size, _KEPT_RELEASE.size, _KEPT_LINE.size), strict=True):
        parts.append(data[at : at + count * size])
        at += count * size
    contents, holds, releases, lines = parts
    here.contents = {contents[place : place + 32]: None for place in range(0, len(contents), 32)}
    here.holds = {record: Hold(party, record, time) for party, record, time in _KEPT_HOLD.iter_unpack(holds)}
    here.releases = [Release(*each) for each in _KEPT_RELEASE.iter_unpack(releases)]
    here.account_lines = dict(_KEPT_LINE.iter_unpack(lines))
    return here


def _as_it_is(value: bytes) -> bytes:
    return value


class _Signer:
    """An account whose signature counts now, with what is asked of it for each record."""

    __slots__ = ("is_customs", "is_officer", "party", "valid_until")

    def __init__(self, standing: Standing) -> None:
        self.party = standing.party
        self.is_officer = standing.is_officer
        self.is_customs = standing.is_officer and standing.party[8:] == bytes(8)
        self.valid_until = standing.valid_until


class _Replayed(Custody):
    """The custody model without histories: steps are in the journal, findings go there at once.

    `take_quickly` takes the records that make up nearly all of a chain: of consignments that are inside nothing and hold
    nothing, where nothing is odd. It decides nothing of its own: in any doubt it changes nothing and the model judges. A
    test holds it to the model over random histories.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        # the model's own name for it, which only looks things up
        self._consignments = self.shelf = Shelf[_Consignment](
            journal.folder / "consignments.sqlite", _encoded, _decoded
        )

    def take(
        self, record: CustodyRecord, digest: bytes, signer: bytes, account: Standing | None, time: int
    ) -> Step:
        """Take a record, by the signer's standing at that very moment; a refusal of the rules is raised."""
        refusal = self.judge(record, digest, signer, account, time)
        if refusal or account is None:
            raise self.error(refusal, record, signer, time)
        return self._take(record, digest, signer, account, time)

    def kept(self, consignment: bytes) -> _Kept | None:
        """What is kept of a consignment."""
        return cast(_Kept | None, self.shelf.fetch(consignment))

    def take_quickly(self, fields: Fields, signer: _Signer, time: int) -> _Kept | None:
        """Take a row's fields if it is an everyday one; None, and nothing changed, if the model has to judge it."""
        (
            _, _, stamp, digest, address, _, consignment, kind, party, previous, subject, details, counterpart, observed,
            expires,
        ) = fields  # fmt: skip
        if (
            party != signer.party
            or not observed - MOST_AHEAD_SECONDS <= time <= observed + LATE_SECONDS
            or not time
            <= expires
            <= observed + (LONGEST_DECISION_SECONDS if kind in _SHORT else LONGEST_SECONDS)
            or time >= signer.valid_until
            or (kind != _OFFER and counterpart != ZERO16)
        ):
            return None
        shelf = self.shelf
        here = cast(_Kept | None, shelf.near.get(consignment) or shelf.fetch(consignment))
        if kind == _OPEN:
            if (
                here is not None
                or subject != ZERO32
                or details == ZERO32
                or sha256(b"\x04" + party + previous).digest() != consignment
            ):
                return None
            here = _Kept(party)
            shelf.add(consignment, here)
            here.trail = keccak(ZERO32 + digest + address + stamp)
            return here
        if here is None or here.parent is not None or here.contents or previous == digest:
            return None
        if kind in _ON_LINE:
            if here.custody_line != previous or not _hand_over_quickly(
                here, kind, party, subject, counterpart
            ):
                return None
            here.custody_line = digest
        else:
            lines = here.account_lines
            if lines.get(address, ZERO32) != previous:
                return None
            if not (
                _decide_quickly(here, kind, signer, subject, digest, time)
                if kind in _DECIDED
                else _observe_quickly(here, kind, signer, subject, observed)
            ):
                return None
            lines[address] = digest
        here.trail = keccak(here.trail + digest + address + stamp)
        return here

    def _open(self, record: CustodyRecord) -> _Consignment:
        opened = self._consignments[record.consignment] = _Kept(record.party)
        return opened

    def _keep(self, here: _Consignment, step: Step) -> None:
        kind, observed = step.record.kind, step.record.observed_at
        if kind not in _PASSAGES:
            return
        passed = cast(_Kept, here)
        if passed.passage is not None and passed.passage[0] != kind and observed < passed.passage[1]:
            self._journal.add_finding(before_its_time(step, passed.passage[1]))
        passed.passage = (kind, observed)

    def _found(self, here: _Consignment, finding: Finding) -> None:
        self._journal.add_finding(finding)


def _hand_over_quickly(here: _Kept, kind: int, party: bytes, subject: bytes, counterpart: bytes) -> bool:
    """OFFER, DECLINE, and where nothing holds it ACCEPT, and CLOSE after a release."""
    if kind == _OFFER:
        if here.custodian != party or subject != ZERO32:
            return False
        here.offered_to = counterpart
        return True
    if kind == _ACCEPT or kind == _DECLINE:
        if here.offered_to != party or subject != here.custody_line or subject == ZERO32:
            return False
        if kind == _ACCEPT:
            if here.holds or here.custodian == ZERO16:
                return False
            here.custodian = party
        elif here.custodian == ZERO16:
            return False
        here.offered_to = ZERO16
        return True
    if kind != _CLOSE or here.custodian != party or subject != ZERO32 or here.holds or not here.releases:
        return False
    here.custodian = here.offered_to = ZERO16
    return True


def _decide_quickly(
    here: _Kept, kind: int, signer: _Signer, subject: bytes, digest: bytes, time: int
) -> bool:
    """HOLD where nothing is released, LIFT, and RELEASE where nothing holds it."""
    party = signer.party
    if kind == _HOLD:
        if not signer.is_officer or subject != ZERO32 or digest in here.holds or here.releases:
            return False
        here.holds[digest] = Hold(party, digest, time)
        return True
    if kind == _LIFT:
        hold = here.holds.get(subject)
        if not signer.is_officer or hold is None or hold.party != party:
            return False
        del here.holds[subject]
        return True
    if not signer.is_customs or subject == ZERO32 or here.holds:
        return False
    here.releases.append(Release(party, subject, digest, time))
    return True


def _observe_quickly(here: _Kept, kind: int, signer: _Signer, subject: bytes, observed: int) -> bool:
    """ARRIVAL, DEPARTURE of what is not held, INSPECTION, SEAL, REMARK."""
    if kind not in _OBSERVED or (subject != ZERO32 and kind != _REMARK):
        return False
    if not signer.is_officer and (kind == _INSPECTION or here.custodian != signer.party):
        return False
    if kind in _PASSAGES:
        if kind == _DEPARTURE and here.holds:
            return False
        if here.passage is not None and observed < here.passage[1]:
            return False
        here.passage = (kind, observed)
    return True


class Fold:
    """The state of the three contracts as of the events taken.

    Attributes:
        registry: Administrations, accounts, motions.
        log: Heads and closures.
        custody: The custody model.
        sequences: Number of the last event of each contract, by name.
        refused: How many records the chain refused, by refusal.
    """

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self.registry = Registry(Domain(network.chain_id, network.addresses["AdministrationRegistry"]))
        self._closed = Shelf[bytes](journal.folder / "closures.sqlite", _as_it_is, _as_it_is)
        self.log = Log(self.registry, self._closed)
        self.custody = _Replayed(journal)
        self.sequences = dict.fromkeys(CONTRACTS, 0)
        self.refused: dict[Refusal, int] = {}
        self._kinds = [0] * 256
        self._place = 0  # rows taken
        self._last_of: dict[bytes, int] = {}  # by signer: its last row, from 1
        self._signers: dict[bytes, _Signer] = {}  # whose signature counts, until the registry's next event

    @property
    def records(self) -> dict[int, int]:
        """How many records the chain took, by kind."""
        return {kind: count for kind, count in enumerate(self._kinds) if count}

    def take_rows(self, rows: bytearray, first: int, end: int, is_new: bool = True) -> None:
        """Take custody records that the chain appended, one after the other.

        Args:
            rows: As `checking` cuts them out; the places of the rows before them are written in.
            first: The row to begin with.
            end: The row to end before.
            is_new: Whether the journal does not have them yet.

        Raises:
            RuleBroken: The contract would not have taken one; those before it are taken.
        """
        last = self.sequences["ConsignmentLedger"]
        signers, last_of, kinds = self._signers, self._last_of, self._kinds
        take_quickly = self.custody.take_quickly
        before = place = self._place
        time, known_stamp = 0, b""
        try:
            for fields in FIELDS.iter_unpack(memoryview(rows)[first * ROW : end * ROW]):
                sequence, block, stamp, _, signer, other = fields[:6]
                if sequence != last + 1:
                    raise SequenceGap("ConsignmentLedger", sequence, block, last + 1)
                last = sequence
                if stamp != known_stamp:
                    time, known_stamp = int.from_bytes(stamp, "big"), stamp
                known = signers.get(signer) or self._signer(signer)
                here = take_quickly(fields, known, time) if known is not None and other == ZERO32 else None
                second = None
                if here is None:
                    at = (first + place - before) * ROW
                    here, second = self._take_by_the_model(bytes(rows[at : at + ROW]), signer, other, time)
                kinds[fields[7]] += 1
                if is_new:
                    _LINKS.pack_into(
                        rows,
                        (first + place - before) * ROW + LINKS,
                        here.last_row,
                        0 if second is None else second.last_row,
                        last_of.get(signer, 0),
                    )
                place += 1
                here.last_row = last_of[signer] = place
                if second is not None:
                    second.last_row = place
        finally:
            self.sequences["ConsignmentLedger"] = last
            self._place = place
            if is_new:
                self._journal.add_acts(memoryview(rows)[first * ROW : (first + place - before) * ROW])
        self.custody.shelf.settle()

    def _signer(self, address: bytes) -> _Signer | None:
        standing = self.registry.standing(address)
        if standing is None or not standing.may_sign(standing.party, 0):
            return None
        known = self._signers[address] = _Signer(standing)
        return known

    def _take_by_the_model(
        self, row: bytes, signer: bytes, other: bytes, time: int
    ) -> tuple[_Kept, _Kept | None]:
        record, digest = custody_record(row), row[32:64]
        try:
            step = self.custody.take(record, digest, signer, self.registry.standing(signer), time)
        except RecordRefused as error:
            raise self._broken(
                row, f"it should have been refused as {error.refusal.name}: {str(error).removesuffix('.')}"
            ) from None
        if (step.other or ZERO32) != other:
            raise self._broken(
                row,
                f"it names 0x{other.hex()} as its second consignment, the rules 0x{(step.other or ZERO32).hex()}",
            )
        here = self.custody.kept(record.consignment)
        assert here is not None  # noqa: S101  it was just taken
        return here, None if step.other is None else self.custody.kept(step.other)

    def take(self, event: Happening) -> None:
        """Take another event.

        Raises:
            RuleBroken: The contract would not have emitted it.
        """
        self._count(event.contract, event.sequence, event.block)
        if event.name not in ("AdministrationAdmitted", "RecordRefused"):
            self.registry.require_founders(self._network.chain_id)
        if event.contract == "AdministrationRegistry":
            self._signers.clear()
            self.registry.take(event)
        elif event.contract == "ManifestLog":
            self.log.take(event)
            self._closed.settle()
        else:
            value = event.values["refusal"]
            if value not in Refusal._value2member_map_ or value == Refusal.NONE:
                raise RuleBroken(
                    event.contract, event.sequence, event.block, "it refuses for no known reason"
                )
            refusal = Refusal(value)
            self.refused[refusal] = self.refused.get(refusal, 0) + 1

    @staticmethod
    def _broken(row: bytes, what: str) -> RuleBroken:
        sequence, block = int.from_bytes(row[:8], "big"), int.from_bytes(row[8:16], "big")
        return RuleBroken("ConsignmentLedger", sequence, block, f"record 0x{row[32:64].hex()}, but {what}")

    def _count(self, contract: str, sequence: int, block: int) -> None:
        expected = self.sequences[contract] + 1
        if sequence != expected:
            raise SequenceGap(contract, sequence, block, expected)
        self.sequences[contract] = sequence

    def consignments(self) -> Iterator[tuple[bytes, _Consignment]]:
        """Every consignment's id and state, in ascending order of the ids; to be read, not changed."""
        return self.custody.shelf.in_order()

    def close(self) -> None:
        """Let go of the files that states were moved to."""
        self.custody.shelf.close()
        self._closed.close()

    def last_act_of(self, of: bytes) -> int:
        """The place, from 1, of the last row of a consignment (32 bytes) or a signer (20); 0 for none."""
        if len(of) == 20:
            return self._last_of.get(of, 0)
        here = self.custody.kept(of)
        return 0 if here is None else here.last_row

    def find_disputed(self) -> None:
        """Note every act and closure that a later revocation dates back to: at the end, when all revocations are known."""
        revoked = [account for account in self.registry.accounts.values() if account.revocations]
        if not revoked:
            return
        self._journal.flush()
        for account in revoked:
            self._find_disputed_acts(account)
        for closure in self.log_history():
            if not isinstance(closure, Closure):
                continue
            signer = self.registry.accounts.get(closure.signer)
            if signer is not None and signer.is_disputed(closure.closed_at):
                self._journal.add_finding(
                    _disputed(signer, closure.consignment, closure.digest, closure.closed_at)
                )

    def _find_disputed_acts(self, account: AccountHistory) -> None:
        place = self._last_of.get(account.address, 0)
        while place:
            row = self._journal.row(place - 1)
            time = int.from_bytes(row[16:24], "big")
            if time < account.revoked_from:
                break
            if time <= account.revoked_at:
                self._journal.add_finding(_disputed(account, row[116:148], row[32:64], time))
            place = int.from_bytes(row[LINKS + 16 : LINKS + 24], "big")

    def closures(self) -> list[Closure]:
        """Every closure, in order."""
        return [each for each in self.log_history() if isinstance(each, Closure)]

    def heads(self) -> list[Head]:
        """Every head, in order."""
        return [each for each in self.log_history() if isinstance(each, Head)]

    def log_history(self) -> Iterator[Head | Closure]:
        """Every head and closure, in order, read again: however many they are, few are in memory."""
        self._journal.flush()
        registry = Registry(Domain(self._network.chain_id, self._network.addresses["AdministrationRegistry"]))
        with closing(
            Shelf[bytes](self._journal.folder / "closures-again.sqlite", _as_it_is, _as_it_is)
        ) as closed:
            log = Log(registry, closed)
            for event in self._journal.events():
                if event.contract == "AdministrationRegistry":
                    registry.take(event)
                elif event.contract == "ManifestLog":
                    taken = log.take(event)
                    closed.settle()
                    if taken is not None:
                        yield taken

    def digest(self, block: int, block_hash: bytes) -> bytes:
        """The digest of the final state, 32 bytes: equal for whoever replayed the same chain to the same block.

        SHA-256 over "cargo-ledger/audit/1", chain id, genesis hash, addresses and event counts of the contracts
        (AdministrationRegistry, ManifestLog, ConsignmentLedger), number and hash of the block, then in ascending order of
        their keys: administrations, accounts, last heads, closures, consignments. Where the events came from plays no part.
        """
        network = self._network
        state = sha256(_DIGEST_PREFIX + network.chain_id.to_bytes(32, "big") + network.genesis_hash)
        for name in CONTRACTS:
            state.update(network.addresses[name] + self.sequences[name].to_bytes(8, "big"))
        state.update(block.to_bytes(8, "big") + block_hash)
        for code, member in sorted(self.registry.administrations.items()):
            state.update(b"A" + code + member.governor + bytes((member.is_active,)) + member.offered_to)
        for address, account in sorted(self.registry.accounts.items()):
            state.update(b"C" + address + account.party + bytes((account.roles,)))
            for number in (account.valid_until, account.revoked_from, account.revoked_at):
                state.update(number.to_bytes(8, "big"))
        state.update(b"L" + self.log.heads_line)
        for code, head in sorted(self.log.last.items()):
            state.update(
                b"H" + code + head.epoch.to_bytes(4, "big") + head.size.to_bytes(8, "big") + head.root
            )
        for former, commitment in self._closed.in_order():
            state.update(b"M" + former + commitment)
        for consignment, here in self.consignments():
            state.update(self._of_consignment(consignment, here))
        return state.digest()

    @staticmethod
    def _of_consignment(consignment: bytes, here: _Consignment) -> bytes:
        """A consignment's part of the digest: its trail holds its whole history, the rest what follows from it."""
        return b"".join(
            (
                b"S",
                consignment,
                here.trail,
                here.custody_line,
                here.custodian if here.parent is None else ZERO16,
                here.offered_to,
                here.parent or ZERO32,
                len(here.contents).to_bytes(4, "big"),
                *sorted(here.contents),
                len(here.holds).to_bytes(4, "big"),
                *sorted(here.holds),
                len(here.releases).to_bytes(4, "big"),
                *(release.record for release in here.releases),
                len(here.account_lines).to_bytes(4, "big"),
                *(signer + line for signer, line in sorted(here.account_lines.items())),
            )
        )


def _disputed(account: AccountHistory, consignment: bytes, record: bytes, time: int) -> Finding:
    return Finding(
        FindingKind.DISPUTED,
        consignment,
        record,
        time,
        f"The signer's account was revoked from {time_text(account.revoked_from)} on, by a revocation at "
        f"{time_text(account.revoked_at)}; this record was taken between.",
    )
