"""Tree heads, leaves, administrations, parties and accounts, and what an auditor asks."""

from __future__ import annotations

from ledger import sequencing, views
from ledger.audit import stored
from ledger.audit.questions import Asked
from ledger.core.identifiers import Party
from ledger.errors import NotFound
from ledger.fields import party_bytes
from ledger.messages import (
    AccountView,
    AdministrationView,
    AuditAnswer,
    ConsistencyView,
    HeadView,
    LeafView,
    PartyView,
    to_hex,
)
from ledger.reading import Reader
from ledger.serving.wired import Wired


class LogsAndMembers(Wired):
    """Tree heads, leaves, administrations, parties and accounts, and what an auditor asks."""

    def head(self, administration: str) -> HeadView:
        """The newest anchored head of an administration's log.

        Raises:
            NotFound: The administration is no member, or has not anchored.
        """
        code = Party.parse(administration).administration_bytes
        with self._store.read() as session:
            row = session.newest_head(code)
        if row is None:
            raise NotFound("tree head of", administration)
        return views.head(row, administration)

    def consistency(self, administration: str, first_size: int) -> ConsistencyView:
        """The proof that the newest anchored head extends the one of `first_size`, of this administration's own log.

        Raises:
            NotFound: It is another administration's log, or no head of that size is anchored.
        """
        self._require_own(administration)
        with self._store.read() as session:
            newest = session.newest_head(self._code)
            extent = self._extent(session)
            if newest is not None and newest.epoch == extent.epoch and newest.size != extent.anchored:
                newest = session.head_of_size(self._code, extent.epoch, extent.anchored)
            first = (
                session.head_of_size(self._code, newest.epoch, first_size)
                if newest is not None and 0 < first_size <= newest.size
                else None
            )
            if newest is None or first is None:
                raise NotFound("anchored tree head of size", str(first_size))
            path = sequencing.consistency_path(session, newest.epoch, first_size, newest.size)
        return views.consistency(first, newest, path, administration)

    def leaves(
        self, administration: str, start: int, count: int, reader: Reader | None = None
    ) -> list[LeafView]:
        """Leaves of this administration's own log, from an index on.

        Raises:
            NotFound: It is another administration's log, or the reader is no auditor of customs.
        """
        if reader is not None and not reader.may_read_leaves:
            raise NotFound("log of", administration)
        self._require_own(administration)
        with self._store.read() as session:
            log = session.log()
            is_there = 0 <= start < log.sequenced and count > 0
            rows = session.leaves(log.epoch, start, min(count, log.sequenced - start)) if is_there else []
        return [LeafView(index=row.log_index, data=to_hex(row.leaf)) for row in rows]

    def ask(self, question: str, asked: Asked, reader: Reader | None = None) -> AuditAnswer:
        """Answer an auditor's question from what is indexed and held here.

        Raises:
            NotFound: The reader is no auditor of customs; there is no such question; what is asked about is not there.
            InvalidQuestion, TooMuchConnected: It can't be answered so, or not here.
        """
        if reader is not None and not reader.may_read_leaves:
            raise NotFound("audit of", self.config.administration)
        with self._store.read() as session:
            found = stored.answer(session, self.profile, self._code, question, asked)
        return AuditAnswer.model_validate(found.to_json())

    def administrations(self) -> list[AdministrationView]:
        """All administrations of the registry, as indexed."""
        with self._store.read() as session:
            membership = self._members(session)
            return [
                views.administration(member, session.newest_head(member.code))
                for member in membership.members.values()
            ]

    def party(self, text: str) -> PartyView:
        """A party and its accounts.

        Raises:
            NotFound: No account was ever enrolled for it.
        """
        party = party_bytes(text)
        with self._store.read() as session:
            membership = self._members(session)
            accounts = membership.of_party(party)
            if not accounts:
                raise self._not_on_chain(session, "party", text)
        return PartyView(
            party=views.party_text(party),
            active=membership.is_active(party[:8]),
            accounts=[views.account(account) for account in accounts],
        )

    def account(self, address: str) -> AccountView:
        """An account of the registry.

        Raises:
            NotFound: It was never enrolled.
        """
        with self._store.read() as session:
            account = self._members(session).account(bytes.fromhex(address[2:]))
            if account is None:
                raise self._not_on_chain(session, "account", address)
        return views.account(account)
