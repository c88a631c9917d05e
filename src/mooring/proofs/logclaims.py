"""What the logs prove: their checkpoints, where these are anchored, and what entries they hold."""

from __future__ import annotations

from collections import defaultdict
from typing import cast

from mooring.errors import ProofError
from mooring.proofs import merkle
from mooring.proofs.attestation import Signed, read_attestation
from mooring.proofs.bundle import Entry
from mooring.proofs.case import Case, Happened
from mooring.proofs.checkpoint import MAX_SKEW_S, SignedCheckpoint, open_checkpoint, read_checkpoint
from mooring.proofs.ledgerclaims import one_operator
from mooring.proofs.quorum import require_quorum
from mooring.records.digest import Digest, sha256
from mooring.records.instant import format_time
from mooring.records.manifest import Manifest
from mooring.records.predicates import Approval, Model

__all__ = ["anchors", "attestations", "checkpoints", "included", "late", "manifests"]


def checkpoints(case: Case) -> None:
    """Which checkpoints the logs signed and enough witnesses cosigned."""
    for data in case.bundle.checkpoints:
        with case.refuting("checkpoint", "checkpoint", "the log stood at this size and root"):
            origin = read_checkpoint(data)[0].origin
            key = case.keyring.logs.get(origin)
            if key is None:
                raise ProofError(
                    f"log {origin!r:.120} is not in the trust root", code="unknown-log", hint="add it if trusted"
                )
            opened = open_checkpoint(data, key, tuple(case.keyring.witnesses), 0, case.now_s, origin=origin)
            case.once("checkpoint", origin)
            _witnessed(case, opened)


def _witnessed(case: Case, opened: SignedCheckpoint) -> None:
    signers = [case.keyring.witnesses[cosignature.witness] for cosignature in opened.cosignatures]
    required, witnessing = case.trust.witnesses_required, case.trust.witnessing
    if required:
        require_quorum(signers, {name: name for name in witnessing}, required)
    named = sorted(set(signers))
    case.checkpoints[opened.checkpoint.origin] = opened
    case.prove(
        "checkpoint",
        opened.checkpoint.origin,
        f"the log held {opened.checkpoint.size} entries under one root; cosigned by {', '.join(named) or 'nobody'}",
        f"the log's key and {required} of {len(witnessing)} witnesses",
        "" if named else "no witness cosigned: the operator could show others another tree of this size",
        _uncounted(len(opened.unknown)),
    )


def anchors(case: Case) -> None:
    """Which checkpoints stand on the ledger."""
    for event in case.events:
        if event.name == "Anchored":
            with case.refuting("anchored", case.place(event.block), "the checkpoint is anchored"):
                case.used.add(event.order)
                _anchored(case, event)
    for origin in case.checkpoints:
        if origin not in case.anchored:
            case.leave("anchored", origin, "the checkpoint is on the ledger", "no anchor shows it; anchor, then export")


def _anchored(case: Case, event: Happened) -> None:
    hexed = cast(bytes, event.args["originId"]).hex()
    origin = next((log.origin for log in case.trust.logs if log.origin_id == hexed), "")
    opened = case.checkpoints.get(origin)
    if opened is None:
        raise ProofError(
            f"the anchor is of origin {hexed[:16]}, of which no checkpoint is proved",
            code="anchor-origin",
            hint="export it again",
        )
    checkpoint = opened.checkpoint
    if (event.args["size"], event.args["root"]) != (checkpoint.size, checkpoint.root):
        raise ProofError(
            f"the ledger holds another size or root of {origin} than the checkpoint of {checkpoint.size} entries",
            code="anchor-mismatch",
            hint="the log was edited or forked, or the bundle mixes two checkpoints",
        )
    case.once("anchor", origin)
    ledger, where = case.trust.ledger, f"{case.place(event.block)}, by the ledger's clock {format_time(event.time)}"
    case.anchored[origin] = event.time
    case.prove(
        "anchored",
        origin,
        f"{checkpoint.size} entries are fixed in {ledger.chain} at {where}",
        f"{'contract ' + ledger.anchor if ledger.kind == 'evm' else 'the ledger log'} on {ledger.chain}",
        one_operator(case.trust),
    )


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
    case.once("entry", entry.origin, entry.index)


def attestations(case: Case) -> None:
    """Which statements organisations signed and the logs hold."""
    found: list[tuple[Entry, Signed]] = []
    for entry in case.bundle.entries:
        if not entry.origin.endswith("/receipts"):
            about = f"{entry.origin}#{entry.index}"
            with case.refuting("attestation", about, "an organisation attested it in the log"):
                included(case, entry)
                found.append((entry, read_attestation(entry.data, case.keyring, case.now_s)))
    named = _named(case, [signed for _, signed in found])
    for entry, signed in found:
        _attested(case, entry, signed, named.get(signed.digest))


def _named(case: Case, found: list[Signed]) -> dict[bytes, int]:
    """Return, for digests of statements that ledger events name, the ledger's time: they are not younger.

    An evaluation is as old as the model's statement that names it.
    """
    bounds: dict[bytes, int] = {}
    for event in case.events:
        digest = event.args.get("attestation", event.args.get("evidence"))
        if isinstance(digest, bytes):
            bounds[digest] = min(event.time, bounds.get(digest, event.time))
    for signed in found:
        predicate = signed.statement.predicate
        if isinstance(predicate, Model) and predicate.evaluation is not None and signed.digest in bounds:
            bounds.setdefault(predicate.evaluation.value, bounds[signed.digest])
    return bounds


def _attested(case: Case, entry: Entry, signed: Signed, named: int | None) -> None:
    """Claim an attestation; `named` is when the ledger named its statement, which does not date its signature."""
    about = f"{entry.origin}#{entry.index}"
    says = f"{', '.join(sorted(signed.organisations))} attested {_kind(signed)} of {signed.statement.subject.name}"
    logged = case.anchored.get(entry.origin)
    bound = min((time for time in (named, logged) if time is not None), default=None)
    if signed.ends and (bound is None or bound > signed.ends):
        hint = f"its key ended at {format_time(signed.ends)}, and nothing on the ledger shows that it is older"
        case.leave("attestation", about, says, hint)
        return
    case.signed.append(signed)
    case.prove(
        "attestation",
        about,
        says,
        "attestation keys, log key",
        "its time is what the signer states; the ledger only bounds it from above",
        late(signed.made, bound),
        _dated(case, signed, logged),
        _uncounted(signed.strangers),
    )


def _kind(signed: Signed) -> str:
    kind = signed.statement.predicate_type.split(":")[2]
    predicate = signed.statement.predicate
    return f"{kind} ({predicate.decision})" if isinstance(predicate, Approval) else kind


def late(made: int, bound: int | None) -> str:
    """Return what speaks against a stated time if the ledger held it at `bound` already; both in Unix seconds."""
    if bound is None or made <= bound + MAX_SKEW_S:
        return ""
    return f"it is dated later than {format_time(bound)}, when the ledger already held it: a clock was wrong"


def _dated(case: Case, signed: Signed, logged: int | None) -> str:
    if not signed.ends:
        return ""
    ended = f"its key ended at {format_time(signed.ends)}"
    if case.trust.ledger.operators == 1:
        return f"{ended}: that it is older is shown by the clock of the ledger's one operator alone"
    if logged is None or logged > signed.ends:
        return f"{ended}: the ledger shows that the statement is older, not that the signature is"
    return ""


def _uncounted(signatures: int) -> str:
    return f"{signatures} signatures by keys that the trust root does not name count for nothing" if signatures else ""


def manifests(case: Case) -> None:
    """Which attested manifests the bundle carries, and of how many resources they consist."""
    names: dict[Digest, set[str]] = defaultdict(set)
    for signed in case.signed:
        names[signed.statement.subject.digest].add(signed.statement.subject.name)
    for data in case.bundle.manifests:
        with case.refuting("manifest", "manifest", "the manifest is the attested one"):
            digest = sha256(data)
            if digest not in names:
                raise ProofError(
                    f"no attestation in the bundle names manifest {digest}",
                    code="manifest-digest",
                    hint="the manifest was changed, or belongs to another artifact",
                )
            case.once("manifest", digest)
            count = len(Manifest.from_bytes(data).resources)
            about = ", ".join(sorted(names[digest]))
            case.prove("manifest", about, f"it consists of {count} resources", "the attestation's digest")
