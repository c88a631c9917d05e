"""The sequencer: gives each draft its place in the receipts log, and answers once the place is durable.

One commit is under way at a time; what arrives meanwhile shares the next one (group commit). After a commit that
failed nothing is written until a recovery entry goes through, and until then nothing is answered but 503.

The log is written in a thread of its own, so that a disk that hangs stops no time-out and no health check. While the
disk is quick the event loop waits for that thread all the same, a few milliseconds at most: two threads that share one
interpreter lock, and perhaps one core, take three times as long as one after the other.
"""

from __future__ import annotations

import logging
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import perf_counter

from mooring.entrypoints.gateway.ask import Draft
from mooring.entrypoints.gateway.meter import Meter
from mooring.entrypoints.gateway.parts import ReceiptLog
from mooring.entrypoints.gateway.problem import Problem
from mooring.errors import MooringError, StorageError
from mooring.workflows.serve import RecoveryLine, encode_line, time_text

__all__ = ["Sequencer"]

_LOG = logging.getLogger("mooring.gateway")
_CLOSE_S = 10.0
_QUICK_S = 0.001
_PATIENCE_S = 0.005
_LEARNING = 0.2
_LARGEST = 1024
"""Entries of one commit, so that no frame of the log grows beyond its bounds."""


class _Job:
    """One commit: what is asked of the thread, and what came of it."""

    __slots__ = ("drafts", "entries", "error", "finished", "left", "moment", "ready", "took")

    def __init__(self, drafts: list[Draft], moment: str) -> None:
        self.drafts = drafts
        self.moment = moment
        self.entries: list[bytes] = []
        self.error: Exception | None = None
        self.took = 0.0
        self.left = False
        self.finished = False
        self.ready = threading.Lock()
        self.ready.acquire()


class _Probe:
    """The recovery entry, as a draft that nobody waits for."""

    asks = 0
    open = True

    def __init__(self, since: str, refused: int, done: Callable[[], None]) -> None:
        self.begun = perf_counter()
        self._since = since
        self._refused = refused
        self._done = done

    def line(self, index: int, time: str, origin: str) -> bytes:
        return encode_line(RecoveryLine(index, "recovery", origin, self._refused, self._since, time))

    def logged(self, entry: bytes, now: float) -> None:
        self._done()

    def failed(self, problem: Problem) -> None:
        """Nothing to tell anyone: the log is still broken."""


class Sequencer:
    """Writes the log from one thread; every method but the thread's own belongs to the event loop."""

    def __init__(
        self,
        log: ReceiptLog,
        loop: AbstractEventLoop,
        meter: Meter,
        now_ns: Callable[[], int],
        reopen: Callable[[], ReceiptLog] | None,
    ) -> None:
        self._log = log
        self._loop = loop
        self._meter = meter
        self._now_ns = now_ns
        self._reopen = reopen
        self._pending: list[Draft] = []
        self._committing: list[Draft] = []
        self._suspect = False
        self._refused = 0
        self._since = ""
        self._tried = 0.0
        self.broken: Problem | None = None
        self._usual_s = 0.0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mooring-receipts", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing is pending and no commit is under way."""
        return not (self._committing or self._pending)

    def put(self, drafts: Sequence[Draft]) -> None:
        """Log these drafts in order, and answer each once it is durable."""
        if self.broken is not None:
            self._fail(drafts, self.broken)
            return
        self._pending += drafts
        if not self._committing:
            self._commit()

    def waiting(self) -> list[Draft]:
        """Return what is not answered yet."""
        return [*self._committing, *self._pending]

    def probe(self, interval_s: float) -> None:
        """Try whether the log takes entries again, if it did not, at most once in the interval."""
        if self.broken is None or self._committing or perf_counter() - self._tried < interval_s:
            return
        self._committing = [_Probe(self._since, self._refused, self._recover)]
        self._hand_over()

    def close(self) -> None:
        """End the thread once its commit is done; a disk that hangs is waited for only so long. Repeatable."""
        self._jobs.put(None)
        self._thread.join(_CLOSE_S)

    def _commit(self) -> None:
        waiting = [draft for draft in self._pending if draft.open]
        self._committing, self._pending = waiting[:_LARGEST], waiting[_LARGEST:]
        if self._committing:
            self._hand_over()

    def _hand_over(self) -> None:
        job = _Job(self._committing, time_text(self._now_ns()))
        self._jobs.put(job)
        if self._usual_s < _QUICK_S and job.ready.acquire(timeout=_PATIENCE_S):
            self._finish(job)
            return
        job.left = True
        if job.ready.acquire(blocking=False):
            self._finish(job)

    def _work(self) -> None:
        """The thread."""
        while (job := self._jobs.get()) is not None:
            begun = perf_counter()
            try:
                job.entries = self._append(job.drafts, job.moment)
            except Exception as error:  # noqa: BLE001 (whatever it is, the loop must hear of it and stop answering)
                job.error = error
            job.took = perf_counter() - begun
            job.ready.release()
            # If the loop has stopped waiting it looks once more after saying so, hence `_finish` may be called twice.
            if job.left:
                self._loop.call_soon_threadsafe(self._finish, job)

    def _append(self, drafts: Sequence[Draft], moment: str) -> list[bytes]:
        if self._suspect and self._reopen is not None:
            self._log = self._reopen()
        self._suspect = False
        start, origin = self._log.size, self._log.origin
        entries = [draft.line(index, moment, origin) for index, draft in enumerate(drafts, start)]
        if self._log.append(entries).start != start:
            raise StorageError(
                f"the log gave another index than {start}",
                code="log-second-writer",
                hint="stop the other writer",
                definite=False,
            )
        return entries

    def _finish(self, job: _Job) -> None:
        if job.finished:
            return
        job.finished = True
        self._committing = []
        self._usual_s += (job.took - self._usual_s) * _LEARNING
        if job.error is not None:
            self._break(job.drafts, job.error)
            return
        self._meter.commit.observe(job.took)
        self._meter.commit_size.observe(len(job.entries))
        now = perf_counter()
        for draft, entry in zip(job.drafts, job.entries, strict=True):
            try:
                draft.logged(entry, now)
            except Exception:  # noqa: BLE001 (one client's connection must not keep the others from their answers)
                _LOG.exception("an answer could not be sent")
        if self._pending and not self._committing:
            self._commit()

    def _break(self, drafts: Sequence[Draft], error: Exception) -> None:
        self._suspect = True
        self._tried = perf_counter()
        if self.broken is None:
            self._since = time_text(self._now_ns())
        hint = error.hint if isinstance(error, MooringError) else ""
        self.broken = Problem(
            "receipt-log",
            f"the receipts log cannot be written: {error}",
            f"{hint}; no answer leaves without a receipt".lstrip("; "),
        )
        pending, self._pending = self._pending, []
        self._fail([*drafts, *pending], self.broken)

    def _fail(self, drafts: Sequence[Draft], problem: Problem) -> None:
        for draft in drafts:
            self._refused += draft.asks
            draft.failed(problem)

    def _recover(self) -> None:
        self.broken = None
        self._refused = 0
