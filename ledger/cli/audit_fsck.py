"""`cargo-ledger audit fsck`: everything that a service keeps, derived again."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import files, outcome
from ledger.cli.extra import require_extra
from ledger.cli.options import (
    JsonOption,
    ProcessesOption,
    examples,
    file_to_read,
    profile_option,
    trust_option,
)
from ledger.cli.output import Output, Page

if TYPE_CHECKING:
    from ledger.audit.fsck.found import Corruption
    from ledger.audit.fsck.run import Outcome


app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "cargo-ledger audit fsck --trust sg.trust.json --wrapping-keys /etc/cargo-ledger/wrapping-keys",
        "cargo-ledger audit fsck box.evidence.json --trust sg.trust.json --json",
        "cargo-ledger audit fsck --export chain.audit --trust sg.trust.json",
        "cargo-ledger audit fsck --trust sg.trust.json --repair",
    )
)
def fsck(
    evidence: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[EVIDENCE]", parser=file_to_read, help="Evidence files to judge too."),
    ] = None,
    *,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="LEDGER_DATABASE_URL",
            help="The administration's database; only read, in one snapshot.",
        ),
    ],
    trust: Annotated[Path | None, trust_option()] = None,
    profile: Annotated[
        Path | None,
        profile_option("Chain profile of the node to read; without one nothing is held against the chain."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export",
            metavar="FILE",
            parser=file_to_read,
            help="An `audit export`, read in the place of a node; what it can't show is said, and the exit code 3 then.",
        ),
    ] = None,
    wrapping_keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=file_to_read,
            envvar="LEDGER_WRAPPING_KEYS_FILE",
            help="File of the keys that documents are sealed under; without it they are not opened.",
        ),
    ] = None,
    processes: ProcessesOption = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Put right what derives from the chain, and nothing else; stop the service first.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Derive again everything that a service keeps, and name every difference: what, where, which id, from which block.

    The chain is replayed and judged, the chain's tables and the feed are made anew, the tree from its leaves, every
    signature and promise, every transaction from its bytes, every encrypted object is opened. Exit code 0 if nothing is
    wrong, 1 if anything is, 3 if something could not be checked.
    """
    from ledger.audit.fsck.run import Wanted
    from ledger.audit.fsck.run import fsck as check
    from ledger.config import ChainProfile
    from ledger.store import Store

    if export is not None:
        require_extra()
    out = Output(as_json)
    wanted = Wanted(
        profile=None if profile is None or export is not None else ChainProfile.load(profile),
        export=export,
        trust=None if trust is None else files.read_trust(trust),
        wrapping_keys=wrapping_keys,
        evidence=evidence or [],
        processes=(os.cpu_count() or 1) if processes is None else processes,
        repairs=repair,
    )
    with closing(Store(database)) as store:
        found = check(store, wanted, out.progress)
    out.answer(found.to_json(), lambda page: show_fsck(page, found))
    outcome.end(outcome.of_verdict(found.verdict))


def show_fsck(page: Page, found: Outcome) -> None:
    """Tell a person what came of it."""
    from ledger.audit.fsck.run import NOT_DERIVED

    columns = ("what is wrong", "where", "which", "from block", "how", "see")

    def rows(of: list[Corruption]) -> list[tuple[object, ...]]:
        return [(each.kind, each.where, each.id, each.block, each.what, each.command) for each in of]

    if found.repaired is not None:
        page.table("Put right", columns, rows(found.repaired), empty="Nothing had to be put right.")
    page.table("", columns, rows(found.found), empty="Nothing is wrong.")
    for each in found.unchecked:
        page.line(f"Not checked: {each}")
    for each in found.notes:
        page.line(each)
    for each in NOT_DERIVED:
        page.line(f"Never checked: {each}")
    looked = ", ".join(f"{count} {name}" for name, count in found.counts.items() if count)
    page.line(f"Looked at: {looked}.")
    block = "no block derived again" if found.block is None else f"as of block {found.block}"
    page.line(
        f"{found.verdict}, {block}; {len(found.found)} found, {len(found.unchecked)} not checked.",
        style="bold green" if found.verdict == "VALID" else "bold red",
    )
