"""The trust file: what a verifier takes for granted, pinned by whoever hands the file out.

One JSON object in one encoding (`canonical`), format `cargo-trust/1`:

    schema           "cargo-trust/1"
    administration   our administration, as "NL": whose releases and holds decide whether cargo may go
    chain            id (EIP-155) and genesis_hash (32 bytes)
    contracts        by name, address (20 bytes) and code_hash (Keccak-256 of the code on chain)
    consensus        kind: "development", "clique" or "qbft"; validators (20 bytes each, ascending; none in development);
                     from_block: the block from which on they are in charge; epoch: Clique's blocks between
                     checkpoints, 0 elsewhere
    red_lines        old_seconds: a verdict older than this is INDETERMINATE
    expires_at       Unix seconds; from then on nothing is VALID by this file

Every verdict shows the SHA-256 of the trust file that it rests on. Nothing here is a secret; whoever can change the file
decides what is believed, so it travels by another way than evidence does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import pairwise
from typing import Any, Literal, cast

from ledger.core import canonical
from ledger.core.canonical import hexed
from ledger.core.identifiers import Party
from ledger.core.records import Domain
from ledger.core.signatures import checksummed
from ledger.errors import InvalidIdentifier, InvalidTrust

SCHEMA = "cargo-trust/1"
CONTRACTS = ("AdministrationRegistry", "ConsignmentLedger", "ManifestLog")
MAX_BYTES = 1 << 16
MAX_VALIDATORS = 1_000
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z

Consensus = Literal["development", "clique", "qbft"]


@dataclass(frozen=True)
class Trust:
    """What a verdict rests on.

    Attributes:
        administration: Ours, as "NL".
        chain_id: EIP-155 chain id.
        genesis_hash: 32 bytes.
        addresses: Address of each contract, 20 bytes, by name.
        code_hashes: Keccak-256 of each contract's code on chain, 32 bytes, by name.
        consensus: Whose seals are asked for; "development" asks for none.
        validators: Checksummed addresses, ascending by their bytes; none in development.
        from_block: From this block on they are in charge.
        epoch: Clique's blocks between checkpoints; 0 elsewhere.
        old_seconds: A verdict older than this is INDETERMINATE.
        expires_at: Unix seconds; from then on nothing is VALID by this file.
    """

    administration: str
    chain_id: int
    genesis_hash: bytes
    addresses: dict[str, bytes]
    code_hashes: dict[str, bytes]
    consensus: Consensus
    validators: tuple[str, ...]
    from_block: int
    epoch: int
    old_seconds: int
    expires_at: int

    @classmethod
    def decode(cls, data: bytes) -> Trust:
        """Read a trust file.

        Raises:
            InvalidTrust: It is not one in its one encoding, with the place.
        """
        value = canonical.read(data, most_bytes=MAX_BYTES, most_values=4_096, refuse=InvalidTrust)
        form = canonical.Form(InvalidTrust)
        top = form.members(
            value,
            "",
            frozenset(
                ("schema", "administration", "chain", "contracts", "consensus", "red_lines", "expires_at")
            ),
        )
        if top["schema"] != SCHEMA:
            form.fail("/schema", f"{SCHEMA} is expected; other versions are not known here")
        chain = form.members(top["chain"], "/chain", frozenset(("id", "genesis_hash")))
        contracts = form.members(top["contracts"], "/contracts", frozenset(CONTRACTS))
        pins = {
            name: form.members(contracts[name], f"/contracts/{name}", frozenset(("address", "code_hash")))
            for name in CONTRACTS
        }
        consensus = form.members(
            top["consensus"], "/consensus", frozenset(("kind", "validators", "from_block", "epoch"))
        )
        red_lines = form.members(top["red_lines"], "/red_lines", frozenset(("old_seconds",)))
        if consensus["kind"] not in ("development", "clique", "qbft"):
            form.fail("/consensus/kind", "development, clique or qbft is expected")
        kind = cast(Consensus, consensus["kind"])
        validators = [
            form.data(each, f"/consensus/validators/{place}", 20)
            for place, each in enumerate(
                form.items(consensus["validators"], "/consensus/validators", MAX_VALIDATORS)
            )
        ]
        if any(first >= second for first, second in pairwise(validators)):
            form.fail("/consensus/validators", "the addresses must ascend, each once")
        if bool(validators) != (kind != "development"):
            form.fail("/consensus/validators", "validators are expected, but in development")
        epoch = form.integer(consensus["epoch"], "/consensus/epoch")
        if bool(epoch) != (kind == "clique"):
            form.fail("/consensus/epoch", "blocks between checkpoints in Clique, and 0 elsewhere")
        return cls(
            administration=_administration(form, top["administration"]),
            chain_id=form.integer(chain["id"], "/chain/id", 1),
            genesis_hash=form.data(chain["genesis_hash"], "/chain/genesis_hash", 32),
            addresses={
                name: form.data(pin["address"], f"/contracts/{name}/address", 20)
                for name, pin in pins.items()
            },
            code_hashes={
                name: form.data(pin["code_hash"], f"/contracts/{name}/code_hash", 32)
                for name, pin in pins.items()
            },
            consensus=kind,
            validators=tuple(map(checksummed, validators)),
            from_block=form.integer(consensus["from_block"], "/consensus/from_block"),
            epoch=epoch,
            old_seconds=form.integer(red_lines["old_seconds"], "/red_lines/old_seconds", 1),
            expires_at=form.integer(top["expires_at"], "/expires_at", 0, _LAST_SECOND),
        )

    def encode(self) -> bytes:
        """Write the file in its one encoding."""
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "administration": self.administration,
            "chain": {"id": self.chain_id, "genesis_hash": hexed(self.genesis_hash)},
            "contracts": {
                name: {"address": hexed(self.addresses[name]), "code_hash": hexed(self.code_hashes[name])}
                for name in CONTRACTS
            },
            "consensus": {
                "kind": self.consensus,
                "validators": [each.lower() for each in self.validators],
                "from_block": self.from_block,
                "epoch": self.epoch,
            },
            "red_lines": {"old_seconds": self.old_seconds},
            "expires_at": self.expires_at,
        }
        return canonical.encode(content)

    @cached_property
    def sha256(self) -> bytes:
        """SHA-256 of the file, 32 bytes: what every verdict shows."""
        return sha256(self.encode()).digest()

    @property
    def code(self) -> bytes:
        """Our administration, 8 bytes."""
        return Party(self.administration).administration_bytes

    @property
    def log_domain(self) -> Domain:
        """ManifestLog's EIP-712 domain."""
        return Domain(self.chain_id, self.addresses["ManifestLog"])

    @property
    def consignments_domain(self) -> Domain:
        """ConsignmentLedger's EIP-712 domain."""
        return Domain(self.chain_id, self.addresses["ConsignmentLedger"])


def _administration(form: canonical.Form, value: Any) -> str:
    text = form.text(value, "/administration", 8)
    try:
        return Party(text).administration
    except InvalidIdentifier:
        form.fail("/administration", "an administration is expected, as NL")
