"""A process of ours that is kept running: started, started again when it dies, gone when the one that keeps it is gone."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
HEALTHY_SECONDS = 30.0  # after a life as long as this the next pause is the first again
STOP_SECONDS = 20.0
UNTIL_PARENT_ENDS = "--until-parent-ends"
_logger = logging.getLogger("cargo_ledger.api")


class KeptProcess:
    """Keeps one `python -m api` running: the worker, or one of several processes of the API.

    It reads a pipe that only this process can close, and ends when it closes: so it ends with this process however that
    ends, `kill -9` too. Why not the kernel's parent-death signal: it follows the thread that started the child, and
    exists on Linux only.

    Args:
        name: What it is called in the log.
        arguments: Of `python -m api`.
        inherits: Open files that it gets, by their numbers here.
    """

    def __init__(self, name: str, arguments: Sequence[str], inherits: Sequence[int] = ()) -> None:
        self._name = name
        self._command = [sys.executable, "-m", "api", *arguments, UNTIL_PARENT_ENDS]
        self._inherits = tuple(inherits)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_running, name=name, daemon=True)

    def start(self) -> None:
        """Start it, and go on starting it."""
        self._thread.start()

    def ask_to_end(self) -> None:
        """Ask it to finish what it does and end, and start it no more."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()

    def stop(self) -> None:
        """Ask it to end; after 20 seconds, end it."""
        self.ask_to_end()
        process = self._process
        if process is not None:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _keep_running(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            with subprocess.Popen(  # noqa: S603  our own program
                self._command, stdin=subprocess.PIPE, pass_fds=self._inherits
            ) as process:
                self._process = process
                if self._stopping.is_set():
                    process.terminate()
                # not communicate or wait alone: the pipe must stay open until it has ended
                process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > HEALTHY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            _logger.warning(
                "%s ended with %s; starting it again in %.1f s", self._name, process.returncode, pause
            )
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def end_with_parent() -> None:
    """In what is kept: end this process, whatever it does, as soon as the one that started it is gone."""

    def wait_for_end() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait_for_end, name="until-parent-ends", daemon=True).start()
