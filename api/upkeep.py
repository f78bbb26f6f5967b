"""What an operator does to keep what is sealed in order, while the service runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.settings import read_settings
from ledger import vault
from ledger.errors import InvalidProfile
from ledger.ledger import Ledger
from ledger.upkeep import Flaw
from ledger.upkeep import Progress as Advance


def new_wrapping_key() -> None:
    """Put a new key before the others.

    Raises:
        InvalidProfile: The settings name no file of wrapping keys, or it cannot be used.
    """
    path = read_settings().wrapping_keys_file
    if path is None:
        raise InvalidProfile(vault.SETTING, "it is not set: name the file that gets the new key")
    name = vault.add_wrapping_key(path)
    print(
        f"{path} has the new key {name}: it wraps what is new from now on, in running processes too. Keep a copy of it "
        "elsewhere; `python -m api --rewrap` then moves over what is old."
    )


def rewrap() -> bool:
    """Wrap everything by the newest key; whether all could be."""
    with closing(Ledger.open(read_settings().config)) as ledger, _progress("wrapping anew") as advance:
        result = ledger.rewrap(advance)
    _say(result.flaws)
    print(f"{result.moved} objects were moved to the key {result.newest}.")
    others = {name: count for name, count in result.by_key.items() if name != result.newest}
    for name, count in others.items():
        print(f"{count} objects still need the key {name}.")
    if not others:
        print(
            "No other key is needed: they can be taken out of the file, once no backup is to be restored by them."
        )
    return not others


def scrub() -> bool:
    """Look through everything that is sealed; whether nothing is wrong with it."""
    with closing(Ledger.open(read_settings().config)) as ledger, _progress("looking through") as advance:
        flaws = _say(ledger.scrub(advance))
    print(f"{flaws} sealed objects are flawed." if flaws else "Everything that is sealed is whole.")
    return not flaws


def _say(flaws: Iterable[Flaw]) -> int:
    count = 0
    for flaw in flaws:
        count += 1
        print(flaw.sentence)
    return count


@contextmanager
def _progress(label: str) -> Iterator[Advance]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
