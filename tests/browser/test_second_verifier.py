"""The second verifier says of every file what the first says: verdict, block, state and every check, word by word."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import get_args

import evidence_maker
import orjson
import pytest
import second_verifier
from evidence_maker import NOW, World, document, history
from evidence_mutations import SPELLINGS, changed

from ledger.core import canonical
from ledger.core.absence import What
from ledger.core.records import CustodyKind

ROOT = Path(__file__).parents[2]
K = CustodyKind
RECORDED = ("verify", "absence", "consolidated", "shown", "evidence_attacks")
WHATS = get_args(What)


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
    files = [f"tests/unit/core/test_{name}.py" for name in RECORDED]
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
    world, manifest = history(
        World(others=2, validators=2)
    )  # its release is lost when it leaves what SG holds
    held = _box(world, "bl:HELD", b"\1" * 32)
    world.record(K.HOLD, "officer", held, stated={"reason": "papers"})
    _put(world, world.consignment(), held)
    yield world.evidence(manifest), world.trust()
    world.record(K.DECONSOLIDATE, "carrier", subject=held, others=[held])
    stated = {"reason": ["sanitary", "check"], "reason_code": "not shown", "reasons": "nor this"}
    world.record(K.HOLD, "foreign_officer", stated=stated)
    yield world.evidence(manifest), world.trust()


def _container():
    """A container with two boxes in it, one of them held: its file, theirs, and the trust file."""
    world = World(others=2, validators=2)
    outer_key, name = b"\x77" * 32, "bl:CONTAINER"
    outer = world.lodge(
        world.manifest("carrier", document(name), consignment=world.consignment("carrier", name, outer_key))
    )
    world.open(outer, "carrier", name, outer_key)
    boxes = []
    for n in range(2):
        box_name, key = f"bl:BOX-{n}", bytes((n + 1,)) * 32
        consignment = world.consignment("carrier", box_name, key)
        box = world.lodge(world.manifest("carrier", document(box_name), consignment=consignment))
        world.open(box, "carrier", box_name, key)
        _put(world, consignment, outer.record.consignment)
        boxes.append((box, box_name, key))
    world.record(K.HOLD, "foreign_officer", boxes[1][0].record.consignment)
    files = [world.evidence(box, reference=name, key=key).encode() for box, name, key in boxes]
    return world.evidence(outer, reference=name, key=outer_key).encode(), files, world.trust().encode()


_WHATS = [(what, second_verifier.administration(by)) for what in WHATS for by in ("SG", "NL", "AE")]


def _mutated(count, seed):
    files = [(evidence.encode(), trust.encode()) for evidence, trust in _files()]
    for data, trust in files:
        yield data, trust, NOW + 60, 0
    container, boxes, its_trust = _container()
    chance = random.Random(seed)
    for _ in range(count - len(files)):
        data, trust = chance.choice(files)
        contents, asked = (), None
        match chance.randrange(6):
            case 0:
                asked = chance.choice(_WHATS)
            case 1:
                data, trust = container, its_trust
                contents = [chance.choice([*boxes, data]) for _ in range(chance.randrange(1, 4))]
                contents[0] = changed(contents[0], chance)
        now = chance.choice(
            (NOW, NOW + 60, NOW + 60, NOW + 60, NOW - 301, NOW + 10**6, evidence_maker.FOREVER)
        )
        floor = chance.choice((0, 0, 0, 0, NOW + 500))
        if chance.random() < 0.1:
            trust = changed(trust, chance)
        elif not contents or chance.random() < 0.3:
            data = changed(data, chance)
        yield data, trust, now, floor, contents, asked


def test_valid_and_mutated_files_are_judged_alike():
    second_verifier.browser()
    count = 20_000 if os.environ.get("CARGO_PROOF") else 500
    mutated = list(_mutated(count, 7))
    expected = [second_verifier.first(*each) for each in mutated]
    differing = _differences([second_verifier.case(*each) for each in mutated], expected)
    assert differing == [], (len(differing), differing[:3])
    verdicts = Counter(report.get("verdict", "refused") for report in expected)
    told = _told(expected)
    assert len(verdicts) == 4 and len(told) > 30 and told["absence", "INVALID"], (verdicts, told)
    assert len({report["contents_words"] for report in expected if "contents" in report}) > 5
    assert any(report.get("shown") for report in expected)


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


def _box(world, name, key, role="carrier"):
    """Another consignment, opened."""
    box = world.consignment(role, name, key)
    world.open(world.manifest(role, document(name), consignment=box), role, name, key)
    return box


def _put(world, inner, outer, role="carrier"):
    world.record(K.CONSOLIDATE, role, inner, subject=outer, others=[outer])


def _nested(world, count):
    boxes = [_box(world, f"bl:BOX-{n}", bytes((n + 1,)) * 32) for n in range(count)]
    for inner, outer in pairwise(boxes):
        _put(world, inner, outer)
    return boxes


def _broken(rule, world, manifest):
    """One more record, or several, that the chain would not have taken."""
    here, take = world.consignment(), world.record
    match rule:
        case "NOT_ENROLLED":
            take(K.REMARK, "carrier", party=evidence_maker.party("SG:ACME01"))
        case "FIELDS":
            take(K.REMARK, "carrier", counterpart=evidence_maker.party("SG:ACME01"))
        case "EXPIRED":
            take(K.REMARK, "carrier", expires_at=world.clock + 9)
        case "TOO_LONG":
            take(K.CLEARANCE, "officer", subject=manifest.id, expires_at=world.clock + 11 + 86_400)
        case "AHEAD":
            take(K.REMARK, "carrier", observed_at=world.clock + 311)
        case "ALREADY_OPENED":
            world.open(manifest)
        case "NOT_ITS_ID":
            take(
                K.OPEN,
                "carrier",
                b"\7" * 32,
                previous=b"\1" * 32,
                details=b"\2" * 32,
                subject=here,
                others=[here],
            )
        case "NOT_OPENED":
            box = world.consignment("carrier", "bl:BOX", b"\1" * 32)
            take(K.REMARK, "officer", box)
            _box(world, "bl:BOX", b"\1" * 32)
            _put(world, box, here)
        case "ALREADY_APPENDED":
            record = world.taken[-1]
            world.taken.append(record)
        case "NOT_NEXT":
            take(K.REMARK, "officer", previous=b"\1" * 32)
        case "CLOSED":
            take(K.CLOSE, "carrier")
            take(K.REMARK, "carrier")
        case "NOT_ALLOWED":
            take(K.TAKE, "importer")
        case "NOT_OFFERED":
            offer = take(K.OFFER, "carrier", counterpart=evidence_maker.party("NL"))
            take(K.ACCEPT, "importer", subject=offer)
        case "NOT_A_HOLD":
            hold = take(K.HOLD, "foreign_officer")
            take(K.LIFT, "officer", subject=hold)
        case "HELD":
            take(K.HOLD, "officer")
            take(K.CLEARANCE, "officer", subject=manifest.id)
        case "INSIDE_ANOTHER":
            _put(world, here, _box(world, "bl:BOX", b"\1" * 32))
            take(K.OFFER, "carrier", counterpart=evidence_maker.party("NL"))
        case "NOT_INSIDE_IT":
            box = _box(world, "bl:BOX", b"\1" * 32)
            take(K.DECONSOLIDATE, "carrier", subject=box, others=[box])
        case "NOT_EMPTY":
            _put(world, _box(world, "bl:BOX", b"\1" * 32), here)
            take(K.CLOSE, "carrier")
        case "NO_PARENT":
            box = _box(world, "bl:BOX", b"\1" * 32)
            take(K.CLOSE, "carrier", box)
            _put(world, here, box)
        case "LOOP":
            boxes = _nested(world, 3)
            _put(world, here, boxes[0])
            _put(world, boxes[-1], here)
        case "TOO_DEEP":
            boxes = _nested(world, 9)
            _put(world, here, boxes[0])


_RULES = (
    "NOT_ENROLLED", "FIELDS", "EXPIRED", "TOO_LONG", "AHEAD", "ALREADY_OPENED", "NOT_ITS_ID", "NOT_OPENED",
    "ALREADY_APPENDED", "NOT_NEXT", "CLOSED", "NOT_ALLOWED", "NOT_OFFERED", "NOT_A_HOLD", "HELD", "INSIDE_ANOTHER",
    "NOT_INSIDE_IT", "NOT_EMPTY", "NO_PARENT", "LOOP", "TOO_DEEP",
)  # fmt: skip


def against_the_rules():
    """A file for each rule of custody whose last record breaks it, on a chain that would have taken it."""
    for rule in _RULES:
        world, manifest = history(World(others=2))
        _broken(rule, world, manifest)
        yield rule, (world.evidence(manifest).encode(), world.trust().encode(), NOW + 60, 0)


def test_every_rule_of_custody_is_kept_alike():
    second_verifier.browser()
    rules, files = zip(*against_the_rules(), strict=True)
    expected = [second_verifier.first(*each) for each in files]
    said = [report["checks"][6]["message"] for report in expected]
    assert [rule for rule, message in zip(rules, said, strict=True) if f"({rule})" not in message] == [], said
    assert _differences([second_verifier.case(*each) for each in files], expected) == []


_POINTERS = (
    [("/a/0", 1), ("/a/b", 1)], [("/a", 1), ("/a/b", 1)], [("/a", 1), ("/a!", 1), ("/a/b", 1)], [("/a", {}), ("/b", [])],
    [("", {})], [("", [])], [("", 1)], [("/~2", 1)], [("/~0~1", 1)], [("a", 1)], [("/0", 1)], [("/00", 1)], [("/b", 1), ("/a", 1)],
    [("/a", 1), ("/a", 1)], [("/" + "a" * 1023, 1)], [("/" + "a" * 1024, 1)], [("/" + "é" * 511, 1)], [("/" + "é" * 512, 1)],
    [("/a" * 32, 1)], [("/a" * 33, 1)], [("/a" * 31, {})], [("/a" * 32, {})], [("/a", {"b": 1})], [("/a", [1])], [("/a", None)],
    [("/a", True)], [("/a", 2**53 - 1)], [("/a", 2**53)], [("/a", 1.5)], [("/a", "\ud7ff")], [("/\uffff", 1), ("/\U0001f600", 1)],
    [("/\U0001f600", 1), ("/\uffff", 1)], [],
)  # fmt: skip


def _with(data, place, change):
    """The file with one value changed."""
    value = orjson.loads(data)
    *above, last = place
    holder = value
    for name in above:
        holder = holder[name]
    holder[last] = change(holder[last])
    return canonical.encode(value)


def malformed():
    """Faults of form that a reader may overlook, one each, and what is just within it beside them."""
    world, manifest = history()
    second = world.lodge(world.manifest(content=document(note="2"), former=manifest))
    world.close(manifest, second)
    data = world.evidence(second).encode()

    def changed_at(*place, to):
        return _with(data, place, to if callable(to) else lambda _: to)

    record, shown, taken = ("manifest", "record"), ("manifest", "shown"), ("custody", 1)
    disclosure = (*shown, "disclosure")
    zero, one = "0x" + "00" * 32, "0x" + "11" * 32
    yield changed_at("consignment_key", to=lambda old: "0x" + old[2:].upper())
    yield changed_at("consignment_key", to=lambda old: "0X" + old[2:])
    yield changed_at("consignment_key", to=lambda old: old[2:])
    yield changed_at("chain", "nodes", 0, to=lambda old: old[:-1])
    for text in ("", "a" * 256, "a" * 257, "\U0001f600" * 256, "\U0001f600" * 257, 7):
        yield changed_at("reference", to=text)
    for kind in (0, 1, 2, 3):
        yield changed_at(*record, "kind", to=kind)
        yield changed_at("closures", 0, "kind", to=kind)
    for each in (zero, one):
        yield changed_at(*record, "supersedes", to=each)
        yield changed_at("closures", 0, "successor", to=each)
    for kind in (0, 1, 17, 18, True):
        yield changed_at(*taken, "record", "kind", to=kind)
    yield changed_at(*shown, to=lambda old: old | {"secret": one})
    yield changed_at(*shown, to={"document": {}, "secret": one})
    yield changed_at(*shown, to={"document": [], "secret": one})
    for indent in (None, 1):
        yield changed_at(*disclosure, to=lambda old, indent=indent: json.dumps(old, indent=indent))
    for leaves in (0, 1, 10_000, 10_001, True):
        yield changed_at(*disclosure, "leaves", to=leaves)
    yield changed_at(*disclosure, "fields", to=lambda old: old[::-1])
    yield changed_at(*disclosure, "siblings", to=lambda old: old[1:])
    yield changed_at(*disclosure, "siblings", to=lambda old: [*old, one])
    for fields in _POINTERS:
        given = [
            {"index": at, "pointer": pointer, "value": value, "salt": "0x" + "22" * 16}
            for at, (pointer, value) in enumerate(fields)
        ]
        for leaves in (1, 9):
            yield changed_at(*disclosure, to={"leaves": leaves, "fields": given, "siblings": []})
    for name, most in (("headers", 4_096), ("nodes", 16_384)):
        for count in (most, most + 1):
            yield changed_at("chain", name, to=["0x"] * count)
    yield changed_at("closures", to=lambda old: old * 257)
    yield changed_at("custody", 0, "record", "previous", to=one)
    yield changed_at("manifest", "path", to=[one] * 64)
    yield changed_at("manifest", "path", to=[one] * 65)
    for number in (2**32 - 1, 2**32, 0):
        yield changed_at("manifest", "epoch", to=number)
    for number in (2**53 - 1, 2**53):
        yield changed_at("manifest", "anchored_at", to=number)


def test_every_fault_of_form_is_refused_alike():
    second_verifier.browser()
    trust = World().trust().encode()
    files = [(data, trust, NOW + 60, 0) for data in malformed()]
    expected = [second_verifier.first(*each) for each in files]
    assert _differences([second_verifier.case(*each) for each in files], expected) == []
    unread = sum(report["as_of"] is None for report in expected)
    assert 50 < unread < len(expected) - 20


def test_every_spelling_of_a_value_is_read_alike():
    second_verifier.browser()
    files = list(spelled())
    expected = [second_verifier.first(*each) for each in files]
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
