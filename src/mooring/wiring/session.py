"""A session: one deployment, opened for the length of a command or of a service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from mooring.errors import BusyError, ConfigError, NotFoundError, StorageError
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.follower import Follower
from mooring.ledger.port import Finality
from mooring.ledger.registry import RegistryState, origin_id
from mooring.policy import Policy
from mooring.proofs.checkpoint import read_checkpoint
from mooring.proofs.keys import Kind, PublicKey
from mooring.proofs.trust import Trust
from mooring.records.manifest import Manifest
from mooring.storage.atomic import replace
from mooring.storage.filelog import FileLog
from mooring.storage.hashing import hash_tree
from mooring.storage.keyfiles import KeyFiles
from mooring.storage.notes import FileNotes
from mooring.wiring import stores
from mooring.wiring.config import Config, load
from mooring.wiring.home import Home
from mooring.wiring.ledgers import ANCHORER, open_ledger
from mooring.wiring.policies import policy_in_force
from mooring.wiring.trusting import current_trust
from mooring.workflows.anchor import Anchored, anchor, seal
from mooring.workflows.authorise import Authoriser, Verdict
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.follow import IndexSink
from mooring.workflows.govern import KeyRegistered, register_key, revoke_key
from mooring.workflows.load import FollowedModels, purposes_of
from mooring.workflows.versions import split

__all__ = ["LogLine", "Session", "open_session"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """How far a log is: entries sequenced, sealed under a checkpoint, anchored on the ledger; who cosigned."""

    origin: str
    sequenced: int
    sealed: int
    anchored: int
    witnesses: int


@dataclass(frozen=True, slots=True)
class Session:
    """An open deployment; `node` is the embedded chain if this process holds it, `url` its or another node's address."""

    home: Home
    config: Config
    deployment: Deployment
    follower: Follower
    node: EmbeddedNode | None
    url: str

    def models(self) -> FollowedModels:
        """Return the models as followed, for serving."""
        deployment = self.deployment
        return FollowedModels(self.follower, deployment.blobs, lambda digest: purposes_of(deployment, digest))

    def authoriser(self, models: FollowedModels) -> Authoriser:
        """Return what decides about requests, by the policy that the ledger names."""
        actors = self.deployment.actors
        return Authoriser(
            models, self.deployment.blobs, lambda caller: actors[caller].organisation if caller in actors else ""
        )

    def verdict(self, version: str, caller: str, purpose: str) -> Verdict:
        """Return what the policy in force says of a request."""
        self.deployment.follow()
        model, label = split(version)
        models = self.models()
        return self.authoriser(models)(caller, model, label, purpose)

    def policy(self, asset: str) -> Policy:
        """Return the policy that the ledger names for an asset ("": for all)."""
        return policy_in_force(self.deployment, asset)

    def policy_for(self, version: str) -> Policy:
        """Return the policy that the ledger names for a version's asset."""
        return self.policy(split(version)[0])

    def keep(self, path: Path, progress: Callable[[int], None]) -> Manifest:
        """Hash an artifact and keep its files as blobs, each checked against what was hashed."""
        manifest = hash_tree(path, progress=lambda done, _: progress(done))
        for resource in manifest.resources:
            source = path if path.is_file() else path / resource.name
            with source.open("rb") as file:
                self.deployment.blobs.resume(resource.digest, file)
        return manifest

    def write(self, path: Path, data: bytes) -> None:
        """Write a result file, whole or not at all."""
        replace(path, data, mode=0o644)

    def write_trust(self) -> Trust:
        """Write the deployment's trust root anew, with the keys as the ledger has them now, and return it."""
        trust = current_trust(self.deployment, self.config)
        replace(self.home.trust, trust.to_bytes() + b"\n", mode=0o644)
        return trust

    def create_key(self, name: str, kind: str) -> PublicKey:
        """Make a key in the key store; raises ConfigError `key-kind`, `keys-read-only`."""
        if kind not in get_args(Kind):
            raise ConfigError(f"key kind {kind!r}", code="key-kind", hint=f"one of {', '.join(get_args(Kind))}")
        return self._own_keys().create(name, kind)  # type: ignore[arg-type]  # checked just above

    def import_key(self, name: str, pem: bytes) -> PublicKey:
        """Keep an existing private key."""
        return self._own_keys().import_(name, pem)

    def rotate_key(self, actor: Actor) -> KeyRegistered:
        """Replace an organisation's attestation key, register the new one, and revoke the old from now on."""
        name = f"{actor.organisation}-attest"
        old = self.deployment.keys.public(name).keyid
        self._own_keys().rotate(name)
        registered = register_key(self.deployment, actor, name)
        revoke_key(self.deployment, actor, old)
        self.write_trust()
        return registered

    @contextmanager
    def read(self, which: str) -> Iterator[FileLog]:
        """Open a log by its short name for reading."""
        with stores.open_log(self.home, self._origin(which), read_only=True) as log:
            yield log

    def checkpoint(self, which: str) -> bytes:
        """Return a log's newest checkpoint."""
        with self.read(which) as log:
            note = log.checkpoint()
        if note is None:
            raise NotFoundError(f"{which} has no checkpoint yet", code="unknown-checkpoint", hint="run: mooring anchor")
        return note

    def logs(self) -> list[LogLine]:
        """Return how far each log is."""
        state = self.deployment.follow()
        return [self._log_line(state, which) for which in ("records", "receipts")]

    def anchor(self) -> list[Anchored]:
        """Seal the logs that nobody else writes, and anchor the newest checkpoint of each that has one."""
        notes = [self._sealed(origin) for origin in (self.deployment.records_origin, self.deployment.receipts_origin)]
        return [anchor(self.deployment, note) for note in notes if note is not None]

    def _sealed(self, origin: str) -> bytes | None:
        """Seal a log; one that another process holds seals itself, so its newest checkpoint is taken."""
        try:
            log = FileLog(self.home.log(origin), origin)
        except BusyError:
            with stores.open_log(self.home, origin, read_only=True) as reader:
                return reader.checkpoint()
        try:
            return seal(self.deployment, log) if log.size else None
        finally:
            log.close()

    def _log_line(self, state: RegistryState, which: str) -> LogLine:
        origin = self._origin(which)
        known = state.origins.get(origin_id(self.deployment.keys.address(ANCHORER), origin))
        try:
            with self.read(which) as log:
                size, sealed, note = log.size, log.sealed, log.checkpoint()
        except NotFoundError:
            size, sealed, note = 0, 0, None
        witnesses = len(read_checkpoint(note)[1].signatures) - 1 if note else 0
        return LogLine(origin, size, sealed, known.size if known else 0, witnesses)

    def _origin(self, which: str) -> str:
        if which not in ("records", "receipts"):
            raise ConfigError(f"there is no log {which!r:.40}", code="unknown-log", hint="records or receipts")
        return f"{self.deployment.name}/{which}"

    def _own_keys(self) -> KeyFiles:
        keys = self.deployment.keys
        if not isinstance(keys, KeyFiles):
            raise ConfigError(
                "the key store is read-only", code="keys-read-only", hint="change the environment instead"
            )
        return keys
