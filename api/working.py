"""The worker's process: one ledger's worker, until the process is asked to end."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from api.collecting import collect_rarely
from ledger.ledger import Ledger


def work(ledger: Ledger) -> None:
    """Run the worker until SIGTERM or SIGINT; a turn that has begun is finished."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    collect_rarely()
    try:
        ledger.run_worker(stop)
    finally:
        ledger.close()
