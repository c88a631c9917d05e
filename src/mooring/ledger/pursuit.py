"""Following a chain: what happened after a cursor, and back to the fork point when the chain reorganised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mooring.errors import LedgerError, LedgerLied
from mooring.ledger.chain import Chain
from mooring.ledger.confirmation import FinalityRule
from mooring.ledger.header import Header, LogEntry
from mooring.ledger.logbook import Logbook
from mooring.ledger.port import Cursor, Step

__all__ = ["Pursuit"]

_TRIES = 4
_Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a step starts: the blocks of the cursor that still stand, the head, and the newest final block."""

    kept: tuple[_Place, ...]
    head: Header
    final: int
    unwound: bool


class Pursuit:
    """Makes steps. `depth` is the profile's finality depth, None where the chain itself says what is final."""

    def __init__(self, chain: Chain, logbook: Logbook, final: FinalityRule, depth: int | None, start: int) -> None:
        self._chain, self._logbook = chain, logbook
        self._final, self._depth, self._start = final, depth, start
        self._settled: _Place | None = None

    def step(self, cursor: Cursor | None, limit: int) -> Step:
        """Return the next step as the port's `follow` does.

        Raises LedgerLied `finality-broken` if a final block is gone, `chain-unsteady` if the chain changes faster than
        it can be read; LedgerError `node-behind` if the node has not even the final blocks that were followed.
        """
        if limit < 1:
            raise LedgerError(f"limit {limit} is not positive", code="limit", hint="follow at least one block at once")
        for _ in range(_TRIES):
            step = self._try(cursor or Cursor(), limit)
            if step is not None:
                return step
        raise LedgerLied(
            f"the chain changed {_TRIES} times while it was read",
            code="chain-unsteady",
            hint="endpoints that disagree stand behind this address: use one node, or wait",
        )

    def _try(self, cursor: Cursor, limit: int) -> Step | None:
        """Return a step, or None if the chain changed meanwhile."""
        stand = self._stand(cursor)
        first = stand.kept[-1][0] + 1 if stand.kept else self._start
        if stand.head.number < first:
            return self._still(cursor, stand)
        logs, last = self._logbook.read(first, min(stand.head.number, first + limit - 1))
        headers = self._headers(logs, first, last, stand)
        if headers is None or not self._linked(headers, stand) or not self._logbook.agrees(logs, headers):
            return None
        trail = self._trail(stand, headers, first, last)
        self._remember(trail, stand.final)
        return Step(
            self._logbook.events(logs, headers),
            stand.kept[-1][0] if stand.unwound else None,
            Cursor(trail),
            stand.head.number,
            stand.final,
            stand.head.timestamp,
            last >= stand.head.number,
        )

    def _still(self, cursor: Cursor, stand: _Stand) -> Step:
        """Return a step without news; a node that is behind the cursor has not caught up."""
        kept = Cursor(stand.kept) if stand.unwound else cursor
        caught_up = not kept.trail or kept.block == stand.head.number
        unwound_to = stand.kept[-1][0] if stand.unwound else None
        return Step((), unwound_to, kept, stand.head.number, stand.final, stand.head.timestamp, caught_up)

    def _stand(self, cursor: Cursor) -> _Stand:
        """Compare the cursor's trail with the chain as it is now."""
        numbers = [number for number, _ in cursor.trail]
        settled = [self._settled[0]] if self._settled else []
        tip = numbers[-1:]
        head, *found = self._chain.headers(["latest", *tip, *settled])
        if head is None:
            raise LedgerError("the node has no newest block", code="block-missing", hint="wait until it has started")
        self._check_settled(found[-1] if settled else None, head)
        final = self._final(head)
        if not tip or (found[0] is not None and found[0].name == cursor.trail[-1][1]):
            return _Stand(cursor.trail, head, final, unwound=False)
        return self._fork(cursor, head, final)

    def _fork(self, cursor: Cursor, head: Header, final: int) -> _Stand:
        """Find the newest block of the trail that still stands."""
        headers = self._chain.headers([number for number, _ in cursor.trail])
        pairs = list(zip(cursor.trail, headers, strict=True))
        kept = [place for place, header in pairs if header is not None and header.name == place[1]]
        if not any(header is not None for _, header in pairs):
            raise LedgerError(
                f"the node is at block {head.number}, behind all that was followed (from {cursor.trail[0][0]} on)",
                code="node-behind",
                hint="wait until it has synchronised; if the chain was reset, drop the followed state",
            )
        if kept and all(header is None for place, header in pairs if place[0] > kept[-1][0]):
            # Nothing contradicts the trail: the node lags. To go back now would show an old state as the new one.
            return _Stand(cursor.trail, head, final, unwound=False)
        if not kept or (self._depth is not None and kept[-1][0] < cursor.block - self._depth):
            raise _broken(kept[-1][0] + 1 if kept else cursor.trail[0][0], cursor.block)
        return _Stand(tuple(kept), head, final, unwound=True)

    def _check_settled(self, found: Header | None, head: Header) -> None:
        """Refuse a chain in which a block that was final has become another."""
        if self._settled is not None and found is not None and found.name != self._settled[1]:
            raise _broken(self._settled[0], head.number)

    def _headers(self, logs: Sequence[LogEntry], first: int, last: int, stand: _Stand) -> dict[int, Header] | None:
        """Return the headers of blocks with logs, and of every block from the last final one on."""
        dense = range(max(first, min(last, stand.final)), last + 1)
        numbers = sorted({*dense, *(log.block for log in logs)})
        headers = self._chain.headers(numbers)
        found = {header.number: header for header in headers if header is not None}
        return found if len(found) == len(numbers) else None

    def _linked(self, headers: dict[int, Header], stand: _Stand) -> bool:
        """Tell whether each header names the one before it, as far as both are known."""
        known = dict(stand.kept) | {n: header.name for n, header in headers.items()}
        return all(
            known.get(number - 1, f"0x{header.parent.hex()}") == f"0x{header.parent.hex()}"
            for number, header in headers.items()
        )

    def _trail(self, stand: _Stand, headers: dict[int, Header], first: int, last: int) -> tuple[_Place, ...]:
        """Return the trail from the newest final block known on, every block of it."""
        from_final = max(first, min(last, stand.final))
        places = [*stand.kept, *((n, headers[n].name) for n in sorted(headers) if n >= from_final)]
        below = [place for place in places if place[0] <= stand.final]
        return (*below[-1:], *(place for place in places if place[0] > stand.final))

    def _remember(self, trail: Sequence[_Place], final: int) -> None:
        """Remember the newest block of the trail that is final."""
        settled = [place for place in trail if place[0] <= final]
        if settled and (self._settled is None or settled[-1][0] > self._settled[0]):
            self._settled = settled[-1]


def _broken(block: int, tip: int) -> LedgerLied:
    return LedgerLied(
        f"block {block}, which was final, is no longer on the chain (followed up to {tip})",
        code="finality-broken",
        hint="stop: find out which history the other parties see; raise `finality_depth` if this chain does that",
    )
