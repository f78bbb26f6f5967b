"""Key files that are looked at while the service runs: so a relayer's key is exchanged without stopping anything.

A file that comes into a folder is opened, and its key signs from then on. The key of a file that is gone, or that cannot be
opened any more, signs nothing from then on; what it had signed before goes on its way (`ledger.settling`). When the file is
back, so is the key.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger import keys
from ledger.core.signatures import account_of
from ledger.errors import InvalidKey

_logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
_AGAIN_SECONDS = 10.0  # until a file that could not be opened is tried again: each try takes a second


@dataclass(frozen=True, slots=True)
class _Opened:
    stamp: tuple[int, ...]
    key: keys.Key | None
    again_at: float = float("inf")


def files_of(path: Path) -> Sequence[Path]:
    """The key files that a path means: itself, or every `*.json` of a folder, by name."""
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


class KeyFiles:
    """The keys of some files, as they are by now. Used by one thread.

    Args:
        paths: Key files, and folders of which every `*.json` is one.
        password_file: File with the password of all of them.
        forbidden: Accounts whose keys are refused, since everybody has them.
        look_seconds: The files are looked at this often.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        password_file: Path,
        forbidden: Collection[str] = (),
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._paths = tuple(paths)
        self._password_file = password_file
        self._forbidden = forbidden
        self._look_seconds = look_seconds
        self._look_at = 0.0
        self._opened: dict[Path, _Opened] = {}
        self._complaints: dict[Path, str] = {}
        self._keys: tuple[bytes, ...] | None = None

    def current(self) -> tuple[bytes, ...]:
        """The private keys, 32 bytes each, each once, in the order of paths and names; none if no file can be used."""
        now = time.monotonic()
        if self._keys is None or now >= self._look_at:
            self._look_at = now + self._look_seconds
            self._look(now)
            found = [each.key for each in self._opened.values() if each.key is not None]
            self._keys = tuple(dict.fromkeys(key.private for key in found))
        return self._keys

    def _look(self, now: float) -> None:
        opened: dict[Path, _Opened] = {}
        for path in self._files():
            try:
                about = path.stat()
            except OSError as error:
                self._complain(path, f"{path} cannot be read: {error.strerror}")
                continue
            stamp = (about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino, about.st_mode)
            known = self._opened.get(path)
            if known is None or known.stamp != stamp or now >= known.again_at:
                known = self._open(path, stamp, now)
            opened[path] = known
        for path in self._opened.keys() - opened.keys():
            self._complain(path, f"{path} is gone")
        for path, each in opened.items():
            before = self._opened.get(path)
            if each.key is not None and (before is None or before.key is None):
                self._complaints.pop(path, None)
                _logger.info("the key %s signs from now on (%s)", each.key.address, path)
        self._opened = opened

    def _files(self) -> Iterator[Path]:
        for path in self._paths:
            yield from files_of(path)

    def _open(self, path: Path, stamp: tuple[int, ...], now: float) -> _Opened:
        try:
            key = keys.load(path, keys.read_password(self._password_file))
            if account_of(key.private) in self._forbidden:
                raise InvalidKey(key.name, "it is a development chain's, which everybody has")
        except (InvalidKey, OSError) as error:
            self._complain(path, str(error))
            return _Opened(stamp, None, now + _AGAIN_SECONDS)
        return _Opened(stamp, key)

    def _complain(self, path: Path, complaint: str) -> None:
        """Say once that a file is of no use, and whose key signs no more."""
        if self._complaints.get(path) == complaint:
            return
        self._complaints[path] = complaint
        before = self._opened.get(path)
        if before is not None and before.key is not None:
            complaint += f"; the key {before.key.address} signs nothing from now on"
        _logger.warning("%s", complaint)
