"""Recursive Length Prefix, strictly: one encoding for each value, everything else refused.

Block headers, accounts and trie nodes are hashed as RLP; a reader that takes a second spelling of the same bytes would
let a proof be changed without being noticed.

Source: Ethereum Yellow Paper, appendix B.
"""

from __future__ import annotations

from typing import TypeAlias

from ledger.errors import InvalidEncoding

Item: TypeAlias = "bytes | list[Item]"

MAX_DEPTH = 8  # lists within lists; a header with QBFT's extra data has 3


def decode(data: bytes) -> Item:
    """Decode exactly one item.

    Raises:
        InvalidEncoding: Bytes after the item, a length beyond the end, a length or a byte that is not spelled the
            shortest way, or lists nested deeper than 8.
    """
    item, end = _decode(data, 0, len(data), 0)
    if end != len(data):
        raise InvalidEncoding("RLP", end, "bytes follow the item")
    return item


def decode_list(data: bytes) -> list[Item]:
    """Decode exactly one item that must be a list."""
    item = decode(data)
    if isinstance(item, bytes):
        raise InvalidEncoding("RLP", 0, "a list is expected")
    return item


def encode(item: Item) -> bytes:
    """Encode an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(0x80, len(item)) + item
    payload = b"".join(encode(each) for each in item)
    return _prefix(0xC0, len(payload)) + payload


def as_bytes(item: Item, what: str, length: int | None = None) -> bytes:
    """The item as bytes, of a length if one is given."""
    if not isinstance(item, bytes) or (length is not None and len(item) != length):
        raise InvalidEncoding("RLP", 0, f"{what} must be {'bytes' if length is None else f'{length} bytes'}")
    return item


def as_integer(item: Item, what: str, most: int = 32) -> int:
    """The item as an integer of at most some bytes, without leading zeros."""
    data = as_bytes(item, what)
    if len(data) > most or data[:1] == b"\0":
        raise InvalidEncoding(
            "RLP", 0, f"{what} must be an integer of at most {most} bytes without leading zeros"
        )
    return int.from_bytes(data, "big")


def as_list(item: Item, what: str) -> list[Item]:
    """The item as a list."""
    if isinstance(item, bytes):
        raise InvalidEncoding("RLP", 0, f"{what} must be a list")
    return item


def of_integer(value: int) -> bytes:
    """An integer as the item's bytes."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def list_prefix(length: int) -> bytes:
    """What stands before a list's payload of so many bytes."""
    return _prefix(0xC0, length)


def _prefix(offset: int, length: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = of_integer(length)
    return bytes((offset + 55 + len(size),)) + size


def _decode(data: bytes, at: int, end: int, depth: int) -> tuple[Item, int]:
    if at >= end:
        raise InvalidEncoding("RLP", at, "the bytes end before the item")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    short = first - (0xC0 if is_list else 0x80)
    begin = at + 1
    length = short
    if short > 55:
        size = short - 55
        digits = data[begin : min(begin + size, end)]
        begin += size
        length = int.from_bytes(digits, "big")
        if len(digits) < size or digits[0] == 0 or length < 56:
            raise InvalidEncoding("RLP", at, "the length is not spelled the shortest way")
    stop = begin + length
    if stop > end:
        raise InvalidEncoding("RLP", at, "the item is longer than what is there")
    if not is_list:
        if length == 1 and data[begin] < 0x80:
            raise InvalidEncoding("RLP", at, "a byte below 0x80 stands for itself")
        return data[begin:stop], stop
    if depth == MAX_DEPTH:
        raise InvalidEncoding("RLP", at, f"lists are nested deeper than {MAX_DEPTH}")
    items: list[Item] = []
    while begin < stop:
        item, begin = _decode(data, begin, stop, depth + 1)
        items.append(item)
    return items, stop
