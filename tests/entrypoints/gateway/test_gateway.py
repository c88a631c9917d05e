"""The gateway over real HTTP: an answer carries a receipt that was durable before it left, and is refused by rule."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from mooring.entrypoints.gateway import GatewaySettings
from mooring.proofs import merkle
from mooring.proofs.checkpoint import open_checkpoint
from mooring.records.receipt import Receipt, commit_input, commit_output
from mooring.workflows.serve import Refusal, parse_entry

ROW = [float(n) / 7 for n in range(30)]


def test_an_answer_is_what_the_model_says(world: Any, onnx: bytes) -> None:
    response = world.infer(ROW)
    label, probabilities = ort.InferenceSession(onnx).run(None, {"X": np.array([ROW], np.float32)})
    assert response.status_code == 200
    assert response.json() == {
        "model_name": "triage",
        "model_version": "v1",
        "outputs": [
            {"name": "label", "shape": [1], "datatype": "INT64", "data": label.tolist()},
            {"name": "probabilities", "shape": [1, 2], "datatype": "FP32", "data": probabilities[0].tolist()},
        ],
    }


def test_the_receipt_names_caller_model_policy_and_opens_to_request_and_response(world: Any) -> None:
    body = world.body(ROW)
    response = world.send(body)
    entry, salt = world.evidence(response)
    receipt = Receipt.from_bytes(entry)
    served = world.site.version("triage", "v1")
    assert (receipt.caller, receipt.model, receipt.version) == ("anonymous", "triage", "v1")
    assert (receipt.purpose, receipt.batch, receipt.index) == ("inference", 1, 0)
    assert (receipt.manifest, receipt.policy, receipt.origin) == (
        served.manifest,
        world.site.policy.digest,
        world.log.origin,
    )
    assert receipt.input == commit_input(salt, body).hex()
    assert receipt.output == commit_output(salt, response.content).hex()
    assert receipt.input != commit_input(bytes(32), body).hex()


def test_the_receipt_stands_in_the_log_before_the_answer_leaves(world: Any) -> None:
    world.tap.flows.clear()
    with pytest.raises(Exception, match="timed out"):
        world.client.post("/v2/models/triage/infer", content=world.body(ROW), timeout=0.5)
    assert world.tap.reached.is_set()
    world.tap.flows.set()
    response = world.infer(ROW)
    receipt = world.receipt(response)
    assert world.log.entry(receipt.index) == world.evidence(response)[0]


def test_receipts_are_numbered_without_gaps(world: Any) -> None:
    assert [world.receipt(world.infer(ROW)).index for _ in range(5)] == list(range(5))


def test_no_salt_is_ever_used_twice_nor_logged(world: Any) -> None:
    answers = [world.infer(ROW) for _ in range(8)]
    salts = {world.evidence(answer)[1] for answer in answers}
    assert len(salts) == 8
    entries = b"".join(world.log.entries(0, world.log.size))
    for salt, answer in zip(salts, answers, strict=True):
        assert salt not in entries
        assert salt.hex().encode() not in entries
        assert answer.headers["mooring-salt"].encode() not in entries


def test_an_id_comes_back_and_chosen_outputs_come_alone(world: Any) -> None:
    answer = world.send(world.body(ROW, id="patient-7", outputs=[{"name": "probabilities"}])).json()
    assert answer["id"] == "patient-7"
    assert [output["name"] for output in answer["outputs"]] == ["probabilities"]


def test_rows_of_one_request_are_answered_together(world: Any) -> None:
    rows = [[float(n + k) for n in range(30)] for k in range(5)]
    answer = world.infer(*rows).json()
    assert answer["outputs"][1]["shape"] == [5, 2]
    alone = [world.infer(row).json()["outputs"][1]["data"] for row in rows]
    assert np.allclose(answer["outputs"][1]["data"], np.ravel(alone))


def test_a_version_can_be_named(world: Any, onnx: bytes) -> None:
    world.site.add("triage", "v2", onnx, status="active")
    assert world.receipt(world.infer(ROW, path="/v2/models/triage/versions/v1/infer")).version == "v1"
    assert world.receipt(world.infer(ROW)).version == "v2"


def test_a_purpose_of_the_deployment_is_taken_and_noted(world: Any, onnx: bytes) -> None:
    world.site.add("triage", "v2", onnx, purposes=("inference", "audit"))
    assert world.receipt(world.infer(ROW, mooring_purpose="audit")).purpose == "audit"


def test_another_purpose_is_refused_by_rule_and_the_refusal_is_logged(world: Any) -> None:
    problem = world.problem(world.infer(ROW, mooring_purpose="advertising"), 403, "denied")
    assert problem["rule"] == "purpose-of-the-deployment"
    assert problem["hint"]
    refusal = parse_entry(world.log.entry(0))
    assert isinstance(refusal, Refusal)
    assert (refusal.caller, refusal.model, refusal.version) == ("anonymous", "triage", "v1")
    assert (refusal.purpose, refusal.rule, refusal.policy) == (
        "advertising",
        "purpose-of-the-deployment",
        world.site.policy.digest,
    )
    assert world.metric("policy_denied_total", reason="purpose-of-the-deployment") == 1


@pytest.mark.parametrize("purpose", ["bad purpose", "x" * 65, "-", "naïve"])
def test_a_purpose_that_is_no_name_is_refused(world: Any, purpose: str) -> None:
    response = world.client.post(
        "/v2/models/triage/infer", content=world.body(ROW), headers={"mooring-purpose": purpose.encode()}
    )
    world.problem(response, 400, "purpose")


@pytest.mark.parametrize("path", ["/v2/models/triage/infer", "/v2/models/triage/versions/v1/infer"])
def test_a_suspended_version_is_refused_at_the_next_request(world: Any, path: str) -> None:
    assert world.infer(ROW, path=path).status_code == 200
    world.site.set_status("triage", "v1", "suspended")
    problem = world.problem(world.infer(ROW, path=path), 403, "denied")
    assert problem["rule"] == "only-active-versions-serve"
    assert "suspended" in problem["detail"]
    world.site.set_status("triage", "v1", "active")
    world.site.in_service["triage"] = "v1"
    assert world.infer(ROW, path=path).status_code == 200


def test_a_policy_that_permits_everything_still_cannot_serve_what_is_not_active(world: Any) -> None:
    from mooring.policy import Policy

    world.site.policy = Policy.load('@id("all") permit (principal, action, resource);')
    world.site.set_status("triage", "v1", "retired")
    problem = world.problem(world.infer(ROW), 403, "not-active")
    assert problem["rule"] == "only-active-versions-serve"


def test_without_a_version_in_service_the_refusal_says_so(world: Any, onnx: bytes) -> None:
    del world.site.in_service["triage"]
    world.site.state_id += 1
    problem = world.problem(world.infer(ROW), 403, "no-current-version")
    assert "v1" in problem["detail"]
    assert world.infer(ROW, path="/v2/models/triage/versions/v1/infer").status_code == 200


def test_a_stale_follower_stops_all_answers_and_readiness(world: Any) -> None:
    assert world.infer(ROW).status_code == 200
    world.site.lag_s = 60.0
    problem = world.problem(world.infer(ROW), 503, "stale")
    assert "60.0 s" in problem["detail"]
    assert world.client.get("/v2/health/ready").status_code == 503
    assert world.client.get("/v2/health/live").status_code == 200
    world.site.lag_s = 0.0
    assert world.infer(ROW).status_code == 200
    assert world.client.get("/v2/health/ready").status_code == 200


def test_weights_that_are_not_the_registered_ones_are_never_loaded(make_world: Any, onnx: bytes) -> None:
    world = make_world(GatewaySettings(reload_after_s=0.2))
    world.site.add("triage", "v2", onnx)
    world.site.onnx["triage", "v2"] = onnx[:-1] + bytes([onnx[-1] ^ 1])
    problem = world.problem(world.infer(ROW), 503, "model-load")
    assert "not what was registered" in problem["detail"]
    assert world.infer(ROW, path="/v2/models/triage/versions/v1/infer").status_code == 200
    world.site.onnx["triage", "v2"] = onnx
    time.sleep(0.25)
    assert world.receipt(world.infer(ROW)).version == "v2"


def test_bytes_that_are_no_model_are_refused(world: Any) -> None:
    world.site.add("other", "v1", b"not a model")
    problem = world.problem(world.infer(ROW, path="/v2/models/other/infer"), 503, "model-load")
    assert "does not load" in problem["detail"]


def test_an_unknown_model_and_an_unknown_version_are_not_found(world: Any) -> None:
    world.problem(world.infer(ROW, path="/v2/models/nobody/infer"), 404, "model-unknown")
    problem = world.problem(world.infer(ROW, path="/v2/models/triage/versions/v9/infer"), 404, "version-unknown")
    assert problem["hint"] == "it has v1"


@pytest.mark.parametrize(
    "path", ["/v2/models/Upper/infer", "/v2/models//infer", "/v2/models/a/b/infer", "/v2/models/a%00b/infer"]
)
def test_a_path_that_names_no_model_is_not_found(world: Any, path: str) -> None:
    world.problem(world.infer(ROW, path=path), 404, "path")


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"name": "Y"}, 422, "tensor-name", "'Y'"),
        ({"datatype": "INT64"}, 422, "tensor-type", "'INT64'"),
        ({"datatype": "BYTES", "data": ["x"] * 30}, 422, "tensor-type", "'BYTES'"),
        ({"shape": [1, 29]}, 422, "tensor-shape", "[1, 29]"),
        ({"shape": [30]}, 422, "tensor-shape", "[30]"),
        ({"shape": [0, 30], "data": []}, 422, "tensor-shape", "[0, 30]"),
        ({"shape": [-1, 30]}, 422, "tensor-shape", "[-1, 30]"),
        ({"data": [0.5] * 29}, 422, "tensor-shape", "29 elements"),
        ({"data": [[0.5] * 29]}, 422, "tensor-shape", "nest"),
        ({"data": 7}, 422, "tensor-shape", "not an array"),
        ({"data": ["a"] * 30}, 422, "tensor-value", "'a'"),
        ({"data": [None] * 30}, 422, "tensor-value", "None"),
        ({"data": [True] * 30}, 422, "tensor-value", "True"),
        ({"data": [1e39] + [0.5] * 29}, 422, "tensor-value", "range"),
        ({"shape": [1025, 30], "data": [0.5] * 30750}, 413, "batch-size", "1025 rows"),
        ({"shape": "1,30"}, 422, "request-shape", "shape"),
        ({"parameters": {"binary_data_size": 120}}, 415, "binary-tensors", "binary"),
    ],
)
def test_a_wrong_tensor_is_refused_by_field_value_and_remedy(
    world: Any, changes: dict[str, object], status: int, code: str, words: str
) -> None:
    problem = world.problem(world.tensor(**changes), status, code)
    assert words in problem["detail"]
    assert problem["hint"]
    assert world.log.size == 0
    assert world.tensor().status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "json"),
        (b"{", 400, "json"),
        (b"\xff\xfe", 400, "json"),
        (b'{"inputs": [{"name": "X", "shape": [1], "datatype": "FP32", "data": ' + b"[" * 100_000, 400, "json"),
        (b"[" * 100_000, 422, "request-shape"),
        (b'{"inputs": [{"name": "X", "shape": [1, 30], "datatype": "FP32", "data": [NaN]}]}', 400, "json"),
        (b"[]", 422, "request-shape"),
        (b"{}", 422, "request-shape"),
        (b'{"inputs": []}', 422, "tensor-missing"),
        (b'{"inputs": [{"name": "X"}]}', 422, "request-shape"),
    ],
)
def test_a_body_that_is_no_request_is_refused(world: Any, body: bytes, status: int, code: str) -> None:
    assert world.problem(world.send(body), status, code)["hint"]
    assert world.log.size == 0


def test_an_input_sent_twice_an_unknown_output_and_a_long_id_are_refused(world: Any) -> None:
    request = json.loads(world.body(ROW))
    world.problem(world.send(json.dumps({"inputs": request["inputs"] * 2})), 422, "tensor-name")
    problem = world.problem(world.send(world.body(ROW, outputs=[{"name": "variable"}])), 422, "output-name")
    assert problem["hint"] == "the model has label, probabilities"
    world.problem(world.send(world.body(ROW, id="x" * 257)), 422, "request-shape")
    world.problem(world.send(world.body(ROW, parameters={"binary_data_output": True})), 415, "binary-tensors")
    binary = [{"name": "label", "parameters": {"binary_data": True}}]
    world.problem(world.send(world.body(ROW, outputs=binary)), 415, "binary-tensors")


def test_nested_data_is_taken_if_it_nests_as_the_shape_says(world: Any) -> None:
    flat = world.tensor(shape=[2, 30], data=[0.5] * 60).json()
    nested = world.tensor(shape=[2, 30], data=[[0.5] * 30, [0.5] * 30]).json()
    assert nested == flat
    integers = world.tensor(data=[[1] * 30])
    assert integers.json() == world.tensor(data=[1.0] * 30).json()


def test_a_model_may_be_set_to_take_infinities(make_world: Any) -> None:
    world = make_world(GatewaySettings(non_finite_models=frozenset({"triage"})))
    response = world.tensor(data=[3e38] * 29 + [1e39])
    # Taken: the model itself answers NaN, which JSON cannot carry.
    problem = world.problem(response, 500, "model-output")
    assert "NaN" in problem["detail"]


def test_an_answer_survives_a_client_that_leaves(world: Any) -> None:
    world.tap.flows.clear()
    with pytest.raises(Exception, match="timed out"):
        world.client.post("/v2/models/triage/infer", content=world.body(ROW), timeout=0.3)
    world.tap.flows.set()
    receipt = world.receipt(world.infer(ROW))
    assert receipt.index == 1
    assert isinstance(parse_entry(world.log.entry(0)), Receipt)


def test_a_receipt_can_be_proved_against_the_checkpoint(world: Any) -> None:
    response = [world.infer(ROW) for _ in range(7)][3]
    entry, _ = world.evidence(response)
    world.problem(world.client.get("/mooring/receipts/3/proof"), 404, "not-sealed")
    world.published.seal()
    proof = world.client.get("/mooring/receipts/3/proof").json()
    signed = open_checkpoint(proof["checkpoint"].encode(), world.published.key)
    assert signed.checkpoint.size == proof["size"] == 7
    path = [bytes.fromhex(node) for node in proof["path"]]
    merkle.verify_inclusion(merkle.leaf_hash(entry), 3, 7, path, signed.checkpoint.root)
    with pytest.raises(Exception, match="inclusion"):
        merkle.verify_inclusion(merkle.leaf_hash(entry + b" "), 3, 7, path, signed.checkpoint.root)
