"""JSON files with one encoding: names ascending by their UTF-8 bytes, no spaces, integers only; anything else refused.

Evidence and trust files are judged by their bytes: two spellings of one file would be a byte that means nothing. A
file is read by orjson and written back; only the same bytes pass, so that spaces, doubled names, another order, longer
escapes, 1.0 or 1e2 do not. Length and number of values are bounded before; depth by orjson itself, at 1,024 (and at 254
when it is written back).

Source: RFC 8785, which this agrees with but for the order of names outside ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import orjson

from ledger.core.strict_json import HIGHEST_INTEGER

Refuse: TypeAlias = Callable[[str, str], Exception]

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*+")


def encode(value: Any) -> bytes:
    """Write a value in the one encoding; what it holds is the caller's."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def read(data: bytes, *, most_bytes: int, most_values: int, refuse: Refuse) -> Any:
    """Read a file.

    Args:
        data: The whole file.
        most_bytes: How long it may be.
        most_values: How many values, and containers, it may hold; strings count by their commas and brackets too.
        refuse: Makes the error to raise, from a JSON Pointer and what is wrong there.

    Returns:
        dict, list, str, int, float, bool or None: the caller's forms refuse floats.
    """
    if not isinstance(data, bytes | bytearray):
        raise refuse("", "bytes are expected")
    data = bytes(data)
    if len(data) > most_bytes:
        raise refuse("", f"it has {len(data)} bytes, {most_bytes} are allowed")
    if data.count(b",") + data.count(b"[") + data.count(b"{") > most_values:
        raise refuse("", f"it holds more than {most_values} values")
    try:
        value = orjson.loads(data)
        written = encode(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise refuse("", "it is no JSON, or nested too deep") from None
    if written != data:
        raise refuse(
            "", "it is not in its one encoding: no spaces, names in order and once, no longer escapes"
        )
    return value


class Form:
    """Reads the values of one kind of file, each refused with its place when it is not of its form.

    Args:
        refuse: Makes the error to raise, from a JSON Pointer and what is wrong there.
    """

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse

    def fail(self, place: str, rule: str) -> NoReturn:
        """Refuse a place."""
        raise self._refuse(place, rule)

    def members(self, value: Any, place: str, names: frozenset[str]) -> dict[str, Any]:
        """An object with exactly these members."""
        if not isinstance(value, dict) or value.keys() != names:
            self.fail(place, f"an object with exactly {', '.join(sorted(names))} is expected")
        return value

    def items(self, value: Any, place: str, most: int) -> Sequence[Any]:
        """An array of at most so many."""
        if not isinstance(value, list) or len(value) > most:
            self.fail(place, f"an array of at most {most} is expected")
        return value

    def data(self, value: Any, place: str, length: int | None = None) -> bytes:
        """Bytes, written as 0x and lower-case hex digits, of a length if one is given."""
        if isinstance(value, str) and _HEX.fullmatch(value):
            read = bytes.fromhex(value[2:])
            if length is None or len(read) == length:
                return read
        what = "bytes" if length is None else f"{length} bytes"
        self.fail(place, f"{what} of lower-case hex after 0x are expected")

    def integer(self, value: Any, place: str, least: int = 0, most: int = HIGHEST_INTEGER) -> int:
        """An integer of a range."""
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.fail(place, f"an integer from {least} to {most} is expected")
        return value

    def text(self, value: Any, place: str, longest: int = 256) -> str:
        """A text of at most so many characters, not empty."""
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            self.fail(place, f"a text of 1 to {longest} characters is expected")
        return value


def hexed(data: bytes) -> str:
    """Write bytes as `Form.data` reads them."""
    return "0x" + data.hex()
