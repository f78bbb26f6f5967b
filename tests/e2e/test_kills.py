"""Whatever dies, and whenever: what was accepted reaches the chain, once.

The worker and the chain are real processes and are killed as `kill -9` does it; the seed is in the test's name, so that a
run that fails can be run again (what the machine does between two kills is its own).
"""

import dataclasses
import os
import random
import secrets
import signal
import sqlite3
import threading
import time

import chain_kill
import ledger_at_work
import local_network
import pytest
from proof import form

from ledger import devchain
from ledger.core.records import CustodyKind
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.messages import from_hex

KILLS = form(10, 300)  # of the worker alone; `test_survives_kills` kills the whole service more often


def worker_process(config):
    """A worker in a process of its own, on the same database."""
    child = os.fork()
    if child == 0:
        try:
            Ledger.open(config).run_worker(threading.Event())
        finally:
            os._exit(1)
    return child


def kill(child):
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it ended by itself"


def _nothing_lost_nothing_twice(at_work, manifests, digests):
    """Every acceptance is on chain and final; the chain refused nothing, since each record was sent to it once."""
    for manifest in manifests:
        assert at_work.ledger.manifest(manifest.id).state == "final"
    views = at_work.ledger.consignment_records(manifests[0].consignment)
    assert [from_hex(view.digest) for view in views[1:]] == digests
    assert {view.state for view in views} == {"final"}
    with sqlite3.connect(at_work.ledger._store.path) as database:
        indexes = database.execute("SELECT log_index FROM manifests ORDER BY log_index").fetchall()
        nonces = database.execute("SELECT hex(account), nonce FROM transactions ORDER BY 1, 2").fetchall()
        appended = database.execute("SELECT count(*), count(DISTINCT digest) FROM chain_custody").fetchone()
        refused = database.execute("SELECT count(*) FROM chain_refusals").fetchone()[0]
        states = {state for (state,) in database.execute("SELECT DISTINCT state FROM transactions")}
    database.close()
    assert [index for (index,) in indexes] == list(range(len(manifests)))
    for account in {account for account, _ in nonces}:
        used = [nonce for other, nonce in nonces if other == account]
        assert used == list(range(used[0], used[0] + len(used))), "a nonce was left out"
    assert appended[0] == appended[1] == len(digests) + 1
    assert refused == 0
    assert states == {"final"}
    at_work.check_everything()


@pytest.mark.row("B1")
@pytest.mark.parametrize("seed", [1])
def test_a_worker_killed_again_and_again_loses_nothing_and_sends_nothing_twice(singapore, seed):
    chance = random.Random(seed)
    manifests = [singapore.opened()]
    singapore.ledger._working.close()  # the lock is for the process that is killed
    singapore.ledger._working = None
    digests = []
    for _ in range(KILLS):
        child = worker_process(singapore.config)
        until = time.monotonic() + 0.1 + chance.random() * 0.5
        while time.monotonic() < until:
            manifests.append(singapore.lodged())
            digests.append(singapore.recorded(CustodyKind.SEAL, "exporter", manifests[0].consignment))
            time.sleep(0.05 * chance.random())
        time.sleep(0.15 * chance.random())  # else a kill never comes while the worker is writing
        kill(child)
    singapore.settle()
    _nothing_lost_nothing_twice(singapore, manifests, digests)


@pytest.mark.row("B2")
@pytest.mark.parametrize("seed", [2])
def test_a_chain_and_a_worker_killed_together_lose_nothing(tmp_path, seed):
    """The chain writes its state each second: killed, it forgets its newest blocks, some of which counted as final."""
    chance = random.Random(seed)
    network = local_network.begin(tmp_path)
    chain, anvil = network.chain, ledger_at_work.Anvil(network.chain.url)
    at_work = ledger_at_work.open_ledger(network, anvil, tmp_path / "ledger.sqlite3")
    try:
        time.sleep(2.2)  # the founding is on disk
        at_work.work()
        manifests = [at_work.opened()]
        at_work.ledger._working.close()
        at_work.ledger._working = None
        digests, lost = [], 0
        for _ in range(form(4, 30)):
            child = worker_process(at_work.config)
            until = time.monotonic() + 0.8 + chance.random()
            while time.monotonic() < until:
                manifests.append(at_work.lodged())
                digests.append(at_work.recorded(CustodyKind.SEAL, "exporter", manifests[0].consignment))
                time.sleep(0.1)
            head = anvil.head()
            chain_kill.kill(chain)
            kill(child)
            anvil.close()
            chain = devchain.start(chain.folder, port=chain.port, block_seconds=0, lifetime="parent")
            anvil = at_work.anvil = ledger_at_work.Anvil(chain.url)
            lost += head - anvil.head()
            at_work.reopen()
        for _ in range(10):  # the kept nonces must be reached again, block by block
            try:
                at_work.settle()
                break
            except LedgerError:
                time.sleep(0.2)
        assert lost > 0, "the chain never forgot a block: nothing was tried"
        anvil.mine(12)
        at_work.settle()
        _nothing_lost_nothing_twice(at_work, manifests, digests)
    finally:
        at_work.ledger.close()
        anvil.close()
        devchain.stop(chain.folder)


@pytest.mark.row("B3")
def test_an_acceptance_that_was_answered_is_there_after_a_kill(singapore):
    """The answer goes out after the commit, so whoever has the answer has the promise kept."""
    config = dataclasses.replace(singapore.config)
    manifests = [singapore.manifest() for _ in range(30)]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ours = Ledger.open(config)
            for manifest in manifests:
                ours.lodge(manifest.submission)
                os.write(write, manifest.id)
            time.sleep(60)
        finally:
            os._exit(1)
    os.close(write)
    answered = [os.read(read, 32) for _ in range(7 + secrets.randbelow(10))]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 32):
        answered.append(more)
    os.close(read)
    for manifest_id in answered:
        assert singapore.ledger.manifest(manifest_id).state == "accepted"
    singapore.settle()
    assert all(singapore.ledger.manifest(each).state == "final" for each in answered)


@pytest.mark.row("E2")
def test_what_was_committed_and_never_answered_is_answered_as_it_was_when_it_comes_again(singapore):
    """A service is killed between commit and response; who has no answer sends the same again."""
    config = dataclasses.replace(singapore.config)
    for _ in range(form(3, 100)):
        manifest = singapore.manifest()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                answer, _ = Ledger.open(config).lodge(manifest.submission)
                os.write(write, answer.model_dump_json().encode())  # the asker never reads it
                time.sleep(60)
            finally:
                os._exit(1)
        os.close(write)
        first = os.read(read, 1 << 16)
        kill(child)
        os.close(read)
        again, is_new = singapore.ledger.lodge(manifest.submission)
        assert not is_new
        assert again.model_dump_json().encode() == first
    singapore.settle()
    singapore.check_everything()
