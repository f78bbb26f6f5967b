"""Group commit: what several threads want to write at the same time is written in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_MOST = 1_000  # items in one group


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Answer]):
    item: Item
    answer: Answer | None = None
    error: BaseException | None = None
    is_done: bool = False


class Grouping(Generic[Item, Answer]):
    """Commits items that come from several threads together. Thread-safe.

    One of those who wait writes for all that wait; while it does, the next group gathers. So a disk that takes 10 ms to
    make something durable takes thousands a second, and one item alone waits for nobody.

    Args:
        commit: Writes items and gives their answers in the same order; durable when it returns. If it raises, every
            one of them gets the error.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Answer]]) -> None:
        self._commit = commit
        self._gathering = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Waiting[Item, Answer]] = []

    def commit(self, item: Item) -> Answer:
        """Write one item, with those of other threads; durable when it returns."""
        mine: _Waiting[Item, Answer] = _Waiting(item)
        with self._gathering:
            self._waiting.append(mine)
        while not mine.is_done:
            with self._turn:
                if not mine.is_done:
                    self._write()
        if mine.error is not None:
            raise mine.error
        return mine.answer  # type: ignore[return-value]  # it is done, and without an error

    def _write(self) -> None:
        with self._gathering:
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        try:
            answers = self._commit([each.item for each in group])
            for each, answer in zip(group, answers, strict=True):
                each.answer = answer
        except BaseException as error:
            for each in group:
                each.error = error
        finally:
            for each in group:
                each.is_done = True
