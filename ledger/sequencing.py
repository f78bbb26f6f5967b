"""From accepted records to the tree: every leaf that was given an index enters the log in that order.

Nodes of complete subtrees are written once and never changed; a head is what they lead to at a size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ledger.core import merkle, records
from ledger.errors import StoreError
from ledger.store import Session, Store

BATCH_LEAVES = 10_000  # leaves taken in one transaction


def extend(store: Store) -> int:
    """Take the leaves that were accepted and not sequenced into the tree, at most one batch.

    Returns:
        How many leaves were taken.

    Raises:
        StoreError: A leaf that was accepted is not in the database.
    """
    with store.write() as session:
        log = session.log()
        if log.next_index == log.sequenced:
            return 0
        rows = session.leaves(log.epoch, log.sequenced, BATCH_LEAVES)
        expected = range(log.sequenced, min(log.next_index, log.sequenced + BATCH_LEAVES))
        if [row.log_index for row in rows] != list(expected):
            raise StoreError(
                f"A leaf of the log from {log.sequenced} on is missing: the database is damaged. "
                "Restore it from a backup; nothing was taken into the tree."
            )
        append(session, log.epoch, log.sequenced, [records.leaf_hash(row.leaf) for row in rows])
        return len(rows)


def append(session: Session, epoch: int, size: int, leaf_hashes: Sequence[bytes]) -> None:
    """Take leaf hashes into the tree of an epoch, which has `size` leaves before."""
    frontier = merkle.Frontier(size, session.nodes(epoch, merkle.root_nodes(size)))
    session.add_nodes(epoch, [node for leaf in leaf_hashes for node in frontier.append(leaf)])
    session.set_sequenced(size + len(leaf_hashes))


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


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the log has come, in leaves of the present epoch; leaves of earlier epochs are all final.

    Attributes:
        epoch: From 1.
        accepted: Leaves that were given an index.
        sequenced: Of those, leaves in the tree.
        anchored: Of those, leaves that a head of this tree on chain covers.
        final: Of those, leaves that one covers that is final.
        is_foreign: Whether the chain has heads of this epoch that are not of this tree.
    """

    epoch: int
    accepted: int
    sequenced: int
    anchored: int
    final: int
    is_foreign: bool


def extent(session: Session, administration: bytes, confirmations: int) -> Extent:
    """How far an administration's own log has come, as of the indexed block."""
    return Extent(*session.extent(administration, confirmations))


def compare_heads(session: Session, administration: bytes) -> int | None:
    """Compare the epoch's heads on chain with the tree here.

    They differ when somebody else has the sequencer's key, or when this database is older than the chain.

    Returns:
        The size from which on they are not of this tree, or None if all are.
    """
    log = session.log()

    def is_ours(head: Any) -> bool:
        return bool(head.size <= log.sequenced and root_at(session, log.epoch, head.size) == head.root)

    # The contract takes a head only as an extension of the one before: behind the first foreign one all are.
    foreign: int | None = None
    if log.foreign_from is not None:
        noted = session.head_of_size(administration, log.epoch, log.foreign_from)
        if noted is not None and not is_ours(noted):
            foreign = int(noted.size)
    head = session.largest_head(administration, log.epoch, below=foreign)
    while head is not None and not is_ours(head):
        foreign = int(head.size)
        head = session.largest_head(administration, log.epoch, below=foreign)
    return foreign
