"""What the logs prove: their checkpoints, where these are anchored, and what entries they hold."""

from __future__ import annotations

from typing import cast

from mooring.errors import ProofError
from mooring.proofs import merkle
from mooring.proofs.attestation import Signed, read_attestation
from mooring.proofs.bundle import Entry
from mooring.proofs.case import Case, Happened
from mooring.proofs.checkpoint import SignedCheckpoint, open_checkpoint, read_checkpoint
from mooring.proofs.ledgerclaims import one_operator
from mooring.proofs.quorum import require_quorum
from mooring.records.digest import sha256
from mooring.records.instant import format_time
from mooring.records.manifest import Manifest
from mooring.records.predicates import Model

__all__ = ["anchors", "attestations", "checkpoints", "included", "manifests"]


def checkpoints(case: Case) -> None:
    """Which checkpoints the logs signed and enough witnesses cosigned."""
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
    """Which checkpoints stand on the ledger."""
    for event in case.events:
        if event.name == "Anchored":
            with case.refuting("anchored", f"block {event.block}", "the checkpoint is anchored"):
                _anchored(case, event)
    for origin in case.checkpoints:
        if origin not in case.anchored and not any(c.name == "anchored" and c.about == origin for c in case.claims):
            case.leave(
                "anchored", origin, "the checkpoint is on the ledger", "no anchor is in the bundle; anchor first"
            )


def _anchored(case: Case, event: Happened) -> None:
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
    case.anchored[origin] = event.time
    case.prove(
        "anchored",
        origin,
        f"{checkpoint.size} entries are fixed in {ledger.chain} at {event.block}, not later than {_when(event)}",
        f"{'contract ' + ledger.anchor if ledger.kind == 'evm' else 'the witnessed log'} on {ledger.chain}",
        one_operator(case.trust),
    )


def _when(event: Happened) -> str:
    return f"{format_time(event.time)} by the ledger's clock" if event.time else "the cosignatures' time"


def included(case: Case, entry: Entry) -> None:
    """Return if the entry stands under its log's proved checkpoint; raises ProofError if not."""
    opened = case.checkpoints.get(entry.origin)
    if opened is None:
        raise ProofError(
            f"no proved checkpoint of {entry.origin!r:.120}", code="checkpoint-missing", hint="export again"
        )
    checkpoint = opened.checkpoint
    leaf = merkle.leaf_hash(entry.data)
    merkle.verify_inclusion(leaf, entry.index, checkpoint.size, entry.path, checkpoint.root)


def attestations(case: Case) -> None:
    """Which statements organisations signed and the logs hold."""
    found: list[tuple[Entry, Signed]] = []
    for entry in case.bundle.entries:
        if not entry.origin.endswith("/receipts"):
            with case.refuting(
                "attestation", f"{entry.origin}#{entry.index}", "an organisation attested it in the log"
            ):
                included(case, entry)
                found.append((entry, read_attestation(entry.data, case.trust)))
    case.signed += [signed for _, signed in found]
    bounds = _bounds(case)
    for entry, signed in found:
        times = [time for time in (bounds.get(signed.digest), case.anchored.get(entry.origin)) if time is not None]
        _attested(case, f"{entry.origin}#{entry.index}", signed, min(times, default=None))


def _bounds(case: Case) -> dict[bytes, int]:
    """Return, for digests of statements that ledger events name, the ledger's time: they are not younger."""
    bounds: dict[bytes, int] = {}
    for event in case.events:
        digest = event.args.get("attestation", event.args.get("evidence"))
        if isinstance(digest, bytes):
            bounds[digest] = min(event.time, bounds.get(digest, event.time))
    for signed in case.signed:
        predicate = signed.statement.predicate
        if isinstance(predicate, Model) and predicate.evaluation is not None and signed.digest in bounds:
            bounds.setdefault(predicate.evaluation.value, bounds[signed.digest])
    return bounds


def _attested(case: Case, about: str, signed: Signed, bound: int | None) -> None:
    kind = signed.statement.predicate_type.split(":")[2]
    says = f"{', '.join(sorted(signed.organisations))} attested {kind} of {signed.statement.subject.name}"
    if signed.ends and (bound is None or bound > signed.ends):
        hint = f"its key ended at {format_time(signed.ends)}, and nothing on the ledger shows that it is older"
        case.leave("attestation", about, says, hint)
        return
    limit = "its time is what the signer states; the ledger only bounds it from above"
    case.prove("attestation", about, says, "attestation keys, log key", limit)


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
