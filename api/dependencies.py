"""What handlers are given: the ledger, and who reads.

What a reader may not see is answered as what is not there, in the same words and about the same time: the handler of
`NotFound` (`api.problems`) answers on a beat that is longer than either look-up takes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from api.beside import Beside
from api.grouping import Grouping
from api.limits import LinesOfRequest, count_account, count_further, counting
from api.problems import SIGN_IN_NEEDED, Problem
from api.settings import Settings, is_loopback
from api.streams import Streams
from ledger.core.records import Domain
from ledger.ledger import Ledger
from ledger.reading import Reader

_HOST = re.compile(r"\[[^]]*\]|[^:]*")  # the name or address in a Host header, without its port
_BEARER = re.compile(r"[Bb]earer +([A-Za-z0-9_-]{43})")
_SCHEME = HTTPBearer(
    scheme_name="session", description="Token of `POST /v1/sessions`", bearerFormat="opaque", auto_error=False
)


def ledger_of(request: Request) -> Ledger:
    """The ledger of the application that a request is sent to."""
    return cast(Ledger, request.app.state.ledger)


# not plain functions: the framework hands those to a thread, which costs more than what they do
async def _ledger(request: Request) -> Ledger:
    return ledger_of(request)


async def _grouping(request: Request) -> Grouping:
    return cast(Grouping, request.app.state.grouping)


async def _counting(request: Request) -> Callable[[bytes, int], None]:
    return counting(request.app.state.accounts)


async def _counting_further(request: Request) -> Callable[[int], None]:
    return partial(count_further, request.scope, request.app.state.addresses)


async def _counting_lines(request: Request) -> LinesOfRequest:
    return LinesOfRequest(request.scope, request.app.state.addresses, request.app.state.accounts)


async def _beside(request: Request) -> Beside:
    return cast(Beside, request.app.state.beside)


async def _streams(request: Request) -> Streams:
    return cast(Streams, request.app.state.streams)


async def _record_domain(request: Request) -> Domain:
    settings: Settings = request.app.state.settings
    return settings.profile.consignments_domain


def token_of(request: Request) -> str | None:
    """The token that a request shows, if it has the form of one."""
    found = _BEARER.fullmatch(request.headers.get("authorization", ""))
    return None if found is None else found[1]


def require_reader(request: Request) -> Reader | None:
    """Who reads, by the token that is shown; None where reading is open.

    The registry is asked at every request: a token of an account that was revoked since is of no use any more.

    Raises:
        Problem: There is no token, or it is of no use; which of the two, and why, is not said.
    """
    if "authorization" not in request.headers and _is_open(request):
        return None
    request.state.reading_since = time.monotonic()
    token = token_of(request)
    reader = None if token is None else ledger_of(request).sessions.reader(token)
    if reader is None:
        raise _sign_in_needed()
    return reader


def _sign_in_needed() -> Problem:
    sentence = (
        "Reading needs the token of a sign-in that still holds: send your address to /v1/sessions/challenge, sign the "
        "text, and send both to /v1/sessions. Writing needs none; the records are signed."
    )
    return Problem(SIGN_IN_NEEDED, sentence, headers={"www-authenticate": 'Bearer realm="cargo ledger"'})


def require_account(request: Request) -> Reader:
    """The account that asks, by its token; also where reading is open: what is kept for somebody needs an owner.

    Raises:
        Problem: There is no token, or it is of no use.
    """
    reader = _counted_reader(request)
    if reader is None:
        raise _sign_in_needed()
    return reader


def _counted_reader(request: Request) -> Reader | None:
    """Who reads, unless the account asks too much.

    Raises:
        Problem: As `require_reader`, or the account is to wait.
    """
    reader = require_reader(request)
    if reader is not None:
        count_account(request.app.state.accounts, reader.address)
    return reader


def _is_open(request: Request) -> bool:
    """Whether this is a program on the machine of a development chain, where the settings leave reading open.

    The address is the connection's own: what a proxy says of itself (`X-Forwarded-For`) is never believed. The name
    asked for must be this machine's, or a page that turns its own name to 127.0.0.1 could read through a browser.
    """
    settings: Settings = request.app.state.settings
    client = request.client.host if request.client else ""
    asked_for = _HOST.match(request.headers.get("host", ""))[0]  # type: ignore[index]  # it matches nothing, too
    return settings.reading_is_open and is_loopback(client) and is_loopback(asked_for)


RecordDomain = Annotated[Domain, Depends(_record_domain)]
Counting = Annotated[Callable[[bytes, int], None], Depends(_counting)]
CountingFurther = Annotated[Callable[[int], None], Depends(_counting_further)]
CountingLines = Annotated[LinesOfRequest, Depends(_counting_lines)]
IsBeside = Annotated[Beside, Depends(_beside)]
TheStreams = Annotated[Streams, Depends(_streams)]
TheLedger = Annotated[Ledger, Depends(_ledger)]
TheGrouping = Annotated[Grouping, Depends(_grouping)]
TheReader = Annotated[Reader | None, Depends(_counted_reader)]
TheAccount = Annotated[Reader, Depends(require_account)]
Reading = Depends(_counted_reader)
SignedIn = Depends(_SCHEME)  # for the OpenAPI document: it declares the scheme, `require_reader` decides
