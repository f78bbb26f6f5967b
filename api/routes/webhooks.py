"""Webhooks: events sent to an address of yours, signed, after Standard Webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.bodies import StrictRoute
from api.dependencies import SignedIn, TheAccount, TheLedger
from api.openapi import problems
from api.problems import (
    SIGN_IN_NEEDED,
    TABLE,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
)
from ledger.errors import Conflict, EventsForgotten, InvalidIdentifier, NotFound
from ledger.fields import MAX_JSON_INTEGER, Bytes32
from ledger.messages import (
    DeadLetters,
    Replayed,
    ReplayRequest,
    RotationRequest,
    WebhookRequest,
    Webhooks,
    WebhookSecret,
    WebhookView,
    from_hex,
)

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=StrictRoute, dependencies=[SignedIn])
WebhookId = Annotated[Bytes32, Path(description="Id of one of your webhooks")]
_WITH_BODY = (TOO_LARGE, UNSUPPORTED_MEDIA)
_OF_ONE = (SIGN_IN_NEEDED, TABLE[NotFound])


@router.post(
    "",
    summary="Register a webhook",
    status_code=201,
    response_description="Its id and its secret, which is not shown again",
    responses=problems(
        *_WITH_BODY, SIGN_IN_NEEDED, TABLE[InvalidIdentifier], TABLE[Conflict], TABLE[EventsForgotten]
    ),
)
def register_webhook(
    asked: WebhookRequest, ledger: TheLedger, account: TheAccount, response: Response
) -> WebhookSecret:
    """Have the events that you may see sent to an address, from now on or from an event on, until you remove it.

    Each is a POST of `{"type", "timestamp", "data"}`, `data` an EventView, signed as Standard Webhooks has it; any answer
    of 2xx takes it. It comes at least once, under one `webhook-id`, and in order among those about one consignment.
    """
    response.headers["cache-control"] = "no-store"
    return ledger.webhooks.register(asked, account)


@router.get("", summary="List your webhooks", responses=problems(SIGN_IN_NEEDED))
def webhooks(ledger: TheLedger, account: TheAccount) -> Webhooks:
    """List them with what became of their messages, the oldest first."""
    return Webhooks(webhooks=ledger.webhooks.all(account))


@router.get("/{id}", summary="Read a webhook", responses=problems(*_OF_ONE))
def webhook(id: WebhookId, ledger: TheLedger, account: TheAccount) -> WebhookView:
    """Read where it goes, how it stands and what became of its messages."""
    return ledger.webhooks.one(from_hex(id), account)


@router.delete(
    "/{id}",
    summary="Remove a webhook",
    status_code=204,
    response_description="Nothing is sent any more, but what is under way",
    responses=problems(*_OF_ONE),
)
def remove_webhook(id: WebhookId, ledger: TheLedger, account: TheAccount) -> None:
    """Remove it, with its secrets and all that waits."""
    ledger.webhooks.remove(from_hex(id), account)


@router.post(
    "/{id}/secret",
    summary="Rotate a webhook's secret",
    response_description="The new secret, which is not shown again",
    responses=problems(*_WITH_BODY, *_OF_ONE, TABLE[Conflict]),
)
def rotate_webhook_secret(
    id: WebhookId, asked: RotationRequest, ledger: TheLedger, account: TheAccount, response: Response
) -> WebhookSecret:
    """Give it a new secret; messages have the signatures of both for as long as you say."""
    response.headers["cache-control"] = "no-store"
    return ledger.webhooks.rotate(from_hex(id), asked, account)


@router.post("/{id}/enable", summary="Enable a webhook", responses=problems(*_OF_ONE, TABLE[Conflict]))
def enable_webhook(id: WebhookId, ledger: TheLedger, account: TheAccount) -> WebhookView:
    """Send to it again, from where it stood when it was disabled; dead letters stay so until they are replayed."""
    return ledger.webhooks.enable(from_hex(id), account)


@router.get("/{id}/dead-letters", summary="List a webhook's dead letters", responses=problems(*_OF_ONE))
def dead_letters(
    id: WebhookId,
    ledger: TheLedger,
    account: TheAccount,
    after: Annotated[
        int, Query(ge=0, le=MAX_JSON_INTEGER, description="Id of an event: only those of later ones")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000, description="How many at most")] = 100,
) -> DeadLetters:
    """List the messages that were given up, in the order of their events; they are kept for 30 days."""
    found = ledger.webhooks.dead_letters(from_hex(id), account, after=after, limit=limit)
    return DeadLetters(dead_letters=found)


@router.post(
    "/{id}/dead-letters/replay",
    summary="Replay dead letters",
    responses=problems(*_WITH_BODY, *_OF_ONE),
)
def replay_dead_letters(
    id: WebhookId, asked: ReplayRequest, ledger: TheLedger, account: TheAccount
) -> Replayed:
    """Send messages that were given up again, under the ids they had, on a schedule that begins anew."""
    return Replayed(replayed=ledger.webhooks.replay(from_hex(id), asked.events, account))
