"""The verdict on an evidence file, from the file, the trust file and the time alone.

`verify` runs the named checks of `verdict.NAMES` in order, each against the trust file's pins and the state that the
file's header commits to:

1. document: what is shown is what the record commits to, and nothing else can hide under the same name.
2. issuer: the record's signature, and that the signer acts for its party.
3. inclusion, lodged: the record is in the log of its party's administration, and since when.
4. binding: trade reference and key give the consignment, and the manifest is of it.
5. succession: the closures lead from the manifest that the consignment was opened with to this one, which still stands.
6. custody: the records fold to the trails in storage, and the rules refuse none of them.
7. signatures, authority: who signed what, and whether they might, then.
8. seals, freshness: who stands behind the block, and how old it is.

What is **not** checked: that an administration was active when a record was anchored or taken (the contracts did), and
what a document says beyond its trade reference.

Source: DESIGN 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ledger.core import headers, merkle, officer_words, sealing, slots
from ledger.core.custody import Custody, Standing
from ledger.core.evidence import SECOND_KINDS, Evidence, Whole, slots_read
from ledger.core.findings import party_text, time_text
from ledger.core.headers import Header
from ledger.core.identifiers import TradeReference
from ledger.core.records import (
    ZERO32,
    CustodyRecord,
    Promise,
    Role,
    blind,
    closure_commitment,
    consignment_id,
    head_commitment,
    keccak,
    leaf_hash,
)
from ledger.core.signatures import checksummed, recover_address
from ledger.core.slots import EnrolledAccount
from ledger.core.state_proof import SharedNodes, decode_account, decode_slot
from ledger.core.trust import Trust
from ledger.core.verdict import NAMES, AsOf, Check, Report, Status, conclude
from ledger.core.verdict import Outcome as _Outcome
from ledger.core.verdict import run_check as _run
from ledger.core.verdict import undecided as _open
from ledger.core.verdict import wrong as _wrong
from ledger.errors import (
    InvalidEvidence,
    InvalidIdentifier,
    InvalidSignature,
    LedgerError,
    RecordRefused,
    UnknownEvidenceVersion,
)

CLOCK_TOLERANCE_SECONDS = 300  # a block may be ahead of a right clock by this


def verify(evidence: Evidence | bytes, trust: Trust, now: int, *, clock_floor: int = 0) -> Report:
    """Judge an evidence file.

    Args:
        evidence: The file, or its bytes; bytes that are no evidence file get a verdict too, never a pass.
        trust: What is taken for granted.
        now: The device's clock, Unix seconds.
        clock_floor: The newest time that the device knows to have passed, Unix seconds; a clock behind it is wrong.

    Returns:
        The report, whatever the file holds.
    """
    read = read_evidence(evidence, trust)
    if isinstance(read, Report):
        return read
    return Verification(read, trust, now, clock_floor).report()


def read_evidence(evidence: Evidence | bytes, trust: Trust) -> Evidence | Report:
    """Read a file, or report that its bytes are none; what is read already is given back."""
    if isinstance(evidence, Evidence):
        return evidence
    try:
        return Evidence.decode(bytes(evidence))
    except UnknownEvidenceVersion as error:
        return _unread("ERROR", str(error), trust)
    except InvalidEvidence as error:
        return _unread("INVALID", str(error), trust)


def _unread(status: Status, sentence: str, trust: Trust) -> Report:
    first = Check(NAMES[0], status, sentence)
    rest = [Check(name, "SKIPPED", "The file could not be read.") for name in NAMES[1:]]
    checks = (first, *rest)
    state = "Nothing is known from this file; may not go."
    return Report(conclude(checks, needs_seals=True), None, state, checks, trust.sha256)


@dataclass(frozen=True, slots=True)
class _Signer:
    """Who signed something: the address, or why there is none."""

    address: bytes | None
    problem: str = ""


class Verification:
    """One run over one file: `report` first, then what it has established.

    Attributes:
        custody: The model with the file's records.
        is_custody_proven: Whether these are the whole history.
        is_unopened: Whether the chain has no history of the consignment.
    """

    def __init__(self, evidence: Evidence, trust: Trust, now: int, clock_floor: int) -> None:
        self.evidence = evidence
        self.trust = trust
        self.now = now
        self.clock_floor = clock_floor
        self.manifest = evidence.manifest
        self.record = evidence.manifest.record
        self.custody = Custody()
        self.manifest_words = ""
        self.is_custody_proven = False
        self.is_unopened = False

    def report(self) -> Report:
        """Run the checks in order."""
        runs: dict[str, Callable[[], str]] = {
            "document": self.document,
            "issuer": self.issuer,
            "inclusion": self.inclusion,
            "lodged": self.lodged,
            "binding": self.binding,
            "succession": self.succession,
            "custody": self.fold,
            "signatures": self.signatures,
            "authority": self.authority,
            "seals": self.seals,
            "freshness": self.freshness,
        }
        checks = tuple(_run(name, runs[name]) for name in NAMES)
        verdict = conclude(checks, needs_seals=self.trust.consensus != "development")
        return Report(verdict, self.as_of, self._state(verdict), checks, self.trust.sha256)

    # ------------------------------------------------------------------------------------------- what is read first

    @cached_property
    def shown_headers(self) -> list[Header]:
        """The headers, decoded."""
        decoded = [headers.decode(header) for header in self.evidence.chain.headers]
        if not decoded:
            raise _open("The file shows no block.")
        return decoded

    @cached_property
    def header(self) -> Header:
        """The header of the block whose state is shown."""
        return sealing.state_header(self.shown_headers, self.trust)

    @cached_property
    def digests(self) -> list[bytes]:
        """The custody records' digests."""
        domain = self.trust.consignments_domain
        return [taken.record.digest(domain) for taken in self.evidence.custody]

    @cached_property
    def issued_by(self) -> _Signer:
        """Who signed the manifest record."""
        return _signer(self.record.digest(self.trust.log_domain), self.manifest.signature)

    @cached_property
    def promised_by(self) -> _Signer | None:
        """Who signed the promise."""
        given = self.manifest.promise
        if given is None:
            return None
        promise = Promise(
            self.record.party[:8], given.epoch, given.index, self.leaf, given.seen, given.anchor_by
        )
        return _signer(promise.digest(self.trust.log_domain), given.signature)

    @cached_property
    def custody_signers(self) -> list[_Signer]:
        """Who signed the custody records."""
        return [
            _signer(digest, taken.signature)
            for digest, taken in zip(self.digests, self.evidence.custody, strict=True)
        ]

    @cached_property
    def signers(self) -> list[bytes | None]:
        """Every signer, in the order in which their accounts are read."""
        promised = [] if self.promised_by is None else [self.promised_by]
        return [signer.address for signer in (self.issued_by, *promised, *self.custody_signers)]

    @cached_property
    def leaf(self) -> bytes:
        """The manifest's leaf hash."""
        return leaf_hash(self.record.leaf_data(self.manifest.signature))

    @cached_property
    def _read(self) -> dict[tuple[str, bytes], int] | Exception:
        """`words`, or why there are none: five checks ask, and a hostile file is read once."""
        try:
            state_root = self.header.state_root
            nodes = SharedNodes(self.evidence.chain.nodes)
            roots: dict[str, bytes] = {}
            found: dict[tuple[str, bytes], int] = {}
            for contract, slot in slots_read(self.evidence, self.signers):
                if contract not in roots:
                    roots[contract] = self._storage_root(contract, state_root, nodes)
                value = nodes.value(roots[contract], keccak(slot))
                found[contract, slot] = self._decoded(value)
        except (LedgerError, _Outcome) as problem:
            return problem
        if not nodes.in_order:
            return _wrong("The file holds trie nodes that nothing needs, or holds them in another order.")
        return found

    def _decoded(self, value: bytes | None) -> int:
        # anvil keeps slots in its trie that were read and hold nothing; no chain with seals does
        if value is None or (value == b"\x80" and self.trust.consensus == "development"):
            return 0
        return decode_slot(value)

    @property
    def words(self) -> dict[tuple[str, bytes], int]:
        """Every slot that the file's claims stand on, shown from the header's state root; all nodes used, in order."""
        if isinstance(self._read, Exception):
            raise self._read
        return self._read

    def _storage_root(self, contract: str, state_root: bytes, nodes: SharedNodes) -> bytes:
        address = self.trust.addresses[contract]
        value = nodes.value(state_root, keccak(address))
        if value is None:
            raise _wrong(f"There is no {contract} at {checksummed(address)} on this chain.")
        account = decode_account(value)
        if account.code_hash != self.trust.code_hashes[contract]:
            raise _wrong(
                f"The contract at {checksummed(address)} is not the {contract} that the trust file pins."
            )
        return account.storage_root

    def _word(self, contract: str, slot: bytes) -> bytes:
        return self.words[contract, slot].to_bytes(32, "big")

    def _account(self, signer: _Signer) -> EnrolledAccount:
        if signer.address is None:
            raise _wrong(signer.problem)
        account = slots.decode_account(self.words["AdministrationRegistry", slots.account(signer.address)])
        if account is None:
            raise _wrong(f"{checksummed(signer.address)} signed and was never enrolled.")
        return account

    # ------------------------------------------------------------------------------------------------- the manifest

    def document(self) -> str:
        """What is shown is what was committed to."""
        shown = self.manifest.shown
        if shown.root != self.record.manifest_root:
            raise _wrong("What is shown of the manifest is not what its record commits to.")
        for taken in self.evidence.custody:
            if taken.details is not None and taken.details.root != taken.record.details:
                raise _wrong("What is shown of a custody record's details is not what the record commits to.")
        if isinstance(shown, Whole):
            return "The whole manifest is shown, and it is the one that was committed to."
        part = f"{len(shown.disclosure.fields)} of the manifest's {shown.disclosure.leaves} fields are shown"
        given, signer = self.manifest.promise, self.promised_by
        if given is None or signer is None or not given.seen:
            raise _open(
                f"{part}, as committed to; a second value may exist under the same name, since nobody vouches for the whole."
            )
        account = self._account(signer)
        customs = self.record.party[:8] + bytes(8)
        if account.party != customs or not account.roles & Role.SEQUENCER:
            raise _wrong(f"The promise is not signed by a sequencer of {party_text(customs)}.")
        if account.revoked_at:
            raise _open(
                f"{part}; the sequencer that vouched for the whole was revoked at {time_text(account.revoked_at)}, from "
                f"{time_text(account.revoked_from)} on, and when it vouched can't be told."
            )
        return f"{part}, as committed to; {party_text(customs)} saw the whole."

    def issuer(self) -> str:
        """The record's signature and party."""
        account = self._account(self.issued_by)
        party = party_text(self.record.party)
        if account.party != self.record.party:
            raise _wrong(f"The manifest is stated by {party} and signed for {party_text(account.party)}.")
        if not account.roles & (Role.TRADER | Role.OFFICER):
            raise _wrong(f"The account that signed the manifest for {party} has no role to do so.")
        return f"The manifest is {party}'s."

    def inclusion(self) -> str:
        """The record is in a tree."""
        shown = self.manifest
        merkle.verify_inclusion(self.leaf, shown.index, shown.size, list(shown.path), shown.root)
        return f"The manifest is leaf {shown.index} of {shown.size}."

    def lodged(self) -> str:
        """The tree's head is its administration's, and since when."""
        shown, administration = self.manifest, self.record.party[:8]
        kept = self._word("ManifestLog", slots.head(administration, shown.epoch, shown.size))
        if kept != head_commitment(shown.root, shown.anchored_at):
            raise _wrong(
                f"{party_text(administration)}'s log has no such head, or it was anchored at another time."
            )
        return f"Lodged with {party_text(administration)}, on chain since {time_text(shown.anchored_at)}."

    def binding(self) -> str:
        """The manifest is of this consignment, and the consignment of this trade reference."""
        evidence = self.evidence
        opening = evidence.opening
        if opening is None:
            raise _open("The file has no opening of the consignment, so its manifest can't be tied to it.")
        hidden = blind(evidence.consignment_key, evidence.reference)
        if opening.previous != hidden or consignment_id(opening.party, hidden) != evidence.consignment:
            raise _wrong(f"{evidence.reference} and its key are of another consignment.")
        if not self._discloses_reference():
            raise _wrong(f"The manifest does not show the trade reference {evidence.reference}.")
        if evidence.is_own_statement:
            return (
                f"{evidence.reference} is the consignment that {party_text(opening.party)} opened; the manifest is "
                f"{party_text(self.record.party)}'s own statement about it, and no more is claimed."
            )
        return f"{evidence.reference} is the consignment that {party_text(opening.party)} opened with this manifest's line."

    def _discloses_reference(self) -> bool:
        try:
            wanted = TradeReference.parse(self.evidence.reference)
        except InvalidIdentifier:
            return False
        fields = self.manifest.shown.fields
        for pointer, scheme in fields.items():
            if not pointer.startswith("/references/") or not pointer.endswith("/scheme"):
                continue
            value = fields.get(pointer.removesuffix("scheme") + "value")
            if not isinstance(scheme, str) or not isinstance(value, str):
                continue
            try:
                stated = TradeReference.of(scheme, value)
            except InvalidIdentifier:
                continue
            if (stated.scheme, stated.value) == (wanted.scheme, wanted.value):
                return True
        return False

    def succession(self) -> str:
        """The manifest shown is the one in force."""
        shown, at = self.manifest.id, self.evidence.first_manifest
        passed = [at]
        for closure in self.evidence.closures:
            if at == ZERO32:
                raise _wrong("A manifest that was withdrawn has no successor.")
            commitment = closure_commitment(
                closure.kind, closure.reason, closure.time, closure.signer, closure.successor
            )
            if self._word("ManifestLog", slots.closure(at)) != commitment:
                raise _wrong(f"Manifest 0x{at.hex()[:8]}… was not closed as the file says.")
            if at == shown:
                self.manifest_words = _closed_words(closure.successor, closure.time)
            at = closure.successor
            if at in passed:
                raise _wrong("A manifest comes twice in the line.")
            passed.append(at)
        if at != ZERO32 and self._word("ManifestLog", slots.closure(at)) != ZERO32:
            self.manifest_words = "No longer current." if at == shown else ""
            raise _wrong(f"Manifest 0x{at.hex()[:8]}… is closed, and the file does not say how.")
        if at != shown:
            raise _wrong(
                self.manifest_words
                or "The line of manifests does not lead to the one shown: it is not the one in force."
            )
        self.manifest_words = "Current."
        return "The manifest shown is the one in force."

    # -------------------------------------------------------------------------------------------------- the custody

    def fold(self) -> str:
        """The records are all there are, in order, and the rules refuse none."""
        evidence = self.evidence
        if self.trust.consensus != "development":
            try:
                self.seals()  # replaying is the costly part: not for a block that anybody can have made up
            except (LedgerError, _Outcome):
                raise _open("The records were not replayed, since nobody stands behind the block.") from None
        if not evidence.custody:
            if self._word("ConsignmentLedger", slots.trail(evidence.consignment)) != ZERO32:
                raise _wrong("The consignment has a history, and the file shows none of it.")
            self.is_unopened = True
            raise _open("The consignment was not opened on chain as of this block.")
        self._require_connected()
        last = 0
        for taken, digest, signer in zip(evidence.custody, self.digests, self.custody_signers, strict=True):
            if taken.accepted_at < last:
                raise _wrong("The custody records are not in the order in which the chain took them.")
            last = taken.accepted_at
            self._apply(taken.record, digest, signer, last)
        for consignment in evidence.opened:
            if self._word("ConsignmentLedger", slots.trail(consignment)) != self.custody.trail(consignment):
                raise _wrong(
                    f"The records are not the whole history of consignment 0x{consignment.hex()[:8]}… as the chain has it."
                )
        self.is_custody_proven = True
        count = len(self.custody.steps(evidence.consignment))
        return f"{count} records are the whole history, in order, with their times."

    def _require_connected(self) -> None:
        """Every consignment in the file is connected with the one in question, and none is missing."""
        opened = set(self.evidence.opened)
        if self.evidence.consignment not in opened:
            raise _wrong("The records do not begin with the consignment's opening.")
        links: dict[bytes, set[bytes]] = {each: set() for each in opened}
        missing = set()
        for taken in self.evidence.custody:
            record = taken.record
            if record.consignment not in opened:
                raise _wrong("A record is of a consignment whose opening is not shown.")
            if record.kind in SECOND_KINDS and record.subject != ZERO32:
                if record.subject in opened:
                    links[record.consignment].add(record.subject)
                    links[record.subject].add(record.consignment)
                else:
                    missing.add(record.subject)
        if missing:
            raise _open(
                f"The histories of {len(missing)} consignments that this one was connected with are missing, "
                f"{len(opened) - 1} are shown."
            )
        reached = {self.evidence.consignment}
        new = list(reached)
        while new:
            further = links[new.pop()] - reached
            reached |= further
            new += further
        if reached != opened:
            raise _wrong("A record is of a consignment that was never connected with this one.")

    def _apply(self, record: CustodyRecord, digest: bytes, signer: _Signer, time: int) -> None:
        account = self._account(signer)
        standing = Standing(
            account.party, account.roles, account.valid_until, account.revoked_from, account.revoked_at, True
        )
        try:
            self.custody.apply(record, digest, signer.address or b"", standing, time)
        except RecordRefused as error:
            raise _wrong(f"The rules would not have taken a record ({error.refusal.name}): {error}") from None

    def signatures(self) -> str:
        """Every signature is one."""
        promised = [] if self.promised_by is None else [self.promised_by]
        everyone = [self.issued_by, *promised, *self.custody_signers]
        for signer in everyone:
            if signer.address is None:
                raise _wrong(signer.problem)
        return f"{len(everyone)} signatures, by {len({signer.address for signer in everyone})} accounts."

    def authority(self) -> str:
        """Each signer might, then."""
        acts = [(self.issued_by, self.record.party, self.manifest.anchored_at, "the manifest")]
        acts += [
            (signer, taken.record.party, taken.accepted_at, "a custody record")
            for signer, taken in zip(self.custody_signers, self.evidence.custody, strict=True)
        ]
        disputed: dict[str, None] = {}
        for signer, party, time, what in acts:
            account = self._account(signer)
            who = f"The account that signed {what} for {party_text(party)}"
            if account.party != party or not account.roles & (Role.TRADER | Role.OFFICER):
                raise _wrong(f"{who} was not enrolled for that.")
            if time >= account.valid_until:
                raise _wrong(f"{who} had run out at {time_text(account.valid_until)}.")
            if not account.revoked_at or time < account.revoked_from:
                continue
            dates = f"revoked at {time_text(account.revoked_at)}, from {time_text(account.revoked_from)} on"
            if time > account.revoked_at:
                raise _wrong(f"{who} was {dates}, before the chain took it at {time_text(time)}.")
            disputed[
                f"Disputed, and not decided here: {who[0].lower()}{who[1:]} at {time_text(time)} was {dates}."
            ] = None
        if disputed:
            raise _open(" ".join(disputed))
        return "Every signer was enrolled for its party and valid when the chain took what it signed."

    # ---------------------------------------------------------------------------------------------------- the block

    def seals(self) -> str:
        """Somebody stands behind the block."""
        if isinstance(self._sealed, Exception):
            raise self._sealed
        return self._sealed

    @cached_property
    def _sealed(self) -> str | Exception:
        """What `seals` says, or raises; two checks ask."""
        trust, chain = self.trust, self.evidence.chain
        if (chain.chain_id, chain.genesis_hash) != (trust.chain_id, trust.genesis_hash):
            return _wrong(
                f"The file is of chain {chain.chain_id}, genesis 0x{chain.genesis_hash.hex()[:8]}…; the trust file is of "
                f"chain {trust.chain_id}, genesis 0x{trust.genesis_hash.hex()[:8]}…."
            )
        try:
            shown = self.shown_headers
            if trust.consensus != "development":
                untold = sealing.why_not_judged(shown, trust)
                return _Outcome("ERROR", untold) if untold else sealing.judge(shown, trust)
        except (LedgerError, _Outcome) as problem:
            return problem
        if len(shown) != 1:
            return _wrong("An unsealed development chain's file shows one header.")
        return _open(sealing.UNSEALED)

    def freshness(self) -> str:
        """The block is young enough, by a clock that can be right, and the trust file has not run out."""
        trust, as_of = self.trust, self.as_of
        if as_of is None:
            raise _open("The file shows no block, so its age is not known.")
        floor = max(self.clock_floor, *(header.timestamp for header in self.shown_headers))
        if self.now + CLOCK_TOLERANCE_SECONDS < floor:
            raise _Outcome(
                "ERROR",
                f"The device's clock says {time_text(self.now)}, and {time_text(floor)} has passed: set it; the age is "
                "not known.",
            )
        if self.now >= trust.expires_at:
            raise _Outcome(
                "ERROR", f"The trust file ran out at {time_text(trust.expires_at)}: get a new one."
            )
        if as_of.age_seconds > trust.old_seconds:
            raise _open(
                f"This was so {_duration(as_of.age_seconds)} ago; older than {_duration(trust.old_seconds)} is too old: get a "
                "new file."
            )
        return f"As of block {as_of.block}, {time_text(as_of.time)}, {_duration(as_of.age_seconds)} ago."

    @cached_property
    def as_of(self) -> AsOf | None:
        """The block, its time and age; None if there is none to see."""
        try:
            header = self.header
        except (LedgerError, _Outcome):
            return None
        newest = max(self.now, self.clock_floor, *(each.timestamp for each in self.shown_headers))
        return AsOf(header.number, header.timestamp, newest - header.timestamp)

    def _state(self, verdict: str) -> str:
        said = [sealing.UNSEALED] if self.trust.consensus == "development" else []
        if verdict == "INVALID":
            said.append(f"{self.manifest_words or 'Nothing holds of what this file says.'} May not go.")
            return " ".join(said)
        if self.manifest_words:
            said.append(self.manifest_words)
        if not self.is_custody_proven:
            said.append("Where the cargo stands is not shown; may not go.")
            return " ".join(said)
        details = {
            digest: taken.details.fields
            for digest, taken in zip(self.digests, self.evidence.custody, strict=True)
            if taken.details is not None
        }
        where, may_go, decided = officer_words.custody_words(
            self.custody, self.evidence.consignment, self.manifest.id, self.trust.code, details
        )
        said.append(where)
        if may_go:
            ours = self.trust.administration
            ending = (
                f"may go, as far as {ours} is concerned"
                if verdict == "VALID"
                else "may not go: this file does not settle it"
            )
            decided += f"; {ending}"
        said.append(f"{decided[0].upper()}{decided[1:]}.")
        return " ".join(said)


def _signer(digest: bytes, signature: bytes) -> _Signer:
    try:
        return _Signer(recover_address(digest, signature))
    except InvalidSignature as error:
        return _Signer(None, f"A signature is none: {error}")


def _closed_words(successor: bytes, time: int) -> str:
    if successor == ZERO32:
        return f"Withdrawn since {time_text(time)}."
    return f"Superseded by 0x{successor.hex()[:8]}… since {time_text(time)}."


def _duration(seconds: int) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
