"""Taking custody records: each checked alone, judged in order, kept until it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger import events, history, views
from ledger.core import signatures
from ledger.core.records import CustodyKind, CustodyRecord
from ledger.errors import ChainError, LedgerError, QueueFull
from ledger.membership import Membership
from ledger.messages import AcceptedRecord, CustodySubmission, from_hex, to_hex
from ledger.rows.custody import encode_custody
from ledger.serving.checked import Content, checked_content
from ledger.serving.lodging import Lodging
from ledger.store import Session

MOST_WAITING_RECORDS = (
    100_000  # custody records accepted and not sent: some minutes of the chain's whole room
)
_FULL_SECONDS = 30  # after so long it makes sense to try again
_SECOND_KINDS = (CustodyKind.OPEN, CustodyKind.CONSOLIDATE, CustodyKind.DECONSOLIDATE)


@dataclass(frozen=True, slots=True)
class _CheckedRecord:
    """A custody submission whose form, signature and document are checked."""

    record: CustodyRecord
    signature: bytes
    digest: bytes
    signer: bytes
    content: Content | None


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


class Recording(Lodging):
    """Taking custody records: each checked alone, judged in order, kept until it is sent."""

    def record(
        self, submissions: Sequence[CustodySubmission], count: Callable[[bytes, int], None] | None = None
    ) -> list[tuple[AcceptedRecord, bool] | LedgerError]:
        """Accept custody records in one transaction, each judged alone, in order; an error stands for a refused one.

        What this ledger knows would be refused on chain is refused here, with the same reason. That the chain takes
        what is accepted here is **not** promised: others may act first. `consignment_records` tells.

        Args:
            submissions: The records.
            count: Told each account that signed some of them, and how many, before anything is written; what it raises
                ends it all.
        """
        checked = [self._check_submission(submission) for submission in submissions]
        if count is not None:
            signers = Counter(one.signer for one in checked if isinstance(one, _CheckedRecord))
            for signer, many in sorted(signers.items()):
                count(signer, many)
        answers: list[tuple[AcceptedRecord, bool] | LedgerError] = []
        with self._store.write() as session:
            judge = _Judge(session, self._members(session), self._clock.now())
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
            content = checked_content(submission, record.details, "The details root")
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
