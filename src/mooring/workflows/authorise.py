"""Authorise: what the policy that the ledger names says of a caller's request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mooring.errors import MooringError
from mooring.policy import Facts, Policy, decide
from mooring.records.digest import Digest
from mooring.storage.port import BlobStore
from mooring.workflows.load import FollowedModels

__all__ = ["ANONYMOUS", "Authoriser", "Verdict"]

ANONYMOUS = "anonymous"
"""The caller who shows no token."""

_NO_POLICY = Digest("sha256", bytes(32))
_POLICY_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or not, by which rule, under the policy of this digest (zeroes: the ledger names none)."""

    allowed: bool
    rule: str
    policy: Digest


class Authoriser:
    """Decides by the policy whose digest the ledger names; its text comes from the blob store, checked by digest."""

    def __init__(self, models: FollowedModels, blobs: BlobStore, organisations: Callable[[str], str]) -> None:
        self._models, self._blobs, self._organisations = models, blobs, organisations
        self._policies: dict[Digest, Policy] = {}

    def __call__(self, caller: str, model: str, version: str, purpose: str) -> Verdict:
        """Return the verdict on an inference; whatever goes wrong denies."""
        found = self._models.version(model, version)
        if found.policy is None:
            return Verdict(False, "no-policy-on-the-ledger", _NO_POLICY)
        try:
            decision = decide(self._policy(found.policy), self._facts(caller, model, version, purpose))
        except MooringError as error:
            return Verdict(False, f"policy-unusable: {error.code}", found.policy)
        return Verdict(decision.allowed, decision.reason, found.policy)

    def _facts(self, caller: str, model: str, version: str, purpose: str) -> Facts:
        found = self._models.version(model, version)
        return Facts(
            action="infer",
            caller=caller,
            model=model,
            version=version,
            status=found.status,
            purpose=purpose,
            authenticated=caller != ANONYMOUS,
            organisation=self._organisations(caller),
            purposes=found.purposes,
        )

    def _policy(self, digest: Digest) -> Policy:
        policy = self._policies.get(digest)
        if policy is None:
            text = self._blobs.read_all(digest, limit=_POLICY_LIMIT).decode()
            policy = self._policies[digest] = Policy.load(text)
        return policy
