"""What does not come through is noticed and replaced, on one nonce, with one effect, whatever the chain asks for gas."""

import dataclasses
import sqlite3
from contextlib import closing

import faulty_node
import pytest

from ledger import fees, vault
from ledger.chain import unsigned
from ledger.core.records import CustodyKind
from ledger.fees import Fees

GAS_LIMIT = 60_000_000


def rows(at_work, columns="nonce, version, state", purpose="append"):
    with closing(sqlite3.connect(at_work.ledger._store.path)) as database:
        return database.execute(
            f"SELECT {columns} FROM transactions WHERE purpose = '{purpose}' ORDER BY account, nonce, version"
        ).fetchall()


def states(at_work, manifest):
    return [view.state for view in at_work.ledger.consignment_records(manifest.consignment)[1:]]


def custody_states(at_work):
    """What the sender believes of its records."""
    with closing(sqlite3.connect(at_work.ledger._store.path)) as database:
        return {state for (state,) in database.execute("SELECT DISTINCT state FROM custody")}


def on_chain(at_work):
    """Records that the chain took, and refusals."""
    with closing(sqlite3.connect(at_work.ledger._store.path)) as database:
        count = "SELECT (SELECT count(*) FROM chain_custody), (SELECT count(*) FROM chain_refusals)"
        return database.execute(count).fetchone()


@pytest.fixture
def node(founded):
    with faulty_node.before(founded.chain.url) as node:
        yield node


@pytest.fixture
def at_work(founded, node, open_ledger):
    """A ledger whose node may do wrong; one consignment of it is open."""
    at_work = open_ledger(profile=dataclasses.replace(founded.profile, rpc_url=node.url))
    at_work.manifest_open = at_work.opened_and_settled()
    return at_work


def sealed(at_work):
    return at_work.recorded(CustodyKind.SEAL, "exporter", at_work.manifest_open.consignment)


class TestABumpedTransaction:
    @pytest.fixture
    def swallowing(self, at_work, node):
        """The first version was re-sent and then replaced; neither has reached the chain."""
        swallowing = faulty_node.Swallowing(node)
        sealed(at_work)
        at_work.turn()
        at_work.anvil.mine(5)
        at_work.turn()
        at_work.anvil.mine(5)
        at_work.turn()
        return swallowing

    @pytest.mark.row("B11")
    @pytest.mark.row("B12")
    def test_what_is_stuck_goes_out_again_as_it_was_and_then_better_on_the_same_nonce(
        self, at_work, swallowing, caplog
    ):
        first, again, better = swallowing.raw
        assert first == again
        (call, offer), (better_call, better_offer) = unsigned(first), unsigned(better)
        assert better_call == call
        assert better_offer.most_wei >= 2 * offer.most_wei and better_offer.tip_wei >= 2 * offer.tip_wei
        (nonce, version, _), (same, next_version, _) = rows(at_work)[-2:]
        assert (same, version, next_version) == (nonce, 0, 1)

    @pytest.mark.row("B11")
    @pytest.mark.parametrize("mined", [0, 2], ids=["the first is mined", "the better one is mined"])
    def test_whichever_version_is_mined_counts_and_its_effect_is_there_once(
        self, at_work, node, swallowing, mined
    ):
        node.withheld, node.fault = set(), None
        at_work.anvil.ask("eth_sendRawTransaction", "0x" + swallowing.raw[mined].hex())
        at_work.settle()
        assert states(at_work, at_work.manifest_open) == ["final"]
        assert on_chain(at_work) == (2, 0)
        assert custody_states(at_work) == {"done"}
        expected = ["final", "outrun"] if mined == 0 else ["outrun", "final"]
        assert [state for _, _, state in rows(at_work)[-2:]] == expected
        sealed(at_work)
        at_work.settle()
        assert on_chain(at_work) == (3, 0)
        at_work.check_everything()

    @pytest.mark.row("B11")
    def test_when_the_chain_turns_from_one_version_to_the_other_the_other_counts(
        self, at_work, node, swallowing
    ):
        at_work.anvil.ask("eth_sendRawTransaction", "0x" + swallowing.raw[0].hex())
        at_work.turn()
        at_work.turn()
        assert [state for _, _, state in rows(at_work)[-2:]] == ["mined", "outrun"]
        at_work.anvil.roll_back(1)
        node.withheld, node.fault = set(), None
        at_work.anvil.ask("eth_sendRawTransaction", "0x" + swallowing.raw[2].hex())
        at_work.anvil.mine(1)
        at_work.settle()
        assert [state for _, _, state in rows(at_work)[-2:]] == ["outrun", "final"]
        assert states(at_work, at_work.manifest_open) == ["final"]
        assert on_chain(at_work) == (2, 0)
        at_work.check_everything()

    @pytest.mark.row("B12")
    def test_nothing_is_sent_again_while_the_chain_itself_stands(self, at_work, swallowing):
        sent = len(swallowing.raw)
        for _ in range(10):
            at_work.turn()
        assert len(swallowing.raw) == sent

    @pytest.mark.row("B12")
    def test_a_stuck_transaction_is_complained_of_and_the_others_go_on_when_it_is_through(
        self, at_work, node, swallowing, caplog
    ):
        said = [each for each in caplog.get_records("setup") if "not mined after 5 blocks" in each.message]
        assert len(said) == 1
        sealed(at_work)
        sealed(at_work)
        at_work.turn()
        node.withheld, node.fault = set(), None
        for raw in dict.fromkeys(swallowing.raw):
            try:
                at_work.anvil.ask("eth_sendRawTransaction", "0x" + raw.hex())
            except AssertionError:
                continue  # the other version of its nonce is mined
        at_work.settle()
        assert states(at_work, at_work.manifest_open) == ["final"] * 3
        assert on_chain(at_work) == (4, 0)


# --- nonces


@pytest.mark.row("B7")
def test_a_row_of_transactions_that_never_went_out_goes_out_in_order(at_work, node):
    """Their nonces are bound by nothing but their rows: no counter stands above the chain."""

    def unreachable(request, answer):
        return faulty_node.HANG_UP if request["method"] == "eth_sendRawTransaction" else answer

    node.fault, node.withheld = unreachable, {"eth_sendRawTransaction"}
    for _ in range(3):
        sealed(at_work)
        with pytest.raises(Exception, match="no usable answer"):
            at_work.turn()
    before = rows(at_work, "hash, raw")
    node.withheld, node.fault = set(), None
    at_work.reopen()
    at_work.turn()  # at once, not when they are stuck for some blocks
    assert all(at_work.ledger._chain.receipt(transaction_hash) for transaction_hash, _ in before)
    at_work.settle()
    assert states(at_work, at_work.manifest_open) == ["final"] * 3
    assert rows(at_work, "hash, raw")[: len(before)] == before
    assert on_chain(at_work) == (4, 0)


@pytest.mark.row("B6")
def test_a_nonce_that_nothing_holds_any_more_is_filled(at_work, caplog):
    """Another used the key, ours followed, and the chain forgot the other's."""
    chain, anvil = at_work.ledger._chain, at_work.anvil
    key, address = at_work.network.keys["relayer"], at_work.network.address("relayer")
    call = chain.call_of("ConsignmentLedger", "append", [], [], gas=100_000)
    burned = chain.nonce(address)
    transaction_hash, raw = chain.sign(call, key, burned)
    chain.submit(raw, transaction_hash)
    chain.wait(transaction_hash)
    at_work.turn()
    anvil.automine(False)
    sealed(at_work)
    at_work.turn()
    assert rows(at_work)[-1][0] == burned + 1
    [waiting] = anvil.pending()
    anvil.drop(waiting)
    anvil.roll_back(1)
    assert chain.nonce(address) == burned
    anvil.automine(True)
    anvil.mine(2)
    at_work.settle()
    assert [(nonce, state) for nonce, _, state in rows(at_work, purpose="fill")] == [(burned, "final")]
    assert states(at_work, at_work.manifest_open) == ["final"]
    assert on_chain(at_work) == (2, 0)
    assert any("is held by no transaction" in record.message for record in caplog.records)


@pytest.mark.row("B8")
def test_another_use_of_the_key_is_said_before_it_is_final(at_work, caplog):
    chain, anvil = at_work.ledger._chain, at_work.anvil
    anvil.automine(False)
    sealed(at_work)
    at_work.turn()
    [ours] = anvil.pending()
    anvil.drop(ours)
    call = chain.call_of("ConsignmentLedger", "append", [], [], gas=100_000)
    address = at_work.network.address("relayer")
    transaction_hash, raw = chain.sign(call, at_work.network.keys["relayer"], chain.nonce(address))
    chain.submit(raw, transaction_hash)
    anvil.mine(1)
    at_work.turn()
    assert len([r for r in caplog.records if "is the key used elsewhere" in r.message]) == 1
    assert rows(at_work)[-1][2] == "sent"  # nothing is signed anew before the other one is final
    anvil.automine(True)
    anvil.mine(3)
    at_work.settle()
    assert [state for _, _, state in rows(at_work)[-2:]] == ["replaced", "final"]
    assert states(at_work, at_work.manifest_open) == ["final"]


# --- what the chain asks for gas


@pytest.fixture
def wrapping_keys_file(tmp_path):
    """What a chain that is no development chain asks for."""
    path = tmp_path / "wrapping-keys"
    vault.add_wrapping_key(path)
    return path


@pytest.mark.row("B18")
def test_a_base_fee_above_the_offer_is_followed_up_to_what_the_profile_pays(at_work):
    anvil, cap = at_work.anvil, at_work.profile.gas_price_wei
    anvil.automine(False)
    sealed(at_work)
    at_work.turn()
    [raw] = rows(at_work, "raw")[-1]
    _, offer = unsigned(raw)

    def block_at(base_fee):
        anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        anvil.mine(1)

    for _ in range(10):
        block_at(2 * offer.most_wei)
        at_work.turn()
    assert len(anvil.pending()) == 1
    block_at(2 * offer.most_wei)
    at_work.turn()
    block_at(2 * offer.most_wei)
    anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(0))
    anvil.automine(True)
    at_work.settle()
    assert states(at_work, at_work.manifest_open) == ["final"]
    mined = [unsigned(raw)[1] for raw, state in rows(at_work, "raw, state") if state == "final"][-1]
    assert offer.most_wei < mined.most_wei <= cap


@pytest.mark.row("B18")
def test_where_gas_is_free_nothing_is_ever_raised_and_it_is_sent_again_as_it_is(
    founded, node, open_ledger, wrapping_keys_file
):
    profile = dataclasses.replace(founded.profile, rpc_url=node.url, kind="clique", gas_price_wei=1)
    at_work = open_ledger(profile=profile, wrapping_keys_file=wrapping_keys_file)
    at_work.manifest_open = at_work.opened_and_settled()
    swallowing = faulty_node.Swallowing(node)
    sealed(at_work)
    at_work.turn()
    for _ in range(3):
        at_work.anvil.mine(5)
        at_work.turn()
    assert len(swallowing.raw) == 4 and len(set(swallowing.raw)) == 1
    assert unsigned(swallowing.raw[0])[1] == Fees(1, 1)
    node.withheld, node.fault = set(), None
    at_work.anvil.ask("eth_sendRawTransaction", "0x" + swallowing.raw[0].hex())
    at_work.settle()
    assert states(at_work, at_work.manifest_open) == ["final"]


@pytest.mark.row("B18")
def test_a_chain_that_asks_more_than_the_profile_pays_is_said_once(
    founded, open_ledger, wrapping_keys_file, caplog
):
    profile = dataclasses.replace(founded.profile, kind="qbft", gas_price_wei=0)
    at_work = open_ledger(profile=profile, wrapping_keys_file=wrapping_keys_file)
    at_work.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(7))
    at_work.anvil.mine(1)
    at_work.turn()
    at_work.turn()
    said = [record.message for record in caplog.records if "the profile pays" in record.message]
    assert len(said) == 1 and "asks 7 wei" in said[0]
    at_work.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(0))
    at_work.anvil.mine(1)


@pytest.mark.row("B18")
def test_a_zero_gas_chain_is_sent_to_without_a_price(founded, open_ledger, wrapping_keys_file):
    profile = dataclasses.replace(founded.profile, kind="qbft", gas_price_wei=0)
    at_work = open_ledger(profile=profile, wrapping_keys_file=wrapping_keys_file)
    at_work.anvil.ask("anvil_setNextBlockBaseFeePerGas", hex(0))
    manifest = at_work.opened_and_settled()
    assert at_work.ledger.manifest(manifest.id).state == "final"
    assert {unsigned(raw)[1] for (raw,) in rows(at_work, "raw")} == {Fees(0, 0)}


@pytest.fixture
def small_blocks(anvil):
    def set_limit(gas):
        anvil.ask("evm_setBlockGasLimit", hex(gas))
        anvil.mine(1)

    yield set_limit
    anvil.ask("evm_setBlockGasLimit", hex(GAS_LIMIT))


@pytest.mark.row("B18")
@pytest.mark.parametrize("grows_back", [False, True], ids=["blocks stay small", "the whole batch is mined"])
def test_a_batch_that_no_block_has_room_for_any_more_is_cut(at_work, small_blocks, grows_back):
    anvil = at_work.anvil
    anvil.automine(False)
    for _ in range(20):
        sealed(at_work)
    at_work.turn()
    [(whole,)] = rows(at_work, "raw")[-1:]
    small_blocks(2_000_000)
    assert len(anvil.pending()) <= 1 and on_chain(at_work) == (1, 0)
    at_work.turn()
    subjects = [subject for (subject,) in rows(at_work, "subject")]
    assert subjects[1:3] == ['{"records": 20}', '{"records": 9}']
    assert rows(at_work, "nonce")[1] == rows(at_work, "nonce")[2]
    if grows_back:
        for pending in anvil.pending():
            anvil.drop(pending)
        small_blocks(GAS_LIMIT)
        anvil.ask("eth_sendRawTransaction", "0x" + whole.hex())
        anvil.mine(1)
    anvil.automine(True)
    anvil.mine(1)
    at_work.settle()
    assert states(at_work, at_work.manifest_open) == ["final"] * 20
    assert on_chain(at_work)[0] == 21
    if not grows_back:
        assert on_chain(at_work) == (21, 0)
    at_work.check_everything()


@pytest.mark.row("B18")
def test_where_a_block_has_room_for_no_record_none_is_sent_and_it_is_said(at_work, small_blocks, caplog):
    small_blocks(250_000)
    sealed(at_work)
    at_work.turn()
    at_work.turn()
    assert states(at_work, at_work.manifest_open) == ["accepted"]
    assert len([r for r in caplog.records if "not even one custody record" in r.message]) == 1
    small_blocks(GAS_LIMIT)
    at_work.settle()
    assert states(at_work, at_work.manifest_open) == ["final"]


def test_an_offer_follows_the_policy_of_its_chain(founded):
    development = dataclasses.replace(founded.profile, gas_price_wei=1_000)
    assert fees.first(development, 0) == Fees(250, 1)
    assert fees.first(development, 200) == Fees(401, 1)
    assert fees.first(development, 10_000) == Fees(1_000, 1)
    assert fees.raised(development, 0, Fees(250, 1)) == Fees(500, 2)
    assert fees.raised(development, 400, Fees(250, 1)) == Fees(801, 2)
    assert fees.raised(development, 0, Fees(950, 4)) is None  # less than a tenth more is left
    for kind in ("clique", "qbft"):
        free = dataclasses.replace(development, kind=kind)
        assert fees.first(free, 10_000) == Fees(1_000, 1)
        assert fees.raised(free, 10_000, Fees(1_000, 1)) is None
        assert fees.raised(free, 10_000, Fees(500, 1)) is None  # as before the profile named a higher price
