from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import rlp
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import LedgerRefused
from mooring.ledger.embedded.transaction import (
    MAX_GAS,
    MAX_TRANSACTION_BYTES,
    call_gas_floor,
    decode,
    intrinsic_gas,
)

CHAIN_ID = 31_337
TARGET = "0x" + "42" * 20
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # SEC 2 §2.4.1
Sign = Callable[..., bytes]

_ACCESS = [{"address": TARGET, "storageKeys": ["0x" + "01" * 32, "0x" + "02" * 32]}]
_UINT64 = st.integers(0, 2**64 - 2)
_WEI = st.integers(0, 2**128)


def _refusal(raw: bytes) -> LedgerRefused:
    with pytest.raises(LedgerRefused) as refusal:
        decode(raw, CHAIN_ID)
    assert refusal.value.definite
    return refusal.value


@given(
    nonce=_UINT64,
    fee=_WEI,
    value=st.integers(0, 2**255),
    data=st.binary(max_size=80),
    kind=st.sampled_from([0, 1, 2]),
    to=st.sampled_from([TARGET, None]),
)
@settings(max_examples=60, deadline=None)
def test_what_eth_account_signs_is_read_back_with_its_sender(
    keys: list[Any], sign: Sign, nonce: int, fee: int, value: int, data: bytes, kind: int, to: str | None
) -> None:
    fields: dict[str, Any] = {"nonce": nonce, "value": value, "data": data, "gas": 300_000, "to": to}
    if kind < 2:
        fields["gasPrice"] = fee
    else:
        fields |= {"maxFeePerGas": fee, "maxPriorityFeePerGas": fee // 2}
    if kind > 0:
        fields["accessList"] = _ACCESS
    raw = sign(keys[3], **fields)
    read = decode(raw, CHAIN_ID)
    signed_hash = Account.recover_transaction(raw)
    assert signed_hash == keys[3].address
    assert read.sender == bytes.fromhex(keys[3].address[2:])
    assert (read.nonce, read.gas, read.max_fee) == (nonce, 300_000, fee)
    assert read.max_tip == (fee if kind < 2 else fee // 2)
    assert read.cost == 300_000 * fee + value
    assert read.raw == raw


@given(raw=st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_random_bytes_are_refused_and_never_crash(raw: bytes) -> None:
    _refusal(raw)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), kind=st.sampled_from([0, 1, 2]))
@settings(max_examples=200, deadline=None)
def test_a_flipped_bit_is_refused_or_makes_another_transaction(
    keys: list[Any], sign: Sign, place: int, bit: int, kind: int
) -> None:
    fields: dict[str, Any] = {"to": TARGET, "data": b"\1\2\3"}
    if kind < 2:
        fields["gasPrice"] = 5
    if kind > 0:
        fields["accessList"] = _ACCESS
    raw = bytearray(sign(keys[0], nonce=0, **fields))
    whole = decode(bytes(raw), CHAIN_ID)
    raw[place % len(raw)] ^= 1 << bit
    try:
        changed = decode(bytes(raw), CHAIN_ID)
    except LedgerRefused:
        return
    assert changed.hash != whole.hash
    assert changed.sender != whole.sender


def test_another_chains_transaction_is_refused(keys: list[Any], sign: Sign) -> None:
    decode(sign(keys[0], nonce=0, to=TARGET), CHAIN_ID)
    for fields in ({}, {"gasPrice": 1}, {"gasPrice": 1, "accessList": _ACCESS}):
        refusal = _refusal(sign(keys[0], nonce=0, to=TARGET, chainId=1, **fields))
        assert refusal.message == "invalid chain id for signer: for chain 1; this is chain 31337"


def test_a_transaction_that_names_no_chain_is_refused(keys: list[Any], sign: Sign) -> None:
    refusal = _refusal(sign(keys[0], nonce=0, to=TARGET, gasPrice=1, chainId=None))
    assert "unprotected by EIP-155" in refusal.message


def _resigned(raw: bytes, change: Callable[[list[Any]], None]) -> bytes:
    """A type 2 transaction with its fields changed after it was signed."""
    fields = list(rlp.decode(raw[1:]))
    change(fields)
    return raw[:1] + rlp.encode(fields)


def test_the_other_form_of_a_signature_is_refused(keys: list[Any], sign: Sign) -> None:
    raw = sign(keys[0], nonce=0, to=TARGET)

    def mirror(fields: list[Any]) -> None:
        fields[9] = b"" if fields[9] == b"\1" else b"\1"
        fields[11] = (ORDER - int.from_bytes(fields[11], "big")).to_bytes(32, "big")

    assert _refusal(_resigned(raw, mirror)).code == "transaction-signature"


@pytest.mark.parametrize(
    ("field", "value"),
    [(9, b"\2"), (9, b"\x1b"), (10, b""), (11, b""), (10, b"\xff" * 32), (11, b"\xff" * 32), (10, b"\1" * 33)],
)
def test_a_signature_out_of_range_is_refused(keys: list[Any], sign: Sign, field: int, value: bytes) -> None:
    raw = sign(keys[0], nonce=0, to=TARGET)

    def spoil(fields: list[Any]) -> None:
        fields[field] = value

    assert _refusal(_resigned(raw, spoil)).message.startswith("invalid sender")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param(lambda raw: raw + b"\0", "cannot be decoded", id="a byte after the end"),
        pytest.param(lambda raw: raw[:-1], "cannot be decoded", id="a byte short"),
        pytest.param(lambda raw: b"\3" + raw[1:], "type not supported", id="a blob transaction"),
        pytest.param(lambda raw: b"\4" + raw[1:], "type not supported", id="a set-code transaction"),
        pytest.param(lambda raw: b"\5" + raw[1:], "type not supported", id="an unknown type"),
        pytest.param(lambda raw: b"\x7f", "type not supported", id="a type alone"),
        pytest.param(lambda raw: b"", "empty transaction", id="nothing"),
        pytest.param(lambda raw: raw[1:], "cannot be decoded", id="no type"),
    ],
)
def test_another_encoding_is_refused(keys: list[Any], sign: Sign, change: Callable[[bytes], bytes], field: str) -> None:
    assert field in _refusal(change(sign(keys[0], nonce=0, to=TARGET))).message


def test_a_number_with_a_leading_zero_is_refused(keys: list[Any], sign: Sign) -> None:
    def pad(fields: list[Any]) -> None:
        fields[4] = b"\0" + fields[4]

    assert _refusal(_resigned(sign(keys[0], nonce=0, to=TARGET), pad)).code == "transaction-encoding"


@pytest.mark.parametrize("field", [0, 1, 6, 9])
def test_an_empty_list_in_place_of_a_zero_is_refused(keys: list[Any], sign: Sign, field: int) -> None:
    def empty(fields: list[Any]) -> None:
        fields[field] = []  # rlp 5 reads it as the number 0: the same sender would sign for two hashes

    assert _refusal(_resigned(sign(keys[0], nonce=0, to=TARGET), empty)).code == "transaction-encoding"


def test_size_is_limited(keys: list[Any], sign: Sign) -> None:
    largest = sign(keys[0], nonce=0, to=TARGET, gas=MAX_GAS, data=bytes(MAX_TRANSACTION_BYTES - 200))
    assert len(largest) <= MAX_TRANSACTION_BYTES
    decode(largest, CHAIN_ID)
    refusal = _refusal(sign(keys[0], nonce=0, to=TARGET, gas=MAX_GAS, data=bytes(MAX_TRANSACTION_BYTES)))
    assert refusal.message.startswith("oversized data")


def test_gas_must_cover_what_is_paid_before_the_call(keys: list[Any], sign: Sign) -> None:
    decode(sign(keys[0], nonce=0, to=TARGET, gas=21_000), CHAIN_ID)
    refusal = _refusal(sign(keys[0], nonce=0, to=TARGET, gas=20_999))
    assert refusal.message == "intrinsic gas too low: have 20999, want 21000"


def test_gas_must_cover_the_floor_for_data(keys: list[Any], sign: Sign) -> None:
    data = b"\1" * 100  # EIP-7623: 21000 + 10 × 4 × 100, above 21000 + 16 × 100
    decode(sign(keys[0], nonce=0, to=TARGET, data=data, gas=25_000), CHAIN_ID)
    assert "want 25000" in _refusal(sign(keys[0], nonce=0, to=TARGET, data=data, gas=24_999)).message


def test_gas_is_limited_to_what_a_block_takes(keys: list[Any], sign: Sign) -> None:
    decode(sign(keys[0], nonce=0, to=TARGET, gas=MAX_GAS), CHAIN_ID)
    assert _refusal(sign(keys[0], nonce=0, to=TARGET, gas=MAX_GAS + 1)).message.startswith("exceeds block gas limit")


def test_the_tip_is_part_of_the_fee(keys: list[Any], sign: Sign) -> None:
    decode(sign(keys[0], nonce=0, to=TARGET, maxFeePerGas=5, maxPriorityFeePerGas=5), CHAIN_ID)
    refusal = _refusal(sign(keys[0], nonce=0, to=TARGET, maxFeePerGas=5, maxPriorityFeePerGas=6))
    assert refusal.message.startswith("max priority fee per gas higher than max fee per gas")


def test_init_code_is_limited(keys: list[Any], sign: Sign) -> None:
    decode(sign(keys[0], nonce=0, data=bytes(49_152), gas=MAX_GAS), CHAIN_ID)
    refusal = _refusal(sign(keys[0], nonce=0, data=bytes(49_153), gas=MAX_GAS))
    assert refusal.message.startswith("max initcode size exceeded")


def test_the_highest_nonce_is_refused(keys: list[Any], sign: Sign) -> None:
    decode(sign(keys[0], nonce=2**64 - 2, to=TARGET), CHAIN_ID)  # EIP-2681
    assert _refusal(sign(keys[0], nonce=2**64 - 1, to=TARGET)).code == "transaction-range"


@pytest.mark.parametrize(
    ("data", "create", "gas"),
    [
        (b"", False, 21_000),  # Yellow Paper, appendix G
        (b"", True, 53_000),
        (b"\0\1", False, 21_020),  # EIP-2028: 4 and 16
        (bytes(32), True, 53_000 + 128 + 2),  # EIP-3860: 2 a word
        (bytes(33), True, 53_000 + 132 + 4),
    ],
)
def test_intrinsic_gas_is_that_of_the_specifications(data: bytes, create: bool, gas: int) -> None:
    assert intrinsic_gas(data, create=create) == gas


def test_an_access_list_is_paid_for_by_entry() -> None:
    assert intrinsic_gas(b"", create=False, access_list=[(bytes(20), (1, 2, 3))]) == 21_000 + 2_400 + 5_700  # EIP-2930


def test_the_floor_for_data_counts_a_byte_as_four_zeros() -> None:
    assert call_gas_floor(b"\0\1") == 21_000 + 10 * (1 + 4)  # EIP-7623
