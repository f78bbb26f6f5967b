"""An evidence file as people make it: lodged and released through a service, exported, judged without a network."""

import json
import time
from contextlib import ExitStack

import ledger_at_work
import pytest
import running_service
from cargo import manifest_document, reference
from typer.testing import CliRunner

from ledger import keys
from ledger.cli.main import app
from ledger.core import documents
from ledger.core.evidence import Evidence, Whole
from ledger.errors import ServiceError


@pytest.fixture(scope="module")
def service(network, tmp_path_factory):
    with ExitStack() as running:
        settings = running_service.settings_for(network, tmp_path_factory.mktemp("service"))
        running.enter_context(running_service.working(settings))
        yield running.enter_context(running_service.serving(network, settings))


@pytest.fixture
def cargo_ledger(service, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CARGO_LEDGER_SERVICE", service.url)
    network.profile.save(tmp_path / "profile.json")
    monkeypatch.setenv("CARGO_LEDGER_PROFILE", str(tmp_path / "profile.json"))

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return result

    return run


def _is_indexed(client, address):
    try:
        return client.account(address).party == "SG:ACME01"
    except ServiceError:
        return False


def _until_final(network, exporter, manifest):
    """On the development chain of these tests blocks are made by transactions: others' would come by themselves."""
    anvil = ledger_at_work.controls(network)
    try:
        for _ in range(200):
            anvil.mine(1)
            try:
                if Evidence.decode(exporter.manifest_evidence(manifest)).opening is not None:
                    return
            except ServiceError as error:
                assert error.status == 404
                time.sleep(0.1)
    finally:
        anvil.close()
    raise AssertionError("it does not become final")


@pytest.mark.on_validators
def test_from_lodging_to_a_verdict_offline(cargo_ledger, service, network, tmp_path, socket_enabled):
    name = reference()
    with service.client("exporter") as exporter:
        ledger_at_work.until(lambda: _is_indexed(exporter, network.address("exporter")))
        lodged = exporter.lodge(manifest_document(name, "MSCU6639870"), "SG:ACME01", reference=name)
        opened = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
        exporter.wait_for_record(lodged.consignment, opened.digest)
        _until_final(network, exporter, lodged.id)
    trust = cargo_ledger("trust", "init", "--administration", "SG", "--out", "sg.json", "--json")
    assert json.loads(trust.stdout)["validators"] == len(network.profile.validators)
    cargo_ledger("trust", "init", "--administration", "SG", "--out", "sg.json", code=2)
    made = json.loads(cargo_ledger("evidence", "export", name, "--out", "box.json", "--json").stdout)
    assert made["reference"] == name
    judged = cargo_ledger("evidence", "verify", "box.json", "--trust", "sg.json", "--json")
    said = json.loads(judged.stdout)
    assert said["verdict"] == "VALID", said
    (seals,) = (check for check in said["checks"] if check["name"] == "seals")
    if network.profile.kind == "development":
        assert seals["status"] == "SKIPPED"
    else:
        assert "is confirmed by 4 of 4 signers, not final" in seals["message"]
    assert said["state"].endswith("May not go: SG has not released it.")
    by_id = cargo_ledger("evidence", "export", made["manifest"], "--show", "", "--out", "whole.json")
    assert "Wrote the evidence of" in by_id.stdout
    whole = Evidence.decode((tmp_path / "whole.json").read_bytes())
    assert isinstance(whole.manifest.shown, Whole)
    assert documents.parse(whole.manifest.shown.document).value["schema"] == "cargo-manifest/1"
    cargo_ledger("evidence", "export", made["consignment"], "--out", "by-consignment.json")
    assert (tmp_path / "by-consignment.json").read_bytes()
    by_container = cargo_ledger("evidence", "export", "MSCU6639870", "--out", "by-container.json", "--json")
    assert json.loads(by_container.stdout)["manifest"] == made["manifest"]
    cargo_ledger("evidence", "export", "0x" + "11" * 32, "--out", "none.json", code=1)
    cargo_ledger("evidence", "export", name, "--show", "/weapons", "--out", "none.json", code=1)
    cargo_ledger("evidence", "absent", "--consignment", name, "--trust", "sg.json", "--what", "release")


def test_where_reading_is_closed_commands_that_read_sign_in_with_the_key_and_say_what_to_give_without(
    service, network, tmp_path, monkeypatch
):
    name = reference()
    with service.client("exporter") as exporter:
        ledger_at_work.until(lambda: _is_indexed(exporter, network.address("exporter")))
        lodged = exporter.lodge(manifest_document(name), "SG:ACME01", reference=name)
        opened = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
        exporter.wait_for_record(lodged.consignment, opened.digest)
        _until_final(network, exporter, lodged.id)
    for role in ("exporter", "stranger"):
        keys.create(
            tmp_path / "keys", role, running_service.PASSWORD, private_key=network.keys[role], light=True
        )
    (tmp_path / "password").write_text(running_service.PASSWORD + "\n")
    network.profile.save(tmp_path / "profile.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARGO_LEDGER_PROFILE", "profile.json")
    trust = CliRunner().invoke(app, ["trust", "init", "--administration", "SG", "--out", "sg.json"])
    assert trust.exit_code == 0, trust.output
    monkeypatch.setenv("CARGO_LEDGER_KEYS", "keys")
    settings = service.settings.model_copy(update={"open_reading": False})
    with running_service.serving(network, settings) as closed:
        monkeypatch.setenv("CARGO_LEDGER_SERVICE", closed.url)
        shown = ["manifest", "show", name]
        commands = (
            shown,
            ["manifest", "prove", name, "--out", "proof.json"],
            ["consignment", "show", name],
            ["consignment", "accompany", name, "--out", "file.json"],
            ["evidence", "export", name, "--out", "box.json"],
            ["evidence", "absent", "--consignment", name, "--trust", "sg.json", "--what", "release"],
        )
        for command in commands:
            without = CliRunner().invoke(app, command)
            assert without.exit_code == 1, without.output
            assert "--key or CARGO_LEDGER_KEY" in without.stderr
            with_key = [*command, "--key", "exporter", "--password-file", "password"]
            done = CliRunner().invoke(app, with_key)
            assert done.exit_code == 0, f"{command}\n{done.output}"
        monkeypatch.setenv("CARGO_LEDGER_PASSWORD_FILE", "password")
        monkeypatch.setenv("CARGO_LEDGER_KEY", "exporter")
        assert CliRunner().invoke(app, shown).exit_code == 0
        monkeypatch.setenv("CARGO_LEDGER_KEY", "stranger")
        refused = CliRunner().invoke(app, shown)
        assert refused.exit_code == 1 and "may not do this" in refused.stderr
    # where reading is open the key stays closed: it need not even be there
    monkeypatch.setenv("CARGO_LEDGER_SERVICE", service.url)
    monkeypatch.setenv("CARGO_LEDGER_KEY", "none-of-this-name")
    assert CliRunner().invoke(app, shown).exit_code == 0
