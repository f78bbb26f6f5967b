"""Old events are forgotten, some at a time, and never what somebody is still to be told."""

import ipaddress
import time

import pytest
from told_events import OFFICER, row, tell, webhooks_of
from vaults import unlocked_store

import ledger.retention
from ledger.errors import Conflict, EventsForgotten
from ledger.messages import WebhookRequest
from ledger.retention import Retention

DAY = 86_400
LISTED = (ipaddress.ip_network("127.0.0.0/8"),)
OLD = int(time.time()) - 100 * DAY


@pytest.fixture
def store(database_url, tmp_path):
    with unlocked_store(database_url, tmp_path) as store:
        yield store


def kept(store):
    with store.read() as session:
        return [row.id for row in session.feed(0, 1 << 40)]


def forget(store, *served):
    """What the worker does in the time it takes."""
    retention = Retention(store, 90 * DAY, lambda session: served)
    count = 0
    while more := retention.turn():
        retention._next = 0.0
        count += more
    return count


def new(**changes):
    return row(at=int(time.time()), **changes)


def served(store):
    with store.read() as session:
        return [each.webhook for each in session.webhooks.in_state("active")]


def test_events_are_kept_for_their_time_and_forgotten_from_the_oldest_on(store):
    tell(store, *[row(at=OLD)] * 5, new(), row(at=OLD), new())
    assert forget(store) == 5
    assert kept(store) == [6, 7, 8]  # an old one behind a new one waits for it: there is no hole
    assert forget(store) == 0
    with store.read() as session:
        assert session.feed_rows.forgotten().event == 5
    assert tell(store, new()) == 9  # ids go on


def test_many_are_forgotten_some_at_a_time(store, monkeypatch):
    monkeypatch.setattr(ledger.retention, "AT_A_TIME", 3)
    tell(store, *[row(at=OLD)] * 8)
    retention = Retention(store, 90 * DAY, lambda session: ())
    assert retention.turn() == 3
    assert retention.turn() == 0  # others write in between
    retention._next = 0.0
    assert retention.turn() == 3
    retention._next = 0.0
    assert retention.turn() == 2 and kept(store) == []


def test_what_is_not_final_yet_is_kept_however_old(store):
    tell(store, row(at=OLD, block_number=7), row(at=OLD, block_number=8), row(at=OLD))
    with store.write() as session:
        session.set_told_final(7)
    assert forget(store) == 1 and kept(store) == [2, 3]
    with store.read() as session:
        assert session.feed_rows.forgotten().block == 7
    with store.write() as session:
        session.set_told_final(8)
    assert forget(store) == 2


def test_what_a_webhook_was_not_told_or_may_be_told_again_is_kept(store):
    tell(store, *[row(at=OLD)] * 4)
    webhooks = webhooks_of(store, LISTED)
    hook = bytes.fromhex(
        webhooks.register(WebhookRequest(url="http://127.0.0.1:9/", after=2), OFFICER).id[2:]
    )
    assert forget(store, *served(store)) == 2 and kept(store) == [3, 4]
    with store.write() as session:
        session.webhooks.add_messages(hook, [3, 4], 0)
        assert session.webhooks.follow(hook, 2, 4)
    assert forget(store, *served(store)) == 0
    with store.write() as session:
        session.webhooks.take(hook, 3, 1)
        session.webhooks.fail(hook, 4, "no", 0, None)  # a dead letter, which can be replayed
    with store.write() as session:
        session.webhooks.drop(hook, 3)
    assert forget(store, *served(store)) == 1 and kept(store) == [4]
    assert [letter.event for letter in webhooks.dead_letters(hook, OFFICER)] == [4]


def test_a_webhook_that_is_not_served_keeps_nothing_and_is_never_left_with_a_gap(store):
    """Its account may read nothing, or it was disabled long ago."""
    tell(store, *[row(at=OLD)] * 4)
    webhooks = webhooks_of(store, LISTED)
    behind = bytes.fromhex(
        webhooks.register(WebhookRequest(url="http://127.0.0.1:9/a", after=2), OFFICER).id[2:]
    )
    ahead = bytes.fromhex(
        webhooks.register(WebhookRequest(url="http://127.0.0.1:9/b", after=4), OFFICER).id[2:]
    )
    assert forget(store) == 4
    assert webhooks.one(behind, OFFICER).state == "failing" and webhooks.one(ahead, OFFICER).state == "active"
    with pytest.raises(Conflict, match="remove it, register another"):
        webhooks.enable(behind, OFFICER)
    with store.write() as session:
        session.webhooks.disable(ahead, "failing")
    assert webhooks.enable(ahead, OFFICER).state == "active"


def test_a_webhook_cannot_begin_where_nothing_is_kept(store):
    tell(store, *[row(at=OLD)] * 4, new())
    forget(store)
    webhooks = webhooks_of(store, LISTED)
    with pytest.raises(EventsForgotten) as refused:
        webhooks.register(WebhookRequest(url="http://127.0.0.1:9/", after=3), OFFICER)
    assert (refused.value.oldest, refused.value.newest) == (5, 5) and "after 5" in str(refused.value)
    webhooks.register(WebhookRequest(url="http://127.0.0.1:9/", after=4), OFFICER)
    from_all = webhooks.register(WebhookRequest(url="http://127.0.0.1:9/all", after=0), OFFICER)
    with store.read() as session:
        assert session.webhooks.get(bytes.fromhex(from_all.id[2:])).followed == 4
