"""Prepared records read back: whole and in order, or refused with file and line."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.records import CustodyKind, ManifestKind, ManifestReason
from ledger.errors import InvalidPreparedRecord
from ledger.importing.prepared import manifest_folder, read_prepared
from ledger.sent import Sent

DEMO_DATA = Path(__file__).parents[3] / "scripts" / "demo_data"
RECORDS = DEMO_DATA / "import-under-control.ndjson"


@pytest.mark.parametrize("file", sorted(DEMO_DATA.glob("*.ndjson")), ids=lambda file: file.stem)
def test_what_an_import_wrote_is_read_back(file):
    records = read_prepared(file)
    assert [each.number for each in records] == list(range(1, len(records) + 1))
    assert (records[0].kind, records[1].kind, records[1].opens) == (ManifestKind.LODGE, CustodyKind.OPEN, 1)


def test_numbers_lead_to_what_they_are_about():
    lodge, _open, remark, hold, amend, lift, clear = read_prepared(RECORDS)
    assert (amend.about, lift.about, clear.about) == (lodge.number, hold.number, amend.number)
    assert (amend.reason, remark.about, hold.role) == (ManifestReason.QUANTITY_CHANGED, None, "customs")
    assert amend.manifest == (DEMO_DATA / "import-under-control-v2.json").read_bytes()


def test_manifests_are_named_relative_to_the_import_s_folder(tmp_path):
    (tmp_path / "records").mkdir()
    assert manifest_folder(tmp_path / "records" / "m.ndjson") == tmp_path
    assert manifest_folder(tmp_path / "m.ndjson") == tmp_path


@pytest.mark.parametrize(
    ("line", "changes", "words"),
    [
        (1, {"manifest": "missing.json"}, "there is no manifest "),
        (1, {"manifest": None}, "it names no manifest file"),
        (1, {"manifest": "../secret.json"}, "is outside the import's folder"),
        (1, {"manifest": "/etc/passwd"}, "is outside the import's folder"),
        (1, {"kind": "ENTER"}, "'manifest' 'ENTER' is no kind of manifest or custody record"),
        (2, {"manifest": "other.json"}, "which no earlier line lodges"),
        (2, {"trade_reference": "nothing"}, "a trade reference is expected"),
        (3, {"number": 1}, "its `number` is none, or that of an earlier line"),
        (3, {"kind": "OPEN", "trade_reference": "mrn:A"}, "opened a second time"),
        (3, {"kind": "OFFER"}, "hand over with `consignment offer`"),
        (3, {"observed_at": None}, "Unix seconds are expected"),
        (3, {"observed_at": 1 << 41}, "Unix seconds are expected"),
        (3, {"details": {"schema": "cargo-remark/1", "reason": 7}}, "not what their schema says: at /reason"),
        (4, {"party": {"role": "admin", "administration": "GB"}}, "trader, customs or agency is expected"),
        (4, {"party": {"role": "customs", "administration": "GB:ACME"}}, "one as GB is expected"),
        (5, {"supersedes": 4}, "its `supersedes` is 4, which is no earlier LODGE or AMEND"),
        (5, {"reason": 9}, "1 to 5 is expected"),
        (6, {"subject": 7}, "its `subject` is 7, which is no earlier HOLD"),
        (7, {"subject": None}, "which is no earlier LODGE or AMEND of this file"),
    ],
)
def test_a_line_that_cannot_be_sent_is_refused_by_file_and_line(tmp_path, line, changes, words):
    for file in DEMO_DATA.glob("import-under-control*.json"):
        shutil.copy(file, tmp_path)
    lines = [json.loads(each) for each in RECORDS.read_text().splitlines()]
    lines[line - 1] |= changes
    file = tmp_path / "records.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(InvalidPreparedRecord) as refused:
        read_prepared(file)
    assert str(refused.value).startswith(f"{file}, line {line}: ")
    assert words in str(refused.value)
    assert refused.value.line == line


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"{", b"[]", b"\xff", b'{"number":1,"number":1}', b"{} {}"]
)
def test_what_is_no_ndjson_of_records_is_refused(tmp_path, content):
    (tmp_path / "x.ndjson").write_bytes(content)
    with pytest.raises(InvalidPreparedRecord):
        read_prepared(tmp_path / "x.ndjson")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=8), inside, max_size=3),
    max_leaves=6,
)


@given(
    st.integers(1, 7),
    st.sampled_from(
        (
            "number",
            "kind",
            "record",
            "party",
            "manifest",
            "details",
            "subject",
            "supersedes",
            "reason",
            "reference",
            "trade_reference",
            "observed_at",
        )
    ),
    _JSON,
)
def test_whatever_a_member_holds_only_this_error_is_raised(tmp_path_factory, line, name, value):
    folder = tmp_path_factory.getbasetemp() / "prepared"
    folder.mkdir(exist_ok=True)
    lines = [json.loads(each) for each in RECORDS.read_text().splitlines()]
    lines[line - 1][name] = value
    (folder / "x.ndjson").write_text("\n".join(map(json.dumps, lines)))
    try:
        read_prepared(folder / "x.ndjson", DEMO_DATA)
    except InvalidPreparedRecord as refused:
        assert "Nothing was sent." in str(refused)


def test_what_was_sent_is_kept_for_its_owner_and_of_one_chain_and_file_alone(tmp_path):
    kept = Sent(tmp_path / "kept.json", RECORDS, {"chain_id": 1})
    kept.keep(1, "sending", submission={"a": 1}, digest=None)
    assert (tmp_path / "kept.json").stat().st_mode & 0o777 == 0o600
    kept.keep(1, "settled", submission=None, digest="0x1")
    again = Sent(tmp_path / "kept.json", RECORDS, {"chain_id": 1})
    assert again.of(1) == {"digest": "0x1", "state": "settled"}
    assert again.state(2) is None
    with pytest.raises(InvalidPreparedRecord, match="the chain is not that"):
        Sent(tmp_path / "kept.json", RECORDS, {"chain_id": 2})
    with pytest.raises(InvalidPreparedRecord, match="the records are not those"):
        Sent(tmp_path / "kept.json", DEMO_DATA / "re-import.ndjson", {"chain_id": 1})
