"""Manifest records accepted here, in log order, and the closings they ask for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select, update

from ledger import events
from ledger import tables as t
from ledger.errors import NotFound
from ledger.rows.log import LogRows
from ledger.rows.sealed import REFERENCE
from ledger.rows.statements import some_at_a_time
from ledger.rows.telling import TellingRows


class ManifestRows(LogRows, TellingRows):
    """Manifest records accepted here."""

    def add_manifests(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert accepted manifest records."""
        if rows:
            self._gather(t.manifests, map(dict, rows))

    def known_among(
        self,
        digests: Iterable[bytes],
        manifest_ids: Iterable[bytes],
        consignments: Iterable[bytes],
        references: Iterable[str],
    ) -> set[bytes | str]:
        """Which of these record digests, manifest ids, consignments and trade references are here already."""
        terms = {self._require_vault().term(REFERENCE, reference): reference for reference in references}
        found = self._present(
            (t.manifests.c.digest, [*digests]),
            (t.manifests.c.manifest_id, [*manifest_ids]),
            (t.consignments.c.consignment, [*consignments]),
            (t.consignments.c.reference, [*terms]),
        )
        return {terms.get(value, value) for value in found}

    def manifest(self, key: bytes) -> Row[Any] | None:
        """The manifest record of a manifest id or of a record digest."""
        return self.manifest_of_id(key) or self.manifest_of_digest(key)

    def manifest_of_id(self, manifest_id: bytes) -> Row[Any] | None:
        """The record that put a manifest into the log."""
        return self._one(select(t.manifests).where(t.manifests.c.manifest_id == manifest_id))

    def manifest_of_digest(self, digest: bytes) -> Row[Any] | None:
        """The manifest record of a digest."""
        return self._one(select(t.manifests).where(t.manifests.c.digest == digest))

    def manifests_of(self, consignment: bytes) -> Sequence[Row[Any]]:
        """All manifest records for a consignment, oldest first."""
        return self._all(
            select(t.manifests)
            .where(t.manifests.c.consignment == consignment)
            .order_by(t.manifests.c.epoch, t.manifests.c.log_index)
        )

    def manifests_where(
        self,
        *,
        party: bytes | None = None,
        reference: str | None = None,
        container: str | None = None,
        refused: bool | None = None,
        span: tuple[tuple[int, int], tuple[int, int]] | None = None,
        after: bytes | None = None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Manifest records in log order; each condition that is given narrows.

        Args:
            party: Whose, 16 bytes.
            reference: Whose consignment is known under this trade reference.
            container: Whose consignment is found by this container number.
            refused: Only those whose closing the chain refused, or only the others.
            span: From an (epoch, index) on, up to another, which is excluded.
            after: Behind the one of this digest.
            limit: At most so many.

        Raises:
            NotFound: There is no record of the digest `after`.
        """
        query = select(t.manifests)
        if party is not None:
            query = query.where(t.manifests.c.party == party)
        if reference is not None:
            term = self._require_vault().term(REFERENCE, reference)
            known = select(t.consignments.c.consignment).where(t.consignments.c.reference == term)
            query = query.where(t.manifests.c.consignment.in_(known))
        if container is not None:
            term = self._require_vault().term("container", container)
            found = select(t.search_terms.c.consignment).where(t.search_terms.c.term == term)
            query = query.where(t.manifests.c.consignment.in_(found))
        if refused is not None:
            closing = func.coalesce(t.manifests.c.closing, "")
            query = query.where(closing == "refused" if refused else closing != "refused")
        if span is not None:
            query = query.where(_not_before(*span[0]), ~_not_before(*span[1]))
        if after is not None:
            place = self.manifest(after)
            if place is None:
                raise NotFound("manifest", "0x" + after.hex())
            query = query.where(_not_before(place.epoch, place.log_index + 1))
        return self._all(query.order_by(t.manifests.c.epoch, t.manifests.c.log_index).limit(limit))

    def open_closing_of(self, former: bytes) -> Row[Any] | None:
        """The AMEND or WITHDRAW accepted here that closes a manifest and was not refused."""
        return self._one(
            select(t.manifests).where(t.manifests.c.supersedes == former, t.manifests.c.closing != "refused")
        )

    def leaves(self, epoch: int, first: int, count: int) -> Sequence[Row[Any]]:
        """Leaf data by index."""
        return self._all(
            select(t.manifests.c.log_index, t.manifests.c.leaf)
            .where(
                t.manifests.c.epoch == epoch,
                t.manifests.c.log_index >= first,
                t.manifests.c.log_index < first + count,
            )
            .order_by(t.manifests.c.log_index)
        )

    def manifests_at(self, epoch: int, first: int, end: int) -> Sequence[Row[Any]]:
        """Manifest records by their place in the log: from an index on, up to another, which is excluded."""
        return self._all(
            select(t.manifests)
            .where(
                t.manifests.c.epoch == epoch, t.manifests.c.log_index >= first, t.manifests.c.log_index < end
            )
            .order_by(t.manifests.c.log_index)
        )

    def closings(self, state: str, limit: int) -> Sequence[Row[Any]]:
        """AMEND and WITHDRAW records whose closing is in a state, in log order."""
        return self._all(
            select(t.manifests)
            .where(t.manifests.c.closing == state)
            .order_by(t.manifests.c.epoch, t.manifests.c.log_index)
            .limit(limit)
        )

    def set_closing(
        self, digest: bytes, state: str, transaction_hash: bytes | None, problem: str | None = None
    ) -> None:
        """Move a closing on; that it is refused is told."""
        row = self.manifest_of_digest(digest) if state == "refused" else None
        if row is not None and row.closing != "refused":
            title = json.loads(problem or "{}").get("title")
            self.tell([events.of_manifest("manifest.refused", row, int(time.time()), refusal=title)])
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.digest == digest)
            .values(closing=state, closing_transaction=transaction_hash, problem=problem)
        )

    def reopen_closings(self, transaction_hash: bytes) -> None:
        """A transaction failed: the closing it carried waits again."""
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.closing_transaction == transaction_hash, t.manifests.c.closing == "sent")
            .values(closing="waiting", closing_transaction=None)
        )

    def finish_closings(self, transaction_hash: bytes) -> None:
        """A transaction is final: the closing it carried is done."""
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.closing_transaction == transaction_hash, t.manifests.c.closing == "sent")
            .values(closing="done")
        )

    def move_leaves(self, epoch: int, first: int, new_epoch: int) -> int:
        """Give the leaves of an epoch from an index on the first indexes of the next epoch; returns how many."""
        rows = self._all(
            select(t.manifests.c.digest)
            .where(t.manifests.c.epoch == epoch, t.manifests.c.log_index >= first)
            .order_by(t.manifests.c.log_index)
        )
        for index, row in enumerate(rows):
            self._connection.execute(
                update(t.manifests)
                .where(t.manifests.c.digest == row.digest)
                .values(epoch=new_epoch, log_index=index)
            )
        return len(rows)

    def records_of_manifests(self, manifest_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The digests of the records that put some manifests into the log, by manifest id."""
        found: dict[bytes, bytes] = {}
        for some in some_at_a_time(manifest_ids):
            query = select(t.manifests.c.manifest_id, t.manifests.c.digest).where(
                t.manifests.c.manifest_id.in_(some)
            )
            found.update((row.manifest_id, row.digest) for row in self._all(query))
        return found

    def closing_carriers(self, consignments: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
        """Consignments among these with a closing in a transaction that is not final, and its account."""
        query = select(t.manifests.c.consignment, t.transactions.c.account).where(
            t.manifests.c.closing_transaction == t.transactions.c.hash,
            t.manifests.c.closing == "sent",
            t.manifests.c.consignment.in_(consignments),
        )
        return self._pairs(query)


def _not_before(epoch: int, index: int) -> ColumnElement[bool]:
    """That a manifest stands at this place of the log or behind it."""
    return or_(
        t.manifests.c.epoch > epoch,
        and_(t.manifests.c.epoch == epoch, t.manifests.c.log_index >= index),
    )
