"""Entries of a log ledger, read as events."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.errors import ProofError
from mooring.proofs.anchor import LogEvidence
from mooring.proofs.events import Field
from mooring.proofs.trust import Trust

__all__ = ["read_leaf"]


def read_leaf(evidence: LogEvidence, trust: Trust, now_s: int | None) -> tuple[str, Mapping[str, Field], int]:
    """Return an entry's event, its arguments and its time."""
    raise ProofError("log evidence cannot be read yet", code="leaf", hint="use an EVM ledger")
