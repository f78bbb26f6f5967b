"""The chain's tables against the same made anew: every row, every column, in the chain's order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from ledger import tables as t
from ledger.audit.fsck.found import Checked, Corruption, Row, differing, side_by_side
from ledger.audit.fsck.offline import NO_TIME
from ledger.config import CONTRACTS
from ledger.rows.chain import KEPT_BLOCKS
from ledger.store import Session

_SLACK_BLOCKS = 256  # older hashes are forgotten this many at a time
_KEYS: dict[Table, tuple[str, ...]] = {
    t.chain_custody: ("sequence",),
    t.chain_refusals: ("sequence",),
    t.chain_heads: ("administration", "epoch", "size"),
    t.chain_closures: ("former",),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not as the chain has it.

    Attributes:
        table: Its table.
        key: Its primary key.
        ours: As the chain has it; None if the chain has none.
        theirs: As it stands in the database; None if it does not.
    """

    table: Table
    key: dict[str, Any]
    ours: Row | None
    theirs: Row | None

    @property
    def row(self) -> Row | None:
        """Our row as it is written."""
        if self.ours is None or "arguments" not in self.ours:
            return self.ours
        return {**self.ours, "arguments": json.dumps(self.ours["arguments"])}


def told(checked: Checked, differing_rows: Iterable[Difference]) -> Iterator[Corruption]:
    """What differs, in words."""
    found: dict[str, list[Difference]] = {}
    for each in differing_rows:
        found.setdefault(each.table.name, []).append(each)
    for of_one in found.values():
        elsewhere = {_statement(each.theirs) for each in of_one if each.theirs is not None}
        for each in of_one:
            yield _told(checked, each, elsewhere)
    yield from _place(checked)


def differences(checked: Checked) -> Iterator[Difference]:
    """Every row of the chain's tables and blocks that differs, up to the block that both have."""
    for name in CONTRACTS:
        order = (t.chain_events.c.sequence,)
        yield from _of(checked, t.chain_events, ("contract", "sequence"), order, contract=name)
    for row in checked.session.every(t.chain_events, t.chain_events.c.contract, t.chain_events.c.sequence):
        if row.contract not in CONTRACTS:
            key = {"contract": row.contract, "sequence": row.sequence}
            yield Difference(t.chain_events, key, None, _plain(row))
    for table, names in _KEYS.items():
        yield from _of(checked, table, names, tuple(table.c[name] for name in names))
    yield from _blocks(checked)


def _of(
    checked: Checked, table: Table, key: tuple[str, ...], order: tuple[Any, ...], **equal: Any
) -> Iterator[Difference]:
    ours = (
        row for row in _rows(checked.chain, table, order, **equal) if row["block_number"] <= checked.through
    )
    for place, our, their in side_by_side(ours, _rows(checked.session, table, order, **equal), key):
        named = dict(zip(key, place, strict=True))
        if our is None and their is not None and checked.through < their["block_number"] <= checked.cursor:
            continue  # of a block that was not read here
        if our != their:
            yield Difference(table, named, our, their)


def _rows(session: Session, table: Table, order: tuple[Any, ...], **equal: Any) -> Iterator[Row]:
    return (_plain(row) for row in session.every(table, *order, **equal))


def _plain(row: Any) -> Row:
    """A row by its columns; a JSON text as what it says."""
    plain = dict(row._mapping)
    if "arguments" in plain:
        try:
            plain["arguments"] = json.loads(plain["arguments"])
        except (ValueError, TypeError):
            plain["arguments"] = ("no JSON", plain["arguments"])
    return plain


def _blocks(checked: Checked) -> Iterator[Difference]:
    """The newest blocks; both forget old ones, not at the very same number."""
    table = t.blocks
    order = (table.c.number,)
    oldest = checked.chain.oldest_block()
    first = min(
        max(checked.session.oldest_block(), oldest), max(oldest, checked.cursor - KEPT_BLOCKS + _SLACK_BLOCKS)
    )
    ours, theirs = (
        (row for row in _rows(session, table, order) if row["number"] >= first)
        for session in (checked.chain, checked.session)
    )
    ours = (row for row in ours if row["number"] <= checked.through)
    before = None
    for (number,), our, their in side_by_side(ours, theirs, ("number",)):
        follows = before is None or number == before + 1
        before = number
        if our is not None and their is not None and our["timestamp"] == NO_TIME:
            our = {**our, "timestamp": their["timestamp"]}
        if our == their or (our is None and follows and checked.through < number <= checked.cursor):
            continue
        yield Difference(table, {"number": number}, our, their)


def _statement(row: Row | None) -> Any:
    """What tells a record wherever it stands."""
    return None if row is None else row.get("digest")


def _told(checked: Checked, each: Difference, elsewhere: set[Any]) -> Corruption:
    name, key = each.table.name, each.key
    if each.ours is None:
        assert each.theirs is not None  # noqa: S101  one of the two is there
        block = each.theirs.get("block_number", each.theirs.get("number"))
        return checked.of("extra", name, key, "It is in no block of the chain.", block)
    block = each.ours.get("block_number", each.ours.get("number"))
    is_elsewhere = _statement(each.ours) is not None and _statement(each.ours) in elsewhere
    if each.theirs is None:
        what = f"The chain has it: {_named(each.ours)}."
        if is_elsewhere:
            return checked.of("out of order", name, key, "It stands under another number: " + what, block)
        return checked.of("missing", name, key, what, block)
    is_moved = is_elsewhere and _statement(each.ours) != _statement(each.theirs)
    what = differing(each.ours, each.theirs) + "."
    return checked.of("out of order" if is_moved else "changed", name, key, what, block)


def _named(row: Row) -> str:
    """What a row is about, in a few words."""
    for name in ("digest", "former", "root", "name", "hash"):
        if name in row:
            value = row[name]
            return f"{name} {'0x' + value.hex() if isinstance(value, bytes) else value}"
    return "a row"


def _place(checked: Checked) -> Iterator[Corruption]:
    """What the chain's node said last: that it broke a rule."""
    violation = checked.session.violation()
    if violation is not None:
        key = {"name": "chain_violation"}
        yield checked.of("extra", "identity", key, f"The service has noted: {violation}")
