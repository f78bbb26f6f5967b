"""The log of an administration: its head, its growth, its leaves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.bodies import StrictRoute
from api.dependencies import Reading, SignedIn, TheLedger, TheReader
from api.following import leading
from api.openapi import problems
from api.problems import SIGN_IN_NEEDED, TABLE
from ledger.errors import InvalidInput, NotFound
from ledger.fields import MAX_JSON_INTEGER, AdministrationText
from ledger.messages import ConsistencyView, HeadView, Leaves

router = APIRouter(prefix="/log/{administration}", tags=["log"], route_class=StrictRoute)
Administration = Annotated[AdministrationText, Path(description="Whose log")]


@router.get(
    "/head",
    summary="Read the newest tree head",
    dependencies=[SignedIn, Reading],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED, TABLE[NotFound]),
        consistency={"administration": "#/administration", "first": "#/size"},
        leaves={"administration": "#/administration"},
    ),
)
def head(administration: Administration, ledger: TheLedger) -> HeadView:
    """Show the newest anchored tree head of this administration's log."""
    return ledger.head(administration)


@router.get(
    "/consistency",
    summary="Prove that the log has only grown",
    dependencies=[SignedIn, Reading],
    responses=problems(TABLE[InvalidInput], SIGN_IN_NEEDED, TABLE[NotFound]),
)
def consistency(
    administration: Administration,
    first: Annotated[int, Query(ge=1, le=MAX_JSON_INTEGER, description="Leaves of the earlier tree head")],
    ledger: TheLedger,
) -> ConsistencyView:
    """Give the path that shows that the newest tree head extends the one of `first` leaves."""
    return ledger.consistency(administration, first)


@router.get(
    "/leaves",
    summary="Read leaves",
    dependencies=[SignedIn],
    responses=problems(SIGN_IN_NEEDED, TABLE[NotFound]),
)
def leaves(
    administration: Administration,
    ledger: TheLedger,
    reader: TheReader,
    start: Annotated[int, Query(ge=0, le=MAX_JSON_INTEGER, description="Index of the first one")] = 0,
    count: Annotated[int, Query(ge=1, le=1000, description="How many at most")] = 1000,
) -> Leaves:
    """List consecutive leaves, 188 bytes each, so that an auditor can compute every tree head anew."""
    return Leaves(leaves=ledger.leaves(administration, start, count, reader))
