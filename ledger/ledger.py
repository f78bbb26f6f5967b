"""One administration's ledger: what its people lodge and sign, what it reads from the chain, what it answers.

`Ledger` wires store, chain and rules and holds no rule of its own about formats or custody. Every method is blocking and
may be called from many threads; a write is durable when it returns. The registry on chain says who may act: this view of
it follows the indexed blocks, and the contracts judge again.
"""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from eth_account import Account

from ledger import history, sequencing, views
from ledger.anchoring import Sender
from ledger.chain import Chain
from ledger.config import LedgerConfig
from ledger.core import documents, merkle, records, signatures
from ledger.core.disclosures import Disclosure, disclosure_root
from ledger.core.identifiers import Party, TradeReference
from ledger.core.records import CustodyKind, ManifestKind, ManifestRecord, Promise, Role
from ledger.errors import (
    ChainError,
    Conflict,
    DigestMismatch,
    InvalidRecord,
    LedgerError,
    NotFound,
    NotPermitted,
    SignerMismatch,
    StoreError,
)
from ledger.indexing import Indexer
from ledger.membership import EnrolledAccount, Membership
from ledger.messages import (
    AcceptedRecord,
    AccompaniedManifest,
    AccompanyingFile,
    AccountView,
    AdministrationView,
    ChainView,
    ConsignmentView,
    ConsistencyView,
    CustodySubmission,
    HeadView,
    InclusionProofView,
    LeafView,
    ManifestAccepted,
    ManifestState,
    ManifestSubmission,
    ManifestView,
    PartyView,
    Readiness,
    RecordView,
    from_hex,
    party_bytes,
    to_hex,
)
from ledger.store import Session, Store, encode_custody

_logger = logging.getLogger(__name__)
IDLE_SECONDS = 0.2  # how long the worker rests when there was nothing to do
SEQUENCE_SECONDS = 1.0  # leaves are taken into the tree this often
LAG_BLOCKS = 3  # further behind than this, the service is not ready
_ACCOMPANYING_FIELDS = ("/schema", "/references", "/containers", "/basis")
_AHEAD_SECONDS = 300  # `issued_at` may be ahead of our clock by this


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A manifest submission whose form, signature and document are checked."""

    record: ManifestRecord
    signature: bytes
    digest: bytes
    signer: bytes
    leaf: bytes
    document: bytes | None
    secret: bytes | None
    parsed: dict[str, Any] | None
    reference: str | None
    key: bytes | None


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
        self._chain = Chain(config.profile)
        self._store = Store(config.database_url, create=create)
        self._membership = Membership()
        self._rewinds = 0
        self._membership_lock = threading.Lock()
        self._worker_seen = 0.0
        self._sequenced_at = 0.0
        self._working: Any = None
        self._require_identity()

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
        """
        answer = self.lodge_many([submission])[0]
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def lodge_many(
        self, submissions: Sequence[ManifestSubmission]
    ) -> list[tuple[ManifestAccepted, bool] | LedgerError]:
        """Accept manifest records in one transaction, each judged alone, in order; an error stands for a refused one."""
        prepared: list[_Prepared | LedgerError] = []
        for submission in submissions:
            try:
                prepared.append(self._prepare(submission))
            except LedgerError as error:
                prepared.append(error)
        answers: list[tuple[ManifestAccepted, bool] | LedgerError] = []
        with self._store.write() as session:
            membership = self._members(session)
            log = session.log()
            next_index: int = log.next_index
            for one in prepared:
                if isinstance(one, LedgerError):
                    answers.append(one)
                    continue
                try:
                    answer, is_new = self._accept(session, membership, one, log.epoch, next_index)
                except LedgerError as error:
                    answers.append(error)
                    continue
                next_index += is_new
                answers.append((answer, is_new))
            if next_index != log.next_index:
                session.set_next_index(next_index)
        return answers

    def _prepare(self, submission: ManifestSubmission) -> _Prepared:
        record = submission.record.to_record()
        record.require_form()
        signature = from_hex(submission.signature)
        digest = record.digest(self.profile.log_domain)
        signer = signatures.recover_address(digest, signature)
        if record.issued_at > _now() + _AHEAD_SECONDS:
            raise InvalidRecord(
                "issued_at", "is more than 300 seconds ahead of this service's clock: set yours"
            )
        if (submission.document is None) != (submission.secret is None):
            raise InvalidRecord(
                "document", "and secret come together: the root cannot be checked with one of them"
            )
        document = secret = parsed = None
        if submission.document is not None and submission.secret is not None:
            document = orjson.dumps(submission.document)
            secret = from_hex(submission.secret)
            _require_root(document, secret, record.manifest_root, "The manifest root")
            parsed = submission.document
        if (submission.reference is None) != (submission.consignment_key is None):
            raise InvalidRecord("reference", "and consignment_key come together")
        reference = None if submission.reference is None else str(TradeReference.parse(submission.reference))
        key = None if submission.consignment_key is None else from_hex(submission.consignment_key)
        return _Prepared(
            record,
            signature,
            digest,
            signer,
            record.leaf_data(signature),
            document,
            secret,
            parsed,
            reference,
            key,
        )

    def _accept(
        self, session: Session, membership: Membership, one: _Prepared, epoch: int, index: int
    ) -> tuple[ManifestAccepted, bool]:
        record = one.record
        manifest_id = record.manifest_id
        there = session.manifest(one.digest) or (session.manifest(manifest_id) if manifest_id else None)
        if there is not None:
            return views.manifest_accepted(there, self._state_of(session, there), self._code), False
        account = self._permitted(membership, one.signer, record.party, Role.TRADER, Role.OFFICER)
        self._require_consignment(session, one)
        self._require_closable(session, account, record)
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
            "seen": one.document is not None,
            "accepted_at": _now(),
            "promise_epoch": epoch,
            "promise_index": index,
            "anchor_by": _now() + self.config.promise_seconds,
            "closing": None if record.kind == ManifestKind.LODGE else "waiting",
            "closing_transaction": None,
            "problem": None,
        }
        row |= self._promised(row)
        session.add_manifests([row])
        if one.document is not None and one.secret is not None and one.parsed is not None:
            session.add_content(record.manifest_root, one.document, one.secret)
            session.add_search_terms(record.consignment, views.search_terms(one.parsed))
        added = session.manifest(one.digest)
        return views.manifest_accepted(added, "accepted", self._code), True

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
            "promise_signer": bytes.fromhex(signatures.account_of(key)[2:]),
            "promise_signature": signatures.sign(promise.digest(self.profile.log_domain), key),
        }

    def _permitted(
        self, membership: Membership, signer: bytes, party: bytes, *roles: Role
    ) -> EnrolledAccount:
        """The signer's account, if it may act for the party here and now."""
        account = membership.account(signer)
        address = signatures.checksummed(signer)
        if account is None:
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
        if not account.has(*roles):
            raise NotPermitted(address, f"it has none of the roles {', '.join(role.name for role in roles)}")
        return account

    def _require_consignment(self, session: Session, one: _Prepared) -> None:
        if one.reference is None or one.key is None:
            return
        known = session.known_consignment(one.record.consignment)
        if known is not None:
            if (known.reference, known.key) != (one.reference, one.key):
                raise Conflict("This consignment is known here under another trade reference or key.")
            return
        expected = records.consignment_id(one.record.party, records.blind(one.key, one.reference))
        if expected != one.record.consignment:
            raise DigestMismatch("The consignment id", one.record.consignment, expected)
        self._require_one_consignment(session, one.reference, one.record.consignment)
        session.add_consignment(one.record.consignment, one.reference, one.key, one.record.party)

    def _require_one_consignment(self, session: Session, reference: str, consignment: bytes) -> None:
        """One reference under two keys makes two consignments: refuse a second one while the first is open."""
        for other in session.consignments_with_reference(reference):
            if other == consignment:
                continue
            read = history.read(session, self._members(session), [other], _now())
            if other not in read.ahead or not read.ahead.is_closed(other):
                raise Conflict(
                    f"The trade reference {reference} is in use for the open consignment {to_hex(other)}: use its key, "
                    "or close it first."
                )

    def _require_closable(self, session: Session, account: EnrolledAccount, record: ManifestRecord) -> None:
        if record.kind == ManifestKind.LODGE:
            return
        former = session.manifest(record.supersedes)
        if former is None or former.manifest_id != record.supersedes:
            raise NotFound("manifest", to_hex(record.supersedes))
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
        self, submissions: Sequence[CustodySubmission]
    ) -> list[tuple[AcceptedRecord, bool] | LedgerError]:
        """Accept custody records in one transaction, each judged alone, in order; an error stands for a refused one.

        What this ledger knows would be refused on chain is refused here, with the same reason. That the chain takes
        what is accepted here is **not** promised: others may act first. `consignment_records` tells.
        """
        answers: list[tuple[AcceptedRecord, bool] | LedgerError] = []
        with self._store.write() as session:
            membership = self._members(session)
            for submission in submissions:
                try:
                    answers.append(self._record_one(session, membership, submission))
                except LedgerError as error:
                    answers.append(error)
        return answers

    def _record_one(
        self, session: Session, membership: Membership, submission: CustodySubmission
    ) -> tuple[AcceptedRecord, bool]:
        record = submission.record.to_record()
        signature = from_hex(submission.signature)
        digest = record.digest(self.profile.consignments_domain)
        signer = signatures.recover_address(digest, signature)
        there = session.custody(digest)
        if there is not None:
            return AcceptedRecord(digest=to_hex(digest), state=self._record_state(session, there)), False
        if session.chain_custody_by_digest(digest) is not None:
            return AcceptedRecord(digest=to_hex(digest), state="recorded"), False
        self._permitted(membership, signer, record.party, Role.TRADER, Role.OFFICER)
        if (submission.document is None) != (submission.secret is None):
            raise InvalidRecord(
                "document", "and secret come together: the root cannot be checked with one of them"
            )
        document = secret = None
        if submission.document is not None and submission.secret is not None:
            document = orjson.dumps(submission.document)
            secret = from_hex(submission.secret)
            _require_root(document, secret, record.details, "The details root")
        second = record.subject if record.kind in _SECOND_KINDS and any(record.subject) else None
        now = _now()
        read = history.read(session, membership, [record.consignment, *([second] if second else [])], now)
        refusal = read.ahead.judge(record, digest, signer, history.standing(membership, signer), now)
        if refusal:
            raise read.ahead.error(refusal, record, signer, now)
        session.add_custody(
            {
                "digest": digest,
                "consignment": record.consignment,
                "second": second,
                "body": encode_custody(record),
                "signature": signature,
                "signer": signer,
                "accepted_at": now,
                "state": "waiting",
                "transaction_hash": None,
                "problem": None,
            }
        )
        if document is not None and secret is not None and submission.document is not None:
            session.add_content(record.details, document, secret)
            session.add_search_terms(record.consignment, views.search_terms(submission.document))
        return AcceptedRecord(digest=to_hex(digest), state="accepted"), True

    # -------------------------------------------------------------------------------------- accompanying files

    def load_accompanying(self, file: AccompanyingFile) -> ConsignmentView:
        """Take in what travels with the cargo, once everything in it is checked against the chain.

        Raises:
            DigestMismatch, SignerMismatch, InclusionError, InvalidDisclosure: A part of it does not hold.
            NotFound: Its tree head is not on the chain that is indexed here (yet).
            Conflict: The trade reference is in use for another open consignment.
        """
        reference = str(TradeReference.parse(file.reference))
        key, opener = from_hex(file.consignment_key), party_bytes(file.opener, "opener")
        consignment = from_hex(file.consignment)
        found = records.consignment_id(opener, records.blind(key, reference))
        if found != consignment:
            raise DigestMismatch("The consignment id", consignment, found)
        record = file.manifest.inclusion.record.to_record()
        if record.consignment != consignment:
            raise DigestMismatch("The manifest's consignment", consignment, record.consignment)
        disclosure = Disclosure.from_json(file.manifest.disclosure)
        root = disclosure_root(disclosure)
        if root != record.manifest_root:
            raise DigestMismatch("The disclosed fields' root", record.manifest_root, root)
        if record.manifest_id is None or to_hex(record.manifest_id) != file.manifest.id:
            raise DigestMismatch("The manifest id", from_hex(file.manifest.id), record.manifest_id or b"")
        with self._store.write() as session:
            membership = self._members(session)
            self._require_included(session, membership, file.manifest.inclusion)
            self._require_one_consignment(session, reference, consignment)
            session.add_consignment(consignment, reference, key, opener)
            session.put_accompanying(
                record.manifest_id, consignment, orjson.dumps(file.model_dump(mode="json"))
            )
            session.add_search_terms(consignment, views.disclosed_terms(disclosure))
        return self.consignment(consignment)

    def _require_included(self, session: Session, membership: Membership, proof: InclusionProofView) -> None:
        record = proof.record.to_record()
        signature = from_hex(proof.signature)
        signer = signatures.recover_address(record.digest(self.profile.log_domain), signature)
        account = membership.account(signer)
        if account is None or account.party != record.party:
            raise SignerMismatch(views.party_text(record.party), signatures.checksummed(signer))
        administration = Party.parse(proof.administration).administration_bytes
        if record.party[:8] != administration:
            raise DigestMismatch("The log's administration", administration, record.party[:8])
        merkle.verify_inclusion(
            records.leaf_hash(record.leaf_data(signature)),
            proof.index,
            proof.size,
            [from_hex(node) for node in proof.path],
            from_hex(proof.root),
        )
        head = session.head_of_size(administration, proof.epoch, proof.size)
        if head is None:
            raise NotFound("tree head", f"of {proof.administration}, epoch {proof.epoch}, size {proof.size}")
        if head.root != from_hex(proof.root):
            raise DigestMismatch("The anchored root", head.root, from_hex(proof.root))

    def accompanying_file(self, consignment: bytes, show: Sequence[str] = ()) -> AccompanyingFile:
        """Make what travels with the cargo: key, reference, chosen fields of the current manifest and its proof.

        Where only an accompanying file was loaded here, it is passed on as it came.

        Args:
            consignment: 32 bytes.
            show: Pointers of the fields to disclose; by default references, containers and basis.

        Raises:
            NotFound: The consignment's key is not known here, or no manifest of it is anchored yet.
            InvalidDisclosure: A pointer selects nothing.
        """
        with self._store.read() as session:
            known = session.known_consignment(consignment)
            if known is None:
                raise NotFound("consignment with its key", to_hex(consignment))
            for row in reversed(session.manifests_of(consignment)):
                content = session.content(records.decode_leaf(row.leaf)[0].manifest_root)
                head = session.first_head_over(self._code, row.epoch, row.log_index)
                if (
                    row.manifest_id is None
                    or content is None
                    or head is None
                    or session.closure(row.manifest_id)
                ):
                    continue
                document = documents.parse(content.document)
                pointers = list(show) or [p for p in _ACCOMPANYING_FIELDS if p[1:] in document.value]
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
                    ),
                )
            for loaded in session.accompanying_of(consignment):
                if not session.closure(loaded.manifest_id):
                    return AccompanyingFile.model_validate_json(loaded.file)
        raise NotFound("current, anchored manifest with its document for consignment", to_hex(consignment))

    # -------------------------------------------------------------------------------------------------- manifests

    def manifest(self, key: bytes) -> ManifestView:
        """The manifest record of a manifest id or record digest, 32 bytes.

        Raises:
            NotFound: There is none here.
        """
        with self._store.read() as session:
            return self._manifest_view(session, self._manifest_row(session, key))

    def manifest_proof(self, key: bytes) -> InclusionProofView:
        """The inclusion proof to the first anchored head that covers the record.

        Raises:
            NotFound: There is no such record here, or no anchored head covers it yet.
        """
        with self._store.read() as session:
            row = self._manifest_row(session, key)
            head = session.first_head_over(self._code, row.epoch, row.log_index)
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
    ) -> list[ManifestView]:
        """Manifest records in log order, by what they are about; each condition narrows."""
        with self._store.read() as session:
            consignments: set[bytes] | None = None
            if reference is not None:
                consignments = set(session.consignments_with_reference(str(TradeReference.parse(reference))))
            if container is not None:
                with_container = set(session.consignments_with_term("container", container.upper()))
                consignments = with_container if consignments is None else consignments & with_container
            found: list[ManifestView] = []
            while len(found) < limit:
                rows = session.manifests_where(
                    party=None if party is None else party_bytes(party),
                    consignments=None if consignments is None else sorted(consignments),
                    after=after,
                    limit=limit,
                )
                seen = (self._manifest_view(session, row) for row in rows)
                found += [view for view in seen if state is None or view.state == state]
                if len(rows) < limit:
                    break
                after = rows[-1].digest
            return found[:limit]

    def _manifest_row(self, session: Session, key: bytes) -> Any:
        row = session.manifest(key)
        if row is None:
            raise NotFound("manifest", to_hex(key))
        return row

    def _state_of(self, session: Session, row: Any) -> ManifestState:
        if row.closing == "refused":
            return "refused"
        log = session.log()
        head = session.first_head_over(self._code, row.epoch, row.log_index)
        if head is not None:
            cursor = session.cursor()
            final = cursor is not None and head.block_number + self.profile.confirmations <= cursor.number
            return "final" if final else "anchored"
        return "sequenced" if row.epoch == log.epoch and row.log_index < log.sequenced else "accepted"

    def _manifest_view(self, session: Session, row: Any) -> ManifestView:
        record = records.decode_leaf(row.leaf)[0]
        return views.manifest(
            row,
            administration=self._code,
            state=self._state_of(session, row),
            head=session.first_head_over(self._code, row.epoch, row.log_index),
            closure=None if row.manifest_id is None else session.closure(row.manifest_id),
            known=session.known_consignment(row.consignment),
            content=session.content(record.manifest_root),
        )

    def _proof(self, session: Session, row: Any, head: Any) -> InclusionProofView:
        path = sequencing.inclusion_path(session, row.epoch, row.log_index, head.size)
        return views.inclusion(row, head, path, self._code)

    # ----------------------------------------------------------------------------------------------- consignments

    def consignment(self, consignment: bytes) -> ConsignmentView:
        """A consignment's state as of the indexed block, by the custody model.

        Raises:
            NotFound: It was never opened, as far as is indexed.
        """
        with self._store.read() as session:
            return self._consignment_view(session, consignment)

    def _consignment_view(self, session: Session, consignment: bytes) -> ConsignmentView:
        read = history.read(session, self._members(session), [consignment], _now())
        if consignment not in read.custody and consignment not in read.ahead:
            raise NotFound("consignment", to_hex(consignment))
        return views.consignment(session, read, consignment, self.administration)

    def consignment_records(self, consignment: bytes) -> list[RecordView]:
        """The records that make a consignment's history, then those of this administration that wait or were refused.

        Raises:
            NotFound: Nothing is known of it.
        """
        with self._store.read() as session:
            found = [
                views.chain_record(row, self._final(session, row), session.content(views.details_of(row)))
                for row in session.chain_custody_of([consignment])
            ]
            on_chain = {view.digest for view in found}
            found += [
                views.accepted_record(
                    row, self._record_state(session, row), session.content(views.details_of(row))
                )
                for row in session.custody_accepted_for(consignment)
                if to_hex(row.digest) not in on_chain
            ]
        if not found:
            raise NotFound("consignment", to_hex(consignment))
        return found

    def find_consignments(
        self, *, reference: str | None = None, container: str | None = None, seal: str | None = None
    ) -> list[ConsignmentView]:
        """Consignments by trade reference, container or seal number, as far as this administration knows them."""
        with self._store.read() as session:
            ids: list[bytes] = []
            if reference is not None:
                ids += session.consignments_with_reference(str(TradeReference.parse(reference)))
            if container is not None:
                ids += session.consignments_with_term("container", container.upper())
            if seal is not None:
                ids += session.consignments_with_term("seal", seal.upper())
            found = []
            for consignment in dict.fromkeys(ids):
                try:
                    found.append(self._consignment_view(session, consignment))
                except NotFound:
                    continue  # lodged here, not opened yet
            return found

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
            first = None if newest is None else session.head_of_size(self._code, newest.epoch, first_size)
            if newest is None or first is None:
                raise NotFound("anchored tree head of size", str(first_size))
            path = sequencing.consistency_path(session, newest.epoch, first_size, newest.size)
        return views.consistency(first, newest, path, administration)

    def leaves(self, administration: str, start: int, count: int) -> list[LeafView]:
        """Leaves of this administration's own log, from an index on.

        Raises:
            NotFound: It is another administration's log.
        """
        self._require_own(administration)
        with self._store.read() as session:
            log = session.log()
            rows = session.leaves(log.epoch, start, min(count, max(0, log.sequenced - start)))
        return [LeafView(index=row.log_index, data=to_hex(row.leaf)) for row in rows]

    def _require_own(self, administration: str) -> None:
        if administration != self.config.administration:
            raise NotFound("log of", administration)

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
            raise NotFound("party", text)
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
            raise NotFound("account", address)
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
        """Whether the service can do its job now; the chain's node is asked, so this takes its time."""
        reasons: list[str] = []
        indexed = head = waiting_manifests = waiting_records = 0
        database = chain = worker = False
        try:
            with self._store.read() as session:
                cursor = session.cursor()
                indexed = 0 if cursor is None else cursor.number
                waiting_manifests = session.waiting_manifests()
                waiting_records = session.waiting_custody()
                beat = float(session.identity().get("worker_beat", "0"))
            database = True
            worker = clock.time() - beat < 10
            if not worker:
                reasons.append("no worker was active in the last 10 seconds")
        except LedgerError as error:
            reasons.append(str(error))
        try:
            head = self._chain.head().number
            chain = True
        except ChainError as error:
            reasons.append(str(error))
        lag = max(0, head - indexed)
        if chain and lag > LAG_BLOCKS:
            reasons.append(f"{lag} blocks behind the chain")
        return Readiness(
            ready=not reasons,
            database=database,
            chain=chain,
            worker=worker,
            indexed_block=indexed,
            head_block=max(head, indexed),
            lag_blocks=lag,
            waiting_manifests=waiting_manifests,
            waiting_records=waiting_records,
            reasons=reasons,
        )

    def metrics(self) -> dict[str, float]:
        """Figures for a monitoring system, by name; read from the database alone."""
        with self._store.read() as session:
            cursor = session.cursor()
            identity = session.identity()
            log = session.log()
            newest = session.newest_head(self._code, log.epoch)
            return {
                "indexed_block": 0 if cursor is None else cursor.number,
                "head_block": float(identity.get("head_block", "0")),
                "worker_beat_seconds": float(identity.get("worker_beat", "0")),
                "rewinds": float(identity.get("rewinds", "0")),
                "log_accepted_leaves": log.next_index,
                "log_sequenced_leaves": log.sequenced,
                "log_anchored_leaves": 0 if newest is None else newest.size,
                "custody_waiting_records": session.waiting_custody(),
                "transactions_in_flight": len(session.transactions_in("sent", "mined")),
            }

    # ------------------------------------------------------------------------------------------------ the worker

    def work_once(self) -> bool:
        """One turn of the worker: index, sequence, anchor, send. Only the holder of the worker's lock may call it.

        Returns:
            Whether anything moved.

        Raises:
            ChainError: The node is gone or not to be believed; what was durable stays so.
        """
        config = self.config
        if config.sequencer_key is None or config.relayer_key is None:
            raise StoreError("The worker needs a sequencer key and a relayer key; the settings name none.")
        moved = Indexer(self._chain, self._store).advance() > 0
        if clock.monotonic() - self._sequenced_at >= SEQUENCE_SECONDS:
            self._sequenced_at = clock.monotonic()
            moved |= sequencing.extend(self._store) > 0
        sender = Sender(
            self._chain, self._store, config.administration, config.sequencer_key, config.relayer_key
        )
        moved |= sender.turn()
        self._beat()
        return moved

    def _beat(self) -> None:
        if clock.monotonic() - self._worker_seen < 2:
            return
        self._worker_seen = clock.monotonic()
        head = self._chain.head().number
        with self._store.write() as session:
            session.set_identity({"worker_beat": str(clock.time()), "head_block": str(head)})

    def take_worker_lock(self) -> bool:
        """Become the one worker of this database, until `close` or the end of the process."""
        if self._working is None:
            self._working = self._store.worker_lock()
        return self._working is not None

    def run_worker(self, stop: threading.Event) -> None:
        """Work until told to stop; wait while another worker does, and through a node's absence."""
        verified = False
        complaint = ""
        while not stop.is_set():
            try:
                if not self.take_worker_lock():
                    stop.wait(0.5)
                    continue
                if not verified:
                    self._chain.require_identity()
                    verified = True
                if not self.work_once():
                    stop.wait(IDLE_SECONDS)
                complaint = ""
            except ChainError as error:
                if str(error) != complaint:
                    complaint = str(error)
                    _logger.error("%s", complaint)
                stop.wait(1.0)

    @property
    def relayer_address(self) -> str | None:
        """The address that pays for transactions, or None."""
        key = self.config.relayer_key
        return None if key is None else str(Account.from_key(key).address)


_SECOND_KINDS = (CustodyKind.OPEN, CustodyKind.CONSOLIDATE, CustodyKind.DECONSOLIDATE)


def _now() -> int:
    return int(clock.time())


def _require_root(document: bytes, secret: bytes, expected: bytes, what: str) -> None:
    root = documents.commit(documents.parse(document), secret).root
    if root != expected:
        raise DigestMismatch(what, expected, root)
