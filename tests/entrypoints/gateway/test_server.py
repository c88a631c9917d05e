"""The gateway as a process of its own: it starts, serves, and drains at a signal."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from mooring.entrypoints.gateway import GatewayServer, create_app
from mooring.errors import ConfigError

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gateway" / "mooring_server.py"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_serves_and_ends_cleanly_at_a_signal(
    tmp_path: Path, onnx: bytes, deployment: Any, number: int
) -> None:
    model, folder = tmp_path / "model.onnx", tmp_path / "receipts"
    model.write_bytes(onnx)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SCRIPT), str(model), str(folder), "--port", str(port)])
    try:
        tensor = {"name": "X", "shape": [1, 30], "datatype": "FP32", "data": [0.5] * 30}
        last = time.monotonic() + 60
        while True:
            try:
                response = httpx.post(
                    f"http://127.0.0.1:{port}/v2/models/triage/infer", json={"inputs": [tensor]}, timeout=30
                )
                break
            except httpx.ConnectError:
                assert time.monotonic() < last
                time.sleep(0.1)
        assert response.status_code == 200
        process.send_signal(number)
        assert process.wait(30) in (0, -number)
    finally:
        process.kill()
        process.wait()
    with deployment.open_log(folder) as log:
        assert log.size == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_gateway_that_cannot_start_says_so(deployment: Any, tmp_path: Path, onnx: bytes) -> None:
    site = deployment.Site()
    with deployment.open_log(tmp_path) as log:
        server = GatewayServer(create_app(deployment.parts_of(site, log)))

        def broken() -> None:
            raise ZeroDivisionError

        server.app.door.open = broken  # type: ignore[method-assign]
        with pytest.raises(ConfigError) as caught:
            server.start()
        server.stop()
    assert caught.value.code == "gateway-start"
