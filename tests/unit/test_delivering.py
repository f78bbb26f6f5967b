"""Every event reaches every receiver that takes it, once or more, in the order of its consignment; on both databases."""

import contextlib
import ipaddress
import json
import ssl
import threading
import time

import pytest
import standardwebhooks
from ledger_at_work import until
from receivers_at_work import listening, receiving
from told_events import OFFICER, delivering, row, tell, webhooks_of
from vaults import unlocked_store

from ledger import delivering as delivering_module
from ledger import posting
from ledger.errors import Conflict, InvalidIdentifier, NotFound, StoreError
from ledger.messages import RotationRequest, WebhookRequest, from_hex
from ledger.reading import Reader
from ledger.retrying import PAUSES_SECONDS
from ledger.store import Session
from ledger.webhook_messages import headers_of

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
A, B = b"a" * 32, b"b" * 32
QUICK = (0.01,) * 60


class Desk:
    """A store, its webhooks, and what sends for them; `clock` runs by itself and can be put forward."""

    def __init__(self, store):
        self.store = store
        self.webhooks = webhooks_of(store, LOOPBACK)
        self.ahead = 0.0

    def clock(self):
        return time.time() + self.ahead

    def register(self, url, **asked):
        made = self.webhooks.register(WebhookRequest(url=url, **asked), OFFICER)
        return from_hex(made.id), made.secret

    def view(self, webhook):
        return self.webhooks.one(webhook, OFFICER)

    @contextlib.contextmanager
    def sending(self, **options):
        stop = threading.Event()
        sender = delivering(self.store, LOOPBACK, **({"pauses": QUICK, "now": self.clock} | options))
        thread = threading.Thread(target=sender.run, args=(stop,))
        thread.start()
        try:
            yield sender
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def desk(database_url, tmp_path):
    """On each of the two databases in turn: what is about rows."""
    with unlocked_store(database_url, tmp_path) as store:
        yield Desk(store)


@pytest.fixture
def lone_desk(tmp_path):
    """On SQLite alone: what is about receivers."""
    with unlocked_store(f"sqlite:///{tmp_path / 'ledger.sqlite3'}", tmp_path) as store:
        yield Desk(store)


def data(received):
    return json.loads(received.body)["data"]


def verified(received, secret):
    return standardwebhooks.Webhook(secret).verify(received.body, received.headers)


def test_an_event_arrives_as_standard_webhooks_has_it_and_the_reference_verifier_takes_it(lone_desk):
    with receiving() as receiver, lone_desk.sending():
        webhook, secret = lone_desk.register(receiver.url)
        event = tell(lone_desk.store, row("custody.hold", consignment=A, facts={"digest": A}))
        until(lambda: lone_desk.view(webhook).delivered == 1)
        message = verified(receiver.received[0], secret)
        assert message["type"] == "custody.hold" and message["timestamp"] == "2026-09-21T14:13:20Z"
        assert message["data"]["id"] == event and message["data"]["facts"] == {"digest": "0x" + A.hex()}
        assert receiver.received[0].headers["content-type"] == "application/json"
        assert "." not in receiver.received[0].id
        view = lone_desk.view(webhook)
        assert (view.state, view.waiting, view.dead, view.failed) == ("active", 0, 0, 0)
        assert view.url == receiver.url


@pytest.mark.row("G5")
def test_what_is_old_or_altered_is_taken_by_no_verifier():
    secret = "whsec_" + "A" * 43 + "="
    now, body, verifier = int(time.time()), b'{"type":"custody.hold"}', standardwebhooks.Webhook(secret)
    good = headers_of("msg_1", now, body, [bytes(32)])
    assert verifier.verify(body, good) == {"type": "custody.hold"}
    altered = [
        (body, good | {"webhook-id": "msg_2"}),
        (body, good | {"webhook-timestamp": str(now + 1)}),
        (body + b" ", good),
        (body, headers_of("msg_1", now - 301, body, [bytes(32)])),
        (body, headers_of("msg_1", now + 301, body, [bytes(32)])),
        (body, headers_of("msg_1", now, body, [b"\1" * 32])),
        (body, {name: value for name, value in good.items() if name != "webhook-signature"}),
        # a full stop that moves between the parts
        (f"{now}.".encode() + body, good | {"webhook-id": "msg_1", "webhook-timestamp": str(now)}),
        (body, good | {"webhook-id": f"msg_1.{now}", "webhook-timestamp": ""}),
    ]
    for content, headers in altered:
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            verifier.verify(content, headers)


@pytest.mark.row("G4")
def test_while_secrets_rotate_both_sign_and_the_former_alone_is_refused_after(lone_desk):
    def told(number):
        """Tell one event and send it; a turn of sending that began before the clock was moved may be at it for a while."""
        tell(lone_desk.store, row(consignment=A))
        with lone_desk.sending():
            until(lambda: len(receiver.received) == number)

    with receiving() as receiver:
        webhook, former = lone_desk.register(receiver.url)
        new = lone_desk.webhooks.rotate(webhook, RotationRequest(overlap_seconds=600), OFFICER).secret
        told(1)
        assert verified(receiver.received[0], former) and verified(receiver.received[0], new)
        assert receiver.received[0].headers["webhook-signature"].count("v1,") == 2
        lone_desk.ahead = 601
        told(2)
        assert receiver.received[1].headers["webhook-signature"].count("v1,") == 1
        lone_desk.ahead = 0  # the verifier's clock is the machine's
        newest = lone_desk.webhooks.rotate(webhook, RotationRequest(overlap_seconds=0), OFFICER).secret
        told(3)
        assert verified(receiver.received[2], newest)
        for old in (former, new):
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                verified(receiver.received[2], old)


def test_so_many_secrets_sign_and_no_more(lone_desk):
    webhook, _ = lone_desk.register("https://public.example/")
    for _ in range(4):
        lone_desk.webhooks.rotate(webhook, RotationRequest(), OFFICER)
    with pytest.raises(Conflict, match="5 secrets"):
        lone_desk.webhooks.rotate(webhook, RotationRequest(), OFFICER)
    lone_desk.webhooks.rotate(webhook, RotationRequest(overlap_seconds=0), OFFICER)
    lone_desk.webhooks.rotate(webhook, RotationRequest(), OFFICER)


@pytest.mark.row("G1")
def test_what_is_not_taken_comes_again_under_its_id_and_holds_its_consignment_back(desk):
    refused = {}

    def answer(received):
        name = data(received)["id"]
        refused[name] = refused.get(name, 0) + 1
        return (500 if refused[name] <= 2 and name % 2 else 204), {}

    with receiving(answer) as receiver:
        webhook, _ = desk.register(receiver.url, after=0)
        lines = [(A, None), (B, None), (A, B), (None, None)]
        tell(desk.store, *(row(consignment=one, second=two) for one, two in lines * 6))
        with desk.sending():
            until(lambda: desk.view(webhook).delivered == 24)
        ids = {}
        for received in receiver.received:
            ids.setdefault(data(received)["id"], set()).add(received.id)
        assert len(ids) == 24 and all(len(names) == 1 for names in ids.values())
        assert len(set.union(*ids.values())) == 24
        assert len(receiver.received) == 24 + 2 * 12
        for line in ("0x" + A.hex(), "0x" + B.hex(), None):
            seen = [
                data(received)["id"]
                for received in receiver.received
                if line
                in (data(received)["consignment"], data(received)["second"] or data(received)["consignment"])
            ]
            assert seen == sorted(seen)


@pytest.mark.row("G6")
def test_the_attempts_come_on_the_published_schedule_and_then_it_is_a_dead_letter_that_can_be_replayed(desk):
    """Three days pass: the clock is put forward to each next attempt, and never so far that it is late."""
    down = True
    with receiving(lambda _: (503 if down else 204, {})) as receiver, desk.sending(pauses=PAUSES_SECONDS):
        webhook, _ = desk.register(receiver.url)
        event = tell(desk.store, row("custody.hold", consignment=A))
        behind = tell(desk.store, row("custody.lift", consignment=A))
        for number, pause in enumerate(PAUSES_SECONDS, 1):
            until(lambda number=number: desk.view(webhook).failed == number)
            failed_at = desk.clock()
            with desk.store.read() as session:
                (first, second) = session.webhooks.waiting(webhook)
            assert first.attempts == number and second.attempts == 0
            assert 0.9 * pause - 5 <= first.due_ms / 1_000 - failed_at <= 1.1 * pause + 1
            desk.ahead += max(first.due_ms / 1_000 - desk.clock() - 0.3, 0)
            time.sleep(0.02)
            assert desk.view(webhook).failed == number, "it came too early"
            desk.ahead += 0.31
        until(lambda: desk.view(webhook).state == "failing")
        assert len(receiver.received) == 10 and desk.ahead > 0.9 * sum(PAUSES_SECONDS)
        assert {data(received)["id"] for received in receiver.received} == {event}
        (letter,) = desk.webhooks.dead_letters(webhook, OFFICER)
        assert (letter.event, letter.kind, letter.attempts) == (event, "custody.hold", 10)
        assert letter.problem == "it answered with status 503"
        desk.ahead += 30_000
        tell(desk.store, row("custody.hold", consignment=B))
        time.sleep(0.3)
        assert len(receiver.received) == 10, "to what is disabled nothing is sent"
        down = False
        assert desk.webhooks.replay(webhook, [event], OFFICER) == 1
        assert desk.webhooks.enable(webhook, OFFICER).state == "active"
        until(lambda: desk.view(webhook).delivered == 3)
        again = [data(received)["id"] for received in receiver.received[10:]]
        assert again.index(event) < again.index(behind), "what is replayed goes before what waits"
        assert sorted(again) == [event, behind, behind + 1]
        assert {received.id for received in receiver.received if data(received)["id"] == event} == {
            receiver.received[0].id
        }
        assert desk.webhooks.dead_letters(webhook, OFFICER) == []
        assert desk.webhooks.replay(webhook, None, OFFICER) == 0


def test_one_message_that_is_given_up_disables_nothing_where_others_are_taken(lone_desk):
    def answer(received):
        return (400 if data(received)["consignment"] == "0x" + A.hex() else 204), {}

    with receiving(answer) as receiver, lone_desk.sending(pauses=(0.1, 0.1)):
        webhook, _ = lone_desk.register(receiver.url, after=0)
        tell(lone_desk.store, row(consignment=A))
        until(lambda: lone_desk.view(webhook).failed == 1)
        tell(lone_desk.store, row(consignment=B))
        until(lambda: lone_desk.view(webhook).dead == 1)
        view = lone_desk.view(webhook)
        assert (view.state, view.delivered, view.failed) == ("active", 1, 3)


@pytest.mark.row("G6")
def test_a_receiver_that_is_gone_is_told_nothing_more_until_it_is_enabled(lone_desk):
    gone = True
    with receiving(lambda _: (410 if gone else 204, {})) as receiver, lone_desk.sending():
        webhook, _ = lone_desk.register(receiver.url)
        tell(lone_desk.store, row(consignment=A), row(consignment=B))
        until(lambda: lone_desk.view(webhook).state == "gone")
        sent = len(receiver.received)
        assert sent <= 2
        tell(lone_desk.store, row(consignment=A))
        time.sleep(0.3)
        assert len(receiver.received) == sent
        gone = False
        lone_desk.webhooks.enable(webhook, OFFICER)
        until(lambda: lone_desk.view(webhook).delivered == 3)
        assert lone_desk.view(webhook).dead == 0


@pytest.mark.row("G6")
@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_that_asks_for_time_has_it_for_all_its_messages(lone_desk, status):
    busy = True
    with (
        receiving(lambda _: (status, {"retry-after": "300"}) if busy else (204, {})) as receiver,
        lone_desk.sending(),
    ):
        webhook, _ = lone_desk.register(receiver.url)
        tell(lone_desk.store, row(consignment=A))
        until(lambda: lone_desk.view(webhook).failed == 1)
        busy = False
        tell(lone_desk.store, row(consignment=B))
        lone_desk.ahead += 295
        time.sleep(0.4)
        assert len(receiver.received) == 1
        lone_desk.ahead += 6
        until(lambda: lone_desk.view(webhook).delivered == 2)


@pytest.mark.row("G3")
def test_a_receiver_that_hangs_keeps_nobody_waiting(lone_desk, monkeypatch):
    """Twenty receivers hang, one does not: its messages arrive within the second."""
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 4)
    arrived = {}

    def answer(received):
        arrived[data(received)["id"]] = time.monotonic()
        return 204, {}

    with listening() as hanging, receiving(answer) as receiver, lone_desk.sending():
        other = Reader("0x" + "11" * 20, OFFICER.party, OFFICER.roles)
        for place in range(20):
            who = (
                OFFICER
                if place < 9
                else other
                if place < 18
                else Reader("0x" + "22" * 20, *[OFFICER.party, OFFICER.roles])
            )
            url = f"http://127.0.0.1:{hanging.port}/{place}"
            lone_desk.webhooks.register(WebhookRequest(url=url), who)
        webhook, _ = lone_desk.register(receiver.url)
        told = {}
        for _ in range(10):
            told[tell(lone_desk.store, row(consignment=A))] = time.monotonic()
            time.sleep(0.05)
        until(lambda: lone_desk.view(webhook).delivered == 10)
        assert hanging.connections == 20  # one each: a receiver that takes nothing is asked one at a time
        assert all(arrived[event] - at < 4 for event, at in told.items()), "they waited for a time-out"


def test_filters_narrow_and_a_reversal_comes_to_whoever_was_told(desk):
    with receiving() as receiver, desk.sending():
        webhook, _ = desk.register(
            receiver.url, kinds=["custody.hold"], consignment="0x" + A.hex(), administration="SG"
        )
        tell(
            desk.store,
            row("custody.hold", consignment=A),
            row("custody.hold", consignment=B),
            row("custody.holdup", consignment=A),
            row("custody.lift", consignment=A),
            row("custody.hold", consignment=B, second=A),
            row("custody.hold", consignment=A, administration=b"NL".ljust(8, b"\0")),
            row("custody.hold.reverted", consignment=A, reverts=1),
        )
        until(lambda: desk.view(webhook).followed == 7)
        until(lambda: desk.view(webhook).delivered == 3)
        assert [data(received)["id"] for received in receiver.received] == [1, 5, 7]


def test_it_begins_where_it_is_asked_to_and_by_default_now(lone_desk):
    tell(lone_desk.store, *(row(consignment=A) for _ in range(5)))
    with receiving() as receiver, lone_desk.sending():
        now, _ = lone_desk.register(receiver.url + "/now")
        after, _ = lone_desk.register(receiver.url + "/after", after=3)
        tell(lone_desk.store, row(consignment=A))
        until(lambda: lone_desk.view(now).delivered == 1 and lone_desk.view(after).delivered == 3)
        by_path = {}
        for received in receiver.received:
            by_path.setdefault(received.path.rpartition("/")[2], []).append(data(received)["id"])
        assert by_path == {"now": [6], "after": [4, 5, 6]}
        with pytest.raises(Conflict, match="not among them"):
            lone_desk.register(receiver.url + "/never", after=7)


def test_a_webhook_is_its_accounts_alone_and_one_for_an_address(desk):
    webhook, _ = desk.register("https://public.example/a?token=x")
    other = Reader("0x" + "11" * 20, OFFICER.party, OFFICER.roles)
    for attempt in (
        lambda: desk.webhooks.one(webhook, other),
        lambda: desk.webhooks.remove(webhook, other),
        lambda: desk.webhooks.rotate(webhook, RotationRequest(), other),
        lambda: desk.webhooks.enable(webhook, other),
        lambda: desk.webhooks.dead_letters(webhook, other),
        lambda: desk.webhooks.replay(webhook, None, other),
        lambda: desk.webhooks.one(bytes(32), OFFICER),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert desk.webhooks.all(other) == []
    with pytest.raises(Conflict, match="already"):
        desk.register("https://public.example/a?token=x")
    desk.webhooks.register(WebhookRequest(url="https://public.example/a?token=x"), other)
    for place in range(9):
        desk.register(f"https://public.example/{place}")
    with pytest.raises(Conflict, match="10 webhooks"):
        desk.register("https://public.example/another")
    with pytest.raises(InvalidIdentifier):
        desk.register("https://10.0.0.1/")
    desk.webhooks.remove(webhook, OFFICER)
    assert len(desk.webhooks.all(OFFICER)) == 9
    with pytest.raises(NotFound):
        desk.view(webhook)
    desk.register("https://public.example/another")


def test_what_is_removed_or_may_not_read_is_told_nothing(desk):
    with receiving() as receiver:
        removed, _ = desk.register(receiver.url, after=0)
        tell(desk.store, row(consignment=A))
        with desk.sending(), contextlib.suppress(NotFound):
            until(lambda: desk.view(removed).delivered == 1)
            desk.webhooks.remove(removed, OFFICER)
            tell(desk.store, row(consignment=A))
            time.sleep(0.3)
        assert len(receiver.received) == 1
        webhook, _ = desk.register(receiver.url)
        tell(desk.store, row(consignment=A))  # of which it has no message
        nobody = delivering(desk.store, LOOPBACK, None)
        stop = threading.Event()
        thread = threading.Thread(target=nobody.run, args=(stop,))
        thread.start()
        time.sleep(0.3)
        stop.set()
        thread.join()
        assert len(receiver.received) == 1 and desk.view(webhook).followed == 2
        with desk.store.read() as session:
            assert session.without_sealed() == []


def test_a_database_that_fails_for_a_moment_loses_nothing_and_leaves_nothing_behind(lone_desk, monkeypatch):
    """It fails after messages were taken from the queue, and before they are on their way."""
    failures = iter([True, False, True, True])
    told = Session.told

    def fail_at_times(session, ids):
        if next(failures, False):
            raise StoreError("The database is away.")
        return told(session, ids)

    monkeypatch.setattr(Session, "told", fail_at_times)
    with receiving() as receiver, lone_desk.sending():
        webhook, _ = lone_desk.register(receiver.url)
        tell(lone_desk.store, *(row(consignment=line) for line in (A, A, B)))
        until(lambda: lone_desk.view(webhook).delivered == 3)
        assert sorted(data(received)["id"] for received in receiver.received) == [1, 2, 3]


def test_messages_are_forgotten_after_their_time_and_secrets_erased(desk, monkeypatch):
    monkeypatch.setattr(delivering_module, "_PRUNE_SECONDS", 0.0)

    def answer(received):
        return (500 if data(received)["consignment"] == "0x" + B.hex() else 204), {}

    with receiving(answer) as receiver, desk.sending(pauses=()):
        webhook, _ = desk.register(receiver.url)
        desk.webhooks.rotate(webhook, RotationRequest(overlap_seconds=60), OFFICER)
        tell(desk.store, row(consignment=A), row(consignment=B))
        until(lambda: desk.view(webhook).delivered == 1 and desk.view(webhook).dead == 1)

        def rows():
            with desk.store.read() as session:
                return session.webhooks.counts(webhook), len(session.webhooks.secrets_of(webhook))

        desk.ahead = 61
        until(lambda: rows() == ({"taken": 1, "dead": 1}, 1))
        desk.ahead = 86_460
        until(lambda: rows()[0] == {"dead": 1})
        desk.ahead = 31 * 86_400
        until(lambda: rows()[0] == {})


def test_urls_and_secrets_are_nowhere_in_the_clear(desk, tmp_path):
    webhook, secret = desk.register("https://public.example/hook?token=a-planted-secret")
    with desk.store.read() as session:
        for table in ("webhooks", "webhook_secrets", "webhook_messages", "sealed_objects"):
            for found in session._connection.exec_driver_sql(f"SELECT * FROM {table}"):
                assert "planted" not in repr(tuple(found)) and secret[6:] not in repr(tuple(found))
    assert desk.view(webhook).url.endswith("a-planted-secret")
    for file in tmp_path.glob("ledger.sqlite3*"):
        assert b"a-planted-secret" not in file.read_bytes()


def test_figures_say_what_became_of_messages(desk):
    def figures():
        with desk.store.read() as session:
            return session.webhooks.figures([row.webhook for row in session.webhooks.in_state("active")])

    assert set(figures().values()) == {0}
    webhook, _ = desk.register("http://127.0.0.1:9/", after=0)
    tell(desk.store, row(consignment=A), row(consignment=B))
    with desk.sending(pauses=(60,)):
        until(lambda: figures()["webhook_attempts_failed"] >= 1)
    now = figures()
    assert now["webhooks_active"] == 1 and now["webhook_messages_waiting"] == 2
    assert abs(now["webhook_oldest_made_at"] - time.time()) < 60
    with desk.sending(pauses=()):
        desk.ahead = 70
        until(lambda: figures()["webhook_messages_dead"] >= 1)
    assert desk.view(webhook).state == "failing" and figures()["webhooks_failing"] == 1


def test_the_machines_own_authorities_vouch_unless_others_are_given(lone_desk):
    sender = delivering(lone_desk.store, LOOPBACK)
    assert sender._tls.verify_mode == ssl.CERT_REQUIRED and sender._tls.check_hostname
