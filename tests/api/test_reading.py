"""Reading is open on a development chain to programs on the service's own machine, and to nobody else."""

import asyncio
import dataclasses

import cargo
import httpx
import pytest
from problem_answers import assert_problem

from api.app import create_app

READS = [
    "/v1/manifests",
    "/v1/manifests/0x" + "ab" * 32,
    "/v1/manifests/0x" + "ab" * 32 + "/proof",
    "/v1/manifests/0x" + "ab" * 32 + "/evidence",
    "/v1/consignments?reference=ucr:X",
    "/v1/consignments/0x" + "ab" * 32,
    "/v1/consignments/0x" + "ab" * 32 + "/records",
    "/v1/consignments/0x" + "ab" * 32 + "/accompanying-file",
    "/v1/consignments/0x" + "ab" * 32 + "/evidence",
    "/v1/log/SG/head",
    "/v1/log/SG/consistency?first=1",
    "/v1/log/SG/leaves",
    "/v1/administrations",
    "/v1/parties/SG",
    "/v1/accounts/0x" + "ab" * 20,
    "/v1/chain",
    "/v1/events?after=9007199254740991",  # which is refused: events go on without end
]


def ask(app, path, *, client="127.0.0.1", host="127.0.0.1:8400", method="GET", **request):
    """Ask an application as a program at an address would."""

    async def answer():
        transport = httpx.ASGITransport(app, client=(client, 50_000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
            return await http.request(method, path, **request)

    return asyncio.run(answer())


@pytest.fixture
def app_with(service):
    """The application of the running service under other settings."""

    def make(kind="development", host="127.0.0.1"):
        profile = dataclasses.replace(service.settings.profile, kind=kind)
        app = create_app(service.settings.model_copy(update={"profile": profile, "host": host}))
        app.state.ledger, app.state.streams = service.app.state.ledger, service.app.state.streams
        return app

    return make


def test_the_list_of_reads_is_whole(service):
    described = service.app.openapi()["paths"]
    readable = {
        path for path, operations in described.items() if "get" in operations and path.startswith("/v1")
    }
    asked = {path.partition("?")[0].replace("0x" + "ab" * 32, "{id}") for path in READS}
    asked = {
        path.replace("/log/SG", "/log/{administration}")
        .replace("/parties/SG", "/parties/{party}")
        .replace("0x" + "ab" * 20, "{address}")
        for path in asked
    }
    assert asked == readable


@pytest.mark.parametrize("path", READS)
def test_reading_is_open_on_this_machine_and_closed_elsewhere(app_with, path):
    app = app_with()
    assert ask(app, path).status_code in (200, 404, 409)
    assert_problem(ask(app, path, client="192.0.2.7"), 403, "reading-closed")


@pytest.mark.parametrize("kind", ["qbft"])
@pytest.mark.parametrize("path", READS)
def test_reading_is_closed_on_a_chain_of_production(app_with, kind, path):
    assert_problem(ask(app_with(kind=kind), path), 403, "reading-closed")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_reading_is_closed_where_the_service_listens_beyond_this_machine(app_with, host):
    assert_problem(ask(app_with(host=host), "/v1/chain"), 403, "reading-closed")


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1"])
def test_every_loopback_address_is_this_machine(app_with, client):
    assert ask(app_with(), "/v1/chain", client=client).status_code == 200


@pytest.mark.parametrize("client", ["10.0.0.1", "::2", "fe80::1", "localhost.evil.example", ""])
def test_other_addresses_are_not(app_with, client):
    assert_problem(ask(app_with(), "/v1/chain", client=client), 403, "reading-closed")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip"])
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1"])
def test_what_a_proxy_says_of_itself_is_never_believed(app_with, header, value):
    answer = ask(app_with(), "/v1/chain", client="192.0.2.7", headers={header: value})
    assert_problem(answer, 403, "reading-closed")


def test_what_a_proxy_says_of_itself_closes_nothing_either(http):
    assert http.get("/v1/chain", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 200


@pytest.mark.parametrize("host", ["ledger.example", "127.0.0.1.evil.example", "evil.example:8400"])
def test_a_page_that_turns_its_own_name_to_this_machine_reads_nothing(app_with, host):
    assert_problem(ask(app_with(), "/v1/chain", host=host), 403, "reading-closed")


@pytest.mark.parametrize("host", ["localhost:8400", "127.0.0.1", "[::1]:8400"])
def test_names_of_this_machine_are_its_own(app_with, host):
    assert ask(app_with(), "/v1/chain", host=host).status_code == 200


def test_an_accompanying_file_is_loaded_only_by_who_may_read(app_with):
    answer = ask(app_with(kind="qbft"), "/v1/accompanying-files", method="POST", json={})
    assert_problem(answer, 403, "reading-closed")


def test_writing_is_open_to_whoever_signs_wherever_they_are(app_with, clients, now):
    body = cargo.submission(clients("exporter"), now).model_dump(mode="json", exclude_none=True)
    app = app_with(kind="qbft", host="0.0.0.0")
    answer = ask(app, "/v1/manifests", client="192.0.2.7", host="ledger.example", method="POST", json=body)
    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_is_open(app_with, path):
    assert ask(app_with(kind="qbft"), path, client="192.0.2.7").status_code in (200, 503)
