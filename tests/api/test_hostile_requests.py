"""Requests that are made to harm: sent slowly, endlessly, too large, or to be read in two ways."""

import contextlib
import socket
import time
import zlib
from urllib.parse import urlsplit

import httpx
import proof
import pytest
from problem_answers import assert_problem
from service_process import ServiceProcess

RESIDENT_BYTES = 64 << 20  # more than this no request may cost


def answer_to(url, content, seconds=20):
    """All that comes back on a connection until it is closed, or nothing more comes."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=seconds) as connection:
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            connection.sendall(content)
            connection.settimeout(1.5)
            while part := connection.recv(65536):
                received += part
        return received


def post(path, headers, body, media_type=b"application/json"):
    head = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + media_type + b"\r\n"
    return head + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n" + body


SMUGGLED = b"GET /v1/administrations HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"0\r\n\r\n" + SMUGGLED


@pytest.mark.row("E11")
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([(b"Content-Length", str(len(CHUNKED)).encode()), (b"Transfer-Encoding", b"chunked")], CHUNKED),
        ([(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5")], CHUNKED),
        ([(b"Content-Length", b"2"), (b"Content-Length", b"60")], b"{}" + SMUGGLED),
        ([(b"Content-Length", b"2, 60")], b"{}" + SMUGGLED),
        ([(b"Content-Length", b"+2")], b"{}" + SMUGGLED),
        ([(b"Content-Length", b"-2")], b"{}" + SMUGGLED),
        ([(b"Transfer-Encoding", b"xchunked")], CHUNKED),
        ([(b"Transfer-Encoding", b"identity, chunked")], CHUNKED),
        ([(b"Content-Length ", b"2")], b"{}" + SMUGGLED),
        ([(b"Transfer-Encoding", b"\x0bchunked")], CHUNKED),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, list) else "",
)
def test_a_request_whose_end_can_be_read_in_two_ways_is_refused_and_ends_its_connection(
    service, headers, body
):
    received = answer_to(service.url, post(b"/v1/sessions/challenge", headers, body))
    assert received.count(b"HTTP/1.1 ") == 1, received
    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 501")), received
    assert b'"administrations"' not in received


@pytest.mark.row("E11")
@pytest.mark.parametrize(
    "body",
    [
        b'{"address": "0x' + b"11" * 20 + b'", "address": "0x' + b"22" * 20 + b'"}',
        b'{"address": "0x' + b"11" * 20 + b'", "\\u0061ddress": "0x' + b"22" * 20 + b'"}',
        b'{"address": NaN}',
        b'{"address": Infinity}',
        ('{"address": "0x' + "11" * 20 + '"}').encode("utf-16"),
        b"\xef\xbb\xbf" + b'{"address": "0x' + b"11" * 20 + b'"}',
        b'{"address": "\\ud800"}',
        b'{"address": "0x' + b"11" * 20 + b'"}\x00',
        b'{"address": "0x' + b"11" * 20 + b'"} {}',
        b'{"address": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"address": ' + b"1" * 100_000 + b"}",
    ],
    ids=range(13),
)
def test_json_that_can_be_read_in_two_ways_or_in_none_is_refused(http, body):
    answer = http.post("/v1/sessions/challenge", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 400, "invalid-request")


@pytest.mark.row("E11")
@pytest.mark.parametrize("text", ["ucr:\u202e6SG", "ucr:6SG\u2066", "ucr:6SG\x00", "ucr:6\u200bSG"])
def test_a_reference_with_characters_that_are_not_seen_is_none(http, text):
    answer = http.get("/v1/consignments", params={"reference": text})
    assert answer.status_code in (400, 422), answer.text


@pytest.fixture(scope="module")
def alone(network, tmp_path_factory):
    """The API as a process of its own, whose memory is looked at; no worker: the session's network has one."""
    folder = tmp_path_factory.mktemp("hostile")
    service = ServiceProcess(network, folder)
    service.start("--create", "--role", "api")
    yield service
    service.stop()


def resident(service):
    with open(f"/proc/{service.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def good_client_is_served(service):
    began = time.monotonic()
    assert httpx.get(f"{service.url}/v1/chain", trust_env=False, timeout=30).status_code == 200
    return time.monotonic() - began


@pytest.mark.row("E11")
def test_a_parameter_that_is_given_twice_is_refused_unless_it_is_a_list(http):
    for path in ("/v1/manifests?limit=1&limit=2", "/v1/log/SG/leaves?start=0&start=1"):
        problem = assert_problem(http.get(path), 422, "invalid-fields")
        assert problem["errors"][0]["detail"] == "Give it once", problem
    twice = http.get("/v1/events", headers=[("last-event-id", "1"), ("last-event-id", "2")])
    problem = assert_problem(twice, 422, "invalid-fields")
    assert problem["errors"] == [{"parameter": "last-event-id", "in": "header", "detail": "Give it once"}]
    absent = f"/v1/consignments/0x{'ab' * 32}/accompanying-file"
    assert http.get(f"{absent}?show=/goods&show=/seals").status_code == 404


@pytest.mark.row("E11")
def test_a_parameter_that_is_not_there_is_refused_whatever_its_name(http):
    for path in (
        "/v1/log/SG/consistency?first=1&secnd=2",
        "/v1/manifests?containr=CSQU3054383",
        "/v1/events?=null",
        "/v1/chain?x",
    ):
        problem = assert_problem(http.get(path), 422, "invalid-fields")
        assert problem["errors"][0]["detail"] == "There is no such parameter here", problem
    posted = http.post("/v1/manifests?x=1", json={})
    assert assert_problem(posted, 422, "invalid-fields")["errors"][0]["parameter"] == "x"


@contextlib.contextmanager
def slow_connections(url, number):
    """So many connections that have begun a request and do not end it."""
    where = urlsplit(url)
    with contextlib.ExitStack() as closing:
        slow = []
        for _ in range(number):
            connection = socket.create_connection((where.hostname, where.port), timeout=20)
            closing.callback(connection.close)
            connection.sendall(b"POST /v1/manifests HTTP/1.1\r\nHost: localhost\r\nContent-Le")
            slow.append(connection)
        yield slow


@pytest.mark.row("E8")
def test_connections_that_say_almost_nothing_keep_nobody_out(alone):
    good_client_is_served(alone)
    before = resident(alone)
    with slow_connections(alone.url, proof.form(300, 2_000)) as slow:
        for _ in range(5):
            for connection in slow[::7]:
                connection.sendall(b"n")
            good_client_is_served(alone)
        assert resident(alone) - before < 100 << 20
    good_client_is_served(alone)


@pytest.mark.row("E8")
@pytest.mark.skipif(not proof.IS_PROOF, reason="it measures: CARGO_PROOF=1 runs it, on a quiet machine")
def test_two_thousand_slow_connections_at_most_double_what_an_honest_request_takes(alone):
    def p99():
        return sorted(good_client_is_served(alone) for _ in range(300))[296]

    baseline = min(p99() for _ in range(3))
    with slow_connections(alone.url, 2_000) as slow:
        beside = []
        for _ in range(3):
            for connection in slow[::7]:
                connection.sendall(b"n")
            beside.append(p99())
    print(
        f"p99 of an honest request: {baseline * 1000:.1f} ms alone, {min(beside) * 1000:.1f} ms beside 2,000 slow ones"
    )
    assert min(beside) <= 2 * baseline


@pytest.mark.row("E8")
@pytest.mark.parametrize(
    "path", [b"/v1/manifests", b"/v1/custody-records", b"/v1/verify", b"/v1/manifests/batch"]
)
def test_a_body_of_100_mb_is_not_kept(alone, path):
    good_client_is_served(alone)
    before = most = resident(alone)
    where = urlsplit(alone.url)
    media_type = b"application/x-ndjson" if path.endswith(b"batch") else b"application/json"
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall(post(path, [(b"Transfer-Encoding", b"chunked")], b"", media_type))
        with contextlib.suppress(ConnectionError):  # it is closed on us: nobody reads on
            for sent in range(100):
                connection.sendall(b"100000\r\n" + b"[" * (1 << 20) + b"\r\n")
                if sent % 10 == 0:
                    most = max(most, resident(alone))
    most = max(most, resident(alone))
    assert most - before < RESIDENT_BYTES
    good_client_is_served(alone)


@pytest.mark.row("E8")
def test_a_body_that_says_it_has_100_mb_is_refused_unread(alone):
    content = post(b"/v1/manifests", [(b"Content-Length", b"100000000")], b"")
    assert b" 413 " in answer_to(alone.url, content).split(b"\r\n")[0]


@pytest.mark.row("E8")
def test_a_flood_of_headers_is_refused_and_not_kept(alone):
    good_client_is_served(alone)
    before = resident(alone)
    flood = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(20_000))
    received = answer_to(alone.url, b"GET /v1/chain HTTP/1.1\r\nHost: localhost\r\n" + flood + b"\r\n")
    assert not received or received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431")), received[:200]
    assert resident(alone) - before < RESIDENT_BYTES
    good_client_is_served(alone)


@pytest.mark.row("E8")
@pytest.mark.parametrize(
    "begun",
    [
        b"GET /" + b"a" * 20,
        b"GET /v1/chain HTTP/1.1\r\nHost: localhost\r\nX-Long: a",
        post(b"/v1/sessions/challenge", [(b"Transfer-Encoding", b"chunked")], b"2;extension=a"),
        post(
            b"/v1/sessions/challenge", [(b"Transfer-Encoding", b"chunked")], b"2\r\n{}\r\n0\r\nX-Trailer: a"
        ),
    ],
    ids=["target", "field", "extension", "trailer"],
)
def test_what_comes_to_no_end_is_cut_off(alone, begun):
    where = urlsplit(alone.url)
    with socket.create_connection((where.hostname, where.port), timeout=20) as connection:
        connection.sendall(begun)
        with pytest.raises(ConnectionError):
            for _ in range(100):
                connection.sendall(b"a" * (1 << 17))
    good_client_is_served(alone)


@pytest.mark.row("E8")
def test_json_at_the_edge_of_what_is_read_costs_less_than_64_mib(alone):
    good_client_is_served(alone)
    before = resident(alone)
    for body in (
        b"[" + b"0," * 1_000_000 + b"0]",
        b'{"a":"' + b"\\u0041" * 340_000 + b'"}',
        b"[" * (2 << 20),
    ):
        answer = httpx.post(
            f"{alone.url}/v1/manifests",
            content=body[: 2 << 20],
            headers={"content-type": "application/json"},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code in (400, 413, 422), answer.text[:200]
        assert resident(alone) - before < RESIDENT_BYTES
    good_client_is_served(alone)


@pytest.mark.row("D9")
@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e%2fledger.db",
        "..%5c..%5cledger.db",
        "%2fetc%2fpasswd",
        "0x" + "00" * 31 + "%00",
        "0x" + "00" * 32 + "%2f..%2fproof",
        "%c0%ae%c0%ae%c0%af",
        "file:%2f%2f%2fetc%2fpasswd",
    ],
)
def test_an_id_that_would_be_a_path_is_no_id(http, name):
    for route in (f"/v1/manifests/{name}", f"/v1/consignments/{name}", f"/v1/log/{name}/head"):
        answer = http.get(route)
        assert answer.status_code in (404, 422), (route, answer.text)
        assert answer.headers["content-type"] == "application/problem+json" and "root:" not in answer.text


@pytest.mark.row("D9")
@pytest.mark.parametrize("path", ["/v1/manifests", "/v1/manifests/batch", "/v1/verify"])
def test_what_is_packed_is_not_unpacked(alone, path):
    """A gigabyte of spaces in a megabyte: whoever unpacks it has it in memory."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(1 << 10)) + packer.flush()
    media_type = "application/x-ndjson" if path.endswith("batch") else "application/json"
    before = resident(alone)
    answer = httpx.post(
        alone.url + path,
        content=bomb,
        headers={"content-type": media_type, "content-encoding": "gzip"},
        trust_env=False,
        timeout=60,
    )
    assert b"/problems/invalid-request" in answer.content, answer.text[:500]
    assert resident(alone) - before < RESIDENT_BYTES
    good_client_is_served(alone)
