"""What was amended, field by field as far as documents are held; which manifests came after the cargo had left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ledger.audit.log import Closure, Head
from ledger.audit.questions.form import Asked, Chronicle, Cited, Held, Lodged, Row, Unit, cite
from ledger.audit.questions.walking import (
    Components,
    downwards,
    hexed,
    number_after,
    require_beginning,
    short,
    walk,
    when,
)
from ledger.audit.result import Act
from ledger.audit.wording import counted
from ledger.core.findings import party_text
from ledger.core.records import CustodyKind, ManifestReason, manifest_id
from ledger.errors import NotFound, TooMuchConnected

AMENDED = (
    "consignment",
    "former",
    "successor",
    "kind",
    "reason",
    "party",
    "record",
    "issued_at",
    "closed_at",
    "changes",
    "unchanged",
    "hidden_in_former",
    "hidden_in_successor",
)
LATE = (
    "consignment",
    "manifest",
    "departed_at",
    "departure",
    "departure_taken_at",
    "lodged",
    "issued_at",
    "not_in_log_at",
    "anchored_at",
    "amended_at",
)
_MOST_CHANGES = 500  # fields of one amendment that are shown
_MOST_SAID = 5  # of them in its sentence
_CLOSING = {2: "amended", 3: "withdrawn"}


# ------------------------------------------------------------------------------------------------------------ amended


def amended(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Every manifest closed; what differs between it and its successor, of the fields that are shown."""
    after = number_after("amended", asked, "c") or 0
    closures: Iterable[Closure] = chronicle.closures(after)
    if asked.consignment is not None:
        closures = [each for each in chronicle.closures_of(asked.consignment) if each.sequence > after]
    for closure in closures:
        yield Unit(f"c{closure.sequence}", [_amended_row(chronicle, closure)])


def _amended_row(chronicle: Chronicle, closure: Closure) -> Row:
    former = _document(chronicle, _root_of(chronicle, closure), closure.former)
    successor = _document(chronicle, closure.root, closure.successor)
    changes, unchanged = ([], None) if closure.successor is None else _compared(former, successor)
    facts: dict[str, Any] = {
        "consignment": hexed(closure.consignment),
        "former": hexed(closure.former),
        "successor": hexed(closure.successor),
        "kind": _CLOSING[closure.kind],
        "reason": ManifestReason(closure.reason).name.lower().replace("_", " "),
        "party": party_text(closure.party),
        "record": hexed(closure.digest),
        "issued_at": when(closure.issued_at),
        "closed_at": when(closure.closed_at),
        "changes": changes[:_MOST_CHANGES],
        "unchanged": unchanged,
        "hidden_in_former": None if former is None else former.leaves - len(former.fields),
        "hidden_in_successor": None if successor is None else successor.leaves - len(successor.fields),
    }
    said = (
        f"Manifest {short(closure.former)} was {facts['kind']} ({facts['reason']}) by {facts['party']} at "
        f"{facts['closed_at']}"
    )
    if closure.successor is not None:
        said += f"; its successor is {short(closure.successor)}: {_said(former, successor, changes)}"
    return Row(said + ".", facts, (cite(closure),))


def _root_of(chronicle: Chronicle, closure: Closure) -> bytes | None:
    """The former manifest's root: from the call that closed it, the closing before, or the record that opened."""
    if closure.former_root is not None:
        return closure.former_root
    for earlier in chronicle.closures_of(closure.consignment):
        if earlier.successor == closure.former:
            return earlier.root
    opening = _opening(chronicle, closure.consignment)
    if opening is not None:
        record = opening.record
        if manifest_id(record.party, record.consignment, record.details) == closure.former:
            return record.details
    return None


def _opening(chronicle: Chronicle, consignment: bytes) -> Act | None:
    try:
        acts, _ = chronicle.connected(consignment)
    except (NotFound, TooMuchConnected):
        return None
    return next(
        act for act in acts if act.record.kind == CustodyKind.OPEN and act.record.consignment == consignment
    )


def _document(chronicle: Chronicle, root: bytes | None, manifest: bytes | None) -> Held | None:
    return None if manifest is None else chronicle.held(root or b"", manifest=manifest)


def _compared(former: Held | None, successor: Held | None) -> tuple[list[dict[str, Any]], int | None]:
    """Each field that differs or can't be compared, by its pointer; and how many are shown in both and equal."""
    if former is None or successor is None:
        return [], None
    changes = []
    unchanged = 0
    for pointer in sorted({*former.fields, *successor.fields}):
        in_former, in_successor = pointer in former.fields, pointer in successor.fields
        if in_former and in_successor:
            old, new = former.fields[pointer], successor.fields[pointer]
            if type(old) is type(new) and old == new:
                unchanged += 1
                continue
            change = "changed"
        elif in_former:
            change = "removed" if successor.is_whole else "hidden in the successor"
        else:
            change = "added" if former.is_whole else "hidden in the former"
        entry: dict[str, Any] = {"pointer": pointer, "change": change}
        if in_former:
            entry["former"] = former.fields[pointer]
        if in_successor:
            entry["successor"] = successor.fields[pointer]
        changes.append(entry)
    return changes, unchanged


def _said(former: Held | None, successor: Held | None, changes: Sequence[dict[str, Any]]) -> str:
    if former is None or successor is None:
        neither = "neither of them is" if former is None and successor is None else "one of them is not"
        return f"which fields changed is not disclosed, {neither} held here"
    told = [each for each in changes if not each["change"].startswith("hidden")]
    said = [_change(each) for each in told[:_MOST_SAID]]
    if len(told) > _MOST_SAID:
        said.append(f"{len(told) - _MOST_SAID} more fields")
    hidden = (former.leaves - len(former.fields), successor.leaves - len(successor.fields))
    end = (
        f"; hidden are {hidden[0]} fields of the former and {hidden[1]} of the successor"
        if any(hidden)
        else ""
    )
    return (", ".join(said) or "no field that is shown changed") + end


def _change(change: dict[str, Any]) -> str:
    if change["change"] != "changed":
        value = change.get("former", change.get("successor"))
        return f"{change['pointer']} {change['change']} ({_value(value)})"
    return f"{change['pointer']} from {_value(change['former'])} to {_value(change['successor'])}"


def _value(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "…"


def say_amended(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    if not rows:
        return "No manifest was amended or withdrawn."
    withdrawn = sum(1 for row in rows if row.facts["successor"] is None)
    dark = sum(1 for row in rows if row.facts["successor"] is not None and row.facts["unchanged"] is None)
    said = (
        f"{counted(len(rows) - withdrawn, 'manifest was', 'manifests were')} amended, {withdrawn} withdrawn"
    )
    return said + (f"; of {dark} the changed fields are not disclosed." if dark else ".")


# -------------------------------------------------------------------------------------------------------------- late


def late(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Manifests by when they came into their log, against the first departure of the cargo or of what it was in."""
    departures = Components(chronicle, lambda acts, _: _departures(chronicle, acts))

    def unit(place: str, consignment: bytes) -> Unit:
        departure = departures.of(consignment).get(consignment)
        if departure is None:
            return Unit(place)
        judged = [
            _late_row(chronicle, consignment, departure, *each) for each in _manifests(chronicle, consignment)
        ]
        unknown = sum(1 for row in judged if row.facts["lodged"] == "unknown")
        told = [
            f"When {counted(unknown, 'manifest', 'manifests')} of cargo that left came into its log is not shown: no proof "
            "of its place there is held."
        ]
        is_one = asked.consignment is not None
        rows = [
            row for row in judged if is_one or row.facts["lodged"] in ("after", "around", "amended after")
        ]
        return Unit(place, rows, told if unknown else ())

    if asked.consignment is not None:
        require_beginning("late-manifests", asked)
        yield unit("a1", asked.consignment)
        return
    for opening in chronicle.openings(number_after("late-manifests", asked, "a") or 0):
        try:
            yield unit(f"a{opening.sequence}", opening.record.consignment)
        except TooMuchConnected as error:
            yield Unit(f"a{opening.sequence}", unknown=[str(error)])


def _departures(chronicle: Chronicle, acts: Sequence[Act]) -> dict[bytes, Act]:
    """The first departure of each consignment, by itself or inside another."""
    found: dict[bytes, Act] = {}
    for act, custody in walk(chronicle, acts):
        if act.record.kind == CustodyKind.DEPARTURE:
            for each in downwards(custody, act.record.consignment):
                found.setdefault(each, act)
    return found


def _manifests(chronicle: Chronicle, consignment: bytes) -> list[tuple[bytes, Closure | None, Lodged | None]]:
    """The manifests that are known of a consignment, each with the closing that made it and its place in a log."""
    placed = {each.manifest: each for each in chronicle.lodged(consignment)}
    made: dict[bytes, Closure | None] = {}
    opening = _opening(chronicle, consignment)
    if opening is not None:
        record = opening.record
        made[manifest_id(record.party, consignment, record.details)] = None
    for closure in chronicle.closures_of(consignment):
        made.setdefault(closure.former, None)
        if closure.successor is not None:
            made[closure.successor] = closure
    for manifest in placed:
        made.setdefault(manifest, None)
    return [(manifest, closure, placed.get(manifest)) for manifest, closure in made.items()]


def _late_row(
    chronicle: Chronicle,
    consignment: bytes,
    departure: Act,
    manifest: bytes,
    closure: Closure | None,
    lodged: Lodged | None,
) -> Row:
    departed = departure.record.observed_at
    before, first = (None, None) if lodged is None else chronicle.around(lodged)
    issued = closure.issued_at if closure is not None else None if lodged is None else lodged.issued_at
    status = _status(departed, before, first, issued, closure)
    facts = {
        "consignment": hexed(consignment),
        "manifest": hexed(manifest),
        "departed_at": when(departed),
        "departure": hexed(departure.digest),
        "departure_taken_at": when(departure.accepted_at),
        "lodged": status,
        "issued_at": None if issued is None else when(issued),
        "not_in_log_at": None if before is None else when(before.anchored_at),
        "anchored_at": None if first is None else when(first.anchored_at),
        "amended_at": None if closure is None else when(closure.closed_at),
    }
    said = f"Cargo {short(consignment)} left at {when(departed)}; its manifest {short(manifest)} "
    said += {
        "after": "was lodged after that",
        "around": "was anchored after that and may have been lodged before",
        "amended after": "took another's place after that",
        "before": "was lodged before that",
        "unknown": "was lodged at a time that is not shown",
    }[status]
    times = [
        f"signed {facts['issued_at']} by its signer's word" if issued is not None else "",
        f"not in its log at {facts['not_in_log_at']}" if before is not None else "",
        f"anchored at {facts['anchored_at']}" if first is not None else "",
        f"took the former's place at {facts['amended_at']}" if closure is not None else "",
    ]
    shown = ", ".join(each for each in times if each)
    cites: list[Cited] = [cite(departure)]
    cites += [cite(each) for each in (closure, before, first) if each is not None]
    return Row(said + (f": {shown}." if shown else "."), facts, tuple(cites))


def _status(
    departed: int, before: Head | None, first: Head | None, issued: int | None, closure: Closure | None
) -> str:
    """Whether a manifest was lodged after a departure; its signer's word counts against it alone."""
    if first is not None and first.anchored_at <= departed:
        return "before"
    if before is not None and before.anchored_at >= departed:
        return "after"
    if issued is not None and issued > departed:
        return "after"
    if closure is not None:  # the chain has had its record since the closing
        return "amended after" if closure.closed_at > departed else "before"
    return "unknown" if first is None else "around"


def say_late(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    late_ones = [row for row in rows if row.facts["lodged"] in ("after", "amended after")]
    around = sum(1 for row in rows if row.facts["lodged"] == "around")
    if not late_ones and not around:
        return "No manifest is shown to have been lodged after the cargo had left."
    said = (
        f"{counted(late_ones, 'manifest was', 'manifests were')} lodged or amended after the cargo had left"
    )
    return said + (f"; {around} may have been lodged before and were anchored after." if around else ".")
