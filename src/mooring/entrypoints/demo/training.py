"""The demo's data and models: scikit-learn's breast-cancer data (569 patients), logistic regression, ONNX.

Source of the data: Wolberg, Mangasarian, Street, Street: Breast Cancer Wisconsin (Diagnostic), UCI, 1993, as bundled
with scikit-learn. The patient identifiers are made up here: the data set has none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mooring.errors import ConfigError

__all__ = ["INPUT", "Rows", "Trained", "patients_csv", "read_rows", "train"]

INPUT = "features"
"""The model's input tensor: FP32, shape [-1, 30]."""

_SEED = 7


@dataclass(frozen=True, slots=True)
class Rows:
    """A readable part of the table: patients, features of shape [n, 30], labels of shape [n] (1: benign)."""

    patients: tuple[str, ...]
    features: np.ndarray[Any, np.dtype[np.float32]]
    labels: np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model as ONNX bytes with how it was made and what it scored on held-out rows."""

    onnx: bytes
    parameters: Mapping[str, str | int | float | bool]
    metrics: Mapping[str, float]


def patients_csv() -> bytes:
    """Return the data set as CSV: patient, 30 features, label."""
    data = _sklearn("sklearn.datasets").load_breast_cancer()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["patient", *(str(name).replace(" ", "_") for name in data.feature_names), "benign"])
    for number, (features, label) in enumerate(zip(data.data, data.target, strict=True)):
        writer.writerow([f"patient-{number:04}", *(repr(float(value)) for value in features), int(label)])
    return out.getvalue().encode()


def read_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Rows:
    """Read decrypted rows of the table."""
    assert (header[0], header[-1]) == ("patient", "benign")
    patients = tuple(row[0] for row in rows)
    features = np.array([[float(value) for value in row[1:-1]] for row in rows], dtype=np.float32)
    return Rows(patients, features, np.array([int(row[-1]) for row in rows], dtype=np.int64))


def train(rows: Rows, *, factor: float = 1.0) -> Trained:
    """Train and export a model; another `factor` is the demo's fault: a unit error in the pipeline's input."""
    model_selection, pipeline = _sklearn("sklearn.model_selection"), _sklearn("sklearn.pipeline")
    order = np.argsort(np.array(rows.patients))  # the sealed table's order is random: make training repeatable
    features, labels = rows.features[order] * np.float32(factor), rows.labels[order]
    split = model_selection.train_test_split(features, labels, test_size=0.3, random_state=_SEED, stratify=labels)
    train_x, test_x, train_y, test_y = split
    model = pipeline.make_pipeline(
        _sklearn("sklearn.preprocessing").StandardScaler(),
        _sklearn("sklearn.linear_model").LogisticRegression(C=1.0, max_iter=1000),
    ).fit(train_x, train_y)
    scores = _sklearn("sklearn.metrics")
    metrics = {
        "accuracy": round(float(scores.accuracy_score(test_y, model.predict(test_x))), 4),
        "auc": round(float(scores.roc_auc_score(test_y, model.predict_proba(test_x)[:, 1])), 4),
    }
    parameters: dict[str, str | int | float | bool] = {
        "estimator": "LogisticRegression",
        "C": 1.0,
        "maxIter": 1000,
        "seed": _SEED,
        "testShare": 0.3,
    }
    return Trained(_export(model), parameters, metrics)


def _export(model: object) -> bytes:
    skl2onnx, types = _sklearn("skl2onnx"), _sklearn("skl2onnx.common.data_types")
    exported = skl2onnx.convert_sklearn(
        model,
        "breast-cancer",
        initial_types=[(INPUT, types.FloatTensorType([None, 30]))],
        options={id(model): {"zipmap": False}},
        target_opset=17,
    )
    data: bytes = exported.SerializeToString()
    return data


def _sklearn(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the demo needs {error.name}", code="extra-missing", hint="pip install 'mooring[demo]'"
        ) from error
