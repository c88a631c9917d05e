"""One writer at a time: a file lock that says who holds the chain and where that process answers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import BusyError, StorageError

__all__ = ["ChainLock", "Holder", "find_endpoint"]

_NAME = "chain.lock"
_SIZE = 512
"""The note has a fixed length and is written at once, so that a reader never sees half of one."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a chain; `url` is empty while it does not serve JSON-RPC."""

    pid: int
    url: str


class ChainLock:
    """An exclusive lock on a chain's folder; the system releases it when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> ChainLock:
        """Take the lock or raise `BusyError`, which names the holder's process id."""
        descriptor = -1
        try:
            descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock = cls(descriptor)
            lock.announce("")
        except OSError as error:
            holder = _read(descriptor) if isinstance(error, BlockingIOError) else None
            if descriptor >= 0:
                os.close(descriptor)
            raise _busy(folder, holder) if isinstance(error, BlockingIOError) else _unusable(folder, error) from error
        return lock

    def announce(self, url: str) -> None:
        """Tell other processes of this machine where this one answers JSON-RPC; an empty URL takes it back."""
        note = json.dumps({"pid": os.getpid(), "url": url}).encode()
        if len(note) > _SIZE:
            raise StorageError("the endpoint's address is too long to announce", code="chain-lock", hint="Shorten it.")
        os.pwrite(self._descriptor, note.ljust(_SIZE), 0)

    def release(self) -> None:
        """Give the chain up; harmless when repeated."""
        if self._descriptor >= 0:
            os.pwrite(self._descriptor, b" " * _SIZE, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def find_endpoint(folder: Path | str) -> str | None:
    """Say where the process that holds the chain in `folder` answers JSON-RPC; None if nobody does."""
    with _opened(Path(folder) / _NAME) as descriptor:
        if descriptor is None:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(descriptor)
            return holder.url or None if holder else None
        return None  # nobody holds it: whatever the file says is left over


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    """Open a lock file for reading; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Holder | None:
    """Read the holder's note; None if the holder has not written one yet."""
    try:
        note = json.loads(os.pread(descriptor, _SIZE, 0))
        return Holder(int(note["pid"]), str(note["url"]))
    except (ValueError, KeyError, TypeError):
        return None


def _busy(folder: Path, holder: Holder | None) -> BusyError:
    """Say who holds the chain and what to do about it."""
    who = f"process {holder.pid}" if holder else "another process"
    where = f" Reach it through {holder.url}, or" if holder and holder.url else ""
    return BusyError(
        f"the chain in {folder} is held by {who}",
        code="chain-busy",
        hint=f"One process writes a chain at a time.{where or ' Either'} stop that process and try again.",
    )


def _unusable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot lock the chain in {folder}: {error.strerror}",
        code="chain-lock",
        hint="Use a folder on a local file system with free space, which supports flock and this user may write to.",
    )
