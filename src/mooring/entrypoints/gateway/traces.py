"""Spans for OpenTelemetry: none by default, exported over OTLP where that is set up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.trace import Tracer

from mooring.errors import ConfigError

__all__ = ["Tracing", "otlp_tracing"]


@dataclass(frozen=True, slots=True)
class Tracing:
    """A tracer for `GatewayParts`, and what sends the last spans off and ends its threads."""

    tracer: Tracer
    close: Callable[[], None]


def otlp_tracing(endpoint: str, *, sampled: float = 1.0, service: str = "mooring-gateway") -> Tracing:
    """Return spans that go to an OTLP/HTTP endpoint such as http://localhost:4318/v1/traces.

    `sampled` is the share of requests that begin a trace here; a caller's own trace is followed as the caller says.
    Raises ConfigError `tracing`.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigError(
            "traces over OTLP need a package that is not installed", code="tracing", hint="pip install 'mooring[otlp]'"
        ) from error
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    if not endpoint.startswith(("http://", "https://")) or not 0 <= sampled <= 1:
        raise ConfigError(
            f"tracing to {endpoint[:200]!r} with {sampled} sampled", code="tracing", hint="an http(s) address, 0 to 1"
        )
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), sampler=ParentBased(TraceIdRatioBased(sampled))
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    return Tracing(provider.get_tracer("mooring.gateway"), provider.shutdown)
