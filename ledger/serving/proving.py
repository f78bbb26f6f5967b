"""Evidence files, made from what is indexed and what the node still has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger import exporting, sequencing, views
from ledger.core import records
from ledger.core.evidence import Logged
from ledger.errors import NotFound
from ledger.messages import AccompanyingFile, to_hex
from ledger.reading import Reader, Rights
from ledger.rows.custody import decode_custody
from ledger.serving.wired import Wired
from ledger.store import Session


class Proving(Wired):
    """Evidence files, made from what is indexed and what the node still has."""

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
