"""The log: a line of JSON each, with the id of the request that it is about."""

from __future__ import annotations

import json
import logging
import secrets
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

REQUEST_ID_HEADER = "x-request-id"


@dataclass(slots=True)
class Noted:
    """A request that is being answered: its id, and the problems it met, by name and reason."""

    request_id: str
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)


def new_request_id() -> str:
    """An id for a request that brings none: 32 hex digits."""
    return secrets.token_hex(16)


#: The request that this code runs for; None in the worker and between requests.
CURRENT: ContextVar[Noted | None] = ContextVar("request", default=None)


class JsonLines(logging.Formatter):
    """A record of the log as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Spell it."""
        noted = CURRENT.get()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if noted is not None:
            line["request_id"] = noted.request_id
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a surrogate pair, a number of more than 64 bits
            return json.dumps(line, default=str)


def log_as_json() -> None:
    """Let everything that is logged in this process go to the standard error as JSON, a line each."""
    # a line names no thread, process or task: not looking them up is a quarter of what a line takes
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
