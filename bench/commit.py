"""Committing to manifests, against OpenAttestation v2 on the same files in the same run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from figures import Figure
from manifests import PROJECT, file_for_both

COUNT = 3000
ROUNDS = 5
BATCH = 100  # documents a call of wrapDocuments, its best size here


def measure() -> list[Figure]:
    """Take turns, so that both sides meet the same neighbours on the machine; the ratios are medians of the turns."""
    peer = _install()
    file = file_for_both(COUNT)
    cores = sorted(os.sched_getaffinity(0))
    python = [sys.executable, str(PROJECT / "bench" / "commit_lines.py"), str(file)]
    rates: dict[str, list[float]] = {"peer": [], "one": [], "two": []}
    for _ in range(ROUNDS):
        rates["peer"].append(_rate(["node", str(peer), str(file), str(BATCH)], cores[:1]))
        rates["one"].append(_rate([*python, "1"], cores[:1]))
        if len(cores) > 1:
            rates["two"].append(_rate([*python, "2"], cores[:2]))
    rate = median(rates["peer"])
    figures = [Figure("OpenAttestation 6.9.7 v2 wrapDocuments, one core", f"{rate:,.0f}/s")]
    for name, words, times in (("one", "one core", 5), ("two", "two cores", 9)):
        if rates[name]:
            ratio = median(ours / theirs for ours, theirs in zip(rates[name], rates["peer"], strict=True))
            figures.append(
                Figure(
                    f"commit a manifest, {words}",
                    f"{median(rates[name]):,.0f}/s, {ratio:.1f} times OpenAttestation",
                    f"{times} times",
                    ratio >= times,
                    f"{COUNT:,} manifests, median of {ROUNDS} turns; parse, salts, hashes, tree, root",
                )
            )
    return figures


def _install() -> Path:
    folder = PROJECT / "bench"
    if not (folder / "node_modules" / "@govtechsg" / "open-attestation").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)
    return folder / "open_attestation.cjs"


def _rate(command: list[str], cores: list[int]) -> float:
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, cores)), *command], check=True, capture_output=True, text=True
    )
    result = json.loads(done.stdout)
    return result["documents"] / result["seconds"]
