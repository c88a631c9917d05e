"""Reading a chain's logs: in ranges that the node can stand, and checked against the headers they claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mooring.errors import LedgerError, LedgerLied
from mooring.ledger.chain import Chain, failure
from mooring.ledger.deployment import Deployment
from mooring.ledger.header import Header, LogEntry, bloom_has
from mooring.ledger.jsonrpc import RpcError
from mooring.ledger.port import Event

__all__ = ["Logbook"]


class Logbook:
    """The logs of the contracts of one deployment; `verified` False believes the node's log index."""

    def __init__(self, chain: Chain, deployment: Deployment, widest: int = 10_000, *, verified: bool = True) -> None:
        self._chain, self._deployment, self._verified = chain, deployment, verified
        self._widest = self._span = widest

    def read(self, first: int, last: int) -> tuple[list[LogEntry], int]:
        """Return the logs from block `first` on, and the block up to which they reach: `last`, or less.

        A node that refuses a range is asked for half of it; what it stood is remembered, and slowly widened again.
        Raises LedgerError if it refuses a single block.
        """
        last = min(last, first + self._span - 1)
        while True:
            try:
                logs = self._chain.logs(self._deployment.addresses, first, last)
            except RpcError as error:
                if first == last:
                    raise failure("eth_getLogs", error) from error
            except LedgerError as error:
                if error.code != "rpc-oversized" or first == last:
                    raise
            else:
                if last - first + 1 >= self._span:
                    self._span = min(self._widest, 2 * self._span)
                return logs, last
            self._span = max(1, (last - first + 1) // 2)
            last = first + self._span - 1

    def agrees(self, logs: Sequence[LogEntry], headers: Mapping[int, Header]) -> bool:
        """Tell whether the logs are those of the blocks that the chain has at these heights.

        False means that the chain changed between two questions. Raises LedgerLied `logs-altered` if a block that did
        not change holds other logs than the node told, or more.
        """
        if any(log.block_hash != headers[log.block].hash for log in logs):
            return False
        if not self._verified:
            return True
        told: dict[int, list[LogEntry]] = {number: [] for number in headers}
        for log in logs:
            told[log.block].append(log)
        doubtful = [header for header in headers.values() if told[header.number] or self._may_hold(header)]
        for trie in self._chain.block_receipts(doubtful) if doubtful else ():
            held, number = trie.logs(self._deployment.addresses), trie.header.number
            if held != told[number]:
                # A log index may lag behind its blocks for a moment; what it says later counts.
                if self._chain.logs(self._deployment.addresses, number, number) == held:
                    return False
                raise _altered(number)
        return True

    def events(self, logs: Sequence[LogEntry], headers: Mapping[int, Header]) -> tuple[Event, ...]:
        """Return the logs as events, in order; what the contracts' interfaces do not know is passed over."""
        events = (self._deployment.event(log, headers[log.block].timestamp) for log in logs)
        return tuple(event for event in events if event is not None)

    def _may_hold(self, header: Header) -> bool:
        """Tell whether a block may hold logs of ours: its bloom has no false negatives."""
        return any(bloom_has(header.bloom, address) for address in self._deployment.addresses)


def _altered(block: int) -> LedgerLied:
    return LedgerLied(
        f"the logs that the node tells of block {block} are not those in its receipts",
        code="logs-altered",
        hint="ask another node: this one's log index is damaged, or it invents or hides events",
    )
