"""The guide's model: a logistic regression over two columns, as ONNX.

    python docs/guide/train.py ROWS.csv MODEL.onnx [STRENGTH]

The people in patients.csv are made up.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(rows: str, model: str, strength: str = "1.0") -> None:
    """Train on every row, write the model, print its accuracy on the same rows."""
    with Path(rows).open(newline="") as file:
        table = list(csv.DictReader(file))
    features = np.array([[row["age"], row["marker"]] for row in table], dtype=np.float32)
    labels = np.array([int(row["ill"]) for row in table])
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=float(strength))).fit(features, labels)
    onnx = to_onnx(fitted, features[:1], options={"zipmap": False}, target_opset=17)
    Path(model).write_bytes(onnx.SerializeToString())
    print(f"{model}: accuracy {fitted.score(features, labels):.3f} on {len(table)} rows")


if __name__ == "__main__":
    main(*sys.argv[1:])
