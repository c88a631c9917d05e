"""The policy engine: a text becomes a checked Policy once, and a Policy and Facts become a Decision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cedarpy

from mooring.errors import PolicyError
from mooring.policy import schema
from mooring.policy.facts import Facts
from mooring.policy.text import Statement, canonical_text, line_of, statements
from mooring.records.digest import Digest, sha256

__all__ = ["NO_RULE", "Decision", "Policy", "decide"]

NO_RULE = "no rule permits this"
"""What a decision says where no permit matched and no forbid did."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_NUMBERED = re.compile(r"policy(\d+)")


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it may happen, and the rules that made it so, in the order of the policy's text.

    `errors` names what went wrong in evaluation; a decision with errors never allows.
    """

    allowed: bool
    rules: tuple[str, ...]
    errors: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The rules in words: what a refused caller is told."""
        if self.errors:
            return f"the policy could not be evaluated: {self.errors[0]}"
        return ", ".join(self.rules) or NO_RULE


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that parses, fits the schema, and names each of its rules; made by `load`."""

    text: str
    rules: tuple[str, ...]
    _set: cedarpy.PolicySet
    _schema: cedarpy.Schema

    @classmethod
    def load(cls, text: str) -> Policy:
        """Parse and validate a policy's text; raises PolicyError naming line and reason."""
        canonical = canonical_text(text)
        parts = statements(canonical)
        if not parts:
            raise _refuse("policy-empty", 1, "there is no rule, so nothing would ever be permitted")
        parsed = _parse(canonical, parts)
        rules = _rules(parsed, parts)
        checker = cedarpy.Schema.from_str(schema.SCHEMA)
        _validate(canonical, checker, parts)
        return cls(canonical, rules, parsed, checker)

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the canonical text in UTF-8: what stands on the ledger."""
        return sha256(self.text.encode())


def decide(policy: Policy, facts: Facts) -> Decision:
    """Return what the policy says of the facts; any error of evaluation denies."""
    answer = cedarpy.is_authorized(schema.request(facts), policy._set, schema.entities(facts), policy._schema)
    if answer.diagnostics.errors:
        return Decision(False, (), tuple(_named(error, policy.rules) for error in answer.diagnostics.errors))
    numbers = sorted(int(reason.removeprefix("policy")) for reason in answer.diagnostics.reasons)
    return Decision(answer.allowed, tuple(policy.rules[number] for number in numbers))


def _parse(text: str, parts: Sequence[Statement]) -> cedarpy.PolicySet:
    """Parse statement by statement first, because Cedar does not say where in a text an error is."""
    for part in parts:
        _parse_statement(part)
    return _parse_statement(Statement(text, 1))


def _parse_statement(part: Statement) -> cedarpy.PolicySet:
    try:
        return cedarpy.PolicySet.from_str(part.text)
    except ValueError as error:
        raise _refuse("policy-syntax", line_of(part, str(error)), str(error)) from error


def _rules(parsed: cedarpy.PolicySet, parts: Sequence[Statement]) -> tuple[str, ...]:
    """Return each statement's @id; Cedar numbers static policies `policy0`, `policy1`… as they stand in the text."""
    nodes = parsed.to_pst()
    if nodes.templates:
        number = int(min(nodes.templates).removeprefix("policy"))
        raise _refuse("policy-template", parts[number].line, "a template has no caller to decide about")
    names: list[str] = []
    for number, part in enumerate(parts):
        name = nodes.static_policies[f"policy{number}"].annotations.get("id") or ""
        if _ID.fullmatch(name) is None:
            raise _refuse("policy-rule-name", part.line, f"@id {name!r} is not 1 to 64 of a-z, 0-9 and '-'")
        if name in names:
            raise _refuse("policy-rule-name", part.line, f"@id {name!r} is taken by an earlier rule")
        names.append(name)
    return tuple(names)


def _validate(text: str, checker: cedarpy.Schema, parts: Sequence[Statement]) -> None:
    for error in cedarpy.validate_policies(text, checker).errors:
        part = parts[int(error.policy_id.removeprefix("policy"))]
        raise _refuse("policy-schema", line_of(part, _reason(error.error)), _reason(error.error))


def _reason(error: str) -> str:
    return re.sub(r"^for policy `policy\d+`, ", "", error)


def _named(error: str, rules: Sequence[str]) -> str:
    return _NUMBERED.sub(lambda match: rules[int(match[1])], error)


def _refuse(code: str, line: int, reason: str) -> PolicyError:
    return PolicyError(
        f"policy line {line}: {reason}", code=code, hint='each rule is @id("name") permit or forbid (…); see the schema'
    )
