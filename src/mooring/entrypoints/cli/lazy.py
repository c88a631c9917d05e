"""Commands that are imported when they are called: `mooring verify` loads the verifier and nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any  # typer carries a copy of click whose classes are not public

import typer
from typer.core import TyperGroup
from typer.main import get_command

__all__ = ["COMMANDS", "GROUPS", "LazyGroup", "options_first"]

_ROOM = "mooring.entrypoints.cli"

COMMANDS: Mapping[str, str] = {
    "init": "deployment:init",
    "up": "service:up",
    "serve": "service:serve",
    "anchor": "evidence:anchor",
    "export": "evidence:export",
    "verify": "evidence:verify",
    "erase": "dataset:erase",
    "doctor": "deployment:doctor",
    "demo": "deployment:demo",
}
"""Command → module:function."""

GROUPS: Mapping[str, tuple[str, str]] = {
    "dataset": ("dataset:app", "Register and read data sets."),
    "model": ("model:app", "Register models and move their versions through their life."),
    "log": ("log:app", "Read, check and rebuild from the logs."),
    "key": ("key:app", "Make, rotate, register and revoke keys."),
    "policy": ("policy:app", "Check, set and test the policy."),
}
"""Group → (module:application, help)."""


_FLAGS = ("--json", "--quiet", "-q")
_VALUED = ("--as", "--home")


def options_first(words: Sequence[str]) -> list[str]:
    """Return the command's words with the global options in front, wherever among them people wrote these."""
    first, rest, waiting = list[str](), list[str](), list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*first, *rest, word, *waiting]
        if word in _FLAGS or word.partition("=")[0] in _VALUED:
            first.append(word)
            if word in _VALUED and waiting:
                first.append(waiting.pop(0))
        else:
            rest.append(word)
    return [*first, *rest]


class LazyGroup(TyperGroup):
    """The top of the command tree."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Take the global options from wherever they stand."""
        return super().parse_args(ctx, options_first(args))

    def list_commands(self, ctx: Any) -> list[str]:
        """Return all names without importing anything."""
        return [*COMMANDS, *GROUPS]

    def get_command(self, ctx: Any, name: str) -> Any:
        """Import the one command that is asked for."""
        if name in COMMANDS:
            single = typer.Typer(add_completion=False)
            single.command(name=name)(_load(COMMANDS[name]))
            return get_command(single)
        if name in GROUPS:
            target, help_text = GROUPS[name]
            command = get_command(_load(target))
            command.name, command.help = name, help_text
            return command
        return None


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(f"{_ROOM}.{module}"), attribute)
