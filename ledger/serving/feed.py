"""The feed of events as a reader may see it."""

from __future__ import annotations

from collections.abc import Sequence

from ledger import views
from ledger.core.identifiers import Party
from ledger.errors import Conflict
from ledger.messages import EventView
from ledger.reading import Reader
from ledger.serving.wired import Wired

EVENTS_AT_A_TIME = 200  # ids of the feed that are looked at in one go


class Feed(Wired):
    """The feed of events as a reader may see it."""

    def last_event(self) -> int:
        """The id of the newest event; 0 if there is none."""
        with self._store.read() as session:
            return session.last_told()

    def events(
        self,
        after: int,
        *,
        kinds: Sequence[str] = (),
        consignment: bytes | None = None,
        administration: str | None = None,
        reader: Reader | None = None,
    ) -> tuple[list[EventView], int]:
        """Events of the feed in order, of the next 200 ids behind one; each condition narrows.

        What was told and is not so after all, since the chain turned, is not missing: an event with `.reverted` at the
        end of its kind follows it.

        Args:
            after: Behind this id.
            kinds: Kinds, or what several begin with up to a full stop; their reversals come too.
            consignment: First or second consignment of the event.
            administration: Whose events.
            reader: Who asks; other parties' affairs are left out.

        Returns:
            The events, and up to which id there are no others; that is `after` if nothing came since.

        Raises:
            Conflict: No event ever had the id `after` here.
            EventsForgotten: Some behind `after` are not kept any more; after 0 come all that are.
        """
        code = None if administration is None else Party.parse(administration).administration_bytes
        with self._store.read() as session:
            newest = session.last_told()
            if after > newest:
                raise Conflict(
                    f"This service has told of {newest} events, {after} is not among them: the id is another service's, or "
                    "this one was restored from a backup. Read what you follow anew, then events without an id."
                )
            after = session.feed_rows.place_after(after, newest)
            up_to = min(newest, after + EVENTS_AT_A_TIME)
            rows = session.feed(after, up_to, kinds=kinds, consignment=consignment, administration=code)
            rights = self._rights(session, reader)
            return [views.event(row) for row in rows if rights.event(row)], up_to
