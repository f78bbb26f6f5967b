"""What one leaf of a document is: its pointer, its value, their hash, and the root over all of them.

`documents` makes all leaves of a document, `disclosures` shows some of them; both hash here, so they can't differ.

Source: DESIGN 5; RFC 6901 for pointers, RFC 8785 for the text of values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from struct import unpack
from typing import Any

import orjson

MAX_DEPTH = 32  # objects and arrays inside each other, the outermost object counted
MAX_POINTER_BYTES = 1024  # of UTF-8; its length is hashed as a uint16
MAX_LEAVES = 10_000
SALT_BYTES = 16

Scalar = str | int | bool | None
LeafValue = Scalar | dict[str, Any] | list[Any]  # the containers empty

_INDEX = re.compile(r"0|[1-9][0-9]*")
_ROOT_PREFIX = b"\x02cargo-ledger/document/1"
_new_field = sha256(b"\x00").copy


def is_index(name: str) -> bool:
    """Whether a pointer's part reads as a position in an array; no member of an object is named so."""
    return _INDEX.fullmatch(name) is not None


def escape(name: str) -> str:
    """Write a member's name as a pointer's part (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def texts(values: Sequence[LeafValue]) -> list[bytes]:
    """Write values, at least one, as RFC 8785 does: strings with the fewest escapes, integers in decimal.

    All at once, one a line, because that costs a tenth of asking for each: no value's own text has a line feed in it.
    """
    return orjson.dumps(values, option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")


def head(pointer: str) -> bytes:
    """Encode a pointer of at most 1,024 bytes as it is hashed: uint16 length ‖ UTF-8."""
    encoded = pointer.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def field_hashes(salts: bytes, heads: Sequence[bytes], texts: Sequence[bytes]) -> list[bytes]:
    """Hash leaves: SHA-256(0x00 ‖ salt ‖ uint16 pointer length ‖ pointer ‖ value), 32 bytes each.

    Args:
        salts: 16 bytes a leaf, one after the other.
        heads: What `head` makes of each pointer.
        texts: What `texts` makes of each value.
    """
    hashes = []
    for salt, head, text in zip(unpack("16s" * len(heads), salts), heads, texts, strict=True):
        field = _new_field()  # three updates of a copy cost less than joining the parts and a new context
        field.update(salt)
        field.update(head)
        field.update(text)
        hashes.append(field.digest())
    return hashes


def document_root(leaves: int, tree_root: bytes) -> bytes:
    """Bind the tree's root to the number of its leaves: the root of a document, 32 bytes."""
    return sha256(_ROOT_PREFIX + leaves.to_bytes(4, "big") + tree_root).digest()
