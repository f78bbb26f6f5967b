"""A relayer's key is exchanged, is lost for a while, or is the wrong one: nothing is lost and nobody has to stop anything."""

import secrets
import sqlite3
import time
from contextlib import closing

import pytest
from ledger_at_work import until
from service_process import ServiceProcess

from ledger import devchain, keys
from ledger.client import LedgerClient
from ledger.core.records import CustodyKind
from ledger.core.signatures import account_of
from ledger.errors import InvalidKey
from ledger.key_files import KeyFiles

PASSWORD = "a password of this test"


def rows(database, query):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


class Relayers:
    """A folder of relayers' key files."""

    def __init__(self, folder, url):
        self.folder, self.url, self.password = folder, url, PASSWORD
        folder.mkdir(mode=0o700)
        self.password_file = folder.with_suffix(".password")
        self.password_file.write_text(PASSWORD)

    def add(self, name):
        """Make a key file of an account that has what gas costs; the account, 20 bytes."""
        address = keys.create(self.folder, name, self.password, light=True)
        devchain.fund(self.url, address)
        return bytes.fromhex(address[2:])

    def file(self, name):
        return self.folder / f"{name}.json"


@pytest.fixture
def relayers(founded, tmp_path):
    return Relayers(tmp_path / "relayers", founded.chain.url)


@pytest.fixture
def at_work(open_ledger, relayers):
    relayers.former = relayers.add("former")
    files = KeyFiles([relayers.folder], relayers.password_file, look_seconds=0)
    at_work = open_ledger(relayer_keys=(), read_relayer_keys=files.current)
    at_work.settle()
    return at_work


def signed_by(at_work, account):
    """Hashes of the transactions that a key signed."""
    found = rows(at_work.ledger._store.path, "SELECT hash, account FROM transactions")
    return {hash_ for hash_, of in found if of == account}


def pending_of(at_work, account):
    pool = at_work.anvil.ask("txpool_content")["pending"]
    address = "0x" + account.hex()
    return [each["hash"] for of, mine in pool.items() if of.lower() == address for each in mine.values()]


def seal(at_work, manifest):
    return at_work.recorded(CustodyKind.SEAL, "exporter", manifest.consignment)


@pytest.mark.row("B17")
def test_a_key_that_is_exchanged_in_mid_queue_signs_nothing_more_and_both_drain_the_queue(
    at_work, relayers, monkeypatch
):
    monkeypatch.setattr("ledger.anchoring.RECORDS_A_BATCH", 2)
    monkeypatch.setattr("ledger.anchoring.MOST_IN_FLIGHT", 3)
    manifests = [at_work.opened() for _ in range(8)]
    amended = at_work.opened_and_settled()
    at_work.anvil.automine(False)
    for manifest in manifests:
        seal(at_work, manifest)
    at_work.ledger.lodge(at_work.amendment(amended).submission)
    at_work.turn()
    assert len(pending_of(at_work, relayers.former)) == 4  # three batches and a closure; two records wait
    by_former = signed_by(at_work, relayers.former)

    successor = relayers.add("successor")
    relayers.file("former").unlink()
    for manifest in manifests:
        seal(at_work, manifest)
    former = "0x" + relayers.former.hex()
    for transaction in pending_of(at_work, relayers.former):
        at_work.anvil.drop(
            transaction
        )  # the node forgets what the former key had signed, and takes it no more
    at_work.anvil.ask("anvil_setBalance", former, "0x0")
    at_work.anvil.automine(True)
    for _ in range(14):  # long enough that what is stuck would be sent again, then replaced by a better one
        at_work.turn()
        at_work.anvil.mine(1)
    assert signed_by(at_work, relayers.former) == by_former
    assert signed_by(at_work, successor)
    devchain.fund(at_work.profile.rpc_url, former)
    at_work.settle()
    assert signed_by(at_work, relayers.former) == by_former
    database = at_work.ledger._store.path
    assert rows(database, "SELECT count(*), min(state), max(state) FROM custody") == [(25, "done", "done")]
    assert rows(database, "SELECT count(*) FROM chain_refusals") == [(0,)]  # nothing overtook what it needs
    assert rows(database, "SELECT DISTINCT state FROM transactions") == [("final",)]
    assert rows(database, "SELECT closing FROM manifests WHERE closing IS NOT NULL") == [("done",)]
    at_work.check_everything()


@pytest.mark.row("B17")
def test_a_key_that_was_exchanged_is_said_to_have_a_gap_that_is_filled_when_it_is_back(
    at_work, relayers, caplog
):
    """Another used the key, ours followed, the chain forgot the other's: a nonce is missing that only the key could fill."""
    chain, anvil = at_work.ledger._chain, at_work.anvil
    key = keys.load(relayers.file("former"), PASSWORD).private
    address = account_of(key)
    transaction_hash, raw = chain.sign(
        chain.call_of("ConsignmentLedger", "append", [], [], gas=100_000), key, chain.nonce(address)
    )
    chain.submit(raw, transaction_hash)
    chain.wait(transaction_hash)
    at_work.turn()
    anvil.automine(False)
    manifest = at_work.opened()
    at_work.turn()
    for transaction in anvil.pending():
        anvil.drop(transaction)
    anvil.roll_back(1)
    anvil.automine(True)
    by_former = signed_by(at_work, relayers.former)
    kept = relayers.file("former").read_bytes()
    relayers.add("successor")
    relayers.file("former").unlink()
    for _ in range(4):
        at_work.turn()
        anvil.mine(1)
    assert signed_by(at_work, relayers.former) == by_former and len(by_former) == 1
    assert "put it back for as long as this takes" in caplog.text
    relayers.file("former").write_bytes(kept)
    relayers.file("former").chmod(0o600)
    at_work.settle()
    assert len(signed_by(at_work, relayers.former)) == 2
    [view] = at_work.ledger.consignment_records(manifest.consignment)
    assert view.state == "final"


@pytest.mark.row("B17")
@pytest.mark.parametrize("how", ["gone", "garbage", "locked", "password"])
def test_while_no_key_can_be_used_records_wait_heads_go_on_and_it_is_said(at_work, relayers, how, caplog):
    kept, password = relayers.file("former").read_bytes(), relayers.password_file.read_text()
    match how:
        case "gone":
            relayers.file("former").unlink()
        case "garbage":
            relayers.file("former").write_bytes(b"{}")
        case "locked":
            relayers.file("former").chmod(0o644)  # others can read it: refused, as at the start
        case "password":
            relayers.password_file.write_text("another password")
            relayers.file("former").write_bytes(kept)  # changed with it: the file is opened anew
    manifest = at_work.opened()
    for _ in range(3):
        with pytest.raises(InvalidKey, match="custody records and closures wait"):
            at_work.turn()
        at_work.anvil.mine(3)
    assert at_work.ledger.manifest(manifest.id).state in (
        "anchored",
        "final",
    )  # the sequencer's key is another
    assert not signed_by(at_work, relayers.former)
    assert "0x" + relayers.former.hex() in caplog.text.lower()
    relayers.password_file.write_text(password)
    relayers.file("former").write_bytes(kept)
    relayers.file("former").chmod(0o600)
    at_work.settle()
    [view] = at_work.ledger.consignment_records(manifest.consignment)
    assert view.state == "final" and signed_by(at_work, relayers.former)


@pytest.mark.row("B17")
def test_while_one_of_two_keys_cannot_be_used_the_other_carries_all(at_work, relayers):
    other = relayers.add("other")
    relayers.file("former").chmod(0o000)
    relayers.file("former").write_bytes(b"")
    manifests = [at_work.opened() for _ in range(4)]
    at_work.settle()
    assert not signed_by(at_work, relayers.former) and signed_by(at_work, other)
    assert rows(at_work.ledger._store.path, "SELECT DISTINCT state FROM custody") == [("done",)]
    assert len(manifests) == 4


@pytest.mark.row("B17")
def test_a_sequencers_key_that_may_not_anchor_is_said_and_loses_nothing(open_ledger, founded, caplog):
    wrong = secrets.token_bytes(32)
    devchain.fund(founded.chain.url, account_of(wrong))
    at_work = open_ledger(sequencer_key=wrong)
    at_work.work()
    manifest = at_work.lodged()
    for _ in range(3):
        at_work.turn()
        at_work.anvil.mine(3)
    assert at_work.ledger.manifest(manifest.id).state == "sequenced"
    assert "is not anchored" in caplog.text
    at_work.config = founded.config(at_work.ledger._store.path)
    at_work.reopen()
    at_work.settle()
    assert at_work.ledger.manifest(manifest.id).state in ("anchored", "final")


@pytest.mark.row("B17")
def test_a_running_service_exchanges_its_relayers_key(founded, anvil, relayers, tmp_path):
    """Over HTTP, with the real worker: a key file comes, one goes, and the queue is carried on."""
    folder = tmp_path / "service"
    folder.mkdir()
    service = ServiceProcess(founded, folder, LEDGER_RELAYER_KEY_FILES=str(relayers.folder))
    relayers.password = (folder / "password").read_text().strip()
    former = relayers.add("former")
    service.start("--create")
    try:
        database = service.environment["LEDGER_DATABASE_URL"].removeprefix("sqlite:///")
        with LedgerClient(service.url, key=founded.keys["exporter"]) as exporter:
            until(lambda: exporter.readiness().ready, seconds=60)
            lodged = [_lodge(exporter) for _ in range(3)]
            for one in lodged:
                exporter.open(one.consignment, "SG:ACME01", manifest_root=one.root, blind=one.blind)
            until(lambda: rows(database, "SELECT 1 FROM transactions WHERE purpose = 'append'"), seconds=60)
            successor = relayers.add("successor")
            relayers.file("former").unlink()
            until(lambda: "signs nothing from now on" in service.log.read_text(), seconds=60)
            before = {hash_ for hash_, of in rows(database, _SIGNED) if of == former}
            for one in lodged:
                exporter.seal(one.consignment, "SG:ACME01")
            done = "SELECT count(*) FROM custody WHERE state = 'done'"
            while rows(database, done) != [(6,)]:  # what the former key carried must be final first
                time.sleep(0.3)
                anvil.mine()
        found = rows(database, _SIGNED)
        assert {hash_ for hash_, of in found if of == former} == before
        assert any(of == successor for _, of in found)
    finally:
        service.stop()


_SIGNED = "SELECT hash, account FROM transactions"


def _lodge(client):
    reference = f"ucr:6SG{secrets.token_hex(6).upper()}"
    scheme, _, value = reference.partition(":")
    document = {
        "schema": "cargo-manifest/1",
        "references": [{"scheme": scheme, "value": value}],
        "goods": [{"sequence": 1, "description": "Static converters"}],
    }
    return client.lodge(document, "SG:ACME01", reference=reference)
