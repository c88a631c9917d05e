"""Which source code runs: for the provenance of what it makes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mooring import __version__

__all__ = ["commit_of"]


def commit_of(folder: Path) -> str:
    """Return the git commit of a folder, marked if its files differ from it; without git, this version's name."""
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return f"mooring-{__version__}"
    return head + ("-modified" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # a fixed program and arguments
            ["git", *arguments],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # git is not here: the version's name says what runs
    return done.stdout.strip() if done.returncode == 0 else ""
