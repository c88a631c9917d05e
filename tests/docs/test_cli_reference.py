"""docs/cli.md is the program's own command tree, whole and of today."""

from __future__ import annotations

import pytest
from tests.docs.cli_reference import PAGE, commands, reference


def test_the_page_is_what_the_program_says_today() -> None:
    assert PAGE.read_text() == reference(), "run: .venv/bin/python tests/docs/cli_reference.py"


@pytest.mark.parametrize(("name", "command"), [*commands()], ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_and_option_says_what_it_is_for(name: str, command: object) -> None:
    assert command.help, f"{name} has no help"  # type: ignore[attr-defined]  # typer's copy of click is not public
    for parameter in command.params:  # type: ignore[attr-defined]
        assert parameter.help, f"{parameter.opts} of {name} has no help"


def test_no_command_is_left_out() -> None:
    text = PAGE.read_text()
    names = [name for name, _ in commands()]
    assert len(names) > 30
    assert [name for name in names if f"\n## {name}\n" not in text] == []
