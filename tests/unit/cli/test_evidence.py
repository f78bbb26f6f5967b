"""Evidence and trust files at the command line: judged offline, by exit code, in the officer's words."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from evidence_maker import NOW, World, history

from ledger.core.findings import time_text
from ledger.core.records import CustodyKind


@pytest.fixture(scope="module")
def sealed():
    world, manifest = history(World(others=5))
    world.record(CustodyKind.HOLD, "foreign_officer", stated={"reason": "papers"})
    return world, world.evidence(manifest)


@pytest.fixture
def files(tmp_path, sealed):
    world, evidence = sealed
    (tmp_path / "box.json").write_bytes(evidence.encode())
    (tmp_path / "sg.json").write_bytes(world.trust().encode())
    (tmp_path / "nl.json").write_bytes(world.trust(administration="NL").encode())
    return tmp_path


JUDGE = ["--now", time_text(NOW + 60)]


def test_a_valid_file_prints_its_verdict_and_opens_no_socket(cargo_ledger, files, socket_disabled):
    result = cargo_ledger("evidence", "verify", "box.json", "--trust", "sg.json", *JUDGE, "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["verdict"] == "VALID"
    assert said["as_of"] == {"block": 500, "time": "2027-01-15T21:53:20Z", "age_seconds": 60}
    assert said["checks"][0].keys() == {"name", "status", "message"}
    assert "on hold by NL since 2027-01-15T08:17:50Z (papers); may go, as far as SG" in said["state"]
    shown = cargo_ledger("evidence", "verify", "box.json", "--trust", "nl.json", *JUDGE)
    assert shown.exit_code == 0
    assert "may not go: it is on hold." in shown.stdout
    assert "VALID as of block 500, 2027-01-15T21:53:20Z, 60 s ago; by the trust file 0x" in shown.stdout


def test_what_does_not_hold_exits_1_and_what_does_not_suffice_exits_3(cargo_ledger, files):
    data = (files / "box.json").read_bytes()
    (files / "bad.json").write_bytes(data.replace(b'"accepted_at":1', b'"accepted_at":2', 1))
    assert cargo_ledger("evidence", "verify", "bad.json", "--trust", "sg.json", *JUDGE).exit_code == 1
    (files / "none.json").write_bytes(b"{}")
    nothing = cargo_ledger("evidence", "verify", "none.json", "--trust", "sg.json", *JUDGE, "--json")
    assert (nothing.exit_code, json.loads(nothing.stdout)["as_of"]) == (1, None)
    old = cargo_ledger(
        "evidence", "verify", "box.json", "--trust", "sg.json", "--now", "2028-01-01T00:00:00Z"
    )
    assert old.exit_code == 3
    assert "too old" in old.stdout
    behind = cargo_ledger(
        "evidence",
        "verify",
        "box.json",
        "--trust",
        "sg.json",
        *JUDGE,
        "--clock-floor",
        "2027-02-01T00:00:00Z",
    )
    assert (behind.exit_code, "set it" in behind.stdout) == (3, True)
    untrusted = cargo_ledger("evidence", "verify", "box.json", "--trust", "box.json", *JUDGE)
    assert (untrusted.exit_code, "box.json: This is no trust file" in untrusted.stderr) == (1, True)


def test_without_now_the_clock_judges(cargo_ledger, files):
    result = cargo_ledger("evidence", "verify", "box.json", "--trust", "sg.json", "--json")
    ahead = datetime.now(UTC).timestamp() < NOW
    assert result.exit_code == 3
    message = json.loads(result.stdout)["checks"][-1]["message"]
    assert ("set it" if ahead else "too old") in message


def test_absence_is_told_by_its_exit_code(cargo_ledger, files):
    def absent(what, *more):
        return cargo_ledger(
            "evidence", "absent", "box.json", "--trust", "sg.json", "--what", what, *more, *JUDGE
        )

    never = absent("release", "--by", "NL")
    assert (
        never.exit_code,
        "NL had never released ducr:9GB123456789000-INV1 as of block 500" in never.stdout,
    ) == (
        0,
        True,
    )
    assert absent("release").exit_code == 1
    assert absent("hold").exit_code == 0
    assert absent("hold", "--by", "NL").exit_code == 1
    assert absent("closure").exit_code == 0
    assert absent("weather").exit_code == 2
    neither = cargo_ledger("evidence", "absent", "--trust", "sg.json", "--what", "hold")
    assert (neither.exit_code, "give an evidence file" in neither.stderr) == (2, True)
    nobody = cargo_ledger(
        "evidence", "absent", "--trust", "sg.json", "--what", "hold", "--consignment", "ucr:6SG1"
    )
    assert (nobody.exit_code, "--service" in nobody.stderr) == (2, True)


def test_files_of_what_is_inside_are_counted_and_one_that_does_not_pass_is_not_passed_over(
    cargo_ledger, files
):
    data = (files / "box.json").read_bytes()
    (files / "bad.json").write_bytes(data[:-1])
    alone = cargo_ledger("evidence", "verify", "box.json", "bad.json", "--trust", "sg.json", *JUDGE)
    assert alone.exit_code == 1
    assert (
        "0 inside, files for 0: none missing; 0 on hold; 1 of the files given does not pass." in alone.stdout
    )
    itself = cargo_ledger(
        "evidence", "verify", "box.json", "box.json", "--trust", "sg.json", *JUDGE, "--json"
    )
    assert itself.exit_code == 1
    assert json.loads(itself.stdout)["contents"]["not_inside"] == 1


@pytest.mark.parametrize(
    "consensus, words",
    [("qbft", "quorum of 4 validators"), ("clique", "never final"), ("development", "forge")],
)
def test_a_trust_file_is_told_in_words(cargo_ledger, tmp_path, consensus, words):
    trust = World(consensus, others=1).trust()
    (tmp_path / "sg.json").write_bytes(trust.encode())
    shown = cargo_ledger("trust", "show", "sg.json")
    assert shown.exit_code == 0
    for expected in (words, "SG's releases and holds", "older than 24 hours", "0x" + trust.sha256.hex()):
        assert expected in shown.stdout
    data = json.loads(cargo_ledger("trust", "show", "sg.json", "--json").stdout)
    assert data["sha256"] == "0x" + trust.sha256.hex()
    assert data["consensus"] == consensus


def test_judging_loads_neither_the_chains_libraries_nor_the_services(files):
    program = (
        "import sys; from ledger.cli.main import app\n"
        "code = app(['evidence', 'verify', 'box.json', '--trust', 'sg.json', '--json'], standalone_mode=False)\n"
        "print([name for name in ('web3', 'httpx', 'eth_account', 'sqlalchemy', 'jsonschema', 'rich')"
        " if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=files)
    assert run.stderr.strip() == "[]"


def test_what_the_manifest_shows_stands_beside_the_verdict_to_be_compared_with_the_cargo(cargo_ledger, files):
    judged = cargo_ledger("evidence", "verify", "box.json", "--trust", "sg.json", *JUDGE)
    assert "The manifest says" in judged.stdout and "CSQU3054383" in judged.stdout
    as_json = cargo_ledger("evidence", "verify", "box.json", "--trust", "sg.json", "--json", *JUDGE)
    assert json.loads(as_json.stdout)["shown"]["/containers/0/number"] == "CSQU3054383"
    absent = cargo_ledger(
        "evidence", "absent", "box.json", "--trust", "sg.json", "--what", "hold", "--json", *JUDGE
    )
    assert "shown" not in json.loads(absent.stdout)
