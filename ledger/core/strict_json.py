"""JSON text as documents and disclosures allow it: one value a text, integers only, no name twice, bounds first.

This module reads text into Python values and says where it is wrong, by JSON Pointer. What the values have to mean is
its callers'. Why a reader of our own: the ones at hand keep the last of two equal names, turn a large integer into a
float and can't say where they stopped; each of these would give two readers two digests. It is slow, so what can be told
to have none of these rarities is read by orjson.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

HIGHEST_INTEGER = 2**53 - 1  # beyond it, readers that use doubles see another number (RFC 8259, section 6)
_MAX_DIGITS = 16  # digits of HIGHEST_INTEGER

# What is said of a value that some reader might take and this one must not.
NO_FLOAT = 'a number has a fraction or exponent; write quantities as strings, like "1250.5"'
NO_SUCH_INTEGER = "an integer is outside -(2^53-1) to 2^53-1; write it as a string"

_SPACE = re.compile(r"[ \t\n\r]*+")
# possessive, so that a text of nothing but escapes costs no memory for ways back
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]++|(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})))*+)"')
_ESCAPE = re.compile(r"\\(?:u(....)|(.))")
_NUMBER = re.compile(r"-?[0-9]++([.eE][-+.eE0-9]*+)?")
_SHORT_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS = (("true", True), ("false", False), ("null", None))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one text may ask for.

    Attributes:
        bytes: Length of the text.
        depth: Objects and arrays inside each other; the outermost has depth 1, scalars do not count.
        leaves: Scalars, empty objects and empty arrays.
    """

    bytes: int
    depth: int
    leaves: int


def read(data: bytes, limits: Limits, refuse: Callable[[str, str], Exception]) -> Any:
    """Read one JSON text.

    Args:
        data: UTF-8 without a byte order mark.
        limits: What it may ask for; checked before memory is spent on it.
        refuse: Makes the error to raise, from the RFC 6901 pointer of the place and what is wrong there.

    Returns:
        dict, list, str, int, bool or None; an integer is within 2^53-1 of zero, a string holds no surrogates.
    """
    value = read_plain(data, limits)
    if value is not None and _is_allowed(value, limits.depth):
        return value
    return _read_strictly(data, limits, refuse)


def _read_strictly(data: bytes, limits: Limits, refuse: Callable[[str, str], Exception]) -> Any:
    if len(data) > limits.bytes:
        raise refuse("", f"it has {len(data)} bytes, {limits.bytes} are allowed")
    if data.startswith(b"\xef\xbb\xbf"):
        raise refuse("", "it begins with a byte order mark; save it as UTF-8 without one")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse("", f"byte {error.start} is not UTF-8") from None
    return _Reader(text, limits, refuse).whole()


_SPACES = b" \t\n\r"


def read_plain(data: bytes, limits: Limits) -> Any:
    """Read a text without rarities in a tenth of the time that `read` takes; None for any other.

    orjson accepts what is JSON and no more. Written back, its value has the same bytes but for spaces only if no name
    stood twice (the lost member is missing), no integer was -0 and no escape was longer than needed. Floats, integers
    out of range and too deep a nesting are written back alike: those are **not** refused here.
    """
    # No more leaves than are allowed, before memory is spent on them: a leaf takes two bytes at least, with what parts
    # it from the next; in a longer text each follows one of these bytes (there are more of them where strings hold some).
    if len(data) > limits.bytes:
        return None
    if len(data) > 2 * limits.leaves:
        marks = data.count(b",") + data.count(b"[") + data.count(b"{")
        if marks > limits.leaves:
            return None
    try:
        value = orjson.loads(data)
        written = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no JSON; or nested too deep to write
        return None
    if written == data or written.translate(None, _SPACES) == data.translate(None, _SPACES):
        return value
    return None


def _is_allowed(value: Any, depth: int) -> bool:
    """Whether a value that `read_plain` gave has no float, no integer out of range and no container too deep."""
    level = [value]
    while level:
        kinds = set(map(type, level))
        if float in kinds:
            return False
        if int in kinds and any(
            not -HIGHEST_INTEGER <= each <= HIGHEST_INTEGER for each in level if each.__class__ is int
        ):
            return False
        below: list[Any] = []
        if dict in kinds or list in kinds:
            if not depth:
                return False
            for each in level:
                if each.__class__ is dict:
                    below += each.values()
                elif each.__class__ is list:
                    below += each
        level = below
        depth -= 1
    return True


class _Reader:
    """One pass over a text; `path` is where it stands, for the pointer of a refusal."""

    __slots__ = ("at", "leaves", "limits", "path", "refuse", "text")

    def __init__(self, text: str, limits: Limits, refuse: Callable[[str, str], Exception]) -> None:
        self.text = text
        self.limits = limits
        self.refuse = refuse
        self.at = 0  # character that comes next
        self.leaves = 0
        self.path: list[str | int] = []

    def whole(self) -> Any:
        self.skip_space()
        value = self.value()
        self.skip_space()
        if self.at < len(self.text):
            self.fail(f"there is more text after the value, from character {self.at}")
        return value

    def fail(self, rule: str) -> NoReturn:
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)
        raise self.refuse(pointer, rule)

    def skip_space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches nothing, too

    def takes(self, character: str) -> bool:
        """Step over spaces, this character if it comes next, and spaces."""
        self.skip_space()
        if self.text.startswith(character, self.at):
            self.at += 1
            self.skip_space()
            return True
        return False

    def value(self) -> Any:
        text, at = self.text, self.at
        first = text[at : at + 1]
        if first == '"':
            value: Any = self.string()
        elif first == "{" or first == "[":
            if len(self.path) == self.limits.depth:
                self.fail(f"objects and arrays are nested deeper than {self.limits.depth}")
            self.at += 1
            value = self.object() if first == "{" else self.array()
            if value:
                return value
        elif "0" <= first <= "9" or first == "-":
            value = self.integer()
        else:
            value = self.literal()
        self.leaves += 1
        if self.leaves > self.limits.leaves:
            self.fail(f"there are more than {self.limits.leaves} values")
        return value

    def object(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        if self.takes("}"):
            return members
        while True:
            if not self.text.startswith('"', self.at):
                self.fail(f"a name in quotes is expected at character {self.at}")
            name = self.string()
            self.path.append(name)
            if name in members:
                self.fail("this name stands twice in its object")
            if not self.takes(":"):
                self.fail(f"a colon is expected after the name, at character {self.at}")
            members[name] = self.value()
            self.path.pop()
            if self.takes("}"):
                return members
            if not self.takes(","):
                self.fail(f"a comma or }} is expected at character {self.at}")

    def array(self) -> list[Any]:
        items: list[Any] = []
        if self.takes("]"):
            return items
        while True:
            self.path.append(len(items))
            items.append(self.value())
            self.path.pop()
            if self.takes("]"):
                return items
            if not self.takes(","):
                self.fail(f"a comma or ] is expected at character {self.at}")

    def string(self) -> str:
        match = _STRING.match(self.text, self.at)
        if not match:
            self.fail(
                f"the string from character {self.at} has a control character, an escape that JSON does not know, "
                "or no end"
            )
        self.at = match.end()
        content, escaped = match.groups()
        if not escaped:
            return content
        content = _ESCAPE.sub(_unescape, content)
        try:
            return content.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self.fail("a string has half of a surrogate pair, which is no character")

    def integer(self) -> int:
        match = _NUMBER.match(self.text, self.at)
        if not match:
            self.fail(f"a minus sign without a number stands at character {self.at}")
        if match[1]:
            self.fail(NO_FLOAT)
        number = match[0]
        digits = number.removeprefix("-")
        if len(digits) > _MAX_DIGITS:
            self.fail(f"an integer has {len(digits)} digits, {_MAX_DIGITS} are allowed; write it as a string")
        if digits[0] == "0" and number != "0":
            self.fail("an integer is -0 or begins with a zero")
        value = int(number)
        if not -HIGHEST_INTEGER <= value <= HIGHEST_INTEGER:
            self.fail(NO_SUCH_INTEGER)
        self.at = match.end()
        return value

    def literal(self) -> bool | None:
        for word, value in _LITERALS:
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        self.fail(f"no JSON value stands at character {self.at}")


def _unescape(escape: re.Match[str]) -> str:
    code_unit, short = escape.groups()
    return chr(int(code_unit, 16)) if code_unit else _SHORT_ESCAPES.get(short, short)
