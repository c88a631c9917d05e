"""The index: SQLite in the deployment's folder, or any PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mooring.storage.index_sql import SqlIndex
from mooring.wiring.config import Config
from mooring.wiring.home import Home

__all__ = ["open_index", "temporary_index"]


@contextmanager
def open_index(home: Home, config: Config) -> Iterator[SqlIndex]:
    """Open the configured index while the block lasts."""
    index = SqlIndex(config.storage.index or f"sqlite:///{home.index}")
    try:
        yield index
    finally:
        index.close()


@contextmanager
def temporary_index() -> Iterator[SqlIndex]:
    """Open an empty index that is gone after the block: to compare with."""
    with tempfile.TemporaryDirectory() as folder:
        index = SqlIndex(f"sqlite:///{Path(folder) / 'index.sqlite'}")
        try:
            yield index
        finally:
            index.close()
