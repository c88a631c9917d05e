"""Every route but inference: health, metadata, published evidence, metrics.

Sources: Open Inference Protocol, REST (KServe V2); C2SP tlog-tiles; RFC 9457.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mooring.entrypoints.gateway.door import Door
from mooring.entrypoints.gateway.judge import LABEL
from mooring.entrypoints.gateway.parts import Evidence
from mooring.entrypoints.gateway.problem import PROBLEM_TYPE, Answer, Problem, problem_of
from mooring.entrypoints.gateway.tensors import TensorSpec
from mooring.errors import MooringError, NotFoundError, ProofError

__all__ = ["other_routes"]

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_FRESH = {"cache-control": "no-cache"}
_NAME = re.compile(LABEL)
_INDEX = re.compile("0|[1-9][0-9]{0,15}")


def other_routes(door: Door, release: str) -> Starlette:
    """Return the application that answers everything but inference, and that opens and drains the door."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        door.open()
        try:
            yield
        finally:
            await door.drain()

    server, models = _Server(door, release), _Models(door)
    routes = [
        Route("/v2", server.metadata),
        Route("/v2/health/live", server.live),
        Route("/v2/health/ready", server.ready),
        Route("/metrics", server.metrics),
    ]
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [Route(path, models.metadata), Route(f"{path}/ready", models.ready)]
    if door.parts.evidence is not None and door.settings.publish_log:
        published = _Published(door.parts.evidence)
        routes += [
            Route("/mooring/receipts/{index}/proof", published.proof),
            Route("/checkpoint", published.checkpoint),
            Route("/{tile:path}", published.tile),
        ]
    return Starlette(
        routes=routes, exception_handlers={HTTPException: _unrouted, MooringError: _refused}, lifespan=lifespan
    )


class _Server:
    """What the gateway says of itself."""

    def __init__(self, door: Door, release: str) -> None:
        self._door = door
        self._release = release
        self._registry = CollectorRegistry()
        self._registry.register(door.meter)

    async def metadata(self, request: Request) -> Response:
        return _json({"name": "mooring", "version": self._release, "extensions": ["mooring_receipts"]})

    async def live(self, request: Request) -> Response:
        return _json({"live": True})

    async def ready(self, request: Request) -> Response:
        problem = self._door.closed()
        return _json({"ready": True}) if problem is None else _problem(problem)

    async def metrics(self, request: Request) -> Response:
        more = self._door.parts.registry
        body = generate_latest(self._registry) + (generate_latest(more) if more is not None else b"")
        return Response(body, media_type=CONTENT_TYPE_LATEST)


class _Models:
    """What the gateway says of models."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._source = door.parts.source

    async def metadata(self, request: Request) -> Response:
        model, version = _named(request)
        versions = self._source.versions(model)
        if not versions:
            return _problem(Problem("model-unknown", f"model {model!r} is not registered", "see the registry"))
        chosen = version or self._source.current(model) or versions[-1]
        served = self._source.version(model, chosen)
        engine = self._door.loaded(model, chosen)
        return _json(
            {
                "name": model,
                "versions": list(versions),
                "platform": "onnx_onnxv1",
                "inputs": _tensors(engine.inputs if engine else ()),
                "outputs": _tensors(engine.outputs if engine else ()),
                "parameters": {
                    "version": chosen,
                    "status": served.status,
                    "manifest": str(served.manifest),
                    "loaded": engine is not None,
                    "batching": bool(engine and engine.batchable and self._door.settings.batching),
                },
            }
        )

    async def ready(self, request: Request) -> Response:
        model, version = _named(request)
        problem = self._door.model_ready(model, version) or self._door.closed()
        return _json({"name": model, "ready": True}) if problem is None else _problem(problem)


class _Published:
    """The receipts log as any C2SP client reads it, and proofs for those who hold one receipt."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    async def checkpoint(self, request: Request) -> Response:
        return Response(await run_in_threadpool(self._evidence.checkpoint), media_type=_TEXT, headers=_FRESH)

    async def tile(self, request: Request) -> Response:
        path: str = request.path_params["tile"]
        if not path.startswith("tile/"):
            raise HTTPException(404)
        return Response(await run_in_threadpool(self._evidence.tile, path), media_type=_BYTES, headers=_FOREVER)

    async def proof(self, request: Request) -> Response:
        text: str = request.path_params["index"]
        if _INDEX.fullmatch(text) is None:
            raise HTTPException(404)
        found = await run_in_threadpool(self._evidence.proof, int(text))
        return _json(
            {
                "index": found.index,
                "size": found.size,
                "path": [node.hex() for node in found.path],
                "checkpoint": found.checkpoint.decode(),
            },
            _FRESH,
        )


def _named(request: Request) -> tuple[str, str | None]:
    model, version = request.path_params["model"], request.path_params.get("version")
    if _NAME.fullmatch(model) is None or (version is not None and _NAME.fullmatch(version) is None):
        raise HTTPException(404)
    return model, version


def _tensors(specs: Sequence[TensorSpec]) -> list[dict[str, object]]:
    return [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": [-1 if length is None else length for length in spec.shape],
        }
        for spec in specs
    ]


def _json(value: dict[str, Any], headers: dict[str, str] | None = None) -> Response:  # Any: one JSON object
    return Response(msgspec.json.encode(value), media_type=_JSON, headers=headers)


def _problem(problem: Problem) -> Response:
    return _response(problem.answer)


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, media_type=PROBLEM_TYPE.decode())
    for name, value in answer.headers:
        response.headers[name.decode()] = value.decode()
    return response


async def _unrouted(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or another method."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        problem = Problem(
            "method", f"{request.method} is not for {request.url.path}", "see the Open Inference Protocol"
        )
        response = _problem(problem)
        response.headers["allow"] = (error.headers or {}).get("Allow", "GET")
        return response
    return _problem(Problem("path", f"nothing is served at {request.url.path[:200]}", "begin with GET /v2"))


async def _refused(request: Request, error: Exception) -> Response:
    """What the parts raise: names that nothing is kept under, paths that are none, logs that cannot be read."""
    if not isinstance(error, MooringError):
        raise error
    return _problem(problem_of(error, "not-found" if isinstance(error, NotFoundError | ProofError) else "evidence"))
