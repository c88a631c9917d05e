"""Register: a data set or a model becomes a version on the ledger, with its bytes kept and its provenance attested."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mooring.errors import WorkflowError
from mooring.ledger.port import Outcome
from mooring.ledger.registry import NOBODY, RegistryState, Status, Version, asset_id, version_id
from mooring.records.digest import Digest
from mooring.records.manifest import Manifest
from mooring.records.predicates import Dataset, Evaluation, Model
from mooring.records.statement import Statement, Subject
from mooring.workflows.attest import Attested, attest, said_before
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.transact import check_call, transact

__all__ = ["Registered", "evaluation_digest", "manifest_at", "register_dataset", "register_model", "registered"]

_KIND = {Dataset: 1, Model: 2}
_ANY_WORD = b"\1" * 32


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered version; `new` is false if the same bytes were registered before. `cost` is in gas or bytes."""

    name: str
    version: str
    id: str
    manifest: Digest
    attestation: Digest
    log_index: int
    cost: int
    new: bool


def register_dataset(deployment: Deployment, actor: Actor, manifest: Manifest, dataset: Dataset) -> Registered:
    """Register a data set whose files the blob store holds."""
    return _register(deployment, actor, manifest, dataset, ())


def register_model(
    deployment: Deployment,
    actor: Actor,
    manifest: Manifest,
    model: Model,
    evaluation: Evaluation | None = None,
) -> Registered:
    """Register a model with its provenance; its data sets must be registered and not revoked.

    The evaluation, if any, is attested first, and the model's statement names it by digest.
    """
    state = deployment.follow()
    parents = tuple(_by_manifest(state, digest).id for digest in (*model.datasets, *model.parents))
    known = _existing(state, model.name, model.version, manifest)
    if evaluation is not None and model.evaluation is not None and known is None:
        _check(deployment, state, actor, model, parents)
        said = said_before(deployment, _statement(manifest, evaluation), actor.organisation)
        attest(deployment, said, actor.organisation)
        model = replace(model, evaluation=said.digest)
    return _register(deployment, actor, manifest, model, parents)


def evaluation_digest(manifest: Manifest, evaluation: Evaluation) -> Digest:
    """Return the digest by which a model's statement names its evaluation."""
    return _statement(manifest, evaluation).digest


def manifest_at(deployment: Deployment, version: Version) -> Manifest:
    """Return a registered version's manifest from the blob store, checked by its digest on the ledger."""
    return Manifest.from_bytes(deployment.blobs.read_all(Digest("sha256", version.manifest)))


def registered(deployment: Deployment, name: str, label: str) -> Version | None:
    """Return the version of that name and label, if it is registered."""
    return deployment.follow().versions.get(version_id(asset_id(name), label))


def _register(
    deployment: Deployment,
    actor: Actor,
    manifest: Manifest,
    predicate: Dataset | Model,
    parents: tuple[bytes, ...],
) -> Registered:
    state = deployment.follow()
    known = _existing(state, predicate.name, predicate.version, manifest)
    if known is not None:
        return _registered_before(deployment, predicate, manifest, known)
    _check(deployment, state, actor, predicate, parents)
    deployment.blobs.put(manifest.to_bytes())
    _require_blobs(deployment, manifest)
    said = said_before(deployment, _statement(manifest, predicate), actor.organisation)
    attested = attest(deployment, said, actor.organisation)
    costs = [outcome.cost for outcome in _on_ledger(deployment, state, actor, predicate, manifest, attested, parents)]
    deployment.follow()
    version = version_id(asset_id(predicate.name), predicate.version)
    return Registered(
        predicate.name,
        predicate.version,
        version.hex(),
        manifest.digest,
        attested.digest,
        attested.index,
        sum(costs),
        True,
    )


def _check(
    deployment: Deployment, state: RegistryState, actor: Actor, predicate: Dataset | Model, parents: tuple[bytes, ...]
) -> None:
    """Raise what the ledger would refuse the registration with: what is refused is not attested."""
    kind, asset = _KIND[type(predicate)], state.assets.get(asset_id(predicate.name))
    if asset is None:
        check_call(deployment, state, actor, "createAsset", (kind, predicate.name, NOBODY, 0))
        return
    if asset.kind != kind:
        raise WorkflowError(
            f"{predicate.name} is registered as another kind of asset",
            code="asset-kind",
            hint="a data set and a model cannot share a name: choose another",
        )
    check_call(deployment, state, actor, "propose", (asset.id, predicate.version, _ANY_WORD, _ANY_WORD, parents))


def _on_ledger(
    deployment: Deployment,
    state: RegistryState,
    actor: Actor,
    predicate: Dataset | Model,
    manifest: Manifest,
    attested: Attested,
    parents: tuple[bytes, ...],
) -> Iterable[Outcome]:
    asset = asset_id(predicate.name)
    if asset not in state.assets:
        kind = _KIND[type(predicate)]
        yield transact(deployment, actor.name, "AssetRegistry", "createAsset", (kind, predicate.name, NOBODY, 0))
    args = (asset, predicate.version, manifest.digest.value, attested.digest.value, parents)
    yield transact(deployment, actor.name, "AssetRegistry", "propose", args)


def _statement(manifest: Manifest, predicate: Dataset | Model | Evaluation) -> Statement:
    return Statement(Subject(f"{predicate.name}@{predicate.version}", manifest.digest), predicate)


def _existing(state: RegistryState, name: str, label: str, manifest: Manifest) -> Version | None:
    """Return the version if it has these very bytes; other bytes under its label are refused."""
    version = state.versions.get(version_id(asset_id(name), label))
    if version is not None and version.manifest != manifest.digest.value:
        raise WorkflowError(
            f"{name}@{label} is registered with manifest sha256:{version.manifest.hex()}, not {manifest.digest}",
            code="version-exists",
            hint="a version never changes: choose another version label",
        )
    return version


def _registered_before(
    deployment: Deployment, predicate: Dataset | Model, manifest: Manifest, version: Version
) -> Registered:
    row = deployment.index.attestation(version.attestation.hex())
    return Registered(
        predicate.name,
        predicate.version,
        version.id.hex(),
        manifest.digest,
        Digest("sha256", version.attestation),
        row.index if row is not None else -1,
        0,
        False,
    )


def _require_blobs(deployment: Deployment, manifest: Manifest) -> None:
    for resource in manifest.resources:
        if resource.digest.algorithm == "sha256":
            deployment.blobs.stat(resource.digest)


def _by_manifest(state: RegistryState, digest: Digest) -> Version:
    found = [version for version in state.versions.values() if version.manifest == digest.value]
    if not found:
        raise WorkflowError(
            f"no registered version has manifest {digest}",
            code="parent-unknown",
            hint="register the data set or model first",
        )
    sound = [version for version in found if version.status != Status.REVOKED]
    if not sound:
        raise WorkflowError(
            f"{state.assets[found[0].asset].name}@{found[0].label} is revoked",
            code="parent-revoked",
            hint="train on data that is in good standing",
        )
    return sound[0]
