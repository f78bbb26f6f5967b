"""What derives from the chain, put right: the chain's tables and the hashes of its newest blocks, and nothing else.

One transaction: killed in the middle, it has done nothing. The tree, what is sealed, what was accepted and what was told
derive from something else, or are held by others under their number: those come from a backup.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import tables as t
from ledger.audit.fsck.chain import Difference
from ledger.errors import StoreError
from ledger.store import Store

REPAIRED = frozenset(table.name for table in (*t.DERIVED, t.blocks))
"""The tables that a repair writes."""


def repair(store: Store, differences: Sequence[Difference]) -> int:
    """Put rows in the place of those that differ from the chain.

    Args:
        store: The database; its service must not be at work, since it writes the same tables.
        differences: What `chain.differences` found against a chain that a replay judged VALID.

    Returns:
        How many rows were written or taken out.

    Raises:
        StoreError: A worker is at work on it.
    """
    lock = store.worker_lock()
    if lock is None:
        raise StoreError(
            f"A worker is at work on the database at {store.place}: stop the service first. Nothing was repaired."
        )
    try:
        with store.write() as session:
            for each in differences:  # first all that is wrong goes: rows may stand in each other's place
                session.put_right(each.table, each.key, None)
            for each in differences:
                if each.ours is not None:
                    session.put_right(each.table, each.key, each.row)
    finally:
        lock.close()
    return len(differences)
