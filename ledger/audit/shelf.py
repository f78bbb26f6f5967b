"""A map from bytes to objects that may grow beyond memory: what was used lately is near, the rest in a file.

What a replay keeps of a consignment is needed while it is under way and hardly ever after. So the map holds two
generations in memory: an object that is used moves to the younger one, and when that is full, the older one is written to
the file and the younger becomes the older. The file is SQLite without durability: it is scratch, made anew at every start.

An object that was taken out may be changed in place until the next `settle`, which alone moves objects away: a caller
holds none across it.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

_Kept = TypeVar("_Kept")
NEAR = 1 << 15
"""Objects in a generation; of consignments about 50 MiB, and two generations are kept."""
_CACHE_KIB = 16_384  # of SQLite's pages in memory
_READ_ROWS = 1_024
_HINT_BYTES = 3  # of a key: a bit for each value says whether the file may have such keys, which saves asking it for new ones


class Shelf(MutableMapping[bytes, _Kept], Generic[_Kept]):
    """The map. Not for several threads at once.

    Attributes:
        near: The younger generation, to look into first where every microsecond counts.
    """

    def __init__(
        self, path: Path, encode: Callable[[_Kept], bytes], decode: Callable[[bytes], _Kept]
    ) -> None:
        """Begin an empty map.

        Args:
            path: Its file, made once it is needed; one that is there is of a process that was killed, and goes.
            encode: The bytes of an object.
            decode: The object again, equal to the one encoded.
        """
        self.near: dict[bytes, _Kept] = {}
        self._older: dict[bytes, _Kept] = {}
        self._path = path
        self._encode = encode
        self._decode = decode
        self._file: sqlite3.Connection | None = None
        self._hints = bytearray()
        self._count = 0
        path.unlink(missing_ok=True)

    def settle(self) -> None:
        """Move what was not used lately to the file, if there is much in memory; nobody may hold an object across it.

        Raises:
            OSError: The file can't be written: the disk is full, perhaps.
        """
        if len(self.near) < NEAR:
            return
        if self._older:
            try:
                self._write(self._older)
            except sqlite3.Error as error:
                raise self._failed(error) from None
        self._older, self.near = self.near, {}

    def _write(self, objects: dict[bytes, _Kept]) -> None:
        if self._file is None:
            self._file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            for setting in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
                self._file.execute(f"PRAGMA {setting}")
            self._file.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            self._hints = bytearray(1 << 8 * _HINT_BYTES - 3)
            self._file.execute("CREATE TABLE kept (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        hints, encode = self._hints, self._encode
        for key in objects:
            hint = int.from_bytes(key[:_HINT_BYTES], "big")
            hints[hint >> 3] |= 1 << (hint & 7)
        self._file.execute("BEGIN")
        self._file.executemany(
            "INSERT OR REPLACE INTO kept VALUES (?, ?)",
            ((key, encode(objects[key])) for key in sorted(objects)),
        )
        self._file.execute("COMMIT")

    def fetch(self, key: bytes) -> _Kept | None:
        """An object, moved to the younger generation; None if there is none.

        Raises:
            OSError: The file can't be read.
        """
        found = self.near.get(key)
        if found is not None:
            return found
        found = self._older.pop(key, None)
        if found is None and self._file is not None:
            hint = int.from_bytes(key[:_HINT_BYTES], "big")
            if not self._hints[hint >> 3] & 1 << (hint & 7):
                return None
            try:
                row = self._file.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error as error:
                raise self._failed(error) from None
            found = None if row is None else self._decode(row[0])
        if found is not None:
            self.near[key] = found
        return found

    def __getitem__(self, key: bytes) -> _Kept:
        found = self.fetch(key)
        if found is None:
            raise KeyError(key)
        return found

    def add(self, key: bytes, value: _Kept) -> None:
        """Add an object under a key that has none, which the caller knows."""
        self._count += 1
        self.near[key] = value

    def __setitem__(self, key: bytes, value: _Kept) -> None:
        if key in self:
            self.near[key] = value
        else:
            self.add(key, value)

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("nothing is ever taken off a shelf")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.fetch(key) is not None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """Every key in ascending order."""
        return (key for key, _ in self.in_order())

    def in_order(self) -> Iterator[tuple[bytes, _Kept]]:
        """Every key and object in ascending order of the keys; what stands in memory is not moved, nor moved away."""
        held = self._older | self.near
        keys = sorted(held)
        at = 0
        for key, value in self._rows():
            while at < len(keys) and keys[at] < key:
                yield keys[at], held[keys[at]]
                at += 1
            if key not in held:
                yield key, self._decode(value)
        for key in keys[at:]:
            yield key, held[key]

    def _rows(self) -> Iterator[tuple[bytes, bytes]]:
        if self._file is None:
            return
        rows = self._file.execute("SELECT key, value FROM kept ORDER BY key")
        while found := rows.fetchmany(_READ_ROWS):
            yield from found

    def _failed(self, error: sqlite3.Error) -> OSError:
        return OSError(errno.EIO, f"what was kept can't be written or read: {error}", str(self._path))

    def close(self) -> None:
        """Let go of the file, which goes."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
