"""Opening a key for a command: its file, and its password from a file or from the person at the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ledger.cli.outcome import NoTerminal

if TYPE_CHECKING:
    from ledger import keys


def open_key(name: str, folder: Path, password_file: Path | None) -> keys.Key:
    """Open the key of this name.

    Raises:
        InvalidKey: The file or the password is unusable.
        NoTerminal: No password file was given, and there is no terminal to ask at.
    """
    from ledger import keys

    return keys.load(
        folder.expanduser() / name, lambda: password(f"Password of the key {name}", password_file)
    )


def password(label: str, password_file: Path | None, *, twice: bool = False) -> str:
    """Read a password from its file, or ask for it; it is never taken from the command line.

    Args:
        label: What to ask.
        password_file: Where it stands, or None to ask.
        twice: Ask a second time, for a new password.
    """
    if password_file is not None:
        from ledger import keys

        return keys.read_password(password_file)
    if not sys.stdin.isatty():
        raise NoTerminal(
            "The key's password is needed and there is no terminal to ask at; put it in a file only you can read and "
            "name that with --password-file or CARGO_LEDGER_PASSWORD_FILE."
        )
    word: str = typer.prompt(label, hide_input=True, confirmation_prompt=twice, err=True)
    return word
