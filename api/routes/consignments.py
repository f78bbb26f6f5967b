"""Consignments: where cargo stands, its history, and the file that travels with it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.bodies import StrictRoute
from api.dependencies import SignedIn, TheLedger, TheReader
from api.evidence_files import CONTENT, EvidenceFile
from api.following import BODY, leading
from api.openapi import also, problems
from api.parameters import ConsignmentId, ShownPointers, Text
from api.problems import INVALID_REQUEST, SIGN_IN_NEEDED, TABLE, Problem
from ledger.errors import Conflict, InvalidDisclosure, InvalidIdentifier, NotFound
from ledger.messages import AccompanyingFile, Consignments, ConsignmentView, Records, from_hex

router = APIRouter(prefix="/consignments", tags=["consignments"], route_class=StrictRoute)


class ConsignmentQuery(BaseModel):
    """What consignments are looked for: at least one filter."""

    reference: Annotated[Text | None, Field(description="Trade reference, `scheme:value`")] = None
    container: Annotated[Text | None, Field(description="Container number")] = None
    seal: Annotated[Text | None, Field(description="Number of a seal")] = None


@router.get(
    "",
    summary="Find consignments",
    dependencies=[SignedIn],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED, TABLE[InvalidIdentifier]),
        consignment={"id": "#/consignments/0/id"},
    ),
)
def find_consignments(
    query: Annotated[ConsignmentQuery, Query()], ledger: TheLedger, reader: TheReader
) -> Consignments:
    """Show what you may see of the consignments that fit a given filter; the service must hold their accompanying file or documents."""
    filters = query.model_dump()
    if not any(filters.values()):
        raise Problem(INVALID_REQUEST, "Nothing is asked for; give a reference, a container or a seal.")
    return Consignments(consignments=ledger.find_consignments(**filters, reader=reader))


@router.get(
    "/{id}",
    summary="Read where a consignment stands",
    dependencies=[SignedIn],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED, TABLE[NotFound]),
        consignment_records={"id": "#/id"},
        consignment_evidence={"id": "#/id"},
        accompanying_file={"id": "#/id"},
        manifest={"id": "#/manifest"},
        events={"query.consignment": "#/id"},
        party={"party": "#/custodian"},
    ),
)
def consignment(id: ConsignmentId, ledger: TheLedger, reader: TheReader) -> ConsignmentView:
    """Show who is in charge, holds, releases, findings and whether it may go, as of a block."""
    return ledger.consignment(from_hex(id), reader)


@router.get(
    "/{id}/records",
    summary="Read a consignment's history",
    dependencies=[SignedIn],
    responses=problems(SIGN_IN_NEEDED, TABLE[NotFound]),
)
def consignment_records(id: ConsignmentId, ledger: TheLedger, reader: TheReader) -> Records:
    """List all custody records of a consignment, oldest first, with those that wait to be sent."""
    return Records(records=ledger.consignment_records(from_hex(id), reader))


@router.get(
    "/{id}/accompanying-file",
    summary="Make the file that travels with a consignment",
    dependencies=[SignedIn],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED, TABLE[InvalidDisclosure], TABLE[NotFound], TABLE[Conflict]),
        load_accompanying={"body": BODY},
    ),
)
def accompanying_file(
    id: ConsignmentId,
    ledger: TheLedger,
    reader: TheReader,
    show: ShownPointers = [],  # noqa: B006  the framework copies it
) -> AccompanyingFile:
    """Give reference, key and opener with the manifest's chosen fields and proof; its holder can follow the cargo for ever."""
    return ledger.accompanying_file(from_hex(id), show, reader)


@router.get(
    "/{id}/evidence",
    summary="Make the evidence file of a consignment",
    dependencies=[SignedIn],
    response_class=EvidenceFile,
    responses=also(200, "The file", content=CONTENT)
    | problems(SIGN_IN_NEEDED, TABLE[InvalidDisclosure], TABLE[NotFound], TABLE[Conflict]),
)
def consignment_evidence(
    id: ConsignmentId,
    ledger: TheLedger,
    reader: TheReader,
    show: ShownPointers = [],  # noqa: B006  the framework copies it
) -> EvidenceFile:
    """Give what a stranger checks offline of the manifest in force, as of the newest final block; "" shows the whole document."""
    return EvidenceFile(ledger.consignment_evidence(from_hex(id), show, reader))
