"""What the log ledger asks of a log store, and of its witnesses; the store's own class fits without knowing this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from mooring.proofs.note import Signature

__all__ = ["LedgerLog", "SealSigner", "Witness"]

SealSigner: TypeAlias = Callable[[str], Sequence[Signature]]
"""Given the text of a checkpoint, the log's signatures on it."""

Witness: TypeAlias = Callable[[bytes, Callable[[int, int], Sequence[bytes]]], Sequence[Signature]]
"""Given a signed checkpoint, and a way to ask for consistency proofs (old size, new size), a witness's cosignatures.

A witness remembers the size it saw last, verifies that the log has only grown since, and only then signs.
"""


class LedgerLog(Protocol):
    """An append-only log (RFC 6962) with signed checkpoints."""

    @property
    def origin(self) -> str:
        """The log's name."""
        ...

    @property
    def size(self) -> int:
        """How many entries are durable."""
        ...

    @property
    def sealed(self) -> int:
        """How many entries the newest checkpoint covers."""
        ...

    def refresh(self) -> int:
        """See what another process has appended and sealed."""
        ...

    def append(self, entries: Sequence[bytes]) -> range:
        """Keep entries durably, all or none, and return their indexes."""
        ...

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """Return a range of entries."""
        ...

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries."""
        ...

    def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        """Return the inclusion proof of an entry in the first `size` entries."""
        ...

    def consistency(self, old_size: int, new_size: int) -> Sequence[bytes]:
        """Return the consistency proof between two sizes."""
        ...

    def seal(self, sign: SealSigner) -> bytes:
        """Sign a checkpoint of the present size."""
        ...

    def checkpoint(self) -> bytes | None:
        """Return the newest checkpoint."""
        ...

    def cosign(self, text: str, signatures: Sequence[Signature]) -> bytes:
        """Attach witness signatures to the newest checkpoint, whose text must be `text`."""
        ...
