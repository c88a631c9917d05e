"""OpenTelemetry: spans go where the configuration says, and nowhere otherwise."""

from __future__ import annotations

from opentelemetry.trace import Tracer

from mooring import __version__
from mooring.errors import ConfigError
from mooring.wiring.config import Gateway

__all__ = ["open_tracer"]


def open_tracer(config: Gateway) -> Tracer | None:
    """Return a tracer that exports over OTLP/HTTP, or None if no endpoint is configured.

    Raises ConfigError `extra-missing` without the extra `otlp`, `trace-share` for a share outside 0 to 1.
    """
    if not config.otlp_endpoint:
        return None
    if not 0 <= config.trace_share <= 1:
        raise ConfigError(f"gateway.trace_share is {config.trace_share}", code="trace-share", hint="give 0 to 1")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        raise ConfigError(
            "gateway.otlp_endpoint needs the OTLP exporter", code="extra-missing", hint="pip install 'mooring[otlp]'"
        ) from error
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    resource = Resource.create({"service.name": "mooring-gateway", "service.version": __version__})
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(config.trace_share), resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=config.otlp_endpoint)))
    return provider.get_tracer("mooring.gateway", __version__)
