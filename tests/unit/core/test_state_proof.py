"""State proofs, against PyPI's trie and against every change of a byte."""

import random

import pytest
import rlp as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from ledger.core import rlp, state_proof
from ledger.core.records import keccak
from ledger.errors import InvalidEncoding, LedgerError, StateProofError

SLOTS = st.dictionaries(
    st.integers(0, 40) | st.integers(0, (1 << 256) - 1), st.integers(1, (1 << 256) - 1), max_size=30
)


def _trie(values):
    trie = HexaryTrie({})
    for key, value in values.items():
        trie[keccak(key)] = value
    return trie


def _storage(slots):
    return _trie({slot.to_bytes(32, "big"): oracle.encode(value) for slot, value in slots.items()})


def _proof(trie, key):
    return [oracle.encode(node) for node in trie.get_proof(keccak(key))]


@given(SLOTS, st.integers(0, 60))
@settings(max_examples=150)
def test_every_slot_and_every_absence_of_a_random_trie_is_shown(slots, asked):
    trie = _storage(slots)
    for slot in [*slots, asked]:
        proof = _proof(trie, slot.to_bytes(32, "big")) if slots else []
        assert state_proof.verify_storage(trie.root_hash, slot, proof) == slots.get(slot, 0)


def _small(count=200):
    chosen = random.Random(7)
    slots = {slot: chosen.getrandbits(8 * chosen.randint(1, 32)) | 1 for slot in range(count)}
    return slots, _storage(slots)


def test_every_changed_byte_of_a_proof_is_refused():
    slots, trie = _small()
    for slot in (3, 1_000_001):
        proof = _proof(trie, slot.to_bytes(32, "big"))
        assert state_proof.verify_storage(trie.root_hash, slot, proof) == slots.get(slot, 0)
        for place, node in enumerate(proof):
            for at in range(len(node)):
                changed = [*proof]
                changed[place] = node[:at] + bytes((node[at] ^ 1,)) + node[at + 1 :]
                with pytest.raises(LedgerError):
                    state_proof.verify_storage(trie.root_hash, slot, changed)


def test_a_proof_with_a_node_less_more_or_in_another_order_is_refused():
    _, trie = _small()
    proof = _proof(trie, (5).to_bytes(32, "big"))
    for wrong in (proof[:-1], [*proof, proof[-1]], proof[::-1], [], ["no bytes"]):
        with pytest.raises(StateProofError):
            state_proof.verify_storage(trie.root_hash, 5, wrong)


def test_a_proof_of_another_slot_shows_nothing_of_this_one():
    slots, trie = _small()
    answers = set()
    for other in range(40):
        try:
            answers.add(
                state_proof.verify_storage(trie.root_hash, 5, _proof(trie, other.to_bytes(32, "big")))
            )
        except StateProofError:
            continue
    assert answers <= {slots[5]}


def test_an_empty_trie_shows_that_nothing_is_there_and_takes_no_nodes():
    assert state_proof.verify_storage(state_proof.EMPTY_TRIE_ROOT, 1, []) == 0
    assert state_proof.verify_storage(state_proof.EMPTY_TRIE_ROOT, 1, [b"\x80"]) == 0
    for wrong in ([b"\x80", b"\x80"], [b"\xc0"]):
        with pytest.raises(StateProofError, match="empty"):
            state_proof.verify_storage(state_proof.EMPTY_TRIE_ROOT, 1, wrong)


def test_accounts_are_shown_and_their_absence():
    account = [b"\x05", b"\x0a", state_proof.EMPTY_TRIE_ROOT, state_proof.EMPTY_CODE_HASH]
    others = {bytes((n,)) * 20: oracle.encode(account) for n in range(1, 30)}
    trie = _trie(others)
    shown = state_proof.verify_account(trie.root_hash, b"\x07" * 20, _proof(trie, b"\x07" * 20))
    assert shown == state_proof.Account(5, 10, state_proof.EMPTY_TRIE_ROOT, state_proof.EMPTY_CODE_HASH)
    assert state_proof.verify_account(trie.root_hash, b"\x77" * 20, _proof(trie, b"\x77" * 20)) is None
    with pytest.raises(StateProofError, match="20 bytes"):
        state_proof.verify_account(trie.root_hash, b"\x07" * 19, [])


@pytest.mark.parametrize(
    "account",
    [
        [b"\x05", b"\x0a", bytes(32)],
        [b"\x00", b"\x0a", bytes(32), bytes(32)],
        [b"\x05", b"\x0a", bytes(31), bytes(32)],
        [b"\x05", b"\x0a", bytes(32), b""],
        [[], b"\x0a", bytes(32), bytes(32)],
    ],
)
def test_an_account_of_another_form_is_refused(account):
    trie = _trie({b"\x07" * 20: oracle.encode(account)})
    with pytest.raises(InvalidEncoding):
        state_proof.verify_account(trie.root_hash, b"\x07" * 20, _proof(trie, b"\x07" * 20))


@pytest.mark.parametrize("value", [b"", b"\0", b"\0\1", [], b"\1" * 33])
def test_a_slot_value_of_another_form_is_refused(value):
    slot = (9).to_bytes(32, "big")
    trie = _trie({slot: oracle.encode(value)})
    with pytest.raises(InvalidEncoding):
        state_proof.verify_storage(trie.root_hash, 9, _proof(trie, slot))


@pytest.mark.parametrize("slot", [-1, 1 << 256, b"\1", b"\1" * 33])
def test_what_is_no_slot_is_refused(slot):
    with pytest.raises(StateProofError, match="slot"):
        state_proof.verify_storage(bytes(32), slot, [])


def test_roots_and_proofs_have_bounds():
    with pytest.raises(StateProofError, match="32 bytes"):
        state_proof.verify(bytes(31), bytes(32), [])
    with pytest.raises(StateProofError, match="at most"):
        state_proof.verify(bytes(32), bytes(32), [b""] * 66)


KEY = keccak((1).to_bytes(32, "big"))
NIBBLES = [nibble for byte in KEY for nibble in (byte >> 4, byte & 15)]


def _compact(nibbles, is_leaf):
    flag = 2 * is_leaf + len(nibbles) % 2
    padded = [flag, *([] if len(nibbles) % 2 else [0]), *nibbles]
    return bytes(padded[at] << 4 | padded[at + 1] for at in range(0, len(padded), 2))


def _branch(child, place=NIBBLES[0]):
    node = [b""] * 17
    node[place] = child
    node[(place + 1) % 16] = b"\2" * 32
    return node


VALUE = rlp.encode(b"\x2a" * 32)
LEAF = [_compact(NIBBLES[1:], True), VALUE]


def test_the_crafted_nodes_below_are_shown_while_nothing_is_wrong_with_them():
    leaf = rlp.encode(LEAF)
    root = rlp.encode(_branch(keccak(leaf)))
    assert state_proof.verify(keccak(root), KEY, [root, leaf]) == VALUE
    whole = rlp.encode([_compact(NIBBLES, True), VALUE])
    assert state_proof.verify(keccak(whole), KEY, [whole]) == VALUE


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([[b"a"]], "2 or 17"),
        ([[*_branch(b"\1" * 32)[:16], b"value"]], "no value in a branch"),
        ([[b""] * 17], "two children"),
        ([_branch(b"\1" * 31)], "32 bytes"),
        ([_branch([b" ", b"x" * 40])], "shorter than 32"),
        ([[_compact(NIBBLES[:2], False), [b" ", b"x" * 40]]], "shorter than 32"),
        ([[_compact(NIBBLES[:2], False), b"x"]], "shorter than 32"),
        ([[b"", VALUE]], "kind and parity"),
        ([[b"\x40", VALUE]], "kind and parity"),
        ([[b"\x21" + KEY, VALUE]], "kind and parity"),
        ([[[], VALUE]], "must be bytes"),
        ([[_compact([], False), b"\1" * 32]], "must not be empty"),
        ([[_compact(NIBBLES, True), b""]], "must not be empty"),
        ([[_compact(NIBBLES, True), []]], "must be bytes"),
        ([[_compact(NIBBLES[:-1], True), VALUE]], "another depth"),
        ([[_compact([*NIBBLES, 1], False), b"\1" * 32]], "end of the key"),
        ([b"x"], "list is expected"),
    ],
)
def test_nodes_that_no_trie_spells_are_refused(nodes, sentence):
    raw = [rlp.encode(node) for node in nodes]
    with pytest.raises(LedgerError, match=sentence):
        state_proof.verify(keccak(raw[0]), KEY, raw)


def test_an_extension_to_the_end_of_the_key_is_refused():
    raw = rlp.encode([_compact(NIBBLES, False), b"\1" * 32])
    with pytest.raises(StateProofError, match="end of the key"):
        state_proof.verify(keccak(raw), KEY, [raw])


def test_nodes_shorter_than_their_hash_stand_within_their_parent():
    short = [_compact(NIBBLES[60:], True), b"v"]
    deep = [_compact(NIBBLES[1:60], False), b"\3" * 32]
    assert len(rlp.encode(short)) < 32
    inner = [b""] * 17
    inner[NIBBLES[59]] = [_compact(NIBBLES[60:], True), b"v"]
    inner[(NIBBLES[59] + 1) % 16] = b"\2" * 32
    inner_raw = rlp.encode(inner)
    outer = [_compact(NIBBLES[:59], False), keccak(inner_raw)]
    outer_raw = rlp.encode(outer)
    assert state_proof.verify(keccak(outer_raw), KEY, [outer_raw, inner_raw]) == b"v"
    assert len(rlp.encode(deep)) > 32


def test_a_trie_deeper_than_its_keys_is_refused_and_shared_nodes_say_what_they_are():
    below = oracle.encode([b"\1" * 32, b"\2" * 32] + [b""] * 15)
    branch = oracle.encode([keccak(below), b"\2" * 32] + [b""] * 15)
    extension = oracle.encode([b"\x10" + bytes(31), keccak(branch)])
    nodes = [extension, branch, below]
    with pytest.raises(StateProofError, match="below the end of the key"):
        state_proof.verify(keccak(extension), bytes(32), nodes)
    with pytest.raises(StateProofError, match="below the end"):
        state_proof.SharedNodes(nodes).value(keccak(extension), bytes(32))


def test_shared_nodes_show_what_single_proofs_show_each_node_once():
    slots, trie = _small()
    proofs = [_proof(trie, slot.to_bytes(32, "big")) for slot in (3, 5, 1_000_001)]
    nodes = list(dict.fromkeys(node for proof in proofs for node in proof))
    assert len(nodes) < sum(map(len, proofs))
    shared = state_proof.SharedNodes(nodes)
    assert not shared.in_order
    for slot in (3, 5, 1_000_001):
        value = shared.value(trie.root_hash, keccak(slot.to_bytes(32, "big")))
        assert (0 if value is None else state_proof.decode_slot(value)) == slots.get(slot, 0)
    assert shared.in_order and shared.used == nodes
    assert state_proof.SharedNodes([]).value(state_proof.EMPTY_TRIE_ROOT, bytes(32)) is None
    for other in ([*nodes, nodes[0]], nodes[::-1], [*nodes, b"\xc0"]):
        again = state_proof.SharedNodes(other)
        for slot in (3, 5, 1_000_001):
            again.value(trie.root_hash, keccak(slot.to_bytes(32, "big")))
        assert not again.in_order
    with pytest.raises(StateProofError, match="not shown"):
        state_proof.SharedNodes(nodes[1:]).value(trie.root_hash, bytes(32))


def test_a_key_that_leaves_an_extensions_path_is_shown_to_hold_nothing():
    branch = oracle.encode([b"\1" * 32, b"\2" * 32] + [b""] * 15)
    extension = oracle.encode([b"\x11", keccak(branch)])  # the path of the one nibble 1
    assert state_proof.verify(keccak(extension), b"\x22" * 32, [extension]) is None
    with pytest.raises(StateProofError, match="ends before"):
        state_proof.verify(keccak(extension), b"\x11" * 32, [extension])
