"""For both lanes: what several folders of tests share is found by its name, from `tests/support`.

Neither this file nor anything in `support` imports Ape: the first lane runs without it.
"""

import contextlib
import os
import secrets
import sys
import warnings
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
        items[:] = [item for item in items if item not in left_out]


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

    validators = Validators(tmp_path_factory.mktemp("validators"), geth, "parent")
    validators.start()
    yield validators
    validators.stop()


@pytest.fixture(scope="session")
def found(request, tmp_path_factory):
    """Found a network on the chain of this run, for a `with`: see `support/local_network`."""
    import local_network

    @contextlib.contextmanager
    def one(name):
        is_sealed = request.config.getoption("--on") == "validators"
        below = request.getfixturevalue("validators") if is_sealed else None
        network = local_network.begin(tmp_path_factory.mktemp(name), validators=below)
        yield network
        local_network.end(network)

    return one


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
