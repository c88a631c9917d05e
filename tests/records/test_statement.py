"""Statements, against the in-toto Statement v1 specification."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.records import canonical
from mooring.records.digest import Digest, sha256
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
    ReceiptBatch,
    StatusChange,
)
from mooring.records.statement import PAYLOAD_TYPE, STATEMENT_TYPE, Statement, Subject

NOW = "2026-11-23T10:00:00Z"
SUBJECT = Subject("tumour/v1", sha256(b"manifest"))
MODEL = Model("tumour", "v1", NOW, "onnx", (sha256(b"data"),), "4dbdb07", {"alpha": 0.1, "seed": 7, "fit": True})
STATEMENT = Statement(SUBJECT, MODEL)
GOLDEN = (  # the format of version 0.1: signatures over these bytes are checked for ever
    b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"codeCommit":"4dbdb07","created":"2026-11-23'
    b'T10:00:00Z","datasets":["sha256:3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7"],"'
    b'description":"","format":"onnx","name":"tumour","parameters":{"alpha":0.1,"fit":true,"seed":7},"pare'
    b'nts":[],"version":"v1"},"predicateType":"urn:mooring:model:v1","subject":[{"digest":{"sha256":"05b3a'
    b'bf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"},"name":"tumour/v1"}]}'
)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
label = st.from_regex("[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
count = st.integers(0, 2**53 - 1)
real = st.floats(allow_nan=False, allow_infinity=False)
digest = st.binary(min_size=32, max_size=32).map(lambda value: Digest("sha256", value))
time = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
word = st.binary(min_size=32, max_size=32).map(lambda value: "0x" + value.hex())
parameter = text | real | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)
versioned = {"name": label, "version": label, "created": time}
predicates = st.one_of(
    st.builds(Dataset, **versioned, source=text, licence=text, people=count, rows=count, description=text),
    st.builds(
        Model,
        **versioned,
        format=text,
        datasets=st.lists(digest, max_size=3).map(tuple),
        code_commit=text,
        parameters=st.dictionaries(text, parameter, max_size=3),
        evaluation=st.none() | digest,
        parents=st.lists(digest, max_size=3).map(tuple),
        description=text,
    ),
    st.builds(Evaluation, **versioned, dataset=digest, metrics=st.dictionaries(text, real, max_size=3), method=text),
    st.builds(Approval, **versioned, organisation=text, decision=st.sampled_from(["approve", "refuse"]), comment=text),
    st.builds(Deployment, **versioned, environment=text, purposes=st.lists(text).map(tuple), policy=st.none() | digest),
    st.builds(StatusChange, **versioned, before=text, after=text, reason=text, reference=text),
    st.builds(
        Incident,
        **versioned,
        severity=st.sampled_from(["low", "medium", "high", "critical"]),
        summary=text,
        detected=time,
        actions=st.lists(text, max_size=3).map(tuple),
    ),
    st.builds(
        ReceiptBatch,
        origin=st.from_regex("[!-*,-~]{1,256}", fullmatch=True),
        start=st.integers(0, 99),
        stop=st.integers(100, 2**53 - 1),
        checkpoint=digest,
        created=time,
    ),
    st.builds(Erasure, reason=text, keys=st.integers(1, 2**53 - 1), created=time),
    st.builds(
        Block,
        chain=st.integers(1, 2**64 - 1).map(lambda number: f"eip155:{number}"),
        number=count,
        block_hash=word,
        state_root=word,
        receipts_root=word,
        created=time,
    ),
)
statements = st.builds(Statement, st.builds(Subject, text.filter(bool), digest), predicates)


def changed(**fields: object) -> bytes:
    return canonical.encode({**json.loads(STATEMENT.to_bytes()), **fields})  # type: ignore[dict-item]


@given(statements)
def test_a_statement_reads_back_from_its_bytes(statement: Statement) -> None:
    assert Statement.from_bytes(statement.to_bytes()) == statement
    assert statement.digest == sha256(statement.to_bytes())


@given(statements)
def test_a_statement_is_one_by_the_in_toto_specification(statement: Statement) -> None:
    value = json.loads(statement.to_bytes())
    assert value["_type"] == STATEMENT_TYPE == "https://in-toto.io/Statement/v1"
    assert isinstance(value["subject"], list)
    for subject in value["subject"]:  # ResourceDescriptor: digest required; DigestSet: lower-case hex per algorithm
        assert subject["name"]
        assert all(bytes.fromhex(text).hex() == text for text in subject["digest"].values())
        assert subject["digest"]
    assert value["predicateType"] in PREDICATES  # a TypeURI
    assert isinstance(value["predicate"], dict)
    assert PAYLOAD_TYPE == "application/vnd.in-toto+json"  # spec/v1/envelope.md


def test_the_bytes_of_a_statement_stay_as_they_are() -> None:
    assert STATEMENT.to_bytes() == GOLDEN
    assert Statement.from_bytes(GOLDEN) == STATEMENT


def test_strategies_cover_every_predicate() -> None:
    assert {kind.__name__ for kind in PREDICATES.values()} == {
        "Approval", "Block", "Dataset", "Deployment", "Erasure", "Evaluation", "Incident", "Model", "ReceiptBatch",
        "StatusChange",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a", "n" * 512, "日本"])
def test_a_subject_has_a_name(name: str) -> None:
    assert Statement.from_bytes(replace(STATEMENT, subject=replace(SUBJECT, name=name)).to_bytes()).subject.name == name


@pytest.mark.parametrize("name", ["", "n" * 513])
def test_a_subject_without_a_name_or_with_too_long_a_name_is_refused(name: str, refuses) -> None:
    with refuses("subject"):
        replace(SUBJECT, name=name)


HEX = sha256(b"manifest").hex


@pytest.mark.parametrize(
    "subject",
    [
        [],
        {},
        "tumour",
        [{"name": "a", "digest": {"sha256": HEX}}, {"name": "b", "digest": {"sha256": HEX}}],
        [{"name": "a"}],
        [{"digest": {"sha256": HEX}}],
        [{"name": 1, "digest": {"sha256": HEX}}],
        [{"name": "a", "digest": {}}],
        [{"name": "a", "digest": HEX}],
        [{"name": "a", "digest": {"sha256": HEX, "blake3": HEX}}],
        [{"name": "a", "digest": {"sha256": HEX}, "uri": "https://example.org"}],
        [None],
    ],
)
def test_a_subject_of_another_shape_is_refused(subject, refuses) -> None:
    with refuses("statement"):
        Statement.from_bytes(changed(subject=subject))


@pytest.mark.parametrize("digest_set", [{"md5": HEX}, {"sha256": HEX.upper()}, {"sha256": HEX[1:]}, {"sha256": None}])
def test_a_subject_digest_that_we_cannot_check_is_refused(digest_set, refuses) -> None:
    with refuses("digest-format"):
        Statement.from_bytes(changed(subject=[{"name": "a", "digest": digest_set}]))


@pytest.mark.parametrize(
    "fields",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"_type": None},
        {"predicateType": "https://slsa.dev/provenance/v1"},
        {"predicateType": ["urn:mooring:model:v1"]},
        {"predicateType": "urn:mooring:model:v2"},
        {"extra": 1},
    ],
)
def test_a_statement_of_another_type_is_refused(fields: dict[str, object], refuses) -> None:
    with refuses("statement"):
        Statement.from_bytes(changed(**fields))


@pytest.mark.parametrize("name", ["_type", "subject", "predicateType", "predicate"])
def test_a_statement_without_one_of_its_fields_is_refused(name: str, refuses) -> None:
    value = {key: item for key, item in json.loads(STATEMENT.to_bytes()).items() if key != name}
    with refuses("statement"):
        Statement.from_bytes(canonical.encode(value))


@pytest.mark.parametrize("data", [b"[]", b"null", b'"statement"'])
def test_json_that_is_no_object_is_no_statement(data: bytes, refuses) -> None:
    with refuses("statement"):
        Statement.from_bytes(data)


@pytest.mark.parametrize("predicate", [{}, [], None, {"created": NOW, "keys": 1, "reason": "", "person": "Ada"}])
def test_a_predicate_of_another_shape_is_refused(predicate, refuses) -> None:
    with refuses("record-shape"):
        Statement.from_bytes(changed(predicateType="urn:mooring:erasure:v1", predicate=predicate))


def test_a_statement_whose_digest_would_not_be_that_of_its_bytes_is_refused(refuses) -> None:
    with refuses("not-canonical"):
        Statement.from_bytes(STATEMENT.to_bytes() + b" ")
    value = json.loads(STATEMENT.to_bytes())
    del value["predicate"]["description"]  # it has a default, which the signed bytes do not carry
    with refuses("not-canonical"):
        Statement.from_bytes(canonical.encode(value))


def test_a_number_from_numpy_is_signed_as_the_number_it_is() -> None:
    evaluation = Evaluation("tumour", "v1", NOW, sha256(b"data"), {"auc": numpy.float64(0.75)}, "hold-out")
    assert Statement.from_bytes(Statement(SUBJECT, evaluation).to_bytes()).predicate == evaluation


@pytest.mark.parametrize("rows", [True, 1.5, "569"])
def test_a_value_that_would_read_back_as_another_type_is_never_signed(rows, refuses) -> None:
    dataset = Dataset("patients", "v1", NOW, "clinic", "CC-BY-4.0")
    object.__setattr__(dataset, "rows", rows)
    with refuses("record-shape"):
        Statement(SUBJECT, dataset).to_bytes()


def test_a_list_where_a_tuple_belongs_is_never_signed(refuses) -> None:
    with refuses("statement"):
        replace(STATEMENT, predicate=replace(MODEL, datasets=[sha256(b"data")])).to_bytes()


def test_a_statement_larger_than_its_readers_take_is_never_signed(refuses) -> None:
    assert replace(STATEMENT, predicate=replace(MODEL, description="d" * 1_000_000)).to_bytes()
    with refuses("json"):
        replace(STATEMENT, predicate=replace(MODEL, description="d" * 1024 * 1024)).to_bytes()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_is_never_signed(number: float, refuses) -> None:
    evaluation = Evaluation("tumour", "v1", NOW, sha256(b"data"), {"auc": number}, "hold-out")
    with refuses("not-canonical"):
        Statement(SUBJECT, evaluation).to_bytes()
