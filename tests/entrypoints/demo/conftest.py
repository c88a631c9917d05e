"""What the demo's tests share: its data and model, made once, and a deployment that serves the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.workflows.acts import activate, agree
from tests.workflows.stage import DATA, PURPOSE, Stages

from mooring.entrypoints.demo.client import Client, connect
from mooring.entrypoints.demo.training import Rows, Trained, patients_csv, read_rows, train
from mooring.entrypoints.service import serving
from mooring.records.predicates import Model
from mooring.wiring.home import Home
from mooring.wiring.session import Session, open_session
from mooring.workflows.look import manifest_of
from mooring.workflows.register import register_model


@pytest.fixture(scope="session")
def patients() -> Rows:
    """All patients, as they are read back from the sealed table."""
    header, *rows = [line.split(",") for line in patients_csv().decode().splitlines()]
    return read_rows(header, rows)


@pytest.fixture(scope="session")
def trained(patients: Rows) -> Trained:
    """The demo's first model."""
    return train(patients)


@dataclass
class Served:
    """A deployment that serves the demo's model `breast@1`, and where."""

    session: Session
    url: str
    client: Client


@pytest.fixture(scope="module")
def served(stages: Stages, tmp_path_factory: pytest.TempPathFactory, trained: Trained) -> Iterator[Served]:
    """The demo's model in service."""
    folder = tmp_path_factory.mktemp("demo")
    with open_session(Home(stages.copy("registered", folder / "home"))) as session:
        path: Path = folder / "model.onnx"
        path.write_bytes(trained.onnx)
        deployment = session.deployment
        manifest = session.keep(path, lambda _: None)
        data = manifest_of(deployment, DATA)
        said = Model("breast", "1", deployment.now(), "onnx", (data,), "c0ffee", trained.parameters)
        register_model(deployment, deployment.actor("alice"), manifest, said)
        agree(session, "breast@1")
        activate(session, "breast@1")
        with (
            serving(session, lambda _: None, port=0) as running,
            connect(running.gateway, PURPOSE) as client,
        ):
            yield Served(session, running.gateway, client)
