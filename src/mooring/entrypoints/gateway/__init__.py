"""The gateway: Open Inference Protocol over HTTP, with a receipt for each answer."""

from __future__ import annotations

from mooring.entrypoints.gateway.asgi import Gateway, create_app
from mooring.entrypoints.gateway.parts import (
    Authorise,
    Evidence,
    GatewayParts,
    InclusionProof,
    ModelSource,
    ReceiptLog,
    ServedVersion,
    Verdict,
)
from mooring.entrypoints.gateway.server import GatewayServer, serve, tune_collector
from mooring.entrypoints.gateway.settings import ANONYMOUS, GatewaySettings
from mooring.entrypoints.gateway.traces import Tracing, otlp_tracing

__all__ = [
    "ANONYMOUS",
    "Authorise",
    "Evidence",
    "Gateway",
    "GatewayParts",
    "GatewayServer",
    "GatewaySettings",
    "InclusionProof",
    "ModelSource",
    "ReceiptLog",
    "ServedVersion",
    "Tracing",
    "Verdict",
    "create_app",
    "otlp_tracing",
    "serve",
    "tune_collector",
]
