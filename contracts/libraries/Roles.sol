// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title What an account may do: a set of bits, enrolled once and never changed
/// @dev An officer is never also a trader, a sequencer is nothing else; customs itself (organisation zero) has no
/// trader, since it would hand over what it has seized, and customs alone has sequencers.
library Roles {
    uint8 internal constant TRADER = 1;
    uint8 internal constant OFFICER = 2;
    uint8 internal constant AUDITOR = 4;
    uint8 internal constant SEQUENCER = 8;

    /// @notice Whether the set may be enrolled, for customs itself (organisation zero) or for another organisation.
    /// @param roles The bits, at least one of the four and no other.
    /// @param customs Whether the account's party is the customs administration itself.
    function areAllowed(uint8 roles, bool customs) internal pure returns (bool) {
        if (roles == SEQUENCER) return customs;
        if (roles == 0 || roles > (TRADER | OFFICER | AUDITOR)) return false;
        if (roles & TRADER != 0) return !customs && roles & OFFICER == 0;
        return true;
    }
}
