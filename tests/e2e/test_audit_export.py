"""An export and its replay offline: the same digest, and a file that was cut off or altered is refused with the place."""

import contextlib
import json
import shlex

import audit_life
import pytest
from audit_life import trust_for
from pyarrow import parquet
from typer.testing import CliRunner

from ledger.audit.export_file import ExportSource
from ledger.audit.replay import Settings, replay
from ledger.cli.main import app
from ledger.errors import InvalidExport


@pytest.fixture
def audited(singapore):
    audit_life.live(singapore)
    return singapore


@pytest.fixture
def cargo_ledger(audited, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    audited.profile.save(tmp_path / "profile.json")
    (tmp_path / "trust.json").write_bytes(trust_for(audited.profile).encode())
    monkeypatch.setenv("CARGO_LEDGER_PROFILE", str(tmp_path / "profile.json"))

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def export(cargo_ledger, tmp_path):
    cargo_ledger("audit", "export", "chain.audit")
    return tmp_path / "chain.audit"


def test_a_replay_offline_gives_the_digest_that_the_node_gives(cargo_ledger, export):
    from_node = json.loads(cargo_ledger("audit", "replay", "--trust", "trust.json", "--json").stdout)
    words = ("audit", "replay", "chain.audit", "--trust", "trust.json")
    offline = json.loads(cargo_ledger(*words, "--json").stdout)
    assert offline["digest"] == from_node["digest"]
    assert offline["counts"] == from_node["counts"]
    assert [c["status"] for c in offline["checks"]] == [c["status"] for c in from_node["checks"]]
    assert offline["verdict"] == "VALID"
    quick = json.loads(cargo_ledger(*words, "--without-signatures", "--json", code=3).stdout)
    assert (quick["verdict"], quick["digest"]) == ("INDETERMINATE", offline["digest"])
    assert "VALID as of block" in cargo_ledger(*words).stdout


def test_the_decoded_events_stand_beside_it(export):
    records = parquet.read_table(f"{export}.records.parquet").to_pylist()
    assert [row["sequence"] for row in records] == list(range(1, 9))
    assert [row["kind"] for row in records][-2:] == ["OFFER", "ACCEPT"]
    assert records[0]["party"] == "SG:ACME01"
    events = parquet.read_table(f"{export}.events.parquet").to_pylist()
    assert {"AdministrationAdmitted", "AccountEnrolled", "HeadAnchored", "ManifestClosed"} <= {
        row["name"] for row in events
    }


def judged(path, trust):
    with contextlib.closing(ExportSource(path)) as source, replay(source, Settings(trust)) as result:
        return result.verdict


def test_an_export_that_was_cut_off_anywhere_is_refused_with_the_place(export, audited, tmp_path):
    whole = export.read_bytes()
    trust = trust_for(audited.profile)
    assert judged(export, trust) == "VALID"
    for length in [0, 10, 40, *range(200, len(whole) - 1, len(whole) // 7), len(whole) - 1]:
        cut = tmp_path / "cut.audit"
        cut.write_bytes(whole[:length])
        with pytest.raises(InvalidExport, match=r"at byte \d+"):
            judged(cut, trust)
    longer = tmp_path / "longer.audit"
    longer.write_bytes(whole + b"\0")
    with pytest.raises(InvalidExport, match="something follows its end"):
        judged(longer, trust)


def test_an_export_that_was_altered_anywhere_is_refused_with_the_place(export, audited, tmp_path):
    whole = export.read_bytes()
    trust = trust_for(audited.profile)
    for at in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        altered = tmp_path / "altered.audit"
        data = bytearray(whole)
        data[at] ^= 0x10
        altered.write_bytes(data)
        with pytest.raises(InvalidExport, match=r"at byte \d+"):
            judged(altered, trust)


def test_the_export_of_another_network_is_refused(cargo_ledger, export, tmp_path):
    trust = json.loads((tmp_path / "trust.json").read_text())
    trust["chain"]["id"] += 1
    (tmp_path / "other.json").write_text(json.dumps(trust, separators=(",", ":"), sort_keys=True))
    result = cargo_ledger("audit", "replay", "chain.audit", "--trust", "other.json", "--json", code=1)
    assert "not the chain of the trust file: the chain id is" in result.stderr


def test_an_export_is_not_written_over_and_nothing_is_left_of_one_that_failed(cargo_ledger, export, tmp_path):
    cargo_ledger("audit", "export", "chain.audit", code=2)
    late = cargo_ledger("audit", "export", "later.audit", "--to", 10**9, code=2)
    assert "Block 1000000000 can't be the last: blocks " in late.stderr
    assert not list(tmp_path.glob("*later*"))


def test_a_report_from_the_node_and_one_from_the_export_say_the_same(cargo_ledger, export, tmp_path):
    words = ("audit", "report", "--trust", "trust.json", "--json", "--out")
    from_node = json.loads(cargo_ledger(*words, "node.html").stdout)
    offline = json.loads(cargo_ledger(*words, "offline.html", "chain.audit").stdout)
    assert from_node["verdict"] == offline["verdict"] == "VALID"
    assert from_node["heading"] == "The chain of custody holds."
    assert "unsealed development chain" in from_node["grounds"]
    for same in ("findings", "passages", "volumes", "lateness"):
        assert from_node[same] == offline[same]
    assert [each["spans"] for each in from_node["consignments"]] == [
        each["spans"] for each in offline["consignments"]
    ]
    text = (tmp_path / "node.html").read_text()
    assert from_node["replay"]["digest"] in text and "audit compare --profile" in text
    for command in (from_node["consignments"][0]["acts"][0]["evidence"]["command"], *_again(from_node)):
        cargo_ledger(*shlex.split(command)[1:])


def _again(report):
    """The commands that the report gives for running it again, but those that need more than a file name."""
    for each in report["how"]["again"]:
        if not {"BLOCK", "URL"} & set(each["command"].split()) and "export" not in each["command"]:
            yield each["command"]
