"""`cargo-ledger consignment`: what happens to cargo, one signed record a command, and what became of it.

Which record a command makes, and who may make it, is DESIGN 4; the rules are the chain's, so a command refuses only what
cannot be said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.cli import consignment_customs, consignment_handover, consignment_view
from ledger.cli.lodged import read_lodged
from ledger.cli.options import bytes32, examples
from ledger.cli.service import ServiceSigner
from ledger.cli.step_arguments import (
    ConsignmentArgument,
    ContainersOption,
    DueOption,
    NeededReasonOption,
    NothingToAnswer,
    OfficeOption,
    OutcomeOption,
    PlaceOption,
    ReasonOption,
    SealsOption,
    step,
)
from ledger.cli.steps import StepOptions, send
from ledger.cli.words import short
from ledger.core.records import CustodyKind, blind

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=(
        "Follow cargo: open a consignment, record what happens to it, hold and release it, hand it over, look it up. "
        "CONSIGNMENT is its id or its trade reference."
    ),
    epilog=examples(
        "cargo-ledger consignment show CSQU3054383",
        "cargo-ledger consignment hold ducr:9GB123456789000-INV1 --reason 'documents missing'",
        "cargo-ledger consignment release ducr:9GB123456789000-INV1 --procedure export",
    ),
)


@app.command("open", epilog=examples("cargo-ledger consignment open invoice.lodged.json"))
@step
def open_(
    session: ServiceSigner,
    options: StepOptions,
    lodged: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The NAME.lodged.json that `manifest lodge` kept.",
        ),
    ],
    *,
    split_from: Annotated[
        str | None, typer.Option(metavar="CONSIGNMENT", help="The open consignment that this is a part of.")
    ] = None,
) -> None:
    """Open the consignment of a lodged manifest: you are then in charge of it."""
    kept = read_lodged(lodged)
    subject: dict[str, Any] = {} if split_from is None else {"subject": session.consignment(split_from).id}
    send(
        session,
        options,
        CustodyKind.OPEN,
        None,
        consignment=kept["consignment"],
        manifest_root=kept["manifest_root"],
        blind=blind(bytes32(kept["consignment_key"]), kept["reference"]),
        done=f"Opened the consignment of {kept['reference']}",
        **subject,
    )


@app.command(
    epilog=examples("cargo-ledger consignment arrive ducr:9GB123456789000-INV1 --place SGSIN --seal K12345")
)
@step
def arrive(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    place: PlaceOption = None,
    office: OfficeOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
    due: DueOption = None,
) -> None:
    """Record that cargo arrived at a checkpoint: by who is in charge of it, or an officer."""
    names = {"place": place, "office": office, "containers": containers, "seals": seals, "due": due}
    view = session.consignment(consignment)
    where = f" at {place}" if place else ""
    send(
        session,
        options,
        CustodyKind.ARRIVAL,
        view,
        schema="cargo-passage/1",
        names=names,
        done=f"Recorded the arrival{where}",
    )


@app.command(
    epilog=examples("cargo-ledger consignment depart ducr:9GB123456789000-INV1 --place SGSIN --seal K12345")
)
@step
def depart(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    place: PlaceOption = None,
    office: OfficeOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
) -> None:
    """Record that cargo left a checkpoint: by who is in charge of it, or an officer."""
    names = {"place": place, "office": office, "containers": containers, "seals": seals}
    view = session.consignment(consignment)
    where = f" from {place}" if place else ""
    send(
        session,
        options,
        CustodyKind.DEPARTURE,
        view,
        schema="cargo-passage/1",
        names=names,
        done=f"Recorded the departure{where}",
    )


@app.command(
    epilog=examples(
        "cargo-ledger consignment inspect ducr:9GB123456789000-INV1 --place SGSIN --outcome 'as declared'"
    )
)
@step
def inspect(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    outcome: OutcomeOption = None,
    reason: ReasonOption = None,
    place: PlaceOption = None,
    office: OfficeOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
) -> None:
    """Record what an inspection found. By an officer."""
    names = {
        "outcome": outcome,
        "reason": reason,
        "place": place,
        "office": office,
        "containers": containers,
        "seals": seals,
    }
    view = session.consignment(consignment)
    send(
        session,
        options,
        CustodyKind.INSPECTION,
        view,
        schema="cargo-inspection/1",
        names=names,
        done="Recorded the inspection",
    )


@app.command(
    epilog=examples(
        "cargo-ledger consignment seal ducr:9GB123456789000-INV1 --affix K12345 --container CSQU3054383",
        "cargo-ledger consignment seal ducr:9GB123456789000-INV1 --remove K12345 --reason inspection",
    )
)
@step
def seal(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    affix: Annotated[str | None, typer.Option(metavar="NUMBER", help="The seal that was put on.")] = None,
    remove: Annotated[str | None, typer.Option(metavar="NUMBER", help="The seal that was taken off.")] = None,
    containers: ContainersOption = None,
    place: PlaceOption = None,
    office: OfficeOption = None,
    reason: ReasonOption = None,
) -> None:
    """Record that a numbered seal was affixed or removed. For a change of seals, give the command twice."""
    number = affix or remove
    if number is None or (affix and remove):
        raise typer.BadParameter("give one of --affix NUMBER and --remove NUMBER")
    action = "affixed" if affix else "removed"
    names = {
        "seal": number,
        "action": action,
        "containers": containers,
        "place": place,
        "office": office,
        "reason": reason,
    }
    view = session.consignment(consignment)
    send(
        session,
        options,
        CustodyKind.SEAL,
        view,
        schema="cargo-seal/1",
        names=names,
        done=f"Recorded that seal {number} was {action}",
    )


@app.command(
    epilog=examples(
        "cargo-ledger consignment remark ducr:9GB123456789000-INV1 --reason 'container changed' --note 'crane damage'"
    )
)
@step
def remark(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    reason: NeededReasonOption,
    corrects: Annotated[
        bytes | None, typer.Option(metavar="DIGEST", parser=bytes32, help="The record that this corrects.")
    ] = None,
    place: PlaceOption = None,
    office: OfficeOption = None,
    due: DueOption = None,
    containers: ContainersOption = None,
) -> None:
    """Record anything else: an incident, documents wanted, a correction."""
    names = {"reason": reason, "place": place, "office": office, "due": due, "containers": containers}
    view = session.consignment(consignment)
    subject: dict[str, Any] = {} if corrects is None else {"subject": corrects}
    send(
        session,
        options,
        CustodyKind.REMARK,
        view,
        schema="cargo-remark/1",
        names=names,
        done="Recorded the remark",
        **subject,
    )


@app.command(
    epilog=examples("cargo-ledger consignment consolidate ducr:9GB123456789000-INV1 --into bl:MAEU123456789")
)
@step
def consolidate(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    into: Annotated[str, typer.Option(metavar="CONSIGNMENT", help="What it is put into.")],
    place: PlaceOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
) -> None:
    """Put a consignment into another; both must be in your charge."""
    view = session.consignment(consignment)
    parent = session.consignment(into)
    names = {"reference": parent.reference, "place": place, "containers": containers, "seals": seals}
    send(
        session,
        options,
        CustodyKind.CONSOLIDATE,
        view,
        schema="cargo-consolidation/1",
        names=names,
        done=f"Put it into {parent.reference or short(parent.id)}",
        subject=parent.id,
    )


@app.command(
    epilog=examples("cargo-ledger consignment deconsolidate ducr:9GB123456789000-INV1 --place NLRTM")
)
@step
def deconsolidate(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    place: PlaceOption = None,
    containers: ContainersOption = None,
    seals: SealsOption = None,
) -> None:
    """Take a consignment out of the one it is in."""
    view = session.consignment(consignment)
    if view.inside is None:
        raise NothingToAnswer(f"{consignment} is inside no other consignment, so it cannot be taken out.")
    names = {"place": place, "containers": containers, "seals": seals}
    send(
        session,
        options,
        CustodyKind.DECONSOLIDATE,
        view,
        schema="cargo-consolidation/1",
        names=names,
        done=f"Took it out of {short(view.inside)}",
        subject=view.inside,
    )


@app.command(
    epilog=examples(
        "cargo-ledger consignment close ducr:9GB123456789000-INV1 --outcome delivered --place NLRTM"
    )
)
@step
def close(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    outcome: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="How it ended: delivered, exported, returned, lost, destroyed, forfeited, abandoned …",
        ),
    ],
    place: PlaceOption = None,
    office: OfficeOption = None,
    reason: ReasonOption = None,
) -> None:
    """Close a consignment in your charge: then nobody is in charge of it."""
    names = {"outcome": outcome, "place": place, "office": office, "reason": reason}
    view = session.consignment(consignment)
    send(
        session,
        options,
        CustodyKind.CLOSE,
        view,
        schema="cargo-close/1",
        names=names,
        done=f"Closed: {outcome}",
    )


for part in (consignment_handover.app, consignment_customs.app, consignment_view.app):
    app.add_typer(part)
