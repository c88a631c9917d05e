"""The outbox: every transaction is kept here, signed, before it is sent, so that nothing is sent twice or forgotten.

One SQLite file, shared by any number of threads and processes. A nonce is given out and its signed transaction is kept
in one exclusive, durable transaction; whoever comes later, also after a crash, finds it and sends the same bytes again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import BusyError, ConfigError, CorruptError, LedgerRefused, MooringError, StorageError
from mooring.ledger.transaction import Draft, Fees, Signed
from mooring.proofs.keccak import keccak256

__all__ = ["Attempt", "Entry", "Order", "Outbox"]

_APPLICATION = 0x4D4F4F58  # "MOOX"
_SCHEMA = 1
_WAIT_S = 30.0
_TABLES = """
CREATE TABLE entry (
    chain TEXT NOT NULL, key TEXT NOT NULL, content BLOB NOT NULL, account TEXT NOT NULL, sender BLOB NOT NULL,
    nonce INTEGER NOT NULL, recipient BLOB NOT NULL, data BLOB NOT NULL, gas INTEGER NOT NULL, made_s REAL NOT NULL,
    block INTEGER, PRIMARY KEY (chain, key)
) WITHOUT ROWID;
CREATE INDEX entry_by_nonce ON entry (chain, sender, nonce);
CREATE TABLE attempt (
    hash BLOB NOT NULL, chain TEXT NOT NULL, key TEXT NOT NULL, nonce INTEGER NOT NULL, raw BLOB NOT NULL,
    max_fee TEXT NOT NULL, max_tip TEXT NOT NULL, made_s REAL NOT NULL, sent_s REAL, ordinal INTEGER NOT NULL,
    PRIMARY KEY (chain, hash)
) WITHOUT ROWID;
CREATE UNIQUE INDEX attempt_by_key ON attempt (chain, key, ordinal);
CREATE INDEX entry_open ON entry (chain, sender) WHERE block IS NULL;
CREATE INDEX attempt_unsent ON attempt (chain, key) WHERE sent_s IS NULL;
"""
_ENTRY = "key, account, sender, nonce, recipient, data, gas, made_s, block"
_ENTRY_OF = ", ".join(f"entry.{column}" for column in _ENTRY.split(", "))
_ATTEMPT = "hash, nonce, raw, max_fee, max_tip, made_s, sent_s"


@dataclass(frozen=True, slots=True)
class Order:
    """A call that is to be sent once under `key`: by which account (and address), and what."""

    key: str
    account: str
    sender: bytes
    draft: Draft

    @property
    def content(self) -> bytes:
        """What may not change under one key: sender, recipient and calldata."""
        return keccak256(self.sender + len(self.draft.to).to_bytes(1, "big") + self.draft.to + self.draft.data)


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept order: its nonce, when it was made (Unix seconds), and the final block that holds it, once known."""

    order: Order
    nonce: int
    made_s: float
    block: int | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction for an entry; an entry has several when fees were raised or its nonce was taken."""

    signed: Signed
    nonce: int
    fees: Fees
    made_s: float
    sent_s: float | None


class Outbox:
    """The orders of one chain (`chain` names it, by id and genesis) in a file that other chains may share.

    Raises BusyError `outbox-busy`, CorruptError `outbox-corrupt`, StorageError `outbox-io`.
    """

    def __init__(self, path: Path, chain: str, clock: Callable[[], float]) -> None:
        self._path, self._chain, self._clock = path, chain, clock
        self._mutex = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._reported():
            self._sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_WAIT_S)
            self._prepare()

    def close(self) -> None:
        """Let go of the file."""
        with self._mutex:
            self._sql.close()

    def find(self, key: str) -> Entry | None:
        """Return what is kept under a key."""
        rows = self._rows(f"SELECT {_ENTRY} FROM entry WHERE chain = ? AND key = ?", self._chain, key)  # noqa: S608  # constant columns
        return _entry(rows[0]) if rows else None

    def find_hash(self, transaction: bytes) -> Entry | None:
        """Return the entry that a transaction was made for."""
        rows = self._rows("SELECT key FROM attempt WHERE hash = ? AND chain = ?", transaction, self._chain)
        return self.find(str(rows[0][0])) if rows else None

    def attempts(self, key: str) -> list[Attempt]:
        """Return every transaction that was ever signed for a key, oldest first."""
        query = f"SELECT {_ATTEMPT} FROM attempt WHERE chain = ? AND key = ? ORDER BY ordinal"  # noqa: S608  # constant columns
        return [_attempt(row) for row in self._rows(query, self._chain, key)]

    def waiting(self, sender: bytes, first: int) -> list[Entry]:
        """Return the sender's entries from a nonce on that are not known to be final, by nonce."""
        query = (
            f"SELECT {_ENTRY} FROM entry WHERE chain = ? AND sender = ? AND nonce >= ? AND block IS NULL ORDER BY nonce"  # noqa: S608  # constant columns
        )
        return [_entry(row) for row in self._rows(query, self._chain, sender, first)]

    def senders(self) -> list[bytes]:
        """Return the senders that have entries not known to be final."""
        query = "SELECT DISTINCT sender FROM entry WHERE chain = ? AND block IS NULL"
        return [bytes(row[0]) for row in self._rows(query, self._chain)]  # type: ignore[call-overload]  # a BLOB

    def check(self, order: Order) -> Entry | None:
        """Return what is kept under the order's key; raises LedgerRefused `key-reused` if that is another order."""
        entry = self.find(order.key)
        if entry is not None and entry.order.content != order.content:
            raise LedgerRefused(
                f"key {order.key!r} already stands for another call, by {entry.order.account!r}",
                code="key-reused",
                hint="use a key of its own for every call; this one's outcome is found with `confirm`",
            )
        return entry

    def add(
        self,
        orders: Sequence[Order],
        least_nonce: Callable[[bytes], int],
        sign: Callable[[Order, int], Attempt],
        *,
        exactly: bool = False,
    ) -> list[Entry]:
        """Keep orders durably, each with a nonce and a signed transaction; known keys stay as they are.

        The nonce is the sender's next one: the highest kept plus one, or the chain's count if that is higher, which
        `least_nonce` gives; `exactly` takes the latter as it is. Neither callable may reach out to the node.
        """
        with self._exclusive():
            return [
                self.check(order)
                or self._insert(order, self._free(order.sender, least_nonce(order.sender), exactly), sign)
                for order in orders
            ]

    def amend(
        self, key: str, newest: Signed, make: Callable[[Entry], Attempt], *, nonce: Callable[[Entry], int] | None = None
    ) -> bool:
        """Keep another transaction for an entry, unless somebody did since `newest`; `nonce` gives it another nonce."""
        with self._exclusive():
            entry, attempts = self.find(key), self.attempts(key)
            if entry is None or attempts[-1].signed.hash != newest.hash:
                return False
            if nonce is not None:
                moved = max(nonce(entry), self._next_nonce(entry.order.sender))
                self._sql.execute("UPDATE entry SET nonce = ? WHERE chain = ? AND key = ?", (moved, self._chain, key))
                entry = Entry(entry.order, moved, entry.made_s, entry.block)
            self._keep(key, make(entry))
            return True

    def unsent(self, sender: bytes) -> list[Entry]:
        """Return the sender's entries of which the node was never seen to take a transaction, by nonce."""
        query = f"SELECT DISTINCT {_ENTRY_OF} FROM attempt CROSS JOIN entry USING (chain, key) WHERE attempt.chain = ? AND sent_s IS NULL AND sender = ? AND block IS NULL ORDER BY entry.nonce"  # noqa: S608, E501  # constant columns
        return [_entry(row) for row in self._rows(query, self._chain, sender)]

    def sent(self, hashes: Sequence[bytes]) -> None:
        """Note that the node has these transactions, or another with their nonce; what came before them is settled."""
        now = self._clock()
        with self._exclusive(durable=False):  # if this is lost, they are sent once more
            for item in hashes:
                self._sql.execute(
                    "UPDATE attempt SET sent_s = ? WHERE chain = ? AND hash = ?", (now, self._chain, item)
                )
                self._sql.execute(
                    "UPDATE attempt SET sent_s = ? WHERE sent_s IS NULL AND chain = ? AND key = "
                    "(SELECT key FROM attempt WHERE chain = ? AND hash = ?)",
                    (now, self._chain, self._chain, item),
                )

    def settle(self, key: str, block: int) -> None:
        """Note that a final block holds the entry's transaction: it needs no more care."""
        with self._exclusive(durable=False):  # if this is lost, it is asked for once more
            self._sql.execute(
                "UPDATE entry SET block = ? WHERE chain = ? AND key = ? AND block IS NULL", (block, self._chain, key)
            )

    def _free(self, sender: bytes, least: int, exactly: bool) -> int:
        return least if exactly else max(least, self._next_nonce(sender))

    def _insert(self, order: Order, nonce: int, sign: Callable[[Order, int], Attempt]) -> Entry:
        attempt = sign(order, nonce)
        draft = order.draft
        values = (self._chain, order.key, order.content, order.account, order.sender, nonce)
        self._sql.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (*values, draft.to, draft.data, draft.gas, attempt.made_s),
        )
        self._keep(order.key, attempt)
        return Entry(order, nonce, attempt.made_s, None)

    def _keep(self, key: str, attempt: Attempt) -> None:
        fees = (str(attempt.fees.max_fee), str(attempt.fees.max_tip))  # wei may exceed SQLite's 64 bits
        signed, ordinal = attempt.signed, len(self.attempts(key))
        self._sql.execute(
            "INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
            (signed.hash, self._chain, key, attempt.nonce, signed.raw, *fees, attempt.made_s, ordinal),
        )

    def _next_nonce(self, sender: bytes) -> int:
        query = "SELECT max(nonce) FROM entry WHERE chain = ? AND sender = ?"
        highest = self._rows(query, self._chain, sender)[0][0]
        return 0 if highest is None else int(str(highest)) + 1

    def _prepare(self) -> None:
        application = self._sql.execute("PRAGMA application_id").fetchone()[0]
        if application not in (0, _APPLICATION):
            raise ConfigError(
                f"outbox {self._path} is another kind of file (application {application:#x})",
                code="outbox-file",
                hint="name a file of its own for the outbox",
            )
        self._sql.execute("PRAGMA journal_mode=WAL")
        with self._exclusive():
            if self._sql.execute("PRAGMA user_version").fetchone()[0] == _SCHEMA:
                return
            if self._sql.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise self._corrupt("holds tables of another version")
            for statement in _TABLES.split(";"):
                self._sql.execute(statement)
            self._sql.execute(f"PRAGMA application_id={_APPLICATION}")
            self._sql.execute(f"PRAGMA user_version={_SCHEMA}")

    def _rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        with self._mutex, self._reported():
            return self._sql.execute(query, parameters).fetchall()

    @contextlib.contextmanager
    def _exclusive(self, *, durable: bool = True) -> Iterator[None]:
        """Hold the file against all other threads and processes; what is done inside is kept then, or undone.

        `durable` waits for the disk, so that it survives a lost supply too, and not only a killed process.
        """
        with self._mutex, self._reported():
            self._sql.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._meaning(error) from error

    def _meaning(self, error: sqlite3.Error) -> MooringError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self._corrupt(f"is damaged: {error}")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return BusyError(
                f"outbox {self._path} was held by another process for {_WAIT_S:.0f} s",
                code="outbox-busy",
                hint="close the program that has the file open and try again; nothing was sent",
            )
        return StorageError(
            f"outbox {self._path} could not be used: {error}",
            code="outbox-io",
            hint="check the disk's space and the folder's permissions; nothing was sent",
        )

    def _corrupt(self, what: str) -> CorruptError:
        return CorruptError(
            f"outbox {self._path} {what}",
            code="outbox-corrupt",
            hint="restore it from a backup; without it, wait until everything sent is final, then start a new one",
        )


def _entry(row: tuple[object, ...]) -> Entry:
    key, account, sender, nonce, to, data, gas, made_s, block = row
    assert isinstance(nonce, int)
    assert isinstance(gas, int)
    assert isinstance(made_s, float)
    assert block is None or isinstance(block, int)
    return Entry(Order(str(key), str(account), _blob(sender), Draft(_blob(to), _blob(data), gas)), nonce, made_s, block)


def _attempt(row: tuple[object, ...]) -> Attempt:
    name, nonce, raw, max_fee, max_tip, made_s, sent_s = row
    assert isinstance(nonce, int)
    assert isinstance(made_s, float)
    assert sent_s is None or isinstance(sent_s, float)
    fees = Fees(int(str(max_fee)), int(str(max_tip)))
    return Attempt(Signed(_blob(name), _blob(raw)), nonce, fees, made_s, sent_s)


def _blob(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value
