"""A gateway on a real socket, with a real model, policy and receipts log."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from mooring.entrypoints.gateway import GatewayParts, GatewayServer, GatewaySettings, create_app
from mooring.errors import StorageError
from mooring.records.receipt import Receipt
from mooring.storage.filelog import FileLog

ROOT = Path(__file__).parents[3]
FEATURES = 30
INFER = "/v2/models/triage/infer"


def _load(path: str) -> ModuleType:
    """Import a script of the benchmarks, which are no package."""
    name = f"benchmarks_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def deployment() -> ModuleType:
    """The benchmark's reduced deployment: Site, Published, train."""
    return _load("gateway/deployment.py")


@pytest.fixture(scope="session")
def onnx(deployment: ModuleType) -> bytes:
    """A logistic regression over the breast-cancer data."""
    return bytes(deployment.train())


class Tap:
    """The real log behind a tap: appends can be held up, or refused as the log itself would refuse."""

    def __init__(self, log: FileLog) -> None:
        self.log = log
        self.flows = threading.Event()
        self.flows.set()
        self.reached = threading.Event()
        self.error: StorageError | None = None
        self.batches: list[int] = []

    @property
    def origin(self) -> str:
        return self.log.origin

    @property
    def size(self) -> int:
        return self.log.size

    def append(self, entries: Sequence[bytes]) -> range:
        self.reached.set()
        assert self.flows.wait(20)
        if self.error is not None:
            raise self.error
        self.batches.append(len(entries))
        return self.log.append(entries)


@dataclass
class World:
    """One running gateway and everything around it."""

    site: Any  # benchmarks' Site
    log: FileLog
    tap: Tap
    published: Any  # benchmarks' Published
    server: GatewayServer
    client: httpx.Client
    folder: Path

    def infer(self, *rows: Sequence[float], path: str = INFER, **headers: str) -> httpx.Response:
        """Ask for a prediction of some rows; header names are given with _ for -."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, content=self.body(*rows), headers=names)

    def send(self, body: bytes | str, path: str = INFER, **headers: str) -> httpx.Response:
        """Send any body."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, content=body, headers=names)

    def tensor(self, **changes: object) -> httpx.Response:
        """Send a good request but for these changes of its tensor."""
        good = {"name": "X", "shape": [1, FEATURES], "datatype": "FP32", "data": [0.5] * FEATURES}
        return self.send(json.dumps({"inputs": [{**good, **changes}]}))

    @staticmethod
    def body(*rows: Sequence[float], **more: object) -> bytes:
        """Return a request body for these rows, by default one."""
        rows = rows or ([0.5] * FEATURES,)
        data = [value for row in rows for value in row]
        tensor = {"name": "X", "shape": [len(rows), len(rows[0])], "datatype": "FP32", "data": data}
        return json.dumps({"inputs": [tensor], **more}).encode()

    @staticmethod
    def evidence(response: httpx.Response) -> tuple[bytes, bytes]:
        """Return the receipt's bytes and the salt of an answer."""
        receipt, salt = (response.headers[name] for name in ("mooring-receipt", "mooring-salt"))
        return urlsafe_b64decode(receipt + "=="), urlsafe_b64decode(salt + "==")

    def receipt(self, response: httpx.Response) -> Receipt:
        """Return the receipt of an answer."""
        assert response.status_code == 200, response.text
        return Receipt.from_bytes(self.evidence(response)[0])

    @staticmethod
    def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
        """Check that an answer is this problem, well-formed and without a receipt, and return it."""
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = response.json()
        assert problem["type"] == f"urn:mooring:problem:{code}"
        assert problem["status"] == status
        assert problem["title"]
        assert problem["detail"] == problem["error"]
        assert "mooring-receipt" not in response.headers
        assert "mooring-salt" not in response.headers
        return problem

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value as /metrics shows it, 0 if it is absent."""
        inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        wanted = f"{name}{{{inner}}} " if inner else f"{name} "
        lines = [line for line in self.client.get("/metrics").text.splitlines() if line.startswith(wanted)]
        return float(lines[0].split()[-1]) if lines else 0.0


@pytest.fixture
def make_world(tmp_path: Path, deployment: ModuleType, onnx: bytes) -> Iterator[Callable[..., World]]:
    """Return what starts gateways; all are stopped at the end."""
    worlds: list[World] = []

    def make(settings: GatewaySettings | None = None, *, log: FileLog | None = None, **parts: Any) -> World:
        folder = tmp_path / f"receipts{len(worlds)}"
        opened = log or deployment.open_log(folder)
        site = deployment.Site()
        site.add("triage", "v1", onnx)
        tap, published = Tap(opened), deployment.Published(opened, folder)
        gateway_parts: GatewayParts = replace(deployment.parts_of(site, tap, published), **parts)
        app = create_app(gateway_parts, settings or GatewaySettings(), release="test")
        server = GatewayServer(app)
        server.start()
        client = httpx.Client(base_url=server.url, timeout=30)
        worlds.append(World(site, opened, tap, published, server, client, folder))
        return worlds[-1]

    yield make
    for world in worlds:
        world.tap.flows.set()
        world.client.close()
        world.server.stop()
        world.log.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A gateway with default settings."""
    return make_world()
