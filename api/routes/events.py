"""What happens, as it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request

from api.bodies import StrictRoute
from api.dependencies import Reading, SignedIn, TheLedger, TheStreams, require_reader
from api.openapi import also, problems
from api.problems import SIGN_IN_NEEDED, TABLE, TOO_MANY_STREAMS
from api.streams import MEDIA_TYPE, EventStream
from ledger.errors import Conflict, EventsForgotten
from ledger.fields import MAX_JSON_INTEGER, AdministrationText, Bytes32, EventKind
from ledger.messages import EventView, from_hex

router = APIRouter(tags=["events"], route_class=StrictRoute)
_EVENT = {
    "type": "object",
    "description": "One event of the stream, by the fields of Server-Sent Events",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "What Last-Event-ID takes"},
        "event": {"type": "string", "description": "The kind of event"},
        "data": {
            "type": "string",
            "description": "An EventView as JSON; a block without it moves the id on",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/EventView"},
        },
    },
}


@router.get(
    "/events",
    summary="Follow what happens",
    dependencies=[SignedIn, Reading],
    response_class=EventStream,
    responses=also(
        200,
        "Server-Sent Events without end, a comment every few seconds between them",
        content={MEDIA_TYPE: {"schema": _EVENT}},
    )
    | problems(SIGN_IN_NEEDED, TABLE[Conflict], TABLE[EventsForgotten], TOO_MANY_STREAMS),
)
async def events(
    request: Request,
    ledger: TheLedger,
    streams: TheStreams,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=MAX_JSON_INTEGER, description="Id of the last event seen: those behind it come"),
    ] = None,
    after: Annotated[
        int | None,
        Query(
            ge=0,
            le=MAX_JSON_INTEGER,
            description="Id of an event, for a first request: those behind it come; 0 gives all that are kept",
        ),
    ] = None,
    kind: Annotated[
        list[EventKind], Query(max_length=20, description="Only these, and their reversals")
    ] = [],  # noqa: B006  the framework copies it
    consignment: Annotated[Bytes32 | None, Query(description="Only what is about this consignment")] = None,
    administration: Annotated[AdministrationText | None, Query(description="Only this one's")] = None,
) -> EventStream:
    """Stream the events you may see in order, from the id given on or from now on, until your session ends.

    What the chain takes back is followed by its reversal. Events are kept for 90 days, unless the service says otherwise: who has
    been away for longer is told so (410) and what to do, never left with a gap.
    """
    about = None if consignment is None else from_hex(consignment)

    def read(seen: int) -> tuple[list[EventView], int]:
        reader = require_reader(
            request
        )  # at every page: a stream outlives neither its session nor its account
        return ledger.events(
            seen, kinds=kind, consignment=about, administration=administration, reader=reader
        )

    return EventStream(await streams.start(after if last_event_id is None else last_event_id, read))
