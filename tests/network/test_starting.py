"""`make network`: what is founded once is found again, is stopped exactly, and stands by what its profile says."""

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from ledger_at_work import until

from ledger.chain import Chain
from ledger.config import ChainProfile
from ledger.exporting import trust_of

pytestmark = pytest.mark.on_validators
PROJECT = Path(__file__).parents[2]


def make(target, folder):
    """What `make network` and `make network-down` run."""
    return subprocess.run(
        [sys.executable, "scripts/network.py", target, "--folder", str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture
def network(tmp_path, geth, monkeypatch, capsys):
    """The same command in this process, which has long loaded what it needs: `network("up")` is status and text."""
    import network as command

    def run(target):
        monkeypatch.setattr(sys, "argv", ["network", target, "--folder", str(tmp_path / "network")])
        status = command.main()
        return status, capsys.readouterr().out

    yield run
    run("down")


def pids(folder):
    return {path: path.read_text() for path in folder.glob("chain/*/process.json")}


def test_a_network_is_founded_once_found_again_and_stopped_and_nothing_else_is(network, tmp_path):
    folder = tmp_path / "network"
    first = make("up", folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Founded anew" in first.stdout and "4 validators" in first.stdout
    profile = ChainProfile.load(folder / "profile.json")
    assert (profile.kind, len(profile.validators), profile.confirmations) == ("clique", 4, 8)
    with closing(Chain(profile)) as chain:
        trust = trust_of(chain, "GB", old_seconds=60, expires_at=2**32)
        assert trust.validators == profile.validators
        assert chain.view("AdministrationRegistry", "activeAdministrations") >= 3
    before = pids(folder)
    status, said = network("up")
    assert status == 0 and "It runs already" in said, said
    assert pids(folder) == before

    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", f"{folder}/bystander"]
    ) as other:
        status, said = network("down")
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)
    assert status == 0 and said.count("Stopped validator") == 4, said
    assert "Nothing runs" in network("down")[1]
    status, said = network("up")
    assert status == 0 and "Goes on from" in said, said
    with closing(Chain(ChainProfile.load(folder / "profile.json"))) as chain:
        chain.require_identity()
        head = chain.head().number
        until(lambda: chain.head().number > head, 60)


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
