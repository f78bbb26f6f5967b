"""The log's tree against one that is built as RFC 9162 defines it, leaf by leaf."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import merkle
from ledger.errors import ConsistencyError, InclusionError, NodeMissing

# The reference tree of certificate transparency, as several implementations print it.
REFERENCE_LEAVES = [
    bytes.fromhex(data)
    for data in [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
]
REFERENCE_ROOT = bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")

HASHES = [sha256(bytes([0, number])).digest() for number in range(70)]
NODES = merkle.complete_nodes(HASHES)
HUGE = pytest.param(10**5000, 10**5001, id="numbers too long to print")


def brute_root(hashes: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1, word by word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\1" + brute_root(hashes[:split]) + brute_root(hashes[split:])).digest()


def brute_path(index: int, hashes: list[bytes]) -> list[bytes]:
    """RFC 9162, section 2.1.3.1, word by word."""
    if len(hashes) == 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*brute_path(index, hashes[:split]), brute_root(hashes[split:])]
    return [*brute_path(index - split, hashes[split:]), brute_root(hashes[:split])]


def brute_consistency(first: int, hashes: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 9162, section 2.1.4.1, word by word."""
    if first == len(hashes):
        return [] if whole else [brute_root(hashes)]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if first <= split:
        return [*brute_consistency(first, hashes[:split], whole), brute_root(hashes[split:])]
    return [*brute_consistency(first - split, hashes[split:], False), brute_root(hashes[:split])]


ROOTS = [brute_root(HASHES[:size]) for size in range(71)]


def test_the_reference_tree_has_its_published_root():
    assert merkle.root([merkle.hash_leaf(data) for data in REFERENCE_LEAVES]) == REFERENCE_ROOT
    assert merkle.root([]) == merkle.EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize("size", range(71))
def test_a_root_is_the_same_from_leaves_from_stored_nodes_and_from_the_growing_edge(size):
    frontier = merkle.Frontier()
    for leaf in HASHES[:size]:
        frontier.append(leaf)
    stored = {node: NODES[node] for node in merkle.root_nodes(size)}
    assert merkle.root(HASHES[:size]) == ROOTS[size]
    assert merkle.root_from_nodes(size, stored) == ROOTS[size]
    assert frontier.root() == ROOTS[size]
    assert frontier.size == size


@pytest.mark.parametrize("size", [0, 1, 2, 3, 13, 64, 69])
def test_a_log_goes_on_from_its_stored_nodes_as_if_it_had_never_stopped(size):
    frontier = merkle.Frontier(size, NODES)
    completed = dict(node for leaf in HASHES[size:] for node in frontier.append(leaf))
    assert frontier.root() == ROOTS[70]
    assert completed == {node: NODES[node] for node in NODES if (node[1] + 1 << node[0]) > size}


def test_a_log_does_not_go_on_without_a_stored_node():
    nodes = dict(NODES)
    del nodes[2, 2]
    merkle.Frontier(12, NODES)
    with pytest.raises(NodeMissing, match="Node 2 of level 2"):
        merkle.Frontier(12, nodes)


@pytest.mark.parametrize("size", range(1, 71))
def test_an_inclusion_path_is_the_rfcs_and_verifies_and_no_other_length_does(size):
    for index in range(size):
        stored = {node: NODES[node] for node in merkle.inclusion_nodes(index, size)}
        path = merkle.prove_inclusion(index, size, stored)
        assert path == brute_path(index, HASHES[:size])
        merkle.verify_inclusion(HASHES[index], index, size, path, ROOTS[size])
        merkle.verify_inclusion(HASHES[index], index, size, tuple(path), ROOTS[size])
        shortened = [path[:at] + path[at + 1 :] for at in range(len(path))]
        for wrong in [
            *shortened,
            [*path, ROOTS[size]],
            [ROOTS[size], *path],
        ]:
            with pytest.raises(InclusionError):
                merkle.verify_inclusion(HASHES[index], index, size, wrong, ROOTS[size])


@pytest.mark.parametrize("second", range(1, 71))
def test_a_consistency_path_is_the_rfcs_and_verifies_and_no_other_length_does(second):
    for first in range(1, second + 1):
        stored = {node: NODES[node] for node in merkle.consistency_nodes(first, second)}
        path = merkle.prove_consistency(first, second, stored)
        assert path == brute_consistency(first, HASHES[:second])
        merkle.verify_consistency(first, ROOTS[first], second, ROOTS[second], path)
        merkle.verify_consistency(first, ROOTS[first], second, ROOTS[second], tuple(path))
        shortened = [path[:at] + path[at + 1 :] for at in range(len(path))]
        for wrong in [*shortened, [*path, ROOTS[second]], [ROOTS[first], *path]]:
            with pytest.raises(ConsistencyError):
                merkle.verify_consistency(first, ROOTS[first], second, ROOTS[second], wrong)


@st.composite
def inclusions(draw):
    size = draw(st.integers(1, 70))
    index = draw(st.integers(0, size - 1))
    return [HASHES[index], index, size, merkle.prove_inclusion(index, size, NODES), ROOTS[size]]


@st.composite
def consistencies(draw):
    second = draw(st.integers(2, 70))
    first = draw(st.integers(1, second - 1))
    return [first, ROOTS[first], second, ROOTS[second], merkle.prove_consistency(first, second, NODES)]


def flip(data: bytes, bit: int) -> bytes:
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


@given(inclusions(), st.integers(0, 255), st.data())
def test_no_inclusion_verifies_with_one_bit_changed(proof, bit, data):
    at = data.draw(st.sampled_from([0, 4, *[3] * len(proof[3])]))
    if at == 3:
        sibling = data.draw(st.integers(0, len(proof[3]) - 1))
        proof[3][sibling] = flip(proof[3][sibling], bit)
    else:
        proof[at] = flip(proof[at], bit)
    with pytest.raises(InclusionError):
        merkle.verify_inclusion(*proof)


@given(inclusions(), st.integers(0, 80))
def test_no_inclusion_verifies_at_another_index(proof, index):
    if index != proof[1]:
        proof[1] = index
        with pytest.raises(InclusionError):
            merkle.verify_inclusion(*proof)


@given(consistencies(), st.integers(0, 255), st.data())
def test_no_consistency_verifies_with_one_bit_changed(proof, bit, data):
    at = data.draw(st.sampled_from([1, 3, *[4] * len(proof[4])]))
    if at == 4:
        sibling = data.draw(st.integers(0, len(proof[4]) - 1))
        proof[4][sibling] = flip(proof[4][sibling], bit)
    else:
        proof[at] = flip(proof[at], bit)
    with pytest.raises(ConsistencyError):
        merkle.verify_consistency(*proof)


@given(consistencies(), st.integers(0, 80))
def test_no_consistency_verifies_from_another_first_size(proof, first):
    if first != proof[0]:
        proof[0] = first
        with pytest.raises(ConsistencyError):
            merkle.verify_consistency(*proof)


def rfc_includes(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2, word by word."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\1" + p + r).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def rfc_extends(first: int, first_root: bytes, second: int, second_root: bytes, path: list[bytes]) -> bool:
    """RFC 9162, section 2.1.4.2, word by word, for a first size below the second."""
    if not path:
        return False
    if first & (first - 1) == 0:
        path = [first_root, *path]
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\1" + c + fr).digest(), sha256(b"\1" + c + sr).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\1" + sr + c).digest()
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr, sn) == (first_root, second_root, 0)


def test_a_proof_shown_for_another_index_or_size_is_judged_as_the_rfc_judges_it():
    """A root does not say its size, so a few such claims do hold; those with a path of another length never do."""
    held = 0
    for size in range(1, 14):
        for index in range(size):
            path = merkle.prove_inclusion(index, size, NODES)
            for other_size in range(1, 18):
                for other in range(other_size):
                    claim = (HASHES[index], other, other_size, path, ROOTS[size])
                    try:
                        merkle.verify_inclusion(*claim)
                    except InclusionError:
                        assert not rfc_includes(*claim), claim[1:3]
                    else:
                        assert rfc_includes(*claim), claim[1:3]
                        held += (other, other_size) != (index, size)
    assert held


def test_a_consistency_proof_shown_for_other_sizes_is_judged_as_the_rfc_judges_it():
    for second in range(2, 14):
        for first in range(1, second):
            path = merkle.prove_consistency(first, second, NODES)
            for other_second in range(2, 18):
                for other_first in range(1, other_second):
                    claim = (other_first, ROOTS[first], other_second, ROOTS[second], path)
                    try:
                        merkle.verify_consistency(*claim)
                    except ConsistencyError:
                        assert not rfc_extends(*claim), (first, second, other_first, other_second)
                    else:
                        assert rfc_extends(*claim), (first, second, other_first, other_second)


def test_a_leaf_cut_out_of_the_middle_of_a_node_is_refused():
    """Left ‖ right is 64 bytes wherever they are cut; only two hashes of 32 are a leaf and its sibling."""
    merkle.verify_inclusion(HASHES[1], 1, 2, [HASHES[0]], ROOTS[2])
    with pytest.raises(InclusionError, match="32-byte"):
        merkle.verify_inclusion(HASHES[1][16:], 1, 2, [HASHES[0] + HASHES[1][:16]], ROOTS[2])
    with pytest.raises(ConsistencyError, match="32-byte"):
        merkle.verify_consistency(1, HASHES[0][:16], 2, ROOTS[2], [HASHES[0][16:] + HASHES[1]])


def test_a_forked_log_is_said_to_have_forked():
    merkle.verify_consistency(5, ROOTS[5], 5, ROOTS[5], [])
    with pytest.raises(ConsistencyError, match="forked"):
        merkle.verify_consistency(5, ROOTS[5], 5, ROOTS[6], [])
    with pytest.raises(ConsistencyError, match="take no path"):
        merkle.verify_consistency(5, ROOTS[5], 5, ROOTS[5], [ROOTS[5]])


def test_a_shortened_log_and_an_empty_one_prove_nothing():
    for first, second in [(6, 5), (0, 5), (0, 0), (-1, 5)]:
        with pytest.raises(ConsistencyError, match="not fall"):
            merkle.verify_consistency(first, ROOTS[first], second, ROOTS[second], [])
        with pytest.raises(ConsistencyError, match="not fall"):
            merkle.prove_consistency(first, second, NODES)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (2**64 - 1, 2**64), HUGE])
def test_an_index_outside_the_log_is_refused_whatever_the_path(index, size):
    for length in range(70):
        with pytest.raises(InclusionError, match="not below"):
            merkle.verify_inclusion(HASHES[0], index, size, [HASHES[1]] * length, ROOTS[5])


def test_a_path_is_not_made_for_an_index_outside_the_log():
    for index in (-1, 5):
        with pytest.raises(InclusionError):
            merkle.prove_inclusion(index, 5, NODES)
        with pytest.raises(InclusionError):
            merkle.inclusion_nodes(index, 5)


def test_a_proof_is_not_made_without_a_stored_node():
    nodes = dict(NODES)
    del nodes[3, 1]
    assert len(merkle.prove_inclusion(0, 16, NODES)) == 4
    with pytest.raises(NodeMissing) as missing:
        merkle.prove_inclusion(0, 16, nodes)
    assert (missing.value.level, missing.value.index) == (3, 1)


@pytest.mark.parametrize(
    "path",
    [
        None,
        5,
        "ab",
        [b""] * 3,
        [b"\0" * 31] * 3,
        ["a" * 32] * 3,
        [None] * 3,
        {1: 2},
        {HASHES[0]},
        iter(HASHES),
    ],
)
def test_what_is_no_path_is_refused_as_a_path(path):
    for size, expected in ((8, InclusionError), (1, InclusionError)):
        with pytest.raises(expected):
            merkle.verify_inclusion(HASHES[0], 0, size, path, ROOTS[8])
    with pytest.raises(ConsistencyError):
        merkle.verify_consistency(3, ROOTS[3], 8, ROOTS[8], path)


@pytest.mark.parametrize("wrong", [None, "1", 1.0, b"1"])
def test_what_is_no_number_is_refused_as_an_index_and_as_a_size(wrong):
    path = merkle.prove_inclusion(1, 8, NODES)
    for index, size in ((wrong, 8), (1, wrong)):
        with pytest.raises(InclusionError):
            merkle.verify_inclusion(HASHES[1], index, size, path, ROOTS[8])
    for first, second in ((wrong, 8), (3, wrong)):
        with pytest.raises(ConsistencyError):
            merkle.verify_consistency(
                first, ROOTS[3], second, ROOTS[8], merkle.prove_consistency(3, 8, NODES)
            )


@pytest.mark.parametrize("wrong", [None, "", b"", b"\0" * 31, b"\0" * 33, 5])
def test_what_is_no_hash_is_refused_as_a_leaf_and_as_a_root(wrong):
    with pytest.raises(InclusionError):
        merkle.verify_inclusion(wrong, 0, 8, merkle.prove_inclusion(0, 8, NODES), ROOTS[8])
    with pytest.raises(InclusionError):
        merkle.verify_inclusion(HASHES[0], 0, 8, merkle.prove_inclusion(0, 8, NODES), wrong)
    for first, second in ((wrong, ROOTS[8]), (ROOTS[4], wrong)):
        with pytest.raises(ConsistencyError):
            merkle.verify_consistency(4, first, 8, second, merkle.prove_consistency(4, 8, NODES))


def test_a_leaf_deep_in_a_large_log_is_proved_from_a_few_dozen_stored_nodes():
    """The sizes of a log of 2^40 leaves that holds one leaf over and over, so that its nodes are known without it."""
    towers = [HASHES[0]]
    for _ in range(40):
        towers.append(merkle.hash_children(towers[-1], towers[-1]))

    class Uniform(dict):
        def __missing__(self, node):
            return towers[node[0]]

    size = 2**40 - 12345
    root = merkle.root_from_nodes(size, Uniform())
    for index in (0, 1, size // 3, size - 2, size - 1):
        assert len(merkle.inclusion_nodes(index, size)) <= 80
        merkle.verify_inclusion(HASHES[0], index, size, merkle.prove_inclusion(index, size, Uniform()), root)
    older = 2**39 + 777
    assert len(merkle.consistency_nodes(older, size)) <= 80
    merkle.verify_consistency(
        older,
        merkle.root_from_nodes(older, Uniform()),
        size,
        root,
        merkle.prove_consistency(older, size, Uniform()),
    )
