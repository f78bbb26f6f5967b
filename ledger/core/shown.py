"""What an evidence file shows of its manifest, for those who compare it with the cargo before them.

Fields are given only where the file holds that far: they are what the record commits to, the record is its party's, and
it was lodged under a block that somebody stands behind. Whether it is current is the verdict's to say.
"""

from __future__ import annotations

from ledger.core.evidence import Evidence
from ledger.core.leaves import LeafValue
from ledger.core.trust import Trust
from ledger.core.verdict import Report

_RESTS_ON = ("document", "issuer", "inclusion", "lodged")


def shown(evidence: Evidence, trust: Trust, report: Report) -> dict[str, LeafValue]:
    """The manifest's fields that a file shows.

    Args:
        evidence: The file.
        trust: What it was judged by.
        report: What `verify` came to, of this file by this trust file.

    Returns:
        Values by RFC 6901 pointer, in the pointers' order; none if any of it does not hold.
    """
    needed = _RESTS_ON if trust.consensus == "development" else (*_RESTS_ON, "seals")
    if any(report.check(name).status != "VALID" for name in needed):
        return {}
    return evidence.manifest.shown.fields
