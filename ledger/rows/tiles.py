"""How the log's tree lies in rows: a tile has the complete subtrees of six levels, over up to 64 neighbours of the lowest.

A proof takes nodes along two ways down the tree: of ten million leaves these are thirty nodes, and six tiles. A full tile
and its row fill one page of SQLite, and half a page of PostgreSQL.

In a tile the nodes stand in the order in which they become complete. So one that is not full is the beginning of the full
one, and grows at its end; what stands is never written otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.core.merkle import Node

HEIGHT = 6  # levels in a tile
HASH_BYTES = 32

Tile = tuple[int, int]  # (lowest level, a multiple of HEIGHT; position among the tiles of that level, from 0)


def _order() -> Iterator[Node]:
    for position in range(1 << HEIGHT):
        level = 0
        while level < HEIGHT and (position + 1) % (1 << level) == 0:
            yield level, position >> level
            level += 1


_ORDER = tuple(_order())  # the nodes of tile (0, 0)
_AT = [sorted(at for at, node in enumerate(_ORDER) if node[0] == height) for height in range(HEIGHT)]
FULL = len(_ORDER)  # nodes of a full tile: 126


def place(node: Node) -> tuple[Tile, int]:
    """In which tile a node stands, and as its how-manieth, from 0."""
    level, position = node
    height = level % HEIGHT
    places = _AT[height]
    return (level - height, position >> HEIGHT - height), places[position % len(places)]


def node(tile: Tile, at: int) -> Node:
    """Which node stands at a place of a tile."""
    height, position = _ORDER[at]
    return tile[0] + height, (tile[1] << HEIGHT - height) + position


def count(tile: Tile, size: int) -> int:
    """How many nodes a tile has in a tree of `size` leaves; 0 where it has none."""
    neighbours = min(max((size >> tile[0]) - (tile[1] << HEIGHT), 0), 1 << HEIGHT)
    return min(2 * neighbours - neighbours.bit_count(), FULL)
