"""What a ledger is pointed at: a chain profile and one administration's settings.

A profile pins one network: chain id, genesis, contract addresses and the hashes of their code. It is public; keys are
never in it. The library reads no environment: whoever builds a `LedgerConfig` has read it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from ledger.core import signatures
from ledger.core.identifiers import Party
from ledger.core.records import Domain
from ledger.errors import InvalidIdentifier, InvalidKey, InvalidProfile
from ledger.receivers import Network

Kind = Literal["development", "clique", "qbft"]
CONTRACTS = ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger")
_SCHEMA = "cargo-chain-profile/1"
_FIELDS = frozenset(
    (
        "schema",
        "kind",
        "rpc_url",
        "chain_id",
        "genesis_hash",
        "contracts",
        "code_hashes",
        "deployment_block",
        "block_seconds",
        "confirmations",
        "gas_price_wei",
    )
)
_MAX_VALIDATORS = 1_000


@dataclass(frozen=True, slots=True)
class ChainProfile:
    """One network, as every service, client and auditor of it must see it.

    Attributes:
        kind: `development` (anvil), `clique` or `qbft`.
        rpc_url: JSON-RPC address of the administration's own node.
        chain_id: EIP-155 chain id.
        genesis_hash: Hash of block 0, 32 bytes.
        registry: Address of AdministrationRegistry, checksummed.
        manifest_log: Address of ManifestLog, checksummed.
        consignment_ledger: Address of ConsignmentLedger, checksummed.
        code_hashes: Keccak-256 of each contract's code on chain, by contract name, 0x hex.
        deployment_block: Number of the block that holds the first deployment.
        block_seconds: Seconds between blocks; 0 when every transaction makes one.
        confirmations: Blocks on top after which a block counts as final here.
        gas_price_wei: The most that this network pays for a unit of gas.
        validators: Who seals it, as its administrations agreed: checksummed addresses, ascending by their bytes; none
            in development. Whoever makes a trust file is told when a node names others.
    """

    kind: Kind
    rpc_url: str
    chain_id: int
    genesis_hash: bytes
    registry: str
    manifest_log: str
    consignment_ledger: str
    code_hashes: dict[str, str]
    deployment_block: int
    block_seconds: int
    confirmations: int
    gas_price_wei: int
    validators: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The profile as it is written to a file."""
        return {
            "schema": _SCHEMA,
            "kind": self.kind,
            "rpc_url": self.rpc_url,
            "chain_id": self.chain_id,
            "genesis_hash": "0x" + self.genesis_hash.hex(),
            "contracts": {
                "AdministrationRegistry": self.registry,
                "ManifestLog": self.manifest_log,
                "ConsignmentLedger": self.consignment_ledger,
            },
            "code_hashes": self.code_hashes,
            "deployment_block": self.deployment_block,
            "block_seconds": self.block_seconds,
            "confirmations": self.confirmations,
            "gas_price_wei": self.gas_price_wei,
            **({"validators": list(self.validators)} if self.validators else {}),
        }

    def save(self, path: Path | str) -> None:
        """Write the profile to a file, whole or not at all."""
        write_atomically(Path(path), json.dumps(self.to_json(), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> ChainProfile:
        """Read a profile from a file.

        Raises:
            InvalidProfile: The file is missing, is no JSON, or a field is missing, unknown or of the wrong form.
        """
        path = Path(path)
        try:
            data = json.loads(path.read_bytes())
        except OSError as error:
            reason = error.strerror or "it cannot be read"
            raise InvalidProfile(str(path), f"{reason}; `cargo-ledger chain up` writes a profile") from None
        except (ValueError, RecursionError):
            raise InvalidProfile(str(path), "this is no JSON file") from None
        try:
            return cls.from_json(data)
        except _Malformed as error:
            raise InvalidProfile(str(path), f"this is no chain profile: {error}") from None

    @classmethod
    def from_json(cls, data: Any) -> ChainProfile:
        """Build a profile from parsed JSON; any field that is missing, unknown or malformed raises ValueError."""
        is_sealed = isinstance(data, dict) and data.get("kind") != "development"
        fields = _members(data, "the profile", _FIELDS | ({"validators"} if is_sealed else frozenset()))
        if fields["schema"] != _SCHEMA:
            raise _Malformed(f"schema must be {_SCHEMA}")
        if fields["kind"] not in get_args(Kind):
            raise _Malformed(f"kind must be one of {', '.join(get_args(Kind))}")
        contracts = _members(fields["contracts"], "contracts", frozenset(CONTRACTS))
        addresses = {
            name: signatures.checksummed(_hex_bytes(name, contracts[name], 20)) for name in CONTRACTS
        }
        code_hashes = _members(fields["code_hashes"], "code_hashes", frozenset(CONTRACTS))
        return cls(
            kind=fields["kind"],
            rpc_url=_http_url(fields["rpc_url"]),
            chain_id=_natural("chain_id", fields["chain_id"], 1),
            genesis_hash=_hex_bytes("genesis_hash", fields["genesis_hash"], 32),
            registry=addresses["AdministrationRegistry"],
            manifest_log=addresses["ManifestLog"],
            consignment_ledger=addresses["ConsignmentLedger"],
            code_hashes={
                name: "0x" + _hex_bytes(f"the code hash of {name}", code_hashes[name], 32).hex()
                for name in CONTRACTS
            },
            deployment_block=_natural("deployment_block", fields["deployment_block"], 1),
            block_seconds=_natural("block_seconds", fields["block_seconds"], 0),
            confirmations=_natural("confirmations", fields["confirmations"], 0),
            gas_price_wei=_natural("gas_price_wei", fields["gas_price_wei"], 0),
            validators=_validators(fields["validators"]) if is_sealed else (),
        )

    @property
    def registry_domain(self) -> Domain:
        """The EIP-712 domain of enrolments."""
        return Domain(self.chain_id, bytes.fromhex(self.registry[2:]))

    @property
    def log_domain(self) -> Domain:
        """The EIP-712 domain of manifest records and promises."""
        return Domain(self.chain_id, bytes.fromhex(self.manifest_log[2:]))

    @property
    def consignments_domain(self) -> Domain:
        """The EIP-712 domain of custody records."""
        return Domain(self.chain_id, bytes.fromhex(self.consignment_ledger[2:]))

    def address_of(self, contract: str) -> str:
        """The address of a contract by its name."""
        return dict(zip(CONTRACTS, (self.registry, self.manifest_log, self.consignment_ledger), strict=True))[
            contract
        ]


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """One administration's ledger.

    Attributes:
        administration: `[A-Z0-9]{2,8}`, e.g. `SG`.
        database_url: `sqlite:///path`, or `postgresql://user@host:port/name`, a URI as libpq reads it. Never shown, since
            it may hold a password.
        profile: The chain it follows.
        sequencer_key: Private key of the account that signs promises and anchors, 32 bytes, or None to only read.
        relayer_keys: Private keys that pay for custody records and closures, 32 bytes each; none to only read. With
            several, consignments are spread over them.
        read_relayer_keys: What gives the relayer keys as they are by now, asked at each turn of the worker; None where they
            stay as they are. Who is not among them any more signs nothing.
        promise_seconds: Within how many seconds a leaf is promised to be anchored; at least 1.
        wrapping_keys_file: The keys that documents and secrets at rest are sealed under; see `ledger.vault`. None is for
            development chains alone: a file is then made beside the database.
        events_kept_days: How long events of the feed are kept, at least 7 days; those that a webhook is still to be told, longer.
        webhook_networks: Networks that are not public and that webhooks may go to all the same, unencrypted too: those of
            customs' own officers and auditors, on a development chain everybody's.

    Raises:
        InvalidProfile: The administration is none, or a number is out of range.
        InvalidKey: A key is no private key.
    """

    administration: str
    database_url: str
    profile: ChainProfile
    sequencer_key: bytes | None = None
    relayer_keys: tuple[bytes, ...] = ()
    read_relayer_keys: Callable[[], tuple[bytes, ...]] | None = None
    promise_seconds: int = 60
    wrapping_keys_file: Path | None = None
    webhook_networks: tuple[Network, ...] = ()
    events_kept_days: int = 90

    def __post_init__(self) -> None:
        try:
            organisation = Party.parse(self.administration).organisation
        except InvalidIdentifier as error:
            raise InvalidProfile("administration", error.rule) from None
        if organisation:
            raise InvalidProfile("administration", f"{self.administration} is a party, not an administration")
        if self.promise_seconds < 1:
            raise InvalidProfile("promise_seconds", "at least 1 is expected")
        if self.events_kept_days < 7:
            raise InvalidProfile("events_kept_days", "at least 7 are expected")
        named = [("sequencer", self.sequencer_key), *(("relayer", key) for key in self.relayer_keys)]
        for name, key in named:
            if key is not None:
                try:
                    signatures.account_of(key)
                except InvalidKey as error:
                    raise InvalidKey(name, error.rule) from None

    def __repr__(self) -> str:
        return f"LedgerConfig(administration={self.administration!r}, database and keys hidden)"


class _Malformed(ValueError):
    """A field of a profile is not of its form; the text says which and what it should be."""


def _members(value: Any, what: str, names: frozenset[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Malformed(f"{what} must be an object")
    missing, unknown = sorted(names - value.keys()), sorted(map(str, value.keys() - names))
    if missing:
        raise _Malformed(f"{what} lacks {', '.join(missing)}")
    if unknown:
        raise _Malformed(f"{what} has {unknown[0][:80]!r}, which is not known")
    return value


def _hex_bytes(name: str, value: Any, size: int) -> bytes:
    try:
        data = bytes.fromhex(value[2:]) if isinstance(value, str) and value[:2] == "0x" else b""
    except ValueError:
        data = b""
    if len(data) != size or len(value) != 2 + 2 * size:
        raise _Malformed(f"{name} must be {size} bytes of 0x hex")
    return data


def _validators(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_VALIDATORS:
        raise _Malformed(f"validators must be a list of 1 to {_MAX_VALIDATORS} addresses")
    raw = [_hex_bytes(f"validator {place + 1}", each, 20) for place, each in enumerate(value)]
    if raw != sorted(set(raw)):
        raise _Malformed("validators must ascend, each once")
    return tuple(map(signatures.checksummed, raw))


def _natural(name: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 63:
        raise _Malformed(f"{name} must be a whole number of at least {least}")
    return value


def _http_url(value: Any) -> str:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        usable = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
        if usable and parts is not None:
            _ = parts.port  # a port that is no number raises
    except ValueError:
        usable = False
    if not usable:
        raise _Malformed("rpc_url must be an http or https address")
    return str(value)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a text file through a temporary one beside it, so that a reader sees the old or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
