"""The demo's data and models: real, repeatable, and bad where the demo needs a bad one."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import pytest

from mooring.entrypoints.demo.training import INPUT, Rows, Trained, patients_csv, read_rows, train
from mooring.errors import ConfigError


def predicted(onnx: bytes, rows: Rows) -> np.ndarray:  # type: ignore[type-arg]  # whatever the runtime gives
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == [INPUT]
    labels = session.run(["label"], {INPUT: rows.features})[0]
    assert isinstance(labels, np.ndarray)
    return labels


def test_the_data_set_is_whole(patients: Rows) -> None:
    assert (len(patients.patients), patients.features.shape, patients.labels.sum()) == (569, (569, 30), 357)
    assert len(set(patients.patients)) == 569
    assert patients_csv() == patients_csv()


def test_the_model_is_good_and_scored_on_rows_that_it_did_not_see(patients: Rows, trained: Trained) -> None:
    assert trained.metrics["accuracy"] > 0.95
    assert trained.metrics["auc"] > 0.98
    assert np.mean(predicted(trained.onnx, patients) == patients.labels) > 0.95
    assert trained.parameters["testShare"] == 0.3


def test_training_does_not_depend_on_the_order_of_the_rows(patients: Rows, trained: Trained) -> None:
    order = np.arange(len(patients.patients))[::-1]
    names = tuple(patients.patients[i] for i in order)
    again = train(Rows(names, patients.features[order], patients.labels[order]))
    assert again.metrics == trained.metrics
    assert (predicted(again.onnx, patients) == predicted(trained.onnx, patients)).all()


def test_the_second_model_scores_as_well_and_answers_badly(patients: Rows, trained: Trained) -> None:
    faulty = train(patients, factor=10.0)
    assert abs(faulty.metrics["accuracy"] - trained.metrics["accuracy"]) < 0.02
    assert np.mean(predicted(faulty.onnx, patients) == patients.labels) < 0.8


def test_a_row_that_is_no_patient_is_not_read() -> None:
    with pytest.raises(AssertionError):
        read_rows(["size", "benign"], [["1", "0"]])


def test_without_its_libraries_the_demo_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ConfigError) as caught:
        patients_csv()
    assert (caught.value.code, "mooring[demo]" in caught.value.hint) == ("extra-missing", True)
