"""What a client does with manifests: lodges, amends, withdraws, erases, reads."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

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
from ledger.calling.connection import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Connection,
    parsed_json,
    parsed_model,
    problem_of,
    to_json,
)
from ledger.core import signatures
from ledger.core.records import (
    ZERO32,
    Erasure,
    ManifestKind,
    ManifestReason,
    ManifestRecord,
    blind,
    consignment_id,
)
from ledger.errors import (
    InvalidIdentifier,
    InvalidKey,
    ServiceError,
    ServiceUnavailable,
)
from ledger.fields import ManifestState
from ledger.messages import (
    ErasureView,
    InclusionProofView,
    ManifestAccepted,
    ManifestRecordMessage,
    Manifests,
    ManifestSubmission,
    ManifestView,
    to_hex,
)

BATCH_LINES = (
    200  # lines a request of a batch: its answers fit the buffers of any connection, so both ends can write
)
BATCH_BYTES = 1 << 20  # bytes a request of a batch, unless one line alone is longer


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


class ManifestCalls(Connection):
    """What a client does with manifests: lodges, amends, withdraws, erases, reads."""

    def submit_manifest(self, submission: ManifestSubmission) -> ManifestAccepted:
        """Send a signed manifest record; the same again is answered as the first time."""
        return self._post("/v1/manifests", submission, ManifestAccepted)

    def submit_manifests(
        self, submissions: Iterable[ManifestSubmission]
    ) -> Iterator[ManifestAccepted | ServiceError]:
        """Send any number of signed manifest records, and yield an answer or an error for each, in order.

        They go out in requests of up to 200 lines, read from `submissions` as they are needed; one that is refused
        does not stop the others. From the first line on that is answered 429 (this account or address sends more than is
        taken) or 503 they are sent again, after as long as the service says; the error of one is yielded only when
        `retry_seconds` are over in which none more was taken.
        """
        for lines in _batches(to_json(submission) + b"\n" for submission in submissions):
            yield from self._submit_lines(lines)

    def _submit_lines(self, lines: list[bytes]) -> Iterator[ManifestAccepted | ServiceError]:
        deadline, pause = time.monotonic() + self._retry_seconds, FIRST_PAUSE_SECONDS
        while lines:
            answers = self._answers_to(lines)
            again = (place for place, answer in enumerate(answers) if answer.get("status") in (429, 503))
            done = next(again, len(lines))
            if done:
                deadline, pause = time.monotonic() + self._retry_seconds, FIRST_PAUSE_SECONDS
            if done < len(lines):
                pause = max(pause, _wait_told(answers[done]))
                if time.monotonic() + pause > deadline:
                    done = len(lines)
            for answer in answers[:done]:
                is_problem = "status" in answer
                yield (
                    problem_of(answer)
                    if is_problem
                    else parsed_model(ManifestAccepted, answer, self.base_url)
                )
            lines = lines[done:]
            if lines:
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _answers_to(self, lines: list[bytes]) -> list[dict[str, Any]]:
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
        return [parsed_json(answer, self.base_url) for answer in answers]

    def manifest(self, manifest: Id) -> ManifestView:
        """Read a manifest record by its manifest id, or by its record digest."""
        return self._get(f"/v1/manifests/{to_hex32(manifest)}", ManifestView)

    def manifest_proof(self, manifest: Id) -> InclusionProofView:
        """Read the proof that a manifest record is in the log; 404 until it is anchored."""
        return self._get(f"/v1/manifests/{to_hex32(manifest)}/proof", InclusionProofView)

    def manifest_evidence(self, manifest: Id, show: Iterable[str] = ()) -> bytes:
        """Read a manifest's evidence file, byte for byte.

        Args:
            manifest: Manifest id or record digest.
            show: JSON Pointers of the manifest's fields to disclose; "" shows the whole document.
        """
        return self._evidence(f"/v1/manifests/{to_hex32(manifest)}/evidence", show)

    def consignment_evidence(self, consignment: Id, show: Iterable[str] = ()) -> bytes:
        """Read the evidence file of a consignment's manifest in force, byte for byte; `show` as `manifest_evidence`."""
        return self._evidence(f"/v1/consignments/{to_hex32(consignment)}/evidence", show)

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
            "after": None if after is None else to_hex32(after),
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
        record_party = party_code(party)
        if consignment is None or consignment_key is not None:
            if reference is None:
                raise InvalidIdentifier("consignment", "", "give its trade reference or its id")
            consignment_key = consignment_key or secrets.token_bytes(32)
            computed = consignment_id(
                record_party if opener is None else party_code(opener), blind(consignment_key, reference)
            )
            if consignment is not None and to_bytes32(consignment) != computed:
                raise InvalidIdentifier(
                    "consignment", to_hex32(consignment), f"key, reference and opener give {to_hex(computed)}"
                )
        else:
            computed = to_bytes32(consignment)
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
            party=former_record.party if party is None else party_code(party),
            kind=ManifestKind.AMEND,
            reason=reason,
            consignment=former_record.consignment,
            supersedes=to_bytes32(former),
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
            party=former_record.party if party is None else party_code(party),
            kind=ManifestKind.WITHDRAW,
            reason=reason,
            consignment=former_record.consignment,
            manifest_root=ZERO32,
            supersedes=to_bytes32(former),
            issued_at=now(),
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
        issued_at = now()
        chain = self._require_chain()
        digest = Erasure(to_bytes32(manifest), issued_at).digest(
            domain_of(chain.chain_id, chain.manifest_log)
        )
        query = {
            "issued_at": issued_at,
            "signature": to_hex(signatures.sign(digest, self._require_key())),
        }
        response = self._send("DELETE", f"/v1/manifests/{to_hex32(manifest)}/content", params=query)
        return parsed_model(ErasureView, parsed_json(response.content, self.base_url), self.base_url)

    def sign_manifest(self, record: ManifestRecord, **kept: Any) -> ManifestSubmission:
        """Sign a manifest record for the chain of this service.

        Args:
            record: The record.
            kept: `document`, `secret`, `reference`, `consignment_key` of the submission, as it spells them.

        Raises:
            ChainMismatch: The service follows another chain than the profile given to this client.
            InvalidKey: The client has no key.
        """
        domain = domain_of(self._require_chain().chain_id, self._require_chain().manifest_log)
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
            f"manifest {to_hex32(manifest)} is not {state} yet",
            timeout_seconds,
        )

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
        parsed, secret, root = committed(document, secret)
        record = ManifestRecord(
            party=party,
            kind=kind,
            reason=reason,
            consignment=consignment,
            manifest_root=root,
            supersedes=supersedes,
            issued_at=now(),
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


def _wait_told(problem: Mapping[str, Any]) -> float:
    """How many seconds a line's problem says to wait; 0 if it does not."""
    told = problem.get("retry_after_seconds")
    return float(told) if isinstance(told, int) else 0.0
