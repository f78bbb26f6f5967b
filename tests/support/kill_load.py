"""People at work while a service is killed under them, and what must hold of everything they were told in the end."""

import secrets
import threading
import time
from collections import Counter
from contextlib import closing

import cargo
import httpx

from ledger.chain import Chain
from ledger.client import LedgerClient
from ledger.core import merkle, records
from ledger.core.records import CustodyKind, Role
from ledger.errors import ServiceError
from ledger.messages import from_hex, to_hex

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


def opened(client):
    """Open a consignment, and wait until it is on chain."""
    reference = cargo.reference()
    lodged = client.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    opening = client.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    return lodged, opening


def begin(network, url):
    """Open a consignment for each of several officers, wait until that is final, and set everybody to work."""
    officers = [secrets.token_bytes(32) for _ in range(OFFICERS)]
    for key in officers:
        network.enrol(key, "SG", Role.OFFICER)
    load = Load(network, url)
    with LedgerClient(url, key=network.keys["exporter"]) as exporter:
        openings = [opened(exporter) for _ in officers]
        for lodged, opening in openings:
            exporter.wait_for_record(lodged.consignment, opening.digest, "final")
            load.manifests[lodged.answer.digest] = lodged.answer.index
            load.custody.append(opening.digest)
        exporter.wait_for_manifest(openings[-1][0].id)
    load.start([(key, lodged.consignment) for key, (lodged, _) in zip(officers, openings, strict=True)])
    return load


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
