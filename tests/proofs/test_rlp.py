"""Recursive Length Prefix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rlp as reference
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.rlp import MAX_DEPTH, MAX_SIZE, Item, decode, decode_scalar, encode, encode_scalar

VECTORS = json.loads((Path(__file__).parent / "vectors/rlp.json").read_text())
ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=6).map(tuple), max_leaves=30)


def refusal(data: bytes) -> str:
    with pytest.raises(ProofError) as caught:
        decode(data)
    assert caught.value.code == "rlp"
    assert caught.value.hint
    return caught.value.message


def item(value: Any) -> Item:
    if isinstance(value, int):
        return encode_scalar(value)
    return value.encode() if isinstance(value, str) else tuple(item(part) for part in value)


@pytest.mark.parametrize("name", VECTORS["valid"])
def test_the_valid_vectors_of_ethereum_tests_encode_and_decode(name: str) -> None:
    value, encoded = VECTORS["valid"][name]
    assert encode(item(value)).hex() == encoded
    assert decode(bytes.fromhex(encoded)) == item(value)


@pytest.mark.parametrize("name", VECTORS["invalid"])
def test_the_invalid_vectors_of_ethereum_tests_are_refused(name: str) -> None:
    assert refusal(bytes.fromhex(VECTORS["invalid"][name]))


@given(ITEMS)
def test_encoding_agrees_with_pyrlp_and_is_undone_by_decoding(value: Item) -> None:
    assert encode(value) == reference.encode(value)
    assert decode(encode(value)) == value


@given(st.binary(min_size=1, max_size=60))
@example(b"\xb8\x38" + b"x" * 56)
@example(b"\xf8\x00")
@example(b"\xc1\xc1")
@example(b"\xc2\x82\x01\x02")
def test_exactly_the_bytes_that_pyrlp_decodes_are_decoded_to_the_same(data: bytes) -> None:
    try:
        expected = tuples(reference.decode(data))
    except reference.DecodingError:
        assert refusal(data)
    else:
        assert decode(data) == expected
        assert encode(decode(data)) == data


@given(ITEMS, st.data())
def test_what_is_decoded_after_a_byte_was_flipped_is_still_canonical(value: Item, data: st.DataObject) -> None:
    changed = bytearray(encode(value))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = decode(bytes(changed))
    except ProofError:
        return
    assert encode(decoded) == bytes(changed)
    assert decoded != value


def tuples(value: Any) -> Item:
    return tuple(tuples(part) for part in value) if isinstance(value, list) else bytes(value)


def test_nothing_and_too_much_are_refused() -> None:
    assert "0 bytes" in refusal(b"")
    content = b"x" * (MAX_SIZE - 4)
    assert decode(encode(content)) == content
    assert "not 1 to" in refusal(encode(content + b"x"))


def test_nesting_is_limited() -> None:
    deepest: Item = ()
    for _ in range(MAX_DEPTH - 1):
        deepest = (deepest,)
    assert decode(encode(deepest)) == deepest
    assert "deeper" in refusal(encode((deepest,)))


def test_bytes_after_the_item_and_items_past_their_list_are_refused() -> None:
    assert decode(b"\xc1\x01") == (b"\x01",)
    assert "follow" in refusal(b"\xc1\x01\x01")
    assert "past the end" in refusal(b"\xc2\xc1\x82\x01\x02\x03"[:5] + b"")
    assert "too early" in refusal(b"\xc2\x01")


@given(st.integers(0, 1 << 300))
def test_numbers_are_read_back_and_have_no_leading_zeros(number: int) -> None:
    encoded = encode_scalar(number)
    assert decode_scalar(encoded, size=40) == number
    assert not encoded.startswith(b"\0")


@pytest.mark.parametrize("wrong", [b"\0", b"\0\1", b"\1" * 33, (), (b"\1",)])
def test_numbers_with_leading_zeros_too_many_bytes_or_in_lists_are_refused(wrong: Item) -> None:
    with pytest.raises(ProofError, match="a number") as caught:
        decode_scalar(wrong)
    assert caught.value.code == "rlp"
    assert decode_scalar(b"\1" * 32)
    with pytest.raises(ProofError):
        decode_scalar(b"\1" * 9, size=8)
