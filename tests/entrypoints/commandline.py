"""The command line as people and programs use it: in this process, with what it printed and its exit code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from mooring.entrypoints.cli import main

__all__ = ["Cli", "Done", "mooring", "process"]

_MAIN = "from mooring.entrypoints.cli import main; main()"


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value that was printed."""
        assert self.code in (0, 1, 3, 7, 8), self.err
        return json.loads(self.out)

    @property
    def problem(self) -> dict[str, Any]:
        """The error that was printed, after `--json`."""
        assert self.code != 0, self.out
        found: dict[str, Any] = json.loads(self.err)
        assert set(found) == {"error", "message", "hint", "definite", "exit"}
        assert found["exit"] == self.code
        return found


@dataclass(frozen=True)
class Cli:
    """The command line at one deployment."""

    home: Path

    def __call__(self, *words: object, as_: str = "", typed: str = "") -> Done:
        """Run a command for people."""
        member = ("--as", as_) if as_ else ()
        return mooring("--home", self.home, *member, *words, typed=typed)

    def json(self, *words: object, as_: str = "", typed: str = "") -> Done:
        """Run a command for programs."""
        return self("--json", *words, as_=as_, typed=typed)

    def ok(self, *words: object, as_: str = "") -> Any:
        """Run a command that must succeed, and return its value."""
        done = self.json(*words, as_=as_)
        assert done.code == 0, done
        assert done.err == ""
        return json.loads(done.out)

    def refused(self, *words: object, as_: str = "") -> tuple[int, str]:
        """Run a command that must fail, for people and for programs, and return its exit code and the error's code."""
        plain, problem = self(*words, as_=as_), self.json(*words, as_=as_)
        assert plain.code == problem.code, (plain, problem)
        found = problem.problem
        assert f"[{found['error']}]" in plain.err
        assert plain.err.startswith("error: ")
        if found["hint"]:
            assert f"hint: {found['hint']}" in plain.err
        return problem.code, str(found["error"])


def mooring(*words: object, typed: str = "") -> Done:
    """Run the command line in this process, `typed` on its standard input."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["mooring", *map(str, words)]),
        mock.patch.object(sys, "stdin", io.StringIO(typed)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code = 0
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 0
    return Done(code, out.getvalue(), err.getvalue())


def process(*words: object, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _MAIN, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
