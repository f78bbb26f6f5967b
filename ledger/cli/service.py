"""What commands need that speak to a service: a client, a key that signs, and what a person calls a manifest or cargo."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli.opening import open_key
from ledger.cli.options import (
    DEFAULT_KEY_FOLDER,
    WHO_AND_WHERE,
    JsonOption,
    KeyFolderOption,
    KeyOption,
    PasswordFileOption,
    ReadingKeyOption,
    ServiceOption,
    party,
    profile_option,
)
from ledger.cli.outcome import CommandError
from ledger.cli.output import Output
from ledger.core.identifiers import Party, TradeReference
from ledger.errors import InvalidIdentifier, NotFound, NotPermitted, ServiceError

if TYPE_CHECKING:
    from ledger import keys
    from ledger.client import LedgerClient
    from ledger.config import ChainProfile
    from ledger.messages import ConsignmentView

RETRY_SECONDS = 3.0  # a person waits at the terminal: long enough for a restart of the service, no longer

_HEX32 = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_CONTAINER = re.compile(r"[A-Za-z]{4}[0-9]{6,7}")  # also with a wrong check digit: real documents have those


class Ambiguous(CommandError):
    """A name that means several things.

    Attributes:
        what: The kind of thing.
        name: What was given.
        ids: What it could mean, 0x hex.
    """

    def __init__(self, what: str, name: str, ids: list[str]) -> None:
        self.what = what
        self.name = name
        self.ids = ids
        super().__init__(f"{name} names {len(ids)} {what}s; give one's id: {', '.join(ids[:10])}")


@dataclass(frozen=True, slots=True)
class SignIn:
    """With what a command signs in, if the service lets nobody read who has not.

    Attributes:
        key: Opens the private key once it is needed; None if none was named.
        profile: The one chain that is signed in on, if one is given.
    """

    key: Callable[[], bytes] | None
    profile: ChainProfile | None


class ServiceReader:
    """A command that reads from a service.

    Attributes:
        url: The service's address.
        out: Where the command's answer goes.
    """

    def __init__(self, url: str, out: Output, sign_in: SignIn) -> None:
        self.url = url
        self.out = out
        self._sign_in = sign_in

    @cached_property
    def client(self) -> LedgerClient:
        """The client; made on first use, as its libraries are slow to import."""
        from ledger.client import LedgerClient

        return LedgerClient(
            self.url, key=self._sign_in.key, profile=self._sign_in.profile, retry_seconds=RETRY_SECONDS
        )

    def close(self) -> None:
        """Close the connections, if there are any; `options.using` does that when the command ends."""
        if "client" in self.__dict__:
            self.client.disconnect()

    def manifest_id(self, name: str) -> str:
        """The id (or record digest) of the manifest a person means: hex as it is, or a trade reference's only manifest.

        A reference that several manifests have means the one that is current, if only one is.
        """
        if _HEX32.fullmatch(name):
            return "0x" + name.removeprefix("0x").lower()
        reference = _reference(
            name, "an id (64 hex digits) or a trade reference, as ducr:9GB123456789000-INV1,"
        )
        found = [each for each in self.client.find_manifests(reference=reference) if each.id is not None]
        current = [each for each in found if each.closure is None and each.state != "refused"] or found
        ids = list(dict.fromkeys(str(each.id) for each in current))
        if not ids:
            raise NotFound("manifest of", reference)
        if len(ids) > 1:
            raise Ambiguous("manifest", reference, ids)
        return ids[0]

    def consignments(self, name: str) -> list[ConsignmentView]:
        """The consignments a person means: an id, a trade reference or a container number."""
        if _HEX32.fullmatch(name):
            return [self.client.consignment("0x" + name.removeprefix("0x").lower())]
        if _CONTAINER.fullmatch(name):
            found = self.client.find_consignments(container=name.upper())
            if not found:
                raise NotFound("consignment in container", name.upper())
            return found
        wanted = "a consignment id (64 hex digits), a trade reference (scheme:VALUE) or a container number"
        reference = _reference(name, wanted)
        found = self.client.find_consignments(reference=reference)
        if not found:
            raise NotFound("open consignment of", reference)
        return found

    def consignment(self, name: str) -> ConsignmentView:
        """The one consignment a person means; of several with one reference, the one that is open."""
        found = self.consignments(name)
        still_open = [each for each in found if not each.closed] or found
        if len(still_open) > 1:
            raise Ambiguous("consignment", name, [each.id for each in still_open])
        return still_open[0]


class ServiceSigner(ServiceReader):
    """A command that signs what it sends to a service.

    Attributes:
        key: The opened key.
    """

    def __init__(
        self, url: str, out: Output, key: keys.Key, acts_for: Party | None, profile: ChainProfile | None
    ) -> None:
        super().__init__(url, out, SignIn(lambda: key.private, profile))
        self.key = key
        self._acts_for = acts_for

    @cached_property
    def party(self) -> str:
        """For whom the account acts: as given, or as the registry has it."""
        if self._acts_for is not None:
            return str(self._acts_for)
        try:
            return self.client.account(self.key.address).party
        except ServiceError as error:
            if error.status != 404:
                raise
            reason = "it is not enrolled with any administration; its governor does that with `account enrol`"
            raise NotPermitted(self.key.address, reason) from None


def _reference(text: str, wanted: str) -> str:
    try:
        return str(TradeReference.parse(text))
    except InvalidIdentifier as error:
        raise typer.BadParameter(f"{wanted} is expected, not {text[:60]!r} ({error.rule})") from None


PartyOption = Annotated[
    Party | None,
    typer.Option(
        "--party",
        metavar="PARTY",
        parser=party,
        rich_help_panel=WHO_AND_WHERE,
        help="For whom you act; by default whom the key is enrolled for.",
    ),
]
PinnedProfileOption = Annotated[
    Path | None, profile_option("Sign only if the service follows this profile's chain.")
]


def sign_in(
    *,
    key: ReadingKeyOption = None,
    key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER,
    password_file: PasswordFileOption = None,
    profile: PinnedProfileOption = None,
) -> SignIn:
    """Options of a command that may have to sign in; the key stays closed, and its password unasked, until then."""
    from ledger.config import ChainProfile

    pinned = None if profile is None else ChainProfile.load(profile)
    if key is None:
        return SignIn(None, pinned)
    return SignIn(lambda: open_key(key, key_folder, password_file).private, pinned)


def service_reader(
    *,
    service: ServiceOption,
    key: ReadingKeyOption = None,
    key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER,
    password_file: PasswordFileOption = None,
    profile: PinnedProfileOption = None,
    as_json: JsonOption = False,
) -> ServiceReader:
    """Options of a command that reads from a service."""
    opening = sign_in(key=key, key_folder=key_folder, password_file=password_file, profile=profile)
    return ServiceReader(service, Output(as_json), opening)


def service_signer(
    *,
    service: ServiceOption,
    key: KeyOption,
    key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER,
    password_file: PasswordFileOption = None,
    acts_for: PartyOption = None,
    profile: PinnedProfileOption = None,
    as_json: JsonOption = False,
) -> ServiceSigner:
    """Options of a command that signs and sends to a service."""
    from ledger.config import ChainProfile

    pinned = None if profile is None else ChainProfile.load(profile)
    return ServiceSigner(service, Output(as_json), open_key(key, key_folder, password_file), acts_for, pinned)
