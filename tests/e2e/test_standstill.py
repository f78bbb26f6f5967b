"""The chain stands or is another one: accepting goes on to a bound, nothing is sent in vain, and all of it drains."""

import dataclasses
import sqlite3
from contextlib import closing

import faulty_node
import pytest
from proof import form

import ledger.anchoring
import ledger.serving.lodging
import ledger.serving.recording
from api.problems import problem_of
from ledger.core.records import CustodyKind
from ledger.errors import ChainMismatch, QueueFull


def transactions(at_work):
    with closing(sqlite3.connect(at_work.ledger._store.path)) as database:
        return database.execute("SELECT purpose, state FROM transactions").fetchall()


@pytest.mark.row("B14")
def test_while_the_chain_stands_records_are_accepted_to_a_bound_and_then_all_are_taken(
    singapore, monkeypatch
):
    manifest = singapore.opened_and_settled()
    monkeypatch.setattr(ledger.serving.recording, "MOST_WAITING_RECORDS", 10)
    monkeypatch.setattr(ledger.anchoring, "RECORDS_A_BATCH", 5)
    singapore.anvil.automine(False)

    def seal():
        return singapore.step(CustodyKind.SEAL, "exporter", manifest.consignment)

    accepted, refused = [], None
    while refused is None and len(accepted) < 40:
        submission = seal()
        [answer] = singapore.ledger.record([submission])
        if isinstance(answer, QueueFull):
            refused = answer
        else:
            accepted.append(submission)
            singapore.turn()
    assert len(accepted) == 10 + 4  # those that wait, and one for each transaction that is out
    for _ in range(20):
        singapore.turn()
    assert len([each for each in transactions(singapore) if each == ("append", "sent")]) == 4  # no storm
    again = singapore.ledger.record([accepted[-1], seal()])
    assert again[0][1] is False and isinstance(again[1], QueueFull)  # what was accepted stays answered
    problem = problem_of(refused).to_response()
    assert problem.status_code == 503 and problem.headers["retry-after"] == "30"
    assert b"Send it again in 30 seconds" in problem.body
    singapore.anvil.automine(True)
    singapore.anvil.mine(1)
    singapore.settle()
    assert singapore.ledger.record([submission])[0][1]
    singapore.settle()
    states = [view.state for view in singapore.ledger.consignment_records(manifest.consignment)]
    assert states == ["final"] * 16
    # 10 waiting records, five a transaction, and those that were out: no batch was broken up by the standstill
    assert len([each for each in transactions(singapore) if each == ("append", "final")]) == 1 + 4 + 2 + 1


@pytest.mark.row("B14")
def test_while_the_chain_stands_manifests_are_accepted_to_a_bound_and_one_head_covers_them(
    singapore, monkeypatch
):
    monkeypatch.setattr(ledger.serving.lodging, "MOST_WAITING_LEAVES", 8)
    singapore.anvil.automine(False)
    accepted = [singapore.manifest() for _ in range(8)]
    for manifest in accepted:
        singapore.ledger.lodge(manifest.submission)
        singapore.turn()
    late = singapore.manifest()
    with pytest.raises(QueueFull, match="8 manifests wait"):
        singapore.ledger.lodge(late.submission)
    answers = singapore.lodge_together(accepted[0], late)
    assert answers[0][1] is False and isinstance(answers[1], QueueFull)
    assert [each for each in transactions(singapore) if each[0] == "anchor"] == [("anchor", "sent")]
    singapore.anvil.automine(True)
    singapore.anvil.mine(1)
    singapore.settle()
    assert all(singapore.ledger.manifest(each.id).state == "final" for each in accepted)
    assert len([each for each in transactions(singapore) if each[0] == "anchor"]) == 2
    assert singapore.ledger.lodge(late.submission)[1]


@pytest.mark.row("B15")
def test_a_node_that_serves_another_chain_by_now_is_sent_nothing(founded, open_ledger):
    with faulty_node.before(founded.chain.url) as node:
        at_work = open_ledger(profile=dataclasses.replace(founded.profile, rpc_url=node.url))
        manifest = at_work.opened_and_settled()
        at_work.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)
        before = transactions(at_work)
        node.fault = lambda request, answer: (
            answer | {"result": "0x5"} if request["method"] == "eth_chainId" else answer
        )
        node.asked.clear()
        with pytest.raises(ChainMismatch, match="chain id is 5"):
            at_work.turn()
        assert "eth_sendRawTransaction" not in node.asked
        assert transactions(at_work) == before
        node.fault = None
        at_work.settle()
        assert at_work.ledger.consignment_records(manifest.consignment)[1].state == "final"


@pytest.mark.row("B15")
@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"<html>502 Bad Gateway</html>", id="HTML"),
        pytest.param(b'{"jsonrpc":"2.0","id":', id="half of its JSON"),
        pytest.param(b'{"jsonrpc":"2.0","id":-1,"result":"0x1"}', id="another id"),
        pytest.param(faulty_node.HANG_UP, id="nothing"),
    ],
)
def test_garbage_instead_of_any_answer_of_a_turn_loses_and_repeats_nothing(founded, open_ledger, garbage):
    with faulty_node.before(founded.chain.url) as node:
        at_work = open_ledger(profile=dataclasses.replace(founded.profile, rpc_url=node.url))
        manifest = at_work.opened_and_settled()
        for at in (places := range(0, 30, form(13, 1))):
            at_work.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)
            node.asked.clear()
            node.fault = lambda request, answer, at=at: garbage if len(node.asked) == at + 1 else answer
            try:
                at_work.turn()
            except ledger.errors.ChainUnavailable:
                pass
            node.fault = None
            at_work.settle()
        views = at_work.ledger.consignment_records(manifest.consignment)
        assert [view.state for view in views] == ["final"] * (1 + len(places))
        assert {state for _, state in transactions(at_work)} == {"final"}
        at_work.check_everything()
