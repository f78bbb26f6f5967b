"""Send what an import prepared: each record signed with the key of the party that states it, one after the other.

What this decides: in which order, what a number of the file stands for on chain, when the next record may go. What it
leaves to `LedgerClient`: how a record is signed and sent; to `ledger.sent`: what is kept; to service and chain: whether a
record is taken.

The rules, in order:
 1. Nothing is sent before the whole file, the keys and the times have been checked.
 2. A record is kept, signed, before it is sent; after a broken connection the same bytes go out again.
 3. A custody record goes when the chain has taken the one before it; a decision when the manifest it names is anchored.
 4. A refusal stops the run. With `go_on`, what is about a refused record is left out, and the rest is sent.
 5. A second run sends what was refused or left out, and nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ledger.client import LedgerClient
from ledger.core import documents
from ledger.core.custody import LONGEST_DECISION_SECONDS, LONGEST_SECONDS, MOST_AHEAD_SECONDS
from ledger.core.identifiers import Party
from ledger.core.records import ZERO32, CustodyKind, ManifestKind, ManifestRecord, blind, consignment_id
from ledger.errors import InvalidPreparedRecord, NotFound, NotPermitted, ServiceError, ServiceUnavailable
from ledger.importing.prepared import DECISIONS, ROLES, PreparedRecord
from ledger.messages import CustodySubmission, ManifestSubmission, ManifestView, RecordView, from_hex, to_hex
from ledger.sent import Sent

Observed = Literal["stated", "now"]
Progress = Callable[[int, int], None]

_EXPIRES_IN_SECONDS = 3600
_LEAST_LEFT_SECONDS = 60  # a record that expires sooner would be refused on its way
_WAIT_SECONDS = 120
_NOTE_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class SentRecord:
    """What became of one line.

    Attributes:
        line: Its line in the file.
        number: Its number.
        kind: As `HOLD`.
        party: Who stated it, as `SG:ACME01`.
        outcome: `sent`, `sent before` (by an earlier run), `refused` or `left out`.
        digest: The record's digest, 0x hex, if it was sent.
        reason: Of what was refused or left out: why, a sentence.
        problem: The service's problem, of what was refused.
    """

    line: int
    number: int
    kind: str
    party: str
    outcome: Literal["sent", "sent before", "refused", "left out"]
    digest: str | None = None
    reason: str | None = None
    problem: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SendingReport:
    """What became of a file; `records` ends with the refused one if that stopped the run.

    Attributes:
        consignment: Its id, 0x hex.
        reference: The trade reference it is known by here.
        records: What became of each line, in order.
        total: How many records the file has.
    """

    consignment: str
    reference: str
    records: tuple[SentRecord, ...]
    total: int

    @property
    def is_whole(self) -> bool:
        """Whether every record of the file is on chain."""
        return len(self.records) == self.total and not self.failed

    @property
    def failed(self) -> tuple[SentRecord, ...]:
        """What was refused or left out."""
        return tuple(each for each in self.records if each.outcome in ("refused", "left out"))


def send_records(
    file: Path,
    records: Sequence[PreparedRecord],
    clients: Mapping[str, LedgerClient],
    kept: Path,
    *,
    observed: Observed = "stated",
    go_on: bool = False,
    as_enrolled: bool = False,
    progress: Progress | None = None,
) -> SendingReport:
    """Send a file of prepared records to one administration's service.

    Args:
        file: The file, for messages and to know it again.
        records: What `read_prepared` read from it.
        clients: A client with a key for each role (`trader`, `customs`, `agency`) that the file needs.
        kept: Where to keep what was sent; see `ledger.sent`.
        observed: `now` takes the present time for when things were observed, and keeps the stated time in the details'
            note; `stated` takes the stated one, which the chain refuses when it is old. OPEN has no details: of an
            opening, the stated time is not kept.
        go_on: Do not stop at a refusal.
        as_enrolled: Send for the parties the keys are enrolled for, though the file names another administration.
        progress: Called with how many records are done, and how many there are.

    Raises:
        InvalidPreparedRecord: Something in the file cannot be sent; nothing was.
        NotPermitted: A key is not enrolled, or for no such role.
        NotFound: A consignment that the file does not open is not known at the service.
        ServiceUnavailable: No answer; the same call goes on.
    """
    sending = _Sending(file, records, clients, kept, observed, as_enrolled)
    return sending.run(go_on, progress or (lambda done, total: None))


class _Refused(Exception):
    """The service or the chain refused a record: its problem."""

    def __init__(self, reason: str, problem: Mapping[str, Any]) -> None:
        self.reason = reason
        self.problem = problem
        super().__init__(reason)


class _Sending:
    def __init__(
        self,
        file: Path,
        records: Sequence[PreparedRecord],
        clients: Mapping[str, LedgerClient],
        kept: Path,
        observed: Observed,
        as_enrolled: bool,
    ) -> None:
        self._file = file
        self._records = records
        self._clients = clients
        self._observed = observed
        self._require_keys()
        self._any_client = clients[records[0].role]
        chain = self._any_client.chain()
        self._sent = Sent(
            kept,
            file,
            {
                name: getattr(chain, name)
                for name in ("chain_id", "genesis_hash", "manifest_log", "consignment_ledger")
            },
        )
        self._parties = {role: self._party(role) for role in ROLES if role in {each.role for each in records}}
        if not as_enrolled:
            self._require_administrations()
        self._require_times()
        self._into = {each.into: self._found(each.into, each) for each in records if each.into is not None}
        self._require_consignment()

    # --- before anything is sent

    def _refuse(self, record: PreparedRecord, rule: str) -> InvalidPreparedRecord:
        return InvalidPreparedRecord(str(self._file), record.line, rule)

    def _require_keys(self) -> None:
        for record in self._records:
            if record.role not in self._clients:
                raise self._refuse(
                    record,
                    f"{record.kind.name} is stated by {_ROLE_WORDS[record.role]}; give the key that signs for it with "
                    f"--{record.role}-key",
                )

    def _party(self, role: str) -> str:
        """The party that a role's key is enrolled for; checked to be one of that role."""
        client = self._clients[role]
        try:
            account = client.account(client.address)
        except ServiceError as error:
            if error.status != 404:
                raise
            reason = "it is not enrolled with any administration; its governor does that with `account enrol`"
            raise NotPermitted(client.address, reason) from None
        party = Party.parse(account.party) if not account.party.startswith("0x") else None
        role_needed = "TRADER" if role == "trader" else "OFFICER"
        is_right = party is not None and party.is_customs == (role == "customs")
        if not is_right or role_needed not in account.roles:
            roles = ", ".join(account.roles).lower() or "nothing"
            reason = (
                f"it is enrolled for {account.party} as {roles}, and --{role}-key states what is "
                f"{_ROLE_WORDS[role]}'s to state"
            )
            raise NotPermitted(client.address, reason)
        return account.party

    def _require_administrations(self) -> None:
        for record in self._records:
            party = self._parties[record.role]
            if Party.parse(party).administration != record.administration:
                raise self._refuse(
                    record,
                    f"it is stated by {_ROLE_WORDS[record.role]} of {record.administration}, and --{record.role}-key acts "
                    f"for {party}; sign with a key of {record.administration}, or take --as-enrolled for a trial",
                )

    def _require_times(self) -> None:
        if self._observed == "now":
            return
        now = int(time.time())
        for record in self._records:
            if record.observed_at is None or self._sent.state(record.number) in (
                "sending",
                "sent",
                "settled",
            ):
                continue
            longest = _longest(record.kind)
            if record.observed_at + longest < now + _LEAST_LEFT_SECONDS:
                days = longest // 86_400
                raise self._refuse(
                    record,
                    f"{record.kind.name} was observed at {_rfc3339(record.observed_at)}, and the chain takes it for "
                    f"{days} day{'' if days == 1 else 's'} after that (EXPIRED); with --observed now it states the "
                    "present time, and the details keep the stated one",
                )
            if record.observed_at > now + MOST_AHEAD_SECONDS:
                raise self._refuse(
                    record,
                    f"{record.kind.name} was observed at {_rfc3339(record.observed_at)}, which is still to come",
                )

    def _require_consignment(self) -> None:
        """Know which consignment the file is about: made with its first LODGE, or found at the service."""
        if "consignment" in self._sent.facts:
            return
        lodged = next((each for each in self._records if each.kind is ManifestKind.LODGE), None)
        opened = next((each for each in self._records if each.kind is CustodyKind.OPEN), None)
        first = next((each for each in self._records if isinstance(each.kind, CustodyKind)), None)
        if opened is None and first is not None:
            self._sent.facts = {
                "consignment": self._found(first.reference, first),
                "reference": first.reference,
            }
            return
        if (
            lodged is None
        ):  # not from `read_prepared`: there an OPEN moves under a LODGE, and AMEND is about one
            raise self._refuse(self._records[0], "no line lodges a manifest or opens a consignment")
        opener = self._parties[(opened or lodged).role]
        reference = lodged.reference if opened is None else str(opened.trade_reference)
        key = secrets.token_bytes(32)
        consignment = consignment_id(Party.parse(opener).to_bytes(), blind(key, reference))
        self._sent.facts = {
            "consignment": to_hex(consignment),
            "consignment_key": to_hex(key),
            "reference": reference,
        }

    def _found(self, reference: str, record: PreparedRecord) -> str:
        """The one open consignment of a trade reference at the service."""
        found = [each for each in self._any_client.find_consignments(reference=reference) if not each.closed]
        if not found:
            raise NotFound(f"line {record.line}: open consignment of", reference)
        if len(found) > 1:
            raise self._refuse(record, f"{len(found)} open consignments are known as {reference}")
        return found[0].id

    # --- sending

    def run(self, go_on: bool, progress: Progress) -> SendingReport:
        done: list[SentRecord] = []
        failed: set[int] = set()
        total = len(self._records)
        for record in self._records:
            state = self._sent.state(record.number)
            was_sent = state in ("sent", "settled")
            missing = None if was_sent else next((n for n in self._needs(record) if n in failed), None)
            if missing is not None:
                line = next(each.line for each in self._records if each.number == missing)
                reason = f"It needs line {line}, which the ledger does not have."
                done.append(self._outcome(record, "left out", reason=reason))
                failed.add(record.number)
            else:
                try:
                    if state != "settled":
                        self._send(record)
                    done.append(self._outcome(record, "sent before" if was_sent else "sent"))
                except _Refused as refused:
                    self._sent.keep(record.number, "refused", submission=None, kind=record.kind.name)
                    done.append(
                        self._outcome(record, "refused", reason=refused.reason, problem=refused.problem)
                    )
                    failed.add(record.number)
                    if not go_on:
                        break
            progress(len(done), total)
        if not failed or go_on:
            self._settle_manifests(done)
        facts = self._sent.facts
        return SendingReport(facts["consignment"], facts["reference"], tuple(done), total)

    def _outcome(self, record: PreparedRecord, outcome: Any, **facts: Any) -> SentRecord:
        digest = self._sent.of(record.number).get("digest") if outcome.startswith("sent") else None
        return SentRecord(
            record.line,
            record.number,
            record.kind.name,
            self._parties[record.role],
            outcome,
            digest=digest,
            **facts,
        )

    def _needs(self, record: PreparedRecord) -> list[int]:
        """Numbers of the records without which this one cannot be."""
        needed = [number for number in (record.about, record.opens) if number is not None]
        if isinstance(record.kind, CustodyKind) and record.kind is not CustodyKind.OPEN:
            needed += [each.number for each in self._records if each.kind is CustodyKind.OPEN]
        return needed

    def _send(self, record: PreparedRecord) -> None:
        if self._sent.state(record.number) == "sending":
            try:
                self._post(record)
            except (
                _Refused
            ):  # then the service never took it: what it names may be stale, so it is signed anew
                self._sent.keep(record.number, "refused", submission=None)
        if self._sent.state(record.number) != "sent":
            signed, facts = self._sign(record)
            kept = signed.model_dump(mode="json", exclude_none=True)
            self._sent.keep(record.number, "sending", kind=record.kind.name, submission=kept, **facts)
            self._post(record)
        if isinstance(record.kind, CustodyKind):
            self._settle(record)

    def _sign(self, record: PreparedRecord) -> tuple[ManifestSubmission | CustodySubmission, dict[str, str]]:
        if isinstance(record.kind, ManifestKind):
            return self._sign_manifest(record, record.kind)
        return self._sign_step(record, record.kind), {}

    def _sign_manifest(
        self, record: PreparedRecord, kind: ManifestKind
    ) -> tuple[ManifestSubmission, dict[str, str]]:
        facts: dict[str, str] = {}
        kept: dict[str, Any] = {}
        root = ZERO32
        if record.manifest is not None:
            secret = secrets.token_bytes(documents.SECRET_BYTES)
            document = documents.parse(record.manifest)
            root = documents.commit(document, secret).root
            facts = {"manifest_root": to_hex(root), "secret": to_hex(secret)}
            kept = {"document": document.value, "secret": to_hex(secret)}
        if kind is ManifestKind.LODGE and "consignment_key" in self._sent.facts:
            kept |= {name: self._sent.facts[name] for name in ("reference", "consignment_key")}
        stated = ManifestRecord(
            party=Party.parse(self._parties[record.role]).to_bytes(),
            kind=kind,
            reason=record.reason,
            consignment=self._consignment,
            manifest_root=root,
            supersedes=ZERO32 if record.about is None else self._kept(record.about, "id"),
            issued_at=int(time.time()),
        )
        if stated.manifest_id is not None:
            facts["id"] = to_hex(stated.manifest_id)
        return self._clients[record.role].sign_manifest(stated, **kept), facts

    def _sign_step(self, record: PreparedRecord, kind: CustodyKind) -> CustodySubmission:
        now = int(time.time())
        stated = int(record.observed_at or 0)
        seen = now if self._observed == "now" else stated
        details = None if record.details is None else dict(record.details)
        if details is not None and self._observed == "now":
            note = f"observed at {_rfc3339(stated)} by its source"
            details["note"] = "; ".join(filter(None, (note, details.get("note"))))[:_NOTE_CHARACTERS]
        opening: dict[str, Any] = {}
        if record.opens is not None:
            opening = {
                "manifest_root": self._kept(record.opens, "manifest_root"),
                "blind": blind(from_hex(self._sent.facts["consignment_key"]), self._sent.facts["reference"]),
            }
        return self._clients[record.role].sign_step(
            kind,
            self._consignment,
            self._parties[record.role],
            subject=self._subject(record),
            details=details,
            observed_at=seen,
            expires_in_seconds=min(_EXPIRES_IN_SECONDS, seen + _longest(kind) - now),
            **opening,
        )

    def _subject(self, record: PreparedRecord) -> bytes:
        if record.into is not None:
            return from_hex(self._into[record.into])
        if record.about is None:
            return ZERO32
        if record.kind not in DECISIONS:
            return self._kept(record.about, "digest")
        manifest = self._kept(record.about, "id")
        self._clients[record.role].wait_for_manifest(manifest, "anchored", _WAIT_SECONDS)
        return manifest

    def _post(self, record: PreparedRecord) -> None:
        """Send the kept bytes of a record, and keep the answer."""
        kept, client = self._sent.of(record.number)["submission"], self._clients[record.role]
        try:
            if isinstance(record.kind, ManifestKind):
                digest = client.submit_manifest(ManifestSubmission.model_validate(kept)).digest
            else:
                answer = client.submit_records([CustodySubmission.model_validate(kept)])[0]
                digest = answer.digest
                if answer.state == "refused":
                    raise _refused(answer)
        except ServiceUnavailable:
            raise
        except ServiceError as error:
            raise _Refused(str(error), error.problem) from None
        self._sent.keep(record.number, "sent", digest=digest, submission=None)

    def _settle(self, record: PreparedRecord) -> None:
        """Wait until the chain has a record."""
        client, digest = self._clients[record.role], self._kept(record.number, "digest")
        view: ManifestView | RecordView
        if isinstance(record.kind, ManifestKind):
            view = client.wait_for_manifest(digest, "anchored", _WAIT_SECONDS)
        else:
            view = client.wait_for_record(self._consignment, digest, "recorded", _WAIT_SECONDS)
        if view.state == "refused":
            raise _refused(view)
        self._sent.keep(record.number, "settled")

    def _settle_manifests(self, done: list[SentRecord]) -> None:
        """Wait for the manifests, which were anchored while the custody records went."""
        records = {each.number: each for each in self._records}
        for index, each in enumerate(done):
            if self._sent.state(each.number) != "sent":
                continue
            try:
                self._settle(records[each.number])
            except _Refused as refused:
                self._sent.keep(each.number, "refused")
                done[index] = self._outcome(
                    records[each.number], "refused", reason=refused.reason, problem=refused.problem
                )

    @property
    def _consignment(self) -> bytes:
        return from_hex(self._sent.facts["consignment"])

    def _kept(self, number: int, name: str) -> bytes:
        return from_hex(self._sent.of(number)[name])


_ROLE_WORDS = {
    "trader": "a trader",
    "customs": "the customs administration",
    "agency": "another agency",
}


def _refused(answer: Any) -> _Refused:
    problem = answer.problem
    if problem is None:
        return _Refused("It was refused, and the service does not say why.", {})
    return _Refused(problem.detail or problem.title, problem.model_dump(mode="json"))


def _longest(kind: ManifestKind | CustodyKind) -> int:
    return LONGEST_DECISION_SECONDS if kind in DECISIONS else LONGEST_SECONDS


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
