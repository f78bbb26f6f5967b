"""What `cargo-ledger audit compare` found, told to people and programs.

Differences are written down as they are found and read again: a database of another history has as many as events.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

from ledger.cli.output import Page
from ledger.cli.words import counted

if TYPE_CHECKING:
    from ledger.audit.compare import Difference

_COLUMNS = {"kind": "kind", "where": "where", "block": "from block", "what": "what", "command": "see"}
_ROWS = 500  # of one table: its widths are those of its rows


class Differences:
    """Differences in the order in which they were found, in a file that is gone with this.

    Attributes:
        count: How many there are.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.count = 0

    def add(self, found: Iterable[Difference]) -> None:
        """Write down what is found."""
        for each in found:
            self._file.write(json.dumps(asdict(each)) + "\n")
            self.count += 1

    def rows(self) -> Iterator[dict[str, Any]]:
        """All that were written down, as JSON has them."""
        self._file.seek(0)
        return map(json.loads, self._file)

    def close(self) -> None:
        """Forget them."""
        self._file.close()


def show(page: Page, found: Differences, data: Mapping[str, Any]) -> None:
    """Tell a person what differs, or why nothing was compared; `data` is what programs get beside the differences."""
    rows = found.rows()
    while some := list(islice(rows, _ROWS)):
        page.table("", tuple(_COLUMNS.values()), [[each[name] for name in _COLUMNS] for each in some])
    if not data["compared"]:
        page.line(f"Nothing was compared: the blocks do not hold, up to block {data['block']}.")
    elif not found.count:
        page.line(f"All agree, up to block {data['block']}: {', '.join(data['compared'])}.")
    for check in data["checks"]:
        if check["status"] in ("INVALID", "ERROR"):
            page.line(f"{check['name']} {check['status']}: {check['message']}")
    page.line(f"The replay is {data['verdict']}; {counted(found.count, 'difference')}.", style="bold")
