"""Verification as a stranger does it: in a process whose network was taken away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.workflows.stage import MODEL, Stages

from mooring.entrypoints.demo import offline
from mooring.entrypoints.demo.offline import verify_offline
from mooring.errors import WorkflowError
from mooring.wiring.home import Home
from mooring.wiring.session import open_session
from mooring.workflows.export import export_version


@pytest.fixture(scope="module")
def evidence(stages: Stages, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("offline")
    with open_session(Home(stages.copy("active", folder / "home"))) as session:
        session.anchor()
        (folder / "bundle.json").write_bytes(export_version(session.deployment, MODEL).to_bytes())
        (folder / "trust.json").write_bytes(session.trust().to_bytes())
    return folder / "bundle.json", folder / "trust.json"


def test_a_bundle_is_proved_by_a_process_without_network(evidence: tuple[Path, Path]) -> None:
    done = verify_offline(*evidence)
    assert (done.code, done.report["outcome"]) == (0, "proved")
    assert done.seconds > 0
    assert "socket" in done.isolation


def test_where_no_namespace_is_allowed_sockets_are_forbidden(
    evidence: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "_works", lambda prefix: False)
    done = verify_offline(*evidence)
    assert (done.code, done.isolation) == (0, "an audit hook that forbids sockets")


def test_the_hook_does_forbid_sockets() -> None:
    program = offline._NO_SOCKETS.replace("from mooring.entrypoints.cli import main\nmain()", "")
    program += "\nimport socket\nsocket.socket()\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "asked for the network" in done.stderr


def test_a_changed_bundle_is_refuted(evidence: tuple[Path, Path], tmp_path: Path) -> None:
    changed = tmp_path / "bundle.json"
    changed.write_bytes(evidence[0].read_bytes()[:-5])
    assert verify_offline(changed, evidence[1]).code == 7


def test_a_verifier_that_says_nothing_is_an_error(evidence: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="cannot read") as caught:
        verify_offline(tmp_path / "missing.json", evidence[1])
    assert caught.value.code == "verify-failed"
