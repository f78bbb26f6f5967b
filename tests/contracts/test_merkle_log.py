"""The Solidity proof library against the public vectors, and against the Python one.

Vectors: transparency-dev/merkle, `../shared/conformance/5-crypto/rfc6962-merkle`.
"""

import base64
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.core import merkle
from ledger.errors import ConsistencyError, InclusionError

VECTORS = (
    Path(__file__).resolve().parents[3]
    / "shared"
    / "conformance"
    / "5-crypto"
    / "rfc6962-merkle"
    / "testdata"
)
LEAVES = [merkle.hash_leaf(number.to_bytes(2, "big")) for number in range(70)]
NODES = merkle.complete_nodes(LEAVES)
ROOTS = [merkle.root(LEAVES[:size]) for size in range(len(LEAVES) + 1)]
UINT64 = 2**64 - 1


@pytest.fixture(scope="module")
def library(project, network):
    return network.deployer.deploy(project.LibraryCaller)


def cases(kind: str) -> list[tuple[str, dict]]:
    if not VECTORS.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no vectors at {VECTORS}")
        pytest.skip(f"no vectors at {VECTORS}")
    return [(str(path), json.loads(path.read_text())) for path in sorted((VECTORS / kind).rglob("*.json"))]


def b64(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def hashes(texts: list[str] | None) -> list[bytes]:
    return [b64(text) for text in texts or []]


def expressible(*values: bytes) -> bool:
    """Whether each is 32 bytes: anything else can't be given to a contract at all."""
    return all(len(value) == 32 for value in values)


@pytest.mark.conformance
def test_consistency_vectors_have_the_verdict_they_state(library):
    run = 0
    for name, case in cases("consistency"):
        first, second, path = b64(case["root1"]), b64(case["root2"]), hashes(case["proof"])
        if not expressible(first, second, *path):
            assert case["wantErr"] or case["size1"] == case["size2"], name
            continue
        verdict = library.verifyConsistency(case["size1"], first, case["size2"], second, path)
        assert verdict is not case["wantErr"], name
        run += 1
    assert run == 24


@pytest.mark.conformance
def test_inclusion_vectors_have_the_verdict_they_state(library):
    run = 0
    for name, case in cases("inclusion"):
        leaf, root, path = b64(case["leafHash"]), b64(case["root"]), hashes(case["proof"])
        inside = 0 <= case["leafIdx"] <= UINT64 and 0 <= case["treeSize"] <= UINT64
        if not inside or not expressible(leaf, root, *path):
            assert case["wantErr"], name
            continue
        verdict = library.verifyInclusion(leaf, case["leafIdx"], case["treeSize"], root, path)
        assert verdict is not case["wantErr"], name
        run += 1
    assert run == 72


def holds(verify, *arguments) -> bool:
    try:
        verify(*arguments)
    except (ConsistencyError, InclusionError):
        return False
    return True


def mangled(draw, path: list[bytes]) -> list[bytes]:
    """The path as it is, or wrong in one of the ways that an attacker would try first."""
    way = draw(st.sampled_from(["as it is", "bit", "cut", "longer", "swapped", "doubled"]))
    if way == "longer":
        return [*path, draw(st.sampled_from(LEAVES))]
    if not path or way == "as it is":
        return path
    at = draw(st.integers(0, len(path) - 1))
    if way == "bit":
        bit = draw(st.integers(0, 255))
        changed = int.from_bytes(path[at], "big") ^ 1 << bit
        return [*path[:at], changed.to_bytes(32, "big"), *path[at + 1 :]]
    if way == "cut":
        return path[:at] + path[at + 1 :]
    if way == "doubled":
        return [*path[:at], path[at], *path[at:]]
    return path[::-1]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_libraries_agree_on_consistency(library, data):
    sizes = st.integers(0, len(LEAVES))
    first = data.draw(sizes)
    second = data.draw(sizes)
    proved = (first, second) if 0 < first <= second else (5, 9)
    path = mangled(data.draw, merkle.prove_consistency(*proved, NODES))
    roots = [ROOTS[data.draw(st.sampled_from([size, size, size, 7]))] for size in (first, second)]
    expected = holds(merkle.verify_consistency, first, roots[0], second, roots[1], path)
    assert library.verifyConsistency(first, roots[0], second, roots[1], path) is expected


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_libraries_agree_on_inclusion(library, data):
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    path = mangled(data.draw, merkle.prove_inclusion(index, size, NODES))
    claimed = data.draw(st.sampled_from([index, index, index, size, size + 1, UINT64, index ^ 1]))
    leaf = data.draw(st.sampled_from([LEAVES[index], LEAVES[index], ROOTS[2], LEAVES[index ^ 1]]))
    expected = holds(merkle.verify_inclusion, leaf, claimed, size, path, ROOTS[size])
    assert library.verifyInclusion(leaf, claimed, size, ROOTS[size], path) is expected


def test_every_pair_of_sizes_to_20_is_consistent(library):
    for second in range(1, 21):
        for first in range(1, second + 1):
            path = merkle.prove_consistency(first, second, NODES)
            assert library.verifyConsistency(first, ROOTS[first], second, ROOTS[second], path)


def test_a_tree_of_no_leaves_is_consistent_with_nothing(library):
    assert not library.verifyConsistency(0, ROOTS[0], 0, ROOTS[0], [])
    assert not library.verifyConsistency(0, ROOTS[0], 5, ROOTS[5], [])


def test_a_later_tree_is_no_earlier_one(library):
    path = merkle.prove_consistency(5, 9, NODES)
    assert library.verifyConsistency(5, ROOTS[5], 9, ROOTS[9], path)
    assert not library.verifyConsistency(9, ROOTS[9], 5, ROOTS[5], path)


def test_a_node_is_no_leaf(library):
    """The node over leaves 0 and 1 of a tree of four is not the leaf 0 of a tree of two with the same root."""
    left, right = ROOTS[2], merkle.hash_children(LEAVES[2], LEAVES[3])
    assert merkle.hash_children(left, right) == ROOTS[4]
    assert library.verifyInclusion(LEAVES[0], 0, 4, ROOTS[4], [LEAVES[1], right])
    assert not library.verifyInclusion(left, 0, 4, ROOTS[4], [right])
    assert not library.verifyInclusion(merkle.hash_leaf(left + right), 0, 1, ROOTS[4], [])


def test_the_largest_sizes_do_not_overflow(library):
    assert not library.verifyConsistency(UINT64 - 1, ROOTS[5], UINT64, ROOTS[9], LEAVES[:64])
    assert not library.verifyInclusion(LEAVES[0], UINT64 - 1, UINT64, ROOTS[9], LEAVES[:64])
    assert not library.verifyInclusion(LEAVES[0], UINT64, UINT64, ROOTS[9], [])
