"""Anchor: seal a log, have it witnessed, and write its checkpoint on the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.errors import WorkflowError
from mooring.ledger.registry import origin_id
from mooring.proofs.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from mooring.proofs.note import VerifierKey, sign
from mooring.records.digest import Digest, sha256
from mooring.records.predicates import ReceiptBatch
from mooring.records.statement import Statement, Subject
from mooring.storage.log import LogStore
from mooring.workflows.attest import Attested, attest
from mooring.workflows.deployment import Deployment, Witness
from mooring.workflows.transact import transact
from mooring.workflows.witness import cosignature, raw_key, witness_key

__all__ = ["Anchored", "anchor", "anchored_size", "attest_batch", "cosigned", "log_key", "seal"]


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
    return VerifierKey(origin, raw_key(deployment.keys.public(_log_key_name(origin))))


def seal(deployment: Deployment, log: LogStore) -> bytes:
    """Seal everything sequenced under a signed checkpoint and collect our witnesses' cosignatures.

    The caller holds the log's writer lock. A witness signs only what extends the last checkpoint that it saw.
    """
    key = log_key(deployment, log.origin)
    name = _log_key_name(log.origin)
    note = log.seal(lambda text: [sign(text, key, lambda message: deployment.keys.sign(name, message))])
    missing = _missing(deployment, note)
    if not missing:
        return note
    now_s = deployment.clock_ns() // 1_000_000_000
    signatures = [
        cosignature(deployment.name, deployment.keys, witness, note, log.consistency, now_s) for witness in missing
    ]
    return log.cosign(read_checkpoint(note)[1].text, signatures)


def anchor(deployment: Deployment, note: bytes) -> Anchored:
    """Write a sealed checkpoint on the ledger, unless it or a larger one stands there.

    Raises WorkflowError `not-cosigned` for one that a witness of ours has not signed.
    """
    checkpoint, _ = read_checkpoint(note)
    open_checkpoint(note, log_key(deployment, checkpoint.origin), origin=checkpoint.origin)
    if not cosigned(deployment, note):
        raise WorkflowError(
            f"the checkpoint of {checkpoint.origin} at size {checkpoint.size} lacks a witness of ours",
            code="not-cosigned",
            hint="anchor again once the process that writes the log has sealed it",
        )
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


def attest_batch(deployment: Deployment, organisation: str, made: Anchored, before: int) -> Attested | None:
    """Attest which receipts a new anchor covers that none before it did; None if there are none."""
    if not made.new or before >= made.size:
        return None
    note = sha256(deployment.notes.find(made.origin, made.size))
    subject = Subject(f"{made.origin}#{before}-{made.size - 1}", Digest("sha256", bytes.fromhex(made.root)))
    batch = ReceiptBatch(made.origin, before, made.size, note, deployment.now())
    return attest(deployment, Statement(subject, batch), organisation)


def anchored_size(deployment: Deployment, origin: str) -> int:
    """Return how many entries of one of our logs the ledger's newest anchor covers."""
    writer = deployment.keys.address(deployment.anchorer)
    known = deployment.follow().origins.get(origin_id(writer, origin))
    return 0 if known is None else known.size


def _require_same(size: int, root: bytes, checkpoint: Checkpoint) -> None:
    if size == checkpoint.size and root != checkpoint.root:
        raise WorkflowError(
            f"{checkpoint.origin} stands on the ledger at size {size} with another root",
            code="log-forked",
            hint="the log was edited or forked: keep both checkpoints as evidence and investigate",
        )


def cosigned(deployment: Deployment, note: bytes) -> bool:
    """Tell whether every witness of ours has signed a checkpoint: between sealing and cosigning, none has."""
    return not _missing(deployment, note)


def _missing(deployment: Deployment, note: bytes) -> list[Witness]:
    signed = {(line.name, line.id) for line in read_checkpoint(note)[1].signatures}
    keys = [(witness, witness_key(deployment.name, deployment.keys, witness)) for witness in deployment.witnesses]
    return [witness for witness, key in keys if (key.name, key.id) not in signed]


def _log_key_name(origin: str) -> str:
    return f"log-{origin.rpartition('/')[2]}"
