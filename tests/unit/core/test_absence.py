"""That something was not on chain as of a block."""

from dataclasses import replace

import pytest
from evidence_maker import NOW, World, document, history, party

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
    assert report.state == "NL had never released this consignment as of block 500, 2027-01-15T21:53:20Z."
    there = judge(world, evidence, "release", SG)
    assert (there.verdict, there.state) == ("INVALID", "SG released it on 2027-01-15T08:17:40Z.")
    dropped = world.shown(replace(evidence, custody=evidence.custody[:-1]))
    hidden = judge(world, dropped, "release", SG)
    assert (hidden.verdict, hidden.state) == ("INVALID", "Nothing is shown: the file does not hold.")


def test_a_hold_that_was_lifted_or_never_placed_is_not_open():
    world, manifest = history()
    hold = world.record(CustodyKind.HOLD, "foreign_officer")
    assert judge(world, world.evidence(manifest), "hold", SG).verdict == "VALID"
    there = judge(world, world.evidence(manifest), "hold", NL)
    assert (there.verdict, there.state[:30]) == ("INVALID", "It is on hold by NL since 2027")
    world.record(CustodyKind.LIFT, "foreign_officer", subject=hold)
    assert judge(world, world.evidence(manifest), "hold", NL).verdict == "VALID"


def test_a_manifest_that_stands_was_not_closed():
    world, manifest = history()
    report = judge(world, world.evidence(manifest), "closure")
    assert report.verdict == "VALID"
    assert report.state.startswith("The manifest shown was neither amended nor withdrawn as of block 500")
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


def test_an_old_file_settles_nothing():
    world, manifest = history()
    report = judge(world, world.evidence(manifest), "release", NL, now=NOW + 10**7)
    assert (report.verdict, report.state) == ("INDETERMINATE", "This file does not settle it.")
