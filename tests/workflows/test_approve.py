"""Approval: by organisations, never one's own, once a round, with evidence in the log; a refusal is recorded only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.workflows.acts import agree, logged, versions
from tests.workflows.stage import DATA, MODEL

from mooring.errors import LedgerRefused, RecordError, WorkflowError
from mooring.records.predicates import Approval
from mooring.wiring.session import Session
from mooring.workflows import approve as approving
from mooring.workflows import deploy
from mooring.workflows.approve import approve


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((LedgerRefused, WorkflowError)) as caught:
        act()
    return caught.value.code


def test_two_organisations_approve_a_version(registered: Session) -> None:
    first, second = agree(registered)
    assert (first.organisation, first.approvals, first.needed, first.status) == ("lab", 1, 2, "proposed")
    assert (second.organisation, second.approvals, second.needed, second.status) == ("auditor", 2, 2, "approved")
    assert versions(registered)[MODEL] == "approved"


def test_the_evidence_on_the_ledger_is_the_attested_decision(registered: Session) -> None:
    (made,) = agree(registered, by=("bob",))
    said = logged(registered)[-1]
    assert isinstance(said.predicate, Approval)
    assert (said.predicate.organisation, said.predicate.decision) == ("lab", "approve")
    assert said.digest == made.evidence
    (event,) = [event for event in registered.deployment.events() if event.name == "Approved"]
    assert event.args["evidence"] == made.evidence.value


def test_one_organisation_counts_once(registered: Session) -> None:
    agree(registered, by=("bob",))
    before = len(logged(registered))
    assert refusal(lambda: agree(registered, by=("bob",))) == "already-approved"
    assert len(logged(registered)) == before
    assert agree(registered, by=("carol",))[0].approvals == 2


def test_nobody_approves_their_own_proposal_even_as_approver(registered: Session) -> None:
    before = len(logged(registered))
    assert refusal(lambda: agree(registered, by=("alice",))) == "own-proposal"
    assert len(logged(registered)) == before


def test_an_approval_after_the_fact_is_refused(approved: Session) -> None:
    assert refusal(lambda: agree(approved, by=("bob",))) == "wrong-status"
    assert refusal(lambda: agree(approved, by=("alice",))) == "wrong-status"


def test_an_approval_of_what_was_revoked_is_refused(registered: Session) -> None:
    for name in ("bob", "carol"):
        deploy.revoke(registered.deployment, registered.deployment.actor(name), MODEL, "stolen")
    assert refusal(lambda: agree(registered, by=("bob",))) == "wrong-status"


def test_a_refusal_is_recorded_and_counts_for_nothing(registered: Session) -> None:
    deployment = registered.deployment
    made = approve(deployment, deployment.actor("bob"), MODEL, decision="refuse", comment="metrics not reproduced")
    assert (made.decision, made.approvals, made.cost, made.status) == ("refuse", 0, 0, "proposed")
    said = logged(registered)[-1].predicate
    assert isinstance(said, Approval)
    assert (said.decision, said.comment) == ("refuse", "metrics not reproduced")
    assert agree(registered, by=("bob",))[0].approvals == 1


def test_a_decision_is_approve_or_refuse(registered: Session) -> None:
    deployment = registered.deployment
    with pytest.raises(RecordError) as caught:
        approve(deployment, deployment.actor("bob"), MODEL, decision="perhaps")
    assert caught.value.code == "decision"


def test_a_data_set_may_be_approved_too(registered: Session) -> None:
    assert [made.approvals for made in agree(registered, DATA)] == [1, 2]


def test_a_version_that_is_not_registered_cannot_be_approved(registered: Session) -> None:
    assert refusal(lambda: agree(registered, "tumour@9")) == "unknown-version"
    assert refusal(lambda: agree(registered, "lung@1")) == "unknown-asset"
    assert refusal(lambda: agree(registered, "tumour")) == "version-name"


def test_an_approval_that_broke_off_after_the_log_goes_on_with_its_attestation(
    registered: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(approving, "transact", crash)
        with pytest.raises(KeyboardInterrupt):
            agree(registered, by=("bob",))
    attested = logged(registered)[-1]
    (made,) = agree(registered, by=("bob",))
    assert made.evidence == attested.digest
    assert logged(registered)[-1] == attested


def test_after_a_suspension_an_earlier_attestation_is_not_used_again(
    registered: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    deployment = registered.deployment
    with monkeypatch.context() as patched:
        patched.setattr(approving, "transact", crash)
        with pytest.raises(KeyboardInterrupt):
            agree(registered, by=("bob",))
    stale = logged(registered)[-1].digest
    deploy.suspend(deployment, deployment.actor("carol"), MODEL, "to be looked at")
    before = len(logged(registered))
    monkeypatch.setattr(type(deployment), "now", lambda self: "2030-01-01T00:00:00Z")
    (made,) = agree(registered, by=("bob",))
    assert made.evidence != stale
    assert len(logged(registered)) == before + 1
