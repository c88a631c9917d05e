"""What the ledger's tests share: accounts, an embedded chain with the contracts, anvil."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that test modules can import each other's parts by name

from tests.ledger.accounts import Accounts  # needs the path above
from tests.ledger.places import Place, anvil_place, embedded_place  # needs the path above


@pytest.fixture(scope="session")
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[Place]:
    """An embedded chain, for all tests of a module; each founds contracts of its own on it."""
    with embedded_place(tmp_path_factory.mktemp("embedded"), accounts) as place:
        yield place


@pytest.fixture
def anvil(tmp_path: Path, accounts: Accounts) -> Iterator[Place]:
    """An anvil of one's own; blocks are made when transactions come."""
    with anvil_place(tmp_path, accounts) as place:
        yield place
