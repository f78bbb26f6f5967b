"""What a ledger is pointed at: a chain profile and one administration's settings.

A profile pins one network: chain id, genesis, contract addresses and the hashes of their code. It is public; keys are
never in it. The library reads no environment: whoever builds a `LedgerConfig` has read it.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ledger.core.records import Domain
from ledger.errors import InvalidProfile

Kind = Literal["development", "clique", "qbft"]
CONTRACTS = ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger")


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

    def to_json(self) -> dict[str, Any]:
        """The profile as it is written to a file."""
        return {
            "schema": "cargo-chain-profile/1",
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
        except ValueError:
            raise InvalidProfile(str(path), "this is no JSON file") from None
        try:
            return cls.from_json(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidProfile(
                str(path), f"this is no chain profile: {error!r} is missing or malformed"
            ) from None

    @classmethod
    def from_json(cls, data: Any) -> ChainProfile:
        """Build a profile from parsed JSON; any malformed field raises KeyError, TypeError or ValueError."""
        if data["schema"] != "cargo-chain-profile/1":
            raise ValueError("schema")
        kind = data["kind"]
        if kind not in get_args(Kind):
            raise ValueError("kind")
        genesis_hash = bytes.fromhex(data["genesis_hash"].removeprefix("0x"))
        if len(genesis_hash) != 32:
            raise ValueError("genesis_hash")
        contracts = {name: str(data["contracts"][name]) for name in CONTRACTS}
        for name, address in contracts.items():
            if len(bytes.fromhex(address.removeprefix("0x"))) != 20:
                raise ValueError(name)
        numbers = {
            name: int(data[name])
            for name in ("chain_id", "deployment_block", "block_seconds", "confirmations", "gas_price_wei")
        }
        for name, number in numbers.items():
            if number < 0:
                raise ValueError(name)
        return cls(
            kind=kind,
            rpc_url=str(data["rpc_url"]),
            genesis_hash=genesis_hash,
            registry=contracts["AdministrationRegistry"],
            manifest_log=contracts["ManifestLog"],
            consignment_ledger=contracts["ConsignmentLedger"],
            code_hashes={name: str(data["code_hashes"][name]) for name in CONTRACTS},
            **numbers,
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
        database_url: `sqlite:///path` (other databases come with a later version).
        profile: The chain it follows.
        sequencer_key: Private key of the account that signs promises and anchors, 32 bytes, or None to only read.
        relayer_key: Private key that pays for custody records and closures, 32 bytes, or None to only read.
        promise_seconds: Within how many seconds a leaf is promised to be anchored.
    """

    administration: str
    database_url: str
    profile: ChainProfile
    sequencer_key: bytes | None = None
    relayer_key: bytes | None = None
    promise_seconds: int = 60

    def __repr__(self) -> str:
        return f"LedgerConfig(administration={self.administration!r}, database_url={self.database_url!r}, keys hidden)"


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
