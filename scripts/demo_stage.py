"""How the demonstration speaks: numbered scenes, sentences, tables, progress and refusals, on a terminal or in a log.

It decides no story. `expect` is how a story proves what it tells: what is not so ends the demonstration with a sentence.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from ledger.core.printing import printable
from ledger.errors import LedgerError

WIDEST = 118  # columns: longer lines are hard to read
LOG_WIDTH = WIDEST  # where the output is no terminal and so has no width
Advance = Callable[[int], None]
_DIGEST = re.compile("0x[0-9a-f]{64}")


class StoryBroken(LedgerError):
    """A step of the demonstration did not do what it says."""


def expect(condition: bool, sentence: str) -> None:
    """Go on only if it is so.

    Args:
        condition: What must hold.
        sentence: What did not hold, for who reads the end of the log.

    Raises:
        StoryBroken: It does not.
    """
    if not condition:
        raise StoryBroken(sentence)


class Stage:
    """Where the demonstration is shown.

    Attributes:
        console: The terminal, or the file that stands for it.
        scenes: How many scenes were shown.
        refusals: How many refusals were shown.
    """

    def __init__(self) -> None:
        console = Console(highlight=False, markup=False, emoji=False)
        width = min(console.width, WIDEST) if console.is_terminal else LOG_WIDTH
        self.console = Console(highlight=False, markup=False, emoji=False, width=width)
        self.scenes = 0
        self.refusals = 0

    def title(self, text: str, sentence: str) -> None:
        """Open the demonstration."""
        self.console.print(
            Panel(Text(sentence, justify="left"), title=Text(text, style="bold"), padding=(1, 2))
        )

    def scene(self, title: str, sentence: str) -> None:
        """Begin a scene: its number, its title, and a sentence or two on what happens and why."""
        self.scenes += 1
        self.console.print()
        self.console.print(Rule(Text(f" {self.scenes}  {title} ", style="bold"), align="left", style="cyan"))
        self.say(sentence)
        self.console.print()

    def say(self, sentence: str, style: str = "") -> None:
        """Print a sentence, wrapped at words."""
        self.console.print(Text(printable(sentence), style=style))

    def quote(self, sentence: str) -> None:
        """Print what a service says, in its own words."""
        self.console.print(Padding(Text(printable(sentence), style="bold"), (0, 0, 0, 2)))

    def done(self, sentence: str) -> None:
        """Say that something was done or proved."""
        self._marked("✓", "green", sentence)

    def odd(self, sentence: str) -> None:
        """Say that something should be looked at."""
        self._marked("!", "yellow", sentence)

    def _marked(self, mark: str, style: str, sentence: str) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(mark, style=f"bold {style}"), Text(printable(sentence)))
        self.console.print(grid)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table; words stay whole where there is room for them."""
        table = Table(
            title=Text(title, style="bold"),
            title_justify="left",
            header_style="bold",
            border_style="bright_black",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        cells = [[printable(cell) for cell in row] for row in rows]
        for place, column in enumerate(columns):
            words = [word for text in (column, *(row[place] for row in cells)) for word in text.split()]
            table.add_column(
                Text(column), overflow="fold", min_width=min(30, max(map(len, words), default=1))
            )
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(table)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Advance]:
        """Show how far something is while it lasts, and one line about it when it is done.

        Args:
            label: What is going on, in words.
            total: Steps in all.
        """
        started = time.monotonic()
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30))
            counted = (MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, *counted, console=self.console, transient=True) as bar:
                task = bar.add_task(label, total=total)
                yield lambda steps: bar.advance(task, steps)
        else:
            yield lambda steps: None
        counted_up = f": {total}" if total > 1 else ""
        self.done(f"{label}{counted_up}, {time.monotonic() - started:.1f} s")

    def command(self, words: str, output: str) -> None:
        """Show a command as it was given, and what it answered."""
        self.console.print(Text("$ ", style="bright_black") + Text(printable(words), style="bold"))
        self.console.print(Padding(Text(printable(output.rstrip())), (0, 0, 1, 2)))

    def refused(self, title: str, tried: str, answers: Sequence[tuple[str, str]], unchanged: str) -> None:
        """Show a thing that must not work: what was tried, who refused it in which words, and that nothing changed."""
        self.refusals += 1
        rows = Table.grid(padding=(0, 2))
        rows.add_column(no_wrap=True)
        rows.add_column(overflow="fold")
        for who, sentence in answers:
            rows.add_row(Text(who, style="bold red"), Text(_readable(sentence)))
        rows.add_row(Text("unchanged", style="bold green"), Text(_readable(unchanged)))
        content = Group(Text(printable(tried)), Text(), rows)
        heading = Text(f" Refused {self.refusals} of 6: {title} ", style="bold red")
        self.console.print(Panel(content, title=heading, title_align="left", border_style="red"))


def _readable(sentence: str) -> str:
    """A sentence with a capital letter and with digests cut to what the eye can compare."""
    cut = _DIGEST.sub(lambda found: found[0][:10] + "…", printable(sentence))
    return cut[:1].upper() + cut[1:]
