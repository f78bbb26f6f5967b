"""A node may answer anything: whatever it is, it is one error of ours, in bounded time and memory."""

import itertools
import time
from contextlib import closing

import faulty_node
import pytest
from eth_abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger.chain
from ledger import errors
from ledger.chain import Block, Chain, Node, artifact, custody_tuple, sign_transaction
from ledger.config import CONTRACTS, ChainProfile
from ledger.core.records import CustodyRecord, keccak
from ledger.errors import (
    ChainUnavailable,
    ContractError,
    InvalidRecord,
    LedgerError,
    LogHeadNotGrowing,
    LogManifestAlreadyClosed,
)
from ledger.host_clock import NO_BEAT_SECONDS

HASH = "0x" + "11" * 32
BLOCK = {
    "number": "0x5",
    "hash": HASH,
    "parentHash": "0x" + "22" * 32,
    "timestamp": "0x64",
    "logsBloom": "0x" + "00" * 255 + "01",
}
PROFILE = ChainProfile(
    kind="development",
    rpc_url="http://127.0.0.1:1",
    chain_id=31337,
    genesis_hash=bytes(32),
    registry="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    manifest_log="0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
    consignment_ledger="0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
    code_hashes={name: "0x" + "00" * 32 for name in CONTRACTS},
    deployment_block=1,
    block_seconds=1,
    confirmations=2,
    gas_price_wei=1,
)


@pytest.fixture(scope="module")
def server():
    with faulty_node.before() as server:
        yield server


@pytest.fixture
def node(server):
    server.status = 200
    server.fault = None
    yield server
    server.fault = None


@pytest.fixture(scope="module")
def chain(server):
    with closing(Chain(_at(server.url))) as chain:
        yield chain


def _at(url):
    return ChainProfile(
        **{name: getattr(PROFILE, name) for name in PROFILE.__dataclass_fields__} | {"rpc_url": url}
    )


def result(value):
    """A node that answers this to everything."""
    return lambda request, _: {"jsonrpc": "2.0", "id": request["id"], "result": value}


def error(value):
    return lambda request, _: {"jsonrpc": "2.0", "id": request["id"], "error": value}


BLOCK_5 = Block(5, bytes.fromhex(HASH[2:]), bytes(32), 100, True)
RECORD = CustodyRecord(bytes(32), 1, bytes(16), bytes(32), bytes(32), bytes(32), bytes(16), 0, 0)
#: Everything that reads, by name.
READS = {
    "chain_id": lambda chain: chain.chain_id(),
    "head": lambda chain: chain.head(),
    "block": lambda chain: chain.block(5),
    "code": lambda chain: chain.code(PROFILE.registry),
    "is_known": lambda chain: chain.is_known(bytes(32)),
    "receipt": lambda chain: chain.receipt(bytes(32)),
    "nonce": lambda chain: chain.nonce(PROFILE.registry),
    "events": lambda chain: chain.events(BLOCK_5),
    "last_sequences": lambda chain: chain.last_sequences(BLOCK_5),
    "view": lambda chain: chain.view("ManifestLog", "head", b"SG".ljust(8, b"\0")),
    "check": lambda chain: chain.check(RECORD, bytes(65)),
    "simulate": lambda chain: chain.simulate(
        chain.anchor_call(bytes(8), 1, 1, bytes(32), []), PROFILE.registry
    ),
    "find_events": lambda chain: chain.find_events("ManifestLog", "HeadAnchored"),
    "require_identity": lambda chain: chain.require_identity(),
}
GARBAGE = {
    "HTML of a proxy": (502, lambda request, _: b"<html><body>502 Bad Gateway</body></html>"),
    "half of its JSON": (200, lambda request, _: b'{"jsonrpc":"2.0","id":' + str(request["id"]).encode()),
    "nothing": (200, lambda request, _: b""),
    "a list": (200, lambda request, _: []),
    "another id": (200, lambda request, _: {"jsonrpc": "2.0", "id": request["id"] + 1, "result": "0x1"}),
    "a result twice": (
        200,
        lambda request, _: b'{"id":%d,"result":null,"result":"0x1"}' % request["id"],
    ),
    "no result": (200, lambda request, _: {"jsonrpc": "2.0", "id": request["id"]}),
    "an error": (200, error({"code": -32000, "message": "busy"})),
    "an error that is text": (200, error("busy")),
    "a closed connection": (200, lambda request, _: faulty_node.HANG_UP),
    "invalid UTF-8": (200, lambda request, _: b'{"jsonrpc":"2.0","id":1,"result":"\xff\xfe"}'),
}


@pytest.mark.row("B15")
@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("read", READS)
def test_whatever_a_node_answers_is_one_error(node, chain, read, garbage):
    node.status, node.fault = GARBAGE[garbage]
    with pytest.raises(ChainUnavailable):
        READS[read](chain)


@settings(max_examples=150, deadline=None)
@given(
    read=st.sampled_from(sorted(READS)),
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70).filter(lambda number: abs(number) < 2**63)
        | st.sampled_from(
            ["", "0x", "0x1", "0xzz", "-0x5", "0x" + "ff" * 40, HASH, "0x" + "00" * 96, "latest"]
        )
        | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    [*BLOCK, "blockHash", "status", "gasUsed", "topics", "data", "address", "transactionHash"]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=6,
    ),
)
def test_a_result_of_any_form_is_an_answer_or_one_error(server, chain, read, value):
    server.status, server.fault = 200, result(value)
    try:
        READS[read](chain)
    except LedgerError:
        pass


@pytest.mark.parametrize("field", BLOCK)
@pytest.mark.parametrize("value", [None, "", "0x", "5", 5, "-0x1", "0x" + "ff" * 9 + "zz", "0x" + "ff" * 33])
def test_a_block_with_a_malformed_field_is_none(node, chain, field, value):
    node.fault = result(BLOCK)
    assert chain.head().number == 5
    if field == "logsBloom" and value in ("5", "-0x1", "0x" + "ff" * 33):
        return  # whatever is a number but zero lets logs through
    node.fault = result(BLOCK | {field: value})
    with pytest.raises(ChainUnavailable):
        chain.head()


def test_another_block_than_was_asked_for_is_none(node, chain):
    node.fault = result(BLOCK)
    assert chain.block(5).hash == bytes.fromhex(HASH[2:])
    with pytest.raises(ChainUnavailable, match="asked for block 6 it answered block 5"):
        chain.block(6)


def test_another_transactions_receipt_is_none(node, chain):
    receipt = {
        "transactionHash": HASH,
        "blockNumber": "0x5",
        "blockHash": HASH,
        "status": "0x1",
        "gasUsed": "0x5208",
    }
    node.fault = result(receipt)
    assert chain.receipt(bytes.fromhex(HASH[2:])).succeeded
    with pytest.raises(ChainUnavailable, match="another transaction's"):
        chain.receipt(bytes(32))


@pytest.mark.row("B15")
def test_a_huge_answer_is_cut_off(node, chain, monkeypatch):
    monkeypatch.setattr(ledger.chain, "ANSWER_LIMIT_BYTES", 1 << 16)
    sent = []

    def endless(request, _):
        def parts():
            for _ in range(10_000):
                sent.append(1 << 14)
                yield b" " * (1 << 14)

        return parts()

    node.fault = endless
    with pytest.raises(ChainUnavailable, match="over 65536 bytes"):
        chain.chain_id()
    assert sum(sent) < 64 << 20


@pytest.mark.row("B15")
def test_an_answer_that_drips_ends_in_time(node, chain, monkeypatch):
    """Each byte comes before the time of a read is over; the whole does not."""
    monkeypatch.setattr(ledger.chain, "ANSWER_SECONDS", 0.4)

    def drip(request, _):
        for _ in range(200):
            time.sleep(0.02)
            yield b" "

    node.fault = drip
    began = time.monotonic()
    with pytest.raises(ChainUnavailable, match="took over"):
        chain.chain_id()
    assert time.monotonic() - began < 3


@pytest.mark.row("B15")
def test_an_answer_that_never_comes_ends_in_time(node, monkeypatch):
    monkeypatch.setattr(ledger.chain, "ANSWER_SECONDS", 0.3)
    node.fault = lambda request, _: time.sleep(1.5)
    with closing(Node(node.url)) as slow, pytest.raises(ChainUnavailable, match="timed out"):
        slow.chain_id()


@pytest.mark.row("B15")
def test_what_a_node_has_at_hand_is_not_waited_for_as_long_as_what_it_must_look_for(node, monkeypatch):
    assert (
        ledger.chain.QUICK_SECONDS < NO_BEAT_SECONDS
    )  # or a worker whose node hangs is taken for one that died
    monkeypatch.setattr(ledger.chain, "QUICK_SECONDS", 0.2)
    node.fault = lambda request, answer: time.sleep(1) or answer
    with closing(Node(node.url)) as slow:
        with pytest.raises(ChainUnavailable, match="timed out"):
            slow.head()
        assert slow.receipt(bytes(32)) is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[", "nowhere", "ftp://127.0.0.1", "http://127.0.0.1:99999"]
)
def test_an_address_that_leads_nowhere_is_the_same_error(url):
    with closing(Node(url)) as node, pytest.raises(ChainUnavailable):
        node.chain_id()


def test_what_an_address_keeps_secret_is_in_no_error():
    with closing(Node("http://user:PASSWORD@127.0.0.1:1/v3/TOKEN?key=TOKEN")) as node:
        with pytest.raises(ChainUnavailable) as caught:
            node.chain_id()
    assert "PASSWORD" not in str(caught.value) and "TOKEN" not in str(caught.value)
    assert "http://127.0.0.1:1" in str(caught.value)


# --- contracts' errors


def _revert(name, *values, message="execution reverted"):
    item = next(
        item
        for contract in CONTRACTS
        for item in artifact(contract)["abi"]
        if item["type"] == "error" and item["name"] == name
    )
    types = [each["type"] for each in item["inputs"]]
    data = keccak(f"{name}({','.join(types)})".encode())[:4] + encode(types, values)
    return error({"code": 3, "message": message, "data": "0x" + data.hex()})


def test_a_contracts_named_error_is_its_class_with_its_values(node, chain):
    call = chain.anchor_call(bytes(8), 1, 1, bytes(32), [])
    node.fault = _revert("LogHeadNotGrowing", 7, 5)
    with pytest.raises(LogHeadNotGrowing) as caught:
        chain.simulate(call, PROFILE.registry)
    assert (caught.value.anchored_size, caught.value.offered_size) == (7, 5)
    with pytest.raises(LogHeadNotGrowing):
        chain.view("ManifestLog", "head", bytes(8))
    node.fault = _revert("LogManifestAlreadyClosed", b"\1" * 32, b"\2" * 32, message="anything at all")
    with pytest.raises(LogManifestAlreadyClosed):
        chain.simulate(call, PROFILE.registry)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_named_error_is_told_with_any_values(node, chain, contract):
    """The sentences hold for the largest numbers too: a node can answer them."""
    extremes = {"uint": lambda bits: 2**bits - 1, "bytes": lambda size: b"\xff" * size}
    for item in artifact(contract)["abi"]:
        if item["type"] != "error":
            continue
        values = []
        for each in item["inputs"]:
            kind = each["type"].rstrip("0123456789")
            size = int(each["type"].removeprefix(kind) or "256")
            values.append("0x" + "ff" * 20 if kind == "address" else extremes[kind](size))
        node.fault = _revert(item["name"], *values)
        with pytest.raises(ContractError) as caught:
            chain.simulate(chain.anchor_call(bytes(8), 1, 1, bytes(32), []), PROFILE.registry)
        assert type(caught.value) is getattr(errors, item["name"])
        assert str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        {"code": 3, "message": "execution reverted", "data": "0x"},
        {"code": 3, "message": "execution reverted", "data": "0xdeadbeef"},
        {
            "code": 3,
            "message": "execution reverted",
            "data": "0x" + keccak(b"LogHeadNotGrowing(uint64,uint64)")[:4].hex(),
        },
        {
            "code": 3,
            "message": "execution reverted",
            "data": "0x" + keccak(b"LogHeadNotGrowing(uint64,uint64)")[:4].hex() + "ff" * 64,
        },
        {"code": 3, "message": "execution reverted", "data": "0xzz"},
        {"code": 3, "message": "execution reverted", "data": 5},
        {"code": 3, "message": "execution reverted", "data": {"a": 1}},
        {"code": 3, "message": "execution reverted"},
        {"code": 3, "message": "execution reverted: Panic", "data": "0x4e487b71" + "00" * 31 + "11"},
        {"code": -32000, "message": "out of gas"},
        {"code": "x", "message": None},
        {},
    ],
)
def test_an_error_that_is_no_contracts_is_the_nodes(node, chain, said):
    node.fault = error(said)
    with pytest.raises(ChainUnavailable):
        chain.simulate(chain.anchor_call(bytes(8), 1, 1, bytes(32), []), PROFILE.registry)
    with pytest.raises(ChainUnavailable):
        chain.view("ManifestLog", "head", bytes(8))


def test_a_revert_that_names_addresses_makes_nobody_fetch_them(node, chain):
    """EIP-3668: a node would choose where this machine connects to."""
    with faulty_node.before() as elsewhere:
        data = keccak(b"OffchainLookup(address,string[],bytes,bytes4,bytes)")[:4] + encode(
            ["address", "string[]", "bytes", "bytes4", "bytes"],
            [PROFILE.manifest_log, [elsewhere.url + "/{sender}/{data}"], b"", bytes(4), b""],
        )
        node.fault = error({"code": 3, "message": "execution reverted", "data": "0x" + data.hex()})
        call = chain.anchor_call(bytes(8), 1, 1, bytes(32), [])
        with pytest.raises(ChainUnavailable):
            chain.simulate(ledger.chain.Call(PROFILE.manifest_log, call.data, call.gas), PROFILE.registry)
        with pytest.raises(ChainUnavailable) as caught:
            chain.view("ManifestLog", "head", bytes(8))
        assert "lookup failed" not in str(
            caught.value
        )  # web3 asks https alone, so `elsewhere` may not see it try
        assert elsewhere.asked == []


def test_a_call_is_one_question_to_the_node(node, chain):
    node.fault = result("0x" + "00" * 31 + "01" + "00" * 96)
    before = len(node.asked)
    chain.simulate(chain.anchor_call(bytes(8), 1, 1, bytes(32), []), PROFILE.registry)
    assert chain.view("ManifestLog", "head", bytes(8))[0] == 1
    assert node.asked[before:] == ["eth_call", "eth_call"]


def test_arguments_of_the_wrong_type_are_refused_before_anything_is_sent(node, chain):
    asked = len(node.asked)
    for arguments in (
        (b"SG", 1, 1, bytes(32), []),
        (bytes(8), -1, 1, bytes(32), []),
        ("SG", 1, 2**64, "x", None),
        (),
    ):
        with pytest.raises(InvalidRecord, match=r"ManifestLog\.anchor"):
            chain.call_of("ManifestLog", "anchor", *arguments, gas=1)
    with pytest.raises(InvalidRecord, match=r"AdministrationRegistry\.account"):
        chain.view("AdministrationRegistry", "account", "nobody")
    assert len(node.asked) == asked


# --- sending and waiting


def test_what_a_node_says_of_a_transaction_is_told_and_decides_nothing(node, chain):
    node.fault = result(HASH)
    assert chain.send(b"\x02") is None
    node.fault = error({"code": -32003, "message": "nonce too low" + "!" * 500})
    said = chain.send(b"\x02")
    assert said.startswith("nonce too low") and len(said) == 200


def test_a_transaction_that_the_node_does_not_take_is_told_with_its_words(node, chain):
    def refuse(request, _):
        said = {"error": {"code": -32003, "message": "insufficient funds"}}
        known = {"result": None}
        return {"jsonrpc": "2.0", "id": request["id"]} | (
            said if request["method"] == "eth_sendRawTransaction" else known
        )

    node.fault = refuse
    with pytest.raises(ChainUnavailable, match="insufficient funds"):
        chain.submit(b"\x02", bytes(32))

    def already(request, _):
        said = {"error": {"code": -32003, "message": "already known"}}
        known = {"result": {"hash": HASH}}
        return {"jsonrpc": "2.0", "id": request["id"]} | (
            said if request["method"] == "eth_sendRawTransaction" else known
        )

    node.fault = already
    chain.submit(b"\x02", bytes(32))


def test_waiting_ends_with_the_receipt_or_in_time(node, chain):
    turns = itertools.count()
    receipt = {
        "transactionHash": HASH,
        "blockNumber": "0x5",
        "blockHash": HASH,
        "status": "0x0",
        "gasUsed": "0x1",
    }

    def later(request, _):
        return {"jsonrpc": "2.0", "id": request["id"], "result": None if next(turns) < 3 else receipt}

    node.fault = later
    assert not chain.wait(bytes.fromhex(HASH[2:]), 5).succeeded
    node.fault = result(None)
    with pytest.raises(ChainUnavailable, match="was not mined in 0 s"):
        chain.wait(bytes(32), 0.1)


def test_a_signed_transaction_is_the_same_bytes_each_time():
    call = ledger.chain.Call(PROFILE.manifest_log, b"\x01\x02", 50_000)
    first = sign_transaction(call, b"\x11" * 32, 3, 31337, 10)
    assert sign_transaction(call, b"\x11" * 32, 3, 31337, 10) == first
    assert sign_transaction(call, b"\x11" * 32, 4, 31337, 10) != first
    assert keccak(first[1]) == first[0]


def test_a_record_is_the_contracts_struct_in_its_order():
    inputs = next(item for item in artifact("ConsignmentLedger")["abi"] if item.get("name") == "check")[
        "inputs"
    ]
    names = [each["name"] for each in inputs[0]["components"]]
    snake = ["".join("_" + c.lower() if c.isupper() else c for c in name) for name in names]
    assert custody_tuple(RECORD) == tuple(getattr(RECORD, name) for name in snake)
