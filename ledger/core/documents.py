"""Documents that can be committed to: JSON in, leaves, root and disclosures out.

This module decides which bytes are a document and what its root is. What the members have to say is the JSON Schemas'
and the importer's; who may lodge it is the contracts'. Why own rules and not plain RFC 8785: a commitment to single
fields needs leaves with one reading each, and floats, duplicate names or a name that looks like a position in an
array give two.

Source: DESIGN 5; RFC 8259, RFC 6901, RFC 8785.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256
from typing import Any, NamedTuple

import orjson

from ledger.core import merkle, strict_json
from ledger.core.disclosures import Disclosure, Field, disclosure_root, is_pointer, missing_subtrees
from ledger.core.leaves import (
    MAX_DEPTH,
    MAX_LEAVES,
    MAX_POINTER_BYTES,
    SALT_BYTES,
    document_root,
    escape,
    field_hashes,
    head,
    is_index,
    texts,
)
from ledger.core.strict_json import HIGHEST_INTEGER
from ledger.errors import InvalidDisclosure, InvalidDocument, InvalidSecret

__all__ = [
    "Commitment",
    "Document",
    "commit",
    "content_digest",
    "disclose",
    "disclosure_root",
    "parse",
    "salts",
]

MAX_BYTES = 2**20  # of a document's text
SECRET_BYTES = 32

_LIMITS = strict_json.Limits(bytes=MAX_BYTES, depth=MAX_DEPTH, leaves=MAX_LEAVES)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that `parse` has accepted; made by it alone.

    Attributes:
        data: The text as it was given.
        pointers: RFC 6901 pointers of its leaves, ascending by their UTF-8 bytes; 1 to 10,000.
        heads: These pointers as they are hashed, each with its length before it.
        texts: The values of these leaves as RFC 8785 writes them.
    """

    data: bytes
    pointers: tuple[str, ...]
    heads: tuple[bytes, ...]
    texts: tuple[bytes, ...]

    @property
    def value(self) -> dict[str, Any]:
        """The document as Python values, read anew: changing them changes no document."""
        return orjson.loads(self.data)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Commitment:
    """What is known of a document outside.

    Attributes:
        root: 32 bytes; what is signed and anchored.
        leaves: How many leaves the document has.
    """

    root: bytes
    leaves: int


def parse(data: bytes) -> Document:
    """Read a document.

    Args:
        data: A JSON object in UTF-8: strings, booleans, null, integers within 2^53-1 of zero, objects and arrays.
            At most 1 MiB, 32 deep, 10,000 leaves, 1,024 bytes a pointer. No floats, duplicate names, names that read
            as a position in an array, byte order mark or text after it.

    Returns:
        The document, with its leaves.

    Raises:
        InvalidDocument: It breaks one of these rules; the error has the JSON Pointer of the place.
    """
    if not isinstance(data, bytes | bytearray):
        raise InvalidDocument("", "it must be given as bytes")
    data = bytes(data)
    value = strict_json.read_plain(data, _LIMITS)
    if value is None:
        value = strict_json.read(data, _LIMITS, InvalidDocument)
    if not isinstance(value, dict):
        raise InvalidDocument("", "it must be a JSON object")
    outline, values = _outline(value)
    shape = _shapes.get(outline)
    if shape is None or not _in_range([values[place] for place in shape.integers]):
        shape = _shape(value)
        _shapes.keep(outline, shape)
    return Document(
        data, shape.pointers, shape.heads, tuple(texts([values[place] for place in shape.leaves]))
    )


class _Shape(NamedTuple):
    """What documents with the same members share; places are those of the values in an outline."""

    pointers: tuple[str, ...]  # of the leaves, ascending
    heads: tuple[bytes, ...]
    leaves: tuple[int, ...]  # where each leaf's value stands
    integers: tuple[int, ...]  # where an integer stands


class _Shapes(dict[tuple[object, ...], _Shape]):
    """Shapes by outline: making the pointers, sorting and encoding them is a third of committing.

    An exporter's manifests have few shapes. Large ones are not kept, and all are let go when there are too many: no
    input makes this more than about 30 MB.
    """

    def keep(self, outline: tuple[object, ...], shape: _Shape) -> None:
        if len(shape.leaves) <= 512 and sum(map(len, shape.heads)) <= 2**15:
            if len(self) >= 256:
                self.clear()
            self[outline] = shape


_shapes = _Shapes()


def _outline(document: dict[str, Any]) -> tuple[tuple[object, ...], list[Any]]:
    """Tell what stands where, without the values, and list the values: the document, its members, theirs, and so on.

    The outline is, for each container in the order of the list, its names if it has any and how many members it has;
    then the type of each value. Two documents have one outline only if they differ in nothing but scalars.
    """
    values: list[Any] = [document]
    containers: list[Any] = [document]
    outline: list[object] = []
    for container in containers:  # it grows while it is read
        if container.__class__ is dict:
            outline += container
            container = container.values()
        outline.append(len(container))
        values += container
        for value in container:
            if value.__class__ is dict or value.__class__ is list:
                containers.append(value)
    outline += map(type, values)
    return tuple(outline), values


def _in_range(integers: list[int]) -> bool:
    return not integers or (-HIGHEST_INTEGER <= min(integers) and max(integers) <= HIGHEST_INTEGER)


def _shape(document: dict[str, Any]) -> _Shape:
    """Find the leaves, every scalar and every empty container, and judge all that is known only now."""
    places = {} if document else {"": 0}
    integers = []
    place = 0
    pending: list[tuple[str, Any, int]] = [("", document, 1)]
    for above, container, depth in pending:  # it grows while it is read
        if len(above) > MAX_POINTER_BYTES:  # its leaves' pointers are longer still: refuse before making them
            raise _pointer_too_long(above)
        is_object = isinstance(container, dict)
        members: Iterable[tuple[Any, Any]] = container.items() if is_object else enumerate(container)
        for name, value in members:
            place += 1
            pointer = f"{above}/{escape(name) if is_object else name}"
            if is_object and is_index(name):
                raise InvalidDocument(pointer, "a name reads as a position in an array")
            if isinstance(value, dict | list):
                if depth == MAX_DEPTH:
                    raise InvalidDocument(pointer, f"objects and arrays are nested deeper than {MAX_DEPTH}")
                if value:
                    pending.append((pointer, value, depth + 1))
                    continue
            elif isinstance(value, float):
                raise InvalidDocument(pointer, strict_json.NO_FLOAT)
            elif isinstance(value, int) and not isinstance(value, bool):
                if not _in_range([value]):
                    raise InvalidDocument(pointer, strict_json.NO_SUCH_INTEGER)
                integers.append(place)
            places[pointer] = place
    pointers = sorted(places)
    for pointer in pointers:
        if len(pointer) > MAX_POINTER_BYTES or len(pointer.encode()) > MAX_POINTER_BYTES:
            raise _pointer_too_long(pointer)
    return _Shape(
        tuple(pointers),
        tuple(map(head, pointers)),
        tuple([places[pointer] for pointer in pointers]),
        tuple(integers),
    )


def _pointer_too_long(pointer: str) -> InvalidDocument:
    return InvalidDocument(pointer, f"the pointer is longer than {MAX_POINTER_BYTES} bytes")


def commit(document: Document, secret: bytes) -> Commitment:
    """Commit to a document.

    Args:
        document: From `parse`.
        secret: 32 random bytes, kept with the document. Who has both can disclose fields; without either, what is
            on chain can't be guessed.

    Returns:
        The root and the number of leaves.

    Raises:
        InvalidSecret: The secret is not 32 bytes. How random it is can't be checked.
    """
    hashes = _field_hashes(document, salts(document, secret))
    return Commitment(document_root(len(hashes), merkle.root(hashes)), len(hashes))


def content_digest(document: Document) -> bytes:
    """Hash all leaves without salts: the same, 32 bytes, for all texts of one content. Guessable: never shown."""
    count = len(document.texts)
    parts = [b""] * (3 * count)
    parts[0::3] = document.heads
    parts[1::3] = [len(text).to_bytes(4, "big") for text in document.texts]
    parts[2::3] = document.texts
    return sha256(b"\x05" + b"".join(parts)).digest()


def salts(document: Document, secret: bytes) -> bytes:
    """Derive the salts of all leaves, 16 bytes each, one after the other.

    Raises:
        InvalidSecret: The secret is not 32 bytes.
    """
    if not isinstance(secret, bytes) or len(secret) != SECRET_BYTES:
        raise InvalidSecret
    seed = b"cargo-ledger/salts/1" + secret + content_digest(document)
    return shake_256(seed).digest(SALT_BYTES * len(document.pointers))


def _field_hashes(document: Document, salts: bytes) -> list[bytes]:
    return field_hashes(salts, document.heads, document.texts)


def disclose(document: Document, secret: bytes, pointers: Sequence[str]) -> Disclosure:
    """Show some leaves of a document.

    Args:
        document: From `parse`.
        secret: The 32 bytes that it was committed with.
        pointers: RFC 6901 pointers; each selects its leaf, or all leaves below it. "" selects all.

    Returns:
        The leaves, and the hashes that stand for the others.

    Raises:
        InvalidDisclosure: No pointer is given, or one is malformed or selects nothing.
        InvalidSecret: The secret is not 32 bytes.
    """
    if isinstance(pointers, str | bytes) or not isinstance(pointers, Sequence):
        raise InvalidDisclosure("the pointers to show must be given as a list")
    indexes = sorted({index for pointer in pointers for index in _selected(document, pointer)})
    all_salts = salts(document, secret)
    fields = tuple(
        Field(
            index,
            document.pointers[index],
            orjson.loads(document.texts[index]),
            all_salts[SALT_BYTES * index : SALT_BYTES * (index + 1)],
        )
        for index in indexes
    )
    siblings = missing_subtrees(indexes, _field_hashes(document, all_salts))
    return Disclosure(len(document.pointers), fields, tuple(siblings))


def _selected(document: Document, pointer: str) -> range:
    if not is_pointer(pointer):
        raise InvalidDisclosure(
            f"{str(pointer)[:80]!r} is no JSON Pointer; one begins with /, as in /goods/0/hs"
        )
    at = bisect_left(document.pointers, pointer)
    if document.pointers[at : at + 1] == (pointer,):
        return range(at, at + 1)
    # below it are the pointers that go on with a slash; they stand together, and 0 is the character after it
    below = range(
        bisect_left(document.pointers, pointer + "/"), bisect_left(document.pointers, pointer + "0")
    )
    if not below:
        raise InvalidDisclosure(f"{pointer[:80]!r} selects nothing in this document")
    return below
