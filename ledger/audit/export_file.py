r"""Blocks in one file, for a replay without a network: written in one pass, read strictly.

    "cargo-ledger/audit-export/1\\n"
    "H" ‖ frame of the network (JSON), with the last block
    "B" ‖ uint64 first ‖ uint64 last ‖ uint32 plain length ‖ frame of blocks, a Zstandard frame   (as often as needed)
    "T" ‖ frame of the tail (`Tail`): uint32 count ‖ count × (uint32 length ‖ header) ‖ the same for trie nodes
    "E" ‖ SHA-256 over the 32 bytes of all frames' SHA-256, in order
    frame = uint32 length ‖ SHA-256 of what is framed and of what stands before it since the letter ‖ what is framed

The blocks begin with the deployment's, or before it where the consensus needs headers from before (Clique: from 1).
Nothing follows the end, so a file that was cut off is known by its missing end, and one that was altered by a frame whose
SHA-256 differs: each time with the byte. Whoever altered a frame and its SHA-256 too has not altered the headers' seals.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import orjson

from ledger.audit.blocks import Chunk, Network, Source, Tail
from ledger.audit.checking import Checked, Checker
from ledger.audit.wording import counted
from ledger.config import CONTRACTS
from ledger.errors import ChainViolation, InvalidExport

_MAGIC = b"cargo-ledger/audit-export/1\n"
_SPAN = struct.Struct(">QQI")
_LENGTH = struct.Struct(">I")
_MOST_FRAME = 256 << 20
_CHUNK_BYTES = (
    4 << 20
)  # plain; fewer, larger chunks pack better, more and smaller ones are checked in parallel
_LEVEL = 3  # of Zstandard: most of what is packed are hashes and signatures, which no level makes smaller


def write(
    source: Source,
    path: Path,
    *,
    see: Callable[[Checked], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write a source's blocks into a new file, which appears when it is whole.

    Each chunk is checked on the way (hash, parent, receipts root; signatures are left to the replay), so that no file is
    made of what a node got wrong.

    Args:
        source: Who gives the blocks; it stays open.
        path: The file.
        see: Given each chunk's events, to write tables of them.
        progress: Told how many blocks are done, of how many.

    Returns:
        Bytes written.

    Raises:
        ChainViolation: A block does not hold.
        ChainUnavailable: The node gave no usable answer.
    """
    from zstandard import ZstdCompressor

    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            writer = _Writer(file)
            writer.begin(source)
            checker = Checker(source.network, recovers=False)
            packer = ZstdCompressor(level=_LEVEL)
            # Clique's signers are followed from where a trust file knows them, which is before the deployment
            first = 1 if source.network.consensus == "clique" else source.network.first_block
            hash_ = b""
            for chunk in _gathered(source.chunks(first)):
                outcome = checker.check(chunk)
                if outcome.fault is not None:
                    raise ChainViolation(outcome.fault.sentence)
                if hash_ and outcome.parent != hash_:
                    raise ChainViolation(f"Block {chunk.first} has another parent than the block before it.")
                hash_ = outcome.hashes[-1]
                if see is not None:
                    see(outcome)
                span = _SPAN.pack(chunk.first, chunk.last, len(chunk.data))
                writer.frame(b"B", span, packer.compress(chunk.data))
                if progress is not None:
                    progress(chunk.last - first + 1, source.last - first + 1)
            tail = source.tail()
            writer.frame(b"T", b"", _listed(tail.successors) + _listed(tail.state))
            written = writer.end()
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return written


def _gathered(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Chunks put together until they are worth packing."""
    waiting: list[Chunk] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(len(each.data) for each in waiting) >= _CHUNK_BYTES:
            yield _together(waiting)
            waiting = []
    if waiting:
        yield _together(waiting)


def _together(chunks: list[Chunk]) -> Chunk:
    data = b"".join(each.data for each in chunks)
    return Chunk(chunks[0].first, chunks[-1].last, data, 0, chunks[0].place)


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frames = sha256()
        self._written = file.write(_MAGIC)

    def begin(self, source: Source) -> None:
        network = source.network
        description = {
            "chain_id": network.chain_id,
            "genesis_hash": network.genesis_hash.hex(),
            "addresses": {name: network.addresses[name].hex() for name in CONTRACTS},
            "code_hashes": {name: network.code_hashes[name].hex() for name in CONTRACTS},
            "consensus": network.consensus,
            "first_block": network.first_block,
            "last_block": source.last,
        }
        self.frame(b"H", b"", orjson.dumps(description))

    def frame(self, letter: bytes, before: bytes, data: bytes) -> None:
        digest = sha256(before + data).digest()
        self._frames.update(digest)
        self._written += self._file.write(letter + before + _LENGTH.pack(len(data)) + digest + data)

    def end(self) -> int:
        self._written += self._file.write(b"E" + self._frames.digest())
        return self._written


def _listed(items: tuple[bytes, ...]) -> bytes:
    return _LENGTH.pack(len(items)) + b"".join(_LENGTH.pack(len(item)) + item for item in items)


class ExportSource:
    """The blocks of an export.

    Raises:
        InvalidExport: The file is no export, or of a version that is not known here.
    """

    def __init__(self, path: Path) -> None:
        """Open a file and read whose chain it is of."""
        self._path = path
        self.name = f"the export {path.name}"
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InvalidExport(str(path), 0, error.strerror or "it can't be read") from None
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> None:
        self._frames = sha256()
        self._tail: Tail | None = None
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise self._refused(0, "it does not begin as an export of version 1 does")
        if self._exactly(1) != b"H":
            raise self._refused(len(_MAGIC), "whose chain it is of does not stand first")
        described = self._frame(b"")
        try:
            values = orjson.loads(described)
            self.network = Network(
                values["chain_id"],
                bytes.fromhex(values["genesis_hash"]),
                {name: bytes.fromhex(values["addresses"][name]) for name in CONTRACTS},
                {name: bytes.fromhex(values["code_hashes"][name]) for name in CONTRACTS},
                values["consensus"],
                values["first_block"],
            )
            self.last: int = values["last_block"]
            if not 1 <= self.network.first_block <= self.last:
                raise ValueError("the blocks end before they begin")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._refused(len(_MAGIC), "whose chain it is of can't be read") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(self, first: int) -> Iterator[Chunk]:
        """The chunks that hold a block from a number on, or later; each still packed."""
        expected = self.network.first_block
        is_first = True
        while True:
            at = self._file.tell()
            letter = self._file.read(1)
            if letter == b"T" and expected == self.last + 1:
                self._read_tail(at)
                return
            if letter != b"B":
                raise self._refused(
                    at,
                    f"block {expected} was due and the file ends"
                    if letter == b""
                    else f"block {expected} was due, and something else stands there",
                )
            span = self._exactly(_SPAN.size)
            begin, end, plain = _SPAN.unpack(span)
            if is_first and 1 <= begin <= expected:
                expected = begin
            is_first = False
            if begin != expected or not begin <= end <= self.last or not 0 < plain <= _MOST_FRAME:
                raise self._refused(at, f"block {expected} was due, blocks {begin} to {end} are announced")
            data = self._frame(span)
            expected = end + 1
            if end >= first:
                yield Chunk(begin, end, data, plain, f"{self._path.name}, byte {at}")

    def tail(self) -> Tail:
        """What is shown beyond the last block; the chunks must have been read to their end."""
        if self._tail is None:
            raise self._refused(self._file.tell(), "its end was not reached")
        return self._tail

    def _read_tail(self, at: int) -> None:
        data = self._frame(b"")
        parts: list[tuple[bytes, ...]] = []
        place = 0
        try:
            for _ in range(2):
                (count,) = _LENGTH.unpack_from(data, place)
                place += 4
                items = []
                for _ in range(count):
                    (length,) = _LENGTH.unpack_from(data, place)
                    items.append(data[place + 4 : place + 4 + length])
                    place += 4 + length
                parts.append(tuple(items))
        except struct.error:
            raise self._refused(at, "its tail ends too early") from None
        if place != len(data):
            raise self._refused(at, "its tail has another length than it says")
        at = self._file.tell()
        if self._file.read(1) != b"E":
            raise self._refused(at, "its end is missing")
        if self._exactly(32) != self._frames.digest():
            raise self._refused(at, "its end does not fit its frames: frames were left out or exchanged")
        if self._file.read(1):
            raise self._refused(at + 33, "something follows its end")
        self._tail = Tail(*parts)

    def _frame(self, before: bytes) -> bytes:
        at = self._file.tell()
        (length,) = _LENGTH.unpack(self._exactly(4))
        if length > _MOST_FRAME:
            raise self._refused(at, f"a frame of {length} bytes is announced, {_MOST_FRAME} are the most")
        digest = self._exactly(32)
        data = self._exactly(length)
        if sha256(before + data).digest() != digest:
            raise self._refused(at, "the frame there does not have the SHA-256 it says: it was altered")
        self._frames.update(digest)
        return data

    def _exactly(self, count: int) -> bytes:
        at = self._file.tell()
        data = self._file.read(count)
        if len(data) != count:
            raise self._refused(
                at, f"the file ends, {counted(count - len(data), 'byte', 'bytes')} too early: it was cut off"
            )
        return data

    def _refused(self, at: int, rule: str) -> InvalidExport:
        return InvalidExport(str(self._path), at, rule)
