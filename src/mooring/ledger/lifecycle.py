"""The rules of assets, their tokens and their versions, as the contract `AssetRegistry` has them."""

from __future__ import annotations

from collections.abc import Callable

from mooring.ledger.facts import NO_WORD, NOBODY, Asset, Member, Role, Status, Version, asset_id, version_id
from mooring.ledger.governance import Effect, Effects, require_member, require_role, vote
from mooring.ledger.port import Value
from mooring.ledger.refusal import deny
from mooring.ledger.registry import RegistryState
from mooring.ledger.wire import governance_call

__all__ = [
    "MAX_PARENTS",
    "MAX_TEXT",
    "activate",
    "approve",
    "approve_round",
    "approve_token",
    "create_asset",
    "propose",
    "require_length",
    "retire",
    "revoke",
    "rollback",
    "set_approval_for_all",
    "set_policy",
    "suspend",
    "transfer",
]

MAX_TEXT = 256
MAX_PARENTS = 64
_KINDS = (1, 2)
_ROYALTY_UNIT = 10_000  # EIP-2981 as OpenZeppelin has it: hundredths of a per cent


def require_length(text: str) -> None:
    """Refuse an empty or overlong text."""
    length = len(text.encode())
    if not 0 < length <= MAX_TEXT:
        raise deny("BadLength", length=length)


def create_asset(
    state: RegistryState, sender: str, kind: int, name: str, royalty_receiver: str, royalty_bps: int
) -> Effects:
    """Create a data set or model, owned by the sender."""
    require_role(state, sender, Role.PUBLISHER)
    if kind not in _KINDS:
        raise deny("BadKind", kind=kind)
    require_length(name)
    asset = asset_id(name)
    if asset in state.assets:
        raise deny("AssetExists", asset=asset)
    if royalty_bps > _ROYALTY_UNIT:
        raise deny("ERC2981InvalidTokenRoyalty", tokenId=asset, numerator=royalty_bps, denominator=_ROYALTY_UNIT)
    if royalty_bps and royalty_receiver == NOBODY:
        raise deny("ERC2981InvalidTokenRoyaltyReceiver", tokenId=asset, receiver=NOBODY)
    return (
        ("Transfer", {"from": NOBODY, "to": sender, "tokenId": asset}),
        ("AssetCreated", {"asset": asset, "kind": kind, "owner": sender, "name": name}),
    )


def propose(
    state: RegistryState,
    sender: str,
    asset: int,
    label: str,
    manifest: bytes,
    attestation: bytes,
    parents: tuple[bytes, ...],
) -> Effects:
    """Register a version."""
    member = require_role(state, sender, Role.PUBLISHER)
    _require_publisher(state, sender, member, _asset(state, asset))
    require_length(label)
    for field, value in (("manifest", manifest), ("attestation", attestation)):
        if value == NO_WORD:
            raise deny("ZeroValue", field=field)
    version = version_id(asset, label)
    if version in state.versions:
        raise deny("VersionExists", version=version)
    _require_parents(state, parents)
    said: dict[str, Value] = {
        "version": version,
        "asset": asset,
        "proposer": sender,
        "manifest": manifest,
        "attestation": attestation,
    }
    return (("Proposed", {**said, "label": label, "parents": parents}),)


def approve(state: RegistryState, sender: str, version: bytes, evidence: bytes) -> Effects:
    """Approve a version for the sender's organisation in whatever round it is in."""
    member = require_role(state, sender, Role.APPROVER)
    return _approve(state, sender, member, _version(state, version), evidence)


def approve_round(state: RegistryState, sender: str, version: bytes, round_: int, evidence: bytes) -> Effects:
    """Approve a version for the sender's organisation, but only in this round."""
    member = require_role(state, sender, Role.APPROVER)
    found = _version(state, version)
    if found.round != round_:
        raise deny("WrongRound", version=version, round=found.round)
    return _approve(state, sender, member, found, evidence)


def activate(state: RegistryState, sender: str, version: bytes) -> Effects:
    """Make an approved version active, and the one that is served by default."""
    require_role(state, sender, Role.OPERATOR)
    found = _version(state, version)
    _require_status(found, lambda status: status == Status.APPROVED)
    return (_moved(found, Status.ACTIVE, sender, NO_WORD), _served(state, found.asset, version))


def suspend(state: RegistryState, sender: str, version: bytes, reason: bytes) -> Effects:
    """Stop a version at once, and begin a new approval round."""
    require_role(state, sender, Role.GUARDIAN)
    found = _version(state, version)
    _require_status(found, lambda status: status <= Status.ACTIVE)
    return (_moved(found, Status.SUSPENDED, sender, reason), *_withdrawn(state, found))


def retire(state: RegistryState, sender: str, version: bytes, reason: bytes) -> Effects:
    """End a version in good standing."""
    require_role(state, sender, Role.OPERATOR)
    found = _version(state, version)
    _require_status(found, lambda status: Status.APPROVED <= status <= Status.SUSPENDED)
    return (_moved(found, Status.RETIRED, sender, reason), *_withdrawn(state, found))


def revoke(state: RegistryState, sender: str, version: bytes, reason: bytes) -> Effects:
    """Vote to end a version as bad."""
    member = require_member(state, sender)
    found = _version(state, version)
    _require_status(found, lambda status: status <= Status.SUSPENDED)
    voted, passed = vote(state, sender, member.org, governance_call("revoke", version, reason))
    if not passed:
        return (voted,)
    return (voted, _moved(found, Status.REVOKED, sender, reason), *_withdrawn(state, found))


def rollback(state: RegistryState, sender: str, asset: int, version: bytes, reason: bytes) -> Effects:
    """Serve another active version of the asset by default."""
    require_role(state, sender, Role.OPERATOR)
    _asset(state, asset)
    found = _version(state, version)
    if found.asset != asset:
        raise deny("WrongAsset", version=version, asset=asset)
    _require_status(found, lambda status: status == Status.ACTIVE)
    if state.current.get(asset) == version:
        raise deny("Unchanged")
    done: Effect = ("RolledBack", {"asset": asset, "to": version, "actor": sender, "reason": reason})
    return (_served(state, asset, version), done)


def set_policy(state: RegistryState, sender: str, asset: int, digest: bytes) -> Effects:
    """Vote to set the policy of an asset, or with 0 of every asset that has none of its own."""
    member = require_member(state, sender)
    if asset:
        _asset(state, asset)
    if state.policies.get(asset, NO_WORD) == digest:
        raise deny("Unchanged")
    voted, passed = vote(state, sender, member.org, governance_call("setPolicy", asset, digest))
    return (voted, ("PolicySet", {"asset": asset, "digest": digest})) if passed else (voted,)


def approve_token(state: RegistryState, sender: str, to: str, token: int) -> Effects:
    """Let an account act for the owner on one token (ERC-721 `approve`)."""
    asset = _token(state, token)
    if sender != asset.owner and (asset.owner, sender) not in state.operators:
        raise deny("ERC721InvalidApprover", approver=sender)
    return (("Approval", {"owner": asset.owner, "approved": to, "tokenId": token}),)


def set_approval_for_all(state: RegistryState, sender: str, operator: str, approved: bool) -> Effects:
    """Let an account act for the sender on all tokens, or no longer (ERC-721)."""
    if operator == NOBODY:
        raise deny("ERC721InvalidOperator", operator=NOBODY)
    return (("ApprovalForAll", {"owner": sender, "operator": operator, "approved": approved}),)


def transfer(state: RegistryState, sender: str, giver: str, to: str, token: int) -> Effects:
    """Give a token to another account (ERC-721 `transferFrom`)."""
    if to == NOBODY:
        raise deny("ERC721InvalidReceiver", receiver=NOBODY)
    asset = _token(state, token)
    if not _authorized(state, sender, asset):
        raise deny("ERC721InsufficientApproval", operator=sender, tokenId=token)
    if asset.owner != giver:
        raise deny("ERC721IncorrectOwner", sender=giver, tokenId=token, owner=asset.owner)
    return (("Transfer", {"from": giver, "to": to, "tokenId": token}),)


def _approve(state: RegistryState, sender: str, member: Member, version: Version, evidence: bytes) -> Effects:
    _require_status(version, lambda status: status.collecting)
    if sender == version.proposer:
        raise deny("OwnProposal", version=version.id)
    if member.org in version.counted:
        raise deny("AlreadyApproved", version=version.id, org=member.org)
    count = len(version.counted) + 1
    said: dict[str, Value] = {
        "version": version.id,
        "org": member.org,
        "approver": sender,
        "evidence": evidence,
        "approvals": count,
    }
    if count < state.threshold:
        return (("Approved", said),)
    return (("Approved", said), _moved(version, Status.APPROVED, sender, NO_WORD))


def _moved(version: Version, to: Status, actor: str, reason: bytes) -> Effect:
    said: dict[str, Value] = {
        "version": version.id,
        "from": int(version.status),
        "to": int(to),
        "actor": actor,
        "reason": reason,
    }
    return ("StatusChanged", said)


def _served(state: RegistryState, asset: int, version: bytes) -> Effect:
    return ("CurrentChanged", {"asset": asset, "from": state.current.get(asset, NO_WORD), "to": version})


def _withdrawn(state: RegistryState, version: Version) -> Effects:
    if state.current.get(version.asset) != version.id:
        return ()
    return (_served(state, version.asset, NO_WORD),)


def _asset(state: RegistryState, asset: int) -> Asset:
    if asset not in state.assets:
        raise deny("UnknownAsset", asset=asset)
    return state.assets[asset]


def _token(state: RegistryState, token: int) -> Asset:
    if token not in state.assets:
        raise deny("ERC721NonexistentToken", tokenId=token)
    return state.assets[token]


def _version(state: RegistryState, version: bytes) -> Version:
    if version not in state.versions:
        raise deny("UnknownVersion", version=version)
    return state.versions[version]


def _authorized(state: RegistryState, account: str, asset: Asset) -> bool:
    return account in (asset.owner, asset.approved) or (asset.owner, account) in state.operators


def _require_status(version: Version, allowed: Callable[[Status], bool]) -> None:
    if not allowed(version.status):
        raise deny("WrongStatus", version=version.id, status=int(version.status))


def _require_publisher(state: RegistryState, sender: str, member: Member, asset: Asset) -> None:
    """Refuse a publisher who has nothing to do with the asset; a removed owner's organisation still owns it."""
    owner = state.members.get(asset.owner)
    if not _authorized(state, sender, asset) and (owner is None or owner.org != member.org):
        raise deny("NotAssetPublisher", account=sender, asset=asset.id)


def _require_parents(state: RegistryState, parents: tuple[bytes, ...]) -> None:
    if len(parents) > MAX_PARENTS:
        raise deny("TooManyParents", count=len(parents))
    for parent in parents:
        if _version(state, parent).status == Status.REVOKED:
            raise deny("ParentRevoked", parent=parent)
