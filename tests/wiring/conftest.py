"""What the tests of the wiring share: a deployment of their own, founded once per run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that test modules can import each other's parts by name

from tests.workflows.stage import Stages, stages_in  # needs the path above


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """The deployment at several points of its life."""
    return stages_in(tmp_path_factory.getbasetemp() / "stages")


@pytest.fixture
def home(stages: Stages, tmp_path: Path) -> Path:
    """The folder of a deployment in which nothing is registered."""
    return stages.copy("founded", tmp_path / "home")
