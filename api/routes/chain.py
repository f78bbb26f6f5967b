"""The chain that this service follows."""

from __future__ import annotations

from fastapi import APIRouter

from api.bodies import StrictRoute
from api.dependencies import Reading, TheLedger
from api.openapi import problems
from api.problems import READING_CLOSED
from ledger.messages import ChainView

router = APIRouter(prefix="/chain", tags=["chain"], route_class=StrictRoute)


@router.get(
    "",
    summary="Read which chain this is",
    dependencies=[Reading],
    responses=problems(READING_CLOSED),
)
def chain(ledger: TheLedger) -> ChainView:
    """Give what a client needs to sign records, and how far the service has read."""
    return ledger.chain()
