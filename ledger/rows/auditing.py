"""What an auditor asks of what was indexed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, or_, select

from ledger import tables as t
from ledger.rows.statements import IDS_AT_A_TIME, Statements, some_at_a_time


class AuditRows(Statements):
    """Looks at what was indexed, for an auditor."""

    def chain_custody_after(
        self, sequence: int, limit: int, *, kind: int | None = None, signer: bytes | None = None
    ) -> Sequence[Row[Any]]:
        """Records on chain after a sequence, of a kind, by a signer, or all; so many at most, in order."""
        query = select(t.chain_custody).where(t.chain_custody.c.sequence > sequence)
        if kind is not None:
            query = query.where(t.chain_custody.c.kind == kind)
        if signer is not None:
            query = query.where(t.chain_custody.c.signer == signer)
        return self._all(query.order_by(t.chain_custody.c.sequence).limit(limit))

    def chain_custody_about(self, consignments: Sequence[bytes], limit: int) -> Sequence[Row[Any]]:
        """Records on chain that extend the trail of any of some consignments; so many at most, in no order."""
        found: list[Row[Any]] = []
        for some in some_at_a_time(consignments):
            about = or_(t.chain_custody.c.consignment.in_(some), t.chain_custody.c.other.in_(some))
            found += self._all(select(t.chain_custody).where(about).limit(limit - len(found)))
            if len(found) >= limit:
                break
        return found

    def closures_after(
        self, sequence: int, limit: int, *, consignment: bytes | None = None
    ) -> Sequence[Row[Any]]:
        """Closures on chain after a sequence, of a consignment or all; so many at most, in order."""
        query = select(t.chain_closures).where(t.chain_closures.c.sequence > sequence)
        if consignment is not None:
            query = query.where(t.chain_closures.c.consignment == consignment)
        return self._all(query.order_by(t.chain_closures.c.sequence).limit(limit))

    def chain_events_of(self, contract: str) -> Sequence[Row[Any]]:
        """Every event of a contract, in order; of ConsignmentLedger none that is known."""
        query = select(t.chain_events).where(t.chain_events.c.contract == contract)
        return self._all(query.order_by(t.chain_events.c.sequence))

    def carried_by(self, contract: str, sequences: Sequence[int]) -> dict[int, tuple[bytes, bytes | None]]:
        """The transactions that some events stand in, by sequence, and the signatures of the records they carry."""
        found: dict[int, tuple[bytes, bytes | None]] = {}
        for first in range(0, len(sequences), IDS_AT_A_TIME):
            some = sequences[first : first + IDS_AT_A_TIME]
            if contract == "ConsignmentLedger":
                for row in self._all(select(t.chain_custody).where(t.chain_custody.c.sequence.in_(some))):
                    found[row.sequence] = row.transaction_hash, row.signature
                continue
            events_of = select(t.chain_events).where(
                t.chain_events.c.contract == contract, t.chain_events.c.sequence.in_(some)
            )
            found.update((row.sequence, (row.transaction_hash, None)) for row in self._all(events_of))
            if contract == "ManifestLog":
                for row in self._all(select(t.chain_closures).where(t.chain_closures.c.sequence.in_(some))):
                    found[row.sequence] = row.transaction_hash, row.signature
        return found
