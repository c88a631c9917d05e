"""Fixtures of the contract tests: a registry of three organisations, and an anchor."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from localchain import Chain, Contract
from people import ACCOUNTS, MEMBERS, Registry


@pytest.fixture
def registry() -> Registry:
    """A registry whose members `people.py` lists; two organisations must agree."""
    return Registry(Chain(*ACCOUNTS).deploy("AssetRegistry", "Test", MEMBERS, 2))


@pytest.fixture
def anchor() -> Contract:
    """A checkpoint anchor."""
    return Chain(*ACCOUNTS).deploy("CheckpointAnchor")
