"""What the tests of the entrypoints share: a deployment of their own, founded once per run, and a command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that test modules can import each other's parts by name

from tests.entrypoints.commandline import Cli  # needs the path above
from tests.workflows.stage import Stages, stages_in  # needs the path above


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """The deployment at several points of its life."""
    return stages_in(tmp_path_factory.getbasetemp() / "stages")


@pytest.fixture
def home(stages: Stages, tmp_path: Path) -> Path:
    """The folder of a deployment in which nothing is registered."""
    return stages.copy("founded", tmp_path / "home")


@pytest.fixture
def cli(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, in an empty folder, at a deployment in which nothing is registered."""
    return at_home(home, tmp_path, monkeypatch)


@pytest.fixture
def registered(stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line at a deployment with a sealed table and a model that waits for approval."""
    return at_home(stages.copy("registered", tmp_path / "home"), tmp_path, monkeypatch)


@pytest.fixture
def approved(stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line at a deployment whose model two organisations have approved."""
    return at_home(stages.copy("approved", tmp_path / "home"), tmp_path, monkeypatch)


@pytest.fixture
def active(stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line at a deployment whose model is active."""
    return at_home(stages.copy("active", tmp_path / "home"), tmp_path, monkeypatch)


def at_home(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    monkeypatch.chdir(work)
    for name in ("MOORING_HOME", "MOORING_AS", "MOORING_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Cli(home)
