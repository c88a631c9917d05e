"""A follower: keeps a state that is never older than it says, through reorganisations, restarts and outages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from mooring.errors import LedgerError, MooringError
from mooring.ledger.history import RegistryHistory
from mooring.ledger.port import Cursor, Event, Ledger, Step
from mooring.ledger.registry import RegistryState

__all__ = ["Follower", "MemorySink", "Sink"]

_LONGEST_PAUSE_S = 30.0


class Sink(Protocol):
    """Where a follower keeps what it has, so that a restart goes on from there."""

    def load(self) -> tuple[Cursor | None, Sequence[Event]]:
        """Return the cursor that was kept last, and every event kept up to it, in order."""
        ...

    def keep(self, step: Step) -> None:
        """Drop everything above `unwound_to`, add the events and keep the cursor: all of it durably, or nothing."""
        ...


class MemorySink:
    """A sink that forgets: its follower starts at the contracts' first block."""

    def load(self) -> tuple[Cursor | None, Sequence[Event]]:
        """Return nothing."""
        return None, ()

    def keep(self, step: Step) -> None:
        """Keep nothing: the follower's own state is enough while it lives."""


class Follower:
    """Follows a ledger into a `RegistryState`.

    One thread steps, by `step()` or after `start()`; any number read. `state` is at the tip, `final_state` at finality;
    both are replaced and never changed. `clock` is monotonic, `wall` gives Unix seconds. With `block_time_s`, a head
    that is older than this and `max_staleness_s` is stale too: a chain that halted, or a node that hangs.
    """

    def __init__(
        self,
        ledger: Ledger,
        sink: Sink,
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = 1.0,
        max_staleness_s: float = 10.0,
        *,
        block_time_s: float | None = None,
        wall: Callable[[], float] = time.time,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        self._ledger, self._sink, self._clock, self._wall = ledger, sink, clock, wall
        self._interval_s, self._max_staleness_s, self._block_time_s = interval_s, max_staleness_s, block_time_s
        self._on_step = on_step
        self._cursor, events = sink.load()
        depth = ledger.profile.finality_depth
        final = self._cursor.block - depth if self._cursor is not None else -1
        self._history = RegistryHistory(events, final)
        self._caught_up_at: float | None = None
        self._last: Step | None = None
        self._error: MooringError | None = None
        self._failures = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._stepping = threading.Lock()

    # what readers see

    @property
    def state(self) -> RegistryState:
        """The contracts' state at the newest block followed."""
        return self._history.tip

    @property
    def final_state(self) -> RegistryState:
        """The contracts' state at the newest final block followed."""
        return self._history.final

    @property
    def cursor(self) -> Cursor | None:
        """Where it stands."""
        return self._cursor

    @property
    def last(self) -> Step | None:
        """The last step since this follower was made."""
        return self._last

    @property
    def error(self) -> MooringError | None:
        """Why the last attempt failed; None if it succeeded."""
        return self._error

    @property
    def lag_s(self) -> float:
        """Seconds since it last had everything that the ledger had; infinite before the first time.

        With a block time, the head's own age beyond one block counts too, if it is more.
        """
        if self._caught_up_at is None or self._last is None:
            return float("inf")
        waited = self._clock() - self._caught_up_at
        if self._block_time_s is None:
            return waited
        return max(waited, self._wall() - self._last.head_time - self._block_time_s)

    def fresh(self) -> bool:
        """Tell whether the state is recent enough to act on; it is not before the first catch-up."""
        return self.lag_s <= self._max_staleness_s

    # stepping

    def step(self) -> Step:
        """Take one step; what it raises is kept as `error`, and the state is what it was."""
        with self._stepping:
            try:
                asked_at = self._clock()
                step = self._ledger.follow(self._cursor)
                self._take(step, asked_at)
            except MooringError as error:
                self._error = error
                self._failures += 1
                raise
            self._error, self._failures = None, 0
            return step

    def catch_up(self) -> None:
        """Step until there is nothing more; raises what `step` raises."""
        while not self.step().caught_up:
            pass

    def start(self) -> None:
        """Follow in a thread of its own until `stop`; it outlives every error, and shows it."""
        if self._thread is not None:
            raise LedgerError("this follower runs already", code="follower-running", hint="make another one")
        self._thread = threading.Thread(target=self._run, name="mooring-follower", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> bool:
        """Ask the thread to end and wait for it; False if it was still waiting for its ledger then."""
        self._stop.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _take(self, step: Step, asked_at: float) -> None:
        """Fold, keep, and only then show: a sink that fails leaves the follower where it was."""
        changed = bool(step.events) or step.unwound_to is not None
        history = self._history.copy()
        history.apply(step)
        if changed or step.cursor != self._cursor:
            self._sink.keep(step)
        self._history, self._cursor, self._last = history, step.cursor, step
        if step.caught_up:
            self._caught_up_at = asked_at
        if self._on_step is not None:
            self._on_step(step)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                waiting = not self.step().caught_up
            except MooringError:
                self._stop.wait(self._pause())
                continue
            except Exception as error:  # noqa: BLE001  # a defect must not end the thread unseen: it shows as staleness
                self._failures += 1
                self._error = _defect(error)
                self._stop.wait(self._pause())
                continue
            if not waiting:
                self._stop.wait(self._interval_s)

    def _pause(self) -> float:
        """Wait longer after each failure in a row."""
        return min(_LONGEST_PAUSE_S, self._interval_s * 2.0 ** min(self._failures - 1, 16))


def _defect(error: Exception) -> LedgerError:
    return LedgerError(
        f"the follower failed: {type(error).__name__}: {error}",
        code="follower-defect",
        hint="report it; nothing that depends on fresh state acts meanwhile",
    )
