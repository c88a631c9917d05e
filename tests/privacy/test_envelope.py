"""Envelopes: whatever is cut, moved, repeated or changed is refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import PrivacyError
from mooring.privacy.envelope import CHUNK, OVERHEAD, seal, unseal

KEY, SALT = bytes(range(32)), bytes(range(32, 64))
HEADER = 20 + 32 + 32
WIRE = CHUNK + 16


def sealed(data: bytes, key: bytes = KEY, context: bytes = b"c", salt: bytes = SALT) -> bytes:
    return b"".join(seal([data], key=key, context=context, salt=salt))


def opened(data: bytes, key: bytes = KEY, context: bytes = b"c") -> bytes:
    return b"".join(unseal([data], key=key, context=context))


def chunks_of(envelope: bytes) -> list[bytes]:
    return [envelope[at : at + WIRE] for at in range(HEADER, len(envelope), WIRE)]


THREE = os.urandom(2 * CHUNK + 100)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 100])
def test_what_is_sealed_opens_to_the_same_bytes(size: int) -> None:
    envelope = sealed(THREE[:size])
    chunks = max(1, -(-size // CHUNK))
    assert len(envelope) == size + OVERHEAD + 16 * (chunks - 1)
    assert opened(envelope) == THREE[:size]


@given(
    cuts=st.lists(st.integers(0, len(THREE)), max_size=6), wire_cuts=st.lists(st.integers(0, len(THREE)), max_size=6)
)
@settings(max_examples=25, deadline=None)
def test_how_the_bytes_arrive_does_not_matter(cuts: list[int], wire_cuts: list[int]) -> None:
    envelope = b"".join(seal(pieces(THREE, cuts), key=KEY, context=b"c", salt=SALT))
    assert envelope == sealed(THREE)
    assert b"".join(unseal(pieces(envelope, wire_cuts), key=KEY, context=b"c")) == THREE


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cuts), len(data)]
    return (data[a:b] for a, b in pairwise(edges))


def test_an_envelope_that_arrives_byte_by_byte_opens() -> None:
    envelope = sealed(b"data")
    assert b"".join(unseal((bytes([byte]) for byte in envelope), key=KEY, context=b"c")) == b"data"


def test_golden_vector_of_envelope_v1() -> None:
    """Made by this very function on the day the format was fixed: old blobs depend on it."""
    assert sealed(b"data").hex() == (
        "6d6f6f72696e672d656e76656c6f70652d76310a202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f5fbc71"
        "a8525eb2fa5d372a90884da361c914d5b4257ed262417ced4c09cd712df5fa8718518a4c42a8a067373493cb9e43888d6d"
    )


@pytest.mark.parametrize(("key", "context"), [(bytes(32), b"c"), (KEY, b"d"), (KEY, b"")])
def test_another_key_or_context_is_refused_as_such(key: bytes, context: bytes) -> None:
    assert opened(sealed(b"data")) == b"data"
    with pytest.raises(PrivacyError) as caught:
        opened(sealed(b"data"), key, context)
    assert caught.value.code == "envelope-key"


@given(where=st.integers(0, OVERHEAD + 3), flip=st.integers(1, 255))
def test_any_changed_byte_is_refused(where: int, flip: int) -> None:
    envelope = bytearray(sealed(b"data"))
    envelope[where] ^= flip
    with pytest.raises(PrivacyError) as caught:
        opened(bytes(envelope))
    assert caught.value.code.startswith("envelope-")


@given(length=st.integers(0, OVERHEAD + 3))
def test_a_short_envelope_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(PrivacyError):
        opened(sealed(b"data")[:length])


REARRANGED = {
    "the last chunk is missing": lambda a, b, c: [a, b],
    "only the first is there": lambda a, b, c: [a],
    "only the last is there": lambda a, b, c: [c],
    "none is there": lambda a, b, c: [],
    "the middle is missing": lambda a, b, c: [a, c],
    "two are swapped": lambda a, b, c: [b, a, c],
    "one comes twice": lambda a, b, c: [a, b, b, c],
    "the last comes twice": lambda a, b, c: [a, b, c, c],
    "the last is cut": lambda a, b, c: [a, b, c[:-1]],
    "the middle is cut": lambda a, b, c: [a, b[:-1], c],
    "something follows": lambda a, b, c: [a, b, c, b"x"],
}


@pytest.mark.parametrize("rearrange", REARRANGED.values(), ids=REARRANGED.keys())
def test_chunks_that_are_missing_moved_or_repeated_are_refused(rearrange: object) -> None:
    envelope = sealed(THREE)
    parts = chunks_of(envelope)
    assert opened(envelope[:HEADER] + b"".join(parts)) == THREE
    assert callable(rearrange)
    with pytest.raises(PrivacyError) as caught:
        opened(envelope[:HEADER] + b"".join(rearrange(*parts)))
    assert caught.value.code == "envelope-corrupt"


def test_a_chunk_of_another_envelope_is_refused() -> None:
    one, other = sealed(THREE), sealed(THREE, salt=bytes(32))
    mixed = one[: HEADER + WIRE] + other[HEADER + WIRE :]
    with pytest.raises(PrivacyError) as caught:
        opened(mixed)
    assert caught.value.code == "envelope-corrupt"


def test_an_envelope_has_one_form_so_an_empty_last_chunk_after_a_full_one_is_refused() -> None:
    from mooring.privacy.envelope import _Stream

    stream = _Stream(KEY, b"c", SALT)
    forged = sealed(b"")[:HEADER] + stream.encrypt(bytes(CHUNK), False) + stream.encrypt(b"", True)
    with pytest.raises(PrivacyError, match="empty chunk"):
        opened(forged)


def test_what_is_yielded_before_the_damage_is_authentic() -> None:
    envelope = bytearray(sealed(THREE))
    envelope[HEADER + WIRE + 5] ^= 1
    stream = unseal([bytes(envelope)], key=KEY, context=b"c")
    assert next(stream) == THREE[:CHUNK]
    with pytest.raises(PrivacyError, match="chunk 1"):
        next(stream)


def test_the_same_plaintext_under_another_salt_shares_no_bytes() -> None:
    one, other = sealed(bytes(100)), sealed(bytes(100), salt=bytes(32))
    assert not {one[at : at + 8] for at in range(52, len(one))} & {other[at : at + 8] for at in range(52, len(other))}


def test_more_chunks_than_the_counter_holds_are_refused() -> None:
    from mooring.privacy.envelope import _Stream

    stream = _Stream(KEY, b"", SALT)
    stream._counter = (1 << 32) - 1
    stream.encrypt(b"", False)
    with pytest.raises(PrivacyError) as caught:
        stream.encrypt(b"", True)
    assert caught.value.code == "envelope-size"


@pytest.mark.parametrize(
    ("key", "salt", "code"), [(bytes(31), SALT, "envelope-key"), (KEY, bytes(31), "salt"), (KEY, b"", "salt")]
)
def test_a_key_or_salt_of_another_length_is_refused_before_anything_is_written(
    key: bytes, salt: bytes, code: str
) -> None:
    with pytest.raises(PrivacyError) as caught:
        seal([b""], key=key, context=b"", salt=salt)
    assert caught.value.code == code


def test_a_gigabyte_would_take_seconds() -> None:
    data = bytes(64 << 20)
    start = time.perf_counter()
    assert opened(sealed(data)) == data
    assert time.perf_counter() - start < 4  # some 0.2 s on an idle core
