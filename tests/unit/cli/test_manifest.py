"""The pure manifest commands, as transcripts: what a person reads, what a program reads, how each bad input is refused."""

import json
import socket

import pytest

from ledger.core import documents

ROOT = "0x1653dbecba487f04e4548774dd169aa57e375bbce1f3da8704fc50bcfbd5ed01"
SECRET = "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"


def sentence(result, exit_code):
    """The one sentence on standard error of a refused command; no trace, nothing on standard output."""
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr.removeprefix("Error: ").strip()


# --- commit


def test_commit_prints_root_leaves_and_secret_for_programs(cargo_ledger, document):
    result = cargo_ledger("manifest", "commit", document, "--secret", SECRET, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"manifest_root": ROOT, "leaves": 13, "secret": SECRET}
    assert result.stderr == ""


def test_commit_says_it_in_words_for_people(cargo_ledger, document):
    result = cargo_ledger("manifest", "commit", "invoice.json", "--secret", SECRET)
    assert result.stdout == (
        f"invoice.json has 13 fields.\n  manifest root: {ROOT}\n  secret:        {SECRET}\n"
    )


def test_commit_without_a_secret_makes_a_new_one_each_time_and_says_to_keep_it(cargo_ledger, document):
    first, second = (
        json.loads(cargo_ledger("manifest", "commit", document, "--json").stdout) for _ in range(2)
    )
    assert first["secret"] != second["secret"]
    assert len(bytes.fromhex(first["secret"][2:])) == 32
    again = cargo_ledger("manifest", "commit", document, "--secret", first["secret"], "--json")
    assert json.loads(again.stdout) == first
    assert "Keep the secret" in cargo_ledger("manifest", "commit", document).stdout


def test_commit_reads_standard_input(cargo_ledger, document):
    result = cargo_ledger(
        "manifest", "commit", "-", "--secret", SECRET[2:], "--json", given=document.read_text()
    )
    assert json.loads(result.stdout)["manifest_root"] == ROOT


def test_commit_touches_no_network(cargo_ledger, document, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert cargo_ledger("manifest", "commit", document, "--json").exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "at its root"),
        (b"no json", "at its root"),
        (b"\xff\xfe{}", "at its root"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[]", "must be a JSON object"),
        (b'{"goods": [{"gross_mass_kg": 12.5}]}', "at /goods/0/gross_mass_kg"),
        (b'{"a": 1e3}', "at /a"),
        (b'{"a": 1, "a": 2}', "at /a"),
        (b'{"0": 1}', "at /0"),
        (b'{"a": 9007199254740992}', "at /a"),
        (b'{"a": "\\ud800"}', "at /a"),
        (b"{} {}", "after"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper than 32"),
        (b'{"a": "' + b"x" * (1 << 20) + b'"}', "1,048,576"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
@pytest.mark.parametrize("command", [("commit",), ("disclose", "--secret", SECRET, "--show", "/a")])
def test_what_cannot_be_committed_to_is_refused_with_its_place(
    cargo_ledger, tmp_path, content, words, command
):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    said = sentence(cargo_ledger("manifest", command[0], path, *command[1:]), exit_code=1)
    assert said.startswith("The document cannot be committed to: ")
    assert words.replace(",", "") in said.replace(",", "")


def test_a_refusal_for_programs_is_one_json_object_with_its_facts(cargo_ledger, tmp_path):
    (tmp_path / "bad.json").write_text('{"goods": [{"gross_mass_kg": 12.5}]}')
    result = cargo_ledger("manifest", "commit", "bad.json", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    error = json.loads(result.stderr)["error"]
    assert (error["kind"], error["pointer"], error["exit_code"]) == (
        "InvalidDocument",
        "/goods/0/gross_mass_kg",
        1,
    )
    assert error["message"].startswith("The document cannot be committed to: at /goods/0/gross_mass_kg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.json",), "there is no file 'missing.json'"),
        (("folder",), "'folder' is a folder, a file is expected"),
        (("invoice.json", "--secret", "0x12"), "64 hex digits are expected (32 bytes)"),
        (("invoice.json", "--secret", "g" * 64), "64 hex digits are expected (32 bytes)"),
        (("invoice.json", "--sekret", SECRET), "No such option: --sekret"),
        ((), "Missing argument 'FILE'"),
    ],
)
def test_wrong_usage_of_commit_is_one_sentence_and_code_2(cargo_ledger, document, tmp_path, arguments, words):
    (tmp_path / "folder").mkdir()
    said = sentence(cargo_ledger("manifest", "commit", *arguments), exit_code=2)
    assert words in said
    assert said.endswith("See `cargo-ledger manifest commit --help`.")
    result = cargo_ledger("manifest", "commit", *arguments, "--json")
    assert result.exit_code == 2
    assert words in json.loads(result.stderr)["error"]["message"]


def test_a_misspelt_command_is_answered_with_the_right_one(cargo_ledger):
    assert "Did you mean 'commit'?" in sentence(cargo_ledger("manifest", "comit", "x"), exit_code=2)
    assert "Did you mean 'manifest'?" in sentence(cargo_ledger("manifst"), exit_code=2)


# --- check


def test_check_finds_nothing_odd_about_the_example(cargo_ledger, document):
    result = cargo_ledger("manifest", "check", document, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"findings": []})
    assert "nothing is odd" in cargo_ledger("manifest", "check", document).stdout


def test_check_reports_an_odd_container_number_as_a_warning_and_lets_it_be(cargo_ledger, document, example):
    odd = example["document"] | {"containers": [{"number": "CSQU3054384"}]}
    document.write_text(json.dumps(odd))
    result = cargo_ledger("manifest", "check", document, "--json")
    assert result.exit_code == 0
    [finding] = json.loads(result.stdout)["findings"]
    assert set(finding) == {"severity", "pointer", "rule", "message"}
    assert (finding["severity"], finding["pointer"]) == ("warning", "/containers/0/number")
    table = cargo_ledger("manifest", "check", document).stdout
    assert "can be lodged; look at the 1 warning first" in table
    assert "/containers/0/number" in table


def test_check_reports_what_cannot_be_committed_to_as_an_error_and_code_1(cargo_ledger, document):
    document.write_text('{"goods": [{"gross_mass_kg": 12.5}]}')
    result = cargo_ledger("manifest", "check", document, "--json")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert ("error", "/goods/0/gross_mass_kg") in [(each["severity"], each["pointer"]) for each in findings]
    assert "is not ready to be lodged" in cargo_ledger("manifest", "check", document).stdout


def test_check_takes_several_manifests_and_names_each(cargo_ledger, document, tmp_path):
    (tmp_path / "bad.json").write_text('{"goods": [{"gross_mass_kg": 12.5}]}')
    result = cargo_ledger("manifest", "check", document, "bad.json", "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)["files"]
    assert (good["file"], good["findings"]) == (str(document), [])
    assert (bad["file"], bad["findings"][0]["severity"]) == ("bad.json", "error")
    said = cargo_ledger("manifest", "check", "invoice.json", "bad.json").stdout
    assert "invoice.json can be lodged; nothing is odd." in said
    assert "bad.json is not ready to be lodged" in said


# --- disclose and verify-disclosure


def test_disclose_gives_the_example_s_disclosure_byte_for_byte(cargo_ledger, document, example):
    command = ("manifest", "disclose", document, "--secret", SECRET, "--json")
    result = cargo_ledger(*command, "--show", "/references", "--show", "/goods/0/hs")
    assert json.loads(result.stdout) == example["disclosure of /references and /goods/0/hs"]
    together = cargo_ledger(*command, "--show", "/references", "/goods/0/hs")
    assert together.stdout == result.stdout


def test_disclose_writes_a_file_that_verify_disclosure_takes(cargo_ledger, document):
    shown = cargo_ledger(
        "manifest", "disclose", document, "--secret", SECRET, "--show", "/goods/0/hs", "--out", "shown.json"
    )
    assert shown.exit_code == 0
    assert "Wrote 2 fields of 13 to shown.json." in shown.stdout
    result = cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", ROOT)
    assert result.exit_code == 0
    assert "850440" in result.stdout
    assert "VALID: 2 fields of 13" in result.stdout
    assert "no second value" in result.stdout
    read = json.loads(
        cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", ROOT, "--json").stdout
    )
    assert read["verdict"] == "VALID"
    assert {"pointer": "/goods/0/hs/code", "value": "850440"} in read["fields"]


def test_disclose_never_writes_over_a_file(cargo_ledger, document, tmp_path):
    (tmp_path / "shown.json").write_text("mine")
    result = cargo_ledger(
        "manifest", "disclose", document, "--secret", SECRET, "--show", "/goods", "--out", "shown.json"
    )
    assert "shown.json exists already" in sentence(result, exit_code=2)
    assert (tmp_path / "shown.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("pointer", "exit_code", "words"),
    [
        ("/nothing", 1, "selects nothing in this document"),
        ("/goods/1", 1, "selects nothing in this document"),
        ("goods", 2, "a JSON Pointer begins with /"),
        ("/a~2", 2, "in a JSON Pointer ~ is followed by 0 or 1"),
    ],
)
def test_a_wrong_pointer_is_refused(cargo_ledger, document, pointer, exit_code, words):
    result = cargo_ledger("manifest", "disclose", document, "--secret", SECRET, "--show", pointer)
    assert words in sentence(result, exit_code)


def test_disclose_without_its_secret_is_wrong_usage(cargo_ledger, document):
    assert "--secret" in sentence(
        cargo_ledger("manifest", "disclose", document, "--show", "/goods"), exit_code=2
    )


def test_a_changed_value_is_invalid(cargo_ledger, tmp_path, example):
    disclosure = json.loads(json.dumps(example["disclosure of /references and /goods/0/hs"]))
    disclosure["fields"][0]["value"] = "870323"
    (tmp_path / "shown.json").write_text(json.dumps(disclosure))
    result = cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", ROOT, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verdict"] == "INVALID"
    words = cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", ROOT)
    assert words.exit_code == 1
    assert words.stdout.startswith("INVALID. The disclosure does not match")


def test_another_root_is_invalid(cargo_ledger, tmp_path, example):
    (tmp_path / "shown.json").write_text(json.dumps(example["disclosure of /references and /goods/0/hs"]))
    other = ROOT[:-1] + "2"
    assert cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", other).exit_code == 1
    assert cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", ROOT).exit_code == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"leaves": 1.5}', b"\xff", b"[" * 100_000],
    ids=lambda value: str(value[:12]),
)
def test_what_is_no_disclosure_is_invalid_and_never_a_trace(cargo_ledger, tmp_path, content):
    (tmp_path / "shown.json").write_bytes(content)
    result = cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", ROOT, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verdict"] == "INVALID"


def test_a_value_cannot_write_to_the_terminal(cargo_ledger, tmp_path):
    document = documents.parse(json.dumps({"a": "\x1b[2J\u202egood"}).encode())
    disclosure = documents.disclose(document, bytes(32), ["/a"])
    root = documents.disclosure_root(disclosure)
    (tmp_path / "shown.json").write_text(json.dumps(disclosure.to_json()))
    result = cargo_ledger("manifest", "verify-disclosure", "shown.json", "--root", root.hex())
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\u001b[2J\\u202egood" in result.stdout
