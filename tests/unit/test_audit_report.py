"""What an audit report says, from replays of written chains: the verdict, who, where, held, released, and what it leaves out."""

import contextlib
import dataclasses
import json
import re
from html.parser import HTMLParser

import audited_trade
import generated_chain
import pytest
import written_chain
from typer.testing import CliRunner
from written_chain import DAY, HOUR, START, WrittenChain

from ledger.audit import papers
from ledger.audit.replay import Settings, replay
from ledger.audit.report import content, disclosed, page, places
from ledger.audit.report.content import Again, How
from ledger.cli.main import app
from ledger.core.records import CustodyKind as K
from ledger.core.records import Role
from ledger.core.signatures import sign
from ledger.errors import NotFound

HOW = How(
    START + 100 * DAY,
    "1",
    "sg.trust.json",
    "cargo-ledger audit replay chain.audit --trust sg.trust.json",
    "cargo-ledger audit event chain.audit",
    None,
    (Again("x", "y"),),
)


@contextlib.contextmanager
def replayed(chain):
    with replay(chain, Settings(generated_chain.trust())) as result:
        yield result


def reported(chain, folder=None, asked=()):
    shown = disclosed.disclosed(papers.read_all([] if folder is None else [folder]))
    with replayed(chain) as result:
        made = content.gather(result, shown, HOW, asked)
        return made, page.render(made, result.block_time)


@pytest.fixture(scope="module")
def trade(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trade")
    chain, named = audited_trade.trade()
    chain.write(folder / "chain.audit", folder / "details")
    (folder / "sg.trust.json").write_bytes(generated_chain.trust().encode())
    made, html = reported(chain, folder / "details", [named["box"].id])
    return folder, chain, named, made, html


class Text(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.parts, self.tags, self.attributes = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.parts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.parts).split())


def test_findings_are_ranked_by_gravity_and_each_names_its_event(trade):
    _, _, named, made, _ = trade
    kinds = [finding.kind for finding in made.findings]
    assert kinds[:6] == [
        "seal-changed", "moved-under-hold", "changed-hands-under-hold", "disputed", "disputed", "closed-without-release",
    ]  # fmt: skip
    assert [each for *_, each in made.findings_by_kind] == [1, 1, 1, 2, 1, 1, len(kinds) - 7]
    assert made.findings_total == len(kinds)
    seal = made.findings[0]
    assert seal.gravity == "grave" and "XX-99 000001" in seal.sentence and "ML-SG 310022" in seal.sentence
    assert seal.consignment == "0x" + named["held"].id.hex() and seal.where == "NLRTM Rotterdam"
    evidence = seal.evidence
    assert evidence.command == (
        f"cargo-ledger audit event chain.audit --block {evidence.block} --log {evidence.log}"
    )


def test_the_command_of_a_finding_shows_its_event(trade, monkeypatch):
    folder, _, _, made, _ = trade
    monkeypatch.chdir(folder)
    for finding in made.findings[:3]:
        words = finding.evidence.command.split()[1:]
        result = CliRunner().invoke(app, [*words, "--json"], prog_name="cargo-ledger")
        assert result.exit_code == 0, result.output
        shown = json.loads(result.stdout)
        assert shown["values"]["record"] == finding.evidence.record
        assert shown["sequence"] == finding.evidence.sequence
        assert shown["transaction"] == finding.evidence.transaction == finding.evidence.log, (
            "each has its own"
        )
    words = ["audit", "event", "chain.audit", "--block", "3", "--log", "77"]
    result = CliRunner().invoke(app, words, prog_name="cargo-ledger")
    assert result.exit_code != 0 and "no event of our contracts in block 3, log 77" in result.stderr


def test_a_consignment_tells_who_was_in_charge_where_it_was_and_who_held_it(trade):
    _, _, named, made, _ = trade
    (held,) = [each for each in made.consignments if each.id == "0x" + named["held"].id.hex()]
    assert [(s.lane, s.value, s.until is None) for s in held.spans] == [
        ("charge", "SG:ACME01", False),
        ("charge", "SG:CARR01", True),
        ("hold", "EG", True),
        ("hold", "NL", True),
    ]
    assert held.state == "In the charge of SG:CARR01. Held by EG, NL."
    assert [act.where for act in held.acts if act.kind == "ARRIVAL"] == ["EGPSD Port Said", "NLRTM Rotterdam"]
    assert "Hold placed: sanitary inspection" in [act.what for act in held.acts]
    box = made.consignments[0]
    assert box.id == "0x" + named["box"].id.hex(), "what was asked for comes first"
    assert [s.lane for s in box.spans] == ["charge", "charge", "inside"]


def test_a_place_without_a_position_is_listed_beside_the_map_and_never_guessed(trade):
    _, _, _, made, html = trade
    by_code = {each.code: each for each in made.passages.places}
    assert (by_code["NLRTM"].latitude, by_code["NLRTM"].longitude) == (51.92, 4.5)
    for code in ("ZZZZZ", "GBAUFXTFXTFXT"):
        assert by_code[code].latitude is None and by_code[code].why
        assert code in html[html.index("Not on the map") :]
    assert made.passages.total > made.passages.disclosed > 0
    assert any("place is not disclosed" in sentence for sentence in made.not_checked)
    assert ("KRPUS", "JPYOK") in [(leg.origin, leg.destination) for leg in made.passages.legs]
    assert places.look_up(["USPWM", "USLAX"])["USPWM"].position is None, "its registers contradict each other"


def test_without_documents_nothing_of_places_seals_or_reasons_is_known(trade):
    _, chain, _, _, _ = trade
    made, html = reported(chain)
    assert made.passages.disclosed == 0 and not made.passages.places
    assert "seal-changed" not in [finding.kind for finding in made.findings]
    assert "place not disclosed" in html and "sanitary" not in html and "Rotterdam" not in html
    assert '<svg class="map"' not in html


def test_a_document_that_is_not_what_was_committed_to_shows_nothing(trade, tmp_path):
    folder, chain, _, _, _ = trade
    (tmp_path / "details").mkdir()
    for file in (folder / "details").iterdir():
        text = file.read_text().replace("NLRTM", "NLAMS").replace("sanitary", "imagined")
        (tmp_path / "details" / file.name).write_text(text)
    (tmp_path / "details" / "other.json").write_text('{"schema": "cargo-evidence/1"}')
    (tmp_path / "details" / "garbage.json").write_bytes(b"\xff{")
    made, html = reported(chain, tmp_path / "details")
    assert "NLAMS" not in html and "imagined" not in html
    assert "EGPSD" in html
    assert [name for name, _ in made.documents_unused] == ["details/garbage.json", "details/other.json"]
    assert "details/garbage.json" in html and str(tmp_path) not in html


def test_lateness_and_volumes_count_every_record(trade):
    made = trade[3]
    total = made.replay["counts"]["records"]
    assert sum(count for _, count in made.lateness.spans) == total
    assert sum(sum(counts) for _, counts in made.volumes.rows) == total
    assert sum(sum(counts.values()) for _, counts in made.volumes.by_day) == total
    late = dict(made.lateness.spans)
    assert late["1 to 7 days"] == sum(count for _, count in made.lateness.over_a_day) == 14


HOSTILE = "<script>alert(1)</script>\u202egnp.exe\" onload='x' " + "A" * 5_000


def test_no_text_of_a_document_is_markup_turns_a_line_or_floods_the_page(tmp_path):
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    box = chain.consignment("exporter", START + HOUR)
    at = START + 2 * HOUR
    chain.record(K.ARRIVAL, "officer", box, at, {"place": HOSTILE, "seals": [HOSTILE]})
    chain.record(
        K.DEPARTURE, "officer", box, at + 1, {"location": HOSTILE[::-1], "seals": ["</style>\u2066"]}
    )
    chain.record(K.HOLD, "officer", box, at + 2, {"reason": HOSTILE})
    chain.record(K.REMARK, "officer", box, at + 3, {"note": HOSTILE + "\n\nVALID"})
    chain.write(tmp_path / "chain.audit", tmp_path / "details")
    (tmp_path / "details" / "<img src=x>\u202e.json").write_text("[]")
    _, html = reported(chain, tmp_path / "details")
    read = Text(html)
    assert not {"script", "img", "iframe", "object", "link", "base", "form"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    assert "\u202e" not in html and "\u2066" not in html
    assert "<script>alert(1)</script>\\u202egnp.exe" in read.text
    assert "A" * 401 not in html
    assert read.tags.count("style") == 1


def test_a_party_whose_name_is_markup_breaks_the_chain_and_is_no_markup():
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01"})
    topics = [b"\x07" * 20, b"SG".ljust(8, b"\0") + b"<b>x</b>"]
    chain._event(
        START + 1,
        "AccountEnrolled",
        [topics[0].rjust(32, b"\0"), topics[1].ljust(32, b"\0")],
        int(Role.TRADER),
        2**39,
    )
    made, html = reported(chain)
    assert made.verdict == "INVALID" and "is no party" in made.grounds
    assert topics[1].hex() in html and "<b>x" not in html


def test_it_asks_for_nothing_and_its_policy_lets_nothing_in(trade):
    html = trade[4]
    read = Text(html)
    policy = next(value for name, value in read.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"https?://|@import|url\(", html)
    hrefs = [value for name, value in read.attributes if name in ("href", "src")]
    identifiers = {value for name, value in read.attributes if name == "id"}
    assert hrefs and all(each.startswith("#") and each[1:] in identifiers for each in hrefs)


def test_more_than_is_drawn_is_counted_and_said(monkeypatch):
    monkeypatch.setattr(content, "MOST_CONSIGNMENTS", 3)
    monkeypatch.setattr(content, "FILLED_UP_TO", 2)
    monkeypatch.setattr(content, "MOST_FINDINGS", 4)
    monkeypatch.setattr(content, "MOST_EVENTS", 4)
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    boxes = [chain.consignment("exporter", START + HOUR + n) for n in range(8)]
    for n, box in enumerate(boxes):
        for again in range(3):
            at = START + DAY + n * 100 + again
            chain.record(K.REMARK, "officer", box, at, observed=at - 2 * DAY)
    last = boxes[-1]
    chain.record(K.HOLD, "officer", last, START + 2 * DAY)
    chain.record(K.DEPARTURE, "exporter", last, START + 2 * DAY + 1)
    made, html = reported(chain, asked=[boxes[5].id])
    assert [each.id for each in made.consignments] == [
        "0x" + each.id.hex() for each in (boxes[5], last, boxes[0])
    ], "what was asked for, then the gravest, then the earliest"
    assert made.findings_total == 25 and len(made.findings) == 4
    assert made.findings[0].kind == "moved-under-hold"
    assert made.consignments_with_findings == 8
    text = Text(html).text
    assert "The 4 gravest are listed; 21 more are counted above" in text
    assert "3 of 8 consignments are shown" in text and "5 consignments are left out" in text
    assert made.consignments[1].left_out == 2 and "2 records between are left out here" in text
    with pytest.raises(NotFound):
        reported(chain, asked=[b"\x01" * 32])


def test_what_is_connected_with_too_much_is_named_and_not_drawn(trade, monkeypatch):
    _, chain, named, _, _ = trade
    monkeypatch.setattr(content, "MOST_CONNECTED", 5)
    made, html = reported(chain, asked=[named["box"].id])
    assert "over 5 records" in made.consignments[0].undrawn and not made.consignments[0].acts
    assert "over 5 records" in html


def test_verdict_and_exit_code_are_those_of_the_replay_and_a_broken_chain_says_what_broke(
    trade, tmp_path, monkeypatch
):
    folder, _, _, made, _ = trade
    assert made.verdict == "INDETERMINATE" and "contracts" in made.grounds and "seals" not in made.grounds
    monkeypatch.chdir(folder)
    words = [
        "audit",
        "report",
        "chain.audit",
        "--trust",
        "sg.trust.json",
        "--out",
        str(tmp_path / "a b.html"),
    ]
    result = CliRunner().invoke(app, [*words, "--json"], prog_name="cargo-ledger")
    assert result.exit_code == 3, result.output
    data = json.loads(result.stdout)
    replayed_too = CliRunner().invoke(
        app, ["audit", "replay", *words[2:5], "--json"], prog_name="cargo-ledger"
    )
    assert replayed_too.exit_code == 3
    assert data["replay"]["digest"] == json.loads(replayed_too.stdout)["digest"]
    assert data["consignments"][0]["acts"][0]["accepted_at"].endswith("Z")
    assert data["replay"]["digest"] in (tmp_path / "a b.html").read_text()
    again = CliRunner().invoke(app, words, prog_name="cargo-ledger")
    assert again.exit_code == 2 and "exists already" in again.stderr
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    box = chain.consignment("exporter", START + HOUR)
    chain.record(K.HOLD, "officer", box, START + 2 * HOUR)
    chain.record(K.RELEASE, "officer", box, START + 3 * HOUR, subject=b"\x0a" * 32)
    chain.record(K.REMARK, "officer", box, START + 4 * HOUR)
    chain.write(tmp_path / "broken.audit")
    words = [
        "audit",
        "report",
        str(tmp_path / "broken.audit"),
        *words[3:5],
        "--out",
        str(tmp_path / "b.html"),
    ]
    result = CliRunner().invoke(app, words, prog_name="cargo-ledger")
    assert result.exit_code == 1, result.output
    text = Text((tmp_path / "b.html").read_text()).text
    assert "INVALID The chain of custody does not hold." in text
    assert "it should have been refused as HELD" in text
    assert "Opened" in text and "none: something did not hold" in text
    assert "No block was judged whole" in text and "1970" not in text
    assert (
        "What comes after that was not judged" in text and "No finding in what was read before that" in text
    )
    assert "Nothing odd was found in any consignment" not in text and "Nothing was found" not in text
    findings = text[text.index("It does not change the verdict") :]
    assert findings.index("INVALID Custody") < findings.index("No finding")
    not_checked = text[text.index("not checked", text.index("Nothing is trusted but")) :]
    assert "Custody: Event 3" not in not_checked and "Chain, receipts, sequences" in not_checked


def released_while_held():
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    box = chain.consignment("exporter", START + HOUR)
    chain.consignment("exporter", START + HOUR + 1)
    chain.record(K.HOLD, "officer", box, START + 2 * HOUR)
    chain.record(K.RELEASE, "officer", box, START + 3 * HOUR, subject=b"\x0a" * 32)
    return chain


def signed_by_a_stranger(monkeypatch):
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    box = chain.consignment("exporter", START + HOUR)
    with monkeypatch.context() as patch:
        patch.setattr(written_chain, "sign", lambda digest, _key: sign(digest, b"\x77" * 32))
        chain.record(K.HOLD, "officer", box, START + 2 * HOUR)
    return chain


def enrolled_by_nobody():
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01"})
    chain.consignment("exporter", START + HOUR)
    topics = [b"\x07" * 20, b"NL".ljust(16, b"\0")]
    topics = [topics[0].rjust(32, b"\0"), topics[1].ljust(32, b"\0")]
    chain._event(START + 2 * HOUR, "AccountEnrolled", topics, int(Role.TRADER), 2**39)
    return chain


def with_more_events_than_its_state_counts():
    chain, _ = audited_trade.trade(2, odd=False, is_shown=True)
    chain._records += 1
    return chain


@pytest.mark.parametrize(
    ("made", "check", "event", "code"),
    [
        (lambda _: released_while_held(), "custody", "RecordAppended", 0),
        (signed_by_a_stranger, "signatures", "RecordAppended", 1),
        (lambda _: enrolled_by_nobody(), "authority", "AccountEnrolled", 0),
        (lambda _: with_more_events_than_its_state_counts(), "contracts", None, 1),
    ],
)
def test_what_broke_the_chain_comes_with_the_command_that_shows_it(
    made, check, event, code, tmp_path, monkeypatch
):
    """Of an event the one that shows it; of what no one event broke the replay, which comes to the same."""
    monkeypatch.chdir(tmp_path)
    chain = made(monkeypatch)
    chain.write(tmp_path / "chain.audit")
    (tmp_path / "sg.trust.json").write_bytes(chain.trust.encode())
    named = ("chain.audit", "--trust", "sg.trust.json")

    def run(*words, code):
        result = CliRunner().invoke(app, ["audit", *words, "--json"], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    told = run("report", *named, "--out", "audit.html", code=1)
    (broken,) = told["broken"]
    assert (broken["check"], broken["status"]) == (check, "INVALID")
    html = (tmp_path / "audit.html").read_text()
    assert f'<code class="command">{broken["command"]}</code>' in html
    program, audit, *words = broken["command"].split()
    assert (program, audit) == ("cargo-ledger", "audit")
    shown = run(*words, code=code)
    replayed = run("replay", *named, code=1)
    assert replayed["broken"] == {name: broken[name] for name in ("check", "block", "log")}
    if event is None:
        assert (replayed["see"], broken["log"]) == (None, None)
        assert [each for each in shown["checks"] if each["status"] == "INVALID"] == [
            {"name": check, "status": "INVALID", "message": broken["message"]}
        ]
        return
    assert replayed["see"] == broken["command"]
    assert shown["name"] == event and (shown["block"], shown["log"]) == (broken["block"], broken["log"])
    assert f"{shown['values']['record'] if event == 'RecordAppended' else event}" in broken["message"]
    said = CliRunner().invoke(
        app, ["audit", "replay", *named], prog_name="cargo-ledger", env={"COLUMNS": "300"}
    )
    assert f"The event that does not hold: {broken['command']}" in said.stdout


def test_a_chain_on_which_nothing_happened_says_so_in_every_part():
    made, html = reported(WrittenChain(("SG", "NL"), {"exporter": "SG:ACME01"}))
    text = Text(html).text
    for said in (
        "Nothing odd was found in any consignment. No hold is open.",
        "Nothing was found.",
        "No consignment was opened.",
        "No arrival and no departure was recorded.",
        "No custody record was taken.",
    ):
        assert said in text
    assert "svg" not in Text(html).tags and not made.consignments


def test_the_commands_name_files_without_the_maker_s_folders(trade, tmp_path):
    folder = trade[0]
    words = ["audit", "report", folder / "chain.audit", "--trust", folder / "sg.trust.json"]
    words += ["--documents", folder / "details", "--out", tmp_path / "a.html"]
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="cargo-ledger")
    assert result.exit_code == 3, result.output
    html = (tmp_path / "a.html").read_text()
    assert "cargo-ledger audit replay chain.audit --trust sg.trust.json" in html
    assert str(folder) not in html and str(tmp_path) not in html


def test_findings_of_consignments_that_are_not_drawn_are_told_and_lead_nowhere(monkeypatch):
    monkeypatch.setattr(content, "MOST_DRAWN", 1)
    monkeypatch.setattr(content, "MOST_SPANS", 2)
    chain = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    boxes = [chain.consignment("exporter", START + HOUR + n) for n in range(3)]
    for n, box in enumerate(boxes):
        for again in range(3):
            chain.record(K.HOLD, "officer", box, START + DAY + n * 100 + again)
        chain.record(K.DEPARTURE, "exporter", box, START + DAY + n * 100 + 50)
    made, html = reported(chain)
    assert len(made.findings) == made.findings_total == 3 and len(made.consignments) == 1
    assert len(made.consignments[0].spans) == 2 and made.consignments[0].spans_left_out == 2
    text = Text(html).text
    assert "1 of 3 consignments are shown" in text and "2 earlier periods are left out" in text
    identifiers = {value for name, value in Text(html).attributes if name == "id"}
    assert made.findings[0].consignment in identifiers
    assert not {each.consignment for each in made.findings[1:]} & identifiers


def test_report_and_question_name_what_they_can_not_use_in_the_same_words(trade, tmp_path):
    folder = trade[0]
    held = tmp_path / "held"
    held.mkdir()
    (held / "garbage.json").write_bytes(b"\xff{")
    (held / "other.json").write_text('{"schema": "cargo-evidence/1"}')
    (held / "list.json").write_text("[]")
    words = [folder / "chain.audit", "--trust", folder / "sg.trust.json", "--documents", held, "--json"]

    def told(*command):
        result = CliRunner().invoke(app, [str(word) for word in command], prog_name="cargo-ledger")
        assert result.exit_code == 3, result.output
        return json.loads(result.stdout)

    of_report = told("audit", "report", *words, "--out", tmp_path / "a.html")
    of_question = told("audit", "ask", "disputed", *words)
    unused = [f"Passed over: {name}: {why}." for name, why in of_report["documents_unused"]]
    assert [name.split(":")[1] for name in unused] == [
        " held/garbage.json",
        " held/list.json",
        " held/other.json",
    ]
    assert [each for each in of_question["not_checked"] if each.startswith("Passed over")] == unused
    words[-2] = held / "list.json"  # named itself, it must be of use
    for command in (("report", *words, "--out", tmp_path / "b.html"), ("ask", "disputed", *words)):
        result = CliRunner().invoke(
            app, ["audit", *(str(word) for word in command)], prog_name="cargo-ledger"
        )
        assert result.exit_code == 1 and "it is no JSON object" in result.output
    assert not (tmp_path / "b.html").exists()


def verdict_box(chain):
    with replay(chain, Settings(chain.trust)) as result:
        made = content.gather(result, disclosed.disclosed(papers.read_all([])), HOW)
        html = page.render(made, result.block_time)
    return made, html, Text(html.split('<div class="verdict"')[1].split("<dl")[0]).text


def test_a_valid_record_with_grave_findings_is_not_taken_for_good_cargo():
    chain, _ = audited_trade.trade(4, is_shown=True, is_sealed=True)
    made, html, box = verdict_box(chain)
    assert made.verdict == "VALID"
    assert (
        "The chain of custody holds. 4 grave and 2 serious findings stand in it: the verdict is about the record"
        in box
    )
    assert "is final: 3 of 4 trusted validators sealed it." in box
    assert "Nothing is trusted but the seals that the trust file names" in Text(html).text
    assert re.search(
        r"revoked from <time datetime=\"[^\"]*Z\">\d+ \w+ 2026 \d\d:\d\d:\d\d UTC</time> on", html
    )


def test_a_valid_record_without_grave_findings_needs_no_reservation():
    made, _, box = verdict_box(audited_trade.trade(4, odd=False, is_shown=True, is_sealed=True)[0])
    assert (made.verdict, {gravity for gravity, *_ in made.findings_by_kind}) == ("VALID", {"slight"})
    assert "about the cargo" not in box and "No hold is open." in box


def test_of_a_development_chain_it_says_that_nobody_seals_it_even_when_all_else_holds():
    made, html, box = verdict_box(audited_trade.trade(2, odd=False, is_shown=True)[0])
    assert made.verdict == "VALID" and "unsealed development chain" in box
    text = Text(html).text
    assert "who runs its node can have written all of this" in text and "but the seals" not in text


def test_by_a_trust_file_that_ran_out_no_verdict_is_given_and_the_page_says_why():
    chain, _ = audited_trade.trade(2, odd=False, is_shown=True)
    with replay(chain, Settings(dataclasses.replace(chain.trust, expires_at=1_700_000_000))) as result:
        made = content.gather(result, disclosed.disclosed(papers.read_all([])), HOW)
    assert made.verdict == "INDETERMINATE"
    assert "Seals: The trust file ran out at 2023-11-14T22:13:20Z" in made.grounds


def test_another_count_of_events_than_the_state_shows_is_invalid():
    chain, _ = audited_trade.trade(2, odd=False, is_shown=True)
    chain._records += 1
    with replay(chain, Settings(chain.trust)) as result:
        assert result.verdict == "INVALID" and result.check("contracts").status == "INVALID"
