"""A contract's refusal: its custom error, as every adapter of this room reports it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mooring.errors import LedgerRefused
from mooring.ledger.port import Value

__all__ = ["Refusal", "deny", "kebab", "refused"]

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_RULES_SAY_NO = "the contract's rules say no and nothing happened: change what is asked, or who asks"


def kebab(name: str) -> str:
    """Return a Solidity name as an error code: `AlreadyApproved` → `already-approved`."""
    return _BOUNDARY.sub("-", name).lower()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A custom error's name and arguments; `name` is "" for a revert that says nothing."""

    name: str
    args: tuple[tuple[str, Value], ...] = ()

    @property
    def code(self) -> str:
        """The error's name in kebab case; "reverted" if it has none."""
        return kebab(self.name) if self.name else "reverted"

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={_show(value)}" if name else _show(value) for name, value in self.args)
        return f"{self.name or 'revert'}({shown})"


def refused(refusal: Refusal, asked: str, hint: str = _RULES_SAY_NO) -> LedgerRefused:
    """Return the error for something that the rules refuse; its code is the refusal's."""
    return LedgerRefused(f"{asked} was refused: {refusal}", code=refusal.code, hint=hint)


def deny(name: str, **args: Value) -> LedgerRefused:
    """Return the error for a custom error with these arguments."""
    return refused(Refusal(name, tuple(args.items())), "the call")


def _show(value: Value) -> str:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return f"({', '.join(_show(item) for item in value)})" if isinstance(value, tuple) else str(value)
