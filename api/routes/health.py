"""For whoever runs the service: is it alive, can it do its job, how much does it do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import anyio
from anyio import CapacityLimiter
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import Field

from api.bodies import StrictRoute
from api.dependencies import TheLedger
from api.limits import may_read_metrics
from api.openapi import also, problems
from api.problems import NO_ROUTE, NOT_READY, Problem
from api.settings import Settings
from ledger.messages import Message, Readiness

router = APIRouter(tags=["health"], route_class=StrictRoute)
_THREADS = CapacityLimiter(
    4
)  # of their own: requests that wait for a database that hangs have all the others
METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health(Message):
    """The process runs and answers; `/readyz` says whether it can do its job."""

    alive: Annotated[bool, Field(description="True: who is not alive does not answer")]


@router.get("/healthz", summary="Is the process alive", responses=problems())
def healthz() -> Health:
    """Answer, without looking at database or chain."""
    return Health(alive=True)


@router.get("/readyz", summary="Can the service do its job now", responses=problems(NOT_READY))
async def readyz(ledger: TheLedger) -> Readiness:
    """Tell the truth about database, chain and worker, with the lag and what waits; not ready is a problem of 503."""
    readiness = await anyio.to_thread.run_sync(ledger.readiness, limiter=_THREADS)
    if not readiness.ready:
        sentence = " ".join(readiness.reasons) or "It has just started; ask again in a few seconds."
        raise Problem(NOT_READY, sentence, readiness.model_dump(mode="json"))
    return readiness


@router.get(
    "/metrics",
    summary="Read the metrics",
    response_class=PlainTextResponse,
    responses=also(200, "Prometheus's text format", content={"text/plain": {"schema": {"type": "string"}}})
    | problems(NO_ROUTE),
)
def metrics(ledger: TheLedger, request: Request) -> PlainTextResponse:
    """Give what the ledger counts, as gauges named `cargo_ledger_…`, and what this process counts of its requests.

    They are for programs on the service's machine, and for the addresses that its settings name; to others they are not there.
    """
    settings: Settings = request.app.state.settings
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    if not may_read_metrics(peer, forwarded, settings.proxies, settings.metrics_from):
        raise HTTPException(404)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(ledger.metrics(), ledger.refusals()))
    text = generate_latest(registry) + generate_latest(request.app.state.figures.registry)
    return PlainTextResponse(text, media_type=METRICS_MEDIA_TYPE)


class _Gauges(Collector):
    def __init__(self, values: dict[str, float], refusals: dict[str, int]) -> None:
        self.values = values
        self.refusals = refusals

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self.values.items()):
            yield GaugeMetricFamily(f"cargo_ledger_{name}", name.replace("_", " "), value)
        refused = GaugeMetricFamily(
            "cargo_ledger_refusals", "refused by the chain, by reason", labels=["reason"]
        )
        for reason, count in sorted(self.refusals.items()):
            refused.add_metric([reason], count)
        yield refused
