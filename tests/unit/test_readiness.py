"""What is told of trouble: by when, and without waiting for what does not answer."""

import threading

import pytest

import ledger.readiness
from ledger.chain import Block
from ledger.errors import ChainError, StoreError
from ledger.readiness import (
    BEAT_SECONDS,
    LOOK_SECONDS,
    NO_BEAT_SECONDS,
    UNREAD_SECONDS,
    Pulse,
    _Look,
    silent_seconds,
)

TOLD_WITHIN_SECONDS = 10


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""
    clock = [1_000.0]
    monkeypatch.setattr(ledger.readiness.time, "monotonic", lambda: clock[0])
    return clock


def block(number):
    return Block(number, bytes(32), bytes(32), 1_700_000_000 + number, False)


@pytest.mark.parametrize("pace", [1, 2, 5, 15])
@pytest.mark.parametrize("offset", [0.0, 0.7, 1.9])
def test_a_chain_that_missed_three_blocks_is_said_within_ten_seconds_and_none_that_missed_two(
    clock, pace, offset
):
    pulse = Pulse()
    last_block = clock[0]
    clock[0] += offset  # the beat comes when it comes
    while True:
        noted = pulse.note(block(7), 7)
        if float(noted["head_unchanged"]) > silent_seconds(pace):
            break
        clock[0] += BEAT_SECONDS
    told = clock[0] + BEAT_SECONDS - last_block  # whoever asks sees a beat for so long
    assert 3 * pace < told <= 4 * pace + TOLD_WITHIN_SECONDS
    assert pulse.note(block(8), 7)["head_unchanged"] == "0.0"


def test_blocks_that_nobody_reads_are_counted_from_when_there_were_newer_ones(clock):
    pulse = Pulse()
    assert pulse.note(block(7), 7)["unread"] == "0.0"
    clock[0] += 100
    assert pulse.note(block(7), 7)["unread"] == "0.0"  # there was nothing to read
    clock[0] += 3
    assert pulse.note(block(8), 7)["unread"] == "3.0"
    clock[0] += 3
    assert pulse.note(block(9), 8)["unread"] == "0.0"
    assert UNREAD_SECONDS + BEAT_SECONDS <= TOLD_WITHIN_SECONDS


def test_a_look_that_never_ends_is_begun_once_and_keeps_nobody_waiting_twice(monkeypatch):
    monkeypatch.setattr(ledger.readiness, "LOOK_SECONDS", 0.2)
    begun, answer = [], threading.Event()

    def hang():
        begun.append(threading.current_thread())
        answer.wait(60)
        return "seen"

    look = _Look(hang, lambda seconds: StoreError(f"nothing for {seconds:.1f}"))
    for _ in range(3):
        look.begin()
        with pytest.raises(StoreError, match="nothing for"):
            look.result()
    assert len(begun) == 1 and begun[0].daemon
    answer.set()
    begun[0].join(10)
    look.begin()
    assert look.result() == "seen" and len(begun) == 2


def test_what_a_look_raises_is_told_and_not_the_next_time():
    errors = [ChainError("away")]

    def see():
        if errors:
            raise errors.pop()
        return 1

    look = _Look(see, lambda seconds: StoreError("late"))
    look.begin()
    with pytest.raises(ChainError, match="away"):
        look.result()
    look.begin()
    assert look.result() == 1


def test_what_does_not_answer_and_a_worker_that_is_gone_are_told_in_time():
    assert LOOK_SECONDS < TOLD_WITHIN_SECONDS
    assert NO_BEAT_SECONDS < TOLD_WITHIN_SECONDS
    assert NO_BEAT_SECONDS >= 3 * BEAT_SECONDS  # a beat that comes late is no death
