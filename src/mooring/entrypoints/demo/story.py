"""The demo's transcript: what was done, how long it took, what it cost, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Line", "Step", "Story"]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that came of a step; `kind` is `fact`, `refused` (rightly) or `gas`."""

    text: str
    kind: str = "fact"
    gas: int = 0


@dataclass(slots=True)
class Step:
    """One step: a title, what came of it, and how many seconds it took."""

    number: int
    title: str
    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def gas(self) -> int:
        """What the step cost on the ledger."""
        return sum(line.gas for line in self.lines)


@dataclass(slots=True)
class Story:
    """All steps; every line is shown as it happens and kept for the transcript."""

    unit: str
    show: Callable[[str], None]
    steps: list[Step] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tell one step and time it."""
        step = Step(len(self.steps) + 1, title)
        self.steps.append(step)
        self.say(f"\n{step.number:>2}. {title}")
        begun = time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - begun
        spent = f", {step.gas:,} {self.unit}" if step.gas else ""
        self.say(f"    ({step.seconds:.2f} s{spent})")

    def tell(self, text: str, *, cost: int = 0) -> None:
        """State what came of the step at hand."""
        self._add(Line(text, "gas" if cost else "fact", cost), "·")

    def refuse(self, text: str) -> None:
        """State what was refused, as it must be."""
        self._add(Line(text, "refused"), "✗")

    def say(self, text: str) -> None:
        """Show a line and keep it for the transcript."""
        self.show(text)
        self.text.append(text)

    @property
    def seconds(self) -> float:
        """How long the story has taken so far."""
        return time.perf_counter() - self.started

    def _add(self, line: Line, mark: str) -> None:
        self.steps[-1].lines.append(line)
        spent = f"  [{line.gas:,} {self.unit}]" if line.gas else ""
        self.say(f"    {mark} {line.text}{spent}")
