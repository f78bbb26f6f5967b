"""The rows of webhooks: who wants what, which of it waits, was taken or given up. What is sealed is `ledger.store`'s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from ledger import tables as t

ACTIVE, GONE, FAILING = "active", "gone", "failing"
WAITING, TAKEN, DEAD = "waiting", "taken", "dead"
_PRUNED_AT_A_TIME = 1_000


class WebhookRows:
    """One transaction's view of the webhooks.

    Args:
        connection: On which the transaction is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- webhooks

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a webhook."""
        self._connection.execute(insert(t.webhooks).values(**row))

    def get(self, webhook: bytes) -> Row[Any] | None:
        """The webhook of an id."""
        return self._connection.execute(select(t.webhooks).where(t.webhooks.c.webhook == webhook)).first()

    def of_account(self, account: bytes) -> Sequence[Row[Any]]:
        """An account's webhooks, the oldest first."""
        query = select(t.webhooks).where(t.webhooks.c.account == account)
        return self._connection.execute(query.order_by(t.webhooks.c.created_at, t.webhooks.c.webhook)).all()

    def in_state(self, state: str) -> Sequence[Row[Any]]:
        """The webhooks in a state."""
        query = select(t.webhooks).where(t.webhooks.c.state == state)
        return self._connection.execute(query.order_by(t.webhooks.c.webhook)).all()

    def change(self, webhook: bytes, **values: Any) -> None:
        """Change a webhook as its owner wants: whoever sends for it looks again."""
        self._update(webhook, revision=t.webhooks.c.revision + 1, **values)

    def disable(self, webhook: bytes, state: str) -> None:
        """Send it nothing more until its owner wants it."""
        self._update(webhook, state=state)

    def pause(self, webhook: bytes, until_ms: int) -> None:
        """Send it nothing until a time."""
        self._update(webhook, paused_ms=until_ms)

    def follow(self, webhook: bytes, after: int, up_to: int) -> bool:
        """Note up to which id of the feed its messages are made; False if it is not as it was."""
        changed = self._connection.execute(
            update(t.webhooks)
            .where(t.webhooks.c.webhook == webhook, t.webhooks.c.followed == after)
            .values(followed=up_to)
        )
        return changed.rowcount == 1

    def remove(self, webhook: bytes) -> None:
        """Remove a webhook with all its messages; its secrets are the caller's."""
        for table in (t.webhook_messages, t.webhook_secrets, t.webhooks):
            self._connection.execute(delete(table).where(table.c.webhook == webhook))

    def _update(self, webhook: bytes, **values: Any) -> None:
        self._connection.execute(update(t.webhooks).where(t.webhooks.c.webhook == webhook).values(**values))

    # --- secrets

    def add_secret(self, secret: bytes, webhook: bytes, former_ends_at: int) -> None:
        """Add a secret's id; the one that was the newest ends at a time."""
        secrets = t.webhook_secrets
        self._connection.execute(
            update(secrets)
            .where(secrets.c.webhook == webhook, secrets.c.ends_at.is_(None))
            .values(ends_at=former_ends_at)
        )
        self._connection.execute(insert(secrets).values(secret=secret, webhook=webhook, ends_at=None))

    def secrets_of(self, webhook: bytes) -> Sequence[Row[Any]]:
        """The ids of a webhook's secrets, the newest first, then those that end later."""
        secrets = t.webhook_secrets
        found = self._connection.execute(select(secrets).where(secrets.c.webhook == webhook)).all()
        return sorted(found, key=lambda row: (row.ends_at is not None, -(row.ends_at or 0)))

    def ended_secrets(self, now: int) -> list[bytes]:
        """The ids of secrets whose time is over."""
        query = select(t.webhook_secrets.c.secret).where(t.webhook_secrets.c.ends_at <= now)
        return [row.secret for row in self._connection.execute(query)]

    def remove_secret(self, secret: bytes) -> None:
        """Remove a secret's id."""
        self._connection.execute(delete(t.webhook_secrets).where(t.webhook_secrets.c.secret == secret))

    # --- messages

    def add_messages(self, webhook: bytes, events: Iterable[int], now_ms: int) -> None:
        """Let messages about events wait."""
        rows = [
            {
                "webhook": webhook,
                "event": event,
                "state": WAITING,
                "attempts": 0,
                "due_ms": now_ms,
                "made_at": now_ms // 1_000,
            }
            for event in events
        ]
        if rows:
            self._connection.execute(insert(t.webhook_messages), rows)

    def waiting(self, webhook: bytes) -> Sequence[Any]:
        """A webhook's messages that wait, in the order of events: event, due_ms, attempts, consignment, second."""
        messages, feed = t.webhook_messages.c, t.feed.c
        query = (
            select(messages.event, messages.due_ms, messages.attempts, feed.consignment, feed.second)
            .join(t.feed, feed.id == messages.event)
            .where(messages.webhook == webhook, messages.state == WAITING)
            .order_by(messages.event)
        )
        return self._connection.execute(query).all()

    def has_message(self, webhook: bytes, event: int) -> bool:
        """Whether a message about an event was made for a webhook and is not forgotten."""
        messages = t.webhook_messages.c
        query = select(messages.event).where(messages.webhook == webhook, messages.event == event)
        return self._connection.execute(query).first() is not None

    def take(self, webhook: bytes, event: int, now: int) -> None:
        """Note that a message was taken."""
        self._end(webhook, event, TAKEN, now, problem=None)
        counted = t.webhooks.c.delivered + 1
        self._update(webhook, delivered=counted, failing_ms=None)

    def fail(
        self, webhook: bytes, event: int, problem: str, now_ms: int, retry_at_ms: int | None
    ) -> int | None:
        """Note that an attempt failed; without a time for the next one the message is given up.

        Returns:
            Since when the webhook has taken nothing if the message is given up and that is longer than it was tried,
            Unix milliseconds; else None.
        """
        messages = t.webhook_messages.c
        this = and_(messages.webhook == webhook, messages.event == event, messages.state == WAITING)
        first = func.coalesce(messages.first_ms, now_ms)
        values = {"attempts": messages.attempts + 1, "first_ms": first, "problem": problem[:100]}
        self._connection.execute(
            update(t.webhook_messages).where(this).values(**values, due_ms=retry_at_ms or now_ms)
        )
        since = func.coalesce(t.webhooks.c.failing_ms, now_ms)
        self._update(webhook, failed=t.webhooks.c.failed + 1, failing_ms=since)
        if retry_at_ms is not None:
            return None
        tried = self._connection.execute(select(messages.first_ms).where(this)).scalar()
        self._end(webhook, event, DEAD, now_ms // 1_000)
        row = self.get(webhook)
        if row is None or tried is None or row.failing_ms is None or row.failing_ms > tried:
            return None
        return int(row.failing_ms)

    def drop(self, webhook: bytes, event: int) -> None:
        """Forget a message."""
        messages = t.webhook_messages.c
        self._connection.execute(
            delete(t.webhook_messages).where(messages.webhook == webhook, messages.event == event)
        )

    def dead(self, webhook: bytes, after: int, limit: int) -> Sequence[Row[Any]]:
        """A webhook's dead letters behind an event, in the order of events, with the kind of each."""
        messages = t.webhook_messages
        query = (
            select(messages, t.feed.c.kind)
            .join(t.feed, t.feed.c.id == messages.c.event)
            .where(messages.c.webhook == webhook, messages.c.state == DEAD, messages.c.event > after)
            .order_by(messages.c.event)
            .limit(limit)
        )
        return self._connection.execute(query).all()

    def revive(self, webhook: bytes, events: Sequence[int] | None, now_ms: int) -> int:
        """Let dead letters wait again, all or those of some events, with no attempt counted; how many they are."""
        messages = t.webhook_messages.c
        which = and_(messages.webhook == webhook, messages.state == DEAD)
        if events is not None:
            which = and_(which, messages.event.in_(events))
        values = {
            "state": WAITING,
            "attempts": 0,
            "due_ms": now_ms,
            "made_at": now_ms // 1_000,
            "first_ms": None,
            "ended_at": None,
        }
        return self._connection.execute(update(t.webhook_messages).where(which).values(**values)).rowcount

    def make_due(self, webhook: bytes, now_ms: int) -> None:
        """Let all that waits be sent as soon as can be."""
        messages = t.webhook_messages.c
        self._connection.execute(
            update(t.webhook_messages)
            .where(messages.webhook == webhook, messages.state == WAITING, messages.due_ms > now_ms)
            .values(due_ms=now_ms)
        )

    def prune(self, taken_before: int, dead_before: int) -> int:
        """Forget some of the messages that were taken, or given up, before a time; how many they were."""
        messages = t.webhook_messages.c
        old = or_(
            and_(messages.state == TAKEN, messages.ended_at < taken_before),
            and_(messages.state == DEAD, messages.ended_at < dead_before),
        )
        found = self._connection.execute(
            select(messages.webhook, messages.event).where(old).limit(_PRUNED_AT_A_TIME)
        ).all()
        for row in found:
            self.drop(row.webhook, row.event)
        return len(found)

    def counts(self, webhook: bytes) -> dict[str, int]:
        """How many messages of a webhook there are, by state."""
        messages = t.webhook_messages.c
        query = select(messages.state, func.count().label("messages")).where(messages.webhook == webhook)
        return {row.state: row.messages for row in self._connection.execute(query.group_by(messages.state))}

    # --- figures

    def figures(self, served: Sequence[bytes]) -> dict[str, float]:
        """How many webhooks there are by state, what became of their messages, and since when the oldest waits.

        Of webhooks that are removed nothing is counted any more.

        Args:
            served: The webhooks that are sent to: what others wait for is no sign of trouble.
        """
        messages, hooks = t.webhook_messages.c, t.webhooks.c
        of_state = dict.fromkeys((ACTIVE, GONE, FAILING), 0)
        query = select(
            hooks.state,
            func.count().label("rows"),
            func.sum(hooks.delivered).label("delivered"),
            func.sum(hooks.failed).label("failed"),
        ).group_by(hooks.state)
        delivered = failed = 0
        for row in self._connection.execute(query):
            of_state[row.state] = row.rows
            delivered, failed = delivered + int(row.delivered), failed + int(row.failed)
        waiting = self._connection.execute(
            select(func.count().label("rows"), func.min(messages.made_at).label("oldest")).where(
                messages.state == WAITING, messages.webhook.in_(served)
            )
        ).one()
        dead = self._connection.execute(select(func.count()).where(messages.state == DEAD)).scalar()
        return {
            **{f"webhooks_{state}": count for state, count in of_state.items()},
            "webhook_messages_delivered": delivered,
            "webhook_attempts_failed": failed,
            "webhook_messages_waiting": waiting.rows,
            "webhook_messages_dead": dead or 0,
            "webhook_oldest_made_at": waiting.oldest or 0,
        }

    def _end(self, webhook: bytes, event: int, state: str, now: int, **values: Any) -> None:
        messages = t.webhook_messages.c
        self._connection.execute(
            update(t.webhook_messages)
            .where(messages.webhook == webhook, messages.event == event, messages.state == WAITING)
            .values(state=state, ended_at=now, **values)
        )
