"""The main job through the typed client, over HTTP, on a real chain."""

import secrets

import cargo
import pytest

from ledger.core import merkle, records
from ledger.core.records import CustodyKind, ManifestReason, blind
from ledger.errors import ServiceError
from ledger.messages import from_hex

pytestmark = pytest.mark.on_validators


@pytest.fixture
def opened(clients):
    """A consignment that the exporter has lodged and opened."""
    exporter = clients("exporter")
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    return lodged


def refusal_of(refused):
    return refused.value.status, refused.value.problem.get("refusal")


def test_a_manifest_is_lodged_anchored_and_proved(clients):
    exporter = clients("exporter")
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    view = exporter.wait_for_manifest(lodged.id)
    assert view.state in ("anchored", "final")
    assert view.content == "seen"
    assert view.document["goods"][0]["country_of_origin"] is None
    proof = exporter.manifest_proof(lodged.id)
    leaf = proof.record.to_record().leaf_data(from_hex(proof.signature))
    path = [from_hex(node) for node in proof.path]
    merkle.verify_inclusion(records.leaf_hash(leaf), proof.index, proof.size, path, from_hex(proof.root))
    assert exporter.find_manifests(reference=reference) == [exporter.manifest(lodged.id)]


def test_custody_changes_hands_by_offer_and_acceptance(clients, opened):
    exporter, carrier = clients("exporter"), clients("carrier")
    exporter.offer(
        opened.consignment, "SG:ACME01", "SG:CARR01", {"schema": "cargo-handover/1", "note": "at dock 4"}
    )
    answer = carrier.accept(opened.consignment, "SG:CARR01")
    carrier.wait_for_record(opened.consignment, answer.digest)
    assert carrier.consignment(opened.consignment).custodian == "SG:CARR01"


def test_a_handover_by_someone_who_is_not_the_custodian_is_refused(clients, opened):
    with pytest.raises(ServiceError) as refused:
        clients("carrier").offer(opened.consignment, "SG:CARR01", "SG:ACME01")
    assert refusal_of(refused) == (409, "NOT_ALLOWED")


def test_a_release_is_refused_while_a_hold_is_open(clients, opened):
    officer = clients("officer")
    hold = officer.hold(opened.consignment, "SG", {"schema": "cargo-hold/1", "reason": "papers"})
    with pytest.raises(ServiceError) as refused:
        officer.release(
            opened.consignment, "SG", opened.id, {"schema": "cargo-release/1", "procedure": "export"}
        )
    assert refusal_of(refused) == (409, "HELD")
    assert "SG" in refused.value.detail
    officer.lift(opened.consignment, "SG", hold.digest)
    released = officer.release(
        opened.consignment, "SG", opened.id, {"schema": "cargo-release/1", "procedure": "export"}
    )
    officer.wait_for_record(opened.consignment, released.digest)
    view = officer.consignment(opened.consignment)
    assert [release.procedure for release in view.releases] == ["export"]
    assert view.may_go


def test_a_second_opening_is_refused(clients, opened):
    exporter = clients("exporter")
    with pytest.raises(ServiceError) as refused:
        exporter.open(
            opened.consignment, "SG:ACME01", manifest_root=secrets.token_bytes(32), blind=opened.blind
        )
    assert refusal_of(refused) == (409, "ALREADY_OPENED")


def test_steps_of_one_account_follow_each_other_without_waiting_for_the_chain(clients, opened):
    officer = clients("officer")
    answers = [
        officer.arrive(opened.consignment, "SG", {"schema": "cargo-passage/1", "place": "SGSIN"}),
        officer.seal(opened.consignment, "SG", {"schema": "cargo-seal/1", "seal": "S123456"}),
        officer.inspect(opened.consignment, "SG", {"schema": "cargo-inspection/1", "outcome": "as declared"}),
        officer.depart(opened.consignment, "SG", {"schema": "cargo-passage/1", "place": "SGSIN"}),
        officer.remark(opened.consignment, "SG", {"schema": "cargo-remark/1", "note": "all well"}),
    ]
    officer.wait_for_record(opened.consignment, answers[-1].digest)
    kinds = [record.kind for record in officer.consignment_records(opened.consignment)]
    assert kinds == ["OPEN", "ARRIVAL", "SEAL", "INSPECTION", "DEPARTURE", "REMARK"]


def test_a_record_on_a_line_that_has_moved_on_is_refused_with_what_comes_next(clients, opened):
    officer = clients("officer")
    stale = officer.sign_step(CustodyKind.REMARK, opened.consignment, "SG")
    officer.arrive(opened.consignment, "SG")
    with pytest.raises(ServiceError) as refused:
        officer.submit_records([stale])
    assert refusal_of(refused) == (409, "NOT_NEXT")
    assert (
        refused.value.problem["last"]
        == officer.consignment(opened.consignment).lines.accounts[officer.address]
    )


def test_of_several_records_those_that_fit_are_taken(clients, opened, now):
    officer = clients("officer")
    good = officer.sign_step(CustodyKind.ARRIVAL, opened.consignment, "SG")
    bad = officer.sign_custody(cargo.custody_record(opened.consignment, CustodyKind.ACCEPT, "SG", now))
    answers = officer.submit_records([good, bad])
    assert [answer.state for answer in answers] == ["accepted", "refused"]
    assert answers[1].problem.model_extra["refusal"] in ("FIELDS", "NOT_OFFERED", "NOT_NEXT")


def test_a_manifest_is_amended_and_then_withdrawn(clients, opened):
    exporter = clients("exporter")
    amended = exporter.amend(
        opened.id,
        cargo.manifest_document(opened.reference, note="two more boxes"),
        ManifestReason.QUANTITY_CHANGED,
    )
    exporter.wait_for_manifest(amended.id)
    assert _closure(exporter, opened.id).successor == "0x" + amended.id.hex()
    with pytest.raises(ServiceError) as refused:
        exporter.withdraw(opened.id, ManifestReason.LODGED_IN_ERROR)
    assert refused.value.status == 409
    answer = exporter.withdraw(amended.id, ManifestReason.LODGED_IN_ERROR)
    exporter.wait_for_manifest(answer.digest)
    assert _closure(exporter, amended.id).kind == "WITHDRAW"


def _closure(client, manifest):
    return client._wait(
        lambda: client.manifest(manifest), lambda view: view.closure is not None, "it is not closed yet", 30
    ).closure


def test_the_log_shows_head_growth_and_leaves(clients, opened):
    auditor = clients("auditor")
    auditor.wait_for_manifest(opened.id)
    head = auditor.head("SG")
    leaves = [*auditor.all_leaves("SG")]
    assert [leaf.index for leaf in leaves[: head.size]] == list(range(head.size))
    hashes = [records.leaf_hash(from_hex(leaf.data)) for leaf in leaves[: head.size]]
    assert merkle.root(hashes) == from_hex(head.root)
    first = auditor.manifest(opened.id).anchor.size
    proof = auditor.consistency("SG", first)
    merkle.verify_consistency(
        first,
        from_hex(proof.first_root),
        proof.second_size,
        from_hex(proof.second_root),
        [from_hex(node) for node in proof.path],
    )


def test_the_blind_of_an_opening_comes_from_key_and_reference(opened):
    assert opened.blind == blind(opened.consignment_key, opened.reference)


def test_the_accompanying_file_discloses_what_is_asked_for_and_no_more(clients, opened):
    exporter = clients("exporter")
    exporter.wait_for_manifest(opened.id)
    file = exporter.accompanying_file(opened.consignment, ["/references", "/goods/0/hs"])
    shown = [field["pointer"] for field in file.manifest.disclosure["fields"]]
    assert shown == ["/goods/0/hs/code", "/goods/0/hs/edition", "/references/0/scheme", "/references/0/value"]
    assert exporter.load_accompanying(file).reference == opened.reference
    with pytest.raises(ServiceError) as refused:
        exporter.accompanying_file(opened.consignment, ["/nothing"])
    assert refused.value.status == 400


def test_a_consignment_is_found_by_reference_container_and_seal(clients):
    exporter = clients("exporter")
    reference, container = cargo.reference(), "MSKU" + str(secrets.randbelow(10**7)).zfill(7)
    lodged = exporter.lodge(cargo.manifest_document(reference, container), "SG:ACME01", reference=reference)
    opening = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    exporter.wait_for_record(lodged.consignment, opening.digest)
    for query in ({"reference": reference}, {"container": container}):
        found = exporter.find_consignments(**query)
        assert [one.id for one in found] == ["0x" + lodged.consignment.hex()]
    assert exporter.find_consignments(reference=cargo.reference()) == []
