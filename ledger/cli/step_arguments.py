"""Arguments that the commands of `cargo-ledger consignment` share: what a record says of places, times and reasons."""

from __future__ import annotations

from typing import Annotated

import typer

from ledger.cli.options import bytes32, party, time, using
from ledger.cli.outcome import CommandError
from ledger.cli.service import service_signer
from ledger.cli.steps import step_options
from ledger.core.identifiers import Party, un_locode
from ledger.errors import InvalidIdentifier


class NothingToAnswer(CommandError):
    """The step needs something that the consignment does not have: an offer, a hold, a manifest, a container."""


def place(text: str) -> str:
    """Read a UN/LOCODE."""
    try:
        return un_locode(text.upper())
    except InvalidIdentifier as error:
        raise typer.BadParameter(
            f"a UN/LOCODE is expected, as SGSIN, not {text[:40]!r} ({error.rule})"
        ) from None


def due(text: str) -> str:
    """Read a time limit, to be written in the details as RFC 3339 UTC."""
    return time(text).strftime("%Y-%m-%dT%H:%M:%SZ")


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
    typer.Option(metavar="TIME", parser=due, help="Until when, RFC 3339 with its zone."),
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
