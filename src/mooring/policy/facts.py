"""Facts: everything a decision may look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring.errors import PolicyError

__all__ = ["ACTIONS", "Facts"]

ACTIONS = ("infer", "train", "activate")
"""What a policy decides about."""

_TEXT_LIMIT = 256
_MANY = 1024
_COUNT_LIMIT = 2**53
_METRIC_LIMIT = 9e14


@dataclass(frozen=True, slots=True)
class Facts:
    """One question: may `caller` do `action` with this version of this model for this purpose?

    `organisation` is the caller's and `owner` the model's; "" stands for none. `purposes` and `jurisdictions` are those
    of the deployment, `jurisdiction` is where the caller asks from ("": unknown). `approvals` counts organisations.
    `metrics` are the evaluation's; a policy sees four decimal places, rounded down. Raises PolicyError `facts`.
    """

    action: str
    caller: str
    model: str
    version: str
    status: str
    purpose: str
    authenticated: bool = False
    organisation: str = ""
    owner: str = ""
    purposes: tuple[str, ...] = ()
    jurisdiction: str = ""
    jurisdictions: tuple[str, ...] = ()
    approvals: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise _refuse("action", self.action, f"one of {', '.join(ACTIONS)}")
        for name in ("caller", "model", "version", "status"):
            if not getattr(self, name):
                raise _refuse(name, "", "a text that is not empty")
        for name in ("caller", "model", "version", "status", "purpose", "organisation", "owner", "jurisdiction"):
            _check_text(name, getattr(self, name))
        for name in ("purposes", "jurisdictions"):
            _check_texts(name, getattr(self, name))
        if not 0 <= self.approvals < _COUNT_LIMIT:
            raise _refuse("approvals", self.approvals, "a count from 0 to 2^53 - 1")
        _check_metrics(self.metrics)


def _check_texts(name: str, values: tuple[str, ...]) -> None:
    if len(values) > _MANY:
        raise _refuse(name, f"{len(values)} values", f"at most {_MANY}")
    for value in values:
        _check_text(name, value)


def _check_text(name: str, value: str) -> None:
    if len(value) > _TEXT_LIMIT or not value.isprintable():
        raise _refuse(name, value, f"at most {_TEXT_LIMIT} printable characters")


def _check_metrics(metrics: Mapping[str, float]) -> None:
    if len(metrics) > _MANY:
        raise _refuse("metrics", f"{len(metrics)} values", f"at most {_MANY}")
    for name, value in metrics.items():
        _check_text("metrics", name)
        if not math.isfinite(value) or abs(value) >= _METRIC_LIMIT:
            raise _refuse(f"metrics.{name}", value, "a finite number below 9e14")


def _refuse(name: str, value: object, wanted: str) -> PolicyError:
    return PolicyError(f"fact {name} is {value!r:.80}", code="facts", hint=f"give {wanted}")
