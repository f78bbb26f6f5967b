"""A host's clock against the chain's: by how much it is ahead, and when that can't be told."""

import pytest

from ledger.host_clock import seconds_ahead, wrong_clock

NOTED = {"worker_beat": "1000.0", "head_is_new": "1", "head_time": "5000", "head_unchanged": "1.5"}


@pytest.mark.parametrize(("host_time", "ahead"), [(5_003.5, 0.0), (5_603.5, 600.0), (4_403.5, -600.0)])
def test_a_block_that_came_while_the_worker_looked_tells_the_time(host_time, ahead):
    assert seconds_ahead(NOTED, 1_002.0, host_time) == pytest.approx(ahead)


@pytest.mark.parametrize(
    ("changes", "database_time"),
    [
        ({}, 1_008.1),  # no worker has looked lately
        ({}, 999.0),
        ({"head_is_new": "0"}, 1_002.0),  # that block may be old: the chain may be silent
        ({"head_is_new": ""}, 1_002.0),
    ],
)
def test_what_may_be_old_tells_no_time(changes, database_time):
    assert seconds_ahead(NOTED | changes, database_time, 9_999.0) is None
    assert seconds_ahead({}, database_time, 9_999.0) is None


def test_a_minute_is_borne_and_more_is_said():
    assert wrong_clock(None) is None
    assert wrong_clock(60) is wrong_clock(-60) is None
    assert "61 seconds ahead of" in wrong_clock(61)
    assert "61 seconds behind" in wrong_clock(-61)
