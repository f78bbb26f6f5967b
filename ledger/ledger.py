"""One administration's ledger: what its people lodge and sign, what it reads from the chain, what it answers.

`Ledger` wires store, chain and rules and holds no rule of its own about formats or custody. Every method is blocking and
may be called from many threads; a write is durable when it returns. The registry on chain says who may act: this view of
it follows the indexed blocks, and the contracts judge again.

Where a method takes a `reader`, it answers what that reader may see, and what it may not see as if it were not there; see
`ledger.reading`. Without one it answers everything: for programs of the administration's own.
"""

from __future__ import annotations

import logging
import math
import threading
import time as clock
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import orjson

from ledger import events, exporting, history, sequencing, upkeep, views
from ledger.anchoring import Sender
from ledger.audit import stored
from ledger.audit.questions import Asked
from ledger.chain import Chain
from ledger.config import LedgerConfig
from ledger.core import documents, merkle, records, signatures
from ledger.core.disclosures import Disclosure, disclosure_root
from ledger.core.evidence import Logged
from ledger.core.identifiers import Party, TradeReference
from ledger.core.records import (
    CustodyKind,
    CustodyRecord,
    Erasure,
    ManifestKind,
    ManifestRecord,
    Promise,
    Role,
)
from ledger.database import WorkerLock
from ledger.delivering import Delivering
from ledger.errors import (
    ChainError,
    ChainUnread,
    Conflict,
    DigestMismatch,
    InvalidDisclosure,
    InvalidDocument,
    InvalidRecord,
    LedgerError,
    NotFound,
    NotPermitted,
    ObjectDamaged,
    QueueFull,
    SignerMismatch,
    StoreError,
)
from ledger.fields import ManifestState, party_bytes
from ledger.indexing import BATCH_BLOCKS, Indexer
from ledger.membership import EnrolledAccount, Membership
from ledger.messages import (
    AcceptedRecord,
    AccompaniedManifest,
    AccompanyingFile,
    AccountView,
    AdministrationView,
    AuditAnswer,
    ChainView,
    ConsignmentView,
    ConsistencyView,
    CustodySubmission,
    ErasureView,
    EventView,
    HeadView,
    InclusionProofView,
    LeafView,
    ManifestAccepted,
    ManifestSubmission,
    ManifestView,
    PartyView,
    PromiseView,
    Readiness,
    RecordView,
    from_hex,
    time_of,
    to_hex,
)
from ledger.readiness import BEAT_SECONDS, LAG_BLOCKS, Pulse, Watch
from ledger.reading import Reader, Rights
from ledger.receivers import Network
from ledger.retention import Retention
from ledger.rows.custody import decode_custody, encode_custody
from ledger.rows.webhooks import ACTIVE
from ledger.sessions import Sessions
from ledger.store import Session, Store
from ledger.vault import open_vault
from ledger.webhooks import Webhooks

_logger = logging.getLogger(__name__)
_ANOTHER_WORKS = "another worker is at work on this database: waiting for it to end"
IDLE_SECONDS = 0.2  # how long the worker rests when there was nothing to do
SEQUENCE_SECONDS = 1.0  # leaves are taken into the tree this often
EVENTS_AT_A_TIME = 200  # ids of the feed that are looked at in one go
MOST_WAITING_LEAVES = (
    2_000_000  # accepted and not covered by a head on chain: ten minutes of the fastest accepting
)
MOST_WAITING_RECORDS = (
    100_000  # custody records accepted and not sent: some minutes of the chain's whole room
)
_FULL_SECONDS = 30  # after so long it makes sense to try again
_COMPARE_SECONDS = (
    30.0  # the chain was away: so long until it is asked again whether the log is as long as there
)
_ACCOMPANYING_FIELDS = ("/schema", "/references", "/containers", "/basis")
_ERASURE_SECONDS = 86_400  # after `issued_at` a request to erase is taken this long
_TO_FORGET = "to_forget"  # in the database's identity while its files may still have what was erased
_DAY_SECONDS = 86_400
_AHEAD_SECONDS = 300  # `issued_at` may be ahead of our clock by this
_RECORD_LIFE_SECONDS = 30 * 86_400  # from `issued_at` on, ManifestLog takes a closure this long


@dataclass(frozen=True, slots=True)
class _Content:
    """A document that leads to the root it was given for, and its secret."""

    root: bytes
    document: bytes
    secret: bytes
    parsed: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A manifest submission whose form, signature and document are checked."""

    record: ManifestRecord
    manifest_id: bytes | None
    signature: bytes
    digest: bytes
    signer: bytes
    leaf: bytes
    content: _Content | None
    reference: str | None
    key: bytes | None


class _Seen:
    """What of a batch is in the database, or came before in the batch: asked once a batch, not once a record."""

    def __init__(self, session: Session, batch: Sequence[Prepared]) -> None:
        self._seen = session.known_among(
            [one.digest for one in batch],
            [one.manifest_id for one in batch if one.manifest_id is not None],
            [one.record.consignment for one in batch if one.reference is not None],
            [one.reference for one in batch if one.reference is not None],
        )

    def is_first(self, one: Prepared) -> bool:
        """Whether a LODGE has neither record nor manifest here, nor its consignment or reference if it names them."""
        names: set[bytes | str] = {one.digest, one.manifest_id or one.digest}
        if one.reference is not None:
            names |= {one.record.consignment, one.reference}
        if one.record.kind != ManifestKind.LODGE or not self._seen.isdisjoint(names):
            return False
        self._seen |= names
        return True


@dataclass(frozen=True, slots=True)
class _CheckedRecord:
    """A custody submission whose form, signature and document are checked."""

    record: CustodyRecord
    signature: bytes
    digest: bytes
    signer: bytes
    content: _Content | None


class _Judge:
    """Judges the custody records of one batch in order, each with those before it taken in.

    A history is replayed once a batch, not once a record: a batch holds the writers' lock.
    """

    def __init__(self, session: Session, membership: Membership, now: int) -> None:
        self.membership = membership
        self.now = now
        self._session = session
        self._read: list[history.History] = []
        self._room: int | None = None

    def require_room(self) -> None:
        """Count one more record that waits.

        Raises:
            QueueFull: As many wait as may.
        """
        if self._room is None:
            self._room = MOST_WAITING_RECORDS - self._session.waiting_custody_at_most(MOST_WAITING_RECORDS)
        if self._room <= 0:
            raise QueueFull("custody records", MOST_WAITING_RECORDS, _FULL_SECONDS)
        self._room -= 1

    def take(self, record: CustodyRecord, digest: bytes, signer: bytes, second: bytes | None) -> None:
        """Take a record in.

        Raises:
            RecordRefused: The rules refuse it; nothing changes.
        """
        ids = {record.consignment} | ({second} if second else set())
        ahead = self._history(ids).ahead
        standing = history.standing(self.membership, signer)
        refusal = ahead.append(record, digest, signer, standing, self.now)
        if refusal:
            raise ahead.error(refusal, record, signer, self.now)

    def _history(self, ids: set[bytes]) -> history.History:
        for read in self._read:
            if ids <= read.consignments:
                return read
        # What was taken in before is in the session by now, so that a new replay has it.
        read = history.read(self._session, self.membership, sorted(ids), self.now)
        self._read = [other for other in self._read if not other.consignments & read.consignments]
        self._read.append(read)
        return read


class Ledger:
    """One administration's ledger.

    Args:
        config: Administration, database, chain and keys.
        create: Make the database if it is not there.

    Raises:
        StoreError: The database is missing, or is another administration's or chain's.
    """

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
        self._watch = Watch(self.profile, self._chain, self._store, self._code)
        self._compare_lock = threading.Lock()
        self._compare_from = 0.0  # when the log is compared with the chain's; infinite once it was
        self._indexer = Indexer(self._chain, self._store)
        try:
            self._require_identity()
            self._vault = open_vault(config, self._store.path)
            self._store.unlock(self._vault)
            self.sessions = Sessions(
                self._store,
                self.administration,
                self.profile.chain_id,
                self._members,
                self._require_caught_up,
                _now,
            )
            self.webhooks = Webhooks(self._store, self._listed_for, _now)
            self._retention = Retention(
                self._store, _DAY_SECONDS * self.config.events_kept_days, self._served_webhooks
            )
        except LedgerError:
            self.close()
            raise

    @classmethod
    def open(cls, config: LedgerConfig, *, create: bool = False) -> Ledger:
        """Open the ledger of a configuration."""
        return cls(config, create=create)

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

    # ------------------------------------------------------------------------------------------------- lodging

    def lodge(self, submission: ManifestSubmission) -> tuple[ManifestAccepted, bool]:
        """Accept one manifest record; durable when this returns.

        Returns:
            The answer, and whether the record is new: the same record again gets the same answer.

        Raises:
            InvalidRecord, InvalidSignature, InvalidDocument, DigestMismatch, InvalidIdentifier: It is malformed, or
                the document is not the one that the root commits to.
            NotPermitted: The signer may not lodge this here.
            NotFound: The manifest to amend or withdraw is not in this log.
            Conflict: It is closed already, or the trade reference is in use for another open consignment.
            ChainUnread: The account is not known, and the registry is not read to its end yet.
        """
        (answer,) = self.lodge_prepared([self.prepare(submission)])
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def lodge_many(
        self, submissions: Sequence[ManifestSubmission]
    ) -> list[tuple[ManifestAccepted, bool] | LedgerError]:
        """Accept manifest records in one transaction, each judged alone, in order; an error stands for a refused one."""
        prepared: list[Prepared | LedgerError] = []
        for submission in submissions:
            try:
                prepared.append(self.prepare(submission))
            except LedgerError as error:
                prepared.append(error)
        return self.lodge_prepared(prepared)

    def lodge_prepared(
        self, prepared: Sequence[Prepared | LedgerError]
    ) -> list[tuple[ManifestAccepted, bool] | LedgerError]:
        """As `lodge_many`, of what is prepared; an error among them stays where it is."""
        answers: list[tuple[ManifestAccepted, bool] | LedgerError] = []
        self._compare_with_chain()
        with self._store.write() as session:
            membership = self._members(session)
            seen = _Seen(session, [one for one in prepared if isinstance(one, Prepared)])
            log = session.log()
            extent = self._extent(session)
            if extent.is_foreign:
                raise StoreError(
                    f"Epoch {log.epoch} of the log has heads on chain that are not of this database: the sequencer's key "
                    "is used elsewhere, or the database is older than the chain. The governor must restart the log."
                )
            next_index: int = log.next_index
            told: list[events.Row] = []
            for one in prepared:
                if isinstance(one, LedgerError):
                    answers.append(one)
                    continue
                try:
                    answer, row = self._accept(session, membership, seen, one, extent, next_index)
                except QueueFull as error:
                    answers.append(error)
                    continue
                except ChainError:
                    raise  # about this service, not about the record: all of them are tried again
                except LedgerError as error:
                    answers.append(error)
                    continue
                if row is not None:
                    next_index += 1
                    told.append(events.of_manifest("manifest.accepted", row, row.accepted_at))
                answers.append((answer, row is not None))
            if next_index != log.next_index:
                session.set_next_index(next_index)
                session.tell(told)
        return answers

    def _compare_with_chain(self) -> None:
        """Promise nothing before the log was seen, once, to be no shorter than what is anchored of it.

        A database that was restored from a backup does not know the leaves it lost: their places would be given out a
        second time before the indexer has come to the heads that cover them. While the chain is away there is nothing to
        compare with, and accepting goes on: so restore a backup with the chain in reach.

        Raises:
            StoreError: The chain has a head that this database's tree does not lead to.
        """
        if clock.monotonic() < self._compare_from:
            return
        with self._compare_lock:
            if clock.monotonic() < self._compare_from:
                return
            try:
                there = self._chain.view("ManifestLog", "head", self._code)
            except ChainError as error:
                _logger.warning("the log is not compared with the chain's yet: %s", error)
                self._compare_from = clock.monotonic() + _COMPARE_SECONDS
                return
            self._require_no_shorter(there)
            self._compare_from = math.inf

    def _require_no_shorter(self, there: Any) -> None:
        with self._store.read() as session:
            log = session.log()
            is_same_epoch, size = there[0] == log.epoch, there[1]
            if (
                is_same_epoch
                and size
                and (size > log.sequenced or sequencing.root_at(session, log.epoch, size) != bytes(there[3]))
            ):
                raise StoreError(
                    f"Epoch {log.epoch} of the log has a head of size {size} on chain that this database's tree, of size "
                    f"{log.sequenced}, does not lead to: the database is older than the chain, or the sequencer's key is "
                    "used elsewhere. Nothing was accepted. Restore a newer database, or let the governor restart the log."
                )

    def prepare(self, submission: ManifestSubmission) -> Prepared:
        """Check what needs no database: form, signature, document; what `lodge` raises of these."""
        record = submission.record.to_record()
        record.require_form()
        signature = from_hex(submission.signature)
        digest = record.digest(self._log_domain)
        signer = signatures.recover_address(digest, signature)
        if record.issued_at > _now() + _AHEAD_SECONDS:
            raise InvalidRecord(
                "issued_at", "is more than 300 seconds ahead of this service's clock: set yours"
            )
        if record.kind != ManifestKind.LODGE and record.issued_at + _RECORD_LIFE_SECONDS <= _now():
            raise InvalidRecord(
                "issued_at", "is 30 days old: no contract takes the amendment or withdrawal, sign it anew"
            )
        content = _checked_content(submission, record.manifest_root, "The manifest root")
        if (submission.reference is None) != (submission.consignment_key is None):
            raise InvalidRecord("reference", "and consignment_key come together")
        reference = None if submission.reference is None else str(TradeReference.parse(submission.reference))
        key = None if submission.consignment_key is None else from_hex(submission.consignment_key)
        return Prepared(
            record,
            record.manifest_id,
            signature,
            digest,
            signer,
            record.leaf_data(signature),
            content,
            reference,
            key,
        )

    def _accept(
        self,
        session: Session,
        membership: Membership,
        seen: _Seen,
        one: Prepared,
        extent: sequencing.Extent,
        index: int,
    ) -> tuple[ManifestAccepted, SimpleNamespace | None]:
        """The answer, and the record's row if it is new."""
        record, epoch, manifest_id = one.record, extent.epoch, one.manifest_id
        is_unknown = seen.is_first(one)
        there = None if is_unknown else self._already(session, one)
        if there is not None:
            state = _state_of(there, self._extent(session))
            return views.manifest_accepted(there, state, self._code), None
        if index - extent.anchored >= MOST_WAITING_LEAVES:
            raise QueueFull("manifests", MOST_WAITING_LEAVES, _FULL_SECONDS)
        account = self._permitted(session, membership, one.signer, record.party)
        self._require_closable(session, account, record)
        is_new_here = self._require_consignment(session, one, is_unknown)
        row = {
            "digest": one.digest,
            "manifest_id": manifest_id,
            "epoch": epoch,
            "log_index": index,
            "leaf": one.leaf,
            "signer": one.signer,
            "party": record.party,
            "consignment": record.consignment,
            "supersedes": record.supersedes if any(record.supersedes) else None,
            "seen": one.content is not None,
            "accepted_at": _now(),
            "promise_epoch": epoch,
            "promise_index": index,
            "anchor_by": _now() + self.config.promise_seconds,
            "closing": None if record.kind == ManifestKind.LODGE else "waiting",
            "closing_transaction": None,
            "problem": None,
        }
        row |= self._promised(row)
        accepted = SimpleNamespace(**row)
        # Everything is judged: from here on all of it is written, since a refused record of a batch must leave nothing.
        session.add_manifests([row])
        if is_new_here and one.reference is not None and one.key is not None:
            session.add_consignment(record.consignment, one.reference, one.key, record.party)
        if one.content is not None:
            self._keep(session, one.digest, record.consignment, one.content)
        return views.manifest_accepted(accepted, "accepted", self._code), accepted

    @staticmethod
    def _already(session: Session, one: Prepared) -> Any | None:
        """The row of this record, or of the same manifest under another signature."""
        there = session.manifest_of_digest(one.digest)
        manifest_id = one.manifest_id
        if there is not None or manifest_id is None or manifest_id == one.record.supersedes:
            return there
        there = session.manifest_of_id(manifest_id)
        if there is None or one.record.kind == ManifestKind.LODGE:
            return there
        if (there.supersedes or bytes(32)) != one.record.supersedes:
            raise Conflict(
                f"The amended manifest {to_hex(manifest_id)} is in this log already, and not as an amendment of this one: "
                "withdraw the former, and the other one stands."
            )
        return there

    @staticmethod
    def _keep(session: Session, digest: bytes, consignment: bytes, content: _Content) -> None:
        session.add_content(digest, content.root, content.document, content.secret)
        session.add_search_terms(consignment, digest, views.search_terms(content.parsed))

    def _promised(self, row: dict[str, Any]) -> dict[str, bytes]:
        key = self.config.sequencer_key
        if key is None:
            raise StoreError(
                "This service has no sequencer key and can't promise anything: it can only be read."
            )
        promise = Promise(
            self._code,
            row["promise_epoch"],
            row["promise_index"],
            records.leaf_hash(row["leaf"]),
            row["seen"],
            row["anchor_by"],
        )
        return {
            "promise_signer": signatures.address_of(key),
            "promise_signature": signatures.sign(promise.digest(self._log_domain), key),
        }

    def _permitted(
        self, session: Session, membership: Membership, signer: bytes, party: bytes
    ) -> EnrolledAccount:
        """The signer's account, if it may act for the party here and now."""
        account = membership.account(signer)
        address = signatures.checksummed(signer)
        if account is None:
            self._require_caught_up(session, "account", address)
            raise NotPermitted(
                address, "it is not enrolled with any administration; is the record signed for this chain?"
            )
        if account.party != party:
            raise NotPermitted(
                address, f"it acts for {views.party_text(account.party)}, not for {views.party_text(party)}"
            )
        if party[:8] != self._code:
            raise NotPermitted(
                address,
                f"{views.party_text(party)} is not {self.administration}'s: lodge with your own administration",
            )
        if account.revoked_at:
            raise NotPermitted(address, f"it was revoked at {views.time_text(account.revoked_at)}")
        if not account.may_act_at(_now()):
            raise NotPermitted(address, f"its enrolment ended at {views.time_text(account.valid_until)}")
        if not membership.is_active(self._code):
            raise NotPermitted(address, f"{self.administration} is suspended")
        if not account.has(Role.TRADER, Role.OFFICER):
            raise NotPermitted(address, "it has none of the roles TRADER, OFFICER")
        return account

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

    def _require_consignment(self, session: Session, one: Prepared, is_unknown: bool) -> bool:
        """Refuse a reference and key that don't open the consignment; whether it is new here is returned."""
        if one.reference is None or one.key is None:
            return False
        known = None if is_unknown else session.known_consignment(one.record.consignment)
        if known is not None:
            if (known.reference, known.key) != (one.reference, one.key):
                raise Conflict("This consignment is known here under another trade reference or key.")
            return False
        expected = records.consignment_id(one.record.party, records.blind(one.key, one.reference))
        if expected != one.record.consignment:
            raise DigestMismatch("The consignment id", one.record.consignment, expected)
        if not is_unknown:
            self._require_one_consignment(session, one.reference, one.record.consignment)
        return True

    def _require_one_consignment(self, session: Session, reference: str, consignment: bytes) -> None:
        """One reference under two keys makes two consignments: refuse a second one while the first is open."""
        for other in session.consignments_with_reference(reference):
            if other == consignment:
                continue
            read = history.read(session, self._members(session), [other], _now())
            if other not in read.ahead or not read.ahead.is_closed(other):
                raise Conflict(
                    f"Its trade reference is in use for the open consignment {to_hex(other)}: use its key, "
                    "or close it first."
                )

    def _require_closable(self, session: Session, account: EnrolledAccount, record: ManifestRecord) -> None:
        if record.kind == ManifestKind.LODGE:
            return
        former = session.manifest_of_id(record.supersedes)
        if former is None:
            raise NotFound("manifest", to_hex(record.supersedes))
        if former.closing == "refused":
            raise Conflict(
                f"Manifest {to_hex(record.supersedes)} never came into force: the chain refused its amendment."
            )
        if former.consignment != record.consignment:
            raise InvalidRecord("consignment", "must be that of the manifest it amends or withdraws")
        if record.party != former.party and not (record.party == self.administration.to_bytes()):
            raise NotPermitted(account.address, f"the manifest is {views.party_text(former.party)}'s")
        closure = session.closure(record.supersedes)
        if closure is not None:
            raise Conflict(views.closed_sentence(record.supersedes, closure))
        if session.open_closing_of(record.supersedes) is not None:
            raise Conflict(f"Manifest {to_hex(record.supersedes)} is being amended or withdrawn already.")
        if record.manifest_id == record.supersedes:
            raise Conflict("The amended manifest is the same as the one it amends.")

    # ------------------------------------------------------------------------------------------- custody records

    def record(
        self, submissions: Sequence[CustodySubmission], count: Callable[[bytes], None] | None = None
    ) -> list[tuple[AcceptedRecord, bool] | LedgerError]:
        """Accept custody records in one transaction, each judged alone, in order; an error stands for a refused one.

        What this ledger knows would be refused on chain is refused here, with the same reason. That the chain takes
        what is accepted here is **not** promised: others may act first. `consignment_records` tells.

        Args:
            submissions: The records.
            count: Told each account that signed one of them, before anything is written; what it raises ends it all.
        """
        checked = [self._check_submission(submission) for submission in submissions]
        if count is not None:
            for signer in sorted({one.signer for one in checked if isinstance(one, _CheckedRecord)}):
                count(signer)
        answers: list[tuple[AcceptedRecord, bool] | LedgerError] = []
        with self._store.write() as session:
            judge = _Judge(session, self._members(session), _now())
            for submission in checked:
                if isinstance(submission, LedgerError):
                    answers.append(submission)
                    continue
                try:
                    answers.append(self._record_one(session, judge, submission))
                except QueueFull as error:
                    answers.append(error)
                except ChainError:
                    raise  # about this service, not about the record: all of them are tried again
                except LedgerError as error:
                    answers.append(error)
        return answers

    def _check_submission(self, submission: CustodySubmission) -> _CheckedRecord | LedgerError:
        """What needs no database: form, signature, document."""
        try:
            record = submission.record.to_record()
            signature = from_hex(submission.signature)
            digest = record.digest(self.profile.consignments_domain)
            signer = signatures.recover_address(digest, signature)
            content = _checked_content(submission, record.details, "The details root")
        except LedgerError as error:
            return error
        return _CheckedRecord(record, signature, digest, signer, content)

    def _record_one(
        self, session: Session, judge: _Judge, one: _CheckedRecord
    ) -> tuple[AcceptedRecord, bool]:
        record, digest = one.record, one.digest
        there = session.custody(digest)
        if there is not None:
            state = self._record_state(session, there)
            problem = views.problem(there) if state == "refused" else None
            return AcceptedRecord(digest=to_hex(digest), state=state, problem=problem), False
        on_chain = session.chain_custody_by_digest(digest)
        if on_chain is not None:
            is_final = self._final(session, on_chain)
            return AcceptedRecord(digest=to_hex(digest), state="final" if is_final else "recorded"), False
        self._permitted(session, judge.membership, one.signer, record.party)
        second = record.subject if record.kind in _SECOND_KINDS and any(record.subject) else None
        known = session.known_consignment(record.consignment) if record.kind == CustodyKind.OPEN else None
        if known is not None:
            self._require_one_consignment(session, known.reference, record.consignment)
        judge.require_room()
        judge.take(record, digest, one.signer, second)
        session.add_custody(
            {
                "digest": digest,
                "consignment": record.consignment,
                "second": second,
                "body": encode_custody(record),
                "signature": one.signature,
                "signer": one.signer,
                "accepted_at": judge.now,
                "state": "waiting",
                "transaction_hash": None,
                "problem": None,
            }
        )
        session.tell([events.of_custody("record.accepted", record, digest, judge.now, second)])
        if one.content is not None:
            self._keep(session, digest, record.consignment, one.content)
        return AcceptedRecord(digest=to_hex(digest), state="accepted"), True

    # -------------------------------------------------------------------------------------- accompanying files

    def load_accompanying(self, file: AccompanyingFile, reader: Reader | None = None) -> ConsignmentView:
        """Take in what travels with the cargo, once everything in it is checked against the chain.

        The reader's party can look the consignment up from then on.

        Raises:
            NotPermitted: The reader has neither of the roles TRADER and OFFICER.
            DigestMismatch, SignerMismatch, InclusionError, InvalidDisclosure: A part of it does not hold.
            NotFound: Its tree head is not on the chain that is indexed here (yet).
            Conflict: The trade reference is in use for another open consignment.
        """
        if reader is not None and not reader.may_load:
            raise NotPermitted(reader.address, "it has none of the roles TRADER, OFFICER")
        reference = str(TradeReference.parse(file.reference))
        key, opener = from_hex(file.consignment_key), party_bytes(file.opener, "opener")
        consignment = from_hex(file.consignment)
        found = records.consignment_id(opener, records.blind(key, reference))
        if found != consignment:
            raise DigestMismatch("The consignment id", consignment, found)
        record = file.manifest.inclusion.record.to_record()
        record.require_form()
        if record.consignment != consignment:
            raise DigestMismatch("The manifest's consignment", consignment, record.consignment)
        disclosure = Disclosure.from_json(file.manifest.disclosure)
        root = disclosure_root(disclosure)
        if root != record.manifest_root:
            raise DigestMismatch("The disclosed fields' root", record.manifest_root, root)
        if record.manifest_id is None or to_hex(record.manifest_id) != file.manifest.id:
            raise DigestMismatch("The manifest id", from_hex(file.manifest.id), record.manifest_id or b"")
        manifest_id = record.manifest_id
        with self._store.write() as session:
            membership = self._members(session)
            self._require_included(session, membership, file.manifest.inclusion, manifest_id)
            if file.manifest.promise is not None:
                self._require_promised(membership, file.manifest.promise, file.manifest.inclusion)
            self._require_one_consignment(session, reference, consignment)
            session.add_consignment(consignment, reference, key, opener)
            session.put_accompanying(manifest_id, consignment, orjson.dumps(file.model_dump(mode="json")))
            session.add_search_terms(consignment, manifest_id, views.disclosed_terms(disclosure))
            if reader is not None:
                session.add_loader(consignment, reader.party)
            return self._consignment_view(session, consignment)  # unknown to the chain: nothing is kept

    def _require_included(
        self, session: Session, membership: Membership, proof: InclusionProofView, manifest_id: bytes
    ) -> None:
        record = proof.record.to_record()
        signature = from_hex(proof.signature)
        signer = signatures.recover_address(record.digest(self.profile.log_domain), signature)
        account = membership.account(signer)
        if account is None or account.party != record.party or not account.has(Role.TRADER, Role.OFFICER):
            raise SignerMismatch(views.party_text(record.party), signatures.checksummed(signer))
        administration = Party.parse(proof.administration).administration_bytes
        if record.party[:8] != administration:
            raise DigestMismatch("The log's administration", administration, record.party[:8])
        leaf_hash = records.leaf_hash(record.leaf_data(signature))
        if from_hex(proof.leaf_hash) != leaf_hash:
            raise DigestMismatch("The leaf hash", from_hex(proof.leaf_hash), leaf_hash)
        if proof.id is None or from_hex(proof.id) != manifest_id:
            raise DigestMismatch("The proof's manifest id", from_hex(proof.id or "0x"), manifest_id)
        merkle.verify_inclusion(
            leaf_hash, proof.index, proof.size, [from_hex(node) for node in proof.path], from_hex(proof.root)
        )
        head = session.head_of_size(administration, proof.epoch, proof.size)
        if head is None:
            raise self._not_on_chain(
                session, "tree head", f"of {proof.administration}, epoch {proof.epoch}, size {proof.size}"
            )
        if head.root != from_hex(proof.root):
            raise DigestMismatch("The anchored root", head.root, from_hex(proof.root))
        # The rest of the proof is of no use to the check, and shown to people all the same.
        if (proof.block, from_hex(proof.transaction)) != (head.block_number, head.transaction_hash):
            raise DigestMismatch(
                "The transaction that anchored the head", head.transaction_hash, from_hex(proof.transaction)
            )
        if proof.anchored_at != time_of(head.anchored_at):
            raise Conflict(
                f"The head was anchored at {views.time_text(head.anchored_at)}; the file says {proof.anchored_at}."
            )

    def _require_promised(
        self, membership: Membership, given: PromiseView, proof: InclusionProofView
    ) -> None:
        """The promise is of this leaf, by a sequencer of its log; one that was revoked since is not refused here."""
        if given.administration != proof.administration:
            raise DigestMismatch(
                "The promise's administration", proof.administration.encode(), given.administration.encode()
            )
        if given.leaf_hash != proof.leaf_hash:
            raise DigestMismatch(
                "The promise's leaf hash", from_hex(proof.leaf_hash), from_hex(given.leaf_hash)
            )
        customs = Party.parse(given.administration)
        promise = Promise(
            customs.administration_bytes,
            given.epoch,
            given.index,
            from_hex(given.leaf_hash),
            given.seen,
            given.anchor_by,
        )
        signer = signatures.recover_address(
            promise.digest(self.profile.log_domain), from_hex(given.signature)
        )
        account = membership.account(signer)
        stated = given.signer == signatures.checksummed(signer)
        if (
            not stated
            or account is None
            or account.party != customs.to_bytes()
            or not account.has(Role.SEQUENCER)
        ):
            raise SignerMismatch(f"a sequencer of {customs}", signatures.checksummed(signer))

    def accompanying_file(
        self, consignment: bytes, show: Sequence[str] = (), reader: Reader | None = None
    ) -> AccompanyingFile:
        """Make what travels with the cargo: key, reference, chosen fields of the current manifest and its proof.

        Where only an accompanying file was loaded here, it is passed on as it came.

        Args:
            consignment: 32 bytes.
            show: Pointers of the fields to disclose; by default references, containers and basis.
            reader: Who asks; it needs a manifest that it sees, or an accompanying file that its party loaded.

        Raises:
            NotFound: The consignment's key is not known here, or no manifest of it is anchored yet.
            InvalidDisclosure: A pointer selects nothing.
        """
        with self._store.read() as session:
            rights = self._rights(session, reader)
            self._require_readable(session, rights, consignment)
            known = session.known_consignment(consignment)
            if known is None:
                raise NotFound("consignment with its key", to_hex(consignment))
            extent = self._extent(session)
            for row in self._in_force(session, consignment, rights):
                content = session.content(row.digest)
                head = self._head_over(session, row, extent)
                if content is None or head is None:
                    continue
                document = documents.parse(content.document)
                pointers = list(show) or [p for p in _ACCOMPANYING_FIELDS if p[1:] in document.value]
                if not pointers:
                    raise InvalidDisclosure(
                        f"the document has none of {', '.join(_ACCOMPANYING_FIELDS)}: say which fields to show"
                    )
                return AccompanyingFile(
                    schema_="cargo-accompanying/1",
                    reference=known.reference,
                    consignment_key=to_hex(known.key),
                    opener=views.party_text(known.opener),
                    consignment=to_hex(consignment),
                    manifest=AccompaniedManifest(
                        id=to_hex(row.manifest_id),
                        disclosure=documents.disclose(document, content.secret, pointers).to_json(),
                        inclusion=self._proof(session, row, head),
                        promise=views.promise(row, self._code),
                    ),
                )
            for loaded in self._loaded(session, consignment, rights):
                if not session.closure(loaded.manifest_id):
                    return AccompanyingFile.model_validate_json(session.accompanying_file(loaded))
        raise NotFound("current, anchored manifest with its document for consignment", to_hex(consignment))

    # --------------------------------------------------------------------------------------------------- evidence

    def manifest_evidence(self, key: bytes, show: Sequence[str] = (), reader: Reader | None = None) -> bytes:
        """Make the evidence file of a manifest of this log: what a stranger checks offline.

        Args:
            key: Manifest id, or digest of the record that put it in force, 32 bytes.
            show: JSON Pointers of the manifest's fields to disclose; "" shows all; by default references, containers
                and basis. The trade reference is always shown.
            reader: Who asks.

        Returns:
            The file, in its one encoding.

        Raises:
            NotFound: There is none here, no final head covers it, or its document or consignment key is not known here.
            InvalidDisclosure: A pointer selects nothing.
            ChainUnavailable: The node has no state for the newest final block.
        """
        with self._store.read() as session:
            self._manifest_row(session, key, self._rights(session, reader))
        block = self._evidence_block()
        with self._store.read() as session:
            row = self._manifest_row(session, key, self._rights(session, reader))
            logged = self._logged(session, row, show, block)
            if logged is None:
                raise NotFound("final tree head over, and document of, manifest", to_hex(key))
            claims = exporting.gather(session, logged, block)
        return exporting.prove(self._chain, claims).encode()

    def consignment_evidence(
        self, consignment: bytes, show: Sequence[str] = (), reader: Reader | None = None
    ) -> bytes:
        """Make the evidence file of a consignment's manifest in force; from its accompanying file where only that is here.

        Args:
            consignment: 32 bytes.
            show: As `manifest_evidence`; what an accompanying file shows stays as it is.
            reader: Who asks; it needs a manifest that it sees, or an accompanying file that its party loaded.

        Returns:
            The file, in its one encoding.

        Raises:
            NotFound: No manifest of it that stands is final and known here.
            InvalidDisclosure, ChainUnavailable: As `manifest_evidence`.
        """
        with self._store.read() as session:
            self._require_readable(session, self._rights(session, reader), consignment)
        block = self._evidence_block()
        with self._store.read() as session:
            logged = self._logged_in_force(session, consignment, show, block, self._rights(session, reader))
            if logged is None:
                raise NotFound("manifest, final and with its document, for consignment", to_hex(consignment))
            claims = exporting.gather(session, logged, block)
        return exporting.prove(self._chain, claims).encode()

    def _evidence_block(self) -> int:
        with self._store.read() as session:
            cursor = session.cursor()
        return exporting.block_for(self._chain, 0 if cursor is None else cursor.number)

    def _logged(self, session: Session, row: Any, show: Sequence[str], block: int) -> Logged | None:
        """The manifest of a row under its head, with what is shown of it; None if a part is not here."""
        record = records.decode_leaf(row.leaf)[0]
        known = session.known_consignment(record.consignment)
        content = session.content(row.digest)
        head = self._head_over(session, row, self._extent(session))
        if known is None or content is None or head is None or head.block_number > block:
            return None
        path = sequencing.inclusion_path(session, row.epoch, row.log_index, head.size)
        return exporting.logged(row, head, path, exporting.shown_of(content, known.reference, show))

    def _logged_in_force(
        self, session: Session, consignment: bytes, show: Sequence[str], block: int, rights: Rights
    ) -> Logged | None:
        for row in self._in_force(session, consignment, rights):
            logged = self._logged(session, row, show, block)
            if logged is not None:
                return logged
        for loaded in self._loaded(session, consignment, rights):
            if not session.closure(loaded.manifest_id):
                return exporting.logged_elsewhere(
                    AccompanyingFile.model_validate_json(session.accompanying_file(loaded))
                )
        return None

    @staticmethod
    def _loaded(session: Session, consignment: bytes, rights: Rights) -> Sequence[Any]:
        """The accompanying files of a consignment that may be seen."""
        return session.accompanying_of(consignment) if rights.accompanying(consignment) else ()

    @staticmethod
    def _in_force(session: Session, consignment: bytes, rights: Rights) -> list[Any]:
        """This log's manifests of a consignment that stand and may be seen, the one that its OPEN leads to first."""
        opening = session.opening_of(consignment)
        current = None
        if opening is not None:
            record = decode_custody(opening.body)
            current = views.current_manifest(session, record.party, consignment, record.details)
        standing = []
        for row in reversed(session.manifests_of(consignment)):
            if row.manifest_id is None or session.closure(row.manifest_id) is not None:
                continue
            if not rights.manifest(row):
                continue
            # an amendment is in force once the chain has closed the former for it, and only then
            closure = session.closure(row.supersedes) if row.supersedes else None
            if not row.supersedes or (closure is not None and closure.successor == row.manifest_id):
                standing.append(row)
        return sorted(standing, key=lambda row: row.manifest_id != current)

    # -------------------------------------------------------------------------------------------------- manifests

    def manifest(self, key: bytes, reader: Reader | None = None) -> ManifestView:
        """The manifest record of a manifest id or record digest, 32 bytes.

        Raises:
            NotFound: There is none here.
        """
        with self._store.read() as session:
            row = self._manifest_row(session, key, self._rights(session, reader))
            return self._manifest_view(session, row, self._extent(session))

    def manifest_proof(self, key: bytes, reader: Reader | None = None) -> InclusionProofView:
        """The inclusion proof to the first anchored head that covers the record.

        Raises:
            NotFound: There is no such record here, or no anchored head covers it yet.
        """
        with self._store.read() as session:
            row = self._manifest_row(session, key, self._rights(session, reader))
            head = self._head_over(session, row, self._extent(session))
            if head is None:
                raise NotFound("anchored tree head that covers manifest", to_hex(key))
            return self._proof(session, row, head)

    def find_manifests(
        self,
        *,
        reference: str | None = None,
        container: str | None = None,
        party: str | None = None,
        state: ManifestState | None = None,
        limit: int = 50,
        after: bytes | None = None,
        reader: Reader | None = None,
    ) -> list[ManifestView]:
        """Manifest records in log order, by what they are about; each condition narrows.

        For a reader that does not see all, what is found by reference or container is all of it that the reader may
        see; without one of them, what its own party issued.

        Raises:
            NotFound: There is no record `after`.
        """
        whose = None if party is None else party_bytes(party)
        is_narrow = reference is not None or container is not None
        with self._store.read() as session:
            rights = self._rights(session, reader)
            if reader is not None and not rights.sees_all and not is_narrow:
                if whose not in (None, reader.party):
                    return []
                whose = reader.party
            if after is not None:
                self._manifest_row(session, after, rights)
            extent = self._extent(session)
            found: list[Any] = []
            while len(found) < limit:
                page = session.manifests_where(
                    party=whose,
                    reference=None if reference is None else str(TradeReference.parse(reference)),
                    container=None if container is None else container.upper(),
                    refused=None if state is None else state == "refused",
                    span=_span(state, extent),
                    after=after,
                    limit=limit,
                )
                found += [row for row in page if rights.manifest(row)]
                if len(page) < limit:
                    break
                after = page[-1].digest
            return [self._manifest_view(session, row, extent) for row in found[:limit]]

    def erase(self, manifest: bytes, issued_at: int, signature: bytes) -> ErasureView:
        """Erase what is kept here of a manifest: document, secret and data key, accompanying file and search terms.

        With the last manifest of a consignment its trade reference and key go too. The record stays in the log, and its
        proofs go on verifying. What was handed out is **not** recalled. The same request again has the same answer.

        Args:
            manifest: Manifest id or record digest, 32 bytes.
            issued_at: When the request was signed, Unix seconds.
            signature: Over the `Erasure` of the two, by an account of the manifest's party, or by an officer of its
                administration's customs.

        Raises:
            InvalidSignature, InvalidRecord: It is none, or over a day old, or over 300 seconds ahead.
            NotPermitted: The signer may do nothing here.
            NotFound: There is no such manifest here, or the signer may not erase it.
            Conflict: Its party asks while its administration holds the consignment.
            ChainUnread: The account is not known, and the registry is not read to its end yet.
        """
        signer = signatures.recover_address(
            Erasure(manifest, issued_at).digest(self.profile.log_domain), signature
        )
        if not _now() - _ERASURE_SECONDS <= issued_at <= _now() + _AHEAD_SECONDS:
            raise InvalidRecord(
                "issued_at", "must be of the last 24 hours and not ahead of this service's clock: sign anew"
            )
        with self._store.write() as session:
            row = self._erasable(session, manifest, signer)
            erasure = session.erasure(row.digest)
            if erasure is None:
                session.erase_content(
                    {
                        "digest": row.digest,
                        "manifest": manifest,
                        "issued_at": issued_at,
                        "signature": signature,
                        "signer": signer,
                        "erased_at": _now(),
                    }
                )
                session.remove_accompanying(row.manifest_id)
                if not session.manifests_not_erased(row.consignment) and not session.accompanying_of(
                    row.consignment
                ):
                    session.erase_consignment(row.consignment)
                session.set_identity({_TO_FORGET: "1"})
                erasure = session.erasure(row.digest)
            is_key_kept = session.knows_consignment(row.consignment)
        self._forget()
        return views.erasure(row, erasure, is_key_kept)

    def _erasable(self, session: Session, manifest: bytes, signer: bytes) -> Any:
        """The row of a manifest that a signer may have erased."""
        membership = self._members(session)
        ours = self.administration.to_bytes()
        account = membership.account(signer)
        account = self._permitted(session, membership, signer, ours if account is None else account.party)
        row = session.manifest(manifest)
        is_customs = account.party == ours and account.has(Role.OFFICER)
        if row is None or row.manifest_id is None or not (is_customs or row.party == account.party):
            raise NotFound("manifest", to_hex(manifest))
        if not is_customs:
            read = history.read(session, membership, [row.consignment], _now())
            if read.ahead.open_holds(row.consignment, self._code):
                raise Conflict(
                    f"{self.administration} holds the consignment: nothing of it is erased at its party's request. Ask the "
                    "customs office, whose officers can erase it."
                )
        return row

    def _forget(self) -> None:
        """Let what was erased vanish from the database's files, now or at a later turn of the worker."""
        with self._store.read() as session:
            is_due = _TO_FORGET in session.identity()
        if is_due and self._store.forget():
            with self._store.write() as session:
                session.remove_identity(_TO_FORGET)

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

    def _manifest_view(self, session: Session, row: Any, extent: sequencing.Extent) -> ManifestView:
        erasure = session.erasure(row.digest)
        content = None if erasure is not None else session.content(row.digest)
        if row.seen and content is None and erasure is None:
            raise ObjectDamaged("document", row.digest)
        return views.manifest(
            row,
            administration=self._code,
            state=_state_of(row, extent),
            head=self._head_over(session, row, extent),
            closure=None if row.manifest_id is None else session.closure(row.manifest_id),
            known=session.known_consignment(row.consignment),
            content=content,
            is_erased=erasure is not None,
        )

    def _proof(self, session: Session, row: Any, head: Any) -> InclusionProofView:
        path = sequencing.inclusion_path(session, row.epoch, row.log_index, head.size)
        return views.inclusion(row, head, path, self._code)

    # ----------------------------------------------------------------------------------------------- consignments

    def consignment(self, consignment: bytes, reader: Reader | None = None) -> ConsignmentView:
        """A consignment's state as of the indexed block, by the custody model.

        Raises:
            NotFound: It was never opened, as far as is indexed.
        """
        with self._store.read() as session:
            self._require_readable(session, self._rights(session, reader), consignment)
            return self._consignment_view(session, consignment)

    def _consignment_view(self, session: Session, consignment: bytes) -> ConsignmentView:
        read = history.read(session, self._members(session), [consignment], _now())
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

    def _rights(self, session: Session, reader: Reader | None) -> Rights:
        return Rights(session, self._members(session), reader, _now())

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

    # ------------------------------------------------------------------------------------------- log and registry

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

    def _require_own(self, administration: str) -> None:
        if administration != self.config.administration:
            raise NotFound("log of", administration)

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

    def _members(self, session: Session) -> Membership:
        """The registry as this session's snapshot has it; folded on from where it was."""
        with self._membership_lock:
            rewinds = int(session.identity().get("rewinds", "0"))
            if rewinds != self._rewinds:
                self._membership, self._rewinds = Membership(), rewinds
            new = session.events_of("AdministrationRegistry", self._membership.sequence)
            if new:
                self._membership = self._membership.after(new)
            return self._membership

    # ------------------------------------------------------------------------------------------------- the feed

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

    # ----------------------------------------------------------------------------------------------- the service

    def chain(self) -> ChainView:
        """The chain that is followed, and how far."""
        with self._store.read() as session:
            cursor = session.cursor()
            seen = int(session.identity().get("head_block", "0"))
        indexed = 0 if cursor is None else cursor.number
        return ChainView(
            kind=self.profile.kind,
            chain_id=self.profile.chain_id,
            genesis_hash=to_hex(self.profile.genesis_hash),
            administration_registry=self.profile.registry,
            manifest_log=self.profile.manifest_log,
            consignment_ledger=self.profile.consignment_ledger,
            confirmations=self.profile.confirmations,
            administration=self.config.administration,
            indexed_block=indexed,
            head_block=max(indexed, seen),
        )

    def readiness(self) -> Readiness:
        """Whether the service can do its job now; the chain's node is asked, for 5 seconds at most."""
        return self._watch.readiness()

    def refusals(self) -> dict[str, int]:
        """How many custody records and closings accepted here the chain refused, by the refusal's or error's name."""
        with self._store.read() as session:
            found = session.refusals()
        counted: dict[str, int] = {}
        for problem, count in found:
            stated = orjson.loads(problem)
            reason = stated.get("refusal") or stated["title"]
            counted[reason] = counted.get(reason, 0) + count
        return counted

    def metrics(self) -> dict[str, float]:
        """Figures for a monitoring system, by name; read from the database alone."""
        with self._store.read() as session:
            cursor = session.cursor()
            identity = session.identity()
            log = session.log()
            anchored = self._extent(session).anchored
            states = session.transaction_states()
            indexed = 0 if cursor is None else cursor.number
            head = int(identity.get("head_block", "0"))
            head_time = int(identity.get("head_time", "0"))
            return {
                "indexed_block": indexed,
                "indexed_block_age_seconds": 0 if cursor is None else max(0, _now() - cursor.timestamp),
                "head_block": head,
                "lag_blocks": max(0, head - indexed),
                "lag_seconds": max(0, head_time - cursor.timestamp) if cursor and head > indexed else 0,
                "outbox_age_seconds": _age(session.oldest_unsent(log.epoch, anchored)),
                "events": session.last_told(),
                "events_forgotten": session.feed_rows.forgotten().event,
                "reorganisations": float(identity.get("rewinds", "0")),
                "chain_violation": float(session.violation() is not None),
                "unknown_events": len(session.unknown_events()),
                "transactions_failed": states.get("failed", 0),
                "transactions_replaced": states.get("replaced", 0),
                "worker_beat_seconds": float(identity.get("worker_beat", "0")),
                "log_accepted_leaves": log.next_index,
                "log_sequenced_leaves": log.sequenced,
                "log_anchored_leaves": anchored,
                "custody_waiting_records": session.waiting_custody(),
                "transactions_in_flight": len(session.transactions_in("sent", "mined")),
                **self._webhook_figures(session),
            }

    def _served_webhooks(self, session: Session) -> list[bytes]:
        """The webhooks that are sent to: active ones of accounts that may read."""
        return [
            row.webhook
            for row in session.webhooks.in_state(ACTIVE)
            if self.sessions.reader_by_account(session, signatures.checksummed(row.account)) is not None
        ]

    def _webhook_figures(self, session: Session) -> dict[str, float]:
        figures = session.webhooks.figures(self._served_webhooks(session))
        oldest = int(figures.pop("webhook_oldest_made_at"))
        return figures | {"webhook_oldest_message_seconds": _age(oldest or None)}

    def rewrap(self, progress: upkeep.Progress = lambda done, total: None) -> upkeep.Rewrapped:
        """Wrap everything sealed by the newest wrapping key, while the service runs; what was killed goes on.

        Args:
            progress: Told how many objects are done, and of how many.
        """
        result = upkeep.rewrap(self._store, self._vault, progress)
        with self._store.write() as session:
            session.set_identity({_TO_FORGET: "1"})  # data keys as they were wrapped before
        self._forget()
        return result

    def scrub(self, progress: upkeep.Progress = lambda done, total: None) -> Iterator[upkeep.Flaw]:
        """Open everything sealed, and yield what is damaged, missing, or there though it was erased.

        Args:
            progress: Told how many objects are done, and of how many.
        """
        return upkeep.scrub(self._store, progress)

    # ------------------------------------------------------------------------------------------------ the worker

    def work_once(self) -> bool:
        """One turn of the worker: index, sequence, anchor, send, forget old events; nothing while another worker holds the lock.

        Returns:
            Whether anything moved.

        Raises:
            ChainError: The node is gone or not to be believed; what was durable stays so.
        """
        if not self.take_worker_lock():
            return False
        taken = self._indexer.advance()
        moved = taken > 0
        if clock.monotonic() - self._sequenced_at >= SEQUENCE_SECONDS:
            self._sequenced_at = clock.monotonic()
            moved |= sequencing.extend(self._store) > 0
        if taken < BATCH_BLOCKS:  # far behind, it does not know what became of what was sent
            moved |= self._sending().turn()
        self._retention.turn()
        self._beat()
        return moved

    def _sending(self) -> Sender:
        if self._sender is None:
            config = self.config
            if config.sequencer_key is None or not config.relayer_keys:
                raise StoreError(
                    "The worker needs a sequencer key and a relayer key; the settings name none."
                )
            self._sender = Sender(
                self._chain, self._store, config.administration, config.sequencer_key, config.relayer_keys
            )
        return self._sender

    def _beat(self) -> None:
        """Note now and then that the worker works, and how it finds its chain."""
        if clock.monotonic() - self._worker_seen < BEAT_SECONDS:
            return
        self._worker_seen = clock.monotonic()
        self._forget()
        head = self._chain.head()
        with self._store.read() as session:
            cursor = session.cursor()
        noted = self._pulse.note(head, 0 if cursor is None else cursor.number)
        with self._store.write() as session:
            session.set_identity(noted | {"worker_beat": str(clock.time()), "worker_trouble": ""})

    def _beat_in_trouble(self, trouble: str) -> None:
        """Note that the worker is there and cannot go on; nothing where even that can't be written."""
        with suppress(StoreError), self._store.write() as session:
            session.set_identity({"worker_beat": str(clock.time()), "worker_trouble": trouble})
        self._worker_seen = 0.0  # so that it is said at once that it goes on

    def delivering(self, **options: Any) -> Delivering:
        """What sends the webhooks' messages; `options` are those of `Delivering`."""
        return Delivering(
            self._store, self.sessions.reader_by_account, self._rights, self._listed_for, **options
        )

    def _listed_for(self, reader: Reader) -> Sequence[Network]:
        """Networks beside the public ones that a reader's webhooks may go to: a company must not reach into customs'."""
        is_ours = reader.sees_all or self.profile.kind == "development"
        return self.config.webhook_networks if is_ours else ()

    def take_worker_lock(self) -> bool:
        """Become the one worker of this database, until `close`, the end of the process, or of the database's server."""
        if self._working is not None and not self._working.is_held():
            _logger.warning(
                "the worker's lock was lost with its connection: another worker may be at work now"
            )
            self._working.close()
            self._working = None
        if self._working is None:
            self._working = self._store.worker_lock()
            if self._working is not None:
                _logger.info("this is the worker of %s", self.administration)
        return self._working is not None

    def run_worker(self, stop: threading.Event) -> None:
        """Work until told to stop; wait while another worker does, and through a node's absence.

        Webhooks are sent beside it, by whoever has the worker's lock, whether or not the node is there.
        """
        delivery = _Beside(lambda quit: self.delivering().run(quit))
        try:
            self._run_worker(stop, delivery)
        finally:
            delivery.stop()

    def _run_worker(self, stop: threading.Event, delivery: _Beside) -> None:
        verified = False
        complaint = ""
        while not stop.is_set():
            try:
                if self.take_worker_lock():
                    delivery.start()
                else:
                    delivery.stop()
                    if complaint != _ANOTHER_WORKS:
                        complaint = _ANOTHER_WORKS
                        _logger.info("%s", complaint)
                    stop.wait(0.5)
                    continue
                if not verified:
                    self._chain.require_identity()
                    verified = True
                if not self.work_once():
                    stop.wait(IDLE_SECONDS)
                complaint = ""
            except LedgerError as error:
                verified = False  # who knows what answers next at the node's address
                self._beat_in_trouble(str(error))
                if str(error) != complaint:
                    complaint = str(error)
                    _logger.error("%s", complaint)
                stop.wait(1.0)


class _Beside:
    """Runs something in a thread of its own while it is wanted, again where it was stopped."""

    def __init__(self, run: Callable[[threading.Event], None]) -> None:
        self._run = run
        self._thread: threading.Thread | None = None
        self._quit = threading.Event()

    def start(self) -> None:
        """Let it run; nothing if it does."""
        if self._thread is None or not self._thread.is_alive():
            self._quit = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._quit,), name="webhooks", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._quit.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


_SECOND_KINDS = (CustodyKind.OPEN, CustodyKind.CONSOLIDATE, CustodyKind.DECONSOLIDATE)


def _age(accepted_at: int | None) -> int:
    return 0 if accepted_at is None else max(0, _now() - accepted_at)


def _now() -> int:
    return int(clock.time())


def _checked_content(
    submission: ManifestSubmission | CustodySubmission, expected: bytes, what: str
) -> _Content | None:
    if (submission.document is None) != (submission.secret is None):
        raise InvalidRecord(
            "document", "and secret come together: the root cannot be checked with one of them"
        )
    if submission.document is None or submission.secret is None:
        return None
    try:
        document = orjson.dumps(submission.document)
    except TypeError as error:  # half a surrogate pair, an integer over 64 bits, too deep
        raise InvalidDocument("", str(error)[:100]) from None
    secret = from_hex(submission.secret)
    root = documents.commit(documents.parse(document), secret).root
    if root != expected:
        raise DigestMismatch(what, expected, root)
    return _Content(root, document, secret, submission.document)


def _state_of(row: Any, extent: sequencing.Extent) -> ManifestState:
    if row.closing == "refused":
        return "refused"
    if row.epoch < extent.epoch or row.log_index < extent.final:
        return "final"
    if row.log_index < extent.anchored:
        return "anchored"
    return "sequenced" if row.log_index < extent.sequenced else "accepted"


def _span(
    state: ManifestState | None, extent: sequencing.Extent
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Where in the log the records of a state stand, as (epoch, index) from and below; None is everywhere."""
    epoch = extent.epoch
    match state:
        case "final":
            return (0, 0), (epoch, extent.final)
        case "anchored":
            return (epoch, extent.final), (epoch, extent.anchored)
        case "sequenced":
            return (epoch, extent.anchored), (epoch, extent.sequenced)
        case "accepted":
            return (epoch, extent.sequenced), (epoch + 1, 0)
    return None
