"""The application: settings in, routes, problems and limits put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from api import examples, problems
from api.beside import Beside
from api.bodies import MAX_BODY_BYTES, BodyLimit
from api.evidence_files import evidence_schemas
from api.grouping import Grouping
from api.limits import Buckets, Limits
from api.lodging import Lodging
from api.observing import Figures, Observing
from api.openapi import DESCRIPTION, TITLE
from api.routes import (
    accompanying_files,
    audit,
    chain,
    consignments,
    custody_records,
    events,
    health,
    log,
    manifests,
    registry,
    sessions,
    verify,
    webhooks,
)
from api.settings import Settings
from api.streams import Streams
from ledger.ledger import Ledger
from ledger.messages import EventView

VERSION = "1"


class _Service(FastAPI):
    """The framework's application, with what its document cannot take from models."""

    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI document."""
        if self.openapi_schema is None:
            described = super().openapi()
            schemas = described["components"]["schemas"]
            schemas |= evidence_schemas() | {EventView.__name__: EventView.model_json_schema()}
            examples.put_into(described)
        return super().openapi()


def create_app(settings: Settings) -> FastAPI:
    """Make the application of one administration's service.

    Its ledger is opened when the application starts, and closed when it stops.

    Args:
        settings: Whose service, on which chain, with which database and keys.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.ledger = await run_in_threadpool(lambda: Ledger.open(settings.config))
        app.state.streams = Streams(app.state.ledger)
        app.state.grouping = Grouping(app.state.ledger)
        app.state.beside = Beside(settings.profile.log_domain, app.state.ledger.time)
        try:
            yield
        finally:
            await app.state.streams.stop()
            await run_in_threadpool(app.state.beside.close)
            await run_in_threadpool(app.state.ledger.close)

    app = _Service(
        title=TITLE,
        description=DESCRIPTION,
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        # its own traces hold queries, its logs what was sent: ours hold neither, see `api.observing`
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    v1 = APIRouter(prefix="/v1")
    for noun in (
        manifests,
        custody_records,
        consignments,
        accompanying_files,
        log,
        audit,
        registry,
        chain,
        verify,
        events,
        webhooks,
        sessions,
    ):
        v1.include_router(noun.router)
    app.include_router(v1)
    app.include_router(health.router)
    problems.install(app)
    app.add_middleware(Lodging)  # inside of the limits
    app.add_middleware(BodyLimit, limit_bytes=MAX_BODY_BYTES, streamed=frozenset({manifests.BATCH_PATH}))
    app.state.addresses = Buckets(settings.requests_per_minute)
    app.add_middleware(
        Limits,
        requests=app.state.addresses,
        sign_ins=Buckets(settings.sign_ins_per_minute),
        proxies=settings.proxies,
    )
    app.state.accounts = Buckets(settings.account_requests_per_minute)
    app.state.figures = Figures()
    app.add_middleware(Observing, figures=app.state.figures)  # around the others
    return app
