"""What a power cut would leave of a folder, from a trace of the system calls of those who wrote in it.

Only what was synced is sure: a file's bytes by `fsync` or `fdatasync` of it, its name by `fsync` of its folder. Of the rest any
part may be there. A process is traced by Debian's `strace`.
"""

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

CALLS = (
    "pwrite64,write,fsync,fdatasync,ftruncate,openat,unlink,unlinkat,rename,renameat,renameat2,link,linkat"
)
HAS_STRACE = shutil.which("strace") is not None
_LINE = re.compile(rb"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_FD = re.compile(rb"(?:(\d+)|AT_FDCWD)<([^>]*)>")
_TEXT = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_UNFINISHED = re.compile(rb"^(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(rb"^(\d+) +<\.\.\. \w+ resumed>(.*)$")


def trace(command: list[str], to: Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, and keep what it writes."""
    strace = ["strace", "-f", "-y", "-xx", "-s", "4194304", "-e", f"trace={CALLS}", "-o", str(to)]
    return subprocess.run([*strace, *command], stdout=subprocess.PIPE, timeout=300, **options)


class Disk:
    """A folder's files as far as a trace has gone.

    Args:
        folder: What lies in other folders is not looked at.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder.resolve())
        self._names: dict[str, int] = {}  # as programs see them
        self._sure_names: dict[str, int] = {}
        self._sure: dict[int, bytearray] = {}
        self._pending: dict[int, list[tuple[int, bytes | None]]] = {}  # place and bytes; None cuts off there
        self.syncs = 0

    def follow(self, trace: Path):
        """Go through a trace; yields what was written to the standard output, when it was."""
        for name, arguments, result in _calls(trace):
            if result < 0:
                continue
            if name == "write" and arguments.startswith(b"\\x31<"):
                yield _text(arguments)
            elif name == "write" and arguments.startswith(b"1<"):
                yield _text(arguments)
            else:
                self._take(name, arguments, result)

    def _take(self, name: str, arguments: bytes, result: int) -> None:
        texts = [each.decode("utf-8", "replace") for each in map(_unescape, _TEXT.findall(arguments))]
        found = _FD.search(arguments)
        path = "" if found is None else _unescape(found[2]).decode("utf-8", "replace")
        if name == "openat":
            opened = self._inside(texts[0])
            if opened and b"O_CREAT" in arguments and opened not in self._names:
                self._names[opened] = self._new()
            elif opened and b"O_TRUNC" in arguments and opened in self._names:
                self._pending[self._names[opened]].append((0, None))
        elif name.startswith("rename"):
            old, new = (self._inside(each) for each in texts[:2])
            if old in self._names:
                self._names[new] = self._names.pop(old)
        elif name.startswith("link"):
            old, new = (self._inside(each) for each in texts[:2])
            if old in self._names:
                self._names[new] = self._names[old]
        elif name.startswith("unlink"):
            self._names.pop(self._inside(texts[0]), None)
        elif path == self._folder and name == "fsync":
            self._sure_names = dict(self._names)
            self.syncs += 1
        elif (file := self._names.get(self._inside(path))) is not None:
            self._write(name, arguments, file)

    def _write(self, name: str, arguments: bytes, file: int) -> None:
        if name in ("fsync", "fdatasync"):
            for place, data in self._pending[file]:
                _apply(self._sure[file], place, data)
            self._pending[file] = []
            self.syncs += 1
        elif name == "pwrite64":
            place = int(arguments.rpartition(b",")[2])
            self._pending[file].append((place, _unescape(_TEXT.search(arguments)[1])))
        elif (
            name == "write"
        ):  # one after the other: files that are written so are written once, from their beginning
            size = max([len(self._sure[file]), *(at + len(data or b"") for at, data in self._pending[file])])
            self._pending[file].append((size, _text(arguments)))
        elif name == "ftruncate":
            self._pending[file].append((int(arguments.rpartition(b",")[2]), None))

    def cut(self, chance: random.Random, to: Path) -> None:
        """Write what is left after a power cut now: what is sure, and of the rest what chance leaves."""
        share = chance.choice([0.0, 0.5, 1.0])
        names = dict(self._sure_names)
        for name, file in self._names.items():
            if chance.random() < share:
                names[name] = file
        for name, file in names.items():
            if name.endswith("-shm"):
                continue  # memory that is shared, and made anew
            left = bytearray(self._sure[file])
            for place, data in self._pending[file]:
                if chance.random() < share:
                    _apply(left, place, data)
            (to / name).write_bytes(left)
            (to / name).chmod(0o600)

    def _new(self) -> int:
        file = len(self._sure)
        self._sure[file], self._pending[file] = bytearray(), []
        return file

    def _inside(self, path: str) -> str:
        """A path's name in the folder; empty for others."""
        head, name = os.path.split(path)
        return name if os.path.realpath(head) == self._folder else ""


def _calls(trace: Path):
    waiting: dict[bytes, bytes] = {}
    for line in trace.read_bytes().splitlines():
        if begun := _UNFINISHED.match(line):
            waiting[begun[1]] = begun[2]
            continue
        if ended := _RESUMED.match(line):
            line = ended[1] + b" " + waiting.pop(ended[1], b"") + ended[2]
        if call := _LINE.match(line):
            yield call[1].decode(), call[2], int(call[3])


def _apply(content: bytearray, place: int, data: bytes | None) -> None:
    if data is None:
        del content[place:]
        content.extend(bytes(place - len(content)))
        return
    if len(content) < place:
        content.extend(bytes(place - len(content)))
    content[place : place + len(data)] = data


def _text(arguments: bytes) -> bytes:
    found = _TEXT.search(arguments)
    return b"" if found is None else _unescape(found[1])


def _unescape(text: bytes) -> bytes:
    return bytes.fromhex(text.replace(b"\\x", b"").decode()) if text.startswith(b"\\x") else text
