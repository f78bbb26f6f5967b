"""What was indexed of the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    type_coerce,
    update,
)

from ledger import tables as t
from ledger.errors import StoreError
from ledger.rows.identity import IdentityRows
from ledger.rows.statements import in_json, some_at_a_time
from ledger.rows.telling import TellingRows
from ledger.tables import UNSIGNED_SHIFT, Unsigned64

UNKNOWN = "unknown"  # the name of an event that this version does not know; its arguments are the raw log
_DERIVED = {
    "record": t.chain_custody,
    "refusal": t.chain_refusals,
    "head": t.chain_heads,
    "closure": t.chain_closures,
}
ROWS_AT_A_TIME = 1_000
KEPT_BLOCKS = 4_096  # hashes of this many newest blocks are kept to find a common one after a reorganisation


def _extent() -> Select[Any]:
    heads, log = t.chain_heads, t.log
    # Heads that reach further than the tree are not of it, whether or not anybody has compared them yet.
    below = func.coalesce(log.c.foreign_from, type_coerce(log.c.sequenced + (1 - UNSIGNED_SHIFT), Unsigned64))
    newest_block = select(func.max(t.blocks.c.number)).scalar_subquery()
    final_block = newest_block - bindparam("confirmations", type_=BigInteger)
    of_log = select(func.max(heads.c.size)).where(
        heads.c.administration == bindparam("administration"), heads.c.epoch == log.c.epoch
    )
    ours = of_log.where(heads.c.size < below)
    return select(
        log.c.epoch,
        log.c.next_index,
        log.c.sequenced,
        ours.scalar_subquery(),
        ours.where(heads.c.block_number <= final_block).scalar_subquery(),
        of_log.scalar_subquery() >= below,
    )


_EXTENT = _extent()
_REGISTRY_AT = select(
    select(t.identity.c.value).where(t.identity.c.name == literal_column("'rewinds'")).scalar_subquery(),
    select(func.max(t.chain_events.c.sequence))
    .where(t.chain_events.c.contract == literal_column("'AdministrationRegistry'"))
    .scalar_subquery(),
)


def _unsigned(size: int | None) -> int:
    """A size as the driver gives it; 0 for none."""
    return 0 if size is None else size + UNSIGNED_SHIFT


class ChainRows(IdentityRows, TellingRows):
    """Blocks, records, refusals, heads and closures on chain."""

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
        self._connection.execute(insert(t.chain_events).values(**row, arguments=in_json(arguments)))

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
        for some in some_at_a_time(consignments):
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
        """What was indexed of the chain up to a block: every `record`, `refusal`, `head` or `closure`, a few at a time.

        In the order of the numbers of their events.
        """
        table = _DERIVED[what]
        query = select(table).where(table.c.block_number <= through).order_by(table.c.sequence)
        yield from self._connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query)

    def derived_of(self, what: str, through: int, **values: Any) -> Sequence[Row[Any]]:
        """The same: those with these values."""
        table = _DERIVED[what]
        asked = (table.c[name] == value for name, value in values.items())
        query = select(table).where(table.c.block_number <= through, *asked)
        return self._connection.execute(query).fetchall()

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

    def extent(self, administration: bytes, confirmations: int) -> tuple[int, int, int, int, int, bool]:
        """How far an administration's own log has come: the members of `sequencing.Extent`, in one question."""
        rows = self._at_once(_EXTENT, administration=administration, confirmations=confirmations)
        if not rows:
            raise StoreError("The database has no log row: it was not created whole. Create it again.")
        epoch, accepted, sequenced, anchored, final, is_foreign = rows[0]
        return epoch, accepted, sequenced, _unsigned(anchored), _unsigned(final), bool(is_foreign)

    def registry_at(self) -> tuple[int, int]:
        """How often the chain was rewound, and the sequence of the registry's last event."""
        ((rewinds, sequence),) = self._at_once(_REGISTRY_AT)
        return int(rewinds or 0), sequence or 0

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
