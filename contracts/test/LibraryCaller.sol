// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleLog} from "../libraries/MerkleLog.sol";
import {Parties} from "../libraries/Parties.sol";
import {Roles} from "../libraries/Roles.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title Lets tests call the internal libraries; never deployed with the ledger
contract LibraryCaller {
    function verifyConsistency(
        uint64 firstSize,
        bytes32 firstRoot,
        uint64 secondSize,
        bytes32 secondRoot,
        bytes32[] calldata path
    ) external view returns (bool) {
        return MerkleLog.verifyConsistency(firstSize, firstRoot, secondSize, secondRoot, path);
    }

    function verifyInclusion(bytes32 leafHash, uint64 index, uint64 size, bytes32 root, bytes32[] calldata path)
        external
        view
        returns (bool)
    {
        return MerkleLog.verifyInclusion(leafHash, index, size, root, path);
    }

    function recover(bytes32 digest, bytes calldata signature) external pure returns (address) {
        return Signatures.recover(digest, signature);
    }

    function isAdministration(bytes8 code) external pure returns (bool) {
        return Parties.isAdministration(code);
    }

    function isCode(bytes8 code) external pure returns (bool) {
        return Parties.isCode(code);
    }

    function areAllowed(uint8 roles, bool customs) external pure returns (bool) {
        return Roles.areAllowed(roles, customs);
    }
}
