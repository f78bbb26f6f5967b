"""Custody records accepted here, on their way to the chain."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, and_, func, insert, or_, select, update

from ledger import events
from ledger import tables as t
from ledger.core.records import CustodyRecord
from ledger.rows.statements import some_at_a_time
from ledger.rows.telling import TellingRows


def encode_custody(record: CustodyRecord) -> bytes:
    """The 177 bytes of a custody record, in signing order."""
    return b"".join(
        (
            record.consignment,
            bytes((record.kind,)),
            record.party,
            record.previous,
            record.subject,
            record.details,
            record.counterpart,
            record.observed_at.to_bytes(8, "big"),
            record.expires_at.to_bytes(8, "big"),
        )
    )


def decode_custody(body: bytes) -> CustodyRecord:
    """The custody record of 177 bytes written by `encode_custody`."""
    return CustodyRecord(
        consignment=body[0:32],
        kind=body[32],
        party=body[33:49],
        previous=body[49:81],
        subject=body[81:113],
        details=body[113:145],
        counterpart=body[145:161],
        observed_at=int.from_bytes(body[161:169], "big"),
        expires_at=int.from_bytes(body[169:177], "big"),
    )


class CustodyRows(TellingRows):
    """Custody records accepted here."""

    def add_custody(self, row: Mapping[str, Any]) -> None:
        """Insert an accepted custody record."""
        self._connection.execute(insert(t.custody).values(**row))

    def custody(self, digest: bytes) -> Row[Any] | None:
        """The custody record accepted here of a digest."""
        return self._one(select(t.custody).where(t.custody.c.digest == digest))

    def custody_in(self, state: str, limit: int) -> Sequence[Row[Any]]:
        """Custody records in a state, in the order they are to be sent."""
        return self._all(
            select(t.custody).where(t.custody.c.state == state).order_by(t.custody.c.position).limit(limit)
        )

    def custody_of_transaction(self, transaction_hash: bytes) -> Sequence[Row[Any]]:
        """The custody records that a transaction carries, in order."""
        return self._all(
            select(t.custody)
            .where(t.custody.c.transaction_hash == transaction_hash)
            .order_by(t.custody.c.position)
        )

    def unfinished_custody(self, consignments: Sequence[bytes]) -> Sequence[Row[Any]]:
        """Records accepted here for consignments, neither refused nor on chain as far as is indexed, in order."""
        on_chain = (
            select(t.chain_custody.c.digest).where(t.chain_custody.c.digest == t.custody.c.digest).exists()
        )
        found: dict[int, Row[Any]] = {}
        for some in some_at_a_time(consignments):
            query = select(t.custody).where(
                or_(t.custody.c.consignment.in_(some), t.custody.c.second.in_(some)),
                t.custody.c.state.in_(("waiting", "sent")),
                ~on_chain,
            )
            found.update((row.position, row) for row in self._all(query))
        return [row for _, row in sorted(found.items())]

    def custody_accepted_for(self, consignment: bytes) -> Sequence[Row[Any]]:
        """All records accepted here for a consignment, in order."""
        return self._all(
            select(t.custody).where(t.custody.c.consignment == consignment).order_by(t.custody.c.position)
        )

    def set_custody(
        self, digest: bytes, state: str, transaction_hash: bytes | None, problem: str | None = None
    ) -> None:
        """Move a custody record on; that it is refused is told."""
        row = self.custody(digest) if state == "refused" else None
        if row is not None and row.state != "refused":
            record, refusal = decode_custody(row.body), json.loads(problem or "{}").get("refusal")
            self.tell(
                [
                    events.of_custody(
                        "record.refused", record, digest, int(time.time()), row.second, refusal=refusal
                    )
                ]
            )
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.digest == digest)
            .values(state=state, transaction_hash=transaction_hash, problem=problem)
        )

    def count_revert(self, digest: bytes) -> None:
        """A transaction with this custody record reverted."""
        self._connection.execute(
            update(t.custody).where(t.custody.c.digest == digest).values(reverts=t.custody.c.reverts + 1)
        )

    def chain_custody_among(self, digests: Sequence[bytes]) -> dict[bytes, int]:
        """The block of each of some records that the chain has taken, by digest."""
        query = select(t.chain_custody.c.digest, t.chain_custody.c.block_number)
        return {
            row.digest: row.block_number
            for some in some_at_a_time(digests)
            for row in self._all(query.where(t.chain_custody.c.digest.in_(some)))
        }

    def links(self, consignments: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
        """Pairs of consignments, one of them among these, that a record on chain or on its way connects."""
        found: list[tuple[bytes, bytes]] = []
        for some in some_at_a_time(consignments):
            for first, second, *more in (
                (t.chain_custody.c.consignment, t.chain_custody.c.other),
                (t.custody.c.consignment, t.custody.c.second, t.custody.c.state.in_(("waiting", "sent"))),
            ):
                query = select(first, second).where(second.is_not(None), *more).distinct()
                found += self._pairs(query.where(or_(first.in_(some), second.in_(some))))
        return found

    def custody_carriers(self, consignments: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
        """Consignments among these with a custody record in a transaction that is not final, and its account."""
        sent = and_(
            t.custody.c.transaction_hash == t.transactions.c.hash,
            t.custody.c.state == "sent",
        )
        found: list[tuple[bytes, bytes]] = []
        for some in some_at_a_time(consignments):
            for column in (t.custody.c.consignment, t.custody.c.second):
                query = select(column, t.transactions.c.account).where(sent, column.in_(some)).distinct()
                found += self._pairs(query)
        return found

    def is_carried_by_another(self, account: bytes) -> bool:
        """Whether a custody record is in a transaction that is not final and not of this account."""
        query = select(t.custody.c.digest).where(
            t.custody.c.transaction_hash == t.transactions.c.hash,
            t.custody.c.state == "sent",
            t.transactions.c.account != account,
        )
        return self._one(query.limit(1)) is not None

    def is_behind_another(self, record: Row[Any]) -> bool:
        """Whether a record accepted earlier for the same consignment waits to be sent."""
        query = select(t.custody.c.position).where(
            t.custody.c.consignment == record.consignment,
            t.custody.c.state == "waiting",
            t.custody.c.position < record.position,
        )
        return self._one(query.limit(1)) is not None

    def custody_positions(self) -> tuple[int, int] | None:
        """The first position of a custody record that waits, and the last of any; None if none waits."""
        first = self._one(
            select(t.custody.c.position)
            .where(t.custody.c.state == "waiting")
            .order_by(t.custody.c.position)
            .limit(1)
        )
        return (
            None if first is None else (first.position, self._number(select(func.max(t.custody.c.position))))
        )

    def retell(self, transaction_hash: bytes) -> None:
        """A transaction is not mined after all: what the chain refused in it is on its way again."""
        for row in self.custody_of_transaction(transaction_hash):
            if row.state == "refused":
                self.take_back("record.refused", row.digest)
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.transaction_hash == transaction_hash, t.custody.c.state == "refused")
            .values(state="sent", problem=None)
        )

    def waiting_custody(self) -> int:
        """Custody records accepted and not yet in a transaction."""
        return self._number(select(func.count()).select_from(t.custody).where(t.custody.c.state == "waiting"))

    def waiting_custody_at_most(self, most: int) -> int:
        """Custody records accepted and not yet in a transaction; not counted one by one where they can't be so many."""
        positions = self.custody_positions()
        if positions is None:
            return 0
        spread = positions[1] - positions[0] + 1
        return spread if 2 * spread < most else self.waiting_custody()
