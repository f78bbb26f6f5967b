"""The log's tree in rows: every node has its place in one tile, and a tree of any size is read back from its tiles."""

import random
from contextlib import closing

import pytest
from sqlalchemy import delete, select, update

from ledger import sequencing
from ledger import tables as t
from ledger.audit.fsck import log
from ledger.audit.fsck.found import Checked
from ledger.core import merkle
from ledger.core.records import Domain
from ledger.errors import StoreError
from ledger.membership import Membership
from ledger.rows import tiles
from ledger.store import Store

LEAVES = [merkle.hash_leaf(number.to_bytes(8, "big")) for number in range(5000)]
NODES = merkle.complete_nodes(LEAVES)
DOMAIN = Domain(31337, bytes(20))


@pytest.fixture
def store(database_url):
    with closing(Store(database_url, create=True)) as store:
        yield store


def grown(store, batches):
    """The tree of the first leaves, taken in by some batches."""
    size = 0
    with store.write() as session:
        session.begin_epoch(1)
    for count in batches:
        with store.write() as session:
            sequencing.append(session, 1, size, LEAVES[size : size + count])
        size += count
    return size


def every_tile(store):
    with store.read() as session:
        return {(row.level, row.position): row.hashes for row in session.every(t.tiles, t.tiles.c.level)}


def test_a_node_has_one_place_and_a_place_one_node():
    taken = {tiles.place(node) for node in NODES}
    assert len(taken) == len(NODES)
    assert all(tiles.node(*tiles.place(node)) == node for node in NODES)
    far = (12, 1 << 40)
    assert tiles.place(far) == ((12, 1 << 34), 0)
    assert tiles.node((12, 1 << 34), 0) == far


@pytest.mark.parametrize("size", [0, 1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 5000])
def test_a_tile_has_as_many_nodes_as_a_tree_of_a_size_has_for_it(size):
    counts = {}
    for node in merkle.complete_nodes(LEAVES[:size]):
        tile, _ = tiles.place(node)
        counts[tile] = counts.get(tile, 0) + 1
    assert all(tiles.count(tile, size) == count for tile, count in counts.items())
    assert all(tiles.count(tile, size) == counts.get(tile, 0) for tile in ((0, 79), (6, 2), (12, 0), (12, 1)))


def test_however_a_tree_grew_its_tiles_are_the_same_and_a_full_one_fills_a_page(store):
    dice = random.Random(4)
    batches = [1, 1, 62, 1, 63, 64, 128, *(dice.randint(1, 300) for _ in range(8))]
    size = grown(store, [*batches, 4500 - sum(batches)])
    kept = every_tile(store)
    with store.write() as session:
        session._connection.execute(delete(t.tiles))
    grown(store, [size])
    assert every_tile(store) == kept
    assert len(kept[0, 0]) == len(kept[6, 0]) == 4032
    assert {tile: len(hashes) // 32 for tile, hashes in kept.items()} == {
        tile: tiles.count(tile, size) for tile in kept
    }


def test_a_tree_of_any_size_is_proved_from_a_grown_one(store):
    size = grown(store, [1000, 37, 1, 2000, 962])
    assert size == 4000
    dice = random.Random(7)
    with store.read() as session:
        for at in (1, 64, 65, 1038, 3038, *(dice.randint(1, size) for _ in range(30))):
            assert sequencing.root_at(session, 1, at) == merkle.root(LEAVES[:at])
            index = dice.randrange(at)
            path = sequencing.inclusion_path(session, 1, index, at)
            merkle.verify_inclusion(LEAVES[index], index, at, path, merkle.root(LEAVES[:at]))
            path = sequencing.consistency_path(session, 1, at, size)
            merkle.verify_consistency(at, merkle.root(LEAVES[:at]), size, merkle.root(LEAVES[:size]), path)


def test_a_proof_of_a_large_log_asks_once_for_few_tiles(store, monkeypatch):
    size = 10_000_000
    for index in (0, 1, 4_999_999, 8_388_608, 9_999_999):
        wanted = {tiles.place(node)[0] for node in merkle.inclusion_nodes(index, size)}
        assert len(wanted) <= 7
    asked = []
    size = grown(store, [4500])
    with store.read() as session:
        execute = session._plain_connection.exec_driver_sql
        monkeypatch.setattr(
            session._plain_connection,
            "exec_driver_sql",
            lambda *rest: asked.append(rest[0]) or execute(*rest),
        )
        sequencing.inclusion_path(session, 1, 17, size)
        sequencing.consistency_path(session, 1, 1234, size)
    assert len(asked) == 2


@pytest.mark.parametrize("change", ["cut", "grown", "gone"])
def test_a_tree_that_does_not_end_where_it_should_takes_nothing_in(store, change):
    grown(store, [100])
    with store.write() as session:
        last = (t.tiles.c.level == 0) & (t.tiles.c.position == 1)
        hashes = session._connection.execute(select(t.tiles.c.hashes).where(last)).scalar()
        hashes = hashes + bytes(32) if change == "grown" else hashes[:-32]
        changed = delete(t.tiles) if change == "gone" else update(t.tiles).values(hashes=hashes)
        session._connection.execute(changed.where(last))
    before = every_tile(store)
    with pytest.raises(StoreError, match="damaged"), store.write() as session:
        sequencing.append(session, 1, 100, LEAVES[100:101])
    assert every_tile(store) == before
    with store.read() as session:
        assert session.log().sequenced == 100


def test_a_tile_that_is_there_already_is_not_written_over(store):
    grown(store, [100])
    with store.write() as session:
        session.set_sequenced(64)
    with pytest.raises(StoreError), store.write() as session:
        sequencing.append(session, 1, 64, LEAVES[:1])
    with store.read() as session:
        assert sequencing.root_at(session, 1, 100) == merkle.root(LEAVES[:100])


# --- held against the leaves, as `audit fsck` does it


def found_in(store, leaves, *, is_closed=False):
    """What is wrong with the tree of epoch 1, if these are its leaves: kinds, tiles and sentences."""
    with store.read() as session:
        checked = Checked(
            session, session, False, 0, 0, b"SG".ljust(8), DOMAIN, DOMAIN, Membership(), None, "here", True
        )
        levels = log._levels(b"".join(leaves))
        return [
            (each.kind, each.id, each.what) for each in log._tree(checked, 1, levels, is_closed=is_closed)
        ]


def test_a_tree_of_many_tiles_is_held_against_its_leaves(store):
    size = grown(store, [4500])
    assert found_in(store, LEAVES[:size]) == []
    with store.write() as session:
        where = (t.tiles.c.level == 6) & (t.tiles.c.position == 0)
        hashes = bytearray(session._connection.execute(select(t.tiles.c.hashes).where(where)).scalar())
        hashes[32 * 2] ^= 1
        session._connection.execute(update(t.tiles).values(hashes=bytes(hashes)).where(where))
        session._connection.execute(delete(t.tiles).where(t.tiles.c.level == 12))
    found = found_in(store, LEAVES[:size])
    assert [(kind, tile) for kind, tile, _ in found] == [("changed", "1/6/0"), ("missing", "1/12/0")]
    assert f"Node 0 of level 7 is 0x{hashes[64:96].hex()}, and 0x{NODES[7, 0].hex()}" in found[0][2]


def test_what_a_restart_took_into_the_next_epoch_may_stand_in_the_tree_of_the_one_before(store):
    grown(store, [4500])
    assert found_in(store, LEAVES[:1000], is_closed=True) == []
    found = found_in(store, LEAVES[:1000])
    tiles_too_many = {"1/0/15", *(f"1/0/{tile}" for tile in range(16, 71)), "1/6/0", "1/6/1", "1/12/0"}
    assert {(kind, tile) for kind, tile, _ in found} == {("extra", tile) for tile in tiles_too_many}


@pytest.mark.parametrize("place", [(5, 0), (66, 0), (12, -1)])
def test_a_tile_that_no_tree_has_is_told_of_a_closed_epoch_too(store, place):
    grown(store, [100])
    row = {"epoch": 1, "level": place[0], "position": place[1]}
    with store.write() as session:
        session.put_right(t.tiles, row, {**row, "hashes": bytes(32)})
    found = found_in(store, LEAVES[:100], is_closed=True)
    assert [(kind, tile) for kind, tile, _ in found] == [("extra", f"1/{place[0]}/{place[1]}")]
