"""Random members act at random. Whatever they do, what the registry promises holds, and an honest quorum can still act.

The machine believes nothing that the contract stores: it counts from the events alone who agreed to what, and compares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from localchain import Chain, Outcome, Refused, address
from people import (
    ACTIVE,
    ALL,
    APPROVED,
    APPROVER,
    GUARDIAN,
    PROPOSED,
    PUBLISHER,
    RETIRED,
    REVOKED,
    SUSPENDED,
    Registry,
    digest,
)

PEOPLE = ("a1", "a2", "b1", "b2", "c1", "c2", "d1", "x")
ORGS = ("alpha", "beta", "gamma", "delta")
FOUNDERS = [
    ("a1", "alpha", ALL),
    ("a2", "alpha", APPROVER | PUBLISHER),
    ("b1", "beta", ALL),
    ("b2", "beta", APPROVER | GUARDIAN),
    ("c1", "gamma", ALL),
]
NAMES = {address(who): who for who in PEOPLE}
ALLOWED = {
    (PROPOSED, APPROVED), (SUSPENDED, APPROVED), (APPROVED, ACTIVE),
    (PROPOSED, SUSPENDED), (APPROVED, SUSPENDED), (ACTIVE, SUSPENDED),
    (APPROVED, RETIRED), (ACTIVE, RETIRED), (SUSPENDED, RETIRED),
    *((status, REVOKED) for status in (PROPOSED, APPROVED, ACTIVE, SUSPENDED)),
}  # fmt: skip

people = st.sampled_from(PEOPLE)
members = st.sampled_from(PEOPLE[:6])
pick = st.integers(0, 5)


class Machine(RuleBasedStateMachine):
    """A registry, and what its events say about it."""

    def __init__(self) -> None:
        super().__init__()
        founders = [(address(who), digest(org), roles) for who, org, roles in FOUNDERS]
        self.registry = Registry(Chain(*PEOPLE).deploy("AssetRegistry", "Machine", founders, 2))
        self.assets = [self.registry.asset("one", by="a1"), self.registry.asset("two", by="b1")]
        self.seats = {who: (digest(org), roles) for who, org, roles in FOUNDERS}
        self.threshold = 2
        self.status: dict[bytes, int] = {}
        self.proposer: dict[bytes, str] = {}
        self.approvals: dict[bytes, dict[bytes, str]] = defaultdict(dict)
        self.ballots: dict[bytes, dict[bytes, str]] = defaultdict(dict)

    # Steps

    def attempt(self, who: str, name: str, *args: Any) -> Outcome | None:
        """Let someone try something; follow the events if it was not refused."""
        try:
            outcome = self.registry.send(who, name, *args)
        except Refused as refused:
            if not refused.name:
                raise
            return None
        assert self.seats.get(who, (b"", 0))[1] != 0, f"{who} acts without a seat"
        passed = [name for name, values in outcome.events if name == "Voted" and values["votes"] >= self.threshold]
        for event, values in outcome.events:
            self.follow(event, values)
        executed = set(outcome.names()) & {"MemberSet", "ThresholdSet", "PolicySet"}
        assert not executed or passed, "executed without a quorum"
        return outcome

    def follow(self, event: str, values: dict[str, Any]) -> None:
        """Take an event into the books; assert that it could happen."""
        handler: Callable[[dict[str, Any]], None] | None = getattr(self, f"on_{event}", None)
        if handler is not None:
            handler(values)

    def choose(self, index: int) -> bytes:
        versions = list(self.status)
        return versions[index % len(versions)]

    @rule(who=people, asset=pick, label=st.integers(0, 3))
    def propose(self, who: str, asset: int, label: int) -> None:
        args = (self.assets[asset % 2], str(label), digest("m"), digest("a"), [])
        self.attempt(who, "propose", *args)

    @precondition(lambda self: self.status)
    @rule(voters=st.lists(members, min_size=1, max_size=3), index=pick)
    def approve(self, voters: list[str], index: int) -> None:
        for who in voters:
            self.attempt(who, "approve(bytes32,bytes32)", self.choose(index), digest("e"))

    @precondition(lambda self: self.status)
    @rule(who=st.sampled_from(["a1", "b1", "c1"]), index=pick)
    def activate(self, who: str, index: int) -> None:
        self.attempt(who, "activate", self.choose(index))

    @rule(asset=pick, label=st.integers(0, 3))
    def release(self, asset: int, label: int) -> None:
        """Everyone does their part, so that there is often something to lose."""
        args = (self.assets[asset % 2], str(label), digest("m"), digest("a"), [])
        proposed = [out for who in PEOPLE[:6] if (out := self.attempt(who, "propose", *args))]
        for version in [out.result for out in proposed]:
            for who in PEOPLE[:6]:
                self.attempt(who, "approve(bytes32,bytes32)", version, digest("e"))
            for who in PEOPLE[:6]:
                self.attempt(who, "activate", version)

    @precondition(lambda self: self.status)
    @rule(who=people, index=pick, round_=st.integers(1, 3))
    def approve_round(self, who: str, index: int, round_: int) -> None:
        version = self.choose(index)
        before = self.registry.state(version)[2]
        outcome = self.attempt(who, "approveRound", version, round_, digest("e"))
        assert outcome is None or before == round_

    @precondition(lambda self: self.status)
    @rule(who=people, index=pick, step=st.sampled_from(["suspend", "suspend", "retire"]))
    def stop(self, who: str, index: int, step: str) -> None:
        self.attempt(who, step, self.choose(index), digest("r"))

    @precondition(lambda self: self.status)
    @rule(who=people, index=pick, asset=pick)
    def rollback(self, who: str, index: int, asset: int) -> None:
        self.attempt(who, "rollback", self.assets[asset % 2], self.choose(index), digest("r"))

    @precondition(lambda self: self.status)
    @rule(voters=st.lists(people, min_size=1, max_size=2), index=pick)
    def revoke(self, voters: list[str], index: int) -> None:
        for who in voters:
            self.attempt(who, "revoke", self.choose(index), digest("bad"))

    @rule(voters=st.lists(people, min_size=1, max_size=4), policy=st.integers(0, 2))
    def set_policy(self, voters: list[str], policy: int) -> None:
        for who in voters:
            self.attempt(who, "setPolicy", 0, digest(f"policy {policy}"))

    @rule(voters=st.lists(people, min_size=1, max_size=4), threshold=st.integers(0, 4))
    def set_threshold(self, voters: list[str], threshold: int) -> None:
        for who in voters:
            self.attempt(who, "setThreshold", threshold)

    @rule(
        voters=st.lists(people, min_size=2, max_size=4),
        who=people,
        org=st.sampled_from(ORGS),
        roles=st.sampled_from([0, 0, ALL, ALL, APPROVER, PUBLISHER, ALL & ~APPROVER, 16]),
    )
    def set_member(self, voters: list[str], who: str, org: str, roles: int) -> None:
        for voter in voters:
            self.attempt(voter, "setMember", address(who), digest(org), roles)

    @precondition(lambda self: any(self.ballots.values()))
    @rule(who=people, index=pick)
    def retract(self, who: str, index: int) -> None:
        actions = [action for action, votes in self.ballots.items() if votes]
        self.attempt(who, "retract", actions[index % len(actions)])

    # Books

    def on_MemberSet(self, values: dict[str, Any]) -> None:
        who = NAMES[bytes.fromhex(values["account"][2:])]
        org, roles = self.seats.get(who, (b"", 0))
        self.seats[who] = (values["org"], values["roles"])
        if roles and (org != values["org"] or roles & ~values["roles"]):
            self.forget()

    def on_ThresholdSet(self, values: dict[str, Any]) -> None:
        self.threshold = values["threshold"]
        self.forget()

    def forget(self) -> None:
        """Nothing that was said before counts, where nothing was decided."""
        self.ballots.clear()
        for version, status in self.status.items():
            if status in (PROPOSED, SUSPENDED):
                self.approvals[version].clear()

    def on_Voted(self, values: dict[str, Any]) -> None:
        who, votes = NAMES[bytes.fromhex(values["voter"][2:])], self.ballots[values["action"]]
        assert values["org"] not in votes, "an organisation voted twice"
        assert self.seats[who][0] == values["org"], "a vote for another organisation"
        votes[values["org"]] = who
        assert values["votes"] == len(votes), "votes are counted that were not given, or not any more"
        for org, voter in votes.items():
            assert self.seats[voter][0] == org, "a vote counts whose giver left"
            assert self.seats[voter][1], "a vote counts whose giver was removed"
        if len(votes) >= self.threshold:
            del self.ballots[values["action"]]

    def on_Retracted(self, values: dict[str, Any]) -> None:
        self.ballots[values["action"]].pop(values["org"], None)

    def on_Proposed(self, values: dict[str, Any]) -> None:
        assert values["version"] not in self.status
        self.status[values["version"]] = PROPOSED
        self.proposer[values["version"]] = NAMES[bytes.fromhex(values["proposer"][2:])]

    def on_Approved(self, values: dict[str, Any]) -> None:
        version, who = values["version"], NAMES[bytes.fromhex(values["approver"][2:])]
        given = self.approvals[version]
        assert self.status[version] in (PROPOSED, SUSPENDED)
        assert who != self.proposer[version], "the proposer was counted"
        assert values["org"] not in given, "an organisation was counted twice"
        given[values["org"]] = who
        assert values["approvals"] == len(given), "approvals of an ended round are counted"
        for org, approver in given.items():
            assert self.seats[approver][0] == org, "an approval counts whose giver left"
            assert self.seats[approver][1] & APPROVER, "an approval counts whose giver may not approve"

    def on_StatusChanged(self, values: dict[str, Any]) -> None:
        version, before, after = values["version"], values["from"], values["to"]
        assert self.status[version] == before
        assert (before, after) in ALLOWED
        self.status[version] = after
        if after == APPROVED:
            assert len(self.approvals[version]) >= self.threshold, "approved without a quorum"
        if after == SUSPENDED:
            self.approvals[version].clear()

    # Promises

    @invariant()
    def what_is_stored_is_what_was_told(self) -> None:
        for version, status in self.status.items():
            told = sum(1 << self.registry.call("memberOf", address(w))[1] for w in self.approvals[version].values())
            state = self.registry.state(version)
            assert state[0] == status
            assert status not in (PROPOSED, SUSPENDED) or state[1] == told

    @invariant()
    def only_an_active_version_is_served(self) -> None:
        for asset in self.assets:
            served = self.registry.call("current", asset)
            assert served == bytes(32) or self.status[served] == ACTIVE
            assert served == bytes(32) or self.registry.call("versionOf", served)[0] == asset

    @invariant()
    def the_quorum_stays_within_reach(self) -> None:
        threshold, _, seated, approving, _ = self.registry.call("governance")
        orgs = {org for org, roles in self.seats.values() if roles}
        approvers = {org for org, roles in self.seats.values() if roles & APPROVER}
        assert (threshold, seated.bit_count(), approving.bit_count()) == (self.threshold, len(orgs), len(approvers))
        assert threshold <= len(approvers)
        assert threshold <= len(orgs)

    def teardown(self) -> None:
        """Everyone agrees: then everything that can be decided is decided."""
        self.vote_of_all("setPolicy", 0, digest("in the end"))
        assert self.registry.call("policy", 0) == digest("in the end"), "governance is stuck"
        for version, status in list(self.status.items()):
            if status not in (PROPOSED, SUSPENDED):
                continue
            willing = {who for who, (_, roles) in self.seats.items() if roles & APPROVER} - {self.proposer[version]}
            for who in willing:
                self.attempt(who, "approve(bytes32,bytes32)", version, digest("e"))
            reach = len({self.seats[who][0] for who in willing})
            assert (self.status[version] == APPROVED) is (reach >= self.threshold), "approval is stuck"

    def vote_of_all(self, name: str, *args: Any) -> None:
        for who, (_, roles) in self.seats.items():
            if roles:
                self.attempt(who, name, *args)


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_registry_keeps_its_promises() -> None:
    run(examples=7, steps=20)


@pytest.mark.slow
def test_the_registry_keeps_its_promises_for_long() -> None:
    run(examples=12, steps=60)
