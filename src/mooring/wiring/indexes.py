"""The index: SQLite in the deployment's folder, or any PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mooring.errors import CorruptError
from mooring.storage.index_engine import discard
from mooring.storage.index_sql import SqlIndex
from mooring.wiring.config import Config
from mooring.wiring.home import Home

__all__ = ["open_index", "temporary_index"]


@contextmanager
def open_index(home: Home, config: Config, *, empty: bool = False) -> Iterator[SqlIndex]:
    """Open the configured index while the block lasts; with `empty`, without its rows, be they readable or not."""
    address = config.storage.index or f"sqlite:///{home.index}"
    index = _emptied(address) if empty else SqlIndex(address)
    try:
        yield index
    finally:
        index.close()


def _emptied(address: str) -> SqlIndex:
    """Open an index and drop its rows; one that is corrupt is removed with its file and made anew."""
    try:
        index = SqlIndex(address)
        try:
            index.clear()
        except BaseException:
            index.close()
            raise
    except CorruptError:
        discard(address)
        return SqlIndex(address)
    return index


@contextmanager
def temporary_index() -> Iterator[SqlIndex]:
    """Open an empty index that is gone after the block: to compare with."""
    with tempfile.TemporaryDirectory() as folder:
        index = SqlIndex(f"sqlite:///{Path(folder) / 'index.sqlite'}")
        try:
            yield index
        finally:
            index.close()
