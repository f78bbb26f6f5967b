"""What an auditor asks of a real chain whose answers are known; beside each answer the one that must not come."""

import contextlib
import json
from datetime import UTC, datetime

import asked_life
import ledger_at_work
import pytest
from audit_life import party, trust_for
from typer.testing import CliRunner

import ledger.serving.working
from ledger.audit import questions, stored
from ledger.audit.citing import ExportCiting, NodeCiting
from ledger.audit.export_file import ExportSource
from ledger.audit.papers import read_all
from ledger.audit.replay import Settings, replay
from ledger.audit.replayed import ReplayedChronicle
from ledger.chain import Chain
from ledger.cli.main import app
from ledger.core.records import Role
from ledger.errors import InvalidQuestion, NotFound, TooMuchConnected
from ledger.reading import Reader

QUESTIONS = "holder, allowed, signed-since, amended, released-before, shared-containers, moved-while-held, disputed, late-manifests, late-records"


@pytest.fixture(scope="module")
def life(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    patch = pytest.MonkeyPatch()
    patch.setattr(ledger.serving.working, "SEQUENCE_SECONDS", 0.0)
    with contextlib.closing(ledger_at_work.controls(network)) as anvil:
        desk = ledger_at_work.open_ledger(network, anvil, folder / "sg.sqlite3")
        desk.settle()
        yield asked_life.live(desk)
        desk.ledger.close()
    patch.undo()


@pytest.fixture(scope="module")
def folder(life, tmp_path_factory):
    """A folder with the profile, the trust file, an export, and all papers of the life."""
    folder = tmp_path_factory.mktemp("auditor")
    life.desk.profile.save(folder / "profile.json")
    (folder / "trust.json").write_bytes(trust_for(life.desk.profile).encode())
    (folder / "papers").mkdir()
    for name, paper in life.papers.items():
        (folder / "papers" / f"{name}.json").write_text(json.dumps(paper))
    run("audit", "export", folder / "chain.audit", "--profile", folder / "profile.json", "--without-tables")
    return folder


def run(*words, code=0):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, [str(word) for word in words], prog_name="cargo-ledger"
    )
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def replayed(folder, life):
    with (
        contextlib.closing(ExportSource(folder / "chain.audit")) as source,
        replay(source, Settings(trust_for(life.desk.profile))) as replayed,
    ):
        yield replayed


@pytest.fixture(scope="module")
def ask(folder, replayed):
    """Ask of the replayed export, with all papers unless others are named; the answer as JSON."""

    def ask(question, papers="papers", **asked):
        held = read_all([folder / papers] if papers else [])
        chronicle = ReplayedChronicle(replayed, held, ExportCiting(folder / "chain.audit"))
        return questions.ask(chronicle, question, questions.Asked(**asked)).to_json()

    return ask


def facts(answer, *names):
    rows = [tuple(row["facts"][name] for name in names) for row in answer["rows"]]
    return [row[0] for row in rows] if len(names) == 1 else rows


def address(text):
    return bytes.fromhex(text[2:])


def hexed(value):
    return "0x" + value.hex()


def test_who_was_in_charge_at_a_time(life, ask):
    for at, holder in [
        (life.times["open box"] - 1, None),
        (life.times["open box"], "SG:ACME01"),
        (life.times["accept"] - 1, "SG:ACME01"),
        (life.times["accept"], "SG:CARR01"),
    ]:
        answer = ask("holder", consignment=life.box.consignment, at=at)
        assert facts(answer, "holder") == [holder], answer["answer"]
    assert facts(answer, "inside", "began_by") == [
        (hexed(life.crate.consignment), hexed(life.digests["accept"]))
    ]
    answer = ask("holder", consignment=life.other.consignment, at=life.times["close other"])
    assert facts(answer, "holder") == [None] and "was closed" in answer["answer"]


def names_of(answer, row=0):
    return [answer["events"][place]["name"] for place in answer["rows"][row]["events"]]


def test_all_that_an_answer_says_stands_in_an_event_that_it_names(life, ask):
    """Holds, what the cargo is in, the revocation that dates back: not the custodian's record alone."""
    box, officer = life.box.consignment, address(life.officer)
    held = ask("holder", consignment=box, at=life.times["departure"])
    assert set(names_of(held)) == {"OPEN", "HOLD", "DEPARTURE", "ACCEPT"}
    inside = ask("holder", consignment=box, at=life.times["accept"])
    assert set(names_of(inside)) == {"ACCEPT", "CONSOLIDATE", "ARRIVAL"}
    offered = ask("holder", consignment=life.crate.consignment, at=life.times["offer"])
    assert "OFFER" in names_of(offered) and "offered to SG:CARR01" in offered["answer"]
    assert names_of(ask("disputed")) == ["LIFT", "AccountRevoked"]
    since = ask("signed-since", account=officer)
    assert names_of(since) == ["LIFT", "AccountRevoked"]
    assert ", from when its revocation counts; 2 acts hang on them." in since["answer"]
    own = ask("signed-since", account=officer, since=life.times["release"])
    assert names_of(own) == ["RELEASE"] and "its revocation" not in own["answer"]


def test_a_container_without_a_number_is_refused_and_not_found_nowhere(ask):
    for number in ("", "  "):
        with pytest.raises(InvalidQuestion, match="the container's number is empty"):
            ask("shared-containers", container=number)


def test_a_place_is_told_from_the_papers_held_and_said_to_be_not_disclosed_without(life, ask):
    asked = {"consignment": life.box.consignment, "at": life.times["departure"]}
    assert facts(ask("holder", **asked), "place", "held_by") == [("SGSIN", ["SG"])]
    without = ask("holder", papers=None, **asked)
    assert facts(without, "place") == ["place not disclosed"]
    assert "place not disclosed" in without["answer"]


def test_who_was_allowed_as_known_then_and_as_known_now(life, ask):
    at, officer = life.times["release"], address(life.officer)
    assert facts(ask("allowed", account=officer, at=at), "then", "now", "roles") == [
        ("allowed", "disputed", ["OFFICER"])
    ]
    for moment, then, now in [
        (life.compromised - 1, "allowed", "allowed"),
        (life.compromised, "allowed", "disputed"),
        (1_000_000, "not allowed", "not allowed"),
    ]:
        answer = ask("allowed", account=officer, at=moment)
        assert facts(answer, "then", "now") == [(then, now)]
    assert facts(ask("allowed", account=address(life.inspector), at=at), "then", "now") == [
        ("allowed", "allowed")
    ]
    of_record = ask("allowed", record=life.digests["lift"])
    assert facts(of_record, "account", "kind", "now") == [(life.officer, "LIFT", "disputed")]
    of_party = ask("allowed", party=party("SG"), at=at)
    assert sorted(facts(of_party, "now")) == ["allowed", "allowed", "allowed", "disputed"]
    assert {each["name"] for each in of_record["events"]} >= {"LIFT", "AccountEnrolled", "AccountRevoked"}


def test_what_an_account_signed_since_it_was_compromised_and_what_hangs_on_it(life, ask):
    officer = address(life.officer)
    answer = ask("signed-since", account=officer)
    assert facts(answer, "relation", "record") == [
        ("signed", hexed(life.digests["lift"])),
        ("hangs on it", hexed(life.digests["into crate"])),  # it would have been moved under the hold
        ("hangs on it", hexed(life.digests["accept"])),
        ("signed", hexed(life.digests["release"])),
    ]
    assert facts(ask("signed-since", account=officer, since=life.times["release"]), "record") == [
        hexed(life.digests["release"])
    ]
    carrier, exporter = (address(life.desk.network.address(role)) for role in ("carrier", "exporter"))
    none = ask("signed-since", account=carrier, since=life.times["accept"] + 1)
    assert none["rows"] == [] and "signed no custody record" in none["answer"]
    amended = ask("signed-since", account=exporter, since=life.times["departure"] + 1)
    assert "AMEND" in facts(amended, "kind")
    assert (
        hexed(life.digests["accept"]),
        "without them it names a record before it that would not be there",
    ) in facts(amended, "record", "because")


def test_which_acts_are_disputed_after_a_revocation_that_dates_back(life, ask):
    answer = ask("disputed")
    assert facts(answer, "record") == [hexed(life.digests["lift"]), hexed(life.digests["release"])]
    assert ask("disputed", account=address(life.officer))["rows"] == answer["rows"]
    none = ask("disputed", account=address(life.inspector))
    assert none["rows"] == [] and none["answer"].startswith("No custody record and no closing is disputed")


def test_what_was_amended_field_by_field(life, ask):
    answer = ask("amended", consignment=life.box.consignment)
    (row,) = facts(answer, "former", "successor", "reason", "changes", "unchanged", "hidden_in_former")
    assert row[:3] == (hexed(life.box.id), hexed(life.amended.id), "correction")
    assert row[3] == [
        {"pointer": "/goods/0/gross_mass_kg", "change": "changed", "former": "1250.5", "successor": "1300"},
        {"pointer": "/note", "change": "added", "successor": "reweighed"},
    ]
    assert row[4] > 5 and row[5] == 0
    assert ask("amended", consignment=life.other.consignment)["rows"] == []


def test_hidden_fields_are_shown_as_hidden(life, ask, folder):
    disclosed = folder / "disclosed"
    disclosed.mkdir(exist_ok=True)
    for name in ("open box", "amendment"):
        paper = life.papers[name]
        (disclosed / "document.txt").write_text(json.dumps(paper["document"]))
        show = (
            ("/containers", "/goods/0/gross_mass_kg") if name == "open box" else ("/goods/0/gross_mass_kg",)
        )
        words = [word for pointer in show for word in ("--show", pointer)]
        secret = ("--secret", paper["secret"])
        shown = run("manifest", "disclose", disclosed / "document.txt", *secret, *words, "--json").stdout
        (disclosed / f"{name}.json").write_text(shown)
    (disclosed / "letter.json").write_text('{"dear": "auditor"}')
    answer = ask("amended", papers="disclosed")
    (row,) = facts(answer, "changes", "unchanged", "hidden_in_former", "hidden_in_successor")
    changes = {each["pointer"]: each["change"] for each in row[0]}
    assert changes["/goods/0/gross_mass_kg"] == "changed"
    assert changes["/containers/0/number"] == "hidden in the successor"
    assert row[1] == 0 and row[2] > 3 and row[3] > 3
    assert any("letter.json" in line for line in answer["not_checked"])
    (dark,) = facts(ask("amended", papers=None), "changes", "unchanged")
    assert dark == ([], None)


def test_whether_there_was_a_release_before_a_time(life, ask):
    before = ask("released-before", consignment=life.box.consignment, at=life.times["release"])
    assert before["rows"] == [] and before["answer"].startswith("No:")
    after = ask("released-before", consignment=life.box.consignment, at=life.times["release"] + 1)
    assert facts(after, "party", "procedure", "manifest", "stood") == [
        ("SG", "export", hexed(life.box.id), True)
    ]


def test_which_consignments_share_a_container_in_overlapping_times(life, ask):
    (row,) = facts(ask("shared-containers"), "container", "uses")
    ids = {name: hexed(getattr(life, name).consignment) for name in ("box", "other", "late")}
    assert row[0] == "CSQU3054383"
    assert {use["consignment"]: set(use["overlaps"]) for use in row[1]} == {
        ids["box"]: {ids["other"], ids["late"]},
        ids["other"]: {ids["box"]},
        ids["late"]: {ids["box"]},
    }
    assert ask("shared-containers", container="CSQU3054383")["rows"] != []
    assert ask("shared-containers", container="MSKU 0000000")["rows"] == []
    assert ask("shared-containers", papers=None)["rows"] == []


def test_what_happened_while_cargo_was_held(life, ask):
    answer = ask("moved-while-held")
    assert facts(answer, "record", "held_by", "place") == [
        (hexed(life.digests["departure"]), ["SG"], "SGSIN"),
        (hexed(life.digests["arrival"]), ["SG"], "NLRTM"),
    ]
    assert ask("moved-while-held", consignment=life.box.consignment)["rows"] == answer["rows"]
    assert ask("moved-while-held", consignment=life.crate.consignment)["rows"] == []


def test_which_manifests_were_lodged_after_the_cargo_had_left(life, ask, folder):
    proofs = folder / "proofs"
    proofs.mkdir(exist_ok=True)
    for name, manifest in (("box", life.box), ("amended", life.amended)):
        proof = life.desk.ledger.manifest_proof(manifest.id)
        (proofs / f"{name}.json").write_text(proof.model_dump_json())
    answer = ask("late-manifests", consignment=life.box.consignment, papers="proofs")
    assert facts(answer, "manifest", "lodged") == [
        (hexed(life.box.id), "before"),
        (hexed(life.amended.id), "after"),
    ]
    assert facts(ask("late-manifests", papers="proofs"), "manifest") == [hexed(life.amended.id)]
    unproven = ask("late-manifests", consignment=life.box.consignment)
    assert facts(unproven, "lodged") == ["unknown", "after"]  # what took its place says so by itself
    assert any("no proof of its place" in line for line in unproven["not_checked"])
    false = json.loads((proofs / "box.json").read_text()) | {"index": 2}
    (folder / "false.json").write_text(json.dumps(false))
    answer = ask("late-manifests", consignment=life.box.consignment, papers="false.json")
    assert facts(answer, "lodged")[0] == "unknown"
    assert any("false.json" in line for line in answer["not_checked"])


def test_which_records_came_late(life, ask):
    answer = ask("late-records")
    assert facts(answer, "record", "kind") == [(hexed(life.digests["late remark"]), "REMARK")]
    assert facts(answer, "delay_seconds")[0] >= 2 * asked_life.DAY
    assert ask("late-records", over_seconds=3 * asked_life.DAY)["rows"] == []
    assert ask("late-records", party=party("SG:CARR01"))["rows"] == []


def test_each_answer_names_events_with_transaction_and_signature_that_hold(life, folder, ask):
    where = ("--trust", folder / "trust.json", "--documents", folder / "papers", "--json")
    offline = json.loads(run("audit", "ask", "disputed", folder / "chain.audit", *where).stdout)
    online = json.loads(run("audit", "ask", "disputed", "--profile", folder / "profile.json", *where).stdout)
    chain = life.desk.ledger._chain
    for there, here in zip(online["events"], offline["events"], strict=True):
        if there["name"] == "AccountRevoked":
            assert here == there and there["transaction"], "its transaction stands in the export whole"
            continue
        assert here == there | {"transaction": None}
        (event,) = [e for e in chain.events(chain.block(there["block"])) if e.log_index == there["log"]]
        assert there["transaction"] == hexed(event.transaction_hash)
        assert there["signature"] == hexed(event.values["signature"])
        assert there["signer"] == life.officer
    assert any("does not hold the hashes" in line for line in offline["not_checked"])
    assert offline["rows"] == online["rows"] and offline["as_of"] == online["as_of"]
    assert offline == ask("disputed") | {"verdict": "VALID"}


def asked_of(life):
    """Every question, as it is asked of this life in more ways than one."""
    box, officer = life.box.consignment, address(life.officer)
    exporter = address(life.desk.network.address("exporter"))
    return [
        ("holder", {"consignment": box, "at": life.times["departure"]}),
        ("holder", {"consignment": life.other.consignment, "at": life.times["close other"]}),
        ("allowed", {"account": officer, "at": life.times["release"]}),
        ("allowed", {"record": life.digests["lift"]}),
        ("allowed", {"party": party("SG"), "at": life.compromised}),
        ("signed-since", {"account": officer}),
        ("signed-since", {"account": exporter, "since": life.times["departure"]}),
        ("amended", {}),
        ("released-before", {"consignment": box, "at": life.times["accept"]}),
        ("shared-containers", {}),
        ("shared-containers", {"container": "csqu3054383"}),
        ("shared-containers", {"consignment": life.late.consignment}),
        ("moved-while-held", {}),
        ("moved-while-held", {"consignment": box}),
        ("disputed", {}),
        ("disputed", {"limit": 1}),
        ("late-manifests", {}),
        ("late-manifests", {"consignment": box}),
        ("late-records", {}),
        ("late-records", {"over_seconds": 0, "limit": 5, "consignment": box}),
    ]


def test_the_service_gives_the_answers_that_a_replay_gives(life, folder, replayed):
    for name in ("box", "other", "late", "crate", "amended"):
        proof = life.desk.ledger.manifest_proof(getattr(life, name).id)
        (folder / "papers" / f"{name}.proof.json").write_text(proof.model_dump_json())
    held = read_all([folder / "papers"])
    with contextlib.closing(Chain(life.desk.profile)) as chain:
        chronicle = ReplayedChronicle(replayed, held, NodeCiting(chain))
        for question, about in asked_of(life):
            asked = questions.Asked(**about)
            told = questions.ask(chronicle, question, asked).to_json()
            service = life.desk.ledger.ask(question, asked).model_dump(mode="json", by_alias=True)
            for part in ("schema", "question", "asked", "answer", "rows", "events", "more"):
                assert service[part] == told[part], (question, about, part)
            assert told["rows"] != [], question
            assert any("audit replay" in line for line in service["not_checked"])


def test_the_service_stops_when_it_has_read_enough_and_goes_on(life, monkeypatch):
    ask = life.desk.ledger.ask
    whole = ask("late-records", questions.Asked(over_seconds=0)).rows
    monkeypatch.setattr(stored, "_MOST_READ", 3)
    rows, after, pages = [], None, 0
    while pages == 0 or after is not None:
        answer = ask("late-records", questions.Asked(over_seconds=0, after=after))
        rows, after, pages = [*rows, *answer.rows], answer.more, pages + 1
    assert [row.facts for row in rows] == [row.facts for row in whole] and pages > 3
    box = questions.Asked(consignment=life.box.consignment, at=life.times["accept"])
    monkeypatch.setattr(stored, "MOST_CONNECTED", 3)
    with pytest.raises(TooMuchConnected, match="more than 3 records"):
        ask("holder", box)
    assert "more than 3 records" in " ".join(ask("moved-while-held", questions.Asked()).not_checked)


def test_the_service_answers_customs_own_auditors_alone(life):
    ledger, asked = life.desk.ledger, questions.Asked()
    for of, roles, may in [
        ("SG", Role.AUDITOR, True),
        ("SG", Role.OFFICER, False),
        ("SG:ACME01", Role.AUDITOR, False),
        ("SG:ACME01", Role.TRADER, False),
    ]:
        reader = Reader(life.officer, party(of), int(roles))
        if may:
            assert ledger.ask("disputed", asked, reader).rows
        for question in ("disputed", "who-is-it")[may:]:
            with pytest.raises(NotFound) as refused:
                ledger.ask(question, asked, reader)
            assert may == ("the questions are" in str(refused.value))


def test_an_answer_stops_at_its_limit_and_goes_on_where_it_stopped(life, ask):
    whole = ask("disputed")
    first = ask("disputed", limit=1)
    assert first["rows"] == whole["rows"][:1] and "not all" in first["answer"]
    second = ask("disputed", limit=1, after=first["more"])
    assert second["rows"][0]["facts"] == whole["rows"][1]["facts"] and second["more"] is None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("who-is-it",), f"the questions are {QUESTIONS}"),
        (("holder", "--at", "2026-01-01T00:00:00Z"), "consignment must be given"),
        (("holder", "--consignment", "11" * 32, "--at", "2090-01-01T00:00:00Z"), "nobody can say yet"),
        (("disputed", "--container", "CSQU3054383"), "it does not take container"),
        (("allowed", "--party", "SG"), "the time (at) must be given"),
        (("disputed", "--after", "yesterday"), "after is not what an answer"),
    ],
)
def test_what_can_not_be_asked_is_said_with_what_can(life, folder, words, says):
    words = ("audit", "ask", words[0], folder / "chain.audit", "--trust", folder / "trust.json", *words[1:])
    assert says in " ".join(run(*words, code=2).stderr.split())


def test_what_is_not_there_is_refused_by_its_name(life, folder):
    of_trust = (folder / "chain.audit", "--trust", folder / "trust.json")
    absent = run("audit", "ask", "amended", *of_trust, "--documents", folder / "trust.json", code=1)
    assert "no evidence file" in absent.stderr
    words = ("--consignment", "11" * 32, "--at", "2026-01-01T00:00:00Z")
    assert "no consignment 0x1111" in run("audit", "ask", "holder", *of_trust, *words, code=1).stderr


def test_people_read_the_answer_in_words_with_what_it_rests_on(life, folder):
    words = ("audit", "ask", "moved-while-held", folder / "chain.audit", "--trust", folder / "trust.json")
    said = run(*words).stdout
    assert "2 passages and hand-overs happened while cargo was held" in said
    assert "place not disclosed" in said and "Rests on" in said and "HOLD" in said
    (event,) = [line for line in said.splitlines() if "│ HOLD " in line]
    block, log = event.split("│")[1:3]
    assert f"cargo-ledger audit event {folder / 'chain.audit'} --block BLOCK --log LOG shows" in said
    one = run("audit", "event", folder / "chain.audit", "--block", block.strip(), "--log", log.strip()).stdout
    assert hexed(life.digests["hold"]) in one
    assert "The replay is VALID" in said


def test_an_answer_of_one_row_says_that_in_words_too(life, folder):
    words = ("audit", "ask", "amended", folder / "chain.audit", "--trust", folder / "trust.json")
    said = " ".join(run(*words, "--documents", folder / "papers").stdout.split())
    assert "/goods/0/gross_mass_kg from 1250.5 to 1300" in said
    dark = " ".join(run(*words).stdout.split())
    assert "which fields changed is not disclosed, neither of them is held here" in dark
    words = ("audit", "ask", "released-before", folder / "chain.audit", "--trust", folder / "trust.json")
    at = datetime.fromtimestamp(life.times["release"] + 1, UTC).isoformat()
    said = run(*words, "--consignment", hexed(life.box.consignment), "--at", at).stdout
    assert "Released for a procedure not disclosed by SG" in said and "│ yes " in said
