"""Follow: keep what the ledger and the log say in the index, and fill an empty index from both."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.errors import CorruptError
from mooring.ledger.port import Cursor, Event, Step
from mooring.storage.index import EventRow, Index, IndexStep, Standing
from mooring.storage.log import LogStore
from mooring.workflows.attest import row_of

__all__ = ["IndexSink", "event_of", "index_attestations", "require_same", "row_of_event"]

_BATCH = 500


class IndexSink:
    """Where a follower keeps its steps: the index, which several processes may share."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tip: tuple[int, str] | None = None

    def load(self) -> tuple[Cursor | None, Sequence[Event]]:
        """Return the cursor that was kept last, and every event kept up to it."""
        standing = self._index.standing()
        self._tip = standing.tip
        cursor = Cursor(standing.trail) if standing.trail else None
        return cursor, [event_of(row) for row in self._index.events()]

    def keep(self, step: Step) -> None:
        """Keep one step, whole or not at all."""
        standing = Standing(step.cursor.trail, step.head, step.final, step.head_time)
        rows = tuple(row_of_event(event) for event in step.events)
        self._index.apply(IndexStep(self._tip, step.unwound_to, rows, standing))
        self._tip = standing.tip


def index_attestations(index: Index, log: LogStore) -> int:
    """Index every attestation of a log that is not indexed yet, and return how many the log has."""
    for start in range(index.attested(log.origin), log.size, _BATCH):
        stop = min(start + _BATCH, log.size)
        entries = enumerate(log.entries(start, stop), start)
        index.add_attestations([row_of(log.origin, place, entry) for place, entry in entries])
    return log.size


def require_same(kept: str, rebuilt: str) -> None:
    """Return if an index has the rows that log and ledger give; raises CorruptError `index-differs`."""
    if kept != rebuilt:
        raise CorruptError(
            f"the index has other rows (digest {kept[:16]}) than log and ledger give ({rebuilt[:16]})",
            code="index-differs",
            hint="run: mooring log rebuild-index",
        )


def event_of(row: EventRow) -> Event:
    """Return a kept event as the port has it."""
    return Event(row.contract, row.name, row.args, row.block, row.block_hash, row.position, row.reference, row.time)


def row_of_event(event: Event) -> EventRow:
    """Return an event as the index keeps it."""
    args = dict(event.args)
    return EventRow(
        event.contract, event.name, args, event.block, event.block_hash, event.position, event.reference, event.time
    )
