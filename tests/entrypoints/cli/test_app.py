"""The command tree: help of everything, versions, completion, global options wherever they stand, usage errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.entrypoints.commandline import Cli, mooring
from typer.main import get_command

from mooring import __version__
from mooring.entrypoints.cli.app import app
from mooring.entrypoints.cli.lazy import COMMANDS, GROUPS, options_first
from mooring.entrypoints.cli.output import EXIT_CODES

SPINE = {
    "init",
    "up",
    "serve",
    "anchor",
    "export",
    "verify",
    "erase",
    "doctor",
    "demo",
    "dataset",
    "model",
    "log",
    "key",
    "policy",
}
"""What issue 2 asks for."""


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, by its words."""
    tree: Any = get_command(app)
    for name in tree.list_commands(None):
        command = tree.get_command(None, name)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield (name,), command
        else:
            yield from (((name, word), item) for word, item in inner.items())


def test_every_command_of_the_spine_is_there() -> None:
    assert set(COMMANDS) | set(GROUPS) == SPINE
    words = {" ".join(path) for path, _ in commands()}
    for name in ("register", "approve", "activate", "suspend", "rollback", "retire", "history", "lineage"):
        assert f"model {name}" in words
    assert {"dataset register", "log rebuild-index", "key rotate", "policy test"} <= words


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_the_help_of_every_command_says_what_it_does_and_names_every_option(
    path: tuple[str, ...], flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = mooring(*path, flag)
    assert (done.code, done.err) == (0, "")
    command = dict(commands())[path]
    told = " ".join(done.out.replace("│", " ").split())
    assert command.help.split("\n")[0].split("`")[0][:40] in told
    for parameter in command.params:
        if parameter.param_type_name == "option":
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert option in done.out, option
            assert parameter.help, parameter.name
        else:
            assert (parameter.metavar or parameter.name).upper().strip("[]") in done.out.upper()


def test_the_help_of_the_whole_lists_every_command_and_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    done = mooring("--help")
    assert done.code == 0
    for name in (*COMMANDS, *GROUPS):
        assert f" {name} " in done.out
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in " ".join(done.out.split())
    for option in ("--home", "--as", "--json", "--quiet", "--version", "--show-completion", "MOORING_HOME"):
        assert option in done.out


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_by_itself_shows_its_commands(group: str) -> None:
    done = mooring(group)
    assert done.code in (0, 2)
    shown = done.out + done.err
    for path, _ in commands():
        if path[0] == group:
            assert path[1] in shown


def test_nothing_said_shows_the_help() -> None:
    done = mooring()
    assert "Usage: mooring" in done.out + done.err


def test_the_version_is_printed() -> None:
    assert mooring("--version").out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fly",), "No such command"),
        (("model", "fly"), "No such command"),
        (("model", "list", "--colour"), "No such option"),
        (("model", "approve"), "Missing argument"),
        (("model", "suspend", "a@1"), "Missing option"),
        (("log", "entry", "records", "first"), "Invalid value"),
        (("log", "entry", "records", "-1"), "No such option"),
        (("demo", "--predictions", "3"), "Invalid value"),
        (("--as",), "requires an argument"),
    ],
)
def test_wrong_usage_is_told_on_standard_error_with_exit_code_two(words: tuple[str, ...], said: str) -> None:
    done = mooring(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["model", "list", "--json"], ["--json", "model", "list"]),
        (["model", "approve", "a@1", "--as", "bob", "-q"], ["--as", "bob", "-q", "model", "approve", "a@1"]),
        (["doctor", "--home=/x"], ["--home=/x", "doctor"]),
        (["erase", "--", "--json"], ["erase", "--", "--json"]),
        (["--json", "doctor"], ["--json", "doctor"]),
        (["doctor", "--as"], ["--as", "doctor"]),
        ([], []),
    ],
)
def test_global_options_may_stand_anywhere(words: list[str], first: list[str]) -> None:
    assert options_first(words) == first


def test_a_command_reads_global_options_behind_it(registered: Cli) -> None:
    done = mooring("model", "approve", "tumour@1", "--as", "bob", "--json", "--home", registered.home)
    assert done.value["organisation"] == "lab"


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_a_completion_script_is_printed(shell: str, word: str) -> None:
    program = "import sys; sys.argv[0] = 'mooring'; from mooring.entrypoints.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "_MOORING_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert word in done.stdout
    assert "_MOORING_COMPLETE" in done.stdout


def test_words_are_completed_where_typer_asks() -> None:
    program = "import sys; sys.argv[0] = 'mooring'; from mooring.entrypoints.cli import main; main()"
    words = {"_MOORING_COMPLETE": "complete_bash", "COMP_WORDS": "mooring model re", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **words}, capture_output=True, text=True, timeout=60
    )
    assert set(done.stdout.split()) == {"register", "retire", "revoke"}


def test_a_reader_that_goes_away_is_no_error_to_talk_about(home: Path) -> None:
    program = "from mooring.entrypoints.cli import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", program, "--home", str(home), "policy", "show"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    running.stderr.close()
    assert running.wait(60) != 0
