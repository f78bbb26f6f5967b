"""PostgreSQL, four processes of the API behind one port, and a second worker that waits: killed one by one under load.

The same load and the same end as in `test_survives_kills`: what was acknowledged is on chain, once, without a gap.
"""

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import cargo
import httpx
import kill_load
import local_network
import psycopg
import pytest
from half_sent import HalfSent
from service_process import PROJECT, is_running, on_postgres, wait_until_gone, wait_until_ready

from ledger.client import LedgerClient
from ledger.errors import ServiceUnavailable

PROCESSES = 4
TAKEOVER_SECONDS = 10


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    network = local_network.begin(tmp_path_factory.mktemp("network"), block_seconds=1)
    yield network
    local_network.end(network)


@pytest.fixture(scope="module")
def service(network, postgres):
    """The service as processes, on PostgreSQL."""
    with on_postgres(network, postgres.create("many_processes"), "--processes", str(PROCESSES)) as service:
        yield service


@contextmanager
def another_worker(service):
    """A worker of its own beside the service's, as on a second machine."""
    with (service.log.parent / "other-worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api", "--role", "worker"],
            cwd=PROJECT,
            env=service.environment,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(40)


def processes_of(service, seconds=60):
    """The pids of the API's processes, once all of them run."""
    deadline = time.monotonic() + seconds
    while len(found := service.api_processes()) < PROCESSES:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def wait_until_said(log, sentence, seconds):
    deadline = time.monotonic() + seconds
    while sentence not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)


def test_each_of_the_processes_answers_at_the_one_port(service):
    everybody = processes_of(service)
    for one in everybody:
        others = [pid for pid in everybody if pid != one]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert httpx.get(f"{service.url}/healthz", trust_env=False, timeout=30).status_code == 200
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)


def test_what_was_acknowledged_survives_the_death_of_processes_and_of_the_worker(network, service, capsys):
    seed = int(os.environ.get("KILLS_SEED", secrets.randbelow(10**6)))
    chance = random.Random(seed)
    wait_until_ready(service.url)
    load = kill_load.begin(network, service.url)
    try:
        with another_worker(service) as other:
            said = service.log.parent / "other-worker.log"
            wait_until_said(said, "another worker is at work", 60)
            for victim in ("api", "api", "worker", "api"):
                time.sleep(chance.uniform(0.5, 1.5))
                if victim == "api":
                    kill_one(chance.choice(processes_of(service)))
                else:
                    # the service would start its own worker again: which of the two takes over is open, so stop it first
                    os.kill(service.pid, signal.SIGSTOP)
                    kill_one(service.worker())
                    killed = time.monotonic()
                    wait_until_said(said, "this is the worker of SG", TAKEOVER_SECONDS)
                    took_over = time.monotonic() - killed
                    os.kill(service.pid, signal.SIGCONT)
                assert not load.errors, (seed, load.errors)
            time.sleep(1)
            assert other.poll() is None
            load.stop()
            assert not load.errors, (seed, load.errors)
            kill_load.settle(service, load, seed)
    finally:
        load.stop()
    kill_load.assert_everything_once(network, load, seed)
    with capsys.disabled():
        print(
            f"\n{len(load.manifests)} manifests and {len(load.custody)} custody records acknowledged by {PROCESSES} "
            f"processes; the other worker took over after {took_over:.1f} s (seed {seed})"
        )


def kill_one(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until_gone(pid)


def test_the_service_comes_back_by_itself_when_its_database_was_gone(service, postgres):
    wait_until_ready(service.url)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("ALTER DATABASE many_processes WITH ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'many_processes'"
        )
        try:
            answer = httpx.get(f"{service.url}/readyz", trust_env=False, timeout=30)
            assert answer.status_code == 503 and answer.json()["database"] is False, answer.text
            assert "many_processes" in answer.text and "cargo@" not in answer.text
        finally:
            connection.execute("ALTER DATABASE many_processes WITH ALLOW_CONNECTIONS true")
    wait_until_ready(service.url)


@pytest.mark.row("graceful-stop")
def test_what_each_of_them_has_under_way_is_finished_when_the_service_is_asked_to_end(network, service):
    wait_until_ready(service.url)
    now = int(time.time())
    with LedgerClient(service.url, key=network.keys["exporter"]) as exporter:
        begun = [HalfSent(service.url, cargo.submission(exporter, now)) for _ in range(4 * PROCESSES)]
        rest = [cargo.submission(exporter, now) for _ in begun]
    posting, following = Posting(network, service.url), Following(service.url)
    posting.wait_until(4 * PROCESSES)
    os.kill(service.pid, signal.SIGTERM)
    time.sleep(1)
    for batch, last in zip(begun, rest, strict=True):
        batch.finish(last)
        assert [answer["state"] for answer in batch.answers] == ["accepted"] * 2
    assert service.wait() == 0
    following.end()
    answered = posting.end()
    service.start("--processes", str(PROCESSES))
    with LedgerClient(service.url, key=network.keys["exporter"]) as exporter:
        for batch in begun:
            for answer in batch.answers:
                exporter.wait_for_manifest(answer["digest"])
        for digest, index in answered:
            assert exporter.manifest(digest).index == index
        for submission in posting.refused:  # whole or not at all: sent again it is taken, once
            first, again = exporter.submit_manifest(submission), exporter.submit_manifest(submission)
            assert (first.digest, first.index) == (again.digest, again.index)


class Posting:
    """People who post manifests one by one until the service is gone."""

    def __init__(self, network, url):
        self.answers, self.refused, self._mistakes = [], [], []
        self._threads = [threading.Thread(target=self._post, args=(network, url)) for _ in range(8)]
        for thread in self._threads:
            thread.start()

    def _post(self, network, url):
        try:
            with LedgerClient(
                url, key=network.keys["exporter"], retry_seconds=0, timeout_seconds=30
            ) as client:
                while True:
                    submission = cargo.submission(client, int(time.time()))
                    try:
                        answer = client.submit_manifest(submission)
                    except ServiceUnavailable:
                        self.refused.append(submission)
                        return
                    self.answers.append((answer.digest, answer.index))
        except BaseException as error:
            self._mistakes.append(error)

    def wait_until(self, many):
        deadline = time.monotonic() + 60
        while len(self.answers) < many:
            assert not self._mistakes and time.monotonic() < deadline, self._mistakes
            time.sleep(0.05)

    def end(self):
        for thread in self._threads:
            thread.join(60)
        assert not self._mistakes and len(self.refused) == len(self._threads)
        indexes = [index for _, index in self.answers]
        assert len(set(indexes)) == len(indexes)
        return self.answers


class Following:
    """Readers of the events, whose streams end as streams end: whole, with nothing cut off."""

    def __init__(self, url):
        self._ends, begun = [], threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._follow, args=(url, begun)) for _ in range(4)]
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            assert begun.acquire(timeout=60)

    def _follow(self, url, begun):
        try:
            with httpx.stream("GET", f"{url}/v1/events", trust_env=False, timeout=60) as stream:
                begun.release()
                self._ends.append(list(stream.iter_lines())[-1])
        except httpx.HTTPError as error:
            self._ends.append(error)

    def end(self):
        for thread in self._threads:
            thread.join(60)
        assert self._ends == [""] * len(self._threads), self._ends  # an event ends with an empty line


def test_all_of_them_end_when_the_service_does(service):
    everybody = [*processes_of(service), service.worker()]
    assert service.stop() == 0
    assert not any(map(is_running, everybody))


def test_all_of_them_end_however_the_service_ends(service):
    service.start("--processes", "2", "--role", "api")
    everybody = service.api_processes()
    assert len(everybody) == 2
    service.kill()
    for pid in everybody:
        wait_until_gone(pid)
