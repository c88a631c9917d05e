"""A version's life: activated by policy and quorum, stopped by one guardian, back only by the quorum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workflows.acts import activate, again, agree, logged, model, versions
from tests.workflows.stage import MODEL

from mooring.errors import LedgerRefused, RecordError, WorkflowError
from mooring.policy import DEFAULT_POLICY, Policy
from mooring.records.predicates import Deployment as DeploymentPredicate
from mooring.records.predicates import Incident, StatusChange
from mooring.wiring.session import Session
from mooring.workflows import deploy
from mooring.workflows.deploy import activate as activating
from mooring.workflows.deploy import report_incident, retire, revoke, rollback, suspend
from mooring.workflows.govern import set_policy


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((LedgerRefused, WorkflowError)) as caught:
        act()
    return caught.value.code


def acts(session: Session, verb: Callable[..., deploy.Changed], by: str, name: str = MODEL, why: str = "x") -> object:
    return verb(session.deployment, session.deployment.actor(by), name, why)


def test_an_approved_version_goes_into_service_for_stated_purposes(approved: Session) -> None:
    changed = activate(approved, purposes=("diagnosis", "teaching"))
    assert (changed.before, changed.after) == ("approved", "active")
    purposes, status = logged(approved)[-2:]
    assert isinstance(purposes.predicate, DeploymentPredicate)
    assert purposes.predicate.purposes == ("diagnosis", "teaching")
    assert purposes.predicate.policy == approved.policy(MODEL.split("@")[0]).digest
    assert isinstance(status.predicate, StatusChange)
    assert (status.predicate.reference, status.digest) == (changed.reference, changed.attestation)


def test_a_version_that_the_quorum_has_not_approved_is_refused_by_the_policy_and_not_attested(
    registered: Session,
) -> None:
    agree(registered, by=("bob",))
    before = len(logged(registered))
    with pytest.raises(WorkflowError, match="only-approved-versions-activate") as caught:
        activate(registered)
    assert caught.value.code == "policy-denied"
    assert len(logged(registered)) == before


def test_only_an_operator_activates(approved: Session) -> None:
    before = len(logged(approved))
    assert refusal(lambda: activate(approved, by="bob")) == "missing-role"
    assert len(logged(approved)) == before
    assert versions(approved)[MODEL] == "approved"


def test_a_policy_that_is_not_the_ledgers_is_refused(approved: Session) -> None:
    deployment, other = approved.deployment, Policy.load(DEFAULT_POLICY + "\n// another\n")
    act = deployment.actor("alice")
    assert (
        refusal(lambda: activating(deployment, act, MODEL, other, environment="production", purposes=("x",)))
        == "policy-digest"
    )


def test_a_version_is_activated_once(active: Session) -> None:
    assert refusal(lambda: activate(active)) == "policy-denied"


@pytest.mark.parametrize("guardian", ["bob", "carol"])
def test_any_guardian_alone_suspends_at_once(active: Session, guardian: str) -> None:
    changed = suspend(active.deployment, active.deployment.actor(guardian), MODEL, "answers badly")
    assert (changed.before, changed.after) == ("active", "suspended")
    state = active.deployment.follow()
    assert all(not version for version in state.current.values())
    said = logged(active)[-1].predicate
    assert isinstance(said, StatusChange)
    assert said.reason == "suspend: answers badly"


def test_an_operator_cannot_suspend(active: Session) -> None:
    assert refusal(lambda: acts(active, suspend, "alice")) == "missing-role"
    assert versions(active)[MODEL] == "active"


def test_a_suspended_version_needs_the_whole_quorum_again(active: Session) -> None:
    acts(active, suspend, "carol")
    assert refusal(lambda: activate(active)) == "policy-denied"
    (first,) = agree(active, by=("bob",))
    assert (first.approvals, first.status) == (1, "suspended")
    assert refusal(lambda: activate(active)) == "policy-denied"
    assert agree(active, by=("carol",))[0].status == "approved"
    assert activate(active).after == "active"


def test_a_version_lives_through_several_suspensions(active: Session) -> None:
    for _ in range(2):
        acts(active, suspend, "bob", why="again")
        again(active)
    assert versions(active)[MODEL] == "active"


def test_suspending_twice_is_refused(active: Session) -> None:
    acts(active, suspend, "bob")
    assert refusal(lambda: acts(active, suspend, "bob")) == "wrong-status"
    assert refusal(lambda: acts(active, suspend, "carol")) == "wrong-status"


def test_rollback_serves_the_version_before_by_default(active: Session, tmp_path: Path) -> None:
    model(active, tmp_path / "m", "tumour@2", factor=2.0)
    again(active, "tumour@2")
    changed = rollback(active.deployment, active.deployment.actor("alice"), MODEL, "the new one is bad")
    assert (changed.before, changed.after) == ("active", "active")
    assert refusal(lambda: acts(active, rollback, "alice")) == "unchanged"
    back = rollback(active.deployment, active.deployment.actor("alice"), "tumour@2", "it was not")
    assert back.attestation != changed.attestation
    rollback(active.deployment, active.deployment.actor("alice"), MODEL, "the new one is bad")


def test_rollback_is_for_operators_and_to_active_versions_of_the_same_asset(active: Session, tmp_path: Path) -> None:
    model(active, tmp_path / "m", "tumour@2", factor=2.0)
    assert refusal(lambda: acts(active, rollback, "bob")) == "missing-role"
    assert refusal(lambda: acts(active, rollback, "alice", "tumour@2")) == "wrong-status"


def test_retirement_is_final(active: Session) -> None:
    changed = retire(active.deployment, active.deployment.actor("alice"), MODEL, "replaced")
    assert (changed.before, changed.after) == ("active", "retired")
    for verb, by in ((retire, "alice"), (suspend, "bob"), (revoke, "bob")):
        assert refusal(lambda verb=verb, by=by: acts(active, verb, by)) == "wrong-status"  # type: ignore[misc]
    assert refusal(lambda: agree(active, by=("bob",))) == "wrong-status"


def test_only_an_operator_retires_and_only_what_was_approved(registered: Session) -> None:
    assert refusal(lambda: acts(registered, retire, "bob")) == "missing-role"
    assert refusal(lambda: acts(registered, retire, "alice")) == "wrong-status"


def test_revocation_needs_the_quorum(active: Session) -> None:
    deployment = active.deployment
    first = revoke(deployment, deployment.actor("alice"), MODEL, "trained on stolen data")
    assert (first.before, first.after) == ("active", "active")
    assert refusal(lambda: acts(active, revoke, "alice", why="trained on stolen data")) == "already-voted"
    other_words = revoke(deployment, deployment.actor("bob"), MODEL, "in other words")
    assert other_words.after == "active"
    second = revoke(deployment, deployment.actor("bob"), MODEL, "trained on stolen data")
    assert (second.before, second.after) == ("active", "revoked")
    assert refusal(lambda: acts(active, suspend, "bob")) == "wrong-status"


def test_an_incident_is_attested_with_what_was_done(active: Session) -> None:
    deployment = active.deployment
    made = report_incident(
        deployment, deployment.actor("bob"), MODEL, severity="high", summary="wrong unit", actions=("suspended",)
    )
    said = logged(active)[made.index].predicate
    assert isinstance(said, Incident)
    assert (said.severity, said.summary, said.actions) == ("high", "wrong unit", ("suspended",))


def test_an_incident_has_a_known_severity_and_version(active: Session) -> None:
    deployment, bob = active.deployment, active.deployment.actor("bob")
    with pytest.raises(RecordError) as caught:
        report_incident(deployment, bob, MODEL, severity="funny", summary="x", actions=())
    assert caught.value.code == "severity"
    with pytest.raises(WorkflowError) as unknown:
        report_incident(deployment, bob, "tumour@7", severity="low", summary="x", actions=())
    assert unknown.value.code == "unknown-version"


def test_an_asset_may_have_a_policy_of_its_own(approved: Session) -> None:
    deployment = approved.deployment
    strict = Policy.load(
        '@id("nobody-activates")\nforbid (principal, action == Action::"activate", resource);\n'
        '@id("callers-may-infer")\npermit (principal, action == Action::"infer", resource);\n'
    )
    for name in ("alice", "bob"):
        vote = set_policy(deployment, deployment.actor(name), strict, "tumour")
    assert vote.passed
    with pytest.raises(WorkflowError, match="nobody-activates"):
        activate(approved)
    assert approved.policy("").digest != strict.digest


class Crash(BaseException):
    """Stands for a killed process."""


def crash(*_: object, **__: object) -> None:
    raise Crash


VERBS: dict[str, tuple[str, Callable[[Session], deploy.Changed], str]] = {
    "activate": ("approved", activate, "active"),
    "suspend": ("active", lambda s: suspend(s.deployment, s.deployment.actor("bob"), MODEL, "x"), "suspended"),
    "retire": ("active", lambda s: retire(s.deployment, s.deployment.actor("alice"), MODEL, "x"), "retired"),
}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_change_that_broke_off_before_it_was_attested_is_attested_and_not_repeated(
    verb: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, act, after = VERBS[verb]
    session: Session = request.getfixturevalue(stage)
    whole = deploy.transact
    with monkeypatch.context() as patched:
        patched.setattr(deploy, "transact", lambda *args: (whole(*args), crash()))
        with pytest.raises(Crash):
            act(session)
    assert versions(session)[MODEL] == after
    events, entries = len(session.deployment.events()), len(logged(session))
    changed = act(session)
    assert changed.after == after
    assert len(session.deployment.events()) == events
    said = logged(session)[entries:]
    assert [(type(item.predicate), item.digest) for item in said] == [(StatusChange, changed.attestation)]
    with pytest.raises((LedgerRefused, WorkflowError)):
        act(session)


def test_a_rollback_that_broke_off_is_attested_and_not_repeated(
    active: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(active, tmp_path / "m", "tumour@2", factor=2.0)
    again(active, "tumour@2")
    whole = deploy.transact
    with monkeypatch.context() as patched:
        patched.setattr(deploy, "transact", lambda *args: (whole(*args), crash()))
        with pytest.raises(Crash):
            acts(active, rollback, "alice")
    entries = len(logged(active))
    changed = rollback(active.deployment, active.deployment.actor("alice"), MODEL, "x")
    assert (changed.before, changed.after, len(logged(active))) == ("active", "active", entries + 1)


def test_what_another_member_did_is_not_taken_for_ones_own_unfinished_work(
    active: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = deploy.transact
    with monkeypatch.context() as patched:
        patched.setattr(deploy, "transact", lambda *args: (whole(*args), crash()))
        with pytest.raises(Crash):
            acts(active, suspend, "bob")
    assert refusal(lambda: acts(active, suspend, "carol")) == "wrong-status"
    assert refusal(lambda: acts(active, suspend, "bob", why="other words")) == "wrong-status"
