"""An administration's log: its counters, and the nodes of its tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from ledger import tables as t
from ledger.errors import StoreError
from ledger.rows.statements import Statements


class LogRows(Statements):
    """The log's counters and its tree."""

    def log(self) -> Row[Any]:
        """Epoch, next index and the size of the tree."""
        row = self._one(select(t.log))
        if row is None:
            raise StoreError("The database has no log row: it was not created whole. Create it again.")
        return row

    def begin_epoch(self, epoch: int) -> None:
        """Start giving out indexes of an epoch from 0."""
        self._connection.execute(delete(t.log))
        self._connection.execute(
            insert(t.log).values(id=1, epoch=epoch, next_index=0, sequenced=0, foreign_from=None)
        )

    def set_next_index(self, next_index: int) -> None:
        """Note the index that the next leaf gets."""
        self._connection.execute(update(t.log).values(next_index=next_index))

    def set_sequenced(self, size: int) -> None:
        """Note how many leaves the tree has."""
        self._connection.execute(update(t.log).values(sequenced=size))

    def set_foreign_from(self, size: int | None) -> None:
        """Note from which size on the epoch's heads on chain are not of this tree; None means that all are."""
        self._connection.execute(update(t.log).values(foreign_from=size))

    def waiting_manifests(self) -> int:
        """Leaves accepted and not yet in the tree."""
        row = self.log()
        return int(row.next_index - row.sequenced)

    def add_nodes(self, epoch: int, nodes: Iterable[tuple[tuple[int, int], bytes]]) -> None:
        """Insert complete subtrees: each its (level, position) and hash."""
        rows = [
            {"epoch": epoch, "level": level, "position": position, "hash": node}
            for (level, position), node in nodes
        ]
        if rows:
            self._gather(t.nodes, rows)

    def nodes(self, epoch: int, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Complete subtrees by (level, position); a missing one is a StoreError."""
        # All in one question: a path of a long log has more nodes, and takes no more questions. Written out, since SQLite
        # goes through the whole table for `(level, position) IN …`, and the framework builds a VALUES anew each time.
        mark = "%s" if self._connection.dialect.name == "postgresql" else "?"
        rows = ", ".join([f"({mark}, {mark})"] * len(places))
        query = (
            f"SELECT n.level, n.position, n.hash FROM (VALUES {rows}) AS w "  # noqa: S608  marks, no values
            f"JOIN nodes AS n ON n.epoch = {mark} AND n.level = w.column1 AND n.position = w.column2"
        )
        values = (*(part for place in places for part in place), epoch)
        found: dict[tuple[int, int], bytes] = {}
        if places:
            for level, position, node in self._connection.exec_driver_sql(query, values):
                found[level, position] = node
        for place in places:
            if place not in found:
                raise StoreError(
                    f"The log's node {place[1]} of level {place[0]} is missing; the database is damaged."
                )
        return found
