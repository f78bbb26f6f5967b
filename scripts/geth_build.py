"""geth 1.13.15, the last with Clique: built once by the Go that is here, kept outside the tree.

Its packages come from Go's module proxy through Go's own client, which checks them against Go's checksum database.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from ledger.errors import LedgerError

VERSION = "1.13.15"
PACKAGES = 569  # that are compiled, counted: for the bar alone
_PACKAGE = f"github.com/ethereum/go-ethereum/cmd/geth@v{VERSION}"
_FLAGS = "-ldflags=-checklinkname=0"  # Go 1.23 refuses a dependency's use of its internals otherwise
_GO = Path("/usr/local/go/bin/go")  # where Go's own installer puts it, often not on PATH


class NoGeth(LedgerError):
    """There is no geth, and none can be built.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"There is no geth {VERSION} for a network of validators: {reason} Go 1.23 or later builds it."
        )


def is_cached() -> bool:
    """Whether it was built before."""
    return (_folder() / "geth").is_file()


def built(advance: Callable[[int], None] = lambda packages: None) -> Path:
    """The program; built if it was not before, which takes two minutes on two cores.

    Args:
        advance: Called with the number of packages compiled since it was called last.

    Raises:
        NoGeth: There is no Go, or it could not build.
    """
    folder = _folder()
    program = folder / "geth"
    if program.is_file():
        return program
    go = shutil.which("go") or (str(_GO) if _GO.is_file() else None)
    if go is None:
        raise NoGeth("there is no Go on this machine.")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "building.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once would each take twice as long
        if not program.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as made:
                _build(go, Path(made), advance)
                os.replace(Path(made) / "geth", program)  # whole or not at all
    return program


def _build(go: str, into: Path, advance: Callable[[int], None]) -> None:
    home = os.environ.get("HOME") or str(Path.home())
    process = subprocess.Popen(
        [go, "install", "-v", _FLAGS, _PACKAGE],
        cwd=into,  # outside any module
        env=os.environ | {"GOBIN": str(into), "GOFLAGS": "", "HOME": home},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None  # noqa: S101  it is piped
    said = []
    with process.stderr as lines:
        for line in lines:
            said.append(line)
            if not line.startswith("go: "):
                advance(1)
    if process.wait() != 0:
        raise NoGeth(f"`go install {_PACKAGE}` failed: {''.join(said[-3:]).strip()[:500]}.")


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "cargo-ledger" / f"geth-{VERSION}"
