"""Salted commitments: a digest that says nothing to who lacks the salt, and cannot be opened to anything else.

    SHA-256("mooring/commitment/v1" || 0x00 || length of context (4 bytes, big-endian) || context || salt || data)

Hiding rests on 32 random bytes of salt that are used once, binding on SHA-256 being collision resistant.
"""

from __future__ import annotations

import hashlib
import hmac

from mooring.errors import PrivacyError
from mooring.records.digest import Digest

__all__ = ["ALGORITHM", "SALT", "commit", "verify"]

ALGORITHM = "commitment-sha256"
SALT = 32
"""Bytes of salt."""

_DOMAIN = b"mooring/commitment/v1\0"


def commit(salt: bytes, context: bytes, data: bytes) -> Digest:
    """Return the commitment to `data` in a context; raises PrivacyError `salt` if the salt is not 32 bytes."""
    if len(salt) != SALT:
        raise PrivacyError(f"a salt of {len(salt)} bytes", code="salt", hint=f"give {SALT} random bytes")
    framed = _DOMAIN + len(context).to_bytes(4, "big") + context + salt + data
    return Digest(ALGORITHM, hashlib.sha256(framed).digest())


def verify(commitment: Digest, salt: bytes, context: bytes, data: bytes) -> None:
    """Return if the commitment opens to `data`, else raise PrivacyError `commitment`; takes constant time."""
    expected = commit(salt, context, data)
    if commitment.algorithm != ALGORITHM or not hmac.compare_digest(expected.value, commitment.value):
        raise PrivacyError(
            f"{commitment} is no commitment to these bytes in this context",
            code="commitment",
            hint="the bytes, their salt or the context are not those that were registered",
        )
