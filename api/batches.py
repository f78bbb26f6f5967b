"""Batches of manifests: NDJSON in, NDJSON out, in flat memory whatever their size.

Lines that come in together are lodged together, in one transaction; nothing waits for a line that has not come. Each
line gets a line, in order. A client that sends a long batch must read the answers meanwhile, or both ends wait.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.bodies import read_json
from api.problems import INVALID_REQUEST, UNEXPECTED, Problem, invalid_fields, problem_of, too_large
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.messages import ManifestAccepted, ManifestSubmission, ProblemView

MEDIA_TYPE = "application/x-ndjson"
MAX_LINE_BYTES = 3 << 19  # 1.5 MiB: a document of 1 MiB, and room for how it is spelled
_MAX_LINES = 1_000  # lodged in one transaction
_logger = logging.getLogger("cargo_ledger.api")


class AnswersAsTheyCome(StreamingResponse):
    """A response whose content is made from the request's body while that comes in.

    Why not the framework's: it reads the request too, to notice that the client has gone, and so would take its lines.
    Here the reader of the lines notices.
    """

    media_type = MEDIA_TYPE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        await self.stream_response(send)


async def answer_lines(body: AsyncIterator[bytes], ledger: Ledger) -> AsyncIterator[bytes]:
    """Lodge the lines of a body as they come in, and yield the lines of the answer.

    Args:
        body: The request's bytes, as they come.
        ledger: Where to lodge.
    """
    lines = _Lines()
    try:
        async for chunk in body:
            for group in _groups(lines.feed(chunk) if chunk else ()):
                yield await run_in_threadpool(_lodge, group, ledger)
        for group in _groups(lines.rest()):
            yield await run_in_threadpool(_lodge, group, ledger)
    except ClientDisconnect:
        return  # what was lodged stays lodged: sent again, it is answered again


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


def _groups(lines: Iterator[bytes | None] | tuple[()]) -> Iterator[list[bytes | None]]:
    group: list[bytes | None] = []
    for line in lines:
        group.append(line)
        if len(group) == _MAX_LINES:
            yield group
            group = []
    if group:
        yield group


def _lodge(lines: list[bytes | None], ledger: Ledger) -> bytes:
    read = [_read(line) for line in lines]
    submissions = [submission for submission in read if isinstance(submission, ManifestSubmission)]
    lodged = iter(_lodge_all(submissions, ledger))
    answers = [next(lodged) if isinstance(entry, ManifestSubmission) else entry.to_view() for entry in read]
    return b"".join(answer.model_dump_json().encode() + b"\n" for answer in answers)


def _read(line: bytes | None) -> ManifestSubmission | Problem:
    if line is None:
        return too_large(MAX_LINE_BYTES, "The line")
    if not line.strip():
        return Problem(INVALID_REQUEST, "The line is blank; each line holds one submission.", {"pointer": ""})
    try:
        return ManifestSubmission.model_validate(read_json(line))
    except ValidationError as error:
        return invalid_fields(error.errors(), ())
    except Problem as problem:
        return problem


def _lodge_all(
    submissions: list[ManifestSubmission], ledger: Ledger
) -> Iterator[ManifestAccepted | ProblemView]:
    """Lodge a group. If all of it fails, each line says so: the lines before it are answered already."""
    try:
        lodged = ledger.lodge_many(submissions) if submissions else []
    except LedgerError as error:
        lodged = [error] * len(submissions)
    except Exception:
        _logger.exception("a group of %d lines failed", len(submissions))
        mistake = Problem(
            UNEXPECTED, "This is a fault of the service and is in its log; send the line again."
        )
        yield from [mistake.to_view()] * len(submissions)
        return
    for result in lodged:
        yield problem_of(result).to_view() if isinstance(result, LedgerError) else result[0]
