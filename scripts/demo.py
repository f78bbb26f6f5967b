"""`make demo`: the main job of the cargo ledger, end to end, in a few minutes on one machine, then all of it ends.

Everything is the real thing: the chain, the contracts, three services with their own databases, signed records, the
command line. Each step checks what it tells; the first that does not do what it says ends the demonstration with a
sentence and exit code 1. Its files stay in var/demo until the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import demo_proofs
import demo_scenes
from demo_network import ROOT, Network
from demo_stage import Stage, StoryBroken
from demo_story import Story
from processes import Busy, alone_in

from ledger.errors import LedgerError

FOLDER = ROOT / "var" / "demo"
FAILED = 1
FAILED = 1
STOPPED = 130


def main() -> int:
    """Run the demonstration; the result is the process's exit status."""
    parser = argparse.ArgumentParser(description="The main job of the cargo ledger, end to end.")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where its files go; emptied first (var/demo)"
    )
    folder: Path = parser.parse_args().folder.resolve()
    stage = Stage()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with alone_in(folder):
            return _run(stage, folder)
    except Busy as error:
        stage.say(str(error), style="bold red")
        return FAILED


def _run(stage: Stage, folder: Path) -> int:
    network = Network(folder, "parent")
    started = time.monotonic()
    try:
        _begin_anew(folder)
        story = Story(network, stage)
        _tell(story)
        _sum_up(story, time.monotonic() - started)
        return 0
    except KeyboardInterrupt:
        stage.say("Stopped on request.")
        return STOPPED
    except LedgerError as error:
        broken = isinstance(error, StoryBroken)
        what = "The demonstration does not do what it says" if broken else "It cannot go on"
        stage.say(f"{what}: {error}", style="bold red")
        return FAILED
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            ended = network.stop()
            if ended:
                stage.say(f"Ended {', '.join(ended)}. Files and logs stay in {folder}.")


def _begin_anew(folder: Path) -> None:
    """Empty the folder of the last run; a folder that is something else is left alone."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "keys").is_dir():
        raise StoryBroken(f"{folder} holds something else than a demonstration; give another --folder.")
    Network(folder, "parent").stop()  # where the kernel ends no children, a run that was killed has left some
    shutil.rmtree(folder, ignore_errors=True)


def _tell(story: Story) -> None:
    story.stage.title(
        "The cargo ledger",
        "Customs administrations, exporters and auditors keep one tamper-evident history of cargo. Documents stay at "
        "home; commitments, custody and customs' decisions go on a permissioned chain.\n\n"
        "This is the real system on one machine: a development chain, three contracts, three services, signed records. "
        "Every step below is checked as it is told. Goods travel from Felixstowe (GB) by Rotterdam (NL) to Singapore (SG); "
        "what they are is taken from HMRC's sample declarations.",
    )
    demo_scenes.found(story)
    cargoes = demo_scenes.Cargoes()
    demo_scenes.lodge_manifests(story, cargoes)
    demo_scenes.open_and_arrive(story, cargoes)
    demo_scenes.control(story, cargoes)
    demo_scenes.release(story, cargoes)
    demo_scenes.seize(story, cargoes)
    demo_scenes.consolidate(story, cargoes)
    demo_scenes.travel(story, cargoes)
    demo_scenes.arrive_in_singapore(story, cargoes)
    demo_scenes.distribute(story, cargoes)
    demo_proofs.audit(story, cargoes)
    demo_proofs.refuse(story, cargoes)


def _sum_up(story: Story, seconds: float) -> None:
    kinds = sorted(what for what in story.counts if what.startswith("kind "))
    rows = [(what, number) for what, number in story.counts.items() if not what.startswith("kind ")]
    rows.append(("kinds of custody record, of 17", len(kinds)))
    rows.append(("refusals, nothing changed", story.stage.refusals))
    rows.append(("blocks", story.network.chain.head().number))
    story.stage.scene(
        "What was done", f"All of it in {seconds:.0f} seconds, and nothing of it taken on trust."
    )
    story.stage.table("Counted", ("what", "how many"), rows)
    story.stage.say("`make up` leaves the same system running, to try it by hand.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
