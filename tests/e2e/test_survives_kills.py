"""`kill -9` of the API, the worker and the chain, again and again under load: what was acknowledged is on chain, once.

The load is signed manifests and custody records through the typed client. Everything it was told is accepted must be
anchored, or recorded, exactly once in the end; nothing else may be there; indexes have no gaps.
"""

import os
import random
import secrets
import signal
import time
from collections import Counter

import chain_kill
import kill_load
import local_network
import pytest
from proof import form
from service_process import ServiceProcess, wait_until_ready

from ledger import devchain

KILLS = form(20, 200)


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


@pytest.mark.row("B1")
@pytest.mark.row("B2")
def test_what_was_acknowledged_survives_twenty_kills(network, service, capsys):
    seed = int(os.environ.get("KILLS_SEED", secrets.randbelow(10**6)))
    chance = random.Random(seed)
    wait_until_ready(service.url)
    load = kill_load.begin(network, service.url)
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
    kill_load.settle(service, load, seed)
    kill_load.assert_everything_once(network, load, seed)
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
        chain_kill.kill(devchain.status(network.chain.folder))
        devchain.start(network.chain.folder, block_seconds=1, lifetime="parent")
