"""May it happen: a decision from a policy and facts."""

from __future__ import annotations

from mooring.policy.default import DEFAULT_POLICY
from mooring.policy.engine import NO_RULE, Decision, Policy, decide
from mooring.policy.facts import ACTIONS, Facts
from mooring.policy.schema import SCHEMA

__all__ = ["ACTIONS", "DEFAULT_POLICY", "NO_RULE", "SCHEMA", "Decision", "Facts", "Policy", "decide"]
