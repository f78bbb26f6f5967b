"""`python -m api`: the API and its worker, or one of them alone (`--role api`, `--role worker`).

Settings come from the environment, see `api.settings`. Ends with 0 when asked to (SIGTERM, SIGINT), with 2 when it
cannot start, after one sentence that says why.
"""

from __future__ import annotations

import argparse
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from pydantic import ValidationError

from api.app import create_app
from api.settings import Settings
from api.worker_process import UNTIL_PARENT_ENDS, WorkerProcess, end_with_parent
from ledger.errors import InvalidProfile, LedgerError
from ledger.ledger import Ledger

CANNOT_START = 2
GRACE_SECONDS = 10  # for requests that are under way when the service is asked to end


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service; the result is the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m api", description="The service of one customs administration."
    )
    parser.add_argument("--role", choices=("all", "api", "worker"), default="all", help="what to run (all)")
    parser.add_argument("--create", action="store_true", help="make the database if it is not there")
    parser.add_argument(UNTIL_PARENT_ENDS, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if options.until_parent_ends:
        end_with_parent()
    try:
        settings = Settings()  # type: ignore[call-arg]  # its fields come from the environment
        ledger = Ledger.open(settings.config, create=options.create)
        if options.role == "worker":
            _work(ledger)
        else:
            ledger.close()  # it can be opened; the application opens its own
            _serve(settings, with_worker=options.role == "all")
    except ValidationError as error:
        first = error.errors()[0]
        name = "LEDGER_" + "_".join(str(part) for part in first["loc"]).upper()
        print(f"{name}: {first['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return CANNOT_START
    except LedgerError as error:
        print(error, file=sys.stderr)
        return CANNOT_START
    return 0


def _work(ledger: Ledger) -> None:
    stop = threading.Event()
    _on_end(stop.set)
    try:
        ledger.run_worker(stop)
    finally:
        ledger.close()


def _serve(settings: Settings, *, with_worker: bool) -> None:
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    server = _Server(
        uvicorn.Config(
            create_app(settings),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # what a proxy says of itself is never believed; see `api.dependencies`
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
        f"The cargo ledger of {settings.administration} is at {address} ({address}/openapi.json lists its routes).",
    )
    _on_end(server.end)
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

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.ready, flush=True)

    def end(self) -> None:
        self.should_exit = True


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        raise InvalidProfile(where, f"it cannot be listened on: {error.strerror or error}") from None


def _on_end(end: Callable[[], None]) -> None:
    """Call this when the process is asked to end."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        end()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


if __name__ == "__main__":
    sys.exit(main())
