"""Deploy: move a version through its life on the ledger, and attest each step."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.errors import WorkflowError
from mooring.ledger.port import Outcome, Value
from mooring.ledger.registry import RegistryState, Status, Version
from mooring.policy import Facts, Policy, decide
from mooring.records.digest import Digest, sha256
from mooring.records.predicates import Deployment as DeploymentPredicate
from mooring.records.predicates import Incident, StatusChange
from mooring.records.statement import Statement
from mooring.workflows.attest import Attested, attest
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.transact import check_call, transact
from mooring.workflows.versions import find, occasion, split, subject

__all__ = ["Changed", "activate", "report_incident", "retire", "revoke", "rollback", "suspend"]


@dataclass(frozen=True, slots=True)
class Changed:
    """A status change: from, to, on which ledger transaction, attested where. `cost` is in gas or bytes."""

    version: str
    before: str
    after: str
    reference: str
    block: int | None
    attestation: Digest
    cost: int


def activate(
    deployment: Deployment, actor: Actor, name: str, policy: Policy, *, environment: str, purposes: tuple[str, ...]
) -> Changed:
    """Attest for which purposes an approved version goes into service, if the policy lets it, and activate it.

    The attestation goes first, so that whoever sees the version active finds its purposes in the log. Raises
    WorkflowError `policy-denied` naming the rule; LedgerRefused if the ledger's rules say no.
    """
    state = deployment.follow()
    version = find(state, name)
    _require_policy(state, version, policy)
    facts = _facts(deployment, actor, name, version, purposes)
    decision = decide(policy, facts)
    if not decision.allowed:
        raise WorkflowError(
            f"the policy does not let {actor.name} activate {name}: {decision.reason}",
            code="policy-denied",
            hint="see: mooring policy show",
        )
    check_call(deployment, state, actor, "activate", (version.id,))
    asset, label = split(name)
    predicate = DeploymentPredicate(asset, label, deployment.now(), environment, purposes, policy.digest)
    attest(deployment, Statement(subject(name, version), predicate), actor.organisation)
    return _change(deployment, actor, name, "activate", (version.id,), "activated")


def suspend(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """Stop a version at once; any guardian may."""
    version = find(deployment.follow(), name)
    return _change(deployment, actor, name, "suspend", (version.id, _reason(reason)), reason)


def retire(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """End a version's service for good."""
    version = find(deployment.follow(), name)
    return _change(deployment, actor, name, "retire", (version.id, _reason(reason)), reason)


def revoke(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """Vote to revoke a version for good; the vote that completes the quorum revokes it."""
    version = find(deployment.follow(), name)
    return _change(deployment, actor, name, "revoke", (version.id, _reason(reason)), reason)


def rollback(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """Serve another active version by default: `name` is the one to go back to."""
    version = find(deployment.follow(), name)
    return _change(deployment, actor, name, "rollback", (version.asset, version.id, _reason(reason)), reason)


def report_incident(
    deployment: Deployment, actor: Actor, name: str, *, severity: str, summary: str, actions: tuple[str, ...]
) -> Attested:
    """Attest that something went wrong with a version, and what was done."""
    version = find(deployment.follow(), name)
    asset, label = split(name)
    now = deployment.now()
    incident = Incident(asset, label, now, severity, summary, now, actions)
    return attest(deployment, Statement(subject(name, version), incident), actor.organisation)


def _change(
    deployment: Deployment, actor: Actor, name: str, method: str, args: tuple[Value, ...], reason: str
) -> Changed:
    state = deployment.follow()
    before = find(state, name)
    serving = state.current.get(before.asset, b"").hex()
    outcome = transact(deployment, actor.name, "AssetRegistry", method, args, f"{occasion(before)}/{serving}")
    after = find(deployment.follow(), name)
    statement = _status_statement(deployment, name, before, after, method, reason, outcome)
    attested = attest(deployment, statement, actor.organisation)
    return Changed(name, _word(before), _word(after), outcome.reference, outcome.block, attested.digest, outcome.cost)


def _status_statement(
    deployment: Deployment, name: str, before: Version, after: Version, method: str, reason: str, outcome: Outcome
) -> Statement:
    asset, label = split(name)
    what = f"{method}: {reason}"
    predicate = StatusChange(asset, label, deployment.now(), _word(before), _word(after), what, outcome.reference)
    return Statement(subject(name, after), predicate)


def _word(version: Version) -> str:
    return Status(version.status).name.lower()


def _reason(text: str) -> bytes:
    """The digest of a reason: what the ledger holds of it; the words are in the attestation."""
    return sha256(text.encode()).value


def _require_policy(state: RegistryState, version: Version, policy: Policy) -> None:
    expected = state.policy(version.asset)
    if expected is not None and expected != policy.digest.value:
        raise WorkflowError(
            f"the policy at hand is {policy.digest}, the ledger's is sha256:{expected.hex()}",
            code="policy-digest",
            hint="set it with: mooring policy set",
        )


def _facts(deployment: Deployment, actor: Actor, name: str, version: Version, purposes: tuple[str, ...]) -> Facts:
    asset, label = split(name)
    return Facts(
        action="activate",
        caller=actor.name,
        model=asset,
        version=label,
        status=_word(version),
        purpose="",
        authenticated=True,
        organisation=actor.organisation,
        purposes=purposes,
        approvals=len(version.counted),
    )
