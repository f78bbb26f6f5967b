"""Group commit: each request gets its own answer, what comes meanwhile goes together, and an error reaches all of a group."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from api.grouping import Grouping
from ledger.errors import Conflict


class Number(int):
    signer = bytes(20)


def count(signer, many):
    assert (signer, many) == (bytes(20), 1)


class Ledger:
    """Prepares a number as itself and answers with its double; it writes when it is told to."""

    def __init__(self):
        self.groups, self.threads = [], set()
        self.may_write = threading.Event()
        self.may_write.set()

    def prepare(self, submission):
        return Number(submission.number)

    def lodge_prepared(self, prepared):
        assert self.may_write.wait(10)
        self.groups.append(prepared)
        self.threads.add(threading.current_thread())
        if -1 in prepared:
            raise OSError("the disk is full")
        return [Conflict("refused") if number == 99 else (number * 2, True) for number in prepared]


def submission(number):
    return SimpleNamespace(number=number, document=None)


async def lodged(grouping, *numbers):
    return await asyncio.gather(
        *(grouping.lodge(submission(number), count) for number in numbers), return_exceptions=True
    )


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def test_one_alone_is_a_group_of_one():
    ledger = Ledger()

    async def run():
        grouping = Grouping(ledger)
        return [await grouping.lodge(submission(3), count), await grouping.lodge(submission(4), count)]

    assert asyncio.run(run()) == [(6, True), (8, True)]
    assert ledger.groups == [[3], [4]]
    assert threading.main_thread() not in ledger.threads


def test_what_comes_while_a_group_is_written_is_the_next_group():
    ledger = Ledger()
    ledger.may_write.clear()

    async def run():
        grouping = Grouping(ledger)
        first = asyncio.create_task(lodged(grouping, 0))
        await until(lambda: grouping._writing is not None and not grouping._waiting)
        others = asyncio.create_task(lodged(grouping, *range(1, 20)))
        await until(lambda: len(grouping._waiting) == 19)
        ledger.may_write.set()
        return await first + await others

    assert asyncio.run(run()) == [(2 * number, True) for number in range(20)]
    assert ledger.groups == [[0], list(range(1, 20))]


def test_a_refusal_is_one_s_own_and_an_error_reaches_all_of_its_group_and_none_of_the_next():
    async def run():
        grouping = Grouping(Ledger())
        return await lodged(grouping, 1, 99), await lodged(grouping, 2, -1), await lodged(grouping, 3)

    (first, refused), failed, after = asyncio.run(run())
    assert first == (2, True) and isinstance(refused, Conflict)
    assert [type(error) for error in failed] == [OSError, OSError]
    assert after == [(6, True)]


def test_who_goes_away_is_written_and_the_others_are_answered():
    ledger = Ledger()
    ledger.may_write.clear()

    async def run():
        grouping = Grouping(ledger)
        gone, other = (asyncio.create_task(grouping.lodge(submission(number), count)) for number in (1, 2))
        await until(lambda: grouping._writing is not None and not grouping._waiting)
        gone.cancel()
        await asyncio.sleep(0)
        ledger.may_write.set()
        return await other

    assert asyncio.run(run()) == (4, True)
    assert ledger.groups == [[1, 2]]


def test_a_group_that_is_answered_for_another_number_is_answered_for_none():
    ledger = Ledger()
    ledger.lodge_prepared = lambda prepared: []

    async def run():
        await Grouping(ledger).lodge(submission(1), count)

    with pytest.raises(ValueError, match="zip"):
        asyncio.run(run())


def test_thousands_at_once_get_their_own_answers_in_bounded_groups():
    ledger = Ledger()
    assert (
        asyncio.run(lodged(Grouping(ledger), *range(100, 5_100)))
        == [(2 * n, True) for n in range(100, 5_100)]
        and max(map(len, ledger.groups)) == 500
    )
