"""What a client does with custody: signs each step, sends it, reads consignments and accompanying files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict, Unpack

from ledger.calling.arguments import (
    Document,
    Id,
    PartyLike,
    committed,
    domain_of,
    now,
    party_code,
    to_bytes32,
    to_hex32,
)
from ledger.calling.connection import Connection
from ledger.core import signatures
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
)
from ledger.errors import (
    InvalidIdentifier,
    NotFound,
)
from ledger.fields import RecordState
from ledger.messages import (
    AcceptedRecord,
    AcceptedRecords,
    AccompanyingFile,
    Consignments,
    ConsignmentView,
    CustodyRecordMessage,
    CustodySubmission,
    CustodySubmissions,
    Records,
    RecordView,
    to_hex,
)

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


class Times(TypedDict, total=False):
    """When a step was seen, and until when the chain takes it; see `LedgerClient.step`."""

    observed_at: int
    expires_in_seconds: int


class CustodyCalls(Connection):
    """What a client does with custody: signs each step, sends it, reads consignments and accompanying files."""

    def submit_records(self, submissions: Iterable[CustodySubmission]) -> list[AcceptedRecord]:
        """Send 1 to 100 signed custody records; each is judged alone, in order.

        Raises:
            ServiceError: None of them was taken: the first one's problem, with all answers in `problem["records"]`.
        """
        body = CustodySubmissions(records=[*submissions])
        return self._post("/v1/custody-records", body, AcceptedRecords).records

    def consignment(self, consignment: Id) -> ConsignmentView:
        """Read a consignment's state, as of a block."""
        return self._get(f"/v1/consignments/{to_hex32(consignment)}", ConsignmentView)

    def consignment_records(self, consignment: Id) -> list[RecordView]:
        """Read a consignment's history, oldest first, with what waits to be sent."""
        return self._get(f"/v1/consignments/{to_hex32(consignment)}/records", Records).records

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
        return self._get(
            f"/v1/consignments/{to_hex32(consignment)}/accompanying-file", AccompanyingFile, query
        )

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
        signed_at = now()
        document, secret, root = None, None, ZERO32
        if details is not None:
            document, secret, root = committed(details, None)
        if kind == CustodyKind.OPEN:
            if manifest_root is None or blind is None:
                raise InvalidIdentifier(
                    "consignment to open", to_hex32(consignment), "give its manifest root and blind"
                )
            root, previous = to_bytes32(manifest_root), blind
        elif previous is None:
            lines = self.consignment(consignment).lines
            own_lines = {address.lower(): digest for address, digest in lines.accounts.items()}
            previous = lines.custody if kind in _CUSTODY_LINE else own_lines.get(self.address.lower(), ZERO32)
        record = CustodyRecord(
            consignment=to_bytes32(consignment),
            kind=kind,
            party=party_code(party),
            previous=to_bytes32(previous),
            subject=to_bytes32(subject),
            details=root,
            counterpart=ZERO16 if counterpart is None else party_code(counterpart),
            observed_at=signed_at if observed_at is None else observed_at,
            expires_at=signed_at + expires_in_seconds,
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
        domain = domain_of(self._require_chain().chain_id, self._require_chain().consignment_ledger)
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
                if view.digest == to_hex32(digest):
                    return view
            raise NotFound("custody record", to_hex32(digest))

        return self._wait(
            read,
            lambda view: view.state == "refused" or order.index(view.state) >= order.index(state),
            f"custody record {to_hex32(digest)} is not {state} yet",
            timeout_seconds,
        )

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
