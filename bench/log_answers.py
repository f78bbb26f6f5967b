"""The whole answer to `GET /v1/manifests/{id}/proof`, from a log of ten million leaves beside one of ten thousand.

`python bench/log_answers.py [LEAVES]`. Each log has the same manifests, lodged with a service on a chain, at random places
among leaves of no manifests; its head is noted as if the chain had it, since no chain has ten million leaves here.
"""

import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
from figures import Figure
from log_size import BATCH, LARGE, MOST_TIMES, SMALL
from manifests import PROJECT
from sqlalchemy import delete, update

from ledger import sequencing
from ledger import tables as t
from ledger.core import merkle, records
from ledger.database import SQLITE
from ledger.store import Store

sys.path[:0] = [str(PROJECT / "tests" / "support"), str(PROJECT / "scripts")]

import ledger_at_work  # noqa: E402
import local_network  # noqa: E402
from service_process import ServiceProcess  # noqa: E402

MANIFESTS, ROUNDS, WARMING = 200, 10, 1


def measure(large: int = LARGE) -> list[Figure]:
    """Lodge, spread what was lodged over both logs, and ask for proofs turn about."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as held:
        folder = Path(place)
        network = local_network.begin(folder)
        held.callback(local_network.end, network)
        ids = _lodged(network, folder / "lodged.db")
        services = []
        for size in (SMALL, large):
            path = folder / f"{size}.db"
            shutil.copyfile(folder / "lodged.db", path)
            _spread(path, size)
            service = ServiceProcess(
                network,
                folder,
                LEDGER_DATABASE_URL=f"{SQLITE}{path}",
                LEDGER_WRAPPING_KEYS_FILE=str(folder / "lodged.db.wrapping-keys"),
            )
            service.start("--role", "api")
            held.callback(service.stop)
            services.append(held.enter_context(httpx.Client(base_url=service.url, trust_env=False)))
        theirs, ours = _turn_about(services, ids, (SMALL, large))
    ratio = _at(ours, 0.5) / _at(theirs, 0.5)
    return [
        Figure(
            f"answer with an inclusion proof over HTTP, a log of {large:,} leaves, SQLite",
            f"{1e3 * _at(ours, 0.5):.2f} ms, {ratio:.2f} times that of {SMALL:,} ({1e3 * _at(theirs, 0.5):.2f} ms); "
            f"p99 {1e3 * _at(ours, 0.99):.2f} ms ({1e3 * _at(theirs, 0.99):.2f} ms)",
            f"{MOST_TIMES} times",
            ratio <= MOST_TIMES,
            f"{len(ours):,} of each, turn about, each service a process, one connection; "
            f"{MANIFESTS} manifests at random places, every proof checked",
        )
    ]


def _lodged(network: local_network.Network, path: Path) -> list[str]:
    """Lodge manifests and have them anchored; their ids."""
    with closing(ledger_at_work.controls(network)) as anvil:
        at_work = ledger_at_work.open_ledger(network, anvil, path)
        at_work.settle()
        lodged = [at_work.lodged() for _ in range(MANIFESTS)]
        at_work.settle()
        at_work.ledger.close()
    return ["0x" + manifest.id.hex() for manifest in lodged]


def _spread(path: Path, size: int) -> None:
    """Give the manifests of a database random places in a log of so many leaves."""
    with closing(Store(f"{SQLITE}{path}")) as store:
        with store.write() as session:
            epoch = session.log().epoch
            rows = list(session.every(t.manifests, t.manifests.c.log_index))
            places = dict(zip(random.Random(5).sample(range(len(rows), size), len(rows)), rows, strict=True))
            for place, row in places.items():
                moved = update(t.manifests).where(t.manifests.c.digest == row.digest)
                session._connection.execute(moved.values(log_index=place))
            session._connection.execute(delete(t.tiles))
            session.begin_epoch(epoch)
        for first in range(0, size, BATCH):
            leaves = [
                records.leaf_hash(places[place].leaf)
                if place in places
                else merkle.hash_leaf(place.to_bytes(8, "big"))
                for place in range(first, min(first + BATCH, size))
            ]
            with store.write() as session:
                session.set_next_index(first + len(leaves))
                sequencing.append(session, epoch, first, leaves)
        with store.write() as session:
            head = session.newest_head(rows[0].party[:8], epoch)
            root = sequencing.root_at(session, epoch, size)
            session._connection.execute(delete(t.chain_heads))
            session.put_right(t.chain_heads, {"size": size}, {**head._mapping, "size": size, "root": root})


def _turn_about(
    services: list[httpx.Client], ids: list[str], sizes: tuple[int, int]
) -> tuple[list[float], list[float]]:
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(WARMING + ROUNDS):
        for manifest in ids:
            for service, size, mine in zip(services, sizes, taken, strict=True):
                start = time.perf_counter()
                answer = service.get(f"/v1/manifests/{manifest}/proof")
                seconds = time.perf_counter() - start
                _require_proof(answer, size)
                if turn >= WARMING:
                    mine.append(seconds)
    return sorted(taken[0]), sorted(taken[1])


def _require_proof(answer: httpx.Response, size: int) -> None:
    assert answer.status_code == 200, answer.text
    proof = answer.json()
    path = [bytes.fromhex(node[2:]) for node in proof["path"]]
    leaf, root = (bytes.fromhex(proof[name][2:]) for name in ("leaf_hash", "root"))
    assert int(proof["size"]) == size
    merkle.verify_inclusion(leaf, int(proof["index"]), size, path, root)


def _at(values: list[float], share: float) -> float:
    return values[int(len(values) * share)]


if __name__ == "__main__":
    for figure in measure(*map(int, sys.argv[1:])):
        print(
            f"{figure.what}: {figure.figure} ({figure.to_reach}: {figure.met})\n    {figure.how}", flush=True
        )
