"""Proofs from a log of ten million leaves beside those from one of ten thousand, through the real store.

`python bench/log_size.py [sqlite|postgresql] [LEAVES]` measures one kind of database alone.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
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
PROOFS = 2_000
EPOCH = 1
MOST_TIMES = 1.5


def measure(kind: str = "sqlite", large: int = LARGE) -> list[Figure]:
    """Make one log, and ask it for the same number of proofs at both sizes."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            path = Path(folder) / "log.db"
            return _measured("SQLite", f"{SQLITE}{path}", large)
        cluster = postgres.begin()
        if cluster is None:
            sys.exit(postgres.MISSING)
        try:
            return _measured("PostgreSQL", cluster.create("log"), large)
        finally:
            postgres.end(cluster)


def _measured(name: str, url: str, large: int) -> list[Figure]:
    with closing(Store(url, create=True)) as store:
        with store.write() as session:
            session.begin_epoch(EPOCH)
        _grow(store, 0, SMALL)
        small = _latencies(store, SMALL)
        began, used = time.perf_counter(), time.process_time()
        _grow(store, SMALL, large)
        seconds, used = time.perf_counter() - began, time.process_time() - used
        size = "" if store.path is None else f"{os.stat(store.path).st_size / 2**30:.2f} GiB on disk, "
        grown = _latencies(store, large)
    how = (
        f"{PROOFS:,} proofs of random places, each checked against the root, made from a snapshot of its own; the log was "
        f"made in {seconds:,.0f} s ({(large - SMALL) / seconds:,.0f} leaves/s, {1e6 * used / large:.0f} µs of processor time "
        f"each), {size}what the sequencer writes of leaves: their nodes"
    )
    figures = []
    for what in ("inclusion", "consistency"):
        ours, theirs = _middle(grown[what]), _middle(small[what])
        ratio = ours / theirs
        figures.append(
            Figure(
                f"{what} proof, a log of {large:,} leaves, {name}",
                f"{1e3 * ours:.2f} ms, {ratio:.2f} times that of {SMALL:,} ({1e3 * theirs:.2f} ms); "
                f"p99 {1e3 * _high(grown[what]):.2f} ms ({1e3 * _high(small[what]):.2f} ms)",
                f"{MOST_TIMES} times",
                ratio <= MOST_TIMES,
                how,
            )
        )
    return figures


def _grow(store: Store, size: int, to: int) -> None:
    for first in range(size, to, BATCH):
        count = min(BATCH, to - first)
        leaves = [merkle.hash_leaf(number.to_bytes(8, "big")) for number in range(first, first + count)]
        with store.write() as session:
            session.set_next_index(first + count)
            sequencing.append(session, EPOCH, first, leaves)


def _latencies(store: Store, size: int) -> dict[str, list[float]]:
    with store.read() as session:
        root = sequencing.root_at(session, EPOCH, size)
        olds = random.Random(3).sample(range(1, size), PROOFS)
        roots = {old: sequencing.root_at(session, EPOCH, old) for old in olds}

    def inclusion(index: int) -> None:
        with store.read() as session:
            path = sequencing.inclusion_path(session, EPOCH, index, size)
        merkle.verify_inclusion(merkle.hash_leaf(index.to_bytes(8, "big")), index, size, path, root)

    def consistency(old: int) -> None:
        with store.read() as session:
            path = sequencing.consistency_path(session, EPOCH, old, size)
        merkle.verify_consistency(old, roots[old], size, root, path)

    return {"inclusion": _timed(inclusion, olds), "consistency": _timed(consistency, olds)}


def _timed(ask: Callable[[int], None], places: list[int]) -> list[float]:
    taken = []
    for place in places:
        start = time.perf_counter()
        ask(place)
        taken.append(time.perf_counter() - start)
    return sorted(taken)


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
