// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title A party is an administration and an organisation, eight bytes each
/// @dev Text `[A-Z0-9]`, two to eight characters for the administration and none to eight for the organisation,
/// padded with zero bytes on the right. Organisation zero is the customs administration itself.
library Parties {
    /// @notice The administration a party belongs to: its first eight bytes.
    function administrationOf(bytes16 party) internal pure returns (bytes8) {
        return bytes8(party);
    }

    /// @notice The organisation within the administration: the last eight bytes, zero for customs itself.
    function organisationOf(bytes16 party) internal pure returns (bytes8) {
        return bytes8(uint64(uint128(party)));
    }

    /// @notice The customs administration as a party: organisation zero.
    function customsOf(bytes8 administration) internal pure returns (bytes16) {
        return bytes16(administration);
    }

    /// @notice Whether this is the customs administration itself and not an organisation that it enrolled.
    function isCustoms(bytes16 party) internal pure returns (bool) {
        return organisationOf(party) == 0;
    }

    /// @notice Whether the eight bytes can name an administration: two to eight of `[A-Z0-9]`, then zero bytes.
    function isAdministration(bytes8 code) internal pure returns (bool) {
        return code[1] != 0 && isCode(code);
    }

    /// @notice Whether the eight bytes are none to eight of `[A-Z0-9]`, then zero bytes: an organisation's code.
    function isCode(bytes8 code) internal pure returns (bool) {
        bool ended = false;
        for (uint256 i = 0; i < 8; ++i) {
            bytes1 character = code[i];
            if (character == 0) {
                ended = true;
            } else if (ended || !_isUpperOrDigit(character)) {
                return false;
            }
        }
        return true;
    }

    function _isUpperOrDigit(bytes1 character) private pure returns (bool) {
        return (character >= "0" && character <= "9") || (character >= "A" && character <= "Z");
    }
}
