"""Where reading is open without a sign-in: on a development chain, to programs on the service's own machine."""

import asyncio
import dataclasses

import cargo
import httpx
import pytest
from problem_answers import assert_problem

from api.app import create_app

READ = "/v1/administrations"  # tests/api/test_rights.py has all of them


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

    def make(kind="development", host="127.0.0.1", **changes):
        profile = dataclasses.replace(service.settings.profile, kind=kind)
        changes |= {"profile": profile, "host": host}
        app = create_app(service.settings.model_copy(update=changes))
        app.state.ledger, app.state.grouping = service.app.state.ledger, service.app.state.grouping
        return app

    return make


def test_reading_is_open_on_this_machine_and_needs_a_sign_in_elsewhere(app_with):
    app = app_with()
    assert ask(app, READ).status_code == 200
    assert_problem(ask(app, READ, client="192.0.2.7"), 401, "sign-in-needed")


def test_the_settings_can_close_it_on_this_machine_too(app_with):
    assert_problem(ask(app_with(open_reading=False), READ), 401, "sign-in-needed")


@pytest.mark.parametrize("kind", ["clique", "qbft"])
def test_reading_needs_a_sign_in_on_every_chain_that_is_not_for_development(app_with, kind):
    assert_problem(ask(app_with(kind=kind, open_reading=None), READ), 401, "sign-in-needed")


def test_it_is_opened_on_a_local_network_of_validators_if_the_settings_say_so_and_never_in_production(
    app_with,
):
    assert ask(app_with(kind="clique", open_reading=True), READ).status_code == 200
    assert_problem(ask(app_with(kind="qbft", open_reading=True), READ), 401, "sign-in-needed")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_reading_needs_a_sign_in_where_the_service_listens_beyond_this_machine(app_with, host):
    assert_problem(ask(app_with(host=host), READ), 401, "sign-in-needed")


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1"])
def test_every_loopback_address_is_this_machine(app_with, client):
    assert ask(app_with(), READ, client=client).status_code == 200


@pytest.mark.parametrize("client", ["10.0.0.1", "::2", "fe80::1", "localhost.evil.example", ""])
def test_other_addresses_are_not(app_with, client):
    assert_problem(ask(app_with(), READ, client=client), 401, "sign-in-needed")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip"])
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1"])
def test_what_a_proxy_says_of_itself_is_never_believed(app_with, header, value):
    answer = ask(app_with(), READ, client="192.0.2.7", headers={header: value})
    assert_problem(answer, 401, "sign-in-needed")


def test_what_a_proxy_says_of_itself_closes_nothing_either(http):
    assert http.get(READ, headers={"x-forwarded-for": "192.0.2.7"}).status_code == 200


@pytest.mark.parametrize("host", ["ledger.example", "127.0.0.1.evil.example", "evil.example:8400"])
def test_a_page_that_turns_its_own_name_to_this_machine_reads_nothing(app_with, host):
    assert_problem(ask(app_with(), READ, host=host), 401, "sign-in-needed")


@pytest.mark.parametrize("host", ["localhost:8400", "127.0.0.1", "[::1]:8400"])
def test_names_of_this_machine_are_its_own(app_with, host):
    assert ask(app_with(), READ, host=host).status_code == 200


def test_a_token_that_is_of_no_use_is_refused_where_reading_is_open_too(app_with):
    answer = ask(app_with(), READ, headers={"authorization": "Bearer " + "A" * 43})
    assert_problem(answer, 401, "sign-in-needed")


def test_writing_is_open_to_whoever_signs_wherever_they_are(app_with, clients, now):
    body = cargo.submission(clients("exporter"), now).model_dump(mode="json", exclude_none=True)
    app = app_with(kind="clique", host="0.0.0.0")
    answer = ask(app, "/v1/manifests", client="192.0.2.7", host="ledger.example", method="POST", json=body)
    assert answer.status_code == 202


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/chain"])
def test_health_and_what_one_needs_to_sign_in_are_open(app_with, path):
    assert ask(app_with(kind="clique"), path, client="192.0.2.7").status_code in (200, 503)
