"""Inference requests straight from the HTTP parser to the door, inside uvicorn.

An ASGI request costs uvicorn a task, two events and several messages: several times what an inference costs here. This
protocol answers plain inference requests (POST with Content-Length, HTTP/1.1 with keep-alive, nothing else in flight on
the connection) from the parser's callbacks, and replays all others into uvicorn's own protocol as if it were not there.
A head that came before, byte for byte, is not parsed again: clients on kept connections repeat theirs. The protocol
also bounds heads, and closes connections that are idle or too slow, with one timer for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from mooring.entrypoints.gateway.ask import Target
from mooring.entrypoints.gateway.door import Door
from mooring.entrypoints.gateway.problem import Answer, Problem, answer_headers

__all__ = ["protocol_class"]

_PREFIX = b"/v2/models/"
_SUFFIX = b"/infer"
_INVOLVED = frozenset((b"expect", b"transfer-encoding", b"content-encoding", b"inference-header-content-length"))
"""Header fields with which a request is no plain one."""

_ANSWERED = (
    b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\nmooring-receipt: %b\r\nmooring-salt: %b\r\n\r\n"
)
_TRACE = (b"traceparent", b"tracestate", b"baggage")
_NO_TRACE: Mapping[str, str] = {}
_HEADS = 1024
_LONGEST_HEAD = 2048
_SWEEP_S = 1.0


class _Event:
    """Nobody waits on a plain exchange."""

    def set(self) -> None:
        """Do nothing."""


_EVENT = _Event()


class _Flow(FlowControl):
    """Flow control that reads nothing while pipelined bytes are held back."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.held: list[bytes] = []

    def resume_reading(self) -> None:
        """Read on, unless bytes are held back."""
        if not self.held:
            super().resume_reading()


class _Exchange:
    """One plain inference on a connection; uvicorn sees one of its own cycles in it."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "response_complete")

    message_event = _EVENT

    def __init__(self, protocol: _Protocol) -> None:
        self._protocol = protocol
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    def __call__(self, answer: Answer) -> None:
        """Write the answer, unless the client has gone."""
        self.response_complete = True
        if not (self.disconnected or self._protocol.transport.is_closing()):
            self._protocol.reply(answer, keep_alive=self.keep_alive)


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a plain request says: for the door, and how long the body is."""

    target: Target
    trace: Mapping[str, str]
    length: int


class _Protocol(HttpToolsProtocol):
    """One connection; `protocol_class` sets what all connections of a server share."""

    door: Door
    max_body: int
    traced: bool
    sweeping: bool
    defaults: tuple[object, bytes]
    heads: dict[bytes, _Head]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # Any: as in uvicorn
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._fields: list[tuple[bytes, bytes]] = []
        self._head: _Head | None = None
        self._between = True
        self._body: list[bytes] = []
        self._head_size = 0
        self._in_head = False
        self._reading = False
        self._since = perf_counter()
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin a connection, and watch it."""
        super().connection_made(transport)
        self.flow: _Flow = _Flow(transport)
        if len(self.connections) > self.door.settings.max_connections:
            self._part(Problem("overload", "too many connections are open", "try again after the time in Retry-After"))
        if not type(self).sweeping:
            type(self).sweeping = True
            self.loop.call_later(_SWEEP_S, self._sweep_all)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that grows beyond its bound ends the connection.

        While a request waits behind another one, further bytes are held back and nothing more is read: uvicorn alone
        would take in requests without bound.
        """
        if self.pipeline:
            self.flow.held.append(data)
            self.flow.pause_reading()
            return
        between = self._between
        if between and self._repeated(data):
            return
        super().data_received(data)
        if between and self._between and self._head is not None:
            self._remember(data, self._head)
        elif self._in_head:
            self._head_size += len(data)
            if self._head_size > self.door.settings.max_header and not self.transport.is_closing():
                limit = self.door.settings.max_header
                self._part(Problem("head-size", f"the head has more than {limit} bytes", f"send at most {limit}"))

    def on_message_begin(self) -> None:
        """Begin a request; of which kind is known at the end of its head."""
        self.url = b""
        self._fields = []
        self._head = None
        self._between = False
        self._in_head = True
        self._reading = True
        self._since = perf_counter()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Keep a plain request here, and give any other to uvicorn from its beginning."""
        self._in_head = False
        self._head_size = 0
        self._head = self._plain_head()
        if self._head is not None:
            self._body = []
            return
        self._reading = False
        url, fields = self.url, self._fields
        super().on_message_begin()
        super().on_url(url)
        for name, value in fields:
            super().on_header(name, value)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        if self._head is not None:
            self._body.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Hand a plain request to the door."""
        self._between = True
        if self._head is None:
            super().on_message_complete()
            return
        self._reading = False
        self._enter(self._head, b"".join(self._body))

    def on_response_complete(self) -> None:
        """Go on with what was pipelined, and then with what was held back."""
        super().on_response_complete()
        if self.flow.held and not self.pipeline:
            self.loop.call_soon(self._take_held)

    def reply(self, answer: Answer, *, keep_alive: bool) -> None:
        """Write one answer, and go on with what was pipelined behind the request."""
        self.transport.write(self._start(answer, keep_alive) + answer.body)
        self._since = perf_counter()
        if not keep_alive:
            self.transport.close()
        elif self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1

    def _take_held(self) -> None:
        data = b"".join(self.flow.held)
        self.flow.held.clear()
        if data and not self.transport.is_closing():
            self.data_received(data)
            self.flow.resume_reading()

    def _repeated(self, data: bytes) -> bool:
        """Answer a whole plain request whose head is known; return whether it was one."""
        end = data.find(b"\r\n\r\n") + 4
        head = self.heads.get(data[:end])
        if head is None or len(data) != end + head.length or self._busy():
            return False
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        self._enter(head, data[end:])
        return True

    def _remember(self, data: bytes, head: _Head) -> None:
        """Keep the head of a plain request that came whole and alone."""
        end = data.find(b"\r\n\r\n") + 4
        if len(data) == end + head.length and end <= _LONGEST_HEAD:
            if len(self.heads) >= _HEADS:
                self.heads.clear()
            self.heads[data[:end]] = head

    def _enter(self, head: _Head, body: bytes) -> None:
        exchange = _Exchange(self)
        self.cycle = exchange  # type: ignore[assignment]  # it has what uvicorn asks of a cycle
        self.door.enter(head.target, body, exchange, head.trace)

    def _busy(self) -> bool:
        """Whether a request is in flight, or the client does not read what it is sent."""
        return (self.cycle is not None and not self.cycle.response_complete) or self.flow.write_paused

    def _plain_head(self) -> _Head | None:
        """Return what the head says if the request is a plain one."""
        if not (self.url.startswith(_PREFIX) and self.url.endswith(_SUFFIX)) or self.parser.get_method() != b"POST":
            return None
        if self._busy() or self.parser.should_upgrade() or not self.parser.should_keep_alive():
            return None
        fields = dict(self._fields)
        length = fields.get(b"content-length", b"")
        if not _INVOLVED.isdisjoint(fields) or not length.isdigit() or int(length) > self.max_body:
            return None
        target = (self.url, fields.get(b"authorization", b""), fields.get(b"mooring-purpose", b""))
        trace = {name.decode(): fields[name].decode("latin-1") for name in _TRACE if name in fields}
        return _Head(target, trace if self.traced else _NO_TRACE, int(length))

    def _start(self, answer: Answer, keep_alive: bool) -> bytes:
        if answer.receipt and keep_alive:
            length = len(answer.body)
            return _ANSWERED % (STATUS_LINE[200], self._defaults(), length, answer.receipt, answer.salt)
        lines = [b"%b: %b\r\n" % field for field in answer_headers(answer)]
        end = b"\r\n" if keep_alive else b"connection: close\r\n\r\n"
        return b"".join([STATUS_LINE[answer.status], self._defaults(), *lines, end])

    def _defaults(self) -> bytes:
        """Return uvicorn's own header fields (the date), joined anew when uvicorn has replaced them."""
        seen, joined = type(self).defaults
        if seen is not self.server_state.default_headers:
            seen = self.server_state.default_headers
            joined = b"".join([b"%b: %b\r\n" % field for field in seen])
            type(self).defaults = (seen, joined)
        return joined

    def _part(self, problem: Problem) -> None:
        """Answer with a problem, and close."""
        self.door.meter.count_refused(problem.code)
        self.reply(problem.answer, keep_alive=False)

    def _sweep_all(self) -> None:
        """Look at every connection once a second, as long as there are any."""
        now = perf_counter()
        for connection in tuple(self.connections):
            if isinstance(connection, _Protocol):
                connection.sweep(now)
        if self.connections:
            self.loop.call_later(_SWEEP_S, self._sweep_all)
        else:
            type(self).sweeping = False

    def sweep(self, now: float) -> None:
        """Close the connection if it was idle, or has been sending one request, for too long."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._since = now
            return
        settings = self.door.settings
        if self._reading and now - self._since > settings.read_timeout_s:
            what = f"the request had not arrived after {settings.read_timeout_s} s"
            self._part(Problem("read-timeout", what, "send it faster"))
        elif not self._reading and now - self._since > settings.keep_alive_s:
            self.transport.close()


def protocol_class(door: Door) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol for a server with this door, for `uvicorn.Config(http=…)`."""
    shared = {
        "door": door,
        "max_body": door.settings.max_body,
        "traced": door.parts.tracer is not None,
        "sweeping": False,
        "defaults": (None, b""),
        "heads": {},
    }
    return type("GatewayProtocol", (_Protocol,), shared)
