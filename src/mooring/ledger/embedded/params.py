"""JSON-RPC parameters, read strictly: blocks, calls, log filters, fee questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mooring.errors import NotFoundError
from mooring.ledger.embedded.evm import Header
from mooring.ledger.embedded.execution import CallRequest
from mooring.ledger.embedded.logs import LogFilter
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.rpc import INVALID_PARAMS, SERVER_ERROR, RpcError
from mooring.ledger.embedded.transaction import MAX_GAS
from mooring.ledger.embedded.values import address, data, fixed, invalid, quantity

__all__ = ["block_or_none", "call_request", "header_at", "log_filter", "percentiles", "take"]

_NEWEST = ("latest", "pending", "safe", "finalized")
"""No block is ever undone, and reads of the pending state see the newest block's."""

_MAX_CHOICES = 1_000
_FEE_FIELDS = ("gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas")
_CALL_FIELDS = frozenset(
    (*_FEE_FIELDS, *("from", "to", "value", "data", "input", "nonce", "type", "chainId", "accessList"))
)
_FILTER_FIELDS = frozenset(("fromBlock", "toBlock", "blockHash", "address", "topics"))


def take(params: Sequence[Any], least: int, most: int | None = None) -> list[Any]:
    """The parameters, filled up with None to `most`; refuses any other number of them."""
    most = least if most is None else most
    if not least <= len(params) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise RpcError(INVALID_PARAMS, f"expected {wanted} parameters, got {len(params)}")
    return [*params, *[None] * (most - len(params))]


def header_at(node: EmbeddedNode, value: Any, name: str = "block") -> Header:
    """The header of a block given as tag, number or EIP-1898 object; an unknown block is an error."""
    header = block_or_none(node, value, name)
    if header is None:
        raise RpcError(SERVER_ERROR, f"header not found: {value}")
    return header


def block_or_none(node: EmbeddedNode, value: Any, name: str = "block") -> Header | None:
    """The header of a block, None if the chain has no such block; no value means the newest."""
    if value is None or value in _NEWEST:
        return node.head
    try:
        if isinstance(value, dict):
            return _by_object(node, value, name)
        number = 0 if value == "earliest" else quantity(value, name, 2**64)
        return node.history.header(number) if number <= node.head.block_number else None
    except NotFoundError:
        return None


def call_request(value: Any) -> CallRequest:
    """A call's fields; `data` and `input` are two names of one field."""
    fields = _fields(value, "transaction", _CALL_FIELDS)
    given = [data(fields[name], name) for name in ("data", "input") if fields.get(name) is not None]
    if len(set(given)) > 1:
        raise RpcError(INVALID_PARAMS, 'both "data" and "input" are set and not equal')
    legacy = _number(fields, "gasPrice", 0)
    if legacy and ("maxFeePerGas" in fields or "maxPriorityFeePerGas" in fields):
        raise RpcError(INVALID_PARAMS, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    tip = _number(fields, "maxPriorityFeePerGas", legacy)
    fee = _number(fields, "maxFeePerGas", legacy or tip)
    if tip > fee:
        raise RpcError(INVALID_PARAMS, f"maxPriorityFeePerGas ({tip}) is above maxFeePerGas ({fee})")
    return CallRequest(
        sender=address(fields["from"], "from") if fields.get("from") is not None else bytes(20),
        to=address(fields["to"], "to") if fields.get("to") is not None else b"",
        gas=min(_number(fields, "gas", MAX_GAS), MAX_GAS),
        value=_number(fields, "value", 0),
        data=given[0] if given else b"",
        max_fee=fee,
        max_tip=tip,
        access_list=_access_list(fields.get("accessList")),
    )


def log_filter(node: EmbeddedNode, value: Any) -> LogFilter:
    """A filter of logs, by a range of blocks or one block's hash (EIP-234)."""
    fields = _fields(value, "filter", _FILTER_FIELDS)
    if fields.get("blockHash") is not None:
        if fields.get("fromBlock") is not None or fields.get("toBlock") is not None:
            raise RpcError(INVALID_PARAMS, "cannot specify both blockHash and fromBlock or toBlock")
        header = block_or_none(node, {"blockHash": fields["blockHash"]}, "blockHash")
        if header is None:
            raise RpcError(SERVER_ERROR, "unknown block")
        first = last = header.block_number
    else:
        first, last = (_bound(node, fields.get(name), name) for name in ("fromBlock", "toBlock"))
    if first > last:
        raise RpcError(INVALID_PARAMS, f"invalid block range: fromBlock {first} is after toBlock {last}")
    return LogFilter(first, last, _addresses(fields.get("address")), _topics(fields.get("topics")))


def percentiles(value: Any) -> list[float]:
    """Rising percentages from 0 to 100, at most 100 of them; none if not given."""
    if value is None:
        return []
    usable = isinstance(value, list) and len(value) <= 100
    if not usable or any(isinstance(one, bool) or not isinstance(one, int | float) for one in value):
        raise invalid("rewardPercentiles", value, "a list of at most 100 numbers")
    if any(not 0 <= one <= 100 for one in value) or sorted(value) != value:
        raise invalid("rewardPercentiles", value, "rising numbers from 0 to 100")
    return [float(one) for one in value]


def _by_object(node: EmbeddedNode, value: dict[str, Any], name: str) -> Header | None:
    """EIP-1898: {"blockNumber": …} or {"blockHash": …, "requireCanonical": …}; every block here is canonical."""
    if set(value) == {"blockNumber"}:
        return block_or_none(node, value["blockNumber"], name)
    if "blockHash" in value and set(value) <= {"blockHash", "requireCanonical"}:
        return node.history.header_by_hash(fixed(value["blockHash"], "blockHash", 32))
    raise invalid(name, value, 'a block: "latest", a number, {"blockNumber": …} or {"blockHash": …}')


def _bound(node: EmbeddedNode, value: Any, name: str) -> int:
    """One end of a range; it may lie beyond the head."""
    if value is None or value in _NEWEST:
        return int(node.head.block_number)
    return 0 if value == "earliest" else quantity(value, name, 2**63)


def _addresses(value: Any) -> tuple[bytes, ...]:
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if len(given) > _MAX_CHOICES:
        raise invalid("address", len(given), f"a list of at most {_MAX_CHOICES}")
    return tuple(address(one, "address") for one in given)


def _topics(value: Any) -> tuple[tuple[bytes, ...], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > 4:
        raise invalid("topics", value, "a list of at most 4")
    return tuple(_choice(one) for one in value)


def _choice(value: Any) -> tuple[bytes, ...]:
    """The topics that one place may hold; null means any."""
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if len(given) > _MAX_CHOICES:
        raise invalid("topics", len(given), f"at most {_MAX_CHOICES} choices")
    return () if None in given else tuple(fixed(one, "topics", 32) for one in given)


def _access_list(value: Any) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MAX_CHOICES:
        raise invalid("accessList", value, f"a list of at most {_MAX_CHOICES}")
    entries = []
    for entry in value:
        fields = _fields(entry, "accessList entry", frozenset(("address", "storageKeys")))
        keys = [] if fields.get("storageKeys") is None else fields["storageKeys"]
        if not isinstance(keys, list) or len(keys) > _MAX_CHOICES:
            raise invalid("storageKeys", keys, f"a list of at most {_MAX_CHOICES}")
        slots = tuple(int.from_bytes(fixed(key, "storageKeys", 32), "big") for key in keys)
        entries.append((address(fields.get("address"), "address"), slots))
    return tuple(entries)


def _fields(value: Any, name: str, known: frozenset[str]) -> dict[str, Any]:
    """An object without unknown fields."""
    if not isinstance(value, dict):
        raise invalid(name, value, "an object")
    unknown = sorted(set(value) - known)
    if unknown:
        raise RpcError(INVALID_PARAMS, f"{name} has fields that this chain does not know: {', '.join(unknown)}")
    return value


def _number(fields: dict[str, Any], name: str, default: int) -> int:
    return default if fields.get(name) is None else quantity(fields[name], name)
