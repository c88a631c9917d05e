"""An EVM chain of our own: py-evm (Prague rules) kept in one SQLite file, spoken to by Ethereum's JSON-RPC.

The node holds no keys, has one writer at a time, never reorganises, and charges no fee: a member without funds can act.
Names are loaded when they are first used, because importing py-evm takes most of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooring.ledger.embedded.lock import find_endpoint
    from mooring.ledger.embedded.node import EmbeddedNode
    from mooring.ledger.embedded.rpc import RpcError
    from mooring.ledger.embedded.server import Server, serve
    from mooring.ledger.embedded.transport import LocalTransport

__all__ = ["EmbeddedNode", "LocalTransport", "RpcError", "Server", "find_endpoint", "serve"]

_HOMES = {
    "EmbeddedNode": "node",
    "LocalTransport": "transport",
    "RpcError": "rpc",
    "Server": "server",
    "find_endpoint": "lock",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
