"""The order of one consignment's messages is kept, and nobody waits for another's; the schedule is the published one."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.delivery_queue import MOST_UNDER_WAY, DeliveryQueue, Waiting
from ledger.retrying import LONGEST_WAIT_SECONDS, PAUSES_SECONDS, pause_after, wait_asked_for

A, B = b"a" * 32, b"b" * 32


def queue_of(*waiting, limit=MOST_UNDER_WAY):
    queue = DeliveryQueue()
    queue._limit = limit
    queue.add(waiting)
    return queue


def events(taken):
    return [one.event for one in taken]


@pytest.mark.row("G1")
def test_of_one_consignment_the_next_goes_when_the_one_before_was_taken_or_given_up():
    queue = queue_of(*(Waiting(event, (A,), 0) for event in (1, 2, 3)), Waiting(4, (B,), 0))
    assert events(queue.take(0)) == [1, 4]
    assert queue.take(0) == []
    queue.failed(1, 500)
    assert queue.take(499) == []
    assert events(queue.take(500)) == [1]
    queue.succeeded(1)
    assert events(queue.take(500)) == [2]
    queue.failed(2, None)
    assert events(queue.take(500)) == [3]


@pytest.mark.row("G1")
def test_what_is_about_two_consignments_waits_for_both_and_is_waited_for_by_both():
    queue = queue_of(
        Waiting(1, (A,), 0),
        Waiting(2, (B,), 0),
        Waiting(3, (A, B), 0),
        Waiting(4, (A,), 0),
        Waiting(5, (B,), 0),
        Waiting(6, (A, A), 0),
    )
    assert events(queue.take(0)) == [1, 2]
    queue.succeeded(1)
    assert queue.take(0) == []
    queue.succeeded(2)
    assert events(queue.take(0)) == [3]
    queue.succeeded(3)
    assert events(queue.take(0)) == [4, 5]
    queue.succeeded(4)
    assert events(queue.take(0)) == [6]


def test_what_is_offered_twice_is_taken_once():
    queue = queue_of(Waiting(2, (A,), 0))
    assert events(queue.take(0)) == [2]
    queue.refill([Waiting(1, (A,), 0), Waiting(2, (A,), 0)])
    queue.succeeded(2)
    assert events(queue.take(0)) == [1]
    assert queue.take(0) == []


def test_what_is_about_no_consignment_keeps_its_order_too():
    queue = queue_of(Waiting(1, (), 0), Waiting(2, (), 0), Waiting(3, (A,), 0))
    assert events(queue.take(0)) == [1, 3]


def test_a_receiver_that_takes_nothing_is_asked_one_at_a_time():
    queue = queue_of(*(Waiting(event, (bytes([event]) * 32,), 0) for event in range(1, 200)), limit=1)
    assert len(queue.take(0)) == 1
    queue.succeeded(1)
    assert len(queue.take(0)) == 2
    for event in range(2, 30):
        queue.succeeded(event)
        queue.take(0)
    assert len(queue._under_way) == MOST_UNDER_WAY
    for event in sorted(queue._under_way):
        queue.failed(event, 10**9)
    assert len(queue.take(0)) == 1


def test_a_queue_that_is_filled_anew_sends_nothing_twice_that_is_under_way():
    queue = queue_of(Waiting(2, (A,), 0), Waiting(3, (B,), 0))
    assert events(queue.take(0)) == [2, 3]
    queue.refill([Waiting(1, (A,), 0), Waiting(2, (A,), 0), Waiting(3, (B,), 0), Waiting(4, (B,), 0)])
    assert events(queue.take(0)) == [1]  # put back: it goes as soon as it can
    queue.succeeded(3)
    assert events(queue.take(0)) == [4]
    queue.succeeded(2)
    queue.succeeded(1)
    assert len(queue) == 1 and queue.untried == 1
    queue.refill([])
    queue.failed(4, 5)  # it is not here any more
    assert len(queue) == 0 and queue.take(10) == []


@pytest.mark.row("G1")
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_whatever_fails_all_goes_out_and_each_line_in_order(seed, count):
    chance = random.Random(seed)
    lines = [bytes([each]) * 32 for each in range(5)]
    waiting = [
        Waiting(event, tuple(chance.sample(lines, chance.choice([0, 1, 1, 1, 2]))), 0)
        for event in range(1, count + 1)
    ]
    queue = queue_of(limit=1)
    queue.add(waiting[: count // 2])
    later, now, under_way, taken = waiting[count // 2 :], 0, [], []
    while len(queue) or later:
        if later and chance.random() < 0.3:
            queue.add([later.pop(0)])
        under_way += queue.take(now)
        heads = [line for one in under_way for line in (set(one.lines) or {b""})]
        assert len(heads) == len(set(heads)), "two of one line are under way"
        now += 1
        if under_way:
            one = under_way.pop(chance.randrange(len(under_way)))
            if chance.random() < 0.3:
                queue.failed(one.event, now + chance.randrange(5))
            else:
                queue.succeeded(one.event)
                taken.append(one)
    assert len(taken) == count
    for line in [*lines, b""]:
        of_line = [one.event for one in taken if line in (set(one.lines) or {b""})]
        assert of_line == sorted(of_line)


@pytest.mark.row("G6")
def test_the_schedule_is_the_published_one_with_a_tenth_of_jitter():
    readme = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())
    text = readme.partition("What is not answered 2xx comes again after ")[2].partition(" (")[0]
    units = {"s": 1, "min": 60, "h": 3600}
    published = [int(number) * units[unit] for number, unit in (each.split() for each in text.split(", "))]
    assert len(published) == 9
    assert list(PAUSES_SECONDS) == published
    for attempts, seconds in enumerate(published, 1):
        drawn = [pause_after(attempts, chance) for chance in (0, 0.5, 1)]
        assert drawn == pytest.approx([0.9 * seconds, seconds, 1.1 * seconds])
    assert pause_after(len(published) + 1, 0.5) is None
    assert sum(published) > 3 * 86_400


@pytest.mark.row("G6")
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
        ("999999999999999999", LONGEST_WAIT_SECONDS),
        ("Wed, 21 Oct 9999 07:28:00 GMT", LONGEST_WAIT_SECONDS),
        *(
            (text, 0)
            for text in ("", "-5", "soon", "1e9", "٣", "Wed, 99 Oct 2026 99:99:99 GMT", "\x00", "1.5")
        ),
    ],
)
def test_what_a_receiver_asks_for_is_read_and_bounded(header, seconds):
    assert wait_asked_for(header, 1792567680.0) == seconds


def test_the_pauses_grow():
    assert all(one < next_one for one, next_one in pairwise(PAUSES_SECONDS))
