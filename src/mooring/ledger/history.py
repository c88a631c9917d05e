"""A followed state that can go back: the state at the last final event, and the events above it."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.errors import LedgerLied
from mooring.ledger.port import Event, Step
from mooring.ledger.registry import RegistryState

__all__ = ["RegistryHistory"]


class RegistryHistory:
    """The contracts' state at the tip and at finality, and the exact way back when the ledger reorganises.

    `tip` and `final` are replaced, never changed: a reader may keep one while another thread applies the next step.
    """

    def __init__(self, events: Iterable[Event] = (), final_block: int = -1) -> None:
        self.final = RegistryState()
        self.final_block = final_block
        self._recent: list[Event] = []
        for event in events:
            if event.block <= final_block:
                self.final.apply(event)
            else:
                self._recent.append(event)
        self.tip = _after(self.final, self._recent)

    @property
    def recent(self) -> tuple[Event, ...]:
        """The events that are not final yet, oldest first."""
        return tuple(self._recent)

    def copy(self) -> RegistryHistory:
        """Return a history that moves on independently of this one."""
        twin = RegistryHistory((), self.final_block)
        twin.final, twin.tip, twin._recent = self.final, self.tip, self._recent
        return twin

    def apply(self, step: Step) -> None:
        """Take one step; raises LedgerLied `finality-broken`, or what `RegistryState.apply` raises: then unchanged."""
        kept, tip = self._recent, self.tip
        if step.unwound_to is not None:
            self._check(step.unwound_to)
            kept = [event for event in self._recent if event.block <= step.unwound_to]
            tip = _after(self.final, kept)
        tip = _after(tip, step.events)
        self._settle([*kept, *step.events], min(step.final, step.cursor.block))
        self.tip = self.final if not self._recent else tip

    def _settle(self, events: list[Event], final_block: int) -> None:
        """Move what is final now below the line that nothing crosses."""
        self.final_block = max(self.final_block, final_block)
        settled = [event for event in events if event.block <= self.final_block]
        self.final = _after(self.final, settled)
        self._recent = events[len(settled) :]

    def _check(self, unwound_to: int) -> None:
        if unwound_to < self.final_block:
            raise LedgerLied(
                f"the ledger took back block {unwound_to + 1}, and everything up to {self.final_block} was final",
                code="finality-broken",
                hint="stop and find out which history the other parties see; raise `finality_depth` if this is normal",
            )


def _after(state: RegistryState, events: Iterable[Event]) -> RegistryState:
    """Return the state after these events; the one given stays as it is."""
    remaining = list(events)
    if not remaining:
        return state
    result = state.copy()
    for event in remaining:
        result.apply(event)
    return result
