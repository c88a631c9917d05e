"""Predicates: what each may and may not say."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from mooring.records.digest import sha256
from mooring.records.predicates import (
    PREDICATES,
    Approval,
    Block,
    Dataset,
    Deployment,
    Erasure,
    Evaluation,
    Incident,
    Model,
    Predicate,
    ReceiptBatch,
    StatusChange,
    check_label,
    check_origin,
    predicate_type,
)

NOW = "2026-11-23T10:00:00Z"
WORD = "0x" + "ab" * 32
EXAMPLES: dict[str, Predicate] = {
    "dataset": Dataset("patients", "v1", NOW, "clinic", "CC-BY-4.0", people=569, rows=569),
    "model": Model("tumour", "v1", NOW, "onnx", (sha256(b"d"),), "4dbdb07", {"alpha": 0.1, "seed": 7}),
    "evaluation": Evaluation("tumour", "v1", NOW, sha256(b"d"), {"auc": 0.99}, "hold-out"),
    "approval": Approval("tumour", "v1", NOW, "clinic", "approve"),
    "deployment": Deployment("tumour", "v1", NOW, "production", ("diagnosis",), sha256(b"p")),
    "status-change": StatusChange("tumour", "v1", NOW, "approved", "active", "", WORD),
    "receipt-batch": ReceiptBatch("mooring.local/demo/receipts", 0, 1000, sha256(b"c"), NOW),
    "erasure": Erasure("request", 1, NOW),
    "incident": Incident("tumour", "v1", NOW, "high", "wrong answers", NOW, ("suspended",)),
    "block": Block("eip155:1", 0, WORD, WORD, WORD, NOW),
}
VERSIONED = ["dataset", "model", "evaluation", "approval", "deployment", "status-change", "incident"]


def test_every_predicate_has_an_example_here_and_a_type_of_its_own() -> None:
    assert {f"urn:mooring:{name}:v1": type(example) for name, example in EXAMPLES.items()} == dict(PREDICATES)
    for name, example in EXAMPLES.items():
        assert predicate_type(example) == f"urn:mooring:{name}:v1"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_predicate_cannot_be_changed(name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        EXAMPLES[name].created = "later"  # type: ignore[misc]


@pytest.mark.parametrize("value", ["a", "0", "tumour", "v1.2.3-rc_1", "a" * 64])
def test_labels_are_short_and_plain(value: str) -> None:
    check_label("name", value)


@pytest.mark.parametrize(
    "value", ["", "a" * 65, "A", "-a", ".a", "_a", "a b", "a/b", "é", "a\n", "١", "..", "a\0", "a@1"]
)
def test_what_is_no_label_is_refused(value: str, refuses) -> None:
    with refuses("label"):
        check_label("name", value)


@pytest.mark.parametrize("value", ["mooring.local/demo/records", "o", "!" * 256, "log.example:8080/~x"])
def test_origins_can_name_a_signed_note_key(value: str) -> None:
    check_origin("origin", value)


@pytest.mark.parametrize("value", ["", "a b", "a+b", "a\n", "é", "\x7f", "o" * 257])
def test_what_could_name_no_key_is_no_origin(value: str, refuses) -> None:
    with refuses("origin"):
        check_origin("origin", value)


@pytest.mark.parametrize("name", VERSIONED)
@pytest.mark.parametrize(("field", "value", "code"), [("name", "T", "label"), ("version", "", "label")])
def test_a_versioned_predicate_names_its_asset_by_labels(name: str, field: str, value: str, code: str, refuses) -> None:
    with refuses(code):
        replace(EXAMPLES[name], **{field: value})


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_predicate_says_when_it_was_made(name: str, refuses) -> None:
    with refuses("time"):
        replace(EXAMPLES[name], created="2026-11-23")


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("dataset", {"people": -1}, "dataset"),
        ("dataset", {"rows": -1}, "dataset"),
        ("approval", {"decision": "Approve"}, "decision"),
        ("approval", {"decision": ""}, "decision"),
        ("incident", {"severity": "HIGH"}, "severity"),
        ("incident", {"detected": "yesterday"}, "time"),
        ("receipt-batch", {"start": -1}, "receipt-range"),
        ("receipt-batch", {"start": 1000}, "receipt-range"),
        ("receipt-batch", {"origin": ""}, "origin"),
        ("erasure", {"keys": 0}, "erasure"),
        ("block", {"number": -1}, "block"),
        ("block", {"chain": "mainnet"}, "caip"),
        ("block", {"block_hash": WORD[2:]}, "block"),
        ("block", {"state_root": WORD.upper()}, "block"),
        ("block", {"receipts_root": WORD + "00"}, "block"),
    ],
)
def test_a_predicate_that_says_something_impossible_cannot_exist(name: str, change, code: str, refuses) -> None:
    with refuses(code):
        replace(EXAMPLES[name], **change)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("dataset", {"people": 0, "rows": 0}),
        ("approval", {"decision": "refuse"}),
        ("incident", {"severity": "low"}),
        ("incident", {"severity": "critical"}),
        ("receipt-batch", {"start": 999}),
        ("erasure", {"keys": 2}),
        ("block", {"number": 2**53 - 1}),
    ],
)
def test_a_predicate_may_go_up_to_its_bounds(name: str, change) -> None:
    assert replace(EXAMPLES[name], **change) != EXAMPLES[name]


def test_a_model_keeps_its_parameters_when_its_maker_changes_theirs() -> None:
    parameters = {"alpha": 0.1}
    model = replace(EXAMPLES["model"], parameters=parameters)
    parameters["alpha"] = 0.9
    assert model.parameters == {"alpha": 0.1}
    with pytest.raises(TypeError):
        model.parameters["alpha"] = 0.9


def test_an_evaluation_keeps_its_metrics_when_its_maker_changes_theirs() -> None:
    metrics = {"auc": 0.5}
    evaluation = replace(EXAMPLES["evaluation"], metrics=metrics)
    metrics["auc"] = 1.0
    assert evaluation.metrics == {"auc": 0.5}
    with pytest.raises(TypeError):
        evaluation.metrics["auc"] = 1.0
