"""Canonical bytes, against RFC 8785, the `rfc8785` package and Python's own JSON."""

from __future__ import annotations

import enum
import json
import math
import struct
import subprocess
import sys
from collections import UserDict
from types import MappingProxyType

import numpy
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import RecordError
from mooring.records.canonical import Json, decode, encode

SAFE = 2**53 - 1
APPENDIX_B = {  # RFC 8785, Appendix B: IEEE 754 bits → JSON
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
APPENDIX_B_ERRORS = ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"]

text = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-SAFE, SAFE)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


def double(bits: str) -> float:
    return struct.unpack(">d", bytes.fromhex(bits))[0]


def nested(depth: int, innermost: Json) -> Json:
    value = innermost
    for level in range(depth - 1):
        value = {"a": value} if level % 2 else [value]
    return value


@pytest.mark.parametrize(("bits", "expected"), APPENDIX_B.items())
def test_numbers_are_written_as_rfc_8785_appendix_b_lists_them(bits: str, expected: str) -> None:
    assert encode(double(bits)) == expected.encode()


@pytest.mark.parametrize("expected", sorted(set(APPENDIX_B.values())))
def test_numbers_that_rfc_8785_writes_are_read_back_to_the_same_bytes(expected: str) -> None:
    assert encode(decode(expected.encode())) == expected.encode()


@pytest.mark.parametrize("bits", APPENDIX_B_ERRORS)
def test_the_nan_and_infinities_of_appendix_b_are_refused(bits: str, refuses) -> None:
    with refuses("not-canonical"):
        encode(double(bits))


def test_the_example_of_rfc_8785_section_3_2_2_is_written_as_printed_there() -> None:
    given_text = rb"""{
       "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
       "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
       "literals": [null, true, false]
     }"""
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert encode(decode(given_text)) == expected.encode()


def test_keys_are_sorted_by_utf_16_units_as_in_rfc_8785_section_3_2_3() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    sorted_keys = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(encode(dict.fromkeys(keys, 0)))) == sorted_keys


@given(values)
def test_bytes_are_those_of_the_rfc8785_package(value: Json) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(values)
def test_python_reads_what_is_written_as_the_same_value(value: Json) -> None:
    assert json.loads(encode(value), parse_int=float) == value


@given(values)
def test_what_is_written_is_read_back_to_the_same_value_and_bytes(value: Json) -> None:
    read = decode(encode(value))
    assert read == value
    assert encode(read) == encode(value)


@given(st.binary(max_size=64) | text.map(str.encode) | values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_as_python_reads_them_or_refused(data: bytes) -> None:
    try:
        value = decode(data)
    except RecordError as error:
        code = error.code
    else:
        assert value == json.loads(data, parse_int=float)
        assert decode(encode(value)) == value
        return
    assert code == "json"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives_the_round_trip_exactly(number: float) -> None:
    assert float(decode(encode(number))) == number


def test_subclasses_of_plain_values_are_written_as_the_values_they_are() -> None:
    class Colour(enum.StrEnum):
        RED = "red"

    class Rank(enum.IntEnum):
        FIRST = 1

    value = UserDict({"a": Colour.RED, "b": Rank.FIRST, "c": numpy.float64(0.1), "d": MappingProxyType({}), "e": (1,)})
    assert encode(value) == b'{"a":"red","b":1,"c":0.1,"d":{},"e":[1]}'


@pytest.mark.parametrize("value", [b"a", bytearray(b"a"), memoryview(b"a"), {1}, object(), numpy.int64(1), 1j])
def test_values_that_json_has_no_form_for_are_refused(value: object, refuses) -> None:
    with refuses("not-canonical"):
        encode([value])  # type: ignore[list-item]


@pytest.mark.parametrize("key", [1, None, True, b"a", ("a",)])
def test_keys_that_are_not_strings_are_refused(key: object, refuses) -> None:
    with refuses("not-canonical"):
        encode({key: 1})  # type: ignore[dict-item]


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["a\udc00b"]])
def test_lone_surrogates_are_not_written(value: Json, refuses) -> None:
    with refuses("not-canonical"):
        encode(value)


@pytest.mark.parametrize("data", [rb'"\ud800"', rb'{"\udfff":1}', rb'["\\\udc00"]', rb'"\ude00\ud83d"'])
def test_escaped_lone_surrogates_are_not_read(data: bytes, refuses) -> None:
    with refuses("json"):
        decode(data)


def test_an_escaped_pair_of_surrogates_is_read_as_one_character() -> None:
    assert decode(rb'"\ud83d\ude00"') == "\U0001f600"
    assert decode(rb'"\\ud800"') == r"\ud800"


@pytest.mark.parametrize("number", [SAFE, -SAFE])
def test_integers_up_to_2_53_minus_1_are_written_and_read(number: int) -> None:
    assert decode(encode(number)) == number


@pytest.mark.parametrize(
    "number", [SAFE + 1, -SAFE - 1, pytest.param(10**5000, id="huge"), pytest.param(-(10**5000), id="hugely-negative")]
)
def test_integers_beyond_2_53_minus_1_are_not_written(number: int, refuses) -> None:
    with refuses("not-canonical"):
        encode(number)


@pytest.mark.parametrize(
    "data",
    [
        b"9007199254740993",
        b"-9007199254740993",
        b"295147905179352825856",
        b"1" + b"0" * 21,
        b"1" * 5000,
        b"1e400",
        b"-1e400",
        b"1" * 400 + b".5",
    ],
)
def test_numbers_that_a_double_cannot_hold_as_written_are_not_read(data: bytes, refuses) -> None:
    with refuses("json"):
        decode(data)


def test_whole_numbers_beyond_the_safe_integers_are_read_as_the_floats_they_are() -> None:
    value = decode(b"100000000000000000000")
    assert type(value) is float
    assert value == 1e20


@pytest.mark.parametrize("data", [b"-0", b"-0.0", b"0e5"])
def test_negative_zero_is_written_as_zero(data: bytes) -> None:
    assert encode(decode(data)) == b"0"


@pytest.mark.parametrize("innermost", [[], {}, [1]])
def test_sixty_four_levels_of_nesting_are_written_and_read(innermost: Json) -> None:
    data = json.dumps(nested(64, innermost), separators=(",", ":")).encode()
    assert encode(nested(64, innermost)) == data
    assert decode(data) == nested(64, innermost)


@pytest.mark.parametrize("innermost", [[], {}, [1]])
@pytest.mark.parametrize("depth", [65, 66])
def test_a_level_more_than_sixty_four_is_neither_written_nor_read(depth: int, innermost: Json, refuses) -> None:
    with refuses("not-canonical"):
        encode(nested(depth, innermost))
    with refuses("json"):
        decode(json.dumps(nested(depth, innermost)).encode())


@pytest.mark.parametrize(
    "data", [b"[" + b"[]," * 99 + b"{}]", b'["' + b"[{" * 99 + b'"]', b'["\\"' + b"[" * 99 + b'"]']
)
def test_brackets_side_by_side_or_inside_text_are_no_nesting(data: bytes) -> None:
    assert decode(data) == json.loads(data)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "data",
    [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"[" * 65 + b'"' + b'\\"' * 1_000_000, b'["\\"' + b'",[' * 1_000_000],
    ids=["arrays", "objects", "text without end", "text and arrays"],
)
def test_nesting_that_would_exhaust_the_stack_is_refused_quickly(data: bytes, refuses) -> None:
    with refuses("json"):
        decode(data)


def test_nesting_is_refused_before_the_parser_recurses_whatever_the_recursion_limit() -> None:
    code = (
        "import sys; from mooring.errors import RecordError; from mooring.records.canonical import decode\n"
        "sys.setrecursionlimit(10**7)\n"
        "try: decode(b'[' * 10**6)\n"
        "except RecordError as error: print(error.code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "json\n"


def test_a_value_that_contains_itself_is_refused(refuses) -> None:
    loop: list[Json] = []
    loop.append(loop)
    with refuses("not-canonical"):
        encode(loop)


@pytest.mark.parametrize("data", [b'{"a":1,"a":1}', rb'{"a":1,"\u0061":2}', b'[{"b":{"":0,"":1}}]'])
def test_a_key_that_appears_twice_is_refused(data: bytes, refuses) -> None:
    with refuses("json"):
        decode(data)


@pytest.mark.timeout(20)
def test_a_repeated_key_among_very_many_is_found_quickly(refuses) -> None:
    keys = ",".join(f'"{number}":0' for number in range(200_000))
    with refuses("json"):
        decode(f'{{{keys},"199999":0}}'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"nul",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"[1,]",
        b'{"a":1,}',
        b"{a:1}",
        b"'a'",
        b'"\n"',
        b'"\\x41"',
        b"1 2",
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"1\x00",
    ],
)
def test_what_is_not_strict_json_is_refused(data: bytes, refuses) -> None:
    with refuses("json"):
        decode(data)


def test_input_is_read_up_to_its_limit_and_refused_one_byte_above(refuses) -> None:
    assert decode(b"[1]", limit=3) == [1]
    with refuses("json"):
        decode(b"[12]", limit=3)


def test_zero_and_its_smallest_neighbours_differ_in_their_bytes() -> None:
    assert encode(0.0) == b"0"
    assert encode(math.nextafter(0.0, 1.0)) == b"5e-324"
