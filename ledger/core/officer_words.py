"""What an officer wants to know of a consignment, in the officer's words: current, in whose charge, released, held, may it go.

These sentences only say what `verify` has established; they decide nothing. Texts out of details documents are cut, kept to
one line, and quoted where they are more than a word: no reason of a hold reads as a release of ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger.core.custody import Custody
from ledger.core.findings import party_text, time_text
from ledger.core.leaves import LeafValue
from ledger.core.printing import quoted

_LONGEST_TEXT = 120  # characters of a text out of a document

Details = Mapping[bytes, Mapping[str, LeafValue]]
"""What is shown of records' details: leaves by pointer, by record digest."""


def custody_words(
    custody: Custody, consignment: bytes, manifest: bytes, ours: bytes, details: Details
) -> tuple[str, bool, str]:
    """Say where a consignment stands.

    Args:
        custody: The model with its history.
        consignment: 32 bytes; it was opened.
        manifest: Id of the manifest shown, 32 bytes.
        ours: Our administration, 8 bytes.
        details: What is shown of the records' details.

    Returns:
        Where it is; whether it may go by custody alone; what was decided on it and why it may not go, if it may not.
    """
    state = custody.state(consignment)
    where = (
        "Closed: in nobody's charge."
        if state.custodian is None
        else f"In the charge of {party_text(state.custodian)}."
    )
    if state.offered_to is not None:
        where += f" Offered to {party_text(state.offered_to)}, not accepted."
    if state.inside is not None:
        where += f" Inside consignment 0x{state.inside.hex()[:8]}…."
    if state.contents:
        held = sum(bool(custody.holds(each)) for each in state.contents)
        where += f" {len(state.contents)} inside; {held} on hold."
    decided = [
        f"released for {_text(details, release.record, 'procedure', 'a procedure not shown here')} by "
        f"{party_text(release.party)} on {time_text(release.at)}"
        + ("" if release.manifest == manifest else " (for another manifest)")
        for release in state.releases
    ]
    decided += [
        f"on hold by {party_text(hold.party)} since {time_text(hold.at)}"
        + _in_brackets(_text(details, hold.record, "reason", ""))
        for hold in state.holds
    ]
    may_go = custody.may_go(consignment, ours, manifest)
    if not may_go:
        decided.append(f"may not go: {_why_not(custody, consignment, manifest, ours)}")
    return where, may_go, "; ".join(decided)


def _why_not(custody: Custody, consignment: bytes, manifest: bytes, ours: bytes) -> str:
    if custody.open_holds(consignment, ours):
        return "it is on hold"
    releases = [release for release in custody.releases(consignment) if release.party[:8] == ours]
    if any(release.manifest == manifest for release in releases):
        return "something it is in, or that is in it, is on hold"
    if releases:
        return "the release is for another manifest"
    return f"{party_text(ours)} has not released it"


def _text(details: Details, record: bytes, name: str, otherwise: str) -> str:
    shown = details.get(record, {})
    texts = [
        value
        for pointer, value in shown.items()
        if isinstance(value, str) and (pointer == f"/{name}" or pointer.startswith(f"/{name}/"))
    ]
    return quoted(", ".join(texts), _LONGEST_TEXT) or otherwise


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""
