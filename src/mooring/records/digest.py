"""Digests: the only names that bytes have here."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from mooring.errors import RecordError

__all__ = ["ALGORITHMS", "Digest", "sha256"]

ALGORITHMS = {"sha256": 32, "blake3": 32, "sha256-sharded": 32, "commitment-sha256": 32}
"""Digest algorithm → length in bytes."""

_TEXT = re.compile(r"([a-z0-9-]{1,32}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """An algorithm's name and its output; written `algorithm:hex`."""

    algorithm: str
    value: bytes

    def __post_init__(self) -> None:
        if ALGORITHMS.get(self.algorithm) != len(self.value):
            raise RecordError(
                f"digest {self.algorithm!r} of {len(self.value)} bytes is not one of {', '.join(ALGORITHMS)}",
                code="digest-format",
                hint="use sha256 with 32 bytes",
            )

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `algorithm:hex`; raises RecordError `digest-format`."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise RecordError(
                f"digest {text[:100]!r} is not 'algorithm:64 lower-case hex digits'",
                code="digest-format",
                hint="write it like sha256:e3b0c442…",
            )
        return cls(match[1], bytes.fromhex(match[2]))

    @property
    def hex(self) -> str:
        """The value in lower-case hex."""
        return self.value.hex()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"


def sha256(data: bytes) -> Digest:
    """Return the SHA-256 digest of `data`."""
    return Digest("sha256", hashlib.sha256(data).digest())
