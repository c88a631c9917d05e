"""Blobs in a local folder.

<root>/sha256/ab/ab12…   the blob, read-only, named by its SHA-256
<root>/partial/ab12…     an unfinished upload that can be resumed
<root>/incoming/…        a blob being written; swept when its writer is gone
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mooring.errors import BusyError, StorageError
from mooring.records.digest import Digest
from mooring.storage import content
from mooring.storage.atomic import storage_error, sync_directory, translating, write_all
from mooring.storage.port import BlobStat

__all__ = ["LocalBlobs"]

_HEX = re.compile(r"[0-9a-f]{64}")
_STALE_S = 3600
_READ_ALL = 64 << 20


class LocalBlobs:
    """A `BlobStore` in a folder; any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        """Use an existing store; raises StorageError `blob-store-missing` if `create` never made one there."""
        self._root = root
        self._blobs = root / "sha256"
        self._partial = root / "partial"
        self._incoming = root / "incoming"
        if not self._blobs.is_dir():
            raise StorageError(
                f"{root} is no blob store", code="blob-store-missing", hint="run 'mooring init', or name another folder"
            )
        self._sweep()

    @classmethod
    def create(cls, root: Path) -> LocalBlobs:
        """Make the folders if they are not there, and use them."""
        with translating(f"make the blob store {root}"):
            for folder in ("sha256", "partial", "incoming"):
                (root / folder).mkdir(parents=True, exist_ok=True)
        sync_directory(root)
        return cls(root)

    def put(self, source: bytes | Iterable[bytes], *, limit: int = content.MAX_BLOB) -> BlobStat:
        """Keep the source's bytes durably and return their name (see `BlobStore.put`)."""
        counted = content.Counted(limit)
        with self._temporary() as (fd, path):
            for piece in content.chunks(source):
                counted.add(piece)
                with translating(f"write a blob to {self._root}"):
                    write_all(fd, piece)
            self._publish(fd, path, BlobStat(counted.digest, counted.size))
        return BlobStat(counted.digest, counted.size)

    def resume(self, digest: Digest, source: BinaryIO, *, limit: int = content.MAX_BLOB) -> BlobStat:
        """Keep a seekable source, going on where a broken upload stopped (see `BlobStore.resume`)."""
        path = self._partial / content.sha256_name(digest)
        kept = self._size(self._path(digest))
        if kept is not None:
            return BlobStat(digest, kept)
        with self._locked(path) as fd:
            counted = content.Counted(limit)
            with translating(f"read the partial upload {path}"), os.fdopen(os.dup(fd), "rb") as partial:
                for piece in content.file_chunks(partial):
                    counted.add(piece)
            self._append(fd, source, counted)
            if counted.digest != digest:
                _remove(path)
                raise content.upload_refused(digest, counted.digest)
            self._publish(fd, path, BlobStat(digest, counted.size))
        return BlobStat(digest, counted.size)

    def uploaded(self, digest: Digest) -> int:
        """Return how many bytes of an unfinished upload are kept."""
        return self._size(self._partial / content.sha256_name(digest)) or 0

    def read(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes, the last chunk only if all of them matched (see `BlobStore.read`)."""
        # Opened now, read later: a missing blob is reported by this call and not by the first `next`.
        return content.checked(self._chunks(self._open(digest), digest), digest)

    def read_all(self, digest: Digest, *, limit: int = _READ_ALL) -> bytes:
        """Return the bytes, checked; raises StorageError `blob-size` beyond `limit` bytes."""
        return content.read_limited(self.read(digest), digest, limit)

    def get_range(self, digest: Digest, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`, unchecked."""
        with self._open(digest) as file, translating(f"read blob {digest}"):
            file.seek(start)
            return file.read(length)

    def stat(self, digest: Digest) -> BlobStat:
        """Return the blob's size; raises NotFoundError."""
        size = self._size(self._path(digest))
        if size is None:
            raise content.not_found(digest)
        return BlobStat(digest, size)

    def delete(self, digest: Digest) -> bool:
        """Stop keeping the blob and any unfinished upload of it; return whether the blob was there."""
        path = self._path(digest)
        present = self._size(path) is not None
        with translating(f"delete blob {digest}"):
            (self._partial / digest.hex).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        if present:
            sync_directory(path.parent)
        return present

    def list(self) -> Iterator[BlobStat]:
        """Yield every blob in the order of their digests."""
        with translating(f"list {self._blobs}"):
            for folder in sorted(self._blobs.iterdir()):
                for path in sorted(folder.iterdir()):
                    size = self._size(path) if _HEX.fullmatch(path.name) else None
                    if size is not None:
                        yield BlobStat(Digest("sha256", bytes.fromhex(path.name)), size)

    def _path(self, digest: Digest) -> Path:
        name = content.sha256_name(digest)
        return self._blobs / name[:2] / name

    def _size(self, path: Path) -> int | None:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            if self._blobs.is_dir():
                return None
            raise self._vanished() from None
        except OSError as error:
            raise storage_error(error, f"look at {path}") from error

    def _open(self, digest: Digest) -> BinaryIO:
        path = self._path(digest)
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise content.not_found(digest) if self._blobs.is_dir() else self._vanished() from None
        except OSError as error:
            raise storage_error(error, f"read {path}") from error

    def _chunks(self, file: BinaryIO, digest: Digest) -> Iterator[bytes]:
        with file, translating(f"read blob {digest}"):
            yield from content.file_chunks(file)

    def _append(self, fd: int, source: BinaryIO, counted: content.Counted) -> None:
        source.seek(counted.size)
        for piece in content.file_chunks(source):
            counted.add(piece)
            with translating(f"write a blob to {self._root}"):
                write_all(fd, piece)

    def _publish(self, fd: int, path: Path, stat: BlobStat) -> None:
        """Give written bytes their name. A file of the right size that is there already is the same blob."""
        target = self._path(stat.digest)
        with translating(f"keep blob {stat.digest} in {self._root}"):
            if not target.parent.is_dir():
                target.parent.mkdir(exist_ok=True)
                sync_directory(self._blobs)
            if self._size(target) == stat.size:
                path.unlink()
            else:
                os.fchmod(fd, 0o444)
                os.fsync(fd)
                path.replace(target)
        sync_directory(target.parent)

    @contextmanager
    def _temporary(self) -> Iterator[tuple[int, Path]]:
        path = self._incoming / secrets.token_hex(16)
        with translating(f"write a blob to {self._root}"):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX)  # tells `_sweep` that the writer lives
        try:
            yield fd, path
        except BaseException:
            _remove(path)
            raise
        finally:
            os.close(fd)

    @contextmanager
    def _locked(self, path: Path) -> Iterator[int]:
        with translating(f"write the partial upload {path}"):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if not _lock(fd, path):
                raise BusyError(
                    f"another upload of {path.name} is running or has just ended",
                    code="blob-upload-busy",
                    hint="wait for it to end, then run this again",
                )
            yield fd
        finally:
            os.close(fd)

    def _sweep(self) -> None:
        """Remove what dead writers left: unlocked, and old enough that its writer is not just starting."""
        with translating(f"look at {self._incoming}"):
            for path in self._incoming.iterdir():
                with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if time.time() - path.stat().st_mtime > _STALE_S:
                        path.unlink()

    def _vanished(self) -> StorageError:
        return StorageError(
            f"the blob store {self._root} has vanished",
            code="path-vanished",
            hint="put the folder back (is a disk unmounted?)",
        )


def _lock(fd: int, path: Path) -> bool:
    """Lock an open file; false if another has it, or gave it another name meanwhile."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(fd), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _remove(path: Path) -> None:
    # Another error is on its way; what cannot be removed now is swept later.
    with suppress(OSError):
        path.unlink()
