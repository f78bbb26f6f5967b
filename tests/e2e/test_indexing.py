"""What is in the store is what the chain says, whichever way the chain turned and whatever the node left out."""

import dataclasses
import json
import os
import random
import secrets
import signal
import threading
import time
from contextlib import closing

import faulty_node
import pytest
import sqlalchemy
from ledger_at_work import Anvil, until
from proof import form

import ledger.indexing
import ledger.readiness
import ledger.serving.working
import ledger.store
from ledger import tables, vault
from ledger.chain import Chain
from ledger.config import CONTRACTS
from ledger.core import records, signatures
from ledger.core.identifiers import Party
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord
from ledger.errors import ChainMismatch, ChainUnavailable, ChainViolation
from ledger.indexing import Indexer
from ledger.ledger import Ledger
from ledger.store import Store

TREES = form(20, 200)


class Cast:
    """Everybody who puts records on the chain, and one who follows it."""

    def __init__(self, founded, anvil: Anvil, folder) -> None:
        self.founded = founded
        self.anvil = anvil
        self.folder = folder
        self.chain = Chain(founded.profile)
        self.store = Store(f"sqlite:///{folder / 'followed.sqlite3'}", create=True)
        self.indexer = Indexer(self.chain, self.store)
        anvil.ask("anvil_setBalance", founded.address("stranger"), hex(10**21))
        self.opened: list[tuple[CustodyRecord, bytes]] = [self._opening() for _ in range(3)]

    def close(self) -> None:
        self.chain.close()
        self.store.close()

    def _opening(self) -> tuple[CustodyRecord, bytes]:
        party, blind = Party.parse("SG:ACME01").to_bytes(), secrets.token_bytes(32)
        consignment = records.consignment_id(party, blind)
        return self._signed(
            "exporter", CustodyKind.OPEN, consignment, previous=blind, details=secrets.token_bytes(32)
        )

    def _signed(
        self, role: str, kind: CustodyKind, consignment: bytes, **changes
    ) -> tuple[CustodyRecord, bytes]:
        now = int(time.time())
        given = {
            "consignment": consignment,
            "kind": int(kind),
            "party": Party.parse(self.founded.party(role)).to_bytes(),
            "previous": ZERO32,
            "subject": ZERO32,
            "details": secrets.token_bytes(32),
            "counterpart": ZERO16,
            "observed_at": now,
            "expires_at": now + 86_400,
        } | changes
        record = CustodyRecord(**given)
        digest = record.digest(self.founded.profile.consignments_domain)
        return record, signatures.sign(digest, self.founded.keys[role])

    def records(self, chance: random.Random, count: int) -> list[tuple[CustodyRecord, bytes]]:
        """Openings, holds, seals and takes: some are taken and some are refused, depending on what came before."""
        made = []
        for _ in range(count):
            opening = chance.choice(self.opened)
            kind = chance.choice([1, CustodyKind.HOLD, CustodyKind.SEAL, CustodyKind.TAKE])
            if kind == 1:
                made.append(opening)
            else:
                made.append(self._signed("officer", kind, opening[0].consignment))
        return made

    def signed(self, batch: list[tuple[CustodyRecord, bytes]]) -> tuple[bytes, bytes]:
        """One transaction: its hash and its bytes."""
        call = self.chain.append_call([record for record, _ in batch], [signature for _, signature in batch])
        nonce = self.chain.nonce(self.founded.address("stranger"))
        return self.chain.sign(call, self.founded.keys["stranger"], nonce)

    def put(self, batch: list[tuple[CustodyRecord, bytes]]) -> None:
        """One transaction, in a block of its own."""
        transaction_hash, raw = self.signed(batch)
        self.chain.submit(raw, transaction_hash)
        if self.anvil.ask("anvil_getAutomine"):
            self.chain.wait(transaction_hash)

    def catch_up(self) -> None:
        while self.indexer.advance():
            pass

    def from_scratch(self):
        with closing(Store(f"sqlite:///{self.folder / secrets.token_hex(4)}.sqlite3", create=True)) as store:
            indexer = Indexer(self.chain, store)
            while indexer.advance():
                pass
            return projection(store)


def projection(store):
    """Everything that derives from the chain, and what stands of all that was told of it."""
    with store.read() as session:
        told = {
            row.id: row for row in session._all(sqlalchemy.select(tables.feed).order_by(tables.feed.c.id))
        }
        for row in list(told.values()):
            if row.reverts is not None:
                del told[row.reverts], told[row.id]
        standing = sorted((row.kind, row.subject, row.facts, row.block_number) for row in told.values())
        return {"told": standing} | {
            table.name: [
                tuple(row) for row in session._all(sqlalchemy.select(table).order_by(*table.primary_key))
            ]
            for table in (*tables.DERIVED, tables.blocks)
        }


def cursor(store):
    with store.read() as session:
        row = session.cursor()
        return None if row is None else (row.number, row.hash)


@pytest.fixture
def cast(founded, anvil, tmp_path):
    cast = Cast(founded, anvil, tmp_path)
    yield cast
    cast.close()


@pytest.fixture
def node(founded):
    """A node between the indexer and the chain, honest until a test says otherwise."""
    with faulty_node.before(founded.chain.url) as node:
        yield node


@pytest.fixture
def through(founded, node, cast):
    """An indexer of the same store that asks that node."""
    with closing(Chain(dataclasses.replace(founded.profile, rpc_url=node.url))) as chain:
        yield Indexer(chain, cast.store)


@pytest.fixture
def wrapping_keys_file(tmp_path):
    """What a chain that is no development chain asks for."""
    path = tmp_path / "wrapping-keys"
    vault.add_wrapping_key(path)
    return path


# --- reorganisations


@pytest.mark.row("C1")
@pytest.mark.parametrize("seed", range(TREES))
def test_after_any_tree_of_forks_the_store_equals_an_index_from_scratch(cast, seed):
    chance = random.Random(seed)
    floor = cast.anvil.head()
    cast.catch_up()
    for _ in range(chance.randint(5, form(10, 80))):
        match chance.randrange(6):
            case 0 | 1:
                cast.put(cast.records(chance, chance.randint(1, 4)))
            case 2:
                cast.anvil.mine(chance.randint(1, 3))
            case 3:
                depth = chance.randint(0, cast.anvil.head() - floor)
                if depth:
                    cast.anvil.roll_back(depth)
                    cast.put(cast.records(chance, 1))  # the new branch differs from its first block on
            case 4:
                cast.indexer.advance()
            case 5:
                depth = chance.randint(1, max(1, min(64, cast.anvil.head() - floor)))
                if cast.anvil.head() - floor >= depth:
                    cast.anvil.reorganise(depth)  # the same blocks anew, with no transactions
        if chance.random() < 0.3:
            cast.indexer = Indexer(cast.chain, cast.store)  # a restart: nothing is remembered
        if chance.random() < 0.5:
            cast.indexer.advance()
    followed = cursor(cast.store)
    assert followed is not None
    cast.anvil.mine(max(1, followed[0] - cast.anvil.head() + 1))  # a shorter chain is a node that lags
    cast.catch_up()
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C2")
def test_a_chain_that_turns_away_and_back_leaves_no_trace_of_the_other(cast):
    """A to B to A, the store having seen B."""
    base = cast.anvil.ask("evm_snapshot")
    cast.put([cast.opened[0]])
    cast.catch_up()
    seen = projection(cast.store)
    assert len(seen["chain_custody"]) == 1
    cast.anvil.ask("evm_revert", base)
    cast.put([cast.opened[1], cast.opened[2]])
    cast.anvil.mine(2)
    cast.catch_up()
    turned = projection(cast.store)
    assert len(turned["chain_custody"]) == 2
    assert turned == cast.from_scratch()


def test_what_the_registry_said_is_taken_back_with_its_block(singapore):
    address = singapore.network.address("carrier")
    with closing(singapore.network.governance()) as governance:
        governance.revoke(address, 1)
    singapore.turn()
    assert singapore.ledger.account(address).revoked_at is not None
    singapore.anvil.roll_back(1)
    singapore.anvil.mine(2)
    singapore.work()
    assert singapore.ledger.account(address).revoked_at is None


@pytest.mark.row("C7")
def test_a_reorganisation_below_what_is_kept_stops_the_indexer(cast, monkeypatch):
    cast.anvil.mine(12)
    cast.catch_up()
    before = projection(cast.store)
    with cast.store.write() as session:
        session._connection.execute(
            sqlalchemy.delete(tables.blocks).where(tables.blocks.c.number < cast.anvil.head() - 3)
        )
    cast.anvil.roll_back(8)
    cast.put([cast.opened[0]])
    cast.anvil.mine(9)
    with pytest.raises(ChainViolation, match="no block in common"):
        cast.catch_up()
    assert projection(cast.store)["chain_events"] == before["chain_events"]


@pytest.mark.row("C7")
def test_a_reorganisation_of_what_counted_as_final_stops_everything_and_is_said(
    cast, founded, open_ledger, wrapping_keys_file
):
    """Where the chain is no development chain: nothing is rewritten silently."""
    profile = _with(founded, kind="clique", confirmations=3, gas_price_wei=10**9)
    at_work = open_ledger(profile=profile, wrapping_keys_file=wrapping_keys_file)
    at_work.work()
    cast.put([cast.opened[0]])
    cast.anvil.mine(5)
    at_work.work()
    before = projection(at_work.ledger._store)
    cast.anvil.roll_back(6)
    cast.put([cast.opened[1]])
    cast.anvil.mine(7)
    for _ in range(2):
        with pytest.raises(ChainViolation, match="counted as final"):
            at_work.turn()
    assert projection(at_work.ledger._store) == before
    with closing(Ledger.open(at_work.config)) as api:  # another process says it too
        readiness = api.readiness()
        assert not readiness.ready
        assert any(reason.startswith("chain-violation:") for reason in readiness.reasons)
        assert api.metrics()["chain_violation"] == 1


@pytest.mark.row("C7")
def test_a_reorganisation_of_what_was_not_final_is_followed_there_too(
    cast, founded, open_ledger, wrapping_keys_file
):
    profile = _with(founded, kind="clique", confirmations=3, gas_price_wei=10**9)
    at_work = open_ledger(profile=profile, wrapping_keys_file=wrapping_keys_file)
    cast.anvil.mine(5)
    at_work.work()
    cast.anvil.roll_back(3)
    cast.put([cast.opened[1]])
    cast.anvil.mine(3)
    at_work.work()
    assert projection(at_work.ledger._store) == cast.from_scratch()
    assert at_work.ledger.metrics()["chain_violation"] == 0


@pytest.mark.row("C2")
def test_a_chain_that_turns_between_a_block_and_its_logs_and_back_leaves_no_foreign_log(cast, node, through):
    """A to B to A: the block is A's, B answers for its logs, and A is the chain again."""
    cast.catch_up()
    fork = cast.anvil.head()
    cast.put([cast.opened[0]])
    of_a = {
        "eth_getBlockByNumber": cast.anvil.ask("eth_getBlockByNumber", hex(fork + 1), False),
        "eth_getLogs": cast.anvil.ask("eth_getLogs", {"fromBlock": hex(fork + 1), "toBlock": hex(fork + 1)}),
    }
    cast.anvil.roll_back(1)
    cast.put([cast.opened[1]])  # B has another log at the same place
    is_on_b = []

    def turn(request, answer):
        method = request["method"]
        if method == "eth_getBlockByNumber":
            return (
                answer | {"result": of_a[method]}
                if request["params"][0] in ("latest", hex(fork + 1))
                else answer
            )
        if method == "eth_getLogs":
            is_on_b.append(request["params"][0])
            if len(is_on_b) == 1:
                by_number = cast.anvil.ask(
                    "eth_getLogs", {"fromBlock": hex(fork + 1), "toBlock": hex(fork + 1)}
                )
                return {"jsonrpc": "2.0", "id": request["id"], "result": by_number}
            return {"jsonrpc": "2.0", "id": request["id"], "result": of_a[method]}
        if method == "eth_call":  # the state of A's block
            return {
                "jsonrpc": "2.0",
                "id": request["id"],
                "result": answer.get("result") or counts[request["params"][0]["to"]],
            }
        return answer

    head = {"blockHash": cast.anvil.ask("eth_getBlockByNumber", "latest", False)["hash"]}
    selector = cast.chain._contracts["ManifestLog"].encode_abi("sequence", args=[])
    counts = {
        address: cast.anvil.ask("eth_call", {"to": address, "data": selector}, head)
        for address in (cast.founded.profile.address_of(name) for name in CONTRACTS)
    }
    before = projection(cast.store)
    node.fault = turn
    with pytest.raises(ChainUnavailable, match="another block"):
        through.advance()
    assert projection(cast.store) == before
    assert is_on_b[0]["blockHash"] == of_a["eth_getBlockByNumber"]["hash"]
    assert through.advance() == 1
    [(taken, *_)] = [(row[1],) for row in projection(cast.store)["chain_custody"]]
    assert taken == cast.opened[0][0].digest(cast.founded.profile.consignments_domain)


# --- nodes that leave something out


def _drop_logs(which):
    """Leave out some of the logs that a true answer holds."""

    def fault(request, answer):
        if request["method"] == "eth_getLogs" and answer["result"]:
            return answer | {"result": which(answer["result"])}
        return answer

    return fault


@pytest.mark.row("C3")
@pytest.mark.parametrize(
    "which",
    [
        pytest.param(lambda logs: logs[:-1], id="the newest"),
        pytest.param(lambda logs: logs[1:], id="the first of a block"),
        pytest.param(lambda logs: [], id="all of a block"),
    ],
)
def test_a_log_that_is_left_out_is_noticed_in_its_block_and_the_cursor_waits(cast, node, through, which):
    cast.catch_up()
    before = cursor(cast.store), projection(cast.store)
    cast.put([cast.opened[0], cast.opened[1], cast.opened[2]])
    node.fault = _drop_logs(which)
    with pytest.raises(ChainViolation, match="leaves logs out"):
        through.advance()
    assert (cursor(cast.store), projection(cast.store)) == before
    node.fault = None
    assert through.advance() == 1
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C3")
def test_logs_left_out_at_random_never_get_a_hole_into_the_store(cast, node, through):
    chance = random.Random(7)
    cast.catch_up()
    dropped = []

    def some(logs):
        kept = [log for log in logs if len(dropped) >= 8 or chance.random() > 0.3]
        dropped.extend([1] * (len(logs) - len(kept)))
        return kept

    node.fault = _drop_logs(some)
    violations = 0
    for _ in range(6):
        cast.put(cast.records(chance, 4))
        for _ in range(12):
            try:
                if through.advance() == 0:
                    break
            except ChainViolation:
                violations += 1
    node.fault = None
    while through.advance():
        pass
    assert len(dropped) >= 8 and violations > 0
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C3")
def test_a_log_left_out_of_old_blocks_is_looked_for_when_its_absence_shows(cast, node, through, monkeypatch):
    """A node keeps no state for old blocks, so there the contracts can't be asked how many events there were."""
    monkeypatch.setattr(ledger.indexing, "BATCH_BLOCKS", 3)
    cast.catch_up()
    cast.put([cast.opened[0]])
    cast.put([cast.opened[1]])
    cast.anvil.mine(4)
    cast.put([cast.opened[2]])
    cast.anvil.mine(1)
    dropped = []

    def fault(request, answer):
        if request["method"] == "eth_call" and int(request["id"]) >= 0 and not is_head(request):
            return answer | {"result": None, "error": {"code": -32000, "message": "missing trie node"}}
        if request["method"] == "eth_getLogs" and answer["result"] and not dropped:
            second = answer["result"][0]["topics"][1] == "0x" + cast.opened[1][0].consignment.hex()
            if second:
                dropped.append(answer["result"])
                return answer | {"result": []}
        return answer

    def is_head(request):
        newest = cast.anvil.ask("eth_getBlockByNumber", "latest", False)["hash"]
        return request["params"][1] == {"blockHash": newest}

    node.fault = fault
    violations = 0
    for _ in range(20):
        try:
            if through.advance() == 0:
                break
        except ChainViolation:
            violations += 1
    assert dropped and violations == 3
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C4")
def test_a_node_that_lags_takes_nothing_back(cast, node, through):
    cast.anvil.mine(3)
    cast.catch_up()
    before = projection(cast.store)
    older = cast.anvil.ask("eth_getBlockByNumber", hex(cast.anvil.head() - 2), False)

    def lag(request, answer):
        method, params = request["method"], request["params"]
        if method == "eth_getBlockByNumber" and params[0] == "latest":
            return answer | {"result": older}
        if method == "eth_getBlockByNumber" and int(params[0], 16) > int(older["number"], 16):
            return answer | {"result": None}
        return answer

    node.fault = lag
    assert through.advance() == 0
    assert projection(cast.store) == before
    node.fault = None
    cast.anvil.mine(1)
    assert through.advance() == 1


@pytest.mark.row("C4")
@pytest.mark.row("C11")
@pytest.mark.parametrize("behind", [1, 2, 5])
def test_a_node_behind_the_same_address_that_lacks_what_another_named_takes_nothing_back(
    cast, node, through, behind
):
    """A balancer: one node names the newest block, the next one has not even the cursor's."""
    cast.anvil.mine(6)
    cast.catch_up()
    before = projection(cast.store), _rewinds(cast.store)
    cast.anvil.mine(3)
    known = cast.anvil.head() - 3 - behind

    def lag(request, answer):
        method, params = request["method"], request["params"]
        is_ahead = method == "eth_getBlockByNumber" and params[0] != "latest" and int(params[0], 16) > known
        return answer | {"result": None} if is_ahead else answer

    node.fault = lag
    with pytest.raises(ChainUnavailable, match="nodes behind one address"):
        through.advance()
    assert (projection(cast.store), _rewinds(cast.store)) == before
    node.fault = None
    assert through.advance() == 3


def _rewinds(store):
    with store.read() as session:
        return session.identity().get("rewinds", "0")


@pytest.mark.row("C11")
def test_a_slow_node_is_never_taken_for_a_reorganisation(cast, node, through):
    """Blocks come while answers are on their way, and answers come late: nothing is taken back."""
    chance = random.Random(11)
    cast.catch_up()
    before = _rewinds(cast.store)

    def mine():
        with closing(Anvil(cast.founded.chain.url)) as anvil:
            for _ in range(form(25, 2_000)):
                anvil.mine(1)
                time.sleep(chance.random() * 0.06)

    def late(request, answer):
        time.sleep(chance.random() * 0.01)
        return answer

    node.fault = late
    miner = threading.Thread(target=mine)
    miner.start()
    try:
        while miner.is_alive():
            through.advance()
    finally:
        miner.join()
    node.fault = None
    while through.advance():
        pass
    assert _rewinds(cast.store) == before
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C6")
@pytest.mark.parametrize("seed", range(form(6, 200)))
def test_where_the_past_meets_the_present_nothing_is_left_out_and_nothing_comes_twice(
    cast, node, through, monkeypatch, seed
):
    """Blocks go on coming while the past is caught up with, in batches that end anywhere."""
    chance = random.Random(seed)
    for _ in range(chance.randint(3, 8)):
        cast.put(cast.records(chance, 2))
    came = []

    def goes_on(request, answer):
        if request["method"] in ("eth_getBlockByNumber", "eth_getLogs", "eth_call") and len(came) < 12:
            if chance.random() < 0.2:
                came.append(request)
                cast.put(cast.records(chance, 1))
        return answer

    node.fault = goes_on
    while True:
        monkeypatch.setattr(ledger.indexing, "BATCH_BLOCKS", chance.randint(1, 9))
        if through.advance() == 0:
            break
    node.fault = None
    while through.advance():
        pass
    assert came
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C9")
def test_an_indexer_that_silently_takes_no_blocks_makes_the_service_unready(
    founded, open_ledger, node, monkeypatch
):
    """The node names new blocks and gives none of them: there is no error, and the worker's heart beats."""
    monkeypatch.setattr(ledger.readiness, "UNREAD_SECONDS", 0.5)
    monkeypatch.setattr(ledger.serving.working, "BEAT_SECONDS", 0.0)
    at_work = open_ledger(profile=_with(founded, rpc_url=node.url))
    at_work.settle()
    assert at_work.ledger.readiness().ready
    cursor_at = cursor(at_work.ledger._store)[0]

    def gives_none(request, answer):
        is_new = request["method"] == "eth_getBlockByNumber" and request["params"][0] not in ("latest", "0x0")
        if is_new and int(request["params"][0], 16) > cursor_at:
            return answer | {"result": None}
        return answer

    node.fault = gives_none
    at_work.anvil.mine(2)
    at_work.turn()
    assert at_work.ledger.readiness().ready  # behind by two blocks, and not for long

    def is_said():
        at_work.turn()
        readiness = at_work.ledger.readiness()
        return any("no block was read" in reason for reason in readiness.reasons) and not readiness.ready

    until(is_said)
    node.fault = None
    at_work.turn()
    assert at_work.ledger.readiness().ready


@pytest.mark.row("C10")
def test_an_event_of_a_later_version_is_kept_as_it_came_and_read_by_the_version_that_knows_it(
    cast, open_ledger, monkeypatch
):
    at_work = open_ledger()
    known = ledger.chain._events_by_topic

    def older(contract):
        return {topic: name for topic, name in known(contract).items() if name != "RecordAppended"}

    cast.put([cast.opened[0]])
    with monkeypatch.context() as patched:
        patched.setattr(ledger.chain, "_events_by_topic", older)  # as a version without that event has it
        at_work.work()
        cast.put([cast.opened[1]])
        cast.anvil.mine(3)
        at_work.work()
        assert cursor(at_work.ledger._store)[0] == cast.anvil.head()  # it goes on
        kept = projection(at_work.ledger._store)
        assert kept["chain_custody"] == [] and len([r for r in kept["chain_events"] if "unknown" in r]) == 2
        assert at_work.ledger.metrics()["unknown_events"] == 2
        assert any("does not know" in reason for reason in at_work.ledger.readiness().reasons)
        at_work.reopen()
        at_work.work()
        assert at_work.ledger.metrics()["unknown_events"] == 2
    at_work.reopen()  # upgraded
    at_work.work()
    assert at_work.ledger.metrics()["unknown_events"] == 0
    assert at_work.ledger.readiness().ready
    assert projection(at_work.ledger._store) == cast.from_scratch()
    assert len(projection(at_work.ledger._store)["chain_custody"]) == 2


@pytest.mark.row("C2")
def test_logs_of_another_block_than_was_asked_for_are_not_taken(cast, node, through):
    """The chain turned between the block and its logs, and the node answers by number."""
    cast.catch_up()
    before = projection(cast.store)
    cast.put([cast.opened[0]])

    def fault(request, answer):
        if request["method"] == "eth_getLogs":
            return answer | {"result": [log | {"blockHash": "0x" + "ab" * 32} for log in answer["result"]]}
        return answer

    node.fault = fault
    with pytest.raises(ChainUnavailable, match="another block"):
        through.advance()
    assert projection(cast.store) == before


@pytest.mark.row("C4")
def test_a_block_that_does_not_follow_the_cursor_is_not_taken(cast, node, through):
    cast.catch_up()
    before = projection(cast.store)
    cast.anvil.mine(2)

    def fault(request, answer):
        if request["method"] == "eth_getBlockByNumber" and request["params"][0] != "latest":
            return answer | {"result": answer["result"] | {"parentHash": "0x" + "ab" * 32}}
        return answer

    node.fault = fault
    assert through.advance() == 0
    assert projection(cast.store) == before


@pytest.mark.parametrize(
    "method", ["eth_getBlockByNumber", "eth_getLogs", "eth_call"], ids=["its block", "its logs", "its count"]
)
def test_an_answer_that_is_none_changes_nothing(cast, node, through, method):
    cast.catch_up()
    before = projection(cast.store)
    cast.put([cast.opened[0]])
    node.fault = lambda request, answer: b"<html>502</html>" if request["method"] == method else answer
    with pytest.raises(ChainUnavailable):
        through.advance()
    assert projection(cast.store) == before
    node.fault = None
    assert through.advance() == 1


# --- several indexers, and the death of one


@pytest.mark.row("C5")
def test_two_indexers_of_one_store_take_each_block_once(cast, node, through):
    cast.catch_up()
    cast.put([cast.opened[0]])
    cast.put([cast.opened[1]])
    faster = []

    def fault(request, answer):
        if request["method"] == "eth_getLogs" and not faster:
            faster.append(cast.indexer.advance())  # the other one takes the same blocks meanwhile
        return answer

    node.fault = fault
    assert through.advance() == 0
    assert faster == [2]
    assert projection(cast.store) == cast.from_scratch()


@pytest.mark.row("C5")
def test_an_indexer_killed_at_any_moment_takes_each_event_once(cast, monkeypatch):
    chance = random.Random(3)
    monkeypatch.setattr(ledger.indexing, "BATCH_BLOCKS", 2)
    for _ in range(16):
        cast.put(cast.records(chance, 2))
    base = cast.founded.profile.deployment_block
    kills = 0
    for _ in range(8):
        with cast.store.write() as session:  # it has all of it before it each time
            if session.cursor() is not None:
                session.rewind(base)
        child = os.fork()
        if child == 0:  # a process of its own, on the same database
            try:
                store = Store(f"sqlite:///{cast.store.path}")
                indexer = Indexer(Chain(cast.founded.profile), store)
                while indexer.advance():
                    pass
            finally:
                os._exit(0)
        time.sleep(0.02 + chance.random() * 0.12)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
    assert kills > 2
    cast.catch_up()
    assert projection(cast.store) == cast.from_scratch()


# --- another chain


def _with(founded, **changes):
    return dataclasses.replace(founded.profile, **changes)


@pytest.mark.row("C8")
def test_the_node_of_another_chain_is_refused_by_what_differs(founded):
    with closing(Chain(founded.profile)) as chain:
        chain.require_identity()
    code = founded.profile.code_hashes | {"ManifestLog": "0x" + "00" * 32}
    for changes, what in (
        ({"chain_id": 5}, "chain id"),
        ({"genesis_hash": bytes(32)}, "genesis hash"),
        ({"code_hashes": code}, "code hash of ManifestLog"),
        ({"registry": founded.address("stranger")}, "code hash of AdministrationRegistry"),
    ):
        with closing(Chain(_with(founded, **changes))) as chain, pytest.raises(ChainMismatch, match=what):
            chain.require_identity()


@pytest.mark.row("C8")
def test_a_worker_on_another_chain_indexes_and_sends_nothing(founded, open_ledger, caplog):
    code = founded.profile.code_hashes | {"ManifestLog": "0x" + "00" * 32}
    at_work = open_ledger(profile=_with(founded, code_hashes=code))
    stop = threading.Event()
    worker = threading.Thread(target=at_work.ledger.run_worker, args=(stop,))
    worker.start()
    time.sleep(0.6)
    stop.set()
    worker.join()
    assert cursor(at_work.ledger._store) is None
    assert len([record for record in caplog.records if "code hash of ManifestLog" in record.message]) == 1


def test_a_worker_goes_on_when_its_node_comes_back(founded, open_ledger, node):
    at_work = open_ledger(profile=_with(founded, rpc_url=node.url))
    node.fault = lambda request, answer: faulty_node.HANG_UP
    stop = threading.Event()
    worker = threading.Thread(target=at_work.ledger.run_worker, args=(stop,))
    worker.start()
    try:
        time.sleep(0.3)
        assert cursor(at_work.ledger._store) is None
        node.fault = None
        deadline = time.monotonic() + 10
        while cursor(at_work.ledger._store) is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        stop.set()
        worker.join()


@pytest.mark.parametrize("size", [2**53, 2**63, 2**64 - 1])
def test_a_head_of_any_size_that_a_strange_sequencer_anchors_stops_nobody(open_ledger, size):
    """ManifestLog can't tell how many leaves a first head really has; what it takes, every indexer has to take."""
    at_work = open_ledger()
    at_work.settle()
    foreign = b"NL".ljust(8, b"\0")
    at_work.send("ManifestLog", "anchor", foreign, 1, size, b"\x11" * 32, [], role="foreign_sequencer")
    at_work.settle()
    at_work.anvil.mine(3)
    at_work.settle()
    with at_work.ledger._store.read() as session:
        head = session.newest_head(foreign)
        assert (head.size, session.head_of_size(foreign, 1, size).root) == (size, b"\x11" * 32)
        assert session.largest_head(foreign, 1, below=size) is None
    [listed] = [view for view in at_work.ledger.administrations() if view.administration == "NL"]
    told = at_work.ledger.head("NL")
    assert listed.log_size == told.size == size
    for view, name in ((listed, "log_size"), (told, "size")):
        text = view.model_dump_json()
        assert json.loads(text)[name] == (str(size) if size >= 2**53 else size)
        assert type(view).model_validate_json(text) == view
