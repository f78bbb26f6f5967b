"""Blocks from a node: as many at a time as it gives, the next ones fetched while these are checked.

What the node answers is only put into the form that is hashed; `checking` finds out whether it is true. JSON is read by
orjson and cut into bytes by hand, since a library's decoding of events costs more than all the checks together.

A node of the auditor's own that opens its namespace `debug` spares itself most of the work: geth hands over what its
database has of the receipts (`geth`), others give them as they are hashed (`debug_getRawReceipts`). To spell them out as
JSON costs a node more than the whole replay.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ledger.audit import geth
from ledger.audit.blocks import Chunk, Network, ShownBlock, Tail, encode
from ledger.chain import Chain
from ledger.config import CONTRACTS
from ledger.core import receipts, rlp, slots
from ledger.core.findings import time_text
from ledger.core.headers import Header
from ledger.core.records import keccak
from ledger.errors import BlockNotFinal, ChainUnavailable

FIRST_WINDOW = 4  # blocks asked for at once, at first
WIDEST_WINDOW = 1_000  # nodes take lists of so many requests
_TRIES = 3  # for a single block
_PAUSE_SECONDS = 0.5
_EASY_SECONDS = 2.0  # a window that came within this time may be wider next time
_LARGE_BYTES = 2 << 20  # of a window's blocks: larger ones leave the processor's caches, here and in the node
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class NodeSource:
    """A chain through one node, from the deployment to a block that counts as final."""

    def __init__(self, chain: Chain, last: int | None = None) -> None:
        """Look where the chain ends.

        Args:
            chain: The chain; its identity is checked here. It is closed with this, or if this fails.
            last: The last block to read; without one, the newest that counts as final by the profile.

        Raises:
            ChainMismatch: The node serves another chain.
            ChainUnavailable: The node gives no usable answer, or no block since the deployment is final yet.
            BlockNotFinal: `last` is not among the final ones.
        """
        self._chain = chain
        try:
            self._begin(last)
        except BaseException:
            chain.close()
            raise

    def _begin(self, last: int | None) -> None:
        chain = self._chain
        chain.require_identity()
        self.name = f"the node at {chain.shown}"
        self.network = Network.of_profile(chain.profile)
        newest = chain.head()
        head, self._newest = newest.number, newest
        self._successors = 0
        if chain.profile.kind == "clique":
            self._successors = 2 * len(chain.clique_signers(head))
        final = head - max(chain.profile.confirmations, self._successors)
        if final < self.network.first_block:
            raise ChainUnavailable(
                chain.shown, f"no block since the deployment in {self.network.first_block} is final yet"
            )
        if last is not None and not self.network.first_block <= last <= final:
            raise BlockNotFinal(last, self.network.first_block, final)
        self.last = final if last is None else last
        self._window = FIRST_WINDOW
        self._whole_receipts = True  # until the node turns out not to give a block's receipts in one answer
        database = geth.Database(chain)
        is_open = all(database.is_open(number) for number in (self.network.first_block, self.last))
        self._database = database if is_open else None
        self._raw_receipts = not is_open and self._gives_raw_receipts()
        self._addresses = [self.network.addresses[name] for name in CONTRACTS]
        # "94" is how RLP spells 20 bytes: the two contracts whose transactions are shown, as a receipt has them
        self._shown = [
            b"\x94" + self.network.addresses[name] for name in ("AdministrationRegistry", "ManifestLog")
        ]

    def require_fresh(self, now: int, old_seconds: int) -> None:
        """Refuse a node that is behind its chain: what it shows may be whole, and long be outrun.

        A development chain makes blocks when it has something to put into them, and is never behind.

        Args:
            now: Unix seconds.
            old_seconds: How old the newest block may be.

        Raises:
            ChainUnavailable: Its newest block is older.
        """
        age = now - self._newest.timestamp
        if self.network.consensus != "development" and age > old_seconds:
            raise ChainUnavailable(
                self._chain.shown,
                f"its newest block, {self._newest.number}, is of {time_text(self._newest.timestamp)}, {age} seconds ago, over the "
                f"{old_seconds} of the trust file: it lags behind its chain, or that stands still. With --to BLOCK it is read as of "
                "that block",
            )

    def _gives_raw_receipts(self) -> bool:
        with suppress(ChainUnavailable):
            return isinstance(self._chain.ask_many("debug_getRawReceipts", [(hex(self.last),)])[0], list)
        return False

    def close(self) -> None:
        """Close the connections."""
        self._chain.close()

    def chunks(self, first: int) -> Iterator[Chunk]:
        """The blocks from a number on; two windows are on their way while the caller works on one."""
        with ThreadPoolExecutor(2, thread_name_prefix="audit-node") as pool:
            waiting: list[Future[list[Chunk]]] = []
            at = first
            try:
                while at <= self.last or waiting:
                    while at <= self.last and len(waiting) < 2:
                        end = min(at + self._window - 1, self.last)
                        waiting.append(pool.submit(self._fetch, at, end))
                        at = end + 1
                    yield from waiting.pop(0).result()
            finally:
                for each in waiting:
                    each.cancel()

    def _fetch(self, first: int, last: int) -> list[Chunk]:
        """A window, in as many parts as the node makes necessary."""
        begun = time.monotonic()
        for attempt in range(_TRIES):
            try:
                chunk = self._ask(first, last)
            except ChainUnavailable:
                if last > first:
                    half = (first + last) // 2
                    self._window = max(1, half - first + 1)
                    return self._fetch(first, half) + self._fetch(half + 1, last)
                if attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_SECONDS)
                continue
            if len(chunk.data) > _LARGE_BYTES:
                self._window = max(1, (last - first + 1) // 2)
            elif (
                time.monotonic() - begun < _EASY_SECONDS
                and last - first + 1 >= self._window
                and len(chunk.data) < _LARGE_BYTES // 2
            ):
                self._window = min(2 * self._window, WIDEST_WINDOW)
            return [chunk]
        raise AssertionError("unreachable")  # pragma: no cover

    def _ask(self, first: int, last: int) -> Chunk:
        numbers = range(first, last + 1)
        if self._database is not None:  # geth gives a header by itself, without looking at the block
            found = self._chain.ask_many("eth_getHeaderByNumber", [(hex(number),) for number in numbers])
        else:
            found = self._chain.ask_many("eth_getBlockByNumber", [(hex(number), False) for number in numbers])
        headers: list[Header] = []
        for number, raw in zip(numbers, found, strict=True):
            if raw is None:
                raise ChainUnavailable(
                    self._chain.shown, f"it has no block {number}, though its chain reached beyond it before"
                )
            headers.append(self._chain.header_of(raw, number))
        busy = [
            place
            for place, header in enumerate(headers)
            if any(receipts.may_hold(header.logs_bloom, address) for address in self._addresses)
        ]
        given = self._receipts([(headers[place], found[place]) for place in busy])
        shown = dict(zip(busy, given, strict=True))
        spoken = {
            place: [at for at, receipt in enumerate(each) if self._is_shown(receipt)]
            for place, each in shown.items()
        }
        signed = self._transactions(
            [(found[place]["hash"], places, len(shown[place])) for place, places in spoken.items() if places]
        )
        data = b"".join(
            encode(
                ShownBlock(header.encode(), tuple(shown.get(place, ())), signed.get(found[place]["hash"], {}))
            )
            for place, header in enumerate(headers)
        )
        return Chunk(first, last, data, 0, self.name)

    def _is_shown(self, receipt: bytes) -> bool:
        return any(address in receipt for address in self._shown)

    def _receipts(self, shown: list[tuple[Header, Any]]) -> list[list[bytes]]:
        """The receipts of blocks; where the node gives none of a whole block, transaction by transaction."""
        if not shown:
            return []
        if self._database is not None:
            return self._database.receipts([(header, raw["hash"]) for header, raw in shown])
        blocks = [raw["hash"] for _, raw in shown]
        if self._raw_receipts:
            try:
                found = self._chain.ask_many("debug_getRawReceipts", [(hash_,) for hash_ in blocks])
                return [[bytes.fromhex(each[2:]) for each in block] for block in found]
            except ChainUnavailable:
                if len(blocks) > 1:
                    raise
                self._raw_receipts = False
            except _MALFORMED as error:
                raise self._malformed("receipts", error) from None
        if self._whole_receipts:
            try:
                found = self._chain.ask_many("eth_getBlockReceipts", [(hash_,) for hash_ in blocks])
                return [[self._receipt(each) for each in block] for block in found]
            except ChainUnavailable:
                if len(blocks) > 1:
                    raise
                self._whole_receipts = False
            except _MALFORMED as error:
                raise self._malformed("receipts", error) from None
        asked = [(hash_,) for _, raw in shown for hash_ in raw["transactions"]]
        try:
            each = iter(self._chain.ask_many("eth_getTransactionReceipt", asked)) if asked else iter(())
            return [[self._receipt(next(each)) for _ in raw["transactions"]] for _, raw in shown]
        except _MALFORMED as error:
            raise self._malformed("receipts", error) from None

    def _receipt(self, raw: Any) -> bytes:
        """The consensus encoding of a receipt, put together as hex, since one conversion is cheaper than many."""
        logs = "".join(_log(each) for each in raw["logs"])
        bloom = raw["logsBloom"][2:]
        body = _hex_number(raw["status"]) + _hex_number(raw["cumulativeGasUsed"]) + _hex_item(bloom)
        kind = int(raw.get("type") or "0x0", 16)
        return (bytes((kind,)) if kind else b"") + bytes.fromhex(_hex_list(body + _hex_list(logs)))

    def _transactions(self, blocks: list[tuple[str, list[int], int]]) -> dict[str, dict[int, bytes]]:
        """Signed transactions by the hash of their block and their place in it.

        Args:
            blocks: Of each its hash, the places, and how many receipts it was shown with: where that is not how many
                transactions it has, none are given, and `checking` says that the receipts are not whole.
        """
        if not blocks:
            return {}
        if self._database is not None:
            return self._raw_transactions([(hash_, places) for hash_, places, _ in blocks])
        found = self._chain.ask_many("eth_getBlockByHash", [(hash_, True) for hash_, _, _ in blocks])
        try:
            return {
                hash_: {at: _signed(block["transactions"][at]) for at in places}
                for (hash_, places, count), block in zip(blocks, found, strict=True)
                if len(block["transactions"]) == count
            }
        except _MALFORMED as error:
            raise self._malformed("transactions", error) from None

    def _raw_transactions(self, blocks: list[tuple[str, list[int]]]) -> dict[str, dict[int, bytes]]:
        asked = [(hash_, at) for hash_, places in blocks for at in places]
        raw = self._chain.ask_many(
            "eth_getRawTransactionByBlockHashAndIndex", [(hash_, hex(at)) for hash_, at in asked]
        )
        found: dict[str, dict[int, bytes]] = {}
        try:
            for (hash_, at), each in zip(asked, raw, strict=True):
                if each != "0x":  # there is none
                    found.setdefault(hash_, {})[at] = bytes.fromhex(each[2:])
        except _MALFORMED as error:
            raise self._malformed("transactions", error) from None
        return found

    def _malformed(self, what: str, error: Exception) -> ChainUnavailable:
        return ChainUnavailable(self._chain.shown, f"its {what} are malformed: {error!r}")

    def tail(self) -> Tail:
        """Headers on top of the last block where the consensus needs them, and proofs of the contracts' counters."""
        above = tuple(
            self._chain.raw_header(number)
            for number in range(self.last + 1, self.last + 1 + self._successors)
        )
        nodes: dict[bytes, None] = {}
        with suppress(
            ChainUnavailable
        ):  # a node need not keep old states; the report says what was not checked
            for name in CONTRACTS:
                slot = slots.SEQUENCES[name].to_bytes(32, "big")
                nodes |= dict.fromkeys(self._chain.state_proofs(name, [slot], self.last))
        return Tail(above, tuple(nodes))


def _hex_list(body: str) -> str:
    return _hex_prefix(0xC0, len(body) // 2) + body


def _hex_item(body: str) -> str:
    if len(body) == 2 and body < "80":
        return body
    return _hex_prefix(0x80, len(body) // 2) + body


def _hex_prefix(offset: int, length: int) -> str:
    if length < 56:
        return f"{offset + length:02x}"
    digits = f"{length:x}"
    digits = "0" * (len(digits) % 2) + digits
    return f"{offset + 55 + len(digits) // 2:02x}{digits}"


def _hex_number(text: str) -> str:
    return rlp.encode(rlp.of_integer(int(text, 16))).hex()


def _log(raw: Any) -> str:
    topics = "".join("a0" + topic[2:] for topic in raw["topics"])
    return _hex_list("94" + raw["address"][2:] + _hex_list(topics) + _hex_item(raw["data"][2:]))


def _signed(raw: Any) -> bytes:
    """A signed transaction as it was sent, from its JSON; its hash shows that it was put together rightly.

    Raises:
        ValueError: It is of a type that is not known here, or hashes to something else than it says.
    """
    kind = int(raw.get("type") or "0x0", 16)
    to = bytes.fromhex((raw["to"] or "0x")[2:])
    data = bytes.fromhex(raw["input"][2:])
    number = {name: rlp.of_integer(int(raw[name], 16)) for name in ("nonce", "gas", "value", "v", "r", "s")}
    fees = ("gasPrice",) if kind < 2 else ("maxPriorityFeePerGas", "maxFeePerGas")
    body: list[rlp.Item] = [number["nonce"], *(rlp.of_integer(int(raw[name], 16)) for name in fees)]
    body += [number["gas"], to, number["value"], data]
    if kind:
        listed: list[rlp.Item] = [
            [bytes.fromhex(each["address"][2:]), [bytes.fromhex(key[2:]) for key in each["storageKeys"]]]
            for each in raw["accessList"]
        ]
        body = [rlp.of_integer(int(raw["chainId"], 16)), *body, listed]
    signed = (bytes((kind,)) if kind else b"") + rlp.encode([*body, number["v"], number["r"], number["s"]])
    if kind > 2 or keccak(signed) != bytes.fromhex(raw["hash"][2:]):
        raise ValueError(f"transaction {raw['hash']} does not hash to its hash")
    return signed
