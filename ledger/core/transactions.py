"""Signed transactions: who sent them, to which contract, with what call.

An event does not say who caused it, nor what was shown to the contract beside it (a consistency proof, a consent). The
signed transaction does, and it needs nobody's word: its sender is whoever signed it. A call that another contract passed
on is in no transaction of that form, and so is not shown by one.

Sources: EIP-155, EIP-2718, EIP-2930, EIP-1559.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.core import rlp
from ledger.core.records import keccak
from ledger.core.signatures import recover_address
from ledger.errors import InvalidEncoding

_FIELDS = {0: 9, 1: 11, 2: 12}  # by type, the signature's three included


@dataclass(frozen=True, slots=True)
class Transaction:
    """A signed transaction, as far as it matters here.

    Attributes:
        sender: Who signed it, 20 bytes.
        to: The account or contract called, 20 bytes; empty for the creation of a contract.
        data: The call.
    """

    sender: bytes
    to: bytes
    data: bytes


def decode(raw: bytes) -> Transaction:
    """Decode a signed transaction of type 0, 1 or 2, and recover its sender.

    Raises:
        InvalidEncoding: It is none of these, or its signature is for no chain.
        InvalidSignature: Nobody can have signed it.
    """
    kind, items, digest, signature = _apart(raw)
    to = rlp.as_bytes(items[3 if kind == 0 else 3 + kind], "the called address")
    if len(to) not in (0, 20):
        raise InvalidEncoding("transaction", 0, "the called address has 20 bytes, or none")
    data = rlp.as_bytes(items[5 if kind == 0 else 5 + kind], "the call")
    return Transaction(recover_address(digest, signature), to, data)


def signature_of(raw: bytes) -> tuple[bytes, bytes]:
    """What was signed of a transaction of type 0, 1 or 2, and with what: a digest of 32 bytes, and r ‖ s ‖ v.

    The signature is **not** checked.

    Raises:
        InvalidEncoding: It is none of these, or its signature is for no chain.
    """
    return _apart(raw)[2:]


def _apart(raw: bytes) -> tuple[int, list[rlp.Item], bytes, bytes]:
    kind = raw[0] if raw[:1] < b"\xc0" and raw else 0
    if kind not in _FIELDS:
        raise InvalidEncoding("transaction", 0, "types 0, 1 and 2 are known here")
    items = rlp.decode_list(raw[1:] if kind else raw)
    if len(items) != _FIELDS[kind]:
        raise InvalidEncoding("transaction", 0, f"{_FIELDS[kind]} fields are expected in type {kind}")
    v = rlp.as_integer(items[-3], "v")
    unsigned = items[:-3]
    if kind == 0:
        if v < 35:
            raise InvalidEncoding("transaction", 0, "its signature must be for one chain (EIP-155)")
        unsigned += [rlp.of_integer((v - 35) // 2), b"", b""]
        v = (v - 35) % 2
    if v > 1:
        raise InvalidEncoding("transaction", 0, "its signature's parity is 0 or 1")
    signed = (bytes((kind,)) if kind else b"") + rlp.encode(unsigned)
    r, s = (rlp.as_integer(item, "a part of the signature") for item in items[-2:])
    return kind, items, keccak(signed), r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + v,))
