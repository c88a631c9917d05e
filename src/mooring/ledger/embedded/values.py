"""Ethereum's JSON values, read strictly and written canonically (EIP-1474: QUANTITY and DATA)."""

from __future__ import annotations

import re
from typing import Any

from mooring.ledger.embedded.rpc import INVALID_PARAMS, RpcError

__all__ = ["address", "data", "fixed", "hexed", "invalid", "quantity", "to_data", "to_quantity"]

_QUANTITY = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})\Z")
_DATA = re.compile(r"0x([0-9a-fA-F]{2})*\Z")


def quantity(value: Any, name: str, limit: int = 2**256) -> int:
    """Read a number such as "0x1f": no leading zeros, below `limit`."""
    if not isinstance(value, str) or not _QUANTITY.match(value):
        raise invalid(name, value, 'a hex number without leading zeros, such as "0x1f"')
    number = int(value, 16)
    if number >= limit:
        raise invalid(name, value, f"a number below {limit:#x}")
    return number


def data(value: Any, name: str, limit: int = 1 << 20) -> bytes:
    """Read bytes such as "0x00ff", at most `limit` of them."""
    if not isinstance(value, str) or not _DATA.match(value):
        raise invalid(name, value, 'hex bytes such as "0x00ff"')
    if len(value) > 2 + 2 * limit:
        raise invalid(name, value[:18] + "…", f"at most {limit} bytes")
    return bytes.fromhex(value[2:])


def fixed(value: Any, name: str, size: int) -> bytes:
    """Read exactly `size` bytes."""
    result = data(value, name, size)
    if len(result) != size:
        raise invalid(name, value, f"{size} bytes in hex")
    return result


def address(value: Any, name: str) -> bytes:
    """Read an address; letter case is not a checksum here."""
    return fixed(value, name, 20)


def to_quantity(number: int) -> str:
    """Write a number."""
    return hex(number)


def to_data(raw: bytes) -> str:
    """Write bytes."""
    return "0x" + raw.hex()


def hexed(raw: bytes | None) -> str | None:
    """Write bytes that may be absent."""
    return None if raw is None else to_data(raw)


def invalid(name: str, value: Any, wanted: str) -> RpcError:
    """The error for a parameter that cannot be read."""
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "…"
    return RpcError(INVALID_PARAMS, f"invalid argument {name}: {shown} is not {wanted}")
