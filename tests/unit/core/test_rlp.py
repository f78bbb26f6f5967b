"""RLP: one encoding for each value, against PyPI's rlp."""

import pytest
import rlp as oracle
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import rlp
from ledger.errors import InvalidEncoding

ITEMS = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=12)


def _depth(item):
    return 0 if isinstance(item, bytes) else 1 + max(map(_depth, item), default=0)


@given(ITEMS.filter(lambda item: _depth(item) <= rlp.MAX_DEPTH))
def test_what_is_encoded_is_what_the_oracle_encodes_and_decodes_to_itself(item):
    data = rlp.encode(item)
    assert data == oracle.encode(item)
    assert rlp.decode(data) == item


@given(st.binary(max_size=90))
def test_only_the_one_encoding_of_an_item_is_taken(data):
    try:
        item = rlp.decode(data)
    except InvalidEncoding:
        return
    assert rlp.encode(item) == data == oracle.encode(item)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81\x7f",  # a byte below 0x80 with a prefix
        b"\x82a",  # shorter than said
        b"\xb8\x37" + b"a" * 55,  # a long form for 55 bytes
        b"\xb9\x00\x38" + b"a" * 56,  # a length with a leading zero
        b"\xb8",  # a length that is missing
        b"\xb9\x01",
        b"\xc1\x81",  # an item that ends beyond its list
        b"\xc2a",
        b"\xf8\x02aa",
        b"aa",  # bytes after the item
        b"\xc0\x00",
        b"\xbf" + b"\xff" * 8,  # a length beyond all memory
    ],
)
def test_what_is_not_canonical_is_refused(data):
    with pytest.raises(InvalidEncoding):
        rlp.decode(data)


def test_lists_are_nested_to_a_limit():
    nested = b""
    for _ in range(rlp.MAX_DEPTH):
        nested = [nested]
    assert rlp.decode(rlp.encode(nested)) == nested
    with pytest.raises(InvalidEncoding, match="nested deeper"):
        rlp.decode(rlp.encode([nested]))


def test_items_are_taken_as_what_they_should_be():
    assert rlp.decode_list(b"\xc1a") == [b"a"]
    assert rlp.as_bytes(b"ab", "it", 2) == b"ab"
    assert rlp.as_integer(b"\x01\x00", "it") == 256
    assert rlp.as_integer(b"", "it") == 0
    assert rlp.as_list([b""], "it") == [b""]
    assert rlp.of_integer(256) == b"\x01\x00"
    assert rlp.of_integer(0) == b""


@pytest.mark.parametrize(
    "call",
    [
        lambda: rlp.decode_list(b"a"),
        lambda: rlp.as_bytes([], "it"),
        lambda: rlp.as_bytes(b"a", "it", 2),
        lambda: rlp.as_integer(b"\0", "it"),
        lambda: rlp.as_integer(b"\1" * 33, "it"),
        lambda: rlp.as_integer([], "it"),
        lambda: rlp.as_list(b"", "it"),
    ],
)
def test_items_that_are_something_else_are_refused(call):
    with pytest.raises(InvalidEncoding):
        call()
