"""The second verifier says of every file what the first says: verdict, block, state and every check, word by word."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import evidence_maker
import pytest
import second_verifier
from evidence_maker import NOW, World, document, history
from evidence_mutations import SPELLINGS, changed

from ledger.core.records import CustodyKind
from ledger.core.trust import Trust
from ledger.core.verify import verify
from ledger.errors import InvalidTrust

ROOT = Path(__file__).parents[2]


def _first(data, trust, now, clock_floor):
    try:
        return verify(data, Trust.decode(trust), now, clock_floor=clock_floor).to_json()
    except InvalidTrust as error:
        return {"refused": str(error)}


def _differences(cases, expected):
    second = second_verifier.judge(cases)
    return [
        (said, due)
        for said, due in zip(second, expected, strict=True)
        if not second_verifier.are_alike(said, due)
    ]


def _told(reports):
    """How often each check came to each status."""
    return Counter(
        (check["name"], check["status"]) for report in reports for check in report.get("checks", ())
    )


def test_every_attack_that_the_first_verifiers_tests_make_is_judged_alike(tmp_path):
    second_verifier.browser()
    recorded = tmp_path / "verdicts.json"
    files = [f"tests/unit/core/test_{name}.py" for name in ("verify", "absence", "consolidated")]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-p", "recorded_verdicts", "-q", *files],
        cwd=ROOT,
        env=os.environ | {"CARGO_RECORD": str(recorded), "PYTHONPATH": str(ROOT / "tests" / "support")},
        check=True,
        capture_output=True,
    )
    found = json.loads(recorded.read_text())
    assert _differences([each["case"] for each in found], [each["report"] for each in found]) == []
    told = _told([each["report"] for each in found])
    assert len(found) > 100 and len(told) > 30, told


def _files():
    """Valid files of many kinds, each with its trust file."""
    world, manifest = history()
    yield world.evidence(manifest), world.trust()
    world.record(CustodyKind.HOLD, "foreign_officer", stated={"reason": "sanitary  check\x07", "note": "ü"})
    yield world.evidence(manifest, show=[""]), world.trust(administration="NL")
    second = world.lodge(world.manifest(content=document(note=["a", {}, 7, None]), former=manifest))
    world.close(manifest, second)
    yield world.evidence(second, show=[""]), world.trust()
    own = world.lodge(
        world.manifest("importer", document(note="own"), consignment=world.consignment()), administration="NL"
    )
    yield world.evidence(own, seen=None, show=[""]), world.trust()
    for consensus in ("clique", "development"):
        world, manifest = history(World(consensus))
        yield world.evidence(manifest), world.trust()
    world, manifest = history(World(others=2, validators=2))
    key, name = b"\1" * 32, "bl:CONTAINER-1"
    box = world.consignment("carrier", name, key)
    world.open(world.manifest("carrier", document(name), consignment=box), "carrier", name, key)
    here = world.consignment()
    world.record(CustodyKind.CONSOLIDATE, "carrier", here, subject=box, others=[box])
    world.record(CustodyKind.TAKE, "officer", here, others=[box])
    world.record(CustodyKind.CLOSE, "officer", here)
    yield world.evidence(manifest), world.trust()
    yield world.evidence(manifest), world.trust(old_seconds=30)


def _mutated(count, seed):
    files = [(evidence.encode(), trust.encode()) for evidence, trust in _files()]
    for data, trust in files:
        yield data, trust, NOW + 60, 0
    chance = random.Random(seed)
    for _ in range(count - len(files)):
        data, trust = chance.choice(files)
        now = chance.choice(
            (NOW, NOW + 60, NOW + 60, NOW + 60, NOW - 301, NOW + 10**6, evidence_maker.FOREVER)
        )
        floor = chance.choice((0, 0, 0, 0, NOW + 500))
        if chance.random() < 0.1:
            trust = changed(trust, chance)
        else:
            data = changed(data, chance)
        yield data, trust, now, floor


def test_valid_and_mutated_files_are_judged_alike():
    second_verifier.browser()
    count = 20_000 if os.environ.get("CARGO_PROOF") else 500
    mutated = list(_mutated(count, 7))
    expected = [_first(*each) for each in mutated]
    differing = _differences([second_verifier.case(*each) for each in mutated], expected)
    assert differing == [], (len(differing), differing[:3])
    verdicts = Counter(report.get("verdict", "refused") for report in expected)
    assert len(verdicts) == 4 and len(_told(expected)) > 30, (verdicts, _told(expected))


def spelled():
    """A file whose document has a value in each spelling, a name in its place, and the whole file spelled otherwise."""
    world, manifest = history(content=document(note="HERE"))
    data, trust = world.evidence(manifest, show=[""]).encode(), world.trust().encode()
    for spelling in (b'"HERE"', *SPELLINGS):
        yield data.replace(b'"HERE"', spelling), trust, NOW + 60, 0
        yield data, trust.replace(b'"SG"', spelling), NOW + 60, 0
    for name in (
        b'"0"',
        b'"01"',
        b'"__proto__"',
        b'"constructor"',
        b'"nota"',
        b'"\\u006eote"',
        b'""',
        b'"n/~"',
        b'"\xc3\xa9"',
    ):
        yield data.replace(b'"note"', name), trust, NOW + 60, 0
    for other in (
        b"\xef\xbb\xbf" + data,
        data + b"\n",
        data + b"{}",
        b" " + data,
        data.replace(b":", b": ", 1),
        data[:-1],
    ):
        yield other, trust, NOW + 60, 0
    yield data, trust + b" ", NOW + 60, 0


def test_every_spelling_of_a_value_is_read_alike():
    second_verifier.browser()
    files = list(spelled())
    expected = [_first(*each) for each in files]
    assert _differences([second_verifier.case(*each) for each in files], expected) == []
    unread = [report for report in expected if report.get("as_of", 0) is None]
    changed_only = [report for report in expected if report.get("as_of")]
    assert len(unread) > 20 and len(changed_only) > 20 and expected[0]["verdict"] == "VALID"


@pytest.mark.parametrize("consensus", ["qbft", "clique"])
def test_a_valid_file_passes_and_any_byte_changed_does_not(consensus):
    world, manifest = history(World(consensus, others=1))
    data, trust = world.evidence(manifest).encode(), world.trust().encode()
    chance = random.Random(consensus)
    places = sorted(chance.sample(range(len(data)), 60))
    cases = [second_verifier.case(data, trust, NOW + 60)]
    for at in places:
        other = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        cases.append(second_verifier.case(other, trust, NOW + 60))
    valid, *changed_ones = second_verifier.judge(cases)
    assert valid["verdict"] == "VALID"
    assert [at for at, report in zip(places, changed_ones, strict=True) if report["verdict"] == "VALID"] == []
