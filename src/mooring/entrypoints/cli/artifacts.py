"""What people give on the command line about artifacts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from mooring.errors import ConfigError
from mooring.records.predicates import Parameter

__all__ = ["parse_metrics", "parse_parameters"]


_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EXACT = 2**53 - 1  # RFC 7493 §2.2
_DIGITS = 20


def parse_parameters(pairs: Sequence[str]) -> dict[str, Parameter]:
    """Read NAME=VALUE; a value that is true, false or a number of JSON that records hold exactly is one, else text."""
    return {name: _parameter(value) for name, value in map(_pair, pairs)}


def parse_metrics(pairs: Sequence[str]) -> dict[str, float]:
    """Read NAME=NUMBER."""
    metrics = {}
    for name, value in map(_pair, pairs):
        number = _number(value)
        if number is None:
            raise ConfigError(f"metric {name}={value!r:.40}", code="metric", hint="give a finite number")
        metrics[name] = float(number)
    return metrics


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ConfigError(f"{text!r:.80} is not NAME=VALUE", code="pair", hint="like C=1.0")
    return name, value


def _parameter(text: str) -> Parameter:
    if text in ("true", "false"):
        return text == "true"
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    """Return the number of JSON (RFC 8259 §6) that a text is, if it is finite and, being whole, exact in a double."""
    if _JSON_NUMBER.fullmatch(text) is None:
        return None
    if text.lstrip("-").isdecimal():
        return int(text) if len(text) < _DIGITS and abs(int(text)) <= _EXACT else None
    number = float(text)
    return number if math.isfinite(number) else None
