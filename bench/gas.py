"""Gas, from the snapshot that the contracts' tests write and compare with what they measure."""

import json

from figures import Figure
from manifests import PROJECT

SNAPSHOT = PROJECT / "tests" / "contracts" / "gas_snapshot.json"

# The snapshot's name, how many records its figure is for, and the most that one of them may cost (DESIGN 9).
_APPEND = "ConsignmentLedger.append"
ASKED = {
    "ManifestLog.anchor 1000 on a million": (1000, 100),
    f"{_APPEND} ARRIVAL by the officer on an existing line, 50 a batch": (1, 35_000),
    f"{_APPEND} ARRIVAL by the custodian on an existing line, 50 a batch": (1, 35_000),
    f"{_APPEND} OPEN, 50 a batch": (1, 70_000),
    f"{_APPEND} first HOLD of an administration on a new line, 50 a batch": (1, 80_000),
    f"{_APPEND} second HOLD of an administration on a new line, 50 a batch": (1, 80_000),
    f"{_APPEND} CONSOLIDATE 8 deep, 50 a batch": (1, 170_000),
}


def measure() -> list[Figure]:
    """Show what is asked for first, then the rest of the snapshot as it is."""
    gas = json.loads(SNAPSHOT.read_text()) if SNAPSHOT.exists() else {}
    figures = []
    for name, (records, most) in ASKED.items():
        words = f"gas: {'a manifest, ' if records > 1 else ''}{name}"
        if name in gas:
            each = gas[name] / records
            figures.append(Figure(words, f"{each:,.0f}", f"{most:,}", each <= most))
        else:
            figures.append(Figure(words, "not in the snapshot", f"{most:,}", False))
    return figures + [
        Figure(f"gas: {name}", f"{used:,.0f}") for name, used in gas.items() if name not in ASKED
    ]
