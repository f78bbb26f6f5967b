"""Proofs from a log of ten million leaves beside those from one of ten thousand, through the real store.

`python bench/log_size.py [sqlite|postgresql] [LEAVES]` measures one kind of database alone.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from figures import Figure
from manifests import PROJECT

from ledger import sequencing
from ledger.core import merkle
from ledger.database import SQLITE
from ledger.store import Store

sys.path[:0] = [str(PROJECT / "tests" / "support")]

import postgres  # noqa: E402

SMALL, LARGE = 10_000, 10_000_000
BATCH = 100_000  # leaves a transaction
PROOFS, WARMING = 2_000, 200
EPOCH = 1
MOST_TIMES = 1.5


def measure(kind: str = "sqlite", large: int = LARGE) -> list[Figure]:
    """Make two logs, and ask them for proofs turn about."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            urls = [f"{SQLITE}{Path(folder) / name}.db" for name in ("small", "large")]
            return _measured("SQLite", *urls, large)
        cluster = postgres.begin()
        if cluster is None:
            sys.exit(postgres.MISSING)
        try:
            return _measured("PostgreSQL", cluster.create("small"), cluster.create("large"), large)
        finally:
            postgres.end(cluster)


def _measured(name: str, small_url: str, large_url: str, size: int) -> list[Figure]:
    with closing(Store(small_url, create=True)) as small, closing(Store(large_url, create=True)) as large:
        _grow(small, SMALL)
        began, used = time.perf_counter(), time.process_time()
        _grow(large, size)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        disk = "" if large.path is None else f"{os.stat(large.path).st_size / 2**30:.2f} GiB on disk, "
        asked = _Asked(small, SMALL), _Asked(large, size)
        latencies = {
            "inclusion": _turn_about([each.inclusion for each in asked], [each.places for each in asked]),
            "consistency": _turn_about([each.consistency for each in asked], [each.places for each in asked]),
        }
    how = (
        f"{PROOFS:,} proofs of random places of each, turn about in one process, warm, each made from a snapshot of its own "
        f"and checked against the root; the log was made in {seconds:,.0f} s ({size / seconds:,.0f} leaves/s, "
        f"{1e6 * used / size:.0f} µs of processor time each), {disk}what the sequencer writes of leaves: their tree"
    )
    figures = []
    for what, (theirs, ours) in latencies.items():
        ratio = _middle(ours) / _middle(theirs)
        figures.append(
            Figure(
                f"{what} proof, a log of {size:,} leaves, {name}",
                f"{1e3 * _middle(ours):.2f} ms, {ratio:.2f} times that of {SMALL:,} ({1e3 * _middle(theirs):.2f} ms); "
                f"p99 {1e3 * _high(ours):.2f} ms ({1e3 * _high(theirs):.2f} ms)",
                f"{MOST_TIMES} times",
                ratio <= MOST_TIMES,
                how,
            )
        )
    return figures


def _grow(store: Store, to: int) -> None:
    with store.write() as session:
        session.begin_epoch(EPOCH)
    for first in range(0, to, BATCH):
        count = min(BATCH, to - first)
        leaves = [merkle.hash_leaf(number.to_bytes(8, "big")) for number in range(first, first + count)]
        with store.write() as session:
            session.set_next_index(first + count)
            sequencing.append(session, EPOCH, first, leaves)


class _Asked:
    """A log that is asked for proofs, each of which is checked."""

    def __init__(self, store: Store, size: int) -> None:
        self._store, self._size = store, size
        self.places = random.Random(3).sample(range(1, size), WARMING + PROOFS)
        with store.read() as session:
            self._root = sequencing.root_at(session, EPOCH, size)
            self._roots = {old: sequencing.root_at(session, EPOCH, old) for old in self.places}

    def inclusion(self, index: int) -> None:
        with self._store.read() as session:
            path = sequencing.inclusion_path(session, EPOCH, index, self._size)
        leaf = merkle.hash_leaf(index.to_bytes(8, "big"))
        merkle.verify_inclusion(leaf, index, self._size, path, self._root)

    def consistency(self, old: int) -> None:
        with self._store.read() as session:
            path = sequencing.consistency_path(session, EPOCH, old, self._size)
        merkle.verify_consistency(old, self._roots[old], self._size, self._root, path)


def _turn_about(asks: Sequence[Callable[[int], None]], places: Sequence[Sequence[int]]) -> list[list[float]]:
    """How long each of some took for its places, sorted; the first of them are not counted."""
    taken: list[list[float]] = [[] for _ in asks]
    for turn in zip(*places, strict=True):
        for ask, place, mine in zip(asks, turn, taken, strict=True):
            start = time.perf_counter()
            ask(place)
            mine.append(time.perf_counter() - start)
    return [sorted(mine[WARMING:]) for mine in taken]


def _middle(values: list[float]) -> float:
    return values[len(values) // 2]


def _high(values: list[float]) -> float:
    return values[len(values) * 99 // 100]


if __name__ == "__main__":
    kind, leaves = (*sys.argv[1:], *("sqlite", str(LARGE))[len(sys.argv) - 1 :])
    for figure in measure(kind, int(leaves)):
        print(
            f"{figure.what}: {figure.figure} ({figure.to_reach}: {figure.met})\n    {figure.how}", flush=True
        )
