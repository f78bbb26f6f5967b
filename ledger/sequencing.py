"""From accepted records to the tree: every leaf that was given an index enters the log in that order.

Nodes of complete subtrees are written once and never changed; a head is what they lead to at a size.
"""

from __future__ import annotations

from ledger.core import merkle, records
from ledger.store import Session, Store

BATCH_LEAVES = 10_000  # leaves taken in one transaction


def extend(store: Store) -> int:
    """Take the leaves that were accepted and not sequenced into the tree, at most one batch.

    Returns:
        How many leaves were taken.
    """
    with store.write() as session:
        log = session.log()
        if log.next_index == log.sequenced:
            return 0
        rows = session.leaves(log.epoch, log.sequenced, BATCH_LEAVES)
        frontier = merkle.Frontier(
            log.sequenced,
            session.nodes(log.epoch, merkle.root_nodes(log.sequenced)) if log.sequenced else None,
        )
        new: dict[merkle.Node, bytes] = {}
        for row in rows:
            new.update(frontier.append(records.leaf_hash(row.leaf)))
        session.add_nodes(log.epoch, new)
        session.set_sequenced(log.sequenced + len(rows))
        return len(rows)


def root_at(session: Session, epoch: int, size: int) -> bytes:
    """The root of the first `size` leaves of an epoch, 32 bytes."""
    return merkle.root_from_nodes(size, session.nodes(epoch, merkle.root_nodes(size)))


def inclusion_path(session: Session, epoch: int, index: int, size: int) -> list[bytes]:
    """The path from leaf `index` to the root of `size` leaves."""
    return merkle.prove_inclusion(index, size, session.nodes(epoch, merkle.inclusion_nodes(index, size)))


def consistency_path(session: Session, epoch: int, first_size: int, second_size: int) -> list[bytes]:
    """The path that shows the tree of `second_size` leaves to extend the one of `first_size`; empty from size 0."""
    if first_size in (0, second_size):
        return []
    places = merkle.consistency_nodes(first_size, second_size)
    return merkle.prove_consistency(first_size, second_size, session.nodes(epoch, places))
