"""A real HTTP proxy in front of a node, which can be made to fail and to lie."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

__all__ = [
    "DROP",
    "Answer",
    "Fault",
    "Proxy",
    "altered",
    "delayed",
    "doubled",
    "html",
    "lost",
    "proxy",
    "refused",
    "unheard",
]

Calls = list[dict[str, Any]]
DROP = object()
"""The answer that closes the connection without a word."""

Answer = Any
"""Bytes of a body, (status, bytes), or DROP."""

Fault = Callable[[Calls, Callable[[], bytes]], Answer]
"""What to do with a request: its calls, and how to ask the node."""


def honest(calls: Calls, ask: Callable[[], bytes]) -> Answer:
    return ask()


def doubled(calls: Calls, ask: Callable[[], bytes]) -> Answer:
    """The node gets every request twice."""
    ask()
    return ask()


def html(calls: Calls, ask: Callable[[], bytes]) -> Answer:
    return 200, b"<!doctype html><title>Log in</title>" + b"<p>" * 200


def unheard(calls: Calls, ask: Callable[[], bytes]) -> Answer:
    """The request never reaches the node."""
    return DROP


def lost(method: str) -> Fault:
    """The node does what this method asks, and its answer is lost."""

    def fault(calls: Calls, ask: Callable[[], bytes]) -> Answer:
        answer = ask()
        return DROP if any(call["method"] == method for call in calls) else answer

    return fault


def delayed(seconds: float, method: str = "") -> Fault:
    def fault(calls: Calls, ask: Callable[[], bytes]) -> Answer:
        if not method or any(call["method"] == method for call in calls):
            time.sleep(seconds)
        return ask()

    return fault


def altered(method: str, change: Callable[[dict[str, Any], Any], Any]) -> Fault:
    """The node's result of a method is replaced by `change(call, result)`."""

    def fault(calls: Calls, ask: Callable[[], bytes]) -> Answer:
        answers = json.loads(ask())
        single = isinstance(answers, dict)
        wanted = {call["id"]: call for call in calls if call["method"] == method}
        for answer in [answers] if single else answers:
            if answer.get("id") in wanted and "result" in answer:
                answer["result"] = change(wanted[answer["id"]], answer["result"])
        return json.dumps(answers).encode()

    return fault


def refused(method: str, code: int, message: str, when: Callable[[list[Any]], bool] = lambda params: True) -> Fault:
    """The node refuses a method with a JSON-RPC error."""

    def fault(calls: Calls, ask: Callable[[], bytes]) -> Answer:
        answers = json.loads(ask())
        single = isinstance(answers, dict)
        bad = {call["id"] for call in calls if call["method"] == method and when(call["params"])}
        for answer in [answers] if single else answers:
            if answer.get("id") in bad:
                answer.pop("result", None)
                answer["error"] = {"code": code, "message": message}
        return json.dumps(answers).encode()

    return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up is what the tests are about."""


class Proxy:
    """Set `fault` to what shall happen next; `seen` counts methods, `upstream` may be changed."""

    def __init__(self, upstream: str) -> None:
        self.upstream, self.fault, self.seen = upstream, honest, Counter[str]()
        self._client = httpx.Client(timeout=60, trust_env=False)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://user:secret@127.0.0.1:{self._server.server_port}/key/in/path"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                calls = json.loads(body)
                listed = calls if isinstance(calls, list) else [calls]
                proxy.seen.update(call["method"] for call in listed)
                answer = proxy.fault(listed, lambda: proxy.ask(body))
                if answer is DROP:
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, data = answer if isinstance(answer, tuple) else (200, answer)
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def ask(self, body: bytes) -> bytes:
        return self._client.post(self.upstream, content=body, headers={"content-type": "application/json"}).content


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    running = Proxy(upstream)
    try:
        yield running
    finally:
        running.close()
