"""Run the ```console blocks of a document, in order, in one shell, and compare what they show with what comes.

Rules of a block: a line `$ command` is run; `> …` lines go on with it (here-documents, long commands). The lines below
are its output: each must come, in that order, among the lines that really came; `…` stands for anything. A command must
succeed unless its shown output has a line beginning with `error:` or `denied:`; then it must fail.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Shell", "Step", "run", "steps"]

_END = "mooring-docs-step-ended"
_FENCE = re.compile(r"^```(\w*)\s*$")
_PORT = "8080"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a document: its line there, what is typed, what is shown."""

    line: int
    command: str
    shown: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether the document shows a failure."""
        return any(line.startswith(("error:", "denied:")) for line in self.shown)


class Shell:
    """A bash that keeps its folder, variables and background jobs from step to step.

    The gateway's port in the documents is replaced by `port`, so that a gateway of somebody else is in nobody's way.
    """

    def __init__(self, folder: Path, environment: dict[str, str], port: int) -> None:
        self._folder, self._port = folder, str(port)
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the shell and everything that it started."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(30)

    def type(self, command: str) -> tuple[list[str], int]:
        """Run a command and return the lines it printed and its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        script = self._folder / ".step"
        script.write_text(self._with_port(command) + "\n")
        self._process.stdin.write(f". {script} </dev/null; printf '\\n{_END} %s\\n' $?\n".encode())
        self._process.stdin.flush()
        lines: list[str] = []
        while raw := self._process.stdout.readline():
            text = raw.decode(errors="replace").rstrip("\n").replace(f":{self._port}", f":{_PORT}")
            if text.startswith(_END):
                return lines, int(text.split()[1])
            lines.append(text)
        raise AssertionError(f"the shell ended in {command!r}")

    def _with_port(self, command: str) -> str:
        served = re.sub(r"\bmooring up\b", f"mooring up --port {self._port}", command)
        return served.replace(f":{_PORT}", f":{self._port}")


def steps(text: str) -> Iterator[Step]:
    """Yield the commands of every ```console block."""
    inside, line, command, shown = False, 0, list[str](), list[str]()
    for number, row in enumerate([*text.splitlines(), "```"], 1):
        fence = _FENCE.match(row)
        if command and (fence or row.startswith("$ ")):
            yield Step(line, "\n".join(command), tuple(shown))
            command, shown = [], []
        if fence:
            inside = not inside and fence[1] == "console"
        elif inside and row.startswith("$ "):
            line, command = number, [row[2:]]
        elif inside and command and not shown and (row.startswith("> ") or row == ">"):
            command.append(row[2:])
        elif inside and row.strip():
            shown.append(row)


def run(text: str, name: str, shell: Shell) -> int:
    """Run all commands of a document and return how many; AssertionError names the first that is not as shown."""
    count = 0
    for step in steps(text):
        count += 1
        lines, code = shell.type(step.command)
        came = "\n".join(lines)
        where = f"{name}:{step.line}: $ {step.command}\n{came}"
        assert (code != 0) == step.fails, f"{where}\nexit code {code}"
        missing = _missing(step.shown, lines)
        assert missing is None, f"{where}\nthis line did not come: {missing}"
    return count


def _missing(shown: tuple[str, ...], lines: list[str]) -> str | None:
    """Return the first shown line that does not come after the ones before it, or None."""
    rest = iter(_squeeze(line) for line in lines)
    for line in shown:
        pattern = re.compile(".*".join(map(re.escape, _squeeze(line).split("…"))))
        if line.strip() != "…" and not any(pattern.fullmatch(came) for came in rest):
            return line
    return None


def _squeeze(line: str) -> str:
    return " ".join(line.split())
