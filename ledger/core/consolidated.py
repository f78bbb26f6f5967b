"""What is inside a consolidated consignment, told by number from the files of its contents.

The container's own file proves what is inside and what of it is on hold; the contents' manifests stand in files of their
own. How many of these are there, hold and are missing is what an officer counts at the ramp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.core.evidence import Evidence
from ledger.core.trust import Trust
from ledger.core.verify import Verification
from ledger.errors import InvalidEvidence


@dataclass(frozen=True, slots=True)
class Contents:
    """What is directly inside, by number.

    Attributes:
        inside: Consignments directly inside, as of the container's block.
        files: Of those, consignments with a VALID file.
        missing: Of those, consignments without one.
        on_hold: Of those, consignments that anybody holds, as of the container's block or of their own file's.
        not_valid: Files given that are not VALID.
        not_inside: VALID files given that are of something else.
    """

    inside: int
    files: int
    missing: int
    on_hold: int
    not_valid: int
    not_inside: int

    @property
    def sentence(self) -> str:
        """As an officer says it."""
        missing = "none" if not self.missing else "one" if self.missing == 1 else str(self.missing)
        said = f"{self.inside} inside, files for {self.files}: {missing} missing; {self.on_hold} on hold"
        if self.not_valid:
            said += (
                f"; {self.not_valid} of the files given {'does' if self.not_valid == 1 else 'do'} not pass"
            )
        if self.not_inside:
            said += f"; {self.not_inside} of them {'is' if self.not_inside == 1 else 'are'} of something else"
        return said + "."


def count(
    container: Evidence, files: Sequence[bytes], trust: Trust, now: int, *, clock_floor: int = 0
) -> Contents | None:
    """Count what is inside a container.

    Args:
        container: Its file.
        files: Evidence files of its contents, in any order; what else is given is counted apart.
        trust: What is taken for granted.
        now: The device's clock, Unix seconds.
        clock_floor: As in `verify`.

    Returns:
        The numbers, or None if the container's file does not prove its history.
    """
    outer = Verification(container, trust, now, clock_floor)
    outer.report()
    if not outer.is_custody_proven:
        return None
    inside = set(outer.custody.contents(container.consignment))
    held = {each for each in inside if outer.custody.holds(each)}
    shown: set[bytes] = set()
    not_valid = not_inside = 0
    for data in files:
        try:
            evidence = Evidence.decode(data)
        except InvalidEvidence:
            not_valid += 1
            continue
        inner = Verification(evidence, trust, now, clock_floor)
        if inner.report().verdict != "VALID":
            not_valid += 1
        elif evidence.consignment not in inside:
            not_inside += 1
        else:
            shown.add(evidence.consignment)
            if inner.custody.holds(evidence.consignment):
                held.add(evidence.consignment)
    return Contents(len(inside), len(shown), len(inside - shown), len(held), not_valid, not_inside)
