"""A client that asks too much is refused, and another is served meanwhile."""

import ipaddress
import time

import cargo
import httpx
import orjson
import pytest
import running_service
from problem_answers import assert_problem

from api.limits import may_read_metrics
from api.settings import Settings


@pytest.fixture
def few(network, service):
    changes = {"requests_per_minute": 3, "sign_ins_per_minute": 2, "proxies": ("127.0.0.1",)}
    with running_service.serving(network, service.settings.model_copy(update=changes)) as beside:
        with httpx.Client(base_url=beside.url, trust_env=False) as http:
            yield http


@pytest.mark.row("E9")
def test_who_asks_too_much_is_told_when_to_go_on_while_another_is_served(few):
    bad, good = {"x-forwarded-for": "198.51.100.1"}, {"x-forwarded-for": "198.51.100.2"}
    assert [few.get("/v1/chain", headers=bad).status_code for _ in range(3)] == [200] * 3
    refused = few.get("/v1/chain", headers=bad)
    problem = assert_problem(refused, 429, "too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) == problem["retry_after_seconds"] <= 20
    assert few.get("/v1/chain", headers=good).status_code == 200
    assert few.get("/healthz", headers=bad).status_code == 200


def test_sign_ins_are_counted_apart(few, network):
    asked = {"json": {"address": network.address("exporter")}, "headers": {"x-forwarded-for": "198.51.100.3"}}
    assert [few.post("/v1/sessions/challenge", **asked).status_code for _ in range(2)] == [200] * 2
    assert_problem(few.post("/v1/sessions/challenge", **asked), 429, "too-many-requests")
    assert few.get("/v1/chain", headers=asked["headers"]).status_code == 200


@pytest.mark.row("E9")
def test_an_account_that_asks_too_much_waits_while_another_at_its_address_is_served(network, service):
    changes = {"account_requests_per_minute": 3, "open_reading": False}
    with running_service.serving(network, service.settings.model_copy(update=changes)) as beside:
        tokens = {}
        for role in ("exporter", "carrier"):
            with beside.client(role) as client:
                tokens[role] = client.sign_in().token
                client._session = None  # it is not signed out
        with httpx.Client(base_url=beside.url, trust_env=False) as http:

            def ask(role):
                return http.get("/v1/administrations", headers={"authorization": f"Bearer {tokens[role]}"})

            assert [ask("exporter").status_code for _ in range(3)] == [200] * 3
            refused = ask("exporter")
            problem = assert_problem(refused, 429, "too-many-requests")
            assert int(refused.headers["retry-after"]) == problem["retry_after_seconds"] <= 20
            assert problem["detail"].startswith("This account")
            assert ask("carrier").status_code == 200


@pytest.mark.row("E9")
def test_an_account_that_writes_too_much_waits_wherever_it_writes_from_and_another_does_not(
    network, service, now
):
    changes = {"account_requests_per_minute": 3, "proxies": ("127.0.0.1",)}
    with (
        running_service.serving(network, service.settings.model_copy(update=changes)) as beside,
        httpx.Client(base_url=beside.url, trust_env=False) as http,
        beside.client("exporter") as exporter,
        beside.client("carrier") as carrier,
    ):
        addresses = iter(range(1, 20))

        def write(path, body):
            headers = {"x-forwarded-for": f"198.51.100.{next(addresses)}"}
            return http.post(path, json=body, headers=headers)

        def manifest(client, party):
            return cargo.submission(client, now, party=party).model_dump(mode="json", exclude_none=True)

        def step(client, party):
            record = cargo.custody_record(bytes(32), 17, party, now)
            return {"records": [client.sign_custody(record).model_dump(mode="json", exclude_none=True)]}

        spoiled = manifest(exporter, "SG:ACME01") | {"signature": "0x" + "00" * 65}
        assert write("/v1/manifests", spoiled).status_code == 400  # nobody signed it: nobody's is counted
        taken = [write("/v1/manifests", manifest(exporter, "SG:ACME01")).status_code for _ in range(3)]
        assert taken == [202] * 3
        for path, body in (
            ("/v1/manifests", manifest(exporter, "SG:ACME01")),
            ("/v1/custody-records", step(exporter, "SG:ACME01")),
        ):
            refused = write(path, body)
            problem = assert_problem(refused, 429, "too-many-requests")
            assert problem["detail"].startswith("This account")
            assert int(refused.headers["retry-after"]) == problem["retry_after_seconds"] <= 20
        assert write("/v1/manifests", manifest(carrier, "SG:CARR01")).status_code == 202
        assert write("/v1/custody-records", step(carrier, "SG:CARR01")).status_code != 429


NDJSON = {"content-type": "application/x-ndjson"}


def line_of(client, now, party="SG:ACME01"):
    return cargo.submission(client, now, party=party).model_dump_json(exclude_none=True).encode() + b"\n"


def lodge_lines(http, address, lines):
    headers = NDJSON | {"x-forwarded-for": address}
    answer = http.post("/v1/manifests/batch", content=b"".join(lines), headers=headers)
    assert answer.status_code == 200
    return [orjson.loads(line) for line in answer.content.splitlines()]


@pytest.mark.row("E9")
def test_the_lines_of_a_batch_are_counted_of_who_signed_them_and_another_is_served(network, service, now):
    changes = {"account_requests_per_minute": 2, "proxies": ("127.0.0.1",)}
    with (
        running_service.serving(network, service.settings.model_copy(update=changes)) as beside,
        httpx.Client(base_url=beside.url, trust_env=False) as http,
        beside.client("exporter") as exporter,
        beside.client("carrier") as carrier,
    ):
        many = [line_of(exporter, now) for _ in range(12)]
        others = [line_of(carrier, now, "SG:CARR01") for _ in range(4)]
        answers = lodge_lines(http, "198.51.100.1", [*many, *others])
        assert [answer.get("status", 202) for answer in answers] == [202] * 8 + [429] * 4 + [202] * 4
        for refused in answers[8:12]:
            assert refused["type"] == "/problems/too-many-requests"
            assert refused["detail"].startswith("This account sends more lines")
            assert 1 <= refused["retry_after_seconds"] <= 8
        alone = http.post(
            "/v1/manifests", content=many[9], headers={"content-type": "application/json"}
        )  # from another address: it is the account that waits
        assert_problem(alone, 429, "too-many-requests")
        again = lodge_lines(http, "198.51.100.2", many[:1])
        assert again[0]["status"] == 429  # what was taken before is counted like any other


@pytest.mark.row("E9")
def test_the_lines_of_a_batch_are_counted_of_their_address_whatever_is_in_them(network, service, now):
    changes = {"requests_per_minute": 3, "proxies": ("127.0.0.1",)}
    with (
        running_service.serving(network, service.settings.model_copy(update=changes)) as beside,
        httpx.Client(base_url=beside.url, trust_env=False) as http,
        beside.client("exporter") as exporter,
    ):
        lines = [b"\n", b"no JSON\n", *(line_of(exporter, now) for _ in range(10))]
        answers = lodge_lines(http, "198.51.100.1", lines)
        assert [answer.get("status", 202) for answer in answers] == [400] * 2 + [202] * 6 + [429] * 4
        assert answers[-1]["detail"].startswith("This address sends more lines")
        rest = lodge_lines(http, "198.51.100.2", lines[8:])  # where it goes on, from the first refused on
        assert [answer.get("status", 202) for answer in rest] == [202] * 4


@pytest.mark.row("E9")
def test_the_custody_records_of_a_request_are_counted_of_address_and_account(network, service, now):
    changes = {"requests_per_minute": 3, "account_requests_per_minute": 4, "proxies": ("127.0.0.1",)}
    with (
        running_service.serving(network, service.settings.model_copy(update=changes)) as beside,
        httpx.Client(base_url=beside.url, trust_env=False) as http,
        beside.client("exporter") as exporter,
    ):

        def send(address, many):
            records = [
                exporter.sign_custody(
                    cargo.custody_record(bytes([number]) * 32, 17, "SG:ACME01", now)
                ).model_dump(mode="json", exclude_none=True)
                for number in range(many)
            ]
            headers = {"x-forwarded-for": address}
            return http.post("/v1/custody-records", json={"records": records}, headers=headers)

        assert send("198.51.100.1", 9).status_code == 409  # NOT_OPENED; it took 3 of each
        of_address = assert_problem(send("198.51.100.1", 1), 429, "too-many-requests")
        assert of_address["detail"].startswith("This address")
        of_account = assert_problem(send("198.51.100.2", 9), 429, "too-many-requests")
        assert of_account["detail"].startswith("This account")
        assert send("198.51.100.3", 1).status_code == 409


@pytest.mark.row("E9")
def test_the_client_waits_for_lines_that_were_too_many_and_loses_none(network, service, now):
    changes = {"account_requests_per_minute": 60}
    with (
        running_service.serving(network, service.settings.model_copy(update=changes)) as beside,
        beside.client("exporter") as exporter,
    ):
        submissions = [cargo.submission(exporter, now) for _ in range(248)]
        answers = [*exporter.submit_manifests(submissions)]
        ids = ["0x" + one.record.to_record().manifest_id.hex() for one in submissions]
        assert [answer.id for answer in answers] == ids
        indexes = [answer.index for answer in answers]
        assert indexes == [*range(indexes[0], indexes[0] + len(ids))]


def test_a_client_that_does_not_wait_yields_the_refusal_of_each_line(network, service, now):
    changes = {"account_requests_per_minute": 1}
    with (
        running_service.serving(network, service.settings.model_copy(update=changes)) as beside,
        beside.client("exporter", retry_seconds=0) as exporter,
    ):
        answers = [*exporter.submit_manifests(cargo.submission(exporter, now) for _ in range(6))]
        assert [getattr(answer, "status", None) for answer in answers[4:]] == [429, 429]
        assert [answer.state for answer in answers[:4]] == ["accepted"] * 4


@pytest.mark.row("E9")
@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_jumps_an_hour_neither_frees_nor_locks_anybody(few, monkeypatch, jump):
    bad, good = {"x-forwarded-for": f"198.51.100.{10 + (jump > 0)}"}, {"x-forwarded-for": "198.51.100.20"}
    assert [few.get("/v1/chain", headers=bad).status_code for _ in range(3)] == [200] * 3
    assert few.get("/v1/chain", headers=good).status_code == 200
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert few.get("/v1/chain", headers=bad).status_code == 429
    assert few.get("/v1/chain", headers=good).status_code == 200


@pytest.mark.row("E9")
def test_verifying_is_counted_too(few):
    asked = {"json": {"evidence": "{}", "trust": "{}"}, "headers": {"x-forwarded-for": "198.51.100.30"}}
    assert [few.post("/v1/verify", **asked).status_code for _ in range(4)] == [400] * 3 + [429]


def test_metrics_are_for_this_machine_and_for_whom_the_settings_name(network, service):
    changes = {"proxies": ("127.0.0.1",), "metrics_from": "198.51.100.0/24"}
    given = {name: getattr(service.settings, name) for name in Settings.model_fields}
    settings = Settings(**(given | changes))
    with running_service.serving(network, settings) as beside:
        with httpx.Client(base_url=beside.url, trust_env=False) as http:
            assert http.get("/metrics").status_code == 200
            assert http.get("/metrics", headers={"x-forwarded-for": "198.51.100.7"}).status_code == 200
            refused = http.get("/metrics", headers={"x-forwarded-for": "203.0.113.7"})
            assert_problem(refused, 404, "no-such-route")


@pytest.mark.parametrize(
    ("peer", "forwarded", "may"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("::ffff:127.0.0.1", "", True),
        ("127.0.0.1", "127.0.0.1", False),  # over a proxy that nobody named
        ("10.0.0.1", "203.0.113.7", False),
        ("10.0.0.1", "127.0.0.1", True),
        ("198.51.100.7", "", True),
        ("203.0.113.7", "", False),
        ("203.0.113.7", "127.0.0.1", False),
        ("", "", False),
    ],
)
def test_who_reads_metrics_is_told_by_address(peer, forwarded, may):
    also = (ipaddress.ip_network("198.51.100.0/24"),)
    assert may_read_metrics(peer, forwarded, ("10.0.0.1",), also) is may
