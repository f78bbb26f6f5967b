"""Two senders of one store, against all rules, and a seed that puts their steps into an order.

A step is a question to the node or a transaction of the database. Whatever two processes do is such an order: a
transaction reads one snapshot, or has the writers' turn from its start to its end. Store, chain and senders are the real
ones; only the node is a model, in this process: its pool, its nonces, its blocks, and what the contracts would refuse.
"""

from __future__ import annotations

import functools
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from eth_abi.abi import decode

from ledger import sequencing, tables
from ledger.anchoring import Sender
from ledger.chain import Call, Chain, unsigned
from ledger.config import ChainProfile
from ledger.core import merkle
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, ManifestRecord, keccak
from ledger.core.signatures import account_of, checksummed
from ledger.errors import ConsistencyError, Refusal
from ledger.rows.custody import encode_custody
from ledger.store import Session, Store

SG = b"SG".ljust(8, b"\0")
PARTY = b"SG".ljust(8, b"\0") + b"ACME01".ljust(8, b"\0")
CONSIGNMENTS = 5
PROFILE = ChainProfile(
    kind="development",
    rpc_url="http://127.0.0.1:1",
    chain_id=31337,
    genesis_hash=ZERO32,
    registry=checksummed(b"\x01" * 20),
    manifest_log=checksummed(b"\x02" * 20),
    consignment_ledger=checksummed(b"\x03" * 20),
    code_hashes={},
    deployment_block=0,
    block_seconds=0,
    confirmations=1,
    gas_price_wei=8 * 10**9,
)
NOW = 1_790_000_000


class Steps:
    """Lets one of two go on at a time; before a step of its own it may be made to wait for the other."""

    def __init__(self) -> None:
        self._turns = (threading.Semaphore(0), threading.Semaphore(0))
        self._at_work: set[int] = set()
        self._changes_over: Callable[[], bool] = bool

    def step(self, who: int) -> None:
        if len(self._at_work) == 2 and self._changes_over():
            self._turns[1 - who].release()
            self._turns[who].acquire()

    def run(self, first: int, changes_over: Callable[[], bool], *jobs: Callable[[], Any]) -> None:
        """Both jobs to their end, in threads; `changes_over` is asked before each step."""
        self._changes_over = changes_over
        self._at_work = {0, 1}
        failed: list[BaseException] = []

        def work(who: int) -> None:
            self._turns[who].acquire()
            try:
                jobs[who]()
            except BaseException as error:
                failed.append(error)
            self._at_work.discard(who)
            if self._at_work:
                self._turns[1 - who].release()

        threads = [threading.Thread(target=work, args=(who,)) for who in (0, 1)]
        for thread in threads:
            thread.start()
        self._turns[first].release()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


class SteppingStore(Store):
    """A store whose transactions are steps."""

    def __init__(self, url: str, step: Callable[[], None]) -> None:
        self._step = step
        super().__init__(url)

    @contextmanager
    def read(self) -> Iterator[Session]:
        self._step()
        with super().read() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        self._step()
        with super().write() as session:
            yield session


@dataclass(frozen=True)
class Sent:
    """A transaction that the node was sent."""

    hash: bytes
    account: bytes
    nonce: int
    most_wei: int
    call: Call
    marks: frozenset[bytes]  # of the records it carries


@dataclass
class Node:
    """What a node knows, and what the contracts behind it have taken."""

    noted: Callable[[bytes], Any]  # the store's row of a hash
    marks: dict[bytes, bytes] = field(default_factory=dict)  # digest of a record, by what no other record has
    number: int = 1
    nonces: list[Counter[bytes]] = field(default_factory=lambda: [Counter(), Counter()])  # at each block
    sent: dict[bytes, Sent] = field(default_factory=dict)
    pool: dict[tuple[bytes, int], Sent] = field(default_factory=dict)
    mined: dict[bytes, tuple[int, bool]] = field(default_factory=dict)
    carriers: dict[bytes, set[tuple[bytes, int]]] = field(default_factory=dict)
    by_nonce: dict[tuple[bytes, int], frozenset[bytes]] = field(default_factory=dict)
    gone: set[tuple[bytes, tuple[bytes, int]]] = field(default_factory=set)  # carried, and came to nothing
    taken: Counter[bytes] = field(default_factory=Counter)
    head: tuple[int, bytes] = (0, b"")
    reverted_heads: int = 0

    def block_hash(self, number: int) -> bytes:
        return keccak(number.to_bytes(8, "big"))

    def answer(self, method: str, parameters: list[Any]) -> Any:
        match method:
            case "eth_chainId":
                return hex(PROFILE.chain_id)
            case "eth_getBlockByNumber":
                return {"number": hex(self.number), "gasLimit": hex(30_000_000), "baseFeePerGas": hex(7)}
            case "eth_getTransactionCount":
                at = self.number if parameters[1] == "latest" else int(parameters[1], 16)
                return hex(self.nonces[at][bytes.fromhex(parameters[0][2:])])
            case "eth_call":
                return "0x" + bytes(32).hex()
            case "eth_sendRawTransaction":
                return "0x" + self._take(bytes.fromhex(parameters[0][2:])).hex()
        sent = self.sent.get(bytes.fromhex(parameters[0][2:]))
        if sent is None:
            return None
        if method == "eth_getTransactionByHash":
            is_known = sent.hash in self.mined or self.pool.get((sent.account, sent.nonce)) == sent
            return {"hash": parameters[0]} if is_known else None
        if method == "eth_getTransactionReceipt":
            if sent.hash not in self.mined:
                return None
            number, succeeded = self.mined[sent.hash]
            return {
                "transactionHash": parameters[0],
                "blockNumber": hex(number),
                "blockHash": "0x" + self.block_hash(number).hex(),
                "status": hex(succeeded),
                "gasUsed": "0x1",
            }
        raise AssertionError(method)

    def _take(self, raw: bytes) -> bytes:
        transaction_hash = keccak(raw)
        row = self.noted(transaction_hash)
        assert row is not None, "sent before it was noted"
        call, offer = unsigned(raw)
        words = (call.data[at : at + 32] for at in range(4, len(call.data), 32))
        sent = Sent(
            transaction_hash,
            row.account,
            row.nonce,
            offer.most_wei,
            call,
            frozenset(word for word in words if word in self.marks),
        )
        self._require_once(sent, row)
        self.sent[transaction_hash] = sent
        place = sent.account, sent.nonce
        if sent.nonce >= self.nonces[-1][sent.account]:
            there = self.pool.get(place)
            if there is None or 10 * sent.most_wei >= 11 * there.most_wei:
                self.pool[place] = sent
        return transaction_hash

    def _require_once(self, sent: Sent, row: Any) -> None:
        """No record goes out under a second nonce while it may still have its effect under the first."""
        place = sent.account, sent.nonce
        for mark in sent.marks:
            before = self.carriers.setdefault(mark, set())
            for other in before - {place}:
                assert (mark, other) in self.gone, f"a record is in two transactions: {row}"
            before.add(place)
        carried = self.by_nonce.setdefault(place, sent.marks)
        assert carried == sent.marks, f"two transactions of one nonce: {row}"

    def mine(
        self, chance: random.Random, held: set[bytes], is_calm: bool
    ) -> list[tuple[Sent, bool, list[bytes]]]:
        """One block: some of each key's next transactions, whether they succeed, and which records are refused."""
        self.number += 1
        nonces = Counter(self.nonces[-1])
        found = []
        for account in sorted({account for account, _ in self.pool}):
            while account not in held and (sent := self.pool.get((account, nonces[account]))) is not None:
                if not is_calm and chance.random() < 0.2:
                    break
                del self.pool[account, nonces[account]]
                nonces[account] += 1
                refused: list[bytes] = []
                succeeds = self._succeeds(sent, is_calm or chance.random() > 0.05)
                if sent.call.to == PROFILE.consignment_ledger and not is_calm:
                    refused = [mark for mark in sorted(sent.marks) if chance.random() < 0.03]
                self.mined[sent.hash] = self.number, succeeds
                for mark in sent.marks:
                    if succeeds and mark not in refused:
                        self.taken[mark] += 1
                    else:
                        self.gone.add((mark, (sent.account, sent.nonce)))
                found.append((sent, succeeds, refused))
        self.nonces.append(nonces)
        return found

    def _succeeds(self, sent: Sent, has_gas: bool) -> bool:
        if sent.call.to == PROFILE.consignment_ledger:
            return has_gas
        if not sent.call.data[4:] or sent.marks:
            return True
        _, _, size, root, path = decoded_head(sent.call)
        is_next = size > self.head[0]
        if is_next and self.head[0]:
            try:
                merkle.verify_consistency(*self.head, size, root, path)
            except ConsistencyError:
                is_next = False
        if is_next:
            self.head = size, root
        self.reverted_heads += not is_next
        return is_next


def decoded_head(call: Call) -> tuple[bytes, int, int, bytes, list[bytes]]:
    administration, epoch, size, root, path = decode(
        ["bytes8", "uint64", "uint64", "bytes32", "bytes32[]"], call.data[4:]
    )
    return administration, epoch, size, root, list(path)


class _Transport(httpx.BaseTransport):
    """The way to the node: what is asked is a step."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.node: Node | None = None
        self._step = step

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self.node is not None
        self._step()
        asked = orjson.loads(request.read())
        answer = self.node.answer(asked["method"], asked["params"])
        return httpx.Response(
            200, content=orjson.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer})
        )


class TwoSenders:
    """Two chains, made once; a world is a store, a node and two senders, see `World`."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.chains, self.transports = [], []
        for who in (0, 1):
            chain, transport = Chain(PROFILE), _Transport(functools.partial(self.steps.step, who))
            chain._provider._http.close()
            chain._provider._http = httpx.Client(transport=transport)
            self.chains.append(chain)
            self.transports.append(transport)

    def close(self) -> None:
        for chain in self.chains:
            chain.close()


class World:
    """A store in which things are accepted, and two who send them.

    Args:
        two: The chains.
        url: A ledger's database in which nothing is.
        seed: What happens in it.
    """

    def __init__(self, two: TwoSenders, url: str, seed: int) -> None:
        self._two = two
        self._chance = random.Random(seed)
        self._open = ExitStack()
        self.store = self._open.enter_context(closing(Store(url)))
        self.node = Node(self._noted)
        keys = [keccak(f"{seed} {name}".encode()) for name in range(4)]
        relayers = tuple(keys[1 : 2 + seed % 3]) if seed % 4 else (keys[0],)  # sometimes one key does it all
        self.accounts = [bytes.fromhex(account_of(key)[2:]) for key in keys]
        self.senders = []
        for who, (chain, transport) in enumerate(zip(two.chains, two.transports, strict=True)):
            transport.node = self.node
            stepping = SteppingStore(url, functools.partial(two.steps.step, who))
            self._open.enter_context(closing(stepping))
            self.senders.append(Sender(chain, stepping, "SG", keys[0], relayers))
        self._made = 0
        self._sequence = Counter[str]()
        self._custody: dict[bytes, tuple[CustodyRecord, bytes]] = {}
        self._closures: dict[bytes, tuple[ManifestRecord, bytes]] = {}
        self._held: dict[bytes, int] = {}
        with self.store.write() as session:
            session.begin_epoch(1)
        self._index([])

    def close(self) -> None:
        self._open.close()

    def _noted(self, transaction_hash: bytes) -> Any:
        with self.store.read() as session:
            return session.first(tables.transactions, hash=transaction_hash)

    # --- what is accepted

    def _mark(self) -> bytes:
        self._made += 1
        return keccak(b"mark %d" % self._made)

    def accept(self) -> None:
        """Some custody records, and some manifests that close others."""
        chance = self._chance
        with self.store.write() as session:
            for _ in range(chance.choice((0, 1, 1, 3))):
                mark = self._mark()
                consignment, other = (keccak(b"box %d" % n) for n in chance.sample(range(CONSIGNMENTS), 2))
                second = other if chance.random() < 0.2 else None
                kind = CustodyKind.SEAL if second is None else CustodyKind.CONSOLIDATE
                record = CustodyRecord(
                    consignment, kind, PARTY, ZERO32, second or ZERO32, mark, ZERO16, NOW, NOW + 3600
                )
                digest = keccak(mark)
                self.node.marks[mark] = digest
                self._custody[mark] = record, digest
                session.add_custody(
                    {
                        "digest": digest,
                        "consignment": consignment,
                        "second": second,
                        "body": encode_custody(record),
                        "signature": bytes(65),
                        "signer": bytes(20),
                        "accepted_at": NOW,
                        "state": "waiting",
                        "reverts": 0,
                    }
                )
            self._lodge(session, chance.choice((0, 0, 1, 2)))
        sequencing.extend(self.store)

    def _lodge(self, session: Session, count: int) -> None:
        next_index = session.log().next_index
        rows = []
        for index in range(next_index, next_index + count):
            mark = self._mark()
            record = ManifestRecord(
                party=PARTY,
                kind=2,
                reason=1,
                consignment=keccak(b"box %d" % self._chance.randrange(CONSIGNMENTS)),
                manifest_root=mark,
                supersedes=keccak(b"former" + mark),
                issued_at=NOW,
            )
            digest = keccak(mark)
            self.node.marks[mark] = digest
            self._closures[mark] = record, digest
            rows.append(
                {
                    "digest": digest,
                    "manifest_id": record.manifest_id,
                    "epoch": 1,
                    "log_index": index,
                    "leaf": record.leaf_data(bytes(65)),
                    "signer": bytes(20),
                    "party": PARTY,
                    "consignment": record.consignment,
                    "supersedes": record.supersedes,
                    "seen": True,
                    "accepted_at": NOW,
                    "promise_epoch": 1,
                    "promise_index": index,
                    "anchor_by": NOW + 60,
                    "promise_signer": bytes(20),
                    "promise_signature": bytes(65),
                    "closing": "waiting",
                }
            )
        session.add_manifests(rows)
        session.set_next_index(next_index + count)

    # --- what the chain does

    def mine(self, is_calm: bool = False) -> None:
        """A block. Sometimes the node forgets a transaction before, or a key's next ones are left out for some blocks."""
        chance = self._chance
        if is_calm:
            self._held.clear()
        elif self.node.pool and chance.random() < 0.05:
            del self.node.pool[chance.choice(sorted(self.node.pool))]
        elif chance.random() < 0.05:
            self._held[chance.choice(self.accounts)] = self.node.number + chance.randrange(4, 40)
        held = {account for account, until in self._held.items() if until > self.node.number}
        self._index(self.node.mine(chance, held, is_calm))

    def _index(self, mined: list[tuple[Sent, bool, list[bytes]]]) -> None:
        """What the indexer writes of a block."""
        number = self.node.number
        with self.store.write() as session:
            session.add_block(number, self.node.block_hash(number), NOW + number)
            for place, (sent, succeeds, refused) in enumerate(mined):
                where = {"block_number": number, "transaction_hash": sent.hash}
                for mark in sorted(sent.marks) if succeeds else ():
                    if mark in refused:
                        self._index_refusal(session, mark, where)
                    elif mark in self._custody:
                        self._index_custody(session, mark, where, place)
                    else:
                        self._index_closure(session, mark, where, place)
                if succeeds and sent.call.to == PROFILE.manifest_log and not sent.marks:
                    _, epoch, size, root, _ = decoded_head(sent.call)
                    session.add_chain_head(
                        where
                        | {
                            "administration": SG,
                            "epoch": epoch,
                            "size": size,
                            "root": root,
                            "anchored_at": NOW + number,
                            "sequence": self._next("log"),
                            "log_index": place,
                        }
                    )

    def _next(self, contract: str) -> int:
        self._sequence[contract] += 1
        return self._sequence[contract]

    def _index_refusal(self, session: Session, mark: bytes, where: dict[str, Any]) -> None:
        session.add_chain_refusal(
            where
            | {
                "sequence": self._next("custody"),
                "digest": self.node.marks[mark],
                "refusal": int(Refusal.NOT_NEXT),
            }
        )

    def _index_custody(self, session: Session, mark: bytes, where: dict[str, Any], place: int) -> None:
        record, digest = self._custody[mark]
        session.add_chain_custody(
            where
            | {
                "sequence": self._next("custody"),
                "digest": digest,
                "consignment": record.consignment,
                "other": None if record.subject == ZERO32 else record.subject,
                "kind": record.kind,
                "signer": bytes(20),
                "body": encode_custody(record),
                "signature": bytes(65),
                "accepted_at": NOW,
                "log_index": place,
            }
        )

    def _index_closure(self, session: Session, mark: bytes, where: dict[str, Any], place: int) -> None:
        record, digest = self._closures[mark]
        session.add_chain_closure(
            where
            | {
                "former": record.supersedes,
                "kind": record.kind,
                "reason": record.reason,
                "closed_at": NOW,
                "signer": bytes(20),
                "successor": record.manifest_id,
                "digest": digest,
                "sequence": self._next("log"),
                "log_index": place,
                "party": PARTY,
                "consignment": record.consignment,
                "root": record.manifest_root,
                "issued_at": NOW,
                "signature": bytes(65),
            }
        )

    # --- the schedules

    def schedule(self) -> None:
        """Both take a turn, or one some turns with blocks between them, their steps in an order of the seed's."""
        chance = self._chance
        self.accept()
        changes_over = self._order()
        turns = chance.choice((1, 1, 1, 2, 4))

        def one() -> None:
            self.senders[0].turn()

        def other() -> None:
            for again in range(turns):
                if again:
                    self.mine()
                self.senders[1].turn()

        self._two.steps.run(chance.randrange(2), changes_over, one, other)
        if chance.random() < 0.7:
            self.mine()

    def _order(self) -> Callable[[], bool]:
        """Who goes on, asked before each step: often the other, seldom, or once, which then goes on to its end."""
        chance = self._chance
        often = chance.choice((0.0, 0.0, 0.05, 0.2, 0.5))
        at = chance.randrange(30)
        asked = itertools.count()
        return lambda: chance.random() < often if often else next(asked) == at

    def settle(self) -> None:
        """No more comes, and the chain takes what it is sent: all comes to its end."""
        for _ in range(60):
            self.mine(is_calm=True)
            moved = [sender.turn() for sender in self.senders]
            with self.store.read() as session:
                is_under_way = bool(session.transactions_in("sent", "mined"))
            if not is_under_way and not any(moved):
                return
        raise AssertionError("something stays on its way")

    def require_everything_once(self) -> None:
        """Each record had its effect once or was refused, each key's numbers are without a gap, the head covers all."""
        with self.store.read() as session:
            custody = {
                row.digest: row.state for row in session.every(tables.custody, tables.custody.c.position)
            }
            closings = [*session.every(tables.manifests, tables.manifests.c.log_index)]
            transactions = session.transactions_in(
                *("sent", "mined", "final", "failed", "outrun", "replaced")
            )
            log = session.log()
        for mark, (_, digest) in self._custody.items():
            assert (custody[digest], self.node.taken[mark]) in (("done", 1), ("refused", 0))
        assert all((row.closing, self.node.taken[row.leaf[51:83]]) == ("done", 1) for row in closings)
        assert (log.foreign_from, self.node.head[0], self.node.reverted_heads) == (None, log.sequenced, 0)
        numbers: dict[bytes, list[int]] = {}
        for row in transactions:
            if row.state != "outrun":
                assert row.state == "final" or (row.state == "failed" and not self.node.mined[row.hash][1])
                numbers.setdefault(row.account, []).append(row.nonce)
        for account, used in numbers.items():
            assert used == list(range(self.node.nonces[-1][account]))
