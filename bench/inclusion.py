"""Checking inclusion and consistency proofs of a log of a million leaves, on one core."""

import random
import time
from collections.abc import Callable, Sequence

from figures import Figure

from ledger.core import merkle

SIZE = 1_000_000
CHECKS = 20_000
ROUNDS = 5


class Levels(dict):
    """The log's complete subtrees, kept by level: a million leaves have two million of them."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.levels = [leaves]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append(
                [merkle.hash_children(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
            )

    def __getitem__(self, node: merkle.Node) -> bytes:
        level, index = node
        return self.levels[level][index]


def measure() -> list[Figure]:
    """Check other leaves in each round, so that none has been seen."""
    leaves = [merkle.hash_leaf(number.to_bytes(8, "big")) for number in range(SIZE)]
    nodes = Levels(leaves)
    root = merkle.root_from_nodes(SIZE, nodes)
    chosen = random.Random(1).sample(range(SIZE), CHECKS * ROUNDS)
    proofs = [
        [(leaves[index], index, SIZE, merkle.prove_inclusion(index, SIZE, nodes), root) for index in part]
        for part in (chosen[start : start + CHECKS] for start in range(0, len(chosen), CHECKS))
    ]
    sizes = random.Random(2).sample(range(1, SIZE), CHECKS)
    extensions = [
        (
            size,
            merkle.root_from_nodes(size, nodes),
            SIZE,
            root,
            merkle.prove_consistency(size, SIZE, nodes),
        )
        for size in sizes
    ]
    many = max(_rate(merkle.verify_inclusion, part) for part in proofs)
    single = max(_rate(_as_if_never_seen, part) for part in proofs[:2])
    consistency = max(_rate(merkle.verify_consistency, extensions) for _ in range(2))
    log = f"a log of {SIZE:,}"
    return [
        Figure(
            f"log inclusion checks, {log}",
            f"{many:,.0f}/s",
            "100,000/s",
            many >= 100_000,
            f"verify_inclusion of {CHECKS:,} random leaves of one tree head, best of {ROUNDS} rounds; 20 hashes a path",
        ),
        Figure(
            f"the same, each the first of its tree head, {log}", f"{single:,.0f}/s", how="nothing remembered"
        ),
        Figure(f"log consistency checks, {log}", f"{consistency:,.0f}/s", how="random older sizes"),
    ]


def _as_if_never_seen(*proof: object) -> None:
    merkle._climb_shared.cache_clear()
    merkle.verify_inclusion(*proof)


def _rate(verify: Callable[..., None], proofs: Sequence[tuple]) -> float:
    start = time.process_time()  # on one core, whatever else runs on the machine
    for proof in proofs:
        verify(*proof)
    return len(proofs) / (time.process_time() - start)
