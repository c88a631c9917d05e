"""Quorums: whether enough different organisations said the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mooring.errors import ProofError

__all__ = ["require_quorum"]


def require_quorum(signers: Iterable[str], members: Mapping[str, str], threshold: int) -> frozenset[str]:
    """Return the organisations that `signers` speak for, if they are at least `threshold` different ones.

    `signers` are identities that were verified already (keyids, or chain accounts), `members` maps each identity that
    may count to its organisation. Signers of one organisation count once, strangers not at all. Raises ProofError
    "quorum" if they are too few, "quorum-threshold" if the members could never reach it, or nobody would have to.
    """
    possible = len(set(members.values()))
    if not 0 < threshold <= possible:
        raise ProofError(
            f"a quorum of {threshold} among {possible} organisations decides nothing",
            code="quorum-threshold",
            hint="Set a threshold between 1 and the number of organisations.",
        )
    present = frozenset(members[signer] for signer in signers if signer in members)
    if len(present) < threshold:
        named = ", ".join(sorted(present)) or "none"
        raise ProofError(
            f"{len(present)} of {threshold} organisations needed have signed ({named})",
            code="quorum",
            hint="Collect signatures from more organisations; two from one count once.",
        )
    return present
