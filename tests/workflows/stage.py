"""Deployments for tests: founded once for a whole run, taken some steps further, and copied for each test."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mooring.records.predicates import Dataset, Model
from mooring.wiring.founding import found, local_config
from mooring.wiring.home import Home
from mooring.wiring.session import Session, open_session
from mooring.workflows import deploy, people, register
from mooring.workflows.approve import approve

__all__ = ["CSV", "DATA", "MODEL", "NAME", "PURPOSE", "Stages", "at", "onnx_model"]

NAME = "mooring.local/demo"
DATA, MODEL, PURPOSE = "cells@1", "tumour@1", "diagnosis"
CSV = b"patient,size,benign\n" + b"".join(b"person-%02d,%d.5,%d\n" % (i, i, i % 2) for i in range(12))
"""Twelve people, one row each."""


@cache
def onnx_model(factor: float = 1.0) -> bytes:
    """Return a model: features FP32 [n, 2] → score FP32 [n, 1], the sum of the features times `factor`."""
    weights = numpy_helper.from_array(np.full((2, 1), factor, dtype=np.float32), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["score"])],
        "sum",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@contextmanager
def at(folder: Path) -> Iterator[Session]:
    """Open the deployment in a folder."""
    with open_session(Home(folder)) as session:
        yield session


class Stages:
    """One deployment at several points of its life, each made once; `copy` gives a test its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps: dict[str, tuple[str, Callable[[Session, Path], None]]] = {
            "registered": ("founded", _register),
            "approved": ("registered", _approve),
            "active": ("approved", _activate),
        }

    def copy(self, stage: str, folder: Path) -> Path:
        """Return a folder with the deployment as it stands at `founded`, `registered`, `approved` or `active`."""
        shutil.copytree(self._at(stage), folder)
        return folder

    def _at(self, stage: str) -> Path:
        folder = self._folder / stage
        if folder.exists():
            return folder
        making = self._folder / f"{stage}.making"
        if stage == "founded":
            found(Home(making), local_config(NAME, "embedded:///chain"), local=True, say=lambda _: None)
        else:
            before, step = self._steps[stage]
            shutil.copytree(self._at(before), making)
            with at(making) as session:
                step(session, self._folder)
        return making.rename(folder)


@cache
def stages_in(folder: Path) -> Stages:
    """Return the stages of this run: one object however many folders of tests ask."""
    folder.mkdir(exist_ok=True)
    return Stages(folder)


def _register(session: Session, folder: Path) -> None:
    deployment = session.deployment
    alice = deployment.actor("alice")
    name, label = DATA.split("@")
    dataset = Dataset(name, label, deployment.now(), "made up", "CC0-1.0")
    made = people.register_table(deployment, alice, CSV, "patient", dataset)
    path = folder / "model.onnx"
    path.write_bytes(onnx_model())
    manifest = session.keep(path, lambda _: None)
    name, label = MODEL.split("@")
    model = Model(name, label, deployment.now(), "onnx", (made.manifest,), "c0ffee", {"factor": 1.0})
    register.register_model(deployment, alice, manifest, model)


def _approve(session: Session, folder: Path) -> None:
    for name in ("bob", "carol"):
        approve(session.deployment, session.deployment.actor(name), MODEL)


def _activate(session: Session, folder: Path) -> None:
    deployment = session.deployment
    policy = session.policy_for(MODEL)
    deploy.activate(deployment, deployment.actor("alice"), MODEL, policy, environment="production", purposes=(PURPOSE,))


assert "tests.workflows.stage" in sys.modules, "import this module by its whole name: one run founds once"
