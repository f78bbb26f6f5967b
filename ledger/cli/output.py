"""What a command prints: one JSON object for programs, sentences and tables for people, progress on standard error.

Everything that comes from elsewhere (documents, services, chains) passes `printable`, so that no text in a manifest can
move a terminal's cursor or turn a line around.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ledger.core.printing import printable

if TYPE_CHECKING:
    from rich.console import Console


class Advance(Protocol):
    """Says that steps are done, and how many there are in all once that is known."""

    def __call__(self, steps: int, total: int | None = None, /) -> None:
        """Move the bar."""


class Output:
    """Where one command's answer goes.

    Attributes:
        as_json: Whether a program reads it.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def answer(self, data: Any, show: Callable[[Page], None]) -> None:
        """Give the command's answer: `data` as one JSON object, or what `show` writes for people."""
        if self.as_json:
            sys.stdout.write(
                json.dumps(data, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None) + "\n"
            )
        else:
            page = Page()
            show(page)

    def answer_with_rows(
        self, data: Mapping[str, Any], name: str, rows: Iterable[Any], show: Callable[[Page], None]
    ) -> None:
        """As `answer`, with a list too long for memory: for programs it is the last member of `data`, on one line.

        Args:
            data: The other members; at least one.
            name: The list's name.
            rows: What `json` can write, read once.
            show: As `answer`; it reads the list for itself.
        """
        if not self.as_json:
            show(Page())
            return
        sys.stdout.write(json.dumps(data, ensure_ascii=False)[:-1] + f", {json.dumps(name)}: [")
        for number, row in enumerate(rows):
            sys.stdout.write((", " if number else "") + json.dumps(row, ensure_ascii=False))
        sys.stdout.write("]}\n")

    @contextmanager
    def progress(self, label: str, total: int | None = None) -> Iterator[Advance]:
        """Show on a terminal how far something is; elsewhere nothing. Yields what to call with each step done.

        Args:
            label: What is going on.
            total: Steps in all; without it only that it goes on.
        """
        if not sys.stderr.isatty():
            yield lambda steps, total=None, /: None
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
        if total is not None:
            columns += [BarColumn(), MofNCompleteColumn(), TextColumn("left"), TimeRemainingColumn()]
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(printable(label), total=total)

            def advance(steps: int, total: int | None = None, /) -> None:
                bar.update(task, advance=steps, total=total)

            yield advance


class Page:
    """What a person reads: sentences, facts and tables on standard output."""

    def __init__(self) -> None:
        self._console: Console | None = None

    @property
    def console(self) -> Console:
        """The terminal; rich costs 0.1 s to import, so only who prints a table pays."""
        if self._console is None:
            from rich.console import Console

            # a pipe or a file has no width to wrap at, unless COLUMNS says one
            width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
            self._console = Console(width=width, highlight=False, markup=False, emoji=False)
        return self._console

    def line(self, text: object = "", style: str = "") -> None:
        """Print a sentence, wrapped at words on a terminal."""
        if style and sys.stdout.isatty():
            self.console.print(printable(text), style=style)
        elif sys.stdout.isatty():
            self.console.print(printable(text), soft_wrap=False)
        else:
            sys.stdout.write(printable(text) + "\n")

    def facts(self, facts: Mapping[str, object]) -> None:
        """Print names and their values, one a line; what is None is left out."""
        shown = {name: value for name, value in facts.items() if value is not None}
        width = max((len(name) for name in shown), default=0)
        for name, value in shown.items():
            lines = printable(value).split("\n")
            for number, text in enumerate(lines):
                label = f"{name}:" if number == 0 else ""
                sys.stdout.write(f"  {label:<{width + 1}} {text}\n")

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str = ""
    ) -> None:
        """Print a table, or the sentence `empty` when it has no rows."""
        if not rows:
            if empty:
                self.line(empty)
            return
        from rich.table import Table

        table = Table(
            title=printable(title) or None, title_justify="left", title_style="bold", header_style="bold"
        )
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("" if cell is None else printable(cell) for cell in row))
        self.console.print(table)
