"""What chain accounts sign."""

from __future__ import annotations

from hashlib import sha256

import pytest
from eth_account.messages import SignableMessage, _hash_eip191_message, encode_defunct, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.eip import domain_separator, eip191_digest, eip712_digest, typed_data_digest


def digest_of(message: SignableMessage) -> bytes:
    return bytes(_hash_eip191_message(message))


def test_the_personal_message_of_the_web3_js_documentation_has_its_published_hash() -> None:
    published = "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"
    assert eip191_digest(b"Some data").hex() == published
    assert eip191_digest(b"Some datA").hex() != published


def test_the_mail_of_eip_712_has_its_published_digest() -> None:
    separator = bytes.fromhex("f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f")
    mail = bytes.fromhex("c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e")
    published = "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    assert typed_data_digest(separator, mail).hex() == published
    assert typed_data_digest(mail, separator).hex() != published


@given(st.binary(max_size=300))
def test_personal_messages_hash_as_eth_account_hashes_them(message: bytes) -> None:
    assert eip191_digest(message) == digest_of(encode_defunct(message))


@given(st.text(max_size=40), st.binary(max_size=300), st.integers(1, (1 << 256) - 1))
def test_attestations_hash_as_eth_account_hashes_the_typed_data(kind: str, payload: bytes, chain_id: int) -> None:
    typed = encode_typed_data(
        {"name": "Mooring", "version": "1", "chainId": chain_id},
        {
            "Attestation": [
                {"name": "payloadType", "type": "string"},
                {"name": "payloadDigest", "type": "bytes32"},
            ]
        },
        {"payloadType": kind, "payloadDigest": sha256(payload).digest()},
    )
    assert eip712_digest(kind, payload, chain_id) == digest_of(typed)


@pytest.mark.parametrize(
    ("kind", "payload", "chain_id"), [("u", b"payload", 1), ("t", b"payloae", 1), ("t", b"payload", 2)]
)
def test_an_attestation_with_another_type_payload_or_chain_has_another_digest(
    kind: str, payload: bytes, chain_id: int
) -> None:
    assert eip712_digest(kind, payload, chain_id) != eip712_digest("t", b"payload", 1)


@pytest.mark.parametrize("chain_id", [-1, 0, 1 << 256])
def test_a_chain_id_that_no_chain_can_have_is_refused(chain_id: int) -> None:
    with pytest.raises(ProofError, match="not a positive 256-bit number") as caught:
        domain_separator("Mooring", "1", chain_id)
    assert caught.value.code == "chain-id"
    assert domain_separator("Mooring", "1", 1)
