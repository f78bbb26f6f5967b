"""One custody record from the command line: its details from options and a file, signed, sent, and waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import files, outcome
from ledger.cli.options import time
from ledger.cli.output import Page
from ledger.cli.service import ServiceSigner
from ledger.cli.words import age_text
from ledger.core import documents
from ledger.core.records import CustodyKind
from ledger.errors import InvalidDocument, ServiceError, ServiceUnavailable

if TYPE_CHECKING:
    from ledger.messages import AcceptedRecord, ConsignmentView

WAIT_SECONDS = 60.0
THE_RECORD = "The record"  # the panel of a command's help that has the options of every record
LATE = (
    "The service has it and will send it; the chain has not taken it within a minute. Look again with "
    "`consignment show`; if it stays so, ask whoever runs the service."
)
_DAY = 86_400
_SHORT_LIVED = (CustodyKind.RELEASE, CustodyKind.CLEARANCE)  # DESIGN 4: one day at most after `observed_at`


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What every step can state beside its own facts.

    Attributes:
        note: Free text, or None.
        details: The details of a file, or nothing.
        observed_at: Unix seconds, or None for now.
        expires_in_seconds: How long the chain may take the record.
        wait: Whether to wait until the chain has taken it.
    """

    note: str | None
    details: Mapping[str, Any]
    observed_at: int | None
    expires_in_seconds: int
    wait: bool


def step_options(
    *,
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", rich_help_panel=THE_RECORD, help="A note, in the details.")
    ] = None,
    details: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            rich_help_panel=THE_RECORD,
            help="JSON document with more details; the other options go over its members.",
        ),
    ] = None,
    at: Annotated[
        datetime | None,
        typer.Option(
            "--at",
            metavar="TIME",
            parser=time,
            rich_help_panel=THE_RECORD,
            help="When it was observed; by default now.",
        ),
    ] = None,
    expires_in: Annotated[
        int,
        typer.Option(
            min=60,
            max=30 * _DAY,
            metavar="SECONDS",
            rich_help_panel=THE_RECORD,
            help="How long the chain may take the record.",
        ),
    ] = 3600,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait", rich_help_panel=THE_RECORD, help="Wait until the chain has taken it."
        ),
    ] = True,
) -> StepOptions:
    """Options of every custody record."""
    base = {} if details is None else documents.parse(files.read(details)).value
    return StepOptions(note, base, None if at is None else int(at.timestamp()), expires_in, wait)


def send(
    session: ServiceSigner,
    options: StepOptions,
    kind: CustodyKind,
    view: ConsignmentView | None,
    *,
    consignment: str | None = None,
    schema: str | None = None,
    names: Mapping[str, Any] | None = None,
    done: str,
    **fields: Any,
) -> None:
    """Sign one record, send it, wait for it, and say what became of it.

    Args:
        session: Who signs, and to which service.
        options: What every step can state.
        kind: What is stated.
        view: The consignment as the service shows it; None for one that is not open yet.
        consignment: Its id, if there is no view.
        schema: The details' schema; without one the record has no details.
        names: The details that this kind's own options state; None values are left out.
        done: What was done, for the person: "Placed a hold".
        fields: `subject`, `counterpart`, `manifest_root`, `blind` as `LedgerClient.step` takes them.
    """
    target = view.id if view is not None else str(consignment)
    stated = {name: value for name, value in (names or {}).items() if value not in (None, [], "")}
    if options.note is not None:
        stated["note"] = options.note
    details = None if schema is None else {"schema": schema, **options.details, **stated}
    if details is None and (stated or options.details):
        raise typer.BadParameter("this record takes no details: they are its manifest's")
    if details is not None and options.details:
        _require_schema(details)
    expires = min(options.expires_in_seconds, _DAY) if kind in _SHORT_LIVED else options.expires_in_seconds
    with session.out.progress("sending the record"):
        answer = session.client.step(
            kind,
            target,
            session.party,
            details=details,
            observed_at=options.observed_at,
            expires_in_seconds=expires,
            **fields,
        )
    _require_taken(answer)
    taken, state, late = None, answer.state, None
    if options.wait and state in ("accepted", "sent"):
        try:
            with session.out.progress("waiting for the chain"):
                record = session.client.wait_for_record(target, answer.digest, "recorded", WAIT_SECONDS)
        except ServiceUnavailable:
            late = LATE
        else:
            state, taken = record.state, record.accepted_at
            if state == "refused":
                _raise_problem(record.problem)
    after = _after(session, target)
    data = {
        "consignment": target,
        "kind": kind.name,
        "party": session.party,
        "digest": answer.digest,
        "state": state,
        "accepted_at": None if taken is None else taken.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "summary": None if after is None else after.summary,
    }

    def show(page: Page) -> None:
        page.line(f"{done}, as {session.party}.")
        if after is not None:
            page.line(after.summary)
        when = f" {age_text(taken)}" if taken is not None else ""
        waiting = "" if state in ("recorded", "final") else "; the chain has not taken it yet"
        page.facts({"record": answer.digest, "state": f"{state}{when}{waiting}", "consignment": target})
        if late is not None:
            page.line(late, style="yellow")

    session.out.answer(data, show)
    if late is not None:
        outcome.end(outcome.Exit.UNREACHABLE)


def _require_schema(details: Mapping[str, Any]) -> None:
    """Refuse details from a file that are not what their schema says: others could not read them.

    Raises:
        InvalidDocument: With the place of the first error.
    """
    from ledger import checking

    for finding in checking.check(details):
        if finding.severity == "error":
            raise InvalidDocument(
                finding.pointer, f"these are no {details['schema']} details: {finding.message}".rstrip(".")
            )


def _after(session: ServiceSigner, consignment: str) -> ConsignmentView | None:
    """The state after the step; the step is done, so that this cannot be read is no failure of it."""
    try:
        return session.client.consignment(consignment)
    except (ServiceError, ServiceUnavailable):
        return None


def _require_taken(answer: AcceptedRecord) -> None:
    if answer.state == "refused":
        _raise_problem(answer.problem)


def _raise_problem(problem: Any) -> None:
    if problem is None:
        raise ServiceError(409, "refused", "The record was refused, and the service does not say why.")
    raise ServiceError(problem.status, problem.title, problem.detail, problem.model_dump(mode="json"))
