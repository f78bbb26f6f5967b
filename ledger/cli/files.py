"""Files that commands read and write: whole, bounded, and never over one that is there."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ledger.cli.outcome import CommandError

if TYPE_CHECKING:
    from ledger.core.trust import Trust

MAX_DOCUMENT_BYTES = 1 << 20  # what `core.documents` takes; one byte more is read so that it refuses
MAX_FILE_BYTES = 4 << 20  # proofs and accompanying files
MAX_DISCLOSURE_BYTES = 16 << 20  # what `core.disclosures` takes


class UnusableFile(CommandError):
    """A file is not what the command takes.

    Attributes:
        file: Its name as given.
        rule: What is wrong with it, and what was expected.
    """

    def __init__(self, file: str, rule: str) -> None:
        self.file = file
        self.rule = rule
        super().__init__(f"{file}: {rule}.")


def read(path: Path, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Read at most `limit` bytes and one more of a file, or of standard input for `-`."""
    if str(path) == "-":
        return sys.stdin.buffer.read(limit + 1)
    with path.open("rb") as file:
        return file.read(limit + 1)


def read_trust(path: Path) -> Trust:
    """Read a trust file. Raises InvalidTrust, whose sentence names the file."""
    from ledger.core.trust import MAX_BYTES, Trust
    from ledger.errors import InvalidTrust

    try:
        return Trust.decode(read(path, MAX_BYTES))
    except InvalidTrust as error:
        error.args = (f"{path}: {error} Take it as `trust init` wrote it, byte for byte.",)
        raise


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object that was written by a program, such as a proof or a disclosure.

    Raises:
        UnusableFile: It is over 4 MiB, no JSON, or no object.
    """
    data = read(path, MAX_FILE_BYTES)
    if len(data) > MAX_FILE_BYTES:
        raise UnusableFile(str(path), f"it is over 4 MiB; {what} is expected")
    try:
        content = json.loads(
            data,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            object_pairs_hook=_without_duplicates,
        )
    except UnicodeDecodeError:
        raise UnusableFile(str(path), f"it is no UTF-8 text; {what} is expected") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UnusableFile(str(path), f"it is no JSON ({error.msg} at {place}); {what} is expected") from None
    except (ValueError, RecursionError):
        raise UnusableFile(
            str(path), f"it holds numbers, a name twice or a depth that {what} never has"
        ) from None
    if not isinstance(content, dict):
        raise UnusableFile(str(path), f"it is no JSON object; {what} is expected")
    return content


def write_new(path: Path, content: Any, *, private: bool = False) -> None:
    """Write a JSON file whole; one that is there already is never overwritten.

    Args:
        path: Where to.
        content: What `json` can write.
        private: For its owner alone (mode 0600): it holds keys or secrets.
    """
    from ledger.config import write_atomically

    require_new(path)
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    write_atomically(path, text, mode=0o600 if private else 0o644)


def replace(path: Path, content: Any) -> None:
    """Write a JSON file for its owner alone (mode 0600), whole, in the place of what the caller knows is there."""
    from ledger.config import write_atomically

    write_atomically(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n", mode=0o600)


def require_new(path: Path) -> None:
    """Refuse a path that exists, before any work is done for it."""
    if os.path.lexists(path):
        raise typer.BadParameter(f"{path} exists already; choose another name, nothing was done")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object as a dict; one name twice would have two readings."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name stands twice")
    return content


def _refuse_number(text: str) -> Any:
    raise ValueError(text)
