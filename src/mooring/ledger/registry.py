"""The contracts' state, folded from their events: assets, versions, approvals, members, keys, anchors.

The fold is pure and exact: the same events give an equal state, whichever ledger they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mooring.errors import LedgerError
from mooring.ledger.facts import (
    NO_WORD,
    NOBODY,
    Approval,
    Asset,
    Ballot,
    Key,
    Member,
    Origin,
    Role,
    Status,
    Version,
    asset_id,
    ballot_id,
    ballot_subject,
    org_id,
    origin_id,
    version_id,
)
from mooring.ledger.port import Event

__all__ = [
    "NOBODY",
    "NO_WORD",
    "Approval",
    "Asset",
    "Ballot",
    "Key",
    "Member",
    "Origin",
    "RegistryState",
    "Role",
    "Status",
    "Version",
    "asset_id",
    "org_id",
    "origin_id",
    "version_id",
]


@dataclass(slots=True)
class RegistryState:
    """The contracts' state after some event. What it holds is immutable; `copy` is cheap and then independent.

    `organisations` stand in the order of their bits. `nonces` count the passed ballots about a subject. `operators`
    holds (owner, operator) of ERC-721's approvals for all. A removed member keeps a record with no roles.
    """

    threshold: int = 0
    epoch: int = 0
    organisations: list[bytes] = field(default_factory=list)
    members: dict[str, Member] = field(default_factory=dict)
    ballots: dict[bytes, Ballot] = field(default_factory=dict)
    nonces: dict[bytes, int] = field(default_factory=dict)
    assets: dict[int, Asset] = field(default_factory=dict)
    versions: dict[bytes, Version] = field(default_factory=dict)
    current: dict[int, bytes] = field(default_factory=dict)
    policies: dict[int, bytes] = field(default_factory=dict)
    operators: set[tuple[str, str]] = field(default_factory=set)
    keys: dict[bytes, Key] = field(default_factory=dict)
    origins: dict[bytes, Origin] = field(default_factory=dict)

    def copy(self) -> RegistryState:
        """Return a state that changes independently of this one."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        copied: dict[str, Any] = {n: v if isinstance(v, int) else v.copy() for n, v in values.items()}
        return RegistryState(**copied)

    def apply(self, event: Event) -> None:
        """Fold one event in; raises LedgerError `event-unknown` or `event-out-of-place`, and is then unchanged."""
        handler = _HANDLERS.get((event.contract, event.name))
        if handler is None:
            raise LedgerError(
                f"event {event.contract}.{event.name} in block {event.block} is not known to this version",
                code="event-unknown",
                hint="upgrade Mooring: the contracts are newer than it",
            )
        try:
            handler(self, event.args)
        except (KeyError, ValueError, TypeError) as error:
            raise LedgerError(
                f"event {event.contract}.{event.name} at {event.id} does not follow from those before it: {error!r}",
                code="event-out-of-place",
                hint="events were lost: drop the followed state and follow from the contracts' first block",
            ) from error

    # questions

    def policy(self, asset: int) -> bytes | None:
        """Return the digest of the policy that holds for an asset: its own, else that of every asset."""
        return self.policies.get(asset) or self.policies.get(0)

    def key_valid(self, keyid: bytes, at: int) -> bool:
        """Tell whether a signature by this key, made at this Unix second, counts."""
        key = self.keys.get(keyid)
        return key is not None and key.valid(at)

    def seat(self, account: str) -> Member | None:
        """Return the account's seat, if it holds one now."""
        member = self.members.get(account)
        return member if member is not None and member.roles else None

    def seated(self, role: Role | None = None) -> frozenset[bytes]:
        """Return the organisations that have a member now, or one with this role."""
        return frozenset(m.org for m in self.members.values() if (m.roles if role is None else m.roles & role))

    def bitmap(self, orgs: frozenset[bytes]) -> int:
        """Return organisations as the contract's bitmap."""
        return sum(1 << self.organisations.index(org) for org in orgs)

    def ballot_of(self, call: bytes) -> bytes:
        """Return the id of the ballot in which a vote for this calldata is counted now."""
        return ballot_id(call, self.nonces.get(ballot_subject(call), 0), self.epoch)

    def open_ballots(self) -> Mapping[bytes, Ballot]:
        """Return the ballots that can still pass, by id."""
        return {i: ballot for i, ballot in self.ballots.items() if ballot.votes and i == self.ballot_of(ballot.call)}


_Args = Mapping[str, Any]  # an event's arguments have the types that the contract declares


def _member_set(state: RegistryState, args: _Args) -> None:
    org = args["org"]
    member = Member(org, Role(args["roles"]))
    if org not in state.organisations:
        state.organisations.append(org)
    state.members[args["account"]] = member


def _threshold_set(state: RegistryState, args: _Args) -> None:
    state.threshold = args["threshold"]


def _epoch_started(state: RegistryState, args: _Args) -> None:
    """Unfinished approval rounds end; completed ones stay complete (the contract does this when it next looks)."""
    for version in list(state.versions.values()):
        if version.status.collecting and version.counted:
            state.versions[version.id] = replace(version, counted=frozenset(), round=version.round + 1)
    state.epoch = args["epoch"]


def _voted(state: RegistryState, args: _Args) -> None:
    action, call = args["action"], args["call"]
    before = state.ballots.get(action)
    votes = (before.votes if before else frozenset()) | {args["org"]}
    if args["votes"] != len(votes):
        raise ValueError(f"{args['votes']} votes where {len(votes)} were seen")
    if len(votes) < state.threshold:
        state.ballots[action] = Ballot(call, votes)
        return
    subject = ballot_subject(call)
    state.nonces[subject] = state.nonces.get(subject, 0) + 1
    state.ballots.pop(action, None)


def _retracted(state: RegistryState, args: _Args) -> None:
    ballot = state.ballots[args["action"]]
    state.ballots[args["action"]] = replace(ballot, votes=ballot.votes - {args["org"]})


def _asset_created(state: RegistryState, args: _Args) -> None:
    asset = args["asset"]
    state.assets[asset] = Asset(asset, args["kind"], args["name"], args["owner"])


def _transfer(state: RegistryState, args: _Args) -> None:
    if args["from"] == NOBODY:
        return  # minted: AssetCreated follows and says more
    asset = state.assets[args["tokenId"]]
    state.assets[asset.id] = replace(asset, owner=args["to"], approved=NOBODY)


def _token_approval(state: RegistryState, args: _Args) -> None:
    asset = state.assets[args["tokenId"]]
    state.assets[asset.id] = replace(asset, approved=args["approved"])


def _approval_for_all(state: RegistryState, args: _Args) -> None:
    pair = (args["owner"], args["operator"])
    (state.operators.add if args["approved"] else state.operators.discard)(pair)


def _proposed(state: RegistryState, args: _Args) -> None:
    asset = state.assets[args["asset"]]
    version = Version(
        args["version"],
        asset.id,
        args["label"],
        args["manifest"],
        args["attestation"],
        args["proposer"],
        tuple(args["parents"]),
        actor=args["proposer"],
    )
    state.versions[version.id] = version
    state.assets[asset.id] = replace(asset, versions=(*asset.versions, version.id))


def _approved(state: RegistryState, args: _Args) -> None:
    version = state.versions[args["version"]]
    counted = version.counted | {args["org"]}
    if args["approvals"] != len(counted):
        raise ValueError(f"{args['approvals']} approvals where {len(counted)} were seen")
    approval = Approval(args["org"], args["approver"], args["evidence"], version.round)
    state.versions[version.id] = replace(version, counted=counted, approvals=(*version.approvals, approval))


def _status_changed(state: RegistryState, args: _Args) -> None:
    version, to = state.versions[args["version"]], Status(args["to"])
    if version.status != args["from"]:
        raise ValueError(f"status {version.status.name} where {args['from']} was left")
    moved = replace(version, status=to, actor=args["actor"], reason=args["reason"])
    if to == Status.SUSPENDED:
        moved = replace(moved, counted=frozenset(), round=version.round + 1)
    state.versions[version.id] = moved


def _current_changed(state: RegistryState, args: _Args) -> None:
    if args["to"] == NO_WORD:
        state.current.pop(args["asset"], None)
    else:
        state.current[args["asset"]] = args["to"]


def _policy_set(state: RegistryState, args: _Args) -> None:
    if args["digest"] == NO_WORD:
        state.policies.pop(args["asset"], None)
    else:
        state.policies[args["asset"]] = args["digest"]


def _key_registered(state: RegistryState, args: _Args) -> None:
    state.keys[args["keyid"]] = Key(args["org"], args["notBefore"], args["notAfter"])


def _key_revoked(state: RegistryState, args: _Args) -> None:
    state.keys[args["keyid"]] = replace(state.keys[args["keyid"]], revoked_from=args["from"])


def _origin_opened(state: RegistryState, args: _Args) -> None:
    state.origins[args["originId"]] = Origin(args["writer"], args["origin"])


def _anchored(state: RegistryState, args: _Args) -> None:
    origin = state.origins[args["originId"]]
    state.origins[args["originId"]] = replace(origin, size=args["size"], root=args["root"])


def _handed_over(state: RegistryState, args: _Args) -> None:
    origin = state.origins[args["originId"]]
    state.origins[args["originId"]] = replace(origin, writer=args["to"])


def _said_elsewhere(state: RegistryState, args: _Args) -> None:
    """Who rolled back, and why; what changed stands in the CurrentChanged before it."""


_HANDLERS: Mapping[tuple[str, str], Callable[[RegistryState, _Args], None]] = {
    ("AssetRegistry", "MemberSet"): _member_set,
    ("AssetRegistry", "ThresholdSet"): _threshold_set,
    ("AssetRegistry", "EpochStarted"): _epoch_started,
    ("AssetRegistry", "Voted"): _voted,
    ("AssetRegistry", "Retracted"): _retracted,
    ("AssetRegistry", "AssetCreated"): _asset_created,
    ("AssetRegistry", "Transfer"): _transfer,
    ("AssetRegistry", "Approval"): _token_approval,
    ("AssetRegistry", "ApprovalForAll"): _approval_for_all,
    ("AssetRegistry", "Proposed"): _proposed,
    ("AssetRegistry", "Approved"): _approved,
    ("AssetRegistry", "StatusChanged"): _status_changed,
    ("AssetRegistry", "CurrentChanged"): _current_changed,
    ("AssetRegistry", "RolledBack"): _said_elsewhere,
    ("AssetRegistry", "PolicySet"): _policy_set,
    ("AssetRegistry", "KeyRegistered"): _key_registered,
    ("AssetRegistry", "KeyRevoked"): _key_revoked,
    ("CheckpointAnchor", "OriginOpened"): _origin_opened,
    ("CheckpointAnchor", "Anchored"): _anchored,
    ("CheckpointAnchor", "HandedOver"): _handed_over,
}
