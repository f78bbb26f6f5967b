"""Manifests and signed submissions for tests, made anew each time."""

import secrets
from typing import Any

from ledger.client import LedgerClient
from ledger.core import documents
from ledger.core.identifiers import Party
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyRecord,
    ManifestRecord,
    blind,
    consignment_id,
)
from ledger.messages import ManifestSubmission, to_hex


def reference() -> str:
    """A trade reference that nothing else has."""
    return f"ucr:6SG{secrets.token_hex(6).upper()}"


def manifest_document(trade_reference: str, container: str = "CSQU3054383", **changes: Any) -> dict[str, Any]:
    scheme, _, value = trade_reference.partition(":")
    return {
        "schema": "cargo-manifest/1",
        "basis": "declaration",
        "references": [{"scheme": scheme, "value": value}],
        "goods": [
            {
                "sequence": 1,
                "hs": {"code": "850440", "edition": "2022"},
                "description": "Static converters",
                "gross_mass_kg": "1250.5",
                "country_of_origin": None,
            }
        ],
        "containers": [{"number": container}],
    } | changes


def manifest_record(now: int, party: str = "SG:ACME01", **changes: Any) -> ManifestRecord:
    """A LODGE of a manifest that nobody has seen."""
    fields = {
        "party": Party.parse(party).to_bytes(),
        "kind": 1,
        "reason": 0,
        "consignment": secrets.token_bytes(32),
        "manifest_root": secrets.token_bytes(32),
        "supersedes": ZERO32,
        "issued_at": now,
    }
    return ManifestRecord(**(fields | changes))


def submission(client: LedgerClient, now: int, **changes: Any) -> ManifestSubmission:
    """A signed LODGE with nothing beside it."""
    return client.sign_manifest(manifest_record(now, **changes))


def whole_submission(
    client: LedgerClient, now: int, party: str = "SG:ACME01", like: dict[str, Any] | None = None
) -> ManifestSubmission:
    """A signed LODGE with its document, `like` another but for the references, secret, trade reference and consignment key."""
    trade_reference, key, secret = reference(), secrets.token_bytes(32), secrets.token_bytes(32)
    made = manifest_document(trade_reference)
    document = documents.parse(_json(made if like is None else like | {"references": made["references"]}))
    record = manifest_record(
        now,
        party,
        consignment=consignment_id(Party.parse(party).to_bytes(), blind(key, trade_reference)),
        manifest_root=documents.commit(document, secret).root,
    )
    return client.sign_manifest(
        record,
        document=document.value,
        secret=to_hex(secret),
        reference=trade_reference,
        consignment_key=to_hex(key),
    )


def custody_record(consignment: bytes, kind: int, party: str, now: int, **changes: Any) -> CustodyRecord:
    fields = {
        "consignment": consignment,
        "kind": kind,
        "party": Party.parse(party).to_bytes(),
        "previous": ZERO32,
        "subject": ZERO32,
        "details": ZERO32,
        "counterpart": ZERO16,
        "observed_at": now,
        "expires_at": now + 3600,
    }
    return CustodyRecord(**(fields | changes))


def _json(document: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(document)
