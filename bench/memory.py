"""Memory while committing to 100,000 manifests one after the other."""

import json
import subprocess
import sys
from pathlib import Path

from figures import Figure

COUNT = 100_000
LIMIT_MIB = 300


def measure() -> list[Figure]:
    """Run the stream in a process of its own, whose peak is its own."""
    done = subprocess.run([sys.executable, __file__, str(COUNT)], check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    early, peak = result["mib_after_a_tenth"], result["mib_at_peak"]
    return [
        Figure(
            f"memory of committing to {COUNT:,} manifests",
            f"{peak:.0f} MiB at the peak, {early:.0f} MiB after a tenth",
            f"{LIMIT_MIB} MiB, flat",
            peak < LIMIT_MIB and peak - early < 16,
            "resident set of a process that makes and commits to them one by one",
        )
    ]


def stream(count: int) -> None:
    """Make, commit to and forget manifests; print the resident set."""
    import os
    import resource

    from manifests import encode, generate

    from ledger.core import documents

    early = 0.0
    for number, manifest in enumerate(generate(count)):
        documents.commit(documents.parse(encode(manifest)), os.urandom(32))
        if number == count // 10:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            early = pages * resource.getpagesize() / 2**20
    # not ru_maxrss, which starts from what the parent held when it made this process
    peak = next(
        int(line.split()[1]) / 2**10
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    print(json.dumps({"mib_after_a_tenth": early, "mib_at_peak": peak}))


if __name__ == "__main__":
    stream(int(sys.argv[1]))
