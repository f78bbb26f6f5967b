"""`cargo-ledger manifest lodge`, `amend`, `withdraw` and `erase`: signed, and sent to an administration's service."""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import files, outcome
from ledger.cli.lodged import Kept, default_path
from ledger.cli.options import DocumentArgument, SecretOption, bytes32, examples, party, using
from ledger.cli.options import reference as read_reference
from ledger.cli.output import Page
from ledger.cli.service import ServiceSigner, service_signer
from ledger.cli.words import basis_text, reason_text, seconds_text, time_text
from ledger.core import documents
from ledger.core.identifiers import Party, TradeReference
from ledger.errors import InvalidIdentifier, ServiceUnavailable

if TYPE_CHECKING:
    from ledger.calling.manifests import LodgedManifest
    from ledger.core.records import ManifestReason

_SCHEMES = ("ucr", "ducr", "mrn", "bl")  # the best reference first (DESIGN 5)
_WAIT_SECONDS = 120
_LATE = (
    "It is lodged, and the service has promised to anchor it; that has not happened within two minutes. Look again "
    "with `manifest show`; if it stays so, ask whoever runs the service."
)

app = typer.Typer()


class Reason(StrEnum):
    """Why a manifest is amended or withdrawn; `ManifestReason` has the numbers."""

    CORRECTION = "correction"
    QUANTITY_CHANGED = "quantity-changed"
    LODGED_IN_ERROR = "lodged-in-error"
    FRAUD = "fraud"
    ORDER_OF_AN_AUTHORITY = "order-of-an-authority"

    @property
    def number(self) -> ManifestReason:
        """The reason as records hold it."""
        from ledger.core.records import ManifestReason

        return ManifestReason[self.name]


ManifestArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Manifest id, record digest, or a trade reference with one current manifest."
    ),
]
ReasonOption = Annotated[
    Reason,
    typer.Option(
        help="correction, quantity-changed, lodged-in-error, fraud or order-of-an-authority.",
        metavar="REASON",
    ),
]
KeepOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        dir_okay=False,
        help="Where to keep the secrets; by default NAME.lodged.json in this folder.",
    ),
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until it is anchored on chain.")]


@app.command(
    epilog=examples(
        "cargo-ledger manifest lodge invoice.json --reference ducr:9GB123456789000-INV1",
        "cargo-ledger manifest lodge invoice.json --out kept/invoice.lodged.json --wait --json",
    )
)
@using(service_signer)
def lodge(
    session: ServiceSigner,
    file: DocumentArgument,
    *,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            help="Trade reference scheme:VALUE; by default the best of the manifest's own ucr, ducr, mrn, bl.",
        ),
    ] = None,
    consignment: Annotated[
        bytes | None,
        typer.Option(
            metavar="ID",
            parser=bytes32,
            help="A consignment that exists already (an importer's own manifest).",
        ),
    ] = None,
    consignment_key: Annotated[
        bytes | None,
        typer.Option(
            metavar="HEX", parser=bytes32, help="The consignment's key, if it has one; by default a new one."
        ),
    ] = None,
    opener: Annotated[
        Party | None,
        typer.Option(metavar="PARTY", parser=party, help="Who opens the consignment, if not you."),
    ] = None,
    secret: SecretOption = None,
    out: KeepOption = None,
    wait: WaitOption = False,
) -> None:
    """Lodge a manifest: commit to it, sign, and send it to your administration's service.

    The answer comes at once, with the service's signed promise to anchor it. The secret of the manifest and the key of
    its consignment are kept in a file only you can read; `consignment open` takes that file. Lodging the same file again
    after a broken connection goes on with what was kept.
    """
    data = files.read(file)
    document = documents.parse(data)
    if consignment is None or consignment_key is not None:
        reference = str(read_reference(reference) if reference else _best_reference(document.value))
        consignment_key = consignment_key or secrets.token_bytes(32)
    plan = Kept(out or default_path(file), session, secret, consignment_key, reference)
    lodged = plan.send(
        lambda: session.client.lodge(
            data,
            session.party,
            reference=reference,
            consignment_key=plan.consignment_key,
            secret=plan.secret,
            opener=opener,
            consignment=consignment,
        ),
        opener=str(opener or session.party),
        root=documents.commit(document, plan.secret).root,
    )
    _say_lodged(session, lodged, plan.path, document.value, "Lodged", wait)


@app.command(
    epilog=examples(
        "cargo-ledger manifest amend ducr:9GB123456789000-INV1 corrected.json --reason correction",
        "cargo-ledger manifest amend 0xa897…c800 corrected.json --reason quantity-changed --wait --json",
    )
)
@using(service_signer)
def amend(
    session: ServiceSigner,
    former: ManifestArgument,
    file: DocumentArgument,
    *,
    reason: ReasonOption,
    secret: SecretOption = None,
    out: KeepOption = None,
    wait: WaitOption = False,
) -> None:
    """Put a corrected manifest in the place of a former one, which is closed on chain and names its successor."""
    data = files.read(file)
    document = documents.parse(data)
    plan = Kept(out or default_path(file), session, secret, None, None)
    former_id = session.manifest_id(former)
    lodged = plan.send(
        lambda: session.client.amend(former_id, data, reason.number, party=session.party, secret=plan.secret),
        supersedes=former_id,
        root=documents.commit(document, plan.secret).root,
    )
    _say_lodged(session, lodged, plan.path, document.value, "Amended: lodged", wait)


@app.command(
    epilog=examples(
        "cargo-ledger manifest withdraw ducr:9GB123456789000-INV1 --reason lodged-in-error",
        "cargo-ledger manifest withdraw 0xa897…c800 --reason order-of-an-authority --json",
    )
)
@using(service_signer)
def withdraw(session: ServiceSigner, former: ManifestArgument, *, reason: ReasonOption) -> None:
    """Withdraw a manifest: it is closed on chain without a successor. What was handed out of it stays handed out."""
    former_id = session.manifest_id(former)
    with session.out.progress("sending the withdrawal"):
        answer = session.client.withdraw(former_id, reason.number, party=session.party)

    def show(page: Page) -> None:
        page.line(f"Withdrew manifest {former_id}: {reason_text(reason.number)}.")
        page.facts({"record": answer.digest, "log index": answer.index})

    session.out.answer({"withdrawn": former_id, **answer.model_dump(mode="json")}, show)


@app.command(
    epilog=examples(
        "cargo-ledger manifest erase ducr:9GB123456789000-INV1 --yes",
        "cargo-ledger manifest erase 0xa8970539ebd8acd65afea1597b70e39ea49444629c80436baec9d2bd36fcc800 --yes --json",
    )
)
@using(service_signer)
def erase(
    session: ServiceSigner,
    manifest: ManifestArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
) -> None:
    """Have the service erase a manifest's document, its secret and their keys; this cannot be undone.

    With the last manifest of a consignment its trade reference and key go too, so that it can't be looked up by them any
    more. The record stays in the log and its proofs go on verifying. What was handed out is not recalled. The
    manifest's party may, and any officer of customs; the party not while customs holds the consignment.
    """
    manifest_id = session.manifest_id(manifest)
    if not yes:
        typer.confirm(f"Erase the document of manifest {manifest_id} for good?", abort=True, err=True)
    with session.out.progress("erasing"):
        answer = session.client.erase(manifest_id)

    def show(page: Page) -> None:
        page.line(f"Erased: what this service kept of manifest {manifest_id}. Its record and proofs stay.")
        page.facts({"erased": time_text(answer.erased_at), "key of the consignment": answer.consignment_key})

    session.out.answer(answer.model_dump(mode="json"), show)


def _say_lodged(
    session: ServiceSigner,
    lodged: LodgedManifest,
    kept: Path,
    document: dict[str, Any],
    done: str,
    wait: bool,
) -> None:
    manifest = "0x" + lodged.id.hex()
    state: str = lodged.answer.state
    late = None
    if wait:
        try:
            with session.out.progress("waiting until it is anchored"):
                state = session.client.wait_for_manifest(lodged.id, "anchored", _WAIT_SECONDS).state
        except ServiceUnavailable:
            late = _LATE
    promised = f", promised to be anchored by {seconds_text(lodged.answer.promise.anchor_by)}"
    data = {
        "id": manifest,
        "digest": lodged.answer.digest,
        "consignment": "0x" + lodged.consignment.hex(),
        "reference": lodged.reference,
        "manifest_root": "0x" + lodged.root.hex(),
        "index": lodged.answer.index,
        "state": state,
        "promise": lodged.answer.promise.model_dump(mode="json"),
        "kept_in": str(kept),
    }

    def show(page: Page) -> None:
        reference = f" under {lodged.reference}" if lodged.reference else ""
        page.line(f"{done} manifest {manifest} for {session.party}{reference}.")
        page.facts(
            {
                "basis": basis_text(document),
                "consignment": data["consignment"],
                "state": state + ("" if state in ("anchored", "final") else promised),
                "secrets kept in": kept,
            }
        )
        if lodged.consignment_key is not None:
            page.line(
                f"Next: `cargo-ledger consignment open {kept}` when the cargo is handed to the carrier."
            )
        if late is not None:
            page.line(late, style="yellow")

    session.out.answer(data, show)
    if late is not None:
        outcome.end(outcome.Exit.UNREACHABLE)


def _best_reference(document: dict[str, Any]) -> TradeReference:
    references = document.get("references")
    for scheme in _SCHEMES:
        for each in references if isinstance(references, list) else []:
            if isinstance(each, dict) and str(each.get("scheme", "")).lower() == scheme:
                try:
                    return TradeReference.of(scheme, str(each.get("value", "")))
                except InvalidIdentifier:
                    continue
    raise typer.BadParameter(
        "the manifest has no ucr, ducr, mrn or bl of its own; give --reference scheme:VALUE"
    )
