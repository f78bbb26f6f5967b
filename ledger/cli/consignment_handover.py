"""`cargo-ledger consignment offer`, `accept`, `decline` and `take`: who is in charge of the cargo."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ledger.cli.options import examples
from ledger.cli.service import ServiceSigner
from ledger.cli.step_arguments import (
    ConsignmentArgument,
    ContainersOption,
    DueOption,
    NeededReasonOption,
    NothingToAnswer,
    OfficeOption,
    PartyTo,
    PlaceOption,
    ReasonOption,
    SealsOption,
    step,
)
from ledger.cli.steps import StepOptions, send
from ledger.core.records import CustodyKind

app = typer.Typer()


@app.command(
    epilog=examples(
        "cargo-ledger consignment offer ducr:9GB123456789000-INV1 --to SG:CARRIER1",
        "cargo-ledger consignment offer ducr:9GB123456789000-INV1 --withdraw",
    )
)
@step
def offer(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    to: PartyTo = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the offer back.")] = False,
    place: PlaceOption = None,
    due: DueOption = None,
    reason: ReasonOption = None,
) -> None:
    """Offer the handover of cargo in your charge to another party, or take the offer back."""
    if (to is None) != withdraw:
        raise typer.BadParameter("give one of --to PARTY and --withdraw")
    names = {"place": place, "due": due, "reason": reason}
    view = session.consignment(consignment)
    done = f"Offered the handover to {to}" if to else "Took the offer back"
    send(
        session,
        options,
        CustodyKind.OFFER,
        view,
        schema="cargo-offer/1",
        names=names,
        done=done,
        counterpart=to,
    )


@app.command(
    epilog=examples("cargo-ledger consignment accept ducr:9GB123456789000-INV1 --place SGSIN --seal K12345")
)
@step
def accept(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    place: PlaceOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
) -> None:
    """Accept the handover that was offered to you: you are then in charge of the cargo."""
    _answer(
        session,
        options,
        consignment,
        CustodyKind.ACCEPT,
        {"place": place, "containers": containers, "seals": seals},
    )


@app.command(
    epilog=examples("cargo-ledger consignment decline ducr:9GB123456789000-INV1 --reason 'seal broken'")
)
@step
def decline(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    reason: ReasonOption = None,
    place: PlaceOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
) -> None:
    """Decline the handover that was offered to you."""
    names = {"reason": reason, "place": place, "containers": containers, "seals": seals}
    _answer(session, options, consignment, CustodyKind.DECLINE, names)


@app.command(
    epilog=examples(
        "cargo-ledger consignment take ducr:9GB123456789000-INV1 --reason seizure --place NLRTM",
    )
)
@step
def take(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    reason: NeededReasonOption,
    place: PlaceOption = None,
    office: OfficeOption = None,
    containers: ContainersOption = None,
) -> None:
    """Take cargo into customs' charge without an offer: seizure, detention. By an officer of customs."""
    names = {"reason": reason, "place": place, "office": office, "containers": containers}
    view = session.consignment(consignment)
    send(
        session,
        options,
        CustodyKind.TAKE,
        view,
        schema="cargo-take/1",
        names=names,
        done="Took the cargo into charge",
    )


def _answer(
    session: ServiceSigner, options: StepOptions, consignment: str, kind: CustodyKind, names: dict[str, Any]
) -> None:
    view = session.consignment(consignment)
    if view.offered_to is None:
        raise NothingToAnswer(f"{consignment} is offered to nobody; who is in charge of it offers it first.")
    done = "Accepted the handover" if kind == CustodyKind.ACCEPT else "Declined the handover"
    send(
        session,
        options,
        kind,
        view,
        schema="cargo-handover/1",
        names=names,
        done=done,
        subject=view.lines.custody,  # while an offer stands it is the custody line's last record
    )
