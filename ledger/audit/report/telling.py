"""Acts, states and findings in words, and how grave each kind of finding is.

Places, reasons, procedures and seals stand in details documents: where those are not disclosed the words say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ledger.audit.result import Act
from ledger.core.findings import FindingKind, party_text
from ledger.core.printing import printable, shortened
from ledger.core.records import ZERO16, ZERO32
from ledger.core.records import CustodyKind as K
from ledger.core.verdict import Check, Verdict

Gravity = Literal["grave", "serious", "slight"]
GRAVITIES: tuple[Gravity, ...] = ("grave", "serious", "slight")
LONGEST_TEXT = 120  # characters of a text out of a document
LONGEST_SENTENCE = 400  # a finding names seals, which stand in documents
NOT_DISCLOSED = "place not disclosed"

# Gravest first. A lock that was broken or an order that was passed over comes before papers out of order.
RANKS: dict[FindingKind, tuple[Gravity, str]] = {
    FindingKind.SEAL_CHANGED: ("grave", "another seal than the one on record"),
    FindingKind.MOVED_UNDER_HOLD: ("grave", "moved under a hold"),
    FindingKind.CHANGED_HANDS_UNDER_HOLD: ("grave", "changed hands under a hold"),
    FindingKind.CLOSED_UNDER_HOLD: ("grave", "closed under a hold"),
    FindingKind.DISPUTED: ("grave", "signed by an account revoked as of an earlier time"),
    FindingKind.CLOSED_WITHOUT_RELEASE: ("serious", "closed without a release"),
    FindingKind.ARRIVED_BEFORE_DEPARTURE: ("serious", "arrived before it departed"),
    FindingKind.DEPARTED_BEFORE_ARRIVAL: ("serious", "departed before it arrived"),
    FindingKind.LATE: ("slight", "recorded over a day late"),
}
RANK = {kind: place for place, kind in enumerate(RANKS)}

_VERBS = {
    K.OPEN: "Opened",
    K.ARRIVAL: "Arrived",
    K.DEPARTURE: "Departed",
    K.INSPECTION: "Inspected",
    K.ACCEPT: "Handover accepted",
    K.DECLINE: "Handover declined",
    K.HOLD: "Hold placed",
    K.LIFT: "Hold lifted",
    K.RELEASE: "Released",
    K.CLOSE: "Closed",
    K.CLEARANCE: "Cleared",
    K.TAKE: "Taken in charge by customs, without an offer",
    K.REMARK: "Remark",
}


def text_of(details: Mapping[str, object], name: str) -> str | None:
    """A text out of a document, on one line and not too long; None if it is not shown."""
    value = details.get(name)
    return one_line(value, LONGEST_TEXT) if isinstance(value, str) else None


def one_line(text: str, most: int) -> str:
    """A text on one line, printable, of so many characters at most."""
    return shortened(" ".join(printable(text).split()), most)


def place_of(details: Mapping[str, object]) -> str | None:
    """Where it was: the UN/LOCODE, else the customs location, else the office; None if none is shown."""
    return next(
        (text for text in (text_of(details, each) for each in ("place", "location", "office")) if text), None
    )


def short(digest: bytes) -> str:
    """The first digits of a digest or id, to know it again by."""
    return f"0x{digest.hex()[:10]}…"


def act_words(act: Act, consignment: bytes, details: Mapping[str, object]) -> str:
    """What a record did to a consignment, without its place."""
    record = act.record
    kind = record.kind
    if kind == K.OFFER:
        return (
            "Offer withdrawn"
            if record.counterpart == ZERO16
            else f"Offered to {party_text(record.counterpart)}"
        )
    if kind in (K.CONSOLIDATE, K.DECONSOLIDATE):
        return _inside_words(act, consignment)
    if kind == K.OPEN and act.other == consignment:
        return f"Split: {short(record.consignment)} was opened out of it"
    if kind == K.TAKE and act.other == consignment:
        return f"{short(record.consignment)} was taken out of it by customs"
    if kind == K.SEAL:
        return _seal_words(details)
    words = _VERBS.get(K(kind), str(kind))
    added = {
        K.HOLD: ("reason", ": "),
        K.RELEASE: ("procedure", " for "),
        K.CLEARANCE: ("procedure", " for "),
        K.CLOSE: ("outcome", ": "),
        K.INSPECTION: ("outcome", ": "),
        K.TAKE: ("reason", ": "),
        K.REMARK: ("note", ": "),
    }.get(K(kind))
    if added is None:
        return words
    text = text_of(details, added[0])
    if text is None and kind in (K.RELEASE, K.CLEARANCE):
        return f"{words} for a procedure that is not disclosed"
    return words if text is None else f"{words}{added[1]}{text}"


def _inside_words(act: Act, consignment: bytes) -> str:
    went_in = act.record.kind == K.CONSOLIDATE
    if act.record.consignment == consignment:
        return (
            f"Put into {short(act.record.subject)}"
            if went_in
            else f"Taken out of {short(act.record.subject)}"
        )
    inner = short(act.record.consignment)
    return f"{inner} was put into it" if went_in else f"{inner} was taken out of it"


def _seal_words(details: Mapping[str, object]) -> str:
    action = "removed" if details.get("action") == "removed" else "affixed"
    seal = text_of(details, "seal")
    return "Seal affixed or removed" if seal is None else f"Seal {seal} {action}"


def where_words(act: Act, details: Mapping[str, object], names: Mapping[str, str]) -> str:
    """Where a record was made: place and name, that it is not disclosed, or "" where no details were committed to."""
    place = place_of(details)
    if place is not None:
        return f"{place} {names[place]}" if names.get(place) else place
    kind = act.record.kind
    if kind == K.OPEN or act.record.details == ZERO32:
        return ""  # an OPEN's details are the manifest
    if kind in (K.ARRIVAL, K.DEPARTURE):
        return NOT_DISCLOSED
    return "" if details else "details not disclosed"


def verdict_words(verdict: Verdict, checks: tuple[Check, ...], *, needs_seals: bool) -> tuple[str, str]:
    """The verdict in words: a heading, and what it rests on."""
    if verdict == "VALID":
        seals = next(check for check in checks if check.name == "seals")
        return (
            "The chain of custody holds.",
            f"Every block, signature, authority and rule was judged again and is as it should be. {seals.message}",
        )
    if verdict == "INVALID":
        broken = next(check for check in checks if check.status in ("INVALID", "ERROR"))
        return "The chain of custody does not hold.", broken.message
    missing = [
        f"{check.name.capitalize()}: {check.message}"
        for check in checks
        if check.status == "ERROR" or (check.status == "SKIPPED" and (needs_seals or check.name != "seals"))
    ]
    return (
        "No verdict can be given.",
        "Nothing was found to be broken, but not all that a verdict needs was shown. " + " ".join(missing),
    )
