"""The rules of the quorum and of the key ring, as the contracts `Quorum` and `KeyRing` have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from mooring.ledger.facts import NO_WORD, NOBODY, Member, Role
from mooring.ledger.port import Value
from mooring.ledger.refusal import deny
from mooring.ledger.registry import RegistryState
from mooring.ledger.wire import governance_call

__all__ = [
    "MAX_ORGANISATIONS",
    "Effect",
    "Effects",
    "found",
    "register_key",
    "require_member",
    "require_role",
    "retract",
    "revoke_key",
    "set_member",
    "set_threshold",
    "vote",
]

Effect: TypeAlias = tuple[str, Mapping[str, Value]]
Effects: TypeAlias = tuple[Effect, ...]
"""Events, by name and arguments, in the order in which the contract emits them."""

MAX_ORGANISATIONS = 64
_ALL_ROLES = 15


def require_member(state: RegistryState, account: str) -> Member:
    """Return the account's seat."""
    member = state.seat(account)
    if member is None:
        raise deny("NotMember", account=account)
    return member


def require_role(state: RegistryState, account: str, role: Role) -> Member:
    """Return the account's seat, which has this role."""
    member = require_member(state, account)
    if not member.roles & role:
        raise deny("MissingRole", account=account, role=int(role))
    return member


def vote(state: RegistryState, voter: str, org: bytes, call: bytes) -> tuple[Effect, bool]:
    """Return the event of a member's vote, and whether it completes the quorum."""
    action = state.ballot_of(call)
    ballot = state.ballots.get(action)
    votes = ballot.votes if ballot else frozenset()
    if org in votes:
        raise deny("AlreadyVoted", action=action, org=org)
    count = len(votes) + 1
    event: Effect = ("Voted", {"action": action, "org": org, "voter": voter, "votes": count, "call": call})
    return event, count >= state.threshold


def found(members: Sequence[tuple[str, bytes, int]], threshold: int) -> Effects:
    """Return the events of the constructor: the founding members (account, organisation, roles) and the threshold."""
    state, effects = RegistryState(), list[Effect]()
    for account, org, roles in members:
        if account in state.members:
            raise deny("MemberExists", account=account)
        if roles == 0:
            raise deny("BadRoles", roles=0)
        state, _ = _plan(state, account, org, roles)
        effects.append(_member_set(account, org, roles))
    _require_reachable(threshold, state.members.values())
    return (*effects, ("ThresholdSet", {"threshold": threshold}))


def set_member(state: RegistryState, sender: str, account: str, org: bytes, roles: int) -> Effects:
    """Vote to seat, change or remove an account."""
    member = require_member(state, sender)
    planned, loses = _plan(state, account, org, roles)
    _require_reachable(state.threshold, planned.members.values())
    voted, passed = vote(state, sender, member.org, governance_call("setMember", account, org, roles))
    if not passed:
        return (voted,)
    return (voted, _member_set(account, org, roles), *(_epoch(state) if loses else ()))


def set_threshold(state: RegistryState, sender: str, threshold: int) -> Effects:
    """Vote for another threshold."""
    member = require_member(state, sender)
    if threshold == state.threshold:
        raise deny("Unchanged")
    _require_reachable(threshold, state.members.values())
    voted, passed = vote(state, sender, member.org, governance_call("setThreshold", threshold))
    if not passed:
        return (voted,)
    return (voted, ("ThresholdSet", {"threshold": threshold}), *_epoch(state))


def retract(state: RegistryState, sender: str, action: bytes) -> Effects:
    """Take the vote of the sender's organisation back."""
    org = require_member(state, sender).org
    ballot = state.ballots.get(action)
    if ballot is None or org not in ballot.votes:
        raise deny("NoVote", action=action, org=org)
    return (("Retracted", {"action": action, "org": org, "voter": sender}),)


def register_key(state: RegistryState, sender: str, keyid: bytes, not_before: int, not_after: int) -> Effects:
    """Register a key for the sender's organisation."""
    member = require_member(state, sender)
    if keyid == NO_WORD:
        raise deny("ZeroValue", field="keyid")
    if not_before > not_after:
        raise deny("BadWindow", notBefore=not_before, notAfter=not_after)
    if keyid in state.keys:
        raise deny("KeyExists", keyid=keyid)
    return (("KeyRegistered", {"keyid": keyid, "org": member.org, "notBefore": not_before, "notAfter": not_after}),)


def revoke_key(state: RegistryState, sender: str, keyid: bytes, since: int) -> Effects:
    """End a key from a time on, which a later call may only move back."""
    member = require_member(state, sender)
    key = state.keys.get(keyid)
    if key is None:
        raise deny("UnknownKey", keyid=keyid)
    if member.org != key.org and not member.roles & Role.GUARDIAN:
        raise deny("NotOfOrganisation", account=sender, org=key.org)
    if key.revoked_from is not None and since >= key.revoked_from:
        raise deny("Unchanged")
    return (("KeyRevoked", {"keyid": keyid, "org": key.org, "from": since}),)


def _member_set(account: str, org: bytes, roles: int) -> Effect:
    return ("MemberSet", {"account": account, "org": org, "roles": roles})


def _epoch(state: RegistryState) -> Effects:
    return (("EpochStarted", {"epoch": state.epoch + 1}),)


def _plan(state: RegistryState, account: str, org: bytes, roles: int) -> tuple[RegistryState, bool]:
    """Return the state with this seat (only members and organisations are meant), and whether the account loses."""
    if account == NOBODY:
        raise deny("ZeroValue", field="account")
    if org == NO_WORD:
        raise deny("ZeroValue", field="org")
    if roles > _ALL_ROLES:
        raise deny("BadRoles", roles=roles)
    if org not in state.organisations and len(state.organisations) == MAX_ORGANISATIONS:
        raise deny("TooManyOrganisations")
    old = state.members.get(account, Member(NO_WORD, Role(0)))
    _check_move(account, old, Member(org, Role(roles)))
    planned = RegistryState(organisations=[*state.organisations], members=dict(state.members))
    if org not in planned.organisations:
        planned.organisations.append(org)
    planned.members[account] = Member(org, Role(roles))
    return planned, bool(old.roles) and (old.org != org or bool(old.roles & ~Role(roles)))


def _check_move(account: str, old: Member, new: Member) -> None:
    if not old.roles and not new.roles:
        raise deny("Unchanged")
    if not new.roles and new.org != old.org:
        raise deny("NotOfOrganisation", account=account, org=new.org)
    if new == old:
        raise deny("Unchanged")


def _require_reachable(threshold: int, members: Iterable[Member]) -> None:
    """Refuse a rule that nobody could satisfy, be it by voting or by approving."""
    if threshold == 0:
        raise deny("ZeroValue", field="threshold")
    seats = list(members)
    seated = {member.org for member in seats if member.roles}
    approving = {member.org for member in seats if member.roles & Role.APPROVER}
    reach = min(len(seated), len(approving))
    if threshold > reach:
        raise deny("QuorumUnreachable", threshold=threshold, organisations=reach)
