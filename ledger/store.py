"""The only SQL. One database an administration; every write is one transaction, durable when it returns.

`Store` opens the database and hands out sessions: `write()` holds the one writer's lock from its first statement to its
commit, `read()` sees one snapshot. What a session's methods return are rows with attributes named as the columns.
What the rows mean, and who may see them, is for the callers.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import psycopg
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.exc import SQLAlchemyError

from ledger import events, migrations
from ledger import tables as t
from ledger.core.records import CustodyRecord
from ledger.database import WorkerLock, open_database, reason, says_unwritable
from ledger.errors import NotFound, ObjectDamaged, StoreError
from ledger.feed_rows import FeedRows
from ledger.vault import Place, Sealed, Vault
from ledger.webhook_rows import WebhookRows

#: Kinds of sealed objects, as their errors name them.
DOCUMENT, CONSIGNMENT, ACCOMPANYING, INDEX_KEY = "document", "consignment", "accompanying file", "index key"
WEBHOOK_URL, WEBHOOK_SECRET = "webhook URL", "webhook secret"
ERASED = "erased"
REFERENCE = "reference"  # the kind of term that a trade reference is; the others are container and seal
_ROWS_AT_A_TIME = 200  # a sealed document has up to 1 MiB
_IDS_AT_A_TIME = 5_000  # in one query: SQLite takes 32,766 values, PostgreSQL twice as many
_ROOM = "room"  # the identity value that is written to see whether it can be
_ROOM_BYTES = 1 << 15
_logger = logging.getLogger(__name__)
UNKNOWN = "unknown"  # the name of an event that this version does not know; its arguments are the raw log
KEPT_BLOCKS = 4_096  # hashes of this many newest blocks are kept to find a common one after a reorganisation


def encode_custody(record: CustodyRecord) -> bytes:
    """The 177 bytes of a custody record, in signing order."""
    return b"".join(
        (
            record.consignment,
            bytes((record.kind,)),
            record.party,
            record.previous,
            record.subject,
            record.details,
            record.counterpart,
            record.observed_at.to_bytes(8, "big"),
            record.expires_at.to_bytes(8, "big"),
        )
    )


def decode_custody(body: bytes) -> CustodyRecord:
    """The custody record of 177 bytes written by `encode_custody`."""
    return CustodyRecord(
        consignment=body[0:32],
        kind=body[32],
        party=body[33:49],
        previous=body[49:81],
        subject=body[81:113],
        details=body[113:145],
        counterpart=body[145:161],
        observed_at=int.from_bytes(body[161:169], "big"),
        expires_at=int.from_bytes(body[169:177], "big"),
    )


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


class Session:
    """One transaction's view of the database.

    Rows of a batch are gathered and written together, before the next statement of another kind or the commit: a
    statement of its own for each costs more than all else that is done for it.

    Args:
        connection: On which the transaction is.
        vault: What seals and opens documents and keys; without it they can't be read or written.
    """

    def __init__(self, connection: Connection, vault: Vault | None = None) -> None:
        self._plain_connection = connection
        self._gathered: dict[tuple[Table, bool], list[dict[str, Any]]] = {}
        self._vault = vault

    @property
    def _connection(self) -> Connection:
        """The connection, with all that was gathered written."""
        if self._gathered:
            self.flush()
        return self._plain_connection

    def _gather(self, table: Table, rows: Iterable[dict[str, Any]], *, once: bool = False) -> None:
        """Insert rows with the next statement; `once` leaves alone what is there already."""
        self._gathered.setdefault((table, once), []).extend(rows)

    def flush(self) -> None:
        """Write what was gathered."""
        gathered, self._gathered = self._gathered, {}
        for (table, once), rows in gathered.items():
            self._insert_many(table, rows, once=once)

    def _insert_many(self, table: Table, rows: Sequence[Mapping[str, Any]], *, once: bool = False) -> None:
        """Insert rows of the same columns by the driver itself: the framework takes as long for each as the database."""
        dialect = self._plain_connection.dialect.name
        statement, columns = _bulk_insert(table, once, tuple(rows[0]), dialect)
        values: list[Any] = list(rows) if columns is None else list(map(itemgetter(*columns), rows))
        self._plain_connection.exec_driver_sql(statement, values)

    def _one(self, query: Select[Any]) -> Row[Any] | None:
        return self._connection.execute(query).first()

    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._connection.execute(query).all()

    def _pairs(self, query: Select[Any]) -> list[tuple[Any, Any]]:
        return [cast(tuple[Any, Any], tuple(row)) for row in self._all(query)]

    def _number(self, query: Select[Any]) -> int:
        return int(self._connection.execute(query).scalar() or 0)

    def version(self) -> str | None:
        """The version of the tables, or None where there are none."""
        return migrations.version(self._connection)

    def create_tables(self) -> None:
        """Make the tables, if another process has not.

        Raises:
            StoreError: There are tables by our names that this program did not make.
        """
        if self.version() is not None:
            return
        if migrations.has_tables(self._connection):
            raise StoreError(
                "This database has tables by our names and no version: this program did not make them. Name an empty one."
            )
        migrations.upgrade(self._connection)

    # --- whole tables, for who checks all of them

    def every(self, table: Table, *order: Column[Any], **equal: Any) -> Iterator[Row[Any]]:
        """All rows of a table in an order, or those whose columns equal some values; a few at a time."""
        query = (
            select(table).where(*(table.c[name] == value for name, value in equal.items())).order_by(*order)
        )
        options = {"yield_per": _ROWS_AT_A_TIME}
        with self._connection.execute(query, execution_options=options) as rows:
            yield from rows

    def first(self, table: Table, **equal: Any) -> Row[Any] | None:
        """A row of a table whose columns equal some values, or None."""
        return self._one(
            select(table).where(*(table.c[name] == value for name, value in equal.items())).limit(1)
        )

    def sizes(self) -> dict[str, int]:
        """How many rows each table has."""
        query = select(func.count())
        return {table.name: self._number(query.select_from(table)) for table in t.METADATA.sorted_tables}

    def damage(self) -> list[str]:
        """What the database itself finds wrong with its file, in its words; PostgreSQL is not asked."""
        if self._connection.dialect.name != "sqlite":
            return []
        found = [row[0] for row in self._connection.exec_driver_sql("PRAGMA integrity_check(100)")]
        return [] if found == ["ok"] else found

    def put_right(self, table: Table, key: Mapping[str, Any], row: Mapping[str, Any] | None) -> None:
        """Put one row in the place of what stands under a key; without a row, nothing stands there afterwards."""
        columns = (table.c[name] == value for name, value in key.items())
        self._connection.execute(delete(table).where(*columns))
        if row is not None:
            self._connection.execute(insert(table).values(**row))

    # --- identity

    def identity(self) -> dict[str, str]:
        """What this database belongs to."""
        return {row.name: row.value for row in self._all(select(t.identity))}

    def set_identity(self, values: Mapping[str, str]) -> None:
        """Write identity values, replacing those of the same name."""
        self._connection.execute(delete(t.identity).where(t.identity.c.name.in_(list(values))))
        self._connection.execute(insert(t.identity), [{"name": k, "value": v} for k, v in values.items()])

    def remove_identity(self, name: str) -> None:
        """Take an identity value away."""
        self._connection.execute(delete(t.identity).where(t.identity.c.name == name))

    def violation(self) -> str | None:
        """What rule of every honest chain was broken, in a sentence; None if none is."""
        return self.identity().get("chain_violation")

    def set_violation(self, sentence: str | None) -> None:
        """Note that the chain broke a rule, or that it no longer does."""
        self.remove_identity("chain_violation")
        if sentence is not None:
            self._connection.execute(insert(t.identity).values(name="chain_violation", value=sentence))

    # --- the log's counters

    def log(self) -> Row[Any]:
        """Epoch, next index and the size of the tree."""
        row = self._one(select(t.log))
        if row is None:
            raise StoreError("The database has no log row: it was not created whole. Create it again.")
        return row

    def own_administration(self) -> bytes | None:
        """The 8 bytes of the administration whose database this is; None before it is anybody's."""
        code = self.identity().get("administration")
        return None if code is None else code.encode().ljust(8, b"\0")

    def begin_epoch(self, epoch: int) -> None:
        """Start giving out indexes of an epoch from 0."""
        self._connection.execute(delete(t.log))
        self._connection.execute(
            insert(t.log).values(id=1, epoch=epoch, next_index=0, sequenced=0, foreign_from=None)
        )

    def set_next_index(self, next_index: int) -> None:
        """Note the index that the next leaf gets."""
        self._connection.execute(update(t.log).values(next_index=next_index))

    def set_sequenced(self, size: int) -> None:
        """Note how many leaves the tree has."""
        self._connection.execute(update(t.log).values(sequenced=size))

    def set_foreign_from(self, size: int | None) -> None:
        """Note from which size on the epoch's heads on chain are not of this tree; None means that all are."""
        self._connection.execute(update(t.log).values(foreign_from=size))

    # --- manifests

    def add_manifests(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert accepted manifest records."""
        if rows:
            self._gather(t.manifests, map(dict, rows))

    def known_among(
        self,
        digests: Iterable[bytes],
        manifest_ids: Iterable[bytes],
        consignments: Iterable[bytes],
        references: Iterable[str],
    ) -> set[bytes | str]:
        """Which of these record digests, manifest ids, consignments and trade references are here already."""
        found: set[bytes | str] = set()
        for column, values in (
            (t.manifests.c.digest, [*digests]),
            (t.manifests.c.manifest_id, [*manifest_ids]),
            (t.consignments.c.consignment, [*consignments]),
        ):
            found |= self._present(column, values)
        terms = {self._require_vault().term(REFERENCE, reference): reference for reference in references}
        return found | {terms[term] for term in self._present(t.consignments.c.reference, [*terms])}

    def _present(self, column: Column[Any], values: list[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for some in _some_at_a_time(values):
            found |= {row[0] for row in self._all(select(column).where(column.in_(some)))}
        return found

    def manifest(self, key: bytes) -> Row[Any] | None:
        """The manifest record of a manifest id or of a record digest."""
        return self.manifest_of_id(key) or self.manifest_of_digest(key)

    def manifest_of_id(self, manifest_id: bytes) -> Row[Any] | None:
        """The record that put a manifest into the log."""
        return self._one(select(t.manifests).where(t.manifests.c.manifest_id == manifest_id))

    def manifest_of_digest(self, digest: bytes) -> Row[Any] | None:
        """The manifest record of a digest."""
        return self._one(select(t.manifests).where(t.manifests.c.digest == digest))

    def manifests_of(self, consignment: bytes) -> Sequence[Row[Any]]:
        """All manifest records for a consignment, oldest first."""
        return self._all(
            select(t.manifests)
            .where(t.manifests.c.consignment == consignment)
            .order_by(t.manifests.c.epoch, t.manifests.c.log_index)
        )

    def manifests_where(
        self,
        *,
        party: bytes | None = None,
        reference: str | None = None,
        container: str | None = None,
        refused: bool | None = None,
        span: tuple[tuple[int, int], tuple[int, int]] | None = None,
        after: bytes | None = None,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Manifest records in log order; each condition that is given narrows.

        Args:
            party: Whose, 16 bytes.
            reference: Whose consignment is known under this trade reference.
            container: Whose consignment is found by this container number.
            refused: Only those whose closing the chain refused, or only the others.
            span: From an (epoch, index) on, up to another, which is excluded.
            after: Behind the one of this digest.
            limit: At most so many.

        Raises:
            NotFound: There is no record of the digest `after`.
        """
        query = select(t.manifests)
        if party is not None:
            query = query.where(t.manifests.c.party == party)
        if reference is not None:
            term = self._require_vault().term(REFERENCE, reference)
            known = select(t.consignments.c.consignment).where(t.consignments.c.reference == term)
            query = query.where(t.manifests.c.consignment.in_(known))
        if container is not None:
            term = self._require_vault().term("container", container)
            found = select(t.search_terms.c.consignment).where(t.search_terms.c.term == term)
            query = query.where(t.manifests.c.consignment.in_(found))
        if refused is not None:
            closing = func.coalesce(t.manifests.c.closing, "")
            query = query.where(closing == "refused" if refused else closing != "refused")
        if span is not None:
            query = query.where(_not_before(*span[0]), ~_not_before(*span[1]))
        if after is not None:
            place = self.manifest(after)
            if place is None:
                raise NotFound("manifest", "0x" + after.hex())
            query = query.where(_not_before(place.epoch, place.log_index + 1))
        return self._all(query.order_by(t.manifests.c.epoch, t.manifests.c.log_index).limit(limit))

    def open_closing_of(self, former: bytes) -> Row[Any] | None:
        """The AMEND or WITHDRAW accepted here that closes a manifest and was not refused."""
        return self._one(
            select(t.manifests).where(t.manifests.c.supersedes == former, t.manifests.c.closing != "refused")
        )

    def leaves(self, epoch: int, first: int, count: int) -> Sequence[Row[Any]]:
        """Leaf data by index."""
        return self._all(
            select(t.manifests.c.log_index, t.manifests.c.leaf)
            .where(
                t.manifests.c.epoch == epoch,
                t.manifests.c.log_index >= first,
                t.manifests.c.log_index < first + count,
            )
            .order_by(t.manifests.c.log_index)
        )

    def manifests_at(self, epoch: int, first: int, end: int) -> Sequence[Row[Any]]:
        """Manifest records by their place in the log: from an index on, up to another, which is excluded."""
        return self._all(
            select(t.manifests)
            .where(
                t.manifests.c.epoch == epoch, t.manifests.c.log_index >= first, t.manifests.c.log_index < end
            )
            .order_by(t.manifests.c.log_index)
        )

    def closings(self, state: str, limit: int) -> Sequence[Row[Any]]:
        """AMEND and WITHDRAW records whose closing is in a state, in log order."""
        return self._all(
            select(t.manifests)
            .where(t.manifests.c.closing == state)
            .order_by(t.manifests.c.epoch, t.manifests.c.log_index)
            .limit(limit)
        )

    def set_closing(
        self, digest: bytes, state: str, transaction_hash: bytes | None, problem: str | None = None
    ) -> None:
        """Move a closing on; that it is refused is told."""
        row = self.manifest_of_digest(digest) if state == "refused" else None
        if row is not None and row.closing != "refused":
            title = json.loads(problem or "{}").get("title")
            self.tell([events.of_manifest("manifest.refused", row, _now(), refusal=title)])
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.digest == digest)
            .values(closing=state, closing_transaction=transaction_hash, problem=problem)
        )

    def reopen_closings(self, transaction_hash: bytes) -> None:
        """A transaction failed: the closing it carried waits again."""
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.closing_transaction == transaction_hash, t.manifests.c.closing == "sent")
            .values(closing="waiting", closing_transaction=None)
        )

    def finish_closings(self, transaction_hash: bytes) -> None:
        """A transaction is final: the closing it carried is done."""
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.closing_transaction == transaction_hash, t.manifests.c.closing == "sent")
            .values(closing="done")
        )

    def waiting_manifests(self) -> int:
        """Leaves accepted and not yet in the tree."""
        row = self.log()
        return int(row.next_index - row.sequenced)

    def move_leaves(self, epoch: int, first: int, new_epoch: int) -> int:
        """Give the leaves of an epoch from an index on the first indexes of the next epoch; returns how many."""
        rows = self._all(
            select(t.manifests.c.digest)
            .where(t.manifests.c.epoch == epoch, t.manifests.c.log_index >= first)
            .order_by(t.manifests.c.log_index)
        )
        for index, row in enumerate(rows):
            self._connection.execute(
                update(t.manifests)
                .where(t.manifests.c.digest == row.digest)
                .values(epoch=new_epoch, log_index=index)
            )
        return len(rows)

    # --- what is sealed: documents, keys, accompanying files

    def _require_vault(self) -> Vault:
        if self._vault is None:
            raise StoreError("The database was opened without its wrapping keys: nothing sealed can be read.")
        return self._vault

    def unlock(self) -> None:
        """Open the key under which terms are looked up; the first time, make it."""
        vault, place = self._require_vault(), Place(INDEX_KEY, b"")
        if self._sealed_row(place) is None:
            self._add_sealed(place, secrets.token_bytes(32))
        index_key = self._open(place)
        assert index_key is not None  # noqa: S101  it is there, or was added
        vault.index_key = index_key

    def take_index_key(self) -> bool:
        """Open the key under which terms are looked up, as `unlock`, but make none; whether it is there.

        Raises:
            ObjectDamaged, WrappingKeyMissing: It does not open.
        """
        key = self._open(Place(INDEX_KEY, b""))
        self._require_vault().index_key = key or b""
        return key is not None

    def _add_sealed(self, place: Place, content: bytes) -> None:
        """Seal an object and keep it, once."""
        sealed = self._require_vault().seal(place, content)
        values = {
            "kind": place.kind,
            "object_id": place.id,
            "root": place.root,
            "version": place.version,
            "wrapping_key": sealed.wrapping_key,
            "data_key": sealed.data_key,
            "body": sealed.body,
        }
        self._gather(t.sealed_objects, [values], once=True)

    def _sealed_row(self, place: Place) -> Row[Any] | None:
        return self._one(
            select(t.sealed_objects).where(
                t.sealed_objects.c.kind == place.kind, t.sealed_objects.c.object_id == place.id
            )
        )

    def _open(self, place: Place) -> bytes | None:
        """The content of an object; its row says the root. None if there is none."""
        row = self._sealed_row(place)
        return None if row is None else self.open_sealed(row, place.version)

    def open_sealed(self, row: Row[Any], version: int) -> bytes:
        """The content of a sealed object's row, of the version that it must have.

        Raises:
            ObjectDamaged: A bit of it was changed, or it is another place's or version.
            WrappingKeyMissing: The key that wraps it is not in the file.
        """
        place = Place(row.kind, row.object_id, row.root, version)
        return self._require_vault().open(place, _sealed(row))

    def _erase_sealed(self, kind: str, object_id: bytes) -> None:
        """Overwrite an object, its data key above all. The row stays, empty.

        Why it is not deleted: SQLite would fill the gap with rows beside it, and leave their bytes behind where they
        were; when one of those is erased later, its data key would still stand there (1 of 400, in a trial).
        """
        self._connection.execute(
            update(t.sealed_objects)
            .where(t.sealed_objects.c.kind == kind, t.sealed_objects.c.object_id == object_id)
            .values(kind=ERASED, object_id=None, root=b"", version=0, wrapping_key="", data_key=b"", body=b"")
        )

    def sealed_after(
        self, position: int, limit: int, not_wrapped_by: str | None = None
    ) -> Sequence[Row[Any]]:
        """Sealed objects behind a position, in order; all, or those that another key than one wraps."""
        query = select(t.sealed_objects).where(
            t.sealed_objects.c.position > position, t.sealed_objects.c.kind != ERASED
        )
        if not_wrapped_by is not None:
            query = query.where(t.sealed_objects.c.wrapping_key != not_wrapped_by)
        return self._all(query.order_by(t.sealed_objects.c.position).limit(limit))

    def sealed_by_key(self) -> dict[str, int]:
        """How many objects each wrapping key wraps."""
        name = t.sealed_objects.c.wrapping_key
        query = select(name, func.count().label("objects")).where(t.sealed_objects.c.kind != ERASED)
        return {row.wrapping_key: row.objects for row in self._all(query.group_by(name).order_by(name))}

    def rewrap(self, row: Row[Any]) -> None:
        """Wrap a sealed object's data key by the newest wrapping key."""
        place = Place(row.kind, row.object_id, row.root, row.version)
        sealed = self._require_vault().rewrap(place, _sealed(row))
        self._connection.execute(
            update(t.sealed_objects)
            .where(t.sealed_objects.c.position == row.position, t.sealed_objects.c.data_key == row.data_key)
            .values(wrapping_key=sealed.wrapping_key, data_key=sealed.data_key)
        )

    # --- documents and what is known of consignments

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
        for some in _some_at_a_time(sorted(set(digests))):
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

    def records_of_manifests(self, manifest_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The digests of the records that put some manifests into the log, by manifest id."""
        found: dict[bytes, bytes] = {}
        for some in _some_at_a_time(manifest_ids):
            query = select(t.manifests.c.manifest_id, t.manifests.c.digest).where(
                t.manifests.c.manifest_id.in_(some)
            )
            found.update((row.manifest_id, row.digest) for row in self._all(query))
        return found

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

    # --- erasure

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
        statement = _insert_once(t.loaders, self._plain_connection.dialect.name)
        self._connection.execute(statement.values(consignment=consignment, party=party))

    def loaders_of(self, consignment: bytes) -> frozenset[bytes]:
        """The parties that loaded a consignment's accompanying file."""
        query = select(t.loaders.c.party).where(t.loaders.c.consignment == consignment)
        return frozenset(row.party for row in self._all(query))

    # --- webhooks

    @property
    def feed_rows(self) -> FeedRows:
        """What is kept of the feed."""
        return FeedRows(self._connection)

    @property
    def webhooks(self) -> WebhookRows:
        """The rows of webhooks; their URLs and secrets are sealed here."""
        return WebhookRows(self._connection)

    def seal_webhook(self, kind: str, object_id: bytes, content: bytes) -> None:
        """Keep a webhook's URL, or one of its secrets, sealed under its id."""
        self._add_sealed(Place(kind, object_id), content)

    def unseal_webhook(self, kind: str, object_id: bytes) -> bytes:
        """What was sealed so.

        Raises:
            ObjectDamaged: It is not there, or not as it was.
        """
        content = self._open(Place(kind, object_id))
        if content is None:
            raise ObjectDamaged(kind, object_id)
        return content

    def erase_webhook(self, kind: str, object_id: bytes) -> None:
        """Erase what was sealed so."""
        self._erase_sealed(kind, object_id)

    # --- who reads

    def spend_challenge(self, nonce: str, expires_at: int, now: int) -> bool:
        """Note that a challenge was used; False if it was before. Those that have expired are forgotten."""
        self._connection.execute(delete(t.spent_challenges).where(t.spent_challenges.c.expires_at <= now))
        if self._one(select(t.spent_challenges).where(t.spent_challenges.c.nonce == nonce)) is not None:
            return False
        self._connection.execute(insert(t.spent_challenges).values(nonce=nonce, expires_at=expires_at))
        return True

    def add_session(self, token: bytes, account: bytes, expires_at: int, now: int, most: int) -> None:
        """Keep a session by the SHA-256 of its token; expired ones go, and an account's oldest above so many."""
        self._connection.execute(delete(t.sessions).where(t.sessions.c.expires_at <= now))
        mine = (
            select(t.sessions.c.token)
            .where(t.sessions.c.account == account)
            .order_by(t.sessions.c.expires_at.desc())
            .offset(most - 1)
            .limit(most)
        )
        for row in self._all(mine):
            self.end_session(row.token)
        self._connection.execute(
            insert(t.sessions).values(token=token, account=account, expires_at=expires_at)
        )

    def session_of(self, token: bytes) -> Row[Any] | None:
        """The session of a token's SHA-256."""
        return self._one(select(t.sessions).where(t.sessions.c.token == token))

    def end_session(self, token: bytes) -> None:
        """Revoke a session."""
        self._connection.execute(delete(t.sessions).where(t.sessions.c.token == token))

    # --- custody records accepted here

    def add_custody(self, row: Mapping[str, Any]) -> None:
        """Insert an accepted custody record."""
        self._connection.execute(insert(t.custody).values(**row))

    def custody(self, digest: bytes) -> Row[Any] | None:
        """The custody record accepted here of a digest."""
        return self._one(select(t.custody).where(t.custody.c.digest == digest))

    def custody_in(self, state: str, limit: int) -> Sequence[Row[Any]]:
        """Custody records in a state, in the order they are to be sent."""
        return self._all(
            select(t.custody).where(t.custody.c.state == state).order_by(t.custody.c.position).limit(limit)
        )

    def custody_of_transaction(self, transaction_hash: bytes) -> Sequence[Row[Any]]:
        """The custody records that a transaction carries, in order."""
        return self._all(
            select(t.custody)
            .where(t.custody.c.transaction_hash == transaction_hash)
            .order_by(t.custody.c.position)
        )

    def unfinished_custody(self, consignments: Sequence[bytes]) -> Sequence[Row[Any]]:
        """Records accepted here for consignments, neither refused nor on chain as far as is indexed, in order."""
        on_chain = (
            select(t.chain_custody.c.digest).where(t.chain_custody.c.digest == t.custody.c.digest).exists()
        )
        found: dict[int, Row[Any]] = {}
        for some in _some_at_a_time(consignments):
            query = select(t.custody).where(
                or_(t.custody.c.consignment.in_(some), t.custody.c.second.in_(some)),
                t.custody.c.state.in_(("waiting", "sent")),
                ~on_chain,
            )
            found.update((row.position, row) for row in self._all(query))
        return [row for _, row in sorted(found.items())]

    def custody_accepted_for(self, consignment: bytes) -> Sequence[Row[Any]]:
        """All records accepted here for a consignment, in order."""
        return self._all(
            select(t.custody).where(t.custody.c.consignment == consignment).order_by(t.custody.c.position)
        )

    def set_custody(
        self, digest: bytes, state: str, transaction_hash: bytes | None, problem: str | None = None
    ) -> None:
        """Move a custody record on; that it is refused is told."""
        row = self.custody(digest) if state == "refused" else None
        if row is not None and row.state != "refused":
            record, refusal = decode_custody(row.body), json.loads(problem or "{}").get("refusal")
            self.tell(
                [events.of_custody("record.refused", record, digest, _now(), row.second, refusal=refusal)]
            )
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.digest == digest)
            .values(state=state, transaction_hash=transaction_hash, problem=problem)
        )

    def count_revert(self, digest: bytes) -> None:
        """A transaction with this custody record reverted."""
        self._connection.execute(
            update(t.custody).where(t.custody.c.digest == digest).values(reverts=t.custody.c.reverts + 1)
        )

    def chain_custody_among(self, digests: Sequence[bytes]) -> dict[bytes, int]:
        """The block of each of some records that the chain has taken, by digest."""
        query = select(t.chain_custody.c.digest, t.chain_custody.c.block_number)
        return {
            row.digest: row.block_number
            for some in _some_at_a_time(digests)
            for row in self._all(query.where(t.chain_custody.c.digest.in_(some)))
        }

    def links(self, consignments: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
        """Pairs of consignments, one of them among these, that a record on chain or on its way connects."""
        found: list[tuple[bytes, bytes]] = []
        for some in _some_at_a_time(consignments):
            for first, second, *more in (
                (t.chain_custody.c.consignment, t.chain_custody.c.other),
                (t.custody.c.consignment, t.custody.c.second, t.custody.c.state.in_(("waiting", "sent"))),
            ):
                query = select(first, second).where(second.is_not(None), *more).distinct()
                found += self._pairs(query.where(or_(first.in_(some), second.in_(some))))
        return found

    def custody_carriers(self, consignments: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
        """Consignments among these with a custody record in a transaction that is not final, and its account."""
        sent = and_(
            t.custody.c.transaction_hash == t.transactions.c.hash,
            t.custody.c.state == "sent",
        )
        found: list[tuple[bytes, bytes]] = []
        for some in _some_at_a_time(consignments):
            for column in (t.custody.c.consignment, t.custody.c.second):
                query = select(column, t.transactions.c.account).where(sent, column.in_(some)).distinct()
                found += self._pairs(query)
        return found

    def closing_carriers(self, consignments: Sequence[bytes]) -> Sequence[tuple[bytes, bytes]]:
        """Consignments among these with a closing in a transaction that is not final, and its account."""
        query = select(t.manifests.c.consignment, t.transactions.c.account).where(
            t.manifests.c.closing_transaction == t.transactions.c.hash,
            t.manifests.c.closing == "sent",
            t.manifests.c.consignment.in_(consignments),
        )
        return self._pairs(query)

    def is_behind_another(self, record: Row[Any]) -> bool:
        """Whether a record accepted earlier for the same consignment waits to be sent."""
        query = select(t.custody.c.position).where(
            t.custody.c.consignment == record.consignment,
            t.custody.c.state == "waiting",
            t.custody.c.position < record.position,
        )
        return self._one(query.limit(1)) is not None

    def refusals(self) -> Sequence[tuple[str, int]]:
        """Problems of refused custody records and closings, with how many have each."""
        found: list[tuple[str, int]] = []
        for column, refused in (
            (t.custody.c.problem, t.custody.c.state == "refused"),
            (t.manifests.c.problem, t.manifests.c.closing == "refused"),
        ):
            query = select(column, func.count()).where(refused, column.is_not(None)).group_by(column)
            found += self._pairs(query)
        return found

    def custody_positions(self) -> tuple[int, int] | None:
        """The first position of a custody record that waits, and the last of any; None if none waits."""
        first = self._one(
            select(t.custody.c.position)
            .where(t.custody.c.state == "waiting")
            .order_by(t.custody.c.position)
            .limit(1)
        )
        return (
            None if first is None else (first.position, self._number(select(func.max(t.custody.c.position))))
        )

    def retell(self, transaction_hash: bytes) -> None:
        """A transaction is not mined after all: what the chain refused in it is on its way again."""
        for row in self.custody_of_transaction(transaction_hash):
            if row.state == "refused":
                self.take_back("record.refused", row.digest)
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.transaction_hash == transaction_hash, t.custody.c.state == "refused")
            .values(state="sent", problem=None)
        )

    def waiting_custody(self) -> int:
        """Custody records accepted and not yet in a transaction."""
        return self._number(select(func.count()).select_from(t.custody).where(t.custody.c.state == "waiting"))

    def oldest_unsent(self, epoch: int, anchored: int) -> int | None:
        """When the oldest of what has not come on chain was accepted, Unix seconds; None if nothing waits.

        Args:
            epoch: The log's epoch.
            anchored: Its leaves that are anchored.
        """
        queries = [
            select(t.manifests.c.accepted_at).where(
                t.manifests.c.epoch == epoch, t.manifests.c.log_index == anchored
            ),
            *(
                select(t.custody.c.accepted_at)
                .where(t.custody.c.state == state)
                .order_by(t.custody.c.position)
                .limit(1)
                for state in ("waiting", "sent")
            ),
            *(
                select(func.min(t.manifests.c.accepted_at)).where(t.manifests.c.closing == state)
                for state in ("waiting", "sent")
            ),
        ]
        found = [self._connection.execute(query).scalar() for query in queries]
        return min((int(when) for when in found if when is not None), default=None)

    def waiting_custody_at_most(self, most: int) -> int:
        """Custody records accepted and not yet in a transaction; not counted one by one where they can't be so many."""
        positions = self.custody_positions()
        if positions is None:
            return 0
        spread = positions[1] - positions[0] + 1
        return spread if 2 * spread < most else self.waiting_custody()

    # --- the tree

    def add_nodes(self, epoch: int, nodes: Iterable[tuple[tuple[int, int], bytes]]) -> None:
        """Insert complete subtrees: each its (level, position) and hash."""
        rows = [
            {"epoch": epoch, "level": level, "position": position, "hash": node}
            for (level, position), node in nodes
        ]
        if rows:
            self._gather(t.nodes, rows)

    def nodes(self, epoch: int, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Complete subtrees by (level, position); a missing one is a StoreError."""
        # All in one question: a path of a long log has more nodes, and takes no more questions. Written out, since SQLite
        # goes through the whole table for `(level, position) IN …`, and the framework builds a VALUES anew each time.
        mark = "%s" if self._connection.dialect.name == "postgresql" else "?"
        rows = ", ".join([f"({mark}, {mark})"] * len(places))
        query = (
            f"SELECT n.level, n.position, n.hash FROM (VALUES {rows}) AS w "  # noqa: S608  marks, no values
            f"JOIN nodes AS n ON n.epoch = {mark} AND n.level = w.column1 AND n.position = w.column2"
        )
        values = (*(part for place in places for part in place), epoch)
        found: dict[tuple[int, int], bytes] = {}
        if places:
            for level, position, node in self._connection.exec_driver_sql(query, values):
                found[level, position] = node
        for place in places:
            if place not in found:
                raise StoreError(
                    f"The log's node {place[1]} of level {place[0]} is missing; the database is damaged."
                )
        return found

    # --- transactions

    def add_transaction(self, row: Mapping[str, Any]) -> None:
        """Note a signed transaction, before it is sent."""
        self._connection.execute(insert(t.transactions).values(**row))

    def transactions_in(self, *states: str) -> Sequence[Row[Any]]:
        """Transactions in some states, by account, nonce and version."""
        return self._all(
            select(t.transactions)
            .where(t.transactions.c.state.in_(states))
            .order_by(t.transactions.c.account, t.transactions.c.nonce, t.transactions.c.version)
        )

    def in_flight(self, purpose: str, account: bytes) -> int:
        """How many nonces of an account are sent for a purpose and not known to be mined."""
        query = select(func.count(t.transactions.c.nonce.distinct())).where(
            t.transactions.c.purpose == purpose,
            t.transactions.c.account == account,
            t.transactions.c.state == "sent",
        )
        return self._number(query)

    def transaction_states(self) -> dict[str, int]:
        """How many transactions are in each state."""
        query = select(t.transactions.c.state, func.count()).group_by(t.transactions.c.state)
        return dict(self._pairs(query))

    def last_mined(self, account: bytes) -> int:
        """The newest block that is known to hold a transaction of an account; 0 if none."""
        return self._number(
            select(func.max(t.transactions.c.mined_in)).where(t.transactions.c.account == account)
        )

    def has_nonce(self, account: bytes, nonce: int) -> bool:
        """Whether a transaction of ours holds a nonce, whatever became of it."""
        query = select(t.transactions.c.hash).where(_of_nonce(account, nonce))
        return self._one(query.limit(1)) is not None

    def carry_by(self, account: bytes, nonce: int, transaction_hash: bytes) -> None:
        """What any version of a nonce carries is carried by this one."""
        versions = select(t.transactions.c.hash).where(_of_nonce(account, nonce))
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.transaction_hash.in_(versions), t.custody.c.state == "sent")
            .values(transaction_hash=transaction_hash)
        )
        self._connection.execute(
            update(t.manifests)
            .where(t.manifests.c.closing_transaction.in_(versions), t.manifests.c.closing == "sent")
            .values(closing_transaction=transaction_hash)
        )

    def outrun(self, row: Row[Any]) -> None:
        """This version was mined: it carries what any of its nonce did, and the others never will be mined."""
        self.carry_by(row.account, row.nonce, row.hash)
        self._connection.execute(
            update(t.transactions)
            .where(
                _of_nonce(row.account, row.nonce),
                t.transactions.c.hash != row.hash,
                t.transactions.c.state == "sent",
            )
            .values(state="outrun")
        )

    def unmine(self, row: Row[Any]) -> None:
        """The block of this version is gone: any version of its nonce may be mined again."""
        self._connection.execute(
            update(t.transactions)
            .where(
                _of_nonce(row.account, row.nonce),
                t.transactions.c.state.in_(("mined", "outrun")),
            )
            .values(state="sent", mined_in=None)
        )
        self.retell(row.hash)

    def highest_nonce(self, account: bytes) -> int | None:
        """The highest nonce that a transaction of ours holds, or None."""
        query = select(func.max(t.transactions.c.nonce)).where(t.transactions.c.account == account)
        value = self._connection.execute(query).scalar()
        return None if value is None else int(value)

    def set_transaction(self, transaction_hash: bytes, state: str, mined_in: int | None) -> None:
        """Move a transaction on."""
        self._connection.execute(
            update(t.transactions)
            .where(t.transactions.c.hash == transaction_hash)
            .values(state=state, mined_in=mined_in)
        )

    def reopen_transactions(self, account: bytes, nonce: int) -> int:
        """Transactions from a nonce on that were thought final are not mined after all: send them again."""
        rows = self._all(
            select(t.transactions.c.hash).where(
                t.transactions.c.account == account,
                t.transactions.c.nonce >= nonce,
                t.transactions.c.state.in_(("final", "failed", "replaced", "outrun")),
            )
        )
        for row in rows:
            self.set_transaction(row.hash, "sent", None)
            self.retell(row.hash)
            self._connection.execute(
                update(t.custody)
                .where(t.custody.c.transaction_hash == row.hash)
                .values(state="sent", problem=None)
            )
            self._connection.execute(
                update(t.manifests)
                .where(t.manifests.c.closing_transaction == row.hash)
                .values(closing="sent", problem=None)
            )
        return len(rows)

    # --- the chain

    def cursor(self) -> Row[Any] | None:
        """The newest indexed block."""
        return self._one(select(t.blocks).order_by(t.blocks.c.number.desc()).limit(1))

    def block(self, number: int) -> Row[Any] | None:
        """An indexed block, if its hash is still kept."""
        return self._one(select(t.blocks).where(t.blocks.c.number == number))

    def oldest_block(self) -> int:
        """The number of the oldest block whose hash is kept."""
        return self._number(select(func.min(t.blocks.c.number)))

    def add_block(self, number: int, block_hash: bytes, timestamp: int) -> None:
        """Move the cursor to a block."""
        self._connection.execute(insert(t.blocks).values(number=number, hash=block_hash, timestamp=timestamp))
        if number % 256 == 0:
            self._connection.execute(delete(t.blocks).where(t.blocks.c.number < number - KEPT_BLOCKS))

    def rewind(self, number: int) -> None:
        """Forget everything that derives from blocks above a number."""
        for table in t.DERIVED:
            self._connection.execute(delete(table).where(table.c.block_number > number))
        self._take_back(t.feed.c.block_number > number)
        self._connection.execute(
            update(t.feed_state).where(t.feed_state.c.final_block > number).values(final_block=number)
        )
        self._connection.execute(delete(t.blocks).where(t.blocks.c.number > number))
        rewinds = int(self.identity().get("rewinds", "0")) + 1
        self.set_identity({"rewinds": str(rewinds)})

    def last_sequence(self, contract: str) -> int:
        """The last event sequence of a contract that is indexed."""
        return self._number(
            select(func.max(t.chain_events.c.sequence)).where(t.chain_events.c.contract == contract)
        )

    def last_custody_sequence(self) -> int:
        """The last sequence of ConsignmentLedger that is indexed: a record taken or refused, or an unknown event."""
        return max(
            self._number(select(func.max(t.chain_custody.c.sequence))),
            self._number(select(func.max(t.chain_refusals.c.sequence))),
            self.last_sequence("ConsignmentLedger"),
        )

    def last_place(self, contract: str) -> int | None:
        """The block of a contract's last event that is indexed, or None."""
        tables = [t.chain_events]
        if contract == "ConsignmentLedger":
            tables += [t.chain_custody, t.chain_refusals]
        found = []
        for table in tables:
            query = select(func.max(table.c.block_number))
            if table is t.chain_events:
                query = query.where(t.chain_events.c.contract == contract)
            found.append(self._connection.execute(query).scalar())
        return max((int(number) for number in found if number is not None), default=None)

    def unknown_events(self) -> Sequence[Row[Any]]:
        """Events of a version that the indexer did not know: contract, arguments and block, oldest first."""
        return self._all(
            select(t.chain_events)
            .where(t.chain_events.c.name == UNKNOWN)
            .order_by(t.chain_events.c.block_number)
        )

    def restarts(self, administration: bytes, block: int) -> int:
        """How often an administration's log was restarted, up to a block."""
        query = select(t.chain_events.c.arguments).where(
            t.chain_events.c.contract == "ManifestLog",
            t.chain_events.c.name == "LogRestarted",
            t.chain_events.c.block_number <= block,
        )
        code = "0x" + administration.hex()
        return sum(json.loads(row.arguments)["administration"] == code for row in self._all(query))

    def add_event(self, row: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        """Insert an event's row; bytes among its arguments become hex."""
        self._connection.execute(
            insert(t.chain_events).values(**row, arguments=json.dumps(arguments, default=_json_bytes))
        )

    def events_of(
        self, contract: str, after: int, name: str | None = None
    ) -> Sequence[tuple[int, str, dict[str, Any]]]:
        """Events of a contract after a sequence, of all names or one: sequence, name, arguments with bytes as hex."""
        query = (
            select(t.chain_events.c.sequence, t.chain_events.c.name, t.chain_events.c.arguments)
            .where(t.chain_events.c.contract == contract, t.chain_events.c.sequence > after)
            .order_by(t.chain_events.c.sequence)
        )
        if name is not None:
            query = query.where(t.chain_events.c.name == name)
        return [(row.sequence, row.name, json.loads(row.arguments)) for row in self._all(query)]

    def add_chain_custody(self, row: Mapping[str, Any]) -> None:
        """Insert a custody record that the chain took."""
        self._connection.execute(insert(t.chain_custody).values(**row))

    def add_chain_refusal(self, row: Mapping[str, Any]) -> None:
        """Insert a refusal that the chain spoke."""
        self._connection.execute(insert(t.chain_refusals).values(**row))

    def add_chain_head(self, row: Mapping[str, Any]) -> None:
        """Insert a tree head that the chain took."""
        self._connection.execute(insert(t.chain_heads).values(**row))

    def add_chain_closure(self, row: Mapping[str, Any]) -> None:
        """Insert a closure that the chain took."""
        self._connection.execute(insert(t.chain_closures).values(**row))

    def chain_custody_of(self, consignments: Sequence[bytes]) -> Sequence[Row[Any]]:
        """Records on chain that extend the trail of any of the consignments, in the chain's order."""
        found: dict[int, Row[Any]] = {}
        for some in _some_at_a_time(consignments):
            query = select(t.chain_custody).where(
                or_(t.chain_custody.c.consignment.in_(some), t.chain_custody.c.other.in_(some))
            )
            found.update((row.sequence, row) for row in self._all(query))
        return [row for _, row in sorted(found.items())]

    def opening_of(self, consignment: bytes) -> Row[Any] | None:
        """The record on chain that opened a consignment."""
        return self._one(
            select(t.chain_custody)
            .where(t.chain_custody.c.consignment == consignment)
            .order_by(t.chain_custody.c.sequence)
            .limit(1)
        )

    def chain_custody_by_digest(self, digest: bytes) -> Row[Any] | None:
        """The record on chain of a digest."""
        return self._one(select(t.chain_custody).where(t.chain_custody.c.digest == digest))

    def chain_refusal(self, digest: bytes, transaction_hash: bytes) -> Row[Any] | None:
        """What the chain said of a digest in a transaction of our own."""
        return self._one(
            select(t.chain_refusals).where(
                t.chain_refusals.c.digest == digest, t.chain_refusals.c.transaction_hash == transaction_hash
            )
        )

    def derived(self, what: str, through: int) -> Iterator[Row[Any]]:
        """What was indexed of the chain up to a block: every `record`, `refusal`, `head` or `closure`, a few at a time."""
        table = {
            "record": t.chain_custody,
            "refusal": t.chain_refusals,
            "head": t.chain_heads,
            "closure": t.chain_closures,
        }[what]
        query = select(table).where(table.c.block_number <= through)
        yield from self._connection.execution_options(yield_per=_IDS_AT_A_TIME).execute(query)

    def closure(self, former: bytes) -> Row[Any] | None:
        """The closure of a manifest on chain."""
        return self._one(select(t.chain_closures).where(t.chain_closures.c.former == former))

    def first_head_over(self, administration: bytes, epoch: int, index: int) -> Row[Any] | None:
        """The first anchored head that covers an index."""
        return self._one(
            select(t.chain_heads)
            .where(
                t.chain_heads.c.administration == administration,
                t.chain_heads.c.epoch == epoch,
                t.chain_heads.c.size > index,
            )
            .order_by(t.chain_heads.c.size)
            .limit(1)
        )

    def newest_head(self, administration: bytes, epoch: int | None = None) -> Row[Any] | None:
        """The newest anchored head of an administration, of an epoch or of the last one with a head."""
        query = select(t.chain_heads).where(t.chain_heads.c.administration == administration)
        if epoch is not None:
            query = query.where(t.chain_heads.c.epoch == epoch)
        return self._one(query.order_by(t.chain_heads.c.epoch.desc(), t.chain_heads.c.size.desc()).limit(1))

    def largest_head(
        self, administration: bytes, epoch: int, *, below: int | None = None, block: int | None = None
    ) -> Row[Any] | None:
        """The largest anchored head of an epoch below a size, up to a block."""
        query = select(t.chain_heads).where(
            t.chain_heads.c.administration == administration, t.chain_heads.c.epoch == epoch
        )
        if below is not None:
            query = query.where(t.chain_heads.c.size < below)
        if block is not None:
            query = query.where(t.chain_heads.c.block_number <= block)
        return self._one(query.order_by(t.chain_heads.c.size.desc()).limit(1))

    def head_of_size(self, administration: bytes, epoch: int, size: int) -> Row[Any] | None:
        """An anchored head by its size."""
        return self._one(
            select(t.chain_heads).where(
                t.chain_heads.c.administration == administration,
                t.chain_heads.c.epoch == epoch,
                t.chain_heads.c.size == size,
            )
        )

    # --- what an auditor asks of it

    def chain_custody_after(
        self, sequence: int, limit: int, *, kind: int | None = None, signer: bytes | None = None
    ) -> Sequence[Row[Any]]:
        """Records on chain after a sequence, of a kind, by a signer, or all; so many at most, in order."""
        query = select(t.chain_custody).where(t.chain_custody.c.sequence > sequence)
        if kind is not None:
            query = query.where(t.chain_custody.c.kind == kind)
        if signer is not None:
            query = query.where(t.chain_custody.c.signer == signer)
        return self._all(query.order_by(t.chain_custody.c.sequence).limit(limit))

    def chain_custody_about(self, consignments: Sequence[bytes], limit: int) -> Sequence[Row[Any]]:
        """Records on chain that extend the trail of any of some consignments; so many at most, in no order."""
        found: list[Row[Any]] = []
        for some in _some_at_a_time(consignments):
            about = or_(t.chain_custody.c.consignment.in_(some), t.chain_custody.c.other.in_(some))
            found += self._all(select(t.chain_custody).where(about).limit(limit - len(found)))
            if len(found) >= limit:
                break
        return found

    def closures_after(
        self, sequence: int, limit: int, *, consignment: bytes | None = None
    ) -> Sequence[Row[Any]]:
        """Closures on chain after a sequence, of a consignment or all; so many at most, in order."""
        query = select(t.chain_closures).where(t.chain_closures.c.sequence > sequence)
        if consignment is not None:
            query = query.where(t.chain_closures.c.consignment == consignment)
        return self._all(query.order_by(t.chain_closures.c.sequence).limit(limit))

    def chain_events_of(self, contract: str) -> Sequence[Row[Any]]:
        """Every event of a contract, in order; of ConsignmentLedger none that is known."""
        query = select(t.chain_events).where(t.chain_events.c.contract == contract)
        return self._all(query.order_by(t.chain_events.c.sequence))

    def carried_by(self, contract: str, sequences: Sequence[int]) -> dict[int, tuple[bytes, bytes | None]]:
        """The transactions that some events stand in, by sequence, and the signatures of the records they carry."""
        found: dict[int, tuple[bytes, bytes | None]] = {}
        for first in range(0, len(sequences), _IDS_AT_A_TIME):
            some = sequences[first : first + _IDS_AT_A_TIME]
            if contract == "ConsignmentLedger":
                for row in self._all(select(t.chain_custody).where(t.chain_custody.c.sequence.in_(some))):
                    found[row.sequence] = row.transaction_hash, row.signature
                continue
            events_of = select(t.chain_events).where(
                t.chain_events.c.contract == contract, t.chain_events.c.sequence.in_(some)
            )
            found.update((row.sequence, (row.transaction_hash, None)) for row in self._all(events_of))
            if contract == "ManifestLog":
                for row in self._all(select(t.chain_closures).where(t.chain_closures.c.sequence.in_(some))):
                    found[row.sequence] = row.transaction_hash, row.signature
        return found

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

    # --- what is told to others

    def tell(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Append to the feed, in order: rows without `id`, `facts` as a mapping.

        The row of the last id stays locked until the commit, so that ids are in the order of commits: whoever has
        read up to an id has missed none below it.
        """
        if not events:
            return
        state = t.feed_state
        last = self._connection.execute(
            update(state).values(last_id=state.c.last_id + len(events)).returning(state.c.last_id)
        ).scalar()
        if last is None:
            last = len(events)
            self._connection.execute(insert(state).values(id=1, last_id=last, final_block=-1))
        first = int(last) - len(events) + 1
        self._gather(
            t.feed,
            [
                {"reverts": None, **event, "id": first + place, "facts": _in_json(event["facts"])}
                for place, event in enumerate(events)
            ],
        )

    def take_back(self, kind: str, subject: bytes) -> None:
        """Tell that what was told of a subject under a kind, and not taken back since, is not so after all."""
        reversal = t.feed.alias()
        self._take_back(
            and_(
                t.feed.c.subject == subject,
                t.feed.c.kind == kind,
                ~select(reversal.c.id)
                .where(reversal.c.subject == subject, reversal.c.reverts == t.feed.c.id)
                .exists(),
            )
        )

    def _take_back(self, condition: ColumnElement[bool]) -> None:
        """Append the reversal of every event of a condition, the newest first; none of them has a block any more."""
        rows = self._all(select(t.feed).where(condition).order_by(t.feed.c.id.desc()))
        for some in _some_at_a_time([row.id for row in rows]):
            self._connection.execute(update(t.feed).where(t.feed.c.id.in_(some)).values(block_number=None))
        now = _now()
        self.tell(
            [
                dict(row._mapping)
                | {
                    "kind": row.kind + events.REVERTED,
                    "at": now,
                    "facts": json.loads(row.facts),
                    "block_number": None,
                    "reverts": row.id,
                }
                for row in rows
            ]
        )

    def party_enrolled(self, account: bytes) -> bytes | None:
        """For whom an account, 20 bytes, was enrolled: each address is once, ever."""
        query = select(t.chain_events.c.arguments).where(
            t.chain_events.c.name == "AccountEnrolled",
            func.lower(t.chain_events.c.arguments).contains(account.hex()),
        )
        for row in self._all(query):
            told = json.loads(row.arguments)
            if told["account"].lower() == "0x" + account.hex():
                return bytes.fromhex(told["party"][2:])
        return None

    def told_of_blocks(self, after: int, up_to: int) -> Sequence[Row[Any]]:
        """The events that blocks carry, in order: of the blocks above a number, up to another."""
        return self._all(
            select(t.feed)
            .where(t.feed.c.block_number > after, t.feed.c.block_number <= up_to)
            .order_by(t.feed.c.id)
        )

    def told_final(self) -> int:
        """Up to which block it was told what is final; -1 if never."""
        row = self._one(select(t.feed_state.c.final_block))
        return -1 if row is None else int(row.final_block)

    def set_told_final(self, number: int) -> None:
        """Note up to which block it was told what is final."""
        if self._connection.execute(update(t.feed_state).values(final_block=number)).rowcount == 0:
            self._connection.execute(insert(t.feed_state).values(id=1, last_id=0, final_block=number))

    def last_told(self) -> int:
        """The id of the newest event in the feed; 0 if there is none."""
        row = self._one(select(t.feed_state.c.last_id))
        return 0 if row is None else int(row.last_id)

    def feed(
        self,
        after: int,
        up_to: int,
        *,
        kinds: Sequence[str] = (),
        consignment: bytes | None = None,
        administration: bytes | None = None,
    ) -> Sequence[Row[Any]]:
        """Events of the feed in order; each condition that is given narrows.

        Args:
            after: Behind this id.
            up_to: Up to this id.
            kinds: Only those of these kinds, or of what begins so up to a full stop.
            consignment: Only those about this one, first or second.
            administration: Only those of this one, 8 bytes.
        """
        query = select(t.feed).where(t.feed.c.id > after, t.feed.c.id <= up_to)
        if kinds:
            query = query.where(
                or_(*(or_(t.feed.c.kind == kind, t.feed.c.kind.startswith(kind + ".")) for kind in kinds))
            )
        if consignment is not None:
            query = query.where(or_(t.feed.c.consignment == consignment, t.feed.c.second == consignment))
        if administration is not None:
            query = query.where(t.feed.c.administration == administration)
        return self._all(query.order_by(t.feed.c.id))

    def told(self, event_ids: Sequence[int]) -> dict[int, Row[Any]]:
        """Events of the feed by their ids."""
        return {row.id: row for row in self._all(select(t.feed).where(t.feed.c.id.in_(event_ids)))}


@lru_cache(maxsize=64)
def _bulk_insert(
    table: Table, once: bool, columns: tuple[str, ...], dialect: str
) -> tuple[str, tuple[str, ...] | None]:
    """The text of an insert, and the order of its values where the driver takes them by order and not by name."""
    if any(isinstance(table.c[name].type, t.Unsigned64) for name in columns):
        raise TypeError(f"values of {table.name} cannot go to the driver as they are")
    statement = _insert_once(table, dialect) if once else insert(table)
    made = psycopg_dialect.dialect() if dialect == "postgresql" else sqlite.dialect()  # type: ignore[no-untyped-call]
    compiled = statement.compile(dialect=made, column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None


def _insert_once(table: Table, dialect: str) -> Any:
    """An insert that leaves the row alone which is there already."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table).on_conflict_do_nothing()


def _sealed(row: Row[Any]) -> Sealed:
    return Sealed(row.wrapping_key, row.data_key, row.body)


def _not_before(epoch: int, index: int) -> ColumnElement[bool]:
    """That a manifest stands at this place of the log or behind it."""
    return or_(
        t.manifests.c.epoch > epoch,
        and_(t.manifests.c.epoch == epoch, t.manifests.c.log_index >= index),
    )


def _now() -> int:
    return int(time.time())


def _of_nonce(account: bytes, nonce: int) -> ColumnElement[bool]:
    """That a transaction is a version of this nonce."""
    return and_(t.transactions.c.account == account, t.transactions.c.nonce == nonce)


def _some_at_a_time(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(ids), _IDS_AT_A_TIME):
        yield ids[first : first + _IDS_AT_A_TIME]


class Store:
    """An administration's database. Thread-safe.

    Args:
        url: `sqlite:///path`, or `postgresql://user@host:port/name`, a URI as libpq reads it.
        create: Make the tables if there are none; with SQLite the file too.

    Raises (every method, and every use of a session):
        StoreError: It cannot be opened, is of another version, is busy for over 30 seconds, is full, or is damaged.
            Nothing of the transaction was written.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        # Writers of one process queue here, not in the database: SQLite makes them sleep and try again.
        self._turn = threading.Lock()
        self._vault: Vault | None = None
        self.was_unwritable = False  # the last that was to be written found no room, or was not let
        self._database = open_database(url, create=create)
        try:
            with _translated(self.place):
                self._database.require_usable()
            if create:
                self._create()
            self._require_version()
        except StoreError:
            self.close()
            raise

    @property
    def place(self) -> str:
        """Where the database is, as people are told."""
        return self._database.place

    @property
    def path(self) -> Path | None:
        """The database's file, where it is one."""
        return self._database.path

    def close(self) -> None:
        """Let go of every connection."""
        self._database.close()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One writing transaction: it has the writers' turn from its start to its end; durable when this returns."""
        with (
            self._turn,
            _translated(self.place),
            self._noting_whether_writable(),
            self._database.writing() as connection,
        ):
            session = Session(connection, self._vault)
            yield session
            session.flush()

    @contextmanager
    def _noting_whether_writable(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
            self.was_unwritable |= says_unwritable(error)
            raise
        self.was_unwritable = False

    def try_writing(self) -> None:
        """Write as much as a small manifest, and take it back: whether writing is possible now.

        Raises:
            StoreError: It is not.
        """
        with self.write() as session:
            session.set_identity(
                {_ROOM: secrets.token_hex(_ROOM_BYTES)}
            )  # PostgreSQL would shrink what repeats
            session.remove_identity(_ROOM)

    def require_room(self) -> None:
        """Refuse a disk that is full, as far as that can be seen from here.

        Raises:
            StoreError: It is.
        """
        with _translated(self.place):
            self._database.require_room()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One snapshot to read from."""
        with _translated(self.place), self._database.reading() as connection:
            yield Session(connection, self._vault)

    @contextmanager
    def snapshot(self, vault: Vault | None) -> Iterator[Session]:
        """One snapshot for a long look, on which nothing can be written; sealed objects are opened with this vault.

        Terms can't be told before the vault has its index key, see `Session.take_index_key`.
        """
        with _translated(self.place), self._database.snapshot() as connection:
            yield Session(connection, vault)

    def unlock(self, vault: Vault) -> None:
        """Seal and open with a vault from here on.

        Raises:
            WrappingKeyMissing, ObjectDamaged: It is not the vault that this database was written with.
        """
        self._vault = vault
        with self.write() as session:
            session.unlock()

    def stamp(self, kind: str, text: str) -> bytes:
        """An HMAC of a text, 32 bytes, that only this database's processes can make.

        Raises:
            StoreError: The database is not unlocked.
        """
        if self._vault is None:
            raise StoreError(
                "The database was opened without its wrapping keys: nothing can be signed in to."
            )
        return self._vault.term(kind, text)

    def forget(self) -> bool:
        """Let what was deleted vanish from the disk as far as the database does that, see `ledger.database`.

        Returns:
            Whether it is done; not while a reader still needs an older state.
        """
        with _translated(self.place):
            return self._database.forget()

    def worker_lock(self) -> WorkerLock | None:
        """The lock that only one worker holds; None while another has it. It goes with the process, however it ends."""
        with _translated(self.place):
            return self._database.worker_lock()

    def _create(self) -> None:
        with self.read() as session:
            if session.version() is not None:
                return
        with self.write() as session:
            session.create_tables()

    def _require_version(self) -> None:
        with self.read() as session:
            found = session.version()
        if found is None:
            raise StoreError(_none_there(self.place))
        if migrations.is_older(found):
            raise StoreError(
                f"The database at {self.place} is of version {found}, and this program needs {migrations.VERSION}: make "
                "a backup, stop the service and run `python -m api --upgrade`."
            )
        if found != migrations.VERSION:
            raise StoreError(_not_known(self.place, found))


def upgrade(url: str) -> tuple[str, str]:
    """Bring a ledger's database to the version of this program, in one transaction; no worker may be at work.

    Args:
        url: As `Store` takes it.

    Returns:
        The version that it had, and the one that it has.

    Raises:
        StoreError: There is no ledger, it is of a version that this program does not know, a worker is at work, or a
            step failed: then it is as it was.
    """
    database = open_database(url)
    try:
        with _translated(database.place):
            lock = database.worker_lock()
            if lock is None:
                raise StoreError(
                    f"A worker is at work on the database at {database.place}: stop the service first."
                )
            with closing(lock), database.writing() as connection:
                found = migrations.version(connection)
                if found is None:
                    raise StoreError(_none_there(database.place))
                if migrations.is_older(found):
                    migrations.upgrade(connection)
                elif found != migrations.VERSION:
                    raise StoreError(_not_known(database.place, found))
                return found, migrations.VERSION
    finally:
        database.close()


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, psycopg.Error) as error:
        raise StoreError(f"The database at {place} cannot be used: {reason(error)}.") from None


def _none_there(place: str) -> str:
    return f"There is no ledger in the database at {place}. Start once with --create to make it."


def _not_known(place: str, found: str) -> str:
    return (
        f"The database at {place} is of version {found}, which this program does not know (it needs "
        f"{migrations.VERSION}): a newer program made it. Run that one; nothing was written."
    )


def _json_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"{type(value).__name__} is no argument of an event")


_in_json = json.JSONEncoder(default=_json_bytes).encode
