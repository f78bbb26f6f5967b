"""The log's tree in tiles: what stood as a row a node is put together, six levels a row."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.errors import StoreError

revision = "0002"
down_revision = "0001"

HEIGHT = 6  # levels in a tile
HASH_BYTES = 32
TILES_AT_A_TIME = 64

NODES = sa.table("nodes", sa.column("epoch"), sa.column("level"), sa.column("position"), sa.column("hash"))
TILES = sa.table("tiles", sa.column("epoch"), sa.column("level"), sa.column("position"), sa.column("hashes"))


def upgrade() -> None:
    """Make the tiles of the nodes as they are, right or wrong: `audit fsck` finds what is wrong in them as before.

    Raises:
        StoreError: A node is missing, or is where none can be: no tile has a place for that.
    """
    op.create_table(
        "tiles",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(length=4032), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "level", "position", name=op.f("pk_tiles")),
    )
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        op.execute("ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE PLAIN")
    lowest = sa.select(NODES.c.epoch, NODES.c.level, sa.func.max(NODES.c.position))
    lowest = lowest.where(NODES.c.level % HEIGHT == 0).group_by(NODES.c.epoch, NODES.c.level)
    taken = 0
    for epoch, level, last in connection.execute(lowest.order_by(NODES.c.epoch, NODES.c.level)).all():
        for first in range(0, (last >> HEIGHT) + 1, TILES_AT_A_TIME):
            rows = list(_tiles(connection, epoch, level, first))
            if rows:
                connection.execute(sa.insert(TILES), rows)
                taken += sum(len(row["hashes"]) for row in rows) // HASH_BYTES
    there = connection.execute(sa.select(sa.func.count()).select_from(NODES)).scalar()
    if taken != there:
        raise _damaged(f"has {there} nodes, and {taken} of them belong to a tree")
    op.drop_table("nodes")


def _tiles(connection: sa.Connection, epoch: int, level: int, first: int) -> Iterator[dict[str, Any]]:
    """Some tiles from the `first` of a level on."""
    nodes: dict[tuple[int, int], bytes] = {}
    for height in range(HEIGHT):
        begin, end = (tile << HEIGHT - height for tile in (first, first + TILES_AT_A_TIME))
        query = sa.select(NODES.c.position, NODES.c.hash).where(
            NODES.c.epoch == epoch,
            NODES.c.level == level + height,
            NODES.c.position >= begin,
            NODES.c.position < end,
        )
        nodes.update({(height, position): node for position, node in connection.execute(query)})
    for tile in range(first, first + TILES_AT_A_TIME):
        hashes = []
        for height, position in _order(tile):
            node = nodes.pop((height, position), None)
            if node is None:
                break
            hashes.append(node)
        if any(len(node) != HASH_BYTES for node in hashes):
            raise _damaged(f"has a hash of another length in tile {tile} of level {level}")
        if hashes:
            yield {"epoch": epoch, "level": level, "position": tile, "hashes": b"".join(hashes)}
    if nodes:
        height, position = min(nodes)
        raise _damaged(f"lacks a node before node {position} of level {level + height} of epoch {epoch}")


def _damaged(what: str) -> StoreError:
    return StoreError(
        f"The log's tree {what}: the database is damaged, and was not changed. Let `audit fsck` of the program that made "
        "it say where, and restore it from a backup."
    )


def _order(tile: int) -> Iterator[tuple[int, int]]:
    """The nodes of a tile, each its height in it and its position, in the order in which they become complete."""
    for neighbour in range(tile << HEIGHT, (tile + 1) << HEIGHT):
        height = 0
        while height < HEIGHT and (neighbour + 1) % (1 << height) == 0:
            yield height, neighbour >> height
            height += 1
