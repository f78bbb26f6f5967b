// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title EIP-712 in this ledger's domain: `Cargo Ledger`, version `1`, the chain, the contract that takes the record
/// @dev The separator is computed at each use and never stored, so it follows `block.chainid` when a chain forks, and
/// it costs less than reading a stored chain id would in a contract that has other immutables to read.
library TypedData {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("Cargo Ledger");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @notice The separator of this contract on this chain, 32 bytes.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this)));
    }

    /// @notice The digest that is signed, 32 bytes.
    /// @param separator This contract's `domainSeparator`; a batch computes it once.
    /// @param structHash keccak256 of the type hash and the encoded fields, 32 bytes.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(separator, structHash);
    }
}
