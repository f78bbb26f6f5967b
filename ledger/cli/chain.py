"""`cargo-ledger chain`: the development chain of this machine, one process with its state on disk."""

from __future__ import annotations

import dataclasses
import secrets
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ledger import keys
from ledger.cli import outcome
from ledger.cli.options import JsonOption, administration, examples
from ledger.cli.output import Output, Page
from ledger.config import ChainProfile, write_atomically
from ledger.core.identifiers import Party
from ledger.errors import ChainUnavailable

DEFAULT_FOLDER = Path("var/chain")
GOVERNOR = "governor-"  # what the names of the founders' keys begin with

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Start, look at and stop a development chain. It is for one machine: no seals, no finality, no value.",
    epilog=examples("cargo-ledger chain up", "cargo-ledger chain status", "cargo-ledger chain down"),
)

FolderOption = Annotated[
    Path, typer.Option("--folder", metavar="FOLDER", file_okay=False, help="Where the chain's state is kept.")
]


@app.command(
    epilog=examples(
        "cargo-ledger chain up",
        "cargo-ledger chain up --founder SG --founder NL --founder KE --folder var/three --json",
    )
)
def up(
    *,
    folder: FolderOption = DEFAULT_FOLDER,
    founder: Annotated[
        list[Party] | None,
        typer.Option(
            metavar="CODE",
            parser=administration,
            help="An administration that founds a new chain; repeat it. By default SG, NL and GB.",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; by default a free one.")
    ] = None,
    block_seconds: Annotated[
        int, typer.Option(min=0, max=60, help="Seconds between blocks; 0 makes one for each transaction.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Start the chain of a folder, and found its ledger when it is new.

    A new chain gets the three contracts, a governor's key for each founder (in FOLDER/keys, their password in
    FOLDER/keys/password) and a profile, FOLDER/profile.json. A second call starts the same chain again, or finds it
    running.
    """
    from ledger import devchain

    folder = folder.resolve()  # so that what is printed, and kept, is right wherever one is
    out = Output(as_json)
    profile_path = folder / "profile.json"
    is_new = not profile_path.exists()
    if founder and not is_new:
        raise typer.BadParameter(f"the chain of {folder} is founded already; --founder is for a new folder")
    with out.progress("starting the chain"):
        running = devchain.start(folder, port=port, block_seconds=block_seconds)
    if is_new:
        codes = [party.administration for party in founder or [Party("SG"), Party("NL"), Party("GB")]]
        profile = _found(out, folder, running.url, codes, block_seconds)
    else:
        profile = dataclasses.replace(ChainProfile.load(profile_path), rpc_url=running.url)
        _require_same(profile, folder)
    profile.save(profile_path)
    governors = [each for each in keys.list(folder / "keys") if each[0].startswith(GOVERNOR)]

    def show(page: Page) -> None:
        page.line(
            f"The development chain {'is founded and' if is_new else ''} runs at {running.url}.".replace(
                "  ", " "
            )
        )
        page.facts(
            {"profile": profile_path, "keys": folder / "keys", "password": folder / "keys" / "password"}
        )
        page.table("Governors", ("key", "account"), governors)
        page.line("To use it in this shell:")
        page.line(f"  export CARGO_LEDGER_PROFILE={profile_path} CARGO_LEDGER_KEYS={folder / 'keys'}")
        page.line(f"  export CARGO_LEDGER_PASSWORD_FILE={folder / 'keys' / 'password'}")

    out.answer(
        {
            "url": running.url,
            "pid": running.pid,
            "founded": is_new,
            "profile": str(profile_path),
            "key_folder": str(folder / "keys"),
            "password_file": str(folder / "keys" / "password"),
            "governors": dict(governors),
        },
        show,
    )


@app.command(
    epilog=examples("cargo-ledger chain status", "cargo-ledger chain status --folder var/three --json")
)
def status(*, folder: FolderOption = DEFAULT_FOLDER, as_json: JsonOption = False) -> None:
    """Say whether the chain of a folder runs, and how long it is. Exit code 4 when it does not run."""
    from ledger import devchain

    folder = folder.resolve()  # so that what is printed, and kept, is right wherever one is
    out = Output(as_json)
    running = devchain.status(folder)
    if running is None:
        out.answer(
            {"running": False, "folder": str(folder)},
            lambda page: page.line(
                f"No development chain runs for {folder}; `cargo-ledger chain up` starts it."
            ),
        )
        outcome.end(outcome.Exit.UNREACHABLE)
    from ledger.chain import Node

    with out.progress("asking the chain"), closing(Node(running.url)) as node:
        head = node.head()
    facts = {
        "running": True,
        "url": running.url,
        "pid": running.pid,
        "folder": str(folder),
        "block": head.number,
        "block_hash": "0x" + head.hash.hex(),
    }

    def show(page: Page) -> None:
        page.line(f"The development chain of {folder} runs at {running.url}, at block {head.number}.")
        page.facts({"process": running.pid, "log": folder / "anvil.log"})

    out.answer(facts, show)


@app.command(epilog=examples("cargo-ledger chain down", "cargo-ledger chain down --folder var/three --json"))
def down(*, folder: FolderOption = DEFAULT_FOLDER, as_json: JsonOption = False) -> None:
    """Stop the chain of a folder; its state stays and `chain up` goes on from it."""
    from ledger import devchain

    folder = folder.resolve()  # so that what is printed, and kept, is right wherever one is
    out = Output(as_json)
    with out.progress("stopping the chain"):
        stopped = devchain.stop(folder)
    sentence = (
        f"Stopped the development chain of {folder}; its state is kept."
        if stopped
        else f"None ran for {folder}."
    )
    out.answer({"stopped": stopped, "folder": str(folder)}, lambda page: page.line(sentence))


def _found(out: Output, folder: Path, url: str, codes: list[str], block_seconds: int) -> ChainProfile:
    from ledger.deployment import deploy

    key_folder = folder / "keys"
    password_file = key_folder / "password"
    if not password_file.exists():
        key_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(password_file, secrets.token_hex(16) + "\n", mode=0o600)
    word = keys.read_password(password_file)
    founders = {}
    with out.progress("founding the ledger"):
        for code in codes:
            name = GOVERNOR + code.lower()
            path = keys.path_of(key_folder, name)
            founders[code] = (
                keys.address_of(path) if path.exists() else keys.create(key_folder, name, word, light=True)
            )
        return deploy(url, founders, block_seconds=block_seconds)


def _require_same(profile: ChainProfile, folder: Path) -> None:
    from ledger.chain import Chain
    from ledger.errors import ChainMismatch

    try:
        with closing(Chain(profile)) as chain:
            chain.require_identity()
    except ChainMismatch as error:
        raise ChainUnavailable(
            profile.rpc_url,
            f"the state in {folder} is another chain's than its profile.json ({error.what} differs); move the folder away "
            "to begin anew",
        ) from None
