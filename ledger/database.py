"""The two kinds of database that a store may be on: one file of SQLite, or PostgreSQL at a URL.

Both promise the same. `writing` is one transaction that has the writers' turn from its first statement to its commit,
reads what the writers before it committed, and is on the disk when it returns. `reading` is one snapshot. The worker's
lock is one process's, and goes with it however it ends.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from ledger.errors import StoreError

HOW_MADE = "Look at its path and name; a new service's is made by `python -m api --create`."
WAIT_SECONDS = 30  # how long a writer waits for its turn before it says that the database is busy
_FORGET_MILLISECONDS = 1_000  # how long forgetting waits for readers, before it is tried again later
_TURN_SECONDS = 0.002  # until a writer asks for its turn again
_LINE_SECONDS = 1.0  # how long one waits behind another that waits: that one may have been stopped
_LONG_LOG_PAGES = 4_000  # 16 MiB in the log beside the file: the writer brings them into the file itself
_AGAIN_SECONDS = 0.01  # until a lock is asked for again that SQLite does not wait for
SQLITE, POSTGRESQL = "sqlite:///", "postgresql://"
_OLDEST_SERVER = 150_000  # PostgreSQL 15
_LEAST_ROOM_BYTES = 1 << 20  # a disk with less is full: a request may need as much
# What a database says that can be read and not written: full, not let, or the disk fails.
_SQLITE_UNWRITABLE = frozenset(
    (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
)
_POSTGRESQL_UNWRITABLE = ("53100", "58030", "25006")  # disk_full, io_error, read_only_sql_transaction
_WRITERS, _WORKER = 0x6361_7267_6F01, 0x6361_7267_6F02  # keys of the advisory locks: "cargo", 1 and 2

# A server or a network that is gone is noticed within 10 seconds, on both ends.
_CONNECTING = {
    "application_name": "cargo-ledger",
    "connect_timeout": "5",
    "keepalives_idle": "4",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_SESSION = {
    "synchronous_commit": "on",
    "client_encoding": "UTF8",
    "tcp_keepalives_idle": "4",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}


class WorkerLock(Protocol):
    """What only one worker of a database has."""

    def is_held(self) -> bool:
        """Whether it is still ours: a lock on a server is gone with the connection it was taken on."""

    def close(self) -> None:
        """Let go of it."""


class Database(Protocol):
    """Connections to one database.

    Attributes:
        place: Where it is, as people are told: never with a password.
        path: Its file, where it is one.
    """

    place: str
    path: Path | None

    def require_usable(self) -> None:
        """Refuse what would lose what was acknowledged, whatever we do.

        Raises:
            StoreError: It would.
        """

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction that writes."""

    def reading(self) -> AbstractContextManager[Connection]:
        """One snapshot."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """One snapshot for a long look, on which nothing can be written."""

    def forget(self) -> bool:
        """Let what was deleted vanish from the disk; whether it is done."""

    def tidy(self) -> None:
        """Do now and then, beside the writers, what one of them would else have to do after its commit."""

    def require_room(self) -> None:
        """Refuse a disk that is full, as far as that can be seen from here.

        Raises:
            StoreError: It is.
        """

    def worker_lock(self) -> WorkerLock | None:
        """The worker's lock, or None while another has it."""

    def close(self) -> None:
        """Let go of every connection."""


def open_database(url: str, *, create: bool = False) -> Database:
    """The database at a URL; that there is a ledger in it is not looked at.

    Args:
        url: `sqlite:///path`, or a URI of PostgreSQL as libpq reads it: `postgresql://user@host:port/name`.
        create: Make the file and its folder if they are not there. A database of PostgreSQL must be there.

    Raises:
        StoreError: It is no such URL, or nothing is there that could be opened.
    """
    path = url.removeprefix(SQLITE)
    if path != url and path not in ("", ":memory:"):
        return SQLite(Path(path), create=create)
    if url.startswith(POSTGRESQL):
        return PostgreSQL(url)
    raise StoreError(
        f"{url.partition(':')[0] or 'An empty text'} is no database that is opened here: use {SQLITE}path or "
        f"{POSTGRESQL}user@host/name."
    )


def reason(error: Exception) -> str:
    """Why the database cannot be used, in its own words and without a value of ours.

    The error's own text is not used: SQLAlchemy puts the statement's values into it, PostgreSQL whole rows.
    """
    if isinstance(error, PoolTimeout):
        return "all connections are busy"
    found = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(found, psycopg.Error):
        return found.diag.message_primary or " ".join(str(found).split())
    return str(found) if isinstance(found, sqlite3.Error) else type(found).__name__


def says_unwritable(error: Exception) -> bool:
    """Whether an error says that nothing can be written at present, whatever it is."""
    found = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(found, sqlite3.Error):
        code = getattr(found, "sqlite_errorcode", 0)
        return code & 0xFF in _SQLITE_UNWRITABLE
    return isinstance(found, psycopg.Error) and found.sqlstate in _POSTGRESQL_UNWRITABLE


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class SQLite:
    """One file on this machine."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path: Path | None = path
        self._file = path
        self.place = str(path)
        if not path.exists() and not create:
            raise StoreError(f"There is no database at {path}. {HOW_MADE}")
        self._is = _identity(path)
        self._line = _Line(path.with_name(path.name + ".turn"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The database at {path} cannot be made: {error.strerror}.") from None
        self._engine = create_engine(
            URL.create("sqlite", database=str(path)),
            hide_parameters=True,
            poolclass=QueuePool,
            pool_size=8,
            max_overflow=56,
            connect_args={"timeout": WAIT_SECONDS},
        )
        event.listen(self._engine, "connect", self._configure)
        event.listen(self._engine, "begin", self._begin)
        self._writing = self._engine.execution_options(writes=True)

    def require_usable(self) -> None:
        """Refuse a file system on which SQLite cannot keep a log beside the file: some network's.

        Raises:
            StoreError: It can't.
        """
        with self.reading() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        if mode != "wal":
            raise StoreError(
                f"The database at {self.place} cannot be used: its file system has no shared memory (journal mode {mode}); "
                "put it on a disk of this machine, or take PostgreSQL."
            )

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The write lock is taken at the start; who waits for it has it before the one that had it has it again."""
        self._require_there()
        with self._writing.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Nothing here waits for a writer."""
        self._require_there()
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Writers go on; what they write stays in the log beside the file until this ends."""
        with self.reading() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("PRAGMA query_only=OFF")

    def _require_there(self) -> None:
        """Refuse to go on in a file that is moved away or deleted: open connections would, and what they write is lost with it.

        Raises:
            StoreError: The file is not where it was, or another is.
        """
        found = _identity(self._file)
        if self._is is None:
            self._is = found  # it is made with its first connection
        elif found is None:
            raise StoreError(
                f"The database is not at {self.place} any more: it was moved or deleted. Put it back."
            )
        elif found != self._is:
            raise StoreError(f"Another database is at {self.place} now. Put the former back, or start again.")

    def forget(self) -> bool:
        """Empty the write-ahead log, which has pages as they were; deleted rows are overwritten (`secure_delete`).

        Returns:
            Whether it is done; not while a reader still needs an older state.
        """
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={_FORGET_MILLISECONDS}")
            try:
                with self._line.next():
                    is_busy = bool(cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
            except sqlite3.OperationalError:
                is_busy = True
            cursor.execute(f"PRAGMA busy_timeout={WAIT_SECONDS * 1_000:.0f}")
            cursor.close()
        finally:
            connection.close()
        return not is_busy

    def tidy(self) -> None:
        """Bring the pages of the write-ahead log into the file, while writers go on.

        Whose commit finds the log too long does it itself, and waits for the disk once more with all that are behind it.
        What can't be done now, on a full disk, is done another time: nothing is lost as long as it stands in the log.
        """
        connection = self._engine.raw_connection()
        try:
            with suppress(sqlite3.OperationalError):
                connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            connection.close()

    def require_room(self) -> None:
        """Look at the file system of the file, for its room and for whether it takes new files.

        Raises:
            StoreError: Less than 1 MiB is free, or no file can be added.
        """
        self._require_there()
        try:
            disk = os.statvfs(self._file.parent)
        except OSError as error:
            raise StoreError(
                f"The disk of the database at {self.place} cannot be looked at: {error.strerror}."
            ) from None
        if disk.f_bavail * disk.f_frsize < _LEAST_ROOM_BYTES or (disk.f_files and not disk.f_favail):
            raise StoreError(f"The disk of the database at {self.place} is full: make room on it.")

    def worker_lock(self) -> WorkerLock | None:
        """A lock on a file beside the database."""
        path = self._file.with_name(self._file.name + ".worker")
        try:
            file = path.open("a+")
        except OSError as error:
            raise StoreError(f"The worker's lock {path} cannot be opened: {error.strerror}.") from None
        if not _locked(file.fileno()):
            file.close()
            return None
        return _LockedFile(file)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @staticmethod
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        _keep_a_log_beside(cursor)
        # secure_delete: a deleted row's bytes are overwritten, not only let go of
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "secure_delete=ON",
            f"wal_autocheckpoint={_LONG_LOG_PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def _begin(self, connection: Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            with self._line.next():
                _begin_to_write(connection)
        else:
            connection.exec_driver_sql("BEGIN")


class PostgreSQL:
    """A database of a PostgreSQL server, shared by the processes of one administration.

    A writer's first statement takes an advisory lock that ends with its transaction, so that writers of all processes
    go one after the other, as they do in SQLite. They read at READ COMMITTED: a snapshot taken before the turn came
    would not show what the writer before wrote.
    """

    def __init__(self, url: str) -> None:
        self.path: Path | None = None
        self._conninfo, self.place = _connecting(url)
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_size=8,
            max_overflow=8,  # four processes of the API and a worker stay under the server's usual 100
            pool_pre_ping=True,  # the server may have been started anew since
        )
        self._snapshots = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def require_usable(self) -> None:
        """Refuse a server that loses what it has acknowledged, or can't hold the texts of the world.

        Raises:
            StoreError: It is so set, or too old.
        """
        query = (
            "SELECT current_setting('server_version_num'), current_setting('fsync'), "
            "current_setting('full_page_writes'), current_setting('server_encoding')"
        )
        with self.reading() as connection:
            version, fsync, whole_pages, encoding = connection.exec_driver_sql(query).one()
        what = ""
        if int(version) < _OLDEST_SERVER:
            what = "is older than PostgreSQL 15"
        elif (fsync, whole_pages) != ("on", "on"):
            what = "runs with fsync or full_page_writes off, and a power cut would lose what was acknowledged"
        elif encoding != "UTF8":
            what = f"keeps text as {encoding}; make the database with ENCODING 'UTF8'"
        if what:
            raise StoreError(f"The database at {self.place} cannot be used: its server {what}.")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Writers of all processes wait for their turn, at most 30 seconds."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A snapshot, which waits for nobody and can write nothing."""
        with self._snapshots.begin() as connection:
            yield connection

    def snapshot(self) -> AbstractContextManager[Connection]:
        """The same: nothing can be written on any snapshot here."""
        return self.reading()

    def forget(self) -> bool:
        """Free deleted rows for being overwritten.

        What the server's pages, its log and its backups have of them goes as those are used again, and not before: what
        makes it unreadable at once is that the key that wraps it is destroyed.
        """
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM")
        return True

    def tidy(self) -> None:
        """The server does so by itself."""

    def require_room(self) -> None:
        """The server's disk is its own: it says so when something is written."""

    def worker_lock(self) -> WorkerLock | None:
        """An advisory lock on a connection of its own, which the server drops with it."""
        connection = self._connect()
        try:
            connection.autocommit = True
            row = connection.execute(f"SELECT pg_try_advisory_lock({_WORKER})").fetchone()
        except BaseException:
            connection.close()
            raise
        if row is None or not row[0]:
            connection.close()
            return None
        return _LockedSession(connection)

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self._conninfo)
        try:
            connection.execute(f"SET lock_timeout = {1000 * WAIT_SECONDS:.0f}")
            for name, value in _SESSION.items():
                connection.execute(f"SET {name} = '{value}'")
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection


def _connecting(url: str) -> tuple[str, str]:
    """What libpq is given, and the place as people are told it."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:  # its text repeats parts of the URL, which may be a password
        given = {}
    name = given.get("dbname")
    if not name:
        raise StoreError(
            f"The database's URL cannot be read, or names no database: write {POSTGRESQL}user@host:port/name, and "
            "letters that have a meaning in a URL as %XX."
        )
    host = str(given.get("host") or "")
    port = f":{given['port']}" if given.get("port") else ""
    place = f"{POSTGRESQL}/{name}?host={host}" if host.startswith("/") else f"{POSTGRESQL}{host}{port}/{name}"
    missing = {name: value for name, value in _CONNECTING.items() if name not in given}
    return make_conninfo(url, **missing), place


class _Line:
    """Where the writers of all processes stand who wait for their turn: behind the lock on a file beside the database.

    Whose turn it is says SQLite's own lock, which wakes nobody and knows no order: alone, it lets the one that had the
    turn take it again before the one that sleeps has looked. Who has that turn stands in no line, and who wants it a
    second time finds the next one there.

    Args:
        path: The file; it is made, and stays empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def next(self) -> Iterator[None]:
        """Be the next, until the end of this. Who can't make the file, or finds that the line stands, is in none."""
        with ExitStack() as line:
            with suppress(OSError):
                file = line.enter_context(self._path.open("ab", buffering=0))
                until = time.monotonic() + _LINE_SECONDS
                while not _locked(file.fileno()) and time.monotonic() < until:
                    time.sleep(_TURN_SECONDS)
            yield


def _locked(file: int) -> bool:
    """Lock a file if nobody else has; the lock goes with the file's descriptor, however that ends."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _begin_to_write(connection: Connection) -> None:
    """Take the writers' turn as soon as it is free. Left to wait by itself, SQLite sleeps up to a tenth of a second at a time."""
    until = time.monotonic() + WAIT_SECONDS
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except DBAPIError as error:
                code = getattr(error.orig, "sqlite_errorcode", 0)
                if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
            time.sleep(_TURN_SECONDS)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={WAIT_SECONDS * 1_000:.0f}")


def _keep_a_log_beside(cursor: sqlite3.Cursor) -> None:
    """Let SQLite keep its log in a file beside (WAL). Of a new file, another process may be about to say the same.

    SQLite then says at once that the file is locked, however long it may wait for anything else: it holds a lock for
    reading by then, and would wait for one who waits for that.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


class _LockedFile:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def is_held(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


class _LockedSession:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def is_held(self) -> bool:
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        with suppress(psycopg.Error):
            self._connection.close()
