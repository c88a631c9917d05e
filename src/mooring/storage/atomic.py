"""Files that appear whole or not at all, and what the operating system's refusals mean."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mooring.errors import StorageError

__all__ = ["create", "replace", "storage_error", "sync_directory", "translating", "write_all"]

_MEANING = {
    errno.ENOSPC: ("disk-full", "free space there, then run it again: nothing is half-written"),
    errno.EDQUOT: ("disk-full", "raise the quota or free space, then run it again: nothing is half-written"),
    errno.EFBIG: ("disk-full", "raise the file size limit (ulimit -f), then run it again"),
    errno.EACCES: ("permission-denied", "give this user read and write access there"),
    errno.EPERM: ("permission-denied", "give this user read and write access there"),
    errno.EROFS: ("read-only", "mount it writable, or name another folder"),
    errno.ENOENT: ("path-vanished", "put the folder back (is a disk unmounted?), or name another one"),
    errno.ENOTDIR: ("path-vanished", "a part of that path is no folder: name another one"),
    errno.ELOOP: ("symlink", "name the real path, not a symbolic link"),
    errno.EMFILE: ("too-many-files", "raise the limit of open files (ulimit -n)"),
    errno.ENFILE: ("too-many-files", "raise the system's limit of open files"),
}


def storage_error(error: OSError, doing: str, *, definite: bool = True) -> StorageError:
    """Return what an operating system error means to us; `doing` names the action and its path."""
    code, hint = _MEANING.get(error.errno or 0, ("io", "look at the disk's health (dmesg), then run it again"))
    reason = error.strerror or str(error)
    return StorageError(f"could not {doing}: {reason}", code=code, hint=hint, definite=definite)


@contextmanager
def translating(doing: str, *, definite: bool = True) -> Iterator[None]:
    """Turn an OSError inside the block into a StorageError; `doing` names the action and its path."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, doing, definite=definite) from error


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however often the kernel takes less than all."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Make `path` hold `data` durably: readers see the old bytes or the new ones, never a mixture.

    Raises StorageError; it is not `definite` when only the durability of the new name is in doubt.
    """
    temporary = _write_temporary(path, data, mode)
    try:
        with translating(f"write {path}"):
            temporary.replace(path)
    except StorageError:
        _remove(temporary)
        raise
    sync_directory(path.parent)


def create(path: Path, data: bytes, *, mode: int = 0o600) -> bool:
    """Like `replace`, but return False and change nothing if `path` exists already."""
    temporary = _write_temporary(path, data, mode)
    try:
        # A hard link, unlike a rename, refuses an existing name: of two creators exactly one wins.
        with translating(f"create {path}"):
            os.link(temporary, path)
    except StorageError as error:
        if isinstance(error.__cause__, FileExistsError):
            return False
        raise
    finally:
        _remove(temporary)
    sync_directory(path.parent)
    return True


def sync_directory(path: Path) -> None:
    """Make the names in a folder durable; raises StorageError that is not `definite`."""
    with translating(f"make the names in {path} durable", definite=False):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_temporary(path: Path, data: bytes, mode: int) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    with translating(f"write {path}"):
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            write_all(fd, data)
            os.fsync(fd)
        except OSError:
            _remove(temporary)
            raise
        finally:
            os.close(fd)
    return temporary


def _remove(path: Path) -> None:
    # Called while another error is on its way, or after success: what stays is an unreferenced temporary file.
    with suppress(OSError):
        path.unlink()
