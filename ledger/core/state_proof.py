"""What an account or a storage slot holds, shown from a block's state root: inclusion and absence in the state trie.

A proof is the trie's nodes on the way to the key (`eth_getProof`). Each must hash to what the node above names, no node
may be left over, and every node is refused unless it is spelled the one way a trie spells it: so no byte of a proof can
change without the proof failing. That the root is a sealed block's is `headers`' to show.

Source: Ethereum Yellow Paper, appendix D; EIP-1186.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ledger.core import rlp
from ledger.core.records import keccak
from ledger.errors import InvalidEncoding, StateProofError

EMPTY_TRIE_ROOT = keccak(rlp.encode(b""))
EMPTY_CODE_HASH = keccak(b"")
_MAX_NODES = 65  # a key of 32 bytes has 64 nibbles
_Fetch: TypeAlias = Callable[[bytes], "list[rlp.Item]"]  # the node of a hash


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the state trie holds it.

    Attributes:
        nonce: Transactions sent, or contracts created.
        balance_wei: Wei.
        storage_root: Root of its storage trie, 32 bytes.
        code_hash: Keccak-256 of its code, 32 bytes.
    """

    nonce: int
    balance_wei: int
    storage_root: bytes
    code_hash: bytes


def verify_account(state_root: bytes, address: bytes, proof: Sequence[bytes]) -> Account | None:
    """Show what the account of an address is in the state of a root.

    Args:
        state_root: 32 bytes, from a header whose seals were checked.
        address: 20 bytes.
        proof: Trie nodes from the root down.

    Returns:
        The account, or None when the proof shows that there is none.

    Raises:
        StateProofError: The proof does not lead from the root to the address, or has nodes over.
        InvalidEncoding: A node or the account is not canonical.
    """
    if len(address) != 20:
        raise StateProofError("an address has 20 bytes")
    value = verify(state_root, keccak(address), proof)
    if value is None:
        return None
    return decode_account(value)


def decode_account(value: bytes) -> Account:
    """Decode what the state trie holds of an account.

    Raises:
        InvalidEncoding: It is not the one encoding of an account.
    """
    fields = rlp.decode_list(value)
    if len(fields) != 4:
        raise InvalidEncoding("account", 0, "nonce, balance, storage root and code hash are expected")
    return Account(
        nonce=rlp.as_integer(fields[0], "the nonce", 8),
        balance_wei=rlp.as_integer(fields[1], "the balance"),
        storage_root=rlp.as_bytes(fields[2], "the storage root", 32),
        code_hash=rlp.as_bytes(fields[3], "the code hash", 32),
    )


def verify_storage(storage_root: bytes, slot: int | bytes, proof: Sequence[bytes]) -> int:
    """Show what a storage slot holds; 0 when the proof shows that it was never set.

    Args:
        storage_root: 32 bytes, of an account that was shown.
        slot: Its number, below 2^256, or the same as 32 bytes.
        proof: Trie nodes from the root down; none when the trie is empty.

    Raises:
        StateProofError: The proof does not lead from the root to the slot, or has nodes over.
        InvalidEncoding: A node or the value is not canonical.
    """
    if isinstance(slot, int):
        if not 0 <= slot < 1 << 256:
            raise StateProofError("a slot is a number from 0 to 2^256 - 1")
        slot = slot.to_bytes(32, "big")
    if len(slot) != 32:
        raise StateProofError("a slot has 32 bytes")
    value = verify(storage_root, keccak(slot), proof)
    if value is None:
        return 0
    return decode_slot(value)


def decode_slot(value: bytes) -> int:
    """Decode what a storage trie holds of a slot; never 0.

    Raises:
        InvalidEncoding: It is not the one encoding of a number of at most 32 bytes, or is zero.
    """
    number = rlp.as_integer(rlp.decode(value), "the slot's value")
    if number == 0:
        raise InvalidEncoding("storage", 0, "a slot that holds zero is not in the trie")
    return number


def verify(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Show what a Merkle-Patricia trie holds under a key of 32 bytes (hashed by the caller); None for nothing.

    Raises:
        StateProofError: The proof does not lead from the root, or has nodes over.
        InvalidEncoding: A node is not canonical.
    """
    if len(root) != 32 or len(key) != 32:
        raise StateProofError("root and key have 32 bytes")
    if len(proof) > _MAX_NODES:
        raise StateProofError(f"a proof has at most {_MAX_NODES} nodes")
    if root == EMPTY_TRIE_ROOT:
        if len(proof) > 1 or any(node != b"\x80" for node in proof):
            raise StateProofError("the trie is empty, and the proof shows nodes of it")
        return None
    nodes = iter(proof)

    def fetch(expected: bytes) -> list[rlp.Item]:
        raw = next(nodes, None)
        if raw is None:
            raise StateProofError("the proof ends before the key does")
        if not isinstance(raw, bytes) or keccak(raw) != expected:
            raise StateProofError("a node of the proof is not the one that the node above it names")
        return _decoded(raw)

    value = _walk(root, key, fetch)
    if next(nodes, None) is not None:
        raise StateProofError("nodes are left over")
    return value


class SharedNodes:
    """Trie nodes that several proofs share, each kept once and found by its hash.

    `in_order` tells whether these were all needed and stand in the order in which they were first needed: then no other
    list of nodes shows the same.

    Args:
        nodes: The nodes as RLP.
    """

    def __init__(self, nodes: Sequence[bytes]) -> None:
        self._raw = {keccak(node): node for node in nodes}
        self._hashes = list(self._raw)
        self._given = len(nodes)
        self._decoded: dict[bytes, list[rlp.Item]] = {}  # in the order of first use

    @property
    def used(self) -> list[bytes]:
        """The nodes that were needed, in the order in which they were first needed."""
        return [self._raw[each] for each in self._decoded]

    @property
    def in_order(self) -> bool:
        """Whether every node was needed, stands once, and the first needed stands first."""
        return self._given == len(self._hashes) and list(self._decoded) == self._hashes

    def value(self, root: bytes, key: bytes) -> bytes | None:
        """What the trie of a root holds under a key of 32 bytes (hashed by the caller); None for nothing.

        Raises:
            StateProofError: A node on the way is missing.
            InvalidEncoding: A node is not canonical.
        """
        return None if root == EMPTY_TRIE_ROOT else _walk(root, key, self._fetch)

    def _fetch(self, expected: bytes) -> list[rlp.Item]:
        node = self._decoded.get(expected)
        if node is None:
            raw = self._raw.get(expected)
            if raw is None:
                raise StateProofError("a node on the way to the key is not shown")
            node = self._decoded[expected] = _decoded(raw)
        return node


def _walk(root: bytes, key: bytes, fetch: _Fetch) -> bytes | None:
    """Go from the root to a key; embedded nodes are taken from the node they stand in."""
    nibbles = [nibble for byte in key for nibble in (byte >> 4, byte & 15)]
    expected: rlp.Item = root
    at = 0
    while True:
        if isinstance(expected, list):
            node = _require_node(expected)
        else:
            node = fetch(expected)
        if len(node) == 17:
            if at == len(nibbles):
                raise StateProofError("a branch stands below the end of the key")
            child = node[nibbles[at]]
            at += 1
            if child == b"":
                return None
            expected = child
            continue
        path, is_leaf = _path(node[0])
        matches = nibbles[at : at + len(path)] == path
        if is_leaf:
            if at + len(path) != len(nibbles):
                raise StateProofError("a leaf ends at another depth than the key")
            value = rlp.as_bytes(node[1], "a leaf's value")
            if not value:
                raise InvalidEncoding("trie node", 0, "a leaf's value must not be empty")
            return value if matches else None
        if not path:
            raise InvalidEncoding("trie node", 0, "an extension's path must not be empty")
        if not isinstance(node[1], bytes) or len(node[1]) != 32:
            _require_embedded(node[1])
        if at + len(path) >= len(nibbles):
            raise StateProofError("an extension goes to the end of the key or beyond")
        if not matches:
            return None
        at += len(path)
        expected = node[1]


def _decoded(raw: bytes) -> list[rlp.Item]:
    return _require_node(rlp.decode_list(raw))


def _require_node(node: list[rlp.Item]) -> list[rlp.Item]:
    if len(node) not in (2, 17):
        raise InvalidEncoding("trie node", 0, "2 or 17 members are expected")
    if len(node) == 17:
        _require_branch(node)
    return node


def _require_branch(node: list[rlp.Item]) -> None:
    used = 0
    for child in node[:16]:
        if child == b"":
            continue
        used += 1
        if isinstance(child, bytes):
            if len(child) != 32:
                raise InvalidEncoding("trie node", 0, "a child is named by 32 bytes")
        else:
            _require_embedded(child)
    if node[16] != b"":
        raise InvalidEncoding("trie node", 0, "keys of one length leave no value in a branch")
    if used < 2:
        raise InvalidEncoding("trie node", 0, "a branch has at least two children")


def _require_embedded(item: rlp.Item) -> None:
    if isinstance(item, bytes) or len(rlp.encode(item)) >= 32:
        raise InvalidEncoding(
            "trie node", 0, "a node stands within another only if it is shorter than 32 bytes"
        )


def _path(item: rlp.Item) -> tuple[list[int], bool]:
    """Nibbles of a compact path, and whether it is a leaf's."""
    data = rlp.as_bytes(item, "a node's path")
    if not data or data[0] >> 4 > 3 or (not data[0] >> 4 & 1 and data[0] & 15):
        raise InvalidEncoding("trie node", 0, "a path begins with its kind and parity")
    nibbles = [nibble for byte in data for nibble in (byte >> 4, byte & 15)]
    return nibbles[1 if data[0] >> 4 & 1 else 2 :], data[0] >> 5 == 1
