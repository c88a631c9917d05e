"""Mooring sends nothing to anybody; ONNX Runtime does by default on Linux since its pull request 27379."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SERVE_ONE = """
import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from mooring.entrypoints.gateway.engine import _session

model = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
onnx = convert_sklearn(model, initial_types=[("x", FloatTensorType([None, 1]))], target_opset=17)
session = _session(onnx.SerializeToString(), 1)
print(session.run(None, {"x": np.array([[1.0]], dtype=np.float32)})[0])
"""


def _environment(home: Path) -> dict[str, str]:
    """Nothing but a home: the runtime keeps quiet by itself where it believes itself in CI."""
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


def test_a_served_model_leaves_no_device_id_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SERVE_ONE], env=_environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []


def test_without_our_setting_the_runtime_would_leave_one(tmp_path: Path) -> None:
    code = "import onnxruntime; onnxruntime.get_available_providers()"
    subprocess.run([sys.executable, "-c", code], env=_environment(tmp_path), capture_output=True, check=True)
    assert list(tmp_path.rglob("deviceid")), "ONNX Runtime changed: is the setting still needed, and still enough?"
