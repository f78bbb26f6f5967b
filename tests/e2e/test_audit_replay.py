"""The auditor's replay of a real chain: what it rebuilds, what it judges, and what no node can hide from it."""

import contextlib
import time

import audit_life
import pytest
from audit_life import party, replayed, trust_for

from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.chain import Chain
from ledger.core.records import CustodyKind
from ledger.errors import JournalUnusable

K = CustodyKind


@pytest.fixture
def history(singapore):
    return singapore, *audit_life.live(singapore)


def test_a_chain_is_rebuilt_and_every_rule_holds(history):
    at_work, _, _ = history
    trust = trust_for(at_work.profile)
    with replayed(at_work.profile, trust) as result:
        assert [(c.name, c.status, c.message) for c in result.checks if c.status != "VALID"] == [
            ("seals", "SKIPPED", result.check("seals").message)
        ]
        assert result.verdict == "VALID"
        assert "unsealed development chain" in result.check("seals").message
        assert result.counts.records == 8
        assert result.counts.signatures == 8
        assert result.counts.closures == 1
        chain = at_work.ledger._chain
        for consignment in result.consignments():
            assert result.fold.custody.trail(consignment) == chain.view(
                "ConsignmentLedger", "trail", consignment
            )


def test_a_history_tells_who_held_what_when(history):
    at_work, box, container = history
    with replayed(at_work.profile, trust_for(at_work.profile)) as result:
        inner = result.history(box.consignment)
        assert [p.value for p in inner.holders] == [party("SG:ACME01"), party("SG:CARR01")]
        assert inner.holders[0].until == inner.holders[1].since and inner.holders[1].until is None
        accepted = [act for act in inner.acts if act.record.kind == K.CONSOLIDATE]
        assert [p.value for p in inner.insides] == [container.consignment]
        assert inner.insides[0].since == accepted[0].accepted_at
        (hold,) = inner.holds
        assert hold.party == party("SG") and hold.lifted_at >= hold.placed_at
        (release,) = inner.releases
        assert release.manifest == box.id and release.voided_at is None
        assert inner.connected == {box.consignment, container.consignment}
        assert inner.holder(inner.opened_at) == party("SG:ACME01")
        assert inner.holder(inner.opened_at - 1) is None
        outer = result.history(container.consignment)
        assert [act.record.kind for act in outer.acts] == [K.OPEN, K.CONSOLIDATE, K.OFFER, K.ACCEPT]
        assert [p.value for p in outer.offers] == [party("SG:CARR01")]
        (closure,) = result.closures()
        assert closure.former == box.id and closure.former_party == party("SG:ACME01")
        officer = bytes.fromhex(at_work.network.address("officer")[2:])
        assert [act.record.kind for act in result.acts_of(officer)] == [K.HOLD, K.LIFT, K.RELEASE]
        assert [head.size for head in result.heads()][-1] == 3
        assert len(list(result.acts())) == 8


def test_acts_that_a_revocation_dates_back_to_are_findings(history):
    at_work, box, _ = history
    began = int(time.time()) - 3_000
    with contextlib.closing(at_work.network.governance()) as governance:
        governance.revoke(at_work.network.address("officer"), began)
    at_work.anvil.mine(20)
    with replayed(at_work.profile, trust_for(at_work.profile)) as result:
        assert result.verdict == "VALID"
        disputed = [f for f in result.findings() if f.kind == "disputed"]
        officer = bytes.fromhex(at_work.network.address("officer")[2:])
        assert {f.record for f in disputed} == {act.digest for act in result.acts_of(officer)}
        assert {f.consignment for f in disputed} == {box.consignment}
        assert result.counts.findings == len(list(result.findings()))
        assert [f.record for f in result.history(box.consignment).findings if f.kind == "disputed"] == [
            f.record for f in reversed(disputed)
        ]


def test_two_auditors_agree_on_the_digest_and_an_interrupted_replay_comes_to_the_same(history, tmp_path):
    at_work, box, _ = history
    trust = trust_for(at_work.profile)
    middle = at_work.anvil.head() - 12
    with (
        contextlib.closing(NodeSource(Chain(at_work.profile), middle)) as source,
        replay(source, Settings(trust, tmp_path / "replay")) as first,
    ):
        assert first.verdict == "VALID"
        early = first.digest
    with (
        replayed(at_work.profile, trust, tmp_path / "replay") as resumed,
        replayed(at_work.profile, trust, processes=1) as anew,
    ):
        assert resumed.digest == anew.digest != early
        assert resumed.counts == anew.counts
        assert resumed.history(box.consignment) == anew.history(box.consignment)


def test_a_replay_does_not_go_on_from_files_that_were_altered(history, tmp_path):
    at_work, *_ = history
    trust = trust_for(at_work.profile)
    folder = tmp_path / "replay"
    with replayed(at_work.profile, trust, folder):
        pass
    rows = bytearray((folder / "acts.rows").read_bytes())
    rows[400] ^= 1
    (folder / "acts.rows").write_bytes(rows)
    with pytest.raises(JournalUnusable, match="was altered"), replayed(at_work.profile, trust, folder):
        pass
