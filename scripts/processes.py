"""Processes that a folder remembers: found again by a later run, and ended exactly, with no other process.

A process is known by its id and the time it started: an id is used again, this pair is not.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ledger.config import write_atomically
from ledger.errors import LedgerError

STOP_SECONDS = 15


class CannotStart(LedgerError):
    """A part of a network does not start.

    Attributes:
        what: Which part.
        reason: Why, and what to do.
    """

    def __init__(self, what: str, reason: str) -> None:
        self.what = what
        self.reason = reason
        super().__init__(f"{what} does not start: {reason}")


class Busy(LedgerError):
    """Another process works in the folder.

    Attributes:
        folder: Which.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"Another process is starting or stopping what is in {folder}: wait for it to end.")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only one that starts and stops what is in a folder, for as long as this lasts.

    Raises:
        Busy: Somebody else is.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # beside the folder, since that is emptied; not handed on to what is started, which outlives us
    with (folder.parent / f".{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(folder) from None
        yield


def note(folder: Path, pid: int) -> None:
    """Remember a process that was just started for a folder."""
    text = json.dumps({"pid": pid, "started": _started(pid)})
    write_atomically(folder / "process.json", text + "\n")


def running(folder: Path) -> int | None:
    """The id of the process that was started for a folder, if that one still runs."""
    try:
        noted = json.loads((folder / "process.json").read_text())
        pid, started = int(noted["pid"]), str(noted["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if started and _started(pid) == started else None


def end(folders: Iterable[Path]) -> dict[Path, int]:
    """End the processes of some folders: all are asked at once, and killed if they do not end in 15 seconds.

    Returns:
        The ids of those that ran, by folder.
    """
    found = {folder: pid for folder in folders if (pid := running(folder)) is not None}
    for pid in found.values():
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while alive := [pid for folder, pid in found.items() if running(folder) == pid]:
        if time.monotonic() > deadline:
            for pid in alive:
                _signal(pid, signal.SIGKILL)
            deadline += STOP_SECONDS
        time.sleep(0.05)
    for pid in found.values():
        _reap(pid)
    return found


def last_line(log: Path) -> str:
    """The last that a process said, and where it says it."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    said = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
    return f"{said} Its log is {log}."


def _started(pid: int) -> str:
    """When a process started, in ticks since the machine did; "" if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, number)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):  # it was started by another run
        os.waitpid(pid, os.WNOHANG)
