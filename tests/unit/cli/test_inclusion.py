"""`manifest verify-inclusion` without a chain: every byte of a proof counts, and what was not shown is not passed."""

import copy
import json

import pytest

from ledger.core import merkle

CHAIN = {"chain_id": 31337, "manifest_log": "0x2222222222222222222222222222222222222222"}
OTHERS = [bytes([n]) * 32 for n in range(1, 7)]


@pytest.fixture
def proof(example):
    """A proof of the example's manifest record as leaf 3 of 7."""
    record = example["manifest record"]
    leaf = bytes.fromhex(example["log leaf hash"][2:])
    leaves = [*OTHERS[:3], leaf, *OTHERS[3:]]
    nodes = merkle.complete_nodes(leaves)
    return {
        "schema": "cargo-inclusion/1",
        **CHAIN,
        "genesis_hash": "0x" + "ab" * 32,
        "id": example["manifest id"],
        "administration": "SG",
        "epoch": 1,
        "index": 3,
        "size": 7,
        "root": "0x" + merkle.root(leaves).hex(),
        "path": ["0x" + node.hex() for node in merkle.prove_inclusion(3, 7, nodes)],
        "record": {
            "party": record["party"],
            "kind": record["kind"],
            "reason": record["reason"],
            "consignment": record["consignment"],
            "manifest_root": record["manifestRoot"],
            "supersedes": record["supersedes"],
            "issued_at": record["issuedAt"],
        },
        "signature": example["signature"],
        "leaf_hash": example["log leaf hash"],
        "anchored_at": "2026-09-21T14:14:10Z",
        "block": 7,
        "transaction": "0x" + "cd" * 32,
    }


@pytest.fixture
def verify(cargo_ledger, tmp_path):
    def call(content, *options):
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / "proof.json").write_bytes(text)
        return cargo_ledger("manifest", "verify-inclusion", "proof.json", *options)

    return call


def statuses(result):
    return {each["name"]: each["status"] for each in json.loads(result.stdout)["checks"]}


def test_a_good_proof_is_valid_and_names_its_signer(verify, proof, example):
    result = verify(proof, "--json")
    assert result.exit_code == 0
    read = json.loads(result.stdout)
    assert read["verdict"] == "VALID"
    assert read["signer"] == example["signer"]
    assert read["manifest_root"] == example["manifest_root"]
    assert statuses(result) == {
        "record": "VALID",
        "inclusion": "VALID",
        "signature": "VALID",
        "head": "SKIPPED",
    }


def test_it_says_in_words_what_it_did_not_ask(verify, proof):
    result = verify(proof)
    assert result.exit_code == 0
    assert "It is a LODGE by SG:ACME01." in result.stdout
    assert "add --profile FILE" in result.stdout
    assert "VALID: the record stands under this root; that SG anchored it was not asked." in result.stdout


def test_the_service_s_bare_answer_is_indeterminate_as_no_network_is_named(verify, proof):
    for name in ("schema", "chain_id", "genesis_hash", "manifest_log"):
        del proof[name]
    result = verify(proof, "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["verdict"] == "INDETERMINATE"
    assert statuses(result)["signature"] == "SKIPPED"


def test_another_network_recovers_another_signer(verify, proof, example):
    result = verify(proof | {"chain_id": 1}, "--json")
    assert json.loads(result.stdout)["signer"] != example["signer"]


@pytest.mark.parametrize(
    ("place", "check"),
    [
        ("root", "inclusion"),
        ("index", "inclusion"),
        ("size", "inclusion"),
        ("path", "inclusion"),
        ("leaf_hash", "record"),
        ("id", "record"),
        ("manifest_root", "record"),
        ("consignment", "record"),
        ("issued_at", "record"),
        ("signature", "record"),
    ],
)
def test_a_change_anywhere_is_invalid(verify, proof, place, check):
    changed = copy.deepcopy(proof)
    holder = changed["record"] if place in changed["record"] else changed
    value = holder[place]
    if isinstance(value, int):
        holder[place] = value + 1 if place != "size" else 4
    elif isinstance(value, list):
        holder[place] = value[::-1]
    else:
        holder[place] = value[:10] + ("0" if value[10] != "0" else "1") + value[11:]
    result = verify(changed, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verdict"] == "INVALID"
    assert statuses(result)[check] == "INVALID"


def test_a_record_that_no_log_takes_is_invalid(verify, proof):
    proof["record"]["reason"] = 9
    result = verify(proof)
    assert result.exit_code == 1
    assert "INVALID: the proof does not hold." in result.stdout


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is no JSON"),
        (b"[]", "it is no JSON object"),
        (b"\xff", "it is no UTF-8 text"),
        (b'{"index": 1.0}', "holds numbers, a name twice or a depth"),
        (b"[" * 100_000, "holds numbers, a name twice or a depth"),
        (b'{"schema": "cargo-accompanying/1"}', "its schema is not cargo-inclusion/1"),
        (b'{"schema": "cargo-inclusion/1"}', "it is no inclusion proof: at /id, field required"),
        (b'{"id": 1, "id": 2}', "holds numbers, a name twice or a depth"),
        (b" " * (5 << 20), "it is over 4 MiB"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_what_is_no_proof_is_refused_in_one_sentence(verify, content, words):
    result = verify(content)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: proof.json: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("chain_id", "31337"), ("chain_id", True), ("manifest_log", "0x22")]
)
def test_a_malformed_network_is_refused(verify, proof, name, value):
    result = verify(proof | {name: value})
    assert result.exit_code == 1
    assert f"its {name} is no" in result.stderr


def test_a_profile_of_another_network_makes_it_invalid_without_asking_a_chain(verify, proof, tmp_path):
    profile = {
        "schema": "cargo-chain-profile/1",
        "kind": "development",
        "rpc_url": "http://127.0.0.1:1",
        "chain_id": 31337,
        "genesis_hash": "0x" + "00" * 32,
        "contracts": dict.fromkeys(
            ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger"), "0x" + "33" * 20
        ),
        "code_hashes": dict.fromkeys(
            ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger"), "0x" + "44" * 32
        ),
        "deployment_block": 1,
        "block_seconds": 1,
        "confirmations": 2,
        "gas_price_wei": 1,
    }
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    result = verify(proof, "--profile", "profile.json", "--json")
    assert result.exit_code == 1
    assert statuses(result)["network"] == "INVALID"
    profile["contracts"]["ManifestLog"] = CHAIN["manifest_log"]
    (tmp_path / "profile.json").write_text(json.dumps(profile))
    unreachable = verify(proof, "--profile", "profile.json")
    assert unreachable.exit_code == 4
    assert "Is it running?" in unreachable.stderr
