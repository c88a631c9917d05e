"""Canonical bytes: JSON as RFC 8785 (JCS) writes it, and a strict reader of it.

The same value has the same bytes, so that a digest or a signature over them has one meaning.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeAlias

from mooring.errors import RecordError

__all__ = ["Json", "decode", "encode"]

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_SAFE_INTEGER = 2**53 - 1
_MAX_BYTES = 64 * 1024 * 1024
_MAX_DEPTH = 64
_quote = json.JSONEncoder(ensure_ascii=False).encode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # to its end, or to the end of everything: never twice
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one level down, one level up
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def encode(value: Json) -> bytes:
    """Return the RFC 8785 bytes of a JSON value.

    Raises RecordError `not-canonical` for what I-JSON (RFC 7493) cannot carry: NaN, infinities, integers beyond
    ±(2^53 - 1), lone surrogates, keys that are not strings; and for more than 64 arrays and objects in one another.
    """
    parts: list[str] = []
    _write(value, parts, 0)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError as error:
        raise _refuse(f"text with a lone surrogate at {error.start}") from error


def decode(data: bytes, *, limit: int = _MAX_BYTES) -> Json:
    """Parse JSON bytes strictly: what this returns, `encode` writes.

    At most `limit` bytes of UTF-8, no duplicate keys, no NaN, no lone surrogates, no deeper than `encode` goes. A whole
    number beyond ±(2^53 - 1) is read as a float if it stands as RFC 8785 writes that double, and refused otherwise.
    Raises RecordError `json`.
    """
    if len(data) > limit:
        raise _malformed(f"{len(data)} bytes are more than the {limit} allowed")
    _check_depth(data)
    try:
        text = data.decode()
        value: Json = json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _malformed(str(error)) from error
    if "\\u" in text:  # only an escape can carry a lone surrogate past UTF-8
        _check_text(value)
    return value


def _check_depth(data: bytes) -> None:
    # Before parsing: the parser recurses, and where a library has raised the recursion limit it would end the process.
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return
    steps = _STRING.sub(b"", data).translate(_STEPS, _NO_BRACKET)
    if max(accumulate(memoryview(steps).cast("b")), default=0) > _MAX_DEPTH:
        raise _malformed(f"nesting deeper than {_MAX_DEPTH}")


def _check_text(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _malformed("text with a lone surrogate") from error


def _write(value: Json, parts: list[str], depth: int) -> None:
    if value is None or isinstance(value, bool):
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        parts.append(_quote(value))
    elif isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise _refuse(f"an integer of {value.bit_length()} bits, beyond 2^53 - 1: write it as a string")
        parts.append(int.__repr__(value))
    elif isinstance(value, float):
        parts.append(_number(value))
    elif isinstance(value, Mapping):
        _write_object(value, parts, depth)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        _write_array(value, parts, depth)
    else:
        raise _refuse(f"a value of type {type(value).__name__}")


def _write_array(value: Sequence[Json], parts: list[str], depth: int) -> None:
    if depth == _MAX_DEPTH:
        raise _refuse(f"nesting deeper than {_MAX_DEPTH}")
    parts.append("[")
    for position, item in enumerate(value):
        parts.append("," if position else "")
        _write(item, parts, depth + 1)
    parts.append("]")


def _write_object(value: Mapping[str, Json], parts: list[str], depth: int) -> None:
    if depth == _MAX_DEPTH:
        raise _refuse(f"nesting deeper than {_MAX_DEPTH}")
    for key in value:
        if not isinstance(key, str):
            raise _refuse(f"a key of type {type(key).__name__}")
    parts.append("{")
    # RFC 8785 §3.2.3 orders keys by UTF-16 code units.
    for position, key in enumerate(sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))):
        parts.append(("," if position else "") + _quote(key) + ":")
        _write(value[key], parts, depth + 1)
    parts.append("}")


def _number(value: float) -> str:
    """Return a double as ECMAScript writes it (RFC 8785 §3.2.2.3); `repr` gives the same shortest digits."""
    if not math.isfinite(value):
        raise _refuse(f"number {value}")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    # Not repr(): a subclass such as numpy's float64 prints its own name.
    mantissa, _, exponent_text = float.__repr__(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent_text or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _layout(digits, point)


def _layout(digits: str, point: int) -> str:
    """Place the decimal point `point` digits from the left, by the cases of ECMA-262 Number::toString."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    power = point - 1
    head = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{head}e{'+' if power > 0 else '-'}{abs(power)}"


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _malformed(f"key {repeated[:80]!r} appears twice")
    return result


def _constant(name: str) -> Json:
    raise _malformed(f"{name} is not a JSON number")


def _integer(text: str) -> int | float:
    if len(text) < 18 and abs(int(text)) <= _SAFE_INTEGER:
        return int(text)
    if len(text) < 23 and _number(float(text)) == text:
        return float(text)
    raise _malformed(f"integer {text[:24]} beyond 2^53 - 1")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _malformed(f"number {text[:20]} beyond a double")
    return value


def _refuse(what: str) -> RecordError:
    return RecordError(f"cannot write {what} as canonical JSON", code="not-canonical", hint="see RFC 8785 and RFC 7493")


def _malformed(what: str) -> RecordError:
    return RecordError(f"malformed JSON: {what}", code="json", hint="send one strict UTF-8 JSON value (RFC 7493)")
