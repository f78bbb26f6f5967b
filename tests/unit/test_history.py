"""A consignment's history is replayed from its own records and those of what it was connected with, and from no more."""

import dataclasses
import random

import kept_history
import pytest
from kept_history import DOMAIN, WHO, KeptHistory
from vaults import unlocked_store

from ledger import history
from ledger.core.records import ZERO32, CustodyKind
from ledger.errors import ChainViolation, Refusal
from ledger.membership import Membership
from ledger.rows.custody import encode_custody
from ledger.store import Session

K = CustodyKind


@pytest.fixture
def kept(database_url, tmp_path):
    with unlocked_store(database_url, tmp_path) as store:
        yield KeptHistory(store)


def read(kept, *consignments):
    with kept.store.read() as session:
        return history.read(session, kept.membership, list(consignments), kept.now)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happened_each_consignment_reads_as_in_the_whole(kept, seed):
    """Also where consignments went into each other and out, were taken, and split."""
    chance = random.Random(seed)
    consignments = [kept.open(chance.choice(["exporter", "carrier"])) for _ in range(7)]
    for _ in range(120):
        kind, role, one = K(chance.randint(1, 17)), chance.choice(list(WHO)), chance.choice(consignments)
        changes = {}
        if kind == K.OPEN:
            record = kept.opening(role, subject=chance.choice([ZERO32, one]))
            if not kept.put(record, role):
                consignments.append(record.consignment)
            continue
        if kind in (K.CONSOLIDATE, K.DECONSOLIDATE):
            changes["subject"] = chance.choice(consignments)
            parent = kept.model.parent(one)
            if kind == K.DECONSOLIDATE and parent is not None:
                changes["subject"] = parent
        elif kind in (K.ACCEPT, K.DECLINE):
            changes["subject"] = kept.model.custody_line(one)
        elif kind == K.OFFER:
            changes["counterpart"] = kept_history.party(chance.choice(["exporter", "carrier", "importer"]))
        elif kind == K.LIFT:
            holds = kept.model.holds(one)
            changes["subject"] = holds[0].record if holds else ZERO32
        elif kind in (K.RELEASE, K.CLEARANCE):
            changes["subject"] = b"\x09" * 32
        kept.put(kept.record(kind, role, one, **changes), role)
    connected = 0
    for consignment in consignments:
        one = read(kept, consignment)
        assert one.custody.state(consignment) == kept.model.state(consignment)
        assert one.ahead.state(consignment) == kept.model.state(consignment)
        assert len(one.custody) <= len(consignments)
        connected += len(one.custody) < len(consignments)
    assert connected or len(consignments) < 8  # what was never connected is not read


def test_what_is_not_connected_is_not_read(kept):
    one, other = kept.open(), kept.open()
    assert other not in read(kept, one).custody
    kept.must(K.CONSOLIDATE, "exporter", one, subject=other)
    assert other in read(kept, one).custody
    kept.must(K.DECONSOLIDATE, "exporter", one, subject=other)
    assert other in read(kept, one).custody  # it once was: its holds counted


def test_what_waits_is_ahead_and_not_yet_there(kept):
    consignment = kept.open()
    seal = kept.record(K.SEAL, "exporter", consignment)
    digest = kept.wait(seal, "exporter")
    after = kept.record(K.SEAL, "exporter", consignment, previous=digest)
    last = kept.wait(after, "exporter")
    both = read(kept, consignment)
    assert both.custody.account_line(consignment, kept_history.ADDRESS["exporter"]) == ZERO32
    assert both.ahead.account_line(consignment, kept_history.ADDRESS["exporter"]) == last


def test_an_opening_that_waits_is_ahead_alone(kept):
    opening = kept.opening()
    kept.wait(opening, "exporter")
    both = read(kept, opening.consignment)
    assert opening.consignment not in both.custody and opening.consignment in both.ahead


def test_a_consolidation_that_waits_connects_already(kept):
    one, other = kept.open(), kept.open()
    kept.wait(kept.record(K.CONSOLIDATE, "exporter", one, subject=other), "exporter")
    for asked in (one, other):
        both = read(kept, asked)
        assert both.ahead.parent(one) == other and both.custody.parent(one) is None
        assert both.consignments == {one, other}


def test_what_waits_and_can_no_longer_be_taken_is_not_ahead(kept):
    """Its predecessor was refused: it will be refused too, and blocks nobody meanwhile."""
    consignment = kept.open()
    orphan = kept.record(K.SEAL, "exporter", consignment, previous=b"\x0a" * 32)
    kept.wait(orphan, "exporter")
    expired = kept.record(
        K.REMARK, "exporter", consignment, observed_at=kept.now - 7200, expires_at=kept.now - 3600
    )
    kept.wait(expired, "exporter")
    both = read(kept, consignment)
    assert both.ahead.account_line(consignment, kept_history.ADDRESS["exporter"]) == ZERO32
    assert (
        both.ahead.judge(
            kept.record(K.SEAL, "exporter", consignment),
            b"\x0b" * 32,
            kept_history.ADDRESS["exporter"],
            history.standing(kept.membership, kept_history.ADDRESS["exporter"]),
            kept.now,
        )
        is Refusal.NONE
    )


def test_a_record_on_chain_that_breaks_the_rules_is_never_shown(kept):
    consignment = kept.open()
    stranger = kept.record(K.CLOSE, "carrier", consignment)
    with kept.store.write() as session:
        session.add_chain_custody(
            {
                "sequence": 99,
                "digest": stranger.digest(DOMAIN),
                "consignment": consignment,
                "other": None,
                "kind": int(K.CLOSE),
                "signer": kept_history.ADDRESS["carrier"],
                "body": encode_custody(stranger),
                "signature": bytes(65),
                "accepted_at": kept.now,
                "block_number": 1,
                "transaction_hash": bytes(32),
                "log_index": 0,
            }
        )
    with pytest.raises(ChainViolation, match="NOT_ALLOWED"):
        read(kept, consignment)


def test_what_was_taken_before_a_revocation_or_a_suspension_stands(kept):
    consignment = kept.open()
    kept.must(K.SEAL, "exporter", consignment)
    before = read(kept, consignment).custody.state(consignment)
    accounts = dict(kept.membership.accounts)
    address = kept_history.ADDRESS["exporter"]
    accounts[address] = dataclasses.replace(
        accounts[address], revoked_from=kept.now + 1, revoked_at=kept.now + 5
    )
    members = {
        code: dataclasses.replace(member, active=False) for code, member in kept.membership.members.items()
    }
    kept.membership = Membership(9, members, accounts)
    assert read(kept, consignment).custody.state(consignment) == before


def test_disputed_acts_are_findings(kept):
    consignment = kept.open()
    kept.must(K.SEAL, "exporter", consignment)
    address = kept_history.ADDRESS["exporter"]
    accounts = dict(kept.membership.accounts)
    accounts[address] = dataclasses.replace(accounts[address], revoked_from=1, revoked_at=kept.now)
    kept.membership = dataclasses.replace(kept.membership, accounts=accounts)
    kinds = {str(finding.kind) for finding in read(kept, consignment).custody.state(consignment).findings}
    assert "disputed" in kinds


def test_documents_are_those_of_the_records_and_are_asked_for_at_once(kept, monkeypatch):
    consignment = kept.open()
    with_document = kept.must(K.SEAL, "exporter", consignment, document={"seal": {"number": "A1"}})
    kept.must(K.SEAL, "exporter", consignment, details=b"\x0c" * 32)
    for _ in range(30):
        kept.must(K.REMARK, "exporter", consignment, document={"note": str(kept.now)})
    asked = []
    true_query = Session._all
    monkeypatch.setattr(Session, "_all", lambda self, query: asked.append(query) or true_query(self, query))
    both = read(kept, consignment)
    assert both.documents[with_document] == {"seal": {"number": "A1"}}
    assert len(both.documents) == 31
    assert len(asked) <= 4
