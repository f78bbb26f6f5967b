"""What travels over HTTP: one set of models for the service that answers and the client that asks.

Bytes are 0x lower-case hex, times RFC 3339 UTC, except inside signed records, where they are Unix seconds as signed.
Models are strict and refuse unknown fields in requests; the records they carry are turned into `ledger.core` dataclasses
at once, so that nothing here can change a digest.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from ledger import events
from ledger.core.identifiers import Party
from ledger.core.records import CustodyRecord, ManifestRecord
from ledger.errors import InvalidIdentifier, InvalidRecord

MAX_JSON_INTEGER = (1 << 53) - 1
_DIGITS = re.compile(r"[0-9]{16,20}")

Bytes32 = Annotated[
    str,
    Field(pattern=r"^0x[0-9a-f]{64}$", examples=["0x" + "ab" * 32], json_schema_extra={"format": "bytes32"}),
]
Signature = Annotated[
    str,
    Field(
        pattern=r"^0x[0-9a-f]{130}$",
        description="65 bytes: r, s, v (27 or 28)",
        examples=["0x" + "12" * 65],
        json_schema_extra={"format": "bytes65"},
    ),
]
Address = Annotated[
    str,
    Field(
        pattern=r"^0x[0-9a-fA-F]{40}$",
        examples=["0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"],
        json_schema_extra={"format": "bytes20"},
    ),
]


def _must_be_party(text: str) -> str:
    party_bytes(text)
    return text


PartyText = Annotated[
    str,
    Field(
        pattern=r"^([A-Z0-9]{2,8}(:[A-Z0-9]{1,8})?|0x[0-9a-f]{32})$",
        description="`SG` or `SG:ACME01`; its 16 bytes as hex are taken too",
        examples=["SG:ACME01"],
    ),
    AfterValidator(_must_be_party),
]
ShownParty = Annotated[
    str,
    Field(
        pattern=r"^([A-Z0-9]{2,8}(:[A-Z0-9]{1,8})?|0x[0-9a-f]{32})$",
        description="A party that a record names: hex where the chain took bytes that are no party",
        examples=["NL:IMPO01"],
    ),
]
AdministrationText = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,8}$", examples=["SG"])]
UnixSeconds = Annotated[
    int, Field(ge=0, le=MAX_JSON_INTEGER, description="Unix seconds", examples=[1790000000])
]
Count = Annotated[int, Field(ge=0, le=MAX_JSON_INTEGER)]
Unsigned64 = Annotated[
    int,
    BeforeValidator(
        lambda value: int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    ),
    Field(ge=0, le=(1 << 64) - 1),
    PlainSerializer(
        lambda value: value if value <= MAX_JSON_INTEGER else str(value),
        return_type=int | str,
        when_used="json",
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_JSON_INTEGER},
                {"type": "string", "pattern": "^[0-9]{16,20}$"},
            ],
            "description": "A number of 64 bits; as text from 2^53 on, which readers that use doubles would change",
        }
    ),
]


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]


def to_hex(data: bytes) -> str:
    """Write bytes as 0x lower-case hex."""
    return "0x" + data.hex()


def from_hex(text: str) -> bytes:
    """Read 0x hex that a pattern has checked already."""
    return bytes.fromhex(text[2:])


def party_bytes(text: str, field: str = "party") -> bytes:
    """Read a party from its text or from the hex of its 16 bytes.

    Raises:
        InvalidRecord: It is neither.
    """
    try:
        return _read_party(text)
    except InvalidIdentifier as error:
        raise InvalidRecord(field, f"is no party: {error.rule}") from None


@lru_cache(maxsize=4096)  # of a text of at most 34 characters; a party sends thousands of records
def _read_party(text: str) -> bytes:
    party = Party.from_bytes(from_hex(text)) if text.startswith("0x") else Party.parse(text)
    return party.to_bytes()


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

    party: PartyText
    kind: Annotated[int, Field(ge=0, le=255, strict=True, description="1 LODGE, 2 AMEND, 3 WITHDRAW")]
    reason: Annotated[int, Field(ge=0, le=255, strict=True)] = 0
    consignment: Bytes32
    manifest_root: Bytes32
    supersedes: Bytes32
    issued_at: Annotated[UnixSeconds, Field(strict=True)]

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

    record: ManifestRecordMessage
    signature: Signature
    document: dict[str, Any] | None = None
    secret: Bytes32 | None = None
    reference: Annotated[str, Field(max_length=200, examples=["ducr:9GB123456789000-INV1"])] | None = None
    consignment_key: Bytes32 | None = None


class CustodyRecordMessage(Message):
    """A custody record as it is signed (EIP-712, ConsignmentLedger's domain)."""

    consignment: Bytes32
    kind: Annotated[int, Field(ge=0, le=255, strict=True, description="1 OPEN … 17 REMARK")]
    party: PartyText
    previous: Bytes32
    subject: Bytes32
    details: Bytes32
    counterpart: ShownParty
    observed_at: Annotated[UnixSeconds, Field(strict=True)]
    expires_at: Annotated[UnixSeconds, Field(strict=True)]

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

    record: CustodyRecordMessage
    signature: Signature
    document: dict[str, Any] | None = None
    secret: Bytes32 | None = None


class CustodySubmissions(Message):
    """Up to 100 custody records, taken in order; one that is refused does not stop the others."""

    records: Annotated[list[CustodySubmission], Field(min_length=1, max_length=100)]


# --- what is answered


class PromiseView(Message):
    """The sequencer's signed promise that the leaf will be anchored at its index by a time."""

    administration: AdministrationText
    epoch: Count
    index: Count
    leaf_hash: Bytes32
    seen: bool
    anchor_by: UnixSeconds
    signer: Address
    signature: Signature


class ProblemView(BaseModel):
    """A problem (RFC 9457). `type` is a stable name, `detail` a sentence with what to do."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    title: str
    status: int
    detail: str


ManifestState = Literal["accepted", "sequenced", "anchored", "final", "refused"]
RecordState = Literal["accepted", "sent", "recorded", "final", "refused"]


class ManifestAccepted(Message):
    """The answer to a manifest record that is durable. `id` is null for a WITHDRAW."""

    id: Bytes32 | None
    digest: Bytes32
    index: Count
    state: ManifestState
    promise: PromiseView


class AnchorView(Message):
    """The first tree head on chain that covers the leaf."""

    size: Count
    root: Bytes32
    block: Count
    transaction: Bytes32
    anchored_at: Time


class ClosureView(Message):
    """Why the manifest is no longer current: amended (with its successor) or withdrawn."""

    kind: Literal["AMEND", "WITHDRAW"]
    reason: Count
    time: Time
    successor: Bytes32 | None
    signer: Address


class ManifestView(Message):
    """A manifest record that this administration's log holds, and what became of it."""

    id: Bytes32 | None
    digest: Bytes32
    record: ManifestRecordMessage
    signature: Signature
    signer: Address
    party: PartyText
    epoch: Count
    index: Count
    leaf_hash: Bytes32
    state: ManifestState
    content: Literal["seen", "unseen", "erased"]
    anchor: AnchorView | None
    closure: ClosureView | None
    problem: ProblemView | None = None
    promise: PromiseView
    reference: str | None = None
    document: dict[str, Any] | None = None


class Manifests(Message):
    """A page of manifest records; `next` is what `after` of the next page is, or null after the last."""

    manifests: list[ManifestView]
    next: Bytes32 | None = None


class ErasureView(Message):
    """That what this service kept of a manifest is erased: its document and secret, and their keys.

    `consignment_key` says whether the consignment's trade reference and key went too: they go with its last manifest.
    """

    id: Bytes32
    digest: Bytes32
    content: Literal["erased"]
    erased_at: Time
    signer: Address
    consignment_key: Literal["kept", "erased"]


class InclusionProofView(Message):
    """Everything that shows a manifest record in a log: checked by `cargo-ledger manifest verify-inclusion`."""

    id: Bytes32 | None
    administration: AdministrationText
    epoch: Count
    index: Count
    size: Count
    root: Bytes32
    path: list[Bytes32]
    record: ManifestRecordMessage
    signature: Signature
    leaf_hash: Bytes32
    anchored_at: Time
    block: Count
    transaction: Bytes32


class AcceptedRecord(Message):
    """One custody record's answer. `problem` only when it is refused here."""

    digest: Bytes32
    state: RecordState
    problem: ProblemView | None = None


class AcceptedRecords(Message):
    """The answers, in the order of the records sent."""

    records: list[AcceptedRecord]


class HoldView(Message):
    """An open hold."""

    party: PartyText
    record: Bytes32
    at: Time
    reason: str | None = None


class ReleaseView(Message):
    """A release that stands: it names the manifest it decided on."""

    party: PartyText
    procedure: str | None = None
    manifest: Bytes32
    record: Bytes32
    at: Time


class FindingView(Message):
    """Something odd that is recorded, never refused."""

    kind: str
    record: Bytes32 | None
    message: str


class AsOf(Message):
    """The block that an answer is true of."""

    block: Count
    hash: Bytes32
    time: Time


class LinesView(Message):
    """The digest that the next record of each line must name as `previous`; what waits to be sent is counted in."""

    custody: Bytes32
    accounts: dict[str, Bytes32]


class RecordView(Message):
    """A custody record on chain, or on its way there (`sequence` and `accepted_at` are then null)."""

    digest: Bytes32
    kind: str
    record: CustodyRecordMessage
    signature: Signature
    signer: Address
    party: PartyText
    state: RecordState
    sequence: Count | None
    accepted_at: Time | None
    observed_at: Time
    block: Count | None
    transaction: Bytes32 | None
    document: dict[str, Any] | None = None
    problem: ProblemView | None = None


class Records(Message):
    """A consignment's custody records, oldest first."""

    records: list[RecordView]


class ConsignmentView(Message):
    """A consignment's state, as of a block. `reference` is shown where the accompanying file was loaded."""

    id: Bytes32
    reference: str | None = None
    trail: Bytes32
    records: Count
    opener: PartyText
    manifest: Bytes32 | None = None
    custodian: PartyText | None
    offered_to: ShownParty | None
    inside: Bytes32 | None
    contents: list[Bytes32]
    holds: list[HoldView]
    releases: list[ReleaseView]
    closed: bool
    may_go: bool
    summary: str
    findings: list[FindingView]
    lines: LinesView
    as_of: AsOf


class Consignments(Message):
    """Consignments that were found."""

    consignments: list[ConsignmentView]


class AccompaniedManifest(Message):
    """The manifest that travels with the cargo: chosen fields, its signed record and its place in the log.

    The promise tells that the administration that took the manifest saw the whole of it; without one, evidence made of
    the file can't say more of what is not disclosed than its issuer does.
    """

    id: Bytes32
    disclosure: dict[str, Any]
    inclusion: InclusionProofView
    promise: PromiseView | None = None


class AccompanyingFile(Message):
    """What travels with the cargo (`cargo-accompanying/1`): whoever holds it can follow the consignment for ever."""

    schema_: Annotated[Literal["cargo-accompanying/1"], Field(alias="schema")]
    reference: Annotated[str, Field(max_length=200)]
    consignment_key: Bytes32
    opener: PartyText
    consignment: Bytes32
    manifest: AccompaniedManifest


class HeadView(Message):
    """The newest tree head of an administration's log."""

    administration: AdministrationText
    epoch: Count
    size: Unsigned64
    root: Bytes32
    anchored_at: Time | None
    block: Count | None


class ConsistencyView(Message):
    """A proof that the newest head extends the one of `first_size`."""

    administration: AdministrationText
    epoch: Count
    first_size: Count
    first_root: Bytes32
    second_size: Count
    second_root: Bytes32
    path: list[Bytes32]


class LeafView(Message):
    """One leaf of a log: 188 bytes."""

    index: Count
    data: Annotated[str, Field(pattern=r"^0x[0-9a-f]{376}$", json_schema_extra={"format": "bytes188"})]


class Leaves(Message):
    """Consecutive leaves of a log; none after its end."""

    leaves: list[LeafView]


class CitedEvent(Message):
    """An event of a contract that an answer rests on; `log` is its place among the block's logs, `name` a record's kind."""

    contract: Literal["AdministrationRegistry", "ManifestLog", "ConsignmentLedger"]
    name: str
    sequence: Count
    block: Count
    log: Count
    time: str
    digest: Bytes32 | None
    signer: Address | None
    transaction: Bytes32 | None
    signature: Signature | None


class AuditRow(Message):
    """One thing that an answer says; `events` are places in the answer's list of events."""

    sentence: str
    facts: Annotated[dict[str, Any], Field(description="Named by the question; see the operation")]
    events: list[Count]


class AuditAnswer(Message):
    """The answer to an auditor's question (`cargo-audit-answer/1`), the same from `cargo-ledger audit ask --json`."""

    schema_: Annotated[Literal["cargo-audit-answer/1"], Field(alias="schema")]
    question: str
    asked: dict[str, Any]
    answer: Annotated[str, Field(description="In words")]
    rows: list[AuditRow]
    events: list[CitedEvent]
    checked: list[str]
    not_checked: list[str]
    as_of: AsOf
    more: Annotated[str | None, Field(description="Give it as `after` for the rest; null if this is all")]


class AdministrationView(Message):
    """An administration as the registry has it."""

    administration: AdministrationText
    governor: Address
    active: bool
    epoch: Count
    log_size: Unsigned64


class Administrations(Message):
    """All administrations of the registry."""

    administrations: list[AdministrationView]


class AccountView(Message):
    """An account as the registry has it."""

    address: Address
    party: PartyText
    roles: list[Literal["TRADER", "OFFICER", "AUDITOR", "SEQUENCER"]]
    valid_until: Time
    revoked_from: Time | None
    revoked_at: Time | None


class PartyView(Message):
    """A party and the accounts that act for it."""

    party: PartyText
    active: bool
    accounts: list[AccountView]


class ChainView(Message):
    """The chain this service follows: what a client needs to sign, and how far the service has read."""

    kind: Literal["development", "clique", "qbft"]
    chain_id: Count
    genesis_hash: Bytes32
    administration_registry: Address
    manifest_log: Address
    consignment_ledger: Address
    confirmations: Count
    administration: AdministrationText
    indexed_block: Count
    head_block: Count


def _must_be_event_kind(text: str) -> str:
    known = text.removesuffix(events.REVERTED)
    if not any(kind == known or kind.startswith(text + ".") for kind in events.KINDS):
        raise ValueError(f"no event is of the kind {text}")
    return text


EventKind = Annotated[
    str,
    Field(
        pattern=r"^[a-z]{1,20}(\.[a-z-]{1,20}){0,2}$",
        description="A kind of event, `custody.hold`, or the beginning of some, `custody`",
        examples=["custody.hold"],
    ),
    AfterValidator(_must_be_event_kind),
]


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
    consignment: Bytes32 | None
    second: Annotated[Bytes32 | None, Field(description="The other consignment whose history it extends")]
    reverts: Annotated[Count | None, Field(description="Id of the event that this one takes back")]
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

    id: Bytes32
    url: str
    kinds: list[str]
    consignment: Bytes32 | None
    administration: AdministrationText | None
    state: Annotated[
        WebhookState,
        Field(
            description="`gone` where it answered 410, `failing` where it took nothing for as long as a message is tried: "
            "nothing is sent until it is enabled"
        ),
    ]
    created_at: Time
    followed: Annotated[Count, Field(description="Id of the event up to which its messages are made")]
    delivered: Annotated[Count, Field(description="Messages that it took")]
    failed: Annotated[Count, Field(description="Attempts that failed")]
    waiting: Annotated[Count, Field(description="Messages that wait for their next attempt")]
    dead: Annotated[Count, Field(description="Messages that were given up; they can be replayed for 30 days")]


class Webhooks(Message):
    """The webhooks of an account, the oldest first."""

    webhooks: list[WebhookView]


class WebhookSecret(Message):
    """What a webhook's messages are signed with from now on; it is shown once."""

    id: Bytes32
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
        Field(ge=0, le=604_800, description="Seconds; 0 ends the former secret at once", examples=[86400]),
    ] = 86_400


class DeadLetter(Message):
    """A message that was given up."""

    event: Annotated[Count, Field(description="Id of its event")]
    kind: str
    attempts: Count
    given_up_at: Time
    problem: Annotated[str, Field(description="Why the last attempt failed")]


class DeadLetters(Message):
    """Messages that were given up, in the order of events; there may be more behind the last."""

    dead_letters: list[DeadLetter]


class ReplayRequest(Message):
    """Which of the messages that were given up are to be sent again."""

    events: Annotated[
        list[Count] | None, Field(max_length=1_000, description="Ids of their events; null is all")
    ] = None


class Replayed(Message):
    """How many messages wait again."""

    replayed: Count


class ChallengeRequest(Message):
    """Who wants to sign in."""

    address: Address


class ChallengeView(Message):
    """A text to be signed (EIP-191, `personal_sign`) within five minutes; it is taken once."""

    message: Annotated[str, Field(description="EIP-4361; to be signed and sent back as it is")]
    expires_at: Time


class SessionRequest(Message):
    """A signed challenge."""

    message: Annotated[
        str, Field(max_length=2_000, description="The challenge's text, as it was given", examples=["…"])
    ]
    signature: Signature


class SessionView(Message):
    """Leave to read for 15 minutes, unless the account is revoked before."""

    token: Annotated[
        str, Field(repr=False, description="To be sent as `Authorization: Bearer …`; it is shown once")
    ]
    expires_at: Time
    account: Address
    party: PartyText
    roles: list[Literal["TRADER", "OFFICER", "AUDITOR", "SEQUENCER"]]


class Readiness(Message):
    """Whether this service can do its job now, and what is wrong if it can't."""

    ready: bool
    database: bool
    chain: bool
    worker: bool
    indexed_block: Count
    head_block: Count
    lag_blocks: Count
    lag_seconds: Count
    waiting_manifests: Count
    waiting_records: Count
    outbox_seconds: Count
    reasons: list[str]


class VerificationRequest(Message):
    """What is to be judged, by what, as of when."""

    evidence: Annotated[str, Field(description="The evidence file, its bytes as UTF-8 text")]
    trust: Annotated[str, Field(description="The trust file, its bytes as UTF-8 text")]
    now: Annotated[
        UnixSeconds | None, Field(description="Judge as of this time; null is the service's clock")
    ] = None


class EvidenceAsOf(Message):
    """The block that a verdict is true of."""

    block: Count
    time: Time
    age_seconds: Annotated[
        int,
        Field(
            description="Seconds from the block to the time of the judgement; 0 if the block is ahead of it"
        ),
    ]


class CheckView(Message):
    """One named check of a verdict."""

    name: Annotated[str, Field(examples=["seals"])]
    status: Literal["VALID", "INVALID", "SKIPPED", "ERROR"]
    message: Annotated[str, Field(description="A sentence: what was found")]


class VerdictView(Message):
    """What evidence proves. VALID only if every check that is needed is; INDETERMINATE is no pass."""

    verdict: Literal["VALID", "INVALID", "INDETERMINATE"]
    as_of: EvidenceAsOf | None
    state: Annotated[str, Field(description="The state in an officer's words")]
    checks: list[CheckView]
    trust: Annotated[Bytes32, Field(description="SHA-256 of the trust file that it was judged by")]
