"""What the tests of the documentation share: the pages, and a folder that looks like a fresh clone."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # so that test modules can import each other's parts by name

from tests.docs.console import Shell  # noqa: E402  # needs the path above


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The shell of the guide and of the pages that go on from it."""
    with _shell(tmp_path_factory.mktemp("clone")) as shell:
        yield shell


@pytest.fixture
def fresh_shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell in a clone where nothing was done yet."""
    with _shell(tmp_path) as shell:
        yield shell


def _shell(folder: Path) -> Shell:
    """Return a shell in a folder like a clone, with the program on its path and no deployment to be found."""
    (folder / "docs").symlink_to(ROOT / "docs")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MOORING_")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return Shell(folder, {**kept, "PATH": path, "HOME": str(folder), "COLUMNS": "200"}, _free_port())
