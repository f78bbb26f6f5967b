"""Processor time, of the machine and of some processes."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds() -> float:
    """Processor time that the machine has spent on anything, stolen time included, all cores together."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def seconds_of(processes: Iterable[int]) -> float:
    """What processes, and their children that have ended, have used, user and system together.

    One that has ended itself counts as nothing: what it used is its parent's by then.
    """
    ticks = 0
    for process in processes:
        with suppress(FileNotFoundError, ProcessLookupError):
            ticks += sum(map(int, _stat(process)[11:15]))
    return ticks / _TICKS


def family(process: int) -> list[int]:
    """A process and all that run under it; those that end meanwhile may be among them."""
    found = [process]
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def resident_mib(process: int) -> float:
    """What a process holds in memory."""
    return int(_stat(process)[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
