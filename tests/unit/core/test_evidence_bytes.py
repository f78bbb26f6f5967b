"""No byte of an evidence file means nothing: whatever is changed, it no longer passes."""

import os
import random
from concurrent.futures import ProcessPoolExecutor

import evidence_maker
import orjson
import pytest
from evidence_maker import NOW, World, history
from evidence_mutations import containers, copied, mutate

from ledger.core import canonical
from ledger.core.records import CustodyKind
from ledger.core.trust import Trust
from ledger.core.verify import verify

HEX = b"0123456789abcdef"


def _files():
    """A small sealed file; the same with an amendment and a promise; a Clique one: `make proof` takes all three."""
    world = World(others=1, validators=2)
    manifest = world.lodge(world.manifest(), others=1)
    world.open(manifest)
    world.record(CustodyKind.RELEASE, "officer", subject=manifest.id, stated={"procedure": "export"})
    yield world.evidence(manifest, show=["/references"], seen=True).encode(), world.trust().encode()
    if os.environ.get("CARGO_PROOF"):
        world, manifest = history(World("clique", others=20))
        yield world.evidence(manifest, show=[""], seen=None).encode(), world.trust().encode()
        world, manifest = history(World(others=20))
        second = world.lodge(world.manifest(content=evidence_maker.document(note="2"), former=manifest))
        world.close(manifest, second)
        world.record(CustodyKind.HOLD, "foreign_officer", stated={"reason": "x"})
        yield world.evidence(second).encode(), world.trust().encode()


@pytest.fixture(scope="module")
def files():
    return list(_files())


def _passing(job):
    """The changed files that pass, of some places of a file."""
    data, trust, places = job
    pinned = Trust.decode(trust)
    found = []
    for at in places:
        old = data[at]
        new = HEX[(HEX.index(old) + 1) % 16] if old in HEX else old ^ 1
        changed = data[:at] + bytes((new,)) + data[at + 1 :]
        if verify(changed, pinned, NOW).verdict == "VALID":
            found.append(at)
    return found


def test_every_byte_of_a_valid_file_counts(files):
    for data, trust in files:
        assert verify(data, Trust.decode(trust), NOW).verdict == "VALID"
        jobs = [(data, trust, range(start, len(data), 16)) for start in range(16)]
        with ProcessPoolExecutor(2) as pool:
            passing = [at for found in pool.map(_passing, jobs) for at in found]
        assert passing == [], [data[max(0, at - 40) : at + 10] for at in passing[:3]]


def _says_less(value, original):
    """Whether a file is another one with details of custody records left out: true, and "not disclosed here"."""
    value, original = copied(value), copied(original)
    for taken, was in zip(value["custody"], original["custody"], strict=False):
        if isinstance(taken, dict) and taken.get("details", 0) is None:
            was["details"] = None
    return value == original


def test_no_structural_change_of_a_valid_file_passes_but_leaving_out_details(files):
    count = 300_000 if os.environ.get("CARGO_PROOF") else 2_000
    for data, trust in files:
        chance = random.Random(5)
        pinned = Trust.decode(trust)
        tried = 0
        while tried < count // len(files):
            value = orjson.loads(data)
            for _ in range(chance.randint(1, 3)):
                if containers(value):
                    mutate(value, chance)
            changed = canonical.encode(value)
            if changed == data:
                continue
            tried += 1
            if verify(changed, pinned, NOW).verdict == "VALID":
                assert _says_less(value, orjson.loads(data)), changed[:2000]
