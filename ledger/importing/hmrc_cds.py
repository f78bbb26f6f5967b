"""Import a batch of HMRC CDS messages: declarations become manifests, notifications become records.

Each file is read by itself: one that cannot be used is refused by name and place, and the rest of the batch goes on.
What belongs together is found by the MRN and the LRN the messages state, never by the folder; the folder only decides
between several declarations of one LRN. Files are written whole or not at all.

    OUT/manifests/<name>.json     one `cargo-manifest/1` a declaration, canonical JSON
    OUT/records/<MRN>.ndjson      the records that follow from the messages about one MRN (or one master reference)

A line of records is one JSON object: `number` (from 1), `reference` (`mrn:…`), `kind` (LODGE, AMEND, WITHDRAW; OPEN,
HOLD …), `record` (manifest or custody), `party` (who says it: role trader, customs or agency, administration,
identifier if known), `issued_at` or `observed_at` (Unix seconds), `manifest` (file, relative to OUT, or null),
`trade_reference` (of OPEN: the best the declaration states, UCR before DUCR before MRN),
`supersedes` or `subject` (number of the record meant, or null), `details` (a document with its schema), `source` (file
and message). Consignment, `previous`, `counterpart`, expiry and signature are the sender's.

Source: CUSTOMS.md; github.com/hmrc/customs-declarations 3.0.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from ledger.core import documents
from ledger.core.identifiers import TradeReference
from ledger.errors import InvalidDeclaration, InvalidDocument, InvalidIdentifier
from ledger.importing.amendments import amended, changes
from ledger.importing.declarations import Declaration, Json, manifest
from ledger.importing.linking import Links, group, link, report_mixed_folders
from ledger.importing.notifications import Movement, Notification
from ledger.importing.ordering import Message, ordered, without_repeats
from ledger.importing.recognition import Batch, recognise
from ledger.importing.report import (
    ImportedManifest,
    ImportedSequence,
    ImportFinding,
    ImportReport,
    RefusedFile,
)
from ledger.importing.sequences import RecordSequence, Subject

__all__ = ["ImportReport", "Progress", "import_files"]

Progress = Callable[[int, int], None]


def import_files(paths: Iterable[Path], out: Path, progress: Progress | None = None) -> ImportReport:
    """Import files, or folders of XML files, into `out`.

    Args:
        paths: Files, or folders whose `.xml` files are taken, at any depth.
        out: Folder to write to; made if missing. Files of the same name are replaced.
        progress: Called after each file with how many are read and how many there are.

    Returns:
        What became of every file. Nothing is raised for a file that cannot be used.

    Raises:
        InvalidDeclaration: `out` cannot be written.
    """
    files = _files(paths)
    report = ImportReport(files=len(files))
    batch = Batch()
    for done, path in enumerate(files, start=1):
        try:
            recognise(path, batch, report)
        except InvalidDeclaration as error:
            report.refusals.append(RefusedFile(str(path), error.place, error.rule))
        if progress is not None:
            progress(done, len(files))
    try:
        _write(batch, out, report)
    except OSError as error:
        raise InvalidDeclaration(
            str(out), "", f"the output folder cannot be written: {error.strerror or error}"
        ) from None
    return report


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.suffix.lower() == ".xml")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _write(batch: Batch, out: Path, report: ImportReport) -> None:
    (out / "manifests").mkdir(parents=True, exist_ok=True)
    (out / "records").mkdir(parents=True, exist_ok=True)
    names = _Names()
    notices = [each for each in batch.messages if isinstance(each, Notification)]
    report_mixed_folders(notices, report)
    linked = link(batch, notices, report)
    written: dict[int, str] = {}
    for index, (name, found) in enumerate(batch.declarations):
        base = linked.base_of.get(index)
        mrn = linked.mrn_of.get(index, "")
        source = found
        if found.request == "amendment" and base is not None:
            original = batch.declarations[base][1]
            node = amended(original.node, found.node, changes(found.node.all("Amendment")))
            source = Declaration(node, original.type_code, found.function_code, original.lrn, found.mrn, "")
        document = manifest(source, mrn)
        file = _write_manifest(document, Path(name).stem, out, names, report, name)
        if file is not None:
            written[index] = file
            report.manifests.append(
                ImportedManifest(name, file, found.type_code, found.lrn, found.mrn or mrn)
            )
        elif not found.request and not document.get("goods"):
            report.refusals.append(
                RefusedFile(
                    name,
                    found.node.place,
                    "it is a declaration without any goods item, so nothing can be stated of it",
                )
            )
        elif found.request:
            report.findings.append(
                ImportFinding(
                    name,
                    f"a request for {found.request} of {found.mrn or 'a declaration it does not name'} that states no "
                    "goods; it takes effect with customs' notification",
                )
            )
    departures = _departures(batch)
    for reference, messages in group(batch, linked).items():
        _write_sequence(reference, messages, batch, linked, departures, written, out, names, report)


class _Names:
    """Unique file names of one run."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def give(self, wanted: str) -> str:
        """A name of `[A-Za-z0-9._-]`, numbered if it was given before; capitals do not make it another."""
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.")[:100] or "unnamed"
        name, number = base, self._next.get(base.lower(), 2)
        while name.lower() in self._taken:
            name = f"{base}-{number}"
            number += 1
        self._next[base.lower()] = number
        self._taken.add(name.lower())
        return name


def _write_manifest(
    document: Json, wanted: str, out: Path, names: _Names, report: ImportReport, source: str
) -> str | None:
    if not document.get("goods"):
        return None
    if not document.get("references"):
        report.refusals.append(
            RefusedFile(
                source, "", "it states no reference at all (no UCR, DUCR, MRN or LRN) to know the goods by"
            )
        )
        return None
    data = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    try:
        documents.parse(data)
    except InvalidDocument as error:
        report.refusals.append(RefusedFile(source, "", f"its manifest cannot be committed to: {error.rule}"))
        return None
    file = f"manifests/{names.give(wanted)}.json"
    _write_whole(out / file, data)
    return file


def _write_sequence(
    reference: str,
    messages: Sequence[Message],
    batch: Batch,
    links: Links,
    departures: dict[str, datetime],
    written: dict[int, str],
    out: Path,
    names: _Names,
    report: ImportReport,
) -> None:
    scheme, _, value = reference.partition(":")
    kept, repeated = without_repeats(ordered(messages))
    subject = Subject()
    index = links.by_mrn.get(value) if scheme == "mrn" else None
    if index is not None:
        subject = _subject(batch.declarations[index][1], written.get(index))
        references = batch.declarations[index][1].references
        left = [
            departures[each]
            for each in (references.get("ducr"), references.get("mucr"))
            if each in departures
        ]
        subject.departed_at = max(left, default=None)
        _write_amended(kept, batch.declarations[index], subject, out, names, report)
    sequence = RecordSequence(reference, _administration(scheme, value, batch), subject)
    if scheme == "mucr":
        _open_master(sequence, value, kept, batch, links, out, names, report)
    for each in kept:
        sequence.take(each)
    report.findings += [ImportFinding(each.file, each.message) for each in sequence.findings]
    file = f"records/{names.give(value)}.ndjson"
    _write_whole(
        out / file,
        b"".join(orjson.dumps(each, option=orjson.OPT_SORT_KEYS) + b"\n" for each in sequence.records),
    )
    report.sequences.append(
        ImportedSequence(
            reference,
            file,
            tuple(each["kind"] for each in sequence.records),
            tuple(each.function if isinstance(each, Notification) else each.code for each in kept),
            sequence.fiscal,
            repeated,
        )
    )


def _subject(found: Declaration, file: str | None) -> Subject:
    node = found.node
    procedures = [
        each.value("CurrentCode") + each.value("PreviousCode")
        for each in node.all("GoodsShipment", "GovernmentAgencyGoodsItem", "GovernmentProcedure")
        if each.value("PreviousCode")
    ]
    containers = [each.value("ID") for each in node.all("GoodsShipment", "Consignment", "TransportEquipment")]
    return Subject(
        manifest=file,
        procedures=tuple(procedures),
        type_code=found.type_code,
        is_supplementary=found.is_supplementary,
        trader=node.value("Declarant", "ID") or node.value("Exporter", "ID"),
        trade_reference=_trade_reference(found),
        containers=tuple(each for each in containers if each),
    )


def _trade_reference(found: Declaration) -> str:
    """The best reference for the consignment that the declaration states, if it can be one; its MRN is told apart."""
    references = found.references
    for scheme in ("ucr", "ducr"):
        try:
            return str(TradeReference.of(scheme, references[scheme]))
        except (KeyError, InvalidIdentifier):
            continue
    return ""


def _departures(batch: Batch) -> dict[str, datetime]:
    """When movement messages say that goods left, by the DUCR or master UCR they name; the last time counts."""
    found: dict[str, datetime] = {}
    for each in batch.messages:
        if isinstance(each, Movement) and each.code == "EDL" and each.at and each.ucr:
            found[each.ucr] = max(found.get(each.ucr, each.at), each.at)
    return found


def _write_amended(
    kept: Sequence[Message],
    lodged: tuple[str, Declaration],
    subject: Subject,
    out: Path,
    names: _Names,
    report: ImportReport,
) -> None:
    """Write the manifest that each amendment leads to, each laid over the one before it."""
    name, found = lodged
    node, version = found.node, 1
    for each in kept:
        if not isinstance(each, Notification) or each.function != "07":
            continue
        node = amended(node, each.amended, each.changes)
        # Not every amendment states its version; two manifests with the same content would be one.
        version = max(
            version + 1,
            int(each.version)
            if each.version.isascii() and each.version.isdecimal() and len(each.version) < 6
            else 0,
        )
        unknown = [change for change in each.changes if not change.is_known]
        if unknown or not each.changes:
            report.findings.append(
                ImportFinding(
                    each.file,
                    f"it amends {len(unknown) or 'an unknown number of'} fields that the manifest does not hold or that it "
                    "does not name; the amended manifest says the new version only",
                )
            )
        source = Declaration(node, found.type_code, found.function_code, found.lrn, each.mrn, str(version))
        file = _write_manifest(
            manifest(source, each.mrn, str(version)),
            f"{Path(name).stem}-v{version}",
            out,
            names,
            report,
            each.file,
        )
        if file is not None:
            subject.amended[each.reference] = file


def _administration(scheme: str, value: str, batch: Batch) -> str:
    """The country of an MRN (its third and fourth characters), else the responsible country of this profile."""
    country = value[2:4] if scheme == "mrn" else ""
    return country if re.fullmatch(r"[A-Z]{2}", country) else "GB"


def _open_master(
    sequence: RecordSequence,
    master: str,
    kept: Sequence[Message],
    batch: Batch,
    links: Links,
    out: Path,
    names: _Names,
    report: ImportReport,
) -> None:
    """Lodge and open what travels under a master reference: its manifest lists the declared references in it."""
    houses = [batch.declarations[index] for index in links.masters.get(master, [])]
    times = [each.at for each in kept if isinstance(each, Movement) and each.at]
    if not houses or not times:
        missing = "names the master reference" if not houses else "says when anything moved under"
        report.findings.append(
            ImportFinding(
                kept[0].file,
                f"nothing in this batch {missing} {master}; open its consignment before sending",
            )
        )
        return
    goods = []
    for number, (_, found) in enumerate(houses, start=1):
        references = [
            {"scheme": scheme, "value": value}
            for scheme, value in sorted(found.references.items())
            if scheme in ("ucr", "ducr")
        ] or [{"scheme": "lrn", "value": found.lrn}]
        goods.append(
            {"sequence": number, "description": "consignment declared by itself", "references": references}
        )
    document: Json = {
        "schema": "cargo-manifest/1",
        "basis": {"kind": "consolidation"},
        "references": [{"scheme": "mucr", "value": master}],
        "goods": goods,
    }
    file = _write_manifest(document, f"master-{master}", out, names, report, kept[0].file)
    sequence.subject.manifest = file
    first = min(times)
    movement_message = next(each for each in kept if isinstance(each, Movement) and each.at == first)
    sequence.open(first.astimezone(UTC), {"file": movement_message.file, "message": movement_message.code})


def _write_whole(path: Path, data: bytes) -> None:
    """Write beside and rename, so that no reader ever sees half a file, and a killed run leaves none.

    Nothing is forced to the disk: after a power cut the import runs again, and writes the same.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
