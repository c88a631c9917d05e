"""Keccak-256, the hash of Ethereum (the Keccak submission, not FIPS 202 SHA3-256)."""

from __future__ import annotations

from Crypto.Hash import keccak

__all__ = ["keccak256"]


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of `data`."""
    return keccak.new(data=data, digest_bits=256).digest()
