"""What the command line prints, for people and for programs, and the exit codes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mooring.errors import (
    BusyError,
    ConfigError,
    CorruptError,
    LedgerRefused,
    LedgerUnknown,
    MooringError,
    NotFoundError,
    PolicyError,
    ProofError,
    RecordError,
    WorkflowError,
)
from mooring.records.digest import Digest

__all__ = ["EXIT_CODES", "Output", "exit_code"]

EXIT_CODES: Mapping[int, str] = {
    0: "done, or proved",
    1: "an error that none of the others describes",
    2: "wrong usage, bad input or configuration",
    3: "refused by the ledger, the policy or a rule",
    4: "not found",
    5: "sent, and the outcome is not known yet: run it again",
    6: "another process holds it",
    7: "evidence refuted, or stored bytes corrupt",
    8: "not proved: the bundle lacks evidence for a claim",
}

_CODES: tuple[tuple[type[MooringError], int], ...] = (
    (ConfigError, 2),
    (RecordError, 2),
    (PolicyError, 2),
    (LedgerRefused, 3),
    (WorkflowError, 3),
    (NotFoundError, 4),
    (LedgerUnknown, 5),
    (BusyError, 6),
    (CorruptError, 7),
    (ProofError, 7),
)


def exit_code(error: MooringError) -> int:
    """Return the process's exit code for an error."""
    if error.code.startswith("unknown-"):
        return 4
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


class Output:
    """Prints results: aligned text for people, or one JSON value for programs (`--json`); notes go to stderr."""

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def result(self, value: object, lines: Sequence[str] | None = None) -> None:
        """Print a command's result; `lines` is what people read instead of name and value."""
        plain = plain_value(value)
        if self.as_json:
            print(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False))
        elif lines is not None:
            print("\n".join(lines))
        else:
            _print_plain(plain)

    def table(self, rows: Sequence[object], columns: Sequence[str], empty: str) -> None:
        """Print rows as a table, or as a JSON list."""
        plain = [plain_value(row) for row in rows]
        if self.as_json:
            print(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False))
            return
        if not plain:
            print(empty)
            return
        cells = [[column.upper() for column in columns], *([_cell(row.get(c)) for c in columns] for row in plain)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        for line in cells:
            print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())

    def note(self, text: str) -> None:
        """Tell people something that is not the result."""
        if not self.quiet and not self.as_json:
            print(text, file=sys.stderr)

    def fail(self, error: MooringError) -> int:
        """Print an error with its remedy and return the exit code."""
        code = exit_code(error)
        if self.as_json:
            problem = {
                "error": error.code,
                "message": error.message,
                "hint": error.hint,
                "definite": error.definite,
                "exit": code,
            }
            print(json.dumps(problem, ensure_ascii=False), file=sys.stderr)
        else:
            print(f"error: {error.message} [{error.code}]", file=sys.stderr)
            if error.hint:
                print(f"  hint: {error.hint}", file=sys.stderr)
        return code

    @contextlib.contextmanager
    def progress(self, title: str, total: int | None) -> Iterator[Any]:
        """Show a progress bar on a terminal; yields a callable that takes how much more is done."""
        if self.as_json or self.quiet or not sys.stderr.isatty():
            yield lambda done: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda done: bar.update(task, advance=done)


def plain_value(value: object) -> Any:
    """Return a result as plain JSON values; bytes become hex, digests `algorithm:hex`."""
    if isinstance(value, Digest):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _print_plain(value: Any) -> None:
    if not isinstance(value, dict):
        print(value)
        return
    width = max(len(name) for name in value)
    for name, item in value.items():
        print(f"{name.ljust(width)}  {_cell(item)}")


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_cell(item)}" for name, item in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
