"""A typed client of the HTTP service: every route one method, and the signing that a trader or an officer does.

What this decides: which digest a record must name as `previous`, how a document is committed to, when a request is sent
again. What it leaves to the service and the chain: who may do what. Private keys stay here; the service sees
signatures. Writes are safe to repeat, since the service knows them by id or digest: so a request that got no answer,
429 or 503, is sent again until `retry_seconds` are over.

Reading needs a session where the service says so (401): a client with a key then signs in by itself, renews the session
before it ends, and ends it with `disconnect`. It signs in only to the address that it talks to, on the chain that the
service states, which must be the caller's profile's if there is one.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar, Unpack

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from ledger.client_webhooks import WebhooksClient
from ledger.config import ChainProfile
from ledger.core import documents, signatures
from ledger.core.identifiers import Party
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
    Domain,
    Erasure,
    ManifestKind,
    ManifestReason,
    ManifestRecord,
    blind,
    consignment_id,
)
from ledger.errors import (
    ChainMismatch,
    InvalidDocument,
    InvalidIdentifier,
    InvalidKey,
    NotFound,
    ServiceError,
    ServiceUnavailable,
)
from ledger.fields import ManifestState, RecordState
from ledger.messages import (
    AcceptedRecord,
    AcceptedRecords,
    AccompanyingFile,
    AccountView,
    Administrations,
    AdministrationView,
    AuditAnswer,
    ChainView,
    ChallengeRequest,
    ChallengeView,
    Consignments,
    ConsignmentView,
    ConsistencyView,
    CustodyRecordMessage,
    CustodySubmission,
    CustodySubmissions,
    ErasureView,
    EventView,
    HeadView,
    InclusionProofView,
    LeafView,
    Leaves,
    ManifestAccepted,
    ManifestRecordMessage,
    Manifests,
    ManifestSubmission,
    ManifestView,
    PartyView,
    Readiness,
    Records,
    RecordView,
    SessionRequest,
    SessionView,
    VerdictView,
    VerificationRequest,
    from_hex,
    to_hex,
)
from ledger.sign_in import SignInMessage, Site, digest

BATCH_LINES = (
    200  # lines a request of a batch: its answers fit the buffers of any connection, so both ends can write
)
BATCH_BYTES = 1 << 20  # bytes a request of a batch, unless one line alone is longer
POLL_SECONDS = 0.2
_RENEW_SECONDS = 60  # a session that ends sooner is renewed
_GOODBYE_SECONDS = 2  # longest wait for the answer to a sign-out
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_CUSTODY_LINE = frozenset(
    {
        CustodyKind.OFFER,
        CustodyKind.ACCEPT,
        CustodyKind.DECLINE,
        CustodyKind.CLOSE,
        CustodyKind.CONSOLIDATE,
        CustodyKind.DECONSOLIDATE,
    }
)  # DESIGN 4: 6, 7, 8, 12, 15, 16; the others follow their account's own line, OPEN none

Id = bytes | str  # 32 bytes, or their 0x hex
PartyLike = Party | str  # `SG:ACME01`, or the 0x hex of its 16 bytes
Document = bytes | dict[str, Any]  # JSON text as it stands in a file, or its parsed object
_Model = TypeVar("_Model", bound=BaseModel)


class Times(TypedDict, total=False):
    """When a step was seen, and until when the chain takes it; see `LedgerClient.step`."""

    observed_at: int
    expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class LodgedManifest:
    """A manifest that the service has accepted, and the secrets that its owner must keep.

    Attributes:
        id: Manifest id, 32 bytes.
        consignment: Consignment id, 32 bytes.
        consignment_key: 32 bytes that open the consignment with its trade reference; None if it was opened before.
        reference: The trade reference.
        secret: 32 bytes that the salts of the manifest's fields come from.
        root: Manifest root, 32 bytes.
        answer: What the service promised.
    """

    id: bytes
    consignment: bytes
    consignment_key: bytes | None = field(repr=False)
    reference: str | None
    secret: bytes = field(repr=False)
    root: bytes
    answer: ManifestAccepted

    @property
    def blind(self) -> bytes:
        """What OPEN names as `previous`, 32 bytes.

        Raises:
            InvalidKey: The consignment's key is not known here.
        """
        if self.consignment_key is None or self.reference is None:
            raise InvalidKey(
                "of the consignment", "it is not known here; whoever made the consignment has it"
            )
        return blind(self.consignment_key, self.reference)


@dataclass(frozen=True, slots=True)
class _Session:
    """A sign-in: what a request shows, and from when on (monotonic seconds) a new one is needed."""

    headers: Mapping[str, str] = field(repr=False)
    renew_at: float


class LedgerClient:
    """A client of one administration's service, for one account.

    Safe to use from several threads; the steps of one account on one consignment must still come one after the other.

    Args:
        base_url: Address of the service, e.g. `http://127.0.0.1:8400`.
        key: Private key that signs records and signs in, 32 bytes, or what opens it when it is first needed; without it
            only reading works, where it is open.
        timeout_seconds: Longest wait for one answer.
        profile: The chain as the caller knows it; nothing is signed for a service that follows another.
        retry_seconds: How long a request that got no answer, or 503, is sent again; 0 sends it once.
        public_url: Where the service says people reach it, if that is not `base_url`: what is signed in to.
        transport: Another way to reach the service, e.g. `httpx.WSGITransport`; for tests.

    Raises:
        ServiceError: By every method: the service answered with a problem; `status`, `detail` and `problem` have it.
        ServiceUnavailable: By every method: there was no answer in time, or 503 until the end.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: bytes | Callable[[], bytes] | None = None,
        timeout_seconds: float = 30,
        profile: ChainProfile | None = None,
        retry_seconds: float = 10,
        public_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._profile = profile
        self._retry_seconds = retry_seconds
        self._public_url = public_url or self.base_url
        self._session: _Session | None = None
        self._signing_in = threading.Lock()
        self._chain: ChainView | None = None
        self._http = httpx.Client(
            base_url=self.base_url, timeout=timeout_seconds, transport=transport, trust_env=False
        )

    def __enter__(self) -> LedgerClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        return f"LedgerClient({self.base_url!r}, key hidden)"

    def disconnect(self) -> None:
        """End the session, if there is one, and close the connections; `close` closes a consignment."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(httpx.HTTPError):  # then it ends by itself
                self._http.delete("/v1/sessions/current", headers=session.headers, timeout=_GOODBYE_SECONDS)
        self._http.close()

    @property
    def address(self) -> str:
        """The account's address, checksummed.

        Raises:
            InvalidKey: The client has no key.
        """
        return signatures.account_of(self._require_key())

    # --- manifests

    def submit_manifest(self, submission: ManifestSubmission) -> ManifestAccepted:
        """Send a signed manifest record; the same again is answered as the first time."""
        return self._post("/v1/manifests", submission, ManifestAccepted)

    def submit_manifests(
        self, submissions: Iterable[ManifestSubmission]
    ) -> Iterator[ManifestAccepted | ServiceError]:
        """Send any number of signed manifest records, and yield an answer or an error for each, in order.

        They go out in requests of up to 200 lines, read from `submissions` as they are needed; one that is refused
        does not stop the others.
        """
        for lines in _batches(_to_json(submission) + b"\n" for submission in submissions):
            response = self._send(
                "POST",
                "/v1/manifests/batch",
                content=b"".join(lines),
                headers={"content-type": "application/x-ndjson"},
            )
            answers = response.content.splitlines()
            if len(answers) != len(lines):
                raise ServiceUnavailable(
                    self.base_url, f"{len(lines)} lines were sent and {len(answers)} answered"
                )
            for answer in answers:
                value = _json(answer, self.base_url)
                yield (
                    _problem(value) if "status" in value else _model(ManifestAccepted, value, self.base_url)
                )

    def manifest(self, manifest: Id) -> ManifestView:
        """Read a manifest record by its manifest id, or by its record digest."""
        return self._get(f"/v1/manifests/{_hex(manifest)}", ManifestView)

    def manifest_proof(self, manifest: Id) -> InclusionProofView:
        """Read the proof that a manifest record is in the log; 404 until it is anchored."""
        return self._get(f"/v1/manifests/{_hex(manifest)}/proof", InclusionProofView)

    def manifest_evidence(self, manifest: Id, show: Iterable[str] = ()) -> bytes:
        """Read a manifest's evidence file, byte for byte.

        Args:
            manifest: Manifest id or record digest.
            show: JSON Pointers of the manifest's fields to disclose; "" shows the whole document.
        """
        return self._evidence(f"/v1/manifests/{_hex(manifest)}/evidence", show)

    def consignment_evidence(self, consignment: Id, show: Iterable[str] = ()) -> bytes:
        """Read the evidence file of a consignment's manifest in force, byte for byte; `show` as `manifest_evidence`."""
        return self._evidence(f"/v1/consignments/{_hex(consignment)}/evidence", show)

    def find_manifests(
        self,
        *,
        reference: str | None = None,
        container: str | None = None,
        party: PartyLike | None = None,
        state: ManifestState | None = None,
        limit: int = 50,
        after: Id | None = None,
    ) -> list[ManifestView]:
        """Find manifest records, in the order of the log.

        Args:
            reference: Trade reference, `scheme:value`.
            container: Container number.
            party: Who lodged it.
            state: Where it stands.
            limit: How many at most, 1 to 200.
            after: Record digest of the last one of the page before.
        """
        return self._manifests(reference, container, party, state, limit, after).manifests

    def all_manifests(
        self,
        *,
        reference: str | None = None,
        container: str | None = None,
        party: PartyLike | None = None,
        state: ManifestState | None = None,
        page: int = 200,
    ) -> Iterator[ManifestView]:
        """Find manifest records as `find_manifests` does, all there are: the next page is asked for when it is needed.

        Args:
            reference: Trade reference, `scheme:value`.
            container: Container number.
            party: Who lodged it.
            state: Where it stands.
            page: How many are asked for at a time, 1 to 200.
        """
        after: str | None = None
        while True:
            found = self._manifests(reference, container, party, state, page, after)
            yield from found.manifests
            after = found.next
            if after is None:
                return

    def _manifests(
        self,
        reference: str | None,
        container: str | None,
        party: PartyLike | None,
        state: ManifestState | None,
        limit: int,
        after: Id | None,
    ) -> Manifests:
        query = {
            "reference": reference,
            "container": container,
            "party": None if party is None else str(party),
            "state": state,
            "limit": limit,
            "after": None if after is None else _hex(after),
        }
        return self._get("/v1/manifests", Manifests, query)

    def lodge(
        self,
        document: Document,
        party: PartyLike,
        *,
        reference: str | None = None,
        consignment_key: bytes | None = None,
        secret: bytes | None = None,
        opener: PartyLike | None = None,
        consignment: Id | None = None,
    ) -> LodgedManifest:
        """Commit to a manifest, sign its record and lodge it with its document.

        Args:
            document: The manifest.
            party: For whom the account acts.
            reference: Trade reference `scheme:value`; with it the consignment is computed and found again.
            consignment_key: 32 bytes; without it a new random one, so a new consignment.
            secret: 32 bytes; without it random ones.
            opener: Who opens the consignment, if not `party`.
            consignment: Consignment id, when it exists and its key is not known here.

        Returns:
            The answer, and the secrets to keep.

        Raises:
            InvalidDocument: The document cannot be committed to.
            InvalidRecord: Neither `reference` nor `consignment` is given, or they do not belong together.
        """
        record_party = _party(party)
        if consignment is None or consignment_key is not None:
            if reference is None:
                raise InvalidIdentifier("consignment", "", "give its trade reference or its id")
            consignment_key = consignment_key or secrets.token_bytes(32)
            computed = consignment_id(
                record_party if opener is None else _party(opener), blind(consignment_key, reference)
            )
            if consignment is not None and _bytes(consignment) != computed:
                raise InvalidIdentifier(
                    "consignment", _hex(consignment), f"key, reference and opener give {to_hex(computed)}"
                )
        else:
            computed = _bytes(consignment)
        return self._issue(
            document,
            secret,
            reference=reference,
            consignment_key=consignment_key,
            party=record_party,
            kind=ManifestKind.LODGE,
            reason=ManifestReason.NONE,
            consignment=computed,
            supersedes=ZERO32,
        )

    def amend(
        self,
        former: Id,
        document: Document,
        reason: ManifestReason,
        *,
        party: PartyLike | None = None,
        secret: bytes | None = None,
    ) -> LodgedManifest:
        """Put another manifest in the place of a former one of the same consignment.

        Args:
            former: Id of the manifest that it takes the place of.
            document: The new manifest.
            reason: Why.
            party: For whom the account acts, if not the former manifest's party.
            secret: 32 bytes; without it random ones.

        Raises:
            InvalidDocument: The document cannot be committed to.
        """
        former_view = self.manifest(former)
        former_record = former_view.record.to_record()
        return self._issue(
            document,
            secret,
            reference=former_view.reference,
            consignment_key=None,
            party=former_record.party if party is None else _party(party),
            kind=ManifestKind.AMEND,
            reason=reason,
            consignment=former_record.consignment,
            supersedes=_bytes(former),
        )

    def withdraw(
        self, former: Id, reason: ManifestReason, *, party: PartyLike | None = None
    ) -> ManifestAccepted:
        """Withdraw a manifest.

        Args:
            former: Id of the manifest.
            reason: Why.
            party: For whom the account acts, if not the manifest's party.
        """
        former_record = self.manifest(former).record.to_record()
        record = ManifestRecord(
            party=former_record.party if party is None else _party(party),
            kind=ManifestKind.WITHDRAW,
            reason=reason,
            consignment=former_record.consignment,
            manifest_root=ZERO32,
            supersedes=_bytes(former),
            issued_at=_now(),
        )
        return self.submit_manifest(self.sign_manifest(record))

    def erase(self, manifest: Id) -> ErasureView:
        """Have erased what the service keeps of a manifest: its document and secret, and their keys.

        With the last manifest of a consignment its trade reference and key go too. Record and proofs stay; what was
        handed out is not recalled. An account of the manifest's party may, and any officer of customs; the party not
        while its administration holds the consignment.

        Args:
            manifest: Manifest id or record digest.

        Raises:
            ChainMismatch, InvalidKey: As `sign_manifest`.
        """
        issued_at = _now()
        chain = self._require_chain()
        digest = Erasure(_bytes(manifest), issued_at).digest(_domain(chain.chain_id, chain.manifest_log))
        query = {
            "issued_at": issued_at,
            "signature": to_hex(signatures.sign(digest, self._require_key())),
        }
        response = self._send("DELETE", f"/v1/manifests/{_hex(manifest)}/content", params=query)
        return _model(ErasureView, _json(response.content, self.base_url), self.base_url)

    def sign_manifest(self, record: ManifestRecord, **kept: Any) -> ManifestSubmission:
        """Sign a manifest record for the chain of this service.

        Args:
            record: The record.
            kept: `document`, `secret`, `reference`, `consignment_key` of the submission, as it spells them.

        Raises:
            ChainMismatch: The service follows another chain than the profile given to this client.
            InvalidKey: The client has no key.
        """
        domain = _domain(self._require_chain().chain_id, self._require_chain().manifest_log)
        signature = signatures.sign(record.digest(domain), self._require_key())
        return ManifestSubmission(
            record=ManifestRecordMessage.of(record), signature=to_hex(signature), **kept
        )

    def wait_for_manifest(
        self, manifest: Id, state: ManifestState = "anchored", timeout_seconds: float = 60
    ) -> ManifestView:
        """Wait until a manifest has got as far as a state.

        Raises:
            ServiceUnavailable: It has not, in that time.
        """
        order: tuple[ManifestState, ...] = ("accepted", "sequenced", "anchored", "final")
        return self._wait(
            lambda: self.manifest(manifest),
            lambda view: view.state == "refused" or order.index(view.state) >= order.index(state),
            f"manifest {_hex(manifest)} is not {state} yet",
            timeout_seconds,
        )

    # --- custody

    def submit_records(self, submissions: Iterable[CustodySubmission]) -> list[AcceptedRecord]:
        """Send 1 to 100 signed custody records; each is judged alone, in order.

        Raises:
            ServiceError: None of them was taken: the first one's problem, with all answers in `problem["records"]`.
        """
        body = CustodySubmissions(records=[*submissions])
        return self._post("/v1/custody-records", body, AcceptedRecords).records

    def consignment(self, consignment: Id) -> ConsignmentView:
        """Read a consignment's state, as of a block."""
        return self._get(f"/v1/consignments/{_hex(consignment)}", ConsignmentView)

    def consignment_records(self, consignment: Id) -> list[RecordView]:
        """Read a consignment's history, oldest first, with what waits to be sent."""
        return self._get(f"/v1/consignments/{_hex(consignment)}/records", Records).records

    def find_consignments(
        self, *, reference: str | None = None, container: str | None = None, seal: str | None = None
    ) -> list[ConsignmentView]:
        """Find consignments by a trade reference, a container number or a seal number."""
        query = {"reference": reference, "container": container, "seal": seal}
        return self._get("/v1/consignments", Consignments, query).consignments

    def load_accompanying(self, file: AccompanyingFile) -> ConsignmentView:
        """Load an accompanying file into this administration's service, which can find the consignment from then on."""
        return self._post("/v1/accompanying-files", file, ConsignmentView)

    def accompanying_file(self, consignment: Id, show: Iterable[str] = ()) -> AccompanyingFile:
        """Read what shall travel with the cargo.

        Args:
            consignment: The consignment.
            show: JSON Pointers of the manifest's fields to disclose; a pointer discloses all below it.
        """
        query = {"show": [*show]}
        return self._get(f"/v1/consignments/{_hex(consignment)}/accompanying-file", AccompanyingFile, query)

    def step(
        self,
        kind: CustodyKind,
        consignment: Id,
        party: PartyLike,
        *,
        subject: Id = ZERO32,
        details: Document | None = None,
        counterpart: PartyLike | None = None,
        observed_at: int | None = None,
        expires_in_seconds: int = 3600,
        manifest_root: Id | None = None,
        blind: bytes | None = None,
    ) -> AcceptedRecord:
        """Sign one custody record and send it.

        `previous` is read from the service: the consignment's custody line or this account's own line, with what waits
        there counted in. Whoever is first on a line wins; another record that names the same `previous` is refused.

        Args:
            kind: What is stated.
            consignment: Consignment id.
            party: For whom the account acts.
            subject: What the record is about, as DESIGN 4 has it for the kind; zero for nothing.
            details: A document that is committed to, and kept by this administration's service; not for OPEN.
            counterpart: To whom an OFFER is made; none withdraws the offer.
            observed_at: Unix seconds; without it now.
            expires_in_seconds: From now; the last second in which the chain takes the record.
            manifest_root: For OPEN: root of the manifest under which the consignment moves.
            blind: For OPEN: 32 bytes that give the consignment its id.

        Returns:
            The record's digest and state.

        Raises:
            ServiceError: It is refused; `problem["refusal"]` names the rule of the chain where there is one.
            InvalidDocument: `details` cannot be committed to.
            ChainMismatch: The service follows another chain than the profile given to this client.
        """
        submission = self.sign_step(
            kind,
            consignment,
            party,
            subject=subject,
            details=details,
            counterpart=counterpart,
            observed_at=observed_at,
            expires_in_seconds=expires_in_seconds,
            manifest_root=manifest_root,
            blind=blind,
        )
        return self.submit_records([submission])[0]

    def sign_step(
        self,
        kind: CustodyKind,
        consignment: Id,
        party: PartyLike,
        *,
        subject: Id = ZERO32,
        details: Document | None = None,
        counterpart: PartyLike | None = None,
        observed_at: int | None = None,
        expires_in_seconds: int = 3600,
        manifest_root: Id | None = None,
        blind: bytes | None = None,
        previous: Id | None = None,
    ) -> CustodySubmission:
        """Sign one custody record as `step` does, without sending it.

        Args:
            kind: See `step`, as for all that follow.
            consignment: See `step`.
            party: See `step`.
            subject: See `step`.
            details: See `step`.
            counterpart: See `step`.
            observed_at: See `step`.
            expires_in_seconds: See `step`.
            manifest_root: See `step`.
            blind: See `step`.
            previous: The digest before this one on its line, if the caller keeps the line itself.
        """
        now = _now()
        document, secret, root = None, None, ZERO32
        if details is not None:
            document, secret, root = _commit(details, None)
        if kind == CustodyKind.OPEN:
            if manifest_root is None or blind is None:
                raise InvalidIdentifier(
                    "consignment to open", _hex(consignment), "give its manifest root and blind"
                )
            root, previous = _bytes(manifest_root), blind
        elif previous is None:
            lines = self.consignment(consignment).lines
            own_lines = {address.lower(): digest for address, digest in lines.accounts.items()}
            previous = lines.custody if kind in _CUSTODY_LINE else own_lines.get(self.address.lower(), ZERO32)
        record = CustodyRecord(
            consignment=_bytes(consignment),
            kind=kind,
            party=_party(party),
            previous=_bytes(previous),
            subject=_bytes(subject),
            details=root,
            counterpart=ZERO16 if counterpart is None else _party(counterpart),
            observed_at=now if observed_at is None else observed_at,
            expires_at=now + expires_in_seconds,
        )
        return self.sign_custody(record, document=document, secret=None if secret is None else to_hex(secret))

    def sign_custody(self, record: CustodyRecord, **kept: Any) -> CustodySubmission:
        """Sign a custody record for the chain of this service.

        Args:
            record: The record.
            kept: `document` and `secret` of the submission, as it spells them.

        Raises:
            ChainMismatch: The service follows another chain than the profile given to this client.
            InvalidKey: The client has no key.
        """
        domain = _domain(self._require_chain().chain_id, self._require_chain().consignment_ledger)
        signature = signatures.sign(record.digest(domain), self._require_key())
        return CustodySubmission(record=CustodyRecordMessage.of(record), signature=to_hex(signature), **kept)

    def open(
        self,
        consignment: Id,
        party: PartyLike,
        *,
        manifest_root: Id,
        blind: bytes,
        split_from: Id = ZERO32,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Open a consignment; the party becomes its custodian."""
        return self.step(
            CustodyKind.OPEN,
            consignment,
            party,
            subject=split_from,
            manifest_root=manifest_root,
            blind=blind,
            **times,
        )

    def arrive(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """State that cargo arrived at a checkpoint (`place`)."""
        return self.step(CustodyKind.ARRIVAL, consignment, party, details=details, **times)

    def depart(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """State that cargo left a checkpoint (`place`)."""
        return self.step(CustodyKind.DEPARTURE, consignment, party, details=details, **times)

    def inspect(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """State what an inspection found."""
        return self.step(CustodyKind.INSPECTION, consignment, party, details=details, **times)

    def seal(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """State that a numbered seal was affixed or removed."""
        return self.step(CustodyKind.SEAL, consignment, party, details=details, **times)

    def remark(
        self,
        consignment: Id,
        party: PartyLike,
        details: Document | None = None,
        *,
        subject: Id = ZERO32,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """State anything else; `subject` is the record that is corrected, if one is."""
        return self.step(CustodyKind.REMARK, consignment, party, subject=subject, details=details, **times)

    def offer(
        self,
        consignment: Id,
        party: PartyLike,
        counterpart: PartyLike | None,
        details: Document | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Offer custody to another party; None withdraws the offer."""
        return self.step(
            CustodyKind.OFFER, consignment, party, counterpart=counterpart, details=details, **times
        )

    def accept(
        self,
        consignment: Id,
        party: PartyLike,
        details: Document | None = None,
        *,
        offer: Id | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Accept the handover; `offer` is the offer's digest, without it the custody line's last record."""
        return self._answer(CustodyKind.ACCEPT, consignment, party, details, offer, times)

    def decline(
        self,
        consignment: Id,
        party: PartyLike,
        details: Document | None = None,
        *,
        offer: Id | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Decline the handover; `offer` is the offer's digest, without it the custody line's last record."""
        return self._answer(CustodyKind.DECLINE, consignment, party, details, offer, times)

    def hold(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """Place a hold; it is named by the digest in the answer."""
        return self.step(CustodyKind.HOLD, consignment, party, details=details, **times)

    def lift(
        self,
        consignment: Id,
        party: PartyLike,
        hold: Id,
        details: Document | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Lift one of the party's open holds."""
        return self.step(CustodyKind.LIFT, consignment, party, subject=hold, details=details, **times)

    def release(
        self,
        consignment: Id,
        party: PartyLike,
        manifest: Id,
        details: Document | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Release goods for a procedure (`procedure` in the details), as the manifest of this id states them."""
        return self.step(CustodyKind.RELEASE, consignment, party, subject=manifest, details=details, **times)

    def clear(
        self,
        consignment: Id,
        party: PartyLike,
        manifest: Id,
        details: Document | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """State that all formalities are complete for the manifest of this id."""
        return self.step(
            CustodyKind.CLEARANCE, consignment, party, subject=manifest, details=details, **times
        )

    def take(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """Take custody without an offer: seizure, detention."""
        return self.step(CustodyKind.TAKE, consignment, party, details=details, **times)

    def consolidate(
        self,
        consignment: Id,
        party: PartyLike,
        parent: Id,
        details: Document | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Put a consignment into another."""
        return self.step(
            CustodyKind.CONSOLIDATE, consignment, party, subject=parent, details=details, **times
        )

    def deconsolidate(
        self,
        consignment: Id,
        party: PartyLike,
        parent: Id,
        details: Document | None = None,
        **times: Unpack[Times],
    ) -> AcceptedRecord:
        """Take a consignment out of the one it is in."""
        return self.step(
            CustodyKind.DECONSOLIDATE, consignment, party, subject=parent, details=details, **times
        )

    def close(
        self, consignment: Id, party: PartyLike, details: Document | None = None, **times: Unpack[Times]
    ) -> AcceptedRecord:
        """Close a consignment (`outcome` in the details): then nobody is in charge of it."""
        return self.step(CustodyKind.CLOSE, consignment, party, details=details, **times)

    def wait_for_record(
        self, consignment: Id, digest: Id, state: RecordState = "recorded", timeout_seconds: float = 60
    ) -> RecordView:
        """Wait until a custody record has got as far as a state.

        Raises:
            NotFound: The consignment's history has no such record.
            ServiceUnavailable: It has not, in that time.
        """
        order: tuple[RecordState, ...] = ("accepted", "sent", "recorded", "final")

        def read() -> RecordView:
            for view in self.consignment_records(consignment):
                if view.digest == _hex(digest):
                    return view
            raise NotFound("custody record", _hex(digest))

        return self._wait(
            read,
            lambda view: view.state == "refused" or order.index(view.state) >= order.index(state),
            f"custody record {_hex(digest)} is not {state} yet",
            timeout_seconds,
        )

    # --- log, registry, chain

    def head(self, administration: str) -> HeadView:
        """Read the newest tree head of an administration's log."""
        return self._get(f"/v1/log/{administration}/head", HeadView)

    def consistency(self, administration: str, first_size: int) -> ConsistencyView:
        """Read the proof that the newest tree head extends the one of `first_size` leaves."""
        return self._get(f"/v1/log/{administration}/consistency", ConsistencyView, {"first": first_size})

    def leaves(self, administration: str, start: int = 0, count: int = 1000) -> list[LeafView]:
        """Read up to 1,000 leaves of the log, from index `start`."""
        query = {"start": start, "count": count}
        return self._get(f"/v1/log/{administration}/leaves", Leaves, query).leaves

    def audit(
        self,
        question: str,
        *,
        consignment: Id | None = None,
        at: datetime | None = None,
        account: str | None = None,
        party: PartyLike | None = None,
        record: Id | None = None,
        since: datetime | None = None,
        container: str | None = None,
        over_seconds: int | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> AuditAnswer:
        """Ask what an auditor asks: see `cargo-ledger audit ask --help`; for customs' own auditors.

        Times need a zone. A long answer has `more`: ask again with it as `after`.
        """
        given = {
            "consignment": None if consignment is None else _hex(consignment),
            "at": None if at is None else at.isoformat(),
            "account": account,
            "party": None if party is None else str(party),
            "record": None if record is None else _hex(record),
            "since": None if since is None else since.isoformat(),
            "container": container,
            "over_seconds": over_seconds,
            "limit": limit,
            "after": after,
        }
        query = {name: value for name, value in given.items() if value is not None}
        return self._get(f"/v1/audit/{question}", AuditAnswer, query)

    def all_leaves(self, administration: str, start: int = 0, page: int = 1000) -> Iterator[LeafView]:
        """Read the leaves of the log from index `start` to its end: the next `page` of them when they are needed."""
        while leaves := self.leaves(administration, start, page):
            yield from leaves
            start = leaves[-1].index + 1

    def administrations(self) -> list[AdministrationView]:
        """Read all administrations of the registry."""
        return self._get("/v1/administrations", Administrations).administrations

    def party(self, party: PartyLike) -> PartyView:
        """Read a party and the accounts that act for it."""
        return self._get(f"/v1/parties/{party}", PartyView)

    def account(self, address: str) -> AccountView:
        """Read an account as the registry has it."""
        return self._get(f"/v1/accounts/{address}", AccountView)

    def events(
        self,
        *,
        after: int | None = None,
        kinds: Iterable[str] = (),
        consignment: Id | None = None,
        administration: str | None = None,
    ) -> Iterator[EventView]:
        """Follow what happens, without end: each event once, in order, over connections that break too.

        Args:
            after: Id of the last event that was seen; without it from now on, 0 for all that are kept.
            kinds: Kinds, or what several begin with; their reversals come too.
            consignment: Only what is about this one.
            administration: Only this one's.

        Raises:
            ServiceUnavailable: There was no connection for as long as requests are sent again.
            ServiceError: Status 410: some behind `after` are not kept any more. `problem["newest"]` is the place to go on
                from, once what is followed was read anew.
        """
        query: dict[str, Any] = {"kind": [*kinds], "administration": administration}
        query["consignment"] = None if consignment is None else _hex(consignment)
        given = {name: value for name, value in query.items() if value}
        while True:
            headers = {} if after is None else {"last-event-id": str(after)}
            response = self._send("GET", "/v1/events", params=given, headers=headers, stream=True)
            try:
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "data":
                        event = _model(EventView, _json(value.encode(), self.base_url), self.base_url)
                        after = event.id
                        yield event
                    elif name == "id" and value.isdecimal():
                        after = int(value)
            except httpx.HTTPError:
                continue  # it broke; what was seen is not sent again
            finally:
                response.close()

    @property
    def webhooks(self) -> WebhooksClient:
        """Webhooks: events sent to an address of yours. They are your account's, so a key is needed."""
        return WebhooksClient(_Asking(self))

    def chain(self) -> ChainView:
        """Read which chain the service follows, and how far it has read."""
        return self._get("/v1/chain", ChainView)

    def readiness(self) -> Readiness:
        """Read whether the service can do its job now; an unready one answers too."""
        response = self._send("GET", "/readyz", accept=(503,), retry=False)
        answer = _json(response.content, self.base_url)
        stated = {name: value for name, value in answer.items() if name in Readiness.model_fields}
        return _model(
            Readiness, stated, self.base_url
        )  # an unready one comes as a problem with the same members

    def is_alive(self) -> bool:
        """Whether the service's process answers; `readiness` says whether it can do its job."""
        try:
            return self._send("GET", "/healthz", retry=False).is_success
        except ServiceError:
            return False

    def metrics(self) -> str:
        """Read the metrics, in Prometheus's text format."""
        return self._send("GET", "/metrics").text

    def verify(self, evidence: bytes, trust: bytes, *, now: int | None = None) -> VerdictView:
        """Have the service judge an evidence file; `ledger.core.verify.verify` does it without one.

        Args:
            evidence: The file's bytes.
            trust: The trust file's bytes.
            now: Unix seconds to judge as of; by default the service's clock.

        Raises:
            ServiceError: The trust file can't be read, or both are over 2 MiB.
        """
        request = VerificationRequest(
            evidence=evidence.decode("utf-8", "replace"), trust=trust.decode("utf-8", "replace"), now=now
        )
        return self._post("/v1/verify", request, VerdictView)

    # --- signing in

    def sign_in(self) -> SessionView:
        """Sign in with the key, as reading does by itself where it is needed; the former session stays as it is.

        Raises:
            InvalidKey: The client has no key.
            InvalidSignIn: What the service asks to sign is for another site, chain or account; it is not signed.
            ChainMismatch: The service follows another chain than the caller's profile.
        """
        asked = time.monotonic()
        chain = self._require_chain()
        request = ChallengeRequest(address=self.address)
        text = self._post("/v1/sessions/challenge", request, ChallengeView).message
        message = SignInMessage.parse(text)
        message.require(Site.of(self._public_url), chain.chain_id, self.address)
        signature = to_hex(signatures.sign(digest(text), self._require_key()))
        session = self._post("/v1/sessions", SessionRequest(message=text, signature=signature), SessionView)
        lasts = session.expires_at.timestamp() - message.issued_at  # both by the service's clock
        self._session = _Session(
            {"authorization": f"Bearer {session.token}"}, asked + max(lasts - _RENEW_SECONDS, lasts / 2)
        )
        return session

    def _current_session(self) -> _Session | None:
        """The session to show, renewed if it is about to end."""
        session = self._session
        if session is None or time.monotonic() < session.renew_at:
            return session
        return self._new_session(session)

    def _new_session(self, former: _Session | None) -> _Session | None:
        """Another session than the one that is of no use (any more); one sign-in for all threads that need it."""
        with self._signing_in:
            if self._session is former:
                self.sign_in()
            return self._session

    # --- inside

    def _answer(
        self,
        kind: CustodyKind,
        consignment: Id,
        party: PartyLike,
        details: Document | None,
        offer: Id | None,
        times: Times,
    ) -> AcceptedRecord:
        offer = self.consignment(consignment).lines.custody if offer is None else offer
        return self.step(kind, consignment, party, subject=offer, details=details, **times)

    def _issue(
        self,
        document: Document,
        secret: bytes | None,
        *,
        reference: str | None,
        consignment_key: bytes | None,
        party: bytes,
        kind: ManifestKind,
        reason: ManifestReason,
        consignment: bytes,
        supersedes: bytes,
    ) -> LodgedManifest:
        parsed, secret, root = _commit(document, secret)
        record = ManifestRecord(
            party=party,
            kind=kind,
            reason=reason,
            consignment=consignment,
            manifest_root=root,
            supersedes=supersedes,
            issued_at=_now(),
        )
        kept: dict[str, Any] = {"document": parsed, "secret": to_hex(secret)}
        if consignment_key is not None and reference is not None:
            kept |= {"reference": reference, "consignment_key": to_hex(consignment_key)}
        answer = self.submit_manifest(self.sign_manifest(record, **kept))
        manifest = record.manifest_id
        if manifest is None or answer.id != to_hex(manifest):
            raise ServiceUnavailable(
                self.base_url, f"it answered for manifest {answer.id}, not for the one sent"
            )
        return LodgedManifest(manifest, consignment, consignment_key, reference, secret, root, answer)

    def _require_key(self) -> bytes:
        if self._key is None:
            raise InvalidKey("of this client", "there is none; give one to sign with")
        if not isinstance(self._key, bytes):
            self._key = self._key()
        return self._key

    def _require_chain(self) -> ChainView:
        if self._chain is None:
            chain = self.chain()
            if self._profile is not None:
                _require_same_chain(self._profile, chain)
            self._chain = chain
        return self._chain

    def _get(self, path: str, model: type[_Model], query: Mapping[str, Any] | None = None) -> _Model:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        response = self._send("GET", path, params=given)
        return _model(model, _json(response.content, self.base_url), self.base_url)

    def _evidence(self, path: str, show: Iterable[str]) -> bytes:
        response = self._send("GET", path, params={"show": [*show]})
        _json(response.content, self.base_url)  # a proxy's page is no evidence file
        return response.content

    def _post(self, path: str, body: BaseModel, model: type[_Model]) -> _Model:
        response = self._send(
            "POST", path, content=_to_json(body), headers={"content-type": "application/json"}
        )
        return _model(model, _json(response.content, self.base_url), self.base_url)

    def _send(
        self,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...] = (),
        retry: bool = True,
        stream: bool = False,
        **request: Any,
    ) -> httpx.Response:
        """Send a request, again while there is no answer, 429 or 503; raise for a problem.

        A streamed answer is not read yet, and the caller closes it.
        """
        deadline = time.monotonic() + (self._retry_seconds if retry else 0)
        pause = _FIRST_PAUSE_SECONDS
        session = self._current_session() if _is_read(method, path) else None
        may_sign_in = self._key is not None and _is_read(method, path)
        while True:
            try:
                built = self._http.build_request(method, path, **request)
                built.headers.update({} if session is None else session.headers)
                response = self._http.send(built, stream=stream)
                if stream and not response.is_success:
                    response.read()
                if response.status_code == 401 and may_sign_in:
                    may_sign_in = False  # what is refused with a new session stays so
                    session = self._new_session(session)
                    continue
                if response.status_code not in (429, 503) or response.status_code in accept:
                    break
                reason = str(_detail(response).get("detail"))
                if response.status_code == 429:
                    pause = max(pause, _retry_after(response))
            except httpx.InvalidURL as error:
                raise ServiceUnavailable(self.base_url, str(error)) from None
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            if time.monotonic() + pause > deadline:
                raise ServiceUnavailable(self.base_url, reason)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        if response.is_success or response.status_code in accept:
            return response
        raise _problem(_detail(response), response.status_code)

    def _wait(
        self, read: Callable[[], _Model], is_there: Callable[[_Model], bool], sentence: str, seconds: float
    ) -> _Model:
        deadline = time.monotonic() + seconds
        while True:
            view = read()
            if is_there(view):
                return view
            if time.monotonic() > deadline:
                raise ServiceUnavailable(self.base_url, f"{sentence}, after {seconds:g} seconds")
            time.sleep(POLL_SECONDS)


class _Asking:
    """How the parts of a client ask."""

    def __init__(self, client: LedgerClient) -> None:
        self._client = client

    def get(self, path: str, model: type[_Model], query: Mapping[str, Any] | None = None) -> _Model:
        """GET a model."""
        return self._client._get(path, model, query)

    def post(self, path: str, body: BaseModel | None, model: type[_Model]) -> _Model:
        """POST a model."""
        if body is not None:
            return self._client._post(path, body, model)
        answer = self._client._send("POST", path)
        return _model(model, _json(answer.content, self._client.base_url), self._client.base_url)

    def delete(self, path: str) -> None:
        """DELETE something."""
        self._client._send("DELETE", path)


def _is_read(method: str, path: str) -> bool:
    """Whether a request may need a session: a token is shown nowhere else."""
    if method == "GET":
        return path.startswith("/v1/") and path != "/v1/chain"
    return path == "/v1/accompanying-files" or path.startswith("/v1/webhooks")


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def _bytes(value: Id) -> bytes:
    data = value
    if isinstance(value, str):
        try:
            data = from_hex(value) if value.startswith("0x") else b""
        except ValueError:
            data = b""
    if not isinstance(data, bytes) or len(data) != 32:
        raise InvalidIdentifier(
            "id or digest", value, "32 bytes are expected, or their 64 hex digits after 0x"
        )
    return data


def _hex(value: Id) -> str:
    return to_hex(_bytes(value))


def _party(party: PartyLike) -> bytes:
    if isinstance(party, Party):
        return party.to_bytes()
    if party.startswith("0x"):
        try:
            return Party.from_bytes(from_hex(party)).to_bytes()
        except ValueError:
            raise InvalidIdentifier("party", party, "16 bytes are expected") from None
    return Party.parse(party).to_bytes()


def _domain(chain_id: int, contract: str) -> Domain:
    return Domain(chain_id, from_hex(contract))


def _commit(document: Document, secret: bytes | None) -> tuple[dict[str, Any], bytes, bytes]:
    """The document as an object, its secret and its root."""
    if isinstance(document, dict):
        try:
            document = orjson.dumps(document)
        except orjson.JSONEncodeError as error:
            raise InvalidDocument("", f"it is no JSON: {error}") from None
    secret = secret or secrets.token_bytes(32)
    root = documents.commit(documents.parse(document), secret).root
    return orjson.loads(document), secret, root


def _require_same_chain(profile: ChainProfile, chain: ChainView) -> None:
    pairs = (
        ("the chain id", profile.chain_id, chain.chain_id),
        ("the genesis hash", to_hex(profile.genesis_hash), chain.genesis_hash),
        ("AdministrationRegistry", profile.registry.lower(), chain.administration_registry.lower()),
        ("ManifestLog", profile.manifest_log.lower(), chain.manifest_log.lower()),
        ("ConsignmentLedger", profile.consignment_ledger.lower(), chain.consignment_ledger.lower()),
    )
    for what, expected, found in pairs:
        if expected != found:
            raise ChainMismatch(what, expected, found)


def _to_json(body: BaseModel) -> bytes:
    return body.model_dump_json(exclude_none=True).encode()


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == BATCH_LINES or size + len(line) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch


def _json(content: bytes, url: str) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ServiceUnavailable(url, "its answer is no JSON object; is this the address of a cargo ledger?")
    return value


def _model(model: type[_Model], value: dict[str, Any], url: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ServiceUnavailable(
            url, f"its answer is not what this version expects: {place or 'all of it'}"
        ) from None


def _detail(response: httpx.Response) -> dict[str, Any]:
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {"detail": f"it answered {response.status_code}"}


def _problem(problem: dict[str, Any], status: int | None = None) -> ServiceError:
    number = problem.get("status", status)
    return ServiceError(
        number if isinstance(number, int) else 0,
        str(problem.get("title", "")),
        str(problem.get("detail", "")),
        problem,
    )
