"""Commands that are imported when they are called: `mooring verify` loads the verifier and nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any  # typer carries a copy of click whose classes are not public

import typer
from typer.core import TyperGroup
from typer.main import get_command

__all__ = ["COMMANDS", "GROUPS", "LazyGroup"]

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


class LazyGroup(TyperGroup):
    """The top of the command tree."""

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
