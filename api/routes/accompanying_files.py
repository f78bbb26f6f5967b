"""Accompanying files: what came with the cargo is loaded here."""

from __future__ import annotations

from fastapi import APIRouter

from api.bodies import StrictRoute
from api.dependencies import SignedIn, TheLedger, TheReader
from api.openapi import problems
from api.problems import SIGN_IN_NEEDED, TABLE, TOO_LARGE, UNSUPPORTED_MEDIA
from ledger.errors import (
    Conflict,
    DigestMismatch,
    InclusionError,
    InvalidDisclosure,
    InvalidIdentifier,
    InvalidRecord,
    NotFound,
    NotPermitted,
    VerificationError,
)
from ledger.messages import AccompanyingFile, ConsignmentView

router = APIRouter(prefix="/accompanying-files", tags=["consignments"], route_class=StrictRoute)


@router.post(
    "",
    summary="Load an accompanying file",
    dependencies=[SignedIn],
    responses=problems(
        TABLE[InvalidIdentifier],
        TABLE[InvalidDisclosure],
        TABLE[InvalidRecord],
        SIGN_IN_NEEDED,
        TABLE[NotPermitted],
        TABLE[NotFound],
        TABLE[Conflict],
        TOO_LARGE,
        UNSUPPORTED_MEDIA,
        TABLE[VerificationError],
        TABLE[InclusionError],
        TABLE[DigestMismatch],
    ),
)
def load_accompanying(file: AccompanyingFile, ledger: TheLedger, reader: TheReader) -> ConsignmentView:
    """Check an accompanying file and keep it, so that the consignment can be found here; the same again changes nothing."""
    return ledger.load_accompanying(file, reader)
