"""The gateway as an ASGI application: inference by hand, everything else through Starlette.

Under uvicorn with `mooring.entrypoints.gateway.protocol` plain inference requests never come here; what comes is
chunked, slow, pipelined, or from another server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from typing import Any, TypeAlias

from mooring.entrypoints.gateway.door import Door
from mooring.entrypoints.gateway.parts import GatewayParts
from mooring.entrypoints.gateway.problem import Answer, Problem, answer_headers
from mooring.entrypoints.gateway.routes import other_routes
from mooring.entrypoints.gateway.settings import GatewaySettings

__all__ = ["Gateway", "create_app"]

Scope: TypeAlias = MutableMapping[str, Any]  # Any: ASGI leaves the values open
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_CLOSE = (b"connection", b"close")
_TRACE = (b"traceparent", b"tracestate", b"baggage")


class Gateway:
    """The ASGI application; `door` is what answers inference."""

    def __init__(self, parts: GatewayParts, settings: GatewaySettings, release: str) -> None:
        self.door = Door(parts, settings)
        self._other = other_routes(self.door, release)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] == "http" and scope["path"].startswith("/v2/models/") and scope["path"].endswith("/infer"):
            await self._infer(scope, receive, send)
        else:
            await self._other(scope, receive, send)

    async def _infer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = self._refused_by_head(scope["method"], headers) or await self._read(receive)
        if isinstance(body, Problem):
            self.door.meter.count_refused(body.code)
            await _send(send, body.answer, _CLOSE)
            return
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answer(found: Answer) -> None:
            if not answered.done():
                answered.set_result(found)

        target = (scope["raw_path"], headers.get(b"authorization", b""), headers.get(b"mooring-purpose", b""))
        trace = {name.decode(): headers[name].decode("latin-1") for name in _TRACE if name in headers}
        self.door.enter(target, body, answer, trace)
        await _send(send, await answered)

    def _refused_by_head(self, method: str, headers: dict[bytes, bytes]) -> Problem | None:
        """Return why the body need not be read."""
        if method != "POST":
            return Problem("method", f"{method} cannot infer", "POST the request")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return Problem("content-encoding", "the body is compressed", "send it plain: receipts commit to its bytes")
        if b"inference-header-content-length" in headers:
            return Problem("binary-tensors", "the body holds binary tensor data", "send tensors as JSON")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.door.settings.max_body:
            return self._oversized(f"content-length {length[:20].decode('latin-1')}")
        return None

    async def _read(self, receive: Receive) -> bytes | Problem:
        limit_s = self.door.settings.read_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._read_all(receive)
        except TimeoutError:
            return Problem("read-timeout", f"the body had not arrived after {limit_s} s", "send it faster")

    async def _read_all(self, receive: Receive) -> bytes | Problem:
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return Problem("read-timeout", "the client left before the body was complete", "send all of it")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self.door.settings.max_body:
                return self._oversized(f"a body of more than {self.door.settings.max_body} bytes")
            more = message.get("more_body", False)
        return b"".join(chunks)

    def _oversized(self, what: str) -> Problem:
        return Problem("body-size", f"{what} is refused", f"send at most {self.door.settings.max_body} bytes")


def create_app(parts: GatewayParts, settings: GatewaySettings | None = None, *, release: str = "") -> Gateway:
    """Return the gateway as an ASGI application; raises ConfigError if parts and settings contradict each other."""
    return Gateway(parts, settings or GatewaySettings(), release or version("mooring"))


async def _send(send: Send, answer: Answer, *more: tuple[bytes, bytes]) -> None:
    headers = [*answer_headers(answer), *more]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
