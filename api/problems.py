"""Problems (RFC 9457): one table from the library's errors to HTTP, and one form for everything that goes wrong.

A problem of the asker (4xx) tells the error's sentence and all its facts, so that a program can act on them. A problem
of ours (5xx) tells neither: they may hold addresses or paths; the log has them.

Statuses: 400 what was sent cannot be used, 401 sign in first, 403 the account may not, 404 not here, 409 it does not fit what is
recorded, 422 it is well formed but not what it says it is, 503 try again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.logs import CURRENT, REQUEST_ID_HEADER
from ledger.errors import (
    ChainError,
    CheckingInterrupted,
    Conflict,
    ConsistencyError,
    ContractError,
    DeliveryFailed,
    DigestMismatch,
    EventsForgotten,
    InclusionError,
    InvalidDeclaration,
    InvalidDisclosure,
    InvalidDocument,
    InvalidIdentifier,
    InvalidInput,
    InvalidKey,
    InvalidProfile,
    InvalidRecord,
    InvalidSecret,
    InvalidSignature,
    InvalidSignIn,
    InvalidTrust,
    LedgerError,
    NotFound,
    NotPermitted,
    QueueFull,
    RecordRefused,
    ServiceError,
    SignerMismatch,
    StoreError,
    VerificationError,
)
from ledger.messages import ProblemView

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
NOT_FOUND_STEP_SECONDS = (
    0.025  # what a reader does not find is answered on such a beat: see `api.dependencies`
)
_logger = logging.getLogger("cargo_ledger.api")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its stable name, its HTTP status and its title."""

    name: str
    status: int
    title: str


INVALID_REQUEST = Kind("invalid-request", 400, "The request cannot be read")
INVALID_FIELDS = Kind("invalid-fields", 422, "Fields are missing or not of their form")
SIGN_IN_NEEDED = Kind("sign-in-needed", 401, "Reading needs a sign-in")
TOO_MANY_REQUESTS = Kind("too-many-requests", 429, "You ask too much at a time")
NO_ROUTE = Kind("no-such-route", 404, "There is nothing at this address")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This address does not take that method")
TOO_LARGE = Kind("too-large", 413, "The request is too large")
UNSUPPORTED_MEDIA = Kind("unsupported-media-type", 415, "The request is in a form that is not read here")
NOT_READY = Kind("not-ready", 503, "The service cannot do its job now")
TOO_MANY_STREAMS = Kind("too-many-streams", 503, "As many read events here as can")
UNEXPECTED = Kind("unexpected", 500, "The service made a mistake")

TABLE: dict[type[LedgerError], Kind] = {
    InvalidInput: Kind("invalid-input", 400, "What was sent cannot be used"),
    InvalidIdentifier: Kind("invalid-identifier", 400, "A reference, code or number is not of its form"),
    InvalidDocument: Kind("invalid-document", 400, "The document cannot be committed to"),
    InvalidSecret: Kind("invalid-secret", 400, "The secret is not of its form"),
    InvalidDisclosure: Kind("invalid-disclosure", 400, "The disclosure is not well formed"),
    InvalidRecord: Kind("invalid-record", 400, "The record cannot be used"),
    InvalidSignature: Kind("invalid-signature", 400, "The signature cannot be used"),
    InvalidSignIn: Kind("invalid-sign-in", 400, "The sign-in text cannot be used"),
    InvalidTrust: Kind("invalid-trust", 400, "The trust file cannot be read"),
    InvalidDeclaration: Kind("invalid-declaration", 400, "The declaration cannot be read"),
    InvalidKey: Kind("invalid-key", 500, "A key of the service cannot be used"),
    InvalidProfile: Kind("invalid-profile", 500, "The service is not set up"),
    VerificationError: Kind("does-not-hold", 422, "What was shown does not hold"),
    InclusionError: Kind("not-included", 422, "The inclusion path does not hold"),
    ConsistencyError: Kind("not-consistent", 422, "The consistency path does not hold"),
    DigestMismatch: Kind("digest-mismatch", 422, "Two digests that should be one are not"),
    SignerMismatch: Kind("signer-mismatch", 403, "Another account signed"),
    NotPermitted: Kind("not-permitted", 403, "The account may not do this"),
    RecordRefused: Kind("record-refused", 409, "The custody rules refuse the record"),
    ContractError: Kind("contract-refused", 409, "A contract refuses this"),
    NotFound: Kind("not-found", 404, "There is no such thing here"),
    Conflict: Kind("conflict", 409, "It stands here already in another form"),
    EventsForgotten: Kind("events-forgotten", 410, "Some of these events are not kept any more"),
    StoreError: Kind("store-unavailable", 503, "The database cannot be used now"),
    QueueFull: Kind("queue-full", 503, "Too much waits for the chain"),
    ChainError: Kind("chain-unavailable", 503, "The chain cannot be used now"),
    DeliveryFailed: Kind("delivery-failed", 502, "A webhook's receiver did not take a message"),
    CheckingInterrupted: Kind("checking-interrupted", 503, "A replay's process was killed"),
    ServiceError: Kind("upstream-problem", 502, "Another service did not answer as it should"),
}


class Problem(HTTPException):
    """Something went wrong, in the words and facts of its answer.

    It is one of the framework's errors, so that the framework lets it through while it reads a body.

    Args:
        kind: Which kind of problem.
        detail: What is wrong, where, and what to do.
        facts: Further members, by name.
        headers: HTTP headers of the answer.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        facts: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.status, detail, dict(headers or {}))
        self.kind = kind
        self.facts = dict(facts or {})

    def to_view(self) -> ProblemView:
        """The problem as it is answered; it is counted as a problem of the request that is being answered."""
        noted = CURRENT.get()
        if noted is not None:
            noted.problems[self.kind.name, str(self.facts.get("refusal", ""))] += 1
        return ProblemView.model_validate(
            self.facts
            | ({} if noted is None else {"request_id": noted.request_id})
            | {
                "type": f"/problems/{self.kind.name}",
                "title": self.kind.title,
                "status": self.kind.status,
                "detail": self.detail,
            }
        )

    def to_response(self) -> JSONResponse:
        """The whole answer."""
        return JSONResponse(
            self.to_view().model_dump(mode="json"),
            self.kind.status,
            {"cache-control": "no-store"} | _request_id() | dict(self.headers or {}),
            MEDIA_TYPE,
        )


def _request_id() -> dict[str, str]:
    """The id's header: a mistake of ours is answered outside of what gives it to every other answer."""
    noted = CURRENT.get()
    return {} if noted is None else {REQUEST_ID_HEADER: noted.request_id}


def kind_of(error: type[LedgerError]) -> Kind:
    """The kind of problem that an error class is: its own, or that of the branch it stands on.

    Raises:
        LookupError: Neither it nor its branch is in the table.
    """
    for ancestor in error.__mro__:
        if ancestor in TABLE:
            return TABLE[ancestor]
    raise LookupError(error.__name__)


def problem_of(error: LedgerError) -> Problem:
    """The problem that an error of the library is."""
    kind = kind_of(type(error))
    if isinstance(error, QueueFull):
        told = {"most": error.most, "retry_after_seconds": error.retry_seconds}
        return Problem(kind, str(error), told, {"retry-after": str(error.retry_seconds)})
    if kind.status >= 500:
        _logger.error("%s: %s", type(error).__name__, error)
        detail = "It is not the request's fault; try again in a few seconds. The service's log says why."
        return Problem(kind, detail, headers={"retry-after": str(RETRY_AFTER_SECONDS)})
    facts = {name: _fact(value) for name, value in vars(error).items() if not name.startswith("_")}
    if isinstance(error, RecordRefused):
        facts["refusal"] = error.refusal.name
    if isinstance(error, ContractError):
        facts["error"] = type(error).__name__
    return Problem(kind, str(error), facts)


def _fact(value: object) -> Any:
    """A fact as JSON: bytes as hex, numbers beyond a double as text."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case IntEnum():
            return value.name
        case None | bool() | str():
            return value
        case int():
            return value if abs(value) < 1 << 53 else str(value)
        case tuple() | list() | set() | frozenset():
            return [_fact(item) for item in value]
        case _:
            return str(value)


def seconds_to_beat(elapsed_seconds: float) -> float:
    """How long an answer waits that is given on a beat: until the next whole step since its request began.

    Args:
        elapsed_seconds: Since the request began.

    Returns:
        More than 0, at most `NOT_FOUND_STEP_SECONDS`.
    """
    return NOT_FOUND_STEP_SECONDS - elapsed_seconds % NOT_FOUND_STEP_SECONDS


def install(app: FastAPI) -> None:
    """Let every error of an app, the framework's too, be answered as a problem."""

    @app.exception_handler(Problem)
    def of_problem(_: Request, error: Problem) -> JSONResponse:
        return error.to_response()

    @app.exception_handler(LedgerError)
    async def of_library(request: Request, error: LedgerError) -> JSONResponse:
        began = getattr(request.state, "reading_since", None)
        if isinstance(error, NotFound) and began is not None:
            await asyncio.sleep(seconds_to_beat(time.monotonic() - began))
        return problem_of(error).to_response()

    @app.exception_handler(RequestValidationError)
    def of_fields(_: Request, error: RequestValidationError) -> JSONResponse:
        return invalid_fields(error.errors()).to_response()

    @app.exception_handler(HTTPException)
    def of_framework(request: Request, error: HTTPException) -> JSONResponse:
        return _framework_problem(request, error).to_response()

    @app.exception_handler(Exception)
    def of_mistake(_: Request, error: Exception) -> JSONResponse:
        _logger.error("%s", type(error).__name__, exc_info=error)
        detail = (
            "This is a fault of the service and is in its log. Nothing of the request was done, or all of it."
        )
        return Problem(UNEXPECTED, detail).to_response()


def invalid_fields(errors: Any, within: tuple[str, ...] = ("body",)) -> Problem:
    """The problem of fields that are missing or not of their form; what was sent is not repeated.

    Args:
        errors: As pydantic lists them.
        within: The beginning of every `loc` of a field of the body.
    """
    found = []
    for error in errors:
        place = tuple(error["loc"])
        if place[: len(within)] == within:
            parts = (str(part).replace("~", "~0").replace("/", "~1") for part in place[len(within) :])
            found.append({"pointer": "".join("/" + part for part in parts), "detail": error["msg"]})
        else:
            # of a parameter given several times the place has which of them, from 0
            name = next((part for part in reversed(place[1:]) if isinstance(part, str)), "")
            found.append({"parameter": name, "in": str(place[0]), "detail": error["msg"]})
    first = found[0]
    where = first.get("parameter", first.get("pointer")) or (
        "the body" if "pointer" in first else "a parameter without a name"
    )
    more = f" {len(found) - 1} more in `errors`." if len(found) > 1 else ""
    return Problem(INVALID_FIELDS, f"At {where}: {first['detail']}.{more}", {"errors": found[:20]})


def too_large(limit_bytes: int, what: str = "The request") -> Problem:
    """The problem of more bytes than are read."""
    return Problem(
        TOO_LARGE,
        f"{what} has more than {limit_bytes} bytes; send less at a time.",
        {"limit_bytes": limit_bytes},
    )


def _framework_problem(request: Request, error: HTTPException) -> Problem:
    path = str(request.scope["path"])[:200]
    if error.status_code == 404:
        return Problem(NO_ROUTE, f"There is nothing at {path}; /openapi.json lists what there is.")
    if error.status_code == 405:
        allowed = _allowed_methods(request)
        sentence = f"{path} does not take {request.method[:20]}; it takes {', '.join(allowed)}."
        return Problem(METHOD_NOT_ALLOWED, sentence, {"allowed": allowed}, {"allow": ", ".join(allowed)})
    title = HTTPStatus(error.status_code).phrase
    name = title.lower().replace(" ", "-")
    return Problem(Kind(name, error.status_code, title), f"{title}.", headers=error.headers)


def _allowed_methods(request: Request) -> list[str]:
    """All methods of an address: the framework names those of one route only."""
    scope = dict(request.scope)
    return [
        method
        for method in _METHODS
        if any(route.matches(scope | {"method": method})[0] == Match.FULL for route in request.app.routes)
    ]
