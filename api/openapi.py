"""What the OpenAPI document says of every route beside its models: the problems it can answer, and worked examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.problems import (
    INVALID_FIELDS,
    INVALID_REQUEST,
    MEDIA_TYPE,
    TABLE,
    TOO_MANY_REQUESTS,
    UNEXPECTED,
    Kind,
)
from ledger.errors import ChainError, StoreError

TITLE = "Cargo ledger"
DESCRIPTION = """\
The service of one customs administration: manifests and custody records in, their state and proofs out.

Bytes are `0x` and lower-case hex, times RFC 3339 in UTC, except inside signed records, where they are Unix seconds.
A write is answered 202 once it is durable, and 200 with the same answer if it was sent before. Everything that goes
wrong is a problem of RFC 9457: `detail` is a sentence that says what to do, the other members are the facts.
`request_id` is the id that stands in the service's log too, and in the header `X-Request-ID` of every answer.

Writes need no sign-in: what they hold is signed. Reading needs a token, `Authorization: Bearer …`, for which an account
that is enrolled with this administration signs a text (`POST /v1/sessions/challenge`, `POST /v1/sessions`). What an
account may not see is answered as what is not there.
"""

Responses = dict[int | str, dict[str, Any]]


def problems(*kinds: Kind) -> Responses:
    """Declare the problems of a route, with those that every route can have.

    Args:
        kinds: The problems of this route.
    """
    by_status: dict[int, list[Kind]] = {}
    for kind in (
        *kinds,
        INVALID_REQUEST,
        INVALID_FIELDS,
        TOO_MANY_REQUESTS,
        TABLE[StoreError],
        TABLE[ChainError],
        UNEXPECTED,
    ):
        by_status.setdefault(kind.status, []).append(kind)
    return {status: _declaration(kinds_of_it) for status, kinds_of_it in sorted(by_status.items())}


def also(
    status: int, description: str, model: Any = None, content: dict[str, Any] | None = None
) -> Responses:
    """Declare another answer of a route that is no problem: its model, or its content if that is no JSON model."""
    return {
        status: {"description": description}
        | ({} if model is None else {"model": model})
        | ({} if content is None else {"content": content})
    }


def _declaration(kinds: list[Kind]) -> dict[str, Any]:
    return {
        "description": "; ".join(kind.title for kind in kinds),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/ProblemView"},
                "examples": {kind.name: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: Kind) -> dict[str, Any]:
    return {
        "type": f"/problems/{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": f"{kind.title}: here stand where, and what to do.",
    }


def ndjson(model: str, *more: str) -> dict[str, Any]:
    """The content of a body of which each line is one of these models."""
    references = [{"$ref": f"#/components/schemas/{name}"} for name in (model, *more)]
    return {"application/x-ndjson": {"schema": references[0] if not more else {"anyOf": references}}}


# The worked example of the formats (tests/vectors/formats-example.json), as it is sent.
_CONSIGNMENT = "0xc98c8f97ef67faf1e4aef93735faee3b37506f5aee08b670a3dbeea6416eea5c"
MANIFEST_SUBMISSION: Mapping[str, Any] = {
    "record": {
        "party": "SG:ACME01",
        "kind": 1,
        "reason": 0,
        "consignment": _CONSIGNMENT,
        "manifest_root": "0x1653dbecba487f04e4548774dd169aa57e375bbce1f3da8704fc50bcfbd5ed01",
        "supersedes": "0x" + "00" * 32,
        "issued_at": 1790000000,
    },
    "signature": "0xd27b894772d46ec32f1b635825904cf2460faf93469ca10f5c1cc14256436bca"
    "1a2282d175001d7ed4b2a677030e8b705c8b5646942bee0474c1344d0b40d93c1b",
    "document": {
        "schema": "cargo-manifest/1",
        "references": [{"scheme": "ucr", "value": "6SG201912345A-7"}],
        "goods": [
            {
                "sequence": 1,
                "hs": {"code": "850440", "edition": "2022"},
                "description": "Static converters",
                "gross_mass_kg": "1250.5",
                "value": {"amount": "18300.00", "currency": "EUR"},
            }
        ],
        "containers": [{"number": "CSQU3054383"}],
        "seals": [],
        "dangerous": False,
    },
    "secret": "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "reference": "ucr:6SG201912345A-7",
    "consignment_key": "0x202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
}
CUSTODY_SUBMISSIONS: Mapping[str, Any] = {
    "records": [
        {
            "record": {
                "consignment": _CONSIGNMENT,
                "kind": 1,
                "party": "SG:ACME01",
                "previous": "0xd4419cf981d3e0fc5a2bad7471b3ee7847f58e51b7bc32999a02a9ad715f6d61",
                "subject": "0x" + "00" * 32,
                "details": "0x1653dbecba487f04e4548774dd169aa57e375bbce1f3da8704fc50bcfbd5ed01",
                "counterpart": "0x" + "00" * 16,
                "observed_at": 1790000100,
                "expires_at": 1790003700,
            },
            "signature": "0x623df591ba796f6cfed191bd0ac3f869a7ab78ae0abf1555cca1e5d8e83c9f92"
            "0674eb6330e184a7021ac24dfafff200e618ad33254fa0f53d0f4d99d124583e1b",
        }
    ]
}
