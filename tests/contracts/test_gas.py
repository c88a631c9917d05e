"""The gas benchmark: its aims hold, and its floor is the arithmetic that it claims to be."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from localchain import Chain
from people import digest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gas.py"


@pytest.fixture(scope="module")
def gas() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gas", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gas"] = module
    spec.loader.exec_module(module)
    return module


def test_registering_costs_at_most_its_aim_and_anchoring_too(gas: ModuleType) -> None:
    rows = {row.operation: row for row in gas.measure()}
    assert rows["propose"].ratio <= 1.2
    assert rows["propose, one parent"].ratio <= 1.2
    assert rows["anchor"].gas <= 45_000
    assert gas.missed(list(rows.values())) == []


def test_a_missed_aim_is_named(gas: ModuleType) -> None:
    rows = [
        gas.Row(name, cost, 93_000, ratio, 0, 3, 0, 0, 0)
        for name, cost, ratio in (("propose", 112_000, 1.204), ("propose, one parent", 9, 1.2), ("anchor", 45_001, 1.3))
    ]
    assert [line.split(":")[0] for line in gas.missed(rows)] == ["propose", "anchor"]


def test_no_operation_beats_its_floor(gas: ModuleType) -> None:
    assert all(row.gas >= row.floor > 21_000 for row in gas.measure())


def test_a_floor_is_worked_out_as_by_hand(gas: ModuleType) -> None:
    anchor = Chain("ann").deploy("CheckpointAnchor")
    opened = anchor.send("ann", "open", "o", 1, digest("r")).result
    outcome = anchor.send("ann", "anchor", opened, 2, digest("s"))
    zeros = outcome.data.count(0)
    by_hand = 21_000 + 4 * zeros + 16 * (100 - zeros) + 2 * 5_000 + (375 + 2 * 375 + 64 * 8)
    assert gas.row("anchor", outcome).floor == by_hand


def test_the_figures_are_printed_as_a_table_and_as_json() -> None:
    text = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=True).stdout
    assert "propose, one parent" in text
    assert "180,132  cited" in text
    record = json.loads(
        subprocess.run([sys.executable, str(SCRIPT), "--json"], capture_output=True, text=True, check=True).stdout
    )
    assert record["missed"] == []
    assert record["cited"]["EAS timestamp"]["gas"] == 45_869
    assert {"propose", "anchor"} <= {row["operation"] for row in record["operations"]}
