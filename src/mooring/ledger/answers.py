"""The contracts' views in Python: questions answered from a followed state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mooring.errors import ConfigError, ProofError
from mooring.ledger.facts import NO_WORD, NOBODY, Key, Role, Status
from mooring.ledger.lifecycle import MAX_PARENTS, MAX_TEXT
from mooring.ledger.port import Query, Value
from mooring.ledger.refusal import deny
from mooring.ledger.registry import RegistryState
from mooring.ledger.rules import fitted
from mooring.proofs.merkle import EMPTY_ROOT, verify_inclusion

__all__ = ["answer"]

_Values = tuple[Value, ...]


def answer(state: RegistryState, query: Query) -> _Values:
    """Return what the contract's view of that name returns for this state.

    Raises ConfigError `no-such-view`, LedgerRefused as the contract does.
    """
    known = _VIEWS.get((query.contract, query.method))
    if known is None or len(known[0]) != len(query.args):
        raise ConfigError(
            f"without contracts, nobody answers {query.contract}.{query.method} with {len(query.args)} arguments",
            code="no-such-view",
            hint=f"it has {', '.join(sorted(m for c, m in _VIEWS if c == query.contract)) or 'none: check its name'}",
        )
    types, view = known
    return view(state, *fitted(types, query.args, f"{query.contract}.{query.method}"))


def _version_of(state: RegistryState, version: bytes) -> _Values:
    found = state.versions.get(version)
    if found is None:
        return (0, NO_WORD, NO_WORD, NOBODY, int(Status.NONE), 0, 0)
    approvals = state.bitmap(found.counted)
    said = (found.asset, found.manifest, found.attestation, found.proposer)
    return (*said, int(found.status), approvals, found.round)


def _member_of(state: RegistryState, account: str) -> _Values:
    member = state.members.get(account)
    if member is None:
        return (NO_WORD, 0, 0)
    return (member.org, state.organisations.index(member.org), int(member.roles))


def _governance(state: RegistryState) -> _Values:
    seated, approving = state.bitmap(state.seated()), state.bitmap(state.seated(Role.APPROVER))
    return (state.threshold, len(state.organisations), seated, approving, state.epoch)


def _organisation_at(state: RegistryState, index: int) -> _Values:
    return (state.organisations[index] if index < len(state.organisations) else NO_WORD,)


def _ballot(state: RegistryState, action: bytes) -> _Values:
    ballot = state.ballots.get(action)
    return (state.bitmap(ballot.votes) if ballot else 0,)


def _key_of(state: RegistryState, keyid: bytes) -> _Values:
    key = state.keys.get(keyid, Key(NO_WORD, 0, 0))
    return (key.org, key.not_before, key.not_after, key.revoked_from is not None, key.revoked_from or 0)


def _owner_of(state: RegistryState, token: int) -> _Values:
    if token not in state.assets:
        raise deny("ERC721NonexistentToken", tokenId=token)
    return (state.assets[token].owner,)


def _approved_of(state: RegistryState, token: int) -> _Values:
    _owner_of(state, token)
    return (state.assets[token].approved,)


def _balance_of(state: RegistryState, owner: str) -> _Values:
    if owner == NOBODY:
        raise deny("ERC721InvalidOwner", owner=NOBODY)
    return (sum(asset.owner == owner for asset in state.assets.values()),)


def _latest(state: RegistryState, identity: bytes) -> _Values:
    origin = state.origins.get(identity)
    return (origin.writer, origin.size, origin.root) if origin else (NOBODY, 0, NO_WORD)


def _included(state: RegistryState, identity: bytes, leaf: bytes, index: int, path: tuple[bytes, ...]) -> _Values:
    origin = state.origins.get(identity)
    if origin is None:
        return (False,)
    try:
        verify_inclusion(leaf, index, origin.size, path, origin.root)
    except ProofError:
        return (False,)
    return (True,)


def _constant(value: Value) -> Callable[..., _Values]:
    return lambda state: (value,)


_REGISTRY: Mapping[str, tuple[tuple[str, ...], Callable[..., _Values]]] = {
    "versionOf": (("bytes32",), _version_of),
    "memberOf": (("address",), _member_of),
    "governance": ((), _governance),
    "organisationAt": (("uint8",), _organisation_at),
    "ballot": (("bytes32",), _ballot),
    "current": (("uint256",), lambda state, asset: (state.current.get(asset, NO_WORD),)),
    "policy": (("uint256",), lambda state, asset: (state.policy(asset) or NO_WORD,)),
    "kindOf": (("uint256",), lambda state, asset: (state.assets[asset].kind if asset in state.assets else 0,)),
    "keyValid": (("bytes32", "uint64"), lambda state, keyid, at: (state.key_valid(keyid, at),)),
    "keyOf": (("bytes32",), _key_of),
    "ownerOf": (("uint256",), _owner_of),
    "getApproved": (("uint256",), _approved_of),
    "isApprovedForAll": (("address", "address"), lambda state, owner, other: ((owner, other) in state.operators,)),
    "balanceOf": (("address",), _balance_of),
    "PUBLISHER": ((), _constant(int(Role.PUBLISHER))),
    "APPROVER": ((), _constant(int(Role.APPROVER))),
    "OPERATOR": ((), _constant(int(Role.OPERATOR))),
    "GUARDIAN": ((), _constant(int(Role.GUARDIAN))),
    "MAX_PARENTS": ((), _constant(MAX_PARENTS)),
    "MAX_TEXT": ((), _constant(MAX_TEXT)),
}
_ANCHOR: Mapping[str, tuple[tuple[str, ...], Callable[..., _Values]]] = {
    "latest": (("bytes32",), _latest),
    "verifyInclusion": (("bytes32", "bytes32", "uint64", "bytes32[]"), _included),
    "EMPTY_ROOT": ((), _constant(EMPTY_ROOT)),
    "MAX_TEXT": ((), _constant(MAX_TEXT)),
}
_VIEWS = {("AssetRegistry", name): view for name, view in _REGISTRY.items()} | {
    ("CheckpointAnchor", name): view for name, view in _ANCHOR.items()
}
