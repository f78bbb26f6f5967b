"""Fuzz the parsers of the core with atheris: `python scripts/fuzz.py [--seconds 600] [TARGET …]`.

Each target runs in a process of its own for its time, from the cases in tests/vectors/fuzz, in 512 MiB. What it finds
(an error that is not the library's, a broken promise, 10 s or 512 MiB for one input) is written there as `bad-…`; give
it a name and keep it: the tests replay that folder. Cases that only reach new code go to .build/fuzz.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CASES = PROJECT / "tests" / "vectors" / "fuzz"
NAMES = (
    "documents",
    "disclosures",
    "records",
    "evidence",
    "trust",
    "splits",
    "parts",
    "headers",
    "state_proofs",
)


def main() -> int:
    """Run the targets one after the other; 1 if any found something."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}; default all")
    parser.add_argument("--seconds", type=int, default=600, help="time for each target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    targets = chosen.targets or list(NAMES)
    if unknown := set(targets) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if chosen.inside:
        _fuzz(targets[0], chosen.seconds)
    failed = []
    for target in targets:
        print(f"{target}: {chosen.seconds} s", flush=True)
        command = [sys.executable, __file__, target, "--seconds", str(chosen.seconds), "--inside"]
        if subprocess.run(command, cwd=PROJECT, check=False).returncode:
            failed.append(target)
    if failed:
        print(f"Found something in {', '.join(failed)}: see the bad-… files in {CASES}.", file=sys.stderr)
    return 1 if failed else 0


def _fuzz(target: str, seconds: int) -> None:
    import atheris

    sys.path.insert(0, str(PROJECT / "scripts"))
    with atheris.instrument_imports(include=["ledger", "fuzz_targets"]):
        import fuzz_targets

    found = PROJECT / ".build" / "fuzz" / target
    cases = CASES / target
    found.mkdir(parents=True, exist_ok=True)
    cases.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=512",
        "-max_len=65536",
        f"-artifact_prefix={cases}/bad-",
        "-print_final_stats=1",
        "-verbosity=0",
        f"-dict={CASES / 'json.dict'}",
    ]
    atheris.Setup([sys.argv[0], *options, str(found), str(cases)], fuzz_targets.TARGETS[target])
    atheris.Fuzz()  # ends the process


if __name__ == "__main__":
    sys.exit(main())
