"""`cargo-ledger manifest lodge`, `amend`, `withdraw` and `show`: manifests in an administration's service."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import files, outcome
from ledger.cli.files import UnusableFile
from ledger.cli.options import DocumentArgument, SecretOption, bytes32, examples, party, using
from ledger.cli.output import Page
from ledger.cli.service import ServiceReader, ServiceSigner, service_reader, service_signer
from ledger.cli.words import age_text, basis_text, short, time_text
from ledger.core import documents
from ledger.core.identifiers import Party, TradeReference
from ledger.errors import InvalidIdentifier, LedgerError, NotFound, ServiceUnavailable

if TYPE_CHECKING:
    from ledger.client import LodgedManifest
    from ledger.core.records import ManifestReason
    from ledger.messages import ManifestView

SCHEMA = "cargo-lodged/1"
_SCHEMES = ("ucr", "ducr", "mrn", "bl")  # the best reference first (DESIGN 5)
_WAIT_SECONDS = 120
_LATE = (
    "It is lodged, and the service has promised to anchor it; that has not happened within two minutes. Look again "
    "with `manifest show`; if it stays so, ask whoever runs the service."
)

_HEX32 = re.compile(r"(0x)?[0-9a-fA-F]{64}")

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
        reference = str(_reference(reference) if reference else _best_reference(document.value))
        consignment_key = consignment_key or secrets.token_bytes(32)
    plan = _Kept(out or _default_path(file), session, secret, consignment_key, reference)
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
    plan = _Kept(out or _default_path(file), session, secret, None, None)
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
        page.line(f"Withdrew manifest {former_id}: {_reason_text(reason.number)}.")
        page.facts({"record": answer.digest, "log index": answer.index})

    session.out.answer({"withdrawn": former_id, **answer.model_dump(mode="json")}, show)


@app.command(
    epilog=examples(
        "cargo-ledger manifest show ducr:9GB123456789000-INV1",
        "cargo-ledger manifest show 0xa8970539ebd8acd65afea1597b70e39ea49444629c80436baec9d2bd36fcc800 --json",
    )
)
@using(service_reader)
def show(
    session: ServiceReader,
    manifest: Annotated[
        str,
        typer.Argument(metavar="ID", help="Manifest id, record digest, trade reference or container number."),
    ],
) -> None:
    """Show a manifest: what it rests on, who lodged it, whether it is anchored and still current.

    Of a reference or a container the current manifest is shown, and those that it took the place of are listed; if
    several are current, they are listed.
    """
    with session.out.progress("asking the service"):
        found = _find(session, manifest)
    current = [each for each in found if each.closure is None and each.state != "refused"]
    chosen = found[0] if len(found) == 1 else current[0] if len(current) == 1 else None
    others = [each for each in found if each is not chosen]

    def show(page: Page) -> None:
        if chosen is not None:
            _print_manifest(page, chosen)
        page.table(
            f"Manifests of {manifest}" if chosen is None else "Not current any more",
            ("id", "lodged by", "basis", "state", "stands"),
            [
                (each.id, each.party, basis_text(each.document), each.state, _closure_text(each, brief=True))
                for each in others
            ],
        )

    listed = [each.model_dump(mode="json") for each in others]
    session.out.answer(
        {"manifests": listed} if chosen is None else {**chosen.model_dump(mode="json"), "others": listed},
        show,
    )


def _find(session: ServiceReader, name: str) -> list[ManifestView]:
    """The manifests of a name, newest first; records that only withdraw one are said by its closure."""
    if _HEX32.fullmatch(name):
        return [session.client.manifest(session.manifest_id(name))]
    if ":" in name:
        found = session.client.find_manifests(reference=str(_reference(name)))
    else:
        found = session.client.find_manifests(container=name.upper())
    manifests = [each for each in found if each.id is not None]
    if not manifests:
        raise NotFound("manifest of", name)
    return manifests


def _print_manifest(page: Page, view: ManifestView) -> None:
    kind = {1: "LODGE", 2: "AMEND", 3: "WITHDRAW"}.get(view.record.kind, str(view.record.kind))
    page.line(f"Manifest of {view.reference or 'a consignment whose reference is not known here'}.")
    page.facts(
        {
            "basis": basis_text(view.document),
            "stands": _closure_text(view),
            "lodged by": f"{view.party} ({kind}, signed by {view.signer})",
            "id": view.id,
            "consignment": view.record.consignment,
            "manifest root": view.record.manifest_root,
            "state": _state_text(view),
            "content": {
                "seen": "the service has seen the whole document",
                "unseen": "the service has not seen the document; a second value may hide under a name",
                "erased": "erased here",
            }[view.content],
            "log": f"index {view.index}, epoch {view.epoch}",
            "record": view.digest,
        }
    )
    if view.problem is not None:
        page.line(f"Refused: {view.problem.detail}", style="red")
    goods = (view.document or {}).get("goods")
    if isinstance(goods, list):
        page.table(
            "Goods",
            ("no.", "HS", "description", "gross mass kg", "packages"),
            [_goods_row(n, each) for n, each in enumerate(goods, 1)],
        )


def _goods_row(number: int, goods: Any) -> tuple[str, ...]:
    if not isinstance(goods, dict):
        return (str(number), "", str(goods), "", "")
    hs = goods.get("hs")
    code = f"{hs.get('code', '')} ({hs.get('edition', 'edition not stated')})" if isinstance(hs, dict) else ""
    packages = goods.get("packages")
    counts = (
        [
            f"{each.get('count', '')} {each.get('type', '')}".strip()
            for each in packages
            if isinstance(each, dict)
        ]
        if isinstance(packages, list)
        else []
    )
    return (
        str(goods.get("sequence", number)),
        code,
        str(goods.get("description", "")),
        str(goods.get("gross_mass_kg", "")),
        ", ".join(counts),
    )


def _state_text(view: ManifestView) -> str:
    if view.anchor is None:
        return f"{view.state}, to be anchored by {_time(view.promise.anchor_by)}"
    anchored = f"{time_text(view.anchor.anchored_at)} ({age_text(view.anchor.anchored_at)})"
    return f"{view.state}, anchored {anchored} in block {view.anchor.block}"


def _closure_text(view: ManifestView, *, brief: bool = False) -> str:
    if view.closure is None:
        return "current" if view.id is not None and view.state != "refused" else "no manifest of its own"
    when = time_text(view.closure.time)
    why = _reason_text(view.closure.reason)
    if view.closure.successor is None:
        return f"withdrawn {when}: {why}"
    successor = short(view.closure.successor) if brief else view.closure.successor
    return f"superseded {when} by {successor}: {why}"


def _reason_text(number: int) -> str:
    from ledger.core.records import ManifestReason

    known = {reason.value: reason for reason in ManifestReason}
    return known[number].name.lower().replace("_", " ") if number in known else f"reason {number}"


def _time(seconds: int) -> str:
    from datetime import UTC, datetime

    return time_text(datetime.fromtimestamp(seconds, UTC))


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
    promised = f", promised to be anchored by {_time(lodged.answer.promise.anchor_by)}"
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


def _reference(text: str) -> TradeReference:
    try:
        return TradeReference.parse(text)
    except InvalidIdentifier as error:
        raise typer.BadParameter(f"a trade reference is expected, not {text[:60]!r} ({error.rule})") from None


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


def _default_path(file: Path) -> Path:
    return Path("manifest.lodged.json") if str(file) == "-" else Path(f"{file.stem}.lodged.json")


class _Kept:
    """The file that holds a manifest's secrets: written before anything is sent, so that no answer can be lost."""

    def __init__(
        self,
        path: Path,
        session: ServiceSigner,
        secret: bytes | None,
        consignment_key: bytes | None,
        reference: str | None,
    ) -> None:
        self.path = path
        self.secret = secret or secrets.token_bytes(documents.SECRET_BYTES)
        self.consignment_key = consignment_key
        self._session = session
        self._reference = reference
        if path.exists():
            self._go_on()

    def _go_on(self) -> None:
        """Take the secrets of a sending that got no answer; any other file of this name is left alone."""
        content = files.read_object(self.path, "a file that `cargo-ledger manifest lodge` keeps")
        if (
            content.get("schema") != SCHEMA
            or content.get("id") is not None
            or content.get("reference") != self._reference
        ):
            files.require_new(self.path)
        try:
            self.secret = bytes32(content["secret"])
            key = content["consignment_key"]
            self.consignment_key = None if key is None else bytes32(key)
        except (KeyError, TypeError, AttributeError, typer.BadParameter):
            raise UnusableFile(
                str(self.path), "its secret or consignment key is missing or malformed"
            ) from None

    def send(self, lodge: Callable[[], LodgedManifest], *, root: bytes, **facts: Any) -> LodgedManifest:
        """Keep the secrets, send, and keep the answer; a refusal leaves no file."""
        was_there = self.path.exists()
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "id": None,
            "manifest_root": "0x" + root.hex(),
            "secret": "0x" + self.secret.hex(),
            "reference": self._reference,
            "consignment_key": None if self.consignment_key is None else "0x" + self.consignment_key.hex(),
            **facts,
        }
        files.replace(self.path, content)
        try:
            with self._session.out.progress("sending the manifest"):
                lodged = lodge()
        except ServiceUnavailable:
            raise  # it may have arrived: the file stays, and the same command goes on with it
        except LedgerError:
            if not was_there:
                self.path.unlink()
            raise
        content |= {
            "id": "0x" + lodged.id.hex(),
            "consignment": "0x" + lodged.consignment.hex(),
            "party": self._session.party,
            "digest": lodged.answer.digest,
            "promise": json.loads(lodged.answer.promise.model_dump_json()),
        }
        files.replace(self.path, content)
        return lodged
