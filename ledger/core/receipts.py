"""Receipts: their encoding, the root that a header names them by, and the logs in them.

What a node says of a block's logs can be true and yet leave some out. The receipts root can't: it is a hash over every
receipt of the block with every log, so whoever has the header can tell whether the receipts shown are all and unchanged.

Sources: Ethereum Yellow Paper 4.3.1 and appendix D; EIP-658 (status), EIP-2718 (typed receipts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.core import rlp
from ledger.core.records import keccak
from ledger.core.state_proof import EMPTY_TRIE_ROOT
from ledger.errors import InvalidEncoding

BLOOM_BYTES = 256
_Leaf = tuple[bytes, bytes]  # nibbles of the key, one a byte; the value


@dataclass(frozen=True, slots=True)
class Log:
    """What a contract emitted, as a receipt holds it.

    Attributes:
        address: The contract, 20 bytes.
        topics: At most 4, 32 bytes each.
        data: The rest.
    """

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


def receipts_root(receipts: Sequence[bytes]) -> bytes:
    """The root of a block's receipts, 32 bytes, as its header has it.

    Args:
        receipts: Every receipt of the block in order, each as its consensus encoding: for a typed transaction its type
            byte, then RLP.
    """
    if not receipts:
        return EMPTY_TRIE_ROOT
    leaves = sorted(
        (_nibbles(rlp.encode(rlp.of_integer(place))), receipt) for place, receipt in enumerate(receipts)
    )
    return keccak(_node(leaves, 0))


def decode_log(data: bytes) -> Log:
    """Decode the RLP of one log.

    Raises:
        InvalidEncoding: It is none: address, topics and data.
    """
    parts = rlp.decode_list(data)
    if len(parts) != 3:
        raise InvalidEncoding("log", 0, "address, topics and data are expected")
    topics = rlp.as_list(parts[1], "a log's topics")
    return Log(
        rlp.as_bytes(parts[0], "a log's address", 20),
        tuple(rlp.as_bytes(each, "a topic", 32) for each in topics),
        rlp.as_bytes(parts[2], "a log's data"),
    )


def may_hold(bloom: bytes, value: bytes) -> bool:
    """Whether a bloom filter of 256 bytes lets a log's address or topic through; False proves that it is not there."""
    bits = bloom_bits(value)
    return int.from_bytes(bloom, "big") & bits == bits


def bloom_bits(value: bytes) -> int:
    """What a log's address or topic sets in a bloom filter, as an integer of 256 bytes."""
    hashed = keccak(value)
    return (
        1 << (int.from_bytes(hashed[0:2], "big") & 2047)
        | 1 << (int.from_bytes(hashed[2:4], "big") & 2047)
        | 1 << (int.from_bytes(hashed[4:6], "big") & 2047)
    )


def _nibbles(key: bytes) -> bytes:
    return bytes(nibble for byte in key for nibble in (byte >> 4, byte & 15))


def _node(leaves: Sequence[_Leaf], depth: int) -> bytes:
    """The RLP of the node over leaves that share their first `depth` nibbles; keys are none the beginning of another."""
    first = leaves[0][0]
    if len(leaves) == 1:
        return rlp.encode([_compact(first[depth:], 2), leaves[0][1]])
    last = leaves[-1][0]
    end = depth
    while first[end] == last[end]:
        end += 1
    if end > depth:
        return _list(rlp.encode(_compact(first[depth:end], 0)), _reference(_node(leaves, end)))
    children = [b"\x80"] * 17
    for nibble in range(16):
        below = [leaf for leaf in leaves if leaf[0][depth] == nibble]
        if below:
            children[nibble] = _reference(_node(below, depth + 1))
    return _list(*children)


def _reference(node: bytes) -> bytes:
    """How the node above names a node: by its hash, or itself where it is shorter."""
    return node if len(node) < 32 else b"\xa0" + keccak(node)


def _list(*encoded: bytes) -> bytes:
    payload = b"".join(encoded)
    return rlp.list_prefix(len(payload)) + payload


def _compact(nibbles: bytes, kind: int) -> bytes:
    """A node's path with its kind (2 leaf, 0 extension) and parity before it."""
    odd = len(nibbles) % 2
    digits = bytes((kind + odd,)) + (b"" if odd else b"\0") + nibbles
    return bytes(digits[at] << 4 | digits[at + 1] for at in range(0, len(digits), 2))
