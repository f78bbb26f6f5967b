"""Several keys send side by side: nothing overtakes what it needs, and nothing goes out twice whoever prepares it."""

import dataclasses
import itertools
import random
import secrets
import sqlite3
from contextlib import closing

import faulty_node
import pytest
from proof import form

from ledger import devchain, sequencing
from ledger.anchoring import Sender
from ledger.chain import Chain
from ledger.core.records import CustodyKind
from ledger.core.signatures import account_of
from ledger.messages import from_hex


def rows(at_work, query):
    with closing(sqlite3.connect(at_work.ledger._store.path)) as database:
        return database.execute(query).fetchall()


@pytest.fixture
def keys(founded):
    """Three relayers that have what gas costs."""
    keys = (founded.keys["relayer"], secrets.token_bytes(32), secrets.token_bytes(32))
    for key in keys:
        devchain.fund(founded.chain.url, account_of(key))
    return keys


@pytest.fixture
def at_work(open_ledger, keys):
    at_work = open_ledger(relayer_keys=keys)
    at_work.settle()
    return at_work


def senders(at_work):
    """The accounts that carried each consignment's records, by consignment."""
    carried = {}
    for consignment, account in rows(
        at_work,
        "SELECT c.consignment, x.account FROM custody c JOIN transactions x ON c.transaction_hash = x.hash",
    ):
        carried.setdefault(bytes(consignment), set()).add(bytes(account))
    return carried


def pending_of(at_work, account):
    """A key's transactions in the pool, by nonce."""
    pool = at_work.anvil.ask("txpool_content")["pending"]
    of_account = next((each for address, each in pool.items() if address.lower() == account.lower()), {})
    return [each for _, each in sorted(of_account.items(), key=lambda item: int(item[0]))]


def seal(at_work, manifest):
    return at_work.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)


@pytest.mark.row("several-keys")
def test_consignments_are_spread_over_the_keys_and_each_goes_by_one_while_it_is_on_its_way(
    at_work, keys, monkeypatch
):
    monkeypatch.setattr("ledger.anchoring.RECORDS_A_BATCH", 3)
    manifests = [at_work.opened() for _ in range(9)]
    at_work.anvil.automine(False)
    at_work.turn()
    for _ in range(3):
        for manifest in manifests:
            seal(at_work, manifest)
        at_work.turn()
    carried = senders(at_work)
    assert {len(accounts) for accounts in carried.values()} == {1}
    assert len(set.union(*carried.values())) == 3
    at_work.anvil.automine(True)
    at_work.anvil.mine(1)
    at_work.settle()
    assert rows(at_work, "SELECT count(*) FROM chain_refusals") == [(0,)]
    assert rows(at_work, "SELECT count(*) FROM chain_custody") == [(36,)]
    at_work.check_everything()


@pytest.mark.row("several-keys")
def test_a_key_that_is_stuck_keeps_its_own_consignments_back_and_no_others(at_work, keys, monkeypatch):
    monkeypatch.setattr("ledger.anchoring.RECORDS_A_BATCH", 2)
    manifests = [at_work.opened() for _ in range(6)]
    at_work.anvil.automine(False)
    at_work.turn()
    stuck = account_of(keys[1])
    for transaction in pending_of(at_work, stuck):
        at_work.anvil.drop(transaction["hash"])
    at_work.anvil.ask("anvil_setBalance", stuck, "0x0")
    at_work.anvil.automine(True)
    at_work.anvil.mine(1)
    for _ in range(12):
        at_work.turn()
        at_work.anvil.mine(1)
    of_stuck = {each for each, who in senders(at_work).items() if bytes.fromhex(stuck[2:]) in who}
    assert 0 < len(of_stuck) < 6
    for manifest in manifests:
        [view] = at_work.ledger.consignment_records(manifest.consignment)
        assert (view.state == "sent") == (manifest.consignment in of_stuck)
    for manifest in manifests:
        if manifest.consignment not in of_stuck:
            seal(at_work, manifest)
    devchain.fund(at_work.profile.rpc_url, stuck)
    at_work.settle()
    assert rows(at_work, "SELECT count(*), min(state), max(state) FROM custody") == [
        (12 - len(of_stuck), "done", "done")
    ]


@pytest.mark.row("several-keys")
def test_what_connects_two_consignments_waits_for_both_where_two_keys_carry_them(at_work, keys, monkeypatch):
    monkeypatch.setattr("ledger.anchoring.RECORDS_A_BATCH", 1)
    at_work.anvil.automine(False)
    vessel, box = at_work.opened(), at_work.opened()
    at_work.turn()
    assert senders(at_work)[vessel.consignment] != senders(at_work)[box.consignment]
    at_work.recorded(CustodyKind.CONSOLIDATE, "exporter", box.consignment, subject=vessel.consignment)
    at_work.turn()
    [of_vessel] = senders(at_work)[vessel.consignment]
    for transaction in pending_of(at_work, "0x" + of_vessel.hex()):
        at_work.anvil.drop(transaction["hash"])
    at_work.anvil.mine(1)
    at_work.anvil.automine(True)
    at_work.settle()
    assert rows(at_work, "SELECT count(*) FROM chain_refusals") == [(0,)]
    assert rows(at_work, "SELECT count(*) FROM chain_custody") == [(3,)]
    at_work.check_everything()


@pytest.mark.row("several-keys")
@pytest.mark.parametrize("seed", range(form(1, 40)))
def test_whatever_is_connected_is_mined_in_its_order_whichever_key_is_mined_first(
    at_work, keys, monkeypatch, seed
):
    """Containers into vessels, seals, offers and takes; blocks hold the transactions of the keys in any order."""
    monkeypatch.setattr("ledger.anchoring.RECORDS_A_BATCH", 2)
    chance = random.Random(seed)
    vessel, *boxes = [at_work.opened() for _ in range(5)]
    at_work.settle()
    at_work.anvil.automine(False)
    inside, accepted = set(), 5
    for _ in range(form(14, 40)):
        box = chance.choice(boxes)
        match chance.randrange(4):
            case 0 if box.consignment not in inside:
                at_work.recorded(
                    CustodyKind.CONSOLIDATE, "exporter", box.consignment, subject=vessel.consignment
                )
                inside.add(box.consignment)
            case 1 if box.consignment in inside:
                at_work.recorded(
                    CustodyKind.DECONSOLIDATE, "exporter", box.consignment, subject=vessel.consignment
                )
                inside.discard(box.consignment)
            case 2:
                at_work.recorded(CustodyKind.DEPARTURE, "exporter", vessel.consignment)
            case _:
                seal(at_work, box)
        accepted += 1
        if chance.random() < 0.5:
            at_work.turn()
        if chance.random() < 0.3:
            held = _hold_one_key_back(at_work, chance, keys)
            at_work.anvil.mine(1)
            for raw in held:
                at_work.anvil.ask("eth_sendRawTransaction", raw)
    at_work.anvil.automine(True)
    at_work.anvil.mine(1)
    at_work.settle()
    assert rows(at_work, "SELECT count(*) FROM chain_refusals") == [(0,)]
    assert rows(at_work, "SELECT count(*) FROM chain_custody") == [(accepted,)]
    at_work.check_everything()


def _hold_one_key_back(at_work, chance, keys):
    """Take one key's transactions out of the pool for a block."""
    account = account_of(chance.choice(keys))
    pending = pending_of(at_work, account)
    stored = dict(rows(at_work, "SELECT hash, raw FROM transactions"))
    for transaction in pending:
        at_work.anvil.drop(transaction["hash"])
    return ["0x" + stored[from_hex(transaction["hash"])].hex() for transaction in pending]


# --- two who prepare the same at once


def _looks(asked):
    """How often a simulated call was followed by the question for its nonce."""
    return sum(pair == ("eth_call", "eth_getTransactionCount") for pair in itertools.pairwise(asked))


@pytest.mark.row("B10")
@pytest.mark.parametrize("seed", range(form(2, 60)))
def test_two_senders_that_interleave_at_any_call_send_everything_once(founded, singapore, seed):
    """Against all rules there are two: one takes its whole turn in the middle of the other's, at a call to the node."""
    chance = random.Random(seed)
    opened = singapore.opened_and_settled()
    former = singapore.opened_and_settled()
    at_work, config = singapore, singapore.config
    keys = config.sequencer_key, config.relayer_keys
    ran = []
    with faulty_node.before(founded.chain.url) as node:
        profile = dataclasses.replace(founded.profile, rpc_url=node.url)
        with closing(Chain(profile)) as slow, closing(Chain(founded.profile)) as fast:
            first = Sender(slow, at_work.ledger._store, "SG", *keys)
            second = Sender(fast, at_work.ledger._store, "SG", *keys)
            first.turn()
            calls = len(node.asked)
            for moment in range(4):
                at_work.anvil.automine(False)
                for _ in range(3):
                    seal(at_work, opened)
                amendment = at_work.amendment(former)
                at_work.ledger.lodge(amendment.submission)
                former = amendment
                sequencing.extend(at_work.ledger._store)
                node.asked.clear()
                at = chance.randrange(1, calls + 9)

                def meanwhile(request, answer, at=at, moment=moment):
                    # twice between what is looked at and what is noted: of a head, of a closure; twice anywhere
                    is_now = _looks(node.asked) == moment + 1 if moment < 2 else len(node.asked) == at
                    if is_now and not ran:
                        ran.append(at)
                        second.turn()
                    return answer

                node.fault = meanwhile
                first.turn()
                node.fault = None
                assert ran or moment > 1
                ran.clear()
                at_work.anvil.automine(True)
                at_work.anvil.mine(1)
                at_work.settle()
    states = rows(at_work, "SELECT state, count(*) FROM transactions GROUP BY state")
    assert dict(states).keys() == {"final"}, states
    assert rows(at_work, "SELECT count(*) FROM chain_refusals") == [(0,)]
    assert rows(at_work, "SELECT count(*), count(DISTINCT digest) FROM chain_custody") == [(14, 14)]
    assert at_work.ledger.manifest(former.id).state == "final"
    at_work.check_everything()
