"""The only JSON-RPC: blocks, events, contract state and transactions of the chain that a profile pins.

What a node answers is bounded in size and time and never believed beyond its form: an answer that is no answer raises
`ChainUnavailable`, another chain raises `ChainMismatch`, and nothing is decided from an error's text but a contract's own
named error. Why web3 with a provider of our own: its encoding of calls and events is the field's, its HTTP provider
reads answers of any size.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import httpx
import orjson
from eth_abi.exceptions import DecodingError
from eth_account import Account
from eth_typing import ChecksumAddress, HexStr
from eth_utils.abi import event_abi_to_log_topic, function_signature_to_4byte_selector
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractLogicError, Web3Exception
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from ledger import abi, errors
from ledger.config import CONTRACTS, ChainProfile
from ledger.core import headers, rlp
from ledger.core.records import CustodyRecord, ManifestRecord, keccak
from ledger.errors import ChainMismatch, ChainUnavailable, ContractError, InvalidRecord, Refusal
from ledger.fees import Fees

ANSWER_LIMIT_BYTES = 64 << 20  # the largest answer a node may give
ANSWER_SECONDS = 30.0  # from asking to the answer's last byte
QUICK_SECONDS = (
    6.0  # the same of what a node has at hand: a worker whose node hangs says so before it is missed
)
CONNECT_SECONDS = 5.0
_QUICK = frozenset({"eth_chainId", "eth_blockNumber", "eth_getBlockByNumber", "eth_getTransactionCount"})
GAS_PER_RECORD = 200_000  # DESIGN 4: a constant, never an estimate
GAS_PER_BATCH = 100_000
GAS_ANCHOR = 1_000_000
GAS_CLOSURE = 300_000
_UINT64 = 1 << 64
_HEADER_INTEGERS = frozenset(
    (
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
    )
)
_HEADER_FIELDS = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)  # as a header holds them
# What reading an answer of the wrong form raises, in our hands or in those of web3 and eth_abi.
_MALFORMED = (
    AttributeError,
    DecodingError,
    KeyError,
    OverflowError,
    TypeError,
    ValueError,
    Web3Exception,
)


artifact = abi.artifact


@cache
def _events_by_topic(contract: str) -> dict[bytes, str]:
    return {
        bytes(event_abi_to_log_topic(item)): item["name"]
        for item in artifact(contract)["abi"]
        if item["type"] == "event"
    }


@cache
def _errors_by_selector() -> dict[bytes, dict[str, Any]]:
    found = {}
    for contract in CONTRACTS:
        for item in artifact(contract)["abi"]:
            if item["type"] == "error":
                signature = f"{item['name']}({','.join(i['type'] for i in item['inputs'])})"
                found[bytes(function_signature_to_4byte_selector(signature))] = item
    return found


@dataclass(frozen=True, slots=True)
class Block:
    """A block's place in the chain.

    Attributes:
        number: From 0.
        hash: 32 bytes.
        parent_hash: 32 bytes.
        timestamp: Unix seconds.
        has_logs: Whether its bloom filter lets any log through; False proves that there is none.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    has_logs: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What a contract emitted.

    Attributes:
        contract: Name of the contract.
        name: Name of the event; "" for one that this version does not know.
        sequence: Its number in this contract, gapless from 1.
        values: Its arguments by name: int, bytes, checksummed address, and for a record a `CustodyRecord`. Of an unknown
            one `topics` (a list) and `data`, as bytes.
        block: The block that holds it.
        transaction_hash: 32 bytes.
        log_index: Its place in the block.
    """

    contract: str
    name: str
    sequence: int
    values: dict[str, Any]
    block: Block
    transaction_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a transaction was mined, and where.

    Attributes:
        block_number: From 0.
        block_hash: 32 bytes.
        succeeded: False when it reverted.
        gas_used: Gas.
    """

    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int


@dataclass(frozen=True, slots=True)
class Call:
    """A contract call that is to become a transaction.

    Attributes:
        to: Contract address, checksummed.
        data: Call data.
        gas: Gas limit, a constant of its kind.
    """

    to: str
    data: bytes
    gas: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What the chain asks of a transaction, as of its newest block.

    Attributes:
        number: The block's number.
        gas_limit: Gas that a block has; a transaction of more is never mined.
        base_fee_wei: The base fee of a unit of gas; 0 where there is none.
    """

    number: int
    gas_limit: int
    base_fee_wei: int


class _BoundedProvider(JSONBaseProvider):
    """JSON-RPC over HTTP with a cap on size and time of an answer."""

    # web3 would otherwise fetch addresses that a contract's revert names (EIP-3668): our only peer is the node.
    global_ccip_read_enabled = False

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.shown = _without_secrets(url)
        is_near = url.startswith("http:")
        self._http = httpx.Client(
            trust_env=False,
            verify=not is_near,  # where there is nothing to verify, no certificates are loaded
            # to pack an answer costs geth a third of it all, and on its own machine saves nothing
            headers={"accept-encoding": "identity"} if is_near else None,
        )

    def close(self) -> None:
        self._http.close()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        sent_id = orjson.loads(body)["id"]
        received, parsed = self._ask(method, body)
        if (
            not isinstance(parsed, dict)
            or parsed.get("id") != sent_id
            or not {"result", "error"} & parsed.keys()
        ):
            raise ChainUnavailable(
                self.shown, f"its answer to {method} is no JSON-RPC answer to what was asked"
            )
        if any(received.count(name) > 1 for name in (b'"id"', b'"result"')):
            raise ChainUnavailable(self.shown, f"its answer to {method} has a name twice")
        return cast(RPCResponse, parsed)

    def _ask(self, method: str, body: bytes) -> tuple[bytearray, Any]:
        """Send a request: the answer's bytes, and what they say as JSON."""
        received, status = self._post(method, body)
        try:
            return received, orjson.loads(received)
        except orjson.JSONDecodeError:
            raise ChainUnavailable(
                self.shown, f"its answer to {method} is no JSON (HTTP status {status})"
            ) from None

    def make_requests(self, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
        """Several requests of one method in one list; their ids are their places."""
        body = orjson.dumps(
            [
                {"jsonrpc": "2.0", "id": place, "method": method, "params": each}
                for place, each in enumerate(params)
            ]
        )
        _, parsed = self._ask(method, body)
        if not isinstance(parsed, list):
            raise ChainUnavailable(self.shown, f"its answer to {len(params)} of {method} is no list")
        return parsed

    def _post(self, method: str, body: bytes) -> tuple[bytearray, int]:
        seconds = min(QUICK_SECONDS, ANSWER_SECONDS) if method in _QUICK else ANSWER_SECONDS
        deadline = time.monotonic() + seconds
        received = bytearray()
        try:
            with self._http.stream(
                "POST",
                self.url,
                content=body,
                headers={"content-type": "application/json"},
                timeout=httpx.Timeout(
                    seconds, connect=CONNECT_SECONDS
                ),  # of one read; the deadline is of all
            ) as answer:
                for chunk in answer.iter_bytes():
                    received += chunk
                    if len(received) > ANSWER_LIMIT_BYTES:
                        raise ChainUnavailable(
                            self.shown, f"its answer to {method} is over {ANSWER_LIMIT_BYTES} bytes"
                        )
                    if time.monotonic() > deadline:
                        raise ChainUnavailable(
                            self.shown, f"its answer to {method} took over {seconds:.0f} s"
                        )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error).replace(self.url, self.shown) or type(error).__name__
            raise ChainUnavailable(self.shown, reason) from None
        return received, answer.status_code


def _without_secrets(url: str) -> str:
    """The scheme, host and port of an address: the rest may hold a password or a token, and errors are logged."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname or ''}{port}"
    except ValueError:
        return "an address that is none"


class Node:
    """A chain's node, whatever contracts are on it. Thread-safe.

    Raises (every method):
        ChainUnavailable: The node gave no usable answer.
    """

    def __init__(self, url: str) -> None:
        self._provider = _BoundedProvider(url)
        self.url = url
        self.shown = self._provider.shown  # for errors
        self._w3 = Web3(
            self._provider, middleware=[]
        )  # they ask the node again before each call, and look up names

    def close(self) -> None:
        """Close the connections."""
        self._provider.close()

    def chain_id(self) -> int:
        """The chain's id."""
        return self._quantity("eth_chainId")

    def head(self) -> Block:
        """The newest block."""
        return _block_from(self._rpc("eth_getBlockByNumber", "latest", False), self.shown)

    def terms(self) -> Terms:
        """What a transaction must keep to now."""
        raw = self._rpc("eth_getBlockByNumber", "latest", False)
        try:
            base_fee = raw.get("baseFeePerGas")
            return Terms(
                number=_number(raw["number"]),
                gas_limit=_number(raw["gasLimit"]),
                base_fee_wei=0 if base_fee is None else _number(base_fee),
            )
        except _MALFORMED as error:
            raise ChainUnavailable(self.shown, f"a block is malformed: {error!r}") from None

    def block(self, number: int) -> Block | None:
        """The block of a number on the node's present chain, or None above its head."""
        raw = self._rpc("eth_getBlockByNumber", hex(number), False)
        if raw is None:
            return None
        block = _block_from(raw, self.shown)
        if block.number != number:
            raise ChainUnavailable(self.shown, f"asked for block {number} it answered block {block.number}")
        return block

    def code(self, address: str) -> bytes:
        """The code at an address, as of the newest block."""
        answer = self._rpc("eth_getCode", address, "latest")
        try:
            return bytes(HexBytes(answer))
        except _MALFORMED as error:
            raise ChainUnavailable(self.shown, f"the code of a contract is malformed: {error!r}") from None

    def send(self, raw: bytes) -> str | None:
        """Hand signed bytes to the node.

        Returns:
            What the node said against them, cut to 200 characters, or None. It proves nothing, neither way: look the
            transaction up.
        """
        answer = self._provider.make_request(RPCEndpoint("eth_sendRawTransaction"), ["0x" + raw.hex()])
        return _said(answer["error"]) if "error" in answer else None

    def is_known(self, transaction_hash: bytes) -> bool:
        """Whether the node knows the transaction, mined or waiting."""
        return self._rpc("eth_getTransactionByHash", "0x" + transaction_hash.hex()) is not None

    def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """The receipt of a transaction on the node's present chain, or None."""
        raw = self._rpc("eth_getTransactionReceipt", "0x" + transaction_hash.hex())
        if raw is None:
            return None
        try:
            if _bytes32(raw["transactionHash"]) != transaction_hash:
                raise ValueError("it is another transaction's")
            return Receipt(
                block_number=_number(raw["blockNumber"]),
                block_hash=_bytes32(raw["blockHash"]),
                succeeded=_number(raw["status"]) == 1,
                gas_used=_number(raw["gasUsed"]),
            )
        except _MALFORMED as error:
            raise ChainUnavailable(self.shown, f"a receipt is malformed: {error!r}") from None

    def nonce(self, address: str, block: int | None = None) -> int:
        """How many transactions of an account are mined, at a block or at the newest."""
        return self._quantity("eth_getTransactionCount", address, "latest" if block is None else hex(block))

    def wait(self, transaction_hash: bytes, seconds: float = 60.0) -> Receipt:
        """Wait for a transaction's receipt.

        Raises:
            ChainUnavailable: It was not mined in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            receipt = self.receipt(transaction_hash)
            if receipt is not None:
                return receipt
            if time.monotonic() > deadline:
                raise ChainUnavailable(
                    self.shown, f"transaction 0x{transaction_hash.hex()} was not mined in {seconds:.0f} s"
                )
            time.sleep(0.05)

    def submit(self, raw: bytes, transaction_hash: bytes) -> None:
        """Send a transaction that somebody waits for; the same bytes may be sent again.

        Raises:
            ChainUnavailable: The node doesn't take it; what it said is told.
        """
        complaint = self.send(raw)
        if complaint is not None and not self.is_known(transaction_hash):
            raise ChainUnavailable(
                self.shown, f"it does not take transaction 0x{transaction_hash.hex()}: {complaint}"
            )

    def ask_many(self, method: str, params: Sequence[Sequence[Any]]) -> list[Any]:
        """The results of one method for several parameters, in their order, raw: in one request, to save the journeys.

        Raises:
            ChainUnavailable: Any of them has none; a caller asks for fewer then, since a node says in no fixed way that
                it was too much.
        """
        if len(params) == 1:  # also for nodes that take no lists of requests
            return [self._rpc(method, *params[0])]
        received = self._provider.make_requests(method, params)
        results: list[Any] = [None] * len(params)
        answered = set()
        for answer in received:
            place = answer.get("id") if isinstance(answer, dict) else None
            if not isinstance(place, int) or not 0 <= place < len(params) or "result" not in answer:
                said = _said(answer.get("error") if isinstance(answer, dict) else answer)
                raise ChainUnavailable(
                    self.shown, f"a part of its answer to {method} has no result: {said!r}"
                )
            results[place] = answer["result"]
            answered.add(place)
        if len(answered) != len(params):
            raise ChainUnavailable(self.shown, f"it answered {len(answered)} of {len(params)} of {method}")
        return results

    def _quantity(self, method: str, *params: Any) -> int:
        answer = self._rpc(method, *params)
        try:
            return _number(answer)
        except _MALFORMED:
            raise ChainUnavailable(self.shown, f"its answer to {method} is no number") from None

    def _rpc(self, method: str, *params: Any) -> Any:
        answer = self._provider.make_request(RPCEndpoint(method), list(params))
        if "error" in answer:
            raise ChainUnavailable(
                self.shown, f"{method} was answered with the error {_said(answer['error'])!r}"
            )
        return answer["result"]


class Chain(Node):
    """The chain of a profile, through one node. Thread-safe.

    Raises (every method):
        ChainUnavailable: The node gave no usable answer.
        ContractError: A contract reverted with a named error.
    """

    def __init__(self, profile: ChainProfile) -> None:
        super().__init__(profile.rpc_url)
        self.profile = profile
        self._contracts: dict[str, Contract] = {
            name: self._w3.eth.contract(
                address=_checksummed(profile.address_of(name)), abi=artifact(name)["abi"]
            )
            for name in CONTRACTS
        }
        self._names = {_checksummed(profile.address_of(name)).lower(): name for name in CONTRACTS}

    def require_identity(self) -> None:
        """Refuse a node of another chain: chain id, genesis hash and the code at each address must be the profile's.

        Raises:
            ChainMismatch: One of them differs.
        """
        chain_id = self.chain_id()
        if chain_id != self.profile.chain_id:
            raise ChainMismatch("the chain id", self.profile.chain_id, chain_id)
        genesis = self.block(0)
        found = genesis.hash if genesis else b""
        if found != self.profile.genesis_hash:
            raise ChainMismatch(
                "the genesis hash", "0x" + self.profile.genesis_hash.hex(), "0x" + found.hex()
            )
        for name in CONTRACTS:
            code_hash = "0x" + keccak(self.code(self.profile.address_of(name))).hex()
            if code_hash != self.profile.code_hashes[name]:
                raise ChainMismatch(f"the code hash of {name}", self.profile.code_hashes[name], code_hash)

    # --- blocks and events

    def events(self, block: Block) -> list[Event]:
        """The contracts' events in one block, asked for by its hash, in order of their place.

        That none is missing is for the caller to judge, by their sequences.

        Raises:
            ChainUnavailable: The node does not know the block (any more), or answered with a log of another.
        """
        if not block.has_logs:
            return []
        raw = self._rpc(
            "eth_getLogs",
            {
                "blockHash": "0x" + block.hash.hex(),
                "address": [self.profile.address_of(n) for n in CONTRACTS],
            },
        )
        try:
            found = [self._event(log, block) for log in raw]
        except _MALFORMED as error:
            raise ChainUnavailable(
                self.shown, f"a log of block {block.number} is malformed: {error!r}"
            ) from None
        return sorted(found, key=lambda event: event.log_index)

    def event_of(self, log: dict[str, Any], block: Block) -> Event:
        """An event of these contracts from its log, in the form in which nodes answer it."""
        try:
            return self._event(log, block)
        except _MALFORMED as error:
            raise ChainUnavailable(
                self.shown, f"a log of block {block.number} is malformed: {error!r}"
            ) from None

    def _event(self, log: dict[str, Any], block: Block) -> Event:
        if bytes(HexBytes(log["blockHash"])) != block.hash:
            raise ValueError("it belongs to another block")
        contract = self._names[log["address"].lower()]
        name = event_name(contract, bytes(HexBytes(log["topics"][0])))
        if name is None:
            return _unknown_event(contract, log, block)
        formatted: Any = {
            "address": _checksummed(log["address"]),
            "topics": [HexBytes(topic) for topic in log["topics"]],
            "data": HexBytes(log["data"]),
            "blockNumber": block.number,
            "blockHash": HexBytes(log["blockHash"]),
            "transactionHash": HexBytes(log["transactionHash"]),
            "transactionIndex": int(log["transactionIndex"], 16),
            "logIndex": int(log["logIndex"], 16),
        }
        values = dict(self._contracts[contract].events[name]().process_log(formatted)["args"])
        if name == "RecordAppended":
            values["record"] = _custody_record(values["record"])
        return Event(
            contract=contract,
            name=name,
            sequence=values.pop("sequence"),
            values=values,
            block=block,
            transaction_hash=bytes(formatted["transactionHash"]),
            log_index=formatted["logIndex"],
        )

    def find_events(self, contract: str, name: str, **indexed: Any) -> list[dict[str, Any]]:
        """The arguments of all events of a name since the deployment, oldest first, each with its `sequence`.

        For a look at a few: the node may leave some out, so a caller that needs all of them counts.

        Args:
            contract: Name of the contract.
            name: Name of the event.
            indexed: What an indexed argument must be.
        """
        event = self._contracts[contract].events[name]()
        try:
            found = event.get_logs(from_block=self.profile.deployment_block, argument_filters=indexed)
        except _MALFORMED as error:
            raise ChainUnavailable(self.shown, f"its events cannot be read: {error!r}") from None
        return [dict(each["args"]) for each in found]

    def clique_signers(self, number: int) -> list[str]:
        """The signers that a Clique node has in charge after a block, checksummed, ascending by their bytes."""
        answer = self._rpc("clique_getSigners", hex(number))
        try:
            return [_checksummed(each) for each in sorted(answer, key=str.lower)]
        except _MALFORMED as error:
            raise ChainUnavailable(self.shown, f"its signers are malformed: {error!r}") from None

    # --- what evidence is made of

    def raw_header(self, number: int) -> bytes:
        """The header of a block on the node's present chain as RLP, rebuilt from its JSON.

        Nodes differ in whether they give raw headers; that it was rebuilt rightly its hash shows.

        Raises:
            ChainUnavailable: There is no such block, or the rebuilt header has another hash.
        """
        return self.header_of(self._rpc("eth_getBlockByNumber", hex(number), False), number).encode()

    def header_of(self, raw: Any, number: int) -> headers.Header:
        """The header that a block's JSON describes.

        Raises:
            ChainUnavailable: It is not of the form, of another block, or hashes to something else than it says.
        """
        try:
            items: list[rlp.Item] = [
                _header_field(name, raw[name]) for name in _HEADER_FIELDS if raw.get(name) is not None
            ]
            header = headers.decode(rlp.encode(items))
            consensus: Literal["qbft"] | None = "qbft" if self.profile.kind == "qbft" else None
            if header.number != number or headers.block_hash(header, consensus) != _bytes32(raw["hash"]):
                raise ValueError("its hash is another's")
        except (*_MALFORMED, errors.LedgerError) as error:
            raise ChainUnavailable(
                self.shown, f"the header of block {number} is malformed: {error!r}"
            ) from None
        return header

    def state_proofs(self, contract: str, slots: Sequence[bytes], number: int) -> list[bytes]:
        """Trie nodes that show a contract's account and some of its slots at a block, each once.

        That they show it is **not** checked here.

        Args:
            contract: Name of the contract.
            slots: 32 bytes each.
            number: The block.

        Raises:
            ChainUnavailable: The node has no state for that block (any more).
        """
        raw = self._rpc(
            "eth_getProof",
            self.profile.address_of(contract),
            ["0x" + slot.hex() for slot in slots],
            hex(number),
        )
        try:
            shown = [*raw["accountProof"], *(node for each in raw["storageProof"] for node in each["proof"])]
            return list(dict.fromkeys(bytes.fromhex(node.removeprefix("0x")) for node in shown))
        except _MALFORMED as error:
            raise ChainUnavailable(self.shown, f"a state proof is malformed: {error!r}") from None

    # --- contract state

    def view(self, contract: str, function: str, *arguments: Any, block: int | None = None) -> Any:
        """Call a view of a contract by name, at a block or at the newest.

        Raises:
            InvalidRecord: The arguments are not of the view's types.
        """
        try:
            bound = self._contracts[contract].functions[function](*arguments)
        except _MALFORMED:
            raise InvalidRecord(f"{contract}.{function}", "takes other arguments than these") from None
        try:
            return bound.call(block_identifier="latest" if block is None else block)
        except _MALFORMED as error:
            raise self._translated(error) from None

    def last_sequences(self, block: Block) -> dict[str, int]:
        """How many events each contract has emitted up to a block, by contract: what the indexer must have seen.

        Raises:
            ChainUnavailable: The node has no state for that block (any more).
        """
        at = {"blockHash": "0x" + block.hash.hex()}
        return {
            name: self._word(
                "eth_call",
                {
                    "to": self.profile.address_of(name),
                    "data": self._contracts[name].encode_abi("sequence", args=[]),
                },
                at,
            )
            for name in CONTRACTS
        }

    def _word(self, method: str, *params: Any) -> int:
        answer = self._rpc(method, *params)
        try:
            return int.from_bytes(_bytes32(answer), "big")
        except _MALFORMED:
            raise ChainUnavailable(self.shown, f"its answer to {method} is no word of 32 bytes") from None

    def check(self, record: CustodyRecord, signature: bytes) -> Refusal:
        """What ConsignmentLedger itself would say of a record now."""
        said = self.view("ConsignmentLedger", "check", custody_tuple(record), signature)
        try:
            return Refusal(said)
        except ValueError:
            raise ChainUnavailable(self.shown, f"its refusal {said} is none of the contract's") from None

    # --- transactions

    def anchor_call(
        self, administration: bytes, epoch: int, size: int, root: bytes, path: Sequence[bytes]
    ) -> Call:
        """ManifestLog.anchor."""
        return self.call_of(
            "ManifestLog", "anchor", administration, epoch, size, root, list(path), gas=GAS_ANCHOR
        )

    def closure_call(
        self, record: ManifestRecord, signature: bytes, former_party: bytes, former_root: bytes
    ) -> Call:
        """ManifestLog.closeManifest."""
        return self.call_of(
            "ManifestLog",
            "closeManifest",
            (
                record.party,
                record.kind,
                record.reason,
                record.consignment,
                record.manifest_root,
                record.supersedes,
                record.issued_at,
            ),
            signature,
            former_party,
            former_root,
            gas=GAS_CLOSURE,
        )

    def append_call(self, records: Sequence[CustodyRecord], signatures: Sequence[bytes]) -> Call:
        """ConsignmentLedger.append, with a constant budget a record."""
        return self.call_of(
            "ConsignmentLedger",
            "append",
            [custody_tuple(record) for record in records],
            list(signatures),
            gas=GAS_PER_BATCH + GAS_PER_RECORD * len(records),
        )

    def call_of(self, contract: str, function: str, *arguments: Any, gas: int) -> Call:
        """Any function of a contract, by name.

        Raises:
            InvalidRecord: The arguments are not of the function's types.
        """
        bound = self._contracts[contract]
        try:
            data = bytes(HexBytes(bound.encode_abi(function, args=list(arguments))))
        except _MALFORMED:
            raise InvalidRecord(f"{contract}.{function}", "takes other arguments than these") from None
        return Call(str(bound.address), data, gas)

    def simulate(self, call: Call, sender: str) -> None:
        """Run a call without sending it, so that a contract's refusal is known by its name.

        Raises:
            ContractError: It would revert.
        """
        try:
            self._w3.eth.call(
                {
                    "to": _checksummed(call.to),
                    "data": HexStr("0x" + call.data.hex()),
                    "from": _checksummed(sender),
                    "gas": call.gas,
                }
            )
        except _MALFORMED as error:
            raise self._translated(error) from None

    def sign(self, call: Call, key: bytes, nonce: int, offer: Fees | None = None) -> tuple[bytes, bytes]:
        """Sign a call as a transaction of this chain; without an offer, for the most that the profile pays.

        Returns:
            The transaction's hash and its raw bytes.
        """
        most = self.profile.gas_price_wei
        offer = offer or Fees(most, min(1, most))
        return sign_transaction(call, key, nonce, self.profile.chain_id, offer.most_wei, offer.tip_wei)

    def _translated(self, error: Exception) -> errors.LedgerError:
        """A contract's named error as its class; everything else is the node's."""
        data = error.data if isinstance(error, ContractLogicError) else None
        try:
            raw = bytes(HexBytes(data)) if isinstance(data, str) else b""
            item = _errors_by_selector().get(raw[:4])
            if item is not None:
                values = self._w3.codec.decode([i["type"] for i in item["inputs"]], raw[4:])
                known = cast(type[ContractError], getattr(errors, item["name"]))
                return known(*values)
        except _MALFORMED:
            pass  # a node can answer any bytes as an error's
        return ChainUnavailable(
            self.shown, f"a call was not answered as the contract would: {str(error)[:200]}"
        )


def event_name(contract: str, topic: bytes) -> str | None:
    """The name of a contract's event by its first topic, or None if this version does not know it."""
    return _events_by_topic(contract).get(topic)


def _unknown_event(contract: str, log: dict[str, Any], block: Block) -> Event:
    """An event of a later version, as it stands: every event's data begins with its sequence."""
    topics, data = [_bytes32(topic) for topic in log["topics"]], bytes(HexBytes(log["data"]))
    sequence = int.from_bytes(data[:32], "big")
    if len(data) < 32 or not 0 < sequence < _UINT64:
        raise ValueError("its data begin with no sequence")
    return Event(
        contract=contract,
        name="",
        sequence=sequence,
        values={"topics": topics, "data": data},
        block=block,
        transaction_hash=_bytes32(log["transactionHash"]),
        log_index=_number(log["logIndex"]),
    )


def sign_transaction(
    call: Call, key: bytes, nonce: int, chain_id: int, gas_price_wei: int, tip_wei: int = 1
) -> tuple[bytes, bytes]:
    """Sign a call, or the creation of a contract when it goes to "".

    Returns:
        The transaction's hash and its raw bytes.
    """
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "data": "0x" + call.data.hex(),
        "value": 0,
        "gas": call.gas,
        "maxFeePerGas": gas_price_wei,
        "maxPriorityFeePerGas": min(tip_wei, gas_price_wei),
    }
    signed = Account.sign_transaction(fields | ({"to": call.to} if call.to else {}), key)
    return bytes(signed.hash), bytes(signed.raw_transaction)


def unsigned(raw: bytes) -> tuple[Call, Fees]:
    """The call and the offer of a transaction that `sign_transaction` signed."""
    _, _, tip, most, gas, to, _, data, *_ = cast(list[bytes], rlp.decode(raw[1:]))
    numbers = [int.from_bytes(each, "big") for each in (most, tip, gas)]
    return Call(_checksummed("0x" + to.hex()), data, numbers[2]), Fees(numbers[0], numbers[1])


def custody_tuple(record: CustodyRecord) -> tuple[Any, ...]:
    """A custody record as the contract's struct."""
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


def _custody_record(values: dict[str, Any]) -> CustodyRecord:
    return CustodyRecord(
        consignment=bytes(values["consignment"]),
        kind=values["kind"],
        party=bytes(values["party"]),
        previous=bytes(values["previous"]),
        subject=bytes(values["subject"]),
        details=bytes(values["details"]),
        counterpart=bytes(values["counterpart"]),
        observed_at=values["observedAt"],
        expires_at=values["expiresAt"],
    )


def _checksummed(address: str) -> ChecksumAddress:
    return Web3.to_checksum_address(address)


def _number(text: Any) -> int:
    """A JSON-RPC quantity; every one that is read here fits 64 bits."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("a number is no 0x hex")
    number = int(text, 16)
    if not 0 <= number < _UINT64:
        raise ValueError("a number is over 64 bits")
    return number


def _bytes32(text: Any) -> bytes:
    if not isinstance(text, str) or len(text) != 66 or not text.startswith("0x"):
        raise ValueError("32 bytes of 0x hex are expected")
    return bytes.fromhex(text[2:])


def _header_field(name: str, text: Any) -> bytes:
    if name in _HEADER_INTEGERS:
        return rlp.of_integer(int(text, 16))
    return bytes.fromhex(text.removeprefix("0x"))


def _said(error: Any) -> str:
    """What a node said, for people: bounded, since it may say anything."""
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:200]


def _block_from(raw: Any, url: str) -> Block:
    try:
        return Block(
            number=_number(raw["number"]),
            hash=_bytes32(raw["hash"]),
            parent_hash=_bytes32(raw["parentHash"]),
            timestamp=_number(raw["timestamp"]),
            has_logs=bool(int(raw["logsBloom"], 16)),
        )
    except _MALFORMED as error:
        raise ChainUnavailable(url, f"a block is malformed: {error!r}") from None
