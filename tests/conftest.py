"""For both lanes: what several folders of tests share is found by its name, from `tests/support`.

Neither this file nor anything in `support` imports Ape: the first lane runs without it.
"""

import contextlib
import os
import secrets
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import web3  # noqa: F401  it imports websockets.legacy, which warns; from here on warnings are errors

sys.path.insert(0, str(Path(__file__).parent / "support"))
sys.path.insert(1, str(Path(__file__).parents[1] / "scripts"))

# A slow example on a shared machine is no failure; the suites have time limits of their own.
settings.register_profile("ledger", deadline=None)
settings.load_profile("ledger")


def pytest_addoption(parser):
    parser.addoption(
        "--on",
        choices=("development", "validators"),
        default="development",
        help="the chain below: the development chain, or four Clique validators (only what is marked `on_validators`)",
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--on") == "validators":
        left_out = [item for item in items if item.get_closest_marker("on_validators") is None]
        config.hook.pytest_deselected(items=left_out)
        # first what starts validators of its own: two networks at a time are too much for a small machine
        items[:] = sorted(
            (item for item in items if item not in left_out), key=lambda item: "found" in item.fixturenames
        )


@pytest.fixture(scope="session")
def geth():
    """The program of the validators, built if it was not before; without Go to do that, skipped with a line."""
    import geth_build

    try:
        return geth_build.built()
    except geth_build.NoGeth as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


@pytest.fixture(scope="session")
def validators(tmp_path_factory, geth):
    """Four validators of this run's own that seal together."""
    from validators import Validators

    validators = Validators(tmp_path_factory.mktemp("validators"), geth, "parent", ("debug",))
    validators.start()
    yield validators
    validators.stop()


@pytest.fixture(scope="session")
def found(request, tmp_path_factory):
    """Found a network on the chain of this run, for a `with`: see `support/local_network`.

    On validators a founding waits for a dozen blocks: there the next ones are made while the tests are at work.
    """
    import local_network

    if request.config.getoption("--on") == "validators":
        validators = request.getfixturevalue("validators")
        with ThreadPoolExecutor(1) as founding:
            ahead = [
                founding.submit(
                    local_network.begin, tmp_path_factory.mktemp("founded"), validators=validators
                )
                for _ in range(_foundings(request.session.items))
            ]

            @contextlib.contextmanager
            def next_one(name):
                yield (
                    ahead.pop(0).result()
                    if ahead
                    else local_network.begin(tmp_path_factory.mktemp(name), validators=validators)
                )

            yield next_one
            founding.shutdown(cancel_futures=True)
        return

    @contextlib.contextmanager
    def one(name):
        network = local_network.begin(tmp_path_factory.mktemp(name))
        yield network
        local_network.end(network)

    yield one


def _foundings(items):
    """How many networks these tests ask for: one a file, and one a test where it is each test's own."""
    return len(
        {
            item.nodeid if "founded" in item.fixturenames else item.path
            for item in items
            if "found" in item.fixturenames
        }
    )


@pytest.fixture(scope="session")
def network(found):
    """A founded network of these tests' own: `network.keys["exporter"]`, see `support/local_network`."""
    with found("network") as network:
        yield network


@pytest.fixture(scope="session")
def conformance():
    """The folder of real inputs and public vectors beside the project; skipped with a line where it is missing."""
    import shared_inputs

    return shared_inputs.conformance()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL cluster of this run's own, see `support/postgres`; skipped with a line where it is not installed."""
    import postgres

    cluster = postgres.begin()
    if cluster is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(postgres.MISSING)
    yield cluster
    postgres.end(cluster)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """A database without a row, of each kind in turn: `Store(database_url, create=True)`."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    return request.getfixturevalue("postgres").empty_ledger()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request, tmp_path):
    """Where a ledger can be made: nothing is there, or an empty database of PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    return request.getfixturevalue("postgres").create(f"new_{secrets.token_hex(4)}")
