"""What the ledger sends reaches the chain once, whatever the node, other people and our own death do about it."""

import dataclasses
import sqlite3

import faulty_node
import pytest
from ledger_at_work import anchor_foreign

import ledger.anchoring
import ledger.chain
import ledger.errors
from ledger.core.records import ZERO32, CustodyKind
from ledger.errors import Conflict, NotFound, StoreError
from ledger.ledger import Ledger
from ledger.messages import from_hex


def transactions(at_work, *columns):
    """Rows of the table of transactions, oldest first."""
    with sqlite3.connect(at_work.ledger._store.path) as database:
        return database.execute(
            f"SELECT {', '.join(columns)} FROM transactions ORDER BY account, nonce"
        ).fetchall()


def record_states(at_work, consignment):
    return [view.state for view in at_work.ledger.consignment_records(consignment)]


def is_closed_on_chain(at_work, manifest):
    return at_work.ledger._chain.view("ManifestLog", "closure", manifest.id) != ZERO32


# --- the ordinary way


@pytest.mark.on_validators
def test_a_lodged_manifest_is_anchored_and_proved_and_its_consignment_opened(singapore):
    manifest = singapore.opened()
    assert singapore.ledger.manifest(manifest.id).state == "accepted"
    with pytest.raises(NotFound):
        singapore.ledger.manifest_proof(manifest.id)
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).state == "final"
    assert record_states(singapore, manifest.consignment) == ["final"]
    singapore.check_everything()


def test_a_manifest_is_anchored_before_it_is_final(singapore):
    manifest = singapore.lodged()
    singapore.turn()
    singapore.turn()
    assert singapore.ledger.manifest(manifest.id).state == "anchored"
    singapore.anvil.mine(2)
    singapore.turn()
    assert singapore.ledger.manifest(manifest.id).state == "final"


def test_the_next_head_does_not_wait_until_the_last_one_is_final(singapore):
    singapore.lodged()
    singapore.turn()
    singapore.turn()  # mined, indexed, not final
    second = singapore.lodged()
    singapore.turn()
    singapore.turn()
    assert singapore.ledger.manifest(second.id).state == "anchored"
    singapore.settle()
    singapore.check_everything()


# --- what a node does


@pytest.mark.row("B5")
def test_a_transaction_that_the_node_forgot_is_sent_again_with_the_same_bytes(singapore):
    singapore.anvil.automine(False)
    manifest = singapore.opened()
    singapore.turn()
    sent = singapore.anvil.pending()
    assert len(sent) == 2  # a head and a batch
    for transaction in sent:
        singapore.anvil.drop(transaction)
    assert singapore.anvil.pending() == []
    singapore.turn()
    assert sorted(singapore.anvil.pending()) == sorted(sent)
    singapore.anvil.mine()
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).state == "final"
    assert record_states(singapore, manifest.consignment) == ["final"]
    assert len(transactions(singapore, "hash")) == 2


@pytest.mark.on_validators
@pytest.mark.row("B4")
def test_answers_that_are_lost_lose_and_repeat_nothing(founded, singapore, open_ledger):
    """The node takes what is sent and its answer never comes: what came of it is looked up."""
    with faulty_node.before(founded.chain.url) as node:
        at_work = open_ledger(profile=dataclasses.replace(founded.profile, rpc_url=node.url))
        at_work.work()
        lost = []

        def lose(request, answer):
            if request["method"] == "eth_sendRawTransaction" and len(lost) < 3:
                lost.append(answer)
                return faulty_node.HANG_UP
            return answer

        node.fault = lose
        manifest = at_work.opened()
        for _ in range(12):
            try:
                at_work.turn()
            except ledger.errors.ChainUnavailable:
                continue
        at_work.settle()
        assert lost and all("result" in answer for answer in lost)
        assert at_work.ledger.manifest(manifest.id).state == "final"
        assert record_states(at_work, manifest.consignment) == ["final"]
        assert at_work.ledger._chain.view("ConsignmentLedger", "sequence") == 1
        assert [state for (state,) in transactions(at_work, "state")] == ["final", "final"]


@pytest.mark.row("B3")
@pytest.mark.row("B7")
def test_after_a_kill_between_writing_and_sending_the_same_bytes_are_sent(singapore):
    """A kill at any place is a ledger opened anew on what was durable: the row was, the sending was not."""
    singapore.anvil.automine(False)
    manifest = singapore.opened()
    singapore.turn()
    before = transactions(singapore, "hash", "nonce", "raw")
    for transaction in singapore.anvil.pending():
        singapore.anvil.drop(transaction)  # it never went out
    singapore.reopen()
    singapore.turn()
    assert transactions(singapore, "hash", "nonce", "raw") == before
    assert {"0x" + row[0].hex() for row in before} == set(singapore.anvil.pending())
    singapore.anvil.mine()
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).state == "final"


@pytest.mark.row("B13")
def test_a_reorganisation_that_takes_transactions_away_puts_them_back(singapore):
    manifest = singapore.opened()
    singapore.turn()
    singapore.turn()
    assert record_states(singapore, manifest.consignment) == ["recorded"]
    singapore.anvil.roll_back(2)
    singapore.anvil.mine(3)
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).state == "final"
    assert record_states(singapore, manifest.consignment) == ["final"]
    assert len(transactions(singapore, "hash")) == 2
    singapore.check_everything()


@pytest.mark.row("B13")
def test_a_chain_that_lost_blocks_that_counted_as_final_gets_them_again(singapore):
    """A development chain that was killed, or a reorganisation deeper than the confirmations."""
    manifest = singapore.opened()
    singapore.settle()
    singapore.anvil.roll_back(6)
    assert singapore.ledger._chain.view("ConsignmentLedger", "sequence") == 0
    singapore.anvil.mine(7)
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).state == "final"
    assert record_states(singapore, manifest.consignment) == ["final"]
    assert len(transactions(singapore, "hash")) == 2
    singapore.check_everything()


# --- what is refused, what reverts


@pytest.mark.row("B12")
def test_a_refused_record_is_told_with_the_contracts_reason_and_the_others_go_on(singapore):
    """Somebody takes the custody line between our acceptance and our sending."""
    held, free = singapore.opened(), singapore.opened()
    singapore.settle()
    rival, signature = singapore.custody(
        CustodyKind.OFFER, "exporter", held.consignment, counterpart=b"NL".ljust(16, b"\0")
    )
    offer = singapore.recorded(
        CustodyKind.OFFER, "exporter", held.consignment, counterpart=b"AE".ljust(16, b"\0")
    )
    after_it = singapore.recorded(CustodyKind.OFFER, "exporter", held.consignment)
    seal = singapore.recorded(CustodyKind.SEAL, "exporter", free.consignment)
    singapore.send("ConsignmentLedger", "append", [ledger.chain.custody_tuple(rival)], [signature])
    singapore.settle()
    by_digest = {
        from_hex(view.digest): view for view in singapore.ledger.consignment_records(held.consignment)
    }
    assert by_digest[offer].state == "refused"
    assert by_digest[offer].problem.model_extra["refusal"] == "NOT_NEXT"
    assert by_digest[after_it].state == "refused"  # it named the one that was refused
    assert record_states(singapore, free.consignment) == ["final", "final"]
    assert from_hex(singapore.ledger.consignment_records(free.consignment)[1].digest) == seal
    assert singapore.ledger.consignment(held.consignment).offered_to == "NL"


@pytest.mark.row("B12")
def test_a_refusal_is_answered_again_with_its_reason(singapore):
    manifest = singapore.opened()
    singapore.settle()
    rival, signature = singapore.custody(CustodyKind.OFFER, "exporter", manifest.consignment)
    submission = singapore.step(
        CustodyKind.OFFER, "exporter", manifest.consignment, counterpart=b"NL".ljust(16, b"\0")
    )
    singapore.ledger.record([submission])
    singapore.send("ConsignmentLedger", "append", [ledger.chain.custody_tuple(rival)], [signature])
    singapore.settle()
    answer, is_new = singapore.ledger.record([submission])[0]
    assert (answer.state, is_new) == ("refused", False)
    assert answer.problem.model_extra["refusal"] == "NOT_NEXT"


def test_a_transaction_that_reverts_puts_its_records_back_to_waiting(singapore, monkeypatch):
    manifest = singapore.opened()
    singapore.settle()
    singapore.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)
    singapore.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)
    with monkeypatch.context() as patched:
        patched.setattr(ledger.chain, "GAS_PER_RECORD", 1_000)  # the batch runs out of gas
        patched.setattr(ledger.chain, "GAS_PER_BATCH", 60_000)
        singapore.turn()
    singapore.anvil.mine(2)
    with monkeypatch.context() as patched:
        patched.setattr(ledger.anchoring, "MOST_IN_FLIGHT", 0)  # look before they are sent again
        singapore.turn()
    assert [state for (state,) in transactions(singapore, "state")].count("failed") == 1
    assert record_states(singapore, manifest.consignment) == ["final", "accepted", "accepted"]
    singapore.settle()
    assert record_states(singapore, manifest.consignment) == ["final"] * 3


@pytest.mark.row("B19")
def test_one_record_that_makes_its_batch_revert_is_found_and_told_and_the_rest_goes_on(
    singapore, monkeypatch
):
    """No record should; should one ever, it must not stop all the others for good."""
    manifests = [singapore.opened() for _ in range(4)]
    singapore.settle()
    poison = manifests[2].consignment
    true_call = ledger.chain.Chain.append_call

    def with_too_little_gas_for_one(chain, records_, signatures):
        call = true_call(chain, records_, signatures)
        poisoned = any(record.consignment == poison for record in records_)
        return ledger.chain.Call(call.to, call.data, 60_000) if poisoned else call

    monkeypatch.setattr(ledger.chain.Chain, "append_call", with_too_little_gas_for_one)
    for manifest in manifests:
        singapore.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)
    singapore.settle()
    assert [record_states(singapore, manifest.consignment)[1] for manifest in manifests] == [
        "final",
        "final",
        "refused",
        "final",
    ]
    assert "reverted" in singapore.ledger.consignment_records(poison)[1].problem.detail


@pytest.mark.row("B8")
def test_a_nonce_that_somebody_else_used_with_our_key_does_not_jam_the_queue(singapore):
    manifest = singapore.opened()
    singapore.settle()
    singapore.anvil.automine(False)
    singapore.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)
    singapore.turn()
    [ours] = singapore.anvil.pending()
    singapore.anvil.drop(ours)
    chain, address = singapore.ledger._chain, singapore.network.address("relayer")
    call = chain.call_of("ConsignmentLedger", "append", [], [], gas=100_000)
    transaction_hash, raw = chain.sign(call, singapore.network.keys["relayer"], chain.nonce(address))
    chain.submit(raw, transaction_hash)
    singapore.anvil.mine(4)
    singapore.anvil.automine(True)
    singapore.settle()
    assert ("replaced",) in transactions(singapore, "state")
    assert record_states(singapore, manifest.consignment) == ["final", "final"]


# --- closings


def test_an_amendment_closes_the_former_manifest_and_a_withdrawal_leaves_none(singapore):
    manifest = singapore.opened()
    amendment = singapore.amendment(manifest)
    singapore.ledger.lodge(amendment.submission)
    singapore.settle()
    closure = singapore.ledger.manifest(manifest.id).closure
    assert (closure.kind, from_hex(closure.successor)) == ("AMEND", amendment.id)
    assert singapore.ledger.consignment(manifest.consignment).manifest == "0x" + amendment.id.hex()
    withdrawal = singapore.amendment(amendment, kind=3)
    answer, _ = singapore.ledger.lodge(withdrawal.submission)
    assert answer.id is None
    singapore.settle()
    assert singapore.ledger.manifest(amendment.id).closure.kind == "WITHDRAW"
    assert singapore.ledger.consignment(manifest.consignment).manifest is None
    assert singapore.ledger.manifest(from_hex(answer.digest)).state == "final"
    singapore.check_everything()


def test_two_amendments_one_after_the_other_close_in_their_order(singapore):
    first = singapore.lodged()
    second = singapore.amendment(first)
    singapore.ledger.lodge(second.submission)
    third = singapore.amendment(second)
    singapore.ledger.lodge(third.submission)
    singapore.settle()
    assert from_hex(singapore.ledger.manifest(first.id).closure.successor) == second.id
    assert from_hex(singapore.ledger.manifest(second.id).closure.successor) == third.id
    assert singapore.ledger.manifest(third.id).closure is None


def _closing(manifest, signature=None):
    record = manifest.record
    return (
        (
            record.party,
            record.kind,
            record.reason,
            record.consignment,
            record.manifest_root,
            record.supersedes,
            record.issued_at,
        ),
        from_hex(manifest.submission.signature),
    )


def test_a_manifest_that_somebody_else_closed_otherwise_refuses_our_amendment_with_the_reason(singapore):
    manifest = singapore.opened()
    singapore.settle()
    ours = singapore.amendment(manifest)
    rival = singapore.amendment(manifest)
    singapore.ledger.lodge(ours.submission)
    singapore.send(
        "ManifestLog", "closeManifest", *_closing(rival), manifest.record.party, manifest.record.manifest_root
    )
    singapore.settle()
    view = singapore.ledger.manifest(ours.id)
    assert view.state == "refused"
    assert view.problem.title == "LogManifestAlreadyClosed"
    assert from_hex(singapore.ledger.manifest(manifest.id).closure.successor) == rival.id
    further = singapore.amendment(ours)
    with pytest.raises(Conflict, match="never came into force"):
        singapore.ledger.lodge(further.submission)


def test_our_own_closure_that_somebody_else_sent_first_is_done(singapore):
    """A sequencer can't suppress a closure: its signer sends it by himself, and the ledger finds it there."""
    manifest = singapore.opened()
    singapore.settle()
    ours = singapore.amendment(manifest)
    singapore.ledger.lodge(ours.submission)
    singapore.send(
        "ManifestLog", "closeManifest", *_closing(ours), manifest.record.party, manifest.record.manifest_root
    )
    singapore.settle()
    assert singapore.ledger.manifest(ours.id).state == "final"
    assert singapore.ledger.manifest(ours.id).problem is None
    assert from_hex(singapore.ledger.manifest(manifest.id).closure.successor) == ours.id


def test_our_own_closure_that_comes_in_a_block_not_indexed_yet_is_waited_for(founded, open_ledger):
    """Between our look at the chain and our trial of the call; it must not be told as refused."""
    with faulty_node.before(founded.chain.url) as node:
        at_work = open_ledger(profile=dataclasses.replace(founded.profile, rpc_url=node.url))
        manifest = at_work.opened_and_settled()
        ours = at_work.amendment(manifest)
        at_work.ledger.lodge(ours.submission)
        closing = at_work.ledger._chain.closure_call(
            ours.record, bytes(65), manifest.record.party, manifest.record.manifest_root
        )
        sent = []

        def close_first(request, answer):
            is_trial = request["method"] == "eth_call" and request["params"][0]["data"].startswith(
                "0x" + closing.data[:4].hex()
            )
            if is_trial and not sent:
                sent.append(request)
                at_work.send(
                    "ManifestLog",
                    "closeManifest",
                    *_closing(ours),
                    manifest.record.party,
                    manifest.record.manifest_root,
                )
                return node.pass_on(request)
            return answer

        node.fault = close_first
        at_work.turn()
        assert sent and at_work.ledger.manifest(ours.id).state != "refused"
        at_work.settle()
        assert at_work.ledger.manifest(ours.id).state == "final"
        assert from_hex(at_work.ledger.manifest(manifest.id).closure.successor) == ours.id


def test_a_closure_that_was_mined_and_reverted_is_told_with_the_contracts_reason(singapore):
    manifest = singapore.opened()
    singapore.settle()
    ours, rival = singapore.amendment(manifest), singapore.amendment(manifest)
    singapore.anvil.automine(False)
    singapore.ledger.lodge(ours.submission)
    # the rival's pays more, so that it stands before ours in the same block
    singapore.send(
        "ManifestLog", "closeManifest", *_closing(rival), manifest.record.party, manifest.record.manifest_root
    )
    singapore.turn()
    assert len(singapore.anvil.pending()) == 3  # the rival's, our head, our closure
    singapore.anvil.mine()
    singapore.anvil.automine(True)
    singapore.settle()
    assert "failed" in [state for (state,) in transactions(singapore, "state")]
    assert singapore.ledger.manifest(ours.id).problem.title == "LogManifestAlreadyClosed"


# --- restarts


def test_a_restart_gives_what_was_not_anchored_its_place_in_the_new_epoch(singapore):
    anchored = singapore.lodged()
    singapore.settle()
    singapore.send("ManifestLog", "restart", b"SG".ljust(8, b"\0"), 1, role="governor")
    waiting = [singapore.lodged() for _ in range(3)]
    assert [singapore.ledger.manifest(each.id).epoch for each in waiting] == [1, 1, 1]
    singapore.settle()
    singapore.anvil.mine(3)
    singapore.settle()
    views = [singapore.ledger.manifest(each.id) for each in waiting]
    assert [(view.epoch, view.index, view.state) for view in views] == [
        (2, 0, "final"),
        (2, 1, "final"),
        (2, 2, "final"),
    ]
    assert [(view.promise.epoch, view.promise.index) for view in views] == [(1, 1), (1, 2), (1, 3)]
    kept = singapore.ledger.manifest(anchored.id)
    assert (kept.epoch, kept.index, kept.state) == (1, 0, "final")
    later = singapore.lodged()
    singapore.settle()
    assert (singapore.ledger.manifest(later.id).epoch, singapore.ledger.manifest(later.id).index) == (2, 3)
    singapore.check_everything()


def test_a_restart_that_is_not_final_moves_nothing(singapore):
    singapore.send("ManifestLog", "restart", b"SG".ljust(8, b"\0"), 1, role="governor")
    manifest = singapore.lodged()
    singapore.turn()
    assert singapore.ledger.manifest(manifest.id).epoch == 1
    singapore.anvil.mine(2)
    singapore.turn()
    assert singapore.ledger.manifest(manifest.id).epoch == 2


def test_a_head_anchored_with_a_stolen_key_covers_nothing_of_ours_until_the_restart(singapore):
    before = singapore.lodged()
    singapore.settle()
    mine = singapore.lodged()
    anchor_foreign(singapore, 5)
    singapore.settle()
    assert singapore.ledger.manifest(before.id).state == "final"
    assert singapore.ledger.manifest(mine.id).state == "sequenced"
    with pytest.raises(NotFound):
        singapore.ledger.manifest_proof(mine.id)
    assert singapore.ledger.consistency("SG", 1).second_size == 1  # of the heads that are ours
    with pytest.raises(StoreError, match="restart"):
        singapore.ledger.lodge(singapore.manifest().submission)
    assert any("not of this database" in reason for reason in singapore.ledger.readiness().reasons)
    singapore.send("ManifestLog", "restart", b"SG".ljust(8, b"\0"), 1, role="governor")
    singapore.anvil.mine(3)
    singapore.settle()
    view = singapore.ledger.manifest(mine.id)
    assert (view.epoch, view.index, view.state) == (2, 0, "final")
    singapore.lodged()
    singapore.settle()
    singapore.check_everything()


def test_a_foreign_head_of_our_own_size_is_seen_too(singapore):
    mine = singapore.lodged()
    anchor_foreign(singapore, 1)
    singapore.settle()
    assert singapore.ledger.manifest(mine.id).state == "sequenced"
    with pytest.raises(NotFound):
        singapore.ledger.manifest_proof(mine.id)


@pytest.mark.row("H4")
def test_a_database_from_an_old_backup_promises_nothing_more(singapore, open_ledger, tmp_path):
    singapore.lodged()
    singapore.settle()
    backup = tmp_path / "backup.sqlite3"
    with sqlite3.connect(singapore.ledger._store.path) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    singapore.lodged()
    singapore.settle()
    path = singapore.ledger._store.path
    restored = open_ledger(backup, wrapping_keys_file=path.with_name(path.name + ".wrapping-keys"))
    with pytest.raises(StoreError, match="does not lead to"):  # before its worker has read anything
        restored.ledger.lodge(restored.manifest().submission)
    restored.work()
    with pytest.raises(StoreError, match="older than the chain"):
        restored.ledger.lodge(restored.manifest().submission)


# --- one worker


@pytest.mark.row("B9")
def test_of_two_workers_on_one_database_one_works(singapore, open_ledger):
    second = Ledger.open(singapore.config)
    try:
        assert not second.take_worker_lock()
        manifest = singapore.lodged()
        assert second.work_once() is False
        assert singapore.ledger.manifest(manifest.id).state == "accepted"
        singapore.ledger.close()
        assert second.take_worker_lock()
        assert second.work_once()
        assert second.manifest(manifest.id).state != "accepted"
    finally:
        second.close()


def test_a_revoked_sequencer_anchors_nothing_and_says_so_once(singapore, caplog):
    governance = singapore.network.governance()
    try:
        governance.revoke(singapore.network.address("sequencer"), 1)
    finally:
        governance.close()
    manifest = singapore.lodged()
    for _ in range(5):
        singapore.turn()
    assert singapore.ledger.manifest(manifest.id).state == "sequenced"
    complaints = [record.message for record in caplog.records if "is not anchored" in record.message]
    assert len(complaints) == 1
    assert "revoked" in complaints[0]


def test_nothing_secret_is_logged(singapore, caplog):
    caplog.set_level("DEBUG")
    manifest = singapore.opened()
    singapore.recorded(
        CustodyKind.HOLD, "officer", manifest.consignment, document={"reason": "PLANTED-REASON"}
    )
    singapore.settle()
    singapore.reopen()
    text = caplog.text + repr(singapore.config)
    assert "PLANTED-REASON" not in text and "Static converters" not in text
    for secret in (manifest.key, manifest.secret, *singapore.network.keys.values()):
        assert secret.hex() not in text
