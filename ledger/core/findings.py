"""What an officer and an auditor should look at: facts that the rules record and never refuse.

`custody` decides what a consignment may take; this module decides only what is odd about what it took, in sentences. It
is fed by the custody model, which knows what was held and inside what at the time. Seals and places stand in the details
documents, so what concerns them is found as far as those are disclosed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from ledger.core.identifiers import Party
from ledger.core.records import CustodyKind, CustodyRecord
from ledger.errors import InvalidIdentifier

# A capture without a network is sent when the device is next in reach; a day covers a shift, a night and a crossing.
LATE_SECONDS = 86_400
_LAST_PRINTABLE_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z

Documents = Mapping[bytes, Mapping[str, object]]
"""Disclosed details by record digest: the JSON object, or those of its members that are disclosed."""


class FindingKind(StrEnum):
    """Kinds of findings; the texts are part of the service's answers and never change."""

    MOVED_UNDER_HOLD = "moved-under-hold"
    CHANGED_HANDS_UNDER_HOLD = "changed-hands-under-hold"
    SEAL_CHANGED = "seal-changed"
    ARRIVED_BEFORE_DEPARTURE = "arrived-before-departure"
    DEPARTED_BEFORE_ARRIVAL = "departed-before-arrival"
    CLOSED_WITHOUT_RELEASE = "closed-without-release"
    CLOSED_UNDER_HOLD = "closed-under-hold"
    LATE = "late"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd about a consignment, found in a record.

    Attributes:
        kind: What kind of oddity.
        consignment: The consignment it concerns, 32 bytes; the record may stand on another, above it or inside it.
        record: Digest of the record that shows it, 32 bytes.
        at: Acceptance time of that record, Unix seconds.
        sentence: The finding in words, without places or names that are not disclosed.
    """

    kind: FindingKind
    consignment: bytes
    record: bytes
    at: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Step:
    """A record as the chain took it.

    Attributes:
        record: The record.
        digest: Its EIP-712 digest, 32 bytes.
        signer: The signer's address, 20 bytes.
        accepted_at: Time of the block that took it, Unix seconds.
        other: The second consignment whose trail it extended, 32 bytes, or None.
    """

    record: CustodyRecord
    digest: bytes
    signer: bytes
    accepted_at: int
    other: bytes | None


@lru_cache(maxsize=4096)
def party_text(party: bytes) -> str:
    """A party or administration as people write it; as hex where the bytes are no party."""
    try:
        return str(Party.from_bytes(party.ljust(16, b"\0")))
    except InvalidIdentifier:
        return "0x" + party.hex()


def time_text(seconds: int) -> str:
    """A Unix time as RFC 3339 UTC; as the number where no calendar reaches it."""
    if not 0 <= seconds <= _LAST_PRINTABLE_SECOND:
        return str(seconds)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def passages(consignment: bytes, steps: Iterable[Step], documents: Documents) -> list[Finding]:
    """Find arrivals observed before the departure that led to them, and departures before the arrival.

    Each passage is compared with the one recorded before it. A departure observed before the arrival that was recorded
    first is in order if both places are disclosed and differ: it was captured without a network and sent late.

    Args:
        consignment: 32 bytes; records of others are passed over.
        steps: What the consignment's trail was extended by, in order.
        documents: Disclosed details; `place`, else `location`, else `office` is read.
    """
    found: list[Finding] = []
    former: Step | None = None
    for step in steps:
        kind = step.record.kind
        if step.record.consignment != consignment or kind not in (CustodyKind.ARRIVAL, CustodyKind.DEPARTURE):
            continue
        before, former = former, step
        if before is None or before.record.kind == kind:
            continue
        if step.record.observed_at >= before.record.observed_at:
            continue
        places = [_place(documents, passage) for passage in (before, step)]
        if kind == CustodyKind.ARRIVAL or None in places or places[0] == places[1]:
            found.append(before_its_time(step, before.record.observed_at))
    return found


def before_its_time(step: Step, former_observed_at: int) -> Finding:
    """The finding that a passage was observed before the one that was recorded before it.

    Args:
        step: An ARRIVAL after a DEPARTURE, or the reverse.
        former_observed_at: When the other was observed, Unix seconds; later than this one.
    """
    times = f"{time_text(step.record.observed_at)} against {time_text(former_observed_at)}"
    if step.record.kind == CustodyKind.ARRIVAL:
        sentence = f"The arrival was observed before the departure that came before it: {times}."
        return _finding(FindingKind.ARRIVED_BEFORE_DEPARTURE, step, sentence)
    sentence = f"The departure was observed before the arrival that came before it: {times}."
    return _finding(FindingKind.DEPARTED_BEFORE_ARRIVAL, step, sentence)


def seals(consignment: bytes, steps: Iterable[Step], documents: Documents) -> list[Finding]:
    """Find passages and inspections that show other seals than those known to be on, without a SEAL between.

    Only disclosed details are seen: `seal` and `action` of a SEAL, `seals` of the others. A passage that shows some of
    the known seals is in order, since not all need be disclosed; one that shows an empty list says that none was on.

    Args:
        consignment: 32 bytes; records of others are passed over.
        steps: What the consignment's trail was extended by, in order.
        documents: Disclosed details.
    """
    found: list[Finding] = []
    known: set[str] | None = None  # None until a first seal is seen
    for step in steps:
        if step.record.consignment != consignment:
            continue
        if step.record.kind == CustodyKind.SEAL:
            seal = _text(documents, step, "seal")
            if seal is not None:
                removed = _text(documents, step, "action") == "removed"
                known = (known or set()) - {seal} if removed else (known or set()) | {seal}
            continue
        shown = _seals_shown(documents, step)
        if shown is None:
            continue
        if known is None:
            known = shown
        if not shown <= known or (known and not shown):
            seen, was = (", ".join(sorted(those)) or "none" for those in (shown, known))
            found.append(
                _finding(
                    FindingKind.SEAL_CHANGED,
                    step,
                    f"The seal seen is {seen}; on record is {was}, and no seal record explains it.",
                )
            )
            known = shown
    return found


def late(step: Step) -> Finding | None:
    """The finding that a record was captured long before the chain took it, if it was."""
    delay = step.accepted_at - step.record.observed_at
    if delay <= LATE_SECONDS:
        return None
    return _finding(
        FindingKind.LATE,
        step,
        f"The {kind_name(step.record.kind)} was observed {time_text(step.record.observed_at)} and taken by the chain "
        f"{delay // 3600} hours later.",
    )


def kind_name(kind: int) -> str:
    """A record kind's name in capitals, as the design writes it; the number where there is no such kind."""
    return CustodyKind(kind).name if kind in CustodyKind._value2member_map_ else str(kind)


def _finding(kind: FindingKind, step: Step, sentence: str) -> Finding:
    return Finding(kind, step.record.consignment, step.digest, step.accepted_at, sentence)


def _text(documents: Documents, step: Step, name: str) -> str | None:
    value = documents.get(step.digest, {}).get(name)
    return value if isinstance(value, str) else None


def _seals_shown(documents: Documents, step: Step) -> set[str] | None:
    value = documents.get(step.digest, {}).get("seals")
    if not isinstance(value, list | tuple):
        return None
    return {seal for seal in value if isinstance(seal, str)}


def _place(documents: Documents, step: Step) -> str | None:
    """Where a passage was: the UN/LOCODE, else the customs location, else the office."""
    for name in ("place", "location", "office"):
        place = _text(documents, step, name)
        if place is not None:
            return place
    return None
