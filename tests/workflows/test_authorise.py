"""Authorisation: by the policy that the ledger names, whose text is checked; whatever goes wrong denies."""

from __future__ import annotations

import pytest
from tests.workflows.stage import MODEL, PURPOSE

from mooring.errors import NotFoundError
from mooring.ledger.registry import asset_id
from mooring.policy import Policy
from mooring.wiring.session import Session
from mooring.workflows import deploy
from mooring.workflows.authorise import Authoriser, Verdict
from mooring.workflows.govern import set_policy
from mooring.workflows.transact import transact

MEMBERS_ONLY = Policy.load(
    '@id("hospital-infers")\npermit (principal, action == Action::"infer", resource)\n'
    'when { principal has organisation && principal.organisation == Organisation::"hospital" };\n'
    '@id("callers-activate")\npermit (principal, action == Action::"activate", resource);\n'
)


@pytest.fixture
def judge(active: Session) -> Authoriser:
    active.deployment.follow()
    return active.authoriser(active.models())


def test_a_stated_purpose_of_an_active_version_is_allowed(active: Session, judge: Authoriser) -> None:
    verdict = judge("anonymous", "tumour", "1", PURPOSE)
    assert (verdict.allowed, verdict.policy) == (True, active.policy("").digest)


def test_another_purpose_is_denied_by_the_rule_that_says_so(judge: Authoriser) -> None:
    verdict = judge("anonymous", "tumour", "1", "marketing")
    assert not verdict.allowed
    assert "purpose-of-the-deployment" in verdict.rule


def test_a_suspended_version_is_denied(active: Session, judge: Authoriser) -> None:
    deploy.suspend(active.deployment, active.deployment.actor("bob"), MODEL, "bad")
    verdict = judge("anonymous", "tumour", "1", PURPOSE)
    assert not verdict.allowed
    assert "only-active-versions-serve" in verdict.rule


def test_an_assets_own_policy_decides_by_the_callers_organisation(active: Session, judge: Authoriser) -> None:
    for name in ("alice", "bob"):
        set_policy(active.deployment, active.deployment.actor(name), MEMBERS_ONLY, "tumour")
    assert judge("alice", "tumour", "1", PURPOSE).allowed
    assert judge("alice", "tumour", "1", PURPOSE).policy == MEMBERS_ONLY.digest
    for caller in ("bob", "anonymous", "hospital"):
        assert not judge(caller, "tumour", "1", PURPOSE).allowed


def test_a_policy_whose_text_is_lost_or_changed_denies(active: Session) -> None:
    deployment = active.deployment
    path = active.blob_path(active.policy("").digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"forbid", b"permit"))
    changed = active.verdict(MODEL, "anonymous", PURPOSE)
    assert (changed.allowed, changed.rule.split(":")[0]) == (False, "policy-unusable")
    path.unlink()
    lost = active.verdict(MODEL, "anonymous", PURPOSE)
    assert (lost.allowed, lost.rule.split(":")[0]) == (False, "policy-unusable")
    assert deployment.follow().policies


def test_a_digest_on_the_ledger_that_is_of_no_policy_denies(active: Session) -> None:
    deployment = active.deployment
    digest = deployment.blobs.put(b"this is no policy").digest
    for name in ("alice", "bob"):
        transact(deployment, name, "AssetRegistry", "setPolicy", (asset_id("tumour"), digest.value))
    verdict = active.verdict(MODEL, "alice", PURPOSE)
    assert (verdict.allowed, verdict.policy) == (False, digest)
    assert verdict.rule.startswith("policy-unusable")


def test_without_any_policy_on_the_ledger_everything_is_denied(active: Session) -> None:
    deployment = active.deployment
    state = deployment.follow()
    state.policies.clear()
    verdict = active.authoriser(active.models())("anonymous", "tumour", "1", PURPOSE)
    assert (verdict.allowed, verdict.rule, verdict.policy.value) == (False, "no-policy-on-the-ledger", bytes(32))


def test_a_version_that_is_not_registered_has_no_verdict(judge: Authoriser) -> None:
    with pytest.raises(NotFoundError):
        judge("anonymous", "tumour", "9", PURPOSE)
    assert isinstance(judge("anonymous", "tumour", "1", PURPOSE), Verdict)
