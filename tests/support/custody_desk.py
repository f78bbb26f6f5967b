"""Sign custody records and put them on chain in bulk, fast: for tests of ConsignmentLedger and its parity.

Ape's own contract calls cost tens of milliseconds each; a state machine makes tens of thousands. This speaks JSON-RPC to
the same node, decodes the events by hand, and keeps no state of its own but the time of the next block.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from coincurve import PrivateKey
from eth_abi import decode, encode

from ledger.core.custody import ON_CUSTODY_LINE
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
    Domain,
    consignment_id,
    keccak,
)
from ledger.errors import Refusal

RECORD = "(bytes32,uint8,bytes16,bytes32,bytes32,bytes32,bytes16,uint64,uint64)"
APPENDED = keccak(f"RecordAppended(uint64,bytes32,bytes32,address,{RECORD},bytes)".encode())
REFUSED = keccak(b"RecordRefused(uint64,bytes32,address,uint8)")
GAS_A_RECORD = 200_000  # the budget of DESIGN 4; every test lives within it
HOUR = 3600  # seconds


@dataclass(frozen=True)
class Outcome:
    """What one event of a batch said."""

    sequence: int
    digest: bytes
    signer: bytes
    refusal: Refusal
    other: bytes = ZERO32
    record: CustodyRecord | None = None
    signature: bytes = b""


def fields(record: CustodyRecord) -> tuple[Any, ...]:
    """The record as `eth_abi` takes it."""
    return (
        record.consignment,
        record.kind,
        record.party,
        record.previous,
        record.subject,
        record.details,
        record.counterpart,
        record.observed_at,
        record.expires_at,
    )


def selector(signature: str) -> bytes:
    """The four bytes that name a function."""
    return keccak(signature.encode())[:4]


class Desk:
    """Where people bring records: fills in lines and times, signs, appends, reads."""

    def __init__(self, network: Any, url: str) -> None:
        self.network = network
        self.address = network.ledger.address
        self.domain = Domain(network.chain_id, bytes.fromhex(self.address[2:]))
        self._connection = HTTPConnection(urlsplit(url).netloc)
        self._sender = self.rpc("eth_accounts")[0]
        self._keys: dict[str, PrivateKey] = {}
        self._blinds = itertools.count(1)
        self.now = self.latest_time() + 10

    # ------------------------------------------------------------------------------------------------------- chain

    def rpc(self, method: str, *params: Any) -> Any:
        return self.rpc_many([(method, list(params))])[0]

    def rpc_many(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The results of several calls, asked for at once."""
        asked = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        self._connection.request("POST", "/", json.dumps(asked), {"Content-Type": "application/json"})
        answers = json.loads(self._connection.getresponse().read())
        for answer in answers:
            assert "error" not in answer, answer["error"]
        return [answer["result"] for answer in sorted(answers, key=lambda answer: answer["id"])]

    def latest_time(self) -> int:
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def ask(self, function: str, types: Sequence[str] = (), values: Sequence[Any] = ()) -> bytes:
        """The first word of a view's answer, 32 bytes."""
        return self.ask_many([(function, types, values)])[0]

    def ask_many(self, questions: Sequence[tuple[str, Sequence[str], Sequence[Any]]]) -> list[bytes]:
        """The first word of each view's answer, 32 bytes."""
        data = [
            selector(f"{function}({','.join(types)})") + encode(list(types), list(values))
            for function, types, values in questions
        ]
        calls = [("eth_call", [{"to": self.address, "data": "0x" + each.hex()}, "latest"]) for each in data]
        return [bytes.fromhex(answer[2:66]) for answer in self.rpc_many(calls)]

    def state(self, consignment: bytes, *actors: Any) -> list[bytes]:
        """All that is kept of a consignment, in the words of the getters, with the lines of some accounts."""
        one = (["bytes32"], [consignment])
        names = ("trail", "custodyLine", "custodian", "offeredTo", "parent", "contents", "height")
        holds = [
            ("openHolds", ["bytes32", "bytes8"], [consignment, code.ljust(8, b"\0")])
            for code in (b"SG", b"AE", b"NL")
        ]
        lines = [("accountLine", ["bytes32", "address"], [consignment, actor.address]) for actor in actors]
        return self.ask_many([*((name, *one) for name in names), *holds, *lines])

    def number(self, function: str, consignment: bytes) -> int:
        return int.from_bytes(self.ask(function, ["bytes32"], [consignment]), "big")

    def party(self, function: str, consignment: bytes) -> bytes:
        return self.ask(function, ["bytes32"], [consignment])[:16]

    def word(self, function: str, consignment: bytes) -> bytes:
        return self.ask(function, ["bytes32"], [consignment])

    def slot(self, slot: bytes) -> bytes:
        """A storage slot of the contract, 32 bytes."""
        return bytes.fromhex(self.rpc("eth_getStorageAt", self.address, "0x" + slot.hex(), "latest")[2:])

    # ----------------------------------------------------------------------------------------------------- records

    def line(self, kind: int, consignment: bytes, actor: Any) -> bytes:
        """What a record of this kind by this account must name as `previous`, read from the chain."""
        if kind in ON_CUSTODY_LINE:
            return self.ask("custodyLine", ["bytes32"], [consignment])
        return self.ask("accountLine", ["bytes32", "address"], [consignment, actor.address])

    def record(self, kind: CustodyKind, actor: Any, consignment: bytes, **changes: Any) -> CustodyRecord:
        """A record that follows its line, observed now, good for an hour; `changes` says what is different."""
        given = {
            "consignment": consignment,
            "kind": int(kind),
            "party": actor.party,
            "subject": ZERO32,
            "details": ZERO32,
            "counterpart": ZERO16,
            "observed_at": self.now,
            "expires_at": self.now + HOUR,
        } | changes
        if "previous" not in given:
            given["previous"] = self.line(kind, consignment, actor)
        return CustodyRecord(**given)

    def opening(self, actor: Any, **changes: Any) -> CustodyRecord:
        """An OPEN under a blind that nobody used before."""
        blind = changes.pop("previous", None) or keccak(b"blind %d" % next(self._blinds))
        consignment = changes.pop("consignment", consignment_id(actor.party, blind))
        return self.record(
            CustodyKind.OPEN,
            actor,
            consignment,
            previous=blind,
            **({"details": keccak(b"manifest")} | changes),
        )

    def digest(self, record: CustodyRecord) -> bytes:
        return record.digest(self.domain)

    # --------------------------------------------------------------------------------------------------- appending

    def sign(self, actor: Any, digest: bytes) -> bytes:
        """As `actor.sign`, which derives its key anew each time: tens of milliseconds."""
        key = self._keys.get(actor.address)
        if key is None:
            key = PrivateKey(bytes.fromhex(actor.account.private_key.removeprefix("0x")))
            self._keys[actor.address] = key
        signature = key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])

    def signed(self, actor: Any, *records: CustodyRecord) -> list[tuple[CustodyRecord, bytes]]:
        return [(record, self.sign(actor, self.digest(record))) for record in records]

    def data(self, batch: Sequence[tuple[CustodyRecord, bytes]]) -> bytes:
        return selector(f"append({RECORD}[],bytes[])") + encode(
            [RECORD + "[]", "bytes[]"],
            [[fields(record) for record, _ in batch], [signature for _, signature in batch]],
        )

    def send(self, data: bytes, gas: int) -> dict[str, Any]:
        """Send a transaction in a block of time `now`; the receipt, whether it succeeded or not."""
        self.rpc("evm_setNextBlockTimestamp", self.now)
        self.now += 1
        sent = {"from": self._sender, "to": self.address, "data": "0x" + data.hex(), "gas": hex(gas)}
        return self._receipt(self.rpc("eth_sendTransaction", sent))

    def send_as(
        self, actor: Any, contract: Any, function: str, types: Sequence[str], values: Sequence[Any]
    ) -> None:
        """A transaction of somebody else to another contract, in a block of time `now`; it must succeed."""
        self.rpc("anvil_impersonateAccount", actor.address)
        self.rpc("evm_setNextBlockTimestamp", self.now)
        self.now += 1
        data = selector(function) + encode(list(types), list(values))
        sent = {"from": actor.address, "to": contract.address, "data": "0x" + data.hex(), "gas": hex(500_000)}
        receipt = self._receipt(self.rpc("eth_sendTransaction", sent))
        assert int(receipt["status"], 16) == 1, f"{function} reverted"

    def _receipt(self, transaction: str) -> dict[str, Any]:
        """The receipt; anvil can name a transaction before there is one."""
        while (receipt := self.rpc("eth_getTransactionReceipt", transaction)) is None:
            time.sleep(0.005)
        return receipt

    def append(self, batch: Sequence[tuple[CustodyRecord, bytes]]) -> list[Outcome]:
        """Append signed records in one transaction, and read what its events say."""
        receipt = self.send(self.data(batch), 60_000 + GAS_A_RECORD * len(batch))
        assert int(receipt["status"], 16) == 1, "append reverted"
        self.gas_used = int(receipt["gasUsed"], 16)
        return [self._outcome(log) for log in receipt["logs"]]

    def file(self, actor: Any, *records: CustodyRecord) -> list[Outcome]:
        """Sign and append."""
        return self.append(self.signed(actor, *records))

    def step(self, kind: CustodyKind, actor: Any, consignment: bytes, **changes: Any) -> Outcome:
        """One record in a batch of its own."""
        return self.file(actor, self.record(kind, actor, consignment, **changes))[0]

    def must(self, kind: CustodyKind, actor: Any, consignment: bytes, **changes: Any) -> bytes:
        """One record that is appended; its digest."""
        outcome = self.step(kind, actor, consignment, **changes)
        assert outcome.refusal is Refusal.NONE, f"{kind.name} was refused: {outcome.refusal.name}"
        return outcome.digest

    def refuses(
        self, refusal: Refusal, kind: CustodyKind, actor: Any, consignment: bytes, **changes: Any
    ) -> None:
        """A record that is refused for this reason, by `append` and `check` alike, and changes nothing."""
        self.refuses_record(refusal, self.record(kind, actor, consignment, **changes), actor)

    def refuses_record(
        self, refusal: Refusal, record: CustodyRecord, actor: Any, signature: bytes | None = None
    ) -> None:
        signature = self.sign(actor, self.digest(record)) if signature is None else signature
        concerned = (record.consignment, record.subject)
        before = [self.state(each, actor) for each in concerned]
        assert self.check(record, signature) is refusal
        (outcome,) = self.append([(record, signature)])
        assert outcome.refusal is refusal, f"{outcome.refusal!r}, not {refusal!r}"
        assert outcome.digest == self.digest(record)
        assert [self.state(each, actor) for each in concerned] == before

    def open(self, actor: Any, **changes: Any) -> bytes:
        """A new consignment in the charge of `actor`'s party; its id."""
        outcome = self.file(actor, self.opening(actor, **changes))[0]
        assert outcome.refusal is Refusal.NONE and outcome.record is not None, outcome.refusal.name
        return outcome.record.consignment

    def check(self, record: CustodyRecord, signature: bytes) -> Refusal:
        """What the view `check` answers in a block of time `now`."""
        data = selector(f"check({RECORD},bytes)") + encode([RECORD, "bytes"], [fields(record), signature])
        override = {"to": self.address, "data": "0x" + data.hex()}
        answer = self.rpc("eth_call", override, "latest", {}, {"time": hex(self.now)})
        return Refusal(int(answer, 16))

    def _outcome(self, log: dict[str, Any]) -> Outcome:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        data = bytes.fromhex(log["data"][2:])
        if topics[0] == REFUSED:
            sequence, refusal = decode(["uint64", "uint8"], data)
            return Outcome(sequence, topics[1], topics[2][12:], Refusal(refusal))
        assert topics[0] == APPENDED
        sequence, values, signature = decode(["uint64", RECORD, "bytes"], data)
        record = CustodyRecord(*values)
        assert record.consignment == topics[1]
        return Outcome(
            sequence, self.digest(record), topics[3][12:], Refusal.NONE, topics[2], record, signature
        )


def changed(record: CustodyRecord, **changes: Any) -> CustodyRecord:
    """The same record but for some fields."""
    return replace(record, **changes)
