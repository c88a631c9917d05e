"""A block is made: transactions are tried one by one over a copy, and only those that hold are in it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass, field

from mooring.errors import MooringError
from mooring.ledger.embedded.database import ChainDatabase, Overlay
from mooring.ledger.embedded.evm import (
    MISSING,
    ChainDB,
    Header,
    Machine,
    PragueBlock,
    Receipt,
    ValidationError,
    machine,
    make_trie_root_and_nodes,
)
from mooring.ledger.embedded.genesis import GAS_TARGET, next_header
from mooring.ledger.embedded.logs import LogRow
from mooring.ledger.embedded.pool import Queue
from mooring.ledger.embedded.transaction import Transaction

__all__ = ["MAX_TRANSACTIONS", "Draft", "build"]

MAX_TRANSACTIONS = 512
"""More than this gains nothing and makes everyone in the block wait: 400 to 1,000 calls a second are executed."""


@dataclass(slots=True)
class Draft:
    """A block that is not kept yet: what to write, and what was left out for good and why."""

    header: Header
    included: list[Transaction] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    refused: dict[bytes, str] = field(default_factory=dict)
    changes: dict[bytes, bytes] = field(default_factory=dict)

    def log_rows(self) -> Iterator[LogRow]:
        """The block's logs, each with its place."""
        position = 0
        for index, (transaction, receipt) in enumerate(zip(self.included, self.receipts, strict=True)):
            for log in receipt.logs:
                topics: list[bytes | None] = [topic.to_bytes(32, "big") for topic in log.topics]
                topics += [None] * (4 - len(topics))
                place = (self.header.block_number, position, index, transaction.hash)
                yield (*place, log.address, *topics, log.data)
                position += 1


@dataclass(slots=True)
class _Filling:
    """What py-evm asks of a header while transactions are tried: cheaper than a new header after each."""

    gas_limit: int
    gas_used: int = 0


def build(database: ChainDatabase, parent: Header, queue: Queue, chain_id: int, now_s: int) -> Draft:
    """Make the block after `parent` from the queue; nothing is written, and no transaction can spoil it."""
    hopeless: dict[bytes, str] = {}
    while True:
        overlay = Overlay(database)
        draft = Draft(next_header(parent, now_s), refused=dict(hopeless))
        vm: Machine = machine(overlay, draft.header, chain_id)
        culprit = _fill(vm, draft, queue.copy(), hopeless)
        if culprit is None:
            break
        hopeless.update(culprit)  # it broke the machine half-way: start again without it
    if draft.included:
        _seal(vm, overlay, draft)
    return draft


def _fill(vm: Machine, draft: Draft, queue: Queue, hopeless: dict[bytes, str]) -> dict[bytes, str] | None:
    """Execute transactions until the block is full; name the one that made the machine fail, if one did."""
    filling = _Filling(draft.header.gas_limit)
    while queue and len(draft.included) < MAX_TRANSACTIONS:
        transaction = queue.head
        if transaction.hash in hopeless:
            queue.passed_over()
            continue
        if filling.gas_used + transaction.gas > GAS_TARGET:
            queue.passed_over()
            continue
        try:
            vm.state.validate_transaction(transaction.body)
        except ValidationError as error:  # nothing has been touched yet
            draft.refused[transaction.hash] = str(error)
            queue.passed_over()
            continue
        try:
            receipt, _ = vm.apply_transaction(filling, transaction.body)
        except (MooringError, *MISSING):
            raise  # the database's failure, not the transaction's
        except Exception as error:  # noqa: BLE001  # any failure inside py-evm concerns this transaction alone
            return {transaction.hash: f"the virtual machine failed: {error!r}"}
        filling.gas_used = receipt.gas_used
        draft.included.append(transaction)
        draft.receipts.append(receipt)
        queue.included()
    return None


def _seal(vm: Machine, overlay: Overlay, draft: Draft) -> None:
    """Compute the roots and collect everything that the block adds to the database."""
    vm.state.persist()
    bodies = tuple(transaction.body for transaction in draft.included)
    transaction_root, transaction_nodes = make_trie_root_and_nodes(bodies)
    receipt_root, receipt_nodes = make_trie_root_and_nodes(tuple(draft.receipts))
    for key, value in (*transaction_nodes.items(), *receipt_nodes.items()):
        overlay[key] = value
    draft.header = draft.header.copy(
        gas_used=draft.receipts[-1].gas_used,
        bloom=functools.reduce(operator.or_, (receipt.bloom for receipt in draft.receipts)),
        state_root=vm.state.state_root,
        transaction_root=transaction_root,
        receipt_root=receipt_root,
    )
    ChainDB(overlay).persist_block(PragueBlock(draft.header, bodies, (), ()))
    draft.changes = overlay.changes
