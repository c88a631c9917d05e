"""Load: what the followed ledger says of models, and their bytes once they match the registered manifest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mooring.errors import CorruptError, NotFoundError
from mooring.ledger.registry import RegistryState, Status, Version, asset_id, version_id
from mooring.records.digest import Digest, sha256
from mooring.records.manifest import Manifest, Resource
from mooring.records.predicates import Deployment as DeploymentPredicate
from mooring.storage.port import BlobStore
from mooring.workflows.attest import statement_of
from mooring.workflows.deployment import Deployment

__all__ = ["Followed", "FollowedModels", "ModelVersion", "load_model", "model_file", "purposes_of"]

_MODEL = 2
_LIMIT = 2 * 1024**3


class Followed(Protocol):
    """A followed ledger: its state now, and how sure that is."""

    @property
    def state(self) -> RegistryState:
        """The contracts' state at the followed tip; replaced, never changed."""
        ...

    @property
    def lag_s(self) -> float:
        """Seconds since the ledger was last seen whole."""
        ...

    def fresh(self) -> bool:
        """Whether the state is within its allowed staleness."""
        ...


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One version as the followed ledger has it: `status` is a status word, `policy` the digest set for its asset."""

    status: str
    manifest: Digest
    purposes: tuple[str, ...] = ()
    policy: Digest | None = None


class FollowedModels:
    """Models by name, from a followed ledger; `purposes` answers what a version's (name, manifest) deployment named.

    Answers are computed once per state and then read from memory; threads may share it.
    """

    def __init__(
        self, followed: Followed, blobs: BlobStore, purposes: Callable[[str, Digest], tuple[str, ...]]
    ) -> None:
        self._followed, self._blobs, self._purposes = followed, blobs, purposes
        self._known: tuple[RegistryState | None, dict[tuple[str, str], ModelVersion]] = (None, {})
        self._seen: tuple[RegistryState | None, int] = (None, 0)

    @property
    def state_id(self) -> Hashable:
        """A value that changes whenever any followed fact changes."""
        state, (seen, count) = self._followed.state, self._seen
        if state is not seen:
            self._seen = (state, count + 1)
        return self._seen[1]

    @property
    def lag_s(self) -> float:
        """How old the followed state is, in seconds."""
        return self._followed.lag_s

    def fresh(self) -> bool:
        """Return whether the followed state is within its allowed staleness."""
        return self._followed.fresh()

    def models(self) -> Sequence[str]:
        """Return the names of all models."""
        return sorted(asset.name for asset in self._followed.state.assets.values() if asset.kind == _MODEL)

    def versions(self, model: str) -> Sequence[str]:
        """Return the versions of a model, oldest first; none for an unknown model."""
        state = self._followed.state
        asset = state.assets.get(asset_id(model))
        if asset is None or asset.kind != _MODEL:
            return ()
        return [state.versions[item].label for item in asset.versions]

    def current(self, model: str) -> str | None:
        """Return the version that is served by default, or None."""
        state = self._followed.state
        version = state.versions.get(state.current.get(asset_id(model), b""))
        return None if version is None else version.label

    def version(self, model: str, version: str) -> ModelVersion:
        """Return what is known of a version; raises NotFoundError `unknown-version`."""
        state = self._followed.state
        known_for, known = self._known
        if known_for is not state:
            known = {}
            self._known = (state, known)
        found = known.get((model, version))
        if found is None:
            found = known[model, version] = self._read(state, model, version)
        return found

    def load(self, model: str, version: str) -> bytes:
        """Return the ONNX file, checked against the registered manifest; raises CorruptError, NotFoundError."""
        return load_model(self._blobs, _find(self._followed.state, model, version))

    def _read(self, state: RegistryState, model: str, label: str) -> ModelVersion:
        version = _find(state, model, label)
        manifest = Digest("sha256", version.manifest)
        policy = state.policy(version.asset)
        return ModelVersion(
            Status(version.status).name.lower(),
            manifest,
            self._purposes(f"{model}@{label}", manifest),
            None if policy is None else Digest("sha256", policy),
        )


def load_model(blobs: BlobStore, version: Version) -> bytes:
    """Return a registered model's ONNX file if manifest and file are the registered ones."""
    manifest = Manifest.from_bytes(blobs.read_all(Digest("sha256", version.manifest)))
    resource = model_file(manifest)
    data = blobs.read_all(resource.digest, limit=_LIMIT)
    if sha256(data) != resource.digest or len(data) != resource.size:
        raise CorruptError(
            f"{resource.name} is not the registered file", code="model-digest", hint="restore the blob store"
        )
    return data


def model_file(manifest: Manifest) -> Resource:
    """Return the one `.onnx` file of a model; raises NotFoundError `model-file`."""
    found = [resource for resource in manifest.resources if resource.name.endswith(".onnx")]
    if len(found) != 1:
        raise NotFoundError(
            f"the artifact has {len(found)} .onnx files", code="model-file", hint="serve artifacts with exactly one"
        )
    return found[0]


def purposes_of(deployment: Deployment, name: str, manifest: Digest) -> tuple[str, ...]:
    """Return the purposes that the newest deployment statement of a version names; none before there is one."""
    rows = deployment.index.attestations(
        origin=deployment.records_origin,
        subject=name,
        digest=str(manifest),
        predicate_type="urn:mooring:deployment:v1",
    )
    predicate = statement_of(deployment, rows[-1]).predicate if rows else None
    return predicate.purposes if isinstance(predicate, DeploymentPredicate) else ()


def _find(state: RegistryState, model: str, label: str) -> Version:
    asset = state.assets.get(asset_id(model))
    version = state.versions.get(version_id(asset_id(model), label))
    if asset is None or asset.kind != _MODEL or version is None:
        raise NotFoundError(f"there is no version {model}@{label}", code="unknown-version", hint="see /v2/models")
    return version
