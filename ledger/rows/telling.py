"""What is told to others: the feed of events, and its reversals."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, insert, or_, select, update

from ledger import events
from ledger import tables as t
from ledger.rows.statements import Statements, in_json, some_at_a_time

_COUNT_ON = (
    update(t.feed_state)
    .values(last_id=t.feed_state.c.last_id + bindparam("number"))
    .returning(t.feed_state.c.last_id)
)


class TellingRows(Statements):
    """The feed of events."""

    def tell(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Append to the feed, in order: rows without `id`, `facts` as a mapping.

        The row of the last id stays locked until the commit, so that ids are in the order of commits: whoever has
        read up to an id has missed none below it.
        """
        if not events:
            return
        counted = self._at_once(_COUNT_ON, number=len(events))
        last = int(counted[0][0]) if counted else len(events)
        if not counted:
            self._connection.execute(insert(t.feed_state).values(id=1, last_id=last, final_block=-1))
        first = last - len(events) + 1
        self._gather(
            t.feed,
            [
                {"reverts": None, **event, "id": first + place, "facts": in_json(event["facts"])}
                for place, event in enumerate(events)
            ],
        )

    def take_back(self, kind: str, subject: bytes) -> None:
        """Tell that what was told of a subject under a kind, and not taken back since, is not so after all."""
        reversal = t.feed.alias()
        self._take_back(
            and_(
                t.feed.c.subject == subject,
                t.feed.c.kind == kind,
                ~select(reversal.c.id)
                .where(reversal.c.subject == subject, reversal.c.reverts == t.feed.c.id)
                .exists(),
            )
        )

    def _take_back(self, condition: ColumnElement[bool]) -> None:
        """Append the reversal of every event of a condition, the newest first; none of them has a block any more."""
        rows = self._all(select(t.feed).where(condition).order_by(t.feed.c.id.desc()))
        for some in some_at_a_time([row.id for row in rows]):
            self._connection.execute(update(t.feed).where(t.feed.c.id.in_(some)).values(block_number=None))
        now = int(time.time())
        self.tell(
            [
                dict(row._mapping)
                | {
                    "kind": row.kind + events.REVERTED,
                    "at": now,
                    "facts": json.loads(row.facts),
                    "block_number": None,
                    "reverts": row.id,
                }
                for row in rows
            ]
        )

    def told_of_blocks(self, after: int, up_to: int) -> Sequence[Row[Any]]:
        """The events that blocks carry, in order: of the blocks above a number, up to another."""
        return self._all(
            select(t.feed)
            .where(t.feed.c.block_number > after, t.feed.c.block_number <= up_to)
            .order_by(t.feed.c.id)
        )

    def told_final(self) -> int:
        """Up to which block it was told what is final; -1 if never."""
        row = self._one(select(t.feed_state.c.final_block))
        return -1 if row is None else int(row.final_block)

    def set_told_final(self, number: int) -> None:
        """Note up to which block it was told what is final."""
        if self._connection.execute(update(t.feed_state).values(final_block=number)).rowcount == 0:
            self._connection.execute(insert(t.feed_state).values(id=1, last_id=0, final_block=number))

    def last_told(self) -> int:
        """The id of the newest event in the feed; 0 if there is none."""
        row = self._one(select(t.feed_state.c.last_id))
        return 0 if row is None else int(row.last_id)

    def feed(
        self,
        after: int,
        up_to: int,
        *,
        kinds: Sequence[str] = (),
        consignment: bytes | None = None,
        administration: bytes | None = None,
    ) -> Sequence[Row[Any]]:
        """Events of the feed in order; each condition that is given narrows.

        Args:
            after: Behind this id.
            up_to: Up to this id.
            kinds: Only those of these kinds, or of what begins so up to a full stop.
            consignment: Only those about this one, first or second.
            administration: Only those of this one, 8 bytes.
        """
        query = select(t.feed).where(t.feed.c.id > after, t.feed.c.id <= up_to)
        if kinds:
            query = query.where(
                or_(*(or_(t.feed.c.kind == kind, t.feed.c.kind.startswith(kind + ".")) for kind in kinds))
            )
        if consignment is not None:
            query = query.where(or_(t.feed.c.consignment == consignment, t.feed.c.second == consignment))
        if administration is not None:
            query = query.where(t.feed.c.administration == administration)
        return self._all(query.order_by(t.feed.c.id))

    def told(self, event_ids: Sequence[int]) -> dict[int, Row[Any]]:
        """Events of the feed by their ids."""
        return {row.id: row for row in self._all(select(t.feed).where(t.feed.c.id.in_(event_ids)))}
