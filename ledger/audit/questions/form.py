"""What is asked, what it is asked of, and what is answered: shapes alone.

A `Chronicle` is where an answer comes from: a replay, or a service's index. An answer's JSON (`Answer.to_json`) is the
stable form `cargo-audit-answer/1`, the same from the command line and from the service.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ledger.audit.checking import Happening
from ledger.audit.log import Closure, Head
from ledger.audit.registry import AccountHistory, AdministrationHistory
from ledger.audit.result import Act
from ledger.core.findings import kind_name, party_text, time_text
from ledger.core.leaves import LeafValue
from ledger.core.signatures import checksummed

SCHEMA = "cargo-audit-answer/1"
MOST_ROWS = 1_000  # of one answer, and of one thing that was examined


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about; which question takes what is in `QUESTIONS`.

    Attributes:
        consignment: Its id, 32 bytes.
        at: A time, Unix seconds: what is asked is as of the end of that second.
        account: An address, 20 bytes.
        party: 16 bytes.
        record: Digest of a custody record, 32 bytes.
        since: A time from which on, Unix seconds.
        container: Number of a container.
        over_seconds: Later than this counts as late.
        limit: How many rows are enough for one answer.
        after: Where to go on: `more` of the answer before.
    """

    consignment: bytes | None = None
    at: int | None = None
    account: bytes | None = None
    party: bytes | None = None
    record: bytes | None = None
    since: int | None = None
    container: str | None = None
    over_seconds: int | None = None
    limit: int = 100
    after: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What was asked, without what was not given."""
        shown: dict[str, Any] = {}
        for name in ("consignment", "record"):
            value = getattr(self, name)
            if value is not None:
                shown[name] = "0x" + value.hex()
        for name in ("at", "since"):
            if getattr(self, name) is not None:
                shown[name] = time_text(getattr(self, name))
        if self.account is not None:
            shown["account"] = checksummed(self.account)
        if self.party is not None:
            shown["party"] = party_text(self.party)
        for name in ("container", "over_seconds", "after"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        return shown


@dataclass(frozen=True, slots=True)
class Cited:
    """An event that an answer rests on.

    Attributes:
        contract: Name of the contract.
        name: What it says: the event's name, of a custody record its kind.
        sequence: Its number in this contract.
        block: Number of its block.
        log: Its place among the block's logs, from 0.
        time: Of the block, Unix seconds.
        digest: Of the record it carries, 32 bytes, or None.
        signer: Of that record, 20 bytes, or None.
        transaction: Hash of the transaction, 32 bytes; None where it is not known.
        signature: Of the record, 65 bytes; None where there is none or it is not known.
    """

    contract: str
    name: str
    sequence: int
    block: int
    log: int
    time: int
    digest: bytes | None = None
    signer: bytes | None = None
    transaction: bytes | None = None
    signature: bytes | None = None

    def proven(self, transaction: bytes | None, signature: bytes | None) -> Cited:
        """The same with its transaction and signature."""
        return replace(self, transaction=transaction, signature=signature)

    def to_json(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "contract": self.contract,
            "name": self.name,
            "sequence": self.sequence,
            "block": self.block,
            "log": self.log,
            "time": time_text(self.time),
            "digest": _hexed(self.digest),
            "signer": None if self.signer is None else checksummed(self.signer),
            "transaction": _hexed(self.transaction),
            "signature": _hexed(self.signature),
        }


def cite(event: Act | Closure | Head | Happening) -> Cited:
    """What an answer says of an event it rests on."""
    match event:
        case Act():
            return Cited(
                "ConsignmentLedger",
                kind_name(event.record.kind),
                event.sequence,
                event.block,
                event.place,
                event.accepted_at,
                event.digest,
                event.signer,
            )
        case Closure():
            return Cited(
                "ManifestLog",
                "ManifestClosed",
                event.sequence,
                event.block,
                event.place,
                event.closed_at,
                event.digest,
                event.signer,
            )
        case Head():
            return Cited(
                "ManifestLog", "HeadAnchored", event.sequence, event.block, event.place, event.anchored_at
            )
    return Cited(event.contract, event.name, event.sequence, event.block, event.place, event.time)


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the answer says.

    Attributes:
        sentence: In words.
        facts: For programs; the names are in `QUESTIONS`.
        cites: The events it rests on.
    """

    sentence: str
    facts: Mapping[str, Any]
    cites: tuple[Cited, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """What was examined in one go.

    Attributes:
        place: What to go on after.
        rows: What is to be said of it.
        unknown: What could not be told of it, in words.
    """

    place: str
    rows: Sequence[Row] = ()
    unknown: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question.

    Attributes:
        question: Its name.
        asked: What was asked about.
        sentence: The answer in words.
        rows: What it says.
        checked: What was checked, in words.
        not_checked: What was not, in words.
        block: The last block that it is of.
        block_hash: 32 bytes.
        block_time: Unix seconds.
        more: Where to go on for the rest, or None if this is all.
    """

    question: str
    asked: Asked
    sentence: str
    rows: tuple[Row, ...]
    checked: tuple[str, ...]
    not_checked: tuple[str, ...]
    block: int
    block_hash: bytes
    block_time: int
    more: str | None

    def to_json(self) -> dict[str, Any]:
        """The form `cargo-audit-answer/1`; `events` of a row are places in the list `events`."""
        events: dict[Cited, int] = {}
        rows = [
            {
                "sentence": row.sentence,
                "facts": dict(row.facts),
                "events": [events.setdefault(each, len(events)) for each in row.cites],
            }
            for row in self.rows
        ]
        return {
            "schema": SCHEMA,
            "question": self.question,
            "asked": self.asked.to_json(),
            "answer": self.sentence,
            "rows": rows,
            "events": [each.to_json() for each in events],
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
            "as_of": {
                "block": self.block,
                "hash": "0x" + self.block_hash.hex(),
                "time": time_text(self.block_time),
            },
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class Held:
    """A document that is held, or some of it; it leads to the root that it was asked for by.

    Attributes:
        fields: What is shown of it, by RFC 6901 pointer.
        leaves: How many fields it has.
    """

    fields: Mapping[str, LeafValue]
    leaves: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it is shown."""
        return len(self.fields) == self.leaves

    def text(self, *pointers: str) -> str | None:
        """The first of some fields that is shown and a text."""
        return next((each for each in map(self.fields.get, pointers) if isinstance(each, str) and each), None)


@dataclass(frozen=True, slots=True)
class Lodged:
    """A manifest's place in its administration's log, shown by a path to an anchored head or by the log itself.

    Attributes:
        manifest: Its id, 32 bytes.
        administration: 8 bytes.
        epoch: From 1.
        index: From 0.
        issued_at: What its signer says, Unix seconds.
    """

    manifest: bytes
    administration: bytes
    epoch: int
    index: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class Group:
    """Consignments that may share a container.

    Attributes:
        place: What to go on after.
        consignments: Their ids, 32 bytes each.
        is_meant: Whether a container's number is the one that they were found by.
        is_whole: Whether these are all of them.
    """

    place: str
    consignments: Sequence[bytes]
    is_meant: Callable[[str], bool]
    is_whole: bool


class Chronicle(Protocol):
    """What happened, up to a block. Ids and addresses are bytes, times Unix seconds; what is listed is in order."""

    @property
    def block(self) -> int:
        """The last block."""

    @property
    def block_hash(self) -> bytes:
        """Its hash, 32 bytes."""

    @property
    def block_time(self) -> int:
        """Its time."""

    @property
    def checked(self) -> Sequence[str]:
        """What was checked of it, in words."""

    @property
    def not_checked(self) -> Sequence[str]:
        """What was not, in words."""

    @property
    def is_spent(self) -> bool:
        """Whether as much was read as one answer may take: it stops then, and says so."""

    @property
    def accounts(self) -> Mapping[bytes, AccountHistory]:
        """Every account ever enrolled, by address."""

    @property
    def administrations(self) -> Mapping[bytes, AdministrationHistory]:
        """Every administration ever admitted, by code."""

    def registry_events(self) -> Sequence[Happening]:
        """Every event of the registry."""

    def act(self, digest: bytes) -> Act | None:
        """The custody record of a digest, if the chain took it."""

    def connected(self, consignment: bytes) -> tuple[Sequence[Act], Collection[bytes]]:
        """The acts of all that was ever connected with a consignment, and what that is.

        Raises:
            NotFound: It was never opened.
            TooMuchConnected: That is more than is read for one answer.
        """

    def acts(self, after: int) -> Iterator[Act]:
        """Every custody record whose event comes after a number."""

    def acts_of(self, signer: bytes, after: int) -> Iterator[Act]:
        """What an account signed."""

    def openings(self, after: int) -> Iterator[Act]:
        """The records that opened consignments."""

    def closures(self, after: int) -> Iterator[Closure]:
        """Every manifest closed, whose event comes after a number."""

    def closures_of(self, consignment: bytes) -> Sequence[Closure]:
        """The manifests of a consignment that were closed."""

    def around(self, lodged: Lodged) -> tuple[Head | None, Head | None]:
        """The last head before a leaf was in the log, and the first that covers it."""

    def lodged(self, consignment: bytes) -> Sequence[Lodged]:
        """The manifests of a consignment whose place in a log is known."""

    def held(self, root: bytes, *, manifest: bytes | None = None, record: bytes | None = None) -> Held | None:
        """What is held of the document of a root; `manifest` is whose it is, or `record` the digest of the record."""

    def sharing(self, container: str | None, consignment: bytes | None, after: str) -> Iterator[Group]:
        """Consignments that may share a container, group by group.

        Those of one container, or those that share one with a consignment, or all.
        """

    def proven(self, cited: Collection[Cited]) -> Mapping[Cited, Cited]:
        """Events with their transactions and signatures, as far as these are known."""


def _hexed(value: bytes | None) -> str | None:
    return None if value is None else "0x" + value.hex()
