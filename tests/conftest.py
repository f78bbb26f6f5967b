"""For both lanes: what several folders of tests share is found by its name, from `tests/support`.

Neither this file nor anything in `support` imports Ape: the first lane runs without it.
"""

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

# A slow example on a shared machine is no failure; the suites have time limits of their own.
settings.register_profile("ledger", deadline=None)
settings.load_profile("ledger")


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """A founded network on a development chain of its own: `network.keys["exporter"]`, see `support/local_network`."""
    import local_network

    network = local_network.begin(tmp_path_factory.mktemp("network"))
    yield network
    local_network.end(network)


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
