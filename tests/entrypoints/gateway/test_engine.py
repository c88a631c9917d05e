"""A model is run in batches only where a trial shows that rows do not touch each other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from onnx import TensorProto, helper

from mooring.entrypoints.gateway.engine import Engine
from mooring.errors import RecordError, WorkflowError

REAL, WHOLE = TensorProto.FLOAT, TensorProto.INT64


def engine(nodes: list[Any], x: tuple[int, list[Any]], y: tuple[int, list[Any]], *constants: Any) -> Engine:
    values = [helper.make_tensor_value_info("x", *x)], [helper.make_tensor_value_info("y", *y)]
    graph = helper.make_graph(nodes, "test", *values, list(constants))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Engine(made.SerializeToString(), max_rows=64)


def ask(found: Engine, data: list[Any], shape: list[int]) -> Any:
    kind = found.inputs[0].datatype
    return found.reader.read(
        json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": kind, "data": data}]}).encode()
    )


def answer(found: Engine, *requests: Any) -> list[list[Any]]:
    return [[list(t.data) for t in ts] for ts in found.split(found.run(found.arrays(requests)), requests)]


def test_rows_that_stand_alone_are_batchable() -> None:
    found = engine([helper.make_node("Add", ["x", "x"], ["y"])], (REAL, ["n", 2]), (REAL, ["n", 2]))
    assert found.batchable
    assert found.cost_s > 0
    one, two = ask(found, [1, 2], [1, 2]), ask(found, [3, 4, 5, 6], [2, 2])
    assert answer(found, one, two) == [[[2.0, 4.0]], [[6.0, 8.0, 10.0, 12.0]]]


@pytest.mark.parametrize(
    ("nodes", "shape"),
    [
        ([helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1)], ["k", 1]),  # one row whatever comes in
        ([helper.make_node("CumSum", ["x", "axis"], ["y"])], ["n", 1]),  # other values
        (
            [helper.make_node("MatMul", ["x", "t"], ["y"]), helper.make_node("Transpose", ["x"], ["t"])][::-1],
            ["n", "m"],
        ),
    ],
)
def test_rows_that_touch_each_other_are_not(nodes: list[Any], shape: list[Any]) -> None:
    axis = helper.make_tensor("axis", WHOLE, [], [0])
    found = engine(nodes, (REAL, ["n", 1]), (REAL, shape), axis)
    assert not found.batchable


def test_whole_numbers_must_agree_exactly() -> None:
    one = helper.make_tensor("one", WHOLE, [1], [1])
    assert engine([helper.make_node("Add", ["x", "one"], ["y"])], (WHOLE, ["n"]), (WHOLE, ["n"]), one).batchable
    # Each row's place among all rows: alone always 0.
    place = [
        helper.make_node("Shape", ["x"], ["size"]),
        helper.make_node("Squeeze", ["size"], ["count"]),
        helper.make_node("Range", ["zero", "count", "step"], ["y"]),
    ]
    scalars = [helper.make_tensor("zero", WHOLE, [], [0]), helper.make_tensor("step", WHOLE, [], [1])]
    assert not engine(place, (REAL, ["n"]), (WHOLE, ["n"]), *scalars).batchable


def test_a_fixed_batch_axis_is_not_batchable_and_takes_its_shape_only() -> None:
    found = engine([helper.make_node("Add", ["x", "x"], ["y"])], (REAL, [1, 2]), (REAL, [1, 2]))
    assert not found.batchable
    assert answer(found, ask(found, [1, 2], [1, 2])) == [[[2.0, 4.0]]]
    with pytest.raises(RecordError):
        ask(found, [1, 2, 3, 4], [2, 2])


def test_a_model_whose_free_dimensions_cannot_be_guessed_is_served_without_batching() -> None:
    shape = helper.make_tensor("shape", WHOLE, [2], [-1, 4])
    found = engine([helper.make_node("Reshape", ["x", "shape"], ["y"])], (REAL, ["n", "m"]), (REAL, ["k", 4]), shape)
    assert not found.batchable
    assert answer(found, ask(found, [1, 2, 3, 4], [1, 4])) == [[[1.0, 2.0, 3.0, 4.0]]]
    with pytest.raises(WorkflowError) as caught:
        answer(found, ask(found, [1, 2, 3], [1, 3]))
    assert caught.value.code == "model-run"


def test_rows_that_get_lost_in_a_batch_are_noticed() -> None:
    zero = helper.make_tensor("zero", REAL, [], [0.0])
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["keep"]),
        helper.make_node("Compress", ["x", "keep"], ["y"], axis=0),
    ]
    found = engine(nodes, (REAL, ["n"]), (REAL, ["k"]), zero)
    assert found.batchable  # nothing is lost of the trial's rows
    requests = [ask(found, [1.0], [1]), ask(found, [0.0], [1])]
    with pytest.raises(RecordError) as caught:
        answer(found, *requests)
    assert caught.value.code == "model-output"
    assert answer(found, requests[0]) == [[[1.0]]]
    assert answer(found, requests[1]) == [[[]]]


def test_numbers_beyond_the_models_width_are_not_finite() -> None:
    found = engine([helper.make_node("Add", ["x", "x"], ["y"])], (REAL, ["n"]), (REAL, ["n"]))
    assert found.finite(found.arrays([ask(found, [3e38], [1])]))
    assert not found.finite(found.arrays([ask(found, [3.5e38], [1])]))
    with pytest.raises(RecordError, match="NaN or an infinity"):
        answer(found, ask(found, [3e38], [1]))
