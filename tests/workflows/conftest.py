"""What the tests of workflows share: a deployment of their own, founded once per run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that test modules can import each other's parts by name

from tests.workflows.stage import Stages, at, stages_in  # needs the path above

from mooring.wiring.session import Session


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """The deployment at several points of its life."""
    return stages_in(tmp_path_factory.getbasetemp() / "stages")


@pytest.fixture
def founded(stages: Stages, tmp_path: Path) -> Iterator[Session]:
    """A deployment in which nothing is registered."""
    with at(stages.copy("founded", tmp_path / "home")) as session:
        yield session


@pytest.fixture
def registered(stages: Stages, tmp_path: Path) -> Iterator[Session]:
    """A deployment with a sealed table `cells@1` and a model `tumour@1` that waits for approval."""
    with at(stages.copy("registered", tmp_path / "home")) as session:
        yield session


@pytest.fixture
def approved(stages: Stages, tmp_path: Path) -> Iterator[Session]:
    """A deployment whose model two organisations have approved."""
    with at(stages.copy("approved", tmp_path / "home")) as session:
        yield session


@pytest.fixture
def active(stages: Stages, tmp_path: Path) -> Iterator[Session]:
    """A deployment whose model is active for `diagnosis`."""
    with at(stages.copy("active", tmp_path / "home")) as session:
        yield session
