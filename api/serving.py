"""The API's process: the application on a socket, and its worker beside it."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.observing import export_traces
from api.settings import Settings
from api.streams import Streams
from api.worker_process import WorkerProcess
from ledger.errors import InvalidProfile

UNREAD_MILLISECONDS = 30_000
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
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    app = create_app(settings)
    server = _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # what a proxy says of itself is never believed; see `api.dependencies`
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
        app,
        f"The cargo ledger of {settings.administration} is at {address} ({address}/openapi.json lists its routes).",
    )
    signal.signal(signal.SIGTERM, server.end)
    signal.signal(signal.SIGINT, server.end)
    worker = WorkerProcess() if with_worker else None
    try:
        if worker is not None:
            worker.start()
        server.run([listener])
    finally:
        if worker is not None:
            worker.stop()


class _Server(uvicorn.Server):
    """A server that says one line when it is ready."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, ready: str) -> None:
        super().__init__(config)
        self.app = app
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.ready, flush=True)

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """Handle a signal before the server does, and again after: it raises those it has handled once more."""
        self.should_exit = True
        streams: Streams | None = getattr(self.app.state, "streams", None)
        if streams is not None:
            streams.end()  # they would go on for as long as the grace lasts


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        # whoever takes nothing of an answer for so long is gone, and what is kept for them with it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        return listener
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        raise InvalidProfile(where, f"it cannot be listened on: {error.strerror or error}") from None
