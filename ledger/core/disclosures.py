"""A disclosure: some leaves of a document with what it takes to compute the document's root from them.

Whoever has the root sees that these leaves were committed to, and nothing of the others but their number. It is
**not** shown that no second value hides under the same pointer: only who saw the whole document knows that.

Source: DESIGN 5.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.core import merkle, strict_json
from ledger.core.leaves import (
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_POINTER_BYTES,
    SALT_BYTES,
    LeafValue,
    document_root,
    field_hashes,
    head,
    is_index,
    texts,
)
from ledger.errors import InvalidDisclosure

# A field is an object of three scalars and a value that may be an empty container: depth 4, four leaves. The bytes
# are those of 10,000 fields with the longest pointers.
_JSON_LIMITS = strict_json.Limits(bytes=16 * 2**20, depth=4, leaves=1 + 5 * MAX_LEAVES)

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*+)*+")
_SALT = re.compile(r"0x[0-9a-f]{32}")
_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Field:
    """One leaf that is shown.

    Attributes:
        index: Its position among the document's leaves, from 0.
        pointer: Its RFC 6901 pointer.
        value: A string, boolean, integer, None, `{}` or `[]`.
        salt: 16 bytes.
    """

    index: int
    pointer: str
    value: LeafValue
    salt: bytes


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Some leaves of a document, and the hashes that stand for the others. A malformed one can't be made.

    Attributes:
        leaves: How many leaves the document has.
        fields: The leaves shown, ascending; at least one.
        siblings: Hashes of the missing subtrees, 32 bytes each, depth first from the left. That there are neither
            too few nor too many is checked by `disclosure_root`.

    Raises:
        InvalidDisclosure: A part is not of its form, or the fields can't be leaves of one document.
    """

    leaves: int
    fields: tuple[Field, ...]
    siblings: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not _is_integer(self.leaves) or not 1 <= self.leaves <= MAX_LEAVES:
            raise InvalidDisclosure(f"leaves must be from 1 to {MAX_LEAVES}")
        for name, kind in (("fields", Field), ("siblings", bytes)):
            given = getattr(self, name)
            if not isinstance(given, list | tuple) or not all(isinstance(each, kind) for each in given):
                raise InvalidDisclosure(f"{name} must be a list of {kind.__name__}")
            if len(given) > self.leaves:
                raise InvalidDisclosure(f"there are more {name} than leaves")
            object.__setattr__(self, name, tuple(given))
        if any(len(sibling) != 32 for sibling in self.siblings):
            raise InvalidDisclosure("each sibling must be 32 bytes")
        if not self.fields:
            raise InvalidDisclosure("at least one field must be shown")
        for position, field in enumerate(self.fields):
            _check_field(position, field)
        _check_order(self.fields, self.leaves)
        _check_shape(self.fields, self.leaves)

    @classmethod
    def from_json(cls, source: Mapping[str, Any] | bytes | str) -> Disclosure:
        """Decode a disclosure from JSON text, or from the object that a JSON reader made of it.

        Raises:
            InvalidDisclosure: It is not one; a text is held to the rules of documents, so it has one reading.
        """
        if isinstance(source, str):
            source = source.encode("utf-8", "surrogatepass")  # which the reader refuses as no UTF-8
        if isinstance(source, bytes | bytearray):
            source = strict_json.read(bytes(source), _JSON_LIMITS, _refuse_json)
        members = _members(source, "the disclosure", ("leaves", "fields", "siblings"))
        return cls(
            leaves=members["leaves"],
            fields=tuple(map(_field_from_json, _items(members, "fields"))),
            siblings=tuple(_from_hex(each, _HASH, "a sibling") for each in _items(members, "siblings")),
        )

    def to_json(self) -> dict[str, Any]:
        """Encode as the object that `from_json` decodes."""
        return {
            "leaves": self.leaves,
            "fields": [
                {
                    "index": field.index,
                    "pointer": field.pointer,
                    "value": field.value,
                    "salt": "0x" + field.salt.hex(),
                }
                for field in self.fields
            ],
            "siblings": ["0x" + sibling.hex() for sibling in self.siblings],
        }


def disclosure_root(disclosure: Disclosure | Mapping[str, Any] | bytes) -> bytes:
    """Compute the root of the document that a disclosure is of.

    The root is **not** compared with any: do that with the one that was signed, anchored or expected.

    Args:
        disclosure: A `Disclosure`, or what `Disclosure.from_json` takes.

    Returns:
        Root, 32 bytes.

    Raises:
        InvalidDisclosure: It is malformed, or its siblings are too few or too many.
    """
    if not isinstance(disclosure, Disclosure):
        disclosure = Disclosure.from_json(disclosure)
    fields = disclosure.fields
    hashes = field_hashes(
        b"".join([field.salt for field in fields]),
        [head(field.pointer) for field in fields],
        texts([field.value for field in fields]),
    )
    indexes = [field.index for field in fields]
    siblings = iter(disclosure.siblings)
    tree_root = _fold(0, disclosure.leaves, indexes, hashes, siblings)
    if next(siblings, None) is not None:
        raise InvalidDisclosure("it has more siblings than its fields leave open")
    return document_root(disclosure.leaves, tree_root)


def _fold(
    begin: int, end: int, indexes: Sequence[int], hashes: Sequence[bytes], siblings: Iterator[bytes]
) -> bytes:
    """Compute the root over leaves `begin` to `end`; `indexes` and `hashes` are those shown of them."""
    if not indexes:
        try:
            return next(siblings)
        except StopIteration:
            raise InvalidDisclosure("it has fewer siblings than its fields leave open") from None
    if end - begin == 1:
        return hashes[0]
    middle = begin + merkle.split(end - begin)
    left = bisect_left(indexes, middle)
    return merkle.hash_children(
        _fold(begin, middle, indexes[:left], hashes[:left], siblings),
        _fold(middle, end, indexes[left:], hashes[left:], siblings),
    )


def missing_subtrees(indexes: Sequence[int], hashes: Sequence[bytes]) -> list[bytes]:
    """Compute the siblings of a disclosure.

    Args:
        indexes: The leaves shown, ascending.
        hashes: The hashes of all leaves, at least one.

    Returns:
        Roots of the largest subtrees without a leaf shown, depth first from the left.
    """
    if not indexes:
        return [merkle.root(hashes)]
    if len(hashes) == 1:
        return []
    middle = merkle.split(len(hashes))
    left = bisect_left(indexes, middle)
    return missing_subtrees(indexes[:left], hashes[:middle]) + missing_subtrees(
        [index - middle for index in indexes[left:]], hashes[middle:]
    )


# --- rules of the form -------------------------------------------------------------------------------------------


def is_pointer(text: object) -> bool:
    """Whether this is an RFC 6901 pointer that a document's leaf can have, as text."""
    if not isinstance(text, str) or not _POINTER.fullmatch(text):
        return False
    try:
        return len(text.encode()) <= MAX_POINTER_BYTES
    except UnicodeEncodeError:
        return False


def _check_field(position: int, field: Field) -> None:
    where = f"field {position}"
    if not _is_integer(field.index):
        raise InvalidDisclosure(f"the index of {where} must be an integer")
    if not is_pointer(field.pointer):
        raise InvalidDisclosure(
            f"the pointer of {where} must be an RFC 6901 pointer of at most {MAX_POINTER_BYTES} bytes"
        )
    if not _is_leaf_value(field.value):
        raise InvalidDisclosure(
            f"the value of {where} must be a string, an integer within 2^53-1 of zero, true, false, null, "
            "an empty object or an empty array"
        )
    if not isinstance(field.salt, bytes) or len(field.salt) != SALT_BYTES:
        raise InvalidDisclosure(f"the salt of {where} must be {SALT_BYTES} bytes")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_leaf_value(value: object) -> bool:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:  # half of a surrogate pair
            return False
        return True
    if isinstance(value, dict | list):
        return not value
    if value is None or isinstance(value, bool):
        return True
    return isinstance(value, int) and abs(value) <= strict_json.HIGHEST_INTEGER


def _check_order(fields: Sequence[Field], leaves: int) -> None:
    index, pointer = -1, b""
    for position, field in enumerate(fields):
        if not index < field.index < leaves:
            raise InvalidDisclosure(
                f"the index of field {position} must be above the one before and below leaves"
            )
        if position and not pointer < field.pointer.encode():
            raise InvalidDisclosure(
                f"the pointer of field {position} must sort after the one before, byte by byte"
            )
        index, pointer = field.index, field.pointer.encode()


def _check_shape(fields: Sequence[Field], leaves: int) -> None:
    """Refuse fields that no one document can have: a container is an object or an array, and no leaf."""
    arrays = {"": False}  # each container above a field: whether it is an array
    for position, field in enumerate(fields):
        depth = field.pointer.count("/") + isinstance(field.value, dict | list)
        if depth > MAX_DEPTH:
            raise InvalidDisclosure(f"field {position} is nested deeper than {MAX_DEPTH}")
        if not field.pointer:
            if field.value != {} or leaves != 1:
                raise InvalidDisclosure(
                    "the pointer of the whole document has a value only when that is empty"
                )
            return
        above = ""
        for part in field.pointer.split("/")[1:]:
            if arrays.setdefault(above, is_index(part)) != is_index(part):
                raise InvalidDisclosure(f"{above or 'the document'} would be both an array and an object")
            above = f"{above}/{part}"
    for field in fields:
        if field.pointer in arrays:
            raise InvalidDisclosure(
                f"{field.pointer} is above another field, so it can't have a value of its own"
            )


# --- JSON --------------------------------------------------------------------------------------------------------


def _refuse_json(pointer: str, rule: str) -> InvalidDisclosure:
    return InvalidDisclosure(f"at {pointer[:200] or 'its root'}, {rule}")


def _members(source: object, what: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(source, Mapping) or set(source) != set(names):
        raise InvalidDisclosure(f"{what} must be an object with exactly the members {', '.join(names)}")
    return source


def _items(members: Mapping[str, Any], name: str) -> Sequence[Any]:
    items = members[name]
    if not isinstance(items, list | tuple):
        raise InvalidDisclosure(f"{name} must be an array")
    return items


def _field_from_json(source: object) -> Field:
    members = _members(source, "a field", ("index", "pointer", "value", "salt"))
    return Field(
        members["index"], members["pointer"], members["value"], _from_hex(members["salt"], _SALT, "a salt")
    )


def _from_hex(text: object, form: re.Pattern[str], what: str) -> bytes:
    if not isinstance(text, str) or not form.fullmatch(text):
        raise InvalidDisclosure(f"{what} must be written as 0x and lower-case hex digits, of its length")
    return bytes.fromhex(text[2:])
