"""Taking manifest records: each checked alone, judged in order, promised."""

from __future__ import annotations

import logging
import math
import time as clock
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ledger import events, history, sequencing, views
from ledger.core import records, signatures
from ledger.core.records import ManifestKind, ManifestRecord, Promise, Role
from ledger.errors import (
    ChainError,
    Conflict,
    DigestMismatch,
    InvalidRecord,
    LedgerError,
    NotFound,
    NotPermitted,
    QueueFull,
    StoreError,
)
from ledger.membership import EnrolledAccount, Membership
from ledger.messages import ManifestAccepted, ManifestSubmission, to_hex
from ledger.serving.checked import Content
from ledger.serving.preparing import Prepared, prepare
from ledger.serving.states import state_of
from ledger.serving.wired import Wired
from ledger.store import Session

_logger = logging.getLogger(__name__)
MOST_WAITING_LEAVES = (
    2_000_000  # accepted and not covered by a head on chain: ten minutes of the fastest accepting
)
_FULL_SECONDS = 30  # after so long it makes sense to try again
_COMPARE_SECONDS = (
    30.0  # the chain was away: so long until it is asked again whether the log is as long as there
)


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


class Lodging(Wired):
    """Taking manifest records: each checked alone, judged in order, promised."""

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

    def lodge_prepared(
        self, prepared: Sequence[Prepared | LedgerError]
    ) -> list[tuple[ManifestAccepted, bool] | LedgerError]:
        """Accept what is prepared in one transaction, each judged alone, in order.

        An error stands for one that is refused; one that stands among what is prepared stays where it is.
        """
        answers: list[tuple[ManifestAccepted, bool] | LedgerError] = []
        self._compare_with_chain()
        with self._store.write() as session:
            membership = self._members(session)
            seen = _Seen(session, [one for one in prepared if isinstance(one, Prepared)])
            extent = self._extent(session)
            if extent.is_foreign:
                raise StoreError(
                    f"Epoch {extent.epoch} of the log has heads on chain that are not of this database: the sequencer's key "
                    "is used elsewhere, or the database is older than the chain. The governor must restart the log."
                )
            next_index = extent.accepted
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
            if next_index != extent.accepted:
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

    def time(self) -> int:
        """The time by which this ledger judges, Unix seconds."""
        return self._clock.now()

    def prepare(self, submission: ManifestSubmission) -> Prepared:
        """Check what needs no database: form, signature, document; what `lodge` raises of these."""
        return prepare(submission, self._log_domain, self._clock.now())

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
            state = state_of(there, self._extent(session))
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
            "accepted_at": self._clock.now(),
            "promise_epoch": epoch,
            "promise_index": index,
            "anchor_by": self._clock.now() + self.config.promise_seconds,
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
    def _keep(session: Session, digest: bytes, consignment: bytes, content: Content) -> None:
        session.add_content(digest, content.root, content.document, content.secret)
        session.add_search_terms(consignment, digest, content.terms)

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
        if not account.may_act_at(self._clock.now()):
            raise NotPermitted(address, f"its enrolment ended at {views.time_text(account.valid_until)}")
        if not membership.is_active(self._code):
            raise NotPermitted(address, f"{self.administration} is suspended")
        if not account.has(Role.TRADER, Role.OFFICER):
            raise NotPermitted(address, "it has none of the roles TRADER, OFFICER")
        return account

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
            read = history.read(session, self._members(session), [other], self._clock.now())
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
