"""One process of the API: the application on a socket, and where it is the only one, its worker beside it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.collecting import collect_rarely
from api.connections import Connection
from api.kept_process import KeptProcess
from api.listening import listen, say_ready
from api.observing import export_traces
from api.settings import Settings
from api.streams import Streams

#: How bytes become requests: uvicorn's options, whoever runs it.
PROTOCOL: dict[str, Any] = {"loop": "uvloop", "http": Connection, "ws": "none"}
GRACE_SECONDS = 10  # for requests that are under way when the service is asked to end


def serve(settings: Settings, *, with_worker: bool) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: Whose service, and where it listens.
        with_worker: Run the worker too, as a process of its own.

    Raises:
        InvalidProfile: The address or port cannot be listened on, or traces are wanted and can't be made.
    """
    export_traces()
    listener = listen(settings)
    server = _server(settings, lambda: say_ready(settings, listener))
    worker = KeptProcess("the worker", ["--role", "worker"]) if with_worker else None
    try:
        if worker is not None:
            worker.start()
        server.run([listener])
    finally:
        if worker is not None:
            worker.stop()


def serve_among_many(settings: Settings, listening: int, ready: int) -> None:
    """Serve beside other processes, until SIGTERM or SIGINT; see `api.many_processes`.

    Args:
        settings: Whose service.
        listening: The number of the socket that all of them listen on.
        ready: The number of a pipe that is told, by a byte, when this one serves.

    Raises:
        InvalidProfile: Traces are wanted and can't be made.
    """
    export_traces()

    def tell() -> None:
        os.write(ready, b".")

    _server(settings, tell).run([socket.socket(fileno=listening)])


def _server(settings: Settings, when_ready: Callable[[], None]) -> _Server:
    """A server that ends at SIGTERM and SIGINT."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        **PROTOCOL,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # what a proxy says of itself is never believed; see `api.dependencies`
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, app, when_ready)
    signal.signal(signal.SIGTERM, server.end)
    signal.signal(signal.SIGINT, server.end)
    return server


class _Server(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, when_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.app = app
        self._when_ready = when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            collect_rarely()
            self._when_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal while the server runs."""
        super().handle_exit(sig, frame)
        self._end_streams()

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle a signal before the server does, and again after: it raises those it has handled once more."""
        self.should_exit = True
        self._end_streams()

    def _end_streams(self) -> None:
        streams: Streams | None = getattr(self.app.state, "streams", None)
        if streams is not None:
            streams.end()  # they would go on for as long as the grace lasts
