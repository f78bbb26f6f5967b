"""`cargo-ledger import send`: what an import prepared is signed by those who state it, and sent."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli import outcome
from ledger.cli import service as services
from ledger.cli.opening import open_key
from ledger.cli.options import (
    DEFAULT_KEY_FOLDER,
    WHO_AND_WHERE,
    JsonOption,
    KeyFolderOption,
    PasswordFileOption,
    ServiceOption,
    examples,
    file_to_read,
)
from ledger.cli.output import Output, Page
from ledger.cli.words import counted, short

app = typer.Typer()


class Observed(StrEnum):
    """Which time a record states as that of the observation."""

    STATED = "stated"
    NOW = "now"


def _key_option(name: str, words: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        name, metavar="NAME", rich_help_panel=WHO_AND_WHERE, help=f"Key that signs what {words} states."
    )
    return option


@app.command(
    epilog=examples(
        "cargo-ledger import send imported/records/MRN.ndjson --trader-key exporter --customs-key officer",
        "cargo-ledger import send imported/records/MRN.ndjson --trader-key exporter --customs-key officer \\\n"
        "      --agency-key vet --observed now --go-on --json",
    )
)
def send(
    records: Annotated[
        Path,
        typer.Argument(
            metavar="RECORDS", parser=file_to_read, help="NDJSON file of records that an import wrote."
        ),
    ],
    *,
    trader_key: Annotated[str | None, _key_option("--trader-key", "a trader")] = None,
    customs_key: Annotated[str | None, _key_option("--customs-key", "the customs administration")] = None,
    agency_key: Annotated[str | None, _key_option("--agency-key", "another agency")] = None,
    observed: Annotated[
        Observed,
        typer.Option(
            metavar="stated|now",
            help="When things were observed: as stated, or now with the stated time in the details' note.",
        ),
    ] = Observed.STATED,
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="Do not stop at a refusal; leave out what needs the refused record."),
    ] = False,
    as_enrolled: Annotated[
        bool,
        typer.Option(
            "--as-enrolled",
            help="For trials: send for the parties of the keys, though the file names another administration.",
        ),
    ] = False,
    manifests: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="What manifest files are relative to; by default the folder the import wrote to.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            dir_okay=False,
            help="Where to keep what was sent, with the secrets; by default NAME.sent.json beside RECORDS.",
        ),
    ] = None,
    service: ServiceOption,
    key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER,
    password_file: PasswordFileOption = None,
    profile: services.PinnedProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send the records of an import, each signed with the key of the party that states it.

    The whole file is checked first; a line that cannot be used is named, and nothing is sent. Then the manifests are
    lodged, the consignment is opened and each step follows when the chain has taken the one before it. A refusal stops
    it with the line and the reason, and exit code 1.

    What was sent is kept in a file only you can read, with the secrets of the manifests and the consignment's key. The
    same command again goes on after a broken connection and sends nothing twice.

    The chain takes a record for 30 days after what it states was observed, a release or clearance for one day. For older
    messages take --observed now.
    """
    from ledger.client import LedgerClient
    from ledger.config import ChainProfile
    from ledger.importing.prepared import read_prepared
    from ledger.sending import send_records
    from ledger.sent import default_path

    if str(records) == "-":
        raise typer.BadParameter("a file is expected: what was sent is kept beside it")
    output = Output(as_json)
    prepared = read_prepared(records, manifests)
    names = {"trader": trader_key, "customs": customs_key, "agency": agency_key}
    needed = {each.role for each in prepared}
    pinned = None if profile is None else ChainProfile.load(profile)
    kept = out or default_path(records)
    done = 0
    with ExitStack() as opened:
        clients = {
            role: opened.enter_context(
                LedgerClient(
                    service,
                    key=open_key(name, key_folder, password_file).private,
                    profile=pinned,
                    retry_seconds=services.RETRY_SECONDS,
                )
            )
            for role, name in names.items()
            if name is not None and role in needed
        }
        with output.progress("sending the records", len(prepared)) as advance:

            def progress(sent: int, total: int) -> None:
                nonlocal done
                advance(sent - done, total)
                done = sent

            report = send_records(
                records,
                prepared,
                clients,
                kept,
                observed=observed.value,
                go_on=go_on,
                as_enrolled=as_enrolled,
                progress=progress,
            )

    def show(page: Page) -> None:
        page.table(
            "Records",
            ("line", "record", "stated by", "", "digest"),
            [(each.line, each.kind, each.party, each.outcome, short(each.digest)) for each in report.records],
        )
        for each in report.failed:
            page.line(
                f"{records}, line {each.line}: {each.kind} was {each.outcome}: {each.reason}", style="red"
            )
        count = {
            word: sum(each.outcome == word for each in report.records) for word in ("sent", "sent before")
        }
        left = report.total - sum(count.values())
        before = f", {count['sent before']} sent before" if count["sent before"] else ""
        page.line(
            f"{counted(count['sent'], 'record')} sent of {report.total}{before}"
            f"{f', {left} not' if left else ''}. The consignment is known as {report.reference}."
        )
        page.facts({"consignment": report.consignment, "secrets kept in": kept})
        if not report.is_whole:
            page.line("When the reason is removed, the same command sends what is missing.")

    output.answer({**dataclasses.asdict(report), "whole": report.is_whole, "kept_in": str(kept)}, show)
    if not report.is_whole:
        outcome.end(outcome.Exit.REFUSED)
