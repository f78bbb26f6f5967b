"""What an audit reads of a block, whoever gives it: the header, every receipt, and some signed transactions.

Blocks travel in chunks of bytes, one format for the node's answers, for the file and for the processes that check them:

    block        uint32 length ‖ header RLP ‖ uint32 count ‖ count × (uint32 length ‖ receipt)
                 ‖ uint32 count ‖ count × (uint32 place ‖ uint32 length ‖ signed transaction)

A block whose bloom lets no log of our contracts through is shown by its header alone. The transactions are those whose
receipts hold events of AdministrationRegistry or ManifestLog: senders, consents and consistency proofs stand in no event.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ledger.config import CONTRACTS, ChainProfile
from ledger.core.trust import Consensus, Trust
from ledger.errors import ChainMismatch, InvalidEncoding

_LENGTH = struct.Struct(">I")
_PLACED = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Network:
    """The chain that is audited.

    Attributes:
        chain_id: EIP-155 chain id.
        genesis_hash: 32 bytes.
        addresses: Address of each contract, 20 bytes, by name.
        code_hashes: Keccak-256 of each contract's code, 32 bytes, by name.
        consensus: Whose rules its headers follow.
        first_block: The block of the first deployment.
    """

    chain_id: int
    genesis_hash: bytes
    addresses: dict[str, bytes]
    code_hashes: dict[str, bytes]
    consensus: Consensus
    first_block: int

    @classmethod
    def of_profile(cls, profile: ChainProfile) -> Network:
        """The network that a profile pins."""
        return cls(
            profile.chain_id,
            profile.genesis_hash,
            {name: bytes.fromhex(profile.address_of(name)[2:]) for name in CONTRACTS},
            {name: bytes.fromhex(profile.code_hashes[name][2:]) for name in CONTRACTS},
            profile.kind,
            profile.deployment_block,
        )

    def require_trusted(self, trust: Trust) -> None:
        """Refuse a network that is not the one the trust file pins.

        Raises:
            ChainMismatch: Chain id, genesis, consensus, an address or a code hash differs.
        """
        pinned: list[tuple[str, object, object]] = [
            ("the chain id", trust.chain_id, self.chain_id),
            ("the genesis hash", "0x" + trust.genesis_hash.hex(), "0x" + self.genesis_hash.hex()),
            ("the consensus", trust.consensus, self.consensus),
        ]
        for name in CONTRACTS:
            pinned += [
                (f"the address of {name}", trust.addresses[name].hex(), self.addresses[name].hex()),
                (f"the code hash of {name}", trust.code_hashes[name].hex(), self.code_hashes[name].hex()),
            ]
        for what, expected, found in pinned:
            if expected != found:
                raise ChainMismatch(what, expected, found, "trust file")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Blocks in a row, encoded.

    Attributes:
        first: Number of the first.
        last: Number of the last.
        data: Their bytes, as `encode` writes them, or compressed.
        compressed: Bytes uncompressed if `data` is a Zstandard frame; 0 if it is not.
        place: Where it came from, for sentences: "the node …", "FILE, byte …".
    """

    first: int
    last: int
    data: bytes
    compressed: int
    place: str


@dataclass(frozen=True, slots=True)
class Tail:
    """What is shown beyond the last block.

    Attributes:
        successors: Headers on top of it, RLP, oldest first: Clique confirms a block by those.
        state: Trie nodes from its state root to the contracts' accounts and their counters; none if nobody gave them.
    """

    successors: tuple[bytes, ...]
    state: tuple[bytes, ...]


class Source(Protocol):
    """Who gives blocks."""

    @property
    def name(self) -> str:
        """In words, for the report: which node, which file."""

    @property
    def network(self) -> Network:
        """The chain it says it is of; a trust file decides whether it is believed."""

    @property
    def last(self) -> int:
        """Number of the last block it gives."""

    def chunks(self, first: int) -> Iterator[Chunk]:
        """The blocks from a number on, in order and without a gap.

        Raises:
            ChainUnavailable: The node gave no usable answer.
            InvalidExport: The file is cut off, altered, or no export.
        """

    def tail(self) -> Tail:
        """What is shown beyond the last block; to be asked for after the chunks."""

    def close(self) -> None:
        """Let go of connections and files."""


@dataclass(frozen=True, slots=True)
class ShownBlock:
    """One block as shown; nothing of it is checked.

    Attributes:
        header: RLP.
        receipts: All receipts of the block in order, or none.
        transactions: Signed transactions by their place in the block.
    """

    header: bytes
    receipts: tuple[bytes, ...]
    transactions: dict[int, bytes]


def encode(block: ShownBlock) -> bytes:
    """The bytes of a block."""
    parts = [_LENGTH.pack(len(block.header)), block.header, _LENGTH.pack(len(block.receipts))]
    for receipt in block.receipts:
        parts += (_LENGTH.pack(len(receipt)), receipt)
    parts.append(_LENGTH.pack(len(block.transactions)))
    for place, raw in sorted(block.transactions.items()):
        parts += (_PLACED.pack(place, len(raw)), raw)
    return b"".join(parts)


def decode(data: bytes) -> Iterator[ShownBlock]:
    """The blocks of a chunk's bytes.

    Raises:
        InvalidEncoding: The bytes end within a block.
    """
    at, end = 0, len(data)
    try:
        while at < end:
            header, at = _piece(data, at)
            (count,) = _LENGTH.unpack_from(data, at)
            at += 4
            receipts = []
            for _ in range(count):
                receipt, at = _piece(data, at)
                receipts.append(receipt)
            (count,) = _LENGTH.unpack_from(data, at)
            at += 4
            transactions = {}
            for _ in range(count):
                (place,) = _LENGTH.unpack_from(data, at)
                transactions[place], at = _piece(data, at + 4)
            yield ShownBlock(header, tuple(receipts), transactions)
    except struct.error:
        raise InvalidEncoding("blocks", at, "the bytes end within a block") from None


def _piece(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = _LENGTH.unpack_from(data, at)
    at += 4
    if length > len(data) - at:
        raise InvalidEncoding("blocks", at, "the bytes end within a block")
    return data[at : at + length], at + length
