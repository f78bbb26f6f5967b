"""What callers give a client, brought to the form that is signed and sent."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import orjson

from ledger.core import documents
from ledger.core.identifiers import Party
from ledger.core.records import (
    Domain,
)
from ledger.errors import (
    InvalidDocument,
    InvalidIdentifier,
)
from ledger.messages import (
    from_hex,
    to_hex,
)

Id = bytes | str  # 32 bytes, or their 0x hex
PartyLike = Party | str  # `SG:ACME01`, or the 0x hex of its 16 bytes
Document = bytes | dict[str, Any]  # JSON text as it stands in a file, or its parsed object


def to_bytes32(value: Id) -> bytes:
    """The 32 bytes of an id or digest; InvalidIdentifier if it is none."""
    data = value
    if isinstance(value, str):
        try:
            data = from_hex(value) if value.startswith("0x") else b""
        except ValueError:
            data = b""
    if not isinstance(data, bytes) or len(data) != 32:
        raise InvalidIdentifier(
            "id or digest", value, "32 bytes are expected, or their 64 hex digits after 0x"
        )
    return data


def to_hex32(value: Id) -> str:
    """The 0x hex of an id or digest; InvalidIdentifier if it is none."""
    return to_hex(to_bytes32(value))


def party_code(party: PartyLike) -> bytes:
    """The 16 bytes of a party; InvalidIdentifier if it is none."""
    if isinstance(party, Party):
        return party.to_bytes()
    if party.startswith("0x"):
        try:
            return Party.from_bytes(from_hex(party)).to_bytes()
        except ValueError:
            raise InvalidIdentifier("party", party, "16 bytes are expected") from None
    return Party.parse(party).to_bytes()


def domain_of(chain_id: int, contract: str) -> Domain:
    """What records for a contract are signed for."""
    return Domain(chain_id, from_hex(contract))


def committed(document: Document, secret: bytes | None) -> tuple[dict[str, Any], bytes, bytes]:
    """The document as an object, its secret and its root."""
    if isinstance(document, dict):
        try:
            document = orjson.dumps(document)
        except orjson.JSONEncodeError as error:
            raise InvalidDocument("", f"it is no JSON: {error}") from None
    secret = secret or secrets.token_bytes(32)
    root = documents.commit(documents.parse(document), secret).root
    return orjson.loads(document), secret, root


def now() -> int:
    """This computer's clock, Unix seconds."""
    return int(datetime.now(UTC).timestamp())
