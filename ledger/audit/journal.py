"""What was rebuilt, on disk: every event in order, so that memory stays flat and an interrupted replay goes on.

A folder of a few files. `acts.rows` has the custody records as rows of `checking.ROW` bytes; each row names the row before
it of its consignment, of its second consignment and of its signer, so that a history is read without an index.
`events.jsonl` has the other events, `headers.bin` the headers of a chain that seals them (each after its length, 4 bytes),
`findings.jsonl` what is odd, `position.json` how far all of it reaches: block, hash,
lengths, and a SHA-256 over each of the first three, and over itself. Going on means folding the rows again: no node, no
signatures. The hashes find what was damaged; whoever can write all of the folder can write another replay into it. One
process writes at a time: it holds a lock on the file `lock`, which ends with it, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from ledger.audit.checking import ROW, Happening
from ledger.config import write_atomically
from ledger.core.findings import Finding, FindingKind
from ledger.errors import JournalInUse, JournalUnusable

_SCHEMA = "cargo-audit-journal/3"
_READ_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Position:
    """How far a replay got.

    Attributes:
        network: A digest of the network and what is checked, hex: another replay can't go on from this one.
        block: The last block that is whole in the files.
        block_hash: Its hash, 32 bytes.
        block_time: Its time, Unix seconds.
        acts: Rows.
        events: Bytes of `events.jsonl`.
        headers: Bytes of `headers.bin`.
        signatures: How many signatures were recovered so far.
        receipts: How many receipts were checked so far.
        acts_sha256: Over the rows, hex.
        events_sha256: Over that length of `events.jsonl`, hex.
        headers_sha256: Over that length of `headers.bin`, hex.
    """

    network: str
    block: int
    block_hash: bytes
    block_time: int
    acts: int
    events: int
    headers: int
    signatures: int
    receipts: int
    acts_sha256: str
    events_sha256: str
    headers_sha256: str


class Journal:
    """The files of one replay; one writer."""

    def __init__(self, folder: Path, network: str) -> None:
        """Open a folder for writing, empty or of a replay that was interrupted.

        Args:
            folder: Made if it is not there.
            network: What `Position.network` must be.

        Raises:
            JournalInUse: Another one has it open.
            JournalUnusable: It is of another chain, or its files were altered or cut off.
        """
        self.folder = folder
        self._network = network
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnusable(str(folder), error.strerror or "it can't be made") from None
        self._files: list[BinaryIO] = []
        self._lock = self._locked()
        try:
            self.position = position = self._read_position()
            self.acts = 0 if position is None else position.acts
            self.findings = 0
            self._acts = self._open("acts.rows", self.acts * ROW)
            self._events = self._open("events.jsonl", 0 if position is None else position.events)
            self._headers = self._open("headers.bin", 0 if position is None else position.headers)
            self._findings = self._open("findings.jsonl", 0)  # written anew while the rows are folded again
            self._acts_hash, self._events_hash, self._headers_hash = map(self._hashed, self._files[:3])
            self._require_unchanged()
        except BaseException:
            self.close()
            raise

    def _locked(self) -> BinaryIO:
        try:
            lock = (self.folder / "lock").open("ab")
        except OSError as error:
            raise JournalUnusable(str(self.folder), error.strerror or "it can't be written") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise JournalInUse(str(self.folder)) from None
        return lock

    def _require_unchanged(self) -> None:
        position = self.position
        found = tuple(each.hexdigest() for each in (self._acts_hash, self._events_hash, self._headers_hash))
        if position is not None and found != (
            position.acts_sha256,
            position.events_sha256,
            position.headers_sha256,
        ):
            raise JournalUnusable(str(self.folder), "acts.rows, events.jsonl or headers.bin was altered")

    def _open(self, name: str, length: int) -> BinaryIO:
        path = self.folder / name
        path.touch()
        file = path.open("r+b", buffering=1 << 20)
        self._files.append(file)
        if path.stat().st_size < length:
            raise JournalUnusable(str(self.folder), f"{name} is shorter than {length} bytes")
        file.truncate(length)
        file.seek(length)
        return file

    @staticmethod
    def _hashed(file: BinaryIO) -> hashlib._Hash:
        """A SHA-256 over what is in the file, which is left at its end."""
        found = hashlib.sha256()
        file.seek(0)
        while data := file.read(1 << 20):
            found.update(data)
        return found

    def _read_position(self) -> Position | None:
        path = self.folder / "position.json"
        if not path.exists():
            return None
        try:
            data = orjson.loads(path.read_bytes())
            if data.pop("sha256") != _sha256(data) or data.pop("schema") != _SCHEMA:
                raise ValueError("altered, or of another version")
            position = Position(**(data | {"block_hash": bytes.fromhex(data["block_hash"])}))
        except (OSError, ValueError, TypeError, KeyError):
            raise JournalUnusable(
                str(self.folder), "position.json was altered, or is of another version"
            ) from None
        if position.network != self._network:
            raise JournalUnusable(str(self.folder), "it is of another chain, or checked something else")
        return position

    def add_acts(self, rows: memoryview) -> None:
        """Write custody records, as rows with the places of the rows before them."""
        self._acts.write(rows)
        self._acts_hash.update(rows)
        self.acts += len(rows) // ROW

    def add_event(self, event: Happening) -> None:
        """Write another event."""
        line = _event_line(event, self.acts)
        self._events.write(line)
        self._events_hash.update(line)

    def add_header(self, header: bytes) -> None:
        """Write a header."""
        data = len(header).to_bytes(4, "big") + header
        self._headers.write(data)
        self._headers_hash.update(data)

    def headers(self) -> Iterator[bytes]:
        """The headers, in order; none of a development chain."""
        with (self.folder / "headers.bin").open("rb") as file:
            while length := file.read(4):
                yield file.read(int.from_bytes(length, "big"))

    def add_finding(self, finding: Finding) -> None:
        """Write a finding."""
        self.findings += 1
        self._findings.write(
            orjson.dumps(
                [
                    finding.kind.value,
                    finding.consignment.hex(),
                    finding.record.hex(),
                    finding.at,
                    finding.sentence,
                ]
            )
            + b"\n"
        )

    def note(self, block: int, block_hash: bytes, block_time: int, signatures: int, receipts: int) -> None:
        """Note that everything up to a block is written: a replay can go on behind it."""
        self.flush()
        self.position = Position(
            self._network,
            block,
            block_hash,
            block_time,
            self.acts,
            self._events.tell(),
            self._headers.tell(),
            signatures,
            receipts,
            self._acts_hash.hexdigest(),
            self._events_hash.hexdigest(),
            self._headers_hash.hexdigest(),
        )
        written = asdict(self.position) | {"schema": _SCHEMA, "block_hash": block_hash.hex()}
        text = orjson.dumps(written | {"sha256": _sha256(written)})
        write_atomically(self.folder / "position.json", text.decode())

    def flush(self) -> None:
        """Hand everything to the operating system, so that it can be read."""
        for file in self._files:
            file.flush()

    def replayed(self) -> Iterator[bytearray | Happening]:
        """What is in the files, in order: rows with their links, many at a time, and other events."""
        place = 0
        for event in self.events():
            yield from self._blocks(place, event.rows_before)
            place = max(place, event.rows_before)
            yield event
        yield from self._blocks(place, self.acts)

    def _blocks(self, first: int, end: int) -> Iterator[bytearray]:
        """Rows from a place up to another, some thousand at a time."""
        with (self.folder / "acts.rows").open("rb") as file:
            file.seek(first * ROW)
            while first < end:
                data = bytearray(file.read(min(end - first, _READ_ROWS) * ROW))
                if len(data) < ROW:
                    raise JournalUnusable(str(self.folder), "acts.rows ends too early")
                del data[len(data) // ROW * ROW :]
                yield data
                first += len(data) // ROW

    def rows(self, first: int, count: int) -> Iterator[bytes]:
        """Rows from a place on, in order."""
        for data in self._blocks(first, first + count):
            yield from (bytes(data[at : at + ROW]) for at in range(0, len(data), ROW))

    def row(self, place: int) -> bytes:
        """One row, by its place from 0."""
        return next(self.rows(place, 1))

    def events(self) -> Iterator[Happening]:
        """The other events, in order."""
        with (self.folder / "events.jsonl").open("rb") as file:
            for line in file:
                yield _event_of(line)

    def read_findings(self) -> Iterator[Finding]:
        """What is odd, in the order in which it was found."""
        self._findings.flush()
        with (self.folder / "findings.jsonl").open("rb") as file:
            for line in file:
                kind, consignment, record, at, sentence = orjson.loads(line)
                yield Finding(
                    FindingKind(kind), bytes.fromhex(consignment), bytes.fromhex(record), at, sentence
                )

    def close(self) -> None:
        """Close the files; they stay."""
        for file in self._files:
            file.close()
        self._lock.close()


def _sha256(position: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(position, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _event_line(event: Happening, rows_before: int) -> bytes:
    values = {
        name: "0x" + value.hex() if isinstance(value, bytes) else value
        for name, value in event.values.items()
    }
    fields: list[Any] = [
        event.contract,
        event.name,
        event.sequence,
        values,
        event.block,
        event.time,
        event.place,
        rows_before,
        None if event.sender is None else event.sender.hex(),
        None if event.call is None else event.call.hex(),
    ]
    return orjson.dumps(fields, option=orjson.OPT_PASSTHROUGH_DATACLASS) + b"\n"


def _event_of(line: bytes) -> Happening:
    contract, name, sequence, values, block, time, place, rows_before, sender, call = orjson.loads(line)
    return Happening(
        contract,
        name,
        sequence,
        {key: bytes.fromhex(value[2:]) if isinstance(value, str) else value for key, value in values.items()},
        block,
        time,
        place,
        rows_before,
        None if sender is None else bytes.fromhex(sender),
        None if call is None else bytes.fromhex(call),
    )
