"""`/readyz` of a running service: false within 10 seconds of any true trouble, with the reason, and true again by itself.

Each trouble is made for real: processes are stopped (SIGSTOP: they accept connections and never answer), the chain is let
make no blocks, a file is moved, a server is ended. What the machine itself delays (two cores, other tests) gets as long again.
"""

import os
import signal
import time
from contextlib import contextmanager

import httpx
import local_network
import postgres as clusters
import pytest
from ledger_at_work import Anvil
from service_process import on_postgres, wait_until_ready

TOLD_WITHIN_SECONDS = 10
MACHINE_SECONDS = 10
ANSWERED_WITHIN_SECONDS = 5  # whatever hangs


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    network = local_network.begin(tmp_path_factory.mktemp("network"), block_seconds=1)
    yield network
    local_network.end(network)


@pytest.fixture(scope="module")
def cluster():
    """A server of these tests' own, which they may end and start."""
    cluster = clusters.begin()
    if cluster is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(clusters.MISSING)
    yield cluster
    clusters.end(cluster)


@pytest.fixture(scope="module")
def service(network, cluster):
    with on_postgres(network, cluster.create("ready")) as service:
        yield service


def readiness(url):
    return httpx.get(f"{url}/readyz", trust_env=False, timeout=ANSWERED_WITHIN_SECONDS + MACHINE_SECONDS)


@contextmanager
def told(url, sentence, trouble_seconds=0, **facts):
    """Ready before; inside the trouble has been made, and is told in time; ready again after."""
    wait_until_ready(url)
    began = time.monotonic()
    answers = []

    def wait():
        while True:
            answer = readiness(url)
            took = time.monotonic() - began
            answers.append((round(took, 1), answer.status_code, answer.text))
            if answer.status_code == 503 and sentence in answer.json()["detail"]:
                told = answer.json()
                assert {name: told[name] for name in facts} == facts, told
                assert answer.headers["content-type"] == "application/problem+json"
                return took
            assert took < trouble_seconds + TOLD_WITHIN_SECONDS + MACHINE_SECONDS, answers
            time.sleep(0.3)

    yield wait
    wait_until_ready(url)


@contextmanager
def stopped(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.row("readiness")
def test_a_node_that_takes_connections_and_never_answers_is_said(network, service):
    with (
        told(service.url, "has not answered for", chain=False, database=True) as wait,
        stopped(network.chain.pid),
    ):
        wait()


@pytest.mark.row("readiness")
def test_a_chain_that_makes_no_blocks_is_said(network, service):
    anvil = Anvil(network.profile.rpc_url)
    # trouble it is once three blocks were missed
    with told(service.url, "the chain has made no block for", 4, chain=True, worker=True) as wait:
        anvil.ask("evm_setIntervalMining", 0)
        try:
            wait()
        finally:
            anvil.ask("evm_setIntervalMining", 1)
            anvil.close()


@pytest.mark.row("readiness")
def test_an_index_that_falls_behind_and_a_worker_that_hangs_are_said(service):
    with told(service.url, "blocks behind the chain", 3, chain=True) as wait_for_lag:
        with (
            told(service.url, "no worker was active", worker=False, database=True) as wait,
            stopped(service.worker()),
        ):
            wait_for_lag()
            wait()


@pytest.mark.row("readiness")
def test_a_database_server_that_takes_connections_and_never_answers_is_said(service, cluster):
    with (
        told(service.url, "has not answered for", chain=True, database=False) as wait,
        stopped(*cluster.processes()),
    ):
        wait()


@pytest.mark.row("readiness")
def test_a_database_server_that_is_ended_and_started_again_is_said_and_forgiven(service, cluster):
    with told(service.url, "cannot be used", chain=True, database=False) as wait:
        cluster.stop_server()
        wait()
        cluster.start_server()
