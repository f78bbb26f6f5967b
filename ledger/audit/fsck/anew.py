"""The chain's tables made anew: by the service's own indexer, from the very blocks that a replay judges.

Receipts are whole by their root and headers are linked, so that nothing can be missing; the replay says so or the
outcome is not used. Which transaction an event is of stands in no receipt: that is the node's word, and compared all the
same. Blocks that are not final yet come from the node as the service gets them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

from ledger import tables as t
from ledger.audit import blocks
from ledger.audit.blocks import Chunk, Network, Source, Tail
from ledger.audit.checking import Unsound, plain
from ledger.chain import Block, Chain, Event
from ledger.core import headers, receipts, rlp
from ledger.errors import ChainUnavailable, LedgerError
from ledger.indexing import Gap, Indexer
from ledger.store import Session, Store

# What blocks raise that are none: the replay judges the same ones beside this, and says what is wrong with them.
_UNREADABLE = (LedgerError, Unsound, Gap, LookupError, TypeError, ValueError)
_HASHES_AT_A_TIME = 100  # blocks whose transactions are asked for at once


class Anew:
    """A scratch database of what a chain derives to. Close it, or use it as a context: its folder goes.

    Attributes:
        store: The database; it has blocks, chain tables and the feed of the chain's events.
        fault: Why it ends early, or None.
    """

    def __init__(self, chain: Chain) -> None:
        """Make one of a chain, whose node is asked for what blocks do not hold."""
        self._chain = chain
        self._folder = tempfile.TemporaryDirectory(prefix="cargo-fsck-")
        self.store = Store(f"sqlite:///{self._folder.name}/anew.sqlite3", create=True)
        self._indexer = Indexer(chain, self.store)
        self._names = {bytes.fromhex(address[2:].lower()) for address in _addresses(chain)}
        self.fault: str | None = None

    def __enter__(self) -> Anew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()
        self._folder.cleanup()

    @property
    def last(self) -> int:
        """The newest block that was taken; -1 before any was."""
        with self.store.read() as session:
            cursor = session.cursor()
        return -1 if cursor is None else int(cursor.number)

    def take(self, chunk: Chunk) -> None:
        """Take a chunk of blocks; what is wrong with it ends the taking and is in `fault`."""
        if self.fault is not None:
            return
        try:
            self._take(self._shown(chunk))
        except _UNREADABLE as error:
            self.fault = str(error) or type(error).__name__

    def borrow(self, session: Session) -> None:
        """Take what a database says of blocks that were not read here for what it is: else it would seem made up.

        Rows of blocks up to `last` are never taken; what is beyond is to be told as not checked.
        """
        last = self.last
        with self.store.write() as own:
            own.rewind(last)  # what was borrowed before
            for table in t.DERIVED:
                key = [column.name for column in table.primary_key.columns]
                for row in session.every(table, *table.primary_key.columns):
                    if row.block_number > last:
                        values = dict(row._mapping)
                        own.put_right(table, {name: values[name] for name in key}, values)

    def follow(self, last: int) -> None:
        """Take blocks that are not final yet, up to one, as far as the node has them."""
        with self.store.write() as session:
            session.rewind(self.last)  # what was borrowed before
        while self.fault is None and self.last < last:
            before = self.last
            with self.store.read() as session:
                cursor = session.cursor()
            block = self._chain.block(before + 1)
            if block is None or cursor is None or block.parent_hash != cursor.hash:
                return
            self._put([(block, self._chain.events(block))])

    def _take(self, shown: list[tuple[Block, list[Event]]]) -> None:
        self._indexer.begin()
        self._put([each for each in shown if each[0].number > self.last])

    def _put(self, taken: list[tuple[Block, list[Event]]]) -> None:
        if taken:
            with self.store.write() as session:
                self._indexer.take(session, taken, None)

    def _shown(self, chunk: Chunk) -> list[tuple[Block, list[Event]]]:
        found: list[tuple[Block, list[tuple[int, int, receipts.Log]], Mapping[int, bytes]]] = []
        consensus: headers.Consensus | None = "qbft" if self._chain.profile.kind == "qbft" else None
        for shown in blocks.decode(plain(chunk)):
            header = headers.decode(shown.header)
            block = Block(
                header.number,
                headers.block_hash(header, consensus),
                header.parent_hash,
                header.timestamp,
                has_logs=True,
            )
            found.append((block, list(self._logs(shown.receipts)), shown.transactions))
        hashes = self._transactions([(block, signed) for block, logs, signed in found if logs])
        return [(block, self._events(block, logs, hashes.get(block.number, {}))) for block, logs, _ in found]

    def _logs(self, shown: tuple[bytes, ...]) -> Iterator[tuple[int, int, receipts.Log]]:
        """Our contracts' logs: place of the transaction, place of the log, the log."""
        place = 0
        for at, receipt in enumerate(shown):
            body = receipt[1:] if receipt[:1] < b"\xc0" else receipt
            logs = rlp.as_list(rlp.decode_list(body)[3], "a receipt's logs")
            for log in logs:
                decoded = receipts.decode_log(rlp.encode(log))
                if decoded.address in self._names:
                    yield at, place, decoded
                place += 1

    def _events(
        self, block: Block, logs: list[tuple[int, int, receipts.Log]], hashes: Mapping[int, str]
    ) -> list[Event]:
        return [
            self._chain.event_of(
                {
                    "blockHash": "0x" + block.hash.hex(),
                    "address": "0x" + log.address.hex(),
                    "topics": ["0x" + topic.hex() for topic in log.topics],
                    "data": "0x" + log.data.hex(),
                    "transactionHash": self._hash(block, at, hashes),
                    "transactionIndex": hex(at),
                    "logIndex": hex(place),
                },
                block,
            )
            for at, place, log in logs
        ]

    def _hash(self, block: Block, at: int, hashes: Mapping[int, str]) -> str:
        """The hash of the transaction at a place of a block."""
        if at not in hashes:
            raise ChainUnavailable(
                self._chain.shown, f"it shows fewer transactions of block {block.number} than it has receipts"
            )
        return hashes[at]

    def _transactions(self, of: list[tuple[Block, Mapping[int, bytes]]]) -> dict[int, dict[int, str]]:
        """The hashes of the transactions of some blocks, by number and place."""
        found: dict[int, dict[int, str]] = {}
        for first in range(0, len(of), _HASHES_AT_A_TIME):
            some = of[first : first + _HASHES_AT_A_TIME]
            asked = [("0x" + block.hash.hex(), False) for block, _ in some]
            answers: list[Any] = self._chain.ask_many("eth_getBlockByHash", asked)
            for (block, _), answer in zip(some, answers, strict=True):
                try:
                    found[block.number] = {at: str(each) for at, each in enumerate(answer["transactions"])}
                except (TypeError, KeyError):
                    raise ChainUnavailable(
                        self._chain.shown, f"it shows no transactions of block {block.number}"
                    ) from None
        return found


class Watched:
    """A source whose chunks `Anew` sees on their way to the replay."""

    def __init__(self, source: Source, anew: Anew) -> None:
        self._source = source
        self._anew = anew
        self.name = source.name

    @property
    def network(self) -> Network:
        """As the source says."""
        return self._source.network

    @property
    def last(self) -> int:
        """As the source says."""
        return self._source.last

    def chunks(self, first: int) -> Iterator[Chunk]:
        """The source's chunks."""
        for chunk in self._source.chunks(first):
            self._anew.take(chunk)
            yield chunk

    def tail(self) -> Tail:
        """As the source says."""
        return self._source.tail()

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()


def _addresses(chain: Chain) -> tuple[str, str, str]:
    profile = chain.profile
    return profile.registry, profile.manifest_log, profile.consignment_ledger
