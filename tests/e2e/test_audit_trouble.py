"""A replay in trouble, on a real chain: killed, and before nodes that fail, omit or lie half-way. Named, never clean."""

import dataclasses
import itertools
import json
import random
import subprocess
import sys
import threading
import time
from contextlib import closing

import audit_life
import faulty_node
import ledger_at_work
import pytest
from audit_life import replayed, trust_for
from typer.testing import CliRunner

import ledger.audit.node
import ledger.chain
import ledger.serving.working
from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.chain import _HEADER_FIELDS, Chain, _header_field
from ledger.cli.main import app
from ledger.core import rlp
from ledger.core.records import keccak
from ledger.errors import ChainUnavailable

# The replay as a program of its own, in small windows and with a note after each, so that it can be killed between two.
PROGRAM = """
import sys
import ledger.audit.node, ledger.audit.replay
ledger.audit.node.FIRST_WINDOW = ledger.audit.node.WIDEST_WINDOW = 4
ledger.audit.replay._NOTE_SECONDS = 0.0
from ledger.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def desk(network, tmp_path_factory):
    """A life of two consignments, some quiet, and another life; nothing here changes the chain."""
    with pytest.MonkeyPatch.context() as patch, closing(ledger_at_work.controls(network)) as anvil:
        patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
        database = tmp_path_factory.mktemp("trouble") / "sg.sqlite3"
        at_work = ledger_at_work.open_ledger(network, anvil, database)
        with closing(at_work.ledger):
            anvil.mine(20)
            at_work.settle()
            audit_life.live(at_work)
            anvil.mine(30)
            audit_life.live(at_work)
            anvil.mine(10)
            yield at_work


@pytest.fixture
def node(desk, monkeypatch):
    monkeypatch.setattr(ledger.audit.node, "_PAUSE_SECONDS", 0.0)
    with faulty_node.before(desk.profile.rpc_url) as node:
        yield node


@pytest.fixture
def profile(desk, node):
    return dataclasses.replace(desk.profile, rpc_url=node.url)


def middle_of(desk):
    return (desk.profile.deployment_block + desk.anvil.head()) // 2


def one_by_one(fault):
    """The fault for lists of requests, as the auditor sends them."""

    def of_list(request, answer):
        if isinstance(request, list):
            return [fault(each, part) for each, part in zip(request, answer, strict=True)]
        return fault(request, answer)

    return of_list


def blocks_of(request):
    """The blocks by number that a request, or a list of them, asks for; not genesis and head, which each start looks at."""
    requests = request if isinstance(request, list) else [request]
    numbers = [each["params"][0] for each in requests if each["method"] == "eth_getBlockByNumber"]
    return [int(number, 16) for number in numbers if number not in ("0x0", "latest")]


def test_a_replay_that_is_killed_goes_on_where_it_was_and_ends_with_the_same_digest(
    desk, node, profile, tmp_path
):
    trust = trust_for(desk.profile)
    (tmp_path / "trust.json").write_bytes(trust.encode())
    profile.save(tmp_path / "profile.json")
    folder, middle, goes_on = tmp_path / "replay", middle_of(desk), threading.Event()

    def stall(request, answer):
        if max(blocks_of(request), default=0) > middle:
            goes_on.wait(60)
        return answer

    node.fault = stall
    words = ["audit", "replay", "--trust", "trust.json", "--profile", "profile.json", "--folder", "replay"]
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], cwd=tmp_path)
    position = folder / "position.json"
    until = time.monotonic() + 60
    try:
        while not (position.exists() and json.loads(position.read_bytes())["acts"]):
            assert program.poll() is None and time.monotonic() < until
            time.sleep(0.05)
    finally:
        program.kill()
        program.wait()
        goes_on.set()
    reached = json.loads(position.read_bytes())["block"]
    assert reached <= middle

    asked = []
    node.fault = lambda request, answer: asked.extend(blocks_of(request)) or answer
    with replayed(profile, trust, folder) as resumed:
        assert min(asked) == reached  # which must still be the same; nothing before it is asked for again
    with replayed(profile, trust) as anew:
        assert (resumed.verdict, resumed.digest) == ("VALID", anew.digest)
        assert resumed.counts == anew.counts
        assert [each.message for each in resumed.checks] == [each.message for each in anew.checks]


def test_a_node_that_omits_one_log_of_a_hundred_is_named_and_never_gets_a_clean_verdict(desk, node, profile):
    trust = trust_for(desk.profile)
    with replayed(profile, trust) as whole:
        digest = whole.digest
    caught = 0
    for seed in range(16):
        draws, omitted = random.Random(seed), []

        def omit(request, answer, draws=draws, omitted=omitted):
            if request["method"] == "eth_getBlockReceipts":
                for receipt in answer["result"]:
                    kept = [log for log in receipt["logs"] if draws.random() >= 0.01]
                    omitted.extend(log for log in receipt["logs"] if log not in kept)
                    receipt["logs"] = kept
            return answer

        node.fault = one_by_one(omit)
        with replayed(profile, trust) as result:
            if not omitted:
                assert result.digest == digest
                continue
            caught += 1
            blocks = {int(log["blockNumber"], 16) for log in omitted}
            said = result.check("receipts").message
            assert (result.verdict, result.digest) == ("INVALID", None)
            assert said.startswith(f"Block {min(blocks)} (the node at {node.url}") and "left out" in said
    assert caught


def test_a_node_that_tells_a_whole_other_block_is_named(desk, node, profile):
    number = desk.anvil.head() - 8

    def lie(request, answer):
        if blocks_of(request) == [number]:
            raw = answer["result"]
            raw["timestamp"] = hex(int(raw["timestamp"], 16) + 1)
            fields = [_header_field(name, raw[name]) for name in _HEADER_FIELDS if raw.get(name) is not None]
            raw["hash"] = "0x" + keccak(rlp.encode(fields)).hex()
        return answer

    node.fault = one_by_one(lie)
    with replayed(profile, trust_for(desk.profile)) as result:
        assert (result.verdict, result.digest) == ("INVALID", None)
        said = result.check("chain").message
        assert said.startswith(f"Block {number + 1} (") and "its parent is not the block before it" in said


def omit_last(request, answer):
    """Leave the last log of each block out, in answers that are valid as such."""
    if request["method"] == "eth_getBlockReceipts" and answer["result"]:
        for receipt in answer["result"]:
            receipt["logs"] = receipt["logs"][:-1]
    return answer


def hide(request, answer):
    """Say that a block is empty, which its bloom denies."""
    if request["method"] == "eth_getBlockReceipts":
        answer["result"] = []
    return answer


@pytest.mark.parametrize("fault", [omit_last, hide])
def test_a_node_that_leaves_logs_out_gets_no_clean_verdict(desk, node, profile, fault):
    node.fault = one_by_one(fault)
    with replayed(profile, trust_for(desk.profile)) as result:
        assert (result.verdict, result.digest) == ("INVALID", None)
        assert result.check("receipts").status == "INVALID"
        assert "Block" in result.check("receipts").message


def test_what_a_node_left_out_is_shown_again_by_the_report_s_own_command(
    desk, node, profile, monkeypatch, tmp_path
):
    node.fault = one_by_one(omit_last)
    profile.save(tmp_path / "profile.json")
    (tmp_path / "trust.json").write_bytes(trust_for(desk.profile).encode())
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(app, [*words, "--json"], prog_name="cargo-ledger")
        assert result.exit_code == 1, result.output
        return json.loads(result.stdout)

    (broken,) = run("audit", "report", "--trust", "trust.json", "--profile", "profile.json")["broken"]
    assert (broken["check"], broken["log"]) == ("receipts", None)
    assert broken["command"].endswith(f" --to {broken['block']}")
    again = run(*broken["command"].split()[1:])
    assert [each["message"] for each in again["checks"] if each["status"] == "INVALID"] == [broken["message"]]


def lie(request, answer):
    """Another time of each block, with its true hash."""
    return answer | {"result": answer["result"] | {"timestamp": "0x1"}} if blocks_of(request) else answer


def lag(request, answer):
    return answer | {"result": None} if blocks_of(request) else answer


def garbage(request, answer):
    return b"<html>"


def gigabyte(request, answer):
    return itertools.repeat(b"[" * 65_536, 16_384)


def die(request, answer):
    return faulty_node.HANG_UP


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (one_by_one(lie), "its hash is another's"),
        (one_by_one(lag), "it has no block"),
        (garbage, "no JSON"),
        (gigabyte, "is over"),
        (die, "disconnected"),
    ],
)
def test_a_node_that_fails_half_way_is_named_and_the_replay_goes_on_from_there(
    desk, node, profile, monkeypatch, tmp_path, wrong, says
):
    monkeypatch.setattr(ledger.audit.node, "FIRST_WINDOW", 8)
    monkeypatch.setattr(ledger.audit.node, "WIDEST_WINDOW", 8)
    monkeypatch.setattr(ledger.chain, "ANSWER_LIMIT_BYTES", 4 << 20)
    trust, middle = trust_for(desk.profile), middle_of(desk)
    with closing(NodeSource(Chain(profile))) as source:
        node.fault = lambda request, answer: (
            wrong(request, answer) if max(blocks_of(request), default=0) > middle else answer
        )
        with pytest.raises(ChainUnavailable, match=says) as refused:
            replay(source, Settings(trust, tmp_path / "replay"))
        assert node.url in str(refused.value)
    asked = []
    node.fault = lambda request, answer: asked.extend(blocks_of(request)) or answer
    with replayed(profile, trust, tmp_path / "replay") as resumed:
        assert min(asked) > middle - 16
    with replayed(profile, trust) as anew:
        assert (resumed.verdict, resumed.digest, resumed.counts) == ("VALID", anew.digest, anew.counts)


@pytest.mark.parametrize("wrong", [garbage, gigabyte, die])
def test_every_command_names_a_node_that_fails_half_way_and_leaves_nothing_behind(
    desk, node, profile, monkeypatch, tmp_path, wrong
):
    monkeypatch.setattr(ledger.audit.node, "FIRST_WINDOW", 8)
    monkeypatch.setattr(ledger.audit.node, "WIDEST_WINDOW", 8)
    monkeypatch.setattr(ledger.chain, "ANSWER_LIMIT_BYTES", 4 << 20)
    profile.save(tmp_path / "profile.json")
    (tmp_path / "trust.json").write_bytes(trust_for(desk.profile).encode())
    monkeypatch.chdir(tmp_path)
    middle = middle_of(desk)
    node.fault = lambda request, answer: (
        wrong(request, answer) if max(blocks_of(request), default=0) > middle else answer
    )
    there = {*tmp_path.iterdir()}
    trusting = ("--trust", "trust.json")
    for words in (
        ("replay", *trusting),
        ("report", *trusting),
        ("ask", "disputed", *trusting),
        ("compare", *trusting),
        ("export", "chain.audit"),
        ("event", "--block", str(middle + 10), "--log", "0"),
    ):
        command = ["audit", *words, "--profile", "profile.json", "--json"]
        result = CliRunner().invoke(app, command, prog_name="cargo-ledger")
        assert result.exit_code == 4, (words, result.output)
        said = json.loads(result.stderr.splitlines()[-1])  # before it the test's node tells who hung up
        assert node.url in said["error"]["message"] and not result.stdout
        assert {*tmp_path.iterdir()} == there, words
    database = ("--database", desk.config.database_url)
    command = [
        "audit",
        "fsck",
        *trusting,
        *database,
        "--profile",
        "profile.json",
        "--processes",
        "0",
        "--json",
    ]
    result = CliRunner().invoke(
        app, command, prog_name="cargo-ledger", env={"LEDGER_WRAPPING_KEYS_FILE": None}
    )
    told = json.loads(result.stdout)
    assert (result.exit_code, told["verdict"]) == (3, "INDETERMINATE")
    assert told["unchecked"][0].startswith("The node was of no use: ") and node.url in told["unchecked"][0]
