"""Places within RLP that a hash vouches for: found without taking it apart, which would cost more than all else.

Lenient where `core.rlp` is strict: a length may be spelled in any way. Whoever uses these holds the whole against a hash.
"""

from __future__ import annotations

from ledger.errors import InvalidEncoding


def list_at(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where what is in the list at a place begins and ends.

    Args:
        data: The bytes.
        at: Where the list stands.
        end: Where what it is in ends.

    Raises:
        InvalidEncoding: There is no list, or it goes beyond the end.
    """
    first = data[at] if at < end else 0
    if first < 0xC0:
        raise InvalidEncoding("receipt", at, "a list is expected")
    size = max(0, first - 0xF7)
    length = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else first - 0xC0
    begin = at + 1 + size
    if begin + length > end:
        raise InvalidEncoding("receipt", at, "it ends within a list")
    return begin, begin + length


def after_bytes(data: bytes, at: int) -> int:
    """Where the bytes at a place end; that may be beyond the end.

    Raises:
        InvalidEncoding: A list is there, or nothing.
    """
    first = data[at] if at < len(data) else 0xC0
    if first >= 0xC0:
        raise InvalidEncoding("receipt", at, "bytes are expected")
    if first < 0x80:
        return at + 1
    size = max(0, first - 0xB7)
    length = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else first - 0x80
    return at + 1 + size + length
