"""Recursive Length Prefix: the one canonical encoding of nested byte strings (Ethereum Yellow Paper, appendix B)."""

from __future__ import annotations

from typing import TypeAlias

from mooring.errors import ProofError

__all__ = ["MAX_DEPTH", "MAX_SIZE", "Item", "decode", "decode_scalar", "encode", "encode_scalar"]

Item: TypeAlias = "bytes | tuple[Item, ...]"

MAX_SIZE = 16 << 20
MAX_DEPTH = 16


def decode(data: bytes) -> Item:
    """Return the one item that `data` encodes: bytes, or a tuple of items.

    Raises ProofError "rlp" if it is truncated, longer than its item, not in the shortest form, nested deeper than
    `MAX_DEPTH` or larger than `MAX_SIZE`: so `encode(decode(data)) == data` always.
    """
    if not 0 < len(data) <= MAX_SIZE:
        raise _malformed(f"it has {len(data)} bytes, not 1 to {MAX_SIZE}")
    item, end = _item(data, 0, 0)
    if end != len(data):
        raise _malformed(f"{len(data) - end} bytes follow the item")
    return item


def encode(item: Item) -> bytes:
    """Return the encoding of bytes or of a tuple of items."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _prefix(0x80, len(item)) + item
    body = b"".join(encode(part) for part in item)
    return _prefix(0xC0, len(body)) + body


def encode_scalar(number: int) -> bytes:
    """Return a non-negative number in big-endian order without leading zeros; 0 is empty."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def decode_scalar(item: Item, *, size: int = 32) -> int:
    """Return the number that `item` holds; raises "rlp" for lists, leading zeros, and more than `size` bytes."""
    if not isinstance(item, bytes) or len(item) > size or item[:1] == b"\0":
        raise _malformed(f"a number is a list, has leading zeros, or has more than {size} bytes")
    return int.from_bytes(item, "big")


def _item(data: bytes, start: int, depth: int) -> tuple[Item, int]:
    """The item that starts at `start`, and where it ends."""
    is_list, at, end = _span(data, start)
    if not is_list:
        return data[at:end], end
    if depth == MAX_DEPTH:
        raise _malformed(f"it is nested deeper than {MAX_DEPTH}")
    items = []
    while at < end:
        item, at = _item(data, at, depth + 1)
        items.append(item)
    if at != end:
        raise _malformed("an item reaches past the end of its list")
    return tuple(items), end


def _span(data: bytes, start: int) -> tuple[bool, int, int]:
    """Whether the item at `start` is a list, and where its content begins and ends."""
    prefix = data[start]
    if prefix < 0x80:
        return False, start, start + 1
    is_list = prefix >= 0xC0
    length = prefix - (0xC0 if is_list else 0x80)
    begin = start + 1
    if length > 55:
        begin += length - 55
        long_form = data[start + 1 : begin]
        length = int.from_bytes(long_form, "big")
        if length < 56 or long_form[0] == 0:
            raise _malformed("a length is not in its shortest form")
    if begin + length > len(data):
        raise _malformed("it ends too early")
    if not is_list and length == 1 and data[begin] < 0x80:
        raise _malformed("a single byte carries a needless prefix")
    return is_list, begin, begin + length


def _prefix(offset: int, length: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = encode_scalar(length)
    return bytes([offset + 55 + len(size)]) + size


def _malformed(what: str) -> ProofError:
    return ProofError(
        f"RLP: {what}",
        code="rlp",
        hint="Fetch the header or proof again: these bytes were cut or changed.",
    )
