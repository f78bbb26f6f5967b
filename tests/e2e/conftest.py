"""One development chain and one founded network for all of these tests; each begins from the same block."""

import itertools
from contextlib import closing

import ledger_at_work
import pytest

import ledger.serving.working


def _each_its_own(fixture_name, config):
    """Nobody can set validators back to what was before a test: there, each test has a network of its own."""
    return "function" if config.getoption("--on") == "validators" else "session"


@pytest.fixture(scope=_each_its_own)
def founded(found):
    """A chain of these tests' own: they take blocks away from it, which a running service would see."""
    with found("founded") as network:
        yield network


@pytest.fixture(scope="module")
def network(found):
    """A network for one file's services: a second database under the same sequencer's key would be found out."""
    with found("network") as network:
        yield network


@pytest.fixture
def anvil(founded, request):
    """The chain's controls; what a test did to the chain is undone after it."""
    anvil = ledger_at_work.controls(founded)
    if request.config.getoption("--on") == "validators":
        with closing(anvil):
            yield anvil
        return
    snapshot = anvil.ask("evm_snapshot")
    anvil.keep_time()
    anvil.mine(20)  # what is taken away must not reach below the snapshot: anvil could not go back to it
    try:
        yield anvil
        anvil.automine(True)
        anvil.ask("evm_revert", snapshot)
    finally:
        anvil.close()


@pytest.fixture
def open_ledger(founded, anvil, tmp_path, monkeypatch):
    """Make a ledger with a database of its own: `open_ledger(administration="NL")`."""
    monkeypatch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
    opened = []
    names = itertools.count()

    def open_one(database=None, **changes):
        at_work = ledger_at_work.open_ledger(
            founded, anvil, database or tmp_path / f"{next(names)}.sqlite3", **changes
        )
        opened.append(at_work)
        return at_work

    yield open_one
    for at_work in opened:
        at_work.ledger.close()


@pytest.fixture
def singapore(open_ledger):
    """The ledger of SG, with the registry indexed."""
    at_work = open_ledger()
    at_work.settle()
    return at_work
