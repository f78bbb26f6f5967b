"""Consignments and their records as they are read and found."""

from __future__ import annotations

from typing import Any

from ledger import history, views
from ledger.core.identifiers import TradeReference
from ledger.errors import NotFound
from ledger.messages import ConsignmentView, RecordView, to_hex
from ledger.reading import Reader
from ledger.serving.wired import Wired
from ledger.store import Session


class Consignments(Wired):
    """Consignments and their records as they are read and found."""

    def consignment(self, consignment: bytes, reader: Reader | None = None) -> ConsignmentView:
        """A consignment's state as of the indexed block, by the custody model.

        Raises:
            NotFound: It was never opened, as far as is indexed.
        """
        with self._store.read() as session:
            self._require_readable(session, self._rights(session, reader), consignment)
            return self._consignment_view(session, consignment)

    def _consignment_view(self, session: Session, consignment: bytes) -> ConsignmentView:
        read = history.read(session, self._members(session), [consignment], self._clock.now())
        if consignment not in read.custody and consignment not in read.ahead:
            raise self._not_on_chain(session, "consignment", to_hex(consignment))
        return views.consignment(session, read, consignment, self.administration)

    def consignment_records(self, consignment: bytes, reader: Reader | None = None) -> list[RecordView]:
        """The records that make a consignment's history, then those of this administration that wait or were refused.

        Raises:
            NotFound: Nothing is known of it.
        """
        with self._store.read() as session:
            rights = self._rights(session, reader)
            self._require_readable(session, rights, consignment)

            def document_of(row: Any) -> Any | None:
                return session.content(row.digest) if rights.details(row) else None

            found = [
                views.chain_record(row, self._final(session, row), document_of(row))
                for row in session.chain_custody_of([consignment])
            ]
            on_chain = {view.digest for view in found}
            found += [
                views.accepted_record(row, self._record_state(session, row), document_of(row))
                for row in session.custody_accepted_for(consignment)
                if to_hex(row.digest) not in on_chain
            ]
            if not found:
                raise self._not_on_chain(session, "consignment", to_hex(consignment))
        return found

    def find_consignments(
        self,
        *,
        reference: str | None = None,
        container: str | None = None,
        seal: str | None = None,
        reader: Reader | None = None,
    ) -> list[ConsignmentView]:
        """Consignments by trade reference, container or seal number, as far as this administration knows them."""
        with self._store.read() as session:
            rights = self._rights(session, reader)
            ids: list[bytes] = []
            if reference is not None:
                ids += session.consignments_with_reference(str(TradeReference.parse(reference)))
            if container is not None:
                ids += session.consignments_with_term("container", container.upper())
            if seal is not None:
                ids += session.consignments_with_term("seal", seal.upper())
            found = []
            for consignment in dict.fromkeys(ids):
                if not rights.consignment(consignment):
                    continue
                try:
                    found.append(self._consignment_view(session, consignment))
                except NotFound:
                    continue  # lodged here, not opened yet
            return found
