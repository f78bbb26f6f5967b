"""Sign-In with Ethereum (EIP-4361): the text that an account signs to be let read.

Only the one spelling that a service of this ledger issues is read, so that what a person sees in a wallet is what is
judged. A client reads it too, before it signs: a text for another site than the one it talks to is how a signature is
stolen. That a text was issued, and is used once, is for `ledger.sessions`; who may read, for `ledger.reading`.

Why no library for it: the service takes back byte for byte what it gave out, so there is nothing to be lenient about.
Accounts that are contracts (EIP-1271) can't sign in, as they can't be enrolled.

Source: EIP-4361; EIP-191 version 0x45 for what is signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ledger.core.records import keccak
from ledger.core.signatures import checksummed
from ledger.errors import InvalidSignIn

MAX_CHARACTERS = 2_000  # a text has about 350; domain and URI are a service's own
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_FORM = re.compile(
    r"(?P<domain>[a-z0-9.:\[\]-]{1,255}) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?P<statement>[ -~]{1,200})\n\n"
    r"URI: (?P<uri>https?://[!-~]{1,500})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[1-9][0-9]{0,18})\n"
    r"Nonce: (?P<nonce>[0-9a-f]{64})\n"
    rf"Issued At: (?P<issued_at>{_TIME})\n"
    rf"Expiration Time: (?P<expires_at>{_TIME})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Site:
    """As what a service is known to those who sign in.

    Attributes:
        domain: Host in lower case, and port where it is not the scheme's own, e.g. `ledger.customs.example`.
        uri: Where it is reached, e.g. `https://ledger.customs.example`.
    """

    domain: str
    uri: str

    @classmethod
    def of(cls, url: str) -> Site:
        """The site of a service's address, `https://host[:port][/path]`.

        Raises:
            InvalidSignIn: It is no http or https address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise InvalidSignIn(f"{url[:80]!r} is no http or https address") from None
        host = (parts.hostname or "").lower()
        if parts.scheme not in ("http", "https") or not host or not host.isascii():
            raise InvalidSignIn(f"{url[:80]!r} is no http or https address")
        domain = f"[{host}]" if ":" in host else host
        if port is not None and port != {"http": 80, "https": 443}[parts.scheme]:
            domain += f":{port}"
        return cls(domain, f"{parts.scheme}://{domain}{parts.path.rstrip('/')}")


@dataclass(frozen=True, slots=True)
class SignInMessage:
    """The text, in its fields.

    Attributes:
        site: The service that issued it.
        address: Who signs in, checksummed.
        statement: What is asked for, in words.
        chain_id: EIP-155 chain id.
        nonce: Used once, 64 lower-case hex digits.
        issued_at: Unix seconds.
        expires_at: Unix seconds; the first second in which it is no longer taken.
    """

    site: Site
    address: str
    statement: str
    chain_id: int
    nonce: str
    issued_at: int
    expires_at: int

    def to_text(self) -> str:
        """The text as it is signed."""
        return (
            f"{self.site.domain} wants you to sign in with your Ethereum account:\n{self.address}\n\n"
            f"{self.statement}\n\nURI: {self.site.uri}\nVersion: 1\nChain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\nIssued At: {_rfc3339(self.issued_at)}\n"
            f"Expiration Time: {_rfc3339(self.expires_at)}"
        )

    @classmethod
    def parse(cls, text: str) -> SignInMessage:
        """Read a text; `to_text` of what is returned is the text.

        Raises:
            InvalidSignIn: It is not of the form that a service issues.
        """
        found = _FORM.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
        if found is None:
            raise InvalidSignIn("it is not of the form that a challenge has; sign the text as it was given")
        if checksummed(bytes.fromhex(found["address"][2:])) != found["address"]:
            raise InvalidSignIn("the address's checksum is wrong")
        return cls(
            Site(found["domain"], found["uri"]),
            found["address"],
            found["statement"],
            int(found["chain_id"]),
            found["nonce"],
            _seconds(found["issued_at"]),
            _seconds(found["expires_at"]),
        )

    def require(self, site: Site, chain_id: int, address: str) -> None:
        """Refuse to sign what is for another service, chain or account; what a client does with what it is given.

        Raises:
            InvalidSignIn: Which of them it is.
        """
        for what, found, expected in (
            ("domain", self.site.domain, site.domain),
            ("URI", self.site.uri, site.uri),
            ("chain id", self.chain_id, chain_id),
            ("address", self.address, address),
        ):
            if found != expected:
                raise InvalidSignIn(f"its {what} is {found}, and {expected} is expected")


def digest(text: str) -> bytes:
    """What a wallet signs for a text (EIP-191, `personal_sign`), 32 bytes."""
    data = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n%d" % len(data) + data)


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise InvalidSignIn(f"{text} is no time") from None
