"""An evidence file as people make it: lodged and released through a service, exported, judged without a network."""

import json
import time
from contextlib import ExitStack

import ledger_at_work
import pytest
import running_service
from cargo import manifest_document, reference
from typer.testing import CliRunner

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
        lodged = exporter.lodge(manifest_document(name), "SG:ACME01", reference=name)
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
    cargo_ledger("evidence", "export", "0x" + "11" * 32, "--out", "none.json", code=1)
    cargo_ledger("evidence", "export", name, "--show", "/weapons", "--out", "none.json", code=1)
    cargo_ledger("evidence", "absent", "--consignment", name, "--trust", "sg.json", "--what", "release")
