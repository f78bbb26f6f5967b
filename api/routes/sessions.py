"""Sessions: who is let read, by Sign-In with Ethereum (EIP-4361)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.bodies import StrictRoute
from api.dependencies import Reading, SignedIn, TheLedger, token_of
from api.openapi import problems
from api.problems import (
    SIGN_IN_NEEDED,
    TABLE,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
)
from api.sites import site_of
from ledger.errors import InvalidSignature, InvalidSignIn, NotPermitted, SignerMismatch
from ledger.messages import ChallengeRequest, ChallengeView, SessionRequest, SessionView, from_hex

router = APIRouter(prefix="/sessions", tags=["sessions"], route_class=StrictRoute)


@router.post(
    "/challenge",
    summary="Ask for a text to sign in with",
    responses=problems(TABLE[InvalidSignIn], TOO_LARGE, UNSUPPORTED_MEDIA),
)
def challenge(
    asked: ChallengeRequest, request: Request, ledger: TheLedger, response: Response
) -> ChallengeView:
    """Issue a text for an account to sign; whether the account may read is not told before it has signed."""
    response.headers["cache-control"] = "no-store"
    return ledger.sessions.challenge(asked.address, site_of(request))


@router.post(
    "",
    summary="Sign in",
    status_code=201,
    response_description="A token for 15 minutes of reading",
    responses=problems(
        TABLE[InvalidSignIn],
        TABLE[InvalidSignature],
        TABLE[SignerMismatch],
        TABLE[NotPermitted],
        TOO_LARGE,
        UNSUPPORTED_MEDIA,
    ),
)
def sign_in(signed: SessionRequest, ledger: TheLedger, response: Response) -> SessionView:
    """Exchange a signed challenge for a token; each challenge is taken once."""
    response.headers["cache-control"] = "no-store"
    return ledger.sessions.sign_in(signed.message, from_hex(signed.signature))


@router.delete(
    "/current",
    summary="Sign out",
    status_code=204,
    response_description="The token is of no use any more",
    dependencies=[SignedIn, Reading],
    responses=problems(SIGN_IN_NEEDED),
)
def sign_out(request: Request, ledger: TheLedger) -> None:
    """End the session of the token that is shown."""
    token = token_of(request)
    if token is not None:
        ledger.sessions.end(token)
