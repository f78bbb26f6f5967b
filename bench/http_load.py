"""A client that costs little, since it shares the machine with the service: requests are bytes made before, answers read raw."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop

_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Posted:
    """An answered request.

    Attributes:
        status: Of HTTP.
        body: Of the answer.
        began: When it was sent, by the monotonic clock.
        ended: When the whole answer was there.
    """

    status: int
    body: bytes
    began: float
    ended: float


def post_all(url: str, bodies: Sequence[bytes], connections: int, per_second: float = 0) -> list[Posted]:
    """Post JSON bodies over some connections that are kept, each sending its next when it has its answer.

    Args:
        url: Where to.
        bodies: What to post.
        connections: How many at a time.
        per_second: At most so many, evenly; 0 is as fast as it goes.
    """
    return uvloop.run(_post_all(url, bodies, connections, per_second))


async def _post_all(url: str, bodies: Sequence[bytes], connections: int, per_second: float) -> list[Posted]:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\ncontent-length: "
    waiting = iter(enumerate(bodies))
    answers: list[Posted] = []
    start = time.monotonic()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        transport, connection = await loop.create_connection(_Connection, parts.hostname, parts.port)
        for number, body in waiting:
            if per_second:
                await asyncio.sleep(max(0.0, start + number / per_second - time.monotonic()))
            began = time.monotonic()
            transport.write(b"%b%d\r\n\r\n%b" % (head.encode(), len(body), body))
            status, content = await connection.answer()
            answers.append(Posted(status, content, began, time.monotonic()))
        transport.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return answers


class _Connection(asyncio.Protocol):
    """Reads one answer at a time, which says how long it is."""

    def __init__(self) -> None:
        self._read = b""
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None

    def answer(self) -> asyncio.Future[tuple[int, bytes]]:
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, content = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        if len(content) >= length:
            self._read = content[length:]
            self._waiting.set_result((int(head[9:12]), content[:length]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("the service closed the connection"))


def stream(url: str, lines: Sequence[bytes], each: Callable[[int], None] = lambda count: None) -> list[bytes]:
    """Send lines in one request of NDJSON, reading the answers meanwhile.

    Args:
        url: Where to.
        lines: What to send.
        each: Told, as answers come, how many have come.

    Returns:
        The lines of the answer.
    """
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/x-ndjson\r\n"
        connection.sendall(f"{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode())
        sender = threading.Thread(target=_send_lines, args=(connection, lines))
        sender.start()
        answers = _read_lines(connection.makefile("rb"), each)
        sender.join()
    return answers


def _send_lines(connection: socket.socket, lines: Sequence[bytes]) -> None:
    part: list[bytes] = []
    size = 0
    for line in (*lines, b""):
        part.append(line)
        size += len(line) + 1
        if size >= _CHUNK or not line:
            connection.sendall(
                b"%x\r\n" % (size - (not line)) + b"\n".join(part) + b"\n" * bool(line) + b"\r\n"
            )
            part, size = [], 0
    connection.sendall(b"0\r\n\r\n")


def _read_lines(answer, each: Callable[[int], None]) -> list[bytes]:
    status = answer.readline()
    assert b" 200 " in status, status
    while answer.readline() != b"\r\n":
        pass
    lines: list[bytes] = []
    begun = b""
    while length := int(answer.readline(), 16):
        *whole, begun = (begun + answer.read(length)).split(b"\n")
        answer.read(2)
        lines += whole
        each(len(lines))
    assert not begun
    return lines
