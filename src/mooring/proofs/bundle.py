"""The bundle: one file that proves claims offline."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.errors import ProofError, RecordError
from mooring.proofs.anchor import BlockEvidence, LogEvidence
from mooring.records import canonical
from mooring.records.shape import from_json, to_json

__all__ = ["MAX_BUNDLE", "MEDIA_TYPE", "Bundle", "Entry", "Opening"]

MEDIA_TYPE = "application/vnd.mooring.bundle+json;version=1"
MAX_BUNDLE = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry (an attestation or a receipt), its index, and its path to the root of the bundle's checkpoint."""

    origin: str
    index: int
    data: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client holds of one answer: receipt index, salt, and the exact bodies of request and response."""

    origin: str
    index: int
    salt: bytes
    request: bytes
    response: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """Evidence, in the order in which it is checked.

    `checkpoints` are signed notes, one per origin. `blocks` are events of an EVM ledger, `leaves` entries of a log
    ledger, `observations` DSSE envelopes in which organisations say that they saw a block as final, `manifests` the
    canonical bytes of manifests that attestations name.
    """

    media_type: str
    entries: tuple[Entry, ...] = ()
    checkpoints: tuple[bytes, ...] = ()
    blocks: tuple[BlockEvidence, ...] = ()
    leaves: tuple[LogEvidence, ...] = ()
    observations: tuple[bytes, ...] = ()
    manifests: tuple[bytes, ...] = ()
    openings: tuple[Opening, ...] = ()

    def __post_init__(self) -> None:
        if self.media_type != MEDIA_TYPE:
            raise ProofError(
                f"bundle: mediaType is {self.media_type[:120]!r}", code="bundle-format", hint=f"expected {MEDIA_TYPE}"
            )

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Parse a bundle strictly; raises ProofError `bundle-format` naming the field."""
        try:
            return from_json(cls, canonical.decode(data, limit=MAX_BUNDLE), "bundle")
        except RecordError as error:
            raise ProofError(error.message, code="bundle-format", hint=error.hint) from error

    def to_bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785)."""
        return canonical.encode(to_json(self))
