"""Manifests as they are read, found, proved and erased."""

from __future__ import annotations

from typing import Any

from ledger import history, sequencing, views
from ledger.core import signatures
from ledger.core.identifiers import TradeReference
from ledger.core.records import Erasure, Role
from ledger.errors import Conflict, InvalidRecord, NotFound, ObjectDamaged
from ledger.fields import ManifestState, party_bytes
from ledger.messages import ErasureView, InclusionProofView, ManifestView, to_hex
from ledger.reading import Reader
from ledger.serving.lodging import Lodging
from ledger.serving.states import span, state_of
from ledger.serving.wired import TO_FORGET
from ledger.store import Session

_ERASURE_SECONDS = 86_400  # after `issued_at` a request to erase is taken this long
_AHEAD_SECONDS = 300  # `issued_at` may be ahead of our clock by this


class Manifests(Lodging):
    """Manifests as they are read, found, proved and erased."""

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
                    span=span(state, extent),
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
        if not self._clock.now() - _ERASURE_SECONDS <= issued_at <= self._clock.now() + _AHEAD_SECONDS:
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
                        "erased_at": self._clock.now(),
                    }
                )
                session.remove_accompanying(row.manifest_id)
                if not session.manifests_not_erased(row.consignment) and not session.accompanying_of(
                    row.consignment
                ):
                    session.erase_consignment(row.consignment)
                session.set_identity({TO_FORGET: "1"})
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
            read = history.read(session, membership, [row.consignment], self._clock.now())
            if read.ahead.open_holds(row.consignment, self._code):
                raise Conflict(
                    f"{self.administration} holds the consignment: nothing of it is erased at its party's request. Ask the "
                    "customs office, whose officers can erase it."
                )
        return row

    def _manifest_view(self, session: Session, row: Any, extent: sequencing.Extent) -> ManifestView:
        erasure = session.erasure(row.digest)
        content = None if erasure is not None else session.content(row.digest)
        if row.seen and content is None and erasure is None:
            raise ObjectDamaged("document", row.digest)
        return views.manifest(
            row,
            administration=self._code,
            state=state_of(row, extent),
            head=self._head_over(session, row, extent),
            closure=None if row.manifest_id is None else session.closure(row.manifest_id),
            known=session.known_consignment(row.consignment),
            content=content,
            is_erased=erasure is not None,
        )

    def _proof(self, session: Session, row: Any, head: Any) -> InclusionProofView:
        path = sequencing.inclusion_path(session, row.epoch, row.log_index, head.size)
        return views.inclusion(row, head, path, self._code)
