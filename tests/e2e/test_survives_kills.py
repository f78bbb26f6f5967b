"""`kill -9` of the API, the worker and the chain, again and again under load: what was acknowledged is on chain, once.

The load is signed manifests and custody records through the typed client. Everything it was told is accepted must be
anchored, or recorded, exactly once in the end; nothing else may be there; indexes have no gaps.
"""

import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from contextlib import closing

import cargo
import httpx
import local_network
import pytest
from service_process import ServiceProcess

from ledger import devchain
from ledger.chain import Chain
from ledger.client import LedgerClient
from ledger.core import merkle, records
from ledger.core.records import CustodyKind, Role
from ledger.errors import ServiceError
from ledger.messages import from_hex, to_hex

KILLS = 20
RETRY_SECONDS = 120
SETTLE_SECONDS = 90
LODGERS, OFFICERS = 2, 3


class Load:
    """People at work until they are told to stop; what they were told is kept."""

    def __init__(self, network, url):
        self.network, self.url = network, url
        self.manifests: dict[str, int] = {}  # index by record digest, as acknowledged
        self.custody: list[str] = []  # digests, as acknowledged
        self.errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = []

    def start(self, officers):
        jobs = [self._lodge] * LODGERS + [self._lodge_many]
        for job in jobs:
            self._begin(job, self.network.keys["exporter"])
        for key, consignment in officers:
            self._begin(self._act, key, consignment)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(RETRY_SECONDS + 30)

    def _begin(self, job, key, *arguments):
        def run():
            try:
                with LedgerClient(
                    self.url, key=key, retry_seconds=RETRY_SECONDS, timeout_seconds=10
                ) as client:
                    while not self._stop.is_set():
                        job(client, *arguments)
                        time.sleep(0.03)
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)

    def _lodge(self, client):
        self._accepted([client.submit_manifest(cargo.whole_submission(client, int(time.time())))])

    def _lodge_many(self, client):
        now = int(time.time())
        self._accepted(client.submit_manifests([cargo.submission(client, now) for _ in range(20)]))

    def _accepted(self, answers):
        for answer in answers:
            if isinstance(answer, ServiceError):
                raise answer
            with self._lock:
                assert self.manifests.setdefault(answer.digest, answer.index) == answer.index

    def _act(self, client, consignment):
        details = {"schema": "cargo-passage/1", "place": "SGSIN", "note": secrets.token_hex(4)}
        for kind in (CustodyKind.ARRIVAL, CustodyKind.INSPECTION, CustodyKind.DEPARTURE, CustodyKind.REMARK):
            answer = client.step(kind, consignment, "SG", details=details)
            with self._lock:
                self.custody.append(answer.digest)


@pytest.fixture
def network(tmp_path):
    """A network with blocks of a second, whose chain may be killed."""
    network = local_network.begin(tmp_path, block_seconds=1)
    yield network
    local_network.end(network)


@pytest.fixture
def service(network):
    """The service as processes, started."""
    service = ServiceProcess(network, network.folder)
    service.start("--create")
    yield service
    service.stop()


def opened(client):
    """Open a consignment, and wait until it is on chain."""
    reference = cargo.reference()
    lodged = client.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    opening = client.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    return lodged, opening


def wait_until_ready(url, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        answer = httpx.get(f"{url}/readyz", trust_env=False)
        if answer.status_code == 200:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def test_what_was_acknowledged_survives_twenty_kills(network, service, capsys):
    seed = int(os.environ.get("KILLS_SEED", secrets.randbelow(10**6)))
    chance = random.Random(seed)
    wait_until_ready(service.url)
    officers = [secrets.token_bytes(32) for _ in range(OFFICERS)]
    for key in officers:
        network.enrol(key, "SG", Role.OFFICER)
    load = Load(network, service.url)
    with LedgerClient(service.url, key=network.keys["exporter"]) as exporter:
        openings = [opened(exporter) for _ in officers]
        for lodged, opening in openings:
            exporter.wait_for_record(lodged.consignment, opening.digest, "final")
            load.manifests[lodged.answer.digest] = lodged.answer.index
            load.custody.append(opening.digest)
        exporter.wait_for_manifest(openings[-1][0].id)
    load.start([(key, lodged.consignment) for key, (lodged, _) in zip(officers, openings, strict=True)])
    victims = chance.choices(["api", "worker", "chain"], weights=[3, 4, 2], k=KILLS)
    started = time.monotonic()
    try:
        for victim in victims:
            time.sleep(chance.uniform(0.2, 1.5))
            kill(victim, network, service)
            assert not load.errors, (seed, load.errors)
    finally:
        load.stop()
    took = time.monotonic() - started
    assert not load.errors, (seed, load.errors)
    settle(service, load, seed)
    assert_everything_once(network, load, seed)
    with capsys.disabled():
        print(
            f"\n{len(load.manifests)} manifests and {len(load.custody)} custody records acknowledged through "
            f"{dict(Counter(victims))} kills in {took:.0f} s (seed {seed})"
        )


def kill(victim, network, service):
    if victim == "api":
        service.kill()
        service.start()
    elif victim == "worker":
        os.kill(service.worker(), signal.SIGKILL)
    else:
        os.kill(devchain.status(network.chain.folder).pid, signal.SIGKILL)
        time.sleep(0.2)
        devchain.start(network.chain.folder, block_seconds=1, lifetime="parent")


def in_flight(service):
    """How many transactions are sent and not final."""
    text = httpx.get(f"{service.url}/metrics", trust_env=False).text
    (value,) = (
        line.split()[-1]
        for line in text.splitlines()
        if line.startswith("cargo_ledger_transactions_in_flight")
    )
    return float(value)


def settle(service, load, seed):
    """Wait until nothing is on its way any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        ready = httpx.get(f"{service.url}/readyz", trust_env=False).json()
        head = httpx.get(f"{service.url}/v1/log/SG/head", trust_env=False).json()
        is_settled = (
            ready.get("waiting_manifests") == 0
            and ready.get("waiting_records") == 0
            and ready.get("ready")
            and in_flight(service) == 0  # sent is not yet taken
        )
        if is_settled and head.get("size", 0) >= len(load.manifests):
            return
        assert time.monotonic() < deadline, (seed, ready, head, service.log.read_text()[-3000:])
        time.sleep(0.5)


def assert_everything_once(network, load, seed):
    """Read the chain itself, and compare it with what was acknowledged."""
    domain = network.profile.consignments_domain
    appended, heads, sequences = [], [], {}
    with closing(Chain(network.profile)) as chain:
        for number in range(network.profile.deployment_block, chain.head().number + 1):
            for event in chain.events(chain.block(number)):
                assert event.sequence == sequences.get(event.contract, 0) + 1, seed
                sequences[event.contract] = event.sequence
                if event.name == "RecordAppended":
                    appended.append(to_hex(event.values["record"].digest(domain)))
                elif event.name == "HeadAnchored":
                    heads.append(event.values)
                assert event.name != "RecordRefused", (seed, event)
    assert Counter(appended) == Counter(set(load.custody)), seed
    assert len(load.custody) == len(set(load.custody)), seed
    sizes = [head["size"] for head in heads]
    assert sizes == sorted(set(sizes)), seed
    assert sizes[-1] == len(load.manifests), seed
    assert sorted(load.manifests.values()) == list(range(len(load.manifests))), seed
    leaves = all_leaves(load)
    assert [leaf.index for leaf in leaves] == list(range(len(leaves))), seed
    data = [from_hex(leaf.data) for leaf in leaves]
    digests = [to_hex(records.decode_leaf(one)[0].digest(network.profile.log_domain)) for one in data]
    assert {digest: index for index, digest in enumerate(digests)} == load.manifests, seed
    assert merkle.root([records.leaf_hash(one) for one in data]) == bytes(heads[-1]["root"]), seed


def all_leaves(load):
    found = []
    with LedgerClient(load.url) as client:
        while more := client.leaves("SG", len(found)):
            found += more
    return found
