"""`cargo-ledger consignment`: what happens to cargo, one signed record a command, and what became of it.

Which record a command makes, and who may make it, is DESIGN 4; the rules are the chain's, so a command refuses only what
cannot be said.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import consignment_view, files
from ledger.cli.files import UnusableFile
from ledger.cli.options import bytes32, examples, party, using
from ledger.cli.service import ServiceSigner, service_signer
from ledger.cli.steps import StepOptions, send, step_options
from ledger.cli.words import short
from ledger.core.identifiers import Party, un_locode
from ledger.core.records import CustodyKind, blind
from ledger.errors import InvalidIdentifier, LedgerError

if TYPE_CHECKING:
    from ledger.messages import ConsignmentView

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


class NothingToAnswer(LedgerError):
    """The step needs something that the consignment does not have: an offer, a hold, a manifest, a container."""


def place(text: str) -> str:
    """Read a UN/LOCODE."""
    try:
        return un_locode(text.upper())
    except InvalidIdentifier as error:
        raise typer.BadParameter(
            f"a UN/LOCODE is expected, as SGSIN, not {text[:40]!r} ({error.rule})"
        ) from None


ConsignmentArgument = Annotated[
    str, typer.Argument(metavar="CONSIGNMENT", help="Its id, or its trade reference scheme:VALUE.")
]
PlaceOption = Annotated[
    str | None, typer.Option(metavar="LOCODE", parser=place, help="Where: UN/LOCODE of the checkpoint.")
]
OfficeOption = Annotated[str | None, typer.Option(metavar="CODE", help="Customs office, where it is one.")]
ContainersOption = Annotated[
    list[str] | None, typer.Option("--container", metavar="NUMBER", help="Container concerned; repeat it.")
]
SealsOption = Annotated[
    list[str] | None, typer.Option("--seal", metavar="NUMBER", help="Seal seen; repeat it.")
]
ReasonOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why.")]
NeededReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
OutcomeOption = Annotated[str | None, typer.Option(metavar="TEXT", help="What came of it.")]
DueOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", parser=lambda text: _due(text), help="Until when, RFC 3339 with its zone."),
]
ProcedureOption = Annotated[
    str, typer.Option(metavar="PROCEDURE", help="For what: export, transit, import, temporary-storage …")
]
ManifestOption = Annotated[
    bytes | None,
    typer.Option(
        metavar="ID",
        parser=bytes32,
        help="The manifest decided on; by default the consignment's current one.",
    ),
]
PartyTo = Annotated[
    Party | None, typer.Option("--to", metavar="PARTY", parser=party, help="To whom: SG or SG:ACME01.")
]

step = using(service_signer, step_options)


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
    kept = _read_lodged(lodged)
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


class Outcome(StrEnum):
    """How a consignment ends; another can be given in the details file."""

    DELIVERED = "delivered"
    EXPORTED = "exported"
    RETURNED = "returned"
    LOST = "lost"
    DESTROYED = "destroyed"
    FORFEITED = "forfeited"
    ABANDONED = "abandoned"


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
        str, typer.Option(metavar="TEXT", help=f"How it ended: {', '.join(each.value for each in Outcome)} …")
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


def _read_lodged(path: Path) -> dict[str, Any]:
    content = files.read_object(path, "the file that `cargo-ledger manifest lodge` kept")
    wanted = ("consignment", "manifest_root", "consignment_key", "reference")
    if content.get("schema") != "cargo-lodged/1":
        raise UnusableFile(str(path), "it is no file that `cargo-ledger manifest lodge` kept")
    if content.get("id") is None:
        raise UnusableFile(
            str(path), "its manifest got no answer yet; run the same `manifest lodge` again first"
        )
    if not all(isinstance(content.get(name), str) for name in wanted):
        raise UnusableFile(
            str(path), "it holds no consignment key: this manifest does not open a consignment"
        )
    if not all(re.fullmatch("0x[0-9a-f]{64}", content[name]) for name in wanted[:3]):
        raise UnusableFile(str(path), "its consignment, manifest root or key is malformed")
    return content


def _due(text: str) -> str:
    from ledger.cli.options import time

    return time(text).strftime("%Y-%m-%dT%H:%M:%SZ")


app.add_typer(consignment_view.app)
