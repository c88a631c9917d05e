"""Digests."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import RecordError
from mooring.records.digest import ALGORITHMS, Digest, sha256

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # FIPS 180-4 of the empty message

digests = st.builds(Digest, st.sampled_from(sorted(ALGORITHMS)), st.binary(min_size=32, max_size=32))


def test_the_digest_of_nothing_is_the_known_one() -> None:
    assert str(sha256(b"")) == EMPTY


@given(st.binary())
def test_sha256_is_that_of_hashlib(data: bytes) -> None:
    assert sha256(data).hex == hashlib.sha256(data).hexdigest()


@given(digests)
def test_a_digest_reads_back_from_its_text(digest: Digest) -> None:
    assert Digest.parse(str(digest)) == digest


@given(st.text(max_size=90) | st.from_regex("[a-z0-9-]{1,20}:[0-9a-f]{60,64}"))
def test_text_is_a_digest_exactly_if_it_is_written_back_the_same(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except RecordError as error:
        code = error.code
    else:
        assert str(digest) == text
        return
    assert code == "digest-format"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        EMPTY.removeprefix("sha256"),
        EMPTY.upper(),
        EMPTY.replace("sha256", "SHA256"),
        EMPTY.replace("sha256", "md5"),
        EMPTY.replace("sha256", "sha512"),
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY + "\n",
        " " + EMPTY,
        EMPTY.replace(":", "::"),
        EMPTY[:-1] + "g",
        EMPTY[:-1] + "٣",
        "sha256:" + "é" * 64,
    ],
)
def test_text_of_another_form_is_no_digest(text: str, refuses) -> None:
    with refuses("digest-format"):
        Digest.parse(text)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_known_algorithm_takes_32_bytes(algorithm: str) -> None:
    assert Digest(algorithm, bytes(32)).hex == "00" * 32


@pytest.mark.parametrize(("algorithm", "size"), [("sha256", 31), ("sha256", 33), ("sha256", 0), ("md5", 32), ("", 32)])
def test_another_length_or_algorithm_is_refused(algorithm: str, size: int, refuses) -> None:
    with refuses("digest-format"):
        Digest(algorithm, bytes(size))
