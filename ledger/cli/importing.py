"""`cargo-ledger import`: messages of other systems become manifests and records, which are then sent."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli import import_sending, outcome
from ledger.cli.options import JsonOption, examples
from ledger.cli.output import Output, Page
from ledger.cli.words import counted

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Turn declarations and notifications of other systems into manifests and records.",
    epilog=examples(
        "cargo-ledger import hmrc-cds declarations/*.xml notifications/ --out imported",
        "cargo-ledger import send imported/records/MRN.ndjson --trader-key exporter --customs-key officer",
    ),
)


@app.callback()
def _group() -> None:
    pass


@app.command(
    "hmrc-cds",
    epilog=examples(
        "cargo-ledger import hmrc-cds declaration.xml --out imported",
        "cargo-ledger import hmrc-cds declarations/ notifications/*.xml --out imported --json",
    ),
)
def hmrc_cds(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", exists=True, help="XML files, or folders whose XML files are taken."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", file_okay=False, help="Folder to write to; made if missing."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Import HMRC CDS messages (WCO Data Model 3.6).

    Declarations become cargo-manifest/1 documents, DIR/manifests/NAME.json. Notifications and movements become records
    without signatures, DIR/records/MRN.ndjson, which `import send` signs and sends.

    A file that cannot be used is refused by name, place and reason, and the others go on; the exit code is then 1.
    Duty, tax and guarantees are left out.
    """
    from ledger.importing.hmrc_cds import import_files

    output = Output(as_json)
    done = 0
    with output.progress("reading the files", len(files)) as advance:

        def progress(read: int, total: int) -> None:
            nonlocal done
            advance(read - done, total)
            done = read

        report = import_files(files, out, progress)

    def show(page: Page) -> None:
        page.table(
            "Manifests",
            ("declaration", "type", "MRN", "manifest"),
            [(Path(each.source).name, each.type_code, each.mrn, each.manifest) for each in report.manifests],
        )
        page.table(
            "Records",
            ("reference", "records", "file"),
            [(each.reference, " ".join(each.kinds), each.file) for each in report.sequences],
        )
        for each in report.findings:
            page.line(f"Odd: {each}")
        for each in report.noted:
            page.line(f"Nothing to import: {each}")
        for refusal in report.refusals:
            page.line(f"Refused: {refusal}", style="red")
        page.line(
            f"{counted(report.files, 'file')} read: {counted(len(report.manifests), 'manifest')}, "
            f"{counted(len(report.sequences), 'file')} of records, {len(report.findings)} odd, "
            f"{len(report.refusals)} refused. Written to {out}."
        )

    output.answer({**dataclasses.asdict(report), "out": str(out)}, show)
    if report.refusals:
        outcome.end(outcome.Exit.REFUSED)


app.add_typer(import_sending.app)
