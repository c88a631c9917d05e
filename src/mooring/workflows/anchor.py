"""Anchor: seal a log, have it witnessed, and write its checkpoint on the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mooring.errors import ProofError, WorkflowError
from mooring.ledger.registry import origin_id
from mooring.proofs import merkle
from mooring.proofs.checkpoint import Checkpoint, cosign, open_checkpoint, read_checkpoint
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import COSIGNATURE, Signature, VerifierKey, sign
from mooring.storage.log import LogStore
from mooring.workflows.deployment import Deployment, Witness
from mooring.workflows.transact import transact

__all__ = ["Anchored", "anchor", "log_key", "seal", "witness_key"]


@dataclass(frozen=True, slots=True)
class Anchored:
    """A checkpoint on the ledger; `new` is false if it stood there before. `cost` is in gas or bytes."""

    origin: str
    size: int
    root: str
    reference: str
    block: int | None
    cost: int
    new: bool


def log_key(deployment: Deployment, origin: str) -> VerifierKey:
    """Return the verifier key of one of our logs: the key `log-<last part of the origin>`."""
    return VerifierKey(origin, _raw(deployment.keys.public(_log_key_name(origin))))


def witness_key(deployment: Deployment, witness: Witness) -> VerifierKey:
    """Return a witness's cosignature key (type 0x04)."""
    return VerifierKey(f"{deployment.name}/{witness.key}", _raw(deployment.keys.public(witness.key)), COSIGNATURE)


def seal(deployment: Deployment, log: LogStore) -> bytes:
    """Seal everything sequenced under a signed checkpoint and collect our witnesses' cosignatures.

    The caller holds the log's writer lock. A witness signs only what extends the last checkpoint that it saw.
    """
    key = log_key(deployment, log.origin)
    name = _log_key_name(log.origin)
    note = log.seal(lambda text: [sign(text, key, lambda message: deployment.keys.sign(name, message))])
    missing = [witness for witness in deployment.witnesses if not _has_signed(deployment, witness, note)]
    if not missing:
        return note
    signatures = [_cosign(deployment, witness, log, note) for witness in missing]
    return log.cosign(read_checkpoint(note)[1].text, signatures)


def anchor(deployment: Deployment, note: bytes) -> Anchored:
    """Write a sealed checkpoint on the ledger, unless it or a larger one stands there."""
    checkpoint, _ = read_checkpoint(note)
    open_checkpoint(note, log_key(deployment, checkpoint.origin), origin=checkpoint.origin)
    deployment.notes.keep(note)
    state = deployment.follow()
    writer = deployment.keys.address(deployment.anchorer)
    origin = origin_id(writer, checkpoint.origin)
    latest = state.origins.get(origin)
    if latest is not None and latest.size >= checkpoint.size:
        _require_same(latest.size, latest.root, checkpoint)
        return Anchored(checkpoint.origin, latest.size, latest.root.hex(), "", None, 0, False)
    method, first = ("open", checkpoint.origin) if latest is None else ("anchor", origin)
    args = (first, checkpoint.size, checkpoint.root)
    outcome = transact(deployment, deployment.anchorer, "CheckpointAnchor", method, args)
    deployment.follow()
    return Anchored(
        checkpoint.origin, checkpoint.size, checkpoint.root.hex(), outcome.reference, outcome.block, outcome.cost, True
    )


def _require_same(size: int, root: bytes, checkpoint: Checkpoint) -> None:
    if size == checkpoint.size and root != checkpoint.root:
        raise WorkflowError(
            f"{checkpoint.origin} stands on the ledger at size {size} with another root",
            code="log-forked",
            hint="the log was edited or forked: keep both checkpoints as evidence and investigate",
        )


def _cosign(deployment: Deployment, witness: Witness, log: LogStore, note: bytes) -> Signature:
    checkpoint, _ = read_checkpoint(note)
    last = witness.last(checkpoint.origin)
    if last is not None:
        _require_extension(witness, log, last, checkpoint)
    witness.remember(checkpoint.origin, checkpoint.size, checkpoint.root)
    key = witness_key(deployment, witness)
    now_s = deployment.clock_ns() // 1_000_000_000
    return cosign(note, key, lambda message: deployment.keys.sign(witness.key, message), now_s)


def _require_extension(witness: Witness, log: LogStore, last: tuple[int, bytes], checkpoint: Checkpoint) -> None:
    size, root = last
    try:
        if checkpoint.size < size:
            raise ProofError(f"it shrank from {size} to {checkpoint.size}", code="log-forked")
        proof: Sequence[bytes] = log.consistency(size, checkpoint.size)
        merkle.verify_consistency(size, root, checkpoint.size, checkpoint.root, proof)
    except ProofError as error:
        raise WorkflowError(
            f"witness {witness.organisation} refuses {checkpoint.origin}: {error.message}",
            code="log-forked",
            hint="the log was edited, forked or rolled back: keep it as evidence and investigate",
        ) from error


def _has_signed(deployment: Deployment, witness: Witness, note: bytes) -> bool:
    key = witness_key(deployment, witness)
    return any((line.name, line.id) == (key.name, key.id) for line in read_checkpoint(note)[1].signatures)


def _log_key_name(origin: str) -> str:
    return f"log-{origin.rpartition('/')[2]}"


def _raw(key: PublicKey) -> bytes:
    """The 32 bytes of an Ed25519 key: the end of its DER (RFC 8410 §4)."""
    return key.spki[-32:]
