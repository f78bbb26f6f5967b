"""`cargo-ledger key`: the keys of this machine. They sign; who may act with them is enrolled on chain."""

from __future__ import annotations

from typing import Annotated

import typer

from ledger import keys
from ledger.cli.opening import password
from ledger.cli.options import (
    DEFAULT_KEY_FOLDER,
    JsonOption,
    KeyFolderOption,
    PasswordFileOption,
    examples,
)
from ledger.cli.output import Output, Page

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make and list the encrypted keys that sign for you.",
    epilog=examples("cargo-ledger key new officer", "cargo-ledger key list"),
)


@app.command(
    epilog=examples(
        "cargo-ledger key new officer",
        "cargo-ledger key new exporter --key-folder ~/keys --password-file ~/.key-password --json",
    )
)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key; its file is NAME.json.")],
    *,
    light: Annotated[
        bool, typer.Option("--light", help="A quick, weak protection: for a development chain only.")
    ] = False,
    key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new key, kept in a file that its password encrypts.

    The file is an Ethereum key file (version 3) that any wallet opens. Nobody can bring back a lost password; the
    governor of your administration can then enrol another account of yours.
    """
    folder = key_folder.expanduser()
    out = Output(as_json)
    word = password(f"Password for the new key {name}", password_file, twice=True)
    with out.progress("making the key"):
        address = keys.create(folder, name, word, light=light)
    path = keys.path_of(folder, name)

    def show(page: Page) -> None:
        page.line(f"Made the key {name}, account {address}.")
        page.facts({"file": path})
        page.line(
            "It may act once a governor has enrolled it: `cargo-ledger account consent` makes what they need."
        )

    out.answer({"name": name, "address": address, "file": str(path)}, show)


@app.command(
    "list", epilog=examples("cargo-ledger key list", "cargo-ledger key list --key-folder ~/keys --json")
)
def list_keys(*, key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER, as_json: JsonOption = False) -> None:
    """List the keys of a folder and the accounts they say they are; no password is needed."""
    folder = key_folder.expanduser()
    found = keys.list(folder)
    rows = [
        {"name": name, "address": address, "file": str(keys.path_of(folder, name))} for name, address in found
    ]
    Output(as_json).answer(
        {"keys": rows},
        lambda page: page.table(
            f"Keys in {folder}",
            ("name", "account"),
            found,
            empty=f"There are no keys in {folder}; `cargo-ledger key new NAME` makes one.",
        ),
    )
