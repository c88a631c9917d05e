"""Kept checkpoints: the signed notes that were anchored, by log and size; a newer checkpoint does not replace them."""

from __future__ import annotations

from pathlib import Path

from mooring.errors import CorruptError, NotFoundError, ProofError
from mooring.proofs.checkpoint import Checkpoint, parse_checkpoint, read_checkpoint
from mooring.storage.atomic import replace, translating

__all__ = ["FileNotes", "SeenCheckpoints"]

_LIMIT = 1024 * 1024


class FileNotes:
    """Signed checkpoints as files `<last part of the origin>/<size>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, note: bytes) -> None:
        """Keep a signed checkpoint durably."""
        checkpoint, _ = read_checkpoint(note)
        path = self._path(checkpoint.origin, checkpoint.size)
        with translating(f"create {path.parent}"):
            path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, note, mode=0o644)

    def find(self, origin: str, size: int) -> bytes:
        """Return the checkpoint of that size."""
        path = self._path(origin, size)
        note = _read(path)
        if note is None:
            raise NotFoundError(
                f"no kept checkpoint of {origin} at size {size}", code="note-unknown", hint="anchor the log again"
            )
        checkpoint = _parse(path, note)
        if (checkpoint.origin, checkpoint.size) != (origin, size):
            raise _corrupt(path, "it is another checkpoint")
        return note

    def _path(self, origin: str, size: int) -> Path:
        return self._folder / origin.rpartition("/")[2] / str(size)


class SeenCheckpoints:
    """A witness's memory: the last size and root that it signed, by origin; forgetting it would allow a fork."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, origin: str) -> tuple[int, bytes] | None:
        """Return the last size and root, or None if the witness never signed this log."""
        path = self._path(origin)
        text = _read(path)
        if text is None:
            return None
        checkpoint = _parse(path, text)
        if checkpoint.origin != origin:
            raise _corrupt(path, "it is of another log")
        return checkpoint.size, checkpoint.root

    def remember(self, origin: str, size: int, root: bytes) -> None:
        """Replace what was seen of a log, durably."""
        path = self._path(origin)
        with translating(f"create {path.parent}"):
            path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, Checkpoint(origin, size, root).text.encode(), mode=0o600)

    def _path(self, origin: str) -> Path:
        return self._folder / origin.rpartition("/")[2]


def _read(path: Path) -> bytes | None:
    with translating(f"read {path}"):
        if not path.exists():
            return None
        with path.open("rb") as file:
            return file.read(_LIMIT)


def _parse(path: Path, data: bytes) -> Checkpoint:
    """Read a note, or the bare text of a checkpoint."""
    try:
        return parse_checkpoint(data.decode()) if b"\n\n" not in data else read_checkpoint(data)[0]
    except (ProofError, UnicodeDecodeError) as error:
        raise _corrupt(path, str(error)) from error


def _corrupt(path: Path, what: str) -> CorruptError:
    return CorruptError(f"{path}: {what}", code="note-corrupt", hint="restore the file from a backup")
