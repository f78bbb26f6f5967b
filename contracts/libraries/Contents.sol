// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title What is directly inside a consignment, counted by height: eight uint32 in one slot
/// @dev Counter i, from the low end, says how many consignments of height i are directly inside. So the height of the
/// whole follows exactly, up and down, where one stored height could only ever grow. A null slot: nothing is inside.
/// A counter overflows at 2^32 contents of one container, which its custodian would have to pay with all the gas of a
/// chain of 50 million a second for half a year, to miscount that container alone.
library Contents {
    uint256 private constant BITS = 32;

    /// @notice How many levels are inside, 0 to 8: one more than the highest content.
    function height(uint256 packed) internal pure returns (uint256 levels) {
        unchecked {
            if (packed >= 1 << (BITS * 4)) (levels, packed) = (4, packed >> (BITS * 4));
            if (packed >= 1 << (BITS * 2)) (levels, packed) = (levels + 2, packed >> (BITS * 2));
            if (packed >= 1 << BITS) return levels + 2;
            return packed == 0 ? levels : levels + 1;
        }
    }

    /// @notice How many consignments are directly inside.
    function count(uint256 packed) internal pure returns (uint256 total) {
        for (; packed != 0; packed >>= BITS) {
            total += uint32(packed);
        }
    }

    /// @notice The counters with one more content of this height, 0 to 7.
    function added(uint256 packed, uint256 contentHeight) internal pure returns (uint256) {
        unchecked {
            return packed + (1 << (BITS * contentHeight));
        }
    }

    /// @notice The counters with one content of this height less; there is one.
    function removed(uint256 packed, uint256 contentHeight) internal pure returns (uint256) {
        unchecked {
            return packed - (1 << (BITS * contentHeight));
        }
    }
}
