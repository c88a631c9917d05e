"""Write docs/cli.md from the command tree: `.venv/bin/python tests/docs/cli_reference.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any  # typer carries a copy of click whose classes are not public

from typer.main import get_command

from mooring.entrypoints.cli.app import app
from mooring.entrypoints.cli.output import EXIT_CODES

__all__ = ["PAGE", "commands", "reference"]

PAGE = Path(__file__).parents[2] / "docs/cli.md"

_HEAD = """\
# Command line

Written by `tests/docs/cli_reference.py` from the program itself; a test fails when it is stale. The options of
`mooring` itself may stand anywhere: `mooring --as bob model list --json`. `mooring --install-completion` sets up the
shell's completion.

Results go to standard output, notes, progress and errors to standard error. With `--json` a result is one JSON value,
and an error is one JSON object on standard error: `error` (a stable code), `message`, `hint`, `definite` (whether the
effect certainly did not happen) and `exit`.

## Exit codes

| code | meaning |
| --- | --- |
"""


def commands(command: Any = None, name: str = "mooring") -> Iterator[tuple[str, Any]]:
    """Yield (full name, command) for the whole tree, groups before what is in them."""
    command = get_command(app) if command is None else command
    yield name, command
    if hasattr(command, "list_commands"):
        for child in command.list_commands(None):
            yield from commands(command.get_command(None, child), f"{name} {child}")


def reference() -> str:
    """Return the page."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    codes += "| 130 | broken off at a question or with Ctrl-C |\n| 141 | the reader of the output has gone |\n"
    sections = [_section(name, command) for name, command in commands()]
    return _HEAD + codes + "".join(sections)


def _section(name: str, command: Any) -> str:
    group = hasattr(command, "list_commands")
    text = f"\n## {name}\n\n{_text(command.help)}\n"
    if group:
        listed = ", ".join(
            f"[`{child}`](#{f'{name} {child}'.replace(' ', '-')})" for child in command.list_commands(None)
        )
        text += f"\nCommands: {listed}.\n"
    rows = [_row(parameter) for parameter in command.params if not _is_typers(parameter, name)]
    if not group:
        words = ["[OPTIONS]", *(_argument(p) for p in command.params if p.param_type_name == "argument")]
        text += f"\n    {name} {' '.join(words)}\n"
    if rows:
        text += "\n| argument or option | meaning | default |\n| --- | --- | --- |\n" + "".join(rows)
    return text


def _is_typers(parameter: Any, name: str) -> bool:
    """Whether a group has this option from typer and not from us."""
    return "--help" in parameter.opts or (name != "mooring" and parameter.opts[0].endswith("-completion"))


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        names = f"`{_argument(parameter)}`"
    else:
        spelled = [*parameter.opts, *parameter.secondary_opts]
        metavar = "" if parameter.is_flag else f" {_metavar(parameter)}"
        names = ", ".join(f"`{option}{metavar}`" for option in spelled)
    variable = f" Environment: `{parameter.envvar}`." if parameter.envvar else ""
    return f"| {names} | {_text(parameter.help)}{variable} | {_default(parameter)} |\n"


def _argument(parameter: Any) -> str:
    return str(_metavar(parameter)) if parameter.required else f"[{_metavar(parameter)}]"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.strip("_").upper())


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if value is None or value is False or value == "" or value == () or callable(value):
        return ""
    return f"`{parameter.opts[0]}`" if getattr(parameter, "is_flag", False) else f"`{value}`"


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference())
    print(f"{PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}: written")
