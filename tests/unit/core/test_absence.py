"""That something was not on chain as of a block."""

from dataclasses import replace

import pytest
from evidence_maker import NOW, REFERENCE, World, document, history, party

from ledger.core.absence import absent
from ledger.core.records import CustodyKind

SG, NL = party("SG")[:8], party("NL")[:8]


def judge(world, evidence, what, administration=SG, now=NOW, **trust):
    return absent(evidence, world.trust(**trust), now, what, administration)


def test_a_release_that_is_not_in_a_whole_history_was_not_on_chain():
    world, manifest = history()
    evidence = world.evidence(manifest)
    report = judge(world, evidence, "release", NL)
    assert report.verdict == "VALID"
    assert report.state == f"NL had never released {REFERENCE} as of block 500, 2027-01-15T21:53:20Z."
    there = judge(world, evidence, "release", SG)
    assert (there.verdict, there.state) == ("INVALID", "SG released it on 2027-01-15T08:17:40Z.")
    dropped = world.shown(replace(evidence, custody=evidence.custody[:-1]))
    hidden = judge(world, dropped, "release", SG)
    assert (hidden.verdict, hidden.state) == ("INVALID", "Nothing is shown: the file does not hold.")


def test_a_release_that_a_hold_has_voided_was_on_chain_all_the_same():
    world, manifest = history()
    world.record(CustodyKind.HOLD, "officer")
    there = judge(world, world.evidence(manifest), "release", SG)
    assert (there.verdict, there.state) == ("INVALID", "SG released it on 2027-01-15T08:17:40Z.")


def test_a_hold_that_was_lifted_or_never_placed_is_not_open():
    world, manifest = history()
    hold = world.record(CustodyKind.HOLD, "foreign_officer")
    assert judge(world, world.evidence(manifest), "hold", SG).verdict == "VALID"
    there = judge(world, world.evidence(manifest), "hold", NL)
    assert (there.verdict, there.state[:30]) == ("INVALID", "It is on hold by NL since 2027")
    world.record(CustodyKind.LIFT, "foreign_officer", subject=hold)
    assert judge(world, world.evidence(manifest), "hold", NL).verdict == "VALID"


def test_what_is_inside_something_held_is_not_free_of_holds():
    world, manifest = history()
    name, key, here = "bl:CONTAINER", b"\x77" * 32, world.consignment()
    box = world.consignment("carrier", name, key)
    world.open(world.manifest("carrier", document(name), consignment=box), "carrier", name, key)
    world.record(CustodyKind.CONSOLIDATE, "carrier", here, subject=box, others=[box])
    assert judge(world, world.evidence(manifest), "hold", NL).verdict == "VALID"
    world.record(CustodyKind.HOLD, "foreign_officer", box)
    held = judge(world, world.evidence(manifest), "hold", NL)
    assert held.verdict == "INVALID"
    assert held.state.startswith(f"It is inside 0x{box.hex()[:8]}…, which is on hold by NL since 2027")
    assert judge(world, world.evidence(manifest), "hold", SG).verdict == "VALID"


def test_a_manifest_that_stands_was_not_closed():
    world, manifest = history()
    report = judge(world, world.evidence(manifest), "closure")
    assert report.verdict == "VALID"
    assert report.state.startswith(
        f"Manifest 0x{manifest.id.hex()[:8]}… was neither amended nor withdrawn as of block 500"
    )
    second = world.lodge(world.manifest(content=document(note="2"), former=manifest))
    world.close(manifest, second)
    closed = judge(world, world.evidence(manifest), "closure")
    assert (closed.verdict, closed.state[:15]) == ("INVALID", "Superseded by 0")


@pytest.mark.parametrize("what", ["release", "hold"])
def test_nothing_was_done_with_a_consignment_that_was_never_opened(what):
    world = World()
    manifest = world.lodge(world.manifest())
    report = judge(world, world.evidence(manifest), what)
    assert report.verdict == "VALID"
    assert "never opened" in report.check("custody").message


@pytest.mark.parametrize("what", ["release", "hold"])
def test_nothing_is_shown_of_a_consignment_that_nobody_opened_and_that_is_not_the_authors(what):
    world = World()
    lodged = world.lodge(world.manifest())
    evidence = world.evidence(lodged)
    # a forger's key makes another id under the same reference, and that one was of course never opened
    forged = replace(evidence, consignment_key=b"\x66" * 32)
    assert judge(world, forged, what).verdict == "INDETERMINATE"
    other = world.consignment(key=b"\x66" * 32)
    unlodged = replace(
        forged, manifest=replace(evidence.manifest, record=replace(lodged.record, consignment=other))
    )
    report = judge(world, world.shown(unlodged), what)
    assert (report.verdict, report.state) == ("INVALID", "Nothing is shown: the file does not hold.")
    own = world.lodge(world.manifest("importer", consignment=world.consignment()), administration="NL")
    assert judge(world, world.evidence(own), what).check("binding").status == "SKIPPED"
    nameless = world.evidence(lodged, reference="no reference")
    assert judge(world, nameless, what).verdict == "INDETERMINATE"


def test_a_file_under_another_cargos_reference_shows_nothing_about_it():
    world, manifest = history()
    for changed in ({"reference": "ducr:9GB123456789000-OTHER"}, {"key": b"\x66" * 32}):
        report = judge(world, world.evidence(manifest, **changed), "hold", NL)
        assert (report.verdict, report.check("binding").status) == ("INVALID", "INVALID")


def test_a_manifest_that_was_never_lodged_or_is_not_what_is_shown_does_not_count_as_standing():
    world, manifest = history()
    forged = world.manifest("carrier", document(note="never lodged"), consignment=manifest.record.consignment)
    evidence = world.evidence(manifest)
    unlodged = replace(evidence.manifest, record=forged.record, signature=forged.signature)
    report = judge(world, world.shown(replace(evidence, manifest=unlodged)), "closure")
    assert (report.verdict, report.check("inclusion").status) == ("INVALID", "INVALID")
    other = world.evidence(manifest, show=[""]).manifest.shown
    swapped = replace(other, document=other.document.replace(b"1250.5", b"1.5"))
    report = judge(world, replace(evidence, manifest=replace(evidence.manifest, shown=swapped)), "closure")
    assert (report.verdict, report.check("document").status) == ("INVALID", "INVALID")
    unseen = world.evidence(manifest, seen=None)
    assert judge(world, unseen, "closure").verdict == "VALID"  # no second value changes which manifest stands


@pytest.mark.parametrize("what", ["release", "hold", "closure"])
def test_bytes_that_are_no_evidence_file_get_a_verdict_that_is_no_pass(what):
    world, manifest = history()
    data = world.evidence(manifest).encode()
    assert absent(data, world.trust(), NOW, what, NL).verdict == "VALID"
    assert absent(data[:-1], world.trust(), NOW, what, NL).verdict == "INVALID"
    newer = data.replace(b"cargo-evidence/1", b"cargo-evidence/2")
    assert absent(newer, world.trust(), NOW, what, NL).verdict == "INDETERMINATE"


def test_an_old_file_settles_nothing():
    world, manifest = history()
    report = judge(world, world.evidence(manifest), "release", NL, now=NOW + 10**7)
    assert (report.verdict, report.state) == ("INDETERMINATE", "This file does not settle it.")
