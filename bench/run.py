"""Measure what the design asks for: `python bench/run.py [commit] [inclusion] [evidence] [replay] [replay_node] [memory] [gas] [accepting] [log_size] [log_answers]`; default all of those.

By name alone: `replay_long`, ten million events, an hour.

Prints a table, and writes it with a description of the machine into BENCHMARKS.md when all were run.
"""

import argparse
import importlib
import os
import platform
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from figures import Figure
from manifests import PROJECT
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

NAMES = (
    "commit",
    "inclusion",
    "evidence",
    "replay",
    "replay_node",
    "memory",
    "gas",
    "accepting",
    "log_size",
    "log_answers",
)
LONG = ("replay_long",)
PAGE = PROJECT / "BENCHMARKS.md"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"


def main() -> int:
    """Run the benchmarks; 1 if a figure does not reach what it has to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; by name alone: {', '.join(LONG)}"
    )
    names = parser.parse_args().names or list(NAMES)
    if unknown := set(names) - {*NAMES, *LONG}:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    console = Console()
    figures: list[Figure] = []
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
    ) as progress:
        for name in names:
            task = progress.add_task(name, total=1)
            figures += importlib.import_module(name).measure()
            progress.update(task, completed=1)
    console.print(_table(figures))
    console.print(_machine())
    if set(names) == set(NAMES):
        _write(figures)
        console.print(f"Written into {PAGE.name}.")
    return 1 if any(figure.met is False for figure in figures) else 0


def _table(figures: list[Figure]) -> Table:
    table = Table("what", "figure", "to reach", "", title="Figures")
    for figure in figures:
        table.add_row(figure.what, figure.figure, figure.to_reach, _mark(figure))
    return table


def _mark(figure: Figure) -> str:
    return {True: "reached", False: "missed", None: ""}[figure.met]


def _machine() -> str:
    processor = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {processor}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, "
        f"Node {node}; load {os.getloadavg()[0]:.1f} at the end"
    )


def _write(figures: list[Figure]) -> None:
    lines = [
        BEGIN,
        "",
        _machine(),
        "",
        "| what | figure | to reach | | how |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {figure.what} | {figure.figure} | {figure.to_reach} | {_mark(figure)} | {figure.how} |"
        for figure in figures
    ]
    block = "\n".join([*lines, "", END])
    text = PAGE.read_text() if PAGE.exists() else f"# Benchmarks\n\n{BEGIN}\n{END}\n"
    if BEGIN not in text or END not in text:
        sys.exit(f"{PAGE.name} has lost the two lines that the figures stand between: {BEGIN} and {END}.")
    before, after = text.split(BEGIN, 1)[0], text.split(END, 1)[1]
    PAGE.write_text(before + block + after)


if __name__ == "__main__":
    sys.exit(main())
