"""A policy's text: its canonical bytes, and where in it a statement stands (Cedar's errors carry no line)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mooring.errors import PolicyError

__all__ = ["TEXT_LIMIT", "Statement", "canonical_text", "line_of", "statements"]

TEXT_LIMIT = 256 * 1024
"""Bytes a policy may have."""

# A comment, a string with escapes, the end of a statement, or one other character (Cedar grammar: //, "…", ;).
_TOKEN = re.compile(r'(?P<skip>\s+|//[^\n]*)|(?P<text>"(?:\\.|[^"\\])*"?)|(?P<end>;)|(?P<other>.)', re.DOTALL)
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Statement:
    """One permit or forbid with its annotations, and the line (from 1) on which it begins."""

    text: str
    line: int


def canonical_text(text: str) -> str:
    """Return the text with LF line ends, no blanks at line ends, and one final newline.

    A file saved so has the policy's digest as its SHA-256. Raises PolicyError `policy-size`.
    """
    if not text.strip():
        raise PolicyError("the policy is empty", code="policy-size", hint="start from the shipped default policy")
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    result = "\n".join(lines).strip("\n") + "\n"
    size = len(result.encode(errors="surrogatepass"))
    if size > TEXT_LIMIT:
        raise PolicyError(
            f"the policy has {size} bytes", code="policy-size", hint=f"a policy has at most {TEXT_LIMIT} bytes"
        )
    return result


def statements(text: str) -> tuple[Statement, ...]:
    """Split a text at the semicolons that end statements; what follows the last one is a statement too."""
    found: list[Statement] = []
    begin: int | None = None
    for match in _TOKEN.finditer(text):
        if match["skip"] is not None:
            continue
        begin = match.start() if begin is None else begin
        if match["end"] is not None:
            found.append(_statement(text, begin, match.end()))
            begin = None
    if begin is not None:
        found.append(_statement(text, begin, len(text)))
    return tuple(found)


def line_of(statement: Statement, reason: str) -> int:
    """Return the line of the first thing that `reason` quotes in backticks, else the statement's own."""
    for quoted in _QUOTED.findall(reason):
        position = statement.text.find(quoted)
        if position >= 0:
            return statement.line + statement.text.count("\n", 0, position)
    return statement.line


def _statement(text: str, begin: int, end: int) -> Statement:
    return Statement(text[begin:end], text.count("\n", 0, begin) + 1)
