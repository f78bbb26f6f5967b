"""Two senders of one store, their steps in any order: nothing goes out twice, no number is used twice or left out (B10).

What the real chain says of it is tried in `tests/e2e/test_relayers.py`, at some of these orders.
"""

import itertools
import logging
import secrets
import shutil
from contextlib import closing

import pytest
from proof import IS_PROOF, form
from two_senders import TwoSenders, World

from ledger.store import Store

# After its schedules a world must come to rest, with everything done.
WORLDS, SCHEDULES = form((1, 15), (500, 200))


@pytest.fixture(scope="module")
def two():
    with closing(TwoSenders()) as two:
        yield two


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_databases(request, tmp_path):
    """URLs of ledgers' databases without a row, one after the other."""
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgres")
        return (cluster.empty_ledger() for _ in itertools.count())
    empty = tmp_path / "empty.sqlite3"
    Store(f"sqlite:///{empty}", create=True).close()
    return (
        f"sqlite:///{shutil.copyfile(empty, tmp_path / f'{place}.sqlite3')}" for place in itertools.count()
    )


@pytest.mark.row("B10")
def test_two_senders_whose_steps_come_in_any_order_send_everything_once(two, empty_databases, caplog):
    caplog.set_level(logging.ERROR, "ledger")
    first = secrets.randbelow(2**32) if IS_PROOF else 1
    for seed, url in zip(range(first, first + WORLDS), empty_databases, strict=False):
        with closing(World(two, url, seed)) as world:
            for place in range(SCHEDULES):
                try:
                    world.schedule()
                except Exception as error:
                    raise AssertionError(f"seed {seed}, schedule {place}") from error
            world.settle()
            world.require_everything_once()
    print(f"{WORLDS * SCHEDULES} schedules, seeds from {first}")
