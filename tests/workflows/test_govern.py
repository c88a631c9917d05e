"""Governance: keys belong to organisations, and nobody changes policy, members or quorum alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from mooring.errors import LedgerRefused, WorkflowError
from mooring.ledger.registry import Role, asset_id, org_id
from mooring.policy import DEFAULT_POLICY, Policy
from mooring.wiring.session import Session
from mooring.workflows.govern import (
    FOREVER,
    policy_digest,
    register_key,
    revoke_key,
    set_member,
    set_policy,
    set_threshold,
)

OTHER = Policy.load(DEFAULT_POLICY + "\n// the second edition\n")
STRANGER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises((LedgerRefused, WorkflowError)) as caught:
        act()
    return caught.value.code


def test_founding_registered_every_organisations_key_and_put_the_default_policy_in_force(founded: Session) -> None:
    state, keys = founded.deployment.follow(), founded.deployment.keys
    for organisation in ("hospital", "lab", "auditor"):
        key = state.keys[bytes.fromhex(keys.public(f"{organisation}-attest").keyid)]
        assert (key.org, key.not_after, key.revoked_from) == (org_id(organisation), FOREVER, None)
    assert policy_digest(founded.deployment, "") == Policy.load(DEFAULT_POLICY).digest


def test_a_key_is_registered_once(founded: Session) -> None:
    deployment, alice = founded.deployment, founded.deployment.actor("alice")
    deployment.keys.create("spare", "p256")  # type: ignore[attr-defined]  # a key store of our own
    first = register_key(deployment, alice, "spare", not_after=4_000_000_000)
    again = register_key(deployment, alice, "spare")
    assert (first.new, again.new, again.cost) == (True, False, 0)
    assert (again.not_before, again.not_after) == (first.not_before, 4_000_000_000)


def test_a_key_of_another_organisation_cannot_be_taken(founded: Session) -> None:
    deployment = founded.deployment
    assert refusal(lambda: register_key(deployment, deployment.actor("bob"), "hospital-attest")) == "key-exists"


def test_a_key_that_would_end_before_it_begins_is_refused(founded: Session) -> None:
    deployment, alice = founded.deployment, founded.deployment.actor("alice")
    deployment.keys.create("spare", "ed25519")  # type: ignore[attr-defined]  # a key store of our own
    assert refusal(lambda: register_key(deployment, alice, "spare", not_after=5)) == "bad-window"


def test_ones_own_key_and_as_guardian_any_key_can_be_revoked(founded: Session) -> None:
    deployment = founded.deployment
    hospital, lab = (deployment.keys.public(f"{name}-attest").keyid for name in ("hospital", "lab"))
    assert refusal(lambda: revoke_key(deployment, deployment.actor("alice"), lab)) == "not-of-organisation"
    revoke_key(deployment, deployment.actor("carol"), lab)
    revoke_key(deployment, deployment.actor("alice"), hospital, from_s=2_000_000_000)
    now = int(time.time())
    state = deployment.follow()
    assert (state.key_valid(bytes.fromhex(lab), now + 1), state.key_valid(bytes.fromhex(hospital), now)) == (
        False,
        True,
    )
    assert refusal(lambda: revoke_key(deployment, deployment.actor("alice"), hospital, from_s=2_100_000_000)) == (
        "unchanged"
    )


def test_a_key_that_nobody_registered_cannot_be_revoked(founded: Session) -> None:
    deployment = founded.deployment
    assert refusal(lambda: revoke_key(deployment, deployment.actor("bob"), "ab" * 32)) == "unknown-key"


def test_a_policy_needs_the_quorum(founded: Session) -> None:
    deployment = founded.deployment
    first = set_policy(deployment, deployment.actor("alice"), OTHER)
    assert (first.votes, first.needed, first.passed) == (1, 2, False)
    assert refusal(lambda: set_policy(deployment, deployment.actor("alice"), OTHER)) == "already-voted"
    assert founded.policy("").digest != OTHER.digest
    second = set_policy(deployment, deployment.actor("carol"), OTHER)
    assert (second.votes, second.passed) == (2, True)
    assert founded.policy("").text == OTHER.text
    assert set_policy(deployment, deployment.actor("bob"), OTHER).cost == 0


def test_an_earlier_policy_can_be_voted_in_again(founded: Session) -> None:
    deployment, default = founded.deployment, Policy.load(DEFAULT_POLICY)
    for policy in (OTHER, default, OTHER):
        for name in ("alice", "bob"):
            vote = set_policy(deployment, deployment.actor(name), policy)
        assert vote.passed
        assert policy_digest(deployment, "") == policy.digest


def test_an_asset_has_its_own_policy_or_that_of_all(registered: Session) -> None:
    deployment = registered.deployment
    for name in ("alice", "bob"):
        set_policy(deployment, deployment.actor(name), OTHER, "tumour")
    assert policy_digest(deployment, "tumour") == OTHER.digest
    assert policy_digest(deployment, "cells") == policy_digest(deployment, "") != OTHER.digest
    assert refusal(lambda: set_policy(deployment, deployment.actor("alice"), OTHER, "lung")) == "unknown-asset"
    assert asset_id("lung") not in deployment.follow().policies


def test_a_member_is_seated_and_removed_by_the_quorum(founded: Session) -> None:
    deployment = founded.deployment
    first = set_member(deployment, deployment.actor("alice"), STRANGER, "university", int(Role.APPROVER))
    assert not first.passed
    assert deployment.follow().seat(STRANGER) is None
    assert set_member(deployment, deployment.actor("bob"), STRANGER, "university", int(Role.APPROVER)).passed
    seat = deployment.follow().seat(STRANGER)
    assert seat is not None
    assert (seat.org, seat.roles) == (org_id("university"), Role.APPROVER)
    for name in ("alice", "carol"):
        vote = set_member(deployment, deployment.actor(name), STRANGER, "university", 0)
    assert vote.passed
    assert deployment.follow().seat(STRANGER) is None


@pytest.mark.parametrize("account", [STRANGER.replace("f39F", "f39f"), STRANGER[:-1], "alice", ""])
def test_a_mistyped_account_is_not_voted_on(founded: Session, account: str) -> None:
    deployment = founded.deployment
    assert refusal(lambda: set_member(deployment, deployment.actor("alice"), account, "lab", 1)) == "account"
    assert set_member(deployment, deployment.actor("alice"), STRANGER.lower(), "lab", 1).votes == 1


def test_a_vote_that_lapsed_with_its_epoch_is_cast_anew(founded: Session) -> None:
    deployment = founded.deployment
    set_policy(deployment, deployment.actor("alice"), OTHER)
    for name in ("bob", "carol"):
        set_threshold(deployment, deployment.actor(name), 3)
    votes = [set_policy(deployment, deployment.actor(name), OTHER) for name in ("alice", "bob", "carol")]
    assert [(vote.votes, vote.needed, vote.passed) for vote in votes] == [(1, 3, False), (2, 3, False), (3, 3, True)]


def test_a_threshold_that_nobody_can_reach_is_refused(founded: Session) -> None:
    deployment = founded.deployment
    assert refusal(lambda: set_threshold(deployment, deployment.actor("alice"), 4)) == "quorum-unreachable"
    assert refusal(lambda: set_threshold(deployment, deployment.actor("alice"), 2)) == "unchanged"
    assert [set_threshold(deployment, deployment.actor(name), 1).passed for name in ("alice", "bob")] == [False, True]
    assert deployment.follow().threshold == 1
