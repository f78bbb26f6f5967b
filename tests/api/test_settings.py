"""What `python -m api` refuses to start with: each wrong setting is one sentence that names it."""

import dataclasses
import os
import socket
import stat

import pytest
from eth_account import Account
from running_service import PASSWORD, settings_for

from api.__main__ import main
from api.settings import read_settings
from ledger import keys
from ledger.keys import DEVELOPMENT_ACCOUNTS
from ledger.ledger import Ledger
from ledger.vault import add_wrapping_key


@pytest.fixture
def environment(network, tmp_path, monkeypatch):
    """The environment of a service that would start, with `--create`."""
    for name in os.environ:
        if name.startswith("LEDGER_"):
            monkeypatch.delenv(name)
    settings = settings_for(network, tmp_path)
    network.profile.save(tmp_path / "profile.json")
    given = {
        "ADMINISTRATION": "SG",
        "DATABASE_URL": settings.database_url,
        "PROFILE": tmp_path / "profile.json",
        "PORT": 0,
        "SEQUENCER_KEY_FILE": settings.sequencer_key_file,
        "RELAYER_KEY_FILES": ",".join(map(str, settings.relayer_key_files)),
        "KEY_PASSWORD_FILE": settings.key_password_file,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"LEDGER_{name}", str(value))
    return monkeypatch


@pytest.fixture
def sentence(capsys):
    """Start it; what it said instead: one line, no trace."""

    def start(*arguments):
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        lines = said.err.strip().splitlines()
        assert len(lines) == 1, said.err
        return lines[0]

    return start


PRODUCTION = {"kind": "clique", "chain_id": 700_001, "validators": ("0x" + "11" * 20,)}
ANVILS_FIRST_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
SITE = "https://ledger.customs.example"


@pytest.mark.parametrize(
    ("of_profile", "public_url", "says"),
    [
        ({"chain_id": 31337}, SITE, "chain id 31337"),
        ({"chain_id": 1337}, SITE, "chain id 1337"),
        ({"rpc_url": "http://node.customs.example:8545"}, SITE, "without encryption"),
        ({"rpc_url": "http://10.0.0.7:8545"}, SITE, "without encryption"),
        ({}, None, "LEDGER_PUBLIC_URL: it is not set"),
        ({}, "http://ledger.customs.example", "must be https"),
        ({}, SITE, "LEDGER_WRAPPING_KEYS_FILE"),  # all the rest is right
    ],
)
def test_a_production_chain_takes_no_settings_of_a_development_chain(
    environment, sentence, network, tmp_path, of_profile, public_url, says
):
    dataclasses.replace(network.profile, **(PRODUCTION | of_profile)).save(tmp_path / "profile.json")
    if public_url is not None:
        environment.setenv("LEDGER_PUBLIC_URL", public_url)
    assert says in sentence("--create")


@pytest.mark.parametrize("name", ["sequencer", "relayer"])
def test_a_production_chain_takes_no_key_that_everybody_has(environment, sentence, network, tmp_path, name):
    dataclasses.replace(network.profile, **PRODUCTION).save(tmp_path / "profile.json")
    environment.setenv("LEDGER_PUBLIC_URL", SITE)
    (tmp_path / f"{name}.json").unlink()
    keys.create(tmp_path, name, PASSWORD, private_key=bytes.fromhex(ANVILS_FIRST_KEY), light=True)
    said = sentence("--create")
    assert f"key {name}" in said and "everybody has" in said


def test_the_keys_that_everybody_has_are_those_of_the_mnemonic():
    Account.enable_unaudited_hdwallet_features()
    words = "test " * 11 + "junk"
    paths = [f"m/44'/60'/0'/0/{index}" for index in range(10)]
    assert {Account.from_mnemonic(words, account_path=path).address for path in paths} == DEVELOPMENT_ACCOUNTS


def test_it_does_not_make_a_database_unasked(environment, sentence):
    assert "There is no database" in sentence()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LEDGER_ADMINISTRATION", "Singapore", "LEDGER_ADMINISTRATION"),
        ("LEDGER_PORT", "eighty", "LEDGER_PORT"),
        ("LEDGER_PROFILE", "/nowhere/profile.json", "/nowhere/profile.json"),
        ("LEDGER_DATABASE_URL", "mysql://x", "mysql"),
        ("LEDGER_SEQUENCER_KEY_FILE", "/nowhere/key.json", "/nowhere/key.json"),
        ("LEDGER_KEY_PASSWORD_FILE", "/nowhere/password", "/nowhere/password"),
        ("LEDGER_HOST", "192.0.2.1", "192.0.2.1"),
        ("LEDGER_PROMISE_SECONDS", "0", "LEDGER_PROMISE_SECONDS"),
    ],
)
def test_a_wrong_setting_is_named(environment, sentence, name, value, says):
    environment.setenv(name, value)
    assert says in sentence("--create")


@pytest.mark.parametrize("name", ["LEDGER_ADMINISTRATION", "LEDGER_PROFILE", "LEDGER_KEY_PASSWORD_FILE"])
def test_a_missing_setting_is_named(environment, sentence, name):
    environment.delenv(name)
    assert name in sentence("--create")


def test_a_setting_that_does_not_exist_is_refused_and_not_overlooked(environment, sentence):
    environment.setenv("LEDGER_REQUEST_PER_MINUTE", "60")
    assert (
        sentence() == "LEDGER_REQUEST_PER_MINUTE: there is no such setting; README.md lists those there are."
    )


def test_a_wrong_password_is_said_without_repeating_it(environment, sentence, tmp_path):
    (tmp_path / "password").write_text("another-password\n")
    said = sentence("--create")
    assert "password does not open it" in said
    assert "another-password" not in said


def test_a_key_file_that_others_can_read_is_refused(environment, sentence, tmp_path):
    (tmp_path / "sequencer.json").chmod(0o644)
    assert "chmod 600" in sentence("--create")


def test_a_production_chain_needs_wrapping_keys_that_only_their_owner_reads(
    environment, sentence, network, tmp_path
):
    dataclasses.replace(network.profile, **PRODUCTION).save(tmp_path / "profile.json")
    environment.setenv("LEDGER_PUBLIC_URL", "https://ledger.customs.example")
    assert "LEDGER_WRAPPING_KEYS_FILE" in sentence("--create")
    wrapping = tmp_path / "wrapping"
    environment.setenv("LEDGER_WRAPPING_KEYS_FILE", str(wrapping))
    assert "No such file" in sentence("--create")
    add_wrapping_key(wrapping)
    wrapping.chmod(0o644)
    assert "chmod 600" in sentence("--create")


def test_a_development_chain_makes_its_wrapping_keys_beside_the_database_once(
    environment, sentence, tmp_path
):
    settings = read_settings()
    Ledger.open(settings.config, create=True).close()
    made_file = tmp_path / "ledger.db.wrapping-keys"
    made = made_file.read_text()
    assert stat.S_IMODE(made_file.stat().st_mode) == 0o600
    Ledger.open(settings.config).close()
    assert made_file.read_text() == made
    made_file.unlink()
    said = sentence()
    assert "the file of wrapping keys does not have" in said and made.split()[-1] not in said


def test_another_administrations_database_is_refused(environment, sentence, network, tmp_path):
    Ledger.open(network.config(tmp_path / "ledger.db", "NL"), create=True).close()
    assert "another ledger's" in sentence("--create")


def test_a_port_in_use_is_said(environment, sentence):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environment.setenv("LEDGER_PORT", str(listener.getsockname()[1]))
        assert "cannot be listened on" in sentence("--create")
