"""`cargo-ledger consignment hold`, `lift`, `release` and `clear`: what customs and other agencies decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.options import bytes32, examples
from ledger.cli.service import ServiceSigner
from ledger.cli.step_arguments import (
    ConsignmentArgument,
    ContainersOption,
    DueOption,
    ManifestOption,
    NeededReasonOption,
    NothingToAnswer,
    OfficeOption,
    OutcomeOption,
    PlaceOption,
    ProcedureOption,
    ReasonOption,
    step,
)
from ledger.cli.steps import StepOptions, send
from ledger.core.records import CustodyKind

if TYPE_CHECKING:
    from ledger.messages import ConsignmentView

app = typer.Typer()


@app.command(
    epilog=examples(
        "cargo-ledger consignment hold ducr:9GB123456789000-INV1 --reason 'documents missing' --office NL000563",
    )
)
@step
def hold(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    reason: NeededReasonOption,
    due: DueOption = None,
    place: PlaceOption = None,
    office: OfficeOption = None,
    containers: ContainersOption = None,
) -> None:
    """Place a hold (HMRC and EU: "under control"; CBP: "on hold"): the goods are not to be released. By an officer.

    A hold ends your administration's releases of the consignment, and of all that is inside it.
    """
    names = {"reason": reason, "due": due, "place": place, "office": office, "containers": containers}
    view = session.consignment(consignment)
    send(session, options, CustodyKind.HOLD, view, schema="cargo-hold/1", names=names, done="Placed a hold")


@app.command(
    epilog=examples(
        "cargo-ledger consignment lift ducr:9GB123456789000-INV1 --reason 'documents received'",
        "cargo-ledger consignment lift ducr:9GB123456789000-INV1 --hold 0x" + "5a" * 32,
    )
)
@step
def lift(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    hold: Annotated[
        bytes | None,
        typer.Option(
            metavar="DIGEST", parser=bytes32, help="The hold's record; not needed if you have one only."
        ),
    ] = None,
    reason: ReasonOption = None,
    outcome: OutcomeOption = None,
    office: OfficeOption = None,
) -> None:
    """Lift a hold of your own party (HMRC and EU: the control has ended)."""
    view = session.consignment(consignment)
    digest = "0x" + hold.hex() if hold is not None else _only_hold(view, session.party)
    names = {"reason": reason, "outcome": outcome, "office": office}
    send(
        session,
        options,
        CustodyKind.LIFT,
        view,
        schema="cargo-lift/1",
        names=names,
        done="Lifted the hold",
        subject=digest,
    )


@app.command(epilog=examples("cargo-ledger consignment release ducr:9GB123456789000-INV1 --procedure export"))
@step
def release(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    procedure: ProcedureOption,
    manifest: ManifestOption = None,
    outcome: OutcomeOption = None,
    place: PlaceOption = None,
    office: OfficeOption = None,
    due: DueOption = None,
    containers: ContainersOption = None,
) -> None:
    """Release goods for a procedure, as the manifest states them. By an officer of customs.

    It is refused while your administration has an open hold (HMRC and EU: while they are "under control") on the
    consignment or on what it is in.
    """
    view = session.consignment(consignment)
    names = {"outcome": outcome, "place": place, "due": due, "containers": containers}
    _decide(session, options, view, CustodyKind.RELEASE, procedure, manifest, {"office": office, **names})


@app.command(epilog=examples("cargo-ledger consignment clear ducr:9GB123456789000-INV1 --procedure import"))
@step
def clear(
    session: ServiceSigner,
    options: StepOptions,
    consignment: ConsignmentArgument,
    *,
    procedure: ProcedureOption,
    manifest: ManifestOption = None,
    outcome: OutcomeOption = None,
    office: OfficeOption = None,
) -> None:
    """Record that all formalities are complete. By an officer of customs. Without a release it counts as one."""
    view = session.consignment(consignment)
    _decide(
        session,
        options,
        view,
        CustodyKind.CLEARANCE,
        procedure,
        manifest,
        {"outcome": outcome, "office": office},
    )


def _decide(
    session: ServiceSigner,
    options: StepOptions,
    view: ConsignmentView,
    kind: CustodyKind,
    procedure: str,
    manifest: bytes | None,
    names: dict[str, Any],
) -> None:
    decided_on = view.manifest if manifest is None else "0x" + manifest.hex()
    if decided_on is None:
        raise NothingToAnswer(
            "The manifest that this consignment was opened with is withdrawn; name the one decided on with --manifest."
        )
    word, name = ("Released", "release") if kind == CustodyKind.RELEASE else ("Cleared", "clearance")
    send(
        session,
        options,
        kind,
        view,
        schema=f"cargo-{name}/1",
        names={"procedure": procedure, **names},
        done=f"{word} for {procedure}",
        subject=decided_on,
    )


def _only_hold(view: ConsignmentView, acts_for: str) -> str:
    own = [each for each in view.holds if each.party == acts_for]
    if not own:
        raise NothingToAnswer(f"{acts_for} has no open hold on this consignment, so there is none to lift.")
    if len(own) > 1:
        digests = ", ".join(f"{each.record} ({each.reason or 'reason not disclosed'})" for each in own)
        raise NothingToAnswer(f"{acts_for} has {len(own)} open holds here; name one with --hold: {digests}.")
    return own[0].record
