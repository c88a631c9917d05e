"""Approve: one organisation's signed decision on a version, counted by the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.ledger.registry import NO_WORD, Status
from mooring.records.digest import Digest
from mooring.records.predicates import Approval
from mooring.records.statement import Statement
from mooring.workflows.attest import attest, said_before
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.transact import check_call, transact
from mooring.workflows.versions import find, last_change, occasion, split, subject

__all__ = ["Approved", "approve"]


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval led to: how many organisations count now, how many are needed, and the version's status."""

    version: str
    organisation: str
    decision: str
    approvals: int
    needed: int
    status: str
    evidence: Digest
    cost: int


def approve(
    deployment: Deployment, actor: Actor, name: str, *, decision: str = "approve", comment: str = ""
) -> Approved:
    """Attest an organisation's decision; an approval is also counted on the ledger, a refusal only recorded.

    The ledger refuses (LedgerRefused): another role, one's own proposal, a second approval of one organisation, a
    version that collects no approvals.
    """
    state = deployment.follow()
    version = find(state, name)
    asset, label = split(name)
    predicate = Approval(asset, label, deployment.now(), actor.organisation, decision, comment)
    cost = 0
    if decision == "approve":
        check_call(deployment, state, actor, "approveRound", (version.id, version.round, NO_WORD))
    said = Statement(subject(name, version), predicate)
    said = said_before(deployment, said, actor.organisation, since=last_change(deployment, name))
    attested = attest(deployment, said, actor.organisation)
    if decision == "approve":
        args = (version.id, version.round, attested.digest.value)  # a suspension meanwhile must not count it anew
        cost = transact(deployment, actor.name, "AssetRegistry", "approveRound", args, occasion(version)).cost
    state = deployment.follow()
    after = find(state, name)
    counted, status = len(after.counted), Status(after.status).name.lower()
    return Approved(name, actor.organisation, decision, counted, state.threshold, status, attested.digest, cost)
