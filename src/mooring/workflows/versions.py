"""Versions by name, as people write them: `name@version`."""

from __future__ import annotations

from mooring.errors import WorkflowError
from mooring.ledger.registry import RegistryState, Version, asset_id, version_id
from mooring.records.digest import Digest
from mooring.records.statement import Subject
from mooring.workflows.deployment import Deployment

__all__ = ["find", "last_change", "occasion", "split", "subject"]


def split(name: str) -> tuple[str, str]:
    """Return (asset, label) of `asset@label`; raises WorkflowError `version-name`."""
    asset, at, label = name.partition("@")
    if not asset or not at or not label:
        raise WorkflowError(f"{name!r:.100} names no version", code="version-name", hint="write it like tumour-model@1")
    return asset, label


def find(state: RegistryState, name: str) -> Version:
    """Return a registered version; raises WorkflowError `unknown-asset` or `unknown-version` naming what there is."""
    asset, label = split(name)
    known = state.assets.get(asset_id(asset))
    if known is None:
        names = ", ".join(sorted(item.name for item in state.assets.values())) or "none"
        raise WorkflowError(f"there is no asset {asset!r}", code="unknown-asset", hint=f"registered: {names}")
    version = state.versions.get(version_id(known.id, label))
    if version is None:
        labels = ", ".join(state.versions[item].label for item in known.versions) or "none"
        raise WorkflowError(f"{asset} has no version {label!r}", code="unknown-version", hint=f"versions: {labels}")
    return version


def subject(name: str, version: Version) -> Subject:
    """Return what a statement about the version is about."""
    return Subject(name, Digest("sha256", version.manifest))


def occasion(version: Version) -> str:
    """Return what tells this point in a version's life apart from all others: status, round, and last change."""
    return f"{version.status.value}/{version.round}/{version.actor}/{version.reason.hex()}/{len(version.approvals)}"


def last_change(deployment: Deployment, name: str) -> int:
    """Return the log index after the version's last attested status change: what was said before it is of the past."""
    rows = deployment.index.attestations(
        origin=deployment.records_origin, subject=name, predicate_type="urn:mooring:status-change:v1"
    )
    return max((row.index for row in rows), default=-1) + 1
