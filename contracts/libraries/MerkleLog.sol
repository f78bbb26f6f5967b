// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Proofs over an append-only SHA-256 tree
/// @dev RFC 9162, section 2.1: a leaf hash is SHA-256(0x00 ‖ leaf data), a node SHA-256(0x01 ‖ left ‖ right). The two
/// prefixes are why a node can't be passed off as a leaf. Neither function says anything about a tree of no leaves,
/// which is consistent with every other: a first size of 0 is refused. `view` and not `pure` for the precompile alone.
library MerkleLog {
    /// @notice Whether a tree's first leaves are the leaves of an earlier tree, in the same order.
    /// @dev RFC 9162, section 2.1.4.2. Equal sizes need equal roots and no path.
    /// @param firstSize Leaves in the earlier tree; 0 is refused.
    /// @param firstRoot Its root, 32 bytes.
    /// @param secondSize Leaves in the later tree, at least as many.
    /// @param secondRoot Its root, 32 bytes.
    /// @param path The consistency path, node hashes of 32 bytes.
    function verifyConsistency(
        uint64 firstSize,
        bytes32 firstRoot,
        uint64 secondSize,
        bytes32 secondRoot,
        bytes32[] calldata path
    ) internal view returns (bool) {
        if (firstSize == 0 || firstSize > secondSize) return false;
        if (firstSize == secondSize) return path.length == 0 && firstRoot == secondRoot;
        // An earlier tree of 2^n leaves is one node of the later tree: its root starts the path without standing in it.
        bool isNode = firstSize & (firstSize - 1) == 0;
        if (!isNode && path.length == 0) return false;
        uint256 first = firstSize - 1;
        uint256 second = secondSize - 1;
        while (first & 1 == 1) (first, second) = (first >> 1, second >> 1);
        bytes32 firstHash = isNode ? firstRoot : path[0];
        bytes32 secondHash = firstHash;
        for (uint256 i = isNode ? 0 : 1; i < path.length; ++i) {
            if (second == 0) return false;
            bytes32 sibling = path[i];
            if (first & 1 == 1 || first == second) {
                firstHash = _node(sibling, firstHash);
                secondHash = _node(sibling, secondHash);
                while (first & 1 == 0 && first != 0) (first, second) = (first >> 1, second >> 1);
            } else {
                secondHash = _node(secondHash, sibling);
            }
            (first, second) = (first >> 1, second >> 1);
        }
        return second == 0 && firstHash == firstRoot && secondHash == secondRoot;
    }

    /// @notice Whether a leaf stands at an index of a tree.
    /// @dev RFC 9162, section 2.1.3.2. That the leaf hash is one of a record is not checked.
    /// @param leafHash Hash of the leaf, 32 bytes.
    /// @param index Its place, from 0, below `size`.
    /// @param size Leaves in the tree, at least 1.
    /// @param root The tree's root, 32 bytes.
    /// @param path The inclusion path, sibling hashes of 32 bytes from the leaf up.
    function verifyInclusion(bytes32 leafHash, uint64 index, uint64 size, bytes32 root, bytes32[] calldata path)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;
        uint256 node = index;
        uint256 last = size - 1;
        bytes32 hash = leafHash;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) return false;
            if (node & 1 == 1 || node == last) {
                hash = _node(path[i], hash);
                while (node & 1 == 0 && node != 0) (node, last) = (node >> 1, last >> 1);
            } else {
                hash = _node(hash, path[i]);
            }
            (node, last) = (node >> 1, last >> 1);
        }
        return last == 0 && hash == root;
    }

    /// @dev SHA-256(0x01 ‖ left ‖ right), in assembly because a path takes dozens and `sha256(abi.encodePacked(...))`
    /// keeps a new copy in memory each time. The 65 bytes go past the free-memory pointer, which stays where it is; the
    /// precompile at address 2 writes to the scratch space. It fails only for want of gas, and then nothing may be
    /// concluded.
    function _node(bytes32 left, bytes32 right) private view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 0x01)
            mstore(add(input, 0x01), left)
            mstore(add(input, 0x21), right)
            if iszero(staticcall(gas(), 2, input, 0x41, 0x00, 0x20)) { revert(0x00, 0x00) }
            hash := mload(0x00)
        }
    }
}
