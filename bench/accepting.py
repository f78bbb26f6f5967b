"""Accepting over HTTP, on SQLite and on PostgreSQL: the service's processes, its worker, a chain and the client on one machine.

`python bench/accepting.py [sqlite] [postgresql] [--processes N]` measures some of it alone and shows where processor time went.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
from figures import Figure
from http_load import Posted, post_all, stream
from manifests import PROJECT
from processor import busy_seconds, family, resident_mib, seconds_of
from submissions import Lodger

from ledger.vault import add_wrapping_key

sys.path[:0] = [str(PROJECT / "tests" / "support"), str(PROJECT / "scripts")]

import local_network  # noqa: E402
import postgres  # noqa: E402
from service_process import ServiceProcess  # noqa: E402

RECORDS, WHOLE, SINGLE, PLAIN = 60_000, 10_000, 10_000, 3_000
CONNECTIONS = 32
SINGLE_PER_SECOND = 800  # what single posts have to reach; their answers' times are taken at this pace
BLOCK_SECONDS = 1
PACED_PER_SECOND, PACED_SECONDS = 400, 20
DATABASES = ("sqlite", "postgresql")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True)
class Run:
    """One measurement.

    Attributes:
        count: Submissions that were accepted.
        seconds: By the clock, from the first byte sent to the last answer.
        used: Processor seconds by who used them; "others" are programs that are none of ours.
        latencies: Of single posts, in seconds, sorted.
    """

    count: int
    seconds: float
    used: dict[str, float]
    latencies: Sequence[float] = ()

    @property
    def rate(self) -> float:
        """Accepted a second."""
        return self.count / self.seconds

    def how(self) -> str:
        """Where the time went, in words."""
        each = ", ".join(f"{who} {1e6 * used / self.count:,.0f} µs" for who, used in self.used.items())
        return f"{self.count:,}; processor time of each: {each}"


class Meter:
    """What processes use between two moments.

    Args:
        processes: What finds them, by who they are: some may begin meanwhile. The client is this process itself.
    """

    def __init__(self, **processes: Callable[[], Sequence[int]]) -> None:
        self._processes = processes
        self._before = self._read()

    def _read(self) -> dict[str, float]:
        read = {who: seconds_of(processes()) for who, processes in self._processes.items()}
        read["client"] = time.process_time()
        return read | {"others": busy_seconds() - sum(read.values())}

    def used(self) -> dict[str, float]:
        """Processor seconds since this meter was made."""
        return {who: max(0.0, used - self._before[who]) for who, used in self._read().items()}


class Bench:
    """A service at work, to lodge with.

    Args:
        network: Its chain, whose trader lodges.
        folder: Where it keeps its files.
        database: Its database's URL.
        processes: Of the API.
        server: The database's own processes, as they are now.
    """

    def __init__(
        self, network: local_network.Network, folder: Path, database: str, processes: int, server: int | None
    ) -> None:
        self._network, self._folder, self._database, self._server = network, folder, database, server
        self.lodger = Lodger(network.profile.log_domain, network.party("exporter"), network.keys["exporter"])
        keys = folder / "wrapping-keys"
        add_wrapping_key(
            keys
        )  # a server's database is sealed under keys of its own, and so is the other here
        self._service = ServiceProcess(
            network, folder, LEDGER_DATABASE_URL=database, LEDGER_WRAPPING_KEYS_FILE=str(keys)
        )
        self._arguments = ["--create", *(["--processes", str(processes)] if processes > 1 else [])]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it, from the moment on when it is ready."""
        self._service.start(*self._arguments)
        try:
            while httpx.get(f"{self._service.url}/readyz", trust_env=False).status_code != 200:
                time.sleep(0.2)
            yield
        finally:
            self._service.stop()

    @property
    def _api(self) -> int:
        return self._service.pid

    def _meter(self) -> Meter:
        worker = self._service.worker()
        groups = {
            "API": lambda: [p for p in family(self._api) if p != worker],
            "worker": lambda: [worker],
        }
        if self._server is not None:
            groups["database"] = lambda: family(self._server)
        return Meter(**groups, chain=lambda: family(self._network.chain.pid))

    def batch(self, lines: Sequence[bytes]) -> tuple[Run, float, float]:
        """Lodge in one request of NDJSON; the run, and the API's memory after a tenth and at its most, in MiB."""
        resident: list[float] = []
        processes = self._service.api_processes() or [self._api]
        noted_at = 0

        def note(answered: int) -> None:
            nonlocal noted_at
            if answered >= noted_at:
                noted_at += len(lines) // 20
                resident.append(max(map(resident_mib, processes)))

        meter, start = self._meter(), time.monotonic()
        answers = stream(f"{self._service.url}/v1/manifests/batch", lines, note)
        seconds, used = time.monotonic() - start, meter.used()
        _require_accepted(answers, len(lines))
        self._settle()
        return Run(len(lines), seconds, used), resident[2], max(resident)

    def single(self, bodies: Sequence[bytes], per_second: float = 0) -> Run:
        """Lodge one a request, as fast as it goes or so many a second."""
        post_all(f"{self._service.url}/v1/manifests", bodies[:500], CONNECTIONS, per_second)
        run, _ = _posted(f"{self._service.url}/v1/manifests", bodies[500:], self._meter, per_second)
        self._settle()
        return run

    def until_anchored(self, bodies: Sequence[bytes]) -> list[float]:
        """Lodge at a steady pace; how long after its answer each is covered by a head that the service shows, sorted."""
        covered: list[tuple[int, float]] = []
        stop = threading.Event()

        def watch() -> None:
            with httpx.Client(trust_env=False) as http:
                while not stop.is_set():
                    size = http.get(f"{self._service.url}/v1/log/SG/head").json()["size"]
                    if not covered or size > covered[-1][0]:
                        covered.append((size, time.monotonic()))
                    stop.wait(0.05)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            answers = post_all(
                f"{self._service.url}/v1/manifests", bodies, CONNECTIONS, per_second=PACED_PER_SECOND
            )
            self._settle()
        finally:
            stop.set()
            watcher.join()
        _require_accepted([answer.body for answer in answers], len(bodies))
        indexed = sorted((orjson.loads(answer.body)["index"], answer.ended) for answer in answers)
        waits, heads = [], iter(covered)
        size, at = next(heads)
        for index, accepted_at in indexed:
            while size <= index:
                size, at = next(heads)
            waits.append(at - accepted_at)
        return sorted(waits)

    def plain(self, bodies: Sequence[bytes], database: str) -> Run:
        """Lodge one a request with the plain service beside, on an empty database of the same kind."""
        profile = self._folder / "profile.json"
        command = [sys.executable, str(Path(__file__).with_name("plain_service.py")), database, str(profile)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
            try:
                url = process.stdout.readline().strip() + "/manifests"
                post_all(url, bodies[:200], CONNECTIONS)

                def meter() -> Meter:
                    server = {} if self._server is None else {"database": lambda: family(self._server)}
                    return Meter(API=lambda: [process.pid], **server)

                run, answers = _posted(url, bodies[200:], meter)
            finally:
                process.terminate()
        indexes = [orjson.loads(answer.body)["index"] for answer in answers]
        assert len(set(indexes)) == len(bodies) - 200
        return run

    def _settle(self) -> None:
        """Wait until all that was accepted is anchored and what the worker had to do is done."""
        with httpx.Client(trust_env=False, base_url=self._service.url) as http:
            while True:
                figures = dict(
                    line.rsplit(" ", 1) for line in http.get("/metrics").text.splitlines() if line[0] != "#"
                )
                accepted, anchored = (
                    float(figures[f"cargo_ledger_log_{what}_leaves"]) for what in ("accepted", "anchored")
                )
                if accepted == anchored:
                    return
                time.sleep(0.5)


def _posted(url: str, bodies: Sequence[bytes], make_meter, per_second: float = 0) -> tuple[Run, list[Posted]]:
    meter, start = make_meter(), time.monotonic()
    answers = post_all(url, bodies, CONNECTIONS, per_second)
    seconds, used = time.monotonic() - start, meter.used()
    assert {answer.status for answer in answers} == {202}, next(a for a in answers if a.status != 202)
    return Run(len(bodies), seconds, used, sorted(a.ended - a.began for a in answers)), answers


def _require_accepted(answers: Sequence[bytes], count: int) -> None:
    read = [orjson.loads(answer) for answer in answers]
    refused = [answer for answer in read if "index" not in answer]
    assert not refused and len(read) == count, (len(read), refused[:1])
    assert len({answer["index"] for answer in read}) == count


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, int(len(values) * share))]


def measure(databases: Sequence[str] = DATABASES, processes: int = 1, scale: float = 1) -> list[Figure]:
    """Measure on each kind of database, a chain for each."""
    figures: list[Figure] = []
    for database in databases:
        with tempfile.TemporaryDirectory() as folder:
            figures += _measure(database, Path(folder), processes, scale)
    return figures


def _measure(kind: str, folder: Path, processes: int, scale: float) -> list[Figure]:
    cluster = None
    if kind == "postgresql":
        cluster = postgres.begin()
        if cluster is None:
            sys.exit(postgres.MISSING)
    network = local_network.begin(folder, block_seconds=BLOCK_SECONDS)
    try:
        if cluster is None:
            url, plain_url, server = (
                f"sqlite:///{folder / 'ledger.db'}",
                f"sqlite:///{folder / 'plain.db'}",
                None,
            )
        else:
            url, plain_url, server = cluster.create("accepting"), cluster.create("plain"), cluster.server()
        bench = Bench(network, folder, url, processes if cluster else 1, server)
        with bench.running():
            return _figures(NAMES[kind], bench, plain_url, scale)
    finally:
        local_network.end(network)
        if cluster is not None:
            postgres.end(cluster)


def _figures(name: str, bench: Bench, plain_url: str, scale: float) -> list[Figure]:
    records, whole, single, plain = (int(scale * count) for count in (RECORDS, WHOLE, SINGLE, PLAIN))
    streamed, early, peak = bench.batch(bench.lodger.records(records))
    documents, _, _ = bench.batch(bench.lodger.whole(whole))
    posted = bench.single(bench.lodger.records(single))
    beside = bench.plain(bench.lodger.records(plain), plain_url)
    again = bench.single(bench.lodger.records(single))
    if again.rate < posted.rate:  # the plain one stands between: the slower of the two counts
        posted = again
    paced = bench.single(bench.lodger.records(single), SINGLE_PER_SECOND)
    waits = bench.until_anchored(bench.lodger.records(int(scale * PACED_PER_SECOND * PACED_SECONDS)))
    p99, slowest = percentile(paced.latencies, 0.99), percentile(waits, 0.99)
    most = 2 * BLOCK_SECONDS + 1
    return [
        Figure(
            f"accept signed records, NDJSON, {name}",
            f"{streamed.rate:,.0f}/s",
            "3,000/s",
            streamed.rate >= 3_000,
            streamed.how(),
        ),
        Figure(
            f"accept whole manifests, NDJSON, {name}",
            f"{documents.rate:,.0f}/s",
            "1,000/s",
            documents.rate >= 1_000,
            f"2.4 KB each: parsed, committed to, compared, encrypted; {documents.how()}",
        ),
        Figure(
            f"accept signed records, one a request, {name}",
            f"{posted.rate:,.0f}/s; at {SINGLE_PER_SECOND}/s p99 {1000 * p99:.0f} ms",
            f"{SINGLE_PER_SECOND}/s, 100 ms",
            posted.rate >= SINGLE_PER_SECOND and paced.rate >= 0.99 * SINGLE_PER_SECOND and p99 < 0.1,
            f"{CONNECTIONS} connections; as fast as it goes p99 {1000 * percentile(posted.latencies, 0.99):.0f} ms, "
            f"at {SINGLE_PER_SECOND}/s median {1000 * percentile(paced.latencies, 0.5):.0f} ms; {posted.how()}",
        ),
        Figure(
            f"plain FastAPI with a transaction each, {name}",
            f"{beside.rate:,.0f}/s, p99 {1000 * percentile(beside.latencies, 0.99):.0f} ms",
            how=f"ours takes {posted.rate / beside.rate:.1f} times as many one a request, {streamed.rate / beside.rate:.0f} "
            f"times as NDJSON; {beside.how()}",
        ),
        Figure(
            f"accepted to anchored at {PACED_PER_SECOND}/s, p99, {name}",
            f"{slowest:.1f} s",
            f"{most} s",
            slowest <= most,
            f"blocks of {BLOCK_SECONDS} s; until the service shows the head; median {percentile(waits, 0.5):.1f} s",
        ),
        Figure(
            f"memory of one NDJSON request of {records:,} lines, {name}",
            f"{peak:.0f} MiB at the peak, {early:.0f} MiB after a tenth",
            "flat",
            peak - early < 16,
            "resident set of the process of the API",
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("databases", nargs="*", default=DATABASES)
    parser.add_argument("--processes", type=int, default=1, help="of the API, on PostgreSQL")
    parser.add_argument("--scale", type=float, default=1.0, help="of how much is lodged")
    options = parser.parse_args()
    for figure in measure(options.databases, options.processes, options.scale):
        print(
            f"{figure.what}: {figure.figure} ({figure.to_reach}: {figure.met})\n    {figure.how}", flush=True
        )
