"""Receipts: their root against an independent trie, their logs, and what a bloom filter proves."""

import pytest
import rlp as peer
from hypothesis import given
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.core import receipts, rlp
from ledger.core.records import keccak
from ledger.core.state_proof import EMPTY_TRIE_ROOT
from ledger.errors import InvalidEncoding

ADDRESS = b"\x11" * 20


def log(address=ADDRESS, topics=(b"\x22" * 32,), data=b"abc"):
    return rlp.encode([address, list(topics), data])


@given(st.lists(st.binary(min_size=1, max_size=80), max_size=300))
def test_the_root_is_that_of_an_independent_trie(values):
    trie = HexaryTrie({})
    for place, value in enumerate(values):
        trie[peer.encode(place)] = value
    assert receipts.receipts_root(values) == trie.root_hash


@pytest.mark.parametrize("size", [1, 2, 127, 128, 129, 130, 131, 144, 145, 146, 257, 300])
def test_the_root_is_right_where_the_form_of_keys_changes(size):
    values = [bytes((place % 251 + 1,)) * 40 for place in range(size)]
    trie = HexaryTrie({})
    for place, value in enumerate(values):
        trie[peer.encode(place)] = value
    assert receipts.receipts_root(values) == trie.root_hash


def test_no_receipts_have_the_root_of_an_empty_trie():
    assert receipts.receipts_root([]) == EMPTY_TRIE_ROOT


def test_a_receipt_left_out_or_put_elsewhere_gives_another_root():
    three = [b"\x01" * 40, b"\x02" * 40, b"\x03" * 40]
    assert len({receipts.receipts_root(each) for each in (three, three[:2], three[::-1])}) == 3


def test_a_log_is_decoded():
    assert receipts.decode_log(log()) == receipts.Log(ADDRESS, (b"\x22" * 32,), b"abc")


@pytest.mark.parametrize(
    "item",
    [
        rlp.encode([ADDRESS, [b"\x22" * 32]]),
        log(address=b"\x11" * 19),
        log(topics=(b"\x22" * 31,)),
        rlp.encode([ADDRESS, b"", b""]),
        b"abc",
        log() + b"\0",
    ],
)
def test_what_is_no_log_is_refused(item):
    with pytest.raises(InvalidEncoding):
        receipts.decode_log(item)


@given(st.binary(min_size=20, max_size=32), st.binary(min_size=20, max_size=32))
def test_a_bloom_lets_through_what_is_in_it_and_an_empty_one_nothing(value, other):
    hashed = keccak(value)
    bloom = 0
    for at in (0, 2, 4):  # Yellow Paper, 4.3.1
        bloom |= 1 << (int.from_bytes(hashed[at : at + 2], "big") % 2048)
    filled = bloom.to_bytes(256, "big")
    assert receipts.may_hold(filled, value)
    assert not receipts.may_hold(bytes(256), value)
    assert receipts.may_hold(b"\xff" * 256, other)
