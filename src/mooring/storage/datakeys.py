"""Data keys that can be destroyed for good: wrapped under one key, in an SQLite file that forgets.

A destroyed key's bytes are overwritten in the file (`secure_delete`), and the file is then written anew without the
space they lay in (`VACUUM`). Beyond its reach are copies: backups, snapshots, blocks that the file system or the drive
has freed. They hold wrapped keys only: `rewrap` under a new wrapping key, and destroying the old one, closes them too.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mooring.errors import BusyError, CorruptError, ErasedError, MooringError, NotFoundError, StorageError
from mooring.storage.atomic import translating
from mooring.storage.port import Tombstone

__all__ = ["DataKeys"]

_KEY = 32
_NONCE = 12
_MAX_NAME = 128
_BATCH = 500
_BUSY_S = 10.0
_CHECK = "wrapping-key-check"
_UNCLEAN = "unclean"
_Row = tuple[Any, ...]
_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    handle BLOB UNIQUE,
    wrapped BLOB,
    destroyed_ns INTEGER,
    CHECK ((wrapped IS NULL) = (destroyed_ns IS NOT NULL)),
    CHECK (handle IS NULL OR wrapped IS NOT NULL)
) STRICT;
"""


class DataKeys:
    """A `SecretStore` in one file; several processes may use it at once."""

    def __init__(self, path: Path, wrapping_key: bytes, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Open `path`, made at the first use; raises StorageError `wrapping-key` if the keys in it have another one."""
        self._path = path
        self._wrap = _cipher(wrapping_key)
        self._now_ns = now_ns
        self._lock = threading.RLock()
        with translating(f"open {path}"):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with self._errors():
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._prepare(wrapping_key)

    def create(self, names: Sequence[str], handles: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """Make and keep one key per name, all or none (see `SecretStore.create`)."""
        _check_names(names, handles)
        keys = _random(len(names), _KEY)
        found_by: Sequence[bytes | None] = handles or [None] * len(names)
        bound = list(zip(names, found_by, strict=True))
        rows = [(*pair, wrapped) for pair, wrapped in zip(bound, _wrap_all(self._wrap, bound, keys), strict=True)]
        with self._transaction():
            self._refuse_destroyed(names)
            try:
                self._db.executemany("INSERT INTO secret (name, handle, wrapped) VALUES (?, ?, ?)", rows)
            except sqlite3.IntegrityError:
                raise StorageError(
                    f"one of {len(names)} data keys, or its handle, exists already",
                    code="secret-exists",
                    hint="use the key that exists",
                ) from None
        return keys

    def get(self, name: str) -> bytes:
        """Return the key; raises ErasedError if it was destroyed, NotFoundError if it never was."""
        found = self.get_many([name])
        if name not in found:
            raise _erased(name)
        return found[name]

    def get_many(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the keys of those names that have one, leaving out the destroyed; raises NotFoundError for others."""
        rows = {row[0]: row for row in self._select("SELECT name, handle, wrapped FROM secret WHERE name IN", names)}
        missing = next((name for name in names if name not in rows), None)
        if missing is not None:
            raise _not_found(missing)
        return {name: self._unwrap(rows[name]) for name in names if rows[name][2] is not None}

    def find(self, handles: Sequence[bytes]) -> Mapping[bytes, str]:
        """Return the names of those handles that are known."""
        return dict(self._select("SELECT handle, name FROM secret WHERE handle IN", handles))

    def destroy(self, name: str) -> Tombstone:
        """Remove the key's bytes and its handle for good; once it is done, doing it again changes nothing.

        An error that is not `definite` means: the key is gone, but traces may be left in the file. They are removed by
        doing it again, or when the store is next opened.
        """
        with self._transaction():
            row = self._db.execute("SELECT destroyed_ns FROM secret WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise _not_found(name)
            destroyed_ns = int(row[0] or self._now_ns())
            self._db.execute(
                "UPDATE secret SET wrapped = NULL, handle = NULL, destroyed_ns = ? WHERE name = ?", (destroyed_ns, name)
            )
            self._mark_unclean()
        self._clean()
        return Tombstone(name, destroyed_ns)

    def tombstones(self) -> tuple[Tombstone, ...]:
        """Return what was destroyed, in the order of the names."""
        with self._lock, self._errors():
            rows = self._db.execute(
                "SELECT name, destroyed_ns FROM secret WHERE destroyed_ns IS NOT NULL ORDER BY name"
            ).fetchall()
        return tuple(Tombstone(name, destroyed_ns) for name, destroyed_ns in rows)

    def rewrap(self, wrapping_key: bytes) -> None:
        """Wrap every key under another key, all or none; copies made before can then be read only with the old one."""
        cipher = _cipher(wrapping_key)
        with self._transaction():
            rows = self._db.execute("SELECT name, handle, wrapped FROM secret WHERE wrapped IS NOT NULL").fetchall()
            wrapped = _wrap_all(cipher, [row[:2] for row in rows], [self._unwrap(row) for row in rows])
            changes = ((new, row[0]) for new, row in zip(wrapped, rows, strict=True))
            self._db.executemany("UPDATE secret SET wrapped = ? WHERE name = ?", changes)
            self._db.execute("UPDATE meta SET value = ? WHERE name = ?", (_check(wrapping_key), _CHECK))
            self._mark_unclean()
        self._wrap = cipher
        self._clean()

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._db.close()

    def __repr__(self) -> str:
        return f"DataKeys({str(self._path)!r})"

    def _prepare(self, wrapping_key: bytes) -> None:
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("PRAGMA temp_store = MEMORY")
        self._db.execute("PRAGMA synchronous = EXTRA")
        with self._transaction():
            if self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO meta VALUES (?, ?)", (_CHECK, _check(wrapping_key)))
            meta = dict(self._db.execute("SELECT name, value FROM meta").fetchall())
        if not hmac.compare_digest(meta.get(_CHECK, b""), _check(wrapping_key)):
            raise StorageError(
                f"the data keys in {self._path} are wrapped under another key",
                code="wrapping-key",
                hint="open them with the key store that they were made with",
            )
        if _UNCLEAN in meta:
            self._clean()

    def _select(self, statement: str, wanted: Sequence[str] | Sequence[bytes]) -> list[_Row]:
        found: list[_Row] = []
        with self._lock, self._errors():
            for start in range(0, len(wanted), _BATCH):
                some = wanted[start : start + _BATCH]
                found += self._db.execute(f"{statement} ({','.join('?' * len(some))})", some).fetchall()
        return found

    def _refuse_destroyed(self, names: Sequence[str]) -> None:
        found = self._select("SELECT name FROM secret WHERE destroyed_ns IS NOT NULL AND name IN", names)
        if found:
            raise _erased(found[0][0])

    def _unwrap(self, row: _Row) -> bytes:
        name, handle, wrapped = row
        try:
            return self._wrap.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], _context(name, handle))
        except (InvalidTag, ValueError):
            raise self._corrupt(f"data key {name!r} was changed since it was written") from None

    def _mark_unclean(self) -> None:
        """Remember, with the change itself, that the file must be written anew: a crash must not leave traces."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, x'01')", (_UNCLEAN,))

    def _clean(self) -> None:
        with self._lock, self._errors(definite=False):
            self._db.execute("VACUUM")
            self._db.execute("DELETE FROM meta WHERE name = ?", (_UNCLEAN,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self, *, definite: bool = True) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._translate(error, definite) from error

    def _translate(self, error: sqlite3.Error, definite: bool) -> MooringError:
        primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return BusyError(
                f"{self._path} is being written by another process",
                code="data-keys-busy",
                hint="wait for it to end, then run this again",
                definite=definite,
            )
        if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._corrupt(str(error))
        codes = {sqlite3.SQLITE_FULL: "disk-full", sqlite3.SQLITE_READONLY: "permission-denied"}
        moved = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED
        return StorageError(
            f"could not use {self._path}: {'the file is gone' if moved else error}",
            code="path-vanished" if moved else codes.get(primary, "io"),
            hint="put the file back, free space, or give this user write access there; then run this again",
            definite=definite,
        )

    def _corrupt(self, problem: str) -> CorruptError:
        return CorruptError(
            f"{self._path}: {problem}",
            code="data-keys-corrupt",
            hint="restore it from a backup, then repeat every erasure made since: a backup still holds those keys",
        )


def _cipher(wrapping_key: bytes) -> AESGCM:
    if len(wrapping_key) != _KEY:
        raise StorageError(
            f"a wrapping key of {len(wrapping_key)} bytes", code="wrapping-key", hint="give a 256-bit key"
        )
    return AESGCM(wrapping_key)


def _wrap_all(cipher: AESGCM, bound: Sequence[_Row], keys: Sequence[bytes]) -> list[bytes]:
    nonces = _random(len(keys), _NONCE)
    return [
        nonce + cipher.encrypt(nonce, key, _context(name, handle))
        for nonce, key, (name, handle) in zip(nonces, keys, bound, strict=True)
    ]


def _context(name: str, handle: bytes | None) -> bytes:
    """A key that is moved to another name or handle does not unwrap: erasing one person cannot hit another."""
    return name.encode() + b"\0" + (handle or b"")


def _check(wrapping_key: bytes) -> bytes:
    return hmac.digest(wrapping_key, b"mooring/data-keys/v1/check", "sha256")


def _random(count: int, size: int) -> tuple[bytes, ...]:
    pool = os.urandom(count * size)
    return tuple(pool[start : start + size] for start in range(0, len(pool), size))


def _check_names(names: Sequence[str], handles: Sequence[bytes]) -> None:
    if handles and len(handles) != len(names):
        raise StorageError(
            f"{len(handles)} handles for {len(names)} data keys", code="secret-handles", hint="give one per name"
        )
    for name in names:
        if not 0 < len(name) <= _MAX_NAME:
            raise StorageError(
                f"data key name {name[:80]!r} is not 1 to {_MAX_NAME} characters", code="secret-name", hint="shorten it"
            )


def _erased(name: str) -> ErasedError:
    return ErasedError(
        f"data key {name!r} was destroyed: nobody can read what it encrypted",
        code="erased",
        hint="there is no way back; use another name for a new key",
    )


def _not_found(name: str) -> NotFoundError:
    return NotFoundError(
        f"there is no data key {name!r}", code="secret-not-found", hint="was it made in another store?"
    )
