"""How much each client may ask: a token bucket a client address, and one an account, so that who asks too much slows down nobody else.

Each process of the API counts for itself. A client is the address of its connection (of IPv6 the first 64 bits, which one
owner has whole), or, behind a proxy that the settings name, the last address in `X-Forwarded-For` that is no such proxy.
An account is who a session's token says it is, or who signed what is written, from whatever addresses it asks: of a write
that is known once its signature is checked, before anybody waits for the database.

A line of a batch counts as a quarter of a request, of its address and of who signed it, and so does each custody record
beyond the first of a request: that is about what it costs. So 60,000 a minute are 240,000 lines at once and 4,000 a second
after.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from starlette.types import ASGIApp, Receive, Scope, Send

from api import headers
from api.problems import TOO_MANY_REQUESTS, Problem

MOST_CLIENTS = 10_000  # remembered at a time, about 2 MB; who was longest away is forgotten, and begins anew
LINE = 0.25  # of a request, for each of many that come in one
_SIGN_IN = "/v1/sessions"
_COUNTED_AS = "cargo_ledger.counted_as"  # in the scope of a request: the client that it was counted as
_NOT_COUNTED = frozenset(
    {"/healthz", "/readyz", "/metrics"}
)  # a monitor must see a service that is asked too much


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """Token buckets by name; safe to use from several threads.

    Args:
        per_minute: How fast a bucket fills, and how much it holds, at least 1.
        most: How many are remembered.
        clock: Seconds that never go back, whatever is done to the time of day.
    """

    def __init__(
        self, per_minute: int, most: int = MOST_CLIENTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._holds = float(per_minute)
        self._per_second = per_minute / 60
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._taking = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, tokens: float = 1.0) -> float:
        """Take tokens of a bucket; returns 0, or in how many seconds there are enough. A refusal takes nothing.

        Of a full bucket more is taken than it holds, and owed: what is asked for at once may be more than that.
        """
        with self._taking:
            return self._take(name, tokens, self._clock())

    def _take(self, name: str, tokens: float, now: float) -> float:
        bucket = self._buckets.get(name)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._buckets.popitem(last=False)
            bucket = self._buckets[name] = _Bucket(self._holds, now)
        self._buckets.move_to_end(name)
        bucket.tokens = min(self._holds, bucket.tokens + (now - bucket.at) * self._per_second)
        bucket.at = now
        enough = min(tokens, self._holds)
        if bucket.tokens >= enough:
            bucket.tokens -= tokens
            return 0.0
        return (enough - bucket.tokens) / self._per_second


def address_of(peer: str, forwarded: str, proxies: Collection[str]) -> str:
    """The address of who asks.

    Args:
        peer: Address of the connection.
        forwarded: `X-Forwarded-For` as it was sent.
        proxies: Addresses whose `X-Forwarded-For` is believed.
    """
    address = peer
    for said in reversed(forwarded.split(",")):
        if address not in proxies:
            break
        try:
            address = str(ipaddress.ip_address(said.strip()))
        except ValueError:
            break  # a proxy that says no address is itself the client
    return address


@lru_cache(maxsize=MOST_CLIENTS)
def client_of(peer: str, forwarded: str, proxies: frozenset[str]) -> str:
    """Who asks, as one who is counted; the arguments are those of `address_of`."""
    address = address_of(peer, forwarded, proxies)
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(ipaddress.ip_network((read, 64), strict=False))
    return str(read)


class Limits:
    """ASGI middleware: answers 429 to a client that asks too much, before anything of its request is read.

    Args:
        app: What is served.
        requests: Of any kind.
        sign_ins: Challenges and attempts to sign in, which are counted here alone.
        proxies: Addresses whose `X-Forwarded-For` is believed.
    """

    def __init__(self, app: ASGIApp, requests: Buckets, sign_ins: Buckets, proxies: Collection[str]) -> None:
        self.app = app
        self._requests = requests
        self._sign_ins = sign_ins
        self._proxies = frozenset(proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in _NOT_COUNTED:
            await self.app(scope, receive, send)
            return
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded = ",".join(headers.values(scope, b"x-forwarded-for"))
        signs_in = scope["method"] == "POST" and scope["path"].startswith(_SIGN_IN)
        buckets = self._sign_ins if signs_in else self._requests
        client = scope[_COUNTED_AS] = client_of(peer, forwarded, self._proxies)
        wait = buckets.take(client)
        if wait == 0:
            await self.app(scope, receive, send)
            return
        problem = too_many("This address", "sign-ins" if signs_in else "requests", wait)
        await problem.to_response()(scope, receive, send)


def count_account(accounts: Buckets, address: str, many: int = 1) -> None:
    """Count a request of an account.

    Args:
        accounts: The buckets of accounts.
        address: 20 bytes as hex, in any spelling.
        many: How many things it writes with it; each beyond the first counts as a line.

    Raises:
        Problem: It is to wait.
    """
    wait = accounts.take(address.lower(), 1 + (many - 1) * LINE)
    if wait > 0:
        raise too_many("This account", "requests", wait)


def counting(accounts: Buckets) -> Callable[[bytes, int], None]:
    """What counts a request of the account, 20 bytes, that signed what is written, as `count_account` does."""
    return lambda signer, many: count_account(accounts, "0x" + signer.hex(), many)


def count_further(scope: Scope, addresses: Buckets, many: int) -> None:
    """Count what comes beside the first in one request, of its address; the request itself is counted.

    Args:
        scope: The request's.
        addresses: The buckets that the request was counted in.
        many: How many come in it, from 1.

    Raises:
        Problem: It is to wait.
    """
    wait = addresses.take(scope[_COUNTED_AS], (many - 1) * LINE)
    if wait > 0:
        raise too_many("This address", "records", wait)


class LinesOfRequest:
    """Counts the lines of one request, by its address and by who signed each.

    Who is refused a line is refused those that follow, until it has sent none for as long as it was told to wait: what is
    taken of a client that does not wait is the beginning of what it sent, without a gap. So an amendment is not judged
    before what it amends, and the client goes on from the first line that was refused.

    Args:
        scope: The request's.
        addresses: The buckets that the request was counted in.
        accounts: Those of accounts.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        scope: Scope,
        addresses: Buckets,
        accounts: Buckets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address: str = scope[_COUNTED_AS]
        self._addresses = addresses
        self._accounts = accounts
        self._clock = clock
        self._refused: dict[
            str, tuple[float, float]
        ] = {}  # until when it is to send nothing, and for how long

    def count(self) -> None:
        """Count a line of the address.

        Raises:
            Problem: It is to wait.
        """
        self._count("This address", self._addresses, self._address)

    def count_signer(self, signer: bytes) -> None:
        """Count a line of the account, 20 bytes, that signed it.

        Raises:
            Problem: It is to wait.
        """
        self._count("This account", self._accounts, "0x" + signer.hex())

    def _count(self, who: str, buckets: Buckets, name: str) -> None:
        until, wait = self._refused.get(name, (0.0, 0.0))
        if self._clock() >= until:
            wait = buckets.take(name, LINE)
            if wait == 0:
                return
        problem = too_many(who, "lines", wait, "send this line and those after it again in {} s")
        self._refused[name] = self._clock() + problem.facts["retry_after_seconds"], wait
        raise problem


def too_many(who: str, what: str, wait_seconds: float, remedy: str = "go on in {} s") -> Problem:
    """The problem of one who asks too much."""
    seconds = max(1, math.ceil(wait_seconds))
    return Problem(
        TOO_MANY_REQUESTS,
        f"{who} sends more {what} than are taken; {remedy.format(seconds)}.",
        {"retry_after_seconds": seconds},
        {"retry-after": str(seconds)},
    )


def may_read_metrics(
    peer: str, forwarded: str, proxies: Collection[str], also: Collection[IPv4Network | IPv6Network]
) -> bool:
    """Whether metrics are for who asks: a program on this machine, or an address that the settings name.

    What came over a proxy that the settings do not name is from anywhere.
    """
    if forwarded and peer not in proxies:
        return False
    try:
        address = ipaddress.ip_address(address_of(peer, forwarded, proxies).partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or any(address in network for network in also)
