"""A session: one deployment, opened for the length of a command or of a service."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mooring.errors import BusyError, ConfigError, NotFoundError
from mooring.ledger.follower import Follower
from mooring.ledger.registry import Key as RegisteredKey
from mooring.ledger.registry import RegistryState
from mooring.policy import Policy
from mooring.proofs.checkpoint import read_checkpoint
from mooring.proofs.keys import Kind, PublicKey
from mooring.proofs.trust import Trust
from mooring.records.digest import Digest
from mooring.records.manifest import Manifest
from mooring.storage.atomic import replace, translating
from mooring.storage.filelog import FileLog
from mooring.storage.hashing import hash_tree
from mooring.storage.index import Index
from mooring.storage.intake import keep_files
from mooring.storage.keyfiles import KeyFiles
from mooring.storage.log import ScrubReport
from mooring.storage.notes import FileNotes
from mooring.wiring import stores
from mooring.wiring.config import ANCHORER, Config, load
from mooring.wiring.home import Home
from mooring.wiring.indexes import open_index, temporary_index
from mooring.wiring.ledgers import OpenLedger, load_contracts, open_ledger, require_unheld, serve_node
from mooring.wiring.policies import policy_in_force
from mooring.wiring.receipts import Receipts
from mooring.wiring.source import commit_of
from mooring.wiring.trusting import attest_keys, current_trust
from mooring.workflows.anchor import Anchored, anchor, anchored_size, attest_batch, cosigned, seal
from mooring.workflows.authorise import Authoriser, Verdict
from mooring.workflows.deployment import Actor, Deployment
from mooring.workflows.follow import IndexSink, event_of, index_attestations, require_same
from mooring.workflows.govern import KeyRegistered, register_key, revoke_key
from mooring.workflows.load import FollowedModels, purposes_of
from mooring.workflows.versions import split

if TYPE_CHECKING:
    from mooring.ledger.embedded.node import EmbeddedNode

__all__ = ["LogLine", "Session", "open_session"]

_COSIGNING_S = 5.0
"""How long a log that another process seals may take from its own signature to those of the witnesses."""


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
    """An open deployment; `node` is the embedded chain if this process holds it, `url` where another node answers."""

    home: Home
    config: Config
    deployment: Deployment
    follower: Follower
    node: EmbeddedNode | None
    url: str

    def models(self) -> FollowedModels:
        """Return the models as followed, for serving."""
        deployment = self.deployment
        return FollowedModels(
            self.follower, deployment.blobs, lambda name, digest: purposes_of(deployment, name, digest)
        )

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
        """Hash an artifact and keep its files as blobs, each checked against what was hashed.

        `progress` is told how many more bytes were hashed.
        """
        told, alone = 0, path.is_file()

        def tell(done: int, _: int) -> None:
            nonlocal told
            progress(done - told)
            told = done

        manifest = hash_tree(path, progress=tell)
        named = [(item.digest, path if alone else path / item.name) for item in manifest.resources]
        keep_files(self.deployment.blobs, named)
        return manifest

    def write(self, path: Path, data: bytes) -> None:
        """Write a result file, whole or not at all."""
        if path.is_dir():
            raise ConfigError(f"{path} is a folder", code="file", hint="name a file")
        replace(path, data, mode=0o644)

    def trust(self) -> Trust:
        """Return the deployment's trust root, with the keys as the ledger has them now."""
        return current_trust(self.deployment, self.config)

    def kept_trust(self) -> Trust:
        """Return the trust root that lies in the deployment's folder; raises NotFoundError, ProofError."""
        path = self.home.trust
        if not path.exists():
            raise NotFoundError(f"{path} is missing", code="unknown-trust", hint="run: mooring init, as at first")
        with translating(f"read {path}"):
            return Trust.from_bytes(path.read_bytes().rstrip(b"\n"))

    def write_trust(self) -> Trust:
        """Write the deployment's trust root anew, and return it."""
        trust = self.trust()
        replace(self.home.trust, trust.to_bytes() + b"\n", mode=0o644)
        return trust

    def update_trust(self) -> list[str]:
        """Write the trust root anew if every organisation has a key on the ledger; return those that have none yet."""
        state, missing = self.deployment.follow(), list[str]()
        for organisation in self.config.organisations:
            keys = attest_keys(self.deployment, organisation)
            if not any(bytes.fromhex(key.keyid) in state.keys for key in keys):
                missing.append(organisation.name)
        if not missing:
            self.write_trust()
        return missing

    def create_key(self, name: str, kind: str) -> PublicKey:
        """Make a key in the key store; raises ConfigError `key-kind`, `keys-read-only`."""
        if kind not in get_args(Kind):
            raise ConfigError(f"key kind {kind!r}", code="key-kind", hint=f"one of {', '.join(get_args(Kind))}")
        return self._own_keys().create(name, kind)  # type: ignore[arg-type]  # checked just above

    def import_key(self, name: str, pem: bytes) -> PublicKey:
        """Keep an existing private key."""
        return self._own_keys().import_(name, pem)

    def rotate_key(self, actor: Actor) -> KeyRegistered:
        """Replace an organisation's attestation key, register the new one, and revoke the old ones after this second.

        A rotation that broke off is finished, and no further key made.
        """
        name, keys = f"{actor.organisation}-attest", self._own_keys()
        if self._on_ledger(keys.public(name)) is not None and not self._unrevoked(name):
            keys.rotate(name)
        registered = register_key(self.deployment, actor, name)
        for old in self._unrevoked(name):
            revoke_key(self.deployment, actor, old.keyid, from_s=self._after_now())
        self.update_trust()
        return registered

    def _unrevoked(self, name: str) -> list[PublicKey]:
        """Return the keys that were replaced under a name and that the ledger still takes for good."""
        known = [(old.public, self._on_ledger(old.public)) for old in self.deployment.keys.retired(name)]
        return [public for public, key in known if key is not None and key.revoked_from is None]

    def _after_now(self) -> int:
        """Return the first second that is after now by our clock and by the ledger's, which may run ahead.

        What a key signed until now, be it about the ledger's newest block, is then signed before its end.
        """
        last = self.follower.last
        return max(time.time_ns() // 1_000_000_000, last.head_time if last is not None else 0) + 1

    def _on_ledger(self, key: PublicKey) -> RegisteredKey | None:
        """Return what the ledger says of an attestation key; None if it is not registered."""
        return self.deployment.follow().keys.get(bytes.fromhex(key.keyid))

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
        return [self._log_line(which) for which in ("records", "receipts")]

    def anchor(self) -> list[Anchored]:
        """Seal the logs that nobody else writes, and anchor the newest checkpoint of each that has one.

        Receipts go first: which of them the anchor covers is attested in the records, which go second.
        """
        deployment, made = self.deployment, list[Anchored]()
        for origin in (deployment.receipts_origin, deployment.records_origin):
            before = anchored_size(deployment, origin)
            note = self._sealed(origin)
            if note is None:
                continue
            made.append(anchor(deployment, note))
            attester = self._attester()
            if origin == deployment.receipts_origin and attester:
                attest_batch(deployment, attester, made[-1], before)
        return made

    def _attester(self) -> str:
        """Return an organisation that we can sign for now, one with an operator if possible; "" if there is none."""
        held, now_s = set(self.deployment.keys.names()), time.time_ns() // 1_000_000_000
        ours = []
        for item in self.config.organisations:
            name = f"{item.name}-attest"
            known = self._on_ledger(self.deployment.keys.public(name)) if name in held else None
            if known is not None and known.valid(now_s):
                ours.append(item)
        operating = [item for item in ours if any("operator" in member.roles for member in item.members)]
        return next((item.name for item in (*operating, *ours)), "")

    def _sealed(self, origin: str) -> bytes | None:
        """Seal a log; one that another process holds seals itself, so its newest checkpoint is taken."""
        try:
            log = FileLog(self.home.log(origin), origin)
        except BusyError:
            return self._newest_cosigned(origin)
        try:
            return seal(self.deployment, log) if log.size else None
        finally:
            log.close()

    def _newest_cosigned(self, origin: str) -> bytes | None:
        """Return the newest checkpoint of a log that another process seals, once our witnesses have signed it."""
        until = time.monotonic() + _COSIGNING_S
        while True:
            with stores.open_log(self.home, origin, read_only=True) as reader:
                note = reader.checkpoint()
            if note is None or cosigned(self.deployment, note) or time.monotonic() > until:
                return note
            time.sleep(0.01)

    def _log_line(self, which: str) -> LogLine:
        origin = self._origin(which)
        try:
            with self.read(which) as log:
                size, sealed, note = log.size, log.sealed, log.checkpoint()
        except NotFoundError:
            size, sealed, note = 0, 0, None
        witnesses = len(read_checkpoint(note)[1].signatures) - 1 if note else 0
        return LogLine(origin, size, sealed, anchored_size(self.deployment, origin), witnesses)

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

    def serve_chain(self, port: int) -> AbstractContextManager[str]:
        """Serve the embedded chain's JSON-RPC on loopback while the block lasts; another ledger needs no serving.

        Raises BusyError naming the process that serves it already.
        """
        if self.node is not None:
            return serve_node(self.node, port)
        require_unheld(self.home, self.config)
        return nullcontext(self.url)

    def anchor_newest(self, receipts: Receipts | None) -> list[Anchored]:
        """Anchor what is sealed, from a process that writes the receipts log itself."""
        made = self.anchor()
        for item in made:
            if receipts is not None and item.origin == self.deployment.receipts_origin:
                receipts.note_anchor(item.size)
        return made

    def founding_gas(self) -> dict[str, int]:
        """Return what the creation of each contract cost in gas; nothing where there are no contracts."""
        return load_contracts(self.home).gas

    def code_commit(self) -> str:
        """Return the commit of the code that runs, if it runs from a git checkout; else this version's name."""
        return commit_of(Path(__file__).parent)

    def blob_path(self, digest: Digest) -> Path:
        """Return the file of a blob in the local store: for drills that damage it."""
        return next(path for path in self.home.path.rglob(f"*{digest.hex[-56:]}") if path.is_file())

    def index_files(self) -> list[Path]:
        """Return the files of an SQLite index: for drills that damage it."""
        return sorted(self.home.path.glob(f"{self.home.index.name}*"), reverse=True)

    def published(self, which: str) -> Path:
        """Return the folder of a log that a web server may show."""
        return self.home.log(self._origin(which)) / "public"

    def scrub_receipts(self) -> ScrubReport:
        """Read the receipts log again, whole, beside the process that writes it."""
        with self.read("receipts") as log:
            return log.scrub()

    def index_digest(self) -> str:
        """Return the digest over all rows of the index."""
        return self.deployment.index.digest()

    def attestations(self) -> int:
        """Return how many attestations are indexed."""
        return self.deployment.index.attested(self.deployment.records_origin)

    def check_index(self) -> None:
        """Compare the index, read anew, with one made from log and ledger; raises CorruptError `index-differs`."""
        self.deployment.follow()
        with open_index(self.home, self.config) as kept, temporary_index() as fresh:
            Follower(self.deployment.ledger, IndexSink(fresh)).catch_up()
            with self.read("records") as log:
                index_attestations(fresh, log)
            kept.check()
            require_same(kept.digest(), fresh.digest())


@contextmanager
def open_session(home: Home, *, rebuild: bool = False) -> Iterator[Session]:
    """Open a founded deployment: its ledger, stores, logs and index, all brought up to date with each other.

    With `rebuild` the index is dropped first and filled again from log and ledger.
    """
    config = load(home.config)
    with ExitStack() as stack:
        keys = stores.open_keys(home, config)
        opened = stack.enter_context(open_ledger(home, config, keys))
        index = stack.enter_context(open_index(home, config, empty=rebuild))
        follower = Follower(
            opened.ledger,
            IndexSink(index),
            interval_s=config.ledger.interval_s,
            max_staleness_s=config.ledger.max_staleness_s,
        )
        deployment = _deployment(home, config, keys, opened, index, follower)
        with deployment.read_log(deployment.records_origin) as log:
            index_attestations(index, log)
        yield Session(home, config, deployment, follower, opened.node, opened.url)


def _deployment(
    home: Home, config: Config, keys: stores.Keys, opened: OpenLedger, index: Index, follower: Follower
) -> Deployment:
    actors = [Actor(member.name, org.name) for org in config.organisations for member in org.members]

    def follow() -> RegistryState:
        follower.catch_up()
        return follower.state

    return Deployment(
        name=config.deployment,
        actors={actor.name: actor for actor in actors},
        threshold=config.threshold,
        ledger=opened.ledger,
        follow=follow,
        events=lambda: [event_of(row) for row in index.events()],
        final=lambda: follower.last.final if follower.last is not None else -1,
        blobs=stores.open_blobs(home, config),
        keys=keys,
        secrets=stores.open_secrets(home, keys),
        index=index,
        records=lambda: stores.open_log(home, f"{config.deployment}/records", read_only=False),
        read_log=lambda origin: stores.open_log(home, origin, read_only=True),
        notes=FileNotes(home.notes),
        witnesses=stores.witnesses(home, config, keys),
        anchorer=ANCHORER,
        confirm_timeout_s=config.ledger.confirm_timeout_s,
        clock_ns=time.time_ns,
        random=os.urandom,
    )
