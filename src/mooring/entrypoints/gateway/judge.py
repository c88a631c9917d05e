"""The judge: who may infer with which version for what purpose, decided once and kept until a followed fact changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mooring.entrypoints.gateway.ask import Denial, Grant, Target
from mooring.entrypoints.gateway.callers import Callers
from mooring.entrypoints.gateway.fleet import Fleet, Key
from mooring.entrypoints.gateway.meter import Meter
from mooring.entrypoints.gateway.parts import ACTIVE, GatewayParts, ServedVersion, Verdict
from mooring.entrypoints.gateway.problem import Problem, problem_of
from mooring.entrypoints.gateway.settings import PURPOSE, GatewaySettings
from mooring.errors import MooringError, NotFoundError

__all__ = ["LABEL", "Judge", "Judgement", "Loading"]

LABEL = "[a-z0-9][a-z0-9._-]{0,63}"
"""What a model or version may be called, as a regular expression."""

_PATH = re.compile(f"/v2/models/({LABEL})(?:/versions/({LABEL}))?/infer".encode())
_REMEMBERED = 4096
_RULE_LIMIT = 512


@dataclass(frozen=True, slots=True)
class Loading:
    """The version may serve and is being loaded."""

    key: Key


Judgement: TypeAlias = Grant | Denial | Problem | Loading
"""Leave; a refusal for the log; a request that cannot be decided about; or not yet."""


class Judge:
    """Decides about targets."""

    def __init__(self, parts: GatewayParts, settings: GatewaySettings, fleet: Fleet, meter: Meter) -> None:
        self._source = parts.source
        self._authorise = parts.authorise
        self._settings = settings
        self._fleet = fleet
        self._meter = meter
        self._callers = Callers(settings.callers)
        self._known: dict[Target, Grant | Denial] = {}
        self._state: object = object()

    def judge(self, target: Target) -> Judgement:
        """Return what was decided about this target under the followed state of this moment."""
        state = self._source.state_id
        if state != self._state or len(self._known) > _REMEMBERED:
            self._known.clear()
            self._state = state
        found: Judgement | None = self._known.get(target)
        if found is None:
            found = self._decide(target)
            if isinstance(found, Grant | Denial):
                self._known[target] = found
        return found

    def _decide(self, target: Target) -> Judgement:
        path, authorization, purpose = target
        match = _PATH.fullmatch(path)
        if match is None:
            return Problem(
                "path", f"{path[:120]!r} is no inference path", "POST /v2/models/<model>[/versions/<version>]/infer"
            )
        wanted = purpose.decode("latin-1") or self._settings.default_purpose
        if PURPOSE.fullmatch(wanted) is None:
            return Problem("purpose", f"mooring-purpose is {wanted!r:.80}", "1 to 64 of letters, digits and . _ : / -")
        try:
            caller = self._callers.name(authorization)
            return self._decide_version(target, caller, match[1].decode(), (match[2] or b"").decode(), wanted)
        except MooringError as error:
            return problem_of(error, "undecided")

    def _decide_version(self, target: Target, caller: str, model: str, named: str, purpose: str) -> Judgement:
        versions = self._source.versions(model)
        if not versions:
            return Problem("model-unknown", f"model {model!r} is not registered", "see GET /v2 and the registry")
        current = named or self._source.current(model)
        version = current or versions[-1]
        try:
            served = self._source.version(model, version)
        except NotFoundError:
            return Problem("version-unknown", f"model {model!r} has no version {version!r}", f"it has {_few(versions)}")
        verdict = self._authorise(caller, model, version, purpose)
        problem = _denied(served, verdict, f"{caller} for {purpose!r} from {model} {version}")
        if problem is None and current is None:
            problem = _nothing_current(model, version)
        if problem is not None:
            self._forget(model, version, served)
            meter = self._meter.model(model, version)
            return Denial(problem, meter, caller, model, str(verdict.policy), purpose, version)
        return self._grant(target, caller, model, version, purpose, served, verdict)

    def _grant(
        self,
        target: Target,
        caller: str,
        model: str,
        version: str,
        purpose: str,
        served: ServedVersion,
        verdict: Verdict,
    ) -> Judgement:
        key = (model, version, served.manifest)
        engine = self._fleet.get(key)
        if engine is None:
            return Loading(key)
        if isinstance(engine, Problem):
            return engine
        return Grant(
            engine,
            self._meter.model(model, version),
            caller,
            str(served.manifest),
            model,
            str(verdict.policy),
            purpose,
            version,
            model not in self._settings.non_finite_models,
            self._state,
            target,
        )

    def _forget(self, model: str, version: str, served: ServedVersion) -> None:
        """What may not serve need not be kept ready."""
        if served.status != ACTIVE:
            self._fleet.drop(model, version)


def _denied(served: ServedVersion, verdict: Verdict, what: str) -> Problem | None:
    """Return the refusal by the policy, or by the rule that no policy can lift."""
    hint = "ask for what the deployment allows, or have the policy or the version's status changed by its owners"
    if not verdict.allowed:
        rule = verdict.rule[:_RULE_LIMIT] or "unnamed"
        return Problem("denied", f"refused to {what} (status {served.status}): {verdict.rule}", hint, rule)
    if served.status != ACTIVE:
        return Problem(
            "not-active", f"refused to {what}: the version is {served.status}", hint, "only-active-versions-serve"
        )
    return None


def _nothing_current(model: str, newest: str) -> Problem:
    return Problem(
        "no-current-version",
        f"model {model} has no version in service by default; the newest is {newest}",
        "name a version in the path, or have an operator roll back to an active one",
        "no-current-version",
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[-5:])
