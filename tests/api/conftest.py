"""One running service for all tests of the API; what they lodge does not meet, since references are new each time."""

import time

import httpx
import pytest
import running_service


@pytest.fixture(scope="session")
def network(found):
    """A network of these tests' own: a second database that anchors under the same sequencer would be found out."""
    with found("api_network") as network:
        yield network


@pytest.fixture(scope="session")
def service(network, tmp_path_factory):
    """The service of SG with its worker."""
    folder = tmp_path_factory.mktemp("service")
    settings = running_service.settings_for(network, folder)
    with running_service.working(settings), running_service.serving(network, settings) as service:
        yield service


@pytest.fixture(scope="session")
def http(service):
    """A plain HTTP client, for what the typed one would never send."""
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http:
        yield http


@pytest.fixture(scope="session")
def clients(service):
    """Typed clients by role: `clients("exporter")`."""
    made = {}

    def client(role):
        if role not in made:
            made[role] = service.client(role)
        return made[role]

    yield client
    for one in made.values():
        one.disconnect()


@pytest.fixture
def now():
    return int(time.time())
