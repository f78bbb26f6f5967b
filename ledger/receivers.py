"""Which addresses on the network a webhook may go to. Pure: who resolves names, and who connects, is for the callers.

A receiver is judged twice: its URL when it is given, and every address that its name leads to each time before one is
connected to, which is then that very address. What is not public is refused unless the settings list its network. An
administration's own gateway between IPv6 and IPv4 under a prefix of its own (RFC 6052) can't be told from a host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ledger.errors import InvalidIdentifier

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_URL_CHARACTERS = 2_000
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a last label that a resolver may read as part of an address
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"^`{|}]")
# IANA's special-purpose registries, and what a cloud serves its machines at. Of IPv6 nothing is public outside 2000::/3:
# neither what is mapped from IPv4 nor what is translated to it (64:ff9b::/96) is in there, 6to4 and Teredo are below.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
_IPV6_PUBLIC = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a webhook goes.

    Attributes:
        scheme: `https` or, inside a listed network, `http`.
        host: A name, or an address; IPv6 without brackets.
        port: 1 to 65535.
        target: Path with query, as it is asked for.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


_DEFAULT_PORTS = {"https": 443, "http": 80}


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, by itself and not by what it carries."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _IPV6_PUBLIC:
        return False
    return not _is_in(address, _NOT_PUBLIC)


def read_receiver(url: str, listed: Sequence[Network]) -> Receiver:
    """Read a receiver's URL as it is given; where its name leads to is **not** looked at.

    Args:
        url: Its URL.
        listed: Networks that are not public and may be connected to all the same.

    Raises:
        InvalidIdentifier: It is of a form in which two readers could see two hosts, is no `http` or `https` URL, or is
            an address that nothing is sent to.
    """

    def refused(rule: str) -> InvalidIdentifier:
        return InvalidIdentifier("webhook URL", url, rule)

    if not url.isascii() or _FORBIDDEN.search(url) or len(url) > MOST_URL_CHARACTERS:
        raise refused(
            f"it must be at most {MOST_URL_CHARACTERS} characters of ASCII, without spaces, backslashes and quotes"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refused("it is no URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not url.startswith(parts.scheme + "://"):
        raise refused("it must begin with https://")
    if "@" in parts.netloc or "#" in url:
        raise refused("it must hold neither a user nor a fragment")
    host = parts.hostname or ""
    address: Address | None = None
    if parts.netloc.startswith("["):
        try:
            address = ipaddress.IPv6Address(host)
        except ValueError:
            raise refused("its IPv6 address is none") from None
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            raise refused("its IPv4 address must be four decimal numbers") from None
    elif not _NAME.fullmatch(host):
        raise refused("its host must be a name of letters, digits and hyphens, or an address")
    if port == 0 or parts.netloc.endswith(":"):
        raise refused("its port is none")
    target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    host = host if address is None else str(address)
    receiver = Receiver(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], target)
    if address is not None:
        connectable(receiver, [str(address)], listed)
    elif receiver.scheme != "https" and not listed:
        raise refused("it must begin with https://")
    return receiver


def connectable(receiver: Receiver, resolved: Sequence[str], listed: Sequence[Network]) -> list[Address]:
    """The addresses to connect to, in the order given, if *each* of them may be connected to.

    Args:
        receiver: Where to.
        resolved: What its name leads to now, as text; of an address, that address.
        listed: Networks that are not public and may be connected to all the same, unencrypted too.

    Raises:
        InvalidIdentifier: It leads nowhere, or one of the addresses is refused. Which one is not said: a name inside an
            administration's network leads to what is nobody else's business.
    """

    def refused(rule: str) -> InvalidIdentifier:
        return InvalidIdentifier("webhook host", receiver.host, rule)

    addresses: list[Address] = []
    for text in resolved:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise refused("it leads to no address") from None
        if not _is_in(address, listed):
            if not is_public(address):
                raise refused("it must lead to public addresses alone")
            if receiver.scheme != "https":
                raise refused("it must be reached by https://")
        addresses.append(address)
    if not addresses:
        raise refused("it leads to no address")
    return addresses


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
