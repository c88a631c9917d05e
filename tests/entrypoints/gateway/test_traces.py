"""Spans leave the process only where that is set up, and the missing package is named."""

from __future__ import annotations

import importlib.util
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from mooring.entrypoints.gateway import otlp_tracing
from mooring.errors import ConfigError

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def installed() -> bool:
    try:
        return importlib.util.find_spec(EXPORTER) is not None
    except ModuleNotFoundError:
        return False


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)
    with pytest.raises(ConfigError) as caught:
        otlp_tracing("http://localhost:4318/v1/traces")
    assert caught.value.code == "tracing"
    assert "mooring[otlp]" in caught.value.hint


@pytest.mark.skipif(not installed(), reason="the extra otlp is not installed")
def test_spans_arrive_at_the_endpoint(make_world: Any) -> None:
    arrived: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    tracing = otlp_tracing(f"http://127.0.0.1:{collector.server_port}/v1/traces")
    world = make_world(tracer=tracing.tracer)
    world.infer()
    tracing.close()
    collector.shutdown()
    assert b"/v2/models/triage/infer" in b"".join(arrived)


@pytest.mark.skipif(not installed(), reason="the extra otlp is not installed")
@pytest.mark.parametrize(("endpoint", "sampled"), [("localhost:4318", 1.0), ("http://localhost", 1.5)])
def test_an_endpoint_or_share_that_cannot_be_is_refused(endpoint: str, sampled: float) -> None:
    with pytest.raises(ConfigError):
        otlp_tracing(endpoint, sampled=sampled)
