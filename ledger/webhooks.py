"""Webhooks: who wants to be told of events, where, and signed with what. `ledger.delivering` sends.

A webhook is one account's. It is told what that account may read, as the feed is (`ledger.reading`), and nothing any
more once the account may not read. URL and secrets are sealed; a secret is shown once.
"""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Callable, Sequence
from typing import Any

from ledger.core.identifiers import Party
from ledger.errors import Conflict, NotFound
from ledger.messages import (
    DeadLetter,
    RotationRequest,
    WebhookRequest,
    WebhookSecret,
    WebhookView,
    from_hex,
    time_of,
    to_hex,
)
from ledger.reading import Reader
from ledger.receivers import Network, read_receiver
from ledger.rows.sealed import WEBHOOK_SECRET, WEBHOOK_URL
from ledger.rows.webhooks import ACTIVE, DEAD, WAITING
from ledger.store import Session, Store
from ledger.views import party_text
from ledger.webhook_messages import SECRET_BYTES, secret_text

MOST_WEBHOOKS = 10  # of one account
MOST_SECRETS = 5  # of one webhook at a time: the newest, and former ones that still sign


class Webhooks:
    """The webhooks of one administration's service. Thread-safe.

    Args:
        store: The database.
        listed_for: Gives the networks that are not public and may be reached all the same, for a reader's webhooks.
        now: The time, Unix seconds.
    """

    def __init__(
        self, store: Store, listed_for: Callable[[Reader], Sequence[Network]], now: Callable[[], int]
    ) -> None:
        self._store = store
        self._listed_for = listed_for
        self._now = now

    def register(self, asked: WebhookRequest, reader: Reader) -> WebhookSecret:
        """Register a webhook.

        Raises:
            InvalidIdentifier: Its URL is one that nothing is sent to. Where its name leads to is **not** looked at yet.
            Conflict: The account has one for this URL, has as many as it may, or no event ever had the id `after`.
        """
        read_receiver(asked.url, self._listed_for(reader))
        account = from_hex(reader.address)
        term = self._store.stamp("webhook", asked.url)
        webhook = random.token_bytes(32)
        secret = random.token_bytes(SECRET_BYTES)
        with self._store.write() as session:
            last = session.last_told()
            if asked.after is not None and asked.after > last:
                raise Conflict(f"This service has told of {last} events, {asked.after} is not among them.")
            followed = last if asked.after is None else session.feed_rows.place_after(asked.after, last)
            mine = session.webhooks.of_account(account)
            for row in mine:
                if row.url == term:
                    raise Conflict(
                        f"You have a webhook for this URL already, {to_hex(row.webhook)}: rotate its secret if you do "
                        "not have it, or remove it to register another."
                    )
            if len(mine) >= MOST_WEBHOOKS:
                raise Conflict(f"You have {MOST_WEBHOOKS} webhooks, and may have no more: remove one.")
            code = asked.administration
            session.webhooks.add(
                {
                    "webhook": webhook,
                    "account": account,
                    "url": term,
                    "kinds": json.dumps(asked.kinds),
                    "consignment": None if asked.consignment is None else from_hex(asked.consignment),
                    "administration": None if code is None else Party.parse(code).administration_bytes,
                    "created_at": self._now(),
                    "state": ACTIVE,
                    "revision": 0,
                    "followed": followed,
                    "paused_ms": 0,
                    "failing_ms": None,
                    "delivered": 0,
                    "failed": 0,
                }
            )
            session.seal_webhook(WEBHOOK_URL, webhook, asked.url.encode())
            self._add_secret(session, webhook, secret, self._now())
        return WebhookSecret(id=to_hex(webhook), secret=secret_text(secret), former_until=None)

    def all(self, reader: Reader) -> list[WebhookView]:
        """The reader's webhooks, the oldest first."""
        with self._store.read() as session:
            rows = session.webhooks.of_account(from_hex(reader.address))
            return [self._view(session, row) for row in rows]

    def one(self, webhook: bytes, reader: Reader) -> WebhookView:
        """One of the reader's webhooks.

        Raises:
            NotFound: It has none of this id.
        """
        with self._store.read() as session:
            return self._view(session, self._own(session, webhook, reader))

    def remove(self, webhook: bytes, reader: Reader) -> None:
        """Remove a webhook, with its secrets and all that waits; what is under way may still arrive.

        Raises:
            NotFound: The reader has none of this id.
        """
        with self._store.write() as session:
            self._own(session, webhook, reader)
            for row in session.webhooks.secrets_of(webhook):
                session.erase_webhook(WEBHOOK_SECRET, row.secret)
            session.erase_webhook(WEBHOOK_URL, webhook)
            session.webhooks.remove(webhook)

    def rotate(self, webhook: bytes, asked: RotationRequest, reader: Reader) -> WebhookSecret:
        """Give a webhook a new secret; the former one signs beside it for as long as is asked.

        Raises:
            NotFound: The reader has none of this id.
            Conflict: As many former secrets still sign as may.
        """
        secret = random.token_bytes(SECRET_BYTES)
        now = self._now()
        with self._store.write() as session:
            self._own(session, webhook, reader)
            for row in session.webhooks.secrets_of(webhook):
                if row.ends_at is not None and row.ends_at <= now:
                    self._erase_secret(session, row.secret)
            if asked.overlap_seconds and len(session.webhooks.secrets_of(webhook)) >= MOST_SECRETS:
                raise Conflict(
                    f"{MOST_SECRETS} secrets of this webhook still sign: wait until one ends, or ask for no overlap, "
                    "which ends them all."
                )
            if not asked.overlap_seconds:
                for row in session.webhooks.secrets_of(webhook):
                    self._erase_secret(session, row.secret)
            ends_at = now + asked.overlap_seconds
            self._add_secret(session, webhook, secret, ends_at)
            session.webhooks.change(webhook)
        former_until = time_of(ends_at) if asked.overlap_seconds else None
        return WebhookSecret(id=to_hex(webhook), secret=secret_text(secret), former_until=former_until)

    def enable(self, webhook: bytes, reader: Reader) -> WebhookView:
        """Send to a webhook again, from where it stood, if it was disabled; messages that wait are due at once.

        Raises:
            NotFound: The reader has none of this id.
            Conflict: It was disabled for so long that what it was to be told next is not kept any more.
        """
        with self._store.write() as session:
            if self._own(session, webhook, reader).state != ACTIVE:
                if session.feed_rows.misses(webhook):
                    raise Conflict(
                        "Events that this webhook was not told are not kept any more, so it cannot go on from where it stood: "
                        "remove it, register another for the address, and read what you follow anew."
                    )
                session.webhooks.change(webhook, state=ACTIVE, failing_ms=None, paused_ms=0)
                session.webhooks.make_due(webhook, 1_000 * self._now())
            return self._view(session, self._own(session, webhook, reader))

    def dead_letters(
        self, webhook: bytes, reader: Reader, *, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """A webhook's messages that were given up, of events behind one.

        Raises:
            NotFound: The reader has none of this id.
        """
        with self._store.read() as session:
            self._own(session, webhook, reader)
            return [
                DeadLetter(
                    event=row.event,
                    kind=row.kind,
                    attempts=row.attempts,
                    given_up_at=time_of(row.ended_at),
                    problem=row.problem or "",
                )
                for row in session.webhooks.dead(webhook, after, limit)
            ]

    def replay(self, webhook: bytes, events: Sequence[int] | None, reader: Reader) -> int:
        """Let messages that were given up wait again: all, or those about some events. How many they are.

        They have the id that they had, and go before what waits about the same consignment.

        Raises:
            NotFound: The reader has none of this id.
        """
        with self._store.write() as session:
            self._own(session, webhook, reader)
            count = session.webhooks.revive(webhook, events, 1_000 * self._now())
            session.webhooks.change(webhook)
            return count

    @staticmethod
    def _own(session: Session, webhook: bytes, reader: Reader) -> Any:
        row = session.webhooks.get(webhook)
        if row is None or row.account != from_hex(reader.address):
            raise NotFound("webhook", to_hex(webhook))
        return row

    @staticmethod
    def _add_secret(session: Session, webhook: bytes, secret: bytes, former_ends_at: int) -> None:
        secret_id = random.token_bytes(32)
        session.seal_webhook(WEBHOOK_SECRET, secret_id, secret)
        session.webhooks.add_secret(secret_id, webhook, former_ends_at)

    @staticmethod
    def _erase_secret(session: Session, secret_id: bytes) -> None:
        session.erase_webhook(WEBHOOK_SECRET, secret_id)
        session.webhooks.remove_secret(secret_id)

    @staticmethod
    def _view(session: Session, row: Any) -> WebhookView:
        counts = session.webhooks.counts(row.webhook)
        code = row.administration
        return WebhookView(
            id=to_hex(row.webhook),
            url=session.unseal_webhook(WEBHOOK_URL, row.webhook).decode(),
            kinds=json.loads(row.kinds),
            consignment=None if row.consignment is None else to_hex(row.consignment),
            administration=None if code is None else party_text(code.ljust(16, b"\0")),
            state=row.state,
            created_at=time_of(row.created_at),
            followed=row.followed,
            delivered=row.delivered,
            failed=row.failed,
            waiting=counts.get(WAITING, 0),
            dead=counts.get(DEAD, 0),
        )
