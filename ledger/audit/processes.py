"""Processes beside this one that check chunks, each over a connection of its own.

Not a pool of the standard library: its processes share one queue for their answers, and one that is killed half-way
through writing leaves the others' owner waiting for the rest of it for ever. Here a process that ends ends its
connection, whatever it was at.

An answer's rows, nearly all of it, follow it as they are: they are received into place by one call, with nothing copied and
the interpreter's lock let go. A thread that receives would otherwise ask for that lock once for each piece, from a judging
thread that gives it up every five milliseconds, while the process waits to get rid of its answer.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Event
from types import TracebackType
from typing import Self

from ledger.audit.blocks import Chunk
from ledger.audit.checking import Checked
from ledger.errors import CheckingInterrupted

Check = Callable[[Chunk], Checked]
_SWITCH_SECONDS = 0.0005  # how long a thread that has an answer waits for the one that judges


class Processes:
    """Processes that check; close it, or use it as a context manager.

    Args:
        number: How many.
        begin: Makes in each process what checks a chunk there; it is pickled.
    """

    def __init__(self, number: int, begin: Callable[[], Check]) -> None:
        context = get_context("spawn")  # a copy of this process would copy the threads that fetch
        self._switched = sys.getswitchinterval()
        sys.setswitchinterval(min(self._switched, _SWITCH_SECONDS))
        self._begun = Event()
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(number, "checking")
        self._processes = []
        self._connections = []
        for _ in range(number):
            ours, theirs = context.Pipe()
            process = context.Process(target=_run, args=(theirs, begin), daemon=True)
            process.start()
            theirs.close()  # with the process the last other end is gone
            self._processes.append(process)
            self._connections.append(ours)
            self._threads.submit(self._await, ours)

    @property
    def have_begun(self) -> bool:
        """Whether one of them can check, or has ended before it could; none is asked before."""
        return self._begun.is_set()

    def submit(self, chunk: Chunk) -> Future[Checked]:
        """Have a chunk checked by the first that is free.

        Returns:
            Its outcome; or CheckingInterrupted, if the process ended before it answered.
        """
        return self._threads.submit(self._ask, chunk)

    def close(self) -> None:
        """End them; what one is at is let finish, what none has begun is not done any more."""
        self._threads.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.join()
            process.close()
        sys.setswitchinterval(self._switched)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _await(self, connection: Connection) -> None:
        with suppress(EOFError, OSError):  # whoever asks it will be told
            connection.recv()
        self._idle.put(connection)
        self._begun.set()

    def _ask(self, chunk: Chunk) -> Checked:
        connection = self._idle.get()
        try:
            connection.send(chunk)
            answer: Checked | Exception
            answer, length = connection.recv()
            if isinstance(answer, Checked):
                answer.rows = _received(connection, length)
        except (EOFError, OSError):
            raise CheckingInterrupted(chunk.first, chunk.last) from None
        finally:
            self._idle.put(connection)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _run(connection: Connection, begin: Callable[[], Check]) -> None:
    """Check what comes, until the other end is gone or memory runs out."""
    with suppress(EOFError, OSError, KeyboardInterrupt, MemoryError):
        check = begin()
        connection.send(None)
        while True:
            chunk: Chunk = connection.recv()
            answer: Checked | Exception
            try:
                answer = check(chunk)
            except MemoryError:
                raise
            except Exception as error:
                answer = error
            rows: bytearray | bytes = b""
            if isinstance(answer, Checked):
                rows, answer.rows = answer.rows, b""
            connection.send((answer, len(rows)))
            _send(connection, rows)


def _send(connection: Connection, data: bytes | bytearray) -> None:
    """Send bytes as they are."""
    with socket.socket(fileno=os.dup(connection.fileno())) as plain:
        plain.sendall(data)


def _received(connection: Connection, length: int) -> bytearray:
    """So many bytes as they are.

    Raises:
        EOFError: The other end was closed before.
    """
    data = bytearray(length)
    missing = memoryview(data)
    with socket.socket(fileno=os.dup(connection.fileno())) as plain:
        while missing:
            count = plain.recv_into(missing, len(missing), socket.MSG_WAITALL)
            if not count:
                raise EOFError
            missing = missing[count:]
    return data
