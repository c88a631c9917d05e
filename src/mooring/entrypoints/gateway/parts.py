"""What the gateway stands on: protocols that the wiring fills in, and the plain values that cross them."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry

from mooring.workflows.authorise import Verdict
from mooring.workflows.load import ModelVersion as ServedVersion
from mooring.workflows.prove import Inclusion as InclusionProof

__all__ = [
    "ACTIVE",
    "Authorise",
    "Evidence",
    "GatewayParts",
    "InclusionProof",
    "ModelSource",
    "ReceiptLog",
    "ServedVersion",
    "Verdict",
]

ACTIVE = "active"
"""The only status of a version that serves."""


class ReceiptLog(Protocol):
    """The receipts log, which has no other writer."""

    @property
    def origin(self) -> str:
        """The log's name."""
        ...

    @property
    def size(self) -> int:
        """How many entries are durable: the next entry's index."""
        ...

    def append(self, entries: Sequence[bytes]) -> range:
        """Keep the entries durably, all or none, and return their indexes; raises StorageError."""
        ...


class ModelSource(Protocol):
    """Versions as the followed ledger has them, and their bytes; safe in threads, and quick but for `load`."""

    @property
    def state_id(self) -> Hashable:
        """A value that changes whenever any followed fact changes."""
        ...

    @property
    def lag_s(self) -> float:
        """How old the followed state is, in seconds."""
        ...

    def fresh(self) -> bool:
        """Return whether the followed state is within its allowed staleness."""
        ...

    def models(self) -> Sequence[str]:
        """Return the names of all models."""
        ...

    def versions(self, model: str) -> Sequence[str]:
        """Return the versions of a model, oldest first; none for an unknown model."""
        ...

    def current(self, model: str) -> str | None:
        """Return the version that is served by default, or None."""
        ...

    def version(self, model: str, version: str) -> ServedVersion:
        """Return what is known of a version; raises NotFoundError."""
        ...

    def load(self, model: str, version: str) -> bytes:
        """Return the ONNX file, checked against the registered manifest; raises CorruptError if it differs."""
        ...


Authorise: TypeAlias = Callable[[str, str, str, str], Verdict]
"""(caller, model, version, purpose) → Verdict; the caller without a token is "anonymous". Must fail closed."""


class Evidence(Protocol):
    """The published side of the receipts log. Methods may read files and are called in threads."""

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint; raises NotFoundError before the first."""
        ...

    def proof(self, index: int) -> InclusionProof:
        """Return the proof against the newest checkpoint; raises NotFoundError for an entry it does not cover."""
        ...

    def tile(self, path: str) -> bytes:
        """Return the tile or entry bundle at a C2SP tlog-tiles path; raises NotFoundError or ProofError."""
        ...

    def anchor_lag_s(self) -> float | None:
        """Return how long the oldest entry that no anchor covers has waited, in seconds; None if not known."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """The gateway's surroundings.

    `log` None means an unrecorded gateway, for measuring only: the settings must say so too. `reopen` gives the log
    anew after an append has failed: what the disk holds is then read again before anything is written. `tracer` None
    means no spans. `registry` holds further metrics to publish. `now_ns` is the clock for times in the log.
    """

    source: ModelSource
    authorise: Authorise
    log: ReceiptLog | None
    evidence: Evidence | None = None
    reopen: Callable[[], ReceiptLog] | None = None
    tracer: Tracer | None = None
    registry: CollectorRegistry | None = None
    now_ns: Callable[[], int] = time.time_ns
