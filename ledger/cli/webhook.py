"""`cargo-ledger webhook`: what a service sends to addresses of yours as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli.options import administration, bytes32, examples, using
from ledger.cli.output import Page
from ledger.cli.service import ServiceReader, service_reader
from ledger.cli.words import time_text
from ledger.core.identifiers import Party

if TYPE_CHECKING:
    from ledger.messages import WebhookSecret

_ID = "0xa8970539ebd8acd65afea1597b70e39ea49444629c80436baec9d2bd36fcc800"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Have events sent to an address of yours, signed after Standard Webhooks.",
    epilog=examples(
        "cargo-ledger webhook register https://erp.acme.example/cargo --kind custody --key exporter",
        "cargo-ledger webhook list --key exporter",
    ),
)
WebhookArgument = Annotated[
    bytes, typer.Argument(metavar="ID", parser=bytes32, help="The webhook's id; `webhook list` shows it.")
]


@app.command(
    epilog=examples(
        "cargo-ledger webhook register https://erp.acme.example/cargo --key exporter",
        "cargo-ledger webhook register https://erp.acme.example/holds --kind custody.hold --kind custody.lift --after 0",
    )
)
@using(service_reader)
def register(
    session: ServiceReader,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to: https://, at a public address.")],
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", metavar="KIND", help="Only these kinds, or what several begin with; repeat it."
        ),
    ] = None,
    consignment: Annotated[
        bytes | None,
        typer.Option(
            "--consignment", metavar="HEX", parser=bytes32, help="Only what is about this one, by its id."
        ),
    ] = None,
    of: Annotated[
        Party | None,
        typer.Option(
            "--of", metavar="ADMINISTRATION", parser=administration, help="Only this administration's."
        ),
    ] = None,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="EVENT", min=0, help="Behind this event; 0 sends all there are."),
    ] = None,
) -> None:
    """Register an address, and be given the secret that its messages are signed with: it is shown once.

    You are sent what your account may read, until you remove the webhook or your account is revoked.
    """
    made = session.client.webhooks.register(
        url,
        kinds=kind or (),
        consignment=consignment,
        administration=None if of is None else str(of),
        after=after,
    )
    _answer_secret(session, made, f"Registered the webhook {made.id}.")


@app.command("list", epilog=examples("cargo-ledger webhook list", "cargo-ledger webhook list --json"))
@using(service_reader)
def list_webhooks(session: ServiceReader) -> None:
    """List your webhooks: where they go, how they stand, and what became of their messages."""
    found = session.client.webhooks.list()
    rows = [
        (each.id, each.url, each.state, each.delivered, each.waiting, each.failed, each.dead)
        for each in found
    ]
    session.out.answer(
        {"webhooks": [each.model_dump(mode="json") for each in found]},
        lambda page: page.table(
            "Your webhooks",
            ("id", "address", "state", "delivered", "waiting", "failed attempts", "dead letters"),
            rows,
            empty="You have no webhooks; `cargo-ledger webhook register URL` makes one.",
        ),
    )


@app.command(epilog=examples(f"cargo-ledger webhook remove {_ID}"))
@using(service_reader)
def remove(session: ServiceReader, webhook: WebhookArgument) -> None:
    """Remove a webhook, with its secrets and all that waits."""
    session.client.webhooks.remove(webhook)
    _answer(session, {"removed": "0x" + webhook.hex()}, f"Removed the webhook 0x{webhook.hex()}.")


@app.command(
    epilog=examples(
        f"cargo-ledger webhook rotate {_ID}", f"cargo-ledger webhook rotate {_ID} --overlap 0  (it leaked)"
    )
)
@using(service_reader)
def rotate(
    session: ServiceReader,
    webhook: WebhookArgument,
    *,
    overlap: Annotated[
        int,
        typer.Option(
            "--overlap", metavar="SECONDS", min=0, max=604_800, help="So long the former secret signs too."
        ),
    ] = 86_400,
) -> None:
    """Give a webhook a new secret, shown once; for a day, or as long as you say, messages are signed with both."""
    made = session.client.webhooks.rotate_secret(webhook, overlap_seconds=overlap)
    _answer_secret(session, made, f"The webhook {made.id} has a new secret.")


@app.command(epilog=examples(f"cargo-ledger webhook enable {_ID}"))
@using(service_reader)
def enable(session: ServiceReader, webhook: WebhookArgument) -> None:
    """Send to a webhook again that was disabled, from where it stood."""
    view = session.client.webhooks.enable(webhook)
    _answer(
        session, view.model_dump(mode="json"), f"The webhook is {view.state}; {view.waiting} messages wait."
    )


@app.command(epilog=examples(f"cargo-ledger webhook dead {_ID}", f"cargo-ledger webhook dead {_ID} --json"))
@using(service_reader)
def dead(session: ServiceReader, webhook: WebhookArgument) -> None:
    """List the messages of a webhook that were given up; they are kept for 30 days."""
    found = list(session.client.webhooks.dead_letters(webhook))
    rows = [
        (each.event, each.kind, each.attempts, time_text(each.given_up_at), each.problem) for each in found
    ]
    session.out.answer(
        {"dead_letters": [each.model_dump(mode="json") for each in found]},
        lambda page: page.table(
            "Given up",
            ("event", "kind", "attempts", "at", "why the last failed"),
            rows,
            empty="No message was given up.",
        ),
    )


@app.command(
    epilog=examples(
        f"cargo-ledger webhook replay {_ID}", f"cargo-ledger webhook replay {_ID} --event 17 --event 18"
    )
)
@using(service_reader)
def replay(
    session: ServiceReader,
    webhook: WebhookArgument,
    *,
    event: Annotated[
        list[int] | None,
        typer.Option("--event", metavar="EVENT", min=0, help="Only the message about this event; repeat it."),
    ] = None,
) -> None:
    """Send messages that were given up again, all or those about some events, under the ids that they had."""
    count = session.client.webhooks.replay(webhook, event or None)
    _answer(session, {"replayed": count}, f"{count} messages wait to be sent again.")


def _answer(session: ServiceReader, data: dict[str, Any], sentence: str) -> None:
    session.out.answer(data, lambda page: page.line(sentence))


def _answer_secret(session: ServiceReader, made: WebhookSecret, sentence: str) -> None:
    def show(page: Page) -> None:
        page.line(sentence)
        page.facts({"secret": made.secret})
        page.line("It is not shown again; a receiver verifies messages with it.")
        if made.former_until is not None:
            page.line(f"The former secret signs beside it until {time_text(made.former_until)}.")

    session.out.answer(made.model_dump(mode="json"), show)
