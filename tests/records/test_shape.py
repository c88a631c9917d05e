"""Between records and JSON."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.records import canonical
from mooring.records.canonical import Json
from mooring.records.digest import Digest, sha256
from mooring.records.shape import from_json, to_json


class Colour(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    first_name: str


@dataclass(frozen=True, slots=True)
class Outer:
    """Every kind of field that a record may have."""

    whole: int
    real: float
    flag: bool
    text: str
    raw: bytes
    digest: Digest
    inner: Inner
    many: tuple[Inner, ...]
    scores: Mapping[str, float]
    mixed: Mapping[str, str | int | float | bool]
    maybe_digest: Digest | None = None
    maybe_text: str | None = None
    trailing_: int = 0
    tags: tuple[str, ...] = field(default_factory=tuple)


OUTER = Outer(
    1, 0.5, True, "t", b"\xfb\xff", sha256(b""), Inner("a"), (Inner("b"), Inner("c")), {"x": 1.0}, {"y": False}
)
JSON: dict[str, Json] = {
    "whole": 1,
    "real": 0.5,
    "flag": True,
    "text": "t",
    "raw": "+/8=",
    "digest": str(sha256(b"")),
    "inner": {"firstName": "a"},
    "many": [{"firstName": "b"}, {"firstName": "c"}],
    "scores": {"x": 1.0},
    "mixed": {"y": False},
    "trailing": 0,
    "tags": [],
}

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
real = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**53) + 1, 2**53 - 1)
digests = st.binary(min_size=32, max_size=32).map(lambda value: Digest("sha256", value))
inners = st.builds(Inner, text)
outers = st.builds(
    Outer,
    whole=whole,
    real=real,
    flag=st.booleans(),
    text=text,
    raw=st.binary(max_size=8),
    digest=digests,
    inner=inners,
    many=st.lists(inners, max_size=3).map(tuple),
    scores=st.dictionaries(text, real, max_size=3),
    mixed=st.dictionaries(text, text | whole | real | st.booleans(), max_size=3),
    maybe_digest=st.none() | digests,
    maybe_text=st.none() | text,
    trailing_=whole,
    tags=st.lists(text, max_size=3).map(tuple),
)


@given(outers)
def test_a_record_reads_back_from_its_json(outer: Outer) -> None:
    assert from_json(Outer, to_json(outer)) == outer


@given(outers)
def test_a_record_reads_back_from_its_canonical_bytes(outer: Outer) -> None:
    assert from_json(Outer, canonical.decode(canonical.encode(to_json(outer)))) == outer


def test_fields_are_named_in_camel_case_and_left_out_when_none() -> None:
    assert to_json(OUTER) == JSON
    assert from_json(Outer, JSON) == OUTER


@pytest.mark.parametrize("raw", [bytearray(b"\xfb\xff"), memoryview(b"\xfb\xff")])
def test_bytes_of_any_kind_are_written_in_base64(raw: object) -> None:
    assert to_json(raw) == "+/8="


def test_plain_values_and_enumerations_are_written_as_they_are() -> None:
    assert to_json(MappingProxyType({"a": (Colour.RED, None, 1)})) == {"a": ["red", None, 1]}


def test_a_type_is_no_record(refuses) -> None:
    with refuses("not-canonical"):
        canonical.encode(to_json(Inner))


def test_keys_that_would_become_the_same_text_are_not_merged(refuses) -> None:
    with refuses("not-canonical"):
        canonical.encode(to_json({1: "a", "1": "b"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("whole", True),
        ("whole", 1.0),
        ("whole", "1"),
        ("whole", None),
        ("real", True),
        ("real", "1"),
        ("flag", 1),
        ("flag", "true"),
        ("text", 1),
        ("text", ["t"]),
        ("raw", 1),
        ("raw", "+/8"),
        ("raw", "-_8="),
        ("raw", "+/9="),
        ("raw", "+/8=\n"),
        ("raw", "é/8="),
        ("digest", 1),
        ("inner", "a"),
        ("inner", []),
        ("inner", {}),
        ("inner", {"firstName": "a", "lastName": "b"}),
        ("inner", {"first_name": "a"}),
        ("many", {"firstName": "b"}),
        ("many", "bc"),
        ("many", [{"firstName": 1}]),
        ("scores", [["x", 1.0]]),
        ("scores", {"x": "1"}),
        ("scores", {"x": None}),
        ("mixed", {"y": None}),
        ("mixed", {"y": [1]}),
        ("maybeDigest", None),
        ("maybeText", None),
        ("maybeText", 1),
        ("tags", None),
        ("tags", [None]),
        ("unknown", 1),
        ("trailing_", 1),
    ],
)
def test_a_field_of_another_shape_is_refused(name: str, value: Json, refuses) -> None:
    with refuses("record-shape"):
        from_json(Outer, {**JSON, name: value})


@pytest.mark.parametrize("name", ["whole", "inner", "scores"])
def test_a_required_field_must_be_there(name: str, refuses) -> None:
    with refuses("record-shape"):
        from_json(Outer, {key: value for key, value in JSON.items() if key != name})


def test_an_optional_field_may_be_absent() -> None:
    assert from_json(Outer, {key: value for key, value in JSON.items() if key not in ("tags", "trailing")}) == OUTER


def test_a_refusal_names_the_place_the_value_and_the_remedy() -> None:
    with pytest.raises(Exception, match=r"bundle\.many\[1\]\.firstName is 7") as caught:
        from_json(Outer, {**JSON, "many": [{"firstName": "b"}, {"firstName": 7}]}, "bundle")
    assert caught.value.hint == "a str is expected"


def test_a_refusal_stays_short_and_printable_whatever_is_sent() -> None:
    hostile: Json = {"\x1b[2J\r\n" + "n" * 10_000: "v" * 100_000}
    with pytest.raises(Exception, match="unknown field") as caught:
        from_json(Inner, hostile)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500
    with pytest.raises(Exception, match="firstName is") as caught:
        from_json(Inner, {"firstName": ["v" * 100_000] * 100})
    assert len(caught.value.message) < 500
