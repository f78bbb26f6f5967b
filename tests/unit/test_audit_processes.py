"""A replay over several processes: the same outcome as in one, whoever checks a chunk, and a process that dies is named."""

import multiprocessing
import os
import runpy
import signal
import threading
from pathlib import Path

import pytest

from ledger.audit import replay as replays
from ledger.audit.replay import Settings, replay
from ledger.errors import CheckingInterrupted

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "generated_chain.py"))


class Slow(BENCH["Generated"]):
    """A chain whose blocks come only once the others have begun to check; then it may kill one of them."""

    kills = 0

    def chunks(self, first):
        for number, chunk in enumerate(super().chunks(first), 1):
            if chunk.first < first:
                continue
            yield chunk
            if number == 2:
                self.wait()
            if number == self.kills:
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)

    def wait(self):
        pass


@pytest.fixture
def begun(monkeypatch):
    """An event that is set when a process has said that it can check."""
    event = threading.Event()
    submit = replays.ProcessPoolExecutor.submit

    def watched(pool, function, *arguments):
        future = submit(pool, function, *arguments)
        if function is replays.checking.is_begun:
            future.add_done_callback(lambda _: event.set())
        return future

    monkeypatch.setattr(replays.ProcessPoolExecutor, "submit", watched)
    monkeypatch.setattr(Slow, "wait", lambda self: event.wait(60) or pytest.fail("nothing began"))
    return event


def result_of(source, folder, processes):
    with replay(source, Settings(BENCH["trust"](), folder, processes)) as replayed:
        acts = [(act.sequence, act.digest) for act in replayed.acts()]
        return replayed.digest, replayed.counts, [check.message for check in replayed.checks], acts


def test_several_processes_come_to_what_one_comes_to(begun, tmp_path):
    together = result_of(Slow(5_604, alive=467), tmp_path / "together", 2)
    alone = result_of(Slow(5_604, alive=467), tmp_path / "alone", 0)
    assert together == alone
    assert together[1].records == 5_604
    rows = [(tmp_path / each / "acts.rows").read_bytes() for each in ("alone", "together")]
    assert rows[0] == rows[1]


def test_a_process_that_is_killed_is_named_and_the_replay_goes_on_where_it_was(begun, tmp_path):
    source = Slow(5_604, alive=467)
    source.kills = 5
    with pytest.raises(CheckingInterrupted, match=r"checked blocks . to . ended without an answer"):
        result_of(source, tmp_path / "killed", 2)
    begun.set()
    resumed = result_of(Slow(5_604, alive=467), tmp_path / "killed", 0)
    assert resumed[:2] == result_of(Slow(5_604, alive=467), tmp_path / "anew", 0)[:2]
