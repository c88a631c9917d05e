"""The real secret store under the privacy functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.storage.datakeys import DataKeys

WRAPPING = bytes(range(32))


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[DataKeys]:
    """An empty secret store in `tmp_path / "keys"`."""
    (tmp_path / "keys").mkdir()
    store = DataKeys(tmp_path / "keys" / "people.sqlite", WRAPPING)
    yield store
    store.close()
