"""What the service is told: read once from the environment (`LEDGER_…`), then passed down."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ledger import key_files, keys
from ledger.config import ChainProfile, LedgerConfig
from ledger.errors import InvalidProfile
from ledger.receivers import Network
from ledger.sign_in import Site


def _load(profile: object) -> object:
    return ChainProfile.load(profile) if isinstance(profile, str | Path) else profile


def _require_site(url: str | None) -> str | None:
    if url is not None:
        Site.of(url)
    return url


def _split(paths: object) -> object:
    return (
        tuple(path.strip() for path in paths.split(",") if path.strip()) if isinstance(paths, str) else paths
    )


def _addresses(listed: object) -> object:
    if not isinstance(listed, str):
        return listed
    return tuple(str(ipaddress.ip_address(each.strip())) for each in listed.split(",") if each.strip())


def _networks(listed: object) -> object:
    if not isinstance(listed, str):
        return listed
    return tuple(ipaddress.ip_network(each.strip()) for each in listed.split(",") if each.strip())


class Settings(BaseSettings):
    """One administration's service.

    Attributes:
        administration: Whose service this is, e.g. `SG`.
        database_url: `sqlite:///path`, or `postgresql://user@host:port/name`, a URI as libpq reads it.
        profile: The chain it follows; in the environment the path of a chain profile.
        host: Address to listen on; loopback unless said otherwise.
        port: Port to listen on; 0 takes any free one.
        sequencer_key_file: Key file of the account that signs promises and anchors.
        relayer_key_files: Key files of the accounts that pay for custody records and closures, or folders of such; in the
            environment with commas between them. They are looked at while the worker runs: the key of a new file in a
            folder signs, that of one that is gone signs nothing more.
        key_password_file: File with the password of all key files.
        promise_seconds: Within how many seconds a manifest is promised to be anchored.
        wrapping_keys_file: File of the keys that documents and secrets at rest are sealed under; may be left out on a
            development chain alone.
        requests_per_minute: How many one client address may send to one process of the API, all at once too; a line of a
            batch counts as a quarter of one.
        sign_ins_per_minute: How many challenges and sign-ins of these, counted apart.
        account_requests_per_minute: How many one account, signed in or as the signer of what it writes, may send to one
            process of the API, from all its addresses; a line of a batch counts as a quarter of one.
        metrics_from: Addresses or networks that may read `/metrics` beside this machine, separated by commas.
        proxies: Addresses whose `X-Forwarded-For` is believed, separated by commas; nobody's unless said.
        public_url: Where people reach the service, `https://ledger.customs.example`: what they sign in to. It may be left
            out on a development chain alone, where it is this machine.
        open_reading: Let programs on this machine read without a sign-in: on a development chain unless said otherwise,
            on a local network of validators (clique) if said so, and only while the service listens on loopback.
        events_kept_days: How many days events of the feed are kept; those that a webhook is still to be told, longer.
        webhook_networks: Networks that are not public and that webhooks of customs' own accounts may go to, separated by
            commas (`10.20.0.0/16`); none unless said. On a development chain they are for everybody's.
    """

    model_config = SettingsConfigDict(env_prefix="LEDGER_", frozen=True, extra="forbid")

    administration: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,8}$")]
    database_url: Annotated[str, Field(repr=False)]
    profile: Annotated[InstanceOf[ChainProfile], NoDecode, BeforeValidator(_load)]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8400
    sequencer_key_file: Path | None = None
    relayer_key_files: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)] = ()
    key_password_file: Path | None = None
    promise_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    wrapping_keys_file: Path | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] = 60_000
    sign_ins_per_minute: Annotated[int, Field(ge=1)] = 1_200
    account_requests_per_minute: Annotated[int, Field(ge=1)] = 60_000
    metrics_from: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_addresses)] = ()
    public_url: Annotated[str | None, AfterValidator(_require_site)] = None
    open_reading: bool | None = None
    events_kept_days: Annotated[int, Field(ge=7, le=36_500)] = 90
    webhook_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    @property
    def reading_is_open(self) -> bool:
        """Whether programs on this machine may read without a sign-in."""
        kind = self.profile.kind
        wanted = kind == "development" if self.open_reading is None else self.open_reading
        return wanted and kind in ("development", "clique") and self.is_loopback

    @cached_property
    def config(self) -> LedgerConfig:
        """The library's settings, with the keys opened: once, since that takes a second a key.

        Raises:
            InvalidKey: A key file, or the password file, is missing or unusable.
            InvalidProfile: There is a key file and no password file.
        """
        return LedgerConfig(
            administration=self.administration,
            database_url=self.database_url,
            profile=self.profile,
            sequencer_key=self._open(self.sequencer_key_file),
            relayer_keys=tuple(key for file in self._relayer_files() if (key := self._open(file))),
            read_relayer_keys=self._relayer_keys_by_now(),
            promise_seconds=self.promise_seconds,
            wrapping_keys_file=self.wrapping_keys_file,
            webhook_networks=self.webhook_networks,
            events_kept_days=self.events_kept_days,
        )

    def _relayer_files(self) -> Iterator[Path]:
        for path in self.relayer_key_files:
            yield from key_files.files_of(path)

    def _relayer_keys_by_now(self) -> Callable[[], tuple[bytes, ...]] | None:
        if not self.relayer_key_files or self.key_password_file is None:
            return None
        forbidden = () if self.profile.kind == "development" else keys.DEVELOPMENT_ACCOUNTS
        return key_files.KeyFiles(self.relayer_key_files, self.key_password_file, forbidden).current

    def _open(self, key_file: Path | None) -> bytes | None:
        if key_file is None:
            return None
        if self.key_password_file is None:
            raise InvalidProfile(
                "LEDGER_KEY_PASSWORD_FILE", f"it is not set, and {key_file} needs a password"
            )
        return keys.load(key_file, keys.read_password(self.key_password_file)).private


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        InvalidProfile: One is missing, not of its form, or none that there is; it is named as the environment names it.
    """
    known = {f"LEDGER_{field}".upper() for field in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith("LEDGER_") and name.upper() not in known:
            raise InvalidProfile(name, "there is no such setting; README.md lists those there are")
    try:
        return Settings()  # type: ignore[call-arg]  # its fields come from the environment
    except ValidationError as error:
        first = error.errors()[0]
        name = "LEDGER_" + "_".join(str(part) for part in first["loc"]).upper()
        rule = first["msg"].removeprefix("Value error, ").removesuffix(".")
        raise InvalidProfile(name, rule) from None


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine and no other."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"
