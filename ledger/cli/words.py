"""The words a person reads: times with their age, short digests, what a manifest rests on, what a record says.

Words of the field: "in the charge of", "handover accepted", "released for export"; a manifest always with its basis.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ledger.messages import RecordView

_NO_PARTY = "0x" + "00" * 16
_NO_DIGEST = "0x" + "00" * 32
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))

# D013, as far as readers know these by name; others are shown as they stand
_BASES = {"IM": "import declaration", "EX": "export declaration", "CO": "declaration within the Union"}


def time_text(time: datetime | None) -> str:
    """A time to the second, UTC, as people read it; "" for none."""
    return "" if time is None else f"{cell_time(time)} UTC"


def cell_time(time: datetime | None) -> str:
    """A time for a column whose head says UTC; "" for none."""
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def seconds_text(seconds: int) -> str:
    """A time given in Unix seconds, as `time_text` writes it."""
    return time_text(datetime.fromtimestamp(seconds, UTC))


def reason_text(number: int) -> str:
    """Why a manifest was amended or withdrawn, in words."""
    from ledger.core.records import ManifestReason

    known = {reason.value: reason for reason in ManifestReason}
    return known[number].name.lower().replace("_", " ") if number in known else f"reason {number}"


def age_text(time: datetime, now: datetime | None = None) -> str:
    """How long ago a time was, in its two largest units; what is ahead of our clock says so."""
    seconds = int(((now or datetime.now(UTC)) - time).total_seconds())
    if seconds < -1:
        return f"{_span(-seconds)} ahead of this machine's clock"
    return f"{_span(max(seconds, 0))} ago"


def _span(seconds: int) -> str:
    said = []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            said.append(counted(count, name))
    return " ".join(said[:2]) or "0 seconds"


def counted(number: int, noun: str) -> str:
    """A number of things: `1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short(digest: str | None) -> str:
    """The first digits of a digest, for tables; "" for none."""
    return "" if digest is None else digest[:10] + "…"


def basis_text(document: Mapping[str, Any] | None) -> str:
    """What a manifest rests on, in words. "Manifest" is a carrier's list to most readers, so this is always shown."""
    if document is None:
        return "not known here: the document was not given to this service, or is erased"
    basis = document.get("basis")
    if isinstance(basis, str) and basis:
        return basis
    if not isinstance(basis, Mapping):
        return "not stated in the manifest"
    kind, code = str(basis.get("kind") or ""), str(basis.get("type") or "")
    if kind in ("", "declaration") and code[:2] in _BASES:
        kind = _BASES[code[:2]]
    said = [" ".join(part for part in (kind or "kind not stated", f"({code})" if code else "") if part)]
    for name, label in (("mrn", "MRN"), ("lrn", "LRN"), ("version", "version")):
        if basis.get(name):
            said.append(f"{label} {basis[name]}")
    if basis.get("accepted_at"):
        said.append(f"legally accepted {basis['accepted_at']}")
    return ", ".join(said)


def record_text(record: RecordView, consignment: str) -> str:
    """What a record says, seen from a consignment whose history it stands in."""
    details = record.document or {}
    subject, other = record.record.subject, record.record.consignment
    if other != consignment:
        return {
            "OPEN": f"{short(other)} split off from this",
            "CONSOLIDATE": f"{short(other)} put into this",
            "DECONSOLIDATE": f"{short(other)} taken out of this",
            "TAKE": f"{short(other)} seized, and so taken out of this",
        }.get(record.kind, f"{record.kind.lower()} of {short(other)}")
    counterpart = record.record.counterpart
    procedure = details.get("procedure") or "a procedure not disclosed here"
    return {
        "OPEN": "opened" if subject == _NO_DIGEST else f"opened, split from {short(subject)}",
        "ARRIVAL": "arrived",
        "DEPARTURE": "departed",
        "INSPECTION": "inspected",
        "SEAL": f"seal {details.get('action') or details.get('outcome') or 'changed'}",
        "OFFER": "offer withdrawn"
        if counterpart == _NO_PARTY
        else f"handover offered to {_party(counterpart)}",
        "ACCEPT": "handover accepted",
        "DECLINE": "handover declined",
        "HOLD": "hold placed",
        "LIFT": "hold lifted",
        "RELEASE": f"released for {procedure}",
        "CLEARANCE": f"cleared for {procedure}",
        "CLOSE": "closed",
        "TAKE": "taken into customs' charge",
        "CONSOLIDATE": f"put into {short(subject)}",
        "DECONSOLIDATE": f"taken out of {short(subject)}",
        "REMARK": "remark" if subject == _NO_DIGEST else f"remark on {short(subject)}",
    }.get(record.kind, record.kind.lower())


_SAID_ELSEWHERE = frozenset({"schema", "procedure", "action"})


def details_text(document: Mapping[str, Any] | None) -> str:
    """The details of a record in one line: the values, each with its name."""
    if not document:
        return ""
    return "; ".join(
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value in document.items()
        if name not in _SAID_ELSEWHERE and value not in ("", None)
    )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_value(each) for each in value)
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_value(each)}" for name, each in value.items())
    return str(value)


def _party(text: str) -> str:
    from ledger.core.identifiers import Party

    return str(Party.from_bytes(bytes.fromhex(text[2:]))) if text.startswith("0x") else text


def value_text(value: object) -> str:
    """A document's value in a table: texts as they are, others as JSON."""
    return value if isinstance(value, str) else json.dumps(value)
