"""Refusals on their way into the log: every one is counted, and a flood of them does not fill the disk.

The first refusal of a kind (caller, model, version, rule) is durable before its answer leaves. Those of the same kind
in the second after it are answered at once, and summed into one entry that follows when the second is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TypeAlias

from opentelemetry.trace import Span

from mooring.entrypoints.gateway.ask import Asking, Denial, Draft, Traffic
from mooring.entrypoints.gateway.problem import Answer, Problem
from mooring.workflows.serve import RefusalLine, encode_line

__all__ = ["Refusals"]

_INTERVAL_S = 1.0
_FORGET_S = 60.0

_Name: TypeAlias = tuple[str, str, str, str]


@dataclass(slots=True)
class _Kind:
    """Refusals of one kind: when the last entry was written, and how many came since."""

    written: float
    repeats: int
    newest: Denial


class _RefusedAsk(Asking):
    """One refused request, standing for `count` refusals of its kind in the log."""

    __slots__ = ("_count", "_denial", "_kind")

    def __init__(
        self,
        denial: Denial,
        kind: _Kind,
        count: int,
        answer: Callable[[Answer], None],
        traffic: Traffic,
        span: Span | None,
    ) -> None:
        super().__init__(answer, traffic, span)
        self._denial = denial
        self._kind = kind
        self._count = count

    def line(self, index: int, time: str, origin: str) -> bytes:
        """Return the refusal for this place in the log."""
        return _line(self._denial, self._count, index, time, origin)

    def logged(self, entry: bytes, now: float) -> None:
        """Answer with the refusal."""
        if self.open:
            self._denial.meter.failures += 1
            self.traffic.meter.count_denied(self._denial.problem.rule)
            super().failed(self._denial.problem)

    def failed(self, problem: Problem) -> None:
        """Answer with the problem instead; those that this one stood for are still to be logged."""
        if self.open:
            self._kind.repeats += self._count - 1
        super().failed(problem)


class _Tally:
    """Refusals that are answered already, as one entry."""

    asks = 0
    begun = float("inf")
    open = True

    def __init__(self, kind: _Kind) -> None:
        self._kind = kind
        self._count, kind.repeats = kind.repeats, 0

    def line(self, index: int, time: str, origin: str) -> bytes:
        """Return the refusal for this place in the log."""
        return _line(self._kind.newest, self._count, index, time, origin)

    def logged(self, entry: bytes, now: float) -> None:
        """Nobody waits."""

    def failed(self, problem: Problem) -> None:
        """Try again with the next tally."""
        self._kind.repeats += self._count


class Refusals:
    """Answers refused requests, and sees to their entries; `deliver` takes what is for the log."""

    def __init__(self, deliver: Callable[[Sequence[Draft]], None], traffic: Traffic) -> None:
        self._deliver = deliver
        self._traffic = traffic
        self._kinds: dict[_Name, _Kind] = {}

    def take(self, denial: Denial, answer: Callable[[Answer], None], span: Span | None) -> None:
        """Refuse a request."""
        name = (denial.caller, denial.model, denial.version, denial.problem.rule)
        now = perf_counter()
        kind = self._kinds.setdefault(name, _Kind(-_INTERVAL_S, 0, denial))
        kind.newest = denial
        if now - kind.written < _INTERVAL_S:
            kind.repeats += 1
            _RefusedAsk(denial, kind, 0, answer, self._traffic, span).logged(b"", now)
            return
        count, kind.repeats, kind.written = kind.repeats + 1, 0, now
        self._deliver([_RefusedAsk(denial, kind, count, answer, self._traffic, span)])

    def flush(self, *, everything: bool = False) -> None:
        """Log what was summed and is due, and forget kinds that no longer come."""
        now = perf_counter()
        tallies: list[Draft] = []
        for name, kind in list(self._kinds.items()):
            if kind.repeats and (everything or now - kind.written >= _INTERVAL_S):
                kind.written = now
                tallies.append(_Tally(kind))
            elif not kind.repeats and now - kind.written > _FORGET_S:
                del self._kinds[name]
        if tallies:
            self._deliver(tallies)


def _line(denial: Denial, count: int, index: int, time: str, origin: str) -> bytes:
    return encode_line(
        RefusalLine(
            denial.caller,
            count,
            index,
            "refusal",
            denial.model,
            origin,
            denial.policy,
            denial.purpose,
            denial.problem.rule,
            time,
            denial.version,
        )
    )
