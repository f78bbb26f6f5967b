"""A ledger's parts wired together, and what all of its doings ask: who may, what is known, how far the chain is read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ledger import sequencing
from ledger.anchoring import Sender
from ledger.chain import Chain
from ledger.config import LedgerConfig
from ledger.core import signatures
from ledger.core.identifiers import Party
from ledger.database import WorkerLock
from ledger.errors import ChainUnread, LedgerError, NotFound, StoreError
from ledger.host_clock import HostClock
from ledger.indexing import Indexer
from ledger.membership import Membership
from ledger.messages import to_hex
from ledger.readiness import LAG_BLOCKS, Pulse, Watch
from ledger.reading import Reader, Rights
from ledger.receivers import Network
from ledger.retention import Retention
from ledger.rows.webhooks import ACTIVE
from ledger.sessions import Sessions
from ledger.store import Session, Store
from ledger.vault import open_vault
from ledger.webhooks import Webhooks

TO_FORGET = "to_forget"  # in the database's identity while its files may still have what was erased
_DAY_SECONDS = 86_400


class Wired:
    """A ledger's parts, wired together; its arguments and errors are those of `ledger.ledger.Ledger`."""

    def __init__(self, config: LedgerConfig, *, create: bool = False) -> None:
        self.config = config
        self.profile = config.profile
        self.administration = Party.parse(config.administration)
        self._code = self.administration.administration_bytes
        self._log_domain = config.profile.log_domain
        self._chain = Chain(config.profile)
        self._store = Store(config.database_url, create=create)
        self._membership = Membership()
        self._rewinds = 0
        self._membership_lock = threading.Lock()
        self._worker_seen = 0.0
        self._sequenced_at = 0.0
        self._working: WorkerLock | None = None
        self._sender: Sender | None = None
        self._pulse = Pulse()
        self._clock = HostClock(config.profile.block_seconds)
        self._watch = Watch(self.profile, self._chain, self._store, self._code)
        self._compare_lock = threading.Lock()
        self._compare_from = 0.0  # when the log is compared with the chain's; infinite once it was
        self._indexer = Indexer(self._chain, self._store)
        try:
            self._require_identity()
            with self._store.read() as session:
                self._clock.compare(session)
            self._vault = open_vault(config, self._store.path)
            self._store.unlock(self._vault)
            self.sessions = Sessions(
                self._store,
                self.administration,
                self.profile.chain_id,
                self._members,
                self._require_caught_up,
                self._clock.now,
            )
            self.webhooks = Webhooks(self._store, self._listed_for, self._clock.now)
            self._retention = Retention(
                self._store, _DAY_SECONDS * self.config.events_kept_days, self._served_webhooks
            )
        except LedgerError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database and the worker's lock."""
        if self._working is not None:
            self._working.close()
            self._working = None
        self._chain.close()
        self._store.close()

    def _require_identity(self) -> None:
        mine = {
            "administration": self.config.administration,
            "chain_id": str(self.profile.chain_id),
            "genesis_hash": to_hex(self.profile.genesis_hash),
            "manifest_log": self.profile.manifest_log,
            "consignment_ledger": self.profile.consignment_ledger,
            "registry": self.profile.registry,
        }
        with self._store.write() as session:
            there = session.identity()
            if not there:
                session.set_identity(mine)
                session.begin_epoch(1)
                return
        for name, value in mine.items():
            if there.get(name) != value:
                raise StoreError(
                    f"This database is another ledger's: its {name} is {there.get(name)}, the settings say {value}. "
                    "Point the settings at the right database; nothing was written."
                )

    @staticmethod
    def _require_caught_up(session: Session, what: str, name: str) -> None:
        """Nobody is told that something is not on chain by a service that has not read the chain to its end."""
        cursor = session.cursor()
        indexed = 0 if cursor is None else cursor.number
        head = session.identity().get("head_block")
        if head is None or int(head) - indexed > LAG_BLOCKS:
            raise ChainUnread(what, name, indexed, None if head is None else int(head))

    def _not_on_chain(self, session: Session, what: str, name: str) -> NotFound:
        """The error for what the chain would have said, once that can be told."""
        self._require_caught_up(session, what, name)
        return NotFound(what, name)

    def _forget(self) -> None:
        """Let what was erased vanish from the database's files, now or at a later turn of the worker."""
        with self._store.read() as session:
            is_due = TO_FORGET in session.identity()
        if is_due and self._store.forget():
            with self._store.write() as session:
                session.remove_identity(TO_FORGET)

    def _manifest_row(self, session: Session, key: bytes, rights: Rights) -> Any:
        row = session.manifest(key)
        if row is None or not rights.manifest(row):
            raise NotFound("manifest", to_hex(key))
        return row

    def _extent(self, session: Session) -> sequencing.Extent:
        return sequencing.extent(session, self._code, self.profile.confirmations)

    def _head_over(self, session: Session, row: Any, extent: sequencing.Extent) -> Any | None:
        """The first head on chain that covers a leaf and is of this tree."""
        if row.epoch == extent.epoch and row.log_index >= extent.anchored:
            return None
        return session.first_head_over(self._code, row.epoch, row.log_index)

    def _rights(self, session: Session, reader: Reader | None) -> Rights:
        return Rights(session, self._members(session), reader, self._clock.now())

    def _require_readable(self, session: Session, rights: Rights, consignment: bytes) -> None:
        """Answer for a consignment that may not be seen as for one that was never opened."""
        if not rights.consignment(consignment):
            raise self._not_on_chain(session, "consignment", to_hex(consignment))

    def _final(self, session: Session, row: Any) -> bool:
        cursor = session.cursor()
        return cursor is not None and row.block_number + self.profile.confirmations <= cursor.number

    def _record_state(self, session: Session, row: Any) -> Any:
        there = session.chain_custody_by_digest(row.digest)
        if there is not None:
            return "final" if self._final(session, there) else "recorded"
        return {"waiting": "accepted", "sent": "sent", "done": "sent", "refused": "refused"}[row.state]

    def _require_own(self, administration: str) -> None:
        if administration != self.config.administration:
            raise NotFound("log of", administration)

    def _members(self, session: Session) -> Membership:
        """The registry as this session's snapshot has it; folded on from where it was."""
        self._clock.compare(session)
        with self._membership_lock:
            rewinds, sequence = session.registry_at()
            if rewinds != self._rewinds:
                self._membership, self._rewinds = Membership(), rewinds
            if sequence > self._membership.sequence:
                new = session.events_of("AdministrationRegistry", self._membership.sequence)
                self._membership = self._membership.after(new)
            return self._membership

    def _served_webhooks(self, session: Session) -> list[bytes]:
        """The webhooks that are sent to: active ones of accounts that may read."""
        return [
            row.webhook
            for row in session.webhooks.in_state(ACTIVE)
            if self.sessions.reader_by_account(session, signatures.checksummed(row.account)) is not None
        ]

    def _listed_for(self, reader: Reader) -> Sequence[Network]:
        """Networks beside the public ones that a reader's webhooks may go to: a company must not reach into customs'."""
        is_ours = reader.sees_all or self.profile.kind == "development"
        return self.config.webhook_networks if is_ours else ()
