"""Envelope encryption: AES-256-GCM over chunks, so that any size streams and no piece can be cut, moved or repeated.

    "mooring-envelope-v1\\n" || salt (32) || key commitment (32) || chunk…

The key, a 7-byte nonce prefix and the key commitment come from HKDF-SHA256 (RFC 5869) over the data key, salt and
context. A chunk is up to 1 MiB of plaintext with its tag; its nonce is prefix || counter (4 bytes, big-endian) || last
(1 byte): the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance, CRYPTO 2015). The commitment is there because GCM by itself does not bind its key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from itertools import chain

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mooring.errors import PrivacyError

__all__ = ["CHUNK", "OVERHEAD", "SALT", "seal", "unseal"]

CHUNK = 1 << 20
"""Bytes of plaintext in every chunk but the last."""

SALT = 32
"""Bytes of salt; each envelope needs its own."""

_MAGIC = b"mooring-envelope-v1\n"
_KEY = 32
_PREFIX = 7
_COMMITMENT = 32
_TAG = 16
_HEADER = len(_MAGIC) + SALT + _COMMITMENT
_MAX_CHUNKS = 1 << 32

OVERHEAD = _HEADER + _TAG
"""Bytes that an envelope of at most one chunk adds; every further chunk adds 16."""


def seal(plaintext: Iterable[bytes], *, key: bytes, context: bytes, salt: bytes) -> Iterator[bytes]:
    """Yield the envelope of a plaintext that comes in pieces; it opens only with the same key and context.

    `key` and `salt` are 32 bytes each, and a salt is used once. Raises PrivacyError `envelope-key`, `salt`.
    """
    if len(salt) != SALT:
        raise PrivacyError(f"a salt of {len(salt)} bytes", code="salt", hint=f"give {SALT} random bytes")
    stream = _Stream(key, context, salt)
    return _seal(plaintext, stream, _MAGIC + salt + stream.commitment)


def unseal(envelope: Iterable[bytes], *, key: bytes, context: bytes) -> Iterator[bytes]:
    """Yield the plaintext of an envelope that comes in pieces of any size; each chunk is authentic when it is yielded.

    Only the end shows that nothing is missing: who stops early has read a beginning. Raises PrivacyError:
    `envelope-format`, `envelope-key` for another key or context, `envelope-corrupt` for anything changed or cut.
    """
    return _unseal(iter(envelope), key, context)


def _seal(plaintext: Iterable[bytes], stream: _Stream, header: bytes) -> Iterator[bytes]:
    yield header
    for chunk, last in _cut(plaintext, b"", CHUNK):
        yield stream.encrypt(chunk, last)


def _unseal(pieces: Iterator[bytes], key: bytes, context: bytes) -> Iterator[bytes]:
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= _HEADER:
            break
    stream = _begin(start, key, context)
    for number, (chunk, last) in enumerate(_cut(pieces, start[_HEADER:], CHUNK + _TAG)):
        opened = stream.decrypt(chunk, last)
        if opened:
            yield opened
        elif number:
            raise _corrupt("ends with an empty chunk")  # `seal` never writes one: an envelope has one form


def _begin(header: bytes, key: bytes, context: bytes) -> _Stream:
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise PrivacyError(
            "these bytes are no envelope", code="envelope-format", hint="give what `seal` wrote, from its first byte"
        )
    stream = _Stream(key, context, header[len(_MAGIC) : len(_MAGIC) + SALT])
    if not hmac.compare_digest(stream.commitment, header[len(_MAGIC) + SALT : _HEADER]):
        raise PrivacyError(
            "the envelope was sealed with another key or for another context",
            code="envelope-key",
            hint="open it with the key and in the context that it was sealed with",
        )
    return stream


def _cut(pieces: Iterable[bytes], start: bytes, size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield chunks of `size` bytes, the last one shorter or as long, each with whether it is the last."""
    held = bytearray()
    for piece in chain((start,), pieces):
        held += piece
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


class _Stream:
    """The cipher of one envelope, and where it stands."""

    def __init__(self, key: bytes, context: bytes, salt: bytes) -> None:
        if len(key) != _KEY:
            raise PrivacyError(f"a data key of {len(key)} bytes", code="envelope-key", hint=f"give {_KEY} bytes")
        info = b"mooring/envelope/v1\0" + context
        derived = HKDF(SHA256(), _KEY + _PREFIX + _COMMITMENT, salt, info).derive(key)
        self._cipher = AESGCM(derived[:_KEY])
        self._prefix = derived[_KEY : _KEY + _PREFIX]
        self._counter = 0
        self.commitment = derived[_KEY + _PREFIX :]

    def encrypt(self, chunk: bytes, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(last), chunk, None)

    def decrypt(self, chunk: bytes, last: bool) -> bytes:
        try:
            return self._cipher.decrypt(self._nonce(last), chunk, None)
        except (InvalidTag, ValueError):
            raise _corrupt(f"was changed, cut or reordered at chunk {self._counter - 1}") from None

    def _nonce(self, last: bool) -> bytes:
        if self._counter >= _MAX_CHUNKS:
            raise PrivacyError("more than 2^32 chunks", code="envelope-size", hint="seal it in several envelopes")
        counter = self._counter.to_bytes(4, "big")
        self._counter += 1
        return self._prefix + counter + bytes([last])


def _corrupt(problem: str) -> PrivacyError:
    return PrivacyError(f"the envelope {problem}", code="envelope-corrupt", hint="fetch it again, or from another copy")
