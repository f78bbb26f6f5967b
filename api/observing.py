"""What each request leaves behind: its id in the answer, in a problem and in the log, and its figures.

One line of JSON is logged for a request, and where OpenTelemetry is set up a span is made; none holds a query, a body or a header: there stand references and tokens.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import nullcontext

from opentelemetry.propagate import extract
from opentelemetry.trace import (
    ProxyTracer,
    ProxyTracerProvider,
    Span,
    SpanKind,
    get_tracer,
    get_tracer_provider,
    set_tracer_provider,
    use_span,
)
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import headers
from api.logs import CURRENT, REQUEST_ID_HEADER, Noted, new_request_id
from ledger.errors import InvalidProfile

_REQUEST_ID_HEADER = REQUEST_ID_HEADER.encode()
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_TRACER = get_tracer("cargo_ledger")  # does nothing until `export_traces`
_logger = logging.getLogger("cargo_ledger.http")


class Figures:
    """What one process counts of its requests."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._latency = Histogram(
            "cargo_ledger_request_seconds",
            "From a request's head to the end of its answer",
            ["method", "operation", "status"],
            registry=self.registry,
            buckets=_BUCKETS_SECONDS,
        )
        self._counted: dict[tuple[str, str, int], Histogram] = {}
        self._problems = Counter(
            "cargo_ledger_problems",
            "Problems answered, a line of a batch each, with the refusal's reason where there is one",
            ["problem", "reason"],
            registry=self.registry,
        )

    def note(self, noted: Noted, method: str, operation: str, status: int, seconds: float) -> None:
        """Count a request that is answered."""
        key = method, operation, status
        counted = self._counted.get(key)
        if counted is None:  # there are few, and finding one by its labels takes longer than counting
            counted = self._counted[key] = self._latency.labels(*key)
        counted.observe(seconds)
        for (problem, reason), count in noted.problems.items():
            self._problems.labels(problem, reason).inc(count)


def export_traces() -> None:
    """Send a span for each request to where `OTEL_EXPORTER_OTLP_ENDPOINT`, or `…_TRACES_ENDPOINT`, says; else do nothing.

    Raises:
        InvalidProfile: The packages that do it are not installed.
    """
    named = [name for name in _ENDPOINTS if os.environ.get(name)]
    if not named or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise InvalidProfile(named[0], "traces need what `pip install cargo-ledger[traces]` brings") from None
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)


class Observing:
    """ASGI middleware around everything else: gives each request its id, counts it and logs it.

    An id that the asker sends is kept if it is 8 to 64 letters, digits, `-` and `_`.

    Args:
        app: What is served.
        figures: Where to count.
    """

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self.app = app
        self.figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = headers.first(scope, _REQUEST_ID_HEADER)
        noted = Noted(given if _REQUEST_ID.fullmatch(given) else new_request_id())
        CURRENT.set(noted)  # each request has a task, and so a context, of its own
        began, status = time.perf_counter(), 500  # what the framework answers to a mistake, behind our back

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [each for each in message["headers"] if each[0] != _REQUEST_ID_HEADER]
                message["headers"] = [*others, (_REQUEST_ID_HEADER, noted.request_id.encode())]
            await send(message)

        span = _span(scope)
        try:
            with nullcontext() if span is None else use_span(span, record_exception=False):
                await self.app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            operation = getattr(scope.get("route"), "name", None) or "none"
            method = scope["method"] if scope["method"] in _METHODS else "other"
            if span is not None:
                span.update_name(operation)
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.response.status_code": status,
                        "cargo_ledger.request_id": noted.request_id,
                    }
                )
                span.end()
            self.figures.note(noted, method, operation, status, seconds)
            _log(method=method, operation=operation, status=status, milliseconds=round(seconds * 1000, 1))


def _log(**fields: object) -> None:
    """Log a line as `_logger.info` does, without looking up the stack for who asks: that takes as long as the line."""
    if _logger.isEnabledFor(logging.INFO):
        extra = {"fields": fields}
        _logger.handle(
            _logger.makeRecord(_logger.name, logging.INFO, __file__, 0, "answered", (), None, extra=extra)
        )


def _span(scope: Scope) -> Span | None:
    """The span of a request, where there is anybody to take it: one for nobody costs a tenth of a small request."""
    if isinstance(_TRACER, ProxyTracer) and isinstance(get_tracer_provider(), ProxyTracerProvider):
        return None
    return _TRACER.start_span("request", extract(Headers(scope=scope)), SpanKind.SERVER)
