"""A process beside this one that checks the lines of long batches, while this one lodges those before them.

A signature and a document take as long to check as all that is done with them afterwards, and one process uses one
processor. It is started with the first long batch. Where it is not there yet, is at work for another batch or was killed,
lines are checked here, and so is every line that it refuses: what is said of those has one place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context

from starlette.concurrency import run_in_threadpool

from api.bodies import LIMITS
from ledger.core.records import Domain
from ledger.serving import preparing
from ledger.serving.preparing import Prepared

_LONG_BYTES = 1 << 16  # lines of fewer bytes are checked here: that is done before the other has them
_AGAIN_SECONDS = 10.0  # after it ended, until it is started anew
_logger = logging.getLogger("cargo_ledger.api")


class Beside:
    """Has lines checked by a process beside; close it at the end.

    Args:
        domain: ManifestLog's.
        clock: The time to judge by, Unix seconds.
    """

    def __init__(self, domain: Domain, clock: Callable[[], int]) -> None:
        self._domain = domain
        self._clock = clock
        self._process: _Process | None = None
        # Held by the thread that asks, which may outlive who wants to know: answers must not come to another's question.
        self._asking = threading.Lock()
        self._not_before = 0.0

    async def prepare(self, lines: Sequence[bytes]) -> list[Prepared | None]:
        """What lines ask for, in order; None for one that is to be checked here."""
        unchecked: list[Prepared | None] = [None] * len(lines)
        is_long = sum(map(len, lines)) >= _LONG_BYTES
        if not is_long or self._asking.locked() or time.monotonic() < self._not_before:
            return unchecked
        return await run_in_threadpool(self._ask, lines) or unchecked

    def _ask(self, lines: Sequence[bytes]) -> list[Prepared | None] | None:
        if not self._asking.acquire(blocking=False):
            return None
        try:
            if self._process is None:
                self._process = _Process(self._domain)
            return self._process.prepare(lines, self._clock())
        except (EOFError, OSError) as error:
            _logger.warning("the process that checks beside ended: %s", type(error).__name__)
            self._not_before = time.monotonic() + _AGAIN_SECONDS
            self._end()
            return None
        finally:
            self._asking.release()

    def close(self) -> None:
        """End it, once what it is at is finished."""
        with self._asking:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()


class _Process:
    """It ends with this one, however that ends: nobody else has the other end of its connection."""

    def __init__(self, domain: Domain) -> None:
        context = get_context("spawn")  # a copy of this process would copy its threads, locks and keys
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=preparing.prepare_for, args=(theirs, domain, LIMITS), daemon=True
        )
        self._process.start()
        theirs.close()
        self._has_begun = False

    def prepare(self, lines: Sequence[bytes], now: int) -> list[Prepared | None] | None:
        """What lines ask for; None while it has not begun.

        Raises:
            EOFError, OSError: It ended.
        """
        if not self._has_begun:
            if not self._connection.poll():
                return None
            self._connection.recv()
            self._has_begun = True
        self._connection.send((lines, now))
        found: list[Prepared | None] = self._connection.recv()
        return found

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.join()
        self._process.close()
