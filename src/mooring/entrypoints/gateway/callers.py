"""Who asks: bearer tokens (RFC 6750) known by their SHA-256 alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from mooring.entrypoints.gateway.settings import ANONYMOUS
from mooring.errors import PolicyError

__all__ = ["Callers"]

_SCHEME = b"bearer "
_TOKEN_LIMIT = 4096


class Callers:
    """Names callers by their tokens; keeps hashes only."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = [(bytes.fromhex(digest), caller) for digest, caller in hashes.items()]

    def name(self, authorization: bytes) -> str:
        """Return the caller of an Authorization header, "anonymous" without one.

        Raises PolicyError `authorization` for another scheme, `token` for a token that nobody has. Every known hash is
        compared, each in constant time.
        """
        if not authorization:
            return ANONYMOUS
        if authorization[: len(_SCHEME)].lower() != _SCHEME or len(authorization) > _TOKEN_LIMIT:
            raise PolicyError(
                "the Authorization header is not a bearer token",
                code="authorization",
                hint="Authorization: Bearer <token>",
            )
        shown = hashlib.sha256(authorization[len(_SCHEME) :].strip()).digest()
        found = [caller for known, caller in self._hashes if hmac.compare_digest(known, shown)]
        if not found:
            raise PolicyError("the bearer token is not known", code="token", hint="ask the operator for a new one")
        return found[0]
