"""Versions: from proposed to active and to their end; who may take which step, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak, to_checksum_address
from localchain import address
from people import (
    ACTIVE,
    ALL,
    APPROVED,
    APPROVER,
    GUARDIAN,
    OPERATOR,
    PROPOSED,
    PUBLISHER,
    RETIRED,
    REVOKED,
    SUSPENDED,
    Registry,
    digest,
)

APPROVE = "approve(bytes32,bytes32)"
NOTHING = bytes(32)


def text(who: str) -> str:
    return to_checksum_address(address(who)).lower()


# Propose


def test_a_proposal_is_kept_and_told(registry: Registry) -> None:
    data, model = registry.asset("data", kind=1), registry.asset("model")
    parent = registry.version(data)
    outcome = registry.send("ann", "propose", model, "1.0.0", digest("m"), digest("a"), [parent])
    version = keccak(encode(["uint256", "string"], [model, "1.0.0"]))
    assert outcome.result == version
    assert outcome.events == (
        (
            "Proposed",
            {
                "version": version,
                "asset": model,
                "proposer": text("ann"),
                "manifest": digest("m"),
                "attestation": digest("a"),
                "label": "1.0.0",
                "parents": (parent,),
            },
        ),
    )
    assert registry.call("versionOf", version) == (model, digest("m"), digest("a"), text("ann"), PROPOSED, 0, 1)


def test_an_unknown_version_reads_as_nothing(registry: Registry) -> None:
    zero = "0x" + "00" * 20
    assert registry.call("versionOf", digest("x")) == (0, NOTHING, NOTHING, zero, 0, 0, 0)


def test_a_colleague_of_the_owner_may_propose(registry: Registry) -> None:
    assert registry.version(registry.asset(by="ann"), by="amy")


def test_another_organisation_may_not_propose(registry: Registry) -> None:
    asset = registry.asset(by="ann")
    args = (asset, "1", digest("m"), digest("a"), [])
    assert registry.refuses("NotAssetPublisher", "ben", "propose", *args) == (text("ben"), asset)


@pytest.mark.parametrize("whole", [False, True], ids=["for the token", "for all of the owner's tokens"])
def test_a_publisher_approved_by_erc_721_may_propose(registry: Registry, whole: bool) -> None:
    asset = registry.asset(by="ann")
    if whole:
        registry.send("ann", "setApprovalForAll", address("ben"), True)
    else:
        registry.send("ann", "approve(address,uint256)", address("ben"), asset)
    assert registry.version(asset, by="ben")
    registry.refuses("NotAssetPublisher", "cem", "propose", asset, "2", digest("m"), digest("a"), [])


def test_a_colleague_who_is_no_publisher_may_not_propose(registry: Registry) -> None:
    args = (registry.asset(), "1", digest("m"), digest("a"), [])
    assert registry.refuses("MissingRole", "ada", "propose", *args) == (text("ada"), PUBLISHER)


def test_an_owner_who_is_no_member_may_not_propose_and_nobody_does_for_them(registry: Registry) -> None:
    asset = registry.asset(by="ann")
    registry.send("ann", "transferFrom", address("ann"), address("eve"), asset)
    args = (asset, "1", digest("m"), digest("a"), [])
    registry.refuses("NotMember", "eve", "propose", *args)
    for who in ("ann", "ben"):
        registry.refuses("NotAssetPublisher", who, "propose", *args)


def test_an_organisation_keeps_its_assets_when_their_owner_is_removed(registry: Registry) -> None:
    asset = registry.asset(by="ann")
    registry.seat("ann", "alpha", 0, by=("ben", "cem"))
    registry.refuses("NotMember", "ann", "propose", asset, "1", digest("m"), digest("a"), [])
    registry.refuses("NotAssetPublisher", "ben", "propose", asset, "1", digest("m"), digest("a"), [])
    assert registry.version(asset, by="amy")


def test_a_label_is_taken_within_its_asset_only(registry: Registry) -> None:
    one, other = registry.asset("one"), registry.asset("other")
    version = registry.version(one, "1")
    assert registry.version(other, "1") != version
    args = (one, "1", digest("another manifest"), digest("a"), [])
    assert registry.refuses("VersionExists", "amy", "propose", *args) == (version,)


@pytest.mark.parametrize(
    ("label", "manifest", "attestation", "error", "value"),
    [
        ("", digest("m"), digest("a"), "BadLength", 0),
        ("v" * 257, digest("m"), digest("a"), "BadLength", 257),
        ("1", NOTHING, digest("a"), "ZeroValue", "manifest"),
        ("1", digest("m"), NOTHING, "ZeroValue", "attestation"),
    ],
)
def test_a_proposal_needs_label_manifest_and_attestation(
    registry: Registry, label: str, manifest: bytes, attestation: bytes, error: str, value: Any
) -> None:
    asset = registry.asset()
    assert registry.refuses(error, "ann", "propose", asset, label, manifest, attestation, []) == (value,)
    assert registry.version(asset, "v" * 256)


def test_a_version_of_no_asset_is_refused(registry: Registry) -> None:
    assert registry.refuses("UnknownAsset", "ann", "propose", 7, "1", digest("m"), digest("a"), []) == (7,)


def test_a_parent_must_be_known(registry: Registry) -> None:
    asset = registry.asset()
    parent = registry.version(asset, "0")
    args = (asset, "1", digest("m"), digest("a"))
    assert registry.refuses("UnknownVersion", "ann", "propose", *args, [parent, digest("x")]) == (digest("x"),)
    itself = keccak(encode(["uint256", "string"], [asset, "1"]))
    assert registry.refuses("UnknownVersion", "ann", "propose", *args, [itself]) == (itself,)
    assert registry.version(asset, "1", parents=(parent,))


def test_a_revoked_parent_is_refused_and_a_suspended_or_retired_one_is_not(registry: Registry) -> None:
    asset = registry.asset()
    suspended, retired, revoked = (registry.active(asset, label) for label in ("s", "t", "r"))
    registry.send("ben", "suspend", suspended, NOTHING)
    registry.send("ada", "retire", retired, NOTHING)
    registry.vote("revoke", revoked, digest("bad"))
    assert registry.version(asset, "1", parents=(suspended, retired))
    args = (asset, "2", digest("m"), digest("a"))
    assert registry.refuses("ParentRevoked", "ann", "propose", *args, [suspended, revoked]) == (revoked,)


def test_a_version_has_at_most_64_parents(registry: Registry) -> None:
    asset = registry.asset()
    parent = registry.version(asset, "0")
    assert registry.version(asset, "1", parents=(parent,) * 64)
    args = (asset, "2", digest("m"), digest("a"), [parent] * 65)
    assert registry.refuses("TooManyParents", "ann", "propose", *args) == (65,)


# Approve


def test_two_organisations_approve_and_one_does_not(registry: Registry) -> None:
    version = registry.version()
    first = registry.send("ben", APPROVE, version, digest("e1"))
    expected = {"version": version, "org": digest("beta"), "approver": text("ben"), "evidence": digest("e1")}
    assert first.events == (("Approved", {**expected, "approvals": 1}),)
    assert registry.state(version) == (PROPOSED, 0b010, 1)
    second = registry.send("cem", APPROVE, version, NOTHING)
    assert second.names() == ["Approved", "StatusChanged"]
    assert second.event("Approved")["approvals"] == 2
    changed = {"version": version, "from": PROPOSED, "to": APPROVED, "actor": text("cem"), "reason": NOTHING}
    assert second.event("StatusChanged") == changed
    assert registry.state(version) == (APPROVED, 0b110, 1)


def test_nobody_approves_what_they_proposed(registry: Registry) -> None:
    version = registry.version(by="ann")
    assert registry.refuses("OwnProposal", "ann", APPROVE, version, NOTHING) == (version,)
    registry.approve(version, "amy", "ben")
    assert registry.state(version)[0] == APPROVED


def test_a_proposer_seated_anew_is_still_the_proposer(registry: Registry) -> None:
    version = registry.version(by="ann")
    registry.seat("ann", "alpha", 0, by=("ben", "cem"))
    registry.seat("ann", "delta", ALL, by=("ben", "cem"))
    registry.refuses("OwnProposal", "ann", APPROVE, version, NOTHING)


def test_two_accounts_of_one_organisation_are_one_approval(registry: Registry) -> None:
    registry.seat("bob", "beta", ALL)
    version = registry.version()
    registry.approve(version, "ben")
    assert registry.refuses("AlreadyApproved", "bob", APPROVE, version, NOTHING) == (version, digest("beta"))
    registry.refuses("AlreadyApproved", "ben", APPROVE, version, NOTHING)
    assert registry.state(version) == (PROPOSED, 0b010, 1)


def test_only_approvers_approve(registry: Registry) -> None:
    version = registry.version()
    assert registry.refuses("MissingRole", "bob", APPROVE, version, NOTHING) == (text("bob"), APPROVER)
    registry.refuses("NotMember", "eve", APPROVE, version, NOTHING)
    registry.refuses("UnknownVersion", "ben", APPROVE, digest("x"), NOTHING)


def test_an_approval_after_the_fact_is_refused(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben", "cem")
    assert registry.refuses("WrongStatus", "amy", APPROVE, version, NOTHING) == (version, APPROVED)
    registry.send("ada", "activate", version)
    assert registry.refuses("WrongStatus", "amy", APPROVE, version, NOTHING) == (version, ACTIVE)
    registry.send("ada", "retire", version, NOTHING)
    assert registry.refuses("WrongStatus", "amy", APPROVE, version, NOTHING) == (version, RETIRED)


def test_an_approval_that_names_its_round_does_not_land_in_the_next(registry: Registry) -> None:
    version = registry.version()
    registry.send("ben", "approveRound", version, 1, digest("e"))
    registry.send("amy", "suspend", version, digest("r"))
    assert registry.refuses("WrongRound", "cem", "approveRound", version, 1, digest("e")) == (version, 2)
    registry.send("cem", "approveRound", version, 2, digest("e"))
    assert registry.state(version) == (SUSPENDED, 0b100, 2)


def test_an_approval_that_names_its_round_does_not_land_in_the_next_epoch(registry: Registry) -> None:
    version = registry.version()
    registry.send("ben", "approveRound", version, 1, digest("e"))
    registry.seat("bob", "beta", 0)
    registry.refuses("WrongRound", "cem", "approveRound", version, 1, digest("e"))
    registry.send("cem", "approveRound", version, 2, digest("e"))
    assert registry.state(version) == (PROPOSED, 0b100, 2)


@pytest.mark.parametrize(
    ("who", "error"), [("ann", "OwnProposal"), ("bob", "MissingRole"), ("eve", "NotMember"), ("ben", "AlreadyApproved")]
)
def test_an_approval_that_names_its_round_has_the_same_rules(registry: Registry, who: str, error: str) -> None:
    version = registry.version()
    registry.send("ben", "approveRound", version, 1, NOTHING)
    registry.refuses(error, who, "approveRound", version, 1, NOTHING)
    registry.refuses("UnknownVersion", "ben", "approveRound", digest("x"), 0, NOTHING)
    registry.send("cem", "approveRound", version, 1, NOTHING)
    assert registry.refuses("WrongStatus", "amy", "approveRound", version, 1, NOTHING) == (version, APPROVED)


# Activate


def test_an_approved_version_is_activated_and_served(registry: Registry) -> None:
    asset = registry.asset()
    version = registry.version(asset)
    registry.approve(version, "ben", "cem")
    outcome = registry.send("ada", "activate", version)
    changed = {"version": version, "from": APPROVED, "to": ACTIVE, "actor": text("ada"), "reason": NOTHING}
    assert outcome.events == (
        ("StatusChanged", changed),
        ("CurrentChanged", {"asset": asset, "from": NOTHING, "to": version}),
    )
    assert registry.call("current", asset) == version


def test_nothing_but_an_approved_version_is_activated(registry: Registry) -> None:
    version = registry.version()
    for status, step in (
        (PROPOSED, lambda: registry.approve(version, "ben", "cem")),
        (ACTIVE, lambda: registry.send("ben", "suspend", version, NOTHING)),
        (SUSPENDED, lambda: registry.send("ada", "retire", version, NOTHING)),
        (RETIRED, lambda: None),
    ):
        assert registry.refuses("WrongStatus", "ada", "activate", version) == (version, status)
        step()
        if registry.state(version)[0] == APPROVED:
            registry.send("ada", "activate", version)


def test_only_operators_activate(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben", "cem")
    assert registry.refuses("MissingRole", "bob", "activate", version) == (text("bob"), OPERATOR)
    registry.refuses("NotMember", "eve", "activate", version)
    registry.refuses("UnknownVersion", "ada", "activate", digest("x"))


def test_several_versions_are_active_and_the_last_is_served(registry: Registry) -> None:
    asset = registry.asset()
    first, second = registry.active(asset, "1"), registry.active(asset, "2")
    assert [registry.state(each)[0] for each in (first, second)] == [ACTIVE, ACTIVE]
    assert registry.call("current", asset) == second


def test_one_party_that_holds_every_role_activates_nothing_alone(registry: Registry) -> None:
    version = registry.version(by="ann")
    registry.refuses("WrongStatus", "ann", "activate", version)
    registry.approve(version, "amy")
    registry.refuses("WrongStatus", "ann", "activate", version)
    registry.refuses("AlreadyVoted", "amy", *_twice(registry))


def _twice(registry: Registry) -> tuple[Any, ...]:
    call = ("setThreshold", 1)
    registry.send("ann", *call)
    return call


# Suspend


@pytest.mark.parametrize("status", [PROPOSED, APPROVED, ACTIVE])
def test_any_guardian_suspends_alone(registry: Registry, status: int) -> None:
    asset = registry.asset()
    version = registry.version(asset)
    if status != PROPOSED:
        registry.approve(version, "ben", "cem")
    if status == ACTIVE:
        registry.send("ada", "activate", version)
    outcome = registry.send("ben", "suspend", version, digest("r"))
    changed = {"version": version, "from": status, "to": SUSPENDED, "actor": text("ben"), "reason": digest("r")}
    assert outcome.event("StatusChanged") == changed
    assert ("CurrentChanged" in outcome.names()) is (status == ACTIVE)
    assert registry.state(version) == (SUSPENDED, 0, 2)
    assert registry.call("current", asset) == NOTHING


def test_only_guardians_suspend_and_only_what_is_not_suspended(registry: Registry) -> None:
    version = registry.version()
    assert registry.refuses("MissingRole", "ada", "suspend", version, NOTHING) == (text("ada"), GUARDIAN)
    registry.refuses("NotMember", "eve", "suspend", version, NOTHING)
    registry.refuses("UnknownVersion", "ann", "suspend", digest("x"), NOTHING)
    registry.send("ann", "suspend", version, NOTHING)
    assert registry.refuses("WrongStatus", "ben", "suspend", version, NOTHING) == (version, SUSPENDED)
    registry.send("ada", "retire", version, NOTHING)
    assert registry.refuses("WrongStatus", "ben", "suspend", version, NOTHING) == (version, RETIRED)


def test_suspending_a_version_that_is_not_served_leaves_the_one_that_is(registry: Registry) -> None:
    asset = registry.asset()
    first, second = registry.active(asset, "1"), registry.active(asset, "2")
    assert registry.send("ben", "suspend", first, NOTHING).names() == ["StatusChanged"]
    assert registry.call("current", asset) == second


def test_a_suspended_version_needs_the_whole_quorum_again_and_activation(registry: Registry) -> None:
    asset = registry.asset()
    version = registry.active(asset)
    registry.send("ben", "suspend", version, NOTHING)
    registry.approve(version, "ben")
    assert registry.state(version) == (SUSPENDED, 0b010, 2)
    registry.refuses("WrongStatus", "ada", "activate", version)
    registry.approve(version, "cem")
    assert registry.state(version) == (APPROVED, 0b110, 2)
    assert registry.call("current", asset) == NOTHING
    registry.send("ada", "activate", version)
    assert registry.call("current", asset) == version


def test_approvals_from_before_a_suspension_do_not_count_after_it(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben")
    registry.send("ann", "suspend", version, NOTHING)
    registry.approve(version, "cem")
    assert registry.state(version) == (SUSPENDED, 0b100, 2)
    registry.approve(version, "ben")
    assert registry.state(version) == (APPROVED, 0b110, 2)


def test_rounds_never_repeat_when_epoch_and_suspension_meet(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben")
    registry.seat("bob", "beta", 0)
    assert registry.state(version) == (PROPOSED, 0, 2)
    registry.send("ann", "suspend", version, NOTHING)
    assert registry.state(version) == (SUSPENDED, 0, 3)


# Rollback


def test_an_operator_goes_back_to_another_active_version(registry: Registry) -> None:
    asset = registry.asset()
    first, second = registry.active(asset, "1"), registry.active(asset, "2")
    outcome = registry.send("ada", "rollback", asset, first, digest("r"))
    assert outcome.events == (
        ("CurrentChanged", {"asset": asset, "from": second, "to": first}),
        ("RolledBack", {"asset": asset, "to": first, "actor": text("ada"), "reason": digest("r")}),
    )
    assert registry.call("current", asset) == first


def test_after_a_suspension_nothing_is_served_until_a_rollback(registry: Registry) -> None:
    asset = registry.asset()
    first, second = registry.active(asset, "1"), registry.active(asset, "2")
    registry.send("ben", "suspend", second, digest("bad"))
    assert registry.call("current", asset) == NOTHING
    registry.send("ada", "rollback", asset, first, digest("bad"))
    assert registry.call("current", asset) == first


def test_a_rollback_goes_only_to_an_active_version_of_that_asset(registry: Registry) -> None:
    asset, other = registry.asset("one"), registry.asset("other")
    version, foreign, proposed = registry.active(asset), registry.active(other), registry.version(asset, "2")
    assert registry.refuses("WrongAsset", "ada", "rollback", asset, foreign, NOTHING) == (foreign, asset)
    assert registry.refuses("WrongStatus", "ada", "rollback", asset, proposed, NOTHING) == (proposed, PROPOSED)
    registry.refuses("UnknownAsset", "ada", "rollback", 7, version, NOTHING)
    registry.refuses("UnknownVersion", "ada", "rollback", asset, digest("x"), NOTHING)
    registry.refuses("Unchanged", "ada", "rollback", asset, version, NOTHING)


def test_only_operators_roll_back(registry: Registry) -> None:
    asset = registry.asset()
    first = registry.active(asset, "1")
    registry.active(asset, "2")
    assert registry.refuses("MissingRole", "bob", "rollback", asset, first, NOTHING) == (text("bob"), OPERATOR)
    registry.refuses("NotMember", "eve", "rollback", asset, first, NOTHING)


# Retire and revoke


@pytest.mark.parametrize("status", [APPROVED, ACTIVE, SUSPENDED])
def test_an_operator_retires_for_ever(registry: Registry, status: int) -> None:
    asset = registry.asset()
    version = registry.version(asset)
    registry.approve(version, "ben", "cem")
    if status == ACTIVE:
        registry.send("ada", "activate", version)
    if status == SUSPENDED:
        registry.send("ben", "suspend", version, NOTHING)
    outcome = registry.send("ada", "retire", version, digest("r"))
    changed = {"version": version, "from": status, "to": RETIRED, "actor": text("ada"), "reason": digest("r")}
    assert outcome.event("StatusChanged") == changed
    assert registry.call("current", asset) == NOTHING
    assert registry.refuses("WrongStatus", "ada", "retire", version, NOTHING) == (version, RETIRED)
    assert registry.refuses("WrongStatus", "ann", "revoke", version, NOTHING) == (version, RETIRED)


def test_only_operators_retire_and_nothing_that_is_merely_proposed(registry: Registry) -> None:
    version = registry.version()
    assert registry.refuses("WrongStatus", "ada", "retire", version, NOTHING) == (version, PROPOSED)
    registry.approve(version, "ben", "cem")
    assert registry.refuses("MissingRole", "bob", "retire", version, NOTHING) == (text("bob"), OPERATOR)
    registry.refuses("NotMember", "eve", "retire", version, NOTHING)
    registry.refuses("UnknownVersion", "ada", "retire", digest("x"), NOTHING)


@pytest.mark.parametrize("status", [PROPOSED, APPROVED, ACTIVE, SUSPENDED])
def test_two_organisations_revoke_for_ever(registry: Registry, status: int) -> None:
    asset = registry.asset()
    version = registry.version(asset)
    if status != PROPOSED:
        registry.approve(version, "ben", "cem")
    if status == ACTIVE:
        registry.send("ada", "activate", version)
    if status == SUSPENDED:
        registry.send("ben", "suspend", version, NOTHING)
    registry.send("bob", "revoke", version, digest("bad"))
    assert registry.state(version)[0] == status
    outcome = registry.send("ada", "revoke", version, digest("bad"))
    changed = {"version": version, "from": status, "to": REVOKED, "actor": text("ada"), "reason": digest("bad")}
    assert outcome.event("StatusChanged") == changed
    assert registry.call("current", asset) == NOTHING
    for who, step in (("ada", "retire"), ("ann", "revoke"), ("ann", "suspend"), ("cem", APPROVE)):
        assert registry.refuses("WrongStatus", who, step, version, NOTHING) == (version, REVOKED)


def test_revoking_needs_one_reason_and_a_version(registry: Registry) -> None:
    version = registry.version()
    registry.send("ann", "revoke", version, digest("bad"))
    registry.send("ben", "revoke", version, digest("worse"))
    assert registry.state(version)[0] == PROPOSED
    registry.refuses("UnknownVersion", "ann", "revoke", digest("x"), digest("bad"))


def test_what_ends_while_approvals_of_an_ended_epoch_stand_shows_none(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben")
    registry.seat("bob", "beta", 0)
    registry.vote("revoke", version, digest("bad"))
    assert registry.state(version) == (REVOKED, 0, 2)
