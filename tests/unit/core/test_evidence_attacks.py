"""Attacks on evidence and trust files that only mix, repeat or respell what is genuine; both verifiers judge each."""

from dataclasses import replace

import orjson
import pytest
from evidence_maker import NOW, REFERENCE, World, document, history
from evidence_mutations import containers, copied
from sealed_headers import KEYS, qbft

from ledger.core import canonical
from ledger.core.records import CustodyKind
from ledger.core.signatures import account_of, recover_address
from ledger.core.trust import Trust
from ledger.core.verify import verify
from ledger.errors import InvalidSignature, InvalidTrust

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def judged(world, evidence, **trust):
    data = evidence if isinstance(evidence, bytes) else evidence.encode()
    return verify(data, world.trust(**trust), NOW + 60)


def changed(evidence, *place, to):
    """The file with one value changed, in its one encoding."""
    value = orjson.loads(evidence.encode())
    *above, last = place
    holder = value
    for name in above:
        holder = holder[name]
    holder[last] = to(holder[last])
    return canonical.encode(value)


def test_a_newer_blocks_header_does_not_stand_behind_an_older_blocks_proofs_nor_the_other_way_round():
    world, manifest = history()
    released = world.evidence(manifest)
    world.record(CustodyKind.HOLD, "officer")
    world.block += 1
    held = world.evidence(manifest)
    assert (judged(world, released).verdict, judged(world, held).verdict) == ("VALID", "VALID")
    for mixed in (
        replace(released, chain=replace(released.chain, headers=held.chain.headers)),
        replace(held, chain=replace(held.chain, headers=released.chain.headers)),
        replace(released, chain=held.chain),
        replace(released, chain=replace(released.chain, headers=released.chain.headers + held.chain.headers)),
        replace(released, chain=replace(released.chain, nodes=released.chain.nodes + held.chain.nodes)),
    ):
        assert judged(world, mixed).verdict != "VALID"
        assert "may go, as" not in judged(world, mixed).state


@pytest.mark.parametrize("consensus", ["qbft", "clique"])
def test_no_element_of_any_list_can_stand_there_twice(consensus):
    world, manifest = history(World(consensus, others=2))
    second = world.lodge(world.manifest(content=document(note="2"), former=manifest))
    world.close(manifest, second)
    value = orjson.loads(world.evidence(second).encode())
    count = 0
    for at, found in enumerate(containers(value)):
        if isinstance(found, list):
            for place in (0, len(found) - 1):
                other = copied(value)
                twice = containers(other)[at]
                twice.insert(place, copied(twice[place]))
                assert judged(world, canonical.encode(other)).verdict != "VALID", (at, place)
                count += 1
    assert count >= 16


def test_no_object_of_any_file_takes_another_member_and_none_is_taken_for_the_languages_own():
    world, manifest = history()
    for name in ("extra", "__proto__", "constructor", "toString", "length"):
        value = orjson.loads(world.evidence(manifest).encode())
        for at, found in enumerate(containers(value)):
            if isinstance(found, dict) and at < 40:
                other = copied(value)
                containers(other)[at][name] = {"schema": "cargo-evidence/1"}
                assert judged(world, canonical.encode(other)).verdict != "VALID", (at, name)
        trust = orjson.loads(world.trust().encode())
        for at, found in enumerate(containers(trust)):
            if isinstance(found, dict):
                other = copied(trust)
                containers(other)[at][name] = {}
                with pytest.raises(InvalidTrust):
                    Trust.decode(canonical.encode(other))


def test_a_document_may_have_members_that_a_language_has_of_its_own():
    names = {name: {"reason": "x"} for name in ("__proto__", "constructor", "hasOwnProperty", "valueOf")}
    world, manifest = history(content=document(**names))
    world.record(CustodyKind.HOLD, "officer", stated={"__proto__": {"reason": "polluted"}, "note": "n"})
    evidence = world.evidence(manifest, show=[""])
    report = judged(world, evidence)
    assert report.verdict == "VALID"
    assert "polluted" not in report.state and "may not go: it is on hold" in report.state
    assert judged(
        world, changed(evidence, "manifest", "shown", "document", to=lambda d: d | {"__proto__": 1})
    )


@pytest.mark.parametrize(
    "value", ["9GB123456789000-\u0131NV1", "9GB123456789000-\uff29NV1", "9GB123456789000-\u0406NV1"]
)
def test_a_reference_of_letters_that_only_look_or_fold_alike_is_another(value):
    content = document()
    content["references"][0]["value"] = value
    world, manifest = history(content=content)
    report = judged(world, world.evidence(manifest))
    assert (report.verdict, report.check("binding").status) == ("INVALID", "INVALID")
    for reference in (REFERENCE.replace("I", "\u0406"), "\uff44ucr" + REFERENCE[4:], REFERENCE + "\u200b"):
        assert judged(world, world.evidence(manifest, reference=reference)).verdict == "INVALID"


def test_an_administration_of_letters_that_only_look_alike_is_in_no_trust_file():
    trust = World().trust().encode()
    for name in ("\u0405G", "\uff33\uff27", "sg", "SG ", "S\u200bG"):
        with pytest.raises(InvalidTrust):
            Trust.decode(trust.replace(b'"SG"', b'"' + name.encode() + b'"'))


@pytest.mark.parametrize(
    "number", [2**53 - 1, 2**53, 2**64 - 1, 2**64, 10**400, "71117", "0x115cd", True, None, [71117], 71117.5]
)
def test_numbers_that_are_huge_or_text_pass_nowhere(number):
    world, manifest = history()
    evidence = world.evidence(manifest)
    text = (
        str(number).encode()
        if isinstance(number, int) and not isinstance(number, bool)
        else orjson.dumps(number)
    )
    for old in (
        b'"id":71117',
        b'"index":%d' % evidence.manifest.index,
        b'"size":%d' % evidence.manifest.size,
        b'"anchored_at":%d' % evidence.manifest.anchored_at,
        b'"accepted_at":%d' % evidence.custody[0].accepted_at,
    ):
        data = evidence.encode()
        assert data.count(old) >= 1
        other = data.replace(old, old.split(b":")[0] + b":" + text, 1)
        assert judged(world, other).verdict != "VALID"


def test_a_genuine_file_of_a_sister_chain_with_the_same_people_contracts_and_validators_does_not_pass():
    theirs, manifest = history(World(chain_id=71_118))
    ours, _ = history(World(chain_id=71_117))
    evidence = theirs.evidence(manifest)
    assert verify(evidence, theirs.trust(), NOW).verdict == "VALID"
    assert judged(ours, evidence).check("seals").status == "INVALID"
    renamed = replace(evidence, chain=replace(evidence.chain, chain_id=71_117))
    report = judged(ours, renamed)  # the seals name no chain; whoever signed the records did
    assert (report.verdict, report.check("issuer").status) == ("INVALID", "INVALID")


def test_contracts_that_a_trust_file_takes_for_one_another_hold_nothing():
    world, manifest = history()
    names = list(world.addresses)
    turned = dict(zip(names, names[1:] + names[:1], strict=True))
    report = judged(
        world,
        world.evidence(manifest),
        addresses={name: world.addresses[turned[name]] for name in names},
        code_hashes={name: world.code_hashes[turned[name]] for name in names},
    )
    assert report.verdict == "INVALID"


def test_a_signatures_twin_is_no_signature():
    world, manifest = history()
    evidence = world.evidence(manifest)
    for n, taken in enumerate(evidence.custody):
        r, s, v = taken.signature[:32], int.from_bytes(taken.signature[32:64], "big"), taken.signature[64]
        twins = (
            r + (ORDER - s).to_bytes(32, "big") + bytes((55 - v,)),  # recovers the same address
            taken.signature[:64] + bytes((v - 27,)),
            taken.signature[:64] + bytes((v + 8,)),
        )
        for twin in twins:
            with pytest.raises(InvalidSignature):
                recover_address(bytes(32), twin)
            custody = list(evidence.custody)
            custody[n] = replace(taken, signature=twin)
            assert judged(world, replace(evidence, custody=tuple(custody))).verdict == "INVALID"


@pytest.mark.parametrize(
    "reason",
    [
        "x); may go, as far as SG is concerned. (",
        "none”; released for import by SG on 2027-01-15T08:17:40Z; may go, as far as SG is concerned; “",
        "x\u2028May go, as far as SG is concerned",
        "\u202etup on hold \u2066by nobody",
    ],
)
def test_what_a_reason_says_is_quoted_and_never_reads_as_a_decision(reason):
    world, manifest = history()
    world.record(CustodyKind.HOLD, "officer", stated={"reason": reason})
    report = judged(world, world.evidence(manifest))
    assert report.verdict == "VALID"
    before, _, rest = report.state.partition("“")
    quoted, _, after = rest.partition("”")
    assert "“" not in after and "”" not in after and quoted
    assert "may go" not in (before + after).lower().replace("may not go", "")
    assert after == "); may not go: it is on hold."
    assert "\u202e" not in report.state and "\u2028" not in report.state


def test_a_procedure_of_more_than_a_word_is_quoted_too():
    world = World()
    manifest = world.lodge(world.manifest())
    world.open(manifest)
    procedure = "import by NL on 2027-01-15T08:17:40Z; may go, as far as NL is concerned; released for export"
    world.record(CustodyKind.RELEASE, "officer", subject=manifest.id, stated={"procedure": procedure})
    report = judged(world, world.evidence(manifest), administration="NL")
    assert f"Released for “{procedure}” by SG on " in report.state
    assert report.state.endswith("; may not go: NL has not released it.")


@pytest.mark.parametrize("time", [2**31, 2**32, 2**63, 2**64 - 1, 2**64, 2**255])
def test_a_header_of_a_time_that_no_calendar_reaches_stops_no_verifier(time):
    world, manifest = history()
    listed = [account_of(key) for key in KEYS[:4]]
    evidence = world.evidence(manifest)
    for sealers in (KEYS[:4], ()):
        header = qbft(
            listed,
            sealers,
            number=world.block,
            f3=world.state_root,
            f11=time.to_bytes(33, "big").lstrip(b"\0"),
        )
        forged = replace(evidence, chain=replace(evidence.chain, headers=(header.encode(),)))
        report = judged(world, forged)
        assert (report.verdict, report.check("freshness").status) != ("VALID", "VALID")
