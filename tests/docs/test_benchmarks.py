"""The figures of the documentation are those of the results file, and of nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.docs.conftest import ROOT

PAGE, README = ROOT / "docs/benchmarks.md", ROOT / "README.md"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_run", ROOT / "benchmarks/run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def record(result: dict[str, Any]) -> dict[str, Any]:
    machine = {"cores": 2, "processor": "p", "memory_gib": 4, "system": "s", "python": "3", "load": 0}
    return {"date": "2026-11-23", "seconds": 1, "command": "c", "machine": machine, "result": result}


KILLED = {"kills": 3, "receipts_held": 4711, "receipts_lost": 0, "receipts_lost_after_all_kills": 0}


def test_every_benchmark_is_run_and_has_its_place_on_the_page(runner: ModuleType) -> None:
    scripts = {str(path.relative_to(ROOT / "benchmarks")) for path in (ROOT / "benchmarks").rglob("*.py")}
    beside = {"run.py", "gateway/deployment.py", "gateway/mooring_server.py", "gateway/mlserver/onnx_model.py"}
    assert {suite.script for suite in runner.SUITES} == scripts - beside
    text = PAGE.read_text()
    for suite in runner.SUITES:
        assert len(re.findall(f"<!-- begin: {suite.name} -->\n.*?\n<!-- end: {suite.name} -->", text, re.DOTALL)) == 1
        assert suite.command in text


def test_the_pages_show_what_the_results_file_says(runner: ModuleType) -> None:
    results = json.loads(runner.RESULTS.read_text()) if runner.RESULTS.exists() else {}
    for page in (PAGE, README):
        assert runner.filled(page.read_text(), results) == page.read_text(), "run: benchmarks/run.py --render"
    unmeasured = [suite.name for suite in runner.SUITES if suite.name not in results]
    assert [
        name for name in unmeasured if runner.NOTHING not in PAGE.read_text().split(f"begin: {name} ")[1][:40]
    ] == []


def test_every_figure_of_the_readme_is_one_that_is_measured(runner: ModuleType) -> None:
    source = Path(runner.__file__ or "").read_text()
    shown = dict(re.findall(r"<!-- figure: ([a-z0-9-]+) -->(.*?)<!-- /figure -->", README.read_text()))
    assert len(shown) > 5
    assert [name for name in shown if f'"{name}"' not in source] == []
    results = json.loads(runner.RESULTS.read_text()) if runner.RESULTS.exists() else {}
    unmeasured = {name: text for name, text in shown.items() if name not in runner.figures(results)}
    assert set(unmeasured.values()) <= {"not measured yet"}


def test_a_result_fills_its_own_place_and_no_other(runner: ModuleType) -> None:
    page = "<!-- begin: kill -->\nold\n<!-- end: kill -->\n<!-- begin: gas -->\nold\n<!-- end: gas -->\n"
    page += "<!-- figure: kill -->old<!-- /figure --> <!-- figure: gas-anchor -->old<!-- /figure -->"
    filled = runner.filled(page, {"kill": record(KILLED)})
    assert "| receipts that clients held | 4,711 |" in filled
    assert "<!-- figure: kill -->3 kills, 4,711 receipts held, 0 lost<!-- /figure -->" in filled
    assert "<!-- begin: gas -->\nold\n" in filled
    assert "<!-- figure: gas-anchor -->old" in filled


def test_a_missed_aim_is_shown_as_missed(runner: ModuleType) -> None:
    result = {
        "figures": dict.fromkeys(runner.VERIFY, 31.0),
        "limits": {"bundle_ms": 30.0, "import_ms": 150.0},
        "receipts": 10,
        "typical_bundle": "b",
    }
    text = runner.verify(result)
    assert "| the bundle, median of a process, ms | 31.0 | < 30: **missed** |" in text
    assert "| import the verifier, fresh process, ms | 31.0 | < 150: met |" in text


def test_quick_figures_never_reach_a_page(tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text("<!-- begin: gas -->\nold\n<!-- end: gas -->\n")
    command = [sys.executable, str(ROOT / "benchmarks/run.py"), "--only", "gas", "--quick"]
    done = subprocess.run(
        [*command, "--results", str(results), "--page", str(page)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "| anchor |" in done.stdout) == (0, True)
    assert page.read_text() == "<!-- begin: gas -->\nold\n<!-- end: gas -->\n"
    assert not results.exists()


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/run.py"), "--only", "gsa", "--page", str(tmp_path / "p")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no benchmark gsa" in done.stderr
