"""Requests are read strictly, and flat or nested data mean the same."""

from __future__ import annotations

import json
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.entrypoints.gateway.tensors import RequestReader, Tensor, TensorSpec, encode_response
from mooring.errors import RecordError

KINDS: dict[str, Any] = {
    "BOOL": st.booleans(),
    "INT8": st.integers(-128, 127),
    "UINT16": st.integers(0, 65535),
    "INT64": st.integers(-(2**63), 2**63 - 1),
    "UINT64": st.integers(0, 2**64 - 1),
    "FP32": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "FP64": st.floats(allow_nan=False, allow_infinity=False),
    "BYTES": st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
}


@st.composite
def tensors(draw: Any) -> tuple[str, list[int], list[Any]]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    data = draw(st.lists(KINDS[kind], min_size=prod(shape), max_size=prod(shape)))
    return kind, shape, data


def request(kind: str, shape: list[int], data: Any) -> bytes:
    return json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": kind, "data": data}]}).encode()


@given(tensors(), st.booleans())
def test_what_was_sent_is_what_is_read_flat_or_nested(tensor: tuple[str, list[int], list[Any]], mixed: bool) -> None:
    kind, shape, data = tensor
    specs = [TensorSpec("x", kind, (None,) * len(shape))]
    reader = RequestReader(specs, [TensorSpec("y", kind, (None,))], max_rows=4)
    flat = reader.read(request(kind, shape, data))
    nested = reader.read(request(kind, shape, np.array(data, object).reshape(shape).tolist()))
    assert flat == nested
    assert flat.data == [data]
    assert flat.shapes == [tuple(shape)]
    assert flat.rows == shape[0]


@given(tensors(), st.integers(0, 3), st.integers(1, 3))
def test_a_number_of_elements_that_does_not_fit_is_refused(
    tensor: tuple[str, list[int], list[Any]], position: int, more: int
) -> None:
    kind, shape, data = tensor
    reader = RequestReader([TensorSpec("x", kind, (None,) * len(shape))], [], max_rows=100)
    longer = [length + more if n == position % len(shape) else length for n, length in enumerate(shape)]
    with pytest.raises(RecordError) as caught:
        reader.read(request(kind, longer, data))
    assert caught.value.code == "tensor-shape"


def outcome(reader: RequestReader, body: bytes) -> tuple[str, Any]:
    """Return a refusal's code, or "" and what was read."""
    try:
        return "", reader.read(body)
    except RecordError as error:
        return error.code, None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise_than_by_refusing(body: bytes) -> None:
    reader = RequestReader([TensorSpec("x", "FP32", (None,))], [], max_rows=4)
    assert outcome(reader, body)[0] in ("json", "request-shape", "tensor-missing")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
)


@given(json_values)
def test_no_data_of_any_nesting_passes_unless_it_fits(data: Any) -> None:
    reader = RequestReader([TensorSpec("x", "FP64", (None, 2))], [], max_rows=4)
    code, found = outcome(reader, request("FP64", [1, 2], data))
    assert code in ("", "tensor-shape", "tensor-value", "json")
    if found is not None:
        assert np.array(data, float).ravel().tolist() == found.data[0]


def test_a_scalar_input_has_an_empty_shape_and_one_row() -> None:
    reader = RequestReader([TensorSpec("x", "INT64", ())], [], max_rows=1)
    assert reader.read(request("INT64", [], [7])).rows == 1
    with pytest.raises(RecordError):
        reader.read(request("INT64", [1], [7]))


def test_an_output_asked_for_twice_comes_once_and_in_the_order_asked() -> None:
    outputs = [TensorSpec(name, "FP32", (None,)) for name in "abc"]
    reader = RequestReader([TensorSpec("x", "INT64", (None,))], outputs, max_rows=1)
    body = json.loads(request("INT64", [1], [7]))
    body["outputs"] = [{"name": name} for name in "cac"]
    assert reader.read(json.dumps(body).encode()).wanted == (2, 0)


def test_a_response_is_json_with_the_id_only_if_there_was_one() -> None:
    tensor = Tensor("y", (1, 2), "FP32", [0.5, 1.5])
    plain = json.loads(encode_response("m", "v", None, [tensor]))
    assert plain == {
        "model_name": "m",
        "model_version": "v",
        "outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]}],
    }
    assert json.loads(encode_response("m", "v", "7", []))["id"] == "7"
