"""Keccak-256."""

from __future__ import annotations

from hashlib import sha3_256

import pytest
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from mooring.proofs.keccak import keccak256


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_the_known_answers_of_the_keccak_submission_hold(message: bytes, digest: str) -> None:
    assert keccak256(message).hex() == digest


def test_it_is_not_the_sha3_that_nist_standardised() -> None:
    assert keccak256(b"abc") != sha3_256(b"abc").digest()


@given(st.binary(max_size=600))
def test_it_agrees_with_eth_utils(message: bytes) -> None:
    assert keccak256(message) == keccak(message)
