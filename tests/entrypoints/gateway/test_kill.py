"""kill -9 at random moments under load loses no receipt that a client holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

KILL = Path(__file__).parents[3] / "benchmarks" / "kill.py"


@pytest.mark.slow
def test_no_receipt_that_a_client_holds_is_lost_by_kill_9() -> None:
    run = subprocess.run(
        [sys.executable, str(KILL), "--rounds", "10", "--seed", "11", "--json"], capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()[-2000:]
    result = json.loads(run.stdout)
    assert result["kills"] == 10
    assert result["receipts_held"] > 100
    assert result["receipts_lost"] == result["receipts_lost_after_all_kills"] == 0
