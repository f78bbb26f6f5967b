"""Receipts out of geth's database, from an auditor's own node that opens its namespace `debug`.

Asked for receipts in any other way, geth takes them apart, derives what stands beside them, makes each bloom filter anew
and encodes all of it again, which costs several times what judging it does. `debug_dbGet` and `debug_dbAncient` hand over
what it keeps: of each receipt status, gas and logs. What is left out follows from that and is put back here: the bloom
filter from the logs, the type of the transaction by what hashes to the root in the header.

What does not hash to it after all goes on as it is, for `checking` to name: nothing the node says is believed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import chain
from operator import or_
from struct import Struct
from typing import Any

from ledger.audit.rlp_places import after_bytes, list_at
from ledger.chain import Chain
from ledger.core import rlp
from ledger.core.headers import Header
from ledger.core.receipts import BLOOM_BYTES, bloom_bits, receipts_root
from ledger.errors import ChainUnavailable, InvalidEncoding

_TYPES = (b"\x02", b"", b"\x01")  # what stands before a receipt: EIP-1559, legacy, EIP-2930
_BLOOM_PREFIX = b"\xb9\x01\x00"
_KEY_OF_RECEIPTS = "0x72"  # "r", then the block's number in 8 bytes and its hash


class Database:
    """The database of a geth behind a chain's address.

    Args:
        chain: The chain; it stays open.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._type = _TYPES[0]  # of the last block: most chains have one

    def is_open(self, number: int) -> bool:
        """Whether the receipts of a block can be had out of it, whole."""
        try:
            (raw,) = self._chain.ask_many("eth_getHeaderByNumber", [(hex(number),)])
            header = self._chain.header_of(raw, number)
            (found,) = self.receipts([(header, raw["hash"])])
        except ChainUnavailable:
            return False
        return receipts_root(found) == header.receipts_root

    def receipts(self, blocks: Sequence[tuple[Header, str]]) -> list[list[bytes]]:
        """All receipts of some blocks in their consensus encoding, as far as what the node gave can be put into it.

        That they hash to what a header says is **not** promised: whoever takes them has to see.

        Args:
            blocks: Headers in ascending order, each with its hash as 0x hex.

        Raises:
            ChainUnavailable: The node has none of a block, or what it gave is no list of receipts.
        """
        frozen = self._frozen()
        old = [header.number for header, _ in blocks if header.number < frozen]
        new = [
            f"{_KEY_OF_RECEIPTS}{header.number:016x}{hash_[2:]}"
            for header, hash_ in blocks
            if header.number >= frozen
        ]
        kept: list[Any] = []
        if old:
            kept += self._chain.ask_many("debug_dbAncient", [("receipts", number) for number in old])
        if new:
            kept += self._chain.ask_many("debug_dbGet", [(key,) for key in new])
        return [self._typed(header, hash_, each) for (header, hash_), each in zip(blocks, kept, strict=True)]

    def _frozen(self) -> int:
        """How many of the first blocks are no longer under their keys but in the files of what can't change any more."""
        frozen: Any = self._chain.ask_many("debug_dbAncients", [()])[0]
        if not isinstance(frozen, int):
            raise ChainUnavailable(self._chain.shown, f"it says that {frozen!r} of its blocks are frozen")
        return frozen

    def _typed(self, header: Header, hash_: str, kept: Any) -> list[bytes]:
        try:
            bodies = untyped(bytes.fromhex(kept[2:]))
        except (TypeError, ValueError, InvalidEncoding) as error:
            raise self._malformed(header, error) from None
        for type_ in sorted(_TYPES, key=lambda each: each != self._type):
            found = [type_ + body for body in bodies]
            if receipts_root(found) == header.receipts_root:
                self._type = type_
                return found
        types = self._types(header, hash_)
        if len(types) != len(bodies):
            return bodies  # which are not the block's
        return [type_ + body for type_, body in zip(types, bodies, strict=True)]

    def _types(self, header: Header, hash_: str) -> list[bytes]:
        """What stands before each receipt of a block whose transactions are of several types."""
        raw: Any = self._chain.ask_many("debug_getRawReceipts", [(hash_,)])[0]
        try:
            firsts = [bytes.fromhex(each[2:4]) for each in raw]
        except (TypeError, ValueError) as error:
            raise self._malformed(header, error) from None
        return [first if first < b"\x80" else b"" for first in firsts]

    def _malformed(self, header: Header, error: Exception) -> ChainUnavailable:
        return ChainUnavailable(
            self._chain.shown, f"the receipts of block {header.number} in its database are malformed: {error}"
        )


def untyped(kept: bytes) -> list[bytes]:
    """The consensus encoding of a block's receipts, without the type of the transaction before each.

    Args:
        kept: The RLP that geth keeps: a list of status, cumulative gas and logs for each receipt.

    Raises:
        InvalidEncoding: It is none.
    """
    at, end = list_at(kept, 0, len(kept))
    if end != len(kept):
        raise InvalidEncoding("receipts", end, "bytes follow the list")
    found = []
    while at < end:
        begin, after = list_at(kept, at, end)
        middle = after_bytes(kept, after_bytes(kept, begin))
        first, last = list_at(kept, middle, after)
        if last != after:
            raise InvalidEncoding("receipts", last, "status, gas and logs are expected")
        payload = kept[begin:middle] + _BLOOM_PREFIX + _bloom(kept, first, last) + kept[middle:after]
        found.append(rlp.list_prefix(len(payload)) + payload)
        at = after
    return found


def _bloom(logs: bytes, at: int, end: int) -> bytes:
    """The bloom filter of logs that follow each other: addresses and topics."""
    values: set[bytes] = set()
    while at < end:
        begin, after = list_at(logs, at, end)
        topics, last = list_at(logs, begin + 21, after)
        values.add(logs[begin + 1 : begin + 21])
        head, length = logs[at:topics], after - at
        if last - topics == 4 * 33 and logs.startswith(head, after):
            # the same event of the same contract over and over: their topics stand at the same places
            while logs.startswith(head, after) and after + length <= end:
                after += length
            form = _four_topics(topics - at, length)
            values.update(chain.from_iterable(form.iter_unpack(memoryview(logs)[at:after])))
        else:
            values.update([logs[place + 1 : place + 33] for place in range(topics, last, 33)])
        at = after
    return reduce(or_, map(_bits, values), 0).to_bytes(BLOOM_BYTES, "big")


@lru_cache(16)
def _four_topics(before: int, length: int) -> Struct:
    """Of a log of so many bytes, with so many before its topics, those."""
    return Struct(f"{before}x" + 4 * "x32s" + f"{length - before - 4 * 33}x")


_bits = lru_cache(1 << 14)(bloom_bits)
