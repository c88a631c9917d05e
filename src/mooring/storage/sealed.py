"""A log's newest checkpoint as it lies in its file, and the signatures that are added to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mooring.errors import CorruptError, ProofError
from mooring.proofs.checkpoint import Checkpoint, read_checkpoint
from mooring.proofs.note import Note, Signature
from mooring.storage.tilefiles import TileFiles

__all__ = ["Sealed", "read_sealed"]


@dataclass(frozen=True, slots=True)
class Sealed:
    """The newest checkpoint: its bytes, as a note, and what it says; before the first, None, None and size 0."""

    data: bytes | None
    note: Note | None
    checkpoint: Checkpoint

    def lacking(self, signatures: Sequence[Signature]) -> list[Signature]:
        """Those of the signatures whose keys have not signed yet."""
        present = {(old.name, old.id) for old in self.note.signatures} if self.note else set()
        return [new for new in signatures if (new.name, new.id) not in present]

    def signed(self, signatures: Sequence[Signature]) -> Sealed:
        """The same with these signatures added, each in place of an older one by the same key."""
        if self.note is None or not signatures:
            return self
        keys = {(new.name, new.id) for new in signatures}
        kept = [old for old in self.note.signatures if (old.name, old.id) not in keys]
        note = Note(self.note.text, (*kept, *signatures))
        return Sealed(str(note).encode(), note, self.checkpoint)


def read_sealed(files: TileFiles, empty: Checkpoint) -> Sealed:
    """What the checkpoint file holds; `empty` is the log's checkpoint before the first.

    CorruptError `checkpoint` for a damaged file, `log-origin` for the checkpoint of another log.
    """
    data = files.read_checkpoint()
    if data is None:
        return Sealed(None, None, empty)
    try:
        checkpoint, note = read_checkpoint(data)
    except ProofError as error:
        raise CorruptError(
            f"the checkpoint file is damaged: {error.message}",
            code="checkpoint",
            hint="restore it from a copy: a kept or anchored checkpoint of the same size will do",
        ) from error
    if checkpoint.origin != empty.origin:
        raise CorruptError(
            f"the log is {checkpoint.origin!r}, not {empty.origin!r}",
            code="log-origin",
            hint="open it under its own origin",
        )
    return Sealed(data, note, checkpoint)
