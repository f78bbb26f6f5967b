"""How rows are read and written: one transaction, gathered inserts, look-ups of many values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    String,
    Table,
    UpdateBase,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect
from sqlalchemy.types import TypeEngine

from ledger import tables as t
from ledger.errors import StoreError
from ledger.vault import Vault

ROWS_AT_A_TIME = 200  # a sealed document has up to 1 MiB
IDS_AT_A_TIME = 5_000  # in one query: SQLite takes 32,766 values, PostgreSQL twice as many


class Statements:
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
        """Insert rows of the same columns, as one statement."""
        columns = tuple(rows[0])
        values = map(itemgetter(*columns), rows) if len(columns) > 1 else ((row[columns[0]],) for row in rows)
        with self._cursor() as cursor:
            if self._plain_connection.dialect.name == "postgresql":
                cursor.execute(
                    _insert_arrays(table, once, columns), [list(each) for each in zip(*values, strict=True)]
                )
            else:
                cursor.executemany(_insert_row(table, once, columns), values)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """The driver's own cursor in this transaction, for what every group of records asks.

        What goes through the framework takes it twenty times as long as the driver, and a group of few records is
        nothing but statements. Values come and go as the driver has them: see `tables.Unsigned64`.
        """
        with closing(self._connection.connection.cursor()) as cursor:
            yield cursor

    def _at_once(self, statement: Select[Any] | UpdateBase, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement that is written once and for all, asked of the driver itself."""
        text, names = _written(statement, self._plain_connection.dialect.name)
        with self._cursor() as cursor:
            cursor.execute(text, [values.get(name, fixed) for name, fixed in names])
            rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
        return rows

    def _present(self, *looked_for: tuple[Column[Any], list[bytes]]) -> set[bytes]:
        """Which values stand in their columns: one question for all."""
        is_server = self._plain_connection.dialect.name == "postgresql"
        parts: list[str] = []
        values: list[Any] = []
        for column, wanted in looked_for:
            for some in some_at_a_time(wanted):
                marks = "= ANY(%b)" if is_server else f"IN ({', '.join('?' * len(some))})"
                parts.append(f"SELECT {column.name} FROM {column.table.name} WHERE {column.name} {marks}")  # noqa: S608
                values += [some] if is_server else some
        if not parts:
            return set()
        with self._cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            return {row[0] for row in cursor.fetchall()}

    def _one(self, query: Select[Any]) -> Row[Any] | None:
        return self._connection.execute(query).first()

    def _all(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._connection.execute(query).all()

    def _pairs(self, query: Select[Any]) -> list[tuple[Any, Any]]:
        return [cast(tuple[Any, Any], tuple(row)) for row in self._all(query)]

    def _number(self, query: Select[Any]) -> int:
        return int(self._connection.execute(query).scalar() or 0)

    def every(self, table: Table, *order: Column[Any], **equal: Any) -> Iterator[Row[Any]]:
        """All rows of a table in an order, or those whose columns equal some values; a few at a time."""
        query = (
            select(table).where(*(table.c[name] == value for name, value in equal.items())).order_by(*order)
        )
        options = {"yield_per": ROWS_AT_A_TIME}
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

    def _require_vault(self) -> Vault:
        if self._vault is None:
            raise StoreError("The database was opened without its wrapping keys: nothing sealed can be read.")
        return self._vault


_SQLITE = sqlite.dialect(paramstyle="qmark")
_POSTGRESQL = psycopg_dialect.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


@lru_cache(maxsize=64)
def _written(statement: Select[Any] | UpdateBase, dialect: str) -> tuple[str, list[tuple[str, Any]]]:
    """The text of a statement as the driver takes it, and the names of its values in order with those that are fixed."""
    compiled = statement.compile(dialect=_POSTGRESQL if dialect == "postgresql" else _SQLITE)
    return str(compiled), [(name, compiled.params[name]) for name in compiled.positiontup or ()]


@lru_cache(maxsize=64)
def _insert_row(table: Table, once: bool, columns: tuple[str, ...]) -> str:
    """The text of an insert of SQLite that takes a row at a time."""
    _require_plain(table, columns)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608
        + " ON CONFLICT DO NOTHING" * once
    )


@lru_cache(maxsize=64)
def _insert_arrays(table: Table, once: bool, columns: tuple[str, ...]) -> str:
    """The text of an insert of PostgreSQL that takes all values of each column: one statement, whatever the rows.

    A statement a row takes the server three times as long, and us twice.
    """
    _require_plain(table, columns)
    arrays = ", ".join(f"%b::{_array_of(table.c[name].type)}" for name in columns)
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({arrays})"  # noqa: S608
        + " ON CONFLICT DO NOTHING" * once
    )


def _array_of(kind: TypeEngine[Any]) -> str:
    """The type of a column's values as an array; texts without a length, since a cast would cut what is too long."""
    return "text[]" if isinstance(kind, String) else kind.compile(_POSTGRESQL) + "[]"


def _require_plain(table: Table, columns: tuple[str, ...]) -> None:
    if any(isinstance(table.c[name].type, t.Unsigned64) for name in columns):
        raise TypeError(f"values of {table.name} cannot go to the driver as they are")


def insert_once(table: Table, dialect: str) -> Any:
    """An insert that leaves the row alone which is there already."""
    return (postgresql if dialect == "postgresql" else sqlite).insert(table).on_conflict_do_nothing()


def some_at_a_time(ids: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Values in portions that one query takes."""
    for first in range(0, len(ids), IDS_AT_A_TIME):
        yield ids[first : first + IDS_AT_A_TIME]


def _json_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    raise TypeError(f"{type(value).__name__} is no argument of an event")


#: What is told of an event as JSON; bytes become hex.
in_json = json.JSONEncoder(default=_json_bytes).encode
