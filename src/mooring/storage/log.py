"""The log's port: entries in, durable; checkpoints, proofs and entries out.

A record is *sequenced* once `append` has returned its index (it is on the disk), and *integrated* once a checkpoint of
a larger size has been sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mooring.proofs.note import Signature

__all__ = ["LogStore", "ScrubReport", "Signer"]

Signer = Callable[[str], Sequence[Signature]]
"""Given the text of a checkpoint, the log's signatures on it (`mooring.proofs.note.sign`)."""


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What a scrub has read and found whole: `sealed` of the `size` entries lie under a checkpoint."""

    size: int
    sealed: int
    segments: int
    bundles: int
    tiles: int


class LogStore(Protocol):
    """An append-only log with one writer and any number of readers.

    Errors: StorageError `disk-full`, `io` and others of the disk, `entry-size`, `log-batch`, `log-broken`,
    `log-closed`, `read-only`; NotFoundError `log-entry`, `log-size`; CorruptError when what is kept is not what was
    written.
    """

    @property
    def origin(self) -> str:
        """The name of the log, the first line of its checkpoints."""
        ...

    @property
    def size(self) -> int:
        """How many entries are sequenced and durable."""
        ...

    @property
    def sealed(self) -> int:
        """How many entries the newest checkpoint covers."""
        ...

    def append(self, entries: Sequence[bytes]) -> range:
        """Keep these entries at the end, durably, all or none, and return their indexes.

        Each has at most 65,535 bytes (C2SP tlog-tiles). An error with `definite` false leaves it open whether they are
        kept: open the log again and look with `leaf_index`. The same entry may be appended twice.
        """
        ...

    def entry(self, index: int) -> bytes:
        """The entry at this index, checked against its leaf hash; NotFoundError if there is none."""
        ...

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """The entries from `start` up to, not including, `stop`, checked; NotFoundError if the log ends before."""
        ...

    def leaf(self, index: int) -> bytes:
        """The leaf hash of the entry at this index."""
        ...

    def leaf_index(self, leaf: bytes) -> int | None:
        """The first index whose entry has this leaf hash, so that a caller need not append it again."""
        ...

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        ...

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of an entry in the tree of the first `size` entries."""
        ...

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """The consistency proof between two sizes."""
        ...

    def seal(self, sign: Signer) -> bytes:
        """Publish tiles and bundles, then a signed checkpoint, for the present size, and return the checkpoint.

        Sealing the same size again adds signatures by new keys, if any, and changes nothing else. Raises CorruptError
        `checkpoint-inconsistent` if what the log holds does not extend its newest checkpoint: then nothing is signed.
        """
        ...

    def checkpoint(self) -> bytes | None:
        """The newest signed checkpoint, or None before the first."""
        ...

    def cosign(self, text: str, signatures: Sequence[Signature]) -> bytes:
        """Attach verified witness signatures to the newest checkpoint, whose text must be `text`, and return it."""
        ...

    def scrub(self) -> ScrubReport:
        """Read everything again and return what was whole; CorruptError names the first bad segment, tile or bundle."""
        ...

    def close(self) -> None:
        """Give up the files and the writer's lock; repeatable."""
        ...
