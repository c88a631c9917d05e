"""What the logs prove: their checkpoints, where these are anchored, and what entries they hold."""

from __future__ import annotations

from typing import cast

from mooring.errors import ProofError
from mooring.proofs import merkle
from mooring.proofs.attestation import read_attestation
from mooring.proofs.bundle import Entry
from mooring.proofs.case import Case, Happened
from mooring.proofs.checkpoint import SignedCheckpoint, open_checkpoint, read_checkpoint
from mooring.proofs.ledgerclaims import one_operator
from mooring.proofs.quorum import require_quorum
from mooring.records.digest import sha256
from mooring.records.instant import format_time
from mooring.records.manifest import Manifest

__all__ = ["anchors", "attestations", "checkpoints", "included", "manifests"]


def checkpoints(case: Case) -> None:
    for data in case.bundle.checkpoints:
        with case.refuting("checkpoint", "checkpoint", "the log stood at this size and root"):
            checkpoint, _ = read_checkpoint(data)
            case.trust.log(checkpoint.origin)
            witnesses = case.trust.witness_keys
            opened = open_checkpoint(
                data, case.trust.log_keys[checkpoint.origin], tuple(witnesses), 0, case.now_s, origin=checkpoint.origin
            )
            _witnessed(case, opened)


def _witnessed(case: Case, opened: SignedCheckpoint) -> None:
    organisations = [case.trust.witness_keys[cosignature.witness] for cosignature in opened.cosignatures]
    required = case.trust.witnesses_required
    members = {witness.organisation: witness.organisation for witness in case.trust.witnesses}
    named = sorted(require_quorum(organisations, members, required)) if required else sorted(set(organisations))
    case.checkpoints[opened.checkpoint.origin] = opened
    case.prove(
        "checkpoint",
        opened.checkpoint.origin,
        f"the log held {opened.checkpoint.size} entries under one root; cosigned by {', '.join(named) or 'nobody'}",
        f"the log's key and {required} of {len(members)} witnesses",
        "" if named else "no witness cosigned: the operator could show others another tree of this size",
    )


def anchors(case: Case) -> None:
    anchored = set()
    for event in case.events:
        if event.name == "Anchored":
            with case.refuting("anchored", f"block {event.block}", "the checkpoint is anchored"):
                anchored.add(_anchored(case, event))
    for origin in case.checkpoints:
        if origin not in anchored and not any(c.name == "anchored" and c.about == origin for c in case.claims):
            case.leave(
                "anchored", origin, "the checkpoint is on the ledger", "no anchor is in the bundle; anchor first"
            )


def _anchored(case: Case, event: Happened) -> str:
    hexed = cast(bytes, event.args["originId"]).hex()
    origin = next((log.origin for log in case.trust.logs if log.origin_id == hexed), None)
    opened = case.checkpoints.get(origin or "")
    if origin is None or opened is None:
        raise ProofError(f"the anchor is of unknown origin {hexed[:16]}", code="anchor-origin", hint="export it again")
    checkpoint = opened.checkpoint
    if (event.args["size"], event.args["root"]) != (checkpoint.size, checkpoint.root):
        raise ProofError(
            f"the ledger holds another size or root of {origin} than the checkpoint of {checkpoint.size} entries",
            code="anchor-mismatch",
            hint="the log was edited or forked, or the bundle mixes two checkpoints",
        )
    ledger = case.trust.ledger
    case.prove(
        "anchored",
        origin,
        f"{checkpoint.size} entries are fixed in {ledger.chain} at {event.block}, not later than {_when(event)}",
        f"{'contract ' + ledger.anchor if ledger.kind == 'evm' else 'the witnessed log'} on {ledger.chain}",
        one_operator(case.trust),
    )
    return origin


def _when(event: Happened) -> str:
    return f"{format_time(event.time)} by the ledger's clock" if event.time else "the cosignatures' time"


def included(case: Case, entry: Entry) -> None:
    opened = case.checkpoints.get(entry.origin)
    if opened is None:
        raise ProofError(
            f"no proved checkpoint of {entry.origin!r:.120}", code="checkpoint-missing", hint="export again"
        )
    checkpoint = opened.checkpoint
    leaf = merkle.leaf_hash(entry.data)
    merkle.verify_inclusion(leaf, entry.index, checkpoint.size, entry.path, checkpoint.root)


def attestations(case: Case) -> None:
    for entry in case.bundle.entries:
        if entry.origin.endswith("/receipts"):
            continue
        about = f"{entry.origin}#{entry.index}"
        with case.refuting("attestation", about, "an organisation attested it in the log"):
            included(case, entry)
            signed = read_attestation(entry.data, case.trust)
            case.signed.append(signed)
            kind = signed.statement.predicate_type.split(":")[2]
            case.prove(
                "attestation",
                about,
                f"{', '.join(sorted(signed.organisations))} attested {kind} of {signed.statement.subject.name}",
                "attestation keys, log key",
                "its time is what the signer states; the anchor only bounds it from above",
            )


def manifests(case: Case) -> None:
    """Which attested manifests the bundle carries, and of how many resources they consist."""
    named = {signed.statement.subject.digest: signed.statement.subject.name for signed in case.signed}
    for data in case.bundle.manifests:
        with case.refuting("manifest", "manifest", "the manifest is the attested one"):
            digest = sha256(data)
            if digest not in named:
                raise ProofError(
                    f"no attestation in the bundle names manifest {digest}",
                    code="manifest-digest",
                    hint="the manifest was changed, or belongs to another artifact",
                )
            count = len(Manifest.from_bytes(data).resources)
            case.prove("manifest", named[digest], f"it consists of {count} resources", "the attestation's digest")
