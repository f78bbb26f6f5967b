"""Which key carries which custody records, so that several keys send side by side and nothing overtakes what it needs.

Transactions of one key are mined in the order of their nonces, those of two keys in any order. So everything that could
depend on one another goes by one key: a consignment's records, and those of all consignments that were ever connected with
it. A key keeps a consignment until what it carries of it is final, since a reorganisation shuffles what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.store import Session

_LOOK_AHEAD = 1_000  # waiting records that are looked at for a batch


def next_batch(
    session: Session, accounts: Sequence[bytes], free: Sequence[bytes], most: int, final_block: int
) -> tuple[bytes, list[Any]] | None:
    """Choose who sends next, and what.

    A batch that reverted is halved, until what makes it revert is alone: each record counts its reverts.

    Args:
        session: The store.
        accounts: All relayer accounts; others, whose keys were exchanged, may have records on their way.
        free: Those that may send one more transaction, the preferred first.
        most: Records in a batch.
        final_block: What the chain took up to this block stays.

    Returns:
        The account and the rows of its batch, in the order of acceptance; None if there is nothing for a free account.
    """
    waiting = session.custody_in("waiting", _LOOK_AHEAD)
    taken = session.chain_custody_among([row.digest for row in waiting])
    for row in waiting:  # somebody else has sent it
        if taken.get(row.digest, final_block + 1) <= final_block:
            session.set_custody(row.digest, "done", None)
    waiting = [row for row in waiting if row.digest not in taken]
    one_key = len(accounts) == 1 and not session.is_carried_by_another(accounts[0])
    groups = None if one_key else _Groups(session, waiting)
    chosen: bytes | None = None
    batch: list[Any] = []
    reverts = 0
    for row in waiting:
        owner = groups.owner(row) if groups else accounts[0]
        account = owner if owner is not None else chosen or free[0]
        if account not in free or (chosen is not None and account != chosen):
            continue
        reverts = max(reverts, row.reverts)
        if len(batch) >= max(1, most >> reverts):
            break
        chosen = account
        if groups:
            groups.give(row, account)
        batch.append(row)
    return None if chosen is None else (chosen, batch)


class _Groups:
    """Consignments that are connected, and whose key carries them; a group under two keys waits until one is left."""

    def __init__(self, session: Session, waiting: Sequence[Any]) -> None:
        self._above: dict[bytes, bytes] = {}
        new = {each for row in waiting for each in (row.consignment, row.second) if each}
        known: set[bytes] = set()
        while new:
            known |= new
            links = session.links(sorted(new))
            for one, other in links:
                self._join(one, other)
            new = {each for link in links for each in link} - known
        self._owners: dict[bytes, set[bytes]] = {}
        for consignment, account in session.custody_carriers(sorted(known)):
            self._owners.setdefault(self._top(consignment), set()).add(account)

    def owner(self, row: Any) -> bytes | None:
        """The account that carries the record's consignment; None if any may, b"" if two do."""
        owners = self._owners.get(self._top(row.consignment), set())
        return None if not owners else next(iter(owners)) if len(owners) == 1 else b""

    def give(self, row: Any, account: bytes) -> None:
        self._owners.setdefault(self._top(row.consignment), set()).add(account)

    def _top(self, consignment: bytes) -> bytes:
        while consignment in self._above:
            consignment = self._above[consignment]
        return consignment

    def _join(self, one: bytes, other: bytes) -> None:
        one, other = self._top(one), self._top(other)
        if one != other:
            self._above[one] = other
