"""A replay over several processes: the same outcome as in one, whoever checks a chunk, and a process that dies is named."""

import multiprocessing
import os
import runpy
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import checking_begun
import pytest

from ledger.audit import replay as replays
from ledger.audit.processes import Processes
from ledger.audit.replay import Settings, replay
from ledger.errors import CheckingInterrupted

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "generated_chain.py"))


def wait_until_begun(processes):
    ends = time.monotonic() + 60
    while not processes.have_begun:
        assert time.monotonic() < ends, "nothing began"
        time.sleep(0.01)


class Slow(BENCH["Generated"]):
    """A chain whose blocks come only once the others have begun to check; then it may kill one of them."""

    kills = 0
    processes = None

    def chunks(self, first):
        for number, chunk in enumerate(super().chunks(first), 1):
            if chunk.first < first:
                continue
            yield chunk
            if number == 2 and self.processes is not None:
                wait_until_begun(self.processes)
            if number == self.kills:
                for child in multiprocessing.active_children():
                    os.kill(child.pid, signal.SIGKILL)


@pytest.fixture
def begun(monkeypatch):
    """Chains wait until a process has begun to check."""

    def watched(*arguments):
        Slow.processes = Processes(*arguments)
        return Slow.processes

    monkeypatch.setattr(replays, "Processes", watched)
    yield
    Slow.processes = None


def result_of(source, folder, processes):
    with replay(source, Settings(BENCH["trust"](), folder, processes)) as replayed:
        acts = [(act.sequence, act.digest) for act in replayed.acts()]
        return replayed.digest, replayed.counts, [check.message for check in replayed.checks], acts


@pytest.mark.usefixtures("begun")
def test_several_processes_come_to_what_one_comes_to(tmp_path):
    together = result_of(Slow(5_604, alive=467), tmp_path / "together", 2)
    alone = result_of(Slow(5_604, alive=467), tmp_path / "alone", 0)
    assert together == alone
    assert together[1].records == 5_604
    rows = [(tmp_path / each / "acts.rows").read_bytes() for each in ("alone", "together")]
    assert rows[0] == rows[1]


@pytest.mark.usefixtures("begun")
def test_a_process_that_is_killed_is_named_and_the_replay_goes_on_where_it_was(tmp_path):
    source = Slow(5_604, alive=467)
    source.kills = 5
    with pytest.raises(CheckingInterrupted, match=r"checked blocks . to . ended without an answer"):
        result_of(source, tmp_path / "killed", 2)
    resumed = result_of(Slow(5_604, alive=467), tmp_path / "killed", 0)
    assert resumed[:2] == result_of(Slow(5_604, alive=467), tmp_path / "anew", 0)[:2]


@pytest.mark.parametrize("begin", ["killed_while_answering", "killed_among_its_rows"])
def test_a_process_that_is_killed_after_half_of_its_answer_is_named(capfd, begin):
    """A pool of the standard library waits for the other half for ever."""
    with Processes(2, getattr(checking_begun, begin)) as processes:
        wait_until_begun(processes)
        answer = processes.submit(SimpleNamespace(first=7, last=9))
        with pytest.raises(CheckingInterrupted, match="checked blocks 7 to 9 ended without an answer"):
            answer.result(60)
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


def test_a_process_that_cannot_begin_is_named_when_it_is_asked(capfd):
    with Processes(1, checking_begun.nothing_begins) as processes:
        wait_until_begun(processes)
        with pytest.raises(CheckingInterrupted, match="blocks 1 to 1"):
            processes.submit(SimpleNamespace(first=1, last=1)).result(60)
    assert capfd.readouterr().err == ""


def test_what_checking_raises_is_raised_where_the_chunk_came_from():
    with Processes(1, checking_begun.refuses) as processes:
        wait_until_begun(processes)
        for block in (1, 2):
            with pytest.raises(ValueError, match=f"block {block}"):
                processes.submit(SimpleNamespace(first=block, last=block)).result(60)
