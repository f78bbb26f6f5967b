"""Keys and consents on the command line, without a chain."""

import json

import pytest

from ledger import keys
from ledger.core.identifiers import Party
from ledger.core.records import Domain, Enrolment
from ledger.core.signatures import recover

REGISTRY = "0x4444444444444444444444444444444444444444"


@pytest.fixture
def password_file(tmp_path):
    path = tmp_path / "password"
    path.write_text("harbour\n")
    return path


@pytest.fixture
def profile(tmp_path):
    """A profile with the example's addresses; its chain is not there."""
    contracts = ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger")
    addresses = (
        REGISTRY,
        "0x2222222222222222222222222222222222222222",
        "0x3333333333333333333333333333333333333333",
    )
    path = tmp_path / "profile.json"
    content = {
        "schema": "cargo-chain-profile/1",
        "kind": "development",
        "rpc_url": "http://127.0.0.1:1",
        "chain_id": 31337,
        "genesis_hash": "0x" + "00" * 32,
        "contracts": dict(zip(contracts, addresses, strict=True)),
        "code_hashes": dict.fromkeys(contracts, "0x" + "44" * 32),
        "deployment_block": 1,
        "block_seconds": 1,
        "confirmations": 2,
        "gas_price_wei": 1,
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def exporter(tmp_path, example):
    keys.create(
        tmp_path / "keys",
        "exporter",
        "harbour",
        private_key=bytes.fromhex(example["signer key"][2:]),
        light=True,
    )
    return example["signer"]


def test_a_new_key_is_made_and_listed(cargo_ledger, password_file, tmp_path):
    options = ("--key-folder", "keys", "--password-file", password_file, "--light")
    made = cargo_ledger("key", "new", "officer", *options, "--json")
    assert made.exit_code == 0
    key = json.loads(made.stdout)
    assert keys.load(tmp_path / "keys" / "officer", "harbour").address == key["address"]
    listed = cargo_ledger("key", "list", "--key-folder", "keys", "--json")
    assert json.loads(listed.stdout) == {"keys": [key]}
    assert key["address"] in cargo_ledger("key", "list", "--key-folder", "keys").stdout


def test_a_key_is_never_made_twice(cargo_ledger, password_file):
    command = ("key", "new", "officer", "--key-folder", "keys", "--password-file", password_file, "--light")
    assert cargo_ledger(*command).exit_code == 0
    again = cargo_ledger(*command)
    assert again.exit_code == 2
    assert "exists already; choose another name" in again.stderr


def test_an_empty_folder_says_how_to_make_a_key(cargo_ledger):
    result = cargo_ledger("key", "list", "--key-folder", "keys")
    assert result.exit_code == 0
    assert "`cargo-ledger key new NAME` makes one" in result.stdout


def test_without_a_terminal_the_password_is_never_guessed(cargo_ledger):
    result = cargo_ledger("key", "new", "officer", "--key-folder", "keys")
    assert result.exit_code == 2
    assert "CARGO_LEDGER_PASSWORD_FILE" in result.stderr


def consent(cargo_ledger, profile, password_file, *more):
    return cargo_ledger(
        *(
            "account",
            "consent",
            "--key",
            "exporter",
            "--key-folder",
            "keys",
            "--password-file",
            password_file,
        ),
        *("--profile", profile, *more),
    )


def test_a_consent_is_the_account_s_own_signature(cargo_ledger, profile, password_file, exporter, example):
    options = ("--party", "SG:ACME01", "--roles", "trader", "--valid-until", "2030-03-17T17:46:40Z")
    result = consent(cargo_ledger, profile, password_file, *options, "--json")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    enrolment = Enrolment(
        bytes.fromhex(exporter[2:]), Party("SG", "ACME01").to_bytes(), 1, example["enrolment"]["validUntil"]
    )
    digest = enrolment.digest(Domain(31337, bytes.fromhex(REGISTRY[2:])))
    assert "0x" + digest.hex() == example["enrolment digest"]
    assert recover(digest, bytes.fromhex(content["signature"][2:])) == exporter
    assert (content["party"], content["roles"], content["account"]) == ("SG:ACME01", ["TRADER"], exporter)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--party", "sg", "a party is expected"),
        ("--party", "SG:", "a party is expected"),
        ("--roles", "admin", "roles are trader, officer, auditor, sequencer"),
        ("--valid-until", "2030-01-01", "has no zone"),
        ("--valid-until", "tomorrow", "a time is expected"),
    ],
)
def test_a_wrong_option_of_a_consent_is_one_sentence(
    cargo_ledger, profile, password_file, exporter, option, value, words
):
    options = {"--party": "SG:ACME01", "--roles": "trader"} | {option: value}
    result = consent(
        cargo_ledger, profile, password_file, *(each for pair in options.items() for each in pair)
    )
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_wrong_password_is_one_sentence(cargo_ledger, profile, password_file, exporter):
    password_file.write_text("Harbour\n")
    result = consent(cargo_ledger, profile, password_file, "--party", "SG:ACME01", "--roles", "trader")
    assert result.exit_code == 2
    assert "the password does not open it" in result.stderr


def test_a_missing_key_is_named_with_what_to_do(cargo_ledger, profile, password_file):
    result = consent(cargo_ledger, profile, password_file, "--party", "SG:ACME01", "--roles", "trader")
    assert result.exit_code == 2
    assert "there is no file" in result.stderr
    assert "`cargo-ledger key list`" in result.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "cargo-lodged/1"}, "its schema is not cargo-consent/1"),
        ({"chain_id": 1}, "for another network"),
        ({"registry": "0x" + "55" * 20}, "for another network"),
        ({"roles": ["OFFICER"]}, "The signature is by"),
        ({"party": "SG:ACME02"}, "The signature is by"),
        ({"party": "?"}, "is no administration"),
        ({"roles": "TRADER"}, "missing or malformed"),
        ({"valid_until": "soon"}, "valid_until must be an integer"),
        ({"signature": "0x12"}, "it must be 65 bytes"),
        ({"signature": None}, "missing or malformed"),
    ],
)
def test_a_changed_consent_is_refused_before_any_chain_is_asked(
    cargo_ledger, profile, password_file, exporter, tmp_path, change, words
):
    made = consent(
        cargo_ledger, profile, password_file, "--party", "SG:ACME01", "--roles", "trader", "--json"
    )
    (tmp_path / "consent.json").write_text(json.dumps(json.loads(made.stdout) | change))
    result = cargo_ledger(
        *("account", "enrol", "consent.json", "--key", "exporter", "--key-folder", "keys"),
        *("--password-file", password_file, "--profile", profile),
    )
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_good_consent_gets_as_far_as_the_chain(cargo_ledger, profile, password_file, exporter, tmp_path):
    made = consent(
        *(
            cargo_ledger,
            profile,
            password_file,
            "--party",
            "SG:ACME01",
            "--roles",
            "trader",
            "--out",
            "consent.json",
        )
    )
    assert made.exit_code == 0
    result = cargo_ledger(
        *("account", "enrol", "consent.json", "--key", "exporter", "--key-folder", "keys"),
        *("--password-file", password_file, "--profile", profile),
    )
    assert result.exit_code == 4
    assert "The chain node at http://127.0.0.1:1 gave no usable answer" in result.stderr


def test_a_missing_profile_says_what_writes_one(cargo_ledger, tmp_path):
    (tmp_path / "profile.json").write_text("{}")
    result = cargo_ledger("administration", "show", "--profile", "profile.json")
    assert result.exit_code == 2
    assert "profile.json: this is no chain profile" in result.stderr
    assert "--profile" in cargo_ledger("administration", "show").stderr
