"""Which of a webhook's messages may go next. Pure: what is waiting comes in, what may be sent comes out.

Messages about one consignment go one after the other, in the order of their events: the next only when the one before
was taken or given up. A message about two consignments waits for both. What is about none (administrations, accounts,
tree heads) is a line of its own.

How many are under way at a time follows the receiver: one at first, twice as many after each that it took, up to a
limit, half as many after each that it did not.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

MOST_UNDER_WAY = 16


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits.

    Attributes:
        event: Id of its event in the feed.
        lines: Consignments that it is about, 32 bytes each; none is a line too.
        due_ms: Unix milliseconds before which it is not sent.
        attempts: How many failed.
    """

    event: int
    lines: tuple[bytes, ...]
    due_ms: int
    attempts: int = 0


class DeliveryQueue:
    """The messages of one webhook that wait or are under way. Not thread-safe.

    Args:
        under_way: Events whose messages are under way already.
    """

    def __init__(self, under_way: Iterable[int] = ()) -> None:
        self._waiting: dict[int, Waiting] = {}
        self._lines: dict[bytes, deque[int]] = {}
        self._ready: list[tuple[int, int]] = []  # (due, event) of those at the head of all their lines
        self._under_way = set(under_way)
        self._untried: set[int] = set()
        self._limit = 1

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def untried(self) -> int:
        """How many wait for their first attempt, those under way among them."""
        return len(self._untried)

    @property
    def due_ms(self) -> int | None:
        """When the next may be sent, Unix milliseconds; None while nothing may before another is done."""
        return self._ready[0][0] if self._ready and len(self._under_way) < self._limit else None

    def refill(self, waiting: Iterable[Waiting]) -> None:
        """Forget all, and take in what waits, in the order of events; what is under way stays so."""
        self._waiting, self._lines, self._ready, self._untried = {}, {}, [], set()
        self.add(waiting)

    def add(self, waiting: Iterable[Waiting]) -> None:
        """Take in more, each of a later event than all before."""
        for one in waiting:
            self._waiting[one.event] = one
            if not one.attempts:
                self._untried.add(one.event)
            for line in _lines(one):
                self._lines.setdefault(line, deque()).append(one.event)
            self._offer(one.event)

    def take(self, now_ms: int) -> list[Waiting]:
        """What may be sent now; from here on it is under way."""
        taken = []
        while len(self._under_way) < self._limit and self._ready and self._ready[0][0] <= now_ms:
            due_ms, event = heapq.heappop(self._ready)
            one = self._waiting.get(event)
            if one is None or one.due_ms != due_ms or event in self._under_way:
                continue  # it was offered twice
            self._under_way.add(event)
            taken.append(one)
        return taken

    def succeeded(self, event: int) -> None:
        """The receiver took it."""
        self._limit = min(2 * self._limit, MOST_UNDER_WAY)
        self._remove(event)

    def failed(self, event: int, retry_at_ms: int | None) -> None:
        """The receiver did not take it; it is due again at a time, or given up (None)."""
        self._limit = max(self._limit // 2, 1)
        if retry_at_ms is None:
            self._remove(event)
            return
        self._under_way.discard(event)
        self._untried.discard(event)
        one = self._waiting.get(event)
        if one is not None:
            self._waiting[event] = Waiting(event, one.lines, retry_at_ms, one.attempts + 1)
            self._offer(event)

    def dropped(self, event: int) -> None:
        """It is not sent after all."""
        self._remove(event)

    def _remove(self, event: int) -> None:
        self._under_way.discard(event)
        self._untried.discard(event)
        one = self._waiting.pop(event, None)
        if one is None:
            return  # the queue was filled anew since
        for line in _lines(one):
            rest = self._lines[line]
            rest.remove(event)
            if not rest:
                del self._lines[line]
            else:
                self._offer(rest[0])

    def _offer(self, event: int) -> None:
        """Let it be taken if it is at the head of all its lines."""
        one = self._waiting[event]
        if event not in self._under_way and all(self._lines[line][0] == event for line in _lines(one)):
            heapq.heappush(self._ready, (one.due_ms, event))


def _lines(one: Waiting) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(one.lines)) or (b"",)
