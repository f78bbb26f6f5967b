"""Gas, from the snapshot that the contracts' tests write and compare with what they measure."""

import json

from figures import Figure
from manifests import PROJECT

SNAPSHOT = PROJECT / "tests" / "contracts" / "gas_snapshot.json"

# The snapshot's name, what it is a figure of, records in it, and the most that one of them may cost (DESIGN 9).
ASKED = (
    (
        "ManifestLog.anchor 1000 on a million",
        "gas a manifest, 1,000 a batch on a log of a million",
        1000,
        100,
    ),
)


def measure() -> list[Figure]:
    """Show what is asked for first, then the rest of the snapshot as it is."""
    gas = json.loads(SNAPSHOT.read_text()) if SNAPSHOT.exists() else {}
    figures = []
    for name, words, records, most in ASKED:
        if name in gas:
            each = gas[name] / records
            figures.append(Figure(words, f"{each:,.1f} gas", f"{most:,} gas", each <= most, name))
    asked = {name for name, *_ in ASKED}
    return figures + [Figure(name, f"{used:,} gas") for name, used in gas.items() if name not in asked]
