"""JSON-RPC without a wire: the same table, the same refusals, in this process."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from typing import Any

from mooring.errors import MooringError
from mooring.ledger.embedded.methods import as_rpc, table
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.rpc import INTERNAL, INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from mooring.ledger.embedded.values import data, to_data

__all__ = ["LocalTransport"]

_SEND = "eth_sendRawTransaction"
_LOGGER = logging.getLogger(__name__)


class LocalTransport:
    """What `request` and `batch` answer here, they answer over HTTP."""

    def __init__(self, node: EmbeddedNode) -> None:
        self._node = node
        self._table = table(node)

    def request(self, method: str, params: list[Any]) -> Any:
        """The method's result, as JSON would carry it; raises `RpcError`."""
        function = self._table.get(method)
        if function is None:
            raise RpcError(METHOD_NOT_FOUND, f"the method {method} does not exist or is not available")
        if not isinstance(params, list):
            raise RpcError(INVALID_PARAMS, "params must be a list")
        return _guarded(function, params)

    def batch(self, calls: list[tuple[str, list[Any]]]) -> list[Any | RpcError]:
        """Each call's result or error, in order; transactions that stand together are kept with one commit."""
        results: list[Any | RpcError] = []
        while len(results) < len(calls):
            run = self._sends(calls, len(results))
            try:
                results.extend(_guarded(self._send, [run]) if run else [self.request(*calls[len(results)])])
            except RpcError as error:
                results.extend([error] * max(1, len(run)))
        return results

    def _sends(self, calls: Sequence[tuple[str, list[Any]]], start: int) -> list[bytes]:
        """The transactions that stand together from this call on."""
        raws = []
        for method, params in itertools.islice(calls, start, None):
            if method != _SEND or not isinstance(params, list) or len(params) != 1:
                break
            try:
                raws.append(data(params[0], "transaction"))
            except RpcError:
                break  # it is refused by itself, in its turn
        return raws

    def _send(self, raws: list[bytes]) -> list[str | RpcError]:
        results = self._node.send_raw_transactions(raws)
        return [as_rpc(one) if isinstance(one, MooringError) else to_data(one) for one in results]


def _guarded(function: Callable[..., Any], arguments: list[Any]) -> Any:
    """Call it; a defect of ours becomes an error that says so and is written to the log in full."""
    try:
        return function(*arguments)
    except RpcError:
        raise
    except Exception as error:
        _LOGGER.exception("a JSON-RPC method failed")
        raise RpcError(INTERNAL, f"internal error: {error!r}") from error
