from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.ledger.embedded.rpc import INVALID_PARAMS, RpcError
from mooring.ledger.embedded.values import address, data, fixed, hexed, quantity, to_data, to_quantity


@given(st.integers(0, 2**256 - 1))
def test_a_number_is_read_back(number: int) -> None:
    assert quantity(to_quantity(number), "n") == number


@given(st.binary(max_size=100))
def test_bytes_are_read_back(raw: bytes) -> None:
    assert data(to_data(raw), "d") == raw
    assert data(to_data(raw).upper().replace("0X", "0x"), "d") == raw


@pytest.mark.parametrize("text", ["0x0", "0x41", "0x400"])
def test_the_specifications_examples_of_numbers_are_read(text: str) -> None:
    assert to_quantity(quantity(text, "n")) == text  # EIP-1474, "QUANTITY"


@pytest.mark.parametrize(
    "value", ["0x", "0x0400", "ff", "0xg", "0x-1", " 0x1", "0x1\n", "", 1, None, True, 1.0, [], "0x" + "1" * 65]
)
def test_another_writing_of_a_number_is_refused(value: Any) -> None:
    with pytest.raises(RpcError, match="invalid argument n") as refusal:
        quantity(value, "n")
    assert refusal.value.code == INVALID_PARAMS


@pytest.mark.parametrize("value", ["0xf0f0f", "004200", "0x0g", "0x00\n", "", 1, None, b"\0"])
def test_another_writing_of_bytes_is_refused(value: Any) -> None:
    with pytest.raises(RpcError, match="invalid argument d"):
        data(value, "d")


def test_limits_hold_and_their_last_value_passes() -> None:
    assert quantity("0xff", "n", 256) == 255
    with pytest.raises(RpcError, match="below 0x100"):
        quantity("0x100", "n", 256)
    assert data("0x0000", "d", 2) == bytes(2)
    with pytest.raises(RpcError, match="at most 2 bytes"):
        data("0x000000", "d", 2)


@pytest.mark.parametrize("size", [0, 19, 21])
def test_an_address_has_twenty_bytes(size: int) -> None:
    assert address("0x" + "ab" * 20, "a") == b"\xab" * 20
    with pytest.raises(RpcError, match="invalid argument a"):
        address("0x" + "ab" * size, "a")


def test_fixed_bytes_have_their_size() -> None:
    assert fixed("0x" + "00" * 32, "h", 32) == bytes(32)
    with pytest.raises(RpcError, match="is not 32 bytes in hex"):
        fixed("0x" + "00" * 31, "h", 32)


def test_what_is_absent_is_null() -> None:
    assert hexed(None) is None
    assert hexed(b"\1") == "0x01"


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(RpcError) as refusal:
        quantity("x" * 10_000, "n")
    assert len(refusal.value.message) < 250
