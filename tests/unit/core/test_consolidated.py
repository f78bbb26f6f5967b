"""What is inside, by number."""

from dataclasses import replace

import pytest
from evidence_maker import NOW, World, document, history

from ledger.core.consolidated import Contents, count
from ledger.core.records import CustodyKind


@pytest.fixture(scope="module")
def container():
    """A carrier's container with three boxes in it, one held; its file and theirs."""
    world = World()
    name, key = "bl:CONTAINER", b"\x77" * 32
    outer = world.lodge(
        world.manifest("carrier", document(name), consignment=world.consignment("carrier", name, key))
    )
    world.open(outer, "carrier", name, key)
    boxes = []
    for n in range(3):
        box_name, box_key = f"bl:BOX-{n}", bytes((n + 1,)) * 32
        consignment = world.consignment("carrier", box_name, box_key)
        box = world.lodge(world.manifest("carrier", document(box_name), consignment=consignment))
        world.open(box, "carrier", box_name, box_key)
        world.record(
            CustodyKind.CONSOLIDATE,
            "carrier",
            consignment,
            subject=outer.record.consignment,
            others=[outer.record.consignment],
        )
        boxes.append((box, box_name, box_key))
    world.record(CustodyKind.HOLD, "foreign_officer", boxes[1][0].record.consignment)
    files = [world.evidence(box, reference=name, key=key) for box, name, key in boxes]
    return world, world.evidence(outer, reference=name, key=key), [file.encode() for file in files]


def test_all_files_are_there(container):
    world, outer, files = container
    found = count(outer, files, world.trust(), NOW)
    assert found == Contents(3, 3, 0, 1, 0, 0)
    assert found.sentence == "3 inside, files for 3: none missing; 1 on hold."


def test_a_missing_file_is_told_and_a_file_twice_counts_once(container):
    world, outer, files = container
    found = count(outer, [files[0], files[0], files[1]], world.trust(), NOW)
    assert found.sentence == "3 inside, files for 2: one missing; 1 on hold."
    assert count(outer, [], world.trust(), NOW).sentence == "3 inside, files for 0: 3 missing; 1 on hold."


def test_files_that_do_not_pass_or_are_of_something_else_do_not_count(container):
    world, outer, files = container
    other, manifest = history()
    stranger = other.evidence(manifest).encode()
    found = count(
        outer,
        [files[0], files[1][:-1], files[2].replace(b'"kind":15', b'"kind":16', 1), stranger],
        world.trust(),
        NOW,
    )
    assert found == Contents(3, 1, 2, 1, 2, 1)
    assert found.sentence.endswith("2 of the files given do not pass; 1 of them is of something else.")


def test_a_hold_that_only_the_boxs_newer_file_shows_counts(container):
    world, outer, _ = container
    box = [taken for taken in outer.custody if taken.record.kind == CustodyKind.OPEN][1].record.consignment
    world.record(CustodyKind.HOLD, "officer", box)
    manifest = world.lodge(world.manifest("carrier", document("bl:BOX-0"), consignment=box))
    newer = world.evidence(manifest, reference="bl:BOX-0", key=b"\1" * 32).encode()
    assert count(outer, [newer], world.trust(), NOW).on_hold == 2


def test_a_container_whose_history_is_not_proven_tells_nothing(container):
    world, outer, files = container
    assert count(replace(outer, custody=outer.custody[:-1]), files, world.trust(), NOW) is None
