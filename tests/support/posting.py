"""Who posts manifests while something is wrong with the disk, and keeps count of what was promised."""

import subprocess
import time
from contextlib import contextmanager

import cargo
import httpx
import pytest


class Posting:
    """Posts manifests, each once, and knows which were accepted.

    Args:
        client: An exporter's client of the service; it does not repeat by itself.
    """

    def __init__(self, client):
        self.client, self.accepted, self.statuses = client, [], []

    def post(self, submission=None):
        """Post a manifest, a new one if none is given; the answer's status."""
        body = submission or self.new()
        answer = self.client._http.post(
            "/v1/manifests",
            content=body.model_dump_json(exclude_none=True),
            headers={"content-type": "application/json"},
        )
        self.statuses.append(answer.status_code)
        if answer.status_code == 202:
            self.accepted.append(answer.json()["digest"])
        return answer.status_code

    def new(self):
        return cargo.submission(self.client, int(time.time()))

    def until_refused(self, most=600):
        """Post until one is refused, since what is left of room that the database had is used up first; that one."""
        for _ in range(most):
            refused = self.new()
            if self.post(refused) != 202:
                return refused
        raise AssertionError("it goes on taking manifests")

    def require_all_there(self):
        """Every manifest that was accepted is there, with the next index each; nothing else was."""
        indexes = []
        for digest in self.accepted:
            view = self.client.manifest(digest)
            assert view.digest == digest
            indexes.append(view.index)
        assert sorted(indexes) == list(range(len(indexes)))
        assert set(self.statuses) <= {202, 200, 503}, set(self.statuses)


def is_ready(url):
    return httpx.get(f"{url}/readyz", trust_env=False, timeout=30).status_code == 200


def seconds_until(condition, seconds):
    """Wait for something; how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.2)
    return time.monotonic() - started


@contextmanager
def mounted(folder, options):
    """A file system of its own, in memory; skipped with a line where that is not allowed."""
    folder.mkdir()
    answer = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if answer.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder):
    """Take all that is left of a disk; the file to delete."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


def exhaust(folder):
    """Take every inode that is left of a disk; the files to delete."""
    taken = []
    try:
        while True:
            file = folder / f"ballast-{len(taken)}"
            file = file if not file.exists() else folder / f"more-{len(taken)}"
            file.touch()
            taken.append(file)
    except OSError:
        return taken
