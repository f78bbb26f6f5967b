"""The chain that this service follows."""

from __future__ import annotations

from fastapi import APIRouter

from api.bodies import StrictRoute
from api.dependencies import TheLedger
from api.openapi import problems
from ledger.messages import ChainView

router = APIRouter(prefix="/chain", tags=["chain"], route_class=StrictRoute)


@router.get(
    "",
    summary="Read which chain this is",
    responses=problems(),
)
def chain(ledger: TheLedger) -> ChainView:
    """Give what a client needs to sign, and how far the service has read; open to all, since all of it stands on chain."""
    return ledger.chain()
