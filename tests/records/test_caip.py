"""Chain-agnostic identifiers, with the examples that the CAIPs print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.records.caip import account_id, asset_id, chain_id, evm_chain, parse_chain

CAIP_2 = ["eip155:1", "bip122:000000000019d6689c085ae165831e93", "cosmos:cosmoshub-3", "lip9:9ee11e9df416b18b"]
KITTIES = "0x06012c8cf97BEaD5deAe237070F9587f8E7A266d"


@pytest.mark.parametrize("text", CAIP_2)
def test_the_examples_of_caip_2_are_chains(text: str) -> None:
    assert ":".join(parse_chain(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eip155",
        "eip155:",
        ":1",
        "ei:1",
        "eip155155:1",
        "EIP155:1",
        "eip155:1:2",
        "eip155:" + "1" * 33,
        "eip155:1\n",
    ],
)
def test_text_of_another_form_is_no_chain(text: str, refuses) -> None:
    with refuses("caip"):
        parse_chain(text)


@given(st.from_regex("[-a-z0-9]{3,8}", fullmatch=True), st.from_regex("[-_a-zA-Z0-9]{1,32}", fullmatch=True))
def test_a_chain_id_gives_back_its_parts(namespace: str, reference: str) -> None:
    assert parse_chain(chain_id(namespace, reference)) == (namespace, reference)


@given(st.integers(1, 2**64 - 1))
def test_an_evm_chain_is_named_by_its_decimal_number(number: int) -> None:
    assert parse_chain(evm_chain(number)) == ("eip155", str(number))


@pytest.mark.parametrize("number", [0, -1, 2**64, pytest.param(10**5000, id="huge")])
def test_a_number_that_no_evm_chain_can_have_is_refused(number: int, refuses) -> None:
    with refuses("caip"):
        evm_chain(number)


def test_true_is_chain_one_and_not_a_chain_called_true() -> None:
    assert evm_chain(True) == "eip155:1"


def test_the_example_of_caip_10_is_an_account() -> None:
    address = "0xab16a96D359eC26a11e2C2b3d8f8B8942d5Bfcdb"
    assert account_id("eip155:1", address) == f"eip155:1:{address}"


@pytest.mark.parametrize(
    ("chain", "address"), [("eip155", "0xab"), ("eip155:1", ""), ("eip155:1", "a:b"), ("x:1", "a")]
)
def test_an_account_without_chain_or_address_is_refused(chain: str, address: str, refuses) -> None:
    with refuses("caip"):
        account_id(chain, address)


def test_the_crypto_kitty_of_caip_19_is_an_asset() -> None:
    assert asset_id("eip155:1", KITTIES, 771769) == f"eip155:1/erc721:{KITTIES}/771769"


@pytest.mark.parametrize("token", [0, 2**256 - 1])
def test_every_uint256_is_a_token(token: int) -> None:
    assert asset_id("eip155:1", KITTIES, token).endswith(f"/{token}")


@pytest.mark.parametrize(
    ("contract", "token"),
    [(KITTIES, -1), (KITTIES, 2**256), pytest.param(KITTIES, 10**5000, id="huge"), (KITTIES[:-1], 1), (KITTIES[2:], 1)],
)
def test_what_is_no_erc_721_token_is_refused(contract: str, token: int, refuses) -> None:
    with refuses("caip"):
        asset_id("eip155:1", contract, token)
