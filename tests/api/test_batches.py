"""NDJSON in, NDJSON out: a line for a line, in order, as they come."""

import asyncio
import json
import socket

import cargo
import orjson
import pytest
from problem_answers import assert_problem

from api.batches import MAX_LINE_BYTES
from ledger.errors import ServiceError
from ledger.messages import ManifestAccepted

NDJSON = {"content-type": "application/x-ndjson"}


def line_of(submission):
    return submission.model_dump_json(exclude_none=True).encode()


def send(http, *lines, end=b"\n"):
    answer = http.post("/v1/manifests/batch", content=b"\n".join(lines) + end, headers=NDJSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.content.splitlines()]


def test_every_line_gets_an_answer_in_order(clients, http, now):
    exporter = clients("exporter")
    submissions = [cargo.submission(exporter, now) for _ in range(250)]
    answers = send(http, *map(line_of, submissions))
    ids = ["0x" + submission.record.to_record().manifest_id.hex() for submission in submissions]
    assert [answer["id"] for answer in answers] == ids
    indexes = [answer["index"] for answer in answers]
    assert indexes == list(range(indexes[0], indexes[0] + 250))


def test_a_bad_line_does_not_stop_the_others(clients, http, now):
    exporter = clients("exporter")
    good = [line_of(cargo.submission(exporter, now)) for _ in range(3)]
    foreign = line_of(cargo.submission(clients("carrier"), now))
    float_in_it = good[0].replace(b'"signature"', b'"document": {"mass": 1.5}, "signature"')
    answers = send(
        http, good[0], b"no JSON", good[1], foreign, b"", b'{"record": 1}', float_in_it, good[2], good[0]
    )
    statuses = [answer.get("status", 202) for answer in answers]
    assert statuses == [202, 400, 202, 403, 400, 422, 400, 202, 202]
    assert answers[6]["type"] == "/problems/invalid-document"
    assert answers[6]["pointer"] == "/mass"
    assert answers[8]["index"] == answers[0]["index"]


def test_a_last_line_needs_no_end(clients, http, now):
    lines = [line_of(cargo.submission(clients("exporter"), now)) for _ in range(2)]
    assert len(send(http, *lines, end=b"")) == 2


def test_an_empty_batch_is_answered_with_nothing(http):
    assert send(http, end=b"") == []


def test_a_line_that_is_too_long_is_refused_and_the_next_is_taken(clients, http, now):
    good = line_of(cargo.submission(clients("exporter"), now))
    long = b'{"a": "' + b"x" * MAX_LINE_BYTES + b'"}'
    answers = send(http, long, good, long)
    assert [answer.get("status", 202) for answer in answers] == [413, 202, 413]
    assert answers[0]["limit_bytes"] == MAX_LINE_BYTES


def test_a_batch_in_another_form_is_refused(http):
    answer = http.post("/v1/manifests/batch", content=b"{}", headers={"content-type": "application/json"})
    assert_problem(answer, 415, "unsupported-media-type")


def test_a_line_is_answered_before_the_next_is_sent(service, clients, now):
    """Who sends one line and waits gets its answer; nothing waits for a group to fill."""
    exporter = clients("exporter")
    with socket.create_connection(
        ("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=20
    ) as connection:
        connection.sendall(
            b"POST /v1/manifests/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        received = b""
        for count in range(1, 4):
            line = line_of(cargo.submission(exporter, now)) + b"\n"
            connection.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            while received.count(b'"promise"') < count:
                part = connection.recv(65536)
                assert part
                received += part
        connection.sendall(b"0\r\n\r\n")
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65536)


def test_a_connection_that_breaks_off_keeps_what_was_answered(service, clients, http, now):
    submission = cargo.submission(clients("exporter"), now)
    with socket.create_connection(
        ("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=20
    ) as connection:
        line = line_of(submission) + b"\n" + line_of(submission)[:100]
        connection.sendall(
            b"POST /v1/manifests/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
            b"Content-Length: 100000\r\n\r\n" + line
        )
        received = b""
        while b'"promise"' not in received:
            received += connection.recv(65536)
    digest = "0x" + submission.record.to_record().manifest_id.hex()
    assert http.get(f"/v1/manifests/{digest}").status_code == 200


def test_the_client_sends_any_number_and_tells_answers_from_refusals(clients, now):
    exporter, carrier = clients("exporter"), clients("carrier")
    submissions = [cargo.submission(exporter, now) for _ in range(450)]
    submissions[200] = cargo.submission(carrier, now)
    answers = list(exporter.submit_manifests(iter(submissions)))
    assert len(answers) == 450
    assert isinstance(answers[200], ServiceError)
    assert answers[200].status == 403
    assert all(isinstance(answer, ManifestAccepted) for answer in answers[:200] + answers[201:])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_lines_are_cut_alike_however_they_come_in(size):
    from api.batches import _Lines

    text = b"one\n\ntwo" + b"x" * 100 + b"\nthree"
    lines, found = _Lines(), []
    for start in range(0, len(text), size):
        found += lines.feed(text[start : start + size])
    assert [*found, *lines.rest()] == text.split(b"\n")


@pytest.mark.parametrize(("line", "most"), [(b"a", 500), (b"x" * 100_000, 11)])
def test_only_so_much_is_read_ahead_and_all_of_it_is_lodged_in_order(line, most):
    from api.batches import _Ahead

    lines = [line + str(number).encode() for number in range(1_201)]

    async def body():
        for one in lines:
            yield one + b"\n"

    async def lodge_slowly():
        ahead, taken, longest = _Ahead(), [], 0
        reading = asyncio.create_task(ahead.read(body()))
        while group := await ahead.take():
            taken += group
            longest = max(longest, len(group))
            for _ in range(2_000):  # the reader has all the time it could want
                await asyncio.sleep(0)
        await reading
        return taken, longest

    taken, longest = asyncio.run(lodge_slowly())
    assert taken == lines
    assert longest == most


def test_what_a_batch_answers_is_json_whatever_is_asked(http):
    answers = send(http, "\u2028".encode(), b"\xff", json.dumps("\u0000").encode())
    assert [answer["status"] for answer in answers] == [400, 400, 422]
