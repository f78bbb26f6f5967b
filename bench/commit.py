"""Committing to manifests, against OpenAttestation v2 on the same files in the same run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from figures import Figure
from manifests import PROJECT, file_for_both
from processor import busy_seconds

COUNT = 3000
BATCH = 100  # documents a call of wrapDocuments, its best size here
TURNS = 5
MOST_TURNS = 10  # tried until that many were quiet
QUIET = 0.05  # what other programs may take of the machine's cores in a quiet turn


class Turn(NamedTuple):
    """Documents a second, one after the other on the same machine, and what others took of it at the most."""

    peer: float
    one: float
    two: float
    others: float


def measure() -> list[Figure]:
    """Take turns, so that both sides meet the same neighbours on the machine; the ratios are medians of the turns.

    On one core a second is one of processor time, on two one of the clock. The quietest turns count.
    """
    peer = ["node", str(_install()), str(file_for_both(COUNT)), str(BATCH)]
    ours = [sys.executable, str(PROJECT / "bench" / "commit_lines.py"), str(file_for_both(COUNT))]
    cores = sorted(os.sched_getaffinity(0))[:2]
    turns: list[Turn] = []
    while len(turns) < MOST_TURNS and sum(turn.others <= QUIET for turn in turns) < TURNS:
        (theirs, a), (one, b), (two, c) = (
            _rate(peer, cores[:1], "processor_seconds"),
            _rate([*ours, "1"], cores[:1], "processor_seconds"),
            _rate([*ours, "2"], cores, "seconds"),
        )
        turns.append(Turn(theirs, one, two, max(a, b, c)))
    turns = sorted(turns, key=lambda turn: turn.others)[:TURNS]
    how = (
        f"{COUNT:,} manifests, median of {TURNS} turns in which others took up to {turns[-1].others:.0%} of the machine; "
        "parse, salts, hashes, tree, root"
    )
    figures = [
        Figure(
            "OpenAttestation 6.9.7 v2 wrapDocuments, one core",
            f"{median(turn.peer for turn in turns):,.0f}/s",
            how=how,
        )
    ]
    for words, times, rates in (
        ("one core", 5, [(turn.one, turn.peer) for turn in turns]),
        ("two cores", 9, [(turn.two, turn.peer) for turn in turns]),
    ):
        ratio = median(ours / theirs for ours, theirs in rates)
        rate = median(ours for ours, _ in rates)
        figures.append(
            Figure(
                f"commit a manifest, {words}",
                f"{rate:,.0f}/s, {ratio:.1f} times OpenAttestation",
                f"{times} times",
                ratio >= times,
                how,
            )
        )
    return figures


def _install() -> Path:
    folder = PROJECT / "bench"
    if not (folder / "node_modules" / "@govtechsg" / "open-attestation").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True)
    return folder / "open_attestation.cjs"


def _rate(command: list[str], cores: list[int], seconds: str) -> tuple[float, float]:
    """Documents a second, and the share of the machine that other programs took meanwhile."""
    busy, own, start = busy_seconds(), _own_seconds(), time.perf_counter()
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, cores)), *command], check=True, capture_output=True, text=True
    )
    others = (busy_seconds() - busy) - (_own_seconds() - own)
    share = others / (time.perf_counter() - start) / (os.cpu_count() or 1)
    result = json.loads(done.stdout)
    return result["documents"] / result[seconds], max(share, 0.0)


def _own_seconds() -> float:
    children, own = os.times()[2:4], os.times()[:2]
    return sum(children) + sum(own)
