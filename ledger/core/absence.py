"""Proof that something was not on chain as of a block, out of an evidence file.

A trail proves that a history is complete, and a null slot that there is none: so a release, a hold or a closure that is
not in a file that holds was not on chain when its block was made.

Source: DESIGN 1 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ledger.core.custody import Hold
from ledger.core.evidence import Evidence
from ledger.core.findings import party_text, time_text
from ledger.core.identifiers import TradeReference
from ledger.core.records import CustodyKind, blind, consignment_id
from ledger.core.trust import Trust
from ledger.core.verdict import Check, Report, conclude
from ledger.core.verify import Verification, read_evidence
from ledger.errors import InvalidIdentifier

What = Literal["release", "hold", "closure"]
_LODGED = ("issuer", "inclusion", "lodged")
_HISTORY = ("binding", "custody", "signatures", "authority")
_BLOCK = ("seals", "freshness")


def absent(
    evidence: Evidence | bytes,
    trust: Trust,
    now: int,
    what: What,
    administration: bytes,
    *,
    clock_floor: int = 0,
) -> Report:
    """Judge whether a file shows that something was not on chain.

    Args:
        evidence: The file, or its bytes; bytes that are no evidence file get a verdict too, never a pass.
        trust: What is taken for granted.
        now: The device's clock, Unix seconds.
        what: `release`: the administration never released or cleared the consignment. `hold`: none of its parties has
            a hold open on it, or on anything that it is in. `closure`: the manifest shown was lodged, and neither
            amended nor withdrawn.
        administration: Whose release or hold, 8 bytes.
        clock_floor: As in `verify`.

    Returns:
        A report over the checks that the proof rests on: VALID if it was not there, INVALID if it was or the file does
        not hold, else INDETERMINATE.
    """
    read = read_evidence(evidence, trust)
    if isinstance(read, Report):
        return read
    run = Verification(read, trust, now, clock_floor)
    report = run.report()
    replaced: dict[str, Check] = {}
    rests_on: tuple[str, ...]
    if what == "closure":
        rests_on = (*_LODGED, "succession", *_BLOCK)
        if report.check("document").status == "INVALID":
            rests_on = ("document", *rests_on)
    elif run.is_unopened:
        rests_on = (
            *_LODGED,
            *_HISTORY,
            *_BLOCK,
        )  # nobody but the manifest's author says which consignment it is
        replaced = _unopened(run)
    else:
        rests_on = (*_HISTORY, *_BLOCK)
    checks = [replaced.get(check.name, check) for check in report.checks if check.name in rests_on]
    found = _FINDERS[what](run, administration)
    if found:
        checks.append(Check("absence", "INVALID", found))
    verdict = conclude(tuple(checks), needs_seals=trust.consensus != "development")
    if report.as_of is None or verdict == "INDETERMINATE":
        state = "This file does not settle it."
    elif verdict == "INVALID":
        state = found or "Nothing is shown: the file does not hold."
    else:
        when = f"as of block {report.as_of.block}, {time_text(report.as_of.time)}"
        state = f"{_sentence(what, read, administration)} {when}."
    return Report(verdict, report.as_of, state, tuple(checks), report.trust)


def _unopened(run: Verification) -> dict[str, Check]:
    """What stands for two checks of a consignment without a history: there is none, and whose it would be."""
    evidence, party = run.evidence, run.record.party
    unopened = "The chain has no history of this consignment: it was never opened."
    replaced = {"custody": Check("custody", "VALID", unopened)}
    try:
        TradeReference.parse(evidence.reference)
    except InvalidIdentifier:
        return replaced
    if consignment_id(party, blind(evidence.consignment_key, evidence.reference)) == evidence.consignment:
        whose = f"{evidence.reference} would be the consignment that {party_text(party)} opens."
        replaced["binding"] = Check("binding", "VALID", whose)
    return replaced


def _sentence(what: What, evidence: Evidence, administration: bytes) -> str:
    if what == "closure":
        return f"Manifest 0x{evidence.manifest.id.hex()[:8]}… was neither amended nor withdrawn"
    who = party_text(administration)
    if what == "release":
        return f"{who} had never released {evidence.reference}"
    return f"{who} had no hold open on {evidence.reference}, nor on anything it is in,"


def _found_release(run: Verification, administration: bytes) -> str:
    for step in run.custody.steps(run.evidence.consignment):
        record = step.record
        is_release = record.kind in (CustodyKind.RELEASE, CustodyKind.CLEARANCE)
        if (
            is_release
            and record.consignment == run.evidence.consignment
            and record.party[:8] == administration
        ):
            return f"{party_text(record.party)} released it on {time_text(step.accepted_at)}."
    return ""


def _found_hold(run: Verification, administration: bytes) -> str:
    def of_it(consignment: bytes) -> Hold | None:
        holds = run.custody.holds(consignment)
        return next((hold for hold in holds if hold.party[:8] == administration), None)

    at: bytes | None = run.evidence.consignment
    while at is not None:
        if hold := of_it(at):
            which = "It" if at == run.evidence.consignment else f"It is inside 0x{at.hex()[:8]}…, which"
            return f"{which} is on hold by {party_text(hold.party)} since {time_text(hold.at)}."
        at = run.custody.parent(at)
    return ""


def _found_closure(run: Verification, administration: bytes) -> str:
    return "" if run.manifest_words in ("", "Current.") else run.manifest_words


_FINDERS: dict[What, Callable[[Verification, bytes], str]] = {
    "release": _found_release,
    "hold": _found_hold,
    "closure": _found_closure,
}
