"""Where the contracts keep what evidence shows: storage slots by name, and what their 32 bytes mean.

The numbers are the contracts' storage layout (`ledger/abi`, held to these by a test) and part of the evidence format:
contracts are never upgraded, and an account proof pins the code that keeps its storage so.

Source: Solidity documentation, "Layout of State Variables in Storage"; contracts/*.sol.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.core.records import keccak

ACCOUNTS = 0  # AdministrationRegistry
HEADS = 0  # ManifestLog
CLOSURES = 1
LAST_HEADS = 2
TRAILS = 1  # ConsignmentLedger
SEQUENCES = {"AdministrationRegistry": 5, "ManifestLog": 3, "ConsignmentLedger": 0}
"""The slot of each contract whose lowest 64 bits count its events."""


def head(administration: bytes, epoch: int, size: int) -> bytes:
    """ManifestLog's slot of a head commitment, 32 bytes.

    Args:
        administration: 8 bytes.
        epoch: From 1.
        size: Leaves under the head.
    """
    of_administration = _mapping(administration.ljust(32, b"\0"), HEADS.to_bytes(32, "big"))
    return _mapping(size.to_bytes(32, "big"), _mapping(epoch.to_bytes(32, "big"), of_administration))


def last_head(administration: bytes) -> bytes:
    """ManifestLog's slot of an administration's last head (8 bytes), 32 bytes; its root is in the slot after that."""
    return _mapping(administration.ljust(32, b"\0"), LAST_HEADS.to_bytes(32, "big"))


def decode_last_head(word: int) -> tuple[int, int]:
    """The epoch that is open, and how many leaves the last head in it covers; of a null slot, a log never used, 1 and 0."""
    return (word & (1 << 32) - 1) or 1, word >> 32 & (1 << 64) - 1


def closure(manifest_id: bytes) -> bytes:
    """ManifestLog's slot of a closure commitment, 32 bytes; null while the manifest stands."""
    return _mapping(manifest_id, CLOSURES.to_bytes(32, "big"))


def trail(consignment: bytes) -> bytes:
    """ConsignmentLedger's slot of a trail, 32 bytes; null if the consignment was never opened."""
    return _mapping(consignment, TRAILS.to_bytes(32, "big"))


def account(address: bytes) -> bytes:
    """AdministrationRegistry's slot of an account (address of 20 bytes), 32 bytes; null if it was never enrolled."""
    return _mapping(address.rjust(32, b"\0"), ACCOUNTS.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class EnrolledAccount:
    """What the registry keeps of an account.

    Attributes:
        party: 16 bytes.
        roles: Bits of `Role`.
        valid_until: Unix seconds; the first second in which it may no longer act.
        revoked_from: Unix seconds from which its acts are disputed, if it is revoked.
        revoked_at: Time of its first revocation, Unix seconds; 0 if it is not revoked.
    """

    party: bytes
    roles: int
    valid_until: int
    revoked_from: int
    revoked_at: int


def decode_account(word: int) -> EnrolledAccount | None:
    """Take an account's slot apart; None for a null slot, an address that was never enrolled."""
    if word == 0:
        return None
    data = word.to_bytes(32, "big")
    return EnrolledAccount(
        party=data[16:],
        roles=data[15],
        valid_until=int.from_bytes(data[10:15], "big"),
        revoked_from=int.from_bytes(data[5:10], "big"),
        revoked_at=int.from_bytes(data[:5], "big"),
    )


def _mapping(key: bytes, slot: bytes) -> bytes:
    return keccak(key + slot)
