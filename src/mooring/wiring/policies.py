"""Policies as the command line meets them."""

from __future__ import annotations

from mooring.errors import NotFoundError, PolicyError
from mooring.policy import Policy
from mooring.workflows.deployment import Deployment
from mooring.workflows.govern import policy_digest

__all__ = ["policy_in_force", "read_policy"]

_LIMIT = 1024 * 1024


def read_policy(data: bytes) -> Policy:
    """Parse and validate a policy file."""
    try:
        return Policy.load(data.decode())
    except UnicodeDecodeError as error:
        raise PolicyError("the policy is not UTF-8", code="policy-syntax", hint="save it as UTF-8") from error


def policy_in_force(deployment: Deployment, asset: str) -> Policy:
    """Return the policy that the ledger names for an asset ("": for all), its text checked against the digest."""
    digest = policy_digest(deployment, asset)
    if digest is None:
        raise NotFoundError("the ledger names no policy", code="unknown-policy", hint="run: mooring policy set")
    return read_policy(deployment.blobs.read_all(digest, limit=_LIMIT))
