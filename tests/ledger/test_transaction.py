"""Transactions against eth-account, which signs them in another way."""

from __future__ import annotations

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.accounts import Accounts

from mooring.errors import ConfigError
from mooring.ledger.transaction import Draft, Fees, created_address, sign
from mooring.proofs.keys import checksum_address

ACCOUNTS = Accounts()
wei = st.integers(0, 2**128)


@given(
    nonce=st.integers(0, 2**64 - 2),
    to=st.one_of(st.just(b""), st.binary(min_size=20, max_size=20)),
    data=st.binary(max_size=200),
    gas=st.integers(21_000, 2**40),
    fee=wei,
    tip=wei,
    chain=st.integers(1, 2**62),
)
def test_a_signed_transaction_is_byte_for_byte_what_eth_account_signs(
    nonce: int, to: bytes, data: bytes, gas: int, fee: int, tip: int, chain: int
) -> None:
    fees = Fees(max(fee, tip), tip)
    signed = sign(ACCOUNTS, "a0", chain, nonce, Draft(to, data, gas), fees)
    fields = {"chainId": chain, "nonce": nonce, "gas": gas, "value": 0, "data": data, "type": 2}
    fields |= {"maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.max_tip}
    if to:
        fields["to"] = checksum_address(to)
    theirs = Account.sign_transaction(fields, ACCOUNTS.key("a0").secret)
    assert (signed.raw, signed.hash) == (bytes(theirs.raw_transaction), bytes(theirs.hash))
    assert Account.recover_transaction(signed.raw) == ACCOUNTS.address("a0")


class Odd(Accounts):
    """A signer that forgets what the port asks for."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer

    def sign_digest(self, account: str, digest: bytes) -> bytes:
        return self.answer


@pytest.mark.parametrize("answer", [b"", b"\x01" * 64, b"\x01" * 64 + b"\x1b", b"\x01" * 66])
def test_a_signature_of_another_form_is_refused(answer: bytes) -> None:
    with pytest.raises(ConfigError, match="'a0'") as caught:
        sign(Odd(answer), "a0", 1, 0, Draft(b"", b"", 21_000), Fees(0, 0))
    assert caught.value.code == "signer"


@given(wei, wei)
def test_raised_fees_are_an_eighth_higher_and_never_the_same(fee: int, tip: int) -> None:
    raised = Fees(fee, tip).raised()
    for before, after in ((fee, raised.max_fee), (tip, raised.max_tip)):
        assert 8 * after >= 9 * before
        assert after > before
    assert Fees(fee, tip).at_least(Fees(tip, fee)) == Fees(max(fee, tip), max(fee, tip))


def test_a_created_contract_lies_where_the_yellow_paper_puts_it() -> None:
    """Vector: go-ethereum, crypto.TestNewContractAddress."""
    sender = bytes.fromhex("970e8128ab834e8eac17ab8e3812f010678cf791")
    expected = (
        "333c3310824b7c685133f2bedb2ca4b8b4df633d",
        "8bda78331c916a08481428e4b07c96d3e916d165",
        "c9ddedf451bc62ce88bf9292afb13df35b670699",
    )
    assert tuple(created_address(sender, nonce).hex() for nonce in range(3)) == expected
