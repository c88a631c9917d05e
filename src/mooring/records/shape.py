"""Between records and JSON: one reader and one writer for every frozen dataclass of this room.

A field's Python name in snake case is its JSON name in camel case. A field that is None is left out. Bytes are standard
base64 (RFC 4648 §4). What the type does not name is refused, so that a record means what its reader thinks it means.
"""

from __future__ import annotations

import base64
import binascii
import reprlib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from mooring.errors import RecordError
from mooring.records.canonical import Json
from mooring.records.digest import Digest

__all__ = ["from_json", "to_json"]

T = TypeVar("T")


def to_json(record: object) -> Json:
    """Return a record, or a plain value inside one, as a JSON value."""
    if isinstance(record, Digest):
        return str(record)
    if isinstance(record, bytes | bytearray | memoryview):
        return base64.b64encode(record).decode()
    if is_dataclass(record) and not isinstance(record, type):
        pairs = ((name, getattr(record, field)) for name, field in _names(type(record)))
        return {name: to_json(value) for name, value in pairs if value is not None}
    if isinstance(record, Mapping):
        return {key: to_json(value) for key, value in record.items()}
    if isinstance(record, Sequence) and not isinstance(record, str):
        return [to_json(item) for item in record]
    return cast(Json, record)


def from_json(kind: type[T], value: Json, where: str = "") -> T:
    """Read a JSON value as a record of type `kind`; raises RecordError `record-shape` naming field and value."""
    return cast(T, _read(kind, value, where or kind.__name__))


@cache
def _names(kind: type) -> tuple[tuple[str, str], ...]:
    return tuple((_camel(f.name), f.name) for f in fields(kind))


@cache
def _shape(kind: type) -> dict[str, tuple[str, Any, bool]]:
    hints = get_type_hints(kind)
    return {
        _camel(f.name): (f.name, hints[f.name], f.default is MISSING and f.default_factory is MISSING)
        for f in fields(kind)
    }


def _read(kind: Any, value: Json, where: str) -> Any:
    origin = get_origin(kind)
    if kind is Digest:
        return Digest.parse(_expect(str, value, where))
    if kind is bytes:
        return _read_bytes(_expect(str, value, where), where)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_record(kind, value, where)
    if origin is tuple:
        items = _expect(list, value, where)
        return tuple(_read(get_args(kind)[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if origin is Mapping:
        pairs = _expect(dict, value, where)
        return {key: _read(get_args(kind)[1], item, f"{where}.{key}") for key, item in pairs.items()}
    if origin in (Union, types.UnionType):
        return _read_optional(get_args(kind), value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return _expect(kind, value, where)


def _read_bytes(text: str, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refuse(where, "not base64", str(error)) from error
    if base64.b64encode(data).decode() != text:
        raise _refuse(where, "not canonical base64", "no spare bits, full padding (RFC 4648)")
    return data


def _read_optional(options: tuple[Any, ...], value: Json, where: str) -> Any:
    if value is None:
        raise _refuse(where, "null", "leave the field out")
    plain = [option for option in options if option in (bool, int, float, str)]
    exact = [option for option in plain if type(value) is option]
    chosen = exact[0] if exact else next(option for option in options if option is not type(None))
    return _read(chosen, value, where)


def _read_record(kind: type, value: Json, where: str) -> Any:
    pairs = _expect(dict, value, where)
    shape = _shape(kind)
    for name in pairs:
        if name not in shape:
            raise _refuse(f"{where}.{name}", "an unknown field", f"known: {', '.join(shape)}")
    for name, (_, _, required) in shape.items():
        if required and name not in pairs:
            raise _refuse(f"{where}.{name}", "missing", "give it")
    return kind(**{shape[name][0]: _read(shape[name][1], item, f"{where}.{name}") for name, item in pairs.items()})


def _expect(kind: type[T], value: object, where: str) -> T:
    if type(value) is not kind:
        raise _refuse(where, reprlib.repr(value), f"a {kind.__name__} is expected")
    return value


def _camel(name: str) -> str:
    head, *rest = name.strip("_").split("_")
    return head + "".join(part.capitalize() for part in rest)


def _refuse(where: str, what: str, hint: str) -> RecordError:
    place = where[:200].encode("unicode_escape").decode()  # names come from outside: no line breaks, no escapes
    return RecordError(f"{place} is {what[:200]}", code="record-shape", hint=hint)
