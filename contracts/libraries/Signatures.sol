// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Who signed a digest, in the one encoding that is accepted
/// @dev One signature has one spelling: 65 bytes r ‖ s ‖ v, s in the lower half of the curve's order, v 27 or 28.
/// OpenZeppelin's `tryRecover` refuses a high s, and the precompile any other v. A contract can't sign here (no
/// EIP-1271): an account is a key, and revoking it must not depend on another contract's code.
library Signatures {
    /// @notice The address whose key made the signature, or zero if it is none.
    /// @dev Never reverts. The caller refuses zero: an account of address zero is never enrolled.
    /// @param digest The EIP-712 digest that was signed, 32 bytes.
    /// @param signature r ‖ s ‖ v, 65 bytes.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        if (signature.length != 65) return address(0);
        (signer,,) = ECDSA.tryRecover(
            digest, uint8(signature[64]), bytes32(signature[0:32]), bytes32(signature[32:64])
        );
    }
}
