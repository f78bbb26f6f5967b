"""`audit fsck`: one real life, a copy of its database for each corruption that is planted, and each found by its name."""

import contextlib
import functools
import json
import multiprocessing
import shlex
import sqlite3
from dataclasses import replace
from pathlib import Path

import audit_life
import faulty_node
import fsck_life
import ledger_at_work
import pytest
import sqlalchemy
from fsck_damage import DAMAGES, batches, flip
from fsck_life import found_by, told
from ledger_at_work import until
from proof import form
from typer.testing import CliRunner
from vaults import vault_at

import ledger.serving.working
from ledger import tables as t
from ledger.audit.fsck.repair import REPAIRED, repair
from ledger.audit.fsck.run import Look, Wanted, fsck, judging, look
from ledger.cli.main import app
from ledger.core import slots
from ledger.errors import ChainMismatch, StoreError
from ledger.ledger import Ledger
from ledger.rows.sealed import WEBHOOK_URL
from ledger.store import Store


@contextlib.contextmanager
def unseen(_name, _steps):
    """Progress that nobody looks at."""
    yield lambda *_: None


@pytest.fixture(scope="module")
def life(network, tmp_path_factory):
    """A desk at rest, and what of it the tests speak of; its database is closed, and whole in one file."""
    folder = tmp_path_factory.mktemp("fsck")
    with contextlib.closing(ledger_at_work.controls(network)) as anvil, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
        desk = ledger_at_work.open_ledger(network, anvil, folder / "life.sqlite3")
        desk.settle()
        known = fsck_life.live(desk)
        evidence = desk.ledger.manifest_evidence(known["third"].id)
        desk.ledger.close()
        (folder / "box.evidence.json").write_bytes(evidence)
        network.profile.save(folder / "profile.json")
        trust = audit_life.trust_for(network.profile)
        (folder / "trust.json").write_bytes(trust.encode())
        keys = folder / "life.sqlite3.wrapping-keys"
        yield {"desk": desk, "folder": folder, "trust": trust, "wrapping_keys": keys, **known}


@pytest.fixture(scope="module")
def wanted(life):
    return Wanted(life["desk"].profile, life["trust"], life["wrapping_keys"])


@pytest.fixture(scope="module")
def judged(wanted):
    """The chain, judged once for all."""
    with judging(wanted, unseen) as judged:
        assert (judged.replay, judged.found, judged.unchecked) == ("VALID", [], [])
        yield judged


@pytest.fixture(scope="module")
def opened(life, tmp_path_factory):
    """One open database, into which each test gets the whole one anew: to open it costs as much as to look at it."""
    path = fsck_life.copied(life["folder"] / "life.sqlite3", tmp_path_factory.mktemp("copy") / "sg.sqlite3")
    with contextlib.closing(Store(f"sqlite:///{path}")) as store:
        yield store


@pytest.fixture
def store(life, opened):
    fsck_life.set_back(life["folder"] / "life.sqlite3", opened.path)
    return opened


def test_a_database_that_is_whole_is_clean(store, wanted, judged):
    outcome = look(store, wanted, judged, unseen)
    assert (outcome.found, outcome.unchecked, outcome.verdict) == ([], [], "VALID")
    assert not [name for name, rows in outcome.counts.items() if not rows and name not in UNTOUCHED]


def test_events_that_are_not_kept_any_more_are_not_missed_and_others_are(store, wanted, judged):
    with store.write() as session:
        last = session.last_told()
        forgotten = session.feed_rows.forget(1 << 40, last // 2, ())
    assert forgotten > 20
    assert look(store, wanted, judged, unseen).found == []
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute("DELETE FROM feed WHERE id = ?", (last - 3,))
    assert found_by(look(store, wanted, judged, unseen), "missing", "feed", str(last - 3))


UNTOUCHED = (
    *("sessions", "spent_challenges", "loaders"),
    *("webhooks", "webhook_secrets", "webhook_messages"),
)


def test_what_is_sealed_of_a_webhook_is_opened_too(life, store, wanted, judged):
    webhook = b"\x01" * 32
    with store.write() as session:
        session._vault = vault_at(life["wrapping_keys"])
        session.seal_webhook(WEBHOOK_URL, webhook, b"https://customs.example/hook")
        row = {"webhook": webhook, "account": bytes(20), "url": bytes(32), "kinds": "[]", "created_at": 1}
        row |= {"state": "active", "revision": 1, "followed": 0, "paused_ms": 0, "delivered": 0, "failed": 0}
        session.put_right(t.webhooks, {"webhook": webhook}, row)
    assert look(store, wanted, judged, unseen).verdict == "VALID"
    with contextlib.closing(sqlite3.connect(store.path)) as connection, connection:
        flip("sealed_objects", "body", "kind = 'webhook URL'", 20)(connection, {})
    assert found_by(look(store, wanted, judged, unseen), "changed", "sealed_objects", "webhook URL/0x01")
    with store.write() as session:
        session.put_right(t.webhooks, {"webhook": webhook}, None)
    assert found_by(look(store, wanted, judged, unseen), "missing", "webhooks", "Its webhook URL is kept")


BATCH_OF = {name: tuple(batch) for batch in batches() for name in batch}


@pytest.fixture(scope="module")
def look_at(life, opened, wanted, judged):
    """What comes of a batch of damages that show in different tables; each batch is looked at once."""

    @functools.cache
    def one(batch):
        fsck_life.set_back(life["folder"] / "life.sqlite3", opened.path)
        for name in batch:
            DAMAGES[name].plant(opened.path, life)
        outcome = look(opened, wanted, judged, unseen)
        with contextlib.closing(sqlite3.connect(f"file:{opened.path}?mode=ro", uri=True)) as connection:
            for each in outcome.found:
                program, *_, path, query = shlex.split(each.command)
                assert (program, path) == ("sqlite3", str(opened.path))
                connection.execute(query).fetchall()
        return outcome

    return one


@pytest.mark.parametrize("name", DAMAGES)
def test_each_corruption_is_found_by_its_name(name, look_at):
    outcome = look_at(BATCH_OF[name])
    assert outcome.verdict == "INVALID"
    for expected in DAMAGES[name].expected:
        assert found_by(outcome, *expected), told(outcome)
    tables = set().union(*(DAMAGES[each].tables for each in BATCH_OF[name]))
    assert {each.where for each in outcome.found} <= tables, told(outcome)


@pytest.fixture(scope="module")
def on_postgresql(life, postgres):
    """A database of PostgreSQL, with the whole one's rows anew for each batch; its identity stands."""
    with contextlib.closing(Store(postgres.create("fsck_all"), create=True)) as store:
        yield store


def poured(sqlite, store):
    """Put every row of a database of SQLite into one of PostgreSQL."""
    with contextlib.closing(Store(f"sqlite:///{sqlite}")) as whole, whole.read() as session:
        with store.write() as own:
            for table in reversed(t.METADATA.sorted_tables):
                own._connection.execute(sqlalchemy.delete(table))
            for table in t.METADATA.sorted_tables:
                rows = [dict(row._mapping) for row in session.every(table)]
                if rows:
                    own._connection.execute(sqlalchemy.insert(table), rows)


@pytest.mark.parametrize("batch", batches()[: form(4, 1_000)], ids=lambda batch: batch[0])
def test_the_same_corruptions_are_found_on_postgresql(batch, life, opened, on_postgresql, wanted, judged):
    fsck_life.set_back(life["folder"] / "life.sqlite3", opened.path)
    for name in batch:
        DAMAGES[name].plant(opened.path, life)
    poured(opened.path, on_postgresql)
    outcome = look(on_postgresql, wanted, judged, unseen)
    assert outcome.verdict == "INVALID"
    for name in batch:
        for expected in DAMAGES[name].expected:
            assert found_by(outcome, *expected), f"{name}: {expected}\n{told(outcome)}"


PLACES = {
    "chain data": ("blocks", "chain_"),
    "store": ("manifests", "custody", "transactions", "consignments", "search_terms", "feed", "erasures"),
    "tree": ("tiles", "log"),
    "objects": ("sealed_objects", "accompanying"),
}


def test_more_than_fifty_corruptions_are_planted_in_every_place_that_can_be_damaged():
    places = {
        next((name for name, starts in PLACES.items() if where.startswith(starts)), where)
        for damage in DAMAGES.values()
        for _, where, _ in damage.expected
    }
    assert len(DAMAGES) >= 50 and places == set(PLACES), places
    assert len(list(evidence_changes(None))) >= 9, "and evidence, below"


# --- what is not in the database


def test_a_page_of_the_file_that_the_disk_lost_is_named(life, wanted, judged, tmp_path):
    path = fsck_life.copied(life["folder"] / "life.sqlite3", tmp_path / "sg.sqlite3")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        page = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name LIKE 'ix_chain_custody_digest'"
        ).fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    with path.open("r+b") as file:
        file.seek(page * size - 32)  # the last bytes of an index's page: entries that lead to rows
        file.write(bytes(32))
    with contextlib.closing(Store(f"sqlite:///{path}")) as store:
        outcome = look(store, wanted, judged, unseen)
    assert outcome.verdict == "INVALID"
    assert found_by(outcome, "changed", "file", "ix_chain_custody_digest"), told(outcome)


def evidence_changes(evidence):
    """A bit of each part of an evidence file, in its one encoding."""

    def flipped(text):
        return text[:-1] + ("0" if text[-1] != "0" else "1")

    yield "signature", lambda e: e["manifest"].update(signature=flipped(e["manifest"]["signature"]))
    yield "root", lambda e: e["manifest"].update(root=flipped(e["manifest"]["root"]))
    yield "index", lambda e: e["manifest"].update(index=str(int(e["manifest"]["index"]) + 1))
    yield "reference", lambda e: e.update(reference=e["reference"] + "X")
    yield "key", lambda e: e.update(consignment_key=flipped(e["consignment_key"]))
    yield "record", lambda e: e["custody"][0].update(signature=flipped(e["custody"][0]["signature"]))
    yield "a record left out", lambda e: e["custody"].pop()
    yield "node", lambda e: e["chain"]["nodes"].__setitem__(-1, flipped(e["chain"]["nodes"][-1]))
    yield "header", lambda e: e["chain"]["headers"].__setitem__(0, flipped(e["chain"]["headers"][0]))


def test_evidence_files_are_judged_and_each_damaged_one_is_named(life, store, wanted, judged, tmp_path):
    whole = life["folder"] / "box.evidence.json"
    outcome = look(store, replace(wanted, evidence=[whole]), judged, unseen)
    assert (outcome.found, outcome.unchecked, outcome.verdict) == ([], [], "VALID")
    files = []
    for name, change in evidence_changes(whole):
        evidence = json.loads(whole.read_bytes())
        change(evidence)
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(evidence, separators=(",", ":"), sort_keys=True))
    files.append(tmp_path / "cut off.json")
    files[-1].write_bytes(whole.read_bytes()[:-40])
    outcome = look(store, replace(wanted, evidence=files), judged, unseen)
    assert {each.where for each in outcome.found} == {str(each) for each in files}, told(outcome)


def test_contract_storage_and_a_chain_that_do_not_hold_are_named(life, store, wanted):
    desk, consignment = life["desk"], life["box"].consignment
    address = desk.profile.address_of("ConsignmentLedger")
    slot = "0x" + slots.trail(consignment).hex()
    with contextlib.closing(ledger_at_work.controls(desk.network)) as anvil:
        true = anvil.ask("eth_getStorageAt", address, slot, "latest")
        try:
            anvil.ask("anvil_setStorageAt", address, slot, "0x" + "11" * 32)
            anvil.mine(desk.profile.confirmations + 2)
            outcome = fsck(store, wanted, unseen)
        finally:
            anvil.ask("anvil_setStorageAt", address, slot, true)
            anvil.mine(desk.profile.confirmations + 2)
    assert [(each.kind, each.where) for each in outcome.found] == [("changed", "contract storage")]
    assert f"trail of consignment 0x{consignment.hex()}" in outcome.found[0].what


def test_a_node_that_leaves_one_event_out_is_named_and_nothing_is_held_against_it(
    life, store, wanted, judged
):
    with judged.anew.store.read() as session:
        block = session.first(t.chain_custody, sequence=5).block_number

    def omit(request, answer):
        """Leave the last log of that block out, in an answer that is valid as such."""
        both = zip(request, answer, strict=True) if isinstance(request, list) else [(request, answer)]
        for asked, given in both:
            if asked["method"] == "eth_getBlockReceipts" and given["result"]:
                receipt = given["result"][-1]
                if int(receipt["blockNumber"], 16) == block:
                    receipt["logs"].pop()
        return answer

    with faulty_node.before(wanted.profile.rpc_url) as node:
        node.fault = omit
        outcome = fsck(store, replace(wanted, profile=replace(wanted.profile, rpc_url=node.url)), unseen)
    assert outcome.verdict == "INVALID" and outcome.replay == "INVALID"
    assert [(each.where, each.id) for each in outcome.found] == [("chain", "receipts")]
    assert f"Block {block} " in outcome.found[0].what
    assert any("can't be made anew" in each for each in outcome.unchecked)


# --- what can't be checked


def test_what_can_not_be_checked_is_said_and_never_clean(life, store, wanted, judged):
    outcome = look(store, replace(wanted, wrapping_keys=None), judged, unseen)
    assert (outcome.found, outcome.verdict) == ([], "INDETERMINATE")
    assert outcome.unchecked == [
        f"{outcome.counts['sealed_objects'] - 2} encrypted objects were not opened, since the wrapping keys are not here: "
        "name their file."
    ]
    for without in ({"profile": None}, {"trust": None}):
        outcome = fsck(store, replace(wanted, **without), unseen)
        assert (outcome.found, outcome.verdict, outcome.block) == ([], "INDETERMINATE", None)
        assert any("held against nothing but themselves" in each for each in outcome.unchecked)
    with faulty_node.before() as nothing:
        nothing.fault = lambda _request, _answer: faulty_node.HANG_UP
        away = replace(wanted.profile, rpc_url=nothing.url)
        outcome = fsck(store, replace(wanted, profile=away), unseen)
    assert (outcome.found, outcome.verdict) == ([], "INDETERMINATE")
    assert any("The node was of no use" in each for each in outcome.unchecked)


def test_without_a_node_what_does_not_derive_from_the_chain_is_still_found(life, store, wanted):
    DAMAGES["a bit of a node"].plant(store.path, life)
    DAMAGES["an accepted record to be sent again"].plant(store.path, life)
    outcome = fsck(store, replace(wanted, profile=None), unseen)
    assert {each.where for each in outcome.found} == {"tiles", "custody"}, told(outcome)


def test_the_database_or_trust_file_of_another_chain_is_refused(store, wanted):
    with sqlite3.connect(store.path) as connection:
        connection.execute(
            "UPDATE identity SET value = '0x' || hex(zeroblob(32)) WHERE name = 'genesis_hash'"
        )
    connection.close()
    with pytest.raises(StoreError, match="of another chain"):
        fsck(store, wanted, unseen)
    with sqlite3.connect(store.path) as connection:
        connection.execute("DELETE FROM identity WHERE name = 'genesis_hash'")
    connection.close()
    with pytest.raises(StoreError, match="genesis_hash missing"):
        fsck(store, replace(wanted, profile=None), unseen)


def test_a_trust_file_of_another_chain_is_refused(store, wanted):
    other = replace(wanted.trust, genesis_hash=bytes(32))
    with pytest.raises(ChainMismatch):
        fsck(store, replace(wanted, trust=other), unseen)


# --- repair

OF_THE_CHAIN = [
    name for name, each in DAMAGES.items() if {where for _, where, _ in each.expected} <= REPAIRED
]


def test_a_repair_puts_right_what_derives_from_the_chain_and_touches_nothing_else(
    life, store, wanted, judged
):
    with store.read() as session:
        whole = fsck_life.everything(session)
    together = [
        "a record's time changed",
        "a record taken out",
        "a refusal taken out",
        "a head taken out",
        "a head too many",
        "a closure's reason",
        "more rights for an account",
        "a block taken out",
        "a block's time",
        "an event of a contract that is none",
    ]
    assert {*together} <= {*OF_THE_CHAIN}
    for name in [*together, "a bit of a node", "what an event tells", "an accepted record taken out"]:
        DAMAGES[name].plant(store.path, life)
    with store.read() as session:
        damaged = fsck_life.everything(session)
    outcome = look(store, replace(wanted, repairs=True), judged, unseen)
    with store.read() as session:
        after = fsck_life.everything(session)
    changed = {name for name in whole if damaged[name] != whole[name]}
    assert changed == {each.name for each in t.DERIVED} | {"blocks", "tiles", "feed", "custody"}
    for name, rows in after.items():
        assert rows == (whole if name in REPAIRED else damaged)[name], name
    assert {each.where for each in outcome.repaired} == REPAIRED
    assert {each.where for each in outcome.found} == {"tiles", "feed", "custody"}, told(outcome)
    assert outcome.verdict == "INVALID"


@pytest.mark.parametrize(
    "name", ["two records exchanged", "a block of the future", "an event that is no JSON"]
)
def test_what_was_put_right_is_clean(name, life, store, wanted, judged):
    DAMAGES[name].plant(store.path, life)
    outcome = look(store, replace(wanted, repairs=True), judged, unseen)
    assert outcome.repaired and not outcome.found, told(outcome)
    assert outcome.verdict == "VALID"
    again = look(store, replace(wanted, repairs=True), judged, unseen)
    assert (again.repaired, again.verdict) == ([], "VALID")


def test_nothing_is_repaired_while_a_worker_is_at_work_or_from_a_chain_that_is_not_judged(
    life, store, wanted, judged
):
    DAMAGES["a record taken out"].plant(store.path, life)
    with store.read() as session:
        before = fsck_life.everything(session)
    with contextlib.closing(store.worker_lock()), pytest.raises(StoreError, match="stop the service first"):
        look(store, replace(wanted, repairs=True), judged, unseen)
    with pytest.raises(StoreError, match="Nothing was repaired"):
        fsck(store, replace(wanted, profile=None, repairs=True), unseen)
    with store.read() as session:
        assert fsck_life.everything(session) == before


def test_a_repair_that_is_killed_in_the_middle_has_done_nothing(life, tmp_path, wanted, judged):
    path = fsck_life.copied(life["folder"] / "life.sqlite3", tmp_path / "sg.sqlite3")
    for name in ("a record's time changed", "a closure's reason", "a head taken out"):
        DAMAGES[name].plant(path, life)
    with contextlib.closing(Store(f"sqlite:///{path}")) as store:
        _, differences = Look(store, wanted, judged, unseen).database()
        with store.read() as session:
            before = fsck_life.everything(session)
    assert {each.table.name for each in differences} == {"chain_custody", "chain_closures", "chain_heads"}
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(ENDLESS)  # the last row that is put right takes for ever
    program = multiprocessing.get_context("fork").Process(target=mend, args=(path, differences))
    program.start()
    try:
        until(lambda: is_writing(path) or not program.is_alive(), seconds=60)
        assert program.is_alive()
    finally:
        program.kill()
        program.join()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER endless")
    with contextlib.closing(Store(f"sqlite:///{path}")) as store:
        with store.read() as session:
            assert fsck_life.everything(session) == before
        assert look(store, replace(wanted, repairs=True), judged, unseen).verdict == "VALID"


def mend(path, differences):
    """In a process of its own."""
    repair(Store(f"sqlite:///{path}"), differences)


ENDLESS = (
    "CREATE TRIGGER endless BEFORE INSERT ON chain_closures BEGIN SELECT count(*) FROM (WITH RECURSIVE c(x) AS "
    "(SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c); END"
)


def is_writing(path):
    """Whether somebody is in a writing transaction."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


# --- a running service


def test_a_running_service_is_not_disturbed_and_goes_on_meanwhile(life, tmp_path, wanted):
    desk = life["desk"]
    path = fsck_life.copied(life["folder"] / "life.sqlite3", tmp_path / "sg.sqlite3")
    config = replace(desk.config, database_url=f"sqlite:///{path}", wrapping_keys_file=life["wrapping_keys"])
    with (
        contextlib.closing(Ledger.open(config)) as ledger,
        contextlib.closing(Store(config.database_url)) as store,
    ):
        at_work = replace(desk, config=config, ledger=ledger)
        before = [0, 0]

        @contextlib.contextmanager
        def meanwhile(name, _steps):
            """At every step of the check the service accepts and works; what was being looked at stays as it was."""
            if name == "checking the feed":
                before[0] += 1
                at_work.lodged()
                at_work.work()
            yield lambda *_: None

        at_work.lodged()
        at_work.work()
        outcome = fsck(store, wanted, meanwhile)
        assert before[0] == 1
        assert (outcome.found, outcome.verdict) == ([], "VALID"), told(outcome)
        with pytest.raises(StoreError, match="readonly"), store.snapshot(None) as session:
            session.set_next_index(0)
        at_work.settle()
        assert fsck(store, wanted, unseen).verdict == "VALID"


# --- the command


def command(life, path):
    folder = life["folder"]
    return [
        *("audit", "fsck", "--database", f"sqlite:///{path}", "--profile", str(folder / "profile.json")),
        *("--trust", str(folder / "trust.json"), "--wrapping-keys", str(life["wrapping_keys"])),
        *("--processes", "0"),
    ]


def test_the_command_tells_people_and_programs_and_ends_with_its_code(life, store):
    def run(*words):
        return CliRunner().invoke(app, [*command(life, store.path), *words], prog_name="cargo-ledger")

    clean = run(str(life["folder"] / "box.evidence.json"))
    assert clean.exit_code == 0, clean.output
    assert "Nothing is wrong." in clean.stdout and "VALID, as of block" in clean.stdout
    DAMAGES["a record taken out"].plant(store.path, life)
    DAMAGES["a bit of a document"].plant(store.path, life)
    broken = run("--json")
    assert broken.exit_code == 1
    told = json.loads(broken.stdout)
    assert told["verdict"] == "INVALID"
    assert [(each["kind"], each["where"]) for each in told["found"]] == [
        ("missing", "chain_custody"),
        ("changed", "sealed_objects"),
    ]
    assert told["found"][0]["id"] == "5" and told["found"][0]["block"] > 0
    assert told["found"][0]["command"].startswith("sqlite3 -readonly ")
    mended = run("--repair")
    assert mended.exit_code == 1, "the document is not the chain's to put right"
    before, _, after = mended.stdout.partition("sealed_objects")
    assert "Put right" in before and "chain_custody" in before and "INVALID, as of block" in after
    unopened = [
        word
        for word in command(life, store.path)
        if word not in ("--wrapping-keys", str(life["wrapping_keys"]))
    ]
    partly = CliRunner().invoke(
        app, [*unopened], prog_name="cargo-ledger", env={"LEDGER_WRAPPING_KEYS_FILE": None}
    )
    assert partly.exit_code == 3, partly.output
    assert "Not checked: " in partly.stdout and "INDETERMINATE" in partly.stdout


def test_a_database_that_is_not_there_is_one_sentence(life, tmp_path):
    result = CliRunner().invoke(app, command(life, tmp_path / "none.sqlite3"), prog_name="cargo-ledger")
    assert result.exit_code == 1 and not Path(tmp_path / "none.sqlite3").exists()
