"""The nouns that travel over HTTP: each a type that says what it is, in which unit and of which form.

What a field of `ledger.messages` or a parameter of a route means it says itself, or takes from a noun here; of which
form it is, its base type adds to that in the OpenAPI document, so that it is said once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic.config import JsonDict

from ledger import events
from ledger.core.identifiers import Party
from ledger.errors import InvalidIdentifier, InvalidRecord

MAX_JSON_INTEGER = (1 << 53) - 1
_DIGITS = re.compile(r"[0-9]{16,20}")


def _form(words: str, **more: str) -> Callable[[JsonDict], None]:
    """Have a type say its form behind whatever a field says of its meaning."""

    def add(schema: JsonDict) -> None:
        meaning = str(schema.get("description", ""))
        if not meaning.endswith(words):
            schema["description"] = f"{meaning}; {words}" if meaning else words
        schema.update(more)

    return add


# --- forms

Bytes32 = Annotated[
    str,
    Field(
        pattern=r"^0x[0-9a-f]{64}$",
        examples=["0x" + "ab" * 32],
        json_schema_extra=_form("32 bytes as 0x hex", format="bytes32"),
    ),
]
Signature = Annotated[
    str,
    Field(
        pattern=r"^0x[0-9a-f]{130}$",
        examples=["0x" + "12" * 65],
        json_schema_extra=_form("65 bytes as 0x hex: r, s, v (27 or 28)", format="bytes65"),
    ),
]
Address = Annotated[
    str,
    Field(
        pattern=r"^0x[0-9a-fA-F]{40}$",
        examples=["0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"],
        json_schema_extra=_form("20 bytes as 0x hex", format="bytes20"),
    ),
]


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
    party = Party.from_bytes(bytes.fromhex(text[2:])) if text.startswith("0x") else Party.parse(text)
    return party.to_bytes()


def _must_be_party(text: str) -> str:
    party_bytes(text)
    return text


PartyText = Annotated[
    str,
    Field(
        pattern=r"^([A-Z0-9]{2,8}(:[A-Z0-9]{1,8})?|0x[0-9a-f]{32})$",
        examples=["SG:ACME01"],
        json_schema_extra=_form("`SG` or `SG:ACME01`; its 16 bytes as hex are taken too"),
    ),
    AfterValidator(_must_be_party),
]
ShownParty = Annotated[
    str,
    Field(
        pattern=r"^([A-Z0-9]{2,8}(:[A-Z0-9]{1,8})?|0x[0-9a-f]{32})$",
        examples=["NL:IMPO01"],
        json_schema_extra=_form("`NL` or `NL:IMPO01`; hex where the chain took 16 bytes that are no party"),
    ),
]
AdministrationText = Annotated[
    str,
    Field(
        pattern=r"^[A-Z0-9]{2,8}$",
        examples=["SG"],
        json_schema_extra=_form("2 to 8 capital letters and digits"),
    ),
]
UnixSeconds = Annotated[
    int,
    Field(ge=0, le=MAX_JSON_INTEGER, examples=[1790000000], json_schema_extra=_form("Unix seconds")),
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
        }
    ),
    Field(json_schema_extra=_form("as text from 2^53 on, which readers that use doubles would change")),
]


def _rfc3339(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
    Field(json_schema_extra=_form("RFC 3339 in UTC")),
]


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

# --- nouns of manifests and consignments

ManifestId = Annotated[
    Bytes32,
    Field(
        description="Manifest id: SHA-256 over the issuer's party, the consignment and the manifest's root"
    ),
]
MadeManifestId = Annotated[
    Bytes32 | None,
    Field(description="Manifest id; null for a WITHDRAW, which makes no manifest"),
]
ConsignmentId = Annotated[
    Bytes32,
    Field(
        description="Consignment id: SHA-256 over the opener's party and the trade reference blinded by the consignment key"
    ),
]
RecordDigest = Annotated[Bytes32, Field(description="Digest of the record as it is signed (EIP-712)")]
RecordSignature = Annotated[Signature, Field(description="Signature of the record's digest")]
Signer = Annotated[Address, Field(description="Account that signed it")]
TradeReference = Annotated[
    str,
    Field(
        max_length=200,
        description="Trade reference, `scheme:value`: of ucr, ducr, mrn, bl; `#part` behind it when split",
        examples=["ducr:9GB123456789000-INV1"],
    ),
]
KeptReference = Annotated[
    str | None, Field(description="Trade reference, `scheme:value`; null where this service has none to show")
]
ConsignmentKey = Annotated[
    Bytes32, Field(description="Consignment key: blinds the trade reference, and opens it to who has both")
]
Secret = Annotated[
    Bytes32 | None,
    Field(
        description="Secret that the salts of the document's fields are made from; comes with the document"
    ),
]
KeptDocument = Annotated[
    dict[str, Any] | None,
    Field(description="The document; null where this service has none to show"),
]
ManifestState = Annotated[
    Literal["accepted", "sequenced", "anchored", "final", "refused"],
    Field(
        description="How far the record came: `accepted` is durable here, `sequenced` in the tree, `anchored` under a tree "
        "head on chain, `final` no longer to be reorganised; or `refused`"
    ),
]
RecordState = Annotated[
    Literal["accepted", "sent", "recorded", "final", "refused"],
    Field(
        description="How far the record came: `accepted` is durable here, `sent` to the chain, `recorded` by it, `final` no "
        "longer to be reorganised; or `refused`"
    ),
]

# --- nouns of the log and the chain

AdministrationCode = Annotated[AdministrationText, Field(description="Code of the administration")]
Epoch = Annotated[Count, Field(description="Epoch of the log, from 1: a restart of the log opens the next")]
LeafIndex = Annotated[Count, Field(description="Index of the leaf in the log's epoch, from 0")]
LeafHash = Annotated[Bytes32, Field(description="Leaf hash: SHA-256 over 0x00 and the 188 bytes of the leaf")]
TreeSize = Annotated[Count, Field(description="Size of the tree: how many leaves its head covers")]
TreeRoot = Annotated[Bytes32, Field(description="Root of the tree of this size (RFC 9162)")]
AnchoredAt = Annotated[Time, Field(description="When the tree head was anchored, by its block's time")]
BlockNumber = Annotated[Count, Field(description="Number of the block that holds it")]
BlockTime = Annotated[Time, Field(description="The block's time")]
TransactionHash = Annotated[Bytes32, Field(description="Hash of the transaction that wrote it")]
AcceptanceTime = Annotated[Time, Field(description="Acceptance time: of the block that took it")]
Roles = Annotated[
    list[Literal["TRADER", "OFFICER", "AUDITOR", "SEQUENCER"]],
    Field(description="Roles that the registry gives the account"),
]
