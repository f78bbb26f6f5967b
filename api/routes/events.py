"""What happens, as it happens."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query

from api.bodies import StrictRoute
from api.dependencies import Reading, TheLedger, TheStreams
from api.openapi import also, problems
from api.problems import INVALID_FIELDS, READING_CLOSED, TABLE, TOO_MANY_STREAMS
from api.streams import MEDIA_TYPE, EventStream
from ledger.errors import Conflict
from ledger.messages import MAX_JSON_INTEGER, AdministrationText, Bytes32, EventKind, from_hex

router = APIRouter(tags=["events"], route_class=StrictRoute)


@router.get(
    "/events",
    summary="Follow what happens",
    dependencies=[Reading],
    response_class=EventStream,
    responses=also(
        200,
        "Server-Sent Events without end: `id`, `event` (the kind) and `data` (an EventView as JSON)",
        content={MEDIA_TYPE: {"schema": {"type": "string"}}},
    )
    | problems(READING_CLOSED, TABLE[Conflict], INVALID_FIELDS, TOO_MANY_STREAMS),
)
async def events(
    ledger: TheLedger,
    streams: TheStreams,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=MAX_JSON_INTEGER, description="Id of the last event seen: those behind it come"),
    ] = None,
    after: Annotated[
        int | None,
        Query(ge=0, le=MAX_JSON_INTEGER, description="The same, for a first request; 0 gives all there are"),
    ] = None,
    kind: Annotated[
        list[EventKind], Query(max_length=20, description="Only these, and their reversals")
    ] = [],  # noqa: B006  the framework copies it
    consignment: Annotated[Bytes32 | None, Query(description="Only what is about this consignment")] = None,
    administration: Annotated[AdministrationText | None, Query(description="Only this one's")] = None,
) -> EventStream:
    """Stream events in order, from the id given on or from now on; what the chain takes back is followed by its reversal."""
    read = partial(
        ledger.events,
        kinds=kind,
        consignment=None if consignment is None else from_hex(consignment),
        administration=administration,
    )
    return EventStream(await streams.start(after if last_event_id is None else last_event_id, read))
