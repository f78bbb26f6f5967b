"""The long form of the replay: ten million events through the command line, its memory watched, and a kill in the middle.

`python bench/run.py replay_long`, or with another number of events and a folder with room for 600 bytes of each:
`python bench/replay_long.py 2000000 [FOLDER]`. An export that is in the folder already is taken as it is.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import generated_chain
import processor
from figures import Figure

RECORDS = 10_000_000
MOST_GROWTH = 1.2  # of what is held after three tenths, when both generations of states in memory are full


@dataclass
class Run:
    """One run of the command.

    Attributes:
        samples: Share of the blocks noted so far, resident MiB of the process that judges, and of it and those that check.
        seconds: How long it took.
        busy: Seconds of processor time of all its processes.
        answer: What it printed; None of one that was killed.
    """

    samples: list[tuple[float, float, float]] = field(default_factory=list)
    seconds: float = 0.0
    busy: float = 0.0
    answer: dict | None = None

    def resident(self, share: float) -> float:
        """What the judging process held at a share of the way."""
        return next((mib for at, mib, _ in self.samples if at >= share), self.samples[-1][1])


def measure(records: int = RECORDS, folder: Path | None = None) -> list[Figure]:
    """Write an export, replay it whole, then once more with a kill."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary)
        export = (folder or work) / f"{records}.audit"
        if not export.exists():
            subprocess.run([sys.executable, generated_chain.__file__, str(export), str(records)], check=True)
        trust = work / "trust.json"
        trust.write_bytes(generated_chain.trust().encode())
        blocks = generated_chain.Generated(records).last
        whole = _run(export, trust, work / "whole", blocks)
        half = _run(export, trust, work / "killed", blocks, kill_at=0.5)
        resumed = _run(export, trust, work / "killed", blocks)
    assert whole.answer is not None and resumed.answer is not None
    events = whole.answer["counts"]["events"]
    early, late = whole.resident(0.3), max(mib for at, mib, _ in whole.samples if at >= 0.3)
    peak = max(family for _, _, family in whole.samples)
    return [
        Figure(
            f"memory of a replay of {events:,} events",
            f"{late:.0f} MiB at most, {early:.0f} MiB at three tenths",
            f"flat: {MOST_GROWTH:.1f} times",
            late <= MOST_GROWTH * early,
            f"the judging process, sampled while `audit replay` runs; {peak:.0f} MiB with those that check; "
            f"{events / whole.seconds:,.0f} events/s and {whole.busy / events * 1e6:.1f} µs of processor time an event, all "
            f"processes and starting; load {os.getloadavg()[0]:.1f}",
        ),
        Figure(
            "the same, killed in the middle and gone on with",
            "the same digest" if _said(resumed) == _said(whole) else "another digest",
            "the same digest",
            _said(resumed) == _said(whole),
            f"kill -9 at {half.samples[-1][0]:.0%}, going on took {resumed.seconds:.0f} s of the {whole.seconds:.0f} s that the "
            f"whole takes; {whole.answer['digest']}",
        ),
    ]


def _said(run: Run) -> tuple:
    answer = run.answer or {}
    return answer.get("digest"), answer.get("counts"), answer.get("verdict")


def _run(export: Path, trust: Path, folder: Path, blocks: int, kill_at: float = 2.0) -> Run:
    command = [str(Path(sys.executable).with_name("cargo-ledger")), "audit", "replay", str(export)]
    command += ["--trust", str(trust), "--folder", str(folder), "--without-signatures", "--json"]
    run, begun = Run(), time.monotonic()
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    used = 0.0
    while program.poll() is None:
        family = processor.family(program.pid)
        used = max(used, processor.seconds_of(family))
        try:
            resident = [processor.resident_mib(each) for each in family]
        except (FileNotFoundError, ProcessLookupError):
            continue
        at = _noted(folder) / blocks
        run.samples.append((at, resident[0], sum(resident)))
        if at >= kill_at:
            program.send_signal(signal.SIGKILL)
            break
        time.sleep(0.5)
    printed, _ = program.communicate()
    run.seconds, run.busy = time.monotonic() - begun, used
    if kill_at > 1:
        run.answer = json.loads(printed)
    return run


def _noted(folder: Path) -> int:
    try:
        return json.loads((folder / "position.json").read_bytes())["block"]
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    for figure in measure(int(sys.argv[1]), where):
        print(
            f"{figure.what}: {figure.figure} ({figure.to_reach}: {figure.met})\n    {figure.how}", flush=True
        )
