"""No byte of an evidence file means nothing: whatever is changed, it no longer passes."""

import os
import random
from concurrent.futures import ProcessPoolExecutor

import evidence_maker
import orjson
import pytest
from evidence_maker import NOW, World, history

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


def _containers(value, found):
    if isinstance(value, dict | list):
        if value:
            found.append(value)
        for each in value.values() if isinstance(value, dict) else value:
            _containers(each, found)
    return found


def _scalar(value, chance):
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return chance.choice((value + 1, value - 1, -value, 0, 2**53, str(value), None))
    if isinstance(value, str):
        cut = chance.randrange(len(value) + 1)
        return chance.choice((value[:cut], value + "00", value.upper(), "", None, value[::-1], [value], "0x"))
    return chance.choice((None, {}, [], "0x", 0))


def _mutate(value, chance):
    """One structural change of a parsed file, in place."""
    containers = _containers(value, [])
    target = chance.choice(containers)
    keys = list(target) if isinstance(target, dict) else range(len(target))
    key, other = chance.choice(list(keys)), chance.choice(list(keys))
    match chance.randrange(6):
        case 0:
            del target[key]
        case 1:
            target[key], target[other] = target[other], target[key]
        case 2:
            target[key] = _scalar(target[key], chance)
        case 3:
            source = chance.choice(containers)
            places = list(source) if isinstance(source, dict) else range(len(source))
            target[key] = orjson.loads(orjson.dumps(source[chance.choice(list(places))]))
        case 4 if isinstance(target, list):
            target.insert(chance.randrange(len(target) + 1), orjson.loads(orjson.dumps(target[key])))
        case 4:
            target[key + "_"] = orjson.loads(orjson.dumps(target[key]))
        case 5 if isinstance(target, list):
            chance.shuffle(target)
        case 5:
            target.clear()


def test_no_structural_change_of_a_valid_file_passes(files):
    count = 300_000 if os.environ.get("CARGO_PROOF") else 2_000
    for data, trust in files:
        chance = random.Random(5)
        pinned = Trust.decode(trust)
        tried = 0
        while tried < count // len(files):
            value = orjson.loads(data)
            for _ in range(chance.randint(1, 3)):
                if _containers(value, []):
                    _mutate(value, chance)
            changed = canonical.encode(value)
            if changed == data:
                continue
            tried += 1
            assert verify(changed, pinned, NOW).verdict != "VALID", changed[:2000]
