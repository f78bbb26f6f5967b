"""A disk that is full: nobody is told that something was accepted which was not, and it goes on by itself after."""

import os
import subprocess
import time

import cargo
import httpx
import pytest
from service_process import ServiceProcess

from ledger.client import LedgerClient


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def is_ready(url):
    return httpx.get(f"{url}/readyz", trust_env=False, timeout=30).status_code == 200


def seconds_until(condition, seconds):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.2)
    return time.monotonic() - started


@pytest.mark.row("B16")
def test_a_full_disk_refuses_loses_nothing_is_told_and_heals(network, tmp_path, small_disk):
    database = f"sqlite:///{small_disk / 'ledger.db'}"
    service = ServiceProcess(network, tmp_path, LEDGER_DATABASE_URL=database)
    accepted, statuses = [], []

    def post(client, body):
        answer = client._http.post(
            "/v1/manifests",
            content=body.model_dump_json(exclude_none=True),
            headers={"content-type": "application/json"},
        )
        statuses.append(answer.status_code)
        if answer.status_code == 202:
            accepted.append(answer.json()["digest"])
        return answer

    try:
        service.start("--create")
        with LedgerClient(service.url, key=network.keys["exporter"], retry_seconds=0) as client:
            seconds_until(lambda: is_ready(service.url), 60)
            now = int(time.time())
            assert post(client, cargo.submission(client, now)).status_code == 202
            ballast = small_disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
            seconds_until(lambda: "make room" in httpx.get(f"{service.url}/readyz", trust_env=False).text, 20)
            refused = None
            for _ in range(300):  # what is left of allocated pages is used up first
                refused = cargo.submission(client, now)
                if post(client, refused).status_code != 202:
                    break
            assert statuses[-1] == 503, statuses
            for _ in range(5):
                assert post(client, cargo.submission(client, now)).status_code == 503
            seconds_until(lambda: not is_ready(service.url), 20)
            ballast.unlink()
            took = seconds_until(lambda: post(client, refused).status_code == 202, 30)
            assert took < 30
            seconds_until(lambda: is_ready(service.url), 30)
            for digest in accepted:
                assert client.manifest(digest).digest == digest
            indexes = sorted(client.manifest(digest).index for digest in accepted)
            assert indexes == list(range(len(accepted)))
            assert set(statuses) == {202, 503}
            client.wait_for_manifest(accepted[-1], timeout_seconds=60)
    finally:
        service.stop()
