"""One database an administration; every write is one transaction, durable when it returns.

`Store` opens the database and hands out sessions: `write()` holds the one writer's lock from its first statement to its
commit, `read()` sees one snapshot. What a session's methods return are rows with attributes named as the columns.
What the rows mean, and who may see them, is for the callers.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from ledger import migrations
from ledger import tables as t
from ledger.database import HOW_MADE, WorkerLock, open_database, reason, says_unwritable
from ledger.errors import StoreError
from ledger.rows.auditing import AuditRows
from ledger.rows.chain import ChainRows
from ledger.rows.contents import ContentRows
from ledger.rows.feed import FeedRows
from ledger.rows.manifests import ManifestRows
from ledger.rows.readers import ReaderRows
from ledger.rows.transactions import TransactionRows
from ledger.rows.webhooks import WebhookRows
from ledger.vault import Vault

_ROOM = "room"  # the identity value that is written to see whether it can be
_ROOM_BYTES = 1 << 15


class Session(ManifestRows, ContentRows, ReaderRows, TransactionRows, ChainRows, AuditRows):
    """One transaction's view of the database, see `ledger.rows`."""

    @property
    def feed_rows(self) -> FeedRows:
        """What is kept of the feed."""
        return FeedRows(self._connection)

    @property
    def webhooks(self) -> WebhookRows:
        """The rows of webhooks; their URLs and secrets are sealed here."""
        return WebhookRows(self._connection)

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

    def tidy(self) -> None:
        """Do now and then, beside the writers, what one of them would else have to do after its commit."""
        with _translated(self.place):
            self._database.tidy()

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
    return f"There is no ledger in the database at {place}. {HOW_MADE}"


def _not_known(place: str, found: str) -> str:
    return (
        f"The database at {place} is of version {found}, which this program does not know (it needs "
        f"{migrations.VERSION}): a newer program made it. Run that one; nothing was written."
    )
