"""Facts that could mislead a policy cannot exist."""

from __future__ import annotations

from typing import Any

import pytest

from mooring.errors import PolicyError
from mooring.policy import Facts

GOOD: dict[str, Any] = {
    "action": "infer",
    "caller": "anonymous",
    "model": "triage",
    "version": "v1",
    "status": "active",
    "purpose": "inference",
}


def test_plain_facts_are_taken() -> None:
    assert Facts(**GOOD, metrics={"auc": 0.99, "rows": 569}).metrics["rows"] == 569


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", "delete"),
        ("caller", ""),
        ("model", ""),
        ("version", ""),
        ("status", ""),
        ("caller", "x" * 257),
        ("purpose", "line\nfeed"),
        ("organisation", "\x00"),
        ("purposes", ("fine", "tab\t")),
        ("purposes", ("many",) * 1025),
        ("jurisdictions", ("x" * 257,)),
        ("approvals", -1),
        ("approvals", 2**53),
    ],
)
def test_facts_out_of_bounds_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(PolicyError, match=f"fact {field} is") as caught:
        Facts(**{**GOOD, field: value})
    assert caught.value.code == "facts"
    assert caught.value.hint.startswith("give ")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 9e14, -1e15])
def test_a_metric_that_cedar_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(PolicyError, match=r"fact metrics\.auc is"):
        Facts(**GOOD, metrics={"auc": value})


def test_too_many_metrics_are_refused_and_so_is_an_unprintable_name() -> None:
    with pytest.raises(PolicyError, match="fact metrics is '1025 values'"):
        Facts(**GOOD, metrics={f"m{n}": 0.5 for n in range(1025)})
    with pytest.raises(PolicyError, match="fact metrics is"):
        Facts(**GOOD, metrics={"a\nb": 0.5})
