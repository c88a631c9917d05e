"""The schema that every policy is validated against, and facts as the entities of that schema.

Source: Cedar policy language, https://docs.cedarpolicy.com/schema/human-readable-schema.html.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Any, TypeAlias

from mooring.policy.facts import Facts

__all__ = ["SCHEMA", "entities", "request"]

SCHEMA = """\
// Who asks. A caller without a token is "anonymous" and not authenticated.
entity Organisation;
entity Caller in [Organisation] {
  authenticated: Bool,
  organisation?: Organisation,
};
// One version of a model. Its tags are the metrics of its evaluation, with four decimal places, rounded down.
entity Model {
  name: String,
  version: String,
  status: String,
  owner?: Organisation,
  purposes: Set<String>,
  jurisdictions: Set<String>,
  approvals: Long,
} tags decimal;
action infer, train, activate appliesTo {
  principal: Caller,
  resource: Model,
  context: { purpose: String, jurisdiction: String },
};
"""

Node: TypeAlias = dict[str, Any]  # Any: Cedar's JSON form of an entity nests without bound

_PLACES = Decimal("0.0001")


def request(facts: Facts) -> Node:
    """Return the facts as a Cedar request."""
    return {
        "principal": _uid("Caller", facts.caller),
        "action": _uid("Action", facts.action),
        "resource": _uid("Model", _version_id(facts)),
        "context": {"purpose": facts.purpose, "jurisdiction": facts.jurisdiction},
    }


def entities(facts: Facts) -> list[Node]:
    """Return the facts as Cedar entities: the caller, the version, and the organisations of both."""
    organisations = sorted({facts.organisation, facts.owner} - {""})
    return [
        _caller(facts),
        _model(facts),
        *({"uid": _uid("Organisation", name), "attrs": {}, "parents": []} for name in organisations),
    ]


def _caller(facts: Facts) -> Node:
    attributes: Node = {"authenticated": facts.authenticated}
    parents: list[Node] = []
    if facts.organisation:
        attributes["organisation"] = {"__entity": _uid("Organisation", facts.organisation)}
        parents.append(_uid("Organisation", facts.organisation))
    return {"uid": _uid("Caller", facts.caller), "attrs": attributes, "parents": parents}


def _model(facts: Facts) -> Node:
    attributes: Node = {
        "name": facts.model,
        "version": facts.version,
        "status": facts.status,
        "purposes": list(facts.purposes),
        "jurisdictions": list(facts.jurisdictions),
        "approvals": facts.approvals,
    }
    if facts.owner:
        attributes["owner"] = {"__entity": _uid("Organisation", facts.owner)}
    tags = {name: _decimal(value) for name, value in facts.metrics.items()}
    return {"uid": _uid("Model", _version_id(facts)), "attrs": attributes, "parents": [], "tags": tags}


def _decimal(value: float) -> Node:
    rounded = Decimal(repr(float(value))).quantize(_PLACES, rounding=ROUND_FLOOR)
    return {"__extn": {"fn": "decimal", "arg": str(rounded)}}


def _version_id(facts: Facts) -> str:
    return f"{facts.model}@{facts.version}"


def _uid(kind: str, name: str) -> Node:
    return {"type": kind, "id": name}
