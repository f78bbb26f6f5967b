"""What travels over HTTP: one set of models for the service that answers and the client that asks.

Bytes are 0x lower-case hex, times RFC 3339 UTC, except inside signed records, where they are Unix seconds as signed.
Models are strict and refuse unknown fields in requests; the records they carry are turned into `ledger.core` dataclasses
at once, so that nothing here can change a digest.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ledger.core.records import CustodyRecord, ManifestRecord
from ledger.fields import (
    AcceptanceTime,
    Address,
    AdministrationCode,
    AdministrationText,
    AnchoredAt,
    BlockNumber,
    BlockTime,
    Bytes32,
    ConsignmentId,
    ConsignmentKey,
    Count,
    Epoch,
    EventKind,
    KeptDocument,
    KeptReference,
    LeafHash,
    LeafIndex,
    MadeManifestId,
    ManifestId,
    ManifestState,
    PartyText,
    RecordDigest,
    RecordSignature,
    RecordState,
    Roles,
    Secret,
    ShownParty,
    Signature,
    Signer,
    Time,
    TradeReference,
    TransactionHash,
    TreeRoot,
    TreeSize,
    UnixSeconds,
    Unsigned64,
    party_bytes,
)


def to_hex(data: bytes) -> str:
    """Write bytes as 0x lower-case hex."""
    return "0x" + data.hex()


def from_hex(text: str) -> bytes:
    """Read 0x hex that a pattern has checked already."""
    return bytes.fromhex(text[2:])


def time_of(seconds: int) -> datetime:
    """An aware UTC time from Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


class Message(BaseModel):
    """A model of the wire: strict, frozen, unknown fields refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


# --- what is sent


class ManifestRecordMessage(Message):
    """A manifest record as it is signed (EIP-712, ManifestLog's domain)."""

    party: Annotated[PartyText, Field(description="Issuer: the party that lodges")]
    kind: Annotated[
        int, Field(ge=0, le=255, strict=True, description="Kind of the record: 1 LODGE, 2 AMEND, 3 WITHDRAW")
    ]
    reason: Annotated[
        int,
        Field(
            ge=0,
            le=255,
            strict=True,
            description="Why: 0 none, 1 correction, 2 quantity changed, 3 lodged in error, 4 fraud, 5 order of an authority",
        ),
    ] = 0
    consignment: ConsignmentId
    manifest_root: Annotated[
        Bytes32, Field(description="Root of the manifest's commitment; zero for a WITHDRAW")
    ]
    supersedes: Annotated[Bytes32, Field(description="Id of the manifest that this closes; zero for a LODGE")]
    issued_at: Annotated[
        UnixSeconds, Field(strict=True, description="When it was signed, as its signer claims")
    ]

    def to_record(self) -> ManifestRecord:
        """The record of `ledger.core` that these fields spell."""
        return ManifestRecord(
            party=party_bytes(self.party),
            kind=self.kind,
            reason=self.reason,
            consignment=from_hex(self.consignment),
            manifest_root=from_hex(self.manifest_root),
            supersedes=from_hex(self.supersedes),
            issued_at=self.issued_at,
        )

    @classmethod
    def of(cls, record: ManifestRecord) -> ManifestRecordMessage:
        """Spell a record."""
        return cls(
            party=to_hex(record.party),
            kind=record.kind,
            reason=record.reason,
            consignment=to_hex(record.consignment),
            manifest_root=to_hex(record.manifest_root),
            supersedes=to_hex(record.supersedes),
            issued_at=record.issued_at,
        )


class ManifestSubmission(Message):
    """A signed manifest record, and what the service shall keep with it.

    `document` and `secret` come together; the service checks that they lead to `manifest_root`. `reference` and
    `consignment_key` come together; the service checks nothing of them but that they open the consignment named, if
    the party is its opener, and can then find the consignment by its trade reference.
    """

    record: Annotated[ManifestRecordMessage, Field(description="The record, as it is signed")]
    signature: RecordSignature
    document: Annotated[
        dict[str, Any] | None,
        Field(description="The manifest document (`cargo-manifest/1`), for this service to keep encrypted"),
    ] = None
    secret: Secret = None
    reference: Annotated[
        TradeReference | None, Field(description="Trade reference of the consignment, `scheme:value`")
    ] = None
    consignment_key: Annotated[
        Bytes32 | None, Field(description="Consignment key; comes with the reference")
    ] = None


class CustodyRecordMessage(Message):
    """A custody record as it is signed (EIP-712, ConsignmentLedger's domain)."""

    consignment: ConsignmentId
    kind: Annotated[
        int, Field(ge=0, le=255, strict=True, description="Kind of the record: 1 OPEN … 17 REMARK")
    ]
    party: Annotated[PartyText, Field(description="Party that takes the step")]
    previous: Annotated[
        Bytes32,
        Field(
            description="Digest of the record before it on its line, zero for the line's first; for OPEN the consignment's blind"
        ),
    ]
    subject: Annotated[
        Bytes32,
        Field(
            description="What the step is about, by its kind: a record, a manifest or another consignment; zero for none"
        ),
    ]
    details: Annotated[
        Bytes32, Field(description="Root of the commitment to the details document; zero for none")
    ]
    counterpart: Annotated[
        ShownParty, Field(description="To whom an OFFER is made; 16 zero bytes for all else")
    ]
    observed_at: Annotated[
        UnixSeconds, Field(strict=True, description="When it was observed, as its signer claims")
    ]
    expires_at: Annotated[
        UnixSeconds, Field(strict=True, description="Until when the chain may take it, this second included")
    ]

    def to_record(self) -> CustodyRecord:
        """The record of `ledger.core` that these fields spell."""
        zero = self.counterpart == "0x" + "00" * 16
        return CustodyRecord(
            consignment=from_hex(self.consignment),
            kind=self.kind,
            party=party_bytes(self.party),
            previous=from_hex(self.previous),
            subject=from_hex(self.subject),
            details=from_hex(self.details),
            counterpart=bytes(16) if zero else party_bytes(self.counterpart, "counterpart"),
            observed_at=self.observed_at,
            expires_at=self.expires_at,
        )

    @classmethod
    def of(cls, record: CustodyRecord) -> CustodyRecordMessage:
        """Spell a record."""
        return cls(
            consignment=to_hex(record.consignment),
            kind=record.kind,
            party=to_hex(record.party),
            previous=to_hex(record.previous),
            subject=to_hex(record.subject),
            details=to_hex(record.details),
            counterpart=to_hex(record.counterpart),
            observed_at=record.observed_at,
            expires_at=record.expires_at,
        )


class CustodySubmission(Message):
    """A signed custody record, and its details document for this administration's own files."""

    record: Annotated[CustodyRecordMessage, Field(description="The record, as it is signed")]
    signature: RecordSignature
    document: Annotated[
        dict[str, Any] | None, Field(description="The details document, for this service to keep encrypted")
    ] = None
    secret: Secret = None


class CustodySubmissions(Message):
    """Up to 100 custody records, taken in order; one that is refused does not stop the others."""

    records: Annotated[
        list[CustodySubmission],
        Field(min_length=1, max_length=100, description="1 to 100 signed records, taken in this order"),
    ]


# --- what is answered


class PromiseView(Message):
    """The sequencer's signed promise that the leaf will be anchored at its index by a time."""

    administration: AdministrationCode
    epoch: Epoch
    index: LeafIndex
    leaf_hash: LeafHash
    seen: Annotated[bool, Field(description="Whether the administration saw the whole document of this root")]
    anchor_by: Annotated[
        UnixSeconds, Field(description="By when the leaf is anchored; later is a broken promise")
    ]
    signer: Annotated[Address, Field(description="The SEQUENCER that signed it")]
    signature: Annotated[Signature, Field(description="Signature of the promise (EIP-712)")]


class ProblemView(BaseModel):
    """A problem (RFC 9457). `type` is a stable name, `detail` a sentence with what to do."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Annotated[str, Field(description="Stable name of the problem, `/problems/…`")]
    title: Annotated[str, Field(description="The kind of problem in words")]
    status: Annotated[int, Field(description="HTTP status of the answer, or of the line of a batch")]
    detail: Annotated[str, Field(description="A sentence: what is wrong, where, and what to do")]


class ManifestAccepted(Message):
    """The answer to a manifest record that is durable. `id` is null for a WITHDRAW."""

    id: MadeManifestId
    digest: RecordDigest
    index: LeafIndex
    state: ManifestState
    promise: Annotated[PromiseView, Field(description="The signed promise to anchor it")]


class AnchorView(Message):
    """The first tree head on chain that covers the leaf."""

    size: TreeSize
    root: TreeRoot
    block: BlockNumber
    transaction: TransactionHash
    anchored_at: AnchoredAt


class ClosureView(Message):
    """Why the manifest is no longer current: amended (with its successor) or withdrawn."""

    kind: Annotated[Literal["AMEND", "WITHDRAW"], Field(description="Kind of the record that closed it")]
    reason: Annotated[
        Count,
        Field(
            description="Why: 0 none, 1 correction, 2 quantity changed, 3 lodged in error, 4 fraud, 5 order of an authority"
        ),
    ]
    time: AcceptanceTime
    successor: Annotated[
        Bytes32 | None, Field(description="Id of the manifest that took its place; null if it was withdrawn")
    ]
    signer: Signer


class ManifestView(Message):
    """A manifest record that this administration's log holds, and what became of it."""

    id: MadeManifestId
    digest: RecordDigest
    record: Annotated[ManifestRecordMessage, Field(description="The record, as it was signed")]
    signature: RecordSignature
    signer: Signer
    party: Annotated[PartyText, Field(description="Issuer: the party that lodged it")]
    epoch: Epoch
    index: LeafIndex
    leaf_hash: LeafHash
    state: ManifestState
    content: Annotated[
        Literal["seen", "unseen", "erased"],
        Field(description="Whether this service saw the document, never did, or has erased it"),
    ]
    anchor: Annotated[
        AnchorView | None, Field(description="The first tree head on chain that covers it; null before that")
    ]
    closure: Annotated[ClosureView | None, Field(description="How it was closed; null while it is current")]
    problem: Annotated[ProblemView | None, Field(description="Why it was refused; null if it was not")] = None
    promise: Annotated[PromiseView, Field(description="The signed promise to anchor it")]
    reference: KeptReference = None
    document: KeptDocument = None


class Manifests(Message):
    """A page of manifest records; `next` is what `after` of the next page is, or null after the last."""

    manifests: Annotated[list[ManifestView], Field(description="Manifest records, in the order of the log")]
    next: Annotated[
        Bytes32 | None, Field(description="Give it as `after` for the next page; null after the last")
    ] = None


class ErasureView(Message):
    """That what this service kept of a manifest is erased: its document and secret, and their keys.

    `consignment_key` says whether the consignment's trade reference and key went too: they go with its last manifest.
    """

    id: ManifestId
    digest: RecordDigest
    content: Annotated[Literal["erased"], Field(description="What became of document and secret")]
    erased_at: Annotated[Time, Field(description="When it was erased")]
    signer: Signer
    consignment_key: Annotated[
        Literal["kept", "erased"],
        Field(description="Whether the consignment's trade reference and key went too"),
    ]


class InclusionProofView(Message):
    """Everything that shows a manifest record in a log: checked by `cargo-ledger manifest verify-inclusion`."""

    id: MadeManifestId
    administration: AdministrationCode
    epoch: Epoch
    index: LeafIndex
    size: TreeSize
    root: TreeRoot
    path: Annotated[
        list[Bytes32], Field(description="Hashes beside the leaf's way to the root, from the leaf up")
    ]
    record: Annotated[ManifestRecordMessage, Field(description="The record, as it was signed")]
    signature: RecordSignature
    leaf_hash: LeafHash
    anchored_at: AnchoredAt
    block: BlockNumber
    transaction: TransactionHash


class AcceptedRecord(Message):
    """One custody record's answer. `problem` only when it is refused here."""

    digest: RecordDigest
    state: RecordState
    problem: Annotated[
        ProblemView | None, Field(description="Why it was refused here; null if it was not")
    ] = None


class AcceptedRecords(Message):
    """The answers, in the order of the records sent."""

    records: Annotated[
        list[AcceptedRecord], Field(description="One answer a record, in the order they were sent")
    ]


class HoldView(Message):
    """An open hold."""

    party: Annotated[PartyText, Field(description="Party that placed the hold, and alone may lift it")]
    record: RecordDigest
    at: AcceptanceTime
    reason: Annotated[
        str | None, Field(description="Why, in words; null where this service has no details to show")
    ] = None


class ReleaseView(Message):
    """A release that stands: it names the manifest it decided on."""

    party: Annotated[PartyText, Field(description="Party that released the goods")]
    procedure: Annotated[
        str | None,
        Field(
            description="Procedure that they are released for; null where this service has no details to show"
        ),
    ] = None
    manifest: ManifestId
    record: RecordDigest
    at: AcceptanceTime


class FindingView(Message):
    """Something odd that is recorded, never refused."""

    kind: Annotated[str, Field(description="Stable name of what is odd")]
    record: Annotated[Bytes32 | None, Field(description="Digest of the record it is about; null if none")]
    message: Annotated[str, Field(description="A sentence: what is odd")]


class AsOf(Message):
    """The block that an answer is true of."""

    block: Annotated[Count, Field(description="Number of the block")]
    hash: Annotated[Bytes32, Field(description="Hash of the block")]
    time: BlockTime


class LinesView(Message):
    """The digest that the next record of each line must name as `previous`; what waits to be sent is counted in."""

    custody: Annotated[
        Bytes32,
        Field(description="For the next record of the custody line: the digest to name as `previous`"),
    ]
    accounts: Annotated[
        dict[str, Bytes32],
        Field(
            description="By an account's address, for its next record on its own line: the digest to name as `previous`"
        ),
    ]


class RecordView(Message):
    """A custody record on chain, or on its way there (`sequence` and `accepted_at` are then null)."""

    digest: RecordDigest
    kind: Annotated[str, Field(description="Kind of the record by name, `HOLD`")]
    record: Annotated[CustodyRecordMessage, Field(description="The record, as it was signed")]
    signature: RecordSignature
    signer: Signer
    party: Annotated[PartyText, Field(description="Party that took the step")]
    state: RecordState
    sequence: Annotated[
        Count | None,
        Field(
            description="The contract's number of the record, from 1 without gaps; null before it is on chain"
        ),
    ]
    accepted_at: Annotated[
        Time | None, Field(description="Acceptance time: of the block that took it; null before that")
    ]
    observed_at: Annotated[Time, Field(description="When it was observed, as its signer claims")]
    block: Annotated[Count | None, Field(description="Number of the block that holds it; null before that")]
    transaction: Annotated[
        Bytes32 | None, Field(description="Hash of the transaction that wrote it; null before that")
    ]
    document: KeptDocument = None
    problem: Annotated[ProblemView | None, Field(description="Why it was refused; null if it was not")] = None


class Records(Message):
    """A consignment's custody records, oldest first."""

    records: Annotated[
        list[RecordView],
        Field(description="Custody records, oldest first; those that wait to be sent stand last"),
    ]


class ConsignmentView(Message):
    """A consignment's state, as of a block. `reference` is shown where the accompanying file was loaded."""

    id: ConsignmentId
    reference: KeptReference = None
    trail: Annotated[
        Bytes32,
        Field(
            description="Trail on chain: the hash over all its records, their signers and acceptance times; zero if it has none"
        ),
    ]
    records: Annotated[Count, Field(description="How many records it has on chain")]
    opener: Annotated[PartyText, Field(description="Party that opened it")]
    manifest: Annotated[
        Bytes32 | None, Field(description="Id of the manifest in force; null if there is none here")
    ] = None
    custodian: Annotated[
        PartyText | None,
        Field(description="Party in charge of it, or of the outermost around it; null once that is closed"),
    ]
    offered_to: Annotated[
        ShownParty | None, Field(description="Party that it is offered to; null if there is no open offer")
    ]
    inside: Annotated[
        Bytes32 | None, Field(description="Id of the consignment that it is inside; null if none")
    ]
    contents: Annotated[list[Bytes32], Field(description="Ids of the consignments inside it")]
    holds: Annotated[list[HoldView], Field(description="Open holds")]
    releases: Annotated[list[ReleaseView], Field(description="Releases that stand")]
    closed: Annotated[bool, Field(description="Whether its history has ended")]
    may_go: Annotated[
        bool,
        Field(
            description="Whether this administration's customs let it go: its release stands, for the manifest in force, and no hold of its own is open"
        ),
    ]
    summary: Annotated[str, Field(description="Where it stands, in words for an officer")]
    findings: Annotated[list[FindingView], Field(description="What is odd about it; recorded, never refused")]
    lines: Annotated[LinesView, Field(description="What the next records must name as `previous`")]
    as_of: Annotated[AsOf, Field(description="The block that all this is true of")]


class Consignments(Message):
    """Consignments that were found."""

    consignments: Annotated[list[ConsignmentView], Field(description="Consignments that fit the filters")]


class AccompaniedManifest(Message):
    """The manifest that travels with the cargo: chosen fields, its signed record and its place in the log.

    The promise tells that the administration that took the manifest saw the whole of it; without one, evidence made of
    the file can't say more of what is not disclosed than its issuer does.
    """

    id: ManifestId
    disclosure: Annotated[
        dict[str, Any],
        Field(description="Chosen fields of the manifest and the hashes that lead from them to its root"),
    ]
    inclusion: Annotated[InclusionProofView, Field(description="Where its record stands in the log")]
    promise: Annotated[
        PromiseView | None, Field(description="The sequencer's promise; null if there is none to show")
    ] = None


class AccompanyingFile(Message):
    """What travels with the cargo (`cargo-accompanying/1`): whoever holds it can follow the consignment for ever."""

    schema_: Annotated[
        Literal["cargo-accompanying/1"], Field(alias="schema", description="Format and version of the file")
    ]
    reference: TradeReference
    consignment_key: ConsignmentKey
    opener: Annotated[PartyText, Field(description="Party that opened the consignment")]
    consignment: ConsignmentId
    manifest: Annotated[AccompaniedManifest, Field(description="The manifest that travels with the cargo")]


class HeadView(Message):
    """The newest tree head of an administration's log."""

    administration: AdministrationCode
    epoch: Epoch
    size: Annotated[Unsigned64, Field(description="Size of the tree: how many leaves its head covers")]
    root: TreeRoot
    anchored_at: Annotated[
        Time | None,
        Field(description="When the tree head was anchored, by its block's time; null before the first"),
    ]
    block: Annotated[
        Count | None, Field(description="Number of the block that holds it; null before the first")
    ]


class ConsistencyView(Message):
    """A proof that the newest head extends the one of `first_size`."""

    administration: AdministrationCode
    epoch: Epoch
    first_size: Annotated[Count, Field(description="Leaves of the earlier tree head")]
    first_root: Annotated[Bytes32, Field(description="Root of the earlier tree head")]
    second_size: Annotated[Count, Field(description="Leaves of the newest tree head")]
    second_root: Annotated[Bytes32, Field(description="Root of the newest tree head")]
    path: Annotated[list[Bytes32], Field(description="Consistency path between them, as RFC 9162 orders it")]


class LeafView(Message):
    """One leaf of a log: 188 bytes."""

    index: LeafIndex
    data: Annotated[
        str,
        Field(
            pattern=r"^0x[0-9a-f]{376}$",
            description="The leaf: 0x01, the record's fields and its signature; 188 bytes as 0x hex",
            json_schema_extra={"format": "bytes188"},
        ),
    ]


class Leaves(Message):
    """Consecutive leaves of a log; none after its end."""

    leaves: Annotated[
        list[LeafView], Field(description="Leaves by ascending index; fewer than asked for at the log's end")
    ]


class CitedEvent(Message):
    """An event of a contract that an answer rests on; `log` is its place among the block's logs, `name` a record's kind."""

    contract: Annotated[
        Literal["AdministrationRegistry", "ManifestLog", "ConsignmentLedger"],
        Field(description="Contract that emitted it"),
    ]
    name: Annotated[str, Field(description="Name of the event, of a custody record its kind")]
    sequence: Annotated[Count, Field(description="The contract's number of the event, from 1 without gaps")]
    block: BlockNumber
    log: Annotated[Count, Field(description="Place among the block's logs, from 0")]
    time: Annotated[str, Field(description="The block's time; RFC 3339 in UTC")]
    digest: Annotated[Bytes32 | None, Field(description="Digest of the record it tells of; null if none")]
    signer: Annotated[Address | None, Field(description="Account that signed that record; null if none")]
    transaction: Annotated[
        Bytes32 | None,
        Field(description="Hash of the transaction that emitted it; null where only the index was asked"),
    ]
    signature: Annotated[Signature | None, Field(description="Signature of that record; null if none")]


class AuditRow(Message):
    """One thing that an answer says; `events` are places in the answer's list of events."""

    sentence: Annotated[str, Field(description="What was found, in words")]
    facts: Annotated[dict[str, Any], Field(description="Named by the question; see the operation")]
    events: Annotated[
        list[Count], Field(description="Events that it rests on, by their place in the answer's list, from 0")
    ]


class AuditAnswer(Message):
    """The answer to an auditor's question (`cargo-audit-answer/1`), the same from `cargo-ledger audit ask --json`."""

    schema_: Annotated[
        Literal["cargo-audit-answer/1"], Field(alias="schema", description="Format and version of the answer")
    ]
    question: Annotated[str, Field(description="Name of the question")]
    asked: Annotated[
        dict[str, Any], Field(description="What was asked about, by the names of the question's parameters")
    ]
    answer: Annotated[str, Field(description="In words")]
    rows: Annotated[list[AuditRow], Field(description="What was found, in the question's order")]
    events: Annotated[list[CitedEvent], Field(description="Events that the rows rest on")]
    checked: Annotated[list[str], Field(description="What was checked for this answer, a sentence each")]
    not_checked: Annotated[list[str], Field(description="What was not checked, a sentence each")]
    as_of: Annotated[AsOf, Field(description="The block that the answer is true of")]
    more: Annotated[str | None, Field(description="Give it as `after` for the rest; null if this is all")]


class AdministrationView(Message):
    """An administration as the registry has it."""

    administration: AdministrationCode
    governor: Annotated[Address, Field(description="Account that governs it")]
    active: Annotated[bool, Field(description="Whether it is not suspended")]
    epoch: Epoch
    log_size: Annotated[Unsigned64, Field(description="How many leaves its newest tree head covers")]


class Administrations(Message):
    """All administrations of the registry."""

    administrations: Annotated[
        list[AdministrationView], Field(description="All administrations, by their codes")
    ]


class AccountView(Message):
    """An account as the registry has it."""

    address: Annotated[Address, Field(description="The account")]
    party: Annotated[PartyText, Field(description="Party that it acts for")]
    roles: Roles
    valid_until: Annotated[Time, Field(description="Until when it may act, this second not included")]
    revoked_from: Annotated[
        Time | None,
        Field(
            description="From when it is revoked; what it did from then to `revoked_at` is disputed; null if it is not"
        ),
    ]
    revoked_at: Annotated[
        Time | None, Field(description="When the chain took the revocation; null if it is not revoked")
    ]


class PartyView(Message):
    """A party and the accounts that act for it."""

    party: Annotated[PartyText, Field(description="The party")]
    active: Annotated[bool, Field(description="Whether its administration is not suspended")]
    accounts: Annotated[list[AccountView], Field(description="Accounts that act or acted for it")]


class ChainView(Message):
    """The chain this service follows: what a client needs to sign, and how far the service has read."""

    kind: Annotated[
        Literal["development", "clique", "qbft"], Field(description="How the chain agrees on its blocks")
    ]
    chain_id: Annotated[Count, Field(description="Chain id, a number as EIP-155 has it")]
    genesis_hash: Annotated[Bytes32, Field(description="Hash of block 0")]
    administration_registry: Annotated[
        Address, Field(description="Address of the contract AdministrationRegistry")
    ]
    manifest_log: Annotated[Address, Field(description="Address of the contract ManifestLog")]
    consignment_ledger: Annotated[Address, Field(description="Address of the contract ConsignmentLedger")]
    confirmations: Annotated[Count, Field(description="Blocks on top of which a block counts as final")]
    administration: Annotated[
        AdministrationText, Field(description="Code of the administration whose service this is")
    ]
    indexed_block: Annotated[Count, Field(description="Number of the block up to which the service has read")]
    head_block: Annotated[Count, Field(description="Number of the chain's newest block")]


class EventView(Message):
    """Something that happened to a record, an account or a log; what it says of documents stands in the routes that have them."""

    id: Annotated[
        Count, Field(description="Its place in the feed: later events have higher ones", examples=[17])
    ]
    kind: Annotated[
        str,
        Field(
            pattern=r"^[a-z]+\.[a-z-]+(\.reverted)?$",
            description="What happened; with `.reverted` at the end, that it did not after all",
            examples=["custody.hold"],
        ),
    ]
    time: Annotated[Time, Field(description="Acceptance time, or the block's, or when it was taken back")]
    administration: Annotated[ShownParty | None, Field(description="Whose")]
    party: Annotated[ShownParty | None, Field(description="Who signed it, or whom it is about")]
    consignment: Annotated[
        Bytes32 | None, Field(description="Id of the consignment it is about; null if none")
    ]
    second: Annotated[Bytes32 | None, Field(description="The other consignment whose history it extends")]
    reverts: Annotated[
        Count | None, Field(description="Id of the event that this one takes back; null if none")
    ]
    facts: Annotated[
        dict[str, str | int | None],
        Field(description="Digests, block and transaction, by name; which ones depends on the kind"),
    ]


WebhookState = Literal["active", "gone", "failing"]


class WebhookRequest(Message):
    """Where events are to be sent, and which."""

    url: Annotated[
        str,
        Field(
            max_length=2_000,
            description="`https://…` at a public address; one webhook an account and address",
            examples=["https://erp.acme.example/cargo-ledger"],
        ),
    ]
    kinds: Annotated[
        list[EventKind],
        Field(max_length=20, description="Only these, and their reversals; none given is all"),
    ] = []
    consignment: Annotated[Bytes32 | None, Field(description="Only what is about this consignment")] = None
    administration: Annotated[AdministrationText | None, Field(description="Only this one's")] = None
    after: Annotated[
        Count | None,
        Field(
            description="Id of the event behind which it begins; 0 sends all there are, null what comes from now on"
        ),
    ] = None


class WebhookView(Message):
    """A webhook of the account that asks."""

    id: Annotated[Bytes32, Field(description="Id of the webhook")]
    url: Annotated[str, Field(description="Where its messages are sent")]
    kinds: Annotated[
        list[str], Field(description="Kinds of events that it wants, and their reversals; empty is all")
    ]
    consignment: Annotated[
        Bytes32 | None, Field(description="Only what is about this consignment; null is all")
    ]
    administration: Annotated[AdministrationText | None, Field(description="Only this one's; null is all")]
    state: Annotated[
        WebhookState,
        Field(
            description="`gone` where it answered 410, `failing` where it took nothing for as long as a message is tried: "
            "nothing is sent until it is enabled"
        ),
    ]
    created_at: Annotated[Time, Field(description="When it was registered")]
    followed: Annotated[Count, Field(description="Id of the event up to which its messages are made")]
    delivered: Annotated[Count, Field(description="Messages that it took")]
    failed: Annotated[Count, Field(description="Attempts that failed")]
    waiting: Annotated[Count, Field(description="Messages that wait for their next attempt")]
    dead: Annotated[Count, Field(description="Messages that were given up; they can be replayed for 30 days")]


class Webhooks(Message):
    """The webhooks of an account, the oldest first."""

    webhooks: Annotated[list[WebhookView], Field(description="The account's webhooks")]


class WebhookSecret(Message):
    """What a webhook's messages are signed with from now on; it is shown once."""

    id: Annotated[Bytes32, Field(description="Id of the webhook")]
    secret: Annotated[
        str,
        Field(
            repr=False,
            pattern=r"^whsec_[A-Za-z0-9+/]{43}=$",
            description="32 bytes in base64 behind `whsec_`, as Standard Webhooks has it",
        ),
    ]
    former_until: Annotated[
        Time | None, Field(description="Until when the former secret signs beside it; null if there is none")
    ]


class RotationRequest(Message):
    """How long the former secret signs beside the new one."""

    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=604_800,
            description="Seconds that both sign; 0 ends the former secret at once",
            examples=[86400],
        ),
    ] = 86_400


class DeadLetter(Message):
    """A message that was given up."""

    event: Annotated[Count, Field(description="Id of its event")]
    kind: Annotated[str, Field(description="Kind of its event")]
    attempts: Annotated[Count, Field(description="How many attempts failed")]
    given_up_at: Annotated[Time, Field(description="When it was given up")]
    problem: Annotated[str, Field(description="Why the last attempt failed")]


class DeadLetters(Message):
    """Messages that were given up, in the order of events; there may be more behind the last."""

    dead_letters: Annotated[list[DeadLetter], Field(description="Messages that were given up")]


class ReplayRequest(Message):
    """Which of the messages that were given up are to be sent again."""

    events: Annotated[
        list[Count] | None, Field(max_length=1_000, description="Ids of their events; null is all")
    ] = None


class Replayed(Message):
    """How many messages wait again."""

    replayed: Annotated[Count, Field(description="How many messages wait again")]


class ChallengeRequest(Message):
    """Who wants to sign in."""

    address: Annotated[Address, Field(description="Account that wants to sign in")]


class ChallengeView(Message):
    """A text to be signed (EIP-191, `personal_sign`) within five minutes; it is taken once."""

    message: Annotated[str, Field(description="EIP-4361; to be signed and sent back as it is")]
    expires_at: Annotated[Time, Field(description="Until when it can be sent back signed")]


class SessionRequest(Message):
    """A signed challenge."""

    message: Annotated[
        str, Field(max_length=2_000, description="The challenge's text, as it was given", examples=["…"])
    ]
    signature: Annotated[Signature, Field(description="Signature of the text (EIP-191, `personal_sign`)")]


class SessionView(Message):
    """Leave to read for 15 minutes, unless the account is revoked before."""

    token: Annotated[
        str, Field(repr=False, description="To be sent as `Authorization: Bearer …`; it is shown once")
    ]
    expires_at: Annotated[Time, Field(description="Until when the token reads")]
    account: Annotated[Address, Field(description="Account that signed in")]
    party: Annotated[PartyText, Field(description="Party that it acts for")]
    roles: Roles


class Readiness(Message):
    """Whether this service can do its job now, and what is wrong if it can't."""

    ready: Annotated[bool, Field(description="Whether the service can do its job now")]
    database: Annotated[bool, Field(description="Whether the database answers")]
    chain: Annotated[bool, Field(description="Whether the chain's node answers")]
    worker: Annotated[bool, Field(description="Whether a worker was active in the last 10 seconds")]
    indexed_block: Annotated[Count, Field(description="Number of the block up to which the service has read")]
    head_block: Annotated[Count, Field(description="Number of the chain's newest block")]
    lag_blocks: Annotated[Count, Field(description="Blocks that the service is behind the chain")]
    lag_seconds: Annotated[
        Count,
        Field(
            description="Seconds between the newest block that was read and the chain's newest, by their times"
        ),
    ]
    waiting_manifests: Annotated[Count, Field(description="How many manifest records wait for the chain")]
    waiting_records: Annotated[Count, Field(description="How many custody records wait for the chain")]
    outbox_seconds: Annotated[Count, Field(description="Seconds that the oldest of what waits has waited")]
    reasons: Annotated[list[str], Field(description="What is wrong, a sentence each; empty if it is ready")]


class VerificationRequest(Message):
    """What is to be judged, by what, as of when."""

    evidence: Annotated[str, Field(description="The evidence file, its bytes as UTF-8 text")]
    trust: Annotated[str, Field(description="The trust file, its bytes as UTF-8 text")]
    now: Annotated[
        UnixSeconds | None, Field(description="Judge as of this time; null is the service's clock")
    ] = None


class EvidenceAsOf(Message):
    """The block that a verdict is true of."""

    block: Annotated[Count, Field(description="Number of the block")]
    time: BlockTime
    age_seconds: Annotated[
        int,
        Field(
            description="Seconds from the block to the time of the judgement; 0 if the block is ahead of it"
        ),
    ]


class CheckView(Message):
    """One named check of a verdict."""

    name: Annotated[str, Field(description="Name of the check", examples=["seals"])]
    status: Annotated[
        Literal["VALID", "INVALID", "SKIPPED", "ERROR"],
        Field(description="What came of it; SKIPPED where the evidence gives nothing to check"),
    ]
    message: Annotated[str, Field(description="A sentence: what was found")]


class VerdictView(Message):
    """What evidence proves. VALID only if every check that is needed is; INDETERMINATE is no pass."""

    verdict: Annotated[
        Literal["VALID", "INVALID", "INDETERMINATE"],
        Field(description="VALID only if every check that is needed is; INDETERMINATE is no pass"),
    ]
    as_of: Annotated[
        EvidenceAsOf | None,
        Field(description="The block that the verdict is true of; null if the evidence shows none"),
    ]
    state: Annotated[str, Field(description="The state in an officer's words")]
    checks: Annotated[list[CheckView], Field(description="The checks, in the order they were made")]
    trust: Annotated[Bytes32, Field(description="SHA-256 of the trust file that it was judged by")]
