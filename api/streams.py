"""Events as they come (Server-Sent Events): as many readers as there are, in flat memory.

Nothing is kept for a reader: a stream reads the next events from the database when those before have gone out, so a
reader that is slow only reads later. One that takes nothing for 20 seconds is dropped; it comes back with the id of the
last event it saw. The database is asked for news once for all readers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping

import anyio
from anyio import CapacityLimiter
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from api.problems import RETRY_AFTER_SECONDS, TOO_MANY_STREAMS, Problem
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.messages import EventView

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = (
    15.0  # a comment at least this often, so that what stands between does not end the connection
)
SLOW_SECONDS = 20.0  # a reader that takes nothing for so long is dropped
MOST_STREAMS = 500  # of one process
_NEWS_SECONDS = 0.2
_RETRY_MILLISECONDS = 2_000
_logger = logging.getLogger("cargo_ledger.api")

Read = Callable[[int], tuple[list[EventView], int]]


class Streams:
    """The streams of one process.

    Args:
        ledger: What happens there.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._newest = 0
        self._news = asyncio.Event()
        self._count = 0
        self._is_ending = False
        self._threads = CapacityLimiter(
            4
        )  # of their own: readers must not take the threads of those who write
        self._task = asyncio.create_task(self._look_for_news())

    async def stop(self) -> None:
        """End every stream, and look for no more news."""
        self.end()
        self._task.cancel()
        await asyncio.wait([self._task])

    def end(self) -> None:
        """Let every stream end after what it is sending; more are not begun."""
        self._is_ending = True
        self._news.set()

    async def start(self, after: int | None, read: Read) -> AsyncIterator[bytes]:
        """Begin a stream.

        Args:
            after: Id of the last event that the reader has seen; None begins with the next to come.
            read: Reads events behind an id, and says up to which one it has.

        Raises:
            Problem: There are as many streams as one process has.
            LedgerError: The first page cannot be read.
        """
        if self._count >= MOST_STREAMS or self._is_ending:
            sentence = f"This process has {self._count} readers of events; try again in a few seconds."
            raise Problem(TOO_MANY_STREAMS, sentence, headers={"retry-after": str(RETRY_AFTER_SECONDS)})
        if after is None:
            after = await anyio.to_thread.run_sync(self._ledger.last_event, limiter=self._threads)
        return self._stream(await self._page(read, after), read)

    async def _page(self, read: Read, after: int) -> tuple[bytes, int]:
        def encoded() -> tuple[bytes, int]:
            events, reached = read(after)
            # the id alone moves a reader on that would else begin again where it was last told something
            return b"".join(map(_block, events)) + f"id: {reached}\n\n".encode(), reached

        return await anyio.to_thread.run_sync(encoded, limiter=self._threads)

    async def _stream(self, page: tuple[bytes, int], read: Read) -> AsyncIterator[bytes]:
        self._count += 1
        try:
            lines, reached = page
            yield f"retry: {_RETRY_MILLISECONDS}\n\n".encode()
            while True:
                yield lines
                news = self._news
                if (
                    self._newest <= reached
                    and not self._is_ending
                    and not await _set(news, HEARTBEAT_SECONDS)
                ):
                    yield b": heartbeat\n\n"
                if self._is_ending:
                    return
                lines, reached = await self._page(read, reached)
        except Problem:
            return  # whoever reads may not any more; the next request is told why
        except LedgerError as error:  # the database is gone: the reader comes back, and is told so
            _logger.warning("a stream of events ends: %s", error)
        finally:
            self._count -= 1

    async def _look_for_news(self) -> None:
        while not self._is_ending:
            if self._count:
                try:
                    newest = await anyio.to_thread.run_sync(self._ledger.last_event, limiter=self._threads)
                except LedgerError as error:
                    _logger.warning("events cannot be read: %s", error)
                    newest = self._newest + 1  # let the streams find out
                if newest != self._newest:
                    self._newest = newest
                    news, self._news = self._news, asyncio.Event()
                    news.set()
            await asyncio.sleep(_NEWS_SECONDS)


class EventStream(StreamingResponse):
    """An answer that ends when its reader takes nothing any more."""

    media_type = MEDIA_TYPE

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Let nothing on the way keep events, or wait for more of them."""
        super().init_headers({"cache-control": "no-store", "x-accel-buffering": "no"} | dict(headers or {}))

    async def stream_response(self, send: Send) -> None:
        """Send the answer."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SLOW_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            _logger.info("a reader of events took nothing for %.0f seconds and was dropped", SLOW_SECONDS)


async def _set(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _block(event: EventView) -> bytes:
    return f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n".encode()
