"""Proof that something was not on chain as of a block, out of an evidence file.

A trail proves that a history is complete, and a null slot that there is none: so a release, a hold or a closure that is
not in a file that holds was not on chain when its block was made.

Source: DESIGN 1 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ledger.core.evidence import Evidence
from ledger.core.findings import party_text, time_text
from ledger.core.records import CustodyKind
from ledger.core.trust import Trust
from ledger.core.verdict import Check, Report, conclude
from ledger.core.verify import Verification

What = Literal["release", "hold", "closure"]
_RESTS_ON = {
    "release": ("custody", "signatures", "authority", "seals", "freshness"),
    "hold": ("custody", "signatures", "authority", "seals", "freshness"),
    "closure": ("succession", "seals", "freshness"),
}


def absent(
    evidence: Evidence, trust: Trust, now: int, what: What, administration: bytes, *, clock_floor: int = 0
) -> Report:
    """Judge whether a file shows that something was not on chain.

    Args:
        evidence: The file.
        trust: What is taken for granted.
        now: The device's clock, Unix seconds.
        what: `release`: the administration never released or cleared the consignment. `hold`: none of its parties has
            a hold open on it. `closure`: the manifest shown was not amended or withdrawn.
        administration: Whose release or hold, 8 bytes.
        clock_floor: As in `verify`.

    Returns:
        A report over the checks that the proof rests on: VALID if it was not there, INVALID if it was or the file does
        not hold, else INDETERMINATE.
    """
    run = Verification(evidence, trust, now, clock_floor)
    report = run.report()
    checks = [check for check in report.checks if check.name in _RESTS_ON[what]]
    if run.is_unopened and what != "closure":
        whole = "The chain has no history of this consignment: it was never opened."
        checks = [Check("custody", "VALID", whole) if check.name == "custody" else check for check in checks]
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
        state = f"{_sentence(what, administration)} {when}."
    return Report(verdict, report.as_of, state, tuple(checks), report.trust)


def _sentence(what: What, administration: bytes) -> str:
    if what == "closure":
        return "The manifest shown was neither amended nor withdrawn"
    who = party_text(administration)
    return (
        f"{who} had never released this consignment"
        if what == "release"
        else f"{who} had no hold open on this consignment"
    )


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
    for hold in run.custody.holds(run.evidence.consignment):
        if hold.party[:8] == administration:
            return f"It is on hold by {party_text(hold.party)} since {time_text(hold.at)}."
    return ""


def _found_closure(run: Verification, administration: bytes) -> str:
    return "" if run.manifest_words in ("", "Current.") else run.manifest_words


_FINDERS: dict[What, Callable[[Verification, bytes], str]] = {
    "release": _found_release,
    "hold": _found_hold,
    "closure": _found_closure,
}
