"""The importer on HMRC's sample messages, and the custody model on what comes out."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from scenario_replay import Replay, line_of, scenario_folders

from ledger.checking import check, check_bytes
from ledger.core.custody import Custody, Standing
from ledger.core.records import CustodyKind, Domain, Role
from ledger.errors import Refusal
from ledger.importing.hmrc_cds import ImportReport, import_files

pytestmark = pytest.mark.conformance

DOMAIN = Domain(31337, b"\x33" * 20)
GB = b"GB".ljust(8, b"\0")
NOT_WELL_FORMED = {"TT_IM084a.xml", "TT_EX022a_Declaration1_(Step1).xml"}
LOST_COLONS = {"Step1_TT_IM222a.xml"}


@dataclass(frozen=True)
class Person:
    """Somebody who states records in the model: no key, the model checks no signature."""

    party: bytes
    roles: int
    address_bytes: bytes

    @property
    def standing(self) -> Standing:
        return Standing(self.party, self.roles, 2**40 - 1, 0, 0, True)


PEOPLE = {
    "trader": Person(GB + b"TRADER01", Role.TRADER, b"\x01" * 20),
    "customs": Person(GB + bytes(8), Role.OFFICER, b"\x02" * 20),
    "agency": Person(GB + b"AGENCY01", Role.OFFICER, b"\x03" * 20),
}


@pytest.fixture(scope="module")
def samples(conformance: Path) -> Path:
    return conformance / "4-messages/hmrc-cds/public/api/conf/3.0/examples/annotated_XML_samples"


@pytest.fixture(scope="module")
def whole(samples: Path, tmp_path_factory) -> tuple[ImportReport, Path]:
    """The whole folder imported as one batch."""
    out = tmp_path_factory.mktemp("whole")
    return import_files([samples], out), out


@pytest.fixture(scope="module")
def folders(conformance: Path, tmp_path_factory) -> dict[str, tuple[ImportReport, Path]]:
    """Every scenario folder, a batch of its own."""
    found = {}
    for path in scenario_folders(conformance):
        out = tmp_path_factory.mktemp(path.name)
        found[path.name] = import_files([path], out), out
    return found


def test_every_well_formed_declaration_imports_and_the_three_broken_files_are_refused_by_place(whole) -> None:
    report, _ = whole
    refused = {Path(each.file).name: each for each in report.refusals}
    assert set(refused) == NOT_WELL_FORMED | LOST_COLONS
    for name in NOT_WELL_FORMED:
        assert refused[name].place.startswith("line ")
        assert "not well-formed XML" in refused[name].reason
    (colons,) = (refused[name] for name in LOST_COLONS)
    assert "lost the colons" in colons.reason
    assert colons.place == "line 2, column 1"


def test_every_file_is_accounted_for(whole, samples: Path) -> None:
    report, _ = whole
    declarations = {each.source for each in report.manifests} | set(report.requests)
    told = sum(len(each.messages) + each.repeated for each in report.sequences)
    assert report.files == len([path for path in samples.rglob("*") if path.suffix.lower() == ".xml"])
    assert report.files == len(declarations) + told + len(report.noted) + len(report.refusals)


def test_every_manifest_is_one_and_what_is_odd_in_it_is_a_warning(whole) -> None:
    report, out = whole
    rules: Counter[str] = Counter()
    files = list((out / "manifests").iterdir())
    assert len(files) >= len(report.manifests) >= 170
    for file in files:
        findings = check_bytes(file.read_bytes())
        assert [each for each in findings if each.severity == "error"] == []
        rules.update({each.rule for each in findings})
    for rule in ("container-number", "hs-code", "mrn", "country", "sum"):
        assert rules[rule] > 0, rule


def test_the_code_that_left_the_nomenclature_is_found(whole) -> None:
    report, out = whole
    odd = [
        finding.message
        for each in report.manifests
        for finding in check_bytes((out / each.manifest).read_bytes())
        if finding.rule == "hs-code"
    ]
    assert odd
    assert all("970200" in message for message in odd)


def test_no_manifest_tells_duty_tax_or_guarantee(whole) -> None:
    _, out = whole
    fiscal = {("C", "505"), ("C", "506")}
    for file in (out / "manifests").iterdir():
        document = json.loads(file.read_text(encoding="utf-8"))
        for item in document["goods"]:
            for each in item.get("documents", []):
                assert (each.get("category"), each.get("type")) not in fiscal
        for word in ("duty", "guarantee", "deferment", "VATZ"):
            assert not any(word in name for name in _names(document)), word


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for each in value.values() for name in _names(each)}
    if isinstance(value, list):
        return {name for each in value for name in _names(each)}
    return set()


def test_the_details_of_every_record_are_what_their_schema_says(whole) -> None:
    report, out = whole
    kinds: Counter[str] = Counter()
    for sequence in report.sequences:
        for line in (out / sequence.file).read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            kinds[record["kind"]] += 1
            if record.get("details"):
                assert check(record["details"]) == []
            assert (record["record"] == "manifest") == (record["kind"] in ("LODGE", "AMEND", "WITHDRAW"))
    assert set(kinds) >= {
        "LODGE",
        "OPEN",
        "HOLD",
        "LIFT",
        "RELEASE",
        "CLEARANCE",
        "AMEND",
        "WITHDRAW",
        "REMARK",
    }
    assert kinds["ARRIVAL"] and kinds["DEPARTURE"]


def test_fiscal_messages_leave_no_trace_in_the_records(whole) -> None:
    report, out = whole
    assert sum(each.fiscal for each in report.sequences) > 80
    for sequence in report.sequences:
        for line in (out / sequence.file).read_text(encoding="utf-8").splitlines():
            assert json.loads(line)["source"].get("function") not in {"11", "13", "14", "15", "18"}


def replay(report: ImportReport, out: Path) -> list[tuple[str, str, Refusal]]:
    """Bring every custody record to the model; what each became. After each, no release may stand under a hold."""
    custody = Custody()
    batch = Replay(out, report, PEOPLE.__getitem__)
    became = []
    for line in batch.lines():
        if line["record"] == "manifest":
            batch.note_manifest(line)
            continue
        actor = PEOPLE[line["party"]["role"]]
        record = batch.record(line, line_of(custody), 1_800_000_000)
        digest = record.digest(DOMAIN)
        batch.note_record(line, digest)
        refusal = custody.append(record, digest, actor.address_bytes, actor.standing, 1_800_000_000)
        became.append((line["reference"], line["kind"], refusal))
        consignment = record.consignment
        if consignment in custody:
            assert custody.is_closed(consignment) is False
            for release in custody.releases(consignment):
                assert custody.open_holds(consignment, release.party[:8]) == 0
    return became


def test_every_sequence_is_taken_by_the_model_but_those_never_received_or_accepted(folders) -> None:
    legal, refused = set(), {}
    for name, (report, out) in folders.items():
        unopened = {
            each.message.split(" was neither")[0]
            for each in report.findings
            if "neither received" in each.message
        }
        outcomes = replay(report, out)
        for sequence in report.sequences:
            mine = [
                (kind, refusal) for reference, kind, refusal in outcomes if reference == sequence.reference
            ]
            wrong = [(kind, refusal) for kind, refusal in mine if refusal is not Refusal.NONE]
            key = (name, sequence.reference)
            if wrong:
                refused[key] = wrong
                assert sequence.reference in unopened
                assert {refusal for _, refusal in wrong} == {Refusal.NOT_OPENED}
            else:
                legal.add(key)
                assert sequence.reference not in unopened
    notified = {key for key in legal if key[1].startswith("mrn:")}
    print(f"{len(notified)} sequences are legal, {len(refused)} refused: {sorted(refused)}")
    assert len(notified) >= 55
    # Decisions about declarations whose acceptance is in no file of the folder.
    assert {reference for _, reference in refused if reference.startswith("mrn:")} >= {
        "mrn:20GB1OJPU2P01FGVR4",
        "mrn:20GB1Q3RTK463FGVR4",
    }


def test_amended_manifests_differ_from_the_ones_they_supersede(folders) -> None:
    amendments = 0
    for report, out in folders.values():
        batch = Replay(out, report, PEOPLE.__getitem__)
        for line in batch.lines():
            if line["record"] == "manifest":
                identity = batch.note_manifest(line)
                if line["kind"] == "AMEND" and line["manifest"] and line["supersedes"]:
                    amendments += 1
                    assert identity != batch.manifests[line["reference"], line["supersedes"]]
    assert amendments >= 3


def test_a_release_comes_after_every_hold_of_customs_is_lifted(folders) -> None:
    held = 0
    for report, out in folders.values():
        for sequence in report.sequences:
            open_holds: set[int] = set()
            for line in (out / sequence.file).read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                if record["kind"] == CustodyKind.HOLD.name:
                    open_holds.add(record["number"])
                    held += 1
                elif record["kind"] == CustodyKind.LIFT.name:
                    open_holds.remove(record["subject"])
                elif record["kind"] in (CustodyKind.RELEASE.name, CustodyKind.CLEARANCE.name):
                    assert not open_holds
    assert held >= 2


def test_the_findings_name_what_practice_knows(folders) -> None:
    sentences = [
        f"{name}: {each.message}" for name, (report, _) in folders.items() for each in report.findings
    ]
    for words in (
        "about 8 declarations",
        "lost their colons (_2MetaData)",
        "name several LRNs",
        "no declaration of this batch has the LRN",
        "supplementary, the goods have gone",
        "neither received nor accepted",
    ):
        assert any(words in sentence for sentence in sentences), words
