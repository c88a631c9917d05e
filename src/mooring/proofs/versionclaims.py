"""What is proved of versions: registration, approvals by organisations, status."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import cast

from mooring.errors import ProofError
from mooring.proofs.attestation import Signed, organisation_id
from mooring.proofs.case import Case, Happened, Life
from mooring.proofs.events import asset_id, version_id
from mooring.proofs.quorum import require_quorum
from mooring.proofs.trust import Trust
from mooring.records.digest import Digest
from mooring.records.instant import format_time
from mooring.records.predicates import Approval, Dataset, Model

STATUSES = ("none", "proposed", "approved", "active", "suspended", "revoked", "retired")
"""The registry's status numbers, in order."""

_COLLECTING = ("proposed", "suspended")

__all__ = ["STATUSES", "versions"]


@dataclass(slots=True)
class _Evidence:
    """What the bundle holds of versions: events and registered manifests by version id, the ids by the digest of the
    registered attestation, signed approvals by digest, and the digests of all signed statements.
    """

    events: dict[bytes, list[Happened]] = field(default_factory=lambda: defaultdict(list))
    manifests: dict[bytes, Digest] = field(default_factory=dict)
    registrations: dict[bytes, bytes] = field(default_factory=dict)
    approvals: dict[bytes, Signed] = field(default_factory=dict)
    statements: set[Digest] = field(default_factory=set)


@dataclass(slots=True)
class _Walk:
    """A version's events, in order: what its status was, which approvals count, and which evidence no longer does.

    `complete` says that the registry found the approvals of this round to be enough; until then a lost seat voids them.
    """

    statuses: list[tuple[Happened, str]] = field(default_factory=list)
    approvals: list[Happened] = field(default_factory=list)
    complete: bool = False
    spent: set[object] = field(default_factory=set)

    @property
    def status(self) -> str:
        return self.statuses[-1][1] if self.statuses else STATUSES[0]

    def void(self) -> None:
        """End a round: the approvals in it count no longer."""
        self.spent |= {event.args["evidence"] for event in self.approvals}
        self.approvals, self.complete = [], False


def versions(case: Case) -> None:
    """Which attested data sets and models the ledger has, with their approvals and status."""
    evidence = _collect(case)
    attested: dict[bytes, dict[bytes, Signed]] = defaultdict(dict)
    for signed in case.signed:
        predicate = signed.statement.predicate
        if isinstance(predicate, Model | Dataset):
            attested[version_id(asset_id(predicate.name), predicate.version)][signed.digest] = signed
    for version, found in attested.items():
        about = next(iter(found.values())).statement.subject.name
        with case.refuting("registered", about, "the version is registered"):
            _version(case, evidence, version, about, found)


def _collect(case: Case) -> _Evidence:
    evidence = _Evidence()
    for event in sorted(case.events, key=lambda event: event.order):
        version = event.args.get("version")
        if isinstance(version, bytes):
            evidence.events[version].append(event)
            if event.name == "Proposed":
                evidence.manifests[version] = Digest("sha256", cast(bytes, event.args["manifest"]))
                evidence.registrations[cast(bytes, event.args["attestation"])] = version
    for signed in case.signed:
        evidence.statements.add(Digest("sha256", signed.digest))
        if isinstance(signed.statement.predicate, Approval):
            evidence.approvals[signed.digest] = signed
    return evidence


def _version(case: Case, evidence: _Evidence, version: bytes, about: str, found: Mapping[bytes, Signed]) -> None:
    events = evidence.events.get(version, [])
    case.used |= {event.order for event in events}
    proposed = next((event for event in events if event.name == "Proposed"), None)
    if proposed is not None:
        signed = _registered(case, evidence, about, found, proposed)
        with case.refuting("status", about, "the ledger holds its status"):
            walk = _walked(events)
            case.lives[about] = Life(tuple((event.time, status) for event, status in walk.statuses))
            if walk.approvals or isinstance(signed.statement.predicate, Model):  # data sets need no approval
                _approvals(case, evidence, signed, walk)
            _status(case, about, walk)
    elif found.keys() & evidence.registrations.keys():
        raise _mismatch("the ledger registered this attestation under another name or label")
    else:
        case.leave("registered", about, "the ledger has this version", "no registration is in the bundle")


def _registered(
    case: Case, evidence: _Evidence, about: str, found: Mapping[bytes, Signed], proposed: Happened
) -> Signed:
    """Claim the registration, and return the attestation that it names."""
    args = proposed.args
    signed = found.get(cast(bytes, args["attestation"]))
    if signed is None:
        raise _mismatch(f"the ledger registered another attestation of {about}")
    predicate = cast(Model | Dataset, signed.statement.predicate)
    if (args["asset"], args["label"]) != (asset_id(predicate.name), predicate.version):
        raise _mismatch(f"the ledger registered another asset or label than {about}")
    manifest = Digest("sha256", cast(bytes, args["manifest"]))
    if any(other.statement.subject.digest != manifest for other in found.values()):
        raise _mismatch(f"the ledger registered another manifest than an attestation of {about} names")
    case.prove(
        "registered",
        about,
        f"registered at {case.place(proposed.block)} with this manifest and attestation",
        _registry(case.trust),
        _lineage(evidence, predicate, cast(Sequence[bytes], args["parents"])),
        _measured(evidence, predicate),
        f"{len(found) - 1} more attestations of it are not the registered one" if len(found) > 1 else "",
    )
    return signed


def _measured(evidence: _Evidence, predicate: Model | Dataset) -> str:
    named = predicate.evaluation if isinstance(predicate, Model) else None
    if named is None or named in evidence.statements:
        return ""
    return "the evaluation that its attestation names is not in this bundle; others do not stand for it"


def _lineage(evidence: _Evidence, predicate: Model | Dataset, parents: Sequence[bytes]) -> str:
    """Compare what a version was made from, as attested and on the ledger; return what of it is not shown."""
    attested = {*predicate.datasets, *predicate.parents} if isinstance(predicate, Model) else set()
    shown = {evidence.manifests[parent] for parent in parents if parent in evidence.manifests}
    absent = {parent for parent in parents if parent not in evidence.manifests}
    if not shown <= attested or len(attested - shown) != len(absent):
        raise _mismatch(f"{predicate.name}@{predicate.version} was made from others, by the ledger, than attested")
    return f"{len(absent)} of the versions that it was made from are not in this bundle" if absent else ""


def _walked(events: Sequence[Happened]) -> _Walk:
    """Follow a version's events as the registry does; raises ProofError `history-gap`, `registered-twice`, `event`."""
    walk = _Walk()
    for event in events:
        if event.name == "Approved":
            _approve(walk, event)
            continue
        before, after = (0, 1) if event.name == "Proposed" else (event.args["from"], event.args["to"])
        if after not in range(1, len(STATUSES)):
            raise ProofError(
                f"status {after!r} is none", code="event", hint="the contract is another than it should be"
            )
        if event.name == "Proposed" and walk.statuses:
            raise ProofError("it is registered twice", code="registered-twice", hint="the ledger broke its own rules")
        if before != STATUSES.index(walk.status):
            raise _gap(event)
        walk.statuses.append((event, STATUSES[cast(int, after)]))
        if walk.status == "suspended":
            walk.void()
        walk.complete = walk.complete or walk.status == "approved"
    return walk


def _approve(walk: _Walk, event: Happened) -> None:
    """Count an approval; the registry numbers those of a round, and begins at 1 when a round or an epoch begins."""
    if event.args["approvals"] == 1:
        walk.void()
    if walk.status not in _COLLECTING or event.args["approvals"] != len(walk.approvals) + 1:
        raise _gap(event)
    walk.approvals.append(event)


def _approvals(case: Case, evidence: _Evidence, signed: Signed, walk: _Walk) -> None:
    about, trust = signed.statement.subject.name, case.trust
    if not walk.approvals:
        case.leave("approved", about, "organisations approved it", "no approval that still counts is in the bundle")
        return
    with case.refuting("approved", about, "organisations approved it"):
        said, unsaid, strangers = _approving(case, evidence, signed, walk)
        enforced = trust.ledger.kind == "evm"
        counting = said + unsaid if enforced else said
        named = require_quorum(counting, {name: name for name in trust.organisations}, trust.approvals_required)
        says = f"approved by {', '.join(sorted(named))} ({trust.approvals_required} needed)"
        if not walk.complete:
            case.leave("approved", about, says, "the registry still collects approvals: a lost seat would void these")
            return
        why = "the contract alone says so" if enforced else "they count for nothing"
        case.prove(
            "approved",
            about,
            says,
            _registry(trust) if enforced else f"{_registry(trust)}; attestation keys",
            f"the signed approvals of {', '.join(sorted(unsaid))} are not in the bundle: {why}" if unsaid else "",
            f"{strangers} approvals by organisations that the trust root does not name count for nothing"
            if strangers
            else "",
        )


def _approving(case: Case, evidence: _Evidence, signed: Signed, walk: _Walk) -> tuple[list[str], list[str], int]:
    """Return the organisations that approved with a signed statement, those that did without, how many are strangers.

    Who writes a log could name a statement of an ended round again, so that on a log such a one is none.
    """
    names = {organisation_id(name): name for name in case.trust.organisations}
    spent = frozenset() if case.trust.ledger.kind == "evm" else walk.spent
    said: list[str] = []
    unsaid: list[str] = []
    strangers = 0
    for event in walk.approvals:
        name = names.get(cast(bytes, event.args["org"]))
        if name is None:
            strangers += 1
        else:
            (said if _spoken(evidence, signed, name, event, spent) else unsaid).append(name)
    return said, unsaid, strangers


def _spoken(evidence: _Evidence, model: Signed, organisation: str, event: Happened, spent: Set[object]) -> bool:
    """Whether the bundle holds the approval that the event names; raises ProofError `approval-mismatch`."""
    digest = cast(bytes, event.args["evidence"])
    signed = evidence.approvals.get(digest)
    if signed is None or digest in spent:
        return False
    approval = cast(Approval, signed.statement.predicate)
    if (approval.organisation, approval.decision, signed.statement.subject) != (
        organisation,
        "approve",
        model.statement.subject,
    ):
        raise ProofError(
            f"{organisation} approved on the ledger what its statement does not approve",
            code="approval-mismatch",
            hint="ask that organisation which of both it meant",
        )
    return True


def _status(case: Case, about: str, walk: _Walk) -> None:
    last, status = walk.statuses[-1]
    place = case.place(last.block)
    case.prove(
        "status",
        about,
        f"{status} as of {place} ({format_time(last.time)})",
        _registry(case.trust),
        f"later changes are not excluded: ask the ledger what holds after {place}",
    )


def _registry(trust: Trust) -> str:
    if trust.ledger.kind == "evm":
        return f"contract {trust.ledger.registry} on {trust.ledger.chain}"
    witnessed = "witnessed" if trust.witnesses_required else "unwitnessed"
    return f"the {witnessed} log {trust.ledger.chain}, which records and does not enforce"


def _gap(event: Happened) -> ProofError:
    return ProofError(
        f"{event.name} at {event.block} does not follow from the events before it: some were left out",
        code="history-gap",
        hint="whoever made the bundle left something out; ask for the whole history",
    )


def _mismatch(what: str) -> ProofError:
    return ProofError(what, code="registration-mismatch", hint="do not use this version: the records disagree")
