"""What is forgotten of the feed of events: its oldest rows, once nobody needs them any more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, update

from ledger import tables as t
from ledger.errors import EventsForgotten
from ledger.rows.webhooks import ACTIVE, FAILING, WAITING

_NAME = "feed_forgotten"  # in the database's identity: id, time and block up to which the feed is not kept


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Up to where the feed is not kept any more.

    Attributes:
        event: Id of the newest event that is gone; 0 while all are kept.
        at: The latest time that one of them told, Unix seconds.
        block: The highest block that one of them was carried by; 0 if none was.
    """

    event: int = 0
    at: int = 0
    block: int = 0


class FeedRows:
    """One transaction's view of what is kept of the feed.

    Args:
        connection: On which the transaction is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def forgotten(self) -> Forgotten:
        """Up to where the feed is not kept any more."""
        noted = self._connection.execute(
            select(t.identity.c.value).where(t.identity.c.name == _NAME)
        ).scalar()
        return Forgotten() if noted is None else Forgotten(*map(int, noted.split(" ")))

    def place_after(self, after: int, newest: int) -> int:
        """The place behind which what is kept begins for who has seen an event; 0 has seen none, and misses none.

        Args:
            after: Id of the last event that was seen.
            newest: Id of the newest event.

        Raises:
            EventsForgotten: Some behind it are not kept any more.
        """
        forgotten = self.forgotten().event
        if 0 < after < forgotten:
            raise EventsForgotten(after, forgotten + 1, newest)
        return max(after, forgotten)

    def forget(self, before: int, most: int, served: Collection[bytes]) -> int:
        """Forget some of the oldest events; how many they were.

        An event stays while it is not final, and while a webhook that is served was not told it or may be told it again. A
        webhook that is not served, and was to be told what is forgotten, is disabled: nothing is left out unsaid.

        Args:
            before: Those told before this time alone, Unix seconds.
            most: How many at most.
            served: The webhooks that are sent to.
        """
        done = self.forgotten()
        feed = t.feed.c
        state = self._connection.execute(select(t.feed_state)).first()
        if state is None:
            return 0
        rows = self._connection.execute(
            select(feed.id, feed.at, feed.block_number)
            .where(feed.id > done.event, feed.id <= min(state.last_id, self._needed_from(served) - 1))
            .order_by(feed.id)
            .limit(most)
        ).all()
        old: list[Any] = list(
            takewhile(
                lambda row: (
                    row.at < before and (row.block_number is None or row.block_number <= state.final_block)
                ),
                rows,
            )
        )
        if not old:
            return 0
        last = old[-1].id
        self._connection.execute(delete(t.feed).where(feed.id <= last))
        self._disable_what_misses(last, served)
        messages = t.webhook_messages
        self._connection.execute(
            delete(messages).where(messages.c.event <= last, messages.c.state != WAITING)
        )
        noted = Forgotten(
            last,
            max(done.at, *(row.at for row in old)),
            max(done.block, *(row.block_number or 0 for row in old)),
        )
        self._connection.execute(delete(t.identity).where(t.identity.c.name == _NAME))
        self._connection.execute(
            t.identity.insert().values(name=_NAME, value=f"{noted.event} {noted.at} {noted.block}")
        )
        return len(old)

    def misses(self, webhook: bytes) -> bool:
        """Whether a webhook was to be told what is forgotten."""
        return (
            self._connection.execute(
                select(t.webhooks.c.webhook).where(
                    t.webhooks.c.webhook == webhook, _misses(self.forgotten().event)
                )
            ).first()
            is not None
        )

    def _needed_from(self, served: Collection[bytes]) -> int:
        """The oldest event that a webhook which is served still needs; a high number if none needs any."""
        hooks, messages = t.webhooks.c, t.webhook_messages.c
        followed = self._connection.execute(
            select(func.min(hooks.followed)).where(hooks.webhook.in_(served))
        ).scalar()
        kept = self._connection.execute(
            select(func.min(messages.event)).where(messages.webhook.in_(served))
        ).scalar()
        needed = () if followed is None else (int(followed) + 1,)
        return int(min((*needed, *(() if kept is None else (int(kept),)), 1 << 62)))

    def _disable_what_misses(self, last: int, served: Collection[bytes]) -> None:
        hooks = t.webhooks.c
        self._connection.execute(
            update(t.webhooks)
            .where(hooks.state == ACTIVE, hooks.webhook.not_in(served), _misses(last))
            .values(state=FAILING)
        )


def _misses(last: int) -> Any:
    hooks, messages = t.webhooks.c, t.webhook_messages.c
    waits = select(messages.event).where(
        messages.webhook == hooks.webhook, messages.state == WAITING, messages.event <= last
    )
    return or_(hooks.followed < last, waits.exists())
