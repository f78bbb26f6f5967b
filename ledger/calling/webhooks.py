"""The part of `LedgerClient` that is about webhooks: `client.webhooks`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ledger.calling.connection import Asking
from ledger.errors import InvalidIdentifier
from ledger.messages import (
    DeadLetter,
    DeadLetters,
    Replayed,
    ReplayRequest,
    RotationRequest,
    WebhookRequest,
    Webhooks,
    WebhookSecret,
    WebhookView,
    to_hex,
)

_PATH = "/v1/webhooks"
_LETTERS_AT_A_TIME = 100
_Model = TypeVar("_Model", bound=BaseModel)


class WebhooksClient:
    """The webhooks of the account whose key the client has. Each method raises ServiceError for a problem.

    Args:
        asking: Asks the service.
    """

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def register(
        self,
        url: str,
        *,
        kinds: Iterable[str] = (),
        consignment: bytes | str | None = None,
        administration: str | None = None,
        after: int | None = None,
    ) -> WebhookSecret:
        """Have events sent to an address; the answer holds the secret, which is shown once.

        If there was no answer and the request was sent again, the service says 409 and names the webhook: its secret is
        then had by rotating it.

        Args:
            url: `https://…`, at a public address.
            kinds: Only these, or what several begin with; their reversals come too.
            consignment: Only what is about this one.
            administration: Only this one's.
            after: Behind this event; 0 sends all there are, without it what comes from now on.

        Raises:
            InvalidIdentifier: One of these is not of its form.
        """
        request = _made(
            WebhookRequest,
            url=url,
            kinds=[*kinds],
            consignment=None if consignment is None else _id(consignment),
            administration=administration,
            after=after,
        )
        return self._asking.post(_PATH, request, WebhookSecret)

    def list(self) -> list[WebhookView]:
        """List them, the oldest first."""
        return self._asking.get(_PATH, Webhooks).webhooks

    def get(self, webhook: bytes | str) -> WebhookView:
        """Read one: where it goes, how it stands, what became of its messages."""
        return self._asking.get(f"{_PATH}/{_id(webhook)}", WebhookView)

    def remove(self, webhook: bytes | str) -> None:
        """Remove one, with its secrets and all that waits; one that is gone already is a problem of 404."""
        self._asking.delete(f"{_PATH}/{_id(webhook)}")

    def rotate_secret(self, webhook: bytes | str, *, overlap_seconds: int = 86_400) -> WebhookSecret:
        """Give one a new secret, shown once.

        Args:
            webhook: Its id.
            overlap_seconds: So long the former secret signs beside it, at most 7 days; 0 ends it at once.
        """
        request = _made(RotationRequest, overlap_seconds=overlap_seconds)
        return self._asking.post(f"{_PATH}/{_id(webhook)}/secret", request, WebhookSecret)

    def enable(self, webhook: bytes | str) -> WebhookView:
        """Send to one again that was disabled, from where it stood."""
        return self._asking.post(f"{_PATH}/{_id(webhook)}/enable", None, WebhookView)

    def dead_letters(self, webhook: bytes | str) -> Iterator[DeadLetter]:
        """Its messages that were given up, in the order of events, read as they are asked for."""
        path, after = f"{_PATH}/{_id(webhook)}/dead-letters", 0
        while True:
            query = {"after": after, "limit": _LETTERS_AT_A_TIME}
            found = self._asking.get(path, DeadLetters, query).dead_letters
            yield from found
            if len(found) < _LETTERS_AT_A_TIME:
                return
            after = found[-1].event

    def replay(self, webhook: bytes | str, events: Iterable[int] | None = None) -> int:
        """Send messages that were given up again, all or those about some events; how many they are."""
        request = _made(ReplayRequest, events=None if events is None else [*events])
        return self._asking.post(f"{_PATH}/{_id(webhook)}/dead-letters/replay", request, Replayed).replayed


def _made(model: type[_Model], **fields: object) -> _Model:
    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "request"
        rule = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise InvalidIdentifier(f"{name} of a webhook", first["input"], rule) from None


def _id(value: bytes | str) -> str:
    return to_hex(value) if isinstance(value, bytes) else value
