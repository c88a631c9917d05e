"""People in data sets: tables sealed under each person's key, read while they may be, erased for good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from mooring.errors import PrivacyError, WorkflowError
from mooring.ledger.registry import Version
from mooring.privacy.rows import Table
from mooring.privacy.subjects import OpenTable, erase, open_table, seal_table
from mooring.records.digest import Digest
from mooring.records.manifest import Manifest
from mooring.records.predicates import Dataset, Erasure
from mooring.records.statement import Statement, Subject
from mooring.workflows.attest import Attested, attest, statement_of
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.register import Registered, manifest_at, register_dataset, registered
from mooring.workflows.versions import find

__all__ = ["Erased", "erase_person", "read_table", "register_table"]

_TABLE = "table"
"""The sealed table's name in its manifest: `table.sealed`, `table.rows/000000`, …"""


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of a person: a tombstone under a random name, and the attestation that keys were destroyed."""

    tombstone: str
    keys: int
    attestation: Digest
    log_index: int


def register_table(deployment: Deployment, actor: Actor, csv: bytes, column: str, dataset: Dataset) -> Registered:
    """Register a table about people: each row encrypted under the key of the person that `column` names.

    The same rows again, under the same name and version, give the same record; other rows are refused.
    """
    known = registered(deployment, dataset.name, dataset.version)
    if known is not None:
        manifest = _same_rows(deployment, known, csv, f"{dataset.name}@{dataset.version}")
        return register_dataset(deployment, actor, manifest, dataset)
    begun = _begun(deployment, actor, csv, dataset)
    if begun is not None:
        return register_dataset(deployment, actor, *begun)
    sealed = seal_table(csv, column, name=_TABLE, secrets=deployment.secrets, entropy=deployment.random)
    deployment.blobs.put(sealed.container)
    predicate = replace(dataset, people=sealed.people, rows=sealed.rows)
    return register_dataset(deployment, actor, Manifest.of(sealed.resources), predicate)


def read_table(deployment: Deployment, name: str) -> OpenTable:
    """Decrypt the rows of a registered table whose people were not erased, each checked against the manifest."""
    return _open(deployment, find(deployment.follow(), name), name)[1]


def erase_person(deployment: Deployment, actor: Actor, identifier: str, reason: str) -> Erased:
    """Destroy a person's key, so that no copy of their rows can be read again, and attest it without naming them.

    The key goes first: the log never says erased of what is not. Destroyed keys that a crash left unattested are
    counted in. Raises PrivacyError `person-unknown`; what a crash left unattested is attested even then, since the
    person whose erasure broke off is unknown now.
    """
    try:
        gone = erase(identifier, secrets=deployment.secrets)
    except PrivacyError as error:
        left = _unattested(deployment)
        if error.code != "person-unknown" or not left:
            raise
        made = _attest_erasure(deployment, actor, left[-1], len(left), reason)
        raise PrivacyError(
            f"{error.message}; an erasure that had broken off is attested now, as log entry {made.log_index}",
            code=error.code,
            hint=error.hint,
        ) from error
    return _attest_erasure(deployment, actor, gone.name, max(1, len(_unattested(deployment))), reason)


def _attest_erasure(deployment: Deployment, actor: Actor, tombstone: str, keys: int, reason: str) -> Erased:
    subject = Subject("erasure", Digest("sha256", sha256(tombstone.encode()).digest()))
    statement = Statement(subject, Erasure(reason, keys, deployment.now()))
    attested: Attested = attest(deployment, statement, actor.organisation)
    return Erased(tombstone, keys, attested.digest, attested.index)


def _unattested(deployment: Deployment) -> list[str]:
    """Return the names of destroyed keys of people that no attestation counts yet: the newest, oldest first."""
    stones = [stone for stone in deployment.secrets.tombstones() if stone.name.startswith("person/")]
    stones.sort(key=lambda stone: stone.destroyed_ns)
    return [stone.name for stone in stones[_attested_keys(deployment) :]]


def _begun(deployment: Deployment, actor: Actor, csv: bytes, dataset: Dataset) -> tuple[Manifest, Dataset] | None:
    """Return the table that was sealed and attested under this name before its registration broke off, if any was.

    Sealing is random: sealed again, the same rows would be another artifact.
    """
    keyid, name = deployment.keys.public(f"{actor.organisation}-attest").keyid, f"{dataset.name}@{dataset.version}"
    rows = deployment.index.attestations(
        origin=deployment.records_origin, subject=name, predicate_type="urn:mooring:dataset:v1", keyid=keyid
    )
    for row in reversed(rows):
        said, manifest = statement_of(deployment, row).predicate, _manifest(deployment, Digest.parse(row.digest))
        opened = _opened(deployment, manifest)
        if isinstance(said, Dataset) and opened is not None and _are(csv, opened):
            return manifest, replace(dataset, people=said.people, rows=said.rows)
    return None


def _same_rows(deployment: Deployment, version: Version, csv: bytes, name: str) -> Manifest:
    manifest, opened = _open(deployment, version, name)
    if not _are(csv, opened):
        raise WorkflowError(
            f"{name} is registered with other rows", code="version-exists", hint="choose another version label"
        )
    return manifest


def _are(csv: bytes, opened: OpenTable) -> bool:
    """Tell whether the rows of a sealed table are these, as far as their people were not erased."""
    offered = Table.from_csv(csv)
    kept, given = set(opened.rows), set(offered.rows)
    return opened.columns == offered.columns and kept <= given and len(given - kept) <= opened.erased


def _open(deployment: Deployment, version: Version, name: str) -> tuple[Manifest, OpenTable]:
    manifest = manifest_at(deployment, version)
    opened = _opened(deployment, manifest)
    if opened is None:
        raise WorkflowError(f"{name} is no sealed table", code="not-a-table", hint="it was registered from files")
    return manifest, opened


def _opened(deployment: Deployment, manifest: Manifest) -> OpenTable | None:
    """Decrypt a table as far as its people were not erased; None for an artifact that is no table."""
    sealed = manifest.find(f"{_TABLE}.sealed")
    if sealed is None:
        return None
    container = deployment.blobs.read_all(sealed.digest, limit=sealed.size)
    return open_table(container, name=_TABLE, manifest=manifest, secrets=deployment.secrets)


def _manifest(deployment: Deployment, digest: Digest) -> Manifest:
    return Manifest.from_bytes(deployment.blobs.read_all(digest))


def _attested_keys(deployment: Deployment) -> int:
    rows = deployment.index.attestations(origin=deployment.records_origin, predicate_type="urn:mooring:erasure:v1")
    predicates = [statement_of(deployment, row).predicate for row in rows]
    return sum(predicate.keys for predicate in predicates if isinstance(predicate, Erasure))
