"""Prove: an entry's place under a log's newest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from mooring.errors import NotFoundError
from mooring.proofs.checkpoint import read_checkpoint
from mooring.storage.log import LogStore

__all__ = ["Inclusion", "inclusion_of"]


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Entry `index` in the tree of `size` entries (RFC 6962 §2.1.1), and the checkpoint that signs that tree."""

    index: int
    size: int
    path: tuple[bytes, ...]
    checkpoint: bytes


def inclusion_of(log: LogStore, index: int, checkpoint: bytes) -> Inclusion:
    """Return the proof of an entry; raises NotFoundError `unknown-entry` if the checkpoint does not cover it."""
    size = read_checkpoint(checkpoint)[0].size
    if not 0 <= index < size:
        raise NotFoundError(
            f"entry {index} is not under the newest checkpoint of {size} entries",
            code="unknown-entry",
            hint="it is sealed within seconds of the answer: ask again",
        )
    return Inclusion(index, size, tuple(log.inclusion(index, size)), checkpoint)
