"""Ethereum's JSON-RPC as a client speaks it: one small protocol, and HTTP behind it (JSON-RPC 2.0, EIP-1474)."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable
from urllib.parse import urlsplit

import httpx
import msgspec

from mooring.errors import ConfigError, LedgerError, LedgerUnknown
from mooring.ledger.embedded.rpc import RpcError

__all__ = ["BatchTransport", "Call", "HttpTransport", "RpcError", "Transport", "ask_all", "shown_host"]

Call: TypeAlias = tuple[str, list[Any]]
"""A method and its parameters."""

_MAX_RESPONSE = 32 << 20
_MAX_BATCH = 100
_RETRIED_STATUS = frozenset({429, 502, 503, 504})
_READ_PREFIXES = ("eth_", "net_", "web3_", "debug_", "trace_")
_NEVER_REPEATED = frozenset({"eth_sendTransaction", "eth_sign", "eth_signTransaction"})
_SEND = "eth_sendRawTransaction"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_METHOD_NOT_FOUND = -32601
_INVALID_REQUEST = -32600


class Transport(Protocol):
    """Something that answers one JSON-RPC call; `embedded.LocalTransport` is one too."""

    def request(self, method: str, params: list[Any]) -> Any:
        """Return the result; raises RpcError where the node answered with an error, LedgerError where it did not."""
        ...


@runtime_checkable
class BatchTransport(Protocol):
    """A transport that answers many calls in one round trip."""

    def batch(self, calls: list[Call]) -> list[Any]:
        """Return a result or an RpcError for each call, in order."""
        ...


def ask_all(transport: Transport, calls: list[Call]) -> list[Any]:
    """Return a result or an RpcError for each call, in one round trip where the transport can."""
    if isinstance(transport, BatchTransport) and len(calls) > 1:
        return transport.batch(calls)
    return [_answer(transport, method, params) for method, params in calls]


def shown_host(url: str) -> str:
    """Return a URL as it may be shown: scheme, host and port, without user, password, path and query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"


class HttpTransport:
    """JSON-RPC over HTTP to one or several endpoints of the same chain.

    What may be repeated (reads, and sends of signed bytes) is tried `attempts` times, on the next endpoint each time.
    Threads may share it. Errors are LedgerError: `rpc-unreachable`, `rpc-timeout`, `rpc-unavailable`, `rpc-malformed`,
    `rpc-oversized`, `rpc-forbidden`; LedgerUnknown `rpc-unanswered` where a send may have arrived.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 20.0,
        max_response: int = _MAX_RESPONSE,
        attempts: int = 3,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        if not urls or attempts < 1:
            raise ConfigError("no RPC endpoint is given", code="rpc-url", hint="give one http:// or https:// URL")
        self._urls = tuple(_checked(url) for url in urls)
        self._attempts, self._pause, self._max = attempts, pause, max_response
        self._longest_s = 3 * read_timeout_s
        self._ids = itertools.count(1)
        self._preferred = 0
        self._batches = True
        # A proxy from the environment must not see, or break, calls to a node on this very machine.
        local = all(urlsplit(url).hostname in _LOOPBACK for url in self._urls)
        timeout = httpx.Timeout(read_timeout_s, connect=connect_timeout_s)
        self._http = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=not local)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, params: list[Any]) -> Any:
        """Return the result of one call."""
        body = self._body(method, params)
        answer = self._exchange(body, (method,))
        if not isinstance(answer, dict):
            raise self._malformed("the answer is no object")
        outcome = self._outcome(answer, body["id"])
        if isinstance(outcome, RpcError):
            raise outcome
        return outcome

    def batch(self, calls: list[Call]) -> list[Any]:
        """Return a result or an RpcError for each call; falls back on single calls where batches are not served."""
        results: list[Any] = []
        for start in range(0, len(calls), _MAX_BATCH):
            results += self._batch(calls[start : start + _MAX_BATCH])
        return results

    def _batch(self, calls: list[Call]) -> list[Any]:
        if not self._batches:
            return [_answer(self, method, params) for method, params in calls]
        bodies = [self._body(method, params) for method, params in calls]
        answers = self._exchange(bodies, tuple(method for method, _ in calls))
        if isinstance(answers, dict) and _says(answers, _INVALID_REQUEST, _METHOD_NOT_FOUND):
            self._batches = False
            return self._batch(calls)
        if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
            raise self._malformed("the answer to a batch is no list of objects")
        by_id = {_identity(answer): answer for answer in answers}
        return [self._outcome(by_id.get(body["id"], {}), body["id"]) for body in bodies]

    def _body(self, method: str, params: list[Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}

    def _exchange(self, body: Any, methods: Sequence[str]) -> Any:
        """Post until an endpoint answers; what may not be repeated is posted again only if it never left."""
        repeatable = all(_repeatable(method) for method in methods)
        may_have_arrived = False
        for attempt in itertools.count(1):
            position = self._preferred
            try:
                return self._post(self._urls[position], body)
            except LedgerError as error:
                self._prefer_next(position)
                left = error.code == "rpc-unreachable"
                may_have_arrived = may_have_arrived or not left
                if attempt >= self._attempts or not (left or (repeatable and error.code in _TRANSIENT)):
                    if may_have_arrived and _SEND in methods:
                        raise _unanswered(error) from error
                    raise
                self._pause(min(2.0, 0.05 * 4 ** (attempt - 1)) * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
        raise AssertionError

    def _prefer_next(self, failed: int) -> None:
        """Let the next call start at another endpoint, unless another thread has moved on already."""
        if self._preferred == failed:
            self._preferred = (failed + 1) % len(self._urls)

    def _post(self, url: str, body: Any) -> Any:
        try:
            with self._http.stream("POST", url, content=msgspec.json.encode(body), headers=_HEADERS) as response:
                return self._parse(url, response.status_code, self._read(url, response))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise _failed(
                url, f"cannot be reached: {error}", "rpc-unreachable", "start the node, or check the address"
            ) from error
        except httpx.TimeoutException as error:
            raise _failed(
                url, f"did not answer in time ({type(error).__name__})", "rpc-timeout", "try again later"
            ) from error
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            raise _failed(
                url, f"broke the connection: {error}", "rpc-broken", "try again; look at the node's own log"
            ) from error

    def _read(self, url: str, response: httpx.Response) -> bytes:
        parts, size, until = [], 0, time.monotonic() + self._longest_s
        for part in response.iter_bytes():
            size += len(part)
            if time.monotonic() > until:
                raise _failed(
                    url, f"was still answering after {self._longest_s} s", "rpc-timeout", "ask for less at once"
                )
            if size > self._max:
                raise _failed(
                    url, f"answered with more than {self._max} bytes", "rpc-oversized", "ask for less at once"
                )
            parts.append(part)
        return b"".join(parts)

    def _parse(self, url: str, status: int, data: bytes) -> Any:
        answer, flaw = _decoded(data)
        if isinstance(answer, list) or (isinstance(answer, dict) and ("result" in answer or "error" in answer)):
            return answer  # several nodes put a JSON-RPC error under an HTTP error status
        if status in (401, 403):
            raise _failed(url, f"denied access (HTTP {status})", "rpc-forbidden", "check the URL's credentials")
        if status in _RETRIED_STATUS:
            raise _failed(url, f"is overloaded (HTTP {status})", "rpc-unavailable", "try again later")
        raise _failed(url, f"answered with no JSON-RPC (HTTP {status}, {_start(data)}){flaw}", "rpc-malformed", _WRONG)

    def _outcome(self, answer: Mapping[str, Any], asked: int) -> Any:
        error = answer.get("error")
        if error is not None:
            return _rpc_error(error) if isinstance(error, dict) else RpcError(0, str(error)[:200])
        if "result" not in answer or _identity(answer) != asked:
            raise self._malformed(f"the answer to call {asked} is missing, or bears another id")
        return answer["result"]

    def _malformed(self, what: str) -> LedgerError:
        return _failed(self._urls[self._preferred], f"answered wrongly: {what}", "rpc-malformed", _WRONG)


_TRANSIENT = frozenset({"rpc-unreachable", "rpc-timeout", "rpc-broken", "rpc-unavailable", "rpc-malformed"})
_HEADERS = {"content-type": "application/json", "accept": "application/json"}
_WRONG = "the address must be that of an Ethereum JSON-RPC endpoint, not of a web page or a gateway's login"


def _answer(transport: Transport, method: str, params: list[Any]) -> Any:
    try:
        return transport.request(method, params)
    except RpcError as error:
        return error


def _repeatable(method: str) -> bool:
    return method.startswith(_READ_PREFIXES) and method not in _NEVER_REPEATED


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            "an RPC endpoint is no http:// or https:// URL with a host",
            code="rpc-url",
            hint="write it like http://127.0.0.1:8545",
        )
    return url


def _identity(answer: Mapping[str, Any]) -> int | None:
    found = answer.get("id")
    return found if isinstance(found, int) else None


def _says(answer: Mapping[str, Any], *codes: int) -> bool:
    error = answer.get("error")
    return isinstance(error, dict) and error.get("code") in codes


def _rpc_error(error: Mapping[str, Any]) -> RpcError:
    code, message = error.get("code"), error.get("message")
    return RpcError(
        code if isinstance(code, int) else 0,
        message[:1000] if isinstance(message, str) else "no message",
        error.get("data"),
    )


def _decoded(data: bytes) -> tuple[Any, str]:
    try:
        return msgspec.json.decode(data), ""
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return None, f": {error}"


def _start(data: bytes) -> str:
    return f"{len(data)} bytes starting {data[:40]!r}"


def _failed(url: str, what: str, code: str, hint: str) -> LedgerError:
    return LedgerError(f"RPC endpoint {shown_host(url)} {what}", code=code, hint=hint)


def _unanswered(error: LedgerError) -> LedgerUnknown:
    return LedgerUnknown(
        f"{error.message}; the transaction may have arrived",
        code="rpc-unanswered",
        hint="ask `confirm`: it finds out, and sends the same bytes again if they were lost",
    )
