"""Accompanying files: made for who is shown a cargo, loaded by who was given one."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ledger import views
from ledger.core import documents, merkle, records, signatures
from ledger.core.disclosures import Disclosure, disclosure_root
from ledger.core.identifiers import Party, TradeReference
from ledger.core.records import Promise, Role
from ledger.errors import Conflict, DigestMismatch, InvalidDisclosure, NotFound, NotPermitted, SignerMismatch
from ledger.fields import party_bytes
from ledger.membership import Membership
from ledger.messages import (
    AccompaniedManifest,
    AccompanyingFile,
    ConsignmentView,
    InclusionProofView,
    PromiseView,
    from_hex,
    time_of,
    to_hex,
)
from ledger.reading import Reader
from ledger.serving.consignments import Consignments
from ledger.serving.manifests import Manifests
from ledger.serving.proving import Proving
from ledger.store import Session

_ACCOMPANYING_FIELDS = ("/schema", "/references", "/containers", "/basis")


class Accompanying(Proving, Manifests, Consignments):
    """Accompanying files: made for who is shown a cargo, loaded by who was given one."""

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
