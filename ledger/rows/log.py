"""An administration's log: its counters, and the nodes of its tree, which lie in tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from ledger import tables as t
from ledger.core.merkle import Node
from ledger.errors import StoreError
from ledger.rows import tiles
from ledger.rows.statements import Statements
from ledger.rows.tiles import Tile

_SET_NEXT_INDEX = update(t.log).values(next_index=bindparam("next_index"))


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
        self._at_once(_SET_NEXT_INDEX, next_index=next_index)

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

    def add_nodes(self, epoch: int, nodes: Iterable[tuple[Node, bytes]]) -> None:
        """Add complete subtrees, each its (level, position) and hash, in the order in which they became complete.

        Raises:
            StoreError: The tree here does not end where they begin; nothing was added.
        """
        begins: dict[Tile, int] = {}
        added: dict[Tile, list[bytes]] = {}
        for node, node_hash in nodes:
            tile, at = tiles.place(node)
            if tile not in begins:
                begins[tile], added[tile] = at, []
            added[tile].append(node_hash)
        grown = {tile: at for tile, at in begins.items() if at}
        found = self._tiles(epoch, list(grown))
        rows = []
        for (level, position), at in grown.items():
            begun = found.get((level, position), b"")
            if len(begun) != tiles.HASH_BYTES * at:
                raise StoreError(
                    f"The tree here does not end before node {at} of tile {position} of level {level}; the database is "
                    "damaged. Restore it from a backup; nothing was taken into the tree."
                )
            rows.append((begun + b"".join(added.pop((level, position))), epoch, level, position))
        if rows:
            mark = self._mark
            self._connection.exec_driver_sql(
                f"UPDATE tiles SET hashes = {mark} WHERE epoch = {mark} AND level = {mark} AND position = {mark}",  # noqa: S608
                rows,
            )
        if added:
            self._gather(
                t.tiles,
                [
                    {"epoch": epoch, "level": level, "position": position, "hashes": b"".join(hashes)}
                    for (level, position), hashes in added.items()
                ],
            )

    def nodes(self, epoch: int, places: Sequence[Node]) -> dict[Node, bytes]:
        """Complete subtrees by (level, position); a missing one is a StoreError."""
        wanted = [tiles.place(place) for place in places]
        kept = self._tiles(epoch, list(dict.fromkeys(tile for tile, _ in wanted)))
        found: dict[Node, bytes] = {}
        for place, (tile, at) in zip(places, wanted, strict=True):
            begin = tiles.HASH_BYTES * at
            node = kept.get(tile, b"")[begin : begin + tiles.HASH_BYTES]
            if len(node) != tiles.HASH_BYTES:
                raise StoreError(
                    f"The log's node {place[1]} of level {place[0]} is missing; the database is damaged."
                )
            found[place] = node
        return found

    def _tiles(self, epoch: int, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
        """The hashes of those tiles that are there."""
        if not wanted:
            return {}
        # All in one question: to ask costs more than what is found. Written out, since SQLite goes through the whole
        # table for `(level, position) IN …`, and the framework builds a VALUES anew each time.
        mark = self._mark
        rows = ", ".join([f"({mark}, {mark})"] * len(wanted))
        query = (
            f"SELECT n.level, n.position, n.hashes FROM (VALUES {rows}) AS w "  # noqa: S608  marks, no values
            f"JOIN tiles AS n ON n.epoch = {mark} AND n.level = w.column1 AND n.position = w.column2"
        )
        values = (*(part for tile in wanted for part in tile), epoch)
        return {
            (level, position): hashes
            for level, position, hashes in self._connection.exec_driver_sql(query, values)
        }

    @property
    def _mark(self) -> str:
        """What stands for a value in a statement that is written out."""
        return "%s" if self._connection.dialect.name == "postgresql" else "?"
