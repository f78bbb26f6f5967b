"""How rows are read and written: one transaction, gathered inserts, look-ups of many values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Column, Connection, Row, Select, Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

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


@lru_cache(maxsize=64)
def _bulk_insert(
    table: Table, once: bool, columns: tuple[str, ...], dialect: str
) -> tuple[str, tuple[str, ...] | None]:
    """The text of an insert, and the order of its values where the driver takes them by order and not by name."""
    if any(isinstance(table.c[name].type, t.Unsigned64) for name in columns):
        raise TypeError(f"values of {table.name} cannot go to the driver as they are")
    statement = insert_once(table, dialect) if once else insert(table)
    made = psycopg_dialect.dialect() if dialect == "postgresql" else sqlite.dialect()  # type: ignore[no-untyped-call]
    compiled = statement.compile(dialect=made, column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or ()) if compiled.positional else None


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
