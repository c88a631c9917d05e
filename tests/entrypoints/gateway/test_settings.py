"""Settings and parts that cannot work are refused when they are made."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from mooring.entrypoints.gateway import GatewayServer, GatewaySettings, create_app
from mooring.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_body", 0),
        ("max_in_flight", -1),
        ("max_batch", 0),
        ("request_timeout_s", 0.0),
        ("max_wait_s", -0.1),
        ("callers", {"ABC": "lab"}),
        ("callers", {"a" * 64: ""}),
        ("callers", {"a" * 64: "anonymous"}),
        ("callers", {"a" * 64: "line\nfeed"}),
        ("callers", {"a" * 64: "x" * 257}),
        ("default_purpose", "two words"),
        ("default_purpose", ""),
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"gateway setting {name} is") as caught:
        GatewaySettings(**{name: value})  # type: ignore[arg-type]
    assert caught.value.code == "gateway-setting"
    assert caught.value.hint


def test_callers_that_are_well_formed_are_taken() -> None:
    assert GatewaySettings(callers={"a" * 64: "lab"}).callers["a" * 64] == "lab"


def test_a_gateway_without_a_log_must_be_said_to_be_unrecorded(deployment: Any, tmp_path: Any) -> None:
    site = deployment.Site()
    with pytest.raises(ConfigError) as caught:
        create_app(deployment.parts_of(site, None))
    assert caught.value.code == "gateway-log"
    with deployment.open_log(tmp_path) as log, pytest.raises(ConfigError):
        create_app(deployment.parts_of(site, log), GatewaySettings(unrecorded=True))


def test_an_unrecorded_gateway_answers_without_receipts(deployment: Any, onnx: bytes) -> None:
    import httpx

    site = deployment.Site()
    site.add("triage", "v1", onnx)
    server = GatewayServer(create_app(deployment.parts_of(site, None), GatewaySettings(unrecorded=True)))
    server.start()
    try:
        tensor = {"name": "X", "shape": [1, 30], "datatype": "FP32", "data": [0.5] * 30}
        response = httpx.post(f"{server.url}/v2/models/triage/infer", json={"inputs": [tensor]}, timeout=30)
        assert response.status_code == 200
        assert "mooring-receipt" not in response.headers
        refused = httpx.post(
            f"{server.url}/v2/models/triage/infer", json={"inputs": [tensor]}, headers={"mooring-purpose": "other"}
        )
        assert refused.status_code == 403
    finally:
        server.stop()


def test_a_port_in_use_is_a_clear_error(world: Any) -> None:
    with pytest.raises(ConfigError, match=f"port {world.server.port}") as caught:
        GatewayServer(world.server.app, port=world.server.port)
    assert caught.value.code == "gateway-address"


def test_a_free_port_is_found_on_either_family(world: Any) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    server = GatewayServer(world.server.app, host="::1")
    assert server.url == f"http://[::1]:{server.port}"
    server.stop()
