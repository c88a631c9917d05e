"""Deploy: move a version through its life on the ledger, and attest each step."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.errors import WorkflowError
from mooring.ledger.port import Event, Value
from mooring.ledger.registry import NO_WORD, RegistryState, Status, Version
from mooring.policy import Facts, Policy, decide
from mooring.records.digest import Digest, sha256
from mooring.records.predicates import Deployment as DeploymentPredicate
from mooring.records.predicates import Incident, StatusChange
from mooring.records.statement import Statement
from mooring.workflows.attest import Attested, attest, said_before, statement_of
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.transact import check_call, election, transact
from mooring.workflows.versions import find, last_change, occasion, split, subject

__all__ = ["Changed", "activate", "report_incident", "retire", "revoke", "rollback", "suspend"]

_EFFECTS = {
    "activate": Status.ACTIVE,
    "suspend": Status.SUSPENDED,
    "retire": Status.RETIRED,
    "revoke": Status.REVOKED,
}
"""The status to which a call brings a version; a rollback brings it to none."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A status change: from, to, on which ledger transaction, attested where. `cost` is in gas or bytes.

    A vote to revoke that does not complete the quorum changes nothing and is not attested: the ledger holds it.
    """

    version: str
    before: str
    after: str
    reference: str
    block: int | None
    attestation: Digest | None
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
    if _unattested(deployment, actor, name, version, "activate", "") is None:
        _prepare(deployment, actor, name, state, policy, environment, purposes)
    return _change(deployment, actor, name, "activate", "activated")


def _prepare(
    deployment: Deployment,
    actor: Actor,
    name: str,
    state: RegistryState,
    policy: Policy,
    environment: str,
    purposes: tuple[str, ...],
) -> None:
    """Check that the activation will be let through, and attest its purposes."""
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
    said = Statement(subject(name, version), predicate)
    said = said_before(deployment, said, actor.organisation, since=last_change(deployment, name))
    attest(deployment, said, actor.organisation)


def suspend(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """Stop a version at once; any guardian may."""
    return _change(deployment, actor, name, "suspend", reason)


def retire(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """End a version's service for good."""
    return _change(deployment, actor, name, "retire", reason)


def revoke(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """Vote to revoke a version for good; the vote that completes the quorum revokes it."""
    return _change(deployment, actor, name, "revoke", reason)


def rollback(deployment: Deployment, actor: Actor, name: str, reason: str) -> Changed:
    """Serve another active version by default: `name` is the one to go back to."""
    return _change(deployment, actor, name, "rollback", reason)


def report_incident(
    deployment: Deployment, actor: Actor, name: str, *, severity: str, summary: str, actions: tuple[str, ...]
) -> Attested:
    """Attest that something went wrong with a version, and what was done."""
    version = find(deployment.follow(), name)
    asset, label = split(name)
    now = deployment.now()
    incident = Incident(asset, label, now, severity, summary, now, actions)
    return attest(deployment, Statement(subject(name, version), incident), actor.organisation)


def _change(deployment: Deployment, actor: Actor, name: str, method: str, reason: str) -> Changed:
    """Have the ledger change a version, and attest what it did; what broke off in between is attested, not repeated."""
    state = deployment.follow()
    before = find(state, name)
    done = _unattested(deployment, actor, name, before, method, reason)
    if done is None:
        point = election(state) if method == "revoke" else state.current.get(before.asset, b"").hex()
        args = _arguments(method, before, _held(method, reason))
        outcome = transact(deployment, actor.name, "AssetRegistry", method, args, f"{occasion(before)}/{point}")
        was, reference, block, cost = before.status, outcome.reference, outcome.block, outcome.cost
    else:
        was, reference, block, cost = _status(done.args.get("from"), before.status), done.reference, done.block, 0
    after = find(deployment.follow(), name)
    asset, label = split(name)
    words, what = (_word(was), _word(after.status)), f"{method}: {reason}"
    if method == "revoke" and after.status == was:
        return Changed(name, *words, reference, block, None, cost)  # a vote that changed nothing yet
    predicate = StatusChange(asset, label, deployment.now(), *words, what, reference)
    attested = attest(deployment, Statement(subject(name, after), predicate), actor.organisation)
    return Changed(name, *words, reference, block, attested.digest, cost)


def _arguments(method: str, version: Version, reason: bytes) -> tuple[Value, ...]:
    if method == "activate":
        return (version.id,)
    return (version.asset, version.id, reason) if method == "rollback" else (version.id, reason)


def _unattested(
    deployment: Deployment, actor: Actor, name: str, version: Version, method: str, reason: str
) -> Event | None:
    """Return the version's last change on the ledger if this call made it and broke off before it was attested."""
    about = {"StatusChanged": "version", "RolledBack": "to"}
    events = [e for e in deployment.events() if e.name in about and e.args[about[e.name]] == version.id]
    if not events:
        return None
    last, sender = events[-1], deployment.keys.address(actor.name)
    made = (last.args.get("to"), last.args["actor"], last.args["reason"])
    wanted = (_EFFECTS.get(method, version.id), sender, _held(method, reason))
    return last if made == wanted and not _attested(deployment, name, last.reference) else None


def _attested(deployment: Deployment, name: str, reference: str) -> bool:
    rows = deployment.index.attestations(
        origin=deployment.records_origin, subject=name, predicate_type="urn:mooring:status-change:v1"
    )
    predicates = (statement_of(deployment, row).predicate for row in reversed(rows))
    return any(isinstance(found, StatusChange) and found.reference == reference for found in predicates)


def _held(method: str, reason: str) -> bytes:
    """Return what the ledger holds of a reason: its digest, or nothing for an activation; the log holds the words."""
    return NO_WORD if method == "activate" else sha256(reason.encode()).value


def _status(value: object, otherwise: Status) -> Status:
    return Status(value) if isinstance(value, int) else otherwise


def _word(status: Status) -> str:
    return status.name.lower()


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
        status=_word(version.status),
        purpose="",
        authenticated=True,
        organisation=actor.organisation,
        purposes=purposes,
        approvals=len(version.counted),
    )
