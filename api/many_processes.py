"""Several processes of the API behind one port: this one listens and keeps them running, they accept and answer.

They share one socket, so that a connection which nobody has accepted yet outlives the process that dies.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from types import FrameType

from api.kept_process import KeptProcess
from api.listening import listen, say_ready
from api.settings import Settings

LISTENING, READY = "--listening", "--ready"  # numbers of open files, told to the processes


def keep_serving(settings: Settings, processes: int, *, with_worker: bool) -> None:
    """Keep processes of the API running until SIGTERM or SIGINT; they finish what they have begun.

    Args:
        settings: Whose service, and where it listens.
        processes: How many.
        with_worker: Keep a worker running too.

    Raises:
        InvalidProfile: The address or port cannot be listened on.
    """
    listener = listen(settings)
    told, ready = os.pipe()
    share = ["--role", "api", LISTENING, str(listener.fileno()), READY, str(ready)]
    inherits = (listener.fileno(), ready)
    kept = [KeptProcess(f"process {i + 1} of the API", share, inherits) for i in range(processes)]
    if with_worker:
        kept.append(KeptProcess("the worker", ["--role", "worker"]))
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    for each in kept:
        each.start()
    try:
        waiting = processes
        while waiting > 0 and not stop.is_set():
            if select.select([told], [], [], 0.2)[0]:
                waiting -= len(os.read(told, waiting))
        if not stop.is_set():
            say_ready(settings, listener)
        stop.wait()
    finally:
        for each in kept:
            each.ask_to_end()
        for each in kept:
            each.stop()
        listener.close()
