"""`python -m api`: what it needs, what it says, how it ends."""

import os
import signal
import time
from pathlib import Path

import cargo
import httpx
import local_network
import pytest
from half_sent import HalfSent
from service_process import ServiceProcess, is_running, wait_until_gone, wait_until_ready

from ledger.client import LedgerClient
from ledger.errors import ServiceUnavailable


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of these tests' own, for the one database that they share."""
    network = local_network.begin(tmp_path_factory.mktemp("process_network"))
    yield network
    local_network.end(network)


@pytest.fixture
def service(network):
    """The service as processes, not started yet; stopped at the end if it still runs."""
    service = ServiceProcess(network, network.folder)
    yield service
    service.stop()


def wait_until_closed(url, seconds=20):
    """Until nobody listens at an address any more."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(f"{url}/healthz", trust_env=False, timeout=5)
        except httpx.ConnectError:
            return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "it goes on listening"
        time.sleep(0.05)


def test_it_starts_says_where_works_and_ends_when_asked(service, network, now):
    service.start("--create")
    wait_until_ready(service.url)
    worker = service.worker()
    with LedgerClient(service.url, key=network.keys["exporter"], profile=network.profile) as exporter:
        answer = exporter.submit_manifest(cargo.submission(exporter, now))
        exporter.wait_for_manifest(answer.id)
    assert service.stop() == 0
    assert not is_running(worker)


@pytest.mark.row("graceful-stop")
def test_what_is_under_way_is_finished_when_it_is_asked_to_end(service, network, now):
    service.start("--create")
    wait_until_ready(service.url)
    with LedgerClient(service.url, key=network.keys["exporter"]) as exporter:
        batch = HalfSent(service.url, cargo.submission(exporter, now))
        last = cargo.submission(exporter, now)
    os.kill(service.pid, signal.SIGTERM)
    wait_until_closed(service.url)
    batch.finish(last)
    assert [answer["state"] for answer in batch.answers] == ["accepted"] * 2
    assert service.wait() == 0
    service.start()
    with LedgerClient(service.url, key=network.keys["exporter"]) as exporter:
        for answer in batch.answers:
            exporter.wait_for_manifest(answer["digest"])  # what was promised is kept


@pytest.mark.row("database-gone")
def test_a_database_that_is_moved_away_is_said_within_ten_seconds_and_that_it_is_back(service, network, now):
    service.start("--create")
    wait_until_ready(service.url)
    path = Path(service.environment["LEDGER_DATABASE_URL"].removeprefix("sqlite:///"))
    with LedgerClient(service.url, key=network.keys["exporter"], retry_seconds=0) as exporter:
        first = exporter.submit_manifest(cargo.submission(exporter, now))
        path.rename(path.with_suffix(".away"))
        moved = time.monotonic()
        while (answer := httpx.get(f"{service.url}/readyz", trust_env=False)).status_code == 200:
            assert time.monotonic() - moved < 10
            time.sleep(0.1)
        assert "moved or deleted" in answer.json()["detail"] and answer.json()["database"] is False
        with pytest.raises(ServiceUnavailable):
            exporter.submit_manifest(cargo.submission(exporter, now))
        path.with_suffix(".away").rename(path)
        wait_until_ready(service.url)
        exporter.submit_manifest(cargo.submission(exporter, now))
        exporter.wait_for_manifest(first.id)


def test_a_worker_that_dies_is_started_again(service):
    service.start("--create")
    first = service.worker()
    os.kill(first, signal.SIGKILL)
    wait_until_gone(first)
    assert service.worker() != first
    wait_until_ready(service.url)


def test_a_worker_ends_with_the_api_however_that_ends(service):
    service.start("--create")
    worker = service.worker()
    service.kill()
    wait_until_gone(worker)


def test_the_roles_run_apart(network, tmp_path):
    """A database of its own: no worker has been at it, and none anchors from it."""
    database = f"sqlite:///{tmp_path / 'apart.db'}"
    service = ServiceProcess(network, network.folder, LEDGER_DATABASE_URL=database)
    try:
        service.start("--create", "--role", "api")
        answer = httpx.get(f"{service.url}/readyz", trust_env=False)
        assert answer.status_code == 503
        assert "no worker" in answer.json()["detail"]
        assert answer.json()["worker"] is False
    finally:
        service.stop()


def test_no_secret_is_logged(service, network, now):
    service.start("--create")
    with LedgerClient(service.url, key=network.keys["exporter"]) as exporter:
        wait_until_ready(service.url)
        submission = cargo.whole_submission(exporter, now)
        exporter.submit_manifest(submission)
    service.stop()
    log = service.log.read_text()
    for secret in (submission.secret[2:], submission.consignment_key[2:], "Static converters"):
        assert secret not in log
    assert network.keys["sequencer"].hex() not in log
