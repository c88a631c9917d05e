"""Governance: seats, votes, epochs; nothing passes without `threshold` distinct organisations of the same mind."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak, to_checksum_address
from localchain import Chain, Contract, Refused, address, signature_of
from people import ACCOUNTS, ALL, APPROVED, APPROVER, GUARDIAN, MEMBERS, OPERATOR, PROPOSED, PUBLISHER, Registry, digest


def text(who: str) -> str:
    return to_checksum_address(address(who)).lower()


def deploy(members: list[Any], threshold: int) -> Contract:
    return Chain(*ACCOUNTS).deploy("AssetRegistry", "Test", members, threshold)


def action_of(registry: Registry, name: str, args: tuple[Any, ...], nonce: int, epoch: int) -> bytes:
    call = keccak(registry.contract.interface.encode(name, args))
    return keccak(encode(["bytes32", "uint64", "uint32"], [call, nonce, epoch]))


# Founding


def test_the_founders_hold_their_seats(registry: Registry) -> None:
    assert registry.call("memberOf", address("ann")) == (digest("alpha"), 0, ALL)
    assert registry.call("memberOf", address("bob")) == (digest("beta"), 1, PUBLISHER)
    assert registry.call("memberOf", address("eve")) == (bytes(32), 0, 0)
    assert registry.call("governance") == (2, 3, 0b111, 0b111, 0)
    assert [registry.call("organisationAt", i) for i in range(4)] == [
        *(digest(org) for org in ("alpha", "beta", "gamma")),
        bytes(32),
    ]


def test_founding_is_told_in_events(registry: Registry) -> None:
    events = registry.contract.deployment.events
    assert [values["account"] for name, values in events if name == "MemberSet"] == [
        text(who) for who in ("ann", "amy", "ada", "ben", "bob", "cem")
    ]
    assert events[-1] == ("ThresholdSet", {"threshold": 2})


FOUNDINGS: list[tuple[str, list[Any], int, str]] = [
    ("nobody", [], 1, "QuorumUnreachable"),
    ("a threshold of 0", MEMBERS, 0, "ZeroValue"),
    ("a threshold above the organisations", MEMBERS, 4, "QuorumUnreachable"),
    (
        "too few organisations that can approve",
        [*MEMBERS[:3], (address("ben"), digest("beta"), 13)],
        2,
        "QuorumUnreachable",
    ),
    ("an account twice", [*MEMBERS, MEMBERS[0]], 2, "MemberExists"),
    ("a founder without a role", [*MEMBERS, (address("dan"), digest("alpha"), 0)], 2, "BadRoles"),
    ("a role that does not exist", [*MEMBERS, (address("dan"), digest("alpha"), 16)], 2, "BadRoles"),
    ("the zero account", [*MEMBERS, (bytes(20), digest("alpha"), 1)], 2, "ZeroValue"),
    ("the zero organisation", [*MEMBERS, (address("dan"), bytes(32), 1)], 2, "ZeroValue"),
]


@pytest.mark.parametrize(("members", "threshold", "error"), [f[1:] for f in FOUNDINGS], ids=[f[0] for f in FOUNDINGS])
def test_a_founding_is_refused_with(members: list[Any], threshold: int, error: str) -> None:
    with pytest.raises(Refused) as caught:
        deploy(members, threshold)
    assert caught.value.name == error


def test_a_registry_knows_64_organisations_and_refuses_the_65th() -> None:
    crowd = [((i + 1).to_bytes(20, "big"), digest(f"org {i}"), APPROVER) for i in range(65)]
    ours = deploy([*crowd[:63], (address("ann"), digest("org 63"), ALL)], 64)
    assert ours.call("governance")[1:3] == (64, 2**64 - 1)
    with pytest.raises(Refused) as caught:
        ours.send("ann", "setMember", address("dan"), digest("org 64"), ALL)
    assert caught.value.name == "TooManyOrganisations"
    with pytest.raises(Refused):
        deploy(crowd, 2)


# Votes


def test_one_organisation_alone_changes_nothing(registry: Registry) -> None:
    registry.send("ann", "setMember", address("dan"), digest("delta"), ALL)
    assert registry.call("memberOf", address("dan")) == (bytes(32), 0, 0)


def test_two_organisations_seat_a_member(registry: Registry) -> None:
    outcome = registry.seat("dan", "delta", PUBLISHER)
    assert outcome.event("MemberSet") == {"account": text("dan"), "org": digest("delta"), "roles": PUBLISHER}
    assert registry.call("memberOf", address("dan")) == (digest("delta"), 3, PUBLISHER)
    assert registry.call("governance") == (2, 4, 0b1111, 0b111, 0)


def test_two_accounts_of_one_organisation_are_one_vote(registry: Registry) -> None:
    args = (address("dan"), digest("delta"), ALL)
    first = registry.send("ann", "setMember", *args).event("Voted")
    assert registry.refuses("AlreadyVoted", "amy", "setMember", *args) == (first["action"], digest("alpha"))
    registry.refuses("AlreadyVoted", "ann", "setMember", *args)


def test_votes_for_different_calls_do_not_add_up(registry: Registry) -> None:
    registry.send("ann", "setMember", address("dan"), digest("delta"), ALL)
    registry.send("ben", "setMember", address("dan"), digest("delta"), PUBLISHER)
    registry.send("cem", "setMember", address("dan"), digest("alpha"), ALL)
    assert registry.call("memberOf", address("dan"))[2] == 0


def test_a_ballot_is_bound_to_call_nonce_and_epoch(registry: Registry) -> None:
    args = (0, digest("p"))
    vote = registry.send("ann", "setPolicy", *args).event("Voted")
    assert vote["action"] == action_of(registry, "setPolicy", args, nonce=0, epoch=0)
    assert vote["call"] == registry.contract.interface.encode("setPolicy", args)
    assert (vote["org"], vote["voter"], vote["votes"]) == (digest("alpha"), text("ann"), 1)
    assert registry.call("ballot", vote["action"]) == 0b1
    registry.send("ben", "setPolicy", *args)
    assert registry.call("ballot", vote["action"]) == 0
    registry.vote("setPolicy", 0, digest("q"))
    again = registry.send("ann", "setPolicy", *args).event("Voted")
    assert again["action"] == action_of(registry, "setPolicy", args, nonce=2, epoch=0)
    registry.seat("bob", "beta", 0)
    anew = registry.send("ann", "setPolicy", *args).event("Voted")
    assert anew["action"] == action_of(registry, "setPolicy", args, nonce=2, epoch=1)


def test_bytes_after_the_arguments_do_not_make_another_ballot(registry: Registry) -> None:
    data = registry.contract.interface.encode("setPolicy", (0, digest("p")))
    for who, tail in (("ann", b"\0"), ("amy", b"\1" * 32)):
        _, computation, _ = registry.contract.chain.transact(who, registry.contract.address, data + tail)
        assert computation.is_error is (who == "amy")
    assert registry.contract.interface.refusal(computation.output).name == "AlreadyVoted"


def test_an_executed_action_can_be_voted_on_again(registry: Registry) -> None:
    for policy in ("p", "q", "p"):
        registry.vote("setPolicy", 0, digest(policy))
        assert registry.call("policy", 0) == digest(policy)


def test_a_vote_that_lost_cannot_be_completed_after_another_passed(registry: Registry) -> None:
    registry.send("cem", "setPolicy", 0, digest("lost"))
    registry.vote("setPolicy", 0, digest("won"))
    assert registry.send("ann", "setPolicy", 0, digest("lost")).event("Voted")["votes"] == 1
    assert registry.call("policy", 0) == digest("won")


def test_a_vote_on_one_subject_leaves_ballots_on_others_open(registry: Registry) -> None:
    asset = registry.asset()
    registry.send("cem", "setPolicy", asset, digest("own"))
    registry.vote("setPolicy", 0, digest("all"))
    registry.send("ann", "setPolicy", asset, digest("own"))
    assert registry.call("policy", asset) == digest("own")


def test_a_late_vote_for_what_already_passed_is_refused(registry: Registry) -> None:
    registry.seat("dan", "delta", ALL)
    registry.refuses("Unchanged", "cem", "setMember", address("dan"), digest("delta"), ALL)


def test_a_vote_can_be_taken_back_and_given_again(registry: Registry) -> None:
    action = registry.send("ann", "setPolicy", 0, digest("p")).event("Voted")["action"]
    outcome = registry.send("amy", "retract", action)
    assert outcome.event("Retracted") == {"action": action, "org": digest("alpha"), "voter": text("amy")}
    assert registry.send("ben", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 1
    assert registry.send("ann", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 2


def test_only_an_own_vote_that_exists_can_be_taken_back(registry: Registry) -> None:
    action = registry.send("ann", "setPolicy", 0, digest("p")).event("Voted")["action"]
    assert registry.refuses("NoVote", "ben", "retract", action) == (action, digest("beta"))
    registry.refuses("NoVote", "ann", "retract", digest("no ballot"))
    registry.refuses("NotMember", "eve", "retract", action)
    registry.send("ben", "setPolicy", 0, digest("p"))
    registry.refuses("NoVote", "ann", "retract", action)


@pytest.mark.parametrize("vote", ["setMember", "setThreshold", "setPolicy", "revoke"])
def test_a_stranger_has_no_vote(registry: Registry, vote: str) -> None:
    version = registry.version()
    args: dict[str, tuple[Any, ...]] = {
        "setMember": (address("eve"), digest("epsilon"), ALL),
        "setThreshold": (1,),
        "setPolicy": (0, digest("p")),
        "revoke": (version, digest("r")),
    }
    assert registry.refuses("NotMember", "eve", vote, *args[vote]) == (text("eve"),)


# Seats


def test_a_removed_member_can_do_nothing_and_be_seated_again(registry: Registry) -> None:
    registry.seat("bob", "beta", 0)
    assert registry.call("memberOf", address("bob")) == (digest("beta"), 1, 0)
    registry.refuses("NotMember", "bob", "setPolicy", 0, digest("p"))
    registry.seat("bob", "gamma", GUARDIAN)
    assert registry.call("memberOf", address("bob")) == (digest("gamma"), 2, GUARDIAN)


@pytest.mark.parametrize(
    ("who", "org", "roles", "error"),
    [
        ("bob", "beta", PUBLISHER, "Unchanged"),
        ("dan", "delta", 0, "Unchanged"),
        ("bob", "gamma", 0, "NotOfOrganisation"),
        ("bob", "never heard of", 0, "NotOfOrganisation"),
        ("dan", "delta", 16, "BadRoles"),
        ("dan", "delta", 255, "BadRoles"),
    ],
)
def test_a_seat_is_refused_from_the_first_vote(registry: Registry, who: str, org: str, roles: int, error: str) -> None:
    registry.refuses(error, "ann", "setMember", address(who), digest(org), roles)


def test_nobody_and_no_organisation_get_no_seat(registry: Registry) -> None:
    assert registry.refuses("ZeroValue", "ann", "setMember", bytes(20), digest("delta"), 1) == ("account",)
    assert registry.refuses("ZeroValue", "ann", "setMember", address("dan"), bytes(32), 1) == ("org",)


def test_an_organisation_keeps_its_index_and_no_other_gets_it(registry: Registry) -> None:
    registry.seat("cem", "gamma", 0)
    assert registry.call("governance")[1:4] == (3, 0b011, 0b011)
    registry.seat("dan", "delta", ALL)
    assert registry.call("memberOf", address("dan"))[1] == 3
    registry.seat("cem", "gamma", ALL)
    assert registry.call("memberOf", address("cem"))[1] == 2
    assert registry.call("governance")[1:4] == (4, 0b1111, 0b1111)


def test_the_last_organisations_that_make_the_quorum_cannot_be_removed(registry: Registry) -> None:
    registry.seat("cem", "gamma", 0)
    registry.seat("bob", "beta", 0)
    assert registry.refuses("QuorumUnreachable", "ann", "setMember", address("ben"), digest("beta"), 0) == (2, 1)


def test_the_last_approvers_that_make_the_quorum_keep_their_role(registry: Registry) -> None:
    registry.seat("cem", "gamma", OPERATOR)
    without = ALL & ~APPROVER
    assert registry.refuses("QuorumUnreachable", "ann", "setMember", address("ben"), digest("beta"), without) == (2, 1)
    registry.seat("bob", "beta", APPROVER)
    registry.seat("ben", "beta", without)
    assert registry.call("governance")[3] == 0b011


def test_a_move_that_would_leave_an_organisation_empty_counts_as_leaving_it(registry: Registry) -> None:
    registry.seat("bob", "beta", 0)
    registry.seat("cem", "gamma", 0)
    registry.refuses("QuorumUnreachable", "ann", "setMember", address("ben"), digest("alpha"), ALL)
    registry.seat("ben", "delta", ALL)
    assert registry.call("governance")[1:4] == (4, 0b1001, 0b1001)


def test_head_counts_follow_every_change(registry: Registry) -> None:
    registry.seat("amy", "alpha", 0)
    registry.seat("ada", "beta", APPROVER)
    assert registry.call("governance")[2] == 0b111
    registry.seat("ann", "beta", ALL, by=("ben", "cem"))
    assert registry.call("governance")[2:4] == (0b110, 0b110)
    registry.seat("dan", "alpha", PUBLISHER, by=("ben", "cem"))
    assert registry.call("governance")[2:4] == (0b111, 0b110)


# Threshold


def test_a_threshold_of_three_needs_three(registry: Registry) -> None:
    assert registry.vote("setThreshold", 3).event("ThresholdSet") == {"threshold": 3}
    registry.vote("setPolicy", 0, digest("p"))
    assert registry.call("policy", 0) == bytes(32)
    registry.send("cem", "setPolicy", 0, digest("p"))
    assert registry.call("policy", 0) == digest("p")


def test_a_threshold_nobody_can_reach_is_refused(registry: Registry) -> None:
    assert registry.refuses("QuorumUnreachable", "ann", "setThreshold", 4) == (4, 3)
    assert registry.refuses("ZeroValue", "ann", "setThreshold", 0) == ("threshold",)
    registry.refuses("Unchanged", "ann", "setThreshold", 2)


def test_a_threshold_above_those_who_can_approve_is_refused(registry: Registry) -> None:
    registry.seat("dan", "delta", OPERATOR)
    assert registry.refuses("QuorumUnreachable", "ann", "setThreshold", 4) == (4, 3)


# Epochs: old consent does not count


def test_a_removed_members_vote_does_not_count(registry: Registry) -> None:
    registry.send("cem", "setPolicy", 0, digest("p"))
    assert registry.seat("cem", "gamma", 0).event("EpochStarted") == {"epoch": 1}
    assert registry.send("ann", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 1
    assert registry.call("policy", 0) == bytes(32)


def test_an_account_that_changes_organisation_is_not_counted_twice(registry: Registry) -> None:
    registry.send("bob", "setPolicy", 0, digest("p"))
    registry.seat("bob", "delta", ALL, by=("ann", "cem"))
    assert registry.send("bob", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 1


def test_an_account_removed_and_seated_elsewhere_is_not_counted_twice(registry: Registry) -> None:
    registry.send("bob", "setPolicy", 0, digest("p"))
    registry.seat("bob", "beta", 0, by=("ann", "cem"))
    registry.seat("bob", "delta", ALL, by=("ann", "cem"))
    assert registry.send("bob", "setPolicy", 0, digest("p")).event("Voted")["votes"] == 1


def test_votes_under_another_threshold_do_not_count_and_nobody_is_stuck(registry: Registry) -> None:
    registry.vote("setThreshold", 3)
    registry.vote("setPolicy", 0, digest("p"))
    registry.vote("setThreshold", 2, by=("ann", "ben", "cem"))
    assert registry.call("policy", 0) == bytes(32)
    registry.vote("setPolicy", 0, digest("p"))
    assert registry.call("policy", 0) == digest("p")


@pytest.mark.parametrize(
    ("who", "org", "roles"), [("dan", "delta", ALL), ("dan", "alpha", APPROVER), ("bob", "beta", PUBLISHER | APPROVER)]
)
def test_adding_leaves_open_ballots_and_approvals_alone(registry: Registry, who: str, org: str, roles: int) -> None:
    version = registry.version()
    registry.approve(version, "ben")
    registry.send("cem", "setPolicy", 0, digest("p"))
    assert "EpochStarted" not in registry.seat(who, org, roles).names()
    registry.send("ann", "setPolicy", 0, digest("p"))
    assert registry.call("policy", 0) == digest("p")
    registry.approve(version, "cem")
    assert registry.state(version) == (APPROVED, 0b110, 1)


@pytest.mark.parametrize(
    ("who", "org", "roles"),
    [("cem", "gamma", 0), ("cem", "gamma", ALL & ~APPROVER), ("cem", "beta", ALL), ("cem", "gamma", ALL & ~OPERATOR)],
    ids=["removed", "no longer approver", "of another organisation", "poorer by any role"],
)
def test_whoever_loses_anything_voids_what_is_unfinished(registry: Registry, who: str, org: str, roles: int) -> None:
    version = registry.version()
    registry.approve(version, who)
    assert registry.state(version) == (PROPOSED, 0b100, 1)
    registry.seat(who, org, roles)
    assert registry.state(version) == (PROPOSED, 0, 2)
    registry.approve(version, "ben")
    assert registry.state(version) == (PROPOSED, 0b010, 2)
    registry.approve(version, "amy")
    assert registry.state(version) == (APPROVED, 0b011, 2)


def test_a_changed_threshold_voids_unfinished_approvals(registry: Registry) -> None:
    registry.vote("setThreshold", 3)
    version = registry.version()
    registry.approve(version, "ben", "cem")
    registry.vote("setThreshold", 2, by=("ann", "ben", "cem"))
    assert registry.state(version) == (PROPOSED, 0, 2)
    registry.approve(version, "ben", "cem")
    assert registry.state(version) == (APPROVED, 0b110, 2)


def test_an_epoch_without_approvals_keeps_the_round(registry: Registry) -> None:
    version = registry.version()
    registry.seat("bob", "beta", 0)
    assert registry.state(version) == (PROPOSED, 0, 1)
    registry.approve(version, "cem")
    assert registry.state(version) == (PROPOSED, 0b100, 1)


def test_a_complete_quorum_stays_complete(registry: Registry) -> None:
    version = registry.version()
    registry.approve(version, "ben", "cem")
    registry.seat("cem", "gamma", 0)
    assert registry.state(version) == (APPROVED, 0b110, 1)
    registry.send("ada", "activate", version)


def test_every_event_of_the_governance_is_known_by_its_signature(registry: Registry) -> None:
    known = {signature_of(item) for item in registry.contract.interface.events.values()}
    assert {
        "Voted(bytes32,bytes32,address,uint8,bytes)",
        "Retracted(bytes32,bytes32,address)",
        "EpochStarted(uint32)",
        "MemberSet(address,bytes32,uint8)",
        "ThresholdSet(uint8)",
    } <= known
