"""Tensors as the Open Inference Protocol writes them in JSON: requests in, checked against a model; responses out.

Source: Open Inference Protocol, REST (KServe V2), "Inference" and "Tensor Data". The binary tensor data extension is
not taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from mooring.errors import RecordError

__all__ = ["Infer", "RequestReader", "Scalar", "Tensor", "TensorSpec", "encode_response"]

Scalar: TypeAlias = "bool | int | float | str"
T = TypeVar("T")

_INTEGERS = {f"{sign}INT{bits}": bits for sign in ("", "U") for bits in (8, 16, 32, 64)}
_FLOATS = ("FP16", "FP32", "FP64")
_KINDS: dict[str, type[Scalar]] = {
    "BOOL": bool,
    "BYTES": str,
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(_FLOATS, float),
}
_WORDS: dict[type[Scalar], str] = {bool: "booleans", int: "integers", float: "numbers", str: "strings"}
_MAX_ID = 256
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor of a model: its name, V2 datatype and shape; None stands for any length."""

    name: str
    datatype: str
    shape: tuple[int | None, ...]

    @property
    def kind(self) -> type[Scalar]:
        """The Python type of one element."""
        return _KINDS[self.datatype]


class Infer(msgspec.Struct, gc=False):
    """A checked request: per model input the flat elements and the shape; `rows` along the batch axis.

    `wanted` are the positions of the outputs to return. Requests of equal `rests`, their shapes without the batch axis,
    can run together.
    """

    data: list[list[Any]]  # Any: elements of the model's datatype, for numpy
    shapes: list[tuple[int, ...]]
    rests: tuple[tuple[int, ...], ...]
    rows: int
    ident: str | None
    wanted: tuple[int, ...]


class _Input(msgspec.Struct, Generic[T], gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: T
    parameters: dict[str, Any] | None = None  # Any: the protocol leaves the values of parameters open


class _Output(msgspec.Struct, gc=False):
    name: str
    parameters: dict[str, Any] | None = None  # Any: as above


class _Request(msgspec.Struct, Generic[T], gc=False):
    inputs: list[_Input[T]]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: dict[str, Any] | None = None  # Any: as above


class RequestReader:
    """Reads request bodies for one model."""

    def __init__(self, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], max_rows: int) -> None:
        self._specs = tuple(inputs)
        self._positions = {spec.name: position for position, spec in enumerate(self._specs)}
        self._outputs = {spec.name: position for position, spec in enumerate(outputs)}
        self._every_output = tuple(range(len(outputs)))
        self._max_rows = max_rows
        self._rank = bool(self._specs) and all(spec.shape and spec.shape[0] is None for spec in self._specs)
        self._known: list[dict[tuple[int, ...], tuple[int, tuple[int, ...]]]] = [{} for _ in self._specs]
        self._slow = msgspec.json.Decoder(_Request[msgspec.Raw])
        self._fast = _decoder(self._specs)

    def read(self, body: bytes) -> Infer:
        """Return the checked request; raises RecordError naming field, value and remedy.

        Codes: json, request-shape, tensor-name, tensor-missing, tensor-type, tensor-shape, tensor-value, batch-size,
        output-name, binary-tensors.
        """
        if self._fast is None:
            return self._check(self._read_slowly(body))
        try:
            request = self._fast.decode(body)
        except (msgspec.DecodeError, RecursionError):
            # The slow reader takes nested data, and says what is wrong with the rest.
            request = self._read_slowly(body)
        return self._check(request)

    def _read_slowly(self, body: bytes) -> _Request[list[Any]]:
        """Find out what is wrong, or flatten nested data."""
        try:
            raw = self._slow.decode(body)
        except msgspec.ValidationError as error:
            raise RecordError(str(error), code="request-shape", hint="see the Open Inference Protocol, REST") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise RecordError(f"malformed JSON: {error}", code="json", hint="send one JSON object in UTF-8") from error
        inputs = [
            _Input(item.name, item.shape, item.datatype, _flatten(item, self._spec(item)), item.parameters)
            for item in raw.inputs
        ]
        return _Request(inputs, raw.id, raw.outputs, raw.parameters)

    def _check(self, request: _Request[list[Any]]) -> Infer:
        count = len(self._specs)
        data: list[list[Any]] = [_NOTHING] * count
        shapes: list[tuple[int, ...]] = [()] * count
        rests: list[tuple[int, ...]] = [()] * count
        for item in request.inputs:
            spec = self._spec(item)
            position = self._positions[item.name]
            if data[position] is not _NOTHING:
                raise RecordError(f"input {item.name!r} appears twice", code="tensor-name", hint="send it once")
            data[position] = item.data
            shapes[position], rests[position] = self._shape(position, item, spec)
        if len(request.inputs) != count:
            self._refuse_missing(data)
        if request.id is not None and len(request.id) > _MAX_ID:
            raise RecordError(f"id has {len(request.id)} characters", code="request-shape", hint=f"at most {_MAX_ID}")
        return Infer(data, shapes, tuple(rests), self._rows(shapes), request.id, self._wanted(request))

    def _shape(
        self, position: int, item: _Input[list[Any]], spec: TensorSpec
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shape, and it without the batch axis; shapes that came before are only looked up."""
        shape = tuple(item.shape)
        known = self._known[position].get(shape)
        if known is None:
            known = (_count(shape, spec), shape[1:])
            if len(self._known[position]) < _REMEMBERED:
                self._known[position][shape] = known
        if known[0] != len(item.data):
            raise RecordError(
                f"input {spec.name!r} has {len(item.data)} elements and shape {item.shape!s:.120}",
                code="tensor-shape",
                hint=f"give {known[0]} elements, or the right shape",
            )
        if spec.datatype in _INTEGERS:
            _check_range(item.data, spec)
        return shape, known[1]

    def _spec(self, item: _Input[Any]) -> TensorSpec:
        """Return the model's tensor of that name, if the datatype is right."""
        position = self._positions.get(item.name)
        if position is None:
            raise RecordError(
                f"input {item.name!r:.80} is not one of the model's", code="tensor-name", hint=_known(self._positions)
            )
        spec = self._specs[position]
        if item.datatype != spec.datatype:
            raise RecordError(
                f"input {item.name!r} has datatype {item.datatype!r:.40}",
                code="tensor-type",
                hint=f"the model takes {spec.datatype}",
            )
        if item.parameters and "binary_data_size" in item.parameters:
            raise _no_binary(f"input {item.name!r}")
        return spec

    def _refuse_missing(self, data: Sequence[object]) -> None:
        missing = [spec.name for spec, item in zip(self._specs, data, strict=True) if item is _NOTHING]
        raise RecordError(f"input {missing[0]!r} is missing", code="tensor-missing", hint=_known(self._positions))

    def _rows(self, shapes: Sequence[tuple[int, ...]]) -> int:
        if not self._rank:
            return 1
        rows = shapes[0][0]
        for spec, shape in zip(self._specs[1:], shapes[1:], strict=True):
            if shape[0] != rows:
                raise RecordError(
                    f"input {spec.name!r} has {shape[0]} rows and {self._specs[0].name!r} has {rows}",
                    code="tensor-shape",
                    hint="give every input the same number of rows",
                )
        if rows > self._max_rows:
            raise RecordError(f"the batch has {rows} rows", code="batch-size", hint=f"send at most {self._max_rows}")
        return rows

    def _wanted(self, request: _Request[Any]) -> tuple[int, ...]:
        if request.parameters and request.parameters.get("binary_data_output"):
            raise _no_binary("the request")
        if not request.outputs:
            return self._every_output
        for output in request.outputs:
            if output.name not in self._outputs:
                raise RecordError(
                    f"output {output.name!r:.80} is not one of the model's",
                    code="output-name",
                    hint=_known(self._outputs),
                )
            if output.parameters and output.parameters.get("binary_data"):
                raise _no_binary(f"output {output.name!r}")
        return tuple(dict.fromkeys(self._outputs[output.name] for output in request.outputs))


class Tensor(msgspec.Struct, gc=False):
    """One output tensor of a response, elements flat in row-major order."""

    name: str
    shape: Sequence[int]
    datatype: str
    data: Sequence[Any]  # Any: elements of that datatype


class _Response(msgspec.Struct, omit_defaults=True, gc=False):
    model_name: str
    model_version: str
    outputs: list[Tensor]
    id: str | None = None


_NOTHING: list[Any] = []
_ENCODER = msgspec.json.Encoder()


def encode_response(model: str, version: str, ident: str | None, outputs: list[Tensor]) -> bytes:
    """Return a response body; the elements must be finite."""
    return _ENCODER.encode(_Response(model, version, outputs, ident))


def _decoder(specs: Sequence[TensorSpec]) -> msgspec.json.Decoder[_Request[list[Any]]] | None:
    """Return a decoder of flat data, if all inputs are of one kind."""
    kinds = {spec.kind for spec in specs}
    if kinds == {float}:
        return msgspec.json.Decoder(_Request[list[float]])
    if kinds == {int}:
        return msgspec.json.Decoder(_Request[list[int]])
    if kinds == {bool}:
        return msgspec.json.Decoder(_Request[list[bool]])
    if kinds == {str}:
        return msgspec.json.Decoder(_Request[list[str]])
    return None


def _count(shape: tuple[int, ...], spec: TensorSpec) -> int:
    """Return how many elements a shape has, if it is the model's and holds something."""
    fits = len(shape) == len(spec.shape) and all(
        length > 0 and (wanted is None or length == wanted) for length, wanted in zip(shape, spec.shape, strict=True)
    )
    if not fits:
        raise RecordError(
            f"input {spec.name!r} has shape {list(shape)!s:.120}",
            code="tensor-shape",
            hint=f"the model takes {_shape_text(spec.shape)}",
        )
    return prod(shape)


def _check_range(data: Sequence[int], spec: TensorSpec) -> None:
    bits = _INTEGERS[spec.datatype]
    low, high = (0, 2**bits - 1) if spec.datatype.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for worst in (min(data), max(data)):
        if not low <= worst <= high:
            raise RecordError(
                f"input {spec.name!r} holds {worst}", code="tensor-value", hint=f"{spec.datatype} is {low} to {high}"
            )


def _flatten(item: _Input[msgspec.Raw], spec: TensorSpec) -> list[Any]:
    """Return flat data; nested data must nest as the shape says (row-major)."""
    nested = msgspec.json.decode(item.data)
    if not isinstance(nested, list):
        raise RecordError(
            f"input {item.name!r} has data that is not an array", code="tensor-shape", hint="send a JSON array"
        )
    flat: list[Any] = nested
    if any(isinstance(element, list) for element in nested):
        for depth, length in enumerate(item.shape):
            flat = _unnest(flat, length, spec, first=depth == 0)
    for element in flat:
        _check_element(element, spec)
    return [float(element) for element in flat] if spec.kind is float else flat


def _unnest(values: list[Any], length: int, spec: TensorSpec, *, first: bool) -> list[Any]:
    groups = [values] if first else values
    for group in groups:
        if not isinstance(group, list) or len(group) != length:
            raise RecordError(
                f"input {spec.name!r} has data that does not nest as its shape says",
                code="tensor-shape",
                hint="send the elements flat in row-major order",
            )
    return [element for group in groups for element in group]


def _check_element(element: object, spec: TensorSpec) -> None:
    kind = spec.kind
    if type(element) is kind or (kind is float and type(element) is int):
        return
    raise RecordError(
        f"input {spec.name!r} holds {element!r:.80}",
        code="tensor-value",
        hint=f"{spec.datatype} elements are JSON {_WORDS[kind]}",
    )


def _no_binary(what: str) -> RecordError:
    return RecordError(
        f"{what} asks for binary tensor data", code="binary-tensors", hint="send and take tensors as JSON"
    )


def _shape_text(shape: Sequence[int | None]) -> str:
    return f"[{', '.join('any' if length is None else str(length) for length in shape)}]"


def _known(names: Mapping[str, int]) -> str:
    return f"the model has {', '.join(names)}"
