"""Lines of long batches are checked by a process beside, as here and in order; whatever becomes of it, they are checked."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from api import beside as module
from api.beside import Beside
from ledger.core import documents, signatures
from ledger.core.records import ZERO32, Domain, ManifestRecord
from ledger.messages import ManifestRecordMessage, ManifestSubmission, to_hex
from ledger.serving.preparing import prepare

DOMAIN = Domain(31337, b"\x01" * 20)
KEY = b"\x02" * 32
PARTY = b"SG".ljust(8, b"\0") + b"EXPO".ljust(8, b"\0")
LONG = {"note": "x" * 1000, "containers": [{"number": "MSCU6639870", "seals": ["A1"]}]}


def line(number, document=None, at=None, **changes):
    """A signed submission; one with a number differs from every other."""
    consignment = number.to_bytes(32, "big")
    root, secret = consignment, b"\x03" * 32
    if document is not None:
        root = documents.commit(documents.parse(orjson.dumps(document)), secret).root
    record = ManifestRecord(PARTY, 1, 0, consignment, root, ZERO32, at or int(time.time()))
    submission = {
        "record": ManifestRecordMessage.of(record).model_dump(),
        "signature": to_hex(signatures.sign(record.digest(DOMAIN), KEY)),
    }
    if document is not None:
        submission |= {"document": document, "secret": to_hex(secret)}
    return orjson.dumps(submission | changes)


LINES = [line(number) for number in range(1, 150)] + [line(number, LONG) for number in range(150, 180)]


def clock():
    return int(time.time())


def here(lines):
    return [prepare(ManifestSubmission.model_validate_json(each), DOMAIN, clock()) for each in lines]


async def begun(beside, lines=LINES):
    """What the process prepares of the lines, once it is there."""
    ends = time.monotonic() + 60
    while not any(found := await beside.prepare(lines)):
        assert time.monotonic() < ends, "it never began"
        await asyncio.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def beside():
    made = Beside(DOMAIN, clock)
    yield made
    made.close()


def test_what_it_prepares_is_what_would_be_prepared_here_in_order(beside):
    assert asyncio.run(begun(beside)) == here(LINES)


def test_a_line_that_is_refused_is_left_to_be_checked_here(beside):
    bad = [
        b"",
        b"[",
        b"\xff",
        b"1",
        line(1, signature="0x" + "00" * 65),
        line(1, LONG, secret="0x" + "04" * 32),
        line(1, unknown=1),
    ]
    lines = [each for pair in zip(LINES[-len(bad) :], bad, strict=True) for each in pair] + LINES
    found = asyncio.run(begun(beside, lines))
    assert found[1 : 2 * len(bad) : 2] == [None] * len(bad)
    assert found[0 : 2 * len(bad) : 2] + found[2 * len(bad) :] == here(LINES[-len(bad) :] + LINES)


def test_it_judges_by_the_time_that_it_is_told():
    behind = Beside(DOMAIN, lambda: clock() - 10_000)  # to which all lines are of hours later
    try:
        found = asyncio.run(begun(behind, [*LINES, line(1, at=clock() - 10_000)]))
        assert found[:-1] == [None] * len(LINES) and found[-1] is not None
    finally:
        behind.close()


def test_few_lines_are_checked_here(beside):
    asyncio.run(begun(beside))
    assert asyncio.run(beside.prepare(LINES[:5])) == [None] * 5


def test_of_two_batches_at_once_and_one_that_is_given_up_each_gets_its_own(beside):
    async def run():
        await begun(beside)
        given_up = asyncio.create_task(beside.prepare(LINES[::-1]))
        await asyncio.sleep(0.01)
        given_up.cancel()
        others = [LINES[20:], LINES[10:]]
        for found, lines in zip(await asyncio.gather(*map(beside.prepare, others)), others, strict=True):
            assert found in ([None] * len(lines), here(lines))
        assert await begun(beside, LINES[5:]) == here(LINES[5:])

    asyncio.run(run())


def test_one_that_is_killed_leaves_the_lines_to_be_checked_here_and_is_started_anew(caplog, monkeypatch):
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.5)
    killed = Beside(DOMAIN, clock)
    try:
        asyncio.run(begun(killed))
        os.kill(killed._process._process.pid, signal.SIGKILL)
        assert asyncio.run(killed.prepare(LINES)) == [None] * len(LINES)
        assert "ended" in caplog.text
        assert asyncio.run(begun(killed)) == here(LINES)
    finally:
        killed.close()


ASKS = """
import asyncio, sys, time
sys.path[:0] = sys.argv[1:]
from test_beside import DOMAIN, Beside, begun, clock
beside = Beside(DOMAIN, clock)
asyncio.run(begun(beside))
print(beside._process._process.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_a_process_that_is_killed():
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    with subprocess.Popen([sys.executable, "-c", ASKS, *folders], stdout=subprocess.PIPE, text=True) as asker:
        process = int(asker.stdout.readline())
        asker.kill()
    ends = time.monotonic() + 20
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < ends, "it is still there"
        time.sleep(0.05)
