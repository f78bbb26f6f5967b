"""`cargo-ledger evidence`: make an evidence file through a service, and judge one with nothing but a trust file."""

from __future__ import annotations

import dataclasses
import re
import time as clock
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ledger.cli import evidence_qr, files, outcome
from ledger.cli.options import (
    JsonOption,
    TrustOption,
    administration,
    examples,
    file_to_read,
    pointer,
    time,
    using,
)
from ledger.cli.output import Output, Page
from ledger.cli.service import ServiceReader, SignIn, service_reader, sign_in
from ledger.cli.words import value_text
from ledger.core.identifiers import Party
from ledger.errors import ServiceError

if TYPE_CHECKING:
    from ledger.core.consolidated import Contents
    from ledger.core.leaves import LeafValue
    from ledger.core.verdict import Report

_HEX32 = re.compile(r"(0x)?[0-9a-fA-F]{64}")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make evidence files, and judge them where there is no network.",
    epilog=examples(
        "cargo-ledger evidence export ducr:9GB123456789000-INV1 --out box.evidence.json",
        "cargo-ledger evidence verify box.evidence.json --trust nl.trust.json",
    ),
)

EvidenceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", parser=file_to_read, help="Evidence file; - reads it from standard input."
    ),
]
NowOption = Annotated[
    datetime | None,
    typer.Option("--now", metavar="TIME", parser=time, help="Judge as of this time; by default the clock's."),
]
FloorOption = Annotated[
    datetime | None,
    typer.Option(
        "--clock-floor",
        metavar="TIME",
        parser=time,
        help="A time that has passed for certain; a clock behind it is wrong.",
    ),
]


@app.command(
    epilog=examples(
        "cargo-ledger evidence export ducr:9GB123456789000-INV1 --out box.evidence.json",
        "cargo-ledger evidence export CSQU3054383 --show /goods/0 --show /containers --out box.evidence.json",
        'cargo-ledger evidence export 0x5c… --show "" --out whole.evidence.json',
    )
)
@using(service_reader)
def export(
    reader: ServiceReader,
    name: Annotated[
        str,
        typer.Argument(
            metavar="CARGO",
            help="Manifest id, consignment id, trade reference (scheme:VALUE) or container number.",
        ),
    ],
    *,
    out_file: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to write it.")
    ],
    show: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POINTER",
            parser=pointer,
            help='JSON Pointer of a field of the manifest to disclose, with all below it; repeat it. "" shows the whole.',
        ),
    ] = None,
) -> None:
    """Write the evidence of one cargo's manifest, as of the newest final block.

    Whoever has the file and a trust file can judge it without a network. It holds the consignment's key: its holder can
    follow that consignment for ever. By default references, containers and basis are disclosed; the trade reference
    always is.
    """
    from ledger.config import write_atomically
    from ledger.core.evidence import Evidence

    files.require_new(out_file)
    with reader.out.progress("gathering the evidence"):
        data = _fetch(reader, name, show or [])
    evidence = Evidence.decode(data)
    write_atomically(out_file, data.decode())
    facts = {
        "file": str(out_file),
        "manifest": "0x" + evidence.manifest.id.hex(),
        "consignment": "0x" + evidence.consignment.hex(),
        "reference": evidence.reference,
        "records": len(evidence.custody),
        "bytes": len(data),
    }

    def page(page: Page) -> None:
        page.line(f"Wrote the evidence of {evidence.reference}.")
        page.facts(facts)

    reader.out.answer(facts, page)


def _fetch(reader: ServiceReader, name: str, show: list[str]) -> bytes:
    """The evidence of what a person calls a manifest or cargo; 32 bytes of hex may be either's id."""
    if _HEX32.fullmatch(name):
        wanted = "0x" + name.removeprefix("0x").lower()
        try:
            reader.client.manifest(wanted)
        except ServiceError as error:
            if error.status != 404:
                raise
            return reader.client.consignment_evidence(wanted, show)
        return reader.client.manifest_evidence(wanted, show)
    return reader.client.consignment_evidence(reader.consignment(name).id, show)


@app.command(
    epilog=examples(
        "cargo-ledger evidence verify box.evidence.json --trust nl.trust.json",
        "cargo-ledger evidence verify box.evidence.json --trust nl.trust.json --now 2026-03-01T14:30:00Z --json",
        "cargo-ledger evidence verify container.json box-1.json box-2.json --trust nl.trust.json",
    )
)
def verify(
    file: EvidenceArgument,
    contents: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CONTENTS]", parser=file_to_read, help="Evidence files of what is inside, to be counted."
        ),
    ] = None,
    *,
    trust: TrustOption,
    now: NowOption = None,
    clock_floor: FloorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge an evidence file: is this the manifest lodged, by whom, is it current, was the cargo held or released.

    With files of what is inside, these are counted: which are there, missing, on hold. Nothing is asked of any network.
    Exit code 0 VALID, 1 INVALID (also if a file of what is inside does not pass), 3 INDETERMINATE.
    """
    from ledger.core import evidence
    from ledger.core.shown import shown
    from ledger.core.verify import verify as judge

    data = files.read(file, evidence.MAX_BYTES)
    pinned, time, floor = files.read_trust(trust), _seconds(now), _floor(clock_floor)
    report = judge(data, pinned, time, clock_floor=floor)
    counted = None
    fields: dict[str, LeafValue] = {}
    if report.as_of is not None:
        read = evidence.Evidence.decode(data)
        fields = shown(read, pinned, report)
    if contents and report.as_of is not None:
        from ledger.core.consolidated import count

        inner = [files.read(each, evidence.MAX_BYTES) for each in contents]
        counted = count(read, inner, pinned, time, clock_floor=floor)
    _tell(report, Output(as_json), counted, fields)


@app.command(
    epilog=examples(
        "cargo-ledger evidence absent box.evidence.json --trust nl.trust.json --what release --by NL",
        "cargo-ledger evidence absent --consignment 0x5c… --trust nl.trust.json --what hold",
    )
)
@using(sign_in)
def absent(
    signing_in: SignIn,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            parser=file_to_read,
            help="Evidence file; without one it is asked of the service.",
        ),
    ] = None,
    *,
    trust: TrustOption,
    what: Annotated[
        str,
        typer.Option(
            metavar="release|hold|closure", parser=lambda text: _what(text), help="What was not there."
        ),
    ],
    by: Annotated[
        Party | None,
        typer.Option(
            metavar="CODE",
            parser=administration,
            help="Whose release or hold; by default the trust file's administration.",
        ),
    ] = None,
    consignment: Annotated[
        str | None,
        typer.Option(
            metavar="CARGO",
            help="Consignment id, trade reference or container number, when there is no FILE.",
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option("--service", metavar="URL", envvar="CARGO_LEDGER_SERVICE", help="The service to ask."),
    ] = None,
    now: NowOption = None,
    clock_floor: FloorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a release, a hold or a closure was not on chain as of a block.

    A file's history is complete or the file does not hold, so what it has not was not there. Exit code 0 if it was not
    there, 1 if it was or the file does not hold, 3 if that can't be told.
    """
    from ledger.core import evidence
    from ledger.core.absence import absent as judge

    out = Output(as_json)
    if (file is None) == (consignment is None):
        raise typer.BadParameter("give an evidence file, or --consignment to have one made")
    if file is not None:
        data = files.read(file, evidence.MAX_BYTES)
    elif service is None:
        raise typer.BadParameter(
            "--consignment needs --service (or CARGO_LEDGER_SERVICE), which makes the file"
        )
    else:
        reader = ServiceReader(service, out, signing_in)
        try:
            data = _fetch(reader, consignment or "", [])
        finally:
            reader.close()
    pinned = files.read_trust(trust)
    whose = pinned.code if by is None else by.administration_bytes
    _tell(
        judge(
            data,
            pinned,
            _seconds(now),
            what,  # type: ignore[arg-type]  # `_what` has read it
            whose,
            clock_floor=_floor(clock_floor),
        ),
        out,
    )


def _tell(
    report: Report, out: Output, counted: Contents | None = None, fields: dict[str, LeafValue] | None = None
) -> None:
    data = report.to_json()
    if fields is not None:
        data["shown"] = fields
    if counted is not None:
        data["contents"] = dataclasses.asdict(counted)

    def show(page: Page) -> None:
        page.line(report.state, style="bold")
        if counted is not None:
            page.line(counted.sentence, style="bold")
        page.table(
            "",
            ("check", "status", "what"),
            [(each.name, each.status, each.message) for each in report.checks],
        )
        if fields:
            rows = [(pointer, value_text(value)) for pointer, value in fields.items()]
            page.table("The manifest says", ("field", "value"), rows)
        as_of = data["as_of"]
        when = (
            "no block"
            if as_of is None
            else f"block {as_of['block']}, {as_of['time']}, {as_of['age_seconds']} s ago"
        )
        page.line(
            f"{report.verdict} as of {when}; by the trust file 0x{report.trust.hex()}.",
            style="bold green" if report.verdict == "VALID" else "bold red",
        )

    out.answer(data, show)
    code = outcome.of_verdict(report.verdict)
    if counted is not None and (counted.not_valid or counted.not_inside):
        code = outcome.Exit.REFUSED
    outcome.end(code)


def _seconds(now: datetime | None) -> int:
    return int(clock.time()) if now is None else int(now.timestamp())


def _floor(floor: datetime | None) -> int:
    return 0 if floor is None else int(floor.timestamp())


def _what(text: str) -> Literal["release", "hold", "closure"]:
    match text:
        case "release" | "hold" | "closure":
            return text
    raise typer.BadParameter(f"release, hold or closure is expected, not {text[:60]!r}")


app.add_typer(evidence_qr.app)
