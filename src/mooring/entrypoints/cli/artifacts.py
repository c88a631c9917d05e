"""What people give on the command line about artifacts."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.errors import ConfigError
from mooring.records.predicates import Parameter

__all__ = ["parse_metrics", "parse_parameters"]


def parse_parameters(pairs: Sequence[str]) -> dict[str, Parameter]:
    """Read NAME=VALUE; a value that reads as a number or true or false is one."""
    return {name: _parameter(value) for name, value in map(_pair, pairs)}


def parse_metrics(pairs: Sequence[str]) -> dict[str, float]:
    """Read NAME=NUMBER."""
    metrics = {}
    for name, value in map(_pair, pairs):
        try:
            metrics[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"metric {name}={value!r:.40}", code="metric", hint="give a number") from error
    return metrics


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ConfigError(f"{text!r:.80} is not NAME=VALUE", code="pair", hint="like C=1.0")
    return name, value


def _parameter(text: str) -> Parameter:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
