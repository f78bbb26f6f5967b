"""Import a batch of HMRC CDS messages: declarations become manifests, notifications become records.

Each file is read by itself: one that cannot be used is refused by name and place, and the rest of the batch goes on.
What belongs together is found by the MRN and the LRN the messages state, never by the folder; the folder only decides
between several declarations of one LRN. Files are written whole or not at all.

    OUT/manifests/<name>.json     one `cargo-manifest/1` a declaration, canonical JSON
    OUT/records/<MRN>.ndjson      the records that follow from the messages about one MRN (or one master reference)

A line of records is one JSON object: `number` (from 1), `reference` (`mrn:…`), `kind` (LODGE, AMEND, WITHDRAW; OPEN,
HOLD …), `record` (manifest or custody), `party` (who says it: role trader, customs or agency, administration,
identifier if known), `issued_at` or `observed_at` (Unix seconds), `manifest` (file, relative to OUT, or null),
`supersedes` or `subject` (number of the record meant, or null), `details` (a document with its schema), `source` (file
and message). Consignment, `previous`, `counterpart`, expiry and signature are the sender's.

Source: CUSTOMS.md; github.com/hmrc/customs-declarations 3.0.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath

import orjson

from ledger.core import documents
from ledger.errors import InvalidDeclaration, InvalidDocument
from ledger.importing.amendments import amended, changes
from ledger.importing.declarations import Declaration, Json, declaration, manifest
from ledger.importing.ncts import MESSAGES as NCTS_MESSAGES
from ledger.importing.ncts import transit_notification
from ledger.importing.notifications import Movement, Notification, movement, notification, presentation
from ledger.importing.sequences import Message, RecordSequence, Subject, ordered, without_repeats
from ledger.importing.xml_source import Node, read

_DECLARATION_NAMESPACES = (
    "urn:wco:datamodel:WCO:DEC-DMS:2",
    "urn:wco:datamodel:WCO:DEC:2",
    "http://gov.uk/customs/FullDeclarationDataRetrievalService",
    "",
)
_NO_STATEMENT = {  # messages of these systems that state nothing about goods
    "inventoryLinkingQueryRequest": "a query",
    "inventoryLinkingQueryResponse": "an answer to a query",
    "inventoryLinkingMovementResponse": "an acknowledgement",
    "inventoryLinkingMovementTotalsResponse": "an acknowledgement",
    "inventoryLinkingControlResponse": "an acknowledgement",
    "InventoryLinkingImportsValidateMovementResponse": "an answer whether a declaration matches its consignment",
    "InventoryLinkingImportsValidateMovement": "a question whether a declaration matches its consignment",
    "DeclarationStatusResponse": "a status answer",
}
_MOVEMENTS = frozenset(
    {
        "inventoryLinkingMovementRequest",
        "inventoryLinkingConsolidationRequest",
        "inventoryLinkingImportsGoodsArrival",
    }
)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that was not imported.

    Attributes:
        file: The file as named by the caller.
        place: Line and column, "" for the whole file.
        reason: Why, in a sentence.
    """

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{', ' + self.place if self.place else ''}: {self.reason}."


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """Something odd that stopped nothing.

    Attributes:
        file: The file (or folder) it shows in.
        message: A sentence.
    """

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}."


@dataclass(frozen=True, slots=True)
class ImportedManifest:
    """A declaration that became a manifest.

    Attributes:
        source: The declaration's file.
        manifest: The manifest's file, relative to the output folder.
        type_code: As `IMA`.
        lrn: The declarant's reference, "" if none.
        mrn: The MRN, "" if no message of the batch tells it.
    """

    source: str
    manifest: str
    type_code: str
    lrn: str
    mrn: str


@dataclass(frozen=True, slots=True)
class ImportedSequence:
    """The records that follow from the messages about one reference.

    Attributes:
        reference: As `mrn:24GB…` or `mucr:…`.
        file: The NDJSON file, relative to the output folder.
        kinds: The kinds of its records, in order.
        messages: The messages read for it, in order: function or movement codes.
        fiscal: How many messages were kept to the declarant's own file.
        repeated: How many messages were dropped because they repeat another.
    """

    reference: str
    file: str
    kinds: tuple[str, ...]
    messages: tuple[str, ...]
    fiscal: int
    repeated: int


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        files: How many files were given.
        manifests: Declarations that became manifests.
        requests: Files of requests about earlier declarations (amendment, invalidation); customs' answer counts.
        sequences: Records written, one an MRN or master reference.
        noted: Files that state nothing about goods, with what they are.
        findings: What is odd.
        refusals: Files that were not imported.
    """

    files: int = 0
    manifests: list[ImportedManifest] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    sequences: list[ImportedSequence] = field(default_factory=list)
    noted: list[ImportFinding] = field(default_factory=list)
    findings: list[ImportFinding] = field(default_factory=list)
    refusals: list[RefusedFile] = field(default_factory=list)


@dataclass(slots=True)
class _Batch:
    declarations: list[tuple[str, Declaration]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


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
    batch = _Batch()
    for done, path in enumerate(files, start=1):
        try:
            _read(path, batch, report)
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


def _read(path: Path, batch: _Batch, report: ImportReport) -> None:
    root = read(path)
    name = str(path)
    if root.name in _NO_STATEMENT:
        report.noted.append(ImportFinding(name, f"{_NO_STATEMENT[root.name]}; nothing follows from it"))
        return
    if root.name in _MOVEMENTS:
        batch.messages.append(_usable(movement(root, name), name, root))
        return
    if root.name in NCTS_MESSAGES:
        transit = transit_notification(root, name)
        if isinstance(transit, str):
            raise InvalidDeclaration(name, root.place, transit)
        batch.messages.append(transit)
        return
    response = next((each for each in root.walk() if each.name == "Response"), None)
    if response is not None and response.namespace in ("", *_response_namespaces(response)):
        read_notification = notification(response, name)
        if isinstance(read_notification, str):
            raise InvalidDeclaration(name, response.place, read_notification)
        if _has_lost_colons(root):
            report.findings.append(
                ImportFinding(
                    name,
                    f"the envelope's names have lost their colons ({root.name}); the notification in it is whole",
                )
            )
        batch.messages.append(read_notification)
        return
    node = next((each for each in root.walk() if each.name == "Declaration"), None)
    if _has_lost_colons(root) and (node is None or node.namespace not in _DECLARATION_NAMESPACES):
        raise InvalidDeclaration(
            name,
            root.place,
            f"its element names have lost the colons after their prefixes ({root.name} for "
            f"{_with_colon(root.name)}), so its names mean nothing; ask the sender for the file as it was",
        )
    if node is None:
        raise InvalidDeclaration(
            name, root.place, f"it is no declaration and no notification: its root element is {root.name}"
        )
    if node.namespace not in _DECLARATION_NAMESPACES:
        raise InvalidDeclaration(
            name,
            node.place,
            f"its Declaration is of the unknown namespace {node.namespace[:80]}; a WCO Data Model 3.6 declaration "
            f"is of {_DECLARATION_NAMESPACES[0]}",
        )
    found = declaration(node, root.first("FullDeclarationDataDetails", "HighLevelSummaryDetails"))
    if found.request == "arrival":
        batch.messages.append(_usable(presentation(found, name), name, node))
        return
    if not found.type_code and not found.lrn and node.first("GoodsShipment") is None:
        raise InvalidDeclaration(
            name, node.place, "its Declaration states nothing: no type, no reference, no goods"
        )
    if found.request:
        report.requests.append(name)
    batch.declarations.append((name, found))


def _response_namespaces(response: Node) -> tuple[str, ...]:
    return (response.namespace,) if response.namespace.startswith("urn:wco:datamodel:WCO:RES") else ()


def _has_lost_colons(root: Node) -> bool:
    return root.name.endswith("MetaData") and root.name != "MetaData"


def _with_colon(name: str) -> str:
    prefix = name.removesuffix("MetaData")
    return f"{prefix}:MetaData"


def _usable(found: Movement, name: str, node: Node) -> Movement:
    if not found.mrn and not found.ucr and not found.master:
        raise InvalidDeclaration(name, node.place, "it names no declaration (MRN) and no UCR")
    return found


def _write(batch: _Batch, out: Path, report: ImportReport) -> None:
    (out / "manifests").mkdir(parents=True, exist_ok=True)
    (out / "records").mkdir(parents=True, exist_ok=True)
    names = _Names()
    notices = [each for each in batch.messages if isinstance(each, Notification)]
    _report_mixed_folders(notices, report)
    linked = _link(batch, notices, report)
    written: dict[int, str] = {}
    for index, (name, found) in enumerate(batch.declarations):
        base = linked.base_of.get(index)
        mrn = linked.mrn_of.get(index, "")
        source = found
        if found.request == "amendment" and base is not None:
            original = batch.declarations[base][1]
            node = amended(original.node, found.node, changes(found.node.all("Amendment")))
            source = Declaration(node, original.type_code, found.function_code, original.lrn, found.mrn, "")
        file = _write_manifest(manifest(source, mrn), Path(name).stem, out, names, report, name)
        if file is not None:
            written[index] = file
            report.manifests.append(
                ImportedManifest(name, file, found.type_code, found.lrn, found.mrn or mrn)
            )
        elif found.request:
            report.findings.append(
                ImportFinding(
                    name,
                    f"a request for {found.request} of {found.mrn or 'a declaration it does not name'} that states no "
                    "goods; it takes effect with customs' notification",
                )
            )
    for reference, messages in _group(batch, linked).items():
        _write_sequence(reference, messages, batch, linked, written, out, names, report)


class _Names:
    """Unique file names of one run."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, wanted: str) -> str:
        """A name of `[A-Za-z0-9._-]`, numbered if it was given before."""
        base = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.")[:100] or "unnamed"
        name, number = base, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._taken.add(name.lower())
        return name


@dataclass(slots=True)
class _Links:
    """Which declaration belongs to which MRN.

    Attributes:
        by_mrn: Index of the declaration first lodged, by MRN.
        mrn_of: MRN, by index of the declaration.
        base_of: Index of the declaration that a request amends, by index of the request.
        mrn_by_ucr: MRNs by the DUCR their declaration states.
        masters: Indexes of the declarations that state a master UCR, by that reference.
    """

    by_mrn: dict[str, int] = field(default_factory=dict)
    mrn_of: dict[int, str] = field(default_factory=dict)
    base_of: dict[int, int] = field(default_factory=dict)
    mrn_by_ucr: dict[str, list[str]] = field(default_factory=dict)
    masters: dict[str, list[int]] = field(default_factory=dict)


def _link(batch: _Batch, notices: Sequence[Notification], report: ImportReport) -> _Links:
    links = _Links()
    originals = [
        (index, name, found) for index, (name, found) in enumerate(batch.declarations) if not found.request
    ]
    by_mrn: dict[str, list[Notification]] = {}
    for each in sorted(notices, key=lambda each: (each.issued, each.file)):
        by_mrn.setdefault(each.mrn, []).append(each)
    for mrn, group in by_mrn.items():
        stated = [index for index, _, found in originals if found.mrn.upper() == mrn and not found.retrieved]
        lrns = list(dict.fromkeys(each.lrn for each in group if each.lrn))
        if len(lrns) > 1:
            report.findings.append(
                ImportFinding(
                    group[0].file,
                    f"the notifications about {mrn} name several LRNs ({', '.join(lrns)}); they are kept together by the MRN",
                )
            )
        candidates = stated or _by_lrn(originals, lrns)
        chosen = _nearest(candidates, batch, group[0].file)
        if chosen is not None:
            links.by_mrn[mrn] = chosen
            links.mrn_of[chosen] = mrn
        elif candidates:
            report.findings.append(
                ImportFinding(
                    group[0].file,
                    f"several declarations have the LRN {', '.join(lrns)}; none is taken for {mrn}, name it when sending",
                )
            )
        else:
            report.findings.append(
                ImportFinding(
                    group[0].file,
                    f"no declaration of this batch has the LRN {', '.join(lrns) or '(none stated)'} of {mrn}; its records "
                    "name no manifest",
                )
            )
    for index, _, found in originals:
        if found.mrn:
            mrn = found.mrn.upper()
            links.mrn_of.setdefault(index, mrn)
            lodged = _nearest(_by_lrn(originals, [found.lrn]), batch, batch.declarations[index][0])
            links.mrn_of.setdefault(index if lodged is None else lodged, mrn)
            links.by_mrn.setdefault(mrn, index if lodged is None else lodged)
    for index, (_, found) in enumerate(batch.declarations):
        if found.request and found.mrn.upper() in links.by_mrn:
            links.base_of[index] = links.by_mrn[found.mrn.upper()]
    for index, _, found in originals:
        references = found.references
        mrn = links.mrn_of.get(index, "")
        if mrn and "ducr" in references:
            links.mrn_by_ucr.setdefault(references["ducr"], []).append(mrn)
        if "mucr" in references:
            links.masters.setdefault(references["mucr"], []).append(index)
    return links


def _by_lrn(originals: Sequence[tuple[int, str, Declaration]], lrns: Sequence[str]) -> list[int]:
    """Declarations of these LRNs; those that a trader lodged before those that customs gave out again."""
    found = [each for each in originals if each[2].lrn and each[2].lrn in lrns]
    lodged = [each for each in found if not each[2].retrieved]
    return [index for index, _, _ in lodged or found]


def _nearest(candidates: Sequence[int], batch: _Batch, file: str) -> int | None:
    """Of several declarations, the one that shares most folders with the file; None if that does not decide."""
    if not candidates:
        return None

    def shared(index: int) -> int:
        one, other = PurePath(batch.declarations[index][0]).parts, PurePath(file).parts
        return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))

    best = max(map(shared, candidates))
    nearest = [index for index in candidates if shared(index) == best]
    return nearest[0] if len(nearest) == 1 else None


def _report_mixed_folders(notices: Sequence[Notification], report: ImportReport) -> None:
    folders: dict[str, set[str]] = {}
    for each in notices:
        folders.setdefault(str(PurePath(each.file).parent), set()).add(each.mrn)
    for folder, mrns in sorted(folders.items()):
        if len(mrns) > 1:
            report.findings.append(
                ImportFinding(
                    folder,
                    f"its notifications are about {len(mrns)} declarations ({', '.join(sorted(mrns)[:5])}); each goes its own way",
                )
            )


def _group(batch: _Batch, links: _Links) -> dict[str, list[Message]]:
    groups: dict[str, list[Message]] = {}
    for each in batch.messages:
        if isinstance(each, Notification) or each.mrn:
            groups.setdefault(f"mrn:{each.mrn}", []).append(each)
        elif each.is_master:
            groups.setdefault(f"mucr:{each.ucr or each.master}", []).append(each)
        else:
            known = set(links.mrn_by_ucr.get(each.ucr, []))
            reference = f"mrn:{known.pop()}" if len(known) == 1 else f"ducr:{each.ucr}"
            groups.setdefault(reference, []).append(each)
    return dict(sorted(groups.items()))


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
    batch: _Batch,
    links: _Links,
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
        subject.departed_at = _departure(batch, batch.declarations[index][1])
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
        containers=tuple(each for each in containers if each),
    )


def _departure(batch: _Batch, found: Declaration) -> datetime | None:
    """When the movement message of its DUCR, or of its master UCR, says that the goods left."""
    references = found.references
    mine = {references.get("ducr"), references.get("mucr")} - {None}
    times = [
        each.at
        for each in batch.messages
        if isinstance(each, Movement) and each.code == "EDL" and each.at and each.ucr in mine
    ]
    return max(times, default=None)


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
            version + 1, int(each.version) if each.version.isdigit() and len(each.version) < 6 else 0
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


def _administration(scheme: str, value: str, batch: _Batch) -> str:
    """The country of an MRN (its third and fourth characters), else the responsible country of this profile."""
    country = value[2:4] if scheme == "mrn" else ""
    return country if re.fullmatch(r"[A-Z]{2}", country) else "GB"


def _open_master(
    sequence: RecordSequence,
    master: str,
    kept: Sequence[Message],
    batch: _Batch,
    links: _Links,
    out: Path,
    names: _Names,
    report: ImportReport,
) -> None:
    """Lodge and open what travels under a master reference: its manifest lists the declared references in it."""
    houses = [batch.declarations[index] for index in links.masters.get(master, [])]
    times = [each.at for each in kept if isinstance(each, Movement) and each.at]
    if not houses or not times:
        report.findings.append(
            ImportFinding(
                kept[0].file,
                f"no declaration of this batch names the master reference {master}; open its consignment before sending",
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
    """Write beside and rename, so that no reader ever sees half a file."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
