"""`make up` and `make down`: the demonstration's network, left running on this machine until it is stopped.

Three administrations on a development chain, each with its service; their people's keys lie in var/up/keys. What is there
already is used again: the chain goes on from its state, services that run are left alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo_network import ADMINISTRATIONS, PEOPLE, ROOT, Network
from demo_stage import Stage
from processes import Busy, alone_in

from ledger.errors import LedgerError

FOLDER = ROOT / "var" / "up"
EXAMPLE = "scripts/demo_data/export-excise-goods.json"
REFERENCE = "ducr:4GB839940712580-H6LMILU"
_REFUSED = 1
_INTERRUPTED = 130


def main() -> int:
    """Start or stop the system; the result is the process's exit status."""
    parser = argparse.ArgumentParser(
        description="Leave the cargo ledger running on this machine, or stop it."
    )
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where its state is kept (var/up)")
    options = parser.parse_args()
    stage = Stage()
    network = Network(options.folder, "detached")
    try:
        with alone_in(network.folder):
            return _up(stage, network) if options.command == "up" else _down(stage, network)
    except Busy as error:
        stage.say(str(error), style="bold red")
        return _REFUSED


def _up(stage: Stage, network: Network) -> int:
    had_chain = network.nodes.is_running()
    had_services = any(network.running(each.code) for each in ADMINISTRATIONS)
    try:
        with stage.progress("the chain", 1) as advance:
            is_new = network.found()
            started = network.start_services()  # they take seconds to be ready; meanwhile people are enrolled
            advance(1)
        with stage.progress("the people, enrolled", len(PEOPLE)) as advance:
            enrolled = network.enrol(advance=lambda name: advance(1))
        with stage.progress("the services, ready", len(ADMINISTRATIONS)) as advance:
            network.serve(advance=lambda code: advance(1))
    except (LedgerError, KeyboardInterrupt) as error:
        if not had_chain and not had_services:
            network.stop()  # half a system helps nobody; its state stays and the next `make up` goes on from it
        if isinstance(error, KeyboardInterrupt):
            stage.say("Stopped on request; what was founded stays.")
            return _INTERRUPTED
        stage.say(str(error), style="bold red")
        return _REFUSED
    stage.say(_sentence(network, is_new, had_chain, enrolled, started), style="bold")
    _print_where(stage, network)
    return 0


def _sentence(network: Network, is_new: bool, had_chain: bool, enrolled: int, started: list[str]) -> str:
    where = _typed(network.folder)
    if is_new:
        return f"Founded anew in {where}: three administrations, {enrolled} people enrolled, three services."
    if had_chain and not started:
        return f"It runs already, from {where}: nothing was started."
    chain = "the chain ran" if had_chain else "the chain goes on from its state"
    services = f"started the services of {', '.join(started)}" if started else "the services ran"
    return f"Used what is in {where}: {chain}, {services}."


def _print_where(stage: Stage, network: Network) -> None:
    services = [(each.code, each.name, network.services[each.code].url) for each in ADMINISTRATIONS]
    stage.table("Services", ("code", "administration", "address"), services)
    people = [(each.name, each.party, each.role.name.lower(), each.task) for each in PEOPLE]
    stage.table("Keys", ("key", "acts for", "role", "who"), people)
    stage.table(
        "Files",
        ("what", "where"),
        [
            ("chain profile", _typed(network.profile_path)),
            ("keys", _typed(network.key_folder)),
            ("their password", _typed(network.password_path)),
            ("chain", network.profile.rpc_url),
        ],
    )
    stage.say("To ask and to act, in this folder:")
    for line in commands(network):
        stage.console.print(f"  {line}", soft_wrap=True)
    stage.say("`make down` stops it; its state stays.")


def commands(network: Network) -> list[str]:
    """Lines to copy into a shell in the project's folder: an exporter lodges and opens, an officer holds and looks."""
    kept = _typed(network.folder / "gin.lodged.json")
    return [
        f"export CARGO_LEDGER_SERVICE={network.services['GB'].url} CARGO_LEDGER_PROFILE={_typed(network.profile_path)}",
        f"export CARGO_LEDGER_KEYS={_typed(network.key_folder)} CARGO_LEDGER_PASSWORD_FILE={_typed(network.password_path)}",
        f".venv/bin/cargo-ledger manifest lodge {EXAMPLE} --key thames --out {kept} --wait",
        f".venv/bin/cargo-ledger consignment open {kept} --key thames",
        f".venv/bin/cargo-ledger consignment hold {REFERENCE} --key officer-gb --reason 'sample of spirit drinks'",
        f".venv/bin/cargo-ledger consignment show {REFERENCE}",
    ]


def _down(stage: Stage, network: Network) -> int:
    ended = network.stop()
    for each in ended:
        stage.done(f"Stopped {each}.")
    where = _typed(network.folder)
    stage.say(
        f"Its state stays in {where}; `make up` goes on from it." if ended else f"Nothing runs from {where}."
    )
    return 0


def _typed(path: Path) -> str:
    """A path as it is typed in the project's folder."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


if __name__ == "__main__":
    sys.exit(main())
