"""What handlers are given: the ledger, and the leave to read."""

from __future__ import annotations

import re
from typing import Annotated, cast

from fastapi import Depends, Request

from api.problems import READING_CLOSED, Problem
from api.settings import Settings, is_loopback
from api.streams import Streams
from ledger.core.records import Domain
from ledger.ledger import Ledger

_HOST = re.compile(r"\[[^]]*\]|[^:]*")  # the name or address in a Host header, without its port

_OF_ONE_MACHINE = ("development", "clique")  # DESIGN 7: production runs QBFT


def _ledger(request: Request) -> Ledger:
    return cast(Ledger, request.app.state.ledger)


def _streams(request: Request) -> Streams:
    return cast(Streams, request.app.state.streams)


def _record_domain(request: Request) -> Domain:
    settings: Settings = request.app.state.settings
    return settings.profile.consignments_domain


def require_reading(request: Request) -> None:
    """Let read whoever sits at the machine of a chain that is for one machine, and nobody else.

    The address is the connection's own: what a proxy says of itself (`X-Forwarded-For`) is never believed. The name
    asked for must be this machine's, or a page that turns its own name to 127.0.0.1 could read through a browser.

    Raises:
        Problem: It is another chain, the service listens beyond this machine, or the asker is elsewhere.
    """
    settings: Settings = request.app.state.settings
    client = request.client.host if request.client else ""
    asked_for = _HOST.match(request.headers.get("host", ""))[0]  # type: ignore[index]  # it matches nothing, too
    at_this_machine = settings.is_loopback and is_loopback(client) and is_loopback(asked_for)
    if settings.profile.kind not in _OF_ONE_MACHINE or not at_this_machine:
        sentence = (
            "Reading needs sign-in, which this version does not have: it is open only on a development chain or a local "
            "network of validators, to programs on the service's own machine. Writing needs no sign-in; the records are "
            "signed."
        )
        raise Problem(READING_CLOSED, sentence)


RecordDomain = Annotated[Domain, Depends(_record_domain)]
TheStreams = Annotated[Streams, Depends(_streams)]
TheLedger = Annotated[Ledger, Depends(_ledger)]
Reading = Depends(require_reading)
