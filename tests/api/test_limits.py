"""A client that asks too much is refused, and another is served meanwhile."""

import httpx
import pytest
import running_service
from problem_answers import assert_problem


@pytest.fixture
def few(network, service):
    changes = {"requests_per_minute": 3, "sign_ins_per_minute": 2, "proxies": ("127.0.0.1",)}
    with running_service.serving(network, service.settings.model_copy(update=changes)) as beside:
        with httpx.Client(base_url=beside.url, trust_env=False) as http:
            yield http


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
