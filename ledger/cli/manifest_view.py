"""`cargo-ledger manifest show`: a manifest in words, always with its basis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.options import examples, reference, using
from ledger.cli.output import Page
from ledger.cli.service import ServiceReader, service_reader
from ledger.cli.words import age_text, basis_text, reason_text, seconds_text, short, time_text
from ledger.errors import NotFound

if TYPE_CHECKING:
    from ledger.messages import ManifestView

_HEX32 = re.compile(r"(0x)?[0-9a-fA-F]{64}")

app = typer.Typer()


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
        found = session.client.find_manifests(reference=str(reference(name)))
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
        return f"{view.state}, to be anchored by {seconds_text(view.promise.anchor_by)}"
    anchored = f"{time_text(view.anchor.anchored_at)} ({age_text(view.anchor.anchored_at)})"
    return f"{view.state}, anchored {anchored} in block {view.anchor.block}"


def _closure_text(view: ManifestView, *, brief: bool = False) -> str:
    if view.closure is None:
        return "current" if view.id is not None and view.state != "refused" else "no manifest of its own"
    when = time_text(view.closure.time)
    why = reason_text(view.closure.reason)
    if view.closure.successor is None:
        return f"withdrawn {when}: {why}"
    successor = short(view.closure.successor) if brief else view.closure.successor
    return f"superseded {when} by {successor}: {why}"
