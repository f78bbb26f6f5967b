"""Transactions signed here, and what they carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, select, update

from ledger import tables as t
from ledger.rows.custody import CustodyRows


class TransactionRows(CustodyRows):
    """Transactions signed here."""

    def add_transaction(self, row: Mapping[str, Any]) -> None:
        """Note a signed transaction, before it is sent."""
        self._connection.execute(insert(t.transactions).values(**row))

    def transactions_in(self, *states: str) -> Sequence[Row[Any]]:
        """Transactions in some states, by account, nonce and version."""
        return self._all(
            select(t.transactions)
            .where(t.transactions.c.state.in_(states))
            .order_by(t.transactions.c.account, t.transactions.c.nonce, t.transactions.c.version)
        )

    def in_flight(self, purpose: str, account: bytes) -> int:
        """How many nonces of an account are sent for a purpose and not known to be mined."""
        query = select(func.count(t.transactions.c.nonce.distinct())).where(
            t.transactions.c.purpose == purpose,
            t.transactions.c.account == account,
            t.transactions.c.state == "sent",
        )
        return self._number(query)

    def transaction_states(self) -> dict[str, int]:
        """How many transactions are in each state."""
        query = select(t.transactions.c.state, func.count()).group_by(t.transactions.c.state)
        return dict(self._pairs(query))

    def last_mined(self, account: bytes) -> int:
        """The newest block that is known to hold a transaction of an account; 0 if none."""
        return self._number(
            select(func.max(t.transactions.c.mined_in)).where(t.transactions.c.account == account)
        )

    def has_nonce(self, account: bytes, nonce: int) -> bool:
        """Whether a transaction of ours holds a nonce, whatever became of it."""
        query = select(t.transactions.c.hash).where(_of_nonce(account, nonce))
        return self._one(query.limit(1)) is not None

    def carry_by(self, account: bytes, nonce: int, transaction_hash: bytes) -> None:
        """What any version of a nonce carries is carried by this one."""
        versions = select(t.transactions.c.hash).where(_of_nonce(account, nonce))
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.transaction_hash.in_(versions), t.custody.c.state == "sent")
            .values(transaction_hash=transaction_hash)
        )
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.closing_transaction.in_(versions), t.manifests.c.closing == "sent")
            .values(closing_transaction=transaction_hash)
        )

    def outrun(self, row: Row[Any]) -> None:
        """This version was mined: it carries what any of its nonce did, and the others never will be mined."""
        self.carry_by(row.account, row.nonce, row.hash)
        self._connection.execute(
            update(t.transactions)
            .where(
                _of_nonce(row.account, row.nonce),
                t.transactions.c.hash != row.hash,
                t.transactions.c.state == "sent",
            )
            .values(state="outrun")
        )

    def unmine(self, row: Row[Any]) -> None:
        """The block of this version is gone: any version of its nonce may be mined again."""
        self._connection.execute(
            update(t.transactions)
            .where(
                _of_nonce(row.account, row.nonce),
                t.transactions.c.state.in_(("mined", "outrun")),
            )
            .values(state="sent", mined_in=None)
        )
        self.retell(row.hash)

    def sending_accounts(self) -> Sequence[bytes]:
        """Every account that signed a transaction here."""
        query = select(t.transactions.c.account).distinct().order_by(t.transactions.c.account)
        return [row.account for row in self._all(query)]

    def highest_nonce(self, account: bytes) -> int | None:
        """The highest nonce that a transaction of ours holds, or None."""
        query = select(func.max(t.transactions.c.nonce)).where(t.transactions.c.account == account)
        value = self._connection.execute(query).scalar()
        return None if value is None else int(value)

    def set_transaction(self, transaction_hash: bytes, state: str, mined_in: int | None) -> None:
        """Move a transaction on."""
        self._connection.execute(
            update(t.transactions)
            .where(t.transactions.c.hash == transaction_hash)
            .values(state=state, mined_in=mined_in)
        )

    def reopen_transactions(self, account: bytes, nonce: int) -> int:
        """Transactions from a nonce on that were thought final are not mined after all: send them again."""
        rows = self._all(
            select(t.transactions.c.hash).where(
                t.transactions.c.account == account,
                t.transactions.c.nonce >= nonce,
                t.transactions.c.state.in_(("final", "failed", "replaced", "outrun")),
            )
        )
        for row in rows:
            self.set_transaction(row.hash, "sent", None)
            self.retell(row.hash)
            self._connection.execute(
                update(t.custody)
                .where(t.custody.c.transaction_hash == row.hash)
                .values(state="sent", problem=None)
            )
            self._connection.execute(
                update(t.manifests)
                .where(t.manifests.c.closing_transaction == row.hash)
                .values(closing="sent", problem=None)
            )
        return len(rows)


def _of_nonce(account: bytes, nonce: int) -> ColumnElement[bool]:
    """That a transaction is a version of this nonce."""
    return and_(t.transactions.c.account == account, t.transactions.c.nonce == nonce)
