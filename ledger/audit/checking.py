"""One chunk of blocks by itself: headers linked, receipts whole, events taken apart, signatures recovered.

What needs no state is done here, so that several processes can do it at once: `folding` then takes the outcome in order.
A custody event is cut out of its receipt by place, since all of them have one form, and becomes a row of `ROW` bytes:

    0 sequence 8 · 8 block 8 · 16 time 8 · 24 place in the block 4 · 28 transaction 4 · 32 digest 32 · 64 signer 20
    · 84 other consignment 32 · 116 record 177 · 293 zero 3 · 296 three places of rows before it, 8 each (`journal`)
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ledger.abi import artifact
from ledger.audit import blocks
from ledger.audit.blocks import Chunk, Network
from ledger.audit.rlp_places import after_bytes, list_at
from ledger.config import CONTRACTS
from ledger.core import headers, receipts, transactions
from ledger.core.records import CustodyRecord, Domain, ManifestRecord, keccak
from ledger.core.signatures import recover_address
from ledger.errors import InvalidEncoding, InvalidSignature

ROW = 320
LINKS = 296  # where a row's three places of rows before it stand
FIELDS = struct.Struct(">QQ8s8x32s20s32s32sB16s32s32s32s16sQQ27x")
"""A row taken apart: sequence, block, time as bytes, digest, signer, other, then the record's fields, integers as such."""
_MOST_CHUNK_BYTES = 1 << 30  # of a chunk uncompressed
_TYPE_HASH = keccak(CustodyRecord.TYPE)
_NO_LINKS = bytes(ROW - 293)  # and what fills the row up
# What a RecordAppended looks like in a receipt before its data: lengths never vary.
_BEFORE = bytes.fromhex("f9027e94"), bytes.fromhex("f884a0"), bytes.fromhex("b901e0")
LOG_BYTES = 641
# Such a log: consignment, other and signer from the topics; of the data sequence, the nine words of the record, signature.
_LOG = struct.Struct("60x32sx32s13x20s27x8s288s64x65s31x")
# Of the nine words what a row holds: id, kind and party, previous to counterpart, both times.
_BODY = struct.Struct("32s31x17s16x112s40x8s24x8s")
_PLACED = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Happening:
    """An event other than RecordAppended, taken apart.

    Attributes:
        contract: Name of the contract.
        name: Name of the event.
        sequence: Its number in this contract.
        values: Its arguments by name: integers, booleans as integers, bytes of their own width; addresses are 20 bytes.
        block: Number of its block.
        time: Time of its block, Unix seconds.
        place: Its place among the block's logs, from 0.
        rows_before: How many custody rows of the chunk come before it.
        sender: Who sent the transaction, 20 bytes; None if no transaction shows it.
        call: The call of that transaction to this very contract; None if no transaction shows it.
    """

    contract: str
    name: str
    sequence: int
    values: dict[str, Any]
    block: int
    time: int
    place: int
    rows_before: int
    sender: bytes | None
    call: bytes | None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a block, and where.

    Attributes:
        check: The name of the check that it fails.
        block: Number of the block.
        sentence: What is wrong, in words.
        log: Place of the log in the block that it is about, from 0; None if it is about no one.
    """

    check: str
    block: int
    sentence: str
    log: int | None


@dataclass(slots=True)
class Checked:
    """What a chunk holds, up to its first fault.

    Attributes:
        first: Number of the first block.
        parent: The hash its first block names as its parent, 32 bytes.
        last: Number of the last good block; `first - 1` if none is.
        hashes: The hashes of the good blocks, 32 bytes each.
        last_time: Its time, Unix seconds.
        rows: Custody events, `ROW` bytes each; whoever takes them may write their places into them.
        happenings: The other events, in order.
        headers: The headers as RLP, where the consensus seals them; else none.
        state_root: Of the last good block, 32 bytes.
        receipts: How many receipts of each good block were checked against its root.
        fault: Why it ends early, or None.
    """

    first: int
    parent: bytes = b""
    last: int = 0
    hashes: list[bytes] = field(default_factory=list)
    last_time: int = 0
    rows: bytearray | bytes = b""
    happenings: list[Happening] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    state_root: bytes = b""
    receipts: list[int] = field(default_factory=list)
    fault: Fault | None = None

    def custody_rows(self) -> Iterator[bytes]:
        """The custody events one by one, in order."""
        return (bytes(self.rows[at : at + ROW]) for at in range(0, len(self.rows), ROW))


class Unsound(Exception):
    """A block fails a check: which, why, and the place of the log in the block that it is about, if it is about one."""

    def __init__(self, check: str, sentence: str, log: int | None = None) -> None:
        self.check = check
        self.sentence = sentence
        self.log = log
        super().__init__(sentence)


class Checker:
    """Checks chunks of one network; stateless between them.

    Args:
        network: The chain.
        recovers: Whether signatures are recovered; without it nobody knows who signed what.
    """

    def __init__(self, network: Network, *, recovers: bool = True) -> None:
        self._network = network
        self._recovers = recovers
        self._consensus: headers.Consensus | None = "qbft" if network.consensus == "qbft" else None
        self._names = {network.addresses[name]: name for name in CONTRACTS}
        self._blooms = [receipts.bloom_bits(address) for address in network.addresses.values()]
        domain = Domain(network.chain_id, network.addresses["ConsignmentLedger"])
        self._typed = b"\x19\x01" + domain.separator
        self._log_domain = Domain(network.chain_id, network.addresses["ManifestLog"])
        ours = network.addresses["ConsignmentLedger"]
        appended = next(
            topic for topic, form in forms("ConsignmentLedger").items() if form.name == "RecordAppended"
        )
        self._prefix = _BEFORE[0] + ours + _BEFORE[1] + appended + b"\xa0"
        self._appended = appended

    def check(self, chunk: Chunk) -> Checked:
        """Check a chunk; what is wrong ends it and is in `fault`."""
        outcome = Checked(chunk.first, last=chunk.first - 1)
        rows: list[bytes] = []
        number = chunk.first
        try:
            for shown in blocks.decode(plain(chunk)):
                if number > chunk.last:
                    raise Unsound("chain", f"more blocks are there than the {chunk.last} that were announced")
                self._block(shown, number, outcome, rows)
                number += 1
            if number <= chunk.last:
                raise Unsound("chain", "the block is missing")
        except Unsound as wrong:
            sentence = f"Block {number} ({chunk.place}): {wrong.sentence}."
            outcome.fault = Fault(wrong.check, number, sentence, wrong.log)
        except (InvalidEncoding, InvalidSignature) as error:
            outcome.fault = Fault("chain", number, f"Block {number} ({chunk.place}): {error}", None)
        outcome.rows = bytearray().join(rows)
        return outcome

    def _block(self, shown: blocks.ShownBlock, number: int, outcome: Checked, rows: list[bytes]) -> None:
        header = headers.decode(shown.header)
        if header.number != number:
            raise Unsound("chain", f"the header shown is that of block {header.number}")
        if number == outcome.first:
            outcome.parent = header.parent_hash
        elif header.parent_hash != outcome.hashes[-1]:
            raise Unsound("chain", "its parent is not the block before it")
        bloom = int.from_bytes(header.logs_bloom, "big")
        found: list[bytes] = []
        happenings: list[Happening] = []
        if shown.receipts:
            if receipts.receipts_root(shown.receipts) != header.receipts_root:
                raise Unsound(
                    "receipts",
                    "the receipts shown do not hash to the root in its header: logs were left out, added or changed",
                )
            self._events(shown, number, header.timestamp, found, happenings, len(rows))
        elif any(bloom & bits == bits for bits in self._blooms):
            raise Unsound(
                "receipts", "no receipts are shown, though its header says that there may be events"
            )
        # the whole block or nothing of it
        rows += found
        outcome.happenings += happenings
        outcome.receipts.append(len(shown.receipts))
        outcome.last = number
        outcome.hashes.append(headers.block_hash(header, self._consensus))
        outcome.last_time, outcome.state_root = header.timestamp, header.state_root
        if self._network.consensus != "development":
            outcome.headers.append(shown.header)

    def _events(
        self,
        shown: blocks.ShownBlock,
        number: int,
        time: int,
        rows: list[bytes],
        happenings: list[Happening],
        rows_before: int,
    ) -> None:
        place = 0
        for at, receipt in enumerate(shown.receipts):
            for found in self.logs(receipt):
                if isinstance(found, memoryview):
                    self._rows(found, number, time, at, place, rows)
                    place += len(found) // LOG_BYTES
                    continue
                if found.address in self._names:
                    sent = shown.transactions.get(at)
                    happenings.append(
                        self._happening(found, number, time, place, rows_before + len(rows), sent)
                    )
                place += 1

    def logs(self, receipt: bytes) -> Iterator[memoryview | receipts.Log]:
        """The receipt's logs in order; those that have RecordAppended's form as all that follow each other, `LOG_BYTES` each."""
        at, end = _logs_of(receipt)
        prefix = self._prefix
        while at < end:
            first = at
            while receipt.startswith(prefix, at) and at + LOG_BYTES <= end:
                at += LOG_BYTES
            if at > first:
                yield memoryview(receipt)[first:at]
                continue
            _, at = list_at(receipt, first, end)
            log = receipts.decode_log(receipt[first:at])
            if log.address == self._network.addresses["ConsignmentLedger"] and log.topics[:1] == (
                self._appended,
            ):
                raise Unsound(
                    "receipts", "an event RecordAppended has a form that the contract never gives it"
                )
            yield log

    def _rows(
        self, logs: memoryview, number: int, time: int, transaction: int, place: int, rows: list[bytes]
    ) -> None:
        """Make rows of logs of RecordAppended that follow each other; `place` is the first one's."""
        typed, recovers = self._typed, self._recovers
        unpacked, placed = _BODY.unpack, _PLACED.pack
        where = number.to_bytes(8, "big") + time.to_bytes(8, "big")
        for at, (consignment, other, signer, sequence, body, signature) in enumerate(
            _LOG.iter_unpack(logs), place
        ):
            digest = keccak(typed + keccak(_TYPE_HASH + body))
            named, kind_and_party, middle, observed, expires = unpacked(body)
            if consignment != named:
                raise Unsound(
                    "receipts", "an event RecordAppended names another consignment than its record", at
                )
            if recovers:
                _require_signer(digest, signature, signer, at)
            rows.append(
                b"".join(
                    (
                        sequence,
                        where,
                        placed(at, transaction),
                        digest,
                        signer,
                        other,
                        consignment,
                        kind_and_party,
                        middle,
                        observed,
                        expires,
                        _NO_LINKS,
                    )
                )
            )

    def _happening(
        self,
        log: receipts.Log,
        number: int,
        time: int,
        place: int,
        rows_before: int,
        raw: bytes | None,
    ) -> Happening:
        contract = self._names[log.address]
        form = forms(contract).get(log.topics[0] if log.topics else b"")
        if form is None:
            raise Unsound("receipts", f"{contract} emitted an event that it does not have", place)
        values = form.decode(log)
        if form.name == "ManifestClosed" and self._recovers:
            self._check_closure(values, place)
        sender = call = None
        if raw is not None:
            sent = transactions.decode(raw)
            if sent.to == log.address:
                sender, call = sent.sender, sent.data
        return Happening(
            contract,
            form.name,
            values.pop("sequence"),
            values,
            number,
            time,
            place,
            rows_before,
            sender,
            call,
        )

    def _check_closure(self, values: dict[str, Any], place: int) -> None:
        record = manifest_record(values)
        digest = record.digest(self._log_domain)
        try:
            signer = recover_address(digest, values["signature"])
        except InvalidSignature as error:
            raise Unsound(
                "signatures", f"the closing record 0x{digest.hex()} is not signed: {error.rule}", place
            ) from None
        if digest != values["digest"] or signer != values["signer"]:
            raise Unsound(
                "signatures", f"the closing record 0x{digest.hex()} is not by whom the event says", place
            )


def _require_signer(digest: bytes, signature: bytes, signer: bytes, place: int) -> None:
    try:
        recovered = recover_address(digest, signature)
    except InvalidSignature as error:
        raise Unsound("signatures", f"record 0x{digest.hex()} is not signed: {error.rule}", place) from None
    if recovered != signer:
        raise Unsound(
            "signatures",
            f"record 0x{digest.hex()} is signed by 0x{recovered.hex()}, not by 0x{signer.hex()}",
            place,
        )


def manifest_record(values: dict[str, Any]) -> ManifestRecord:
    """The record of a ManifestClosed event."""
    return ManifestRecord(
        values["record.party"],
        values["record.kind"],
        values["record.reason"],
        values["record.consignment"],
        values["record.manifestRoot"],
        values["record.supersedes"],
        values["record.issuedAt"],
    )


def custody_record(row: bytes) -> CustodyRecord:
    """The record of a row."""
    return CustodyRecord(
        row[116:148],
        row[148],
        row[149:165],
        row[165:197],
        row[197:229],
        row[229:261],
        row[261:277],
        int.from_bytes(row[277:285], "big"),
        int.from_bytes(row[285:293], "big"),
    )


@dataclass(frozen=True, slots=True)
class Form:
    """How an event is laid out: its name, and its indexed and other arguments with their types, tuples taken apart."""

    name: str
    indexed: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]

    def decode(self, log: receipts.Log) -> dict[str, Any]:
        """The arguments by name; those of a tuple as `tuple.name`.

        Raises:
            InvalidEncoding: The log has not this form.
        """
        if len(log.topics) != len(self.indexed) + 1 or len(log.data) < 32 * len(self.others):
            raise InvalidEncoding("event", 0, f"{self.name} has other topics or less data")
        values = {
            name: _value(kind, topic)
            for (name, kind), topic in zip(self.indexed, log.topics[1:], strict=True)
        }
        for place, (name, kind) in enumerate(self.others):
            word = log.data[32 * place : 32 * place + 32]
            values[name] = _bytes_at(log.data, word) if kind == "bytes" else _value(kind, word)
        return values


_FORMS: dict[str, dict[bytes, Form]] = {}


def forms(contract: str) -> dict[bytes, Form]:
    """The forms of a contract's events by their first topic."""
    if contract not in _FORMS:
        found = {}
        for item in artifact(contract)["abi"]:
            if item["type"] == "event":
                signature = f"{item['name']}({','.join(_type(each) for each in item['inputs'])})"
                indexed = tuple((each["name"], each["type"]) for each in item["inputs"] if each["indexed"])
                others = tuple(
                    flat for each in item["inputs"] if not each["indexed"] for flat in _flattened(each)
                )
                found[keccak(signature.encode())] = Form(item["name"], indexed, others)
        _FORMS[contract] = found
    return _FORMS[contract]


def _type(item: dict[str, Any]) -> str:
    if item["type"] != "tuple":
        return str(item["type"])
    return f"({','.join(_type(each) for each in item['components'])})"


def _flattened(item: dict[str, Any]) -> list[tuple[str, str]]:
    if item["type"] != "tuple":
        return [(item["name"], item["type"])]
    return [(f"{item['name']}.{each['name']}", each["type"]) for each in item["components"]]


def _value(kind: str, word: bytes) -> Any:
    if kind == "address":
        return word[12:]
    if kind.startswith("bytes"):
        return word[: int(kind[5:])]
    return int.from_bytes(word, "big")


def _bytes_at(data: bytes, word: bytes) -> bytes:
    offset = int.from_bytes(word, "big")
    length = int.from_bytes(data[offset : offset + 32], "big")
    if offset + 32 + length > len(data):
        raise InvalidEncoding("event", offset, "its bytes end within a value")
    return data[offset + 32 : offset + 32 + length]


def _logs_of(receipt: bytes) -> tuple[int, int]:
    """Where the list of logs of a receipt begins and ends; the root over the receipt vouches for the rest of it."""
    at = 1 if receipt[:1] < b"\x80" else 0
    at, end = list_at(receipt, at, len(receipt))
    for _ in range(3):  # status, gas, bloom
        at = after_bytes(receipt, at)
    return list_at(receipt, at, end)


def plain(chunk: Chunk) -> bytes:
    """A chunk's bytes, unpacked where they are packed; a hash over them was checked by whoever read them."""
    if not chunk.compressed:
        return chunk.data
    import zstandard

    if chunk.compressed > _MOST_CHUNK_BYTES:
        raise Unsound("chain", "its chunk says it is over 1 GiB")
    try:
        data = zstandard.ZstdDecompressor().decompress(chunk.data, max_output_size=chunk.compressed)
    except zstandard.ZstdError:
        raise Unsound("chain", "its chunk can't be unpacked") from None
    if len(data) != chunk.compressed:
        raise Unsound("chain", "its chunk has another size than it says")
    return data


def begin(network: Network, recovers: bool) -> Callable[[Chunk], Checked]:
    """What checks chunks, made where it is to run: see `ledger.audit.processes`."""
    return Checker(network, recovers=recovers).check
