"""The chain over HTTP: JSON-RPC 2.0 on a loopback address, for programs of this machine and nobody's browser."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import msgspec
import uvicorn

from mooring.errors import ConfigError, StorageError
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.rpc import (
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    PARSE_ERROR,
    SERVER_ERROR,
    RpcError,
)
from mooring.ledger.embedded.transport import LocalTransport

__all__ = ["MAX_BATCH", "MAX_BODY", "Server", "serve"]

MAX_BODY = 8 << 20
"""Bytes of one request: a full batch of ordinary transactions fits."""

MAX_BATCH = 1_000
_BODY_TIMEOUT_S = 10.0
_CALL_TIMEOUT_S = 30.0
_THREADS = 8
_MAX_CONNECTIONS = 256

_NO_ID = object()
Scope = dict[str, Any]
Reply = tuple[int, bytes]


def serve(node: EmbeddedNode, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Answer JSON-RPC in a thread of its own; port 0 takes a free one. Close the server before the node.

    Raises `ConfigError` for an address that is not loopback, `StorageError` if the port is taken.
    """
    return Server(node, host, port)


class Server:
    """A running server; `url` is where it answers, and other processes find it (see `find_endpoint`)."""

    def __init__(self, node: EmbeddedNode, host: str, port: int) -> None:
        self._node = node
        self._socket = _bound(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"http://{shown}:{self.port}"
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="mooring-rpc")
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                _Application(LocalTransport(node), shown, self.port, self._pool),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )
        self._thread = threading.Thread(target=self._run, name="mooring-rpc", daemon=True)
        self._thread.start()
        self._await_start()
        node.announce(self.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer what has been asked, then stop listening; harmless when repeated."""
        if self._thread.is_alive():
            self._node.announce("")
            self._uvicorn.should_exit = True
            self._thread.join()
            self._pool.shutdown(cancel_futures=True)
        self._socket.close()

    def _await_start(self) -> None:
        """Return when requests are answered; raise `StorageError` if the server could not start."""
        while not self._uvicorn.started:
            if not self._thread.is_alive():
                self._socket.close()
                raise StorageError(f"{self.url} could not be served", code="rpc-start", hint="See the log for why.")
            time.sleep(0.002)

    def _run(self) -> None:
        asyncio.run(self._uvicorn.serve(sockets=[self._socket]))


class _Application:
    """The ASGI side: who may ask, how much, and how long."""

    def __init__(self, transport: LocalTransport, host: str, port: int, pool: ThreadPoolExecutor) -> None:
        self._transport = transport
        self._pool = pool
        names = {host, "127.0.0.1", "localhost", "[::1]"}
        self._hosts = {f"{name}:{port}".encode() for name in names}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        status, body = await self._reply(scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status in (408, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _reply(self, scope: Scope, receive: Any) -> Reply:
        """The status and body to answer with."""
        refusal = self._refusal(scope)
        if refusal is not None:
            return refusal
        try:
            body = await asyncio.wait_for(_read(receive), _BODY_TIMEOUT_S)
        except TimeoutError:
            return _plain(408, f"the body did not arrive within {_BODY_TIMEOUT_S:.0f} s")
        if body is None:
            return _plain(413, f"a request has at most {MAX_BODY} bytes")
        loop = asyncio.get_running_loop()
        try:
            answer = await asyncio.wait_for(loop.run_in_executor(self._pool, self._answer, body), _CALL_TIMEOUT_S)
        except TimeoutError:
            late = RpcError(SERVER_ERROR, f"no answer within {_CALL_TIMEOUT_S:.0f} s: ask for less at once")
            answer = msgspec.json.encode(_failure(None, late))
        return (200, answer) if answer else (204, b"")

    def _refusal(self, scope: Scope) -> Reply | None:
        """Turn away browsers (DNS rebinding, cross-site posts) and requests that are not JSON-RPC."""
        headers = dict(scope["headers"])
        if headers.get(b"host", b"").lower() not in self._hosts:
            return _plain(403, "the Host header must name this server's loopback address and port")
        if b"origin" in headers:
            return _plain(403, "requests from web pages are refused")
        if scope["method"] != "POST" or scope["path"] != "/":
            return _plain(405 if scope["path"] == "/" else 404, "JSON-RPC 2.0 is spoken by POST to /")
        if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
            return _plain(415, "the content type must be application/json")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return _plain(413, f"a request has at most {MAX_BODY} bytes")
        return None

    def _answer(self, body: bytes) -> bytes:
        """The JSON to answer a JSON-RPC request or batch with; empty if nobody asked for an answer."""
        try:
            request = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            return msgspec.json.encode(_failure(None, RpcError(PARSE_ERROR, f"parse error: {error}")))
        if not isinstance(request, list):
            answers = self._answer_all([request])
            return msgspec.json.encode(answers[0]) if answers else b""
        if not request:
            return msgspec.json.encode(_failure(None, RpcError(INVALID_REQUEST, "an empty batch")))
        if len(request) > MAX_BATCH:
            many = RpcError(LIMIT_EXCEEDED, f"a batch has at most {MAX_BATCH} calls, this one {len(request)}")
            return msgspec.json.encode(_failure(None, many))
        answers = self._answer_all(request)
        return msgspec.json.encode(answers) if answers else b""

    def _answer_all(self, requests: list[Any]) -> list[dict[str, Any]]:
        """The answers to those requests that carry an id or cannot be read, in order."""
        calls: list[tuple[str, list[Any]]] = []
        marks: list[Any] = []
        for request in requests:
            try:
                calls.append(_call(request))
                marks.append(request.get("id", _NO_ID))
            except RpcError as error:
                marks.append(error)
        results = iter(self._transport.batch(calls))
        answers = []
        for mark in marks:
            if isinstance(mark, RpcError):
                answers.append(_failure(None, mark))
                continue
            result = next(results)
            if mark is not _NO_ID:
                answers.append(_failure(mark, result) if isinstance(result, RpcError) else _success(mark, result))
        return answers


async def _read(receive: Any) -> bytes | None:
    """The whole body; None if it is too large."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # the client has gone
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY:
            return None
        more = message.get("more_body", False)
    return b"".join(chunks)


def _call(request: Any) -> tuple[str, list[Any]]:
    """A request's method and parameters (JSON-RPC 2.0 §4); parameters by name are not Ethereum's way."""
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or not isinstance(request.get("method"), str):
        raise RpcError(INVALID_REQUEST, 'a request is an object with "jsonrpc": "2.0" and a "method"')
    mark = request.get("id")
    if mark is not None and (isinstance(mark, bool) or not isinstance(mark, str | int | float)):
        raise RpcError(INVALID_REQUEST, '"id" must be a string or a number')
    params = request.get("params", [])
    return request["method"], [] if params is None else params


def _success(mark: Any, result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": mark, "result": result}


def _failure(mark: Any, error: RpcError) -> dict[str, Any]:
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        said["data"] = error.data
    return {"jsonrpc": "2.0", "id": mark, "error": said}


def _plain(status: int, detail: str) -> Reply:
    """An answer below JSON-RPC."""
    return status, msgspec.json.encode({"status": status, "detail": detail})


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound to a loopback address."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise ConfigError(
            f"host {host!r} is not a loopback address",
            code="rpc-host",
            hint="Use 127.0.0.1. The chain is for this machine; put a proxy with authentication in front to share it.",
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((str(address), port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise StorageError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            code="rpc-port",
            hint="Choose another port, or 0 for a free one.",
        ) from error
    return bound
