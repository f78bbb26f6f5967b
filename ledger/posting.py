"""One POST to a receiver that nobody here trusts: to an address that was judged, within 15 seconds, whatever it answers.

The name is resolved once, all that it leads to is judged, and what is connected to is one of these addresses; the
certificate must be the name's. Redirects are not followed, no proxy and no cookie is known, and of an answer's body no
more than 64 KiB is read. Every request has a connection of its own.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpcore

from ledger.errors import DeliveryFailed, InvalidIdentifier
from ledger.receivers import Address, Network, Receiver, connectable

ANSWER_SECONDS = 15.0  # from the look-up of the name to the end of the answer
_CONNECT_SECONDS = 5.0  # to one of several addresses
MOST_BODY_BYTES = 64 * 1024
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver answered.

    Attributes:
        status: HTTP status; of a redirect its own.
        retry_after: The header of this name, as it is; empty if there is none.
    """

    status: int
    retry_after: str


class Names:
    """Resolves names by the machine's own means; one look-up of a name at a time, each in a thread of its own.

    A name server that does not answer so keeps one thread, which ends with the process, and nobody else waiting.
    """

    def __init__(self) -> None:
        self._asked: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a name, or of an address.

        Raises:
            OSError: It has none.
        """
        future = self._asked.get(host)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._asked[host] = loop.create_future()
            future.add_done_callback(
                lambda done: (self._asked.pop(host), done.cancelled() or done.exception())
            )
            threading.Thread(target=self._look_up, args=(loop, future, host, port), daemon=True).start()
        return await asyncio.shield(future)

    @staticmethod
    def _look_up(
        loop: asyncio.AbstractEventLoop, future: asyncio.Future[list[str]], host: str, port: int
    ) -> None:
        found: list[str] = []
        error: OSError | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(info[4][0]) for info in infos))
        except (OSError, UnicodeError) as raised:
            error = OSError(str(raised))
        with suppress(RuntimeError):  # the loop ended meanwhile
            loop.call_soon_threadsafe(_settle, future, found, error)


def _settle(future: asyncio.Future[list[str]], found: list[str], error: OSError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(found)
    else:
        future.set_exception(error)


async def post(
    receiver: Receiver,
    content: bytes,
    headers: Mapping[str, str],
    *,
    listed: Sequence[Network],
    resolve: Resolve,
    tls: ssl.SSLContext,
) -> Answer:
    """Send one request, and read the head of its answer.

    Args:
        receiver: Where to.
        content: The body.
        headers: Beside Host, Content-Length and Connection.
        listed: Networks that are not public and may be connected to all the same.
        resolve: Gives the addresses of a name.
        tls: Verifies certificates and the names in them.

    Raises:
        DeliveryFailed: There is no answer: nothing may be sent there, nothing listens, its certificate is not the
            name's, it took over 15 seconds, or what came is no HTTP. What is told holds no address.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                resolved = await resolve(receiver.host, receiver.port)
            except OSError:
                raise DeliveryFailed("its name leads to no address") from None
            addresses = connectable(receiver, resolved, listed)
            return await _exchange(receiver, addresses, content, headers, tls)
    except TimeoutError:
        raise DeliveryFailed(f"it did not answer within {ANSWER_SECONDS:g} seconds") from None
    except InvalidIdentifier as error:
        raise DeliveryFailed(f"nothing is sent there: {error.rule}") from None


async def _exchange(
    receiver: Receiver,
    addresses: Sequence[Address],
    content: bytes,
    headers: Mapping[str, str],
    tls: ssl.SSLContext,
) -> Answer:
    connection = httpcore.AsyncHTTPConnection(
        httpcore.Origin(receiver.scheme.encode(), receiver.host.encode(), receiver.port),
        ssl_context=tls,
        network_backend=_Judged(addresses),
    )
    sent = {
        "host": receiver.authority,
        "content-length": str(len(content)),
        "connection": "close",
        "accept-encoding": "identity",
    } | dict(headers)
    url = httpcore.URL(
        scheme=receiver.scheme.encode(),
        host=receiver.host.encode(),
        port=receiver.port,
        target=receiver.target.encode(),
    )
    try:
        request = httpcore.Request("POST", url, headers=list(sent.items()), content=content)
        answer = await connection.handle_async_request(request)
        given = {name.lower(): value for name, value in answer.headers}
        read = 0
        with suppress(httpcore.NetworkError, httpcore.ProtocolError):  # the head says all that is asked
            async for chunk in answer.aiter_stream():
                read += len(chunk)
                if read > MOST_BODY_BYTES:
                    break
        return Answer(answer.status, given.get(b"retry-after", b"").decode("latin-1"))
    except (httpcore.NetworkError, httpcore.TimeoutException) as error:
        raise DeliveryFailed(_why(error)) from None
    except httpcore.ProtocolError:
        raise DeliveryFailed("its answer is no HTTP") from None
    finally:
        await connection.aclose()


def _why(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "its certificate, or its encryption, cannot be used"
        cause = cause.__cause__ or cause.__context__
    return "it cannot be connected to" if isinstance(error, httpcore.ConnectError) else "the connection broke"


class _Judged(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were judged, one after the other, and to nothing that a name leads to."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first that takes it."""
        last: Exception = httpcore.ConnectError("there is no address")
        for address in self._addresses:
            try:
                return await self._network.connect_tcp(str(address), port, _CONNECT_SECONDS)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
