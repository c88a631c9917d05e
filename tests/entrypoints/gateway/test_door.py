"""What the door does besides the common way: parked requests, changes on the way, errors that nobody foresaw."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mooring.entrypoints.gateway import GatewaySettings
from mooring.entrypoints.gateway import pump as pump_module


def held_up(world: Any, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make loading wait for the returned event."""
    go = threading.Event()
    load = world.site.load

    def wait_and_load(model: str, version: str) -> bytes:
        assert go.wait(20)
        return bytes(load(model, version))

    monkeypatch.setattr(world.site, "load", wait_and_load)
    return go


def test_requests_wait_for_their_model_to_load_and_it_is_loaded_once(
    world: Any, onnx: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.infer()
    go = held_up(world, monkeypatch)
    world.site.add("triage", "v2", onnx)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(world.infer) for _ in range(4)]
        while world.metric("gateway_requests_in_flight") < 4:
            time.sleep(0.02)
        world.problem(world.client.get("/v2/models/triage/ready"), 503, "model-load")
        go.set()
        answers = [future.result() for future in waiting]
    assert {world.receipt(answer).version for answer in answers} == {"v2"}
    assert world.site.loads == 2


def test_a_load_that_takes_too_long_is_answered_in_time(
    make_world: Any, onnx: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(GatewaySettings(request_timeout_s=0.3))
    world.infer()
    go = held_up(world, monkeypatch)
    world.site.add("triage", "v2", onnx)
    world.problem(world.infer(), 503, "timeout")
    go.set()
    last = time.monotonic() + 10
    while world.infer().status_code != 200:
        assert time.monotonic() < last


def test_a_suspension_while_the_model_loads_is_obeyed(world: Any, onnx: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    world.infer()
    go = held_up(world, monkeypatch)
    world.site.add("triage", "v2", onnx)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.infer, path="/v2/models/triage/versions/v2/infer")
        while world.metric("gateway_requests_in_flight") < 1:
            time.sleep(0.02)
        world.site.set_status("triage", "v2", "suspended")
        go.set()
        world.problem(waiting.result(), 403, "denied")


def test_only_so_many_models_stay_loaded(make_world: Any, onnx: bytes) -> None:
    world = make_world(GatewaySettings(max_models=2))
    for version in ("v2", "v3"):
        world.site.add("triage", version, onnx)
    for version in ("v1", "v2", "v3", "v1", "v2", "v3"):
        assert world.infer(path=f"/v2/models/triage/versions/{version}/infer").status_code == 200
    loaded = [
        world.client.get(f"/v2/models/triage/versions/{version}").json()["parameters"]["loaded"]
        for version in ("v1", "v2", "v3")
    ]
    assert sum(loaded) <= 2


def test_a_current_version_that_does_not_exist_is_not_found_and_stops_nothing(world: Any) -> None:
    world.infer()
    world.site.in_service["triage"] = "v9"
    world.site.state_id += 1
    world.problem(world.infer(), 404, "version-unknown")
    time.sleep(0.4)
    world.problem(world.infer(), 404, "version-unknown")
    world.problem(world.client.get("/v2/models/triage"), 404, "version-unknown")
    world.problem(world.client.get("/v2/models/nobody"), 404, "model-unknown")
    assert world.infer(path="/v2/models/triage/versions/v1/infer").status_code == 200


def test_an_error_that_nobody_foresaw_is_answered_500_without_a_receipt(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.infer()
    with monkeypatch.context() as patch:
        patch.setattr(pump_module, "encode_response", lambda *_: 1 / 0)
        problem = world.problem(world.infer(), 500, "internal")
    assert "ZeroDivisionError" not in json.dumps(problem)
    assert world.log.size == 1
    assert world.infer().status_code == 200


def test_a_source_or_policy_that_fails_lets_nothing_through(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mooring.errors import PolicyError

    def broken(*_: str) -> Any:
        raise PolicyError("the policy cannot be read", code="policy-syntax", hint="set it again")

    world.infer()
    with monkeypatch.context() as patch:
        patch.setattr(world.server.app.door._judge, "_authorise", broken)
        world.site.state_id += 1
        problem = world.problem(world.infer(), 503, "undecided")
    assert problem["detail"] == "the policy cannot be read"
    world.site.state_id += 1
    assert world.infer().status_code == 200


def test_a_decision_is_kept_until_a_followed_fact_changes(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    authorise = world.site.authorise

    def counted(*question: str) -> Any:
        asked.append(question)
        return authorise(*question)

    monkeypatch.setattr(world.server.app.door._judge, "_authorise", counted)
    for _ in range(5):
        world.infer()
    assert asked == [("anonymous", "triage", "v1", "inference")] * len(asked)
    assert len(asked) <= 2  # once more if the first came while the model was being loaded
    world.infer(mooring_purpose="audit")
    world.infer(mooring_purpose="audit")
    assert asked[-1][3] == "audit"
    before = len(asked)
    world.site.state_id += 1
    world.infer()
    assert len(asked) == before + 1


def test_many_purposes_do_not_fill_the_memory(world: Any) -> None:
    world.infer()
    judge = world.server.app.door._judge
    for n in range(4200):
        judge.judge((b"/v2/models/triage/infer", b"", b"purpose-%d" % n))
    assert len(judge._known) <= 4097


def test_a_chosen_output_of_a_shared_run_comes_alone(make_world: Any) -> None:
    world = make_world(GatewaySettings(max_wait_s=0.5, inline_run_s=60.0))
    world.infer()
    bodies = [world.body(outputs=[{"name": "label"}]), world.body(), world.body(outputs=[{"name": "probabilities"}])]
    world.tap.flows.clear()
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(world.send, body) for body in bodies]
        time.sleep(0.2)
        world.tap.flows.set()
        answers = [[output["name"] for output in future.result().json()["outputs"]] for future in waiting]
    assert answers == [["label"], ["label", "probabilities"], ["probabilities"]]


def test_a_client_that_leaves_in_the_middle_of_a_chunked_body_disturbs_nobody(world: Any) -> None:
    with socket.create_connection((world.server.host, world.server.port)) as sock:
        sock.sendall(b"POST /v2/models/triage/infer HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
    time.sleep(0.2)
    assert world.infer().status_code == 200
    assert world.log.size == 1


def test_requests_that_come_while_it_stops_are_told_so(world: Any) -> None:
    world.infer()
    world.tap.flows.clear()
    body = world.body()
    head = f"POST /v2/models/triage/infer HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with (
        socket.create_connection((world.server.host, world.server.port), timeout=20) as sock,
        ThreadPoolExecutor(1) as pool,
    ):
        sock.sendall(head + body)
        while world.metric("gateway_requests_in_flight") < 1:
            time.sleep(0.02)
        stopping = pool.submit(world.server.stop)
        time.sleep(0.3)
        world.tap.flows.set()
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        stopping.result()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in answer
