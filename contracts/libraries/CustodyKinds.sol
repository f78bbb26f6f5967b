// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title The kinds of a custody record, and sets of them
/// @dev A set is a number whose bit `kind` says whether the kind is in it.
library CustodyKinds {
    uint8 internal constant OPEN = 1;
    uint8 internal constant ARRIVAL = 2;
    uint8 internal constant DEPARTURE = 3;
    uint8 internal constant INSPECTION = 4;
    uint8 internal constant SEAL = 5;
    uint8 internal constant OFFER = 6;
    uint8 internal constant ACCEPT = 7;
    uint8 internal constant DECLINE = 8;
    uint8 internal constant HOLD = 9;
    uint8 internal constant LIFT = 10;
    uint8 internal constant RELEASE = 11;
    uint8 internal constant CLOSE = 12;
    uint8 internal constant CLEARANCE = 13;
    uint8 internal constant TAKE = 14;
    uint8 internal constant CONSOLIDATE = 15;
    uint8 internal constant DECONSOLIDATE = 16;
    uint8 internal constant REMARK = 17;

    /// @notice Kinds that must name a subject.
    uint256 internal constant NEED_SUBJECT = (1 << ACCEPT) | (1 << DECLINE) | (1 << LIFT) | (1 << RELEASE)
        | (1 << CLEARANCE) | (1 << CONSOLIDATE) | (1 << DECONSOLIDATE);
    /// @notice Kinds that may name a subject.
    uint256 internal constant MAY_HAVE_SUBJECT = NEED_SUBJECT | (1 << OPEN) | (1 << REMARK);
    /// @notice Kinds that follow the consignment's custody line; the others follow their account's own.
    uint256 internal constant ON_CUSTODY_LINE = (1 << OFFER) | (1 << ACCEPT) | (1 << DECLINE) | (1 << CLOSE)
        | (1 << CONSOLIDATE) | (1 << DECONSOLIDATE);
    /// @notice Facts that an officer or the custodian may state.
    uint256 internal constant FACTS = (1 << ARRIVAL) | (1 << DEPARTURE) | (1 << SEAL) | (1 << REMARK);
    /// @notice Kinds for officers of any party.
    uint256 internal constant BY_OFFICER = (1 << INSPECTION) | (1 << HOLD) | (1 << LIFT);
    /// @notice Kinds for officers of a customs administration.
    uint256 internal constant BY_CUSTOMS = (1 << RELEASE) | (1 << CLEARANCE) | (1 << TAKE);
    /// @notice Decisions, which a hold of the same administration stops.
    uint256 internal constant DECISIONS = (1 << RELEASE) | (1 << CLEARANCE);
    /// @notice What officers go on recording of a closed consignment.
    uint256 internal constant WHEN_CLOSED = FACTS | BY_OFFICER | BY_CUSTOMS;

    /// @notice Whether the kind is in the set; no kind over 255 exists, and none over 17 is in any.
    function isIn(uint8 kind, uint256 set) internal pure returns (bool) {
        return (set >> kind) & 1 == 1;
    }
}
