"""The only SQL. One database an administration; every write is one transaction, durable when it returns.

`Store` opens the database and hands out sessions: `write()` holds the one writer's lock from its first statement to its
commit, `read()` sees one snapshot. What a session's methods return are rows with attributes named as the columns.
What the rows mean, and who may see them, is for the callers.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection, Row, Select, and_, delete, event, func, insert, or_, select, update
from sqlalchemy import create_engine as _create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from ledger import tables as t
from ledger.core.records import CustodyRecord
from ledger.errors import StoreError

_WAIT_SECONDS = 30  # how long a writer waits for the lock before it says that the database is busy
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


class Session:
    """One transaction's view of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _one(self, query: Select[Any]) -> Row[Any] | None:
        return self._connection.execute(query).first()

    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._connection.execute(query).all()

    def _number(self, query: Select[Any]) -> int:
        return int(self._connection.execute(query).scalar() or 0)

    # --- identity

    def identity(self) -> dict[str, str]:
        """What this database belongs to."""
        return {row.name: row.value for row in self._all(select(t.identity))}

    def set_identity(self, values: Mapping[str, str]) -> None:
        """Write identity values, replacing those of the same name."""
        self._connection.execute(delete(t.identity).where(t.identity.c.name.in_(list(values))))
        self._connection.execute(insert(t.identity), [{"name": k, "value": v} for k, v in values.items()])

    # --- the log's counters

    def log(self) -> Row[Any]:
        """Epoch, next index and the size of the tree."""
        row = self._one(select(t.log))
        if row is None:
            raise StoreError("The database has no log row: it was not created whole. Create it again.")
        return row

    def begin_epoch(self, epoch: int) -> None:
        """Start giving out indexes of an epoch from 0."""
        self._connection.execute(delete(t.log))
        self._connection.execute(insert(t.log).values(id=1, epoch=epoch, next_index=0, sequenced=0))

    def set_next_index(self, next_index: int) -> None:
        """Note the index that the next leaf gets."""
        self._connection.execute(update(t.log).values(next_index=next_index))

    def set_sequenced(self, size: int) -> None:
        """Note how many leaves the tree has."""
        self._connection.execute(update(t.log).values(sequenced=size))

    # --- manifests

    def add_manifests(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert accepted manifest records."""
        if rows:
            self._connection.execute(insert(t.manifests), [dict(row) for row in rows])

    def manifest(self, key: bytes) -> Row[Any] | None:
        """The manifest record of a manifest id or of a record digest."""
        return self._one(select(t.manifests).where(t.manifests.c.manifest_id == key)) or self._one(
            select(t.manifests).where(t.manifests.c.digest == key)
        )

    def manifests_of(self, consignment: bytes) -> Sequence[Row[Any]]:
        """All manifest records for a consignment, oldest first."""
        return self._all(
            select(t.manifests)
            .where(t.manifests.c.consignment == consignment)
            .order_by(t.manifests.c.epoch, t.manifests.c.log_index)
        )

    def manifests_where(
        self, *, party: bytes | None, consignments: Sequence[bytes] | None, after: bytes | None, limit: int
    ) -> Sequence[Row[Any]]:
        """Manifest records by party or consignments, in log order, after the one of a digest."""
        query = select(t.manifests)
        if party is not None:
            query = query.where(t.manifests.c.party == party)
        if consignments is not None:
            query = query.where(t.manifests.c.consignment.in_(consignments))
        if after is not None:
            place = self.manifest(after)
            if place is not None:
                query = query.where(
                    or_(
                        t.manifests.c.epoch > place.epoch,
                        and_(t.manifests.c.epoch == place.epoch, t.manifests.c.log_index > place.log_index),
                    )
                )
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
        """Move a closing on."""
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

    # --- documents and what is known of consignments

    def add_content(self, root: bytes, document: bytes, secret: bytes) -> None:
        """Keep a document with its secret, once."""
        if self.content(root) is None:
            self._connection.execute(insert(t.contents).values(root=root, document=document, secret=secret))

    def content(self, root: bytes) -> Row[Any] | None:
        """The document and secret of a root."""
        return self._one(select(t.contents).where(t.contents.c.root == root))

    def add_consignment(self, consignment: bytes, reference: str, key: bytes, opener: bytes) -> None:
        """Keep a consignment's trade reference, key and opener, once."""
        if self.known_consignment(consignment) is None:
            self._connection.execute(
                insert(t.consignments).values(
                    consignment=consignment, reference=reference, key=key, opener=opener
                )
            )

    def known_consignment(self, consignment: bytes) -> Row[Any] | None:
        """What is known of a consignment beyond the chain."""
        return self._one(select(t.consignments).where(t.consignments.c.consignment == consignment))

    def consignments_with_reference(self, reference: str) -> Sequence[bytes]:
        """The consignments known under a trade reference."""
        query = select(t.consignments.c.consignment).where(t.consignments.c.reference == reference)
        return [row.consignment for row in self._all(query)]

    def add_search_terms(self, consignment: bytes, terms: Iterable[tuple[str, str]]) -> None:
        """Make a consignment findable by container and seal numbers."""
        for kind, value in sorted(set(terms)):
            key = {"kind": kind, "value": value, "consignment": consignment}
            there = self._one(select(t.search_terms).filter_by(**key))
            if there is None:
                self._connection.execute(insert(t.search_terms).values(**key))

    def consignments_with_term(self, kind: str, value: str) -> Sequence[bytes]:
        """The consignments findable by a container or seal number."""
        query = select(t.search_terms.c.consignment).where(
            t.search_terms.c.kind == kind, t.search_terms.c.value == value
        )
        return [row.consignment for row in self._all(query)]

    def put_accompanying(self, manifest_id: bytes, consignment: bytes, file: bytes) -> None:
        """Keep an accompanying file that was loaded; a later one of the same manifest replaces it."""
        self._connection.execute(delete(t.accompanying).where(t.accompanying.c.manifest_id == manifest_id))
        self._connection.execute(
            insert(t.accompanying).values(manifest_id=manifest_id, consignment=consignment, file=file)
        )

    def accompanying_of(self, consignment: bytes) -> Sequence[Row[Any]]:
        """The accompanying files loaded for a consignment."""
        return self._all(select(t.accompanying).where(t.accompanying.c.consignment == consignment))

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
        return self._all(
            select(t.custody)
            .where(
                or_(t.custody.c.consignment.in_(consignments), t.custody.c.second.in_(consignments)),
                t.custody.c.state.in_(("waiting", "sent")),
                ~on_chain,
            )
            .order_by(t.custody.c.position)
        )

    def custody_accepted_for(self, consignment: bytes) -> Sequence[Row[Any]]:
        """All records accepted here for a consignment, in order."""
        return self._all(
            select(t.custody).where(t.custody.c.consignment == consignment).order_by(t.custody.c.position)
        )

    def set_custody(
        self, digest: bytes, state: str, transaction_hash: bytes | None, problem: str | None = None
    ) -> None:
        """Move a custody record on."""
        self._connection.execute(
            update(t.custody)
            .where(t.custody.c.digest == digest)
            .values(state=state, transaction_hash=transaction_hash, problem=problem)
        )

    def waiting_custody(self) -> int:
        """Custody records accepted and not yet in a transaction."""
        return self._number(select(func.count()).select_from(t.custody).where(t.custody.c.state == "waiting"))

    # --- the tree

    def add_nodes(self, epoch: int, nodes: Mapping[tuple[int, int], bytes]) -> None:
        """Insert complete subtrees by (level, position)."""
        if nodes:
            self._connection.execute(
                insert(t.nodes),
                [
                    {"epoch": epoch, "level": level, "position": position, "hash": node}
                    for (level, position), node in nodes.items()
                ],
            )

    def nodes(self, epoch: int, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Complete subtrees by (level, position); a missing one is a StoreError."""
        found: dict[tuple[int, int], bytes] = {}
        for level, position in places:
            row = self._one(
                select(t.nodes.c.hash).where(
                    t.nodes.c.epoch == epoch, t.nodes.c.level == level, t.nodes.c.position == position
                )
            )
            if row is None:
                raise StoreError(
                    f"The log's node {position} of level {level} is missing; the database is damaged."
                )
            found[level, position] = row.hash
        return found

    # --- transactions

    def add_transaction(self, row: Mapping[str, Any]) -> None:
        """Note a signed transaction, before it is sent."""
        self._connection.execute(insert(t.transactions).values(**row))

    def transactions_in(self, *states: str) -> Sequence[Row[Any]]:
        """Transactions in some states, by account and nonce."""
        return self._all(
            select(t.transactions)
            .where(t.transactions.c.state.in_(states))
            .order_by(t.transactions.c.account, t.transactions.c.nonce)
        )

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
                t.transactions.c.state.in_(("final", "failed")),
            )
        )
        for row in rows:
            self.set_transaction(row.hash, "sent", None)
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
        self._connection.execute(delete(t.blocks).where(t.blocks.c.number > number))
        rewinds = int(self.identity().get("rewinds", "0")) + 1
        self.set_identity({"rewinds": str(rewinds)})

    def last_sequence(self, contract: str) -> int:
        """The last event sequence of a contract that is indexed."""
        return self._number(
            select(func.max(t.chain_events.c.sequence)).where(t.chain_events.c.contract == contract)
        )

    def last_custody_sequence(self) -> int:
        """The last sequence of ConsignmentLedger that is indexed: a record taken or refused."""
        return max(
            self._number(select(func.max(t.chain_custody.c.sequence))),
            self._number(select(func.max(t.chain_refusals.c.sequence))),
        )

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
        return self._all(
            select(t.chain_custody)
            .where(
                or_(
                    t.chain_custody.c.consignment.in_(consignments), t.chain_custody.c.other.in_(consignments)
                )
            )
            .order_by(t.chain_custody.c.sequence)
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

    def head_of_size(self, administration: bytes, epoch: int, size: int) -> Row[Any] | None:
        """An anchored head by its size."""
        return self._one(
            select(t.chain_heads).where(
                t.chain_heads.c.administration == administration,
                t.chain_heads.c.epoch == epoch,
                t.chain_heads.c.size == size,
            )
        )


class Store:
    """An administration's database.

    Args:
        url: `sqlite:///path`.

    Raises:
        StoreError: It does not exist and `create` is not asked for, or it cannot be opened.
    """

    def __init__(self, url: str, *, create: bool = False) -> None:
        if not url.startswith("sqlite:///"):
            raise StoreError(
                f"{url.partition(':')[0]} is no database that this version opens: use sqlite:///path."
            )
        self.path = Path(url.removeprefix("sqlite:///"))
        if not self.path.exists() and not create:
            raise StoreError(f"There is no database at {self.path}. Start once with --create to make it.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = _create_engine(
            url, poolclass=QueuePool, pool_size=8, max_overflow=56, connect_args={"timeout": _WAIT_SECONDS}
        )
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", _begin)
        try:
            with self._engine.begin() as connection:
                t.METADATA.create_all(connection)
        except DatabaseError as error:
            raise StoreError(f"The database at {self.path} cannot be opened: {error.orig}.") from None

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One writing transaction: the lock is taken at its start; durable when this returns."""
        with self._engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                yield Session(connection)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One snapshot to read from."""
        with self._engine.connect() as connection, connection.begin():
            yield Session(connection)

    def worker_lock(self) -> TextIO | None:
        """The lock that only one worker holds; None while another has it. It goes with the process, however it ends."""
        file = self.path.with_name(self.path.name + ".worker").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _json_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"{type(value).__name__} is no argument of an event")
