"""The registry on chain: administrations, their parties, the accounts that act for them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.bodies import StrictRoute
from api.dependencies import Reading, SignedIn, TheLedger
from api.following import leading
from api.openapi import problems
from api.problems import SIGN_IN_NEEDED, TABLE
from ledger.errors import InvalidIdentifier, NotFound
from ledger.fields import Address, PartyText
from ledger.messages import AccountView, Administrations, PartyView

router = APIRouter(tags=["registry"], route_class=StrictRoute)


@router.get(
    "/administrations",
    summary="Read all administrations",
    dependencies=[SignedIn, Reading],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED),
        head={"administration": "#/administrations/0/administration"},
        party={"party": "#/administrations/0/administration"},
    ),
)
def administrations(ledger: TheLedger) -> Administrations:
    """List the administrations that own the network, with governor, state and size of the log."""
    return Administrations(administrations=ledger.administrations())


@router.get(
    "/parties/{party}",
    summary="Read a party",
    dependencies=[SignedIn, Reading],
    responses=leading(
        200,
        problems(TABLE[InvalidIdentifier], SIGN_IN_NEEDED, TABLE[NotFound]),
        account={"address": "#/accounts/0/address"},
    ),
)
def party(
    party: Annotated[PartyText, Path(description="`SG`, `SG:ACME01`, or 16 bytes as hex")], ledger: TheLedger
) -> PartyView:
    """Show a party and the accounts that act for it."""
    return ledger.party(party)


@router.get(
    "/accounts/{address}",
    summary="Read an account",
    dependencies=[SignedIn, Reading],
    responses=leading(200, problems(SIGN_IN_NEEDED, TABLE[NotFound]), party={"party": "#/party"}),
)
def account(
    address: Annotated[Address, Path(description="The account's address")], ledger: TheLedger
) -> AccountView:
    """Show for whom an account acts, in which roles, and from when to when."""
    return ledger.account(address)
