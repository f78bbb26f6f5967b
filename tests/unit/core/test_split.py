"""A split view: what proves one to a third, and what only looks like one."""

import json
import random
from dataclasses import replace

import jsonschema
import orjson
import pytest
from evidence_maker import FOREVER, NOW, World, key_of, schema
from evidence_mutations import copied, mutate
from sealed_headers import ADDRESSES, KEYS, qbft
from split_maker import broken, forked, resealed

from ledger.core import canonical, merkle, slots
from ledger.core.records import Promise
from ledger.core.signatures import sign
from ledger.core.split import Signed, Split, verify
from ledger.errors import InvalidSplit

HEX = b"0123456789abcdef"


def judged(split, world, now=NOW, **trust):
    return verify(split, world.trust(**trust), now)


def statuses(report):
    return {check.name: check.status for check in report.checks}


@pytest.fixture
def world():
    return World(others=3)


# --- two blocks


def test_two_blocks_of_one_height_with_a_quorum_each_convince_who_trusts_the_validators(world):
    split = forked(world)
    report = judged(split.encode(), world)
    assert report.verdict == "VALID", report.checks
    assert set(statuses(report).values()) == {"VALID"}
    assert report.state.startswith("Proven: validators sealed two blocks 500, 0x")
    assert report.as_of.block == 500
    assert Split.decode(split.encode()) == split
    schema("cargo-split-1").validate(json.loads(split.encode()))


def test_validators_who_came_after_those_trusted_convict_themselves_too(world):
    changes = [qbft(ADDRESSES[n : n + 4], KEYS[n : n + 4], number=450 + n).encode() for n in (1, 2)]
    split = forked(world, listed=ADDRESSES[2:6], keys=KEYS[2:6], before=changes)
    assert judged(split, world).verdict == "VALID"
    without = replace(split, chain=replace(split.chain, headers=split.chain.headers[1:]))
    assert statuses(judged(without, world))["seals"] == "INVALID"


def test_one_seal_below_the_quorum_proves_nothing(world):
    assert judged(forked(world, keys=KEYS[:3]), world).verdict == "VALID"
    report = judged(forked(world, keys=KEYS[:3], other_keys=KEYS[:2]), world)
    assert report.verdict == "INVALID"
    assert "2 of 4" in report.check("seals").message


def test_validators_of_the_attacker_prove_nothing_whatever_their_headers_list(world):
    own = forked(world, listed=ADDRESSES[3:7], keys=KEYS[3:7])
    assert statuses(judged(own, world))["seals"] == "INVALID"
    change = qbft(ADDRESSES[3:7], KEYS[3:7], number=450).encode()
    followed = forked(world, listed=ADDRESSES[3:7], keys=KEYS[3:7], before=[change])
    assert statuses(judged(followed, world))["seals"] == "INVALID"


def test_one_block_is_no_split_however_often_and_by_whom_it_is_sealed(world):
    split = forked(world)
    one = split.chain.headers[0]
    twice = replace(split, chain=replace(split.chain, headers=(one, one)))
    assert "one block 500" in judged(twice, world).check("conflict").message
    again = replace(split, chain=replace(split.chain, headers=(one, resealed(one, KEYS[1:4], round=7))))
    report = judged(again, world)
    assert (report.verdict, statuses(report)["seals"]) == ("INVALID", "VALID")
    assert "sealed twice" in report.check("conflict").message


def test_blocks_of_two_heights_or_parents_are_no_split(world):
    heights = judged(forked(world, number=501), world)
    assert (heights.verdict, statuses(heights)["seals"]) == ("INVALID", "VALID")
    assert "two heights" in heights.check("conflict").message
    parents = judged(forked(world, f0=b"\x09" * 32), world)
    assert (parents.verdict, statuses(parents)["seals"]) == ("INVALID", "VALID")
    assert "two parents" in parents.check("conflict").message


def test_another_chain_of_the_same_validators_is_no_split(world):
    split = forked(world)
    named = replace(split, chain=replace(split.chain, chain_id=5))
    assert statuses(judged(named, world))["chain"] == "INVALID"
    elsewhere = World(others=3, code_hashes=dict.fromkeys(world.code_hashes, b"\x07" * 32))
    report = judged(forked(elsewhere), world)
    assert statuses(report) == {
        "chain": "VALID", "seals": "VALID", "state": "INVALID", "conflict": "VALID", "freshness": "VALID",
    }  # fmt: skip
    assert report.verdict == "INVALID"
    nowhere = World(others=3, addresses={name: b"\x01" * 20 for name in world.addresses})
    assert statuses(judged(forked(nowhere), world))["state"] == "INVALID"


def test_where_nothing_is_final_two_blocks_of_one_height_are_normal():
    for consensus, seals in (("clique", "INVALID"), ("development", "SKIPPED")):
        world = World(consensus, others=3)
        report = judged(forked(World(others=3)), world)
        assert report.verdict == "INVALID"
        assert statuses(report)["seals"] == seals
        assert "normal" in report.check("conflict").message


@pytest.mark.parametrize("count", [0, 1])
def test_a_file_without_two_blocks_is_no_split(world, count):
    split = forked(world)
    report = judged(replace(split, chain=replace(split.chain, headers=split.chain.headers[:count])), world)
    assert (report.verdict, report.as_of) == ("INVALID", None)
    assert "does not show them" in report.check("conflict").message


def test_what_the_trust_file_can_not_tell_is_indeterminate(world):
    split = forked(world)
    early = judged(split, world, from_block=501)
    assert (early.verdict, statuses(early)["seals"]) == ("INDETERMINATE", "ERROR")
    expired = judged(split, world, now=FOREVER)
    assert (expired.verdict, statuses(expired)["freshness"]) == ("INDETERMINATE", "SKIPPED")
    assert "use a newer one" in expired.check("freshness").message


def test_a_node_that_nothing_needs_is_refused(world):
    split = forked(world)
    more = replace(split, chain=replace(split.chain, nodes=(*split.chain.nodes, b"\xc2\x01\x02")))
    assert "nothing needs" in judged(more, world).check("state").message


# --- a promise


def test_another_leaf_where_one_was_promised_breaks_the_promise(world):
    split = broken(world, "leaf")
    report = judged(split.encode(), world)
    assert report.verdict == "VALID", report.checks
    assert "SG promised leaf 0x" in report.state and "anchored leaf 0x" in report.state
    assert Split.decode(split.encode()) == split
    schema("cargo-split-1").validate(json.loads(split.encode()))


def test_a_log_that_does_not_reach_the_index_in_time_breaks_the_promise(world):
    split = broken(world, "late")
    report = judged(split.encode(), world)
    assert report.verdict == "VALID", report.checks
    assert "did not reach it" in report.state
    schema("cargo-split-1").validate(json.loads(split.encode()))
    assert judged(broken(World(others=3), "late", anchored=0), world).verdict == "VALID"  # a log never used
    assert judged(broken(World(others=3), "late", epoch=2), world).verdict == "VALID"  # an epoch never begun


@pytest.mark.parametrize("consensus", ["clique", "development"])
def test_a_broken_promise_needs_no_finality_but_what_the_trust_file_asks_for(consensus):
    world = World(consensus, others=3)
    report = judged(broken(world, "late"), world)
    assert report.verdict == "VALID", report.checks
    assert statuses(report)["seals"] == ("VALID" if consensus == "clique" else "SKIPPED")


def test_a_null_slot_as_anvil_keeps_it_is_null_there_alone():
    world = World("development", others=3)
    split = broken(world, "late", anchored=0, null=True)
    assert judged(split, world).verdict == "VALID"
    sealed = World(others=3)
    assert statuses(judged(broken(sealed, "late", anchored=0, null=True), sealed))["state"] == "INVALID"


def test_a_promise_that_was_kept_is_not_broken(world):
    kept = judged(broken(world, "kept"), world)
    assert (kept.verdict, "was kept" in kept.check("conflict").message) == ("INVALID", True)
    reached = judged(broken(World(others=3), "late", anchored=9), world)
    assert (reached.verdict, "reaches" in reached.check("conflict").message) == ("INVALID", True)


def test_a_promise_is_not_broken_before_its_time(world):
    at_that_second = judged(broken(world, "late", anchor_by=NOW), world)
    assert (at_that_second.verdict, "not later" in at_that_second.check("conflict").message) == (
        "INVALID",
        True,
    )
    assert judged(broken(World(others=3), "late", anchor_by=NOW - 1), world).verdict == "VALID"


def test_after_a_restart_an_index_that_was_not_reached_is_undecided(world):
    report = judged(broken(world, "late", open_epoch=2), world)
    assert (report.verdict, statuses(report)["conflict"]) == ("INDETERMINATE", "SKIPPED")
    assert judged(broken(World(others=3), "leaf", open_epoch=2), world).verdict == "VALID"


def test_a_head_that_was_not_anchored_holds_nothing_against_a_promise(world):
    split = broken(world, "leaf")
    for changed in (
        replace(split.leaf, root=merkle.root([b"\x01" * 32])),
        replace(split.leaf, anchored_at=split.leaf.anchored_at + 1),
        replace(split.leaf, leaf_hash=b"\x02" * 32),
        replace(split.leaf, path=split.leaf.path[1:]),
    ):
        assert statuses(judged(replace(split, leaf=changed), world))["conflict"] == "INVALID"
    smaller = replace(split, leaf=replace(split.leaf, size=split.leaf.size - 1))
    assert statuses(judged(smaller, world))["state"] == "INVALID"


@pytest.mark.parametrize("role", ["officer", "foreign_sequencer", "stranger"])
def test_a_promise_by_anyone_but_a_sequencer_of_that_log_binds_nobody(world, role):
    report = judged(broken(world, "late", role=role), world)
    assert (report.verdict, statuses(report)["authority"]) == ("INVALID", "INVALID")
    assert "is no sequencer of SG" in report.check("authority").message


def test_a_promise_under_a_key_that_was_revoked_is_undecided(world):
    world.revoke("sequencer", NOW - 10, NOW - 5)
    report = judged(broken(world, "late"), world)
    assert (report.verdict, statuses(report)["authority"]) == ("INDETERMINATE", "SKIPPED")


def test_a_signature_that_is_none_and_a_file_without_a_block_do_not_pass(world):
    split = broken(world, "late")
    unsigned = replace(split, given=Signed(split.given.promise, bytes(65)))
    assert statuses(judged(unsigned, world))["authority"] == "INVALID"
    report = judged(replace(split, chain=replace(split.chain, headers=())), world)
    assert (report.verdict, report.as_of) == ("INVALID", None)
    assert "shows no block" in report.check("seals").message


def test_a_promise_for_another_network_binds_nobody(world):
    elsewhere = World(others=3, chain_id=5)
    promise = Promise(b"SG".ljust(8, b"\0"), 1, 6, b"\x01" * 32, True, NOW - 60)
    given = Signed(promise, sign(promise.digest(elsewhere.log_domain), key_of("sequencer")))
    assert statuses(judged(replace(broken(world, "late"), given=given), world))["authority"] == "INVALID"


# --- the file


@pytest.mark.parametrize("kind", ["blocks", "leaf", "late"])
def test_every_byte_of_a_file_counts(kind):
    world = World(others=1, validators=2)
    split = forked(world, listed=ADDRESSES[:2], keys=KEYS[:2]) if kind == "blocks" else broken(world, kind)
    data, trust = split.encode(), world.trust()
    assert verify(data, trust, NOW).verdict == "VALID"
    passing = []
    for at, old in enumerate(data):
        new = HEX[(HEX.index(old) + 1) % 16] if old in HEX else old ^ 1
        if verify(data[:at] + bytes((new,)) + data[at + 1 :], trust, NOW).verdict == "VALID":
            passing.append(data[max(0, at - 30) : at + 5])
    assert passing == []


@pytest.mark.parametrize("kind", ["blocks", "leaf", "late"])
def test_no_structural_change_passes(kind):
    chance = random.Random(5)
    world = World(others=1, validators=2)
    split = forked(world, listed=ADDRESSES[:2], keys=KEYS[:2]) if kind == "blocks" else broken(world, kind)
    data, trust = split.encode(), world.trust()
    for _ in range(400):
        value = copied(orjson.loads(data))
        mutate(value, chance)
        changed = canonical.encode(value)
        if changed != data:
            assert verify(changed, trust, NOW).verdict != "VALID", changed


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("schema",), "cargo-split/2"),
        (("schema",), None),
        (("promise",), None),
        (("promise", "seen"), 1),
        (("promise", "epoch"), 0),
        (("promise", "epoch"), 2**40),
        (("promise", "index"), -1),
        (("promise", "administration"), "0x5347"),
        (("promise", "signature"), "0x00"),
        (("promise", "more"), 1),
        (("leaf", "path"), ["0x00"]),
        (("leaf", "path"), ["0x" + "00" * 32] * 65),
        (("leaf", "size"), 0),
        (("leaf", "root"), None),
        (("chain", "headers"), None),
        (("chain", "nodes"), ["00"]),
        (("chain", "id"), 0),
        (("more",), 1),
    ],
)
def test_what_is_not_of_the_form_is_refused_with_its_place(world, place, wrong):
    value = orjson.loads(broken(world, "leaf").encode())
    at = value
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = wrong
    data = canonical.encode(value)
    with pytest.raises(InvalidSplit) as refused:
        Split.decode(data)
    assert refused.value.place.startswith("/" + place[0]) or place[0] in ("more", "promise")
    report = judged(data, world)
    assert (report.verdict, report.as_of) == ("INVALID", None)
    with pytest.raises(jsonschema.ValidationError):
        schema("cargo-split-1").validate(json.loads(data))


def test_another_spelling_is_refused(world):
    data = broken(world, "leaf").encode()
    for changed in (b" " + data, data + b"\n", data.replace(b'"seen":true', b'"seen": true'), b"[]", b""):
        assert verify(changed, world.trust(), NOW).verdict == "INVALID"


def test_a_last_head_is_read_as_the_contract_packs_it():
    assert slots.decode_last_head(0) == (1, 0)
    assert slots.decode_last_head(7 << 96 | 5 << 32 | 3) == (3, 5)
