"""A verdict: named checks, what they come to, and as of when.

VALID only if every check that is needed is VALID and nothing is INVALID or ERROR; INVALID if one is INVALID; else
INDETERMINATE. Nothing that was left out, not known or too old ever passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ledger.core.findings import time_text
from ledger.errors import EvidenceRefused, LedgerError

Status = Literal["VALID", "INVALID", "SKIPPED", "ERROR"]
Verdict = Literal["VALID", "INVALID", "INDETERMINATE"]
NAMES = (
    "document",
    "issuer",
    "inclusion",
    "lodged",
    "binding",
    "succession",
    "custody",
    "signatures",
    "authority",
    "seals",
    "freshness",
)
"""The checks, in the order in which they are run and told."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: One of `NAMES`.
        status: VALID, INVALID, SKIPPED (it could not be asked, or does not decide) or ERROR (it can't be told).
        message: A sentence for an officer.
    """

    name: str
    status: Status
    message: str


@dataclass(frozen=True, slots=True)
class AsOf:
    """The block that a verdict speaks of.

    Attributes:
        block: Its number.
        time: Its time, Unix seconds.
        age_seconds: How old that is; from the newest time known, if the clock is behind.
    """

    block: int
    time: int
    age_seconds: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came of an evidence file.

    Attributes:
        verdict: VALID, INVALID or INDETERMINATE.
        as_of: The block it speaks of; None if the file shows none.
        state: What the officer wants to know, in words.
        checks: All of `NAMES`, in order; of a proof of absence, those that it rests on.
        trust: SHA-256 of the trust file, 32 bytes.
    """

    verdict: Verdict
    as_of: AsOf | None
    state: str
    checks: tuple[Check, ...]
    trust: bytes

    def check(self, name: str) -> Check:
        """The check of a name."""
        return next(check for check in self.checks if check.name == name)

    def require(self) -> None:
        """Pass only if the verdict is VALID.

        Raises:
            EvidenceRefused: With the sentences of the checks that did not pass.
        """
        if self.verdict != "VALID":
            raise EvidenceRefused(
                self.verdict, tuple(check.message for check in self.checks if check.status != "VALID")
            )

    def to_json(self) -> dict[str, Any]:
        """The verdict as programs read it; time as RFC 3339."""
        as_of = self.as_of
        return {
            "verdict": self.verdict,
            "as_of": None
            if as_of is None
            else {"block": as_of.block, "time": time_text(as_of.time), "age_seconds": as_of.age_seconds},
            "state": self.state,
            "checks": [
                {"name": check.name, "status": check.status, "message": check.message}
                for check in self.checks
            ],
            "trust": "0x" + self.trust.hex(),
        }


def conclude(checks: tuple[Check, ...], *, needs_seals: bool) -> Verdict:
    """What the checks come to; without seals to ask for, that check may be skipped."""
    if any(check.status == "INVALID" for check in checks):
        return "INVALID"
    needed = [each for each in checks if needs_seals or (each.name, each.status) != ("seals", "SKIPPED")]
    return "VALID" if all(check.status == "VALID" for check in needed) else "INDETERMINATE"


class Outcome(Exception):
    """A check ends with this.

    Attributes:
        status: What it ends with.
        message: Its sentence.
    """

    def __init__(self, status: Status, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def wrong(message: str) -> Outcome:
    """What a check raises when something does not hold."""
    return Outcome("INVALID", message)


def undecided(message: str) -> Outcome:
    """What a check raises when what is shown does not decide it."""
    return Outcome("SKIPPED", message)


def run_check(name: str, check: Callable[[], str]) -> Check:
    """Run a check; the sentence that it gives is VALID, an error of ours is INVALID."""
    try:
        return Check(name, "VALID", check())
    except Outcome as outcome:
        return Check(name, outcome.status, outcome.message)
    except LedgerError as error:
        return Check(name, "INVALID", str(error))
