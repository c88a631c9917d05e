"""Transactions that are accepted and not yet in a block: pure bookkeeping, kept durably by the node."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mooring.errors import LedgerRefused
from mooring.ledger.embedded.transaction import Transaction

__all__ = ["MAX_POOLED", "Pool", "Pooled", "Queue"]

MAX_POOLED = 20_000
_BUMP_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Pooled:
    """A transaction and its place in the order of arrival."""

    arrival: int
    transaction: Transaction


class Pool:
    """Accepted transactions by sender and nonce; gaps between nonces may stay open for as long as they like."""

    def __init__(self) -> None:
        self._by_sender: dict[bytes, dict[int, Pooled]] = {}
        self._by_hash: dict[bytes, Pooled] = {}

    def __len__(self) -> int:
        return len(self._by_hash)

    def find(self, tx_hash: bytes) -> Transaction | None:
        """The pooled transaction with this hash, if there is one."""
        pooled = self._by_hash.get(tx_hash)
        return pooled.transaction if pooled else None

    def rival(self, transaction: Transaction) -> Pooled | None:
        """The pooled transaction that this one would replace.

        Raises `LedgerRefused` if it does not pay 10 % more than its rival, at least 1 wei, or if the pool is full.
        """
        held = self._by_sender.get(transaction.sender, {}).get(transaction.nonce)
        if held is None:
            if len(self) >= MAX_POOLED:
                raise LedgerRefused(
                    f"txpool is full: {MAX_POOLED} transactions wait",
                    code="pool-full",
                    hint="Wait until blocks have taken some of them, then send again.",
                )
            return None
        rival = held.transaction
        if transaction.max_fee < _bumped(rival.max_fee) or transaction.max_tip < _bumped(rival.max_tip):
            raise LedgerRefused(
                f"replacement transaction underpriced: 0x{rival.hash.hex()} has nonce {rival.nonce} and offers "
                f"{rival.max_fee} wei per gas with a tip of {rival.max_tip}",
                code="replacement-underpriced",
                hint="Offer at least 10 % more of both, or use the next nonce.",
            )
        return held

    def add(self, pooled: Pooled) -> None:
        """Take a transaction in, in place of the one with its sender and nonce."""
        transaction = pooled.transaction
        mine = self._by_sender.setdefault(transaction.sender, {})
        held = mine.get(transaction.nonce)
        if held is not None:
            del self._by_hash[held.transaction.hash]
        mine[transaction.nonce] = pooled
        self._by_hash[transaction.hash] = pooled

    def remove(self, tx_hash: bytes) -> None:
        """Let go of a transaction; harmless if it is not here."""
        pooled = self._by_hash.pop(tx_hash, None)
        if pooled is None:
            return
        mine = self._by_sender[pooled.transaction.sender]
        del mine[pooled.transaction.nonce]
        if not mine:
            del self._by_sender[pooled.transaction.sender]

    def rivals_of(self, included: Iterable[Transaction]) -> list[bytes]:
        """Hashes of pooled transactions that have the sender and nonce of an included one: they came too late."""
        held = (self._by_sender.get(one.sender, {}).get(one.nonce) for one in included)
        return [pooled.transaction.hash for pooled in held if pooled is not None]

    def next_nonce(self, sender: bytes, nonce: int) -> int:
        """The first nonce from `nonce` on that the sender has no transaction for."""
        mine = self._by_sender.get(sender, {})
        while nonce in mine:
            nonce += 1
        return nonce

    def queue(self, nonce_of: Callable[[bytes], int], most: int) -> Queue:
        """What could be included now, given each sender's next nonce in the state; `most` of one sender suffice."""
        runs = []
        for sender, mine in self._by_sender.items():
            numbers = itertools.count(nonce_of(sender))
            run = list(itertools.islice(itertools.takewhile(mine.__contains__, numbers), most))
            if run:
                runs.append([mine[number] for number in run])
        return Queue(runs)

    def __iter__(self) -> Iterator[Pooled]:
        return iter(self._by_hash.values())


class Queue:
    """Runs of consecutive nonces, merged in the order of arrival: first come, first served."""

    def __init__(self, runs: list[list[Pooled]]) -> None:
        self._heap = [(run[0].arrival, 0, number) for number, run in enumerate(runs)]
        self._runs = runs
        heapq.heapify(self._heap)

    def copy(self) -> Queue:
        """The same queue from its start."""
        return Queue(self._runs)

    def __bool__(self) -> bool:
        return bool(self._heap)

    @property
    def head(self) -> Transaction:
        """The transaction to try next."""
        _, place, number = self._heap[0]
        return self._runs[number][place].transaction

    def included(self) -> None:
        """The head is in the block: its sender's next transaction may follow."""
        _, place, number = heapq.heappop(self._heap)
        run = self._runs[number]
        if place + 1 < len(run):
            heapq.heappush(self._heap, (run[place + 1].arrival, place + 1, number))

    def passed_over(self) -> None:
        """The head is not in this block: nor can its sender's later ones be."""
        heapq.heappop(self._heap)


def _bumped(fee: int) -> int:
    """The least fee that replaces this one."""
    return max(fee + 1, -(-fee * (100 + _BUMP_PERCENT) // 100))
