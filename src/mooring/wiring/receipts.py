"""The receipts log of a serving process: written by the gateway, sealed beside it, shown to anyone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mooring.errors import NotFoundError
from mooring.proofs.tiles import parse_path
from mooring.storage.filelog import FileLog
from mooring.wiring.home import Home
from mooring.workflows.anchor import seal
from mooring.workflows.deployment import Deployment
from mooring.workflows.prove import Inclusion, inclusion_of

__all__ = ["Receipts", "open_receipts"]

_LOCK_WAIT_S = 5.0


class Receipts:
    """The log of receipts with its one writer; safe in threads."""

    def __init__(self, home: Home, deployment: Deployment) -> None:
        self._home, self._deployment = home, deployment
        self._origin = deployment.receipts_origin
        self._lock = threading.Lock()
        self.log = self._open()
        self._anchored = 0
        self._waiting_since: float | None = None

    def reopen(self) -> FileLog:
        """Open the log anew after an append whose effect is unknown."""
        with self._lock:
            self.log.close()
            self.log = self._open()
            return self.log

    def close(self) -> None:
        """Give the log up."""
        self.log.close()

    def seal(self) -> bytes | None:
        """Seal what was appended since the newest checkpoint; None while the log is empty."""
        with self._lock:
            if self.log.size == 0:
                return None
            if self.log.sealed < self.log.size:
                seal(self._deployment, self.log)
            return self.log.checkpoint()

    @property
    def waiting(self) -> int:
        """How many entries no anchor covers, as far as this process knows."""
        return self.log.size - self._anchored

    def note_anchor(self, size: int) -> None:
        """Remember how many entries the ledger's newest anchor covers."""
        self._anchored = max(self._anchored, size)
        self._waiting_since = None if self._anchored >= self.log.size else time.monotonic()

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint; raises NotFoundError before the first."""
        note = self.log.checkpoint()
        if note is None:
            raise NotFoundError("no checkpoint yet", code="unknown-checkpoint", hint="it is sealed within seconds")
        return note

    def proof(self, index: int) -> Inclusion:
        """Return the proof of an entry against the newest checkpoint; raises NotFoundError if it does not cover it."""
        return inclusion_of(self.log, index, self.checkpoint())

    def tile(self, path: str) -> bytes:
        """Return the tile or entry bundle at a C2SP tlog-tiles path; raises NotFoundError, ProofError."""
        tile = parse_path(path)
        return _read(self._home.log(self._origin) / "public" / tile.path)

    def anchor_lag_s(self) -> float | None:
        """Return for how long entries have waited for an anchor, in seconds; None before the first anchor."""
        if self._waiting_since is None:
            return 0.0 if self._anchored >= self.log.size else None
        return time.monotonic() - self._waiting_since

    def _open(self) -> FileLog:
        return FileLog(self._home.log(self._origin), self._origin, wait_s=_LOCK_WAIT_S)


@contextmanager
def open_receipts(home: Home, deployment: Deployment) -> Iterator[Receipts]:
    """Hold the receipts log for as long as it is served."""
    receipts = Receipts(home, deployment)
    try:
        yield receipts
    finally:
        receipts.close()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError("no such tile", code="unknown-tile", hint="see the checkpoint's size") from error
