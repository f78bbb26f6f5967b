"""The append-only tree of RFC 9162 over SHA-256: roots, inclusion and consistency, proved and verified.

This module knows hashes and positions. What a leaf says is `records`, that a root is the anchored one is the caller's
to check. A log's nodes are kept by (level, index): the complete subtree over the 2^level leaves from index * 2^level
on. These never change, so a store writes each once and any proof of any size reads a few dozen of them, no leaves.

Why SHA-256 with ordered children and not sorted-pair keccak: order carries the position, a leaf can't be taken for a
node, and the public vectors and tools of certificate transparency apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

from ledger.errors import ConsistencyError, InclusionError, NodeMissing

Node = tuple[int, int]  # (level, index) of a complete subtree; level 0 are the leaves

MAX_SIZE = 2**64 - 1  # a tree head's size is a uint64 on chain; it bounds a path to 64 hashes
EMPTY_ROOT = sha256(b"").digest()

_new_node = sha256(b"\x01").copy  # a copy with the prefix in it costs less than a new context
_SHARED_LEVELS = 12  # how many levels below the root are remembered: at most 4,096 nodes of one tree
_OWN_LEVELS = 8  # levels above a leaf that are never remembered: too many, too rarely seen again


def hash_leaf(data: bytes) -> bytes:
    """Hash the data of a leaf: SHA-256(0x00 ‖ data), 32 bytes."""
    return sha256(b"\x00" + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Hash two nodes, 32 bytes each, to the one above: SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    node = _new_node()
    node.update(left)
    node.update(right)
    return node.digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Compute the root over leaf hashes, 32 bytes; of none it is SHA-256 of nothing.

    Source: RFC 9162, section 2.1.1; pairing level by level and carrying an odd last node up gives the same tree.
    """
    if not leaf_hashes:
        return EMPTY_ROOT
    level = leaf_hashes
    while len(level) > 1:
        level = _pair(level)
    return level[0]


def _pair(level: Sequence[bytes]) -> list[bytes]:
    pairs = iter(level)
    above = []
    for left, right in zip(
        pairs, pairs, strict=False
    ):  # hash_children, written out: it is called by the million
        node = _new_node()
        node.update(left)
        node.update(right)
        above.append(node.digest())
    if len(level) % 2:
        above.append(level[-1])
    return above


# --- verifying ---------------------------------------------------------------------------------------------------


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that a leaf stands at `index` in the tree of `size` leaves that has this root.

    The leaf hash is **not** checked against any record, nor the root against any anchored head.

    Args:
        leaf_hash: SHA-256(0x00 ‖ leaf data), 32 bytes.
        index: Position of the leaf, from 0, below `size`.
        size: Leaves in the tree, 1 to 2^64 - 1.
        path: Sibling hashes, 32 bytes each, from the leaf up; list or tuple.
        root: Root of the tree, 32 bytes.

    Raises:
        InclusionError: The index is outside the tree, the path has the wrong length or form, or leads elsewhere.

    Source: RFC 9162, section 2.1.3.2.
    """
    if root_from_path(leaf_hash, index, size, path) != root:
        raise InclusionError(index, size, "its path leads to another root than the one shown")


def root_from_path(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Compute the root, 32 bytes, that an inclusion path leads to; arguments and errors of `verify_inclusion`.

    The levels near the root are the same for many leaves of one tree, so the way from them up is remembered (8,192
    of them, about 10 MB at most): checking many leaves of one log then takes half the hashing, and one leaf the same.
    """
    try:
        if not 0 <= index < size <= MAX_SIZE:
            raise InclusionError(index, size, "the index is not below the size")
        below = (index ^ (size - 1)).bit_length()  # levels before the path to the leaf joins the right edge
        expected = below + (index >> below).bit_count()
        if len(path) != expected:
            raise InclusionError(index, size, f"its path has {expected} hashes, {len(path)} were given")
        _need_hashes((leaf_hash, *path))
        turns = index | -1 << below  # bit i is 1 when path[i] stands on the left; on the right edge all do
        own = max(expected - _SHARED_LEVELS, _OWN_LEVELS)
        node = _climb(leaf_hash, turns, path[:own])
        return _climb_shared(node, turns >> own, tuple(path[own:])) if own < expected else node
    except TypeError as error:
        raise InclusionError(
            index, size, "two integers and a sequence of 32-byte hashes are needed"
        ) from error


def _need_hashes(hashes: Iterable[bytes]) -> None:
    for given in hashes:
        if not isinstance(given, bytes) or len(given) != 32:
            raise TypeError


def _climb(node: bytes, turns: int, path: Iterable[bytes]) -> bytes:
    new_node = _new_node
    for sibling in path:
        above = new_node()
        if turns & 1:
            above.update(sibling)
            above.update(node)
        else:
            above.update(node)
            above.update(sibling)
        node = above.digest()
        turns >>= 1
    return node


_climb_shared = lru_cache(maxsize=8192)(_climb)


def verify_consistency(
    first_size: int, first_root: bytes, second_size: int, second_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of `second_size` leaves begins with the very leaves of the tree of `first_size`.

    Args:
        first_size: Leaves of the older tree, at least 1: every tree extends an empty one, so that proves nothing.
        first_root: Its root, 32 bytes. Roots are compared, so any other length is just another root.
        second_size: Leaves of the newer tree, `first_size` to 2^64 - 1.
        second_root: Its root, 32 bytes.
        path: Hashes of 32 bytes in the order of the RFC; empty when the sizes are equal.

    Raises:
        ConsistencyError: The sizes are out of range, the path has the wrong length or form, or leads elsewhere.

    Source: RFC 9162, section 2.1.4.2.
    """
    try:
        _verify_consistency(first_size, first_root, second_size, second_root, path)
    except TypeError as error:
        raise ConsistencyError(
            first_size, second_size, "two integers, two roots and a sequence of 32-byte hashes are needed"
        ) from error


def _verify_consistency(
    first_size: int, first_root: bytes, second_size: int, second_root: bytes, path: Sequence[bytes]
) -> None:
    if not 1 <= first_size <= second_size <= MAX_SIZE:
        raise ConsistencyError(first_size, second_size, "the sizes must be at least 1 and not fall")
    _need_hashes(path)
    if first_size == second_size:
        if path:
            raise ConsistencyError(
                first_size, second_size, f"equal sizes take no path, {len(path)} hashes were given"
            )
        if first_root != second_root:
            raise ConsistencyError(first_size, second_size, "one size has two roots, the log has forked")
        return
    shift = _trailing_zeros(first_size)
    # The walk begins at the largest complete subtree that ends where the first tree ends; if that is the whole first
    # tree, its root is known and not repeated in the path.
    hashes = [first_root, *path] if first_size == 1 << shift else list(path)
    position, last = (first_size - 1) >> shift, (second_size - 1) >> shift
    below = (position ^ last).bit_length()
    expected = 1 + below + (position >> below).bit_count()
    if len(hashes) != expected:
        given = len(path)
        needed = expected - len(hashes) + given
        raise ConsistencyError(first_size, second_size, f"the path has {needed} hashes, {given} were given")
    first = second = hashes[0]
    turns = position | -1 << below
    for sibling in hashes[1:]:
        if turns & 1:
            first = hash_children(sibling, first)
            second = hash_children(sibling, second)
        else:
            second = hash_children(second, sibling)
        turns >>= 1
    if first != first_root:
        raise ConsistencyError(first_size, second_size, "the path does not lead to the older root")
    if second != second_root:
        raise ConsistencyError(first_size, second_size, "the path does not lead to the newer root")


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


# --- proving, from stored nodes ----------------------------------------------------------------------------------


def root_nodes(size: int) -> list[Node]:
    """Say which stored nodes the root of a tree of `size` leaves is made of, left to right; at most 64."""
    return _cover(0, size)


def root_from_nodes(size: int, nodes: Mapping[Node, bytes]) -> bytes:
    """Compute the root of the first `size` leaves, 32 bytes, from at least the nodes that `root_nodes` names.

    Raises:
        NodeMissing: One of them is not there.
    """
    return _subtree(0, size, nodes) if size else EMPTY_ROOT


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """Say which stored nodes `prove_inclusion` needs; about 2 log2(size) at most.

    Raises:
        InclusionError: The index is not in the tree.
    """
    return [node for begin, end in _inclusion_ranges(index, size) for node in _cover(begin, end)]


def prove_inclusion(index: int, size: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """Make the inclusion path of a leaf, from at least the nodes that `inclusion_nodes` names.

    Args:
        index: Position of the leaf, from 0, below `size`.
        size: Leaves in the tree that the path is for.
        nodes: Hashes of complete subtrees by (level, index), 32 bytes each.

    Returns:
        Sibling hashes from the leaf up, as `verify_inclusion` takes them.

    Raises:
        InclusionError: The index is not in the tree.
        NodeMissing: A node is not there.
    """
    return [_subtree(begin, end, nodes) for begin, end in _inclusion_ranges(index, size)]


def consistency_nodes(first_size: int, second_size: int) -> list[Node]:
    """Say which stored nodes `prove_consistency` needs; about 2 log2(second_size) at most.

    Raises:
        ConsistencyError: Not 1 <= first_size <= second_size.
    """
    return [
        node for begin, end in _consistency_ranges(first_size, second_size) for node in _cover(begin, end)
    ]


def prove_consistency(first_size: int, second_size: int, nodes: Mapping[Node, bytes]) -> list[bytes]:
    """Make the path that shows that the tree of `second_size` leaves extends the one of `first_size`.

    Args:
        first_size: Leaves of the older tree, at least 1.
        second_size: Leaves of the newer tree.
        nodes: Hashes of complete subtrees by (level, index), at least those that `consistency_nodes` names.

    Returns:
        Hashes as `verify_consistency` takes them; none when the sizes are equal.

    Raises:
        ConsistencyError: Not 1 <= first_size <= second_size.
        NodeMissing: A node is not there.
    """
    return [_subtree(begin, end, nodes) for begin, end in _consistency_ranges(first_size, second_size)]


def complete_nodes(leaf_hashes: Sequence[bytes]) -> dict[Node, bytes]:
    """Compute every complete subtree over these leaves, by (level, index): what a store of this log holds."""
    nodes: dict[Node, bytes] = {}
    level, height = list(leaf_hashes), 0
    while level:
        nodes.update({(height, index): node for index, node in enumerate(level)})
        if len(level) % 2:
            level.pop()  # it has no sibling yet: no complete subtree above it
        level, height = _pair(level), height + 1
    return nodes


class Frontier:
    """The right edge of a growing log: all that is needed to append to it and to know its root.

    Attributes:
        size: Leaves so far.
    """

    __slots__ = ("_edge", "size")

    def __init__(self, size: int = 0, nodes: Mapping[Node, bytes] | None = None) -> None:
        """Begin an empty log, or go on with one of `size` leaves.

        Args:
            size: Leaves of the log so far.
            nodes: At least the nodes that `root_nodes(size)` names. That they belong to one log is **not** checked:
                compare `root()` with the head that was kept.

        Raises:
            NodeMissing: A node is not there.
        """
        self.size = size
        self._edge = [_stored(node, nodes or {}) for node in root_nodes(size)]

    def append(self, leaf_hash: bytes) -> list[tuple[Node, bytes]]:
        """Append one leaf hash of 32 bytes.

        Returns:
            The nodes that became complete, the leaf first: what a store has to keep.
        """
        level, index, node = 0, self.size, leaf_hash
        completed: list[tuple[Node, bytes]] = [((0, index), node)]
        while index & 1:
            node = hash_children(self._edge.pop(), node)
            level, index = level + 1, index >> 1
            completed.append(((level, index), node))
        self._edge.append(node)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Compute the root over all leaves so far, 32 bytes."""
        return _fold(self._edge) if self._edge else EMPTY_ROOT


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    if not 0 <= index < size:
        raise InclusionError(index, size, "the index is not below the size")
    ranges: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def _consistency_ranges(first_size: int, second_size: int) -> list[tuple[int, int]]:
    if not 1 <= first_size <= second_size:
        raise ConsistencyError(first_size, second_size, "the sizes must be at least 1 and not fall")
    ranges: list[tuple[int, int]] = []
    begin, end = 0, second_size
    while first_size != end:
        middle = begin + split(end - begin)
        if first_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:  # else the subtree is the whole first tree, whose root the verifier has
        ranges.append((begin, end))
    return ranges[::-1]


def split(size: int) -> int:
    """How many of `size` leaves, at least 2, stand in the left subtree: the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _cover(begin: int, end: int) -> list[Node]:
    """Complete subtrees over the leaves from `begin` to `end`, left to right; `begin` is where one of them starts."""
    nodes: list[Node] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def _subtree(begin: int, end: int, nodes: Mapping[Node, bytes]) -> bytes:
    return _fold([_stored(node, nodes) for node in _cover(begin, end)])


def _stored(node: Node, nodes: Mapping[Node, bytes]) -> bytes:
    try:
        return nodes[node]
    except KeyError:
        raise NodeMissing(*node) from None


def _fold(edge: Sequence[bytes]) -> bytes:
    """Hash subtrees of falling size, left to right, to the root over all of them."""
    node = edge[-1]
    for left in edge[-2::-1]:
        node = hash_children(left, node)
    return node
