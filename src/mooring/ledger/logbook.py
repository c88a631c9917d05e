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
    """The logs of the contracts of one deployment."""

    def __init__(self, chain: Chain, deployment: Deployment, widest: int = 10_000) -> None:
        self._chain, self._deployment = chain, deployment
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
        """Tell whether every log lies in the block that the chain has at its height, and none is missing there.

        False means that the chain changed between two questions. Raises LedgerLied `logs-omitted` if a block that
        did not change holds logs that the node left out.
        """
        if any(log.block_hash != headers[log.block].hash for log in logs):
            return False
        told = {log.block for log in logs}
        return all(self._complete(header) for header in headers.values() if header.number not in told)

    def events(self, logs: Sequence[LogEntry], headers: Mapping[int, Header]) -> tuple[Event, ...]:
        """Return the logs as events, in order; what the contracts' interfaces do not know is passed over."""
        events = (self._deployment.event(log, headers[log.block].timestamp) for log in logs)
        return tuple(event for event in events if event is not None)

    def _complete(self, header: Header) -> bool:
        """Tell whether a block without logs really has none: its bloom has no false negatives."""
        if not any(bloom_has(header.bloom, address) for address in self._deployment.addresses):
            return True
        receipts = self._chain.block_receipts(header).receipts.values()
        if not any(log.address in self._deployment.addresses for receipt in receipts for log in receipt.logs):
            return True
        now = self._chain.header(header.number)
        if now is None or now.hash != header.hash:
            return False
        again = self._chain.logs(self._deployment.addresses, header.number, header.number)
        if again:
            return False  # its index lagged behind its blocks, and has caught up
        raise LedgerLied(
            f"the node left out the logs of block {header.number}, which its receipts hold",
            code="logs-omitted",
            hint="ask another node: this one's log index is damaged, or it hides events",
        )
