"""In which state a manifest record is, and where in the log the records of a state stand."""

from __future__ import annotations

from typing import Any

from ledger import sequencing
from ledger.fields import ManifestState


def state_of(row: Any, extent: sequencing.Extent) -> ManifestState:
    """The state of a manifest record's row, where the log has got so far."""
    if row.closing == "refused":
        return "refused"
    if row.epoch < extent.epoch or row.log_index < extent.final:
        return "final"
    if row.log_index < extent.anchored:
        return "anchored"
    return "sequenced" if row.log_index < extent.sequenced else "accepted"


def span(
    state: ManifestState | None, extent: sequencing.Extent
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Where in the log the records of a state stand, as (epoch, index) from and below; None is everywhere."""
    epoch = extent.epoch
    match state:
        case "final":
            return (0, 0), (epoch, extent.final)
        case "anchored":
            return (epoch, extent.final), (epoch, extent.anchored)
        case "sequenced":
            return (epoch, extent.anchored), (epoch, extent.sequenced)
        case "accepted":
            return (epoch, extent.sequenced), (epoch + 1, 0)
    return None
