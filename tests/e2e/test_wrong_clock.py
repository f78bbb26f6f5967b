"""The clock of one of two hosts is ten minutes wrong: it refuses nothing that is right, keeps the order, and it is said."""

import os
import time
from pathlib import Path

import cargo
import httpx
import local_network
import postgres
import pytest
from posting import is_ready, seconds_until
from service_process import ServiceProcess, wait_until_ready

from ledger.client import LedgerClient
from ledger.core.records import CustodyKind
from ledger.vault import add_wrapping_key

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
TOLD_SECONDS = 10


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    network = local_network.begin(tmp_path_factory.mktemp("network"), block_seconds=1)
    yield network
    local_network.end(network)


@pytest.fixture(scope="module")
def right(network, tmp_path_factory):
    """The host whose clock is right, with the worker; its database's server is on it."""
    if not FAKETIME:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("libfaketime is not installed")
    cluster = postgres.begin()
    if cluster is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(postgres.MISSING)
    folder = tmp_path_factory.mktemp("right")
    add_wrapping_key(folder / "wrapping-keys")
    service = ServiceProcess(
        network,
        folder,
        LEDGER_DATABASE_URL=cluster.create("clocks"),
        LEDGER_WRAPPING_KEYS_FILE=str(folder / "wrapping-keys"),
        LEDGER_OPEN_READING="false",
    )
    try:
        service.start("--create")
        wait_until_ready(service.url)
        yield service
    finally:
        service.stop()
        postgres.end(cluster)


@pytest.fixture
def wrong(network, right, tmp_path, minutes):
    """Another host of the same service, that answers only; what passes by its clock passes as fast as elsewhere."""
    service = ServiceProcess(network, tmp_path)
    service.environment |= {name: right.environment[name] for name in _SAME} | {
        "LEDGER_PUBLIC_URL": right.url,
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME": f"{60 * minutes:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    service.start("--role", "api")
    yield service
    service.stop()


_SAME = ("LEDGER_DATABASE_URL", "LEDGER_WRAPPING_KEYS_FILE", "LEDGER_OPEN_READING")


@pytest.mark.row("H3")
@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_host_whose_clock_is_wrong_refuses_nothing_that_is_right_and_says_so(
    network, right, wrong, minutes
):
    def why():
        return httpx.get(f"{wrong.url}/readyz", trust_env=False, timeout=10).json().get("reasons", [])

    seconds_until(
        lambda: any("clock of this host" in each for each in why()), 2 * TOLD_SECONDS
    )  # as long again for the machine
    [said] = why()
    assert ("ahead of" if minutes > 0 else "behind") in said, said
    assert is_ready(right.url)
    key = network.keys["exporter"]
    with (
        LedgerClient(right.url, key=key, retry_seconds=0) as here,
        LedgerClient(wrong.url, key=key, retry_seconds=0, public_url=right.url) as there,
    ):
        # Tokens: of either at either, and neither lasts longer or shorter than it should.
        tokens = {client: client.sign_in() for client in (here, there)}
        now = time.time()
        for session in tokens.values():
            assert 14 * 60 < session.expires_at.timestamp() - now < 17 * 60
            for service in (right, wrong):
                answer = httpx.get(
                    f"{service.url}/v1/administrations",
                    headers={"authorization": f"Bearer {session.token}"},
                    trust_env=False,
                )
                assert answer.status_code == 200, answer.text
        # Manifests, one here and one there: their order is that of the log, and no promise is over when it is made.
        answers = [
            client.submit_manifest(cargo.submission(here, int(time.time()))) for client in 3 * [here, there]
        ]
        indexes = [answer.index for answer in answers]
        assert indexes == [*range(indexes[0], indexes[0] + 6)]
        for answer in answers:
            assert 0 < answer.promise.anchor_by - time.time() < 60 + 61
        # Custody: what is seen now and expires in five minutes.
        reference = cargo.reference()
        lodged = there.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
        steps = {"expires_in_seconds": 300}
        there.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind, **steps)
        for client in (there, here, there):
            client.step(CustodyKind.SEAL, lodged.consignment, "SG:ACME01", **steps)
        here.wait_for_manifest(lodged.id, "final", timeout_seconds=60)
        seconds_until(
            lambda: {r.state for r in here.consignment_records(lodged.consignment)} <= {"recorded", "final"},
            60,
        )
    figures = httpx.get(f"{wrong.url}/metrics", trust_env=False).text
    ahead = next(
        line for line in figures.splitlines() if line.startswith("cargo_ledger_clock_ahead_seconds ")
    )
    assert abs(float(ahead.split()[1]) - 60 * minutes) < 60
