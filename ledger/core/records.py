"""The signed statements, the bytes they are hashed as, and the commitments the contracts keep of them.

This module decides formats; who may sign what is `custody` and the contracts. Records are EIP-712 typed data, so that
any wallet can show and sign them; log leaves and ids are SHA-256, so that any toolkit can check them.

Source: DESIGN 4 and 5; EIP-712.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import ClassVar

from sha3 import keccak_256

from ledger.errors import InvalidRecord

ZERO32 = bytes(32)
ZERO16 = bytes(16)
LEAF_BYTES = 188  # bytes of a log leaf: 123 of fields and 65 of signature
_BLIND_PREFIX = b"cargo-ledger/consignment/1"


class Role(IntEnum):
    """What an enrolled account may do; bits of one byte."""

    TRADER = 1
    OFFICER = 2
    AUDITOR = 4
    SEQUENCER = 8


class ManifestKind(IntEnum):
    """Kinds of a manifest record."""

    LODGE = 1
    AMEND = 2
    WITHDRAW = 3


class ManifestReason(IntEnum):
    """Reasons of a manifest record."""

    NONE = 0
    CORRECTION = 1
    QUANTITY_CHANGED = 2
    LODGED_IN_ERROR = 3
    FRAUD = 4
    ORDER_OF_AN_AUTHORITY = 5


class CustodyKind(IntEnum):
    """Kinds of a custody record."""

    OPEN = 1
    ARRIVAL = 2
    DEPARTURE = 3
    INSPECTION = 4
    SEAL = 5
    OFFER = 6
    ACCEPT = 7
    DECLINE = 8
    HOLD = 9
    LIFT = 10
    RELEASE = 11
    CLOSE = 12
    CLEARANCE = 13
    TAKE = 14
    CONSOLIDATE = 15
    DECONSOLIDATE = 16
    REMARK = 17


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it, 32 bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest


def _need_bytes(name: str, value: object, size: int) -> None:
    if not isinstance(value, bytes) or len(value) != size:
        raise InvalidRecord(name, f"must be {size} bytes")


def _need_uint(name: str, value: object, bits: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
        raise InvalidRecord(name, f"must be an integer from 0 to 2^{bits} - 1")


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain of one contract on one chain.

    Attributes:
        chain_id: The chain's id, at least 1.
        contract: The verifying contract's address, 20 bytes.
    """

    chain_id: int
    contract: bytes

    def __post_init__(self) -> None:
        _need_uint("chain_id", self.chain_id, 256)
        _need_bytes("contract", self.contract, 20)

    @property
    def separator(self) -> bytes:
        """The domain separator, 32 bytes."""
        return _separator(self.chain_id, self.contract)


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: bytes) -> bytes:
    type_hash = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    return keccak(
        type_hash
        + keccak(b"Cargo Ledger")
        + keccak(b"1")
        + chain_id.to_bytes(32, "big")
        + contract.rjust(32, b"\0")
    )


def _typed_digest(domain: Domain, struct: bytes) -> bytes:
    return keccak(b"\x19\x01" + domain.separator + keccak(struct))


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """A party's statement that it lodges, amends or withdraws a manifest.

    Attributes:
        party: Who states it, 16 bytes.
        kind: `ManifestKind`; a uint8, other values can be encoded and are refused by rules elsewhere.
        reason: `ManifestReason`; a uint8.
        consignment: Consignment id, 32 bytes.
        manifest_root: Root of the manifest, 32 bytes; zero for WITHDRAW.
        supersedes: Id of the former manifest, 32 bytes; zero for LODGE.
        issued_at: Unix seconds, the signer's claim.

    Raises:
        InvalidRecord: A field has the wrong length or range.
    """

    party: bytes
    kind: int
    reason: int
    consignment: bytes
    manifest_root: bytes
    supersedes: bytes
    issued_at: int

    TYPE: ClassVar[bytes] = (
        b"ManifestRecord(bytes16 party,uint8 kind,uint8 reason,bytes32 consignment,bytes32 manifestRoot,"
        b"bytes32 supersedes,uint64 issuedAt)"
    )

    def __post_init__(self) -> None:
        _need_bytes("party", self.party, 16)
        _need_uint("kind", self.kind, 8)
        _need_uint("reason", self.reason, 8)
        for name in ("consignment", "manifest_root", "supersedes"):
            _need_bytes(name, getattr(self, name), 32)
        _need_uint("issued_at", self.issued_at, 64)

    def require_form(self) -> None:
        """Refuse what no log takes: unknown kinds and reasons, zero ids, a LODGE with a former manifest.

        Raises:
            InvalidRecord: With the field and what it should have been.
        """
        if self.kind not in (1, 2, 3):
            raise InvalidRecord("kind", "must be 1 LODGE, 2 AMEND or 3 WITHDRAW")
        if self.reason > 5:
            raise InvalidRecord("reason", "must be 0 to 5")
        if self.consignment == ZERO32:
            raise InvalidRecord("consignment", "must not be zero")
        if (self.manifest_root == ZERO32) != (self.kind == ManifestKind.WITHDRAW):
            raise InvalidRecord("manifest_root", "must be zero for WITHDRAW and only there")
        if (self.supersedes == ZERO32) != (self.kind == ManifestKind.LODGE):
            raise InvalidRecord("supersedes", "must be zero for LODGE and only there")

    def digest(self, domain: Domain) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes; `domain` is ManifestLog's."""
        return _typed_digest(
            domain,
            _type_hash(self.TYPE)
            + self.party.ljust(32, b"\0")
            + self.kind.to_bytes(32, "big")
            + self.reason.to_bytes(32, "big")
            + self.consignment
            + self.manifest_root
            + self.supersedes
            + self.issued_at.to_bytes(32, "big"),
        )

    @property
    def manifest_id(self) -> bytes | None:
        """The id of the manifest this record puts in force, 32 bytes; None for WITHDRAW."""
        if self.kind == ManifestKind.WITHDRAW:
            return None
        return manifest_id(self.party, self.consignment, self.manifest_root)

    def leaf_data(self, signature: bytes) -> bytes:
        """The 188 bytes that the log's leaf hashes; the signature is **not** checked here."""
        _need_bytes("signature", signature, 65)
        return b"".join(
            (
                b"\x01",
                self.party,
                bytes((self.kind, self.reason)),
                self.consignment,
                self.manifest_root,
                self.supersedes,
                self.issued_at.to_bytes(8, "big"),
                signature,
            )
        )


@dataclass(frozen=True, slots=True)
class CustodyRecord:
    """One signed step in a consignment's history.

    Attributes:
        consignment: Consignment id, 32 bytes.
        kind: `CustodyKind`; a uint8, other values can be encoded and are refused (NO_KIND) by the rules.
        party: Who states it, 16 bytes.
        previous: The digest before this one on its line, 32 bytes; the blind for OPEN; zero to start a line.
        subject: What the record is about (DESIGN 4), 32 bytes, or zero.
        details: Root of the details document, 32 bytes, or zero; the manifest root for OPEN.
        counterpart: The party an OFFER is made to, 16 bytes, else zero.
        observed_at: Unix seconds, the signer's claim.
        expires_at: Unix seconds; the last second in which the chain takes the record.

    Raises:
        InvalidRecord: A field has the wrong length or range.
    """

    consignment: bytes
    kind: int
    party: bytes
    previous: bytes
    subject: bytes
    details: bytes
    counterpart: bytes
    observed_at: int
    expires_at: int

    TYPE: ClassVar[bytes] = (
        b"CustodyRecord(bytes32 consignment,uint8 kind,bytes16 party,bytes32 previous,bytes32 subject,"
        b"bytes32 details,bytes16 counterpart,uint64 observedAt,uint64 expiresAt)"
    )

    def __post_init__(self) -> None:
        for name in ("consignment", "previous", "subject", "details"):
            _need_bytes(name, getattr(self, name), 32)
        _need_bytes("party", self.party, 16)
        _need_bytes("counterpart", self.counterpart, 16)
        _need_uint("kind", self.kind, 8)
        _need_uint("observed_at", self.observed_at, 64)
        _need_uint("expires_at", self.expires_at, 64)

    def digest(self, domain: Domain) -> bytes:
        """The EIP-712 digest that is signed and named, 32 bytes; `domain` is ConsignmentLedger's."""
        return _typed_digest(
            domain,
            _type_hash(self.TYPE)
            + self.consignment
            + self.kind.to_bytes(32, "big")
            + self.party.ljust(32, b"\0")
            + self.previous
            + self.subject
            + self.details
            + self.counterpart.ljust(32, b"\0")
            + self.observed_at.to_bytes(32, "big")
            + self.expires_at.to_bytes(32, "big"),
        )


@dataclass(frozen=True, slots=True)
class Promise:
    """A sequencer's promise that a leaf will be anchored at an index by a time.

    Attributes:
        administration: 8 bytes.
        epoch: From 1.
        index: From 0.
        leaf_hash: 32 bytes.
        seen: Whether the service saw the whole document, and so that no second value hides under one pointer.
        anchor_by: Unix seconds.
    """

    administration: bytes
    epoch: int
    index: int
    leaf_hash: bytes
    seen: bool
    anchor_by: int

    TYPE: ClassVar[bytes] = (
        b"Promise(bytes8 administration,uint32 epoch,uint64 index,bytes32 leafHash,bool seen,uint64 anchorBy)"
    )

    def __post_init__(self) -> None:
        _need_bytes("administration", self.administration, 8)
        _need_uint("epoch", self.epoch, 32)
        _need_uint("index", self.index, 64)
        _need_bytes("leaf_hash", self.leaf_hash, 32)
        if not isinstance(self.seen, bool):
            raise InvalidRecord("seen", "must be true or false")
        _need_uint("anchor_by", self.anchor_by, 64)

    def digest(self, domain: Domain) -> bytes:
        """The EIP-712 digest that the sequencer signs; `domain` is ManifestLog's."""
        return _typed_digest(
            domain,
            _type_hash(self.TYPE)
            + self.administration.ljust(32, b"\0")
            + self.epoch.to_bytes(32, "big")
            + self.index.to_bytes(32, "big")
            + self.leaf_hash
            + int(self.seen).to_bytes(32, "big")
            + self.anchor_by.to_bytes(32, "big"),
        )


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An account's own consent to act for a party, which its governor puts on chain.

    Attributes:
        account: The account's address, 20 bytes.
        party: 16 bytes.
        roles: Bits of `Role`.
        valid_until: Unix seconds; the first second in which the account may no longer act.
    """

    account: bytes
    party: bytes
    roles: int
    valid_until: int

    TYPE: ClassVar[bytes] = b"Enrolment(address account,bytes16 party,uint8 roles,uint40 validUntil)"

    def __post_init__(self) -> None:
        _need_bytes("account", self.account, 20)
        _need_bytes("party", self.party, 16)
        _need_uint("roles", self.roles, 8)
        _need_uint("valid_until", self.valid_until, 40)

    def digest(self, domain: Domain) -> bytes:
        """The EIP-712 digest that the account signs; `domain` is AdministrationRegistry's."""
        return _typed_digest(
            domain,
            _type_hash(self.TYPE)
            + self.account.rjust(32, b"\0")
            + self.party.ljust(32, b"\0")
            + self.roles.to_bytes(32, "big")
            + self.valid_until.to_bytes(32, "big"),
        )


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request to erase what a service keeps of a manifest: its document, secret and keys. It is never on chain.

    Attributes:
        manifest: Manifest id or record digest, 32 bytes, as the request names it.
        issued_at: Unix seconds.
    """

    manifest: bytes
    issued_at: int

    TYPE: ClassVar[bytes] = b"Erasure(bytes32 manifest,uint64 issuedAt)"

    def __post_init__(self) -> None:
        _need_bytes("manifest", self.manifest, 32)
        _need_uint("issued_at", self.issued_at, 64)

    def digest(self, domain: Domain) -> bytes:
        """The EIP-712 digest that is signed; `domain` is ManifestLog's."""
        return _typed_digest(
            domain, _type_hash(self.TYPE) + self.manifest + self.issued_at.to_bytes(32, "big")
        )


@lru_cache(maxsize=16)
def _type_hash(type_text: bytes) -> bytes:
    return keccak(type_text)


def manifest_id(party: bytes, consignment: bytes, manifest_root: bytes) -> bytes:
    """The id of a manifest: SHA-256(0x03 ‖ party ‖ consignment ‖ manifest root), 32 bytes."""
    _need_bytes("party", party, 16)
    _need_bytes("consignment", consignment, 32)
    _need_bytes("manifest_root", manifest_root, 32)
    return hashlib.sha256(b"\x03" + party + consignment + manifest_root).digest()


def leaf_hash(leaf_data: bytes) -> bytes:
    """The hash of a log leaf: SHA-256(0x00 ‖ data), 32 bytes (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + leaf_data).digest()


def decode_leaf(data: bytes) -> tuple[ManifestRecord, bytes]:
    """Decode the 188 bytes of a log leaf into its record and signature; neither is judged.

    Raises:
        InvalidRecord: Wrong length or version byte.
    """
    _need_bytes("leaf", data, LEAF_BYTES)
    if data[0] != 1:
        raise InvalidRecord("leaf", "must begin with version 1")
    record = ManifestRecord(
        party=data[1:17],
        kind=data[17],
        reason=data[18],
        consignment=data[19:51],
        manifest_root=data[51:83],
        supersedes=data[83:115],
        issued_at=int.from_bytes(data[115:123], "big"),
    )
    return record, data[123:]


def blind(consignment_key: bytes, trade_reference: str) -> bytes:
    """What OPEN shows instead of a trade reference: HMAC-SHA-256 under the consignment key, 32 bytes.

    Args:
        consignment_key: 32 random bytes that travel in the accompanying file.
        trade_reference: `scheme:value`, as `identifiers.TradeReference` prints it; its form is **not** checked here.
    """
    _need_bytes("consignment_key", consignment_key, 32)
    return hmac.digest(consignment_key, _BLIND_PREFIX + trade_reference.encode("utf-8"), "sha256")


def consignment_id(opener: bytes, blind: bytes) -> bytes:
    """The id of a consignment: SHA-256(0x04 ‖ opener's party ‖ blind), 32 bytes."""
    _need_bytes("opener", opener, 16)
    _need_bytes("blind", blind, 32)
    return hashlib.sha256(b"\x04" + opener + blind).digest()


def extend_trail(trail: bytes, digest: bytes, signer: bytes, accepted_at: int) -> bytes:
    """The trail after one more record: keccak256(trail ‖ digest ‖ signer ‖ uint64 time), 32 bytes.

    Args:
        trail: The trail before, 32 bytes; zero before OPEN.
        digest: The record's digest, 32 bytes.
        signer: The signer's address, 20 bytes.
        accepted_at: Time of the block that took it, Unix seconds.
    """
    return keccak(trail + digest + signer + accepted_at.to_bytes(8, "big"))


def head_commitment(root: bytes, anchored_at: int) -> bytes:
    """What ManifestLog keeps of a tree head: keccak256(root ‖ uint64 anchored at), 32 bytes."""
    return keccak(root + anchored_at.to_bytes(8, "big"))


def closure_commitment(kind: int, reason: int, time: int, signer: bytes, successor: bytes) -> bytes:
    """What ManifestLog keeps of a closed manifest: keccak256(kind ‖ reason ‖ uint64 time ‖ signer ‖ successor)."""
    return keccak(bytes((kind, reason)) + time.to_bytes(8, "big") + signer + successor)
