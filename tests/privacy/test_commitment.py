"""Salted commitments."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import PrivacyError
from mooring.privacy.commitment import commit, verify
from mooring.records.digest import Digest, sha256

SALT = bytes(range(32))


def test_a_commitment_is_the_hash_that_its_module_writes_down() -> None:
    framed = b"mooring/commitment/v1\x00" + b"\x00\x00\x00\x07" + b"context" + SALT + b"data"
    assert commit(SALT, b"context", b"data") == Digest("commitment-sha256", hashlib.sha256(framed).digest())


def test_golden_vector_of_commitment_v1() -> None:
    """Made by this very function on the day the format was fixed: old manifests depend on it."""
    assert commit(SALT, b"t.rows/000000", b"1,2,3").hex == (
        "04a6b088094be50e5afcf3e454436b825db58eaf50a9a231340333724b293469"
    )


@given(context=st.binary(max_size=50), data=st.binary(max_size=200), salt=st.binary(min_size=32, max_size=32))
def test_a_commitment_opens_to_its_data_alone(context: bytes, data: bytes, salt: bytes) -> None:
    commitment = commit(salt, context, data)
    verify(commitment, salt, context, data)
    other_salt = bytes([salt[0] ^ 1]) + salt[1:]
    for wrong in ((salt, context, data + b"x"), (salt, context + b"x", data), (other_salt, context, data)):
        with pytest.raises(PrivacyError) as caught:
            verify(commitment, *wrong)
        assert caught.value.code == "commitment"


def test_bytes_cannot_move_between_context_and_data() -> None:
    assert commit(SALT, b"ab", b"c") != commit(SALT, b"a", b"bc")
    assert commit(SALT, b"", SALT + b"c") != commit(SALT, SALT, b"c")


def test_a_plain_digest_is_no_commitment() -> None:
    same_bytes = Digest("sha256", commit(SALT, b"", b"data").value)
    for digest in (same_bytes, sha256(b"data")):
        with pytest.raises(PrivacyError):
            verify(digest, SALT, b"", b"data")


@pytest.mark.parametrize("salt", [b"", bytes(31), bytes(33)])
def test_a_salt_of_another_length_is_refused(salt: bytes) -> None:
    with pytest.raises(PrivacyError) as caught:
        commit(salt, b"", b"data")
    assert caught.value.code == "salt"


def test_an_error_does_not_quote_the_data() -> None:
    with pytest.raises(PrivacyError) as caught:
        verify(commit(SALT, b"", b"data"), SALT, b"", b"Jane Doe, malignant")
    assert "Jane" not in caught.value.message + caught.value.hint
