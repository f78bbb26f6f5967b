"""What processes that check chunks begin with in tests of them; each process imports it from here."""

import os
import signal
from multiprocessing.connection import Connection

from ledger.audit import processes
from ledger.audit.checking import Checked


def killed_while_answering():
    """In a process that checks: what answers with half an answer, and is killed."""

    def half(connection, data):
        os.write(connection.fileno(), bytes(data)[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    def check(chunk):
        Connection._send = half
        return bytes(1_000)

    return check


def killed_among_its_rows():
    """In a process that checks: what answers, sends half of the rows that belong to it, and is killed."""

    def half(connection, data):
        os.write(connection.fileno(), data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    processes._send = half
    return lambda chunk: Checked(chunk.first, rows=bytearray(3_200))


def nothing_begins():
    raise MemoryError


def refuses():
    def check(chunk):
        raise ValueError(f"block {chunk.first}")

    return check
