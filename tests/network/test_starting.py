"""`make network`: what is founded once is found again, is stopped exactly, and stands by what its profile says."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ledger.chain import Chain
from ledger.config import ChainProfile
from ledger.exporting import trust_of

pytestmark = pytest.mark.on_validators
PROJECT = Path(__file__).parents[2]


def network(command, folder, **environment):
    return subprocess.run(
        [sys.executable, "scripts/network.py", command, "--folder", str(folder)],
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def folder(tmp_path, geth):
    folder = tmp_path / "network"
    yield folder
    network("down", folder)


def pids(folder):
    return {path: path.read_text() for path in folder.glob("chain/*/process.json")}


def test_a_network_is_founded_once_found_again_and_stopped_and_nothing_else_is(folder):
    first = network("up", folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Founded anew" in first.stdout and "4 validators" in first.stdout
    profile = ChainProfile.load(folder / "profile.json")
    assert (profile.kind, len(profile.validators), profile.confirmations) == ("clique", 4, 8)
    with closing(Chain(profile)) as chain:
        trust = trust_of(chain, "GB", old_seconds=60, expires_at=2**32)
        assert trust.validators == profile.validators
        assert chain.view("AdministrationRegistry", "activeAdministrations") >= 3
    before = pids(folder)
    again = network("up", folder)
    assert again.returncode == 0 and "It runs already" in again.stdout, again.stdout
    assert pids(folder) == before

    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", f"{folder}/bystander"]
    ) as other:
        ended = network("down", folder)
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)
    assert ended.stdout.count("Stopped validator") == 4, ended.stdout
    assert "Nothing runs" in network("down", folder).stdout
    on = network("up", folder)
    assert on.returncode == 0 and "Goes on from" in on.stdout, on.stdout
    with closing(Chain(ChainProfile.load(folder / "profile.json"))) as chain:
        chain.require_identity()
        head = chain.head().number
        time.sleep(5)
        assert chain.head().number > head


def test_without_go_it_says_so_and_fails_only_where_it_must_not_be_missing(tmp_path, monkeypatch):
    import geth_build

    nowhere = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    monkeypatch.setattr(geth_build, "_GO", tmp_path / "no-go")
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    import network as command

    monkeypatch.setattr(sys, "argv", ["network", "up", "--folder", str(tmp_path / "network")])
    for ci, status in (("", 0), ("true", 1)):
        monkeypatch.setenv("CI", ci)
        assert command.main() == status
    assert not (tmp_path / "network").exists()
