"""Validators that seal apart, meet again, stop and come back: a running service loses nothing and keeps no trace of it."""

import os
import random
import secrets
import threading
import time
from collections import Counter
from contextlib import closing

import cargo
import httpx
import pytest
import running_service
import sqlalchemy
from ledger_at_work import until
from service_process import wait_until_ready

from ledger import tables
from ledger.chain import Chain
from ledger.core import headers
from ledger.core.records import CustodyKind
from ledger.indexing import Indexer
from ledger.messages import from_hex, to_hex
from ledger.store import Store

pytestmark = pytest.mark.on_validators
IS_LONG = bool(os.environ.get("CARGO_PROOF"))
ROUNDS = 8 if IS_LONG else 0
# Beside four other lanes of tests the service itself gets its turn late: there the middle one is looked at.
WRITTEN, CONFIRMED_PERCENT = (200, 99) if IS_LONG else (25, 50)
STANDS_SECONDS = 1800 if IS_LONG else 0  # for how long half of the validators are away, once that was said
ONE_SIDE, OTHER_SIDE = (0, 2), (1, 3)  # whose turns alternate: both can go on for a block or two, unequally


@pytest.fixture(scope="module")
def network(found):
    with found("turning") as network:
        yield network


@pytest.fixture(scope="module")
def service(network, tmp_path_factory):
    """The service of SG with its worker; it asks the first validator."""
    settings = running_service.settings_for(network, tmp_path_factory.mktemp("service"))
    with running_service.working(settings), running_service.serving(network, settings) as service:
        yield service


class Work:
    """An exporter and an officer, at work for as long as they are asked to; what they were told is kept."""

    def __init__(self, service):
        self.service = service
        self.custody, self.manifests, self.errors = [], [], []
        with service.client("exporter") as exporter:
            until(lambda: _knows(exporter, service.network.address("exporter")), 60)
            reference = cargo.reference()
            lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
            opening = exporter.open(
                lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind
            )
            exporter.wait_for_record(lodged.consignment, opening.digest, timeout_seconds=120)
        self.consignment = lodged.consignment
        self.custody.append(opening.digest)
        self.manifests.append(lodged.answer.digest)

    def every(self, officer=0.2, exporter=0.5):
        """For a `with`: both write after so many seconds again."""
        self._jobs = ("officer", officer), ("exporter", exporter)
        return self

    def __enter__(self):
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=job) for job in self._jobs]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, role, pause):
        try:
            with self.service.client(role, retry_seconds=60) as client:
                while not self._stop.wait(pause):
                    if role == "officer":
                        details = {"schema": "cargo-remark/1", "note": secrets.token_hex(4)}
                        self.custody.append(
                            client.step(CustodyKind.REMARK, self.consignment, "SG", details=details).digest
                        )
                    else:
                        self.manifests.append(
                            client.submit_manifest(cargo.submission(client, int(time.time()))).digest
                        )
        except BaseException as error:
            self.errors.append(error)

    def require_everything_once(self, custody="final", manifest="final"):
        """All that was accepted has got as far as these states, and is on chain once; nothing else is."""
        assert not self.errors, self.errors
        with self.service.client("officer") as officer:
            officer.wait_for_record(self.consignment, self.custody[-1], custody, timeout_seconds=180)
            for digest in self.manifests:
                officer.wait_for_manifest(digest, manifest, timeout_seconds=180)
        appended, sequences, profile = [], Counter(), self.service.network.profile
        with closing(Chain(profile)) as chain:
            for number in range(profile.deployment_block, chain.head().number + 1):
                for event in chain.events(chain.block(number)):
                    sequences[event.contract] += 1
                    assert event.sequence == sequences[event.contract]
                    assert event.name != "RecordRefused", event
                    if event.name == "RecordAppended":
                        appended.append(to_hex(event.values["record"].digest(profile.consignments_domain)))
        assert Counter(appended) >= Counter(self.custody)
        assert len(appended) == len(set(appended))


@pytest.fixture(scope="module")
def work(service):
    return Work(service)


def _knows(client, address):
    try:
        return client.account(address).party == "SG:ACME01"
    except Exception:  # it has not read the registry yet
        return False


def derived(store):
    """All that derives from the chain, and the blocks themselves."""
    with store.read() as session:
        return {
            table.name: [
                tuple(row) for row in session._all(sqlalchemy.select(table).order_by(*table.primary_key))
            ]
            for table in (*tables.DERIVED, tables.blocks)
        }


def require_equal_to_an_index_from_scratch(service, validators, folder):
    """The service's index, and one made anew from the validator it asks, are the same to the last row.

    All validators have that chain, but for blocks at its end that some sealed side by side as they were told to rest.
    """
    for place in range(4):
        validators.ask(place, "miner_stop")
    try:
        time.sleep(4)  # a block that is sealed already comes all the same
        head = validators.head_of(0)[0]
        assert len({validators.block_hash(place, head - 2) for place in range(4)}) == 1
        with closing(Store(service.settings.database_url)) as store:
            until(lambda: _cursor(store) == head, 60)
            of_service = derived(store)
        with (
            closing(Chain(service.network.profile)) as chain,
            closing(Store(f"sqlite:///{folder / secrets.token_hex(4)}.sqlite3", create=True)) as store,
        ):
            indexer = Indexer(chain, store)
            while indexer.advance():
                pass
            assert derived(store) == of_service
        assert of_service["chain_custody"] and of_service["chain_heads"]
    finally:
        for place in range(4):
            validators.ask(place, "miner_start")
    validators.require_progress()


def _cursor(store):
    with store.read() as session:
        row = session.cursor()
        return None if row is None else row.number


def rewinds(service):
    """How often the service's index has taken blocks back."""
    with closing(Store(service.settings.database_url)) as store, store.read() as session:
        return int(session.identity().get("rewinds", "0"))


def sealers(network, validators):
    """The places of those who sealed the block before the newest one, and the newest one."""
    with closing(Chain(network.profile)) as chain:
        head = chain.head().number
        signers = [
            headers.seal_signers(headers.decode(chain.raw_header(n)), "clique") for n in (head - 1, head)
        ]
    return [validators.addresses.index(signer) for (signer,) in signers]


def test_a_branch_that_validators_gave_up_leaves_no_trace_and_nothing_accepted_is_lost(
    network, service, validators, work, tmp_path
):
    before = rewinds(service)
    with work.every():
        for _ in range(
            4
        ):  # who sealed last decides which side goes further; the service must be on the other
            until(lambda: _service_would_lose(network, validators), 60)
            validators.separate(ONE_SIDE, OTHER_SIDE)
            time.sleep(5)
            number = min(validators.head_of(0)[0], validators.head_of(1)[0])
            given_up = validators.block_hash(0, number)
            is_fork = validators.block_hash(1, number) != given_up
            validators.join()
            validators.require_progress()
            if is_fork and validators.block_hash(0, number) != given_up:
                break
        else:
            raise AssertionError("the service's validator never had to give a block up")
    work.require_everything_once("recorded", "anchored")
    require_equal_to_an_index_from_scratch(service, validators, tmp_path)
    assert rewinds(service) > before


def _service_would_lose(network, validators):
    earlier, latest = sealers(network, validators)
    return earlier in OTHER_SIDE and latest in ONE_SIDE


class TestValidatorsThatAreAway:
    """Of four: first one, then a second."""

    @pytest.fixture(scope="class")
    def one_away(self, validators):
        """The last validator is away until the end of these tests, or until it is started again."""
        validators.stop(3)
        yield
        if not validators.is_running():
            validators.start_again(3)
            validators.require_progress()

    @pytest.mark.row("H1")
    @pytest.mark.usefixtures("one_away")
    def test_with_one_of_four_away_what_is_written_stands_in_a_block_within_four(self, service, work):
        records, manifests = len(work.custody), len(work.manifests)
        with work.every(officer=0.05):
            until(lambda: len(work.custody) > records + WRITTEN or is_said_to_stand(service), 300)
        assert not work.errors and not is_said_to_stand(service)
        with service.client("officer") as officer:
            officer.wait_for_record(work.consignment, work.custody[-1], timeout_seconds=60)
            for digest in work.manifests[manifests:]:
                officer.wait_for_manifest(digest, "anchored", timeout_seconds=60)
        blocks, seconds = waits(service, work.custody[records:])
        print(f"with one of four away: blocks {Counter(blocks)}, seconds {Counter(seconds)}")
        assert blocks[len(blocks) * CONFIRMED_PERCENT // 100] <= 4

    @pytest.mark.row("H2")
    @pytest.mark.usefixtures("one_away")
    def test_with_two_of_four_away_it_is_said_and_once_they_are_back_nothing_is_lost(
        self, service, validators, work, tmp_path
    ):
        slowly = STANDS_SECONDS / 200
        with work.every(officer=max(0.2, slowly), exporter=max(0.5, slowly)):
            validators.stop(2)
            at, stands = len(work.custody), validators.head_of(0)[0]
            until(lambda: is_said_to_stand(service), 15)
            until(lambda: len(work.custody) > at + 5, 60)  # a chain that stands still is no reason to refuse
            time.sleep(STANDS_SECONDS)
            assert validators.head_of(0)[0] <= stands + 2  # two of four seal a block each, and may not go on
            assert is_said_to_stand(service)
            validators.start_again(2, 3)
        validators.require_progress()
        wait_until_ready(service.url)
        work.require_everything_once()
        require_equal_to_an_index_from_scratch(service, validators, tmp_path)


def is_said_to_stand(service):
    answer = httpx.get(f"{service.url}/readyz", trust_env=False)
    return answer.status_code == 503 and "chain-stalled: " in answer.json()["detail"]


def waits(service, digests):
    """How long records waited from being accepted to the time of their block: in blocks, and in seconds; sorted."""
    blocks, seconds = [], []
    with closing(Store(service.settings.database_url)) as store, store.read() as session:
        times = [row.timestamp for row in session.every(tables.blocks, tables.blocks.c.number)]
        for digest in map(from_hex, digests):
            accepted = session.first(tables.custody, digest=digest).accepted_at
            stands = session.first(tables.chain_custody, digest=digest).accepted_at
            blocks.append(sum(accepted < time <= stands for time in times))
            seconds.append(stands - accepted)
    return sorted(blocks), sorted(seconds)


@pytest.mark.skipif(not ROUNDS, reason="minutes long: CARGO_PROOF=1 runs it")
def test_whatever_validators_do_to_each_other_nothing_accepted_is_lost(service, validators, tmp_path):
    seed = secrets.randbelow(10**6)
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        work = Work(service)
        with work.every():
            places = chance.sample(range(4), 4)
            match chance.randrange(3):
                case 0:
                    size = chance.randint(1, 2)
                    validators.separate(places[:size], places[size:])
                    time.sleep(chance.uniform(1, 8))
                    validators.join()
                case 1:
                    validators.stop(*places[:2])
                    time.sleep(chance.uniform(1, 8))
                    validators.start_again(*places[:2])
                case 2:
                    validators.stop(places[0])
                    time.sleep(chance.uniform(1, 8))
                    validators.start_again(places[0])
            validators.require_progress()
        work.require_everything_once()
        require_equal_to_an_index_from_scratch(service, validators, tmp_path)
    print(f"{ROUNDS} rounds, seed {seed}")
