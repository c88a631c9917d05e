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
    "Verdict",
    "create_app",
    "serve",
    "tune_collector",
]
