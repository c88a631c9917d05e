"""What a JSON-RPC call may fail with (JSON-RPC 2.0 §5.1, EIP-1474)."""

from __future__ import annotations

from typing import Any

__all__ = [
    "INTERNAL",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "LIMIT_EXCEEDED",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "REVERTED",
    "SERVER_ERROR",
    "RpcError",
]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL = -32603
SERVER_ERROR = -32000
LIMIT_EXCEEDED = -32005
REVERTED = 3
"""The code that Ethereum clients use for a reverted execution; `data` is then the revert data in hex."""


class RpcError(Exception):
    """A refusal as JSON-RPC says it: `code`, `message`, and `data` (None when there is none)."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data
