"""Request bodies: read up to a limit, and as strictly as a document is read.

A document inside a request must not be changed by reading it: a float rounded, the first of two equal names dropped.
So the whole body goes through the reader that documents go through (`ledger.core.strict_json`), with room for what is
around the document, and only then to the models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, get_origin

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import headers
from api.problems import INVALID_REQUEST, UNSUPPORTED_MEDIA, Problem, problem_of, too_large
from ledger.core import strict_json
from ledger.errors import InvalidDocument

MAX_BODY_BYTES = 2 << 20
_SMALL_BYTES = 4096  # what is longer is not read on the event loop
LIMITS = strict_json.Limits(bytes=MAX_BODY_BYTES, depth=40, leaves=200_000)
_IN_DOCUMENT = re.compile(r"(?:/records/[0-9]+)?/document(?P<within>/.*|)", re.DOTALL)


def read_json(body: bytes) -> Any:
    """Read a request's JSON.

    Raises:
        Problem: It is no JSON, or holds what no document may: a float, a name twice, an integer beyond 2^53-1, half a
            surrogate pair. Inside a document the pointer is the document's own, else the body's.
    """
    return strict_json.read(body, LIMITS, _refuse)


async def read_body(body: bytes) -> Any:
    """The value of a request's body, as `read_json` reads it; a long one in a thread."""
    return read_json(body) if len(body) <= _SMALL_BYTES else await run_in_threadpool(read_json, body)


def _refuse(pointer: str, rule: str) -> Problem:
    in_document = _IN_DOCUMENT.fullmatch(pointer)
    if in_document:
        return problem_of(InvalidDocument(in_document["within"], rule))
    where = pointer[:200] or "its root"
    return Problem(
        INVALID_REQUEST, f"The request cannot be read: at {where}, {rule}.", {"pointer": pointer[:200]}
    )


def require_media_type(request: Request, *types: str) -> None:
    """Refuse a body in a form that is not read here.

    A browser sends these types to another site only after asking it, so a page can't make a visitor's browser post.

    Raises:
        Problem: The type is none of `types`, or says another character set than UTF-8.
    """
    given = request.headers.get("content-type", "")
    media_type, _, parameters = given.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    if media_type.strip().lower() not in types or charset not in ("", "charset=utf-8"):
        sentence = f"The request says it is {given[:80] or 'nothing'!r}; send {' or '.join(types)} in UTF-8."
        raise Problem(UNSUPPORTED_MEDIA, sentence, {"supported": [*types]}, {"accept-post": ", ".join(types)})


class StrictRequest(Request):
    """A request whose JSON is read strictly, and not on the event loop if that takes longer than going to a thread."""

    async def json(self) -> Any:
        """The body's value."""
        return await read_body(await self.body())


class StrictRoute(APIRoute):
    """A route whose JSON body is read strictly, and that takes its own parameters alone, each once unless it is a list.

    Use it through `APIRouter(route_class=StrictRoute)`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()
        takes_json = self.body_field is not None
        lists = dict(_parameters(self.dependant.query_params))
        read_once = [field.alias for field in self.dependant.header_params]

        async def handle_strictly(request: Request) -> Response:
            if takes_json:
                require_media_type(request, "application/json")
            require_parameters(request, lists)
            _require_once(request, read_once)
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly


def require_parameters(request: Request, lists: Mapping[str, bool]) -> None:
    """Refuse parameters that are not taken, or are given twice.

    The framework passes over the first, a misspelled one among them, and of two values would take the last, and who
    stands before it perhaps the first.

    Args:
        request: What is asked.
        lists: Whether each parameter that is taken is a list.

    Raises:
        RequestValidationError: Which.
    """
    given = request.query_params
    errors: list[dict[str, Any]] = []
    for name in given:
        if name not in lists:
            errors.append({"type": "extra_forbidden", "msg": "There is no such parameter here"})
        elif not lists[name] and len(given.getlist(name)) > 1:
            errors.append({"type": "given_twice", "msg": "Give it once"})
        else:
            continue
        errors[-1] |= {"loc": ("query", name), "input": None}
    if errors:
        raise RequestValidationError(errors)


def _require_once(request: Request, names: Iterable[str]) -> None:
    """Refuse a header that is read here and was given twice: the framework would take the first.

    Raises:
        RequestValidationError: Which.
    """
    for name in names:
        if len(request.headers.getlist(name)) > 1:
            twice = {"type": "given_twice", "msg": "Give it once", "loc": ("header", name), "input": None}
            raise RequestValidationError([twice])


def _parameters(fields: Iterable[Any]) -> Iterator[tuple[str, bool]]:
    """The names of query parameters, and whether each is a list."""
    for field in fields:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((name, False) for name in kind.model_fields)
        else:
            yield field.alias, get_origin(kind) is list


_TWO_ENDS = Problem(
    INVALID_REQUEST,
    "It can be read in two ways where the request ends: send Content-Length once, or Transfer-Encoding: chunked.",
    headers={"connection": "close"},  # what stands behind it may be part of it, or another's request
)


def _ends_twice(scope: Scope) -> bool:
    lengths, codings = headers.values(scope, b"content-length"), headers.values(scope, b"transfer-encoding")
    if codings:
        return bool(lengths) or [coding.strip().lower() for coding in codings] != ["chunked"]
    return len(set(lengths)) > 1 or not all(length.isdecimal() for length in lengths)


class BodyLimit:
    """ASGI middleware: stop reading a body that is longer than a limit, while it comes in, or whose end can be read in two ways.

    Why our own: the framework's answers in plain text.

    Args:
        app: What is served.
        limit_bytes: The most that one request may have.
        streamed: Paths that have no limit of this kind, since they read line by line.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, streamed: frozenset[str]) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _ends_twice(scope):
            await _TWO_ENDS.to_response()(scope, receive, send)
            return
        if scope["path"] in self.streamed:
            await self.app(scope, receive, send)
            return
        length = headers.first(scope, b"content-length") or "0"
        if not length.isdecimal() or int(length[:20]) > self.limit_bytes:
            await too_large(self.limit_bytes).to_response()(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit_bytes:
                raise too_large(self.limit_bytes)
            return message

        await self.app(scope, receive_within_limit, send)
