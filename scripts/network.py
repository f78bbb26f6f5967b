"""`make network` and `make network-down`: a permissioned chain of four validators on this machine, founded and left running.

geth's Clique, blocks of a second, three administrations with their people enrolled; keys and the chain profile lie in
var/network, and every command and the service take them. What is there already is used again.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import geth_build
from demo_network import ADMINISTRATIONS, PEOPLE, ROOT, Network
from demo_stage import Stage
from processes import alone_in
from validators import COUNT, Validators

from ledger.errors import LedgerError

FOLDER = ROOT / "var" / "network"
_REFUSED = 1
_INTERRUPTED = 130


def main() -> int:
    """Start or stop the network; the result is the process's exit status."""
    parser = argparse.ArgumentParser(description="Run a chain of four validators here, or stop it.")
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where its state is kept (var/network)")
    options = parser.parse_args()
    stage = Stage()
    folder: Path = options.folder.resolve()
    try:
        with alone_in(folder):
            return _up(stage, folder) if options.command == "up" else _down(stage, folder)
    except geth_build.NoGeth as error:
        stage.say(f"{error} No network was started.", style="bold red")
        return _REFUSED if os.environ.get("CI") else 0
    except (LedgerError, OSError) as error:
        stage.say(str(error), style="bold red")
        return _REFUSED
    except KeyboardInterrupt:
        stage.say("Stopped on request; `make network` goes on from what is there.")
        return _INTERRUPTED


def _up(stage: Stage, folder: Path) -> int:
    if not geth_build.is_cached():
        with stage.progress(f"geth {geth_build.VERSION}, built once", geth_build.PACKAGES) as advance:
            geth_build.built(advance)
    validators = Validators(folder / "chain", geth_build.built())
    network = Network(folder, "detached", validators)
    was_running = validators.is_running()
    try:
        with stage.progress("the validators, sealing together", COUNT) as advance:
            validators.start(advance)
        with stage.progress("the contracts", 1) as advance:
            is_new = network.found()
            advance(1)
        with stage.progress("the people, enrolled", len(PEOPLE)) as advance:
            enrolled = network.enrol(advance=lambda name: advance(1))
        if enrolled:
            network.fund_services()
    except (LedgerError, KeyboardInterrupt):
        if not was_running:
            validators.stop()  # half a network helps nobody; its state stays
        raise
    finally:
        network.close()
    where = _typed(folder)
    if was_running and not is_new:
        stage.say(f"It runs already, from {where}: nothing was started.", style="bold")
    else:
        stage.say(
            f"{'Founded anew in' if is_new else 'Goes on from'} {where}: {COUNT} validators, three administrations.",
            style="bold",
        )
    _print_where(stage, network, validators)
    return 0


def _print_where(stage: Stage, network: Network, validators: Validators) -> None:
    stage.table(
        "Validators",
        ("account", "address", "log"),
        [
            (account, validators.url_of(place), _typed(validators.folders[place] / "geth.log"))
            for place, account in enumerate(validators.addresses)
        ],
    )
    stage.table(
        "Files",
        ("what", "where"),
        [
            ("chain profile", _typed(network.profile_path)),
            ("keys", _typed(network.key_folder)),
            ("their password", _typed(network.password_path)),
        ],
    )
    stage.say(
        f"Blocks count as final here with {network.profile.confirmations} on top (Clique has no finality of its own). "
        "A service, in this folder:"
    )
    for line in commands(network):
        stage.console.print(f"  {line}", soft_wrap=True)
    stage.say("`make network-down` stops the validators; their state stays.")


def commands(network: Network) -> list[str]:
    """Lines to copy into a shell in the project's folder: one administration's service, and what is asked of the chain."""
    code = ADMINISTRATIONS[0].code
    settings = " ".join(f"{name}={_typed_text(value)}" for name, value in network.settings(code).items())
    return [
        f"env {settings} .venv/bin/python -m api --create",
        f"export CARGO_LEDGER_PROFILE={_typed(network.profile_path)} CARGO_LEDGER_KEYS={_typed(network.key_folder)} "
        f"CARGO_LEDGER_PASSWORD_FILE={_typed(network.password_path)}",
        f".venv/bin/cargo-ledger trust init --administration {code} --out {_typed(network.folder / 'trust.json')}",
    ]


def _down(stage: Stage, folder: Path) -> int:
    ended = Validators(folder / "chain", Path("geth")).stop()
    for each in ended:
        stage.done(f"Stopped {each}.")
    where = _typed(folder)
    stage.say(
        f"Its state stays in {where}; `make network` goes on from it."
        if ended
        else f"Nothing runs from {where}."
    )
    return 0


def _typed(path: Path) -> str:
    """A path as it is typed in the project's folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _typed_text(value: str) -> str:
    return value.replace(f"{ROOT}/", "")


if __name__ == "__main__":
    sys.exit(main())
