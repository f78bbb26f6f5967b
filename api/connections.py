"""HTTP/1.1 on one connection, read by llhttp: what it keeps of a request that comes to no end, and what it says then.

Why our own: the server bounds the head of a request only where it reads with its slower parser, and answers in plain text
what it cannot read.
"""

from __future__ import annotations

import logging

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.logs import CURRENT, Noted, new_request_id
from api.problems import INVALID_REQUEST, Problem

MOST_HEAD_BYTES = (
    64 * 1024
)  # of a head, a chunk's extension or a trailer; one read of the socket may come on top
_UNREADABLE = Problem(
    INVALID_REQUEST,
    f"This cannot be read as HTTP/1.1, its method is none that is known, or its head has more than {MOST_HEAD_BYTES} bytes.",
    headers={"connection": "close"},
)
_logger = logging.getLogger("cargo_ledger.http")


class Connection(HttpToolsProtocol):
    """A connection that is closed when too much has come in of which nothing could be handed on."""

    _pending = 0  # bytes since a head, a part of a body or a request was whole
    _moved = False

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._moved = False
        super().data_received(data)
        self._pending = 0 if self._moved else self._pending + len(data)
        if self._pending > MOST_HEAD_BYTES and not self.transport.is_closing():
            _logger.warning("a request that comes to no end was cut off")
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._moved = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a part of its body on."""
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Tell that there is no more of it."""
        self._moved = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, and close the connection; `msg` is the server's own word for it."""
        under_way = self.cycle is not None and not self.cycle.response_complete
        if (
            not under_way or not self.cycle.response_started
        ):  # else this would stand in the middle of that answer
            CURRENT.set(Noted(new_request_id()))
            answer = _UNREADABLE.to_response()
            CURRENT.set(None)
            head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
            self.transport.write(STATUS_LINE[400] + head + b"\r\n" + bytes(answer.body))
        if under_way:
            self.cycle.disconnected = True  # it may still be answered by the application, to nobody
        self.transport.close()
