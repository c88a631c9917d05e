"""What all tests share: tests that need an absent tool are skipped and counted aloud, and may not be skipped in CI."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from glob import glob
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before any test imports ONNX Runtime

# A busy machine must not fail a property, and CI must not fail for an example that nobody has seen before.
settings.register_profile("mooring", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mooring")

ROOT = Path(__file__).parent.parent
_absent: Counter[str] = Counter()


def _node() -> bool:
    return shutil.which("node") is not None and (ROOT / "contracts/node_modules/.bin/anvil").exists()


def _postgres() -> bool:
    return bool(glob("/usr/lib/postgresql/*/bin/initdb")) or shutil.which("initdb") is not None


_TOOLS = {"node": _node, "postgres": _postgres}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    present = {tool: probe() for tool, probe in _TOOLS.items()}
    for item in items:
        for tool, there in present.items():
            if item.get_closest_marker(tool) is None or there:
                continue
            if os.environ.get(f"MOORING_REQUIRE_{tool.upper()}"):
                raise pytest.UsageError(f"{tool} is required here and is not installed")
            _absent[tool] += 1
            item.add_marker(pytest.mark.skip(reason=f"{tool} is not installed"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for tool, count in sorted(_absent.items()):
        terminalreporter.write_line(f"NOT RUN: {count} tests need {tool}, which is not installed", yellow=True)
