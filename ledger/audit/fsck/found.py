"""What is told of a difference, and how two tables in the same order are held side by side."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.audit.compare import Kind
from ledger.core.records import Domain
from ledger.membership import Membership
from ledger.store import Session
from ledger.tables import METADATA, Unsigned64
from ledger.vault import Vault

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Corruption:
    """Something that is not what it derives from.

    Attributes:
        kind: missing (it should be there), extra (it should not), changed, or out of order.
        where: The table, or the file.
        id: What it is found by there: its key, bytes as hex.
        what: What is wrong, and where there is something to do, what.
        block: From which block it derives; None where it comes from none.
        command: What shows it.
    """

    kind: Kind
    where: str
    id: str
    what: str
    block: int | None
    command: str


@dataclass(slots=True)
class Checked:
    """What the checks of one run share.

    Attributes:
        session: The snapshot of the database.
        chain: What the chain's tables should be, up to block `through`, and from there to `cursor` what the snapshot says; the
            snapshot itself where nobody showed the chain.
        is_anew: Whether `chain` was made anew.
        through: The last block of both.
        cursor: The newest block that the database has.
        administration: 8 bytes.
        log_domain: ManifestLog's.
        custody_domain: ConsignmentLedger's.
        membership: Who was ever enrolled, by `chain`.
        vault: Opens what is sealed; None where the wrapping keys are not there.
        place: The database, as people are told it.
        is_file: Whether it is a file of SQLite.
        unchecked: What could not be checked, a sentence each.
        notes: What is as it should be in the database and still to be told.
    """

    session: Session
    chain: Session
    is_anew: bool
    through: int
    cursor: int
    administration: bytes
    log_domain: Domain
    custody_domain: Domain
    membership: Membership
    vault: Vault | None
    place: str
    is_file: bool
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def of(self, kind: Kind, table: str, key: Row, what: str, block: int | None = None) -> Corruption:
        """A difference of a row, by its key."""
        shown = "/".join(map(_text, key.values()))
        return Corruption(kind, table, shown, what, block, self.command(table, key))

    def command(self, table: str, key: Row) -> str:
        """What shows the row of a key in the database, or that there is none."""
        columns = METADATA.tables[table].c
        stored = {
            name: value - (1 << 63) if isinstance(columns[name].type, Unsigned64) else value
            for name, value in key.items()
        }
        conditions = " AND ".join(f"{name} {self._literal(value)}" for name, value in stored.items())
        query = f"SELECT * FROM {table}"  # noqa: S608  for people to run; names and literals are ours
        if conditions:
            query += f" WHERE {conditions}"
        if self.is_file:
            return f"sqlite3 -readonly -quote {shlex.quote(self.place)} {shlex.quote(query)}"
        return f"psql {shlex.quote(self.place)} -c {shlex.quote(query)}"

    def _literal(self, value: object) -> str:
        if value is None:
            return "IS NULL"
        if isinstance(value, bytes):
            return f"= x'{value.hex()}'" if self.is_file else f"= '\\x{value.hex()}'"
        if isinstance(value, int):
            return f"= {value}"
        return "= '" + str(value).replace("'", "''") + "'"


def side_by_side(
    ours: Iterator[Row], theirs: Iterator[Row], key: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], Row | None, Row | None]]:
    """Rows of one key from two sides, each in the order of its keys; None where a side has none.

    Memory holds one row of each.
    """

    def place(row: Row) -> tuple[Any, ...]:
        return tuple(row[name] for name in key)

    our, their = next(ours, None), next(theirs, None)
    while our is not None or their is not None:
        if their is None or (our is not None and place(our) < place(their)):
            assert our is not None  # noqa: S101  one of the two is there
            yield place(our), our, None
            our = next(ours, None)
        elif our is None or place(their) < place(our):
            yield place(their), None, their
            their = next(theirs, None)
        else:
            yield place(our), our, their
            our, their = next(ours, None), next(theirs, None)


def differing(ours: Row, theirs: Row) -> str:
    """Which columns differ, and how, in words; empty if none does."""
    said = [
        f"{name} is {_text(theirs[name])}, and should be {_text(value)}"
        for name, value in ours.items()
        if theirs[name] != value
    ]
    return "; ".join(said)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return (
            f"0x{value.hex()}" if len(value) <= _SHOWN_BYTES else f"0x{value[:8].hex()}… ({len(value)} bytes)"
        )
    text = "nothing" if value is None else str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


_SHOWN_BYTES = 32
_SHOWN_CHARACTERS = 160
