"""Signatures over 32-byte digests by chain accounts (ECDSA on secp256k1), in one form only.

This module says which account signed a digest. Whether that account may sign it is `custody` and the registry; what
the digest says is `records`. One form, because a signature is part of a log leaf: 65 bytes r ‖ s ‖ v, s in the lower
half, v 27 or 28. Wallets that give v 0 or 1, or a high s, are not repaired here: two spellings would be two leaves.
"""

from __future__ import annotations

from functools import lru_cache

from coincurve import PrivateKey, PublicKey

from ledger.core.records import keccak
from ledger.errors import InvalidKey, InvalidSignature

SIGNATURE_BYTES = 65

# Order of the group; a signature's s is at most half of it (EIP-2).
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HIGHEST_S = (_ORDER // 2).to_bytes(32, "big")


def recover(digest: bytes, signature: bytes) -> str:
    """Recover the account that signed a digest.

    Args:
        digest: What was signed, 32 bytes; it is **not** hashed again, nor prefixed.
        signature: r ‖ s ‖ v, 65 bytes.

    Returns:
        The account's address, checksummed (EIP-55).

    Raises:
        InvalidSignature: The digest or signature is not of the one form, or no account has such a signature.

    Source: SEC 1, section 4.1.6; EIP-2 for low s.
    """
    return checksummed(recover_address(digest, signature))


def recover_address(digest: bytes, signature: bytes) -> bytes:
    """Recover the address, 20 bytes, of the account that signed; as `recover`."""
    return _address(_recovered(digest, signature))


def recover_key(digest: bytes, signature: bytes) -> bytes:
    """Recover the public key, x ‖ y of 64 bytes, of the account that signed; as `recover`."""
    return _recovered(digest, signature).format(compressed=False)[1:]


def _recovered(digest: bytes, signature: bytes) -> PublicKey:
    _need_digest(digest)
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature(f"it must be {SIGNATURE_BYTES} bytes, r, s and v")
    v = signature[64]
    if v not in (27, 28):
        raise InvalidSignature(f"v must be 27 or 28, not {v}")
    if signature[32:64] > _HIGHEST_S:
        raise InvalidSignature("s must be in the lower half of the group's order")
    try:
        # libsecp256k1 refuses r or s that is zero or not below the order, and an r that is no point's
        return PublicKey.from_signature_and_message(signature[:64] + bytes([v - 27]), digest, hasher=None)
    except ValueError as error:
        raise InvalidSignature("no account can have made it") from error


def sign(digest: bytes, key: bytes) -> bytes:
    """Sign a digest with a private key.

    Args:
        digest: What is signed, 32 bytes; it is **not** hashed again, nor prefixed.
        key: Private key, 32 bytes.

    Returns:
        r ‖ s ‖ v, 65 bytes, s low, v 27 or 28; the same for the same arguments (RFC 6979).

    Raises:
        InvalidSignature: The digest is not 32 bytes.
        InvalidKey: The key is not one of the group's.
    """
    _need_digest(digest)
    signature = _private_key(key).sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([27 + signature[64]])


def account_of(key: bytes) -> str:
    """The address, checksummed, of a private key's account. Raises InvalidKey as `sign` does."""
    return checksummed(address_of(key))


def address_of(key: bytes) -> bytes:
    """The address, 20 bytes, of a private key's account. Raises InvalidKey as `sign` does."""
    return _own_address(_private_key(key))


@lru_cache(maxsize=4096)
def checksummed(address: bytes) -> str:
    """Write an address of 20 bytes as `0x` and 40 hex digits in mixed case (EIP-55)."""
    digits = address.hex()
    checksum = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if nibble >= "8" else digit for digit, nibble in zip(digits, checksum, strict=False)
    )


def _address(key: PublicKey) -> bytes:
    return keccak(key.format(compressed=False)[1:])[12:]


def _private_key(key: bytes) -> PrivateKey:
    if not isinstance(key, bytes) or len(key) != 32:
        raise InvalidKey("given", "a private key is 32 bytes")
    try:
        return _load_key(key)
    except ValueError:
        raise InvalidKey("given", "it is zero or not below the group's order") from None


# A service signs with one key by the thousand, and deriving its public key costs more than a signature. Whoever signs
# holds the key for as long anyway.
_load_key = lru_cache(maxsize=8)(PrivateKey)


@lru_cache(maxsize=8)
def _own_address(key: PrivateKey) -> bytes:
    return _address(key.public_key)


def _need_digest(digest: object) -> None:
    if not isinstance(digest, bytes) or len(digest) != 32:
        raise InvalidSignature("the digest under it must be 32 bytes")
