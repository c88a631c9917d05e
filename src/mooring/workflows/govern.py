"""Govern: keys of organisations, the policy, members and the quorum; what no single organisation may change alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mooring.errors import RecordError, WorkflowError
from mooring.ledger.port import Outcome, Value
from mooring.ledger.registry import RegistryState, asset_id, org_id
from mooring.policy import Policy
from mooring.proofs.keys import checksum_address
from mooring.records.digest import Digest
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.transact import election, transact

__all__ = [
    "FOREVER",
    "KeyRegistered",
    "Vote",
    "policy_digest",
    "register_key",
    "revoke_key",
    "set_member",
    "set_policy",
    "set_threshold",
]

_KEYID = re.compile("[0-9a-f]{64}")
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")

FOREVER = 2**64 - 1
"""A key's `not_after` that never comes."""


@dataclass(frozen=True, slots=True)
class KeyRegistered:
    """An attestation key on the ledger, valid from and until Unix seconds; `new` is false if it stood there before."""

    keyid: str
    organisation: str
    not_before: int
    not_after: int
    cost: int
    new: bool


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote of one organisation; `passed` says whether it completed the quorum and took effect."""

    what: str
    organisation: str
    votes: int
    needed: int
    passed: bool
    cost: int


def register_key(
    deployment: Deployment, actor: Actor, key: str, *, not_before: int | None = None, not_after: int = FOREVER
) -> KeyRegistered:
    """Register a key of the key store as an attestation key of the actor's organisation."""
    keyid = deployment.keys.public(key).keyid
    start = deployment.clock_ns() // 1_000_000_000 if not_before is None else not_before
    known = deployment.follow().keys.get(bytes.fromhex(keyid))
    if known is not None:
        _require_own(known.org, actor, keyid)
        return KeyRegistered(keyid, actor.organisation, known.not_before, known.not_after, 0, False)
    args = (bytes.fromhex(keyid), start, not_after)
    # The window is not part of the occasion: registering again after a crash must not open another window.
    outcome = transact(deployment, actor.name, "AssetRegistry", "registerKey", args)
    deployment.follow()
    return KeyRegistered(keyid, actor.organisation, start, not_after, outcome.cost, True)


def revoke_key(deployment: Deployment, actor: Actor, keyid: str, *, from_s: int | None = None) -> Outcome:
    """Revoke an attestation key from a time on: one's own organisation's, or, as a guardian, anyone's."""
    if _KEYID.fullmatch(keyid) is None:
        raise RecordError(
            f"{keyid!r:.80} is no key id", code="keyid", hint="64 lower-case hex digits: mooring key list"
        )
    start = deployment.clock_ns() // 1_000_000_000 if from_s is None else from_s
    outcome = transact(
        deployment, actor.name, "AssetRegistry", "revokeKey", (bytes.fromhex(keyid), start), f"from {start}"
    )
    deployment.follow()
    return outcome


def set_policy(deployment: Deployment, actor: Actor, policy: Policy, asset: str = "") -> Vote:
    """Vote to put a policy's digest on the ledger, for one asset or ("") for all; its text is kept as a blob."""
    deployment.blobs.put(policy.text.encode())
    number = asset_id(asset) if asset else 0
    state = deployment.follow()
    if state.policies.get(number) == policy.digest.value:
        return Vote(f"policy {policy.digest}", actor.organisation, state.threshold, state.threshold, True, 0)
    outcome = _vote(deployment, state, actor, "setPolicy", (number, policy.digest.value))
    after = deployment.follow()
    passed = after.policies.get(number) == policy.digest.value
    return _voted(state, actor, f"policy {policy.digest}", outcome, passed)


def set_member(deployment: Deployment, actor: Actor, account: str, organisation: str, roles: int) -> Vote:
    """Vote to give an account roles in an organisation; roles 0 takes its seat away."""
    account = _address(account)
    state = deployment.follow()
    outcome = _vote(deployment, state, actor, "setMember", (account, org_id(organisation), roles))
    seat = deployment.follow().members.get(account)
    passed = seat is not None and (seat.org, int(seat.roles)) == (org_id(organisation), roles)
    return _voted(state, actor, f"member {account} of {organisation}: roles {roles}", outcome, passed)


def set_threshold(deployment: Deployment, actor: Actor, threshold: int) -> Vote:
    """Vote to change how many organisations must agree."""
    state = deployment.follow()
    outcome = _vote(deployment, state, actor, "setThreshold", (threshold,))
    passed = deployment.follow().threshold == threshold
    return _voted(state, actor, f"threshold {threshold}", outcome, passed)


def policy_digest(deployment: Deployment, asset: str) -> Digest | None:
    """Return the digest of the policy that holds for an asset by the ledger."""
    value = deployment.follow().policy(asset_id(asset))
    return None if value is None else Digest("sha256", value)


def _address(text: str) -> str:
    """Return an address with its checksum; one that has another is refused: a digit is mistyped."""
    if _ADDRESS.fullmatch(text) is not None:
        address = checksum_address(bytes.fromhex(text[2:]))
        if text in (address, text.lower()):
            return address
    raise WorkflowError(
        f"{text!r:.80} is no account", code="account", hint="an address of 0x and 40 hex digits with its checksum"
    )


def _vote(deployment: Deployment, state: RegistryState, actor: Actor, method: str, args: tuple[Value, ...]) -> Outcome:
    return transact(deployment, actor.name, "AssetRegistry", method, args, election(state))


def _voted(state: RegistryState, actor: Actor, what: str, outcome: Outcome, passed: bool) -> Vote:
    votes = [event.args["votes"] for event in outcome.events if event.name == "Voted"]
    count = votes[-1] if votes else 0
    assert isinstance(count, int)
    return Vote(what, actor.organisation, count, state.threshold, passed, outcome.cost)


def _require_own(org: bytes, actor: Actor, keyid: str) -> None:
    if org != org_id(actor.organisation):
        raise WorkflowError(
            f"key {keyid[:16]} belongs to another organisation", code="key-exists", hint="make a new key"
        )
