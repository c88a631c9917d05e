"""Requests run together where that changes nothing but time, and alone where it would."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx as onnx_format
import pytest
from onnx import TensorProto, helper

from mooring.entrypoints.gateway import GatewaySettings

ROWS = [[float(n * k % 11) for n in range(30)] for k in range(24)]
PATIENT = GatewaySettings(max_wait_s=0.5, inline_run_s=60.0)
IN_A_THREAD = GatewaySettings(inline_run_s=0.0)


def model(
    nodes: list[Any], inputs: dict[str, tuple[int, list[Any]]], outputs: dict[str, tuple[int, list[Any]]]
) -> bytes:
    """Return a small ONNX model."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx_format.checker.check_model(made)
    return bytes(made.SerializeToString())


def together(world: Any, bodies: list[bytes], path: str) -> list[Any]:
    """Send requests so that they are all waiting at once: the log is held up until they have arrived."""
    world.tap.flows.clear()
    with ThreadPoolExecutor(len(bodies)) as pool:
        waiting = [pool.submit(world.send, body, path) for body in bodies]
        while world.metric("gateway_requests_in_flight") < len(bodies):
            time.sleep(0.02)
        world.tap.flows.set()
        return [future.result() for future in waiting]


def probabilities(answers: list[Any]) -> Any:
    return np.array([answer.json()["outputs"][1]["data"] for answer in answers])


@pytest.mark.parametrize("settings", [PATIENT, IN_A_THREAD])
def test_requests_that_wait_together_run_together_and_get_their_own_rows(make_world: Any, settings: Any) -> None:
    world = make_world(settings)
    alone = probabilities([world.infer(row) for row in ROWS])
    answers = together(world, [world.body(row) for row in ROWS], "/v2/models/triage/infer")
    assert np.allclose(probabilities(answers), alone)
    batches = [world.receipt(answer).batch for answer in answers]
    assert max(batches) > 1
    assert world.metric("request_predict_seconds_count", model_name="triage") < 2 * len(ROWS)


def test_without_batching_each_runs_alone(make_world: Any) -> None:
    world = make_world(GatewaySettings(batching=False))
    answers = together(world, [world.body(row) for row in ROWS], "/v2/models/triage/infer")
    assert {world.receipt(answer).batch for answer in answers} == {1}


@pytest.mark.parametrize("settings", [PATIENT, IN_A_THREAD])
def test_one_bad_number_does_not_spoil_the_batch(make_world: Any, settings: Any) -> None:
    world = make_world(settings)
    good = [world.body(row) for row in ROWS[:7]]
    bad = json.loads(good[0])
    bad["inputs"][0]["data"][3] = 1e39
    world.infer(ROWS[0])
    world.tap.flows.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(world.send, body) for body in (*good, json.dumps(bad).encode())]
        time.sleep(0.7)
        world.tap.flows.set()
        *answers, refused = [future.result() for future in waiting]
    problem = world.problem(refused, 422, "tensor-value")
    assert "datatype" in problem["hint"]
    assert {answer.status_code for answer in answers} == {200}
    expected = probabilities([world.infer(row) for row in ROWS[:7]])
    assert np.allclose(probabilities(answers), expected)


def test_batches_are_cut_at_their_bound_and_a_large_request_stays_whole(make_world: Any) -> None:
    world = make_world(GatewaySettings(max_wait_s=0.5, max_batch=4, inline_run_s=60.0))
    bodies = [world.body(*ROWS[:3]), world.body(*ROWS[:6]), world.body(*ROWS[:2]), world.body(ROWS[0])]
    answers = together(world, bodies, "/v2/models/triage/infer")
    assert sorted(len(answer.json()["outputs"][0]["data"]) for answer in answers) == [1, 2, 3, 6]
    assert all(world.receipt(answer).batch <= 2 for answer in answers)


def test_rows_that_depend_on_each_other_are_never_run_together(make_world: Any) -> None:
    world = make_world(PATIENT)
    mean = helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1)
    centred = helper.make_node("Sub", ["x", "m"], ["y"])
    shape = (TensorProto.FLOAT, ["n", 2])
    world.site.add("centre", "v1", model([mean, centred], {"x": shape}, {"y": shape}))
    path = "/v2/models/centre/infer"
    body = json.dumps(
        {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 6]]}]}
    ).encode()
    assert world.send(body, path).json()["outputs"][0]["data"] == [-1.0, -2.0, 1.0, 2.0]
    assert not world.client.get("/v2/models/centre").json()["parameters"]["batching"]
    answers = together(world, [body] * 6, path)
    assert {world.receipt(answer).batch for answer in answers} == {1}
    assert all(answer.json()["outputs"][0]["data"] == [-1.0, -2.0, 1.0, 2.0] for answer in answers)


def test_requests_of_different_lengths_are_not_run_together(make_world: Any) -> None:
    world = make_world(PATIENT)
    double = helper.make_node("Add", ["x", "x"], ["y"])
    shape = (TensorProto.FLOAT, ["n", "m"])
    world.site.add("double", "v1", model([double], {"x": shape}, {"y": shape}))
    path = "/v2/models/double/infer"
    bodies = [
        json.dumps({"inputs": [{"name": "x", "shape": [1, m], "datatype": "FP32", "data": list(range(m))}]}).encode()
        for m in (1, 2, 3, 1, 2, 3)
    ]
    world.send(bodies[0], path)
    answers = together(world, bodies, path)
    for answer, body in zip(answers, bodies, strict=True):
        sent = json.loads(body)["inputs"][0]
        assert answer.json()["outputs"][0]["shape"] == sent["shape"]
        assert answer.json()["outputs"][0]["data"] == [2.0 * value for value in sent["data"]]
        assert world.receipt(answer).batch <= 2


@pytest.mark.parametrize("settings", [GatewaySettings(), IN_A_THREAD])
def test_a_model_that_fails_on_its_input_is_answered_500_and_leaves_no_receipt(make_world: Any, settings: Any) -> None:
    world = make_world(settings)
    gather = helper.make_node("Gather", ["table", "i"], ["y"], axis=0)
    graph_table = helper.make_tensor("table", TensorProto.FLOAT, [3], [10.0, 20.0, 30.0])
    made = model_with(gather, graph_table)
    world.site.add("lookup", "v1", made)
    path = "/v2/models/lookup/infer"

    def ask(index: int) -> Any:
        return world.send(
            json.dumps({"inputs": [{"name": "i", "shape": [1], "datatype": "INT64", "data": [index]}]}), path
        )

    assert ask(2).json()["outputs"][0]["data"] == [30.0]
    before = world.log.size
    problem = world.problem(ask(3), 500, "model-run")
    assert "the model failed" in problem["detail"]
    assert world.log.size == before
    assert ask(1).json()["outputs"][0]["data"] == [20.0]
    assert world.metric("model_infer_request_failure_total", model="lookup", version="v1") == 1


def model_with(node: Any, table: Any) -> bytes:
    graph = helper.make_graph(
        [node],
        "lookup",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [table],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


def test_every_datatype_goes_through_and_values_beyond_it_are_refused(world: Any) -> None:
    kinds = {
        "BOOL": (TensorProto.BOOL, [True, False], None),
        "INT8": (TensorProto.INT8, [-128, 127], 128),
        "INT16": (TensorProto.INT16, [-(2**15), 2**15 - 1], 2**15),
        "INT32": (TensorProto.INT32, [-(2**31), 2**31 - 1], -(2**31) - 1),
        "INT64": (TensorProto.INT64, [-(2**63), 2**63 - 1], 2**63),
        "UINT8": (TensorProto.UINT8, [0, 255], 256),
        "UINT16": (TensorProto.UINT16, [0, 2**16 - 1], -1),
        "UINT32": (TensorProto.UINT32, [0, 2**32 - 1], 2**32),
        "UINT64": (TensorProto.UINT64, [0, 2**64 - 1], 2**64),
        "FP16": (TensorProto.FLOAT16, [0.5, -2.0], 70000.0),
        "FP32": (TensorProto.FLOAT, [0.5, -2.0], 1e39),
        "FP64": (TensorProto.DOUBLE, [0.1, -1e300], None),
        "BYTES": (TensorProto.STRING, ["a", "é"], None),
    }
    for name, (kind, values, beyond) in kinds.items():
        version = name.lower()
        shape = (kind, ["n"])
        world.site.add("same", version, model([helper.make_node("Identity", ["x"], ["y"])], {"x": shape}, {"y": shape}))
        path = f"/v2/models/same/versions/{version}/infer"
        tensor = {"name": "x", "shape": [2], "datatype": name, "data": values}
        answer = world.send(json.dumps({"inputs": [tensor]}), path)
        assert answer.json()["outputs"] == [{"name": "y", "shape": [2], "datatype": name, "data": values}], name
        if beyond is not None:
            refused = world.send(json.dumps({"inputs": [{**tensor, "data": [values[0], beyond]}]}), path)
            world.problem(refused, 422, "tensor-value")
        wrong = {"BYTES": 1, "BOOL": 1}.get(name, "x")
        world.problem(
            world.send(json.dumps({"inputs": [{**tensor, "data": [wrong, wrong]}]}), path), 422, "tensor-value"
        )


def test_a_model_of_several_inputs_of_several_kinds_needs_them_all_with_equal_rows(world: Any) -> None:
    cast = helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT)
    add = helper.make_node("Add", ["x", "f"], ["y"])
    made = model(
        [cast, add],
        {"x": (TensorProto.FLOAT, ["n"]), "i": (TensorProto.INT64, ["n"])},
        {"y": (TensorProto.FLOAT, ["n"])},
    )
    world.site.add("sum", "v1", made)
    path = "/v2/models/sum/infer"
    x = {"name": "x", "shape": [2], "datatype": "FP32", "data": [0.5, 1]}
    i = {"name": "i", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    assert world.send(json.dumps({"inputs": [i, x]}), path).json()["outputs"][0]["data"] == [1.5, 3.0]
    problem = world.problem(world.send(json.dumps({"inputs": [x]}), path), 422, "tensor-missing")
    assert "'i'" in problem["detail"]
    short = {**i, "shape": [1], "data": [1]}
    problem = world.problem(world.send(json.dumps({"inputs": [x, short]}), path), 422, "tensor-shape")
    assert "1 rows" in problem["detail"]
    half = {**i, "data": [1, 2.5]}
    world.problem(world.send(json.dumps({"inputs": [x, half]}), path), 422, "tensor-value")


def test_a_model_whose_outputs_are_no_tensors_is_not_served(world: Any) -> None:
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    zipped = to_onnx(fitted, np.zeros((1, 1), np.float32), target_opset=17).SerializeToString()
    world.site.add("zipped", "v1", zipped)
    problem = world.problem(world.send(b"{}", "/v2/models/zipped/infer"), 503, "model-load")
    assert "seq(map(int64,tensor(float)))" in problem["detail"]


@pytest.mark.parametrize("status", ["suspended", "active"])
def test_a_change_of_status_reaches_requests_that_are_waiting(make_world: Any, status: str) -> None:
    # The first request's run occupies the model's lane while the second waits behind it.
    world = make_world(IN_A_THREAD)
    world.infer(ROWS[0])
    slow = helper.make_node("Loop", ["trips", "", "x"], ["y"], body=_body())
    trips = helper.make_tensor("trips", TensorProto.INT64, [], [80_000])
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in ("x", "y")]
    graph = helper.make_graph([slow], "slow", shape[:1], shape[1:], [trips])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    world.site.add("slow", "v1", made)
    body = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1.0]}]}).encode()
    path = "/v2/models/slow/infer"
    while world.client.get("/v2/models/slow/ready").status_code != 200:
        time.sleep(0.05)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(world.send, body, path)
        while world.metric("gateway_requests_in_flight") < 1:
            time.sleep(0.005)
        second = pool.submit(world.send, body, path)
        while world.metric("gateway_requests_in_flight") < 2:
            time.sleep(0.005)
        world.site.set_status("slow", "v1", status)
        assert first.result().status_code == 200
        answer = second.result()
    if status == "active":
        assert world.receipt(answer).version == "v1"
    else:
        assert world.problem(answer, 403, "denied")["rule"] == "only-active-versions-serve"


def _body() -> Any:
    """One turn of a loop that does nothing, slowly."""
    inputs = [
        helper.make_tensor_value_info("turn", TensorProto.INT64, []),
        helper.make_tensor_value_info("on_in", TensorProto.BOOL, []),
        helper.make_tensor_value_info("v_in", TensorProto.FLOAT, ["n", 1]),
    ]
    outputs = [
        helper.make_tensor_value_info("on_out", TensorProto.BOOL, []),
        helper.make_tensor_value_info("v_out", TensorProto.FLOAT, ["n", 1]),
    ]
    nodes = [
        helper.make_node("Identity", ["on_in"], ["on_out"]),
        helper.make_node("Abs", ["v_in"], ["v_out"]),
    ]
    return helper.make_graph(nodes, "turn", inputs, outputs)
