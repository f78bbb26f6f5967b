"""The verdict on evidence files: what passes, and each attack as one edit of what passes."""

from dataclasses import replace

import evidence_maker
import pytest
import sealed_headers
from evidence_maker import NOW, SECRET, World, document, history, key_of, party

from ledger.core import headers, rlp, slots
from ledger.core.evidence import Evidence, Part, Whole
from ledger.core.records import ZERO32, CustodyKind, Role, keccak
from ledger.core.signatures import account_of
from ledger.core.verdict import NAMES
from ledger.core.verify import verify
from ledger.errors import EvidenceRefused


def judge(evidence, world, now=NOW + 60, trust=None, **options):
    return verify(evidence.encode(), trust or world.trust(), now, **options)


def require(report, verdict, **checks):
    assert report.verdict == verdict, report
    for name, (status, words) in checks.items():
        check = report.check(name)
        assert (check.status, words in check.message) == (status, True), check
    if verdict != "VALID":
        assert "may go, " not in report.state
        with pytest.raises(EvidenceRefused):
            report.require()


def edited(taken, **changes):
    return replace(taken, record=replace(taken.record, **changes))


# --- what passes


@pytest.mark.parametrize("consensus", ["qbft", "clique"])
def test_a_released_consignment_may_go_as_of_a_sealed_block(consensus):
    world, manifest = history(World(consensus))
    report = judge(world.evidence(manifest), world)
    report.require()
    assert report.verdict == "VALID"
    assert [check.name for check in report.checks] == list(NAMES)
    assert {check.status for check in report.checks} == {"VALID"}
    assert report.state == (
        "Current. In the charge of SG:CARR01. Released for export by SG on 2027-01-15T08:17:40Z; may go, as far as SG is "
        "concerned."
    )
    assert report.to_json()["as_of"] == {"block": 500, "time": "2027-01-15T21:53:20Z", "age_seconds": 60}
    assert report.to_json()["trust"] == "0x" + world.trust().sha256.hex()
    assert report.to_json()["checks"][0]["name"] == "document"


def test_clique_is_confirmed_and_said_not_to_be_final():
    world, manifest = history(World("clique"))
    require(
        judge(world.evidence(manifest), world),
        "VALID",
        seals=("VALID", "confirmed by 4 of 4 signers, not final"),
    )


def test_a_hold_of_another_administration_is_told_and_stops_only_its_own():
    world, manifest = history()
    world.record(CustodyKind.HOLD, "foreign_officer", stated={"reason": "sanitary  check\x07"})
    evidence = world.evidence(manifest)
    ours = judge(evidence, world)
    assert "on hold by NL since 2027-01-15T08:17:50Z (“sanitary check”); may go, as far as SG" in ours.state
    theirs = judge(evidence, world, trust=world.trust(administration="NL"))
    assert theirs.verdict == "VALID"
    assert theirs.state.endswith("(“sanitary check”); may not go: it is on hold.")


def test_without_our_release_it_may_not_go():
    world, manifest = history()
    report = judge(world.evidence(manifest), world, trust=world.trust(administration="NL"))
    assert report.verdict == "VALID"
    assert report.state.endswith("may not go: NL has not released it.")


def test_a_whole_document_needs_nobody_who_vouches_for_it():
    world, manifest = history()
    for seen in (True, None):
        report = judge(world.evidence(manifest, show=[""], seen=seen), world)
        require(report, "VALID", document=("VALID", "whole manifest"))


@pytest.mark.parametrize("seen", [None, False], ids=["no promise", "unseen"])
def test_a_disclosure_that_nobody_vouches_for_does_not_pass(seen):
    world, manifest = history()
    report = judge(world.evidence(manifest, seen=seen), world)
    require(report, "INDETERMINATE", document=("SKIPPED", "a second value may exist"))
    assert report.state.endswith("may not go: this file does not settle it.")


def test_a_consignment_not_opened_yet_is_told_so():
    world = World()
    manifest = world.lodge(world.manifest())
    report = judge(world.evidence(manifest), world)
    require(report, "INDETERMINATE", binding=("SKIPPED", "opening"), custody=("SKIPPED", "not opened"))
    assert report.state == "Current. Where the cargo stands is not shown; may not go."


def test_closed_and_offered_consignments_are_told():
    world, manifest = history()
    world.record(CustodyKind.OFFER, "carrier", counterpart=party("NL:IMPO01"))
    assert "Offered to NL:IMPO01, not accepted." in judge(world.evidence(manifest), world).state
    world.record(CustodyKind.CLOSE, "carrier")
    assert "Closed: in nobody's charge." in judge(world.evidence(manifest), world).state


# --- manifests


def test_an_amended_manifest_is_the_one_in_force():
    world, manifest = history()
    second = world.lodge(world.manifest(content=document(goods=[]), former=manifest))
    world.close(manifest, second)
    third = world.lodge(world.manifest(role="officer", content=document(note="x"), former=second))
    world.close(second, third, role="officer")
    report = judge(world.evidence(third), world)
    require(report, "VALID", succession=("VALID", "in force"), issuer=("VALID", "SG's"))
    assert report.state.endswith("(for another manifest); may not go: the release is for another manifest.")


def test_a_superseded_manifest_is_told_and_does_not_pass():
    world, manifest = history()
    second = world.lodge(world.manifest(content=document(goods=[]), former=manifest))
    world.close(manifest, second)
    evidence = world.evidence(manifest)
    report = judge(evidence, world)
    require(report, "INVALID", succession=("INVALID", "Superseded by"))
    assert report.state.startswith(f"Superseded by 0x{second.id.hex()[:8]}… since")
    # attack: the closure left out
    left_out = judge(world.shown(replace(evidence, closures=())), world)
    require(left_out, "INVALID", succession=("INVALID", "does not say how"))


def test_a_withdrawn_manifest_is_told_and_does_not_pass():
    world, manifest = history()
    world.close(manifest)
    report = judge(world.evidence(manifest), world)
    require(report, "INVALID", succession=("INVALID", "Withdrawn since"))
    evidence = world.evidence(manifest)
    longer = replace(evidence, closures=evidence.closures * 2)
    require(judge(world.shown(longer), world), "INVALID", succession=("INVALID", "has no successor"))


def test_of_two_amendments_of_one_manifest_only_one_is_current():
    world, manifest = history()
    won, lost = (
        world.lodge(world.manifest(content=document(note=note), former=manifest)) for note in ("won", "lost")
    )
    world.close(manifest, won)
    require(judge(world.evidence(won), world), "VALID")
    require(
        judge(world.evidence(lost), world),
        "INVALID",
        succession=("INVALID", "does not lead to the one shown"),
    )
    # attack: a closure that names the loser
    forged = world.evidence(lost)
    closure = replace(forged.closures[0], successor=lost.id)
    forged = world.shown(replace(forged, closures=(closure,)))
    require(judge(forged, world), "INVALID", succession=("INVALID", "not closed as the file says"))


def test_closures_that_run_in_a_circle_do_not_pass():
    world, manifest = history()
    second = world.lodge(world.manifest(content=document(note="2"), former=manifest))
    world.close(manifest, second)
    world.close(second, manifest)
    world.closures.pop(second.id)
    evidence = world.evidence(second)
    back = replace(evidence.closures[0], successor=manifest.id, time=world.clock)
    circle = world.shown(replace(evidence, closures=(*evidence.closures, back)))
    require(judge(circle, world), "INVALID", succession=("INVALID", "comes twice"))


def test_a_closure_proof_from_an_older_block_does_not_pass():
    world, manifest = history()
    older = world.evidence(manifest)
    second = world.lodge(world.manifest(content=document(note="2"), former=manifest))
    world.close(manifest, second)
    newer = world.evidence(manifest)
    mixed = replace(older, chain=replace(older.chain, headers=newer.chain.headers))
    require(
        judge(mixed, world), "INVALID", succession=("INVALID", "not shown"), lodged=("INVALID", "not shown")
    )


def test_an_importers_own_manifest_claims_no_more_than_the_consignment():
    world, _ = history()
    own = world.lodge(
        world.manifest("importer", document(note="own"), consignment=world.consignment()), administration="NL"
    )
    evidence = world.evidence(own, seen=None, show=[""])
    report = judge(evidence, world)
    require(
        report, "VALID", binding=("VALID", "NL:IMPO01's own statement"), lodged=("VALID", "Lodged with NL")
    )
    assert report.state.endswith("may not go: the release is for another manifest.")
    amended = world.lodge(
        world.manifest("importer", document(note="own 2"), consignment=world.consignment(), former=own),
        administration="NL",
    )
    world.close(own, amended, role="importer")
    require(judge(world.evidence(amended, seen=None, show=[""]), world), "VALID")


def test_a_released_history_does_not_pass_under_another_cargos_manifest():
    world, manifest = history()
    reference = "ducr:9GB123456789000-OTHER"
    other = world.lodge(
        world.manifest(content=document(reference), consignment=world.consignment(reference=reference))
    )
    stolen = world.evidence(other, reference=reference)
    require(judge(stolen, world), "INVALID", custody=("INVALID", "begin"))
    same_id = world.lodge(world.manifest(content=document(reference)))
    require(
        judge(world.evidence(same_id), world),
        "INVALID",
        binding=("INVALID", "does not show the trade reference"),
        succession=("INVALID", "does not lead"),
    )
    renamed = world.evidence(manifest, reference=reference)
    require(judge(renamed, world), "INVALID", binding=("INVALID", "another consignment"))


@pytest.mark.parametrize("reference", ["no colon", "ducr:OTHER"])
def test_a_reference_that_is_none_or_is_not_shown_binds_nothing(reference):
    world, manifest = history()
    unbound = world.evidence(manifest, reference=reference)
    assert judge(unbound, world).check("binding").status == "INVALID"


@pytest.mark.parametrize(
    "references",
    [
        [{"scheme": "ducr"}],
        [{"scheme": 7, "value": "9GB"}],
        [{"scheme": "no scheme is this long at all", "value": "#"}],
    ],
)
def test_references_of_other_forms_are_passed_over(references):
    world, manifest = history(content=document(references=references))
    shown = judge(world.evidence(manifest, show=[""]), world)
    require(shown, "INVALID", binding=("INVALID", "does not show the trade reference"))
    opened = World()
    key = b"\1" * 32
    consignment = opened.consignment(reference="none", key=key)
    odd = opened.lodge(opened.manifest(consignment=consignment))
    opened.open(odd, reference="none", key=key)
    report = judge(opened.evidence(odd, reference="none", key=key), opened)
    require(report, "INVALID", binding=("INVALID", "does not show"))


def test_another_manifest_does_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    other = document(goods=[{"sequence": 1, "description": "Weapons"}])
    whole = Whole(
        Evidence.decode(
            world.evidence(replace_document(manifest, other), show=[""]).encode()
        ).manifest.shown.document,
        SECRET,
    )
    swapped = replace(evidence, manifest=replace(evidence.manifest, shown=whole))
    require(judge(swapped, world), "INVALID", document=("INVALID", "not what its record commits to"))
    root = replace(evidence.manifest.record, manifest_root=whole.root)
    both = replace(evidence, manifest=replace(evidence.manifest, shown=whole, record=root))
    require(judge(both, world), "INVALID", inclusion=("INVALID", ""), issuer=("INVALID", ""))


def replace_document(manifest, content):
    changed = evidence_maker.Manifest(manifest.record, manifest.signature, content)
    changed.place = manifest.place
    return changed


def test_details_that_a_record_does_not_commit_to_do_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    custody = list(evidence.custody)
    custody[-1] = replace(custody[-1], details=custody[1].details)
    require(
        judge(replace(evidence, custody=tuple(custody)), world),
        "INVALID",
        document=("INVALID", "details"),
    )


def test_another_issuer_does_not_pass():
    world = World()
    signed_by_another = world.manifest()
    signature = evidence_maker.sign(signed_by_another.record.digest(world.log_domain), key_of("carrier"))
    forged = world.lodge(
        evidence_maker.Manifest(signed_by_another.record, signature, signed_by_another.document)
    )
    world.open(forged)
    require(judge(world.evidence(forged), world), "INVALID", issuer=("INVALID", "signed for SG:CARR01"))
    stranger = World()
    manifest = stranger.manifest()
    unknown = evidence_maker.sign(manifest.record.digest(stranger.log_domain), key_of("stranger"))
    stranger.lodge(manifest := evidence_maker.Manifest(manifest.record, unknown, manifest.document))
    stranger.open(manifest)
    require(judge(stranger.evidence(manifest), stranger), "INVALID", issuer=("INVALID", "never enrolled"))


def test_an_account_without_a_role_states_nothing():
    world, manifest = history(role="auditor", consignment=World().consignment("auditor"))
    require(
        judge(world.evidence(manifest), world),
        "INVALID",
        issuer=("INVALID", "no role"),
        authority=("INVALID", "not enrolled for that"),
    )


def test_a_signature_that_is_none_does_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    for broken in (
        replace(evidence, manifest=replace(evidence.manifest, signature=bytes(65))),
        replace(
            evidence, custody=(*evidence.custody[:-1], replace(evidence.custody[-1], signature=bytes(65)))
        ),
    ):
        report = judge(world.shown(broken), world)
        require(report, "INVALID", signatures=("INVALID", "A signature is none"))
        assert report.check("authority").status == "INVALID"


def test_a_promise_that_is_not_the_sequencers_vouches_for_nothing():
    world, manifest = history()
    evidence = world.evidence(manifest)
    for role in ("exporter", "foreign_sequencer", "officer"):
        forged = replace(evidence.manifest, promise=world.promise(manifest, role=role))
        report = judge(world.shown(replace(evidence, manifest=forged)), world)
        require(report, "INVALID", document=("INVALID", "not signed by a sequencer of SG"))
    world.revoke("sequencer", NOW - 100, NOW - 50)
    require(
        judge(world.evidence(manifest), world),
        "INDETERMINATE",
        document=("SKIPPED", "when it vouched can't be told"),
    )


def test_a_head_from_another_administrations_log_does_not_pass():
    world = World()
    manifest = world.lodge(world.manifest(), administration="NL")
    world.open(manifest)
    require(
        judge(world.evidence(manifest), world), "INVALID", lodged=("INVALID", "SG's log has no such head")
    )


@pytest.mark.parametrize(
    "field, value", [("anchored_at", 1), ("epoch", 2), ("size", 8), ("root", b"\1" * 32), ("index", 5)]
)
def test_a_place_in_the_log_that_is_another_does_not_pass(field, value):
    world, manifest = history()
    evidence = world.evidence(manifest)
    moved = world.shown(replace(evidence, manifest=replace(evidence.manifest, **{field: value})))
    report = judge(moved, world)
    assert report.verdict == "INVALID"
    assert "INVALID" in (report.check("inclusion").status, report.check("lodged").status)


# --- custody


def test_a_dropped_reordered_swapped_or_backdated_custody_record_does_not_pass():
    world, manifest = history()
    world.record(CustodyKind.HOLD, "officer")
    evidence = world.evidence(manifest)
    good = evidence.custody
    attacks = {
        "the last dropped": good[:-1],
        "one in the middle dropped": (*good[:1], *good[2:]),
        "two reordered": (good[0], good[2], good[1], *good[3:]),
        "two reordered, with each other's times": (
            good[0],
            replace(good[2], accepted_at=good[1].accepted_at),
            replace(good[1], accepted_at=good[2].accepted_at),
            *good[3:],
        ),
        "one twice": (*good, good[-1]),
        "one backdated": (*good[:-1], replace(good[-1], accepted_at=good[-1].accepted_at - 1)),
        "one changed": (*good[:-1], edited(good[-1], kind=int(CustodyKind.REMARK))),
        "one of another's": (*good[:-1], edited(good[-1], consignment=b"\1" * 32)),
        "all dropped": (),
    }
    for name, custody in attacks.items():
        report = judge(world.shown(replace(evidence, custody=custody)), world)
        assert (report.verdict, report.check("custody").status) == ("INVALID", "INVALID"), name
        assert report.state.endswith("May not go."), name


def test_a_history_that_the_rules_refuse_does_not_pass():
    world, manifest = history()
    world.record(CustodyKind.RELEASE, "foreign_officer", subject=manifest.id)
    world.record(CustodyKind.HOLD, "foreign_officer")
    world.record(CustodyKind.RELEASE, "foreign_officer", subject=manifest.id)
    require(judge(world.evidence(manifest), world), "INVALID", custody=("INVALID", "(HELD)"))


def _inside(world, manifest):
    """The consignment put into a container of the carrier's, which is held by NL; a second one beside it."""
    keys = [bytes((n,)) * 32 for n in (1, 2)]
    names = ["bl:CONTAINER-1", "bl:BOX-2"]
    ids = []
    for key, name in zip(keys, names, strict=True):
        consignment = world.consignment("carrier", name, key)
        shown = world.manifest("carrier", document(name), consignment=consignment)
        world.open(shown, "carrier", name, key)
        ids.append(consignment)
    parent, beside = ids
    for each in (world.consignment(), beside):
        world.record(CustodyKind.CONSOLIDATE, "carrier", each, subject=parent, others=[parent])
    world.record(CustodyKind.HOLD, "foreign_officer", beside)
    return parent, beside


def test_what_is_inside_another_is_shown_with_the_histories_of_all_it_was_with():
    world, manifest = history()
    parent, _ = _inside(world, manifest)
    report = judge(world.evidence(manifest), world)
    assert report.verdict == "VALID"
    assert f"Inside consignment 0x{parent.hex()[:8]}…." in report.state
    assert report.state.endswith("may go, as far as SG is concerned.")
    world.record(CustodyKind.HOLD, "officer", parent)
    report = judge(world.evidence(manifest), world)
    assert report.verdict == "VALID"  # our hold of what it is in has voided the release, too
    assert report.state.endswith("May not go: SG has not released it.")


def test_what_is_inside_and_on_hold_is_told_by_number():
    world = World()
    manifest = world.lodge(world.manifest("carrier", consignment=world.consignment("carrier")))
    world.open(manifest, "carrier")
    key, name = b"\1" * 32, "bl:BOX"
    box = world.consignment("carrier", name, key)
    world.open(world.manifest("carrier", document(name), consignment=box), "carrier", name, key)
    world.record(
        CustodyKind.CONSOLIDATE,
        "carrier",
        box,
        subject=manifest.record.consignment,
        others=[manifest.record.consignment],
    )
    world.record(CustodyKind.RELEASE, "officer", manifest.record.consignment, subject=manifest.id)
    world.record(CustodyKind.HOLD, "officer", box)
    report = judge(world.evidence(manifest), world)
    assert report.verdict == "VALID"
    assert "1 inside; 1 on hold." in report.state
    assert report.state.endswith("may not go: something it is in, or that is in it, is on hold.")


def test_records_of_several_consignments_out_of_their_order_in_time_do_not_pass():
    world, manifest = history()
    _inside(world, manifest)
    evidence = world.evidence(manifest)
    late = [t for t in evidence.custody if t.record.kind == CustodyKind.OPEN][1:]
    early = [t for t in evidence.custody if t not in late]
    moved = world.shown(replace(evidence, custody=(*late, *early)))
    require(judge(moved, world), "INVALID", custody=("INVALID", "not in the order"))


def test_a_missing_history_of_what_it_is_in_settles_nothing():
    world, manifest = history()
    _inside(world, manifest)
    evidence = world.evidence(manifest)
    without = tuple(t for t in evidence.custody if t.record.consignment in (manifest.record.consignment,))
    report = judge(world.shown(replace(evidence, custody=without)), world)
    require(
        report,
        "INDETERMINATE",
        custody=("SKIPPED", "1 consignments that this one was connected with are missing"),
    )
    assert report.state == "Current. Where the cargo stands is not shown; may not go."
    # attack: a record of what it is in dropped, where its opening is shown
    dropped = tuple(
        t
        for t in evidence.custody
        if t.record.kind != CustodyKind.CONSOLIDATE or t.record.consignment == manifest.record.consignment
    )
    report = judge(world.shown(replace(evidence, custody=dropped)), world)
    assert report.verdict == "INVALID"


def test_a_history_that_has_nothing_to_do_with_it_does_not_pass():
    world, manifest = history()
    key, name = b"\1" * 32, "bl:BOX"
    box = world.consignment("carrier", name, key)
    world.open(world.manifest("carrier", document(name), consignment=box), "carrier", name, key)
    require(judge(world.evidence(manifest), world), "INVALID", custody=("INVALID", "never connected"))


# --- authority


def test_an_act_before_the_revocation_stands_a_disputed_one_is_not_decided_a_later_one_is_refused():
    world, manifest = history()
    released = world.taken[-1].accepted_at
    for revoked_from, revoked_at, verdict in (
        (released + 1, NOW - 10, "VALID"),
        (released, NOW - 10, "INDETERMINATE"),
        (released - 5, released, "INDETERMINATE"),
        (released - 5, released - 1, "INVALID"),
    ):
        world.revoke("officer", revoked_from, revoked_at)
        report = judge(world.evidence(manifest), world)
        assert report.verdict == verdict, (revoked_from, revoked_at, report)
        if verdict == "INDETERMINATE":
            message = report.check("authority").message
            assert evidence_maker_time(revoked_from) in message and evidence_maker_time(revoked_at) in message
            assert "Disputed" in message
        if verdict == "INVALID":
            assert report.check("custody").status == "INVALID"


def evidence_maker_time(seconds):
    from ledger.core.findings import time_text

    return time_text(seconds)


def test_a_manifest_signed_after_its_signers_revocation_does_not_pass_though_it_is_in_the_log():
    world, manifest = history()
    anchored = manifest.place[3]
    world.words["AdministrationRegistry"].pop(slots.account(evidence_maker.address_of("exporter")))
    world.revoke("exporter", anchored - 20, anchored - 10)
    report = judge(world.evidence(manifest), world)
    require(report, "INVALID", authority=("INVALID", "before the chain took it"))


def test_a_signer_whose_enrolment_had_run_out_does_not_pass():
    world, manifest = history()
    world.enrol("exporter", "SG:ACME01", Role.TRADER, valid_until=manifest.place[3])
    require(judge(world.evidence(manifest), world), "INVALID", authority=("INVALID", "had run out"))


# --- the block


def test_seals_below_quorum_do_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    for count, verdict in ((3, "VALID"), (2, "INVALID"), (0, "INVALID")):
        sealed = world.headers(sealers=sealed_headers.KEYS[:count])
        report = judge(replace(evidence, chain=replace(evidence.chain, headers=tuple(sealed))), world)
        assert (report.verdict, report.check("seals").status) == (verdict, verdict)


def test_a_seal_that_does_not_count_does_not_pass_even_beside_enough_that_do():
    world, manifest = history()
    evidence = world.evidence(manifest)
    keys = sealed_headers.KEYS
    for sealers in ([*keys[:3], keys[0]], [*keys[:3], keys[6]]):
        sealed = world.headers(sealers=sealers)
        report = judge(replace(evidence, chain=replace(evidence.chain, headers=tuple(sealed))), world)
        require(report, "INVALID", seals=("INVALID", "a seal twice, or of somebody"))


def test_more_seals_than_validators_are_refused_before_any_is_looked_at():
    world, manifest = history()
    evidence = world.evidence(manifest)
    header = headers.decode(evidence.chain.headers[0])
    extra = headers.qbft_extra(header)
    seals = (*extra.seals, bytes(65))
    crowded = sealed_headers.with_extra(header, extra.encode(round=extra.round, seals=seals))
    report = judge(replace(evidence, chain=replace(evidence.chain, headers=(crowded.encode(),))), world)
    require(report, "INVALID", seals=("INVALID", "a seal twice, or of somebody"))


def test_a_validator_set_of_the_attackers_does_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    theirs = sealed_headers.KEYS[4:7]
    header = sealed_headers.qbft([account_of(key) for key in theirs], theirs, number=500, f3=world.state_root)
    forged = replace(evidence, chain=replace(evidence.chain, headers=(header.encode(),)))
    require(judge(forged, world), "INVALID", seals=("INVALID", "0 of 4 trusted"))
    bare = sealed_headers.qbft([], sealed_headers.KEYS[:4], number=500, f3=world.state_root)
    contract_mode = replace(evidence, chain=replace(evidence.chain, headers=(bare.encode(),)))
    require(judge(contract_mode, world), "INDETERMINATE", seals=("ERROR", "contract mode"))


def test_a_forged_header_does_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    header = headers.decode(evidence.chain.headers[0])
    fields = list(header.fields)
    fields[11] = rlp.of_integer(NOW + 50)  # fresher than it is
    forged = replace(
        evidence, chain=replace(evidence.chain, headers=(headers.Header(tuple(fields)).encode(),))
    )
    require(judge(forged, world), "INVALID", seals=("INVALID", ""), custody=("SKIPPED", "not replayed"))


def test_the_validators_may_change_by_a_header_that_both_sets_sealed():
    world, manifest = history()
    evidence = world.evidence(manifest)
    keys, names = sealed_headers.KEYS, sealed_headers.ADDRESSES
    old, new = names[:4], [*names[1:4], names[4]]
    last_time = NOW.to_bytes(4, "big")
    moved = sealed_headers.qbft(new, keys[1:5], number=450)
    alone = sealed_headers.qbft(new, keys[:3], number=450)
    last = sealed_headers.qbft(new, keys[1:5], number=500, f3=world.state_root, f11=NOW.to_bytes(4, "big"))
    usurped = sealed_headers.qbft(names[3:7], keys[3:7], number=450)  # by one of the trusted four
    theirs = sealed_headers.qbft(names[3:7], keys[3:7], number=500, f3=world.state_root, f11=last_time)
    same = sealed_headers.qbft(old, keys[:4], number=450)
    late = sealed_headers.qbft(new, keys[1:5], number=500)
    for shown, verdict in (
        ([moved, last], "VALID"),
        ([alone, last], "INVALID"),
        ([usurped, theirs], "INVALID"),
        (
            [
                same,
                sealed_headers.qbft(
                    old, keys[:4], number=500, f3=world.state_root, f11=NOW.to_bytes(4, "big")
                ),
            ],
            "INVALID",
        ),
        ([late, last], "INVALID"),
    ):
        raw = tuple(header.encode() for header in shown)
        report = judge(replace(evidence, chain=replace(evidence.chain, headers=raw)), world)
        assert report.verdict == verdict, report.check("seals")
    raw = (last.encode(),)
    report = judge(replace(evidence, chain=replace(evidence.chain, headers=raw)), world)
    assert report.verdict == "VALID"  # three of the four trusted sealed it: a quorum of those
    later = judge(evidence, world, trust=world.trust(from_block=501))
    require(later, "INDETERMINATE", seals=("ERROR", "use one that reaches back"))


def test_clique_headers_too_few_unlinked_or_of_strangers_do_not_pass():
    world, manifest = history(World("clique"))
    evidence = world.evidence(manifest)
    shown = evidence.chain.headers
    for changed in (shown[:-1], shown[:1], (*shown[:3], *shown[4:]), (shown[0], *shown[:8])):
        report = judge(replace(evidence, chain=replace(evidence.chain, headers=changed)), world)
        assert report.check("seals").status == "INVALID"
    unlinked = sealed_headers.clique(sealed_headers.KEYS[3], 503, f11=(NOW + 3).to_bytes(4, "big")).encode()
    keys = sealed_headers.KEYS
    too_soon = tuple(world.headers(sealers=[keys[0], keys[1], keys[0], keys[2]]))
    for changed, words in (((*shown[:3], unlinked, *shown[4:]), "does not follow"), (too_soon, "too short")):
        report = judge(replace(evidence, chain=replace(evidence.chain, headers=changed)), world)
        require(report, "INVALID", seals=("INVALID", words))
    world.validators = 7
    others = tuple(world.headers(sealers=sealed_headers.KEYS[3:7]))[:9]
    world.validators = 4
    report = judge(replace(evidence, chain=replace(evidence.chain, headers=others)), world)
    assert report.check("seals").status == "INVALID"
    three = tuple(world.headers(sealers=sealed_headers.KEYS[:3]))
    require(
        judge(replace(evidence, chain=replace(evidence.chain, headers=three)), world),
        "VALID",
        seals=("VALID", "3 of 4"),
    )


def test_clique_signers_are_followed_through_every_header_since_the_trusted_block():
    world, manifest = history(World("clique"))
    evidence = world.evidence(manifest)
    keys, names = sealed_headers.KEYS, sealed_headers.ADDRESSES
    fifth = sealed_headers.raw(names[4])
    made = []
    for n in range(3):  # three of four vote the fifth in
        parent = headers.block_hash(made[-1]) if made else bytes(32)
        made.append(
            sealed_headers.clique(keys[n], 401 + n, parent=parent, beneficiary=fifth, nonce=b"\xff" * 8)
        )
    fields = {"f3": world.state_root, "f11": NOW.to_bytes(4, "big")}
    made.append(sealed_headers.clique(keys[3], 404, parent=headers.block_hash(made[-1]), **fields))
    for n in range(10):
        made.append(
            sealed_headers.clique(
                keys[(4 + n) % 5],
                405 + n,
                parent=headers.block_hash(made[-1]),
                f11=(NOW + n).to_bytes(4, "big"),
            )
        )
    raw = tuple(header.encode() for header in made)
    report = judge(replace(evidence, chain=replace(evidence.chain, headers=raw)), world)
    require(report, "VALID", seals=("VALID", "confirmed by 5 of 5"))
    assert report.as_of.block == 404
    for changed in (raw[:-1], raw[:10], raw[:11], raw[1:]):
        report = judge(replace(evidence, chain=replace(evidence.chain, headers=changed)), world)
        assert report.verdict == "INVALID"


def test_a_development_chain_is_said_to_be_unsealed_and_is_never_shown_as_sealed():
    world, manifest = history(World("development"))
    evidence = world.evidence(manifest)
    report = judge(evidence, world)
    require(report, "VALID", seals=("SKIPPED", "unsealed development chain"))
    assert report.state.startswith("This is an unsealed development chain")
    for consensus in ("qbft", "clique"):
        sealed = World(consensus).trust()
        report = judge(evidence, world, trust=sealed)
        assert (report.verdict, report.check("seals").status) == ("INVALID", "INVALID")
    twice = replace(evidence, chain=replace(evidence.chain, headers=evidence.chain.headers * 2))
    require(judge(twice, world), "INVALID", seals=("INVALID", "one header"))


def test_another_chain_or_genesis_does_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    for trust in (world.trust(chain_id=1), world.trust(genesis_hash=b"\1" * 32)):
        require(
            judge(evidence, world, trust=trust), "INVALID", seals=("INVALID", "The file is of chain 71117")
        )
    renamed = replace(evidence, chain=replace(evidence.chain, chain_id=1))
    require(judge(renamed, world, trust=world.trust(chain_id=1)), "INVALID", issuer=("INVALID", ""))


def test_another_contract_or_other_code_does_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    elsewhere = world.addresses | {"ConsignmentLedger": b"\1" * 20}
    require(
        judge(evidence, world, trust=world.trust(addresses=elsewhere)), "INVALID", custody=("INVALID", "")
    )
    other_code = world.code_hashes | {"ManifestLog": b"\1" * 32}
    require(
        judge(evidence, world, trust=world.trust(code_hashes=other_code)),
        "INVALID",
        lodged=("INVALID", "is not the ManifestLog that the trust file pins"),
    )
    moved = World()
    moved.addresses = world.addresses | {"ManifestLog": b"\2" * 20}
    absent, shown = history(moved)
    file = absent.evidence(shown)
    absent.addresses = absent.addresses | {"ManifestLog": b"\3" * 20}
    # the account of the pinned address is shown, and shown not to exist
    forged = absent.evidence(shown)
    trust = absent.trust(addresses=absent.addresses | {"ManifestLog": b"\2" * 20})
    assert judge(forged, absent, trust=trust).verdict == "INVALID"
    assert judge(file, absent, trust=trust).verdict == "VALID"


def test_a_contract_that_is_shown_not_to_be_there_holds_nothing():
    world, manifest = history()
    draft = world.evidence(manifest)
    hidden = world.addresses
    world.addresses = {name: keccak(address)[:20] for name, address in hidden.items()}
    world.addresses, real = hidden, world.addresses
    trust = world.trust(addresses=real)
    # proofs of the absent account: made by asking the trie for the other address
    world.addresses = real
    from trie import HexaryTrie  # the state without contracts

    state = HexaryTrie({})
    for n in range(40):
        state[keccak(b"account" + bytes((n,)))] = evidence_maker.oracle.encode(
            [b"", b"\1", bytes(32), bytes(32)]
        )
    world.state_root = state.root_hash
    nodes = tuple(evidence_maker._proof(state, real["ManifestLog"]))
    chain = replace(draft.chain, headers=tuple(world.headers()), nodes=nodes)
    report = judge(replace(draft, chain=chain), world, trust=trust)
    require(report, "INVALID", lodged=("INVALID", "There is no ManifestLog at"))


def test_nodes_missing_over_twice_or_in_another_order_do_not_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    good = evidence.chain.nodes
    for nodes in (good[:-1], good[1:], (*good, good[0]), (*good, b"\xc0"), (good[1], good[0], *good[2:]), ()):
        report = judge(replace(evidence, chain=replace(evidence.chain, nodes=nodes)), world)
        assert report.verdict == "INVALID"


# --- freshness


def test_an_old_verdict_is_not_a_pass_and_states_its_age():
    world, manifest = history()
    evidence = world.evidence(manifest)
    assert judge(evidence, world, now=NOW + 86_400).verdict == "VALID"
    report = judge(evidence, world, now=NOW + 5 * 86_400)
    require(
        report,
        "INDETERMINATE",
        freshness=("SKIPPED", "This was so 5 days ago; older than 24 hours is too old"),
    )
    assert report.as_of.age_seconds == 5 * 86_400


def test_a_trust_file_that_ran_out_passes_nothing():
    world, manifest = history()
    trust = world.trust(expires_at=NOW + 60)
    assert judge(world.evidence(manifest), world, now=NOW + 59, trust=trust).verdict == "VALID"
    require(
        judge(world.evidence(manifest), world, trust=trust), "INDETERMINATE", freshness=("ERROR", "ran out")
    )


def test_a_clock_that_is_behind_is_said_and_makes_nothing_fresher():
    world, manifest = history()
    evidence = world.evidence(manifest)
    assert judge(evidence, world, now=NOW - 300).verdict == "VALID"
    report = judge(evidence, world, now=NOW - 301)
    require(report, "INDETERMINATE", freshness=("ERROR", "set it"))
    report = judge(evidence, world, now=NOW + 60, clock_floor=NOW + 10 * 86_400)
    require(report, "INDETERMINATE", freshness=("ERROR", "clock"))
    assert report.as_of.age_seconds == 10 * 86_400


def test_a_file_without_a_block_or_of_another_version_is_no_pass():
    world, manifest = history()
    evidence = world.evidence(manifest)
    report = judge(replace(evidence, chain=replace(evidence.chain, headers=())), world)
    require(report, "INDETERMINATE", seals=("SKIPPED", "no block"), freshness=("SKIPPED", "no block"))
    assert report.as_of is None and report.to_json()["as_of"] is None
    newer = evidence.encode().replace(b"cargo-evidence/1", b"cargo-evidence/2")
    report = verify(newer, world.trust(), NOW)
    require(report, "INDETERMINATE", document=("ERROR", "use a newer verifier"))
    report = verify(b"{}", world.trust(), NOW)
    require(report, "INVALID", document=("INVALID", "no evidence file"))
    assert report.state == "Nothing is known from this file; may not go."


def test_an_evidence_object_is_judged_as_its_bytes_are():
    world, manifest = history()
    evidence = world.evidence(manifest)
    assert verify(evidence, world.trust(), NOW) == verify(evidence.encode(), world.trust(), NOW)
    assert isinstance(evidence.manifest.shown, Part)
    assert ZERO32 not in [closure.successor for closure in evidence.closures]


@pytest.mark.parametrize("consensus, verdict", [("development", "VALID"), ("qbft", "INVALID")])
def test_a_slot_kept_with_nothing_in_it_is_anvils_way_and_no_sealed_chains(consensus, verdict):
    world, manifest = history(World(consensus))
    world.words["ManifestLog"][slots.closure(manifest.id)] = 0
    assert judge(world.evidence(manifest), world).verdict == verdict
