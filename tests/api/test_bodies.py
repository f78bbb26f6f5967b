"""Bodies: read as strictly as a document, up to a limit, in one form only."""

import json
import select
import socket

import cargo
import pytest
from problem_answers import assert_problem

from api.bodies import MAX_BODY_BYTES

JSON = {"content-type": "application/json"}
UNREADABLE = {
    "no JSON": (b"manifest", ""),
    "half of it": (b'{"record": {', "/record"),
    "text after it": (b"{} {}", ""),
    "a name twice": (b'{"record": 1, "record": 2}', "/record"),
    "a name twice, spelled with an escape": (b'{"record": 1, "rec\\u006frd": 2}', "/record"),
    "NaN": (b'{"record": {"kind": NaN}}', "/record/kind"),
    "Infinity": (b'{"record": -Infinity}', "/record"),
    "a float": (b'{"record": {"issued_at": 1.0}}', "/record/issued_at"),
    "an exponent": (b'{"record": {"issued_at": 1e3}}', "/record/issued_at"),
    "a large integer": (b'{"record": {"issued_at": 9007199254740993}}', "/record/issued_at"),
    "NUL": (b'{"record": "\x00"}', "/record"),
    "half of a surrogate pair": (b'{"record": "\\ud800"}', "/record"),
    "UTF-16": ('{"record": {}}'.encode("utf-16"), ""),
    "a byte order mark": (b"\xef\xbb\xbf{}", ""),
    "Latin-1": ('{"record": "é"}'.encode("latin-1"), ""),
    "deep": (b"[" * 100_000, "/0" * 40),
    "deep objects": (b'{"a":' * 100_000, "/a" * 40),
}


@pytest.mark.row("D9")
@pytest.mark.parametrize("path", ["/v1/manifests", "/v1/custody-records", "/v1/accompanying-files"])
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_body_with_two_readings_or_none_is_refused_with_its_place(http, path, name):
    body, pointer = UNREADABLE[name]
    problem = assert_problem(http.post(path, content=body, headers=JSON), 400, "invalid-request")
    assert problem["pointer"] == pointer


INSIDE = {
    "a float": (b'{"goods": [{"mass": 1250.5}]}', "/goods/0/mass"),
    "a name twice": (b'{"goods": {"x": 1, "x": 1}}', "/goods/x"),
    "a large integer": (b'{"goods": 12345678901234567}', "/goods"),
    "minus zero": (b'{"goods": -0}', "/goods"),
    "half of a surrogate pair": (b'{"goods": "\\udfff"}', "/goods"),
    "a name like a position": (b'{"goods": {"7": 1}}', "/goods/7"),
    "deep": (b'{"goods":' + b"[" * 35 + b"]" * 35 + b"}", "/goods" + "/0" * 31),
    "a long pointer": (b'{"' + b"n" * 1100 + b'": 1}', "/" + "n" * 199),
}


@pytest.mark.row("D9")
@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("route", ["manifests", "custody-records"])
def test_a_document_that_cannot_be_committed_to_is_refused_with_its_pointer(clients, http, now, route, name):
    document, pointer = INSIDE[name]
    if route == "manifests":
        body = cargo.submission(clients("exporter"), now).model_dump(mode="json")
        given = _with_document(body, document)
    else:
        record = cargo.custody_record(bytes(32), 17, "SG", now)
        body = clients("officer").sign_custody(record).model_dump(mode="json")
        given = b'{"records": [' + _with_document(body, document) + b"]}"
    answer = http.post(f"/v1/{route}", content=given, headers=JSON)
    problem = assert_problem(answer, 400, "invalid-document")
    assert problem["pointer"] == pointer


def _with_document(body, document):
    body |= {"document": None, "secret": "0x" + "11" * 32}
    return json.dumps(body).encode().replace(b'"document": null', b'"document": ' + document)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/x-ndjson",
        "application/json; charset=utf-16",
    ],
)
def test_a_body_in_another_form_is_refused(http, media_type):
    answer = http.post("/v1/manifests", content=b"{}", headers={"content-type": media_type})
    assert assert_problem(answer, 415, "unsupported-media-type")["supported"] == ["application/json"]


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_is_read_however_its_type_is_spelled(http, media_type):
    answer = http.post("/v1/manifests", content=b"{}", headers={"content-type": media_type})
    assert_problem(answer, 422, "invalid-fields")


def test_a_body_of_just_the_limit_is_read(http):
    body = b'{"a": "' + b"x" * (MAX_BODY_BYTES - 9) + b'"}'
    assert len(body) == MAX_BODY_BYTES
    assert_problem(http.post("/v1/manifests", content=body, headers=JSON), 422, "invalid-fields")


def test_a_body_over_the_limit_is_refused_by_its_declared_length(http):
    body = b"x" * (MAX_BODY_BYTES + 1)
    problem = assert_problem(http.post("/v1/manifests", content=body, headers=JSON), 413, "too-large")
    assert problem["limit_bytes"] == MAX_BODY_BYTES


def _connect(service):
    port = int(service.url.rpartition(":")[2])
    return socket.create_connection((service.settings.host, port), timeout=20)


def test_no_body_at_all_is_refused(http):
    assert_problem(http.post("/v1/manifests", content=b"", headers=JSON), 422, "invalid-fields")


def test_a_body_without_a_length_is_refused_while_it_comes_in(service):
    """The answer is there as soon as two MiB and a little are sent, though the body goes on."""
    with _connect(service) as connection:
        connection.sendall(
            b"POST /v1/manifests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        sent = 0
        while not select.select([connection], [], [], 0)[0] and sent < 100 << 20:
            connection.sendall(chunk)
            sent += 0x10000
        assert connection.recv(64).startswith(b"HTTP/1.1 413")
        assert MAX_BODY_BYTES < sent < 20 << 20


def test_a_request_with_two_lengths_is_refused(service):
    with _connect(service) as connection:
        connection.sendall(
            b"POST /v1/manifests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}"
        )
        assert connection.recv(64).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("host", ["[::1", "a b", "\xff", "127.0.0.1:99999999", "[", "user@127.0.0.1"])
def test_an_odd_host_is_no_mistake_of_ours(service, host):
    with _connect(service) as connection:
        connection.sendall(b"GET /v1/chain HTTP/1.1\r\nHost: " + host.encode("latin-1") + b"\r\n\r\n")
        status = int(connection.recv(64).split()[1])
        assert status < 500
