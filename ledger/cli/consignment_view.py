"""`cargo-ledger consignment show`, `accompany` and `load`: cargo looked up, and the file that travels with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import files
from ledger.cli.files import UnusableFile
from ledger.cli.options import ProofArgument, examples, pointer, using
from ledger.cli.output import Page
from ledger.cli.service import ServiceReader, service_reader
from ledger.cli.words import age_text, cell_time, counted, details_text, record_text, short, time_text
from ledger.errors import ServiceError

if TYPE_CHECKING:
    from ledger.messages import ConsignmentView, RecordView

_PROMPT_SECONDS = 60  # a record that the chain took so soon after it was observed needs no second time
_NAMED = 20  # of so many others the reference is looked up; a container may hold hundreds

app = typer.Typer()


@app.command(
    epilog=examples(
        "cargo-ledger consignment show CSQU3054383",
        "cargo-ledger consignment show ducr:9GB123456789000-INV1",
        "cargo-ledger consignment show 0xc98c8f97ef67faf1e4aef93735faee3b37506f5aee08b670a3dbeea6416eea5c --json",
    )
)
@using(service_reader)
def show(
    session: ServiceReader,
    consignment: Annotated[
        str,
        typer.Argument(
            metavar="CONSIGNMENT", help="Its id, its trade reference, or the number of its container."
        ),
    ],
    *,
    history: Annotated[bool, typer.Option("--history/--no-history", help="Show what happened to it.")] = True,
) -> None:
    """Show cargo in words: in whose charge, on hold or released, may it go; then its history.

    "On hold" (CBP's word) is what HMRC and EU customs call "under control". "In the charge of" is who physically has
    the goods. "Released" is always for a procedure. "May go" means: released by the administration whose service you
    ask, for the manifest shown, and nothing of it on hold. Every answer says which block it is true of, and how old.
    """
    with session.out.progress("asking the service"):
        found = session.consignments(consignment)
        names = _names(session, found)
        histories = (
            {each.id: session.client.consignment_records(each.id) for each in found} if history else {}
        )

    def show(page: Page) -> None:
        for number, view in enumerate(found):
            if number:
                page.line()
            _print(page, view, histories.get(view.id), names)
        if len(found) > 1:
            page.line(f"{consignment} names {len(found)} consignments.")

    data = [
        {
            **view.model_dump(mode="json"),
            **({"history": [each.model_dump(mode="json") for each in histories[view.id]]} if history else {}),
            "age_seconds": max(0, int((datetime.now(UTC) - view.as_of.time).total_seconds())),
        }
        for view in found
    ]
    session.out.answer(data[0] if len(data) == 1 else {"consignments": data}, show)


def _names(session: ServiceReader, views: list[ConsignmentView]) -> dict[str, str]:
    """The trade references of what the consignments are in and of what is in them, where they are known here."""
    wanted = [each for view in views for each in (view.inside, *view.contents) if each is not None]
    names = {}
    for each in wanted[:_NAMED]:
        try:
            reference = session.client.consignment(each).reference
        except ServiceError:
            continue  # it is only not named
        if reference is not None:
            names[each] = reference
    return names


def _named(consignment: str, names: dict[str, str]) -> str:
    return f"{names[consignment]} ({consignment})" if consignment in names else consignment


def _print(
    page: Page, view: ConsignmentView, records: list[RecordView] | None, names: dict[str, str]
) -> None:
    page.line(view.reference or "A consignment whose trade reference is not known here", style="bold")
    # what another administration holds may go as far as ours is concerned: say it, but not in green
    style = "bold red" if not view.may_go else "bold yellow" if view.holds else "bold green"
    page.line(view.summary, style=style)
    page.line()
    page.facts(
        {
            "opened by": view.opener,
            "manifest": view.manifest or "withdrawn",
            "inside": None if view.inside is None else _named(view.inside, names),
            "contents": "\n".join(_named(each, names) for each in view.contents) or None,
            "id": view.id,
        }
    )
    for hold in view.holds:
        page.facts(
            {"hold": f"{hold.party}, {hold.reason or 'reason not disclosed here'}, record {hold.record}"}
        )
    if records is not None:
        _print_history(page, view.id, records)
    for finding in view.findings:
        page.line(f"Look at this: {finding.message}", style="yellow")
    page.line(
        f"As of block {view.as_of.block}, {time_text(view.as_of.time)}, {age_text(view.as_of.time)}; "
        f"{counted(view.records, 'record')} on chain."
    )


def _print_history(page: Page, consignment: str, records: list[RecordView]) -> None:
    """The history as a table; when it was observed is a column only if that differs from when it was recorded."""
    rows = [_row(each, consignment) for each in records]
    columns: tuple[str, ...] = ("on chain (UTC)", "observed (UTC)", "what", "by", "details")
    if all(_is_prompt(each) for each in records):
        columns, rows = columns[:1] + columns[2:], [row[:1] + row[2:] for row in rows]
    page.table("History", columns, rows)


def _is_prompt(record: RecordView) -> bool:
    taken = record.accepted_at
    return taken is None or abs((taken - record.observed_at).total_seconds()) <= _PROMPT_SECONDS


def _row(record: RecordView, consignment: str) -> tuple[str, ...]:
    if record.state == "refused":
        reason = record.problem.detail if record.problem is not None else "no reason is given"
        taken = "refused"
        details = reason
    else:
        taken = cell_time(record.accepted_at) or "waiting"
        details = details_text(record.document)
    return (taken, cell_time(record.observed_at), record_text(record, consignment), record.party, details)


@app.command(
    epilog=examples(
        "cargo-ledger consignment accompany ducr:9GB123456789000-INV1 --out box.accompanying.json --show /goods/0/hs",
        "cargo-ledger consignment accompany ducr:9GB123456789000-INV1 --out box.accompanying.json --json",
    )
)
@using(service_reader)
def accompany(
    session: ServiceReader,
    consignment: Annotated[
        str, typer.Argument(metavar="CONSIGNMENT", help="Its id, or its trade reference scheme:VALUE.")
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", dir_okay=False, help="Where to write it; a new file.")],
    show: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POINTER",
            parser=pointer,
            help="JSON Pointer of a manifest field to disclose, with all below it; repeat it. By default /schema, "
            "/references, /containers and /basis: without a container it can't be found by its number.",
        ),
    ] = None,
) -> None:
    """Write the accompanying file: what whoever the cargo goes to needs to look it up.

    It holds the consignment's key: whoever has it can follow this cargo for ever. It travels with the cargo, as a
    transit accompanying document does, and to nobody else.
    """
    files.require_new(out)
    with session.out.progress("asking the service"):
        view = session.consignment(consignment)
        file = session.client.accompanying_file(view.id, show or [])
    content = file.model_dump(mode="json", by_alias=True)
    files.write_new(out, content, private=True)
    fields = [
        str(each.get("pointer"))
        for each in file.manifest.disclosure.get("fields", [])
        if isinstance(each, dict)
    ]

    def print_page(page: Page) -> None:
        page.line(
            f"Wrote the accompanying file of {file.reference} to {out}; it discloses {counted(len(fields), 'field')}."
        )
        page.facts({"fields": "\n".join(fields)})
        page.line("Who receives the cargo loads it: `cargo-ledger consignment load`. Give it to nobody else.")

    data = {"file": str(out), "reference": file.reference, "consignment": file.consignment, "fields": fields}
    session.out.answer(data, print_page)


@app.command(epilog=examples("cargo-ledger consignment load box.accompanying.json"))
@using(service_reader)
def load(session: ServiceReader, file: ProofArgument) -> None:
    """Load an accompanying file into your administration's service, which can look the cargo up from then on."""
    from pydantic import ValidationError

    from ledger.messages import AccompanyingFile

    content = files.read_object(file, "an accompanying file")
    try:
        parsed = AccompanyingFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/" + "/".join(str(part) for part in first["loc"])
        message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
        raise UnusableFile(str(file), f"it is no accompanying file: at {place}, {message}") from None
    with session.out.progress("sending the file"):
        view = session.client.load_accompanying(parsed)

    def show(page: Page) -> None:
        page.line(f"Loaded {view.reference or short(view.id)}; it can be looked up here from now on.")
        page.line(view.summary)
        page.facts(
            {"consignment": view.id, "as of": f"block {view.as_of.block}, {age_text(view.as_of.time)}"}
        )

    session.out.answer(view.model_dump(mode="json"), show)
