"""Which code ran: a commit, marked when files differ from it; without git, the version's name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mooring import __version__
from mooring.wiring.source import commit_of


def git(folder: Path, *words: str) -> str:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_checkout_is_named_by_its_commit_and_marked_when_it_was_changed(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "untracked").touch()
    assert commit_of(tmp_path) == head
    (tmp_path / "code.py").write_text("x = 2\n")
    assert commit_of(tmp_path) == f"{head}-modified"


def test_outside_of_a_checkout_and_without_git_the_version_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_of(tmp_path) == f"mooring-{__version__}"
    monkeypatch.setenv("PATH", "")
    assert commit_of(tmp_path) == f"mooring-{__version__}"
