"""Every request has an id that its answer, its problem and the log share, and is counted."""

import json
import logging

import cargo
import pytest
from ledger_at_work import until
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from problem_answers import assert_problem
from prometheus_client.parser import text_string_to_metric_families

import api.observing
from api.logs import JsonLines


def figures(http):
    """The metrics by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(http.get("/metrics").text)
        for sample in family.samples
    }


def test_an_id_that_is_given_is_kept_and_stands_in_the_problem(http):
    answer = http.get("/v1/consignments/0xab", headers={"x-request-id": "desk-7_aB3"})
    assert_problem(answer, 422, "invalid-fields")
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "desk-7_aB3"


@pytest.mark.parametrize(
    "given", ["", "short", "a" * 65, "with space 1", 'quo"te1234', "tab\t123456", "é" * 8]
)
def test_an_id_that_is_not_well_formed_is_replaced(http, given):
    first = http.get("/healthz", headers=[(b"x-request-id", given.encode())])
    assert len(first.headers["x-request-id"]) == 32
    assert http.get("/healthz").headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/chain", 405),
        ("POST", "/v1/manifests", 415),
        ("GET", "/v1/log/sg/head", 422),
    ],
)
def test_problems_of_the_framework_have_it_too(http, method, path, status):
    answer = http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_body_that_is_too_long_has_it_too(http):
    answer = http.post(
        "/v1/manifests", content=b" " * (3 << 20), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_mistake_of_the_service_has_it_too_and_is_in_the_log_under_it(service, http, monkeypatch, caplog):
    def broken():
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(service.app.state.ledger, "chain", broken)
    with caplog.at_level(logging.INFO):
        caplog.handler.setFormatter(JsonLines())
        answer = http.get("/v1/chain")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    lines = [json.loads(line) for line in caplog.text.splitlines() if line.startswith("{")]
    (mistake,) = (line for line in lines if line["logger"] == "cargo_ledger.api")
    assert mistake["request_id"] == answer.headers["x-request-id"] and "planted" in mistake["trace"]


def test_a_request_is_one_line_of_json_without_what_was_asked_for(http, caplog):
    with caplog.at_level(logging.INFO):
        caplog.handler.setFormatter(JsonLines())
        reference = cargo.reference()
        http.get(f"/v1/consignments?reference={reference}", headers={"x-desk": "planted-token"})
        until(lambda: '"cargo_ledger.http"' in caplog.text)  # it is logged once the answer has gone out
    (line,) = (json.loads(line) for line in caplog.text.splitlines() if '"cargo_ledger.http"' in line)
    assert line["operation"] == "find_consignments" and line["status"] == 200 and line["method"] == "GET"
    assert set(line) == {
        "time",
        "level",
        "logger",
        "message",
        "request_id",
        "method",
        "operation",
        "status",
        "milliseconds",
    }
    ours = [line for line in caplog.text.splitlines() if '"cargo_ledger.' in line]
    assert reference not in str(ours) and "planted-token" not in str(ours)


def test_requests_and_refusals_are_counted_by_reason(http, clients, now):
    exporter = clients("exporter")
    lines = b"{}\n" * 3 + cargo.submission(exporter, now).model_dump_json(exclude_none=True).encode()
    batch = ("cargo_ledger_request_seconds_count", "200", "POST", "lodge_batch")
    before = figures(http)
    http.get("/v1/consignments/0xab")
    http.get("/v1/chain")
    http.get("/nowhere")
    http.post("/v1/manifests/batch", content=lines, headers={"content-type": "application/x-ndjson"})
    until(lambda: figures(http).get(batch, 0) > before.get(batch, 0))
    after = figures(http)

    def grown(*key):
        return after.get(key, 0) - before.get(key, 0)

    assert grown("cargo_ledger_request_seconds_count", "200", "GET", "chain") == 1
    assert grown("cargo_ledger_request_seconds_count", "422", "GET", "consignment") == 1
    assert grown("cargo_ledger_problems_total", "", "no-such-route") == 1
    assert grown("cargo_ledger_problems_total", "", "invalid-fields") == 4


def test_what_waits_and_how_far_the_chain_is_read_are_told(http):
    names = {name for name, *_ in figures(http)}
    for figure in (
        "log_accepted_leaves",
        "log_sequenced_leaves",
        "log_anchored_leaves",
        "lag_blocks",
        "indexed_block_age_seconds",
        "outbox_age_seconds",
        "reorganisations",
        "events",
    ):
        assert f"cargo_ledger_{figure}" in names


def test_traces_are_off_unless_the_environment_says_where_to(monkeypatch):
    for name in api.observing._ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    api.observing.export_traces()
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)


def test_a_span_goes_on_with_the_askers_trace_and_holds_nothing_that_was_asked_for(http, monkeypatch):
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(api.observing, "_TRACER", provider.get_tracer("test"))
    reference, parent = cargo.reference(), "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = http.get(
        f"/v1/consignments?reference={reference}", headers={"traceparent": f"00-{parent}-00f067aa0ba902b7-01"}
    )
    until(lambda: bool(spans.get_finished_spans()))
    (span,) = spans.get_finished_spans()
    assert span.name == "find_consignments" and f"{span.context.trace_id:032x}" == parent
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["cargo_ledger.request_id"] == answer.headers["x-request-id"]
    assert reference not in span.to_json()
