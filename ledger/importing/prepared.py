"""Read back what an import prepared: one NDJSON file of records, checked whole before any of them is signed.

`ledger.importing.hmrc_cds` has the shape of a line. What is checked: that every line is one record of a known kind with
what its kind needs, that numbers lead to earlier lines of the right kind, that manifests are there and can be committed
to, that details are what their schema says. What is not checked: whether the chain will take them, and whether the
details are true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, TypeGuard, cast

from ledger import checking
from ledger.core import documents
from ledger.core.identifiers import Party, TradeReference
from ledger.core.records import CustodyKind, ManifestKind, ManifestReason
from ledger.errors import InvalidDocument, InvalidIdentifier, InvalidPreparedRecord

MAX_FILE_BYTES = 64 << 20
MAX_RECORDS = 10_000
ROLES = ("trader", "customs", "agency")
DECISIONS = frozenset({CustodyKind.RELEASE, CustodyKind.CLEARANCE})  # their subject is a manifest
MOVED_INTO = frozenset({CustodyKind.CONSOLIDATE, CustodyKind.DECONSOLIDATE})  # their subject is a consignment

_HANDOVER = frozenset({CustodyKind.OFFER, CustodyKind.ACCEPT, CustodyKind.DECLINE})
_LAST_SECOND = (1 << 40) - 1  # times are uint40 on chain


@dataclass(frozen=True, slots=True)
class PreparedRecord:
    """One line, ready to be signed.

    Attributes:
        line: Its line in the file, from 1.
        number: The number that other lines know it by.
        kind: What is stated.
        role: Who states it: `trader`, `customs` or `agency`.
        administration: Of which administration that party is.
        reference: What the messages were about, as `mrn:…`.
        about: Number of the record that is superseded, lifted or decided on; None for none.
        manifest: The manifest's bytes as they stand in its file, of LODGE and AMEND.
        opens: Number of the LODGE that an OPEN moves under; None for other kinds.
        trade_reference: Of OPEN: the reference the consignment gets.
        into: Trade reference of the consignment this one is put into or taken out of; None for other kinds.
        reason: Of AMEND and WITHDRAW; NONE for other kinds.
        details: The details; None where a kind has none.
        observed_at: Unix seconds, of custody records; None for manifest records.
    """

    line: int
    number: int
    kind: ManifestKind | CustodyKind
    role: str
    administration: str
    reference: str
    about: int | None = None
    manifest: bytes | None = None
    opens: int | None = None
    trade_reference: str | None = None
    into: str | None = None
    reason: ManifestReason = ManifestReason.NONE
    details: Mapping[str, Any] | None = None
    observed_at: int | None = None


def manifest_folder(file: Path) -> Path:
    """The folder that manifests are named relative to: the importer's OUT, or the file's own folder elsewhere."""
    folder = file.absolute().parent
    return folder.parent if folder.name == "records" else folder


def read_prepared(file: Path, folder: Path | None = None) -> tuple[PreparedRecord, ...]:
    """Read a file of prepared records, and the manifests it names.

    Args:
        file: NDJSON, at most 64 MiB and 10,000 lines.
        folder: What manifests are named relative to; see `manifest_folder`.

    Returns:
        The records, in the order of the file; one at least.

    Raises:
        InvalidPreparedRecord: With the file and line of the first thing that cannot be used.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidPreparedRecord(
            str(file), None, f"it cannot be read: {error.strerror or error}"
        ) from None
    if len(data) > MAX_FILE_BYTES:
        raise InvalidPreparedRecord(str(file), None, "it is over 64 MiB; a file an MRN is expected")
    reader = _Reader(str(file), folder or manifest_folder(file))
    for line, text in enumerate(data.split(b"\n"), start=1):
        if text.strip():
            reader.read(line, text)
    if not reader.records:
        raise InvalidPreparedRecord(str(file), None, "it holds no records")
    return tuple(reader.records.values())


class _Reader:
    """One file's lines, read in order; `records` by their numbers."""

    def __init__(self, file: str, folder: Path) -> None:
        self.records: dict[int, PreparedRecord] = {}
        self._file = file
        self._folder = folder
        self._line = 0
        self._files: dict[int, str] = {}  # of LODGE: its manifest's file

    def read(self, line: int, text: bytes) -> None:
        """Read one line."""
        self._line = line
        try:
            value = documents.parse(text).value
        except InvalidDocument as error:
            self._refuse(
                f"at {error.pointer or 'its root'}, {error.rule}; one JSON object a line is expected"
            )
        number = value.get("number")
        if not _is_natural(number) or number in self.records:
            self._refuse("its `number` is none, or that of an earlier line")
        if len(self.records) == MAX_RECORDS:
            self._refuse(f"a file holds at most {MAX_RECORDS:,} records")
        kind = self._kind(value)
        role, administration = self._party(value.get("party"))
        facts: dict[str, Any] = {}
        if isinstance(kind, ManifestKind):
            self._read_manifest_record(kind, value, facts)
        else:
            self._read_custody_record(kind, value, facts)
        reference = self._reference(value, "reference")
        self.records[number] = PreparedRecord(line, number, kind, role, administration, reference, **facts)
        if kind is ManifestKind.LODGE:
            self._files[number] = value["manifest"]

    def _kind(self, value: Mapping[str, Any]) -> ManifestKind | CustodyKind:
        name, family = value.get("kind"), value.get("record")
        known = name if isinstance(name, str) else ""
        if family == "manifest" and known in ManifestKind.__members__:
            return ManifestKind[known]
        if family == "custody" and known in CustodyKind.__members__:
            kind = CustodyKind[known]
            if kind in _HANDOVER:
                self._refuse(
                    f"{name} is between two parties, which an import does not know; hand over with "
                    f"`consignment {kind.name.lower()}`"
                )
            return kind
        self._refuse(f"{_cut(family)} {_cut(name)} is no kind of manifest or custody record")

    def _party(self, party: Any) -> tuple[str, str]:
        role = party.get("role") if isinstance(party, dict) else None
        administration = party.get("administration") if isinstance(party, dict) else None
        if role not in ROLES:
            self._refuse(f"its party's role is {_cut(role)}; trader, customs or agency is expected")
        try:
            is_one = Party.parse(administration).is_customs if isinstance(administration, str) else False
        except InvalidIdentifier:
            is_one = False
        if not is_one:
            self._refuse(f"its party's administration is {_cut(administration)}; one as GB is expected")
        return cast(str, role), cast(str, administration)

    def _read_manifest_record(
        self, kind: ManifestKind, value: Mapping[str, Any], facts: dict[str, Any]
    ) -> None:
        if kind is not ManifestKind.LODGE:
            number = value.get("reason")
            if not _is_natural(number) or not 1 <= number <= max(ManifestReason):
                self._refuse(f"its `reason` is {_cut(number)}; 1 to 5 is expected")
            facts["reason"] = ManifestReason(number)
            facts["about"] = self._earlier(value, "supersedes", (ManifestKind.LODGE, ManifestKind.AMEND))
        if kind is not ManifestKind.WITHDRAW:
            facts["manifest"] = self._manifest(value.get("manifest"))

    def _read_custody_record(
        self, kind: CustodyKind, value: Mapping[str, Any], facts: dict[str, Any]
    ) -> None:
        seconds = value.get("observed_at")
        if not _is_natural(seconds) or seconds > _LAST_SECOND:
            self._refuse(f"its `observed_at` is {_cut(seconds)}; Unix seconds are expected")
        facts["observed_at"] = seconds
        if kind is CustodyKind.OPEN:
            if any(each.kind is CustodyKind.OPEN for each in self.records.values()):
                self._refuse("the consignment is opened a second time; a file is about one consignment")
            facts["trade_reference"] = self._reference(value, "trade_reference")
            facts["opens"] = self._lodged(value.get("manifest"))
            return
        facts["details"] = self._details(value.get("details"))
        if kind is CustodyKind.LIFT:
            facts["about"] = self._earlier(value, "subject", (CustodyKind.HOLD,))
        elif kind in DECISIONS:
            facts["about"] = self._earlier(value, "subject", (ManifestKind.LODGE, ManifestKind.AMEND))
        elif kind in MOVED_INTO:
            facts["into"] = self._reference(value["details"] or {}, "reference")
        elif value.get("subject") is not None:
            facts["about"] = self._earlier(value, "subject", tuple(CustodyKind))

    def _earlier(
        self, value: Mapping[str, Any], name: str, kinds: tuple[ManifestKind | CustodyKind, ...]
    ) -> int:
        number = value.get(name)
        found = self.records.get(number) if _is_natural(number) else None
        if found is None or not any(found.kind is each for each in kinds):
            wanted = " or ".join(each.name for each in kinds) if len(kinds) < 4 else "custody record"
            self._refuse(
                f"its `{name}` is {_cut(number)}, which is no earlier {wanted} of this file; what it is about must be "
                "imported with it"
            )
        return found.number

    def _lodged(self, file: Any) -> int:
        for number, lodged in reversed(self._files.items()):
            if lodged == file:
                return number
        self._refuse(f"it opens under the manifest {_cut(file)}, which no earlier line lodges")

    def _manifest(self, name: Any) -> bytes:
        if not isinstance(name, str) or not name:
            self._refuse("it names no manifest file; import its declaration together with the notifications")
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            self._refuse(f"the manifest {_cut(name)} is outside the import's folder")
        path = self._folder / place
        try:
            with path.open("rb") as stream:
                data = stream.read(documents.MAX_BYTES + 1)
        except (OSError, ValueError):
            self._refuse(f"there is no manifest {path} that can be read")
        try:
            documents.parse(data)
        except InvalidDocument as error:
            self._refuse(
                f"its manifest {path} cannot be committed to: at {error.pointer or 'its root'}, {error.rule}"
            )
        return data

    def _details(self, details: Any) -> Mapping[str, Any] | None:
        if details is None:
            return None
        if not isinstance(details, dict):
            self._refuse("its `details` are no JSON object")
        for finding in checking.check(details):
            if finding.severity == "error":
                message = finding.message.rstrip(".")
                self._refuse(
                    f"its details are not what their schema says: at {finding.pointer or '/'}, {message}"
                )
        return details

    def _reference(self, value: Mapping[str, Any], name: str) -> str:
        try:
            return str(TradeReference.parse(value.get(name) or ""))
        except (InvalidIdentifier, TypeError, AttributeError):
            self._refuse(f"its `{name}` is {_cut(value.get(name))}; a trade reference is expected, as mrn:…")

    def _refuse(self, rule: str) -> NoReturn:
        raise InvalidPreparedRecord(self._file, self._line, rule)


def _is_natural(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
