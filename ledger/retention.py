"""How long what was told is kept: the worker forgets events of the feed that are older, some at a time.

Events are how others learn of what is here, and no record of it: records, the chain's events and the log stay for ever, and
an event says nothing that they do not. So whoever comes too late reads them, and is told so; see `Ledger.events`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ledger.store import Session, Store

AT_A_TIME = 1_000  # events in one transaction: some ten milliseconds, in which nobody else writes
_REST_SECONDS = 60.0
_NEXT_SECONDS = 0.5  # where there are more


class Retention:
    """Forgets events; one of a database, as the worker is.

    Args:
        store: The database.
        kept_seconds: How long events are kept.
        served: Gives the webhooks that are sent to: what they were not told yet stays.
        now: The time, Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        kept_seconds: int,
        served: Callable[[Session], Collection[bytes]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._kept_seconds = kept_seconds
        self._served = served
        self._now = now
        self._next = 0.0

    def turn(self) -> int:
        """Forget some events, if it is time; how many they were."""
        if time.monotonic() < self._next:
            return 0
        before = int(self._now()) - self._kept_seconds
        with self._store.write() as session:
            count = session.feed_rows.forget(before, AT_A_TIME, self._served(session))
        self._next = time.monotonic() + (_NEXT_SECONDS if count == AT_A_TIME else _REST_SECONDS)
        return count
