"""`python -m api`: what it needs, what it says, how it ends."""

import os
import signal
import time

import cargo
import httpx
import local_network
import pytest
from service_process import ServiceProcess, is_running, wait_until_gone

from ledger.client import LedgerClient


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


def wait_until_ready(url, seconds=120):
    deadline = time.monotonic() + seconds
    while True:
        answer = httpx.get(f"{url}/readyz", trust_env=False)
        if answer.status_code == 200:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def test_it_starts_says_where_works_and_ends_when_asked(service, network, now):
    service.start("--create")
    wait_until_ready(service.url)
    worker = service.worker()
    with LedgerClient(service.url, key=network.keys["exporter"], profile=network.profile) as exporter:
        answer = exporter.submit_manifest(cargo.submission(exporter, now))
        exporter.wait_for_manifest(answer.id)
    assert service.stop() == 0
    assert not is_running(worker)


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
