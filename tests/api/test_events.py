"""Events come as they happen, go on where a reader left off, and take no memory for readers who do not read."""

import contextlib
import resource
import socket
import threading
import time
from itertools import islice

import cargo
import pytest
import running_service
from problem_answers import assert_problem
from told_events import row, tell

import api.streams
from ledger.client import LedgerClient
from ledger.errors import ServiceError
from ledger.events import of_contract
from ledger.ledger import Ledger
from ledger.retention import Retention

LINE_SECONDS = 20


@contextlib.contextmanager
def following(http, **request):
    """The lines of a stream, as they come."""
    with http.stream("GET", "/v1/events", timeout=LINE_SECONDS, **request) as response:
        assert response.status_code == 200, response.read()
        yield response, response.iter_lines()


def blocks(lines):
    """Server-Sent Events as (id, kind, data); what has no data moves the reader's id alone."""
    fields = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield int(fields["id"]), fields["event"], fields["data"]
            fields = {}
        else:
            fields = {}


def test_what_happens_is_told_as_it_happens(http, clients, now):
    with following(http, params={"kind": "manifest.accepted"}) as (response, lines):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        next(lines)  # it has begun, so what comes from here on is told
        answer = clients("exporter").submit_manifest(cargo.submission(clients("exporter"), now))
        _, kind, data = next(blocks(lines))
        assert kind == "manifest.accepted" and answer.digest in data


def test_a_reader_goes_on_where_it_left_off_and_misses_and_repeats_nothing(service, clients, now):
    exporter = clients("exporter")
    with service.client() as reader:
        start = reader_place(reader)
        accepted = [exporter.submit_manifest(cargo.submission(exporter, now)).digest for _ in range(6)]
        whole = list(islice(reader.events(after=start, kinds=["manifest.accepted"]), 6))
        assert [event.facts["digest"] for event in whole] == accepted
        for place in range(6):
            rest = islice(reader.events(after=whole[place].id, kinds=["manifest.accepted"]), 5 - place)
            assert list(rest) == whole[place + 1 :]


def reader_place(reader):
    """The id of the newest event."""
    with reader._http.stream("GET", "/v1/events") as response:
        return next(int(line[4:]) for line in response.iter_lines() if line.startswith("id: "))


def test_the_last_event_id_of_the_header_counts_before_the_one_of_the_address(http, service):
    with service.client() as reader:
        newest = reader_place(reader)
    with following(http, params={"after": 0}, headers={"last-event-id": str(newest)}) as (_, lines):
        first = next(int(line[4:]) for line in lines if line.startswith("id: "))
        assert first >= newest > 1  # more may have happened since
    with following(http, params={"after": 0}) as (_, lines):
        assert next(blocks(lines))[0] == 1


def test_only_what_is_asked_for_comes_and_the_readers_place_moves_on_over_the_rest(
    http, service, clients, now
):
    exporter = clients("exporter")
    mine = exporter.submit_manifest(cargo.submission(exporter, now))
    other = exporter.submit_manifest(cargo.submission(exporter, now))
    consignment = exporter.manifest(mine.digest).record.consignment
    with following(http, params={"after": 0, "consignment": consignment}) as (_, lines):
        _, kind, data = next(blocks(lines))
        assert kind == "manifest.accepted" and mine.digest in data and other.digest not in data
        place = next(int(line[4:]) for line in lines if line.startswith("id: "))
    assert place > 1


@pytest.mark.parametrize(
    "query",
    [
        "kind=cargo",
        "kind=custody.h",
        "kind=custody..hold",
        "consignment=0x12",
        "administration=sg",
        "after=-1",
        "after=x",
        "&".join(["kind=custody"] * 21),
    ],
)
def test_a_filter_that_can_match_nothing_is_refused(http, query):
    assert_problem(http.get(f"/v1/events?{query}"), 422, "invalid-fields")


def test_a_last_event_id_that_is_none_is_refused(http):
    assert_problem(http.get("/v1/events", headers={"last-event-id": "-1"}), 422, "invalid-fields")
    assert_problem(http.get("/v1/events", headers={"last-event-id": "99999999"}), 409, "conflict")


def test_a_quiet_stream_has_a_heartbeat(http, monkeypatch):
    monkeypatch.setattr(api.streams, "HEARTBEAT_SECONDS", 0.1)
    with following(http, params={"kind": "motion"}) as (_, lines):
        beats = filter(
            ": heartbeat".__eq__, lines
        )  # news of others may come between; no line at all is a time-out
        assert len([*islice(beats, 2)]) == 2


# --- a service of its own, with a long feed


@pytest.fixture
def long_feed(network, tmp_path, monkeypatch):
    """A service that has much to tell, and no worker; `service` and how many events there are."""
    monkeypatch.setattr(api.streams, "SLOW_SECONDS", 1.0)
    settings = running_service.settings_for(network, tmp_path)
    ledger = Ledger.open(settings.config, create=True)
    values = {"administration": b"SG".ljust(8, b"\0"), "governor": "0x" + "ab" * 20}
    row = of_contract("AdministrationAdmitted", values, 1, 1, b"\1" * 32)
    for _ in range(4):
        with ledger._store.write() as session:
            session.tell([row] * 5_000)
    ledger.close()
    with running_service.serving(network, settings) as service:
        yield service, 20_000


def test_a_reader_that_does_not_read_is_dropped_and_nothing_is_kept_for_it(long_feed):
    service, count = long_feed
    host, port = service.url.removeprefix("http://").split(":")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slow = contextlib.ExitStack()
    for _ in range(20):
        connection = slow.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        connection.sendall(b"GET /v1/events?after=0 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    started = time.monotonic()
    with slow, LedgerClient(service.url) as reader:
        everything = reader.events(after=0)
        assert [event.id for event in islice(everything, 2_000)] == list(range(1, 2_001))
        streams = service.app.state.streams
        while streams._count > 1 and time.monotonic() - started < 30:
            time.sleep(0.1)
        assert streams._count <= 1, "readers that do not read are still there"
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert grown < 48, f"{grown:.0f} MiB for 20 readers of a feed of 8 MB"
    assert count == 20_000


def test_there_are_so_many_readers_and_no_more_and_a_place_that_is_left_is_free(long_feed, monkeypatch):
    service, _ = long_feed
    monkeypatch.setattr(api.streams, "MOST_STREAMS", 3)
    with LedgerClient(service.url, retry_seconds=0) as client:
        http = client._http
        with contextlib.ExitStack() as open_streams:
            streams = [
                open_streams.enter_context(following(http, params={"kind": "motion"})) for _ in range(3)
            ]
            for _, lines in streams:
                next(lines)
            answer = http.get("/v1/events")
            assert_problem(answer, 503, "too-many-streams")
            assert answer.headers["retry-after"]
        deadline = time.monotonic() + 10
        while http.get("/v1/events?after=99999999999").status_code == 503:
            assert time.monotonic() < deadline, "the places stay taken"
            time.sleep(0.1)


def test_a_service_that_is_asked_to_end_ends_its_streams(long_feed):
    service, _ = long_feed
    with LedgerClient(service.url) as client, following(client._http) as (_, lines):
        next(lines)
        threading.Timer(0.2, service.app.state.streams.end).start()
        started = time.monotonic()
        assert list(lines) is not None
        assert time.monotonic() - started < 10


def test_a_reader_that_was_away_for_too_long_is_told_and_not_left_with_a_gap(network, tmp_path):
    settings = running_service.settings_for(network, tmp_path)
    with contextlib.closing(Ledger.open(settings.config, create=True)) as ledger:
        tell(ledger._store, *[row(at=1_000_000_000)] * 9, row())
        Retention(ledger._store, 0, lambda session: ()).turn()
        tell(ledger._store, row(at=int(time.time()) + 60))
    with running_service.serving(network, settings) as service, service.client() as reader:
        with reader._http.stream("GET", "/v1/events", headers={"last-event-id": "4"}) as answer:
            assert answer.status_code == 410, "it streams on, with a gap"
            answer.read()
        problem = assert_problem(answer, 410, "events-forgotten")
        assert (problem["after"], problem["oldest"], problem["newest"]) == (4, 11, 11)
        with pytest.raises(ServiceError) as refused:
            next(reader.events(after=4))
        assert refused.value.status == 410 and refused.value.problem["newest"] == 11
        assert next(reader.events(after=0)).id == 11
        assert next(reader.events(after=10)).id == 11
