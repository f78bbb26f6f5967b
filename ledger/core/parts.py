"""An evidence file as numbered texts, each small enough for a QR code that a phone reads off paper.

The file is made compact: every text of hexadecimal digits in it, `"0x…"`, becomes the count of its digits, `"0x64"`,
and the digits follow as bytes after the whole, in the same order; then zlib. That is cut into parts of about the same
size, each written in base45 (RFC 9285), whose characters are those of a QR code's alphanumeric mode:

    CE1/9F86D081884C7D65/3/15/…      version, the first 8 bytes of the file's SHA-256, number, count, base45

The parts give back exactly the bytes they were made of, or an error. Whether these are good evidence is `verify`'s to
say: paper is as hostile as any file.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable

import base45

from ledger.core import evidence
from ledger.errors import InvalidParts, PartsMissing

MAX_PARTS = 99
PART_CHARACTERS = 1_451  # what version 25 of a QR code holds at level M, in alphanumeric mode
_HEAD = re.compile(r"CE1/([0-9A-F]{16})/([1-9][0-9]?)/([1-9][0-9]?)/")
_HEAD_CHARACTERS = len("CE1/9F86D081884C7D65/99/99/")
_PART_BYTES = (PART_CHARACTERS - _HEAD_CHARACTERS) // 3 * 2  # base45 writes 2 bytes as 3 characters
_HEX = re.compile(rb'"0x([0-9a-f]*)"')
_COUNT = re.compile(rb'"0x(0|[1-9][0-9]{0,6})"')


def split(data: bytes) -> list[str]:
    """Split an evidence file into the texts of its QR codes.

    Args:
        data: The file's bytes; they are **not** looked at beyond their size.

    Returns:
        1 to `MAX_PARTS` texts of at most `PART_CHARACTERS` characters, as even as they can be.

    Raises:
        InvalidParts: It would take more than `MAX_PARTS`, or is over `evidence.MAX_BYTES`.
    """
    if len(data) > evidence.MAX_BYTES:
        raise InvalidParts(f"the file is over {evidence.MAX_BYTES} bytes, more than evidence can have")
    packed = zlib.compress(_without_hex(data), 9)
    count = -(-len(packed) // _PART_BYTES)
    if count > MAX_PARTS:
        raise InvalidParts(
            f"it would take {count} codes, and more than {MAX_PARTS} are nothing for paper: disclose fewer fields"
        )
    size = -(-len(packed) // count)
    size += size % 2  # an odd byte takes 2 characters for itself
    cut = [packed[at : at + size] for at in range(0, len(packed), size)]
    name = _name(data)
    return [
        f"CE1/{name}/{number}/{len(cut)}/" + base45.b45encode(part).decode()
        for number, part in enumerate(cut, 1)
    ]


def join(texts: Iterable[str]) -> bytes:
    """Put an evidence file together from the texts of its codes, in any order, any of them several times.

    Args:
        texts: What was read; what is no part of an evidence file is passed over.

    Returns:
        The file's bytes.

    Raises:
        PartsMissing: Some have not been read; says which.
        InvalidParts: None is a part, they are of several files, or what they give is not what was split.
    """
    parts: dict[int, str] = {}
    file: tuple[str, int] | None = None
    for text in texts:
        head = _HEAD.match(text)
        if head is None:
            continue
        name, number, count = head[1], int(head[2]), int(head[3])
        if file is None:
            file = (name, count)
        if file != (name, count):
            raise InvalidParts(f"they are of two files, {file[0]} and {name}: read one at a time")
        if number > count:
            raise InvalidParts(f"one calls itself number {number} of {count}")
        body = text[head.end() :]
        if parts.setdefault(number, body) != body:
            raise InvalidParts(f"number {number} was read twice, and not alike")
    if file is None:
        raise InvalidParts("none of what was read is a part of an evidence file")
    name, count = file
    if len(parts) < count:
        raise PartsMissing([number for number in range(1, count + 1) if number not in parts], count)
    data = _unpacked([parts[number] for number in range(1, count + 1)])
    if _name(data) != name:
        raise InvalidParts("together they are not what was split: a code was changed or misread")
    return data


def _name(data: bytes) -> str:
    return hashlib.sha256(data).digest()[:8].hex().upper()


def _without_hex(data: bytes) -> bytes:
    digits: list[bytes] = []

    def count(found: re.Match[bytes]) -> bytes:
        text = found[1]
        digits.append(bytes.fromhex((text + b"0" * (len(text) % 2)).decode()))
        return b'"0x%d"' % len(text)

    text = _HEX.sub(count, data)
    return b"".join((len(text).to_bytes(4, "big"), text, *digits))


def _unpacked(bodies: list[str]) -> bytes:
    try:
        packed = b"".join(base45.b45decode(body) for body in bodies)
        unpacker = zlib.decompressobj()
        flat = unpacker.decompress(packed, evidence.MAX_BYTES + 5)
    except (ValueError, zlib.error):
        raise InvalidParts("what they hold cannot be unpacked: a code was changed or misread") from None
    if not unpacker.eof or len(flat) > evidence.MAX_BYTES + 4:
        raise InvalidParts("what they hold ends too early, or is larger than evidence can be")
    end = 4 + int.from_bytes(flat[:4], "big")
    at = end

    def digits(found: re.Match[bytes]) -> bytes:
        nonlocal at
        count = int(found[1])
        text = flat[at : at + (count + 1) // 2].hex()[:count]
        at += (count + 1) // 2
        return f'"0x{text}"'.encode()

    return _COUNT.sub(digits, flat[4:end])
