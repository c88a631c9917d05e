"""What is proved of versions: registration, approvals by organisations, status."""

from __future__ import annotations

from typing import cast

from mooring.errors import ProofError
from mooring.proofs.attestation import Signed, organisation_id
from mooring.proofs.case import Case, Happened
from mooring.proofs.ledgerclaims import members
from mooring.proofs.quorum import require_quorum
from mooring.proofs.trust import Trust
from mooring.records.predicates import Dataset, Model

STATUSES = ("none", "proposed", "approved", "active", "suspended", "revoked", "retired")
"""The registry's status numbers, in order."""

__all__ = ["STATUSES", "versions"]


def versions(case: Case) -> None:
    """Which attested data sets and models the ledger has, with their approvals and status."""
    for signed in case.signed:
        if isinstance(signed.statement.predicate, Model | Dataset):
            with case.refuting("registered", signed.statement.subject.name, "the version is registered"):
                _version(case, signed)


def _version(case: Case, signed: Signed) -> None:
    about = signed.statement.subject.name
    proposed = next((e for e in case.events if e.name == "Proposed" and e.args["attestation"] == signed.digest), None)
    if proposed is None:
        case.leave("registered", about, "the ledger has this version", "no registration is in the bundle")
        return
    predicate = cast(Model | Dataset, signed.statement.predicate)
    if (
        proposed.args["manifest"] != signed.statement.subject.digest.value
        or proposed.args["label"] != predicate.version
    ):
        raise ProofError(
            f"the ledger registered another manifest or label than the attestation of {about}",
            code="registration-mismatch",
            hint="do not use this version: attestation and ledger disagree",
        )
    root = _registry_root(case.trust)
    case.prove("registered", about, f"registered at {proposed.block} with this manifest and attestation", root)
    version = proposed.args["version"]
    history = [e for e in case.events if e.args.get("version") == version and e.name != "Proposed"]
    approvals = _standing(history)
    if approvals or isinstance(predicate, Model):  # a data set needs no approval to be trained on
        _approvals(case, about, approvals)
    _status(case, about, proposed, [e for e in history if e.name == "StatusChanged"])


def _standing(history: list[Happened]) -> list[Happened]:
    """Return the approvals that count: a suspension voids those before it."""
    suspended = [e.order for e in history if e.name == "StatusChanged" and e.args["to"] == STATUSES.index("suspended")]
    return [e for e in history if e.name == "Approved" and (not suspended or e.order > suspended[-1])]


def _registry_root(trust: Trust) -> str:
    if trust.ledger.kind == "evm":
        return f"contract {trust.ledger.registry} on {trust.ledger.chain}"
    return f"the witnessed log {trust.ledger.chain}, which records and does not enforce"


def _approvals(case: Case, about: str, events: list[Happened]) -> None:
    if not events:
        case.leave("approved", about, "organisations approved it", "no approval that still counts is in the bundle")
        return
    names = {organisation_id(name): name for name in members(case.trust)}
    required = case.trust.approvals_required
    with case.refuting("approved", about, "organisations approved it"):
        approving = [names.get(cast(bytes, event.args["org"]), "") for event in events]
        named = require_quorum(approving, {name: name for name in names.values()}, required)
        by = ", ".join(sorted(named))
        case.prove("approved", about, f"approved by {by} ({required} needed)", _registry_root(case.trust))


def _status(case: Case, about: str, proposed: Happened, changes: list[Happened]) -> None:
    last = changes[-1] if changes else proposed
    status = STATUSES[cast(int, last.args["to"])] if changes else "proposed"
    case.prove(
        "status",
        about,
        f"{status} since {last.block}",
        _registry_root(case.trust),
        f"the status may have changed after {last.block}; ask the ledger for what holds now",
    )
