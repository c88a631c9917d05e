"""Execution block headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rlp as reference
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.header import Header
from mooring.proofs.rlp import Item, encode, encode_scalar

HEADERS = json.loads((Path(__file__).parent / "vectors/headers.json").read_text())["headers"]
PRAGUE = HEADERS[1]
NUMBERS = [7, 8, 9, 10, 11, 15, 17, 18]
FIXED = [0, 1, 2, 3, 4, 5, 6, 13, 14, 16, 19, 20]


def items(vector: dict[str, Any]) -> list[Item]:
    return [encode_scalar(part) if isinstance(part, int) else bytes.fromhex(part) for part in vector["fields"]]


def refusal(parts: list[Item]) -> ProofError:
    with pytest.raises(ProofError) as caught:
        Header(encode(tuple(parts)))
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("vector", HEADERS, ids=lambda vector: vector["name"].split(" (")[0])
def test_real_headers_have_their_block_hash_and_are_read_field_by_field(vector: dict[str, Any]) -> None:
    parts = items(vector)
    header = Header(reference.encode(parts))
    assert header.hash.hex() == vector["hash"]
    assert [header.parent_hash, header.state_root, header.receipts_root] == [parts[0], parts[3], parts[5]]
    assert [header.number, header.timestamp] == [vector["fields"][8], vector["fields"][11]]


@settings(deadline=None)
@given(st.data())
def test_a_header_with_any_byte_flipped_is_refused_or_has_another_hash(data: st.DataObject) -> None:
    encoded = bytearray(encode(tuple(items(PRAGUE))))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = Header(bytes(encoded)).hash.hex()
    except ProofError:
        return
    assert changed != PRAGUE["hash"]


def test_fields_of_later_forks_are_kept_in_the_hash_and_not_read() -> None:
    later = [*items(PRAGUE), b"\x07" * 32, (b"a", ())]
    header = Header(encode(tuple(later)))
    assert header.hash == keccak(reference.encode(later))
    assert header.state_root == later[3]
    assert header != Header(encode(tuple(items(PRAGUE))))


@pytest.mark.parametrize("field", FIXED)
def test_a_hash_or_address_of_another_length_is_refused(field: int) -> None:
    for value in (b"", items(PRAGUE)[field] + b"\0", items(PRAGUE)[field][1:]):
        parts = items(PRAGUE)
        parts[field] = value
        assert refusal(parts).code == "header"


@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_that_is_not_canonical_is_refused(field: int) -> None:
    for value in (b"\0", b"\0\1", b"\1" * 33):
        parts = items(PRAGUE)
        parts[field] = value
        assert refusal(parts).code == "rlp"


@pytest.mark.parametrize("field", range(21))
def test_a_list_where_a_field_should_be_is_refused(field: int) -> None:
    parts = items(PRAGUE)
    parts[field] = ()
    assert refusal(parts).code == "header"


def test_extra_data_may_have_any_length_up_to_the_limit_of_a_header() -> None:
    parts = items(PRAGUE)
    parts[12] = b"validators" * 100
    assert Header(encode(tuple(parts))).state_root == parts[3]
    parts[12] = b"x" * 60_000
    parts[12] += b"x" * ((64 << 10) - len(encode(tuple(parts))))
    assert len(Header(encode(tuple(parts))).encoded) == 64 << 10
    parts[12] += b"x"
    assert "more than" in refusal(parts).message


def test_too_few_fields_and_other_things_are_refused() -> None:
    assert Header(encode(tuple(items(PRAGUE)[:15]))).number
    assert refusal(items(PRAGUE)[:14]).code == "header"
    with pytest.raises(ProofError) as caught:
        Header(encode(b"header"))
    assert caught.value.code == "header"
    with pytest.raises(ProofError) as caught:
        Header(b"")
    assert caught.value.code == "rlp"
