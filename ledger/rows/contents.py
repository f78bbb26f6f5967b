"""Documents, what is known of consignments beyond the chain, by what they are found, and their erasure."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from ledger import tables as t
from ledger.errors import ObjectDamaged
from ledger.rows.sealed import (
    ACCOMPANYING,
    CONSIGNMENT,
    DOCUMENT,
    REFERENCE,
    WEBHOOK_SECRET,
    WEBHOOK_URL,
    SealedRows,
)
from ledger.rows.statements import insert_once, some_at_a_time
from ledger.vault import Place

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Content:
    """A record's document, and the secret that salts it."""

    document: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownConsignment:
    """What is known of a consignment beyond the chain: its trade reference, key and opener."""

    consignment: bytes
    reference: str
    key: bytes = field(repr=False)
    opener: bytes


class ContentRows(SealedRows):
    """Documents, keys and what makes consignments findable."""

    def add_content(self, digest: bytes, root: bytes, document: bytes, secret: bytes) -> None:
        """Keep a record's document with its secret, once.

        Args:
            digest: Of the manifest or custody record that it came with.
            root: That it leads to.
            document: Its bytes.
            secret: 32 bytes.
        """
        self._add_sealed(Place(DOCUMENT, digest, root), secret + document)

    def content(self, digest: bytes) -> Content | None:
        """The document and secret of a record, by its digest."""
        opened = self._open(Place(DOCUMENT, digest))
        return None if opened is None else Content(opened[32:], opened[:32])

    def contents(self, digests: Iterable[bytes]) -> tuple[dict[bytes, bytes], set[bytes]]:
        """The documents that are kept of some records, by digest; and the digests of those that do not open."""
        found: dict[bytes, bytes] = {}
        damaged: set[bytes] = set()
        for some in some_at_a_time(sorted(set(digests))):
            query = select(t.sealed_objects).where(
                t.sealed_objects.c.kind == DOCUMENT, t.sealed_objects.c.object_id.in_(some)
            )
            for row in self._all(query):
                try:
                    found[row.object_id] = self.open_sealed(row, 0)[32:]
                except ObjectDamaged as error:
                    _logger.error("%s", error)
                    damaged.add(row.object_id)
        return found, damaged

    def add_consignment(self, consignment: bytes, reference: str, key: bytes, opener: bytes) -> None:
        """Keep a consignment's trade reference, key and opener, once."""
        term = self._require_vault().term(REFERENCE, reference)
        row = {"consignment": consignment, "reference": term, "opener": opener}
        self._gather(t.consignments, [row], once=True)
        self._add_sealed(Place(CONSIGNMENT, consignment), key + reference.encode("utf-8"))

    def known_consignment(self, consignment: bytes) -> KnownConsignment | None:
        """What is known of a consignment beyond the chain."""
        row = self._one(select(t.consignments).where(t.consignments.c.consignment == consignment))
        if row is None:
            return None
        opened = self._open(Place(CONSIGNMENT, consignment))
        if opened is None:
            raise ObjectDamaged(CONSIGNMENT, consignment)
        return KnownConsignment(consignment, opened[32:].decode("utf-8"), opened[:32], row.opener)

    def knows_consignment(self, consignment: bytes) -> bool:
        """Whether a consignment's trade reference and key are kept."""
        return (
            self._one(select(t.consignments).where(t.consignments.c.consignment == consignment)) is not None
        )

    def consignments_with_reference(self, reference: str) -> Sequence[bytes]:
        """The consignments known under a trade reference."""
        term = self._require_vault().term(REFERENCE, reference)
        query = select(t.consignments.c.consignment).where(t.consignments.c.reference == term)
        return [row.consignment for row in self._all(query)]

    def add_search_terms(self, consignment: bytes, source: bytes, terms: Iterable[tuple[str, str]]) -> None:
        """Make a consignment findable by container and seal numbers.

        Args:
            consignment: 32 bytes.
            source: What names them, with which they go: a record's digest, or the manifest of an accompanying file.
            terms: Kind, `container` or `seal`, and number.
        """
        rows = [
            {"term": term, "consignment": consignment, "source": source} for term in sorted(self.terms(terms))
        ]
        if rows:
            self._gather(t.search_terms, rows, once=True)

    def terms(self, terms: Iterable[tuple[str, str]]) -> set[bytes]:
        """Terms as they are kept."""
        vault = self._require_vault()
        return {vault.term(kind, value) for kind, value in terms}

    def search_terms_of(self, source: bytes) -> set[bytes]:
        """The terms that a record or accompanying file named, as they are kept."""
        query = select(t.search_terms.c.term).where(t.search_terms.c.source == source)
        return {row.term for row in self._all(query)}

    def consignments_with_term(self, kind: str, value: str) -> Sequence[bytes]:
        """The consignments findable by a container or seal number."""
        term = self._require_vault().term(kind, value)
        query = select(t.search_terms.c.consignment).where(t.search_terms.c.term == term).distinct()
        return [row.consignment for row in self._all(query)]

    def put_accompanying(self, manifest_id: bytes, consignment: bytes, file: bytes) -> None:
        """Keep an accompanying file that was loaded; a later one of the same manifest replaces it."""
        there = self._one(select(t.accompanying).where(t.accompanying.c.manifest_id == manifest_id))
        version = 1 if there is None else there.version + 1
        self.remove_accompanying(manifest_id)
        self._connection.execute(
            insert(t.accompanying).values(manifest_id=manifest_id, consignment=consignment, version=version)
        )
        self._add_sealed(Place(ACCOMPANYING, manifest_id, version=version), file)

    def remove_accompanying(self, manifest_id: bytes) -> None:
        """Forget the accompanying file of a manifest, and what it made findable."""
        self._connection.execute(delete(t.accompanying).where(t.accompanying.c.manifest_id == manifest_id))
        self._connection.execute(delete(t.search_terms).where(t.search_terms.c.source == manifest_id))
        self._erase_sealed(ACCOMPANYING, manifest_id)

    def accompanying_of(self, consignment: bytes) -> Sequence[Row[Any]]:
        """The accompanying files loaded for a consignment: manifest_id, consignment, version."""
        return self._all(select(t.accompanying).where(t.accompanying.c.consignment == consignment))

    def accompanying_file(self, row: Row[Any]) -> bytes:
        """The file itself, of a row of `accompanying_of`."""
        opened = self._open(Place(ACCOMPANYING, row.manifest_id, version=row.version))
        if opened is None:
            raise ObjectDamaged(ACCOMPANYING, row.manifest_id)
        return opened

    def accompanying_versions(self, manifest_ids: Sequence[bytes]) -> dict[bytes, int]:
        """Of which version the accompanying files of some manifests must be."""
        query = select(t.accompanying).where(t.accompanying.c.manifest_id.in_(manifest_ids))
        return {row.manifest_id: row.version for row in self._all(query)}

    def without_sealed(self) -> Sequence[tuple[str, bytes]]:
        """What should have a sealed object and has none: kind and id."""
        found: list[tuple[str, bytes]] = []
        for kind, table, column in (
            (DOCUMENT, t.manifests, t.manifests.c.digest),
            (CONSIGNMENT, t.consignments, t.consignments.c.consignment),
            (ACCOMPANYING, t.accompanying, t.accompanying.c.manifest_id),
            (WEBHOOK_URL, t.webhooks, t.webhooks.c.webhook),
            (WEBHOOK_SECRET, t.webhook_secrets, t.webhook_secrets.c.secret),
        ):
            sealed = t.sealed_objects.c
            there = select(sealed.position).where(sealed.kind == kind, sealed.object_id == column).exists()
            query = select(column.label("id")).select_from(table).where(~there)
            if kind == DOCUMENT:
                erased = select(t.erasures.c.digest).where(t.erasures.c.digest == column).exists()
                query = query.where(t.manifests.c.seen, ~erased)
            found += [(kind, row.id) for row in self._all(query)]
        return found

    def erase_content(self, row: Mapping[str, Any]) -> None:
        """Erase a manifest's document, its secret and what it made findable, and note who asked for it.

        Args:
            row: Of the table of erasures.
        """
        self._erase_sealed(DOCUMENT, row["digest"])
        self._connection.execute(delete(t.search_terms).where(t.search_terms.c.source == row["digest"]))
        self._connection.execute(insert(t.erasures).values(**row))

    def erase_consignment(self, consignment: bytes) -> None:
        """Erase a consignment's trade reference and key."""
        self._erase_sealed(CONSIGNMENT, consignment)
        self._connection.execute(delete(t.consignments).where(t.consignments.c.consignment == consignment))

    def erasure(self, digest: bytes) -> Row[Any] | None:
        """The erasure of the manifest of a record."""
        return self._one(select(t.erasures).where(t.erasures.c.digest == digest))

    def erased_and_there(self) -> Sequence[bytes]:
        """Records whose document was erased and is there all the same."""
        sealed = t.sealed_objects.c
        there = select(sealed.position).where(
            sealed.kind == DOCUMENT, sealed.object_id == t.erasures.c.digest
        )
        return [row.digest for row in self._all(select(t.erasures.c.digest).where(there.exists()))]

    def manifests_not_erased(self, consignment: bytes) -> int:
        """How many manifests of a consignment are here whose content was not erased."""
        erased = select(t.erasures.c.digest).where(t.erasures.c.digest == t.manifests.c.digest).exists()
        return self._number(
            select(func.count())
            .select_from(t.manifests)
            .where(t.manifests.c.consignment == consignment, t.manifests.c.manifest_id.is_not(None), ~erased)
        )

    def add_loader(self, consignment: bytes, party: bytes) -> None:
        """Note that a party loaded a consignment's accompanying file."""
        statement = insert_once(t.loaders, self._plain_connection.dialect.name)
        self._connection.execute(statement.values(consignment=consignment, party=party))

    def loaders_of(self, consignment: bytes) -> frozenset[bytes]:
        """The parties that loaded a consignment's accompanying file."""
        query = select(t.loaders.c.party).where(t.loaders.c.consignment == consignment)
        return frozenset(row.party for row in self._all(query))

    def shared_terms(self, after: bytes, limit: int) -> Sequence[bytes]:
        """Terms by which more than one consignment is found, after a term, ascending."""
        term = t.search_terms.c.term
        query = (
            select(term)
            .where(term > after)
            .group_by(term)
            .having(func.count(t.search_terms.c.consignment.distinct()) > 1)
            .order_by(term)
            .limit(limit)
        )
        return [row.term for row in self._all(query)]

    def consignments_of_term(self, term: bytes, limit: int) -> Sequence[bytes]:
        """The consignments findable by a term; so many at most, ascending."""
        column = t.search_terms.c.consignment
        query = select(column).where(t.search_terms.c.term == term).distinct().order_by(column).limit(limit)
        return [row.consignment for row in self._all(query)]

    def accompanying_for(self, manifest_id: bytes) -> Row[Any] | None:
        """The accompanying file loaded for a manifest, as `accompanying_of`."""
        return self._one(select(t.accompanying).where(t.accompanying.c.manifest_id == manifest_id))
