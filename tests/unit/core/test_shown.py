"""What a file shows of its manifest: only what holds, and only under a block that somebody stands behind."""

from dataclasses import replace

import pytest
from evidence_maker import NOW, SECRET, World, history

from ledger.core.evidence import Whole
from ledger.core.shown import shown
from ledger.core.verify import verify


def fields(world, evidence, **trust):
    pinned = world.trust(**trust)
    return shown(evidence, pinned, verify(evidence, pinned, NOW))


@pytest.mark.parametrize("consensus", ["qbft", "clique", "development"])
def test_the_fields_that_were_disclosed_are_shown_and_no_other(consensus):
    world, manifest = history(World(consensus))
    assert fields(world, world.evidence(manifest, show=["/containers"])) == {
        "/containers/0/number": "CSQU3054383"
    }
    whole = fields(world, world.evidence(manifest, show=[""]))
    assert whole["/goods/0/gross_mass_kg"] == "1250.5"


def test_an_old_file_still_says_what_was_lodged():
    world, manifest = history()
    pinned, evidence = world.trust(old_seconds=1), world.evidence(manifest)
    assert shown(evidence, pinned, verify(evidence, pinned, NOW + 60))


def test_nothing_is_shown_of_what_is_forged_or_of_a_block_that_nobody_sealed():
    world, manifest = history()
    evidence = world.evidence(manifest)
    forged = Whole(b'{"goods":"gold"}', SECRET)
    assert fields(world, replace(evidence, manifest=replace(evidence.manifest, shown=forged))) == {}
    assert fields(world, replace(evidence, manifest=replace(evidence.manifest, anchored_at=1))) == {}
    assert fields(world, world.evidence(manifest, seen=None)) == {}  # a second value may exist
    assert fields(world, evidence, from_block=501) == {}
