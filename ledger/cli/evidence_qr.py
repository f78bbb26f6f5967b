"""`cargo-ledger evidence qr`: an evidence file onto paper as QR codes, and back from their pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli import files
from ledger.cli.options import JsonOption, examples, file_to_read
from ledger.cli.output import Output, Page

app = typer.Typer()


@app.command(
    epilog=examples(
        "cargo-ledger evidence qr box.evidence.json --out codes",
        "cargo-ledger evidence qr --read photo-1.jpg photo-2.jpg --out box.evidence.json",
    )
)
def qr(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            parser=file_to_read,
            help="One evidence file; with --read the pictures of its codes, in any order.",
        ),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="PATH", help="New folder for the codes; with --read the evidence file to write."
        ),
    ],
    read: Annotated[
        bool, typer.Option("--read", help="Read codes back from pictures (PNG, JPEG, WebP, TIFF, BMP).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put an evidence file on paper as numbered QR codes, and read them back.

    Writing makes a picture a code and `print.html`, a sheet with six codes a page. Reading takes photographs or scans
    with one or more codes each, in any order, and says which are missing (exit code 1). What was read is no more
    trusted than any file: judge it with `evidence verify`.
    """
    files.require_new(out)
    answer = Output(as_json)
    if read:
        _read(paths, out, answer)
    elif len(paths) != 1:
        raise typer.BadParameter("give one evidence file; --read takes several pictures")
    else:
        _write(paths[0], out, answer)


def _write(path: Path, out: Path, answer: Output) -> None:
    from ledger import qr_codes
    from ledger.config import write_atomically
    from ledger.core import evidence, parts

    data = files.read(path, evidence.MAX_BYTES)
    read = evidence.Evidence.decode(data)
    texts = parts.split(data)
    if not answer.as_json:
        sys.stderr.write(f"{len(texts)} QR {_codes(len(texts))} for {len(data):,} bytes of evidence.\n")
    out.mkdir(parents=True)
    width = len(str(len(texts)))
    with answer.progress("drawing the codes", len(texts)) as advance:
        for number, text in enumerate(texts, 1):
            name = f"code-{number:0{width}}-of-{len(texts)}.png"
            (out / name).write_bytes(qr_codes.picture(text))
            advance(1)
    title = f"Evidence of {read.reference}"
    note = (
        f"{len(texts)} QR {_codes(len(texts))}. Photograph them in any order and read them with `cargo-ledger evidence "
        "qr --read`. Whoever holds them can follow this consignment."
    )
    write_atomically(out / "print.html", qr_codes.sheet(texts, title, note))
    facts = {"folder": str(out), "codes": len(texts), "bytes": len(data), "sheet": str(out / "print.html")}

    def page(page: Page) -> None:
        page.line(f"Wrote {len(texts)} {_codes(len(texts))} for {read.reference}.")
        page.facts(facts)

    answer.answer(facts, page)


def _read(paths: list[Path], out: Path, answer: Output) -> None:
    from ledger import qr_codes
    from ledger.config import write_atomically
    from ledger.core import parts

    texts: list[str] = []
    with answer.progress("reading the pictures", len(paths)) as advance:
        for path in paths:
            texts += qr_codes.read(path)
            advance(1)
    data = parts.join(texts)
    write_atomically(out, data.decode())
    facts = {"file": str(out), "pictures": len(paths), "codes": len(set(texts)), "bytes": len(data)}

    def page(page: Page) -> None:
        page.line("All codes were read. Now judge it: `cargo-ledger evidence verify`.")
        page.facts(facts)

    answer.answer(facts, page)


def _codes(count: int) -> str:
    return "code" if count == 1 else "codes"
