"""Batches of manifests: NDJSON in, NDJSON out, in flat memory whatever their size.

While some lines are lodged, the next are read and their signatures and documents checked; those that are there when that
begins are lodged together, in one transaction. Nothing waits for a line that has not come. Each line gets a line, in order. A client that sends a long batch must read
the answers meanwhile, or both ends wait. Each line is counted, of its address and of who signed it: see `api.limits`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.beside import Beside
from api.bodies import read_json
from api.limits import LinesOfRequest
from api.problems import INVALID_REQUEST, UNEXPECTED, Problem, invalid_fields, problem_of, too_large
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.messages import ManifestAccepted, ManifestSubmission, ProblemView
from ledger.serving.preparing import Prepared

MEDIA_TYPE = "application/x-ndjson"
MAX_LINE_BYTES = 3 << 19  # 1.5 MiB: a document of 1 MiB, and room for how it is spelled
_MAX_LINES = 500  # lodged in one transaction, which keeps other writers waiting
_MAX_BYTES_AHEAD = 1 << 20  # of lines that are read and not lodged; one more line may come on top
_logger = logging.getLogger("cargo_ledger.api")


class AnswersAsTheyCome(StreamingResponse):
    """A response whose content is made from the request's body while that comes in.

    Why not the framework's: it reads the request too, to notice that the client has gone, and so would take its lines.
    Here the reader of the lines notices.
    """

    def __init__(self, content: AsyncIterator[bytes], status_code: int = 200) -> None:
        # were it the class's media type, the framework would document a text; the status it reads here
        super().__init__(content, status_code, media_type=MEDIA_TYPE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await self.stream_response(send)


async def answer_lines(
    body: AsyncIterator[bytes], ledger: Ledger, beside: Beside, counting: LinesOfRequest
) -> AsyncIterator[bytes]:
    """Lodge the lines of a body as they come in, and yield the lines of the answer.

    Args:
        body: The request's bytes, as they come.
        ledger: Where to lodge.
        beside: Checks lines too.
        counting: Counts each line, and refuses those that are too many.
    """
    ahead = _Ahead()
    reading = asyncio.create_task(ahead.read(body))
    coming = asyncio.create_task(_next_group(ahead, ledger, beside, counting))
    try:
        while group := await coming:
            coming = asyncio.create_task(_next_group(ahead, ledger, beside, counting))
            yield await run_in_threadpool(_lodge, group, ledger)
        await reading
    except ClientDisconnect:
        return  # what was lodged stays lodged: sent again, it is answered again
    finally:
        reading.cancel()
        coming.cancel()


async def _next_group(
    ahead: _Ahead, ledger: Ledger, beside: Beside, counting: LinesOfRequest
) -> list[Prepared | LedgerError | Problem]:
    """What the lines that are there ask for, checked as far as that needs no database; empty at the end."""
    lines = [(line, _refused(line, counting)) for line in await ahead.take()]
    found = iter(
        await beside.prepare([line for line, refused in lines if line is not None and refused is None])
    )
    checked = [(line or b"", refused or next(found)) for line, refused in lines]
    if not checked:
        return []
    return await run_in_threadpool(lambda: [_read(line, there, ledger, counting) for line, there in checked])


class _Ahead:
    """Lines that are read and not lodged yet: a bounded number, so that a body of any size takes flat memory."""

    def __init__(self) -> None:
        self._lines: deque[bytes | None] = deque()
        self._bytes = 0
        self._is_over = False
        self._changed = asyncio.Event()

    async def read(self, body: AsyncIterator[bytes]) -> None:
        """Read a body to its end, or until the client is gone; waits while enough is read."""
        lines = _Lines()
        try:
            async for chunk in body:
                for line in lines.feed(chunk):
                    await self._put(line)
            for line in lines.rest():
                await self._put(line)
        finally:
            self._is_over = True
            self._changed.set()

    async def _put(self, line: bytes | None) -> None:
        while len(self._lines) >= _MAX_LINES or self._bytes >= _MAX_BYTES_AHEAD:
            self._changed.clear()
            await self._changed.wait()
        self._lines.append(line)
        self._bytes += len(line or b"")
        self._changed.set()

    async def take(self) -> list[bytes | None]:
        """All lines that are there, at least one; none when there will be no more."""
        while not self._lines and not self._is_over:
            self._changed.clear()
            await self._changed.wait()
        taken = [*self._lines]
        self._lines.clear()
        self._bytes = 0
        self._changed.set()
        return taken


class _Lines:
    """Cuts bytes into lines. A line that is too long is None, and is not kept."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._is_too_long = False

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        *whole, begun = chunk.split(b"\n")
        for end in whole:
            self._add(end)
            yield None if self._is_too_long else bytes(self._begun)
            self._begun.clear()
            self._is_too_long = False
        self._add(begun)

    def rest(self) -> Iterator[bytes | None]:
        if self._is_too_long:
            yield None
        elif self._begun:
            yield bytes(self._begun)

    def _add(self, part: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._begun) + len(part) > MAX_LINE_BYTES
        if self._is_too_long:
            self._begun.clear()
        else:
            self._begun += part


def _refused(line: bytes | None, counting: LinesOfRequest) -> Problem | None:
    """Why a line is not even looked at, if so."""
    try:
        counting.count()
    except Problem as refusal:
        return refusal
    if line is None:
        return too_large(MAX_LINE_BYTES, "The line")
    if not line.strip():
        return Problem(INVALID_REQUEST, "The line is blank; each line holds one submission.", {"pointer": ""})
    return None


def _read(
    line: bytes, there: Prepared | Problem | None, ledger: Ledger, counting: LinesOfRequest
) -> Prepared | LedgerError | Problem:
    """What a line asks for, if that is not there yet."""
    if isinstance(there, Problem):
        return there
    try:
        prepared = there or ledger.prepare(ManifestSubmission.model_validate(read_json(line)))
        counting.count_signer(prepared.signer)
        return prepared
    except ValidationError as error:
        return invalid_fields(error.errors(), ())
    except (LedgerError, Problem) as refusal:
        return refusal
    except Exception:
        _logger.exception("a line failed")
        return _mistake()


def _lodge(group: list[Prepared | LedgerError | Problem], ledger: Ledger) -> bytes:
    lodged = _lodge_all([one for one in group if not isinstance(one, Problem)], ledger)
    answers = [one.to_view() if isinstance(one, Problem) else next(lodged) for one in group]
    return b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)


def _lodge_all(
    prepared: list[Prepared | LedgerError], ledger: Ledger
) -> Iterator[ManifestAccepted | ProblemView]:
    """Lodge a group. If all of it fails, each line says so: the lines before it are answered already."""
    try:
        lodged = ledger.lodge_prepared(prepared) if prepared else []
    except LedgerError as error:
        lodged = [error] * len(prepared)
    except Exception:
        _logger.exception("a group of %d lines failed", len(prepared))
        yield from [_mistake().to_view()] * len(prepared)
        return
    for result in lodged:
        yield problem_of(result).to_view() if isinstance(result, LedgerError) else result[0]


def _mistake() -> Problem:
    return Problem(UNEXPECTED, "This is a fault of the service and is in its log; send the line again.")
