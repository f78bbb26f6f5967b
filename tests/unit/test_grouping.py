"""Group commit: each caller gets its own answer, what comes meanwhile goes together, and an error reaches all of a group."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.grouping import Grouping


def test_one_item_alone_is_a_group_of_one():
    groups = []
    grouping = Grouping(lambda items: groups.append(items) or [item * 2 for item in items])
    assert [grouping.commit(3), grouping.commit(4)] == [6, 8]
    assert groups == [[3], [4]]


def test_what_comes_while_a_group_is_written_is_the_next_group():
    begun, go_on, groups = threading.Event(), threading.Event(), []

    def commit(items):
        groups.append(list(items))
        begun.set()
        assert go_on.wait(10)
        return [f"answer to {item}" for item in items]

    grouping = Grouping(commit)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(grouping.commit, 0)
        assert begun.wait(10)
        others = [pool.submit(grouping.commit, number) for number in range(1, 20)]
        while len(grouping._waiting) < 19:
            threading.Event().wait(0.001)
        go_on.set()
        assert [each.result() for each in (first, *others)] == [f"answer to {n}" for n in range(20)]
    assert groups[0] == [0] and len(groups) == 2
    assert sorted(groups[1]) == list(range(1, 20))


def test_an_error_reaches_all_of_its_group_and_none_of_the_next():
    def commit(items):
        if "bad" in items:
            raise OSError("the disk is full")
        return items

    grouping = Grouping(commit)
    with pytest.raises(OSError, match="full"):
        grouping.commit("bad")
    assert grouping.commit("good") == "good"


def test_a_group_that_answers_for_another_number_of_items_answers_for_none():
    with pytest.raises(ValueError, match="zip"):
        Grouping(lambda items: []).commit(1)


def test_many_threads_get_their_own_answers():
    grouping = Grouping(lambda items: [item + 1 for item in items])
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(grouping.commit, range(5_000))) == list(range(1, 5_001))
