"""Everything but inference: health, metadata, metrics, and the log as any C2SP client reads it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from mooring.entrypoints.gateway import GatewaySettings
from mooring.proofs import merkle
from mooring.proofs.checkpoint import open_checkpoint
from mooring.proofs.tiles import hash_getter, parse_bundle, parse_path
from mooring.records.receipt import Receipt


def test_the_server_says_what_it_is(world: Any) -> None:
    assert world.client.get("/v2").json() == {"name": "mooring", "version": "test", "extensions": ["mooring_receipts"]}


def test_a_model_is_described_as_the_protocol_asks(world: Any) -> None:
    world.infer()
    found = world.client.get("/v2/models/triage").json()
    assert found["versions"] == ["v1"]
    assert found["platform"] == "onnx_onnxv1"
    assert found["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 30]}]
    assert [output["name"] for output in found["outputs"]] == ["label", "probabilities"]
    assert found["parameters"]["status"] == "active"
    assert found["parameters"]["manifest"] == str(world.site.version("triage", "v1").manifest)
    assert found["parameters"]["batching"]


def test_a_version_that_does_not_serve_is_described_without_its_tensors(world: Any, onnx: bytes) -> None:
    world.site.add("triage", "v2", onnx, status="proposed")
    found = world.client.get("/v2/models/triage/versions/v2").json()
    assert (found["inputs"], found["outputs"]) == ([], [])
    assert found["parameters"]["status"] == "proposed"
    assert not found["parameters"]["loaded"]


def test_a_model_is_ready_when_its_version_is_active_and_loaded(world: Any, onnx: bytes) -> None:
    world.infer()
    assert world.client.get("/v2/models/triage/ready").json() == {"name": "triage", "ready": True}
    assert world.client.get("/v2/models/triage/versions/v1/ready").status_code == 200
    world.site.add("triage", "v2", onnx, status="proposed")
    world.problem(world.client.get("/v2/models/triage/versions/v2/ready"), 403, "not-active")
    world.problem(world.client.get("/v2/models/triage/versions/v3/ready"), 404, "version-unknown")
    world.problem(world.client.get("/v2/models/nobody/ready"), 404, "model-unknown")
    world.site.set_status("triage", "v1", "suspended")
    world.problem(world.client.get("/v2/models/triage/ready"), 403, "no-current-version")


def test_a_model_that_cannot_be_loaded_is_not_ready(world: Any) -> None:
    world.site.add("broken", "v1", b"no model")
    world.problem(world.infer(path="/v2/models/broken/infer"), 503, "model-load")
    world.problem(world.client.get("/v2/models/broken/ready"), 503, "model-load")


def test_what_is_in_service_is_loaded_before_anyone_asks(world: Any) -> None:
    import time

    last = time.monotonic() + 10
    while not world.client.get("/v2/models/triage").json()["parameters"]["loaded"]:
        assert time.monotonic() < last
        time.sleep(0.05)
    assert world.site.loads == 1
    world.infer()
    assert world.site.loads == 1


def test_readiness_of_a_model_falls_with_that_of_the_gateway(world: Any) -> None:
    world.infer()
    world.site.lag_s = 99.0
    world.problem(world.client.get("/v2/models/triage/ready"), 503, "stale")


@pytest.mark.parametrize(
    "path", ["/", "/v1/models", "/v2/models/UPPER", "/v2/models/triage/versions/V1/ready", "/mooring/receipts/01/proof"]
)
def test_an_unknown_path_is_a_problem_too(world: Any, path: str) -> None:
    world.problem(world.client.get(path), 404, "path")


def test_another_method_is_a_problem_that_names_the_right_one(world: Any) -> None:
    response = world.client.post("/v2/health/live")
    world.problem(response, 405, "method")
    assert "GET" in response.headers["allow"]


def test_any_client_can_read_the_log_from_its_tiles(world: Any) -> None:
    answers = [world.infer() for _ in range(9)]
    world.problem(world.client.get("/checkpoint"), 404, "checkpoint")
    world.published.seal()
    response = world.client.get("/checkpoint")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    signed = open_checkpoint(response.content, world.published.key)
    assert signed.checkpoint.size == 9

    def read(tile: Any) -> bytes:
        found = world.client.get(f"/{tile.path}")
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
        return bytes(found.content)

    get = hash_getter(9, read)
    assert merkle.root_of(9, get) == signed.checkpoint.root
    entries = parse_bundle(read(parse_path("tile/entries/000.p/9")), 9)
    assert list(entries) == [world.evidence(answer)[0] for answer in answers]
    leaf = merkle.leaf_hash(entries[4])
    merkle.verify_inclusion(leaf, 4, 9, merkle.inclusion_path(4, 9, get), signed.checkpoint.root)


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/0",
        "/tile/0/001",
        "/tile/0/000.p/256",
        "/tile/x/000",
        "/tile/0/..%2f..%2fcheckpoint",
        "/tile/0/000.p/200",
    ],
)
def test_a_tile_that_does_not_exist_is_not_found(world: Any, path: str) -> None:
    world.infer()
    world.published.seal()
    assert world.client.get(path).status_code == 404


def test_proofs_of_what_is_not_sealed_or_not_there_are_not_found(world: Any) -> None:
    world.infer()
    world.published.seal()
    world.infer()
    assert world.client.get("/mooring/receipts/0/proof").status_code == 200
    world.problem(world.client.get("/mooring/receipts/1/proof"), 404, "not-sealed")
    world.problem(world.client.get("/mooring/receipts/2/proof"), 404, "receipt-unknown")


def test_a_log_may_stay_unpublished(make_world: Any) -> None:
    world = make_world(GatewaySettings(publish_log=False))
    world.infer()
    world.published.seal()
    world.problem(world.client.get("/checkpoint"), 404, "path")
    world.problem(world.client.get("/tile/0/000.p/1"), 404, "path")
    world.problem(world.client.get("/mooring/receipts/0/proof"), 404, "path")


def test_metrics_parse_and_count_what_happened(make_world: Any) -> None:
    registry = CollectorRegistry()
    Counter("mooring_other", "something of the wiring's", registry=registry).inc(3)
    world = make_world(registry=registry)
    for _ in range(3):
        world.infer()
    world.send(b"{}")
    world.infer(path="/v2/models/nobody/infer")
    families = {family.name: family for family in text_string_to_metric_families(world.client.get("/metrics").text)}
    for name in (
        "model_infer_request_success",
        "model_infer_request_failure",
        "model_infer_request_duration",
        "request_predict_seconds",
        "receipt_commit_seconds",
        "receipt_batch_size",
        "policy_denied",
        "gateway_refused",
        "gateway_requests_in_flight",
        "follower_lag_seconds",
        "mooring_other",
    ):
        assert name in families, name
    assert "anchor_lag_seconds" not in families  # nothing is known of anchors here
    assert world.metric("model_infer_request_success_total", model="triage", version="v1") == 3
    assert world.metric("model_infer_request_failure_total", model="triage", version="v1") == 1
    assert world.metric("model_infer_request_duration_count", model="triage", version="v1") == 3
    assert world.metric("gateway_refused_total", code="model-unknown") == 1
    assert world.metric("receipt_commit_seconds_count") == 3
    assert world.metric("mooring_other_total") == 3


def test_spans_continue_the_callers_trace_if_tracing_is_set_up(make_world: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    world = make_world(tracer=provider.get_tracer("test"))
    trace = "0af7651916cd43dd8448eb211c80319c"
    world.infer(traceparent=f"00-{trace}-b7ad6b7169203331-01")
    world.send(b"{}")
    world.infer(mooring_purpose="advertising")
    spans = exporter.get_finished_spans()
    assert [span.attributes["http.response.status_code"] for span in spans] == [200, 422, 403]
    assert format(spans[0].context.trace_id, "032x") == trace
    assert spans[0].parent.is_remote
    assert spans[1].parent is None


def test_what_the_log_shows_holds_receipts_only_of_what_was_answered(world: Any) -> None:
    world.infer()
    world.send(b"{")
    world.infer(path="/v2/models/nobody/infer")
    assert [type(Receipt.from_bytes(entry)) for entry in world.log.entries(0, world.log.size)] == [Receipt]
