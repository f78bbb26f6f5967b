"""On a real chain: what a reorganisation takes back is told after what it takes back; who is revoked is told nothing."""

import contextlib
import ipaddress
import json
import threading
import time

import pytest
from ledger_at_work import until
from receivers_at_work import receiving

from ledger.core.identifiers import Party
from ledger.core.records import CustodyKind
from ledger.messages import WebhookRequest, from_hex
from ledger.reading import Reader

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def singapore(open_ledger):
    """The ledger of SG, whose settings list the network of the receivers."""
    at_work = open_ledger(webhook_networks=LOOPBACK)
    at_work.settle()
    return at_work


@contextlib.contextmanager
def sending(at_work):
    stop = threading.Event()
    sender = at_work.ledger.delivering(pauses=(0.02,) * 50)
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def reader_of(at_work, role):
    with at_work.ledger._store.read() as session:
        reader = at_work.ledger.sessions.reader_by_account(session, at_work.network.address(role))
    assert isinstance(reader, Reader)
    return reader


def listening(at_work, role, receiver, **asked):
    """A webhook of a person."""
    made = at_work.ledger.webhooks.register(
        WebhookRequest(url=receiver.url, **asked), reader_of(at_work, role)
    )
    return from_hex(made.id)


def all_sent(at_work):
    with at_work.ledger._store.read() as session:
        last = session.last_told()
        hooks = session.webhooks.in_state("active")
        figures = session.webhooks.figures([row.webhook for row in hooks])
        return not figures["webhook_messages_waiting"] and all(row.followed == last for row in hooks)


def told(receiver):
    """Each event once, in the order in which it was taken first."""
    return list(
        {data["id"]: data for data in (json.loads(one.body)["data"] for one in receiver.received)}.values()
    )


@pytest.mark.row("G7")
def test_what_was_sent_and_is_taken_back_is_followed_by_its_reversal_in_order(singapore):
    """The receiver takes the reversal late, when all that follows it has been told: the order holds all the same."""
    is_late = threading.Event()

    def answer(received):
        is_reversal = json.loads(received.body)["type"].endswith(".reverted")
        if is_reversal and not is_late.is_set():
            refused.append(received)
            return 500, {}
        taken.append(received)
        return 204, {}

    refused, taken = [], []
    manifest = singapore.opened_and_settled()
    with receiving(answer) as receiver, sending(singapore):
        listening(singapore, "officer", receiver, consignment="0x" + manifest.consignment.hex())
        singapore.recorded(CustodyKind.HOLD, "officer", manifest.consignment, details=b"\1" * 32)
        singapore.turn()
        singapore.turn()
        until(lambda: "custody.hold" in [event["kind"] for event in told(receiver)])
        singapore.anvil.roll_back(1)
        singapore.anvil.mine(2)
        singapore.turn()
        singapore.settle()
        until(lambda: len(refused) > 3)
        is_late.set()
        until(lambda: all_sent(singapore))
        seen = list({data["id"]: data for data in (json.loads(one.body)["data"] for one in taken)}.values())
        assert [event["id"] for event in seen] == sorted(event["id"] for event in seen)
        kinds = [event["kind"] for event in seen]
        assert kinds == [
            "record.accepted",
            "custody.hold",
            "custody.hold.reverted",
            "custody.hold",
            "record.final",
        ]
        assert seen[2]["reverts"] == seen[1]["id"]


@pytest.mark.row("G7")
def test_whoever_was_told_is_told_the_reversal_though_it_may_not_read_of_it_any_more(singapore):
    """The carrier has the cargo for one block, which then goes: it was told of a manifest that it may not see now."""
    singapore.work()
    manifest = singapore.opened_and_settled()
    carrier = Party.parse(singapore.network.party("carrier")).to_bytes()
    singapore.recorded(CustodyKind.OFFER, "exporter", manifest.consignment, counterpart=carrier)
    singapore.settle()
    with receiving() as receiver, sending(singapore):
        listening(singapore, "carrier", receiver, kinds=["manifest.anchored"])
        offer = from_hex(singapore.ledger.consignment(manifest.consignment).lines.custody)
        singapore.recorded(CustodyKind.ACCEPT, "carrier", manifest.consignment, subject=offer)
        singapore.work()
        amended = singapore.amendment(manifest)
        singapore.ledger.lodge(amended.submission)
        time.sleep(1.0)  # leaves go into the tree once a second
        singapore.work()
        until(lambda: [event["kind"] for event in told(receiver)] == ["manifest.anchored"])
        (anchored,) = told(receiver)
        depth = singapore.anvil.head() - _block_of_accept(singapore, manifest) + 1
        singapore.anvil.automine(False)
        singapore.anvil.roll_back(depth)
        singapore.anvil.mine(depth + 1)
        singapore.ledger.work_once()
        until(lambda: len(told(receiver)) >= 2)
        reversal = told(receiver)[1]
        assert (reversal["kind"], reversal["reverts"]) == ("manifest.anchored.reverted", anchored["id"])
        carrier = reader_of(singapore, "carrier")
        views, _ = singapore.ledger.events(reversal["id"] - 1, reader=carrier)
        assert reversal["id"] not in [view.id for view in views], "by itself it could not read of it"
        singapore.anvil.automine(True)


def _block_of_accept(at_work, manifest):
    views, _ = at_work.ledger.events(0, kinds=["custody.accept"], consignment=manifest.consignment)
    return views[-1].facts["block"]


def test_a_company_is_told_of_its_own_affairs_and_nothing_once_its_account_is_revoked(singapore):
    singapore.work()
    with receiving() as receiver, sending(singapore):
        webhook = listening(singapore, "carrier", receiver, kinds=["manifest", "account"])
        singapore.lodged("exporter")
        mine = singapore.lodged("carrier")
        until(lambda: receiver.received)
        until(lambda: all_sent(singapore))
        (event,) = told(receiver)
        assert (event["kind"], event["consignment"]) == ("manifest.accepted", "0x" + mine.consignment.hex())
        before = len(receiver.received)
        with contextlib.closing(singapore.network.governance()) as governance:
            governance.revoke(singapore.network.address("carrier"), 1)
        singapore.work()
        singapore.lodged("exporter")
        singapore.work()
        time.sleep(0.5)
        assert len(receiver.received) == before
        with singapore.ledger._store.read() as session:
            row = session.webhooks.get(webhook)
        assert row.followed < singapore.ledger.last_event()
        assert singapore.ledger.metrics()["webhook_messages_waiting"] == 0
