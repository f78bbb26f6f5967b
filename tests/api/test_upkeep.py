"""Wrapping keys and sealed objects of a running service, as its operator keeps them in order."""

import sqlite3
from contextlib import closing

import cargo
import local_network
import pytest
from running_service import serving, settings_for

from api.__main__ import main
from ledger.client import LedgerClient
from ledger.errors import ServiceUnavailable
from ledger.ledger import Ledger


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of these tests' own, for the one database that they share."""
    network = local_network.begin(tmp_path_factory.mktemp("upkeep_network"))
    yield network
    local_network.end(network)


@pytest.fixture
def settings(network):
    """Of a service whose wrapping keys are in a file that is named, and not there yet."""
    return settings_for(network, network.folder, wrapping_keys_file=network.folder / "wrapping-keys")


@pytest.fixture
def said(network, settings, monkeypatch, capsys):
    """What `python -m api` says with these arguments."""
    network.profile.save(network.folder / "profile.json")
    for name, value in settings.model_dump().items():
        if value is not None:
            given = network.folder / "profile.json" if name == "profile" else value
            text = ",".join(map(str, given)) if isinstance(given, tuple) else str(given)
            monkeypatch.setenv(f"LEDGER_{name.upper()}", text)

    def run(*arguments, status=0):
        assert main(arguments) == status
        printed = capsys.readouterr()
        return printed.err if status == 2 else printed.out

    return run


def test_keys_rotate_under_a_running_service_and_damage_is_named(network, settings, said, now, caplog):
    keys = settings.wrapping_keys_file
    assert "No such file" in said("--create", status=2), "a file that is named is not made unasked"
    first = said("--new-wrapping-key").split("the new key ")[1].split(":")[0]
    with closing(Ledger.open(settings.config, create=True)) as ledger:
        while ledger.work_once():
            pass
    with (
        serving(network, settings) as service,
        LedgerClient(service.url, key=network.keys["exporter"], retry_seconds=0) as exporter,
    ):
        one = exporter.submit_manifest(cargo.whole_submission(exporter, now)).id
        second = said("--new-wrapping-key").split("the new key ")[1].split(":")[0]
        two = exporter.submit_manifest(cargo.whole_submission(exporter, now)).id
        rotated = said("--rewrap")
        assert f"3 objects were moved to the key {second}." in rotated, "index key, document, consignment"
        assert "No other key is needed" in rotated
        keys.write_text("".join(line for line in keys.read_text().splitlines(True) if first not in line))
        assert "0 objects were moved" in said("--rewrap")
        for manifest in (one, two):
            assert exporter.manifest(manifest).document["goods"]
        three = exporter.submit_manifest(cargo.whole_submission(exporter, now)).id
        assert "Everything that is sealed is whole." in said("--scrub")

        digest = bytes.fromhex(exporter.manifest(three).digest[2:])
        database = settings.database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(database)) as connection, connection:
            found = connection.execute("SELECT body FROM sealed_objects WHERE object_id = ?", (digest,))
            body = bytearray(found.fetchone()[0])
            body[100] ^= 4
            connection.execute(
                "UPDATE sealed_objects SET body = ? WHERE object_id = ?", (bytes(body), digest)
            )
        found = said("--scrub", status=1)
        assert (
            f"The document 0x{digest.hex()} does not open" in found and "1 sealed objects are flawed" in found
        )
        with pytest.raises(ServiceUnavailable):
            exporter.manifest(three)
        assert digest.hex() in caplog.text
        assert exporter.manifest(one).document["goods"]
