"""What the chain holds: headers, transactions and receipts, by number, hash and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mooring.errors import NotFoundError
from mooring.ledger.embedded.database import ChainDatabase
from mooring.ledger.embedded.evm import (
    BLANK_ROOT_HASH,
    MISSING,
    Body,
    CanonicalHeadNotFound,
    ChainDB,
    Header,
    HeaderNotFound,
    PragueReceiptBuilder,
    PragueTransactionBuilder,
    Receipt,
    TransactionNotFound,
)

__all__ = ["History", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction is: its block's header and its index there."""

    header: Header
    index: int


class History:
    """Reads what is committed; any number of threads may use it at once."""

    def __init__(self, database: ChainDatabase) -> None:
        self._database = database
        self._chain: Any = ChainDB(database)

    def newest(self) -> Header:
        """The header of the last block; raises `CorruptError` if the file holds none."""
        try:
            header = self._chain.get_canonical_head()
        except (CanonicalHeadNotFound, HeaderNotFound) as error:
            raise self._database.corrupt("has lost its last block") from error
        if header.state_root != BLANK_ROOT_HASH and header.state_root not in self._database:
            raise self._database.corrupt(f"has lost the state of block {header.block_number}")
        return header

    def header(self, number: int) -> Header:
        """The header of this block; raises `NotFoundError` beyond the last one."""
        try:
            return self._chain.get_canonical_block_header_by_number(number)
        except HeaderNotFound as error:
            if number <= self.newest().block_number:
                raise self._database.corrupt(f"has lost block {number}") from error
            raise _missing(f"block {number}") from error

    def header_by_hash(self, block_hash: bytes) -> Header:
        """The header with this hash, or `NotFoundError`."""
        try:
            return self._chain.get_block_header_by_hash(block_hash)
        except HeaderNotFound as error:
            raise _missing(f"block 0x{block_hash.hex()}") from error

    def transactions(self, header: Header) -> tuple[Body, ...]:
        """The block's transactions in order."""
        try:
            return tuple(self._chain.get_block_transactions(header, PragueTransactionBuilder))
        except MISSING as error:
            raise self._database.corrupt(f"has lost transactions of block {header.block_number}") from error

    def receipts(self, header: Header) -> tuple[Receipt, ...]:
        """The block's receipts in order."""
        try:
            return tuple(self._chain.get_receipts(header, PragueReceiptBuilder))
        except MISSING as error:
            raise self._database.corrupt(f"has lost receipts of block {header.block_number}") from error

    def find(self, tx_hash: bytes) -> Place | None:
        """Where this transaction is; None if no block holds it."""
        try:
            number, index = self._chain.get_transaction_index(tx_hash)
        except TransactionNotFound:
            return None
        return Place(self.header(number), index)

    def transaction(self, place: Place) -> Body:
        """The transaction at this place."""
        return self._chain.get_transaction_by_index(place.header.block_number, place.index, PragueTransactionBuilder)

    def receipt(self, place: Place) -> tuple[Receipt, int]:
        """The receipt at this place, and the gas that its own transaction used."""
        number = place.header.block_number
        receipt = self._chain.get_receipt_by_index(number, place.index, PragueReceiptBuilder)
        if place.index == 0:
            return receipt, receipt.gas_used
        before = self._chain.get_receipt_by_index(number, place.index - 1, PragueReceiptBuilder)
        return receipt, receipt.gas_used - before.gas_used


def _missing(what: str) -> NotFoundError:
    return NotFoundError(f"{what} is not on this chain", code="chain-block", hint="Ask for a block up to the head.")
