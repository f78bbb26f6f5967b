"""`cargo-ledger manifest`: what is in a manifest. These commands are pure: no network, no key, nothing is kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ledger.cli import files, manifest_lodging, manifest_proof, manifest_view, outcome
from ledger.cli.options import (
    DocumentArgument,
    DocumentsArgument,
    JsonOption,
    OutOption,
    ProofArgument,
    SecretOption,
    bytes32,
    examples,
    pointer,
)
from ledger.cli.output import Output, Page
from ledger.cli.words import counted, value_text
from ledger.core import documents
from ledger.core.disclosures import Disclosure
from ledger.errors import DigestMismatch, InvalidDisclosure

if TYPE_CHECKING:
    from ledger import checking

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Check, commit to, disclose, lodge, amend, withdraw and prove manifests.",
    epilog=examples(
        "cargo-ledger manifest check invoice.json",
        "cargo-ledger manifest lodge invoice.json --reference ducr:9GB123456789000-INV1",
        "cargo-ledger manifest show ducr:9GB123456789000-INV1",
    ),
)


@app.command(
    epilog=examples(
        "cargo-ledger manifest check invoice.json",
        "cargo-ledger manifest check imported/manifests/*.json",
        "cat invoice.json | cargo-ledger manifest check - --json",
    )
)
def check(manifests: DocumentsArgument, *, as_json: JsonOption = False) -> None:
    """Say what is wrong or odd about manifests, before they are lodged.

    An error means that it cannot be committed to, or is no cargo-manifest/1; the exit code is then 1. What is odd but
    can be lodged (a container number with a wrong check digit, an HS code of an old edition) is a warning.
    """
    from ledger import checking

    out = Output(as_json)
    found: list[tuple[Path, list[checking.Finding]]] = []
    with out.progress("checking", len(manifests)) as advance:
        for file in manifests:
            found.append((file, checking.check_bytes(files.read(file))))
            advance(1)
    data = [
        {
            "file": str(file),
            "findings": [
                {
                    "severity": each.severity,
                    "pointer": each.pointer,
                    "rule": each.rule,
                    "message": each.message,
                }
                for each in findings
            ],
        }
        for file, findings in found
    ]

    def show(page: Page) -> None:
        for file, findings in found:
            _print_findings(page, file, findings)

    out.answer({"findings": data[0]["findings"]} if len(data) == 1 else {"files": data}, show)
    if any(each.severity == "error" for _, findings in found for each in findings):
        outcome.end(outcome.Exit.REFUSED)


def _print_findings(page: Page, file: Path, findings: Sequence[checking.Finding]) -> None:
    page.table(
        f"Findings in {file}",
        ("severity", "where", "rule", "what"),
        [(each.severity, each.pointer or "(all of it)", each.rule, each.message) for each in findings],
    )
    errors = sum(each.severity == "error" for each in findings)
    if errors:
        page.line(f"{file} is not ready to be lodged: correct the {counted(errors, 'error')} first.")
    elif findings:
        page.line(f"{file} can be lodged; look at the {counted(len(findings), 'warning')} first.")
    else:
        page.line(f"{file} can be lodged; nothing is odd.")


@app.command(
    epilog=examples(
        "cargo-ledger manifest commit invoice.json",
        "cargo-ledger manifest commit invoice.json --secret 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f --json",
    )
)
def commit(file: DocumentArgument, *, secret: SecretOption = None, as_json: JsonOption = False) -> None:
    """Compute the root that commits to a manifest; it says nothing about the content to who lacks the secret.

    Without --secret a new random one is made and shown. Keep it with the file: without it no field can be disclosed.
    """
    document = documents.parse(files.read(file))
    salt_secret = secret or secrets.token_bytes(documents.SECRET_BYTES)
    commitment = documents.commit(document, salt_secret)
    data = {
        "manifest_root": "0x" + commitment.root.hex(),
        "leaves": commitment.leaves,
        "secret": "0x" + salt_secret.hex(),
    }

    def show(page: Page) -> None:
        page.line(f"{file} has {counted(commitment.leaves, 'field')}.")
        page.facts({"manifest root": data["manifest_root"], "secret": data["secret"]})
        if secret is None:
            page.line("Keep the secret with the file: fields can be disclosed only with both.")

    Output(as_json).answer(data, show)


@app.command(
    epilog=examples(
        "cargo-ledger manifest disclose invoice.json --secret 0x0001…1e1f --show /goods/0/hs --show /references --out shown.json",
        "cargo-ledger manifest disclose invoice.json --secret 0x0001…1e1f --show /goods/0/hs/code --json",
    )
)
def disclose(
    file: DocumentArgument,
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="POINTER", parser=pointer, help="More pointers to show."),
    ] = None,
    *,
    secret: Annotated[
        bytes, typer.Option("--secret", metavar="HEX", parser=bytes32, help="The secret of its commitment.")
    ],
    show: Annotated[
        list[str],
        typer.Option(
            "--show",
            metavar="POINTER",
            parser=pointer,
            help="JSON Pointer of a field, or of an object or list with all below it; repeat it.",
        ),
    ],
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show chosen fields of a manifest so that anyone with its root can check them, and nothing of the others."""
    if out is not None:
        files.require_new(out)
    document = documents.parse(files.read(file))
    disclosure = documents.disclose(document, secret, [*show, *(more or [])])
    content = disclosure.to_json()
    root = documents.disclosure_root(disclosure)
    if out is not None:
        files.write_new(out, content)

    def show_page(page: Page) -> None:
        page.table(
            f"Disclosed of {file}",
            ("field", "value"),
            [(each.pointer, value_text(each.value)) for each in disclosure.fields],
        )
        shown = f"{counted(len(disclosure.fields), 'field')} of {disclosure.leaves}"
        page.line(
            f"Wrote {shown} to {out}."
            if out
            else f"{shown}; --out FILE or --json gives the disclosure itself."
        )
        page.facts({"manifest root": "0x" + root.hex()})

    Output(as_json).answer(content, show_page)


@app.command(
    "verify-disclosure",
    epilog=examples(
        "cargo-ledger manifest verify-disclosure shown.json --root 0x1653dbecba487f04e4548774dd169aa57e375bbce1f3da8704fc50bcfbd5ed01"
    ),
)
def verify_disclosure(
    file: ProofArgument,
    *,
    root: Annotated[
        bytes,
        typer.Option(
            "--root", metavar="HEX", parser=bytes32, help="The manifest root that was signed or anchored."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Check that disclosed fields belong to the manifest of a root. Exit code 0 VALID, 1 INVALID.

    It shows that these fields were committed to. That no second value hides under the same name is known only to who
    saw the whole manifest. That the root itself was lodged is `manifest verify-inclusion`'s to check.
    """
    out = Output(as_json)
    try:
        disclosure = Disclosure.from_json(files.read(file, files.MAX_DISCLOSURE_BYTES))
        found = documents.disclosure_root(disclosure)
        if found != root:
            raise DigestMismatch("The disclosure", root, found)
    except (InvalidDisclosure, DigestMismatch) as error:
        message = str(error)
        out.answer(
            {"verdict": "INVALID", "root": "0x" + root.hex(), "message": message},
            lambda page: page.line(f"INVALID. {message}", style="bold red"),
        )
        outcome.end(outcome.Exit.REFUSED)
    fields = [{"pointer": each.pointer, "value": each.value} for each in disclosure.fields]
    sentence = (
        f"{counted(len(fields), 'field')} of {disclosure.leaves} of the manifest with this root; "
        "that no second value hides under the same name is not shown by a disclosure."
    )

    def show(page: Page) -> None:
        page.table("", ("field", "value"), [(each["pointer"], value_text(each["value"])) for each in fields])
        page.line("VALID: " + sentence, style="bold green")

    out.answer(
        {
            "verdict": "VALID",
            "root": "0x" + root.hex(),
            "leaves": disclosure.leaves,
            "fields": fields,
            "message": sentence,
        },
        show,
    )


for part in (manifest_lodging.app, manifest_view.app, manifest_proof.app):
    app.add_typer(part)
