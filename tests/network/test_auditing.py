"""Replays of a chain that four real Clique validators seal: from the node, offline, and by whom the trust file names."""

import contextlib
import dataclasses
import itertools

import faulty_node
import ledger_at_work
import pytest
import rlp as oracle
from audit_life import trust_for
from eth_account import Account
from ledger_at_work import until

import ledger.audit.node
import ledger.chain
import ledger.serving.working
from ledger import tables as t
from ledger.audit import export_file
from ledger.audit.fsck.offline import WORD
from ledger.audit.fsck.run import Wanted, fsck
from ledger.audit.joint import where_parted
from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.chain import Chain
from ledger.core.records import ZERO16, ZERO32, CustodyRecord
from ledger.errors import ChainUnavailable
from ledger.store import Store

pytestmark = pytest.mark.on_validators


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("auditor")


@pytest.fixture(scope="module")
def network(found, folder):
    """A chain with a manifest, an opening, a head and a block of three forms of transactions, all under enough blocks, and the
    database of who wrote them.
    """
    with found("audited") as network, contextlib.closing(ledger_at_work.controls(network)) as anvil:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
            at_work = ledger_at_work.open_ledger(network, anvil, folder / "store.sqlite3")
            refused_in_three_forms(network)
            at_work.settle()
            at_work.opened_and_settled()
            at_work.ledger.close()
        written = anvil.head()
        until(lambda: anvil.head() > written + 9, 120)
        yield network


def refused_in_three_forms(network):
    """A block with a transaction of each type, each with an event: a record that nobody signed is refused."""
    key = network.keys["foreign_relayer"]
    record = CustodyRecord(ZERO32, 1, ZERO16, ZERO32, ZERO32, ZERO32, ZERO16, 0, 0)
    with contextlib.closing(Chain(network.profile)) as chain:
        call = chain.append_call([record], [bytes(65)])
        price = network.profile.gas_price_wei
        forms = [
            {"gasPrice": price},
            {
                "gasPrice": price,
                "type": 1,
                "accessList": [{"address": call.to, "storageKeys": ["0x" + ZERO32.hex()]}],
            },
            {"maxFeePerGas": price, "maxPriorityFeePerGas": 1, "type": 2},
        ]
        for _ in range(8):
            nonce = chain.nonce(network.address("foreign_relayer"))
            sent = []
            for place, form in reversed(
                [*enumerate(forms)]
            ):  # the first comes last, and then all may be mined
                fields = {"chainId": network.profile.chain_id, "to": call.to, "data": call.data, "value": 0}
                signed = Account.sign_transaction(
                    fields | form | {"nonce": nonce + place, "gas": call.gas}, key
                )
                chain.send(bytes(signed.raw_transaction))
                sent.append(bytes(signed.hash))
            if len({chain.wait(each).block_number for each in sent}) == 1:
                return
    raise AssertionError("they never came into one block")


@pytest.fixture(scope="module")
def profile(network):
    return network.profile


@contextlib.contextmanager
def replayed(source, trust):
    with contextlib.closing(source), replay(source, Settings(trust)) as result:
        yield result


def test_every_seal_is_followed_and_the_last_block_confirmed_and_an_export_says_the_same(profile, tmp_path):
    trust = trust_for(profile)
    path = tmp_path / "chain.audit"
    with contextlib.closing(NodeSource(Chain(profile))) as source:
        export_file.write(source, path)
        last = source.last
    with replayed(NodeSource(Chain(profile), last), trust) as result:
        assert [(c.name, c.message) for c in result.checks if c.status != "VALID"] == []
        assert result.verdict == "VALID"
        assert "of 4 signers, not final" in result.check("seals").message
        assert (result.counts.records, result.counts.heads) == (1, 1)
        digest = result.digest
    with replayed(export_file.ExportSource(path), trust) as offline:
        assert (offline.verdict, offline.digest) == ("VALID", digest)


def test_all_that_the_service_kept_is_derived_again_from_the_validators_chain_and_from_an_export(
    network, profile, folder, tmp_path
):
    @contextlib.contextmanager
    def unseen(_name, _steps):
        yield lambda *_: None

    path = tmp_path / "chain.audit"
    with contextlib.closing(NodeSource(Chain(profile))) as source:
        export_file.write(source, path)
    trust, keys = trust_for(profile), network.wrapping_keys()
    with contextlib.closing(Store(f"sqlite:///{folder / 'store.sqlite3'}")) as store:
        outcome = fsck(store, Wanted(profile, trust, keys), unseen)
        assert (outcome.found, outcome.unchecked, outcome.verdict) == ([], [], "VALID")
        offline = Wanted(None, trust, keys, export=path)
        outcome = fsck(store, offline, unseen)
        assert (outcome.found, outcome.replay, outcome.verdict) == ([], "VALID", "INDETERMINATE")
        assert WORD in outcome.unchecked
        with store.write() as session:
            kept = session.first(t.chain_custody)  # how many were refused before it depends on the blocks
            place = {"sequence": kept.sequence}
            session.put_right(t.chain_custody, place, {**kept._mapping, "accepted_at": 1})
        for wanted in (Wanted(profile, trust, keys), offline):
            outcome = fsck(store, wanted, unseen)
            assert [(each.kind, each.where, each.id) for each in outcome.found] == [
                ("changed", "chain_custody", str(kept.sequence))
            ]


def test_blocks_are_the_same_bytes_whether_out_of_the_database_or_raw_or_spelt_out(profile):
    """geth gives all three where its namespace `debug` is open, as it is in these tests; others are asked for what they give."""
    given = []
    with contextlib.closing(Chain(profile)) as chain:
        last = chain.head().number - 10
    for database, raw in ((True, False), (False, True), (False, False)):
        with contextlib.closing(NodeSource(Chain(profile), last)) as source:
            assert source._database is not None
            if not database:
                source._database = None
            source._raw_receipts = raw
            given.append(b"".join(chunk.data for chunk in source.chunks(1)))
    assert given[0] == given[1] == given[2]
    assert len(given[0]) > 40_000  # headers, receipts and transactions


@pytest.fixture
def node(profile, monkeypatch):
    monkeypatch.setattr(ledger.audit.node, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(ledger.chain, "ANSWER_LIMIT_BYTES", 1 << 20)
    with faulty_node.before(profile.rpc_url) as node:
        yield node


def each_of(fault):
    """The fault for a list of requests too."""

    def of_list(request, answer):
        if isinstance(request, list):
            return [fault(*each) for each in zip(request, answer, strict=True)]
        return fault(request, answer)

    return of_list


def kept(change, method="debug_dbGet"):
    """A node whose answers of one method are changed."""
    return each_of(
        lambda request, answer: (
            answer | {"result": change(answer["result"])} if request["method"] == method else answer
        )
    )


def taken_apart(change):
    """A change of the receipts of a block that has several."""

    def of_hex(text):
        found = oracle.decode(bytes.fromhex(text[2:]))
        return "0x" + oracle.encode(change([*found])).hex()

    return of_hex


def with_another_log(found):
    last = next(logs for _, _, logs in found if logs)[-1]
    last[1][0] = last[1][0][:-1] + bytes((last[1][0][-1] ^ 1,))
    return found


def without_a_log(found):
    next(logs for _, _, logs in found if logs).pop()
    return found


FIRST = []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(kept(taken_apart(with_another_log)), id="another log"),
        pytest.param(kept(taken_apart(without_a_log)), id="a log left out"),
        pytest.param(kept(taken_apart(lambda found: found[:-1])), id="a receipt left out"),
        pytest.param(kept(taken_apart(lambda found: [*found, found[-1]])), id="a receipt twice"),
        pytest.param(kept(lambda text: FIRST.append(text) or FIRST[0]), id="another block's"),
        pytest.param(kept(lambda _: "0xc0"), id="none"),
        pytest.param(
            kept(lambda raw: [f"0x01{each[4:]}" for each in raw], "debug_getRawReceipts"), id="another type"
        ),
        pytest.param(kept(lambda raw: raw[:-1], "debug_getRawReceipts"), id="fewer types"),
    ],
)
def test_a_node_whose_database_says_something_false_is_named(profile, node, fault):
    FIRST.clear()
    elsewhere = dataclasses.replace(profile, rpc_url=node.url)
    source = NodeSource(Chain(elsewhere))
    assert source._database is not None
    node.fault = fault
    with replayed(source, trust_for(profile)) as result:
        assert (result.verdict, result.digest) == ("INVALID", None)
        said = result.check("receipts").message
        assert f"(the node at {node.url})" in said and said.startswith(f"Block {result.broken.block} ")


def gigabyte(request, answer):
    methods = {each["method"] for each in (request if isinstance(request, list) else [request])}
    return itertools.repeat(b"[" * 65_536, 16_384) if "debug_dbGet" in methods else answer


def hang_up(request, answer):
    return faulty_node.HANG_UP if isinstance(gigabyte(request, answer), itertools.repeat) else answer


def not_found(request, answer):
    if request["method"] != "debug_dbGet":
        return answer
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": "pebble: not found"}}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param(kept(lambda text: text[: len(text) // 4 * 2]), "are malformed", id="cut off"),
        pytest.param(kept(lambda text: text + "00"), "are malformed", id="bytes behind"),
        pytest.param(kept(lambda _: "0xzz"), "are malformed", id="no hex"),
        pytest.param(kept(lambda _: "0xc58403010203"), "are malformed", id="no receipts"),
        pytest.param(kept(lambda _: None), "are malformed", id="nothing"),
        pytest.param(kept(lambda _: 7), "are malformed", id="a number"),
        pytest.param(kept(lambda _: [None], "debug_getRawReceipts"), "are malformed", id="no types"),
        pytest.param(kept(lambda _: "many", "debug_dbAncients"), "are frozen", id="no count"),
        pytest.param(each_of(not_found), "not found", id="not found"),
        pytest.param(gigabyte, "is over", id="a gigabyte"),
        pytest.param(hang_up, "disconnected", id="hangs up"),
    ],
)
def test_a_node_whose_database_gives_nothing_of_use_is_named_and_gets_no_verdict(profile, node, fault, says):
    source = NodeSource(Chain(dataclasses.replace(profile, rpc_url=node.url)))
    node.fault = fault
    with pytest.raises(ChainUnavailable, match=says) as refused, replayed(source, trust_for(profile)):
        pass
    assert node.url in str(refused.value)


def test_a_node_that_does_not_open_its_database_as_geth_does_is_asked_in_the_usual_way(profile, node):
    trust = trust_for(profile)
    with contextlib.closing(NodeSource(Chain(profile))) as source:
        last = source.last
    faults = [each_of(not_found), kept(lambda _: "0xc0"), gigabyte, kept(lambda _: None, "debug_dbAncients")]
    faults.append(kept(lambda _: None, "eth_getHeaderByNumber"))
    with replayed(NodeSource(Chain(profile), last), trust) as whole:
        for fault in faults:
            node.fault = fault
            source = NodeSource(Chain(dataclasses.replace(profile, rpc_url=node.url)), last)
            node.asked.clear()
            with replayed(source, trust) as result:
                assert (result.verdict, result.digest, result.counts) == ("VALID", whole.digest, whole.counts)
            assert "debug_getRawReceipts" in node.asked
            assert not {"debug_dbGet", "debug_dbAncient"} & {*node.asked}


class Freezing:
    """A node that has moved its first blocks from under their keys into files, and moves others at the moment they are read.

    geth does so after 90,000 blocks; its files hold the same bytes (`core/rawdb`, ReadReceiptsRLP, version 1.13.15).
    """

    def __init__(self, node, frozen):
        self.node, self.frozen = node, frozen
        self.is_freezing = False
        self.missed = 0

    def __call__(self, request, answer):
        method, parameters = request["method"], request["params"]
        plain = {"jsonrpc": "2.0", "id": request["id"]}
        if method == "debug_dbAncients":
            return plain | {"result": self.frozen}
        if method == "debug_dbAncient":
            name, number = parameters
            header = self._asked("eth_getHeaderByNumber", hex(number))
            found = self._asked("debug_dbGet", f"0x72{number:016x}{header['hash'][2:]}")
            is_there = name == "receipts" and number < self.frozen
            return plain | (
                {"result": found} if is_there else {"error": {"code": -32000, "message": "out of bounds"}}
            )
        if method == "debug_dbGet":
            number = int(parameters[0][4:20], 16)
            if self.is_freezing:
                self.frozen = max(self.frozen, number + 1)
            if number < self.frozen:
                self.missed += 1
                return not_found(request, answer)
        return answer

    def _asked(self, method, *parameters):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        return self.node.pass_on(request)["result"]


@pytest.mark.parametrize("is_freezing", [False, True])
def test_blocks_that_a_node_has_frozen_or_freezes_meanwhile_are_read_from_its_files(
    profile, node, is_freezing
):
    trust = trust_for(profile)
    with contextlib.closing(NodeSource(Chain(profile))) as source:
        last = source.last
    freezing = Freezing(node, profile.deployment_block + 2)
    node.fault = each_of(freezing)
    source = NodeSource(Chain(dataclasses.replace(profile, rpc_url=node.url)), last)
    freezing.is_freezing = is_freezing
    with (
        replayed(NodeSource(Chain(profile), last), trust) as whole,
        replayed(source, trust) as result,
    ):
        assert (result.verdict, result.digest, result.counts) == ("VALID", whole.digest, whole.counts)
    assert {"debug_dbAncient", "debug_dbGet"} <= {*node.asked}
    assert bool(freezing.missed) == is_freezing


def test_a_trust_file_that_names_others_or_too_few_finds_the_chain_unsealed(profile):
    trust = trust_for(profile)
    stranger = "0x" + "11" * 20
    for validators in ((*trust.validators[:3], stranger), trust.validators[:3]):
        with replayed(
            NodeSource(Chain(profile)), dataclasses.replace(trust, validators=validators)
        ) as result:
            assert result.verdict == "INVALID"
            assert "who is no signer then" in result.check("seals").message
            assert result.digest is None


def test_two_validators_show_one_history_below_what_is_confirmed(profile, validators):
    other = dataclasses.replace(profile, rpc_url=validators.url_of(2))
    with contextlib.closing(Chain(profile)) as one, contextlib.closing(Chain(other)) as second:
        last, parted = where_parted(one, second)
    assert parted is None and last > profile.deployment_block
