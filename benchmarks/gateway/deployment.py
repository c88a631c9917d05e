"""A deployment reduced to what the gateway needs: versions whose status is set by hand, a real model, policy and log.

The benchmarks and the gateway's tests stand on it. Status changes take effect as the follower would bring them: the
state's id changes with each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mooring.entrypoints.gateway import ANONYMOUS, GatewayParts, InclusionProof, ReceiptLog, ServedVersion, Verdict
from mooring.errors import CorruptError, NotFoundError
from mooring.policy import DEFAULT_POLICY, Facts, Policy, decide
from mooring.proofs.note import Signature, VerifierKey, sign
from mooring.proofs.tiles import parse_path
from mooring.records.digest import sha256
from mooring.records.manifest import Manifest, Resource
from mooring.storage.filelog import FileLog
from mooring.storage.tilefiles import TileFiles

ORIGIN = "mooring.test/demo/receipts"
FEATURES = 30


def train(seed: int = 0) -> bytes:
    """Return a logistic regression over scikit-learn's breast-cancer data as ONNX: label, and two probabilities."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_breast_cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression(random_state=seed, C=1.0 + seed)).fit(
        data.data, data.target
    )
    onnx = to_onnx(model, data.data[:1].astype("float32"), options={"zipmap": False}, target_opset=17)
    return onnx.SerializeToString()


@dataclass
class Site:
    """Models by name and version; implements the gateway's ModelSource and Authorise."""

    policy: Policy = field(default_factory=lambda: Policy.load(DEFAULT_POLICY))
    lag_s: float = 0.0
    allowed_lag_s: float = 5.0
    state_id: int = 0
    onnx: dict[tuple[str, str], bytes] = field(default_factory=dict)
    kept: dict[tuple[str, str], ServedVersion] = field(default_factory=dict)
    in_service: dict[str, str] = field(default_factory=dict)
    loads: int = 0

    def add(
        self, model: str, version: str, onnx: bytes, *, status: str = "active", purposes: Sequence[str] = ("inference",)
    ) -> None:
        """Register a version, and put it into service if it is active."""
        manifest = Manifest((Resource("model.onnx", sha256(onnx), len(onnx)),))
        self.onnx[model, version] = onnx
        self.kept[model, version] = ServedVersion(status, manifest.digest, tuple(purposes), self.policy.digest)
        if status == "active":
            self.in_service[model] = version
        self.state_id += 1

    def set_status(self, model: str, version: str, status: str) -> None:
        """Change a version's status as a follower would see it."""
        self.kept[model, version] = replace(self.kept[model, version], status=status)
        if status != "active" and self.in_service.get(model) == version:
            del self.in_service[model]
        self.state_id += 1

    def fresh(self) -> bool:
        """See ModelSource."""
        return self.lag_s <= self.allowed_lag_s

    def models(self) -> Sequence[str]:
        """See ModelSource."""
        return tuple(dict.fromkeys(model for model, _ in self.kept))

    def versions(self, model: str) -> Sequence[str]:
        """See ModelSource."""
        return tuple(version for name, version in self.kept if name == model)

    def current(self, model: str) -> str | None:
        """See ModelSource."""
        return self.in_service.get(model)

    def version(self, model: str, version: str) -> ServedVersion:
        """See ModelSource."""
        if (model, version) not in self.kept:
            raise NotFoundError(f"no version {version} of {model}", code="version-unknown", hint="register it")
        return self.kept[model, version]

    def load(self, model: str, version: str) -> bytes:
        """See ModelSource."""
        self.loads += 1
        onnx = self.onnx[model, version]
        manifest = Manifest((Resource("model.onnx", sha256(onnx), len(onnx)),))
        if manifest.digest != self.kept[model, version].manifest:
            raise CorruptError("model.onnx is not what was registered", code="artifact-changed", hint="restore it")
        return onnx

    def authorise(self, caller: str, model: str, version: str, purpose: str) -> Verdict:
        """See Authorise."""
        served = self.version(model, version)
        known = caller != ANONYMOUS
        facts = Facts(
            "infer", caller, model, version, served.status, purpose, authenticated=known, purposes=served.purposes
        )
        decision = decide(self.policy, facts)
        return Verdict(decision.allowed, decision.reason, self.policy.digest)


class Published:
    """A file log's published side, sealed on request; implements the gateway's Evidence."""

    def __init__(self, log: FileLog, folder: Path) -> None:
        self.log = log
        self._tiles = TileFiles(folder / "public", folder / "staging")
        self._private = Ed25519PrivateKey.generate()
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = VerifierKey(log.origin, public)

    def seal(self) -> bytes:
        """Seal the log as it stands."""
        return self.log.seal(self._sign)

    def checkpoint(self) -> bytes:
        """See Evidence."""
        found = self.log.checkpoint()
        if found is None:
            raise NotFoundError("the log has no checkpoint yet", code="checkpoint", hint="wait for the first seal")
        return found

    def proof(self, index: int) -> InclusionProof:
        """See Evidence."""
        size = self.log.sealed
        if index >= size:
            code = "not-sealed" if index < self.log.size else "receipt-unknown"
            raise NotFoundError(f"no checkpoint covers entry {index}", code=code, hint="wait for the next checkpoint")
        return InclusionProof(index, size, tuple(self.log.inclusion(index, size)), self.checkpoint())

    def tile(self, path: str) -> bytes:
        """See Evidence."""
        return self._tiles.read(parse_path(path))

    def anchor_lag_s(self) -> float | None:
        """See Evidence."""
        return None

    def _sign(self, text: str) -> list[Signature]:
        return [sign(text, self.key, self._private.sign)]


class VolatileLog:
    """A log that forgets: the gateway's own cost without a disk, for measuring only."""

    origin = ORIGIN
    size = 0

    def append(self, entries: Sequence[bytes]) -> range:
        """Count the entries."""
        begin, self.size = self.size, self.size + len(entries)
        return range(begin, self.size)


def open_log(folder: Path) -> FileLog:
    """Open the receipts log of a site."""
    os.makedirs(folder, exist_ok=True)
    return FileLog(folder, ORIGIN)


def parts_of(site: Site, log: ReceiptLog | None, evidence: Published | None = None) -> GatewayParts:
    """Return the gateway's surroundings."""
    return GatewayParts(site, site.authorise, log, evidence)
