"""Two administrations read one chain: they agree, or a file shows a third who showed two histories or broke a promise."""

import contextlib
import dataclasses
import json
import time

import audit_life
import faulty_node
import made_node
import pytest
import sealed_headers
import split_maker
from audit_life import trust_for
from evidence_maker import World
from ledger_at_work import until
from typer.testing import CliRunner

from ledger.cli.main import app
from ledger.core.split import Split


@pytest.fixture
def cargo_ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in words else result.output

    return run


# --- the digest


def test_two_administrations_agree_on_the_digest_whichever_node_each_asks(singapore, cargo_ledger, tmp_path):
    audit_life.live(singapore)
    profile = singapore.profile
    profile.save(tmp_path / "sg.json")
    (tmp_path / "trust.json").write_bytes(trust_for(profile).encode())
    with faulty_node.before(profile.rpc_url) as node:
        dataclasses.replace(profile, rpc_url=node.url).save(tmp_path / "nl.json")
        last = singapore.anvil.head() - 12
        replays = {"sg": ("sg.json", last), "nl": ("nl.json", last), "later": ("nl.json", last + 1)}
        for name, (file, block) in replays.items():
            words = ("audit", "replay", "--profile", file, "--trust", "trust.json", "--to", block, "--json")
            (tmp_path / f"{name}.replay.json").write_text(json.dumps(cargo_ledger(*words)))
        split = ("audit", "split", "--profile", "sg.json", "--trust", "trust.json", "--other", node.url)
        assert "One history" in cargo_ledger(*split)
    joint = ("audit", "joint", "sg.replay.json")
    agreed = cargo_ledger(*joint, "nl.replay.json", "--json")
    assert agreed["verdict"] == "VALID"
    assert agreed["results"][0]["digest"] == agreed["results"][1]["digest"]
    assert f"--to {last}" in cargo_ledger(*joint, "later.replay.json", code=3)
    assert "it is the other result" in cargo_ledger(*joint, "sg.replay.json", code=1)
    (tmp_path / "nl").mkdir()
    (tmp_path / "nl" / "sg.replay.json").write_text((tmp_path / "nl.replay.json").read_text())
    told = cargo_ledger(*joint, "nl/sg.replay.json", "--json")
    assert [each["name"] for each in told["results"]] == ["sg.replay.json", "nl/sg.replay.json"]


# --- two histories


@pytest.fixture
def world():
    return World(others=3)


@contextlib.contextmanager
def two_nodes(world, kind, first, second, folder, nodes=(), confirmations=0):
    with (
        made_node.serving(world, kind, first, nodes) as one,
        made_node.serving(world, kind, second) as other,
    ):
        profile = made_node.profile_of(world, kind, first, one.url, confirmations)
        profile.save(folder / "profile.json")
        trust = world.trust(
            consensus=kind,
            genesis_hash=profile.genesis_hash,
            epoch=30_000 if kind == "clique" else 0,
            from_block=0,
            expires_at=2**33,
        )
        (folder / "trust.json").write_bytes(trust.encode())
        yield (
            "audit", "split", "--profile", "profile.json", "--trust", "trust.json", "--other", other.url, "--json",
        )  # fmt: skip


def test_two_histories_that_a_quorum_sealed_are_found_and_proven_to_a_third(
    world, cargo_ledger, tmp_path, request
):
    state, nodes = split_maker.show(world, [])
    first = made_node.line("qbft", 41, state=state)
    second = made_node.line("qbft", 37, after=first[:23], salt=1, keys=sealed_headers.KEYS[1:4])
    with two_nodes(world, "qbft", first, second, tmp_path, nodes) as command:
        told = cargo_ledger(*command, "--out", "split.json", code=1)
        assert (told["compared_to"], told["parted_at"], told["file"]) == (36, 23, "split.json")
        assert told["report"]["verdict"] == "VALID"
    request.getfixturevalue("socket_disabled")
    third = cargo_ledger("audit", "verify-split", "split.json", "--trust", "trust.json", "--json")
    assert third["verdict"] == "VALID"
    assert third["state"].startswith("Proven: validators sealed two blocks 23")
    data = (tmp_path / "split.json").read_bytes()
    (tmp_path / "changed.json").write_bytes(data.replace(b"0xf9", b"0xf8", 1))
    assert "INVALID" in cargo_ledger("audit", "verify-split", "changed.json", "--trust", "trust.json", code=1)
    assert Split.decode(data).encode() == data


def test_validators_voted_in_since_the_trust_file_are_followed_to_where_the_histories_part(
    world, cargo_ledger, tmp_path
):
    state, nodes = split_maker.show(world, [])
    later = sealed_headers.KEYS[1:5]
    first = made_node.line("qbft", 9, state=state)
    parent = made_node.headers.block_hash(first[-1], "qbft")
    moved = {"number": 9, "parent": parent, "f3": state, "f11": b"\x70\0\0\0"}
    first.append(sealed_headers.qbft(sealed_headers.ADDRESSES[1:5], later, **moved))
    lines = []
    for salt in (0, 1):
        made = list(first)
        for number in range(10, 15):
            parent = made_node.headers.block_hash(made[-1], "qbft")
            fields = moved | {"number": number, "parent": parent, "f1": bytes(31) + bytes((salt,))}
            made.append(sealed_headers.qbft(sealed_headers.ADDRESSES[1:5], later, **fields))
        lines.append(made)
    with two_nodes(world, "qbft", *lines, tmp_path, nodes) as command:
        told = cargo_ledger(*command, "--out", "split.json", code=1)
        assert told["parted_at"] == 10
    assert len(Split.decode((tmp_path / "split.json").read_bytes()).chain.headers) == 3


def test_a_history_that_no_quorum_sealed_is_found_and_proves_nothing(world, cargo_ledger, tmp_path):
    state, nodes = split_maker.show(world, [])
    first = made_node.line("qbft", 12, state=state)
    forged = made_node.line("qbft", 12, after=first[:5], salt=1, keys=sealed_headers.KEYS[:2])
    with two_nodes(world, "qbft", first, forged, tmp_path, nodes) as command:
        told = cargo_ledger(*command, "--out", "split.json", code=3)
    assert (told["parted_at"], told["file"], told["report"]["verdict"]) == (5, None, "INVALID")
    assert not (tmp_path / "split.json").exists()


def test_without_the_state_of_that_block_there_is_no_file(world, cargo_ledger, tmp_path):
    first = made_node.line("qbft", 6)
    second = made_node.line("qbft", 6, after=first[:3], salt=1)
    with two_nodes(world, "qbft", first, second, tmp_path) as command:
        result = CliRunner().invoke(app, [*command, "--out", "split.json"], prog_name="cargo-ledger")
    assert result.exit_code == 4
    assert "state proof" in json.loads(result.stderr)["error"]["message"]
    assert not (tmp_path / "split.json").exists()


def test_two_clique_histories_near_the_newest_block_are_normal(world, cargo_ledger, tmp_path):
    first = made_node.line("clique", 20)
    second = made_node.line("clique", 20, after=first[:17], salt=1)
    with two_nodes(world, "clique", first, second, tmp_path) as command:
        told = cargo_ledger(*command, "--out", "split.json", code=3)
        assert (told["parted_at"], told["file"]) == (17, None)
        assert "normal" in told["sentence"]
    with two_nodes(world, "clique", first, second, tmp_path, confirmations=8) as command:
        assert cargo_ledger(*command)["compared_to"] == 11


def test_a_node_whose_blocks_do_not_follow_each_other_shows_no_history(world, cargo_ledger, tmp_path):
    first = made_node.line("qbft", 12)
    torn = made_node.line("qbft", 12, salt=1)
    torn[:5] = first[:5]
    with two_nodes(world, "qbft", first, torn, tmp_path) as command:
        result = CliRunner().invoke(app, [*command], prog_name="cargo-ledger")
    assert result.exit_code == 1
    assert "does not follow its own block 4" in json.loads(result.stderr)["error"]["message"]


# --- a promise


@pytest.fixture
def promised(open_ledger, cargo_ledger, tmp_path):
    """A service that promised a leaf within a second and died; the command that holds the promise against the chain."""
    dead = open_ledger(promise_seconds=1)
    dead.settle()
    manifest = dead.manifest()
    answer, _ = dead.ledger.lodge(manifest.submission)
    kept = {"schema": "cargo-lodged/1", "promise": json.loads(answer.promise.model_dump_json())}
    (tmp_path / "box.lodged.json").write_text(json.dumps(kept))
    dead.profile.save(tmp_path / "profile.json")
    (tmp_path / "trust.json").write_bytes(trust_for(dead.profile).encode())
    command = (
        "audit",
        "promise",
        "box.lodged.json",
        "--profile",
        "profile.json",
        "--trust",
        "trust.json",
        "--json",
    )
    return dead, manifest, command


def proof_file(at_work, manifest, path):
    view = at_work.ledger.manifest_proof(manifest.id)
    path.write_text(json.dumps({"schema": "cargo-inclusion/1", **view.model_dump(mode="json")}))


def test_a_promise_that_nothing_was_anchored_for_is_proven_broken(promised, cargo_ledger, tmp_path):
    dead, _, command = promised
    waiting = cargo_ledger(*command, code=3)
    assert "not later" in waiting["sentence"]
    until(
        lambda: (
            time.time() > json.loads((tmp_path / "box.lodged.json").read_text())["promise"]["anchor_by"] + 1
        )
    )
    dead.anvil.keep_time()
    dead.anvil.mine(20)
    told = cargo_ledger(*command, "--out", "broken.json", code=1)
    assert "did not reach it" in told["sentence"]
    assert (
        cargo_ledger("audit", "verify-split", "broken.json", "--trust", "trust.json", "--json")["verdict"]
        == "VALID"
    )


def test_a_promise_for_a_leaf_where_another_was_anchored_is_proven_broken(
    promised, open_ledger, cargo_ledger, tmp_path
):
    _, _, command = promised
    restored = open_ledger()  # the same sequencer's key over another database
    restored.settle()
    other = restored.lodged()
    restored.settle()
    restored.anvil.mine(20)
    proof_file(restored, other, tmp_path / "other.proof.json")
    assert "Give --proof" in cargo_ledger(*command, code=3)["sentence"]
    told = cargo_ledger(*command, "--proof", "other.proof.json", "--out", "broken.json", code=1)
    assert "anchored leaf" in told["sentence"]
    third = cargo_ledger("audit", "verify-split", "broken.json", "--trust", "trust.json", "--json")
    assert third["verdict"] == "VALID"
    assert {check["name"]: check["status"] for check in third["checks"]} == {
        "chain": "VALID", "seals": "SKIPPED", "state": "VALID", "authority": "VALID", "conflict": "VALID",
        "freshness": "VALID",
    }  # fmt: skip


def test_a_promise_that_was_kept_says_so(promised, cargo_ledger, tmp_path):
    alive, manifest, command = promised
    alive.settle()
    alive.anvil.mine(20)
    proof_file(alive, manifest, tmp_path / "box.proof.json")
    told = cargo_ledger(*command, "--proof", "box.proof.json", "--out", "broken.json")
    assert "was kept" in told["sentence"]
    assert not (tmp_path / "broken.json").exists()
