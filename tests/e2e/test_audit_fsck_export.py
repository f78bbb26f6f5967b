"""`audit fsck` from an export: what it finds without a node, what it can't look at and says, and what it refuses."""

import contextlib
import json
from dataclasses import replace

import audit_life
import fsck_life
import ledger_at_work
import pytest
from fsck_damage import DAMAGES, batches
from fsck_life import found_by, told
from proof import form
from typer.testing import CliRunner

import ledger.serving.working
from ledger.audit import export_file
from ledger.audit.fsck.offline import WORD
from ledger.audit.fsck.run import Wanted, fsck
from ledger.audit.node import NodeSource
from ledger.chain import Chain
from ledger.cli.main import app
from ledger.errors import InvalidExport, StoreError
from ledger.store import Store

#: What only a node says: what became of a transaction that was sent.
BY_A_NODE_ALONE = {
    "a transaction that failed",
    "a transaction that was outrun",
    "a transaction in another block",
}


@contextlib.contextmanager
def unseen(_name, _steps):
    """Progress that nobody looks at."""
    yield lambda *_: None


@pytest.fixture(scope="module")
def life(network, tmp_path_factory):
    """A desk at rest, an export of its chain, and the node gone."""
    folder = tmp_path_factory.mktemp("fsck-export")
    with contextlib.closing(ledger_at_work.controls(network)) as anvil, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
        desk = ledger_at_work.open_ledger(network, anvil, folder / "life.sqlite3")
        desk.settle()
        known = fsck_life.live(desk)
        evidence = desk.ledger.manifest_evidence(known["third"].id)
        (folder / "box.evidence.json").write_bytes(evidence)
        anvil.mine(desk.profile.confirmations + 2)
        desk.ledger.close()
        with contextlib.closing(NodeSource(Chain(network.profile))) as source:
            export_file.write(source, folder / "chain.audit")
        trust = audit_life.trust_for(network.profile)
        (folder / "trust.json").write_bytes(trust.encode())
        keys = folder / "life.sqlite3.wrapping-keys"
        yield {"desk": desk, "folder": folder, "trust": trust, "wrapping_keys": keys, **known}


@pytest.fixture(scope="module")
def wanted(life):
    """No profile: nothing knows where a node is."""
    return Wanted(None, life["trust"], life["wrapping_keys"], export=life["folder"] / "chain.audit")


@pytest.fixture(scope="module")
def opened(life, tmp_path_factory):
    path = fsck_life.copied(life["folder"] / "life.sqlite3", tmp_path_factory.mktemp("copy") / "sg.sqlite3")
    with contextlib.closing(Store(f"sqlite:///{path}")) as store:
        yield store


@pytest.fixture
def store(life, opened):
    fsck_life.set_back(life["folder"] / "life.sqlite3", opened.path)
    return opened


def test_a_database_that_is_whole_shows_nothing_and_what_an_export_can_not_show_is_said(store, wanted):
    outcome = fsck(store, wanted, unseen)
    assert (outcome.replay, outcome.found) == ("VALID", []), told(outcome)
    assert outcome.verdict == "INDETERMINATE", "an export does not show all that is looked at"
    assert outcome.unchecked == [
        WORD,
        "Contract storage was not read: an export holds of it but the contracts' code and event counts.",
        "No node was asked what became of the transactions that were sent.",
    ]
    with store.read() as session:
        assert outcome.block == session.cursor().number, "to the end"


@pytest.mark.parametrize("batch", batches()[: form(12, 1_000)], ids=lambda batch: batch[0])
def test_each_corruption_is_found_by_its_name_without_a_node(batch, life, store, wanted):
    for name in batch:
        DAMAGES[name].plant(store.path, life)
    outcome = fsck(store, wanted, unseen)
    assert outcome.verdict == "INVALID"
    for name in {*batch} - BY_A_NODE_ALONE:
        for expected in DAMAGES[name].expected:
            assert found_by(outcome, *expected), f"{name}: {expected}\n{told(outcome)}"
    tables = set().union(*(DAMAGES[name].tables for name in batch))
    assert {each.where for each in outcome.found} <= tables, told(outcome)


def test_of_a_record_that_others_sent_the_tables_are_held_against_each_other(life, store, wanted):
    """No transaction of ours bears it out: which table is wrong can't be told, that one is can."""
    with store.write() as session:
        session._connection.exec_driver_sql("DELETE FROM transactions WHERE purpose = 'append'")
    DAMAGES["another transaction"].plant(store.path, life)
    outcome = fsck(store, wanted, unseen)
    assert any(each.where == "feed" and "'transaction': " in each.what for each in outcome.found), told(
        outcome
    )


def test_evidence_files_are_judged_without_a_node_too(life, store, wanted, tmp_path):
    whole = life["folder"] / "box.evidence.json"
    assert fsck(store, replace(wanted, evidence=[whole]), unseen).found == []
    evidence = json.loads(whole.read_bytes())
    evidence["reference"] += "X"
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(evidence, separators=(",", ":"), sort_keys=True))
    outcome = fsck(store, replace(wanted, evidence=[changed]), unseen)
    assert {each.where for each in outcome.found} == {str(changed)}, told(outcome)


def test_what_the_service_read_beyond_the_export_is_said_and_not_compared(life, store, wanted, tmp_path):
    short = tmp_path / "short.audit"
    profile = life["desk"].profile
    with contextlib.closing(NodeSource(Chain(profile), profile.deployment_block + 30)) as source:
        export_file.write(source, short)
    outcome = fsck(store, replace(wanted, export=short), unseen)
    assert outcome.found == [], told(outcome)
    assert any(
        f"Blocks {profile.deployment_block + 31} to " in each and "are not in the export" in each
        for each in outcome.unchecked
    )
    DAMAGES["a record taken out"].plant(store.path, life)
    again = fsck(store, replace(wanted, export=short), unseen)
    assert found_by(again, "missing", "chain_custody", "5"), "what it has is compared all the same"


def test_an_export_that_is_cut_off_altered_or_of_another_chain_is_refused(life, store, wanted, tmp_path):
    whole = (life["folder"] / "chain.audit").read_bytes()
    for name, data in {
        "cut": whole[:-40],
        "altered": whole[:900] + bytes([whole[900] ^ 1]) + whole[901:],
    }.items():
        path = tmp_path / f"{name}.audit"
        path.write_bytes(data)
        with pytest.raises(InvalidExport, match=r"at byte \d+"):
            fsck(store, replace(wanted, export=path), unseen)
    with contextlib.closing(NodeSource(Chain(life["desk"].profile))) as source:
        source.network = replace(source.network, genesis_hash=b"\x77" * 32)
        export_file.write(source, tmp_path / "other.audit")
    with pytest.raises(StoreError, match="The database is of another chain: its genesis_hash is"):
        fsck(store, replace(wanted, export=tmp_path / "other.audit"), unseen)


def test_the_command_says_what_an_export_does_not_show_and_repairs_nothing_from_it(life, store, monkeypatch):
    folder = life["folder"]
    monkeypatch.setenv("COLUMNS", "300")
    away = replace(life["desk"].profile, rpc_url="http://127.0.0.1:1")
    away.save(folder / "away.json")
    monkeypatch.setenv("CARGO_LEDGER_PROFILE", str(folder / "away.json"))  # an export takes a node's place

    def run(*words):
        options = ("--database", f"sqlite:///{store.path}", "--trust", str(folder / "trust.json"))
        options += ("--wrapping-keys", str(life["wrapping_keys"]), "--export", str(folder / "chain.audit"))
        return CliRunner().invoke(
            app, ["audit", "fsck", *options, "--processes", "0", *words], prog_name="cargo-ledger"
        )

    clean = run()
    assert clean.exit_code == 3, clean.output
    assert "Nothing is wrong." in clean.stdout and f"Not checked: {WORD}" in clean.stdout
    DAMAGES["a record taken out"].plant(store.path, life)
    broken = run("--json")
    assert broken.exit_code == 1
    assert [(each["kind"], each["where"], each["id"]) for each in json.loads(broken.stdout)["found"]] == [
        ("missing", "chain_custody", "5")
    ]
    with store.read() as session:
        before = fsck_life.everything(session)
    refused = run("--repair")
    assert refused.exit_code == 1 and "Nothing was repaired: an export does not say" in refused.stderr
    with store.read() as session:
        assert fsck_life.everything(session) == before
