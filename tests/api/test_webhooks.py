"""Webhooks over HTTP: registered by who is signed in, sent by the worker, in the hands of their owner alone."""

import dataclasses
import ipaddress
import json
import socket
import time

import cargo
import pytest
import standardwebhooks
from ledger_at_work import until
from problem_answers import assert_problem
from receivers_at_work import receiving
from running_service import PASSWORD, settings_for
from typer.testing import CliRunner

from ledger import keys
from ledger.cli.main import app
from ledger.client import LedgerClient
from ledger.errors import ServiceError

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def lodge(client):
    reference = cargo.reference()
    return client.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)


def test_what_one_may_see_arrives_signed_and_what_one_may_not_does_not(service):
    with (
        receiving() as mine,
        receiving() as theirs,
        receiving() as customs,
        service.client("exporter") as exporter,
        service.client("carrier") as carrier,
        service.client("officer") as officer,
    ):
        made = exporter.webhooks.register(mine.url, kinds=["manifest.accepted"])
        carrier.webhooks.register(theirs.url, kinds=["manifest.accepted"])
        officer.webhooks.register(customs.url, kinds=["manifest.accepted"])
        lodged = lodge(exporter)
        until(lambda: mine.received and customs.received)
        message = standardwebhooks.Webhook(made.secret).verify(
            mine.received[0].body, mine.received[0].headers
        )
        assert message["data"]["consignment"] == "0x" + lodged.consignment.hex()
        assert message["data"]["facts"]["manifest"] == "0x" + lodged.id.hex()
        assert mine.received[0].id != customs.received[0].id
        time.sleep(0.3)
        assert theirs.received == []
        (view,) = [each for each in exporter.webhooks.list() if each.id == made.id]
        assert view == exporter.webhooks.get(made.id) and view.kinds == ["manifest.accepted"]


def test_a_webhook_goes_through_its_life_over_http(service):
    is_down = True
    with (
        receiving(lambda _: (410 if is_down else 204, {})) as receiver,
        service.client("exporter") as exporter,
    ):
        made = exporter.webhooks.register(receiver.url, kinds=["manifest.accepted"], administration="SG")
        lodge(exporter)
        until(lambda: exporter.webhooks.get(made.id).state == "gone")
        rotated = exporter.webhooks.rotate_secret(made.id, overlap_seconds=60)
        assert rotated.secret != made.secret and rotated.former_until is not None
        is_down = False
        assert exporter.webhooks.enable(made.id).state == "active"
        until(lambda: exporter.webhooks.get(made.id).delivered == 1)
        for secret in (made.secret, rotated.secret):
            assert standardwebhooks.Webhook(secret).verify(
                receiver.received[-1].body, receiver.received[-1].headers
            )
        assert list(exporter.webhooks.dead_letters(made.id)) == []
        assert exporter.webhooks.replay(made.id) == 0
        figures = exporter.metrics()
        for name in ("messages_delivered", "attempts_failed", "messages_dead", "oldest_message_seconds"):
            assert f"cargo_ledger_webhook_{name} " in figures
        exporter.webhooks.remove(made.id)
        with pytest.raises(ServiceError) as gone:
            exporter.webhooks.get(made.id)
        assert gone.value.status == 404


def test_dead_letters_are_listed_page_by_page_and_replayed(service, monkeypatch):
    monkeypatch.setattr("ledger.calling.webhooks._LETTERS_AT_A_TIME", 2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with service.client("exporter") as exporter:
        made = exporter.webhooks.register(f"http://127.0.0.1:{port}/", kinds=["motion"])
        webhook = bytes.fromhex(made.id[2:])
        for _ in range(5):
            lodge(exporter)
        with service.app.state.ledger._store.write() as session:
            told = [each.id for each in session.feed(0, session.last_told(), kinds=["manifest.accepted"])][
                -5:
            ]
            session.webhooks.add_messages(webhook, told, 1)
            for event in told:
                session.webhooks.fail(webhook, event, "it was away", 1_000, None)
        letters = list(exporter.webhooks.dead_letters(made.id))
        assert [letter.event for letter in letters] == told
        assert letters[0].problem == "it was away" and letters[0].attempts == 1
        assert exporter.webhooks.replay(made.id, told[:2]) == 2
        assert [letter.event for letter in exporter.webhooks.dead_letters(made.id)] == told[2:]
        assert exporter.webhooks.replay(made.id) == 3
        exporter.webhooks.remove(made.id)


def test_who_is_not_signed_in_registers_nothing_though_reading_is_open(http, service):
    answer = http.get("/v1/administrations")
    assert answer.status_code == 200  # reading is open here
    for method, path in [
        ("POST", "/v1/webhooks"),
        ("GET", "/v1/webhooks"),
        ("GET", "/v1/webhooks/0x" + "ab" * 32),
    ]:
        answer = http.request(
            method, path, json={"url": "https://public.example/"} if method == "POST" else None
        )
        assert_problem(answer, 401, "sign-in-needed")


@pytest.mark.parametrize(
    ("asked", "status", "problem"),
    [
        ({"url": "https://10.0.0.1/"}, 400, "invalid-identifier"),
        ({"url": "https://[::1]/"}, 400, "invalid-identifier"),
        ({"url": "https://169.254.169.254/latest/meta-data/"}, 400, "invalid-identifier"),
        ({"url": "https://user:word@public.example/"}, 400, "invalid-identifier"),
        ({"url": "https://public.example/" + "a" * 2_000}, 422, "invalid-fields"),
        ({"url": "https://public.example/", "kinds": ["no.such"]}, 422, "invalid-fields"),
        ({"url": "https://public.example/", "consignment": "0x12"}, 422, "invalid-fields"),
        ({"url": "https://public.example/", "after": -1}, 422, "invalid-fields"),
        ({"url": "https://public.example/never", "after": 2**53 - 1}, 409, "conflict"),
        ({"url": "https://public.example/", "secret": "whsec_mine"}, 422, "invalid-fields"),
        ({}, 422, "invalid-fields"),
        ([], 422, "invalid-fields"),
        ({"url": None}, 422, "invalid-fields"),
        ({"url": "https://public.example/\ud800"}, 400, "invalid-request"),
    ],
)
def test_a_registration_that_cannot_be_is_one_sentence(http, service, asked, status, problem):
    with service.client("officer") as officer:
        token = officer.sign_in().token
        answer = http.post(
            "/v1/webhooks",
            content=json.dumps(asked),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        assert_problem(answer, status, problem)


def test_one_address_has_one_webhook_of_an_account(service):
    with service.client("auditor") as auditor:
        made = auditor.webhooks.register("https://public.example/one")
        with pytest.raises(ServiceError, match=made.id) as again:
            auditor.webhooks.register("https://public.example/one")
        assert again.value.status == 409
        auditor.webhooks.remove(made.id)
        auditor.webhooks.remove(auditor.webhooks.register("https://public.example/one").id)


def test_on_a_real_network_a_companys_webhook_does_not_reach_into_customs_network(service):
    """The list is for customs' own accounts; on a development chain, where one plays all, it is everybody's."""
    ledger = service.app.state.ledger
    with service.client("exporter") as exporter, service.client("officer") as officer:
        readers = {}
        for name, client in (("exporter", exporter), ("officer", officer)):
            readers[name] = ledger.sessions.reader(client.sign_in().token)
    was = ledger.profile
    assert ledger._listed_for(readers["exporter"]) == (LOOPBACK if was.kind == "development" else ())
    ledger.profile = dataclasses.replace(was, kind="qbft")
    try:
        assert ledger._listed_for(readers["exporter"]) == ()
        assert ledger._listed_for(readers["officer"]) == LOOPBACK
    finally:
        ledger.profile = was


def test_networks_are_listed_with_commas_and_a_wrong_one_is_refused(network, tmp_path):
    listed = settings_for(network, tmp_path, webhook_networks="10.20.0.0/16, fd00:1::/64").webhook_networks
    assert listed == (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:1::/64"))
    for wrong in ("10.20.0.1/16", "customs.example", "10.20.0.0/33"):
        with pytest.raises(ValueError, match="webhook_networks"):
            settings_for(network, tmp_path, webhook_networks=wrong)


def test_a_person_does_all_of_it_at_the_command_line(service, tmp_path, monkeypatch):
    keys.create(tmp_path, "exporter", PASSWORD, private_key=service.network.keys["exporter"], light=True)
    (tmp_path / "password").write_text(PASSWORD)
    for name, value in {
        "SERVICE": service.url,
        "KEYS": tmp_path,
        "KEY": "exporter",
        "PASSWORD_FILE": tmp_path / "password",
    }.items():
        monkeypatch.setenv(f"CARGO_LEDGER_{name}", str(value))

    def said(*arguments, code=0):
        result = CliRunner().invoke(app, ["webhook", *arguments, "--json"], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout if code == 0 else result.stderr)

    made = said(
        "register", "https://public.example/person", "--kind", "custody.hold", "--of", "SG", "--after", "0"
    )
    assert made["secret"].startswith("whsec_")
    (listed,) = [each for each in said("list")["webhooks"] if each["id"] == made["id"]]
    assert (listed["kinds"], listed["administration"]) == (["custody.hold"], "SG")
    assert said("rotate", made["id"], "--overlap", "0")["secret"] != made["secret"]
    assert said("enable", made["id"])["state"] == "active"
    assert said("dead", made["id"]) == {"dead_letters": []}
    assert said("replay", made["id"], "--event", "3") == {"replayed": 0}
    assert said("remove", made["id"]) == {"removed": made["id"]}
    assert "There is no webhook" in said("enable", made["id"], code=1)["error"]["message"]
    wrong = said("register", "https://public.example/", "--kind", "custody.nothing", code=1)["error"]
    assert "no event is of the kind" in wrong["message"]
    assert "public addresses alone" in said("register", "https://10.0.0.1/", code=1)["error"]["message"]


def test_a_client_without_a_key_says_that_one_is_needed(service):
    with LedgerClient(service.url) as client, pytest.raises(ServiceError) as refused:
        client.webhooks.list()
    assert refused.value.status == 401
