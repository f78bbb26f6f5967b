"""Replays of a chain that four real Clique validators seal: from the node, offline, and by whom the trust file names."""

import contextlib
import dataclasses

import ledger_at_work
import pytest
from audit_life import trust_for
from ledger_at_work import until

import ledger.serving.working
from ledger import tables as t
from ledger.audit import export_file
from ledger.audit.fsck.offline import WORD
from ledger.audit.fsck.run import Wanted, fsck
from ledger.audit.joint import where_parted
from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.chain import Chain
from ledger.store import Store

pytestmark = pytest.mark.on_validators


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("auditor")


@pytest.fixture(scope="module")
def network(found, folder):
    """A chain with a manifest, an opening and a head, all under enough blocks, and the database of who wrote them."""
    with found("audited") as network, contextlib.closing(ledger_at_work.controls(network)) as anvil:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
            at_work = ledger_at_work.open_ledger(network, anvil, folder / "store.sqlite3")
            at_work.settle()
            at_work.opened_and_settled()
            at_work.ledger.close()
        written = anvil.head()
        until(lambda: anvil.head() > written + 9, 120)
        yield network


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
            kept = session.first(t.chain_custody, sequence=1)
            session.put_right(t.chain_custody, {"sequence": 1}, {**kept._mapping, "accepted_at": 1})
        for wanted in (Wanted(profile, trust, keys), offline):
            outcome = fsck(store, wanted, unseen)
            assert [(each.kind, each.where, each.id) for each in outcome.found] == [
                ("changed", "chain_custody", "1")
            ]


def test_receipts_are_the_same_bytes_whether_the_node_gives_them_raw_or_spelt_out(profile):
    """geth gives both where its namespace `debug` is open, as it is in these tests; a node that does not is asked the other way."""
    given = []
    for raw in (True, False):
        with contextlib.closing(NodeSource(Chain(profile))) as source:
            assert source._raw_receipts
            source._raw_receipts = raw
            given.append(b"".join(chunk.data for chunk in source.chunks(1))[: 1 << 20])
    assert given[0] == given[1]
    assert len(given[0]) > 40_000  # headers and receipts


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
