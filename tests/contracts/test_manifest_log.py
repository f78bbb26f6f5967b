"""ManifestLog: one test a rule, its refusal beside it. The proofs are the library's own, over real trees."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import ape
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.core import merkle
from ledger.core.records import (
    ManifestKind,
    ManifestRecord,
    Role,
    closure_commitment,
    head_commitment,
    keccak,
    manifest_id,
)

DAY = 86400
SG, AE, NL = (text.encode().ljust(8, b"\0") for text in ("SG", "AE", "NL"))
ZERO32 = bytes(32)
CONSIGNMENT = hashlib.sha256(b"a consignment").digest()
ROOT, NEW_ROOT = hashlib.sha256(b"a manifest").digest(), hashlib.sha256(b"the manifest amended").digest()
EXAMPLE = json.loads((Path(__file__).parents[1] / "vectors" / "formats-example.json").read_text())
LEAVES = [merkle.hash_leaf(number.to_bytes(4, "big")) for number in range(300)]
NODES = merkle.complete_nodes(LEAVES)


def root_of(size: int) -> bytes:
    return merkle.root(LEAVES[:size])


def proof(first: int, second: int) -> list[bytes]:
    return merkle.prove_consistency(first, second, NODES)


@pytest.fixture
def anchor(log):
    """Anchor a head of the tree over LEAVES; `changes` replace an argument."""
    sizes = {}

    def anchor(sequencer, size, **changes):
        administration = changes.get("administration", sequencer.administration)
        last = sizes.get(administration, 0)
        given = {
            "administration": administration,
            "epoch": 1,
            "size": size,
            "root": root_of(size),
            "proof": proof(last, size) if 0 < last < size else [],
        } | changes
        receipt = log.anchor(*given.values(), sender=sequencer.account)
        sizes[administration] = size
        return receipt

    return anchor


# ---------------------------------------------------------------------------------------------------------- heads


def test_the_first_head_needs_no_proof(log, anchor, origin_sequencer):
    receipt = anchor(origin_sequencer, 5)
    assert receipt.events == [
        log.HeadAnchored(
            sequence=1, administration=SG, epoch=1, size=5, root=root_of(5), anchoredAt=receipt.timestamp
        )
    ]
    head = log.head(SG)
    assert (head.epoch, head.size, head.root, head.anchoredAt) == (1, 5, root_of(5), receipt.timestamp)
    assert log.headCommitment(SG, 1, 5) == head_commitment(root_of(5), receipt.timestamp)


def test_a_first_head_takes_no_proof(log, anchor, origin_sequencer):
    with ape.reverts(
        log.LogHeadNotConsistent, anchoredSize=0, anchoredRoot=ZERO32, offeredSize=5, offeredRoot=root_of(5)
    ):
        anchor(origin_sequencer, 5, proof=proof(3, 5))


def test_a_head_that_extends_the_last_is_anchored_and_every_head_stays(log, anchor, origin_sequencer):
    sizes = [1, 2, 3, 8, 9, 100, 128, 299, 300]
    times = [anchor(origin_sequencer, size).timestamp for size in sizes]
    for size, time in zip(sizes, times, strict=True):
        assert log.headCommitment(SG, 1, size) == head_commitment(root_of(size), time)
    assert log.headCommitment(SG, 1, 4) == ZERO32
    assert log.sequence() == len(sizes)


def test_a_head_commitment_is_in_the_slot_that_the_comment_says(chain, log, anchor, origin_sequencer):
    receipt = anchor(origin_sequencer, 5)
    slot = ZERO32
    for key in (SG.ljust(32, b"\0"), (1).to_bytes(32, "big"), (5).to_bytes(32, "big")):
        slot = keccak(key + slot)
    raw = chain.provider.web3.eth.get_storage_at(log.address, int.from_bytes(slot, "big"))
    assert bytes(raw) == head_commitment(root_of(5), receipt.timestamp)


@pytest.mark.parametrize("size", [0, 1, 4, 5])
def test_a_head_that_does_not_grow_is_refused(log, anchor, origin_sequencer, size):
    anchor(origin_sequencer, 5)
    with ape.reverts(log.LogHeadNotGrowing, anchoredSize=5, offeredSize=size):
        anchor(origin_sequencer, size)
    assert log.sequence() == 1


def test_an_empty_first_head_is_refused(log, anchor, origin_sequencer):
    with ape.reverts(log.LogHeadNotGrowing, anchoredSize=0, offeredSize=0):
        anchor(origin_sequencer, 0)


def changed_tree(size: int) -> tuple[bytes, list[bytes]]:
    """A tree with another second leaf, and its own honest proof from 5 leaves on."""
    leaves = [LEAVES[0], merkle.hash_leaf(b"another"), *LEAVES[2:]]
    return merkle.root(leaves[:size]), merkle.prove_consistency(5, size, merkle.complete_nodes(leaves))


WRONG_PROOFS = {
    "none": [],
    "of another first size": proof(6, 9),
    "of another second size": proof(5, 10),
    "one node short": proof(5, 9)[:-1],
    "one node over": [*proof(5, 9), ZERO32],
    "one bit off": [*proof(5, 9)[:-1], bytes([proof(5, 9)[-1][0] ^ 1]) + proof(5, 9)[-1][1:]],
    "reversed": proof(5, 9)[::-1],
    "very long": proof(5, 9) * 50,
}


@pytest.mark.parametrize("wrong", WRONG_PROOFS)
def test_a_head_with_a_wrong_proof_is_refused(log, anchor, origin_sequencer, wrong):
    anchor(origin_sequencer, 5)
    with ape.reverts(
        log.LogHeadNotConsistent,
        anchoredSize=5,
        anchoredRoot=root_of(5),
        offeredSize=9,
        offeredRoot=root_of(9),
    ):
        anchor(origin_sequencer, 9, proof=WRONG_PROOFS[wrong])
    anchor(origin_sequencer, 9)


def test_a_head_over_changed_leaves_is_refused_whatever_its_proof(log, anchor, origin_sequencer):
    anchor(origin_sequencer, 5)
    root, honest_proof = changed_tree(9)
    for path in (honest_proof, proof(5, 9)):
        with ape.reverts(
            log.LogHeadNotConsistent,
            anchoredSize=5,
            anchoredRoot=root_of(5),
            offeredSize=9,
            offeredRoot=root,
        ):
            anchor(origin_sequencer, 9, root=root, proof=path)


def test_each_administration_has_its_own_log(log, anchor, origin_sequencer, destination_sequencer):
    anchor(origin_sequencer, 5)
    anchor(destination_sequencer, 3)
    anchor(origin_sequencer, 6)
    assert (log.head(SG).size, log.head(NL).size, log.head(AE).size) == (6, 3, 0)
    assert log.headCommitment(NL, 1, 5) == ZERO32
    assert log.sequence() == 3


def test_a_log_that_nobody_used_is_at_epoch_1(log):
    head = log.head(AE)
    assert (head.epoch, head.size, head.anchoredAt, head.root) == (1, 0, 0, ZERO32)


def test_only_a_sequencer_of_the_administration_anchors(
    log, anchor, fund, people, stranger, origin_governor, destination_sequencer, origin_sequencer
):
    others = [people.origin_officer, people.auditor, people.exporter, stranger, origin_governor]
    for sender in (*others, destination_sequencer):
        fund(sender.account)
        with ape.reverts(log.LogNotItsSequencer, sender=sender.address, administration=SG):
            anchor(sender, 5, administration=SG)
    anchor(origin_sequencer, 5)


def test_nobody_anchors_for_the_zero_administration(log, anchor, stranger, origin_sequencer):
    for sender in (stranger, origin_sequencer):
        with ape.reverts(log.LogNotItsSequencer, sender=sender.address, administration=bytes(8)):
            anchor(sender, 5, administration=bytes(8))


def test_a_revoked_sequencer_anchors_nothing(log, registry, anchor, origin_governor, origin_sequencer):
    receipt = registry.revoke(origin_sequencer.address, 0, sender=origin_governor.account)
    with ape.reverts(log.LogAccountRevoked, account=origin_sequencer.address, revokedAt=receipt.timestamp):
        anchor(origin_sequencer, 5)


def test_a_sequencer_anchors_up_to_its_last_second(chain, log, registry, anchor, origin_sequencer):
    until = registry.account(origin_sequencer.address).validUntil
    chain.pending_timestamp = until - 1
    anchor(origin_sequencer, 5)


def test_a_sequencer_past_its_validity_anchors_nothing(chain, log, registry, anchor, origin_sequencer):
    until = registry.account(origin_sequencer.address).validUntil
    chain.pending_timestamp = until
    with ape.reverts(log.LogAccountExpired, account=origin_sequencer.address, validUntil=until):
        anchor(origin_sequencer, 5)


def test_a_suspended_administration_anchors_nothing(
    log, anchor, suspend, destination_governor, destination_sequencer
):
    anchor(destination_sequencer, 3)
    suspend(destination_governor)
    with ape.reverts(log.LogAdministrationNotActive, administration=NL):
        anchor(destination_sequencer, 5)
    assert log.head(NL).size == 3


# ------------------------------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize("reason", [0, 1, 2, 3])
def test_a_restart_freezes_the_epoch_and_opens_the_next_empty(
    log, anchor, origin_governor, origin_sequencer, reason
):
    anchored_at = anchor(origin_sequencer, 5).timestamp
    receipt = log.restart(SG, reason, sender=origin_governor.account)
    assert receipt.events == [
        log.LogRestarted(
            sequence=2,
            administration=SG,
            epoch=2,
            frozenSize=5,
            reason=reason,
            restartedAt=receipt.timestamp,
        )
    ]
    head = log.head(SG)
    assert (head.epoch, head.size, head.anchoredAt, head.root) == (2, 0, 0, ZERO32)
    anchor(origin_sequencer, 3, epoch=2, proof=[])
    assert log.headCommitment(SG, 1, 5) == head_commitment(root_of(5), anchored_at)
    assert log.headCommitment(SG, 2, 3) != ZERO32


def test_a_head_in_flight_at_a_restart_does_not_open_the_next_epoch(
    log, anchor, origin_governor, origin_sequencer
):
    anchor(origin_sequencer, 5)
    log.restart(SG, 1, sender=origin_governor.account)
    with ape.reverts(log.LogNotTheEpoch, currentEpoch=2, offeredEpoch=1):
        anchor(origin_sequencer, 9)
    for epoch in (0, 3):
        with ape.reverts(log.LogNotTheEpoch, currentEpoch=2, offeredEpoch=epoch):
            anchor(origin_sequencer, 9, epoch=epoch)


def test_epoch_zero_is_none(log, anchor, origin_sequencer):
    with ape.reverts(log.LogNotTheEpoch, currentEpoch=1, offeredEpoch=0):
        anchor(origin_sequencer, 5, epoch=0)


def test_an_unused_log_can_be_restarted_too(log, origin_governor):
    log.restart(SG, 0, sender=origin_governor.account)
    log.restart(SG, 0, sender=origin_governor.account)
    assert log.head(SG).epoch == 3


def test_a_restart_names_a_known_reason(log, origin_governor):
    for reason in (4, 255):
        with ape.reverts(log.LogReasonUnknown, reason=reason):
            log.restart(SG, reason, sender=origin_governor.account)


def test_only_its_own_governor_restarts_a_log(log, transit_governor, origin_sequencer, stranger):
    for sender in (transit_governor, origin_sequencer, stranger):
        with ape.reverts(log.LogNotItsGovernor, sender=sender.address, administration=SG):
            log.restart(SG, 0, sender=sender.account)
    with ape.reverts(log.LogNotItsGovernor, sender=stranger.address, administration=bytes(8)):
        log.restart(bytes(8), 0, sender=stranger.account)


def test_a_suspended_administration_restarts_nothing(log, suspend, destination_governor):
    suspend(destination_governor)
    with ape.reverts(log.LogAdministrationNotActive, administration=NL):
        log.restart(NL, 0, sender=destination_governor.account)


# ------------------------------------------------------------------------------------------------------- closures


@pytest.fixture
def amendment(chain, exporter):
    """The exporter's amendment of its manifest, issued a minute ago; `changes` replace a field."""

    def amendment(**changes) -> ManifestRecord:
        record = ManifestRecord(
            party=exporter.party,
            kind=ManifestKind.AMEND,
            reason=1,
            consignment=CONSIGNMENT,
            manifest_root=NEW_ROOT,
            supersedes=manifest_id(exporter.party, CONSIGNMENT, ROOT),
            issued_at=chain.blocks.head.timestamp - 60,
        )
        return dataclasses.replace(record, **changes)

    return amendment


@pytest.fixture
def withdrawal(amendment):
    def withdrawal(**changes) -> ManifestRecord:
        return amendment(**({"kind": ManifestKind.WITHDRAW, "manifest_root": ZERO32, "reason": 3} | changes))

    return withdrawal


@pytest.fixture
def close(network, stranger, exporter):
    """Close as the record says, signed by its signer, sent by a stranger."""

    def close(record, signer=exporter, former_party=exporter.party, former_root=ROOT, signature=None):
        if signature is None:
            signature = signer.sign(record.digest(network.domain(network.log)))
        given = tuple(getattr(record, field.name) for field in dataclasses.fields(record))
        return network.log.closeManifest(given, signature, former_party, former_root, sender=stranger.account)

    return close


def test_an_amendment_closes_the_former_manifest(network, log, amendment, close, exporter):
    record = amendment()
    receipt = close(record)
    former, successor = record.supersedes, record.manifest_id
    digest = record.digest(network.domain(log))
    (event,) = receipt.events
    assert (event.sequence, event.former, event.successor) == (1, former, successor)
    assert (event.signer, event.digest, event.closedAt) == (exporter.address, digest, receipt.timestamp)
    assert event.signature == exporter.sign(digest)
    assert tuple(event.record) == dataclasses.astuple(record)
    assert log.closure(former) == closure_commitment(
        record.kind, record.reason, receipt.timestamp, exporter.address_bytes, successor
    )
    assert log.closure(successor) == ZERO32


def test_a_withdrawal_closes_it_without_a_successor(log, withdrawal, close, exporter):
    record = withdrawal()
    receipt = close(record)
    assert log.closure(record.supersedes) == closure_commitment(
        record.kind, record.reason, receipt.timestamp, exporter.address_bytes, ZERO32
    )
    assert receipt.events[0].successor == ZERO32


def test_a_closure_is_in_the_slot_that_the_comment_says(chain, log, withdrawal, close):
    record = withdrawal()
    close(record)
    slot = keccak(record.supersedes + (1).to_bytes(32, "big"))
    raw = chain.provider.web3.eth.get_storage_at(log.address, int.from_bytes(slot, "big"))
    assert bytes(raw) == log.closure(record.supersedes) != ZERO32


def test_the_record_digest_is_the_one_of_the_formats_example(chain, project, network):
    chain.provider.set_code(EXAMPLE["ManifestLog"], chain.provider.get_code(network.log.address))
    log = project.ManifestLog.at(EXAMPLE["ManifestLog"], fetch_from_explorer=False)
    digest = log.manifestRecordDigest(tuple(EXAMPLE["manifest record"].values()))
    assert digest == bytes.fromhex(EXAMPLE["manifest record digest"][2:])


def test_an_officer_of_the_parties_own_closes_its_manifest(log, amendment, close, agency_officer):
    record = amendment(
        party=agency_officer.party, supersedes=manifest_id(agency_officer.party, CONSIGNMENT, ROOT)
    )
    close(record, signer=agency_officer, former_party=agency_officer.party)
    assert log.closure(record.supersedes) != ZERO32


def test_an_officer_of_the_administrations_customs_closes_a_traders_manifest(
    log, amendment, close, origin_officer
):
    record = amendment(party=origin_officer.party, reason=5)
    receipt = close(record, signer=origin_officer)
    assert receipt.events[0].successor == manifest_id(origin_officer.party, CONSIGNMENT, NEW_ROOT)


def test_other_parties_do_not_close_it(log, amendment, close, carrier, agency_officer, destination_officer):
    for other in (carrier, agency_officer, destination_officer):
        with ape.reverts(log.LogPartyMayNotClose, party=other.party, formerParty=amendment().party):
            close(amendment(party=other.party), signer=other)


def test_a_signer_of_another_party_than_the_record_says_closes_nothing(
    log, amendment, close, carrier, origin_officer, stranger
):
    record = amendment()
    for other in (carrier, origin_officer, stranger):
        with ape.reverts(log.LogSignerNotOfParty, signer=other.address, party=record.party):
            close(record, signer=other)


def test_a_record_of_no_party_closes_nothing(log, withdrawal, close, stranger):
    record = withdrawal(party=bytes(16), supersedes=manifest_id(bytes(16), CONSIGNMENT, ROOT))
    with ape.reverts(log.LogSignerNotOfParty, signer=stranger.address, party=bytes(16)):
        close(record, signer=stranger, former_party=bytes(16))


def test_an_auditor_or_sequencer_closes_nothing(log, amendment, close, auditor, origin_sequencer):
    for signer, roles in ((auditor, Role.AUDITOR), (origin_sequencer, Role.SEQUENCER)):
        record = amendment(party=signer.party)
        with ape.reverts(log.LogSignerWithoutRole, signer=signer.address, roles=roles):
            close(record, signer=signer)


@pytest.mark.parametrize("kind", [0, 1, 4, 255])
def test_only_an_amendment_or_withdrawal_closes(log, amendment, close, kind):
    with ape.reverts(log.LogNotAClosure, kind=kind):
        close(amendment(kind=kind))


@pytest.mark.parametrize("reason", [0, 5])
def test_a_closure_gives_a_known_reason(log, amendment, close, reason):
    record = amendment(reason=reason)
    close(record)
    assert log.closure(record.supersedes) != ZERO32


@pytest.mark.parametrize("reason", [6, 255])
def test_a_closure_with_an_unknown_reason_is_refused(log, amendment, close, reason):
    with ape.reverts(log.LogReasonUnknown, reason=reason):
        close(amendment(reason=reason))


def test_an_amendment_has_a_root(log, amendment, close):
    with ape.reverts(log.LogRootNotFitting, kind=2, manifestRoot=ZERO32):
        close(amendment(manifest_root=ZERO32))


def test_a_withdrawal_has_none(log, withdrawal, close):
    with ape.reverts(log.LogRootNotFitting, kind=3, manifestRoot=NEW_ROOT):
        close(withdrawal(manifest_root=NEW_ROOT))


def test_former_party_and_root_must_give_the_superseded_id(log, amendment, close, exporter, carrier):
    record = amendment()
    for party, root in ((carrier.party, ROOT), (exporter.party, NEW_ROOT)):
        former = manifest_id(party, CONSIGNMENT, root)
        with ape.reverts(log.LogNotTheFormer, supersedes=record.supersedes, former=former):
            close(record, former_party=party, former_root=root)


def test_former_and_new_are_of_one_consignment(log, amendment, close, exporter):
    other = hashlib.sha256(b"another consignment").digest()
    record = amendment(consignment=other)
    former = manifest_id(exporter.party, other, ROOT)
    with ape.reverts(log.LogNotTheFormer, supersedes=record.supersedes, former=former):
        close(record)


def test_a_record_closes_until_it_is_30_days_old(chain, log, amendment, close):
    record = amendment()
    chain.pending_timestamp = record.issued_at + 30 * DAY - 1
    close(record)
    assert log.closure(record.supersedes) != ZERO32


def test_a_record_30_days_old_closes_nothing(chain, log, amendment, close):
    record = amendment()
    now = record.issued_at + 30 * DAY
    chain.pending_timestamp = now
    with ape.reverts(log.LogRecordTooOld, issuedAt=record.issued_at, time=now):
        close(record)


def test_a_clock_may_be_300_seconds_ahead(chain, log, amendment, close):
    now = chain.blocks.head.timestamp + 10
    chain.pending_timestamp = now
    record = amendment(issued_at=now + 300)
    close(record)
    assert log.closure(record.supersedes) != ZERO32


@pytest.mark.parametrize("ahead", [301, 40 * DAY, None], ids=["301 s", "40 days", "for ever"])
def test_a_record_dated_further_ahead_closes_nothing(chain, log, amendment, close, ahead):
    now = chain.blocks.head.timestamp + 10
    issued_at = 2**64 - 1 if ahead is None else now + ahead
    chain.pending_timestamp = now
    with ape.reverts(log.LogRecordAhead, issuedAt=issued_at, time=now):
        close(amendment(issued_at=issued_at))


def test_a_bad_signature_closes_nothing(network, log, amendment, close, exporter):
    record = amendment()
    digest = record.digest(network.domain(log))
    good = exporter.sign(digest)
    for bad in (b"", good[:64], good + b"\0", good[:64] + bytes([good[64] - 27]), bytes(65)):
        with ape.reverts(log.LogRecordNotSigned, record=digest):
            close(record, signature=bad)


def test_a_signature_for_another_contract_or_chain_closes_nothing(network, log, amendment, close, exporter):
    record = amendment()
    here = network.domain(log)
    for domain in (network.domain(network.ledger), type(here)(here.chain_id + 1, here.contract)):
        with ape.reverts(log.LogSignerNotOfParty, party=exporter.party):
            close(record, signature=exporter.sign(record.digest(domain)))


def test_a_revoked_signer_closes_nothing(log, registry, amendment, close, exporter, origin_governor):
    receipt = registry.revoke(exporter.address, 0, sender=origin_governor.account)
    with ape.reverts(log.LogAccountRevoked, account=exporter.address, revokedAt=receipt.timestamp):
        close(amendment())


def test_a_signer_past_its_validity_closes_nothing(chain, log, registry, amendment, close, exporter):
    until = registry.account(exporter.address).validUntil
    chain.pending_timestamp = until
    with ape.reverts(log.LogAccountExpired, account=exporter.address, validUntil=until):
        close(amendment(issued_at=until - 60))


def test_a_suspended_administrations_traders_close_nothing(
    log, amendment, close, suspend, destination_governor, importer
):
    suspend(destination_governor)
    record = amendment(party=importer.party, supersedes=manifest_id(importer.party, CONSIGNMENT, ROOT))
    with ape.reverts(log.LogAdministrationNotActive, administration=NL):
        close(record, signer=importer, former_party=importer.party)


def test_the_first_closure_wins(log, amendment, withdrawal, close):
    first = amendment()
    close(first)
    standing = log.closure(first.supersedes)
    for later in (first, withdrawal(), amendment(manifest_root=ROOT[::-1])):
        with ape.reverts(log.LogManifestAlreadyClosed, manifestId=first.supersedes, closure=standing):
            close(later)
    assert log.sequence() == 1


def test_a_manifest_does_not_succeed_itself(log, amendment, close):
    record = amendment(manifest_root=ROOT)
    with ape.reverts(log.LogSuccessorIsFormer, manifestId=record.supersedes):
        close(record)


def test_a_closed_manifest_succeeds_no_other_so_nothing_runs_in_a_circle(log, amendment, close):
    first = amendment()
    close(first)
    back = amendment(manifest_root=ROOT, supersedes=first.manifest_id)
    with ape.reverts(
        log.LogSuccessorClosed, manifestId=first.supersedes, closure=log.closure(first.supersedes)
    ):
        close(back, former_root=NEW_ROOT)


def test_an_amended_manifest_is_amended_again(log, amendment, close):
    first = amendment()
    close(first)
    second = amendment(manifest_root=ROOT[::-1], supersedes=first.manifest_id)
    close(second, former_root=NEW_ROOT)
    assert log.closure(second.supersedes) != ZERO32
    assert log.sequence() == 2


def test_one_manifest_may_take_the_place_of_two(log, amendment, close, exporter):
    other_root = ROOT[::-1]
    first = amendment()
    second = amendment(supersedes=manifest_id(exporter.party, CONSIGNMENT, other_root))
    close(first)
    close(second, former_root=other_root)
    assert log.closure(first.supersedes) != ZERO32 != log.closure(second.supersedes)
    assert log.closure(first.manifest_id) == ZERO32


# ------------------------------------------------------------------------------------------------------ properties


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.sets(st.integers(1, len(LEAVES)), min_size=1, max_size=6))
def test_any_growing_sizes_of_one_tree_are_anchored_in_order(chain, log, origin_sequencer, sizes):
    snapshot = chain.snapshot()
    last = 0
    for number, size in enumerate(sorted(sizes), start=1):
        path = proof(last, size) if last else []
        log.anchor(SG, 1, size, root_of(size), path, sender=origin_sequencer.account)
        assert log.sequence() == number
        last = size
    chain.restore(snapshot)


# ------------------------------------------------------------------------------------------------------------- gas


class UniformNodes(Mapping):
    """The nodes of a tree whose leaves are all the same: as real as any, and one hash a level."""

    def __init__(self) -> None:
        self.levels = [merkle.hash_leaf(b"the same record")]
        while len(self.levels) < 64:
            self.levels.append(merkle.hash_children(self.levels[-1], self.levels[-1]))

    def __getitem__(self, node):
        level, _index = node
        return self.levels[level]

    def __iter__(self):
        raise NotImplementedError  # the tree has no end

    def __len__(self):
        return 2**64


@pytest.fixture
def anchor_1000(log, origin_sequencer):
    """Anchor 1,000 new leaves on a log of `size`, and give the gas."""

    def anchor_1000(size: int) -> int:
        nodes = UniformNodes()
        roots = {leaves: merkle.root_from_nodes(leaves, nodes) for leaves in (size, size + 1000)}
        log.anchor(SG, 1, size, roots[size], [], sender=origin_sequencer.account)
        path = merkle.prove_consistency(size, size + 1000, nodes)
        return log.anchor(
            SG, 1, size + 1000, roots[size + 1000], path, sender=origin_sequencer.account
        ).gas_used

    return anchor_1000


def test_anchoring_1000_leaves_on_a_million_costs_at_most_100_gas_each(anchor_1000, gas_snapshot):
    gas = anchor_1000(1_000_000)
    assert gas <= 100_000
    gas_snapshot.compare("ManifestLog.anchor 1000 on a million", gas)


def test_gas_of_the_longest_consistency_path_about_a_million(anchor_1000, gas_snapshot):
    """A size of many one bits costs most: 40 hashes where a million takes 16."""
    gas_snapshot.compare("ManifestLog.anchor 1000 on 2^20 - 1", anchor_1000(2**20 - 1))


def test_gas_of_a_first_head_a_restart_and_a_closure(
    log, anchor, amendment, close, origin_governor, origin_sequencer, gas_snapshot
):
    gas_snapshot.compare("ManifestLog.anchor first head", anchor(origin_sequencer, 1).gas_used)
    restarted = log.restart(SG, 1, sender=origin_governor.account)
    gas_snapshot.compare("ManifestLog.restart", restarted.gas_used)
    gas_snapshot.compare("ManifestLog.closeManifest", close(amendment()).gas_used)
