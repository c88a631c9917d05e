"""The node: takes transactions in, makes blocks of them, and keeps both before it says so."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from mooring.errors import ConfigError, LedgerError, LedgerRefused, MooringError, StorageError
from mooring.ledger.embedded import block, execution, genesis, logs
from mooring.ledger.embedded.database import ChainDatabase
from mooring.ledger.embedded.evm import MISSING, Accounts, Header
from mooring.ledger.embedded.history import History
from mooring.ledger.embedded.lock import ChainLock
from mooring.ledger.embedded.pool import Pool, Pooled
from mooring.ledger.embedded.transaction import Transaction, decode

__all__ = ["EmbeddedNode"]

_FILE = "chain.sqlite"
_RETRY_S = 1.0
_REMEMBERED = 10_000
_LOGGER = logging.getLogger(__name__)


class EmbeddedNode:
    """One chain, one writer: open it, send it signed transactions, read it from any thread, close it.

    A hash that `send_raw_transaction` returns stands for a transaction that is on disk, in the pool or in a block: it
    survives a killed process. Blocks are never undone, so the head is final as soon as it is seen; that is the word of
    one operator. Block time moves at least a second a block and may run ahead of the clock: never use it as provenance.
    """

    def __init__(
        self, database: ChainDatabase, lock: ChainLock, chain_id: int, clock: Callable[[], float], interval_s: float
    ) -> None:
        self.database = database
        self.history = History(database)
        self.chain_id = chain_id
        self._lock = lock
        self._clock = clock
        self._interval_s = interval_s
        self._head: Header = self.history.newest()
        self._accounts: Accounts = execution.accounts(database, self._head)
        self._pool = Pool()
        self._work = False
        self._arrival = 0
        self._fault: MooringError | None = None
        self._refused: dict[bytes, str] = {}
        self._stopping = False
        self._changed = threading.Condition()
        self._restore()
        self._miner = threading.Thread(target=self._mine, name="mooring-chain", daemon=True)
        self._miner.start()

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        chain_id: int,
        genesis_accounts: Mapping[bytes, int],
        clock: Callable[[], float] = time.time,
        block_interval_s: float = 0.02,
    ) -> Self:
        """Open the chain in the folder `path`, and make it first if there is none.

        `genesis_accounts` (address → wei) counts only when the chain is made. `clock` gives Unix seconds.
        `block_interval_s` is how long a block waits for company once the first transaction is there. Raises `BusyError`
        if another process has it, `CorruptError` if the file is damaged, `ConfigError` if it is another chain.
        """
        folder = Path(path)
        _make(folder)
        lock = ChainLock.acquire(folder)
        database: ChainDatabase | None = None
        try:
            database = ChainDatabase(folder / _FILE)
            _settle(database, chain_id, genesis_accounts, int(clock()))
            return cls(database, lock, chain_id, clock, block_interval_s)
        except BaseException:
            if database is not None:
                database.close()
            lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish the block in hand and let go of the chain; what waits in the pool is there when it is opened again."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._miner.join()
        self.database.close()
        self._lock.release()

    # taking transactions in

    def send_raw_transaction(self, raw: bytes) -> bytes:
        """Accept a signed transaction durably and return its hash; the same bytes again change nothing.

        Raises `LedgerRefused` if the rules forbid it, `StorageError` if it could not be kept; it is then certainly not
        in the pool.
        """
        result = self.send_raw_transactions([raw])[0]
        if isinstance(result, MooringError):
            raise result
        return result

    def send_raw_transactions(self, raws: Sequence[bytes]) -> list[bytes | MooringError]:
        """Accept several with one commit; each gets its hash or its refusal."""
        decoded: list[Transaction | MooringError] = []
        for raw in raws:
            try:
                decoded.append(decode(raw, self.chain_id))
            except LedgerRefused as error:
                decoded.append(error)
        with self._changed:
            return self._take_in(decoded)

    def pooled(self, tx_hash: bytes) -> Transaction | None:
        """The accepted transaction with this hash that no block holds yet."""
        return self._pool.find(tx_hash)

    def next_nonce(self, address: bytes) -> int:
        """The nonce that the account's next transaction needs, those in the pool counted."""
        with self._changed:
            return self._pool.next_nonce(address, self._accounts.get_nonce(address))

    def refusal(self, tx_hash: bytes) -> str | None:
        """Why an accepted transaction was dropped since the chain was opened; None if it was not."""
        return self._refused.get(tx_hash)

    @property
    def head(self) -> Header:
        """The header of the newest block."""
        return self._head

    @property
    def waiting(self) -> int:
        """How many accepted transactions no block holds yet."""
        return len(self._pool)

    def announce(self, url: str) -> None:
        """Tell other processes where this chain answers JSON-RPC (see `find_endpoint`)."""
        self._lock.announce(url)

    def wait_mined(self, tx_hash: bytes, timeout_s: float) -> bool:
        """Wait until a block holds the transaction; False if none does in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.history.find(tx_hash) is not None, timeout_s)

    def _take_in(self, decoded: list[Transaction | MooringError]) -> list[bytes | MooringError]:
        """Check against the state and the pool, keep, and only then let the miner see them."""
        if self._stopping or self._fault is not None:
            return [self._halted()] * len(decoded)
        results: list[bytes | MooringError] = []
        taken: list[tuple[Pooled, Pooled | None]] = []
        for entry in decoded:
            if isinstance(entry, MooringError):
                results.append(entry)
                continue
            try:
                taken.extend(self._admit(entry))
                results.append(entry.hash)
            except MooringError as error:
                results.append(error)
            except MISSING as error:
                results.append(self.database.corrupt(f"has lost part of the state: {error}"))
        try:
            self._keep_pending(taken)
        except MooringError as error:
            self._forget(taken)
            return [error if isinstance(result, bytes) else result for result in results]
        self._work = self._work or bool(taken)
        self._changed.notify_all()
        return results

    def _admit(self, transaction: Transaction) -> list[tuple[Pooled, Pooled | None]]:
        """Put a transaction in the pool if the state allows it; empty if it is known already."""
        if self._pool.find(transaction.hash) or self.history.find(transaction.hash):
            return []
        nonce = self._accounts.get_nonce(transaction.sender)
        if transaction.nonce < nonce:
            detail = f"next nonce {nonce}, tx nonce {transaction.nonce}"
            raise _refused(f"nonce too low: {detail}", "nonce-too-low", "Sign it again with the next nonce.")
        balance = self._accounts.get_balance(transaction.sender)
        if balance < transaction.cost:
            detail = f"balance {balance}, tx cost {transaction.cost}"
            hint = "Sign it with a gas price of 0: this chain charges nothing."
            raise _refused(f"insufficient funds for gas * price + value: {detail}", "insufficient-funds", hint)
        rival = self._pool.rival(transaction)
        self._arrival += 1
        pooled = Pooled(self._arrival, transaction)
        self._pool.add(pooled)
        return [(pooled, rival)]

    def _keep_pending(self, taken: list[tuple[Pooled, Pooled | None]]) -> None:
        """Write what was taken in, durably, in one commit."""
        if not taken:
            return
        with self.database.transaction() as sql:
            for pooled, rival in taken:
                if rival is not None:
                    sql.execute("DELETE FROM pending WHERE hash = ?", (rival.transaction.hash,))
                row = (pooled.arrival, pooled.transaction.hash, pooled.transaction.raw)
                sql.execute("INSERT INTO pending VALUES (?, ?, ?)", row)

    def _forget(self, taken: list[tuple[Pooled, Pooled | None]]) -> None:
        """Undo in memory what could not be written."""
        for pooled, rival in reversed(taken):
            self._pool.remove(pooled.transaction.hash)
            if rival is not None:
                self._pool.add(rival)

    def _restore(self) -> None:
        """Take up the transactions that were accepted and not included before the chain was closed."""
        for arrival, tx_hash, raw in self.database.rows("SELECT arrival, hash, raw FROM pending ORDER BY arrival"):
            try:
                transaction = decode(bytes(raw), self.chain_id)
            except LedgerRefused as error:
                raise self.database.corrupt(f"holds a pending transaction that cannot be read: {error}") from error
            if transaction.hash != tx_hash:
                raise self.database.corrupt("holds a pending transaction under another one's hash")
            self._arrival = int(arrival)
            self._pool.add(Pooled(self._arrival, transaction))
        self._work = len(self._pool) > 0

    # making blocks

    def _mine(self) -> None:
        """Make blocks until the node is closed; after a failure, refuse transactions and try again each second."""
        while self._awaited():
            try:
                self._advance()
                self._fault = None
            except MooringError as error:
                self._suffer(error)
            except MISSING as error:
                self._suffer(self.database.corrupt(f"has lost part of the state: {error}"))
            except Exception as error:
                _LOGGER.exception("no block could be made")
                self._suffer(LedgerError(f"no block could be made: {error!r}", code="chain-fault", hint="Report it."))

    def _awaited(self) -> bool:
        """Wait for work, then for more of it to arrive; False when the node is being closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._work)
            pause = self._interval_s if self._fault is None else _RETRY_S
            if len(self._pool) < block.MAX_TRANSACTIONS or self._fault is not None:
                self._changed.wait_for(lambda: self._stopping, pause)
            return not self._stopping

    def _advance(self) -> None:
        """Make one block of what can be included now, if anything can."""
        with self._changed:
            queue = self._pool.queue(self._accounts.get_nonce, block.MAX_TRANSACTIONS)
            if not queue:
                self._work = False
                return
        draft = block.build(self.database, self._head, queue, self.chain_id, int(self._clock()))
        with self._changed:
            self._keep(draft)
            self._changed.notify_all()

    def _keep(self, draft: block.Draft) -> None:
        """Write a block, its logs, and what it takes from the pool in one commit; then make it the head."""
        gone = {*draft.refused, *(one.hash for one in draft.included), *self._pool.rivals_of(draft.included)}
        with self.database.transaction() as sql:
            self.database.write(draft.changes)
            sql.executemany(logs.insert_statement(), draft.log_rows())
            sql.executemany("DELETE FROM pending WHERE hash = ?", [(tx_hash,) for tx_hash in gone])
        for tx_hash in gone:
            self._pool.remove(tx_hash)
        self._remember(draft.refused)
        if draft.included:
            self._head = draft.header
            self._accounts = execution.accounts(self.database, draft.header)
        self._work = len(self._pool) > 0

    def _remember(self, refused: Mapping[bytes, str]) -> None:
        """Keep the reasons of the newest refusals."""
        for tx_hash, reason in refused.items():
            _LOGGER.warning("dropped transaction 0x%s: %s", tx_hash.hex(), reason)
            self._refused[tx_hash] = reason
            if len(self._refused) > _REMEMBERED:
                del self._refused[next(iter(self._refused))]

    def _suffer(self, error: MooringError) -> None:
        """Stop taking transactions in until a block succeeds again."""
        with self._changed:
            self._fault = error
            self._work = True
            self._changed.notify_all()

    def _halted(self) -> MooringError:
        """Why nothing is taken in at present."""
        if self._fault is None:
            return StorageError("the chain is being closed", code="chain-closed", hint="Open it again.")
        return LedgerError(
            f"the chain makes no blocks: {self._fault.message}",
            code="chain-stopped",
            hint=f"{self._fault.hint} It goes on by itself then, and nothing that was accepted is lost.",
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the chain's folder {folder} cannot be made: {error.strerror}",
            code="chain-folder",
            hint="Choose a folder that this user may write to.",
        ) from error


def _settle(database: ChainDatabase, chain_id: int, accounts: Mapping[bytes, int], now_s: int) -> None:
    """Make the chain if the file is new; refuse another chain's file."""
    recorded = genesis.recorded_chain_id(database)
    if recorded is None:
        genesis.create(database, chain_id, accounts, now_s)
    elif recorded != chain_id:
        raise ConfigError(
            f"the chain in {database.path} has id {recorded}, not {chain_id}",
            code="chain-id",
            hint=f"Configure chain id {recorded}, or use another folder for a new chain.",
        )


def _refused(message: str, code: str, hint: str) -> LedgerRefused:
    return LedgerRefused(message, code=code, hint=hint)
