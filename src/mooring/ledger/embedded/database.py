"""Where the chain is kept: py-evm's key-value store, the pool and the log index in one SQLite file.

The file is in WAL mode with `synchronous=FULL`: a commit returns after fsync, so what was acknowledged survives a
killed process and a lost supply. Measured on two cores and a virtual disk: 0.37 ms a commit, against 0.05 ms with
`NORMAL`, which would lose the last commits with the supply; executing a single transaction costs more than either.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from mooring.errors import BusyError, CorruptError, MooringError, StorageError
from mooring.ledger.embedded.evm import BaseAtomicDB, BatchDB

__all__ = ["ChainDatabase", "Overlay"]

_APPLICATION = 0x4D4F4F52  # "MOOR": sqlite.org/fileformat2.html §1.3.14
_SCHEMA = 1
_CACHED_NODES = 50_000
_BUSY_TIMEOUT_S = 5.0
_TABLES = """
CREATE TABLE kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (arrival INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, raw BLOB NOT NULL);
CREATE TABLE log (
    block INTEGER NOT NULL, position INTEGER NOT NULL, tx_index INTEGER NOT NULL, tx_hash BLOB NOT NULL,
    address BLOB NOT NULL, topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB, data BLOB NOT NULL,
    PRIMARY KEY (block, position)
) WITHOUT ROWID;
CREATE INDEX log_by_address ON log (address, block);
CREATE INDEX log_by_topic ON log (topic0, block);
CREATE INDEX log_by_both ON log (address, topic0, block);
"""


class ChainDatabase(BaseAtomicDB):
    """py-evm's database over SQLite, with a transaction that spans the store, the pool and the log index.

    One thread writes at a time; any number read what is committed. Values under a 32-byte key are the preimages of the
    key (trie nodes, code, headers): each is checked against it when it is read from the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        self._cache: dict[bytes, bytes] = {}
        self._cache_mutex = threading.Lock()
        self._readers: list[sqlite3.Connection] = []
        self._lent: list[sqlite3.Connection] = []
        self._closed = False
        with self._reported():
            self._writer = self._connect("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=4000")
            self._prepare()

    def _connect(self, *pragmas: str) -> sqlite3.Connection:
        """Open one connection; any thread may use it, one at a time."""
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_BUSY_TIMEOUT_S)
        for pragma in (*pragmas, "cache_size=-16384"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _prepare(self) -> None:
        """Create the tables in an empty file; refuse a file that holds something else."""
        application = self._writer.execute("PRAGMA application_id").fetchone()[0]
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        tables = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables == 0 and application == 0:
            script = f"PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_SCHEMA};"
            self._writer.executescript(f"BEGIN IMMEDIATE; {_TABLES} {script} COMMIT;")
        elif (application, version) != (_APPLICATION, _SCHEMA):
            raise self.corrupt(f"is not a chain of this version (application {application:#x}, schema {version})")

    # py-evm's database interface

    def __getitem__(self, key: bytes) -> bytes:
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        rows = self.rows("SELECT v FROM kv WHERE k = ?", (key,))
        if not rows:
            raise KeyError(key)
        value = bytes(rows[0][0])
        if _is_hash(key):
            if keccak(value) != key:
                raise self.corrupt(f"holds a value that does not match its key {key.hex()}")
            self._remember(key, value)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.write({key: value})

    def __delitem__(self, key: bytes) -> None:
        with self.transaction() as sql:
            if sql.execute("DELETE FROM kv WHERE k = ?", (key,)).rowcount == 0:
                raise KeyError(key)
            self._cache.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        return key in self._cache or bool(self.rows("SELECT 1 FROM kv WHERE k = ?", (key,)))

    @contextlib.contextmanager
    def atomic_batch(self) -> Iterator[Any]:
        """Collect writes and keep all of them or none."""
        batch = BatchDB(self)
        yield batch
        with self.transaction():
            batch.commit(apply_deletes=True)

    # our own

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the writer; what is done inside is committed durably at the end, or not at all."""
        with self._mutex, self._reported():
            self._check_open()
            nested = self._writer.in_transaction
            if nested:
                yield self._writer  # part of a larger transaction
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def write(self, changes: Mapping[bytes, bytes]) -> None:
        """Keep these keys and values; part of the transaction that is open, if one is."""
        with self.transaction() as sql:
            sql.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?)", changes.items())

    def rows(self, query: str, parameters: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        """Answer a query from what is committed."""
        self._check_open()
        with self._reported(), self._reader() as reader:
            return reader.execute(query, tuple(parameters)).fetchall()

    def check(self) -> None:
        """Read the whole file and raise `CorruptError` if SQLite finds it damaged; takes seconds per gigabyte."""
        findings = [str(row[0]) for row in self.rows("PRAGMA quick_check(1)")]
        if findings != ["ok"]:
            raise self.corrupt(f"is damaged: {findings[0]}")

    def close(self) -> None:
        """Fold the write-ahead log into the file and let go of it; harmless when repeated."""
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            for connection in (*self._readers, *self._lent, self._writer):
                connection.close()

    def corrupt(self, finding: str) -> CorruptError:
        """The error to raise for a damaged file."""
        return CorruptError(
            f"the chain file {self.path} {finding}",
            code="chain-corrupt",
            hint="Stop every process that uses it, then restore the folder from a backup, or move it away to start a "
            "new chain. Checkpoints and receipts that were exported still verify.",
        )

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the chain is closed", code="chain-closed", hint="Open it again.")

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a reading connection; there are as many as threads have read at once."""
        try:
            connection = self._readers.pop()
        except IndexError:
            connection = self._connect("query_only=ON")
        self._lent.append(connection)
        try:
            yield connection
        finally:
            self._lent.remove(connection)
            self._readers.append(connection)

    def _remember(self, key: bytes, value: bytes) -> None:
        """Keep a value that cannot change in memory, and forget the oldest."""
        with self._cache_mutex:
            self._cache[key] = value
            if len(self._cache) > _CACHED_NODES:
                del self._cache[next(iter(self._cache))]

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        """Say what SQLite's errors mean for the chain."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._meaning(error) from error

    def _meaning(self, error: sqlite3.Error) -> MooringError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self.corrupt(f"is damaged: {error}")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return BusyError(
                f"the chain file {self.path} is locked by another program",
                code="chain-busy",
                hint="Close the program that has the file open (a SQLite shell, a backup) and try again.",
            )
        if name == "SQLITE_FULL":
            return StorageError(
                f"no space is left for the chain file {self.path}",
                code="chain-full",
                hint="Free space on its disk; nothing that was acknowledged is lost, and nothing new was kept.",
            )
        return StorageError(
            f"the chain file {self.path} could not be used: {error}",
            code="chain-io",
            hint="Check the disk, the folder's owner and its permissions.",
        )


class Overlay(BaseAtomicDB):
    """Changes over a database that nobody else sees; `changes` is what to keep."""

    def __init__(self, below: ChainDatabase) -> None:
        self._below = below
        self.changes: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self.changes.get(key)
        return self._below[key] if value is None else value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.changes[key] = value

    def __delitem__(self, key: bytes) -> None:
        if key not in self.changes:
            raise KeyError(key)  # the chain only grows: nothing below is ever deleted
        del self.changes[key]

    def _exists(self, key: bytes) -> bool:
        return key in self.changes or key in self._below

    @contextlib.contextmanager
    def atomic_batch(self) -> Iterator[Any]:
        """Collect writes and keep all of them or none."""
        batch = BatchDB(self)
        yield batch
        batch.commit(apply_deletes=True)


def _is_hash(key: bytes) -> bool:
    """Tell a key that is the hash of its value from py-evm's named keys, one of which is 32 bytes long too."""
    return len(key) == 32 and not key.startswith((b"v1:", b"block-"))
