"""The lock that lets one writer, and no second, into a log's folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from mooring.errors import BusyError
from mooring.storage.atomic import translating

__all__ = ["WriterLock"]

_POLL_S = 0.02


class WriterLock:
    """An flock on a file that names its holder's process; the kernel gives it up when the process ends, however."""

    def __init__(self, path: Path, wait_s: float = 0.0) -> None:
        """Take the lock, waiting for it up to `wait_s` seconds; else BusyError `log-busy` names the holder's pid."""
        self._path = path
        with translating(f"open {path}"):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._take(time.monotonic() + wait_s)
        except BaseException:
            os.close(self._fd)
            raise

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._fd)

    def _take(self, deadline: float) -> None:
        while not self._try():
            if time.monotonic() >= deadline:
                holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise BusyError(
                    f"process {holder} is writing to the log in {self._path.parent}",
                    code="log-busy",
                    hint=f"stop process {holder}, wait for it, or open the log read-only",
                )
            time.sleep(_POLL_S)
        with translating(f"write {self._path}"):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
