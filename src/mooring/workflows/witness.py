"""Witness: an organisation's cosignature on a log, given only to what extends the last checkpoint that it saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mooring.errors import ProofError, WorkflowError
from mooring.proofs import merkle
from mooring.proofs.checkpoint import Checkpoint, cosign, read_checkpoint
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import COSIGNATURE, Signature, VerifierKey
from mooring.storage.port import KeyManagement
from mooring.workflows.deployment import Witness

__all__ = ["Consistency", "cosignature", "raw_key", "witness_key"]

Consistency = Callable[[int, int], Sequence[bytes]]
"""Returns a log's consistency proof between two sizes."""


def witness_key(name: str, keys: KeyManagement, witness: Witness) -> VerifierKey:
    """Return a witness's cosignature key (type 0x04), named after the deployment `name`."""
    return VerifierKey(f"{name}/{witness.key}", raw_key(keys.public(witness.key)), COSIGNATURE)


def raw_key(key: PublicKey) -> bytes:
    """Return the 32 bytes of an Ed25519 key: the end of its DER (RFC 8410 §4)."""
    return key.spki[-32:]


def cosignature(
    name: str, keys: KeyManagement, witness: Witness, note: bytes, consistency: Consistency, now_s: int
) -> Signature:
    """Return the witness's cosignature on a checkpoint.

    Raises WorkflowError `log-forked` if it does not extend the last one that the witness saw. What is signed is
    remembered before it is signed, so that a crash cannot make the witness sign a fork.
    """
    checkpoint, _ = read_checkpoint(note)
    last = witness.last(checkpoint.origin)
    if last is not None:
        _require_extension(witness, last, checkpoint, consistency)
    witness.remember(checkpoint.origin, checkpoint.size, checkpoint.root)
    key = witness_key(name, keys, witness)
    return cosign(note, key, lambda message: keys.sign(witness.key, message), now_s)


def _require_extension(
    witness: Witness, last: tuple[int, bytes], checkpoint: Checkpoint, consistency: Consistency
) -> None:
    size, root = last
    try:
        if checkpoint.size < size:
            raise ProofError(f"it shrank from {size} to {checkpoint.size}", code="log-forked")
        proof = consistency(size, checkpoint.size)
        merkle.verify_consistency(size, root, checkpoint.size, checkpoint.root, proof)
    except ProofError as error:
        raise WorkflowError(
            f"witness {witness.organisation} refuses {checkpoint.origin}: {error.message}",
            code="log-forked",
            hint="the log was edited, forked or rolled back: keep it as evidence and investigate",
        ) from error
