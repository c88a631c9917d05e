"""Connections to the index's database, SQLite or PostgreSQL, and what its refusals mean."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, make_url

from mooring.errors import BusyError, ConfigError, MooringError, StorageError
from mooring.storage.atomic import translating
from mooring.storage.index_tables import METADATA, corrupt

__all__ = ["FAILURES", "Whereabouts", "discard", "make_engine", "translate"]

FAILURES = (sa.exc.SQLAlchemyError, sqlite3.Error, UnicodeDecodeError)
"""What a database that fails or is damaged raises."""

_BUSY_MS = 10_000
_SILENCE_S = 60
_UNDEFINED = ("42P01", "42703")  # PostgreSQL: undefined table, undefined column
_UNREACHABLE = ("08", "28", "3D", "57")  # PostgreSQL: connection, authorisation, no such database, shutting down


def make_engine(address: str) -> Engine:
    """Return the engine of `sqlite:///path` or `postgresql://user:password@host/database`.

    Raises ConfigError `index-url`, or `extra-missing` without pg8000.
    """
    url = _parse(address)
    if url.get_backend_name() == "sqlite":
        engine = sa.create_engine(url)
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        return engine
    try:
        return sa.create_engine(
            url.set(drivername="postgresql+pg8000"), pool_pre_ping=True, connect_args={"timeout": _SILENCE_S}
        )
    except ImportError as error:
        raise ConfigError(
            "an index in PostgreSQL needs pg8000", code="extra-missing", hint="pip install 'mooring[postgres]'"
        ) from error


class Whereabouts:
    """Notices that an SQLite file was removed or replaced: SQLite itself would go on writing to what nobody sees."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._path = Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None
        self._file: tuple[int, int] | None = None

    def check(self) -> None:
        """Connect anew if another process rebuilt the index; raises StorageError `path-vanished` if it is gone."""
        if self._path is None:
            return
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if self._file is None:
                return  # it is made by the first connection
            raise StorageError(
                f"the index {self._path} has vanished",
                code="path-vanished",
                hint="put the folder back (is a disk unmounted?), or start again: a lost index is filled anew",
            ) from None
        if self._file not in (None, (found.st_dev, found.st_ino)):
            self._engine.dispose()
        self._file = (found.st_dev, found.st_ino)


def discard(address: str) -> None:
    """Remove the index and all its files, even a corrupt one; what it held is filled in again from log and ledger."""
    url = _parse(address)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        with translating(f"remove {path}"):
            for suffix in ("", "-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        return
    engine = make_engine(address)
    try:
        METADATA.drop_all(engine)
    except FAILURES as error:
        raise translate(error, engine.url) from error
    finally:
        engine.dispose()


def translate(error: Exception, url: URL) -> MooringError:
    """Return what one of `FAILURES` means to us; no message holds the password."""
    where = url.render_as_string(hide_password=True)
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    if isinstance(original, UnicodeDecodeError):
        return corrupt(f"{where}: {original}")
    if isinstance(error, sa.exc.IntegrityError):
        return StorageError(
            f"{where} already holds another row in that place",
            code="index-duplicate",
            hint="run 'mooring log rebuild-index'",
        )
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, where)
    return _of_postgres(original, where)


def _of_sqlite(error: sqlite3.Error, where: str) -> MooringError:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return corrupt(f"{where}: {error}")
    if primary == sqlite3.SQLITE_ERROR and "no such" in str(error):
        return corrupt(f"{where} has lost a table: {error}")
    if primary == 0 and "decode" in str(error):
        return corrupt(f"{where}: {error}")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BusyError(
            f"{where} is being written by another process", code="index-busy", hint="wait for it, then run this again"
        )
    meaning = {
        sqlite3.SQLITE_FULL: ("disk-full", "free space there, then run this again"),
        sqlite3.SQLITE_READONLY: ("permission-denied", "give this user write access there"),
        sqlite3.SQLITE_CANTOPEN: ("path-vanished", "put the folder back, or name another one"),
    }
    code, hint = meaning.get(primary, ("io", "look at the disk's health (dmesg), then run this again"))
    return StorageError(f"could not use {where}: {error}", code=code, hint=hint)


def _of_postgres(error: BaseException | None, where: str) -> MooringError:
    details = error.args[0] if error is not None and error.args and isinstance(error.args[0], dict) else {}
    state, message = details.get("C", ""), details.get("M", str(error))
    if state in _UNDEFINED:
        return corrupt(f"{where} has lost a table: {message}")
    if state == "53100":
        return StorageError(f"{where}: {message}", code="disk-full", hint="free space on the database's server")
    if state[:2] in _UNREACHABLE or not state:
        return StorageError(
            f"{where} cannot be reached: {message}",
            code="index-unreachable",
            hint="check the address, the user and the password, and that the server runs",
        )
    return StorageError(f"could not use {where}: {message} ({state})", code="io", hint="look at the server's log")


def _parse(address: str) -> URL:
    problem = "it is no URL"
    with suppress(sa.exc.ArgumentError):
        url = make_url(address)
        if url.get_backend_name() in ("sqlite", "postgresql") and url.database not in (None, "", ":memory:"):
            return url
        problem = f"{url.render_as_string(hide_password=True)} names no SQLite file and no PostgreSQL database"
    raise ConfigError(
        f"the index's address cannot be used: {problem}",
        code="index-url",
        hint="like sqlite:///path/to/index.sqlite or postgresql://user:password@host/database",
    )


def _configure(connection: Any, record: Any) -> None:
    """Hand transactions to SQLAlchemy, and let readers go on while somebody writes."""
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # After a power cut the last steps may be missing, cursor and rows together: they are followed again.
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
