"""Private signing keys in memory. Nothing here shows one: not its repr, not an error, not a log."""

from __future__ import annotations

import re
from typing import NoReturn

import coincurve
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from mooring.errors import NotFoundError, ProofError, StorageError
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import Kind, PublicKey

__all__ = ["SigningKey", "check_key_name", "is_key_name", "key_not_found"]

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MAX_ENCODED = 8192
_Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class SigningKey:
    """A private key of one of the three kinds, and its public part."""

    __slots__ = ("_chain", "_key", "public")

    public: PublicKey

    def __init__(self, key: _Private) -> None:
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public = PublicKey.from_spki(spki)
        self._key = key
        # libsecp256k1 gives the recovery bit and the low s that chains want; OpenSSL gives neither.
        self._chain = coincurve.PrivateKey.from_der(_pkcs8(key)) if self.public.kind == "secp256k1" else None

    @classmethod
    def generate(cls, kind: Kind) -> SigningKey:
        """Make a key from the operating system's randomness."""
        if kind == "ed25519":
            return cls(Ed25519PrivateKey.generate())
        if kind in ("p256", "secp256k1"):
            return cls(ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP256K1()))
        raise StorageError(f"key kind {kind!r} is unknown", code="key-kind", hint="use ed25519, p256 or secp256k1")

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Read a private key in PEM (PKCS #8 or SEC 1) without a passphrase; raises StorageError `key-format`."""
        if len(pem) > _MAX_ENCODED:
            _refuse(f"is {len(pem)} bytes long")
        try:
            return _of(load_pem_private_key(pem, password=None))
        except TypeError:
            _refuse("is encrypted: decrypt it first, for example with 'openssl pkcs8'")
        except (ValueError, UnsupportedAlgorithm, ProofError):
            _refuse("does not parse")

    @classmethod
    def from_der(cls, der: bytes) -> SigningKey:
        """Read a private key in PKCS #8 DER; raises StorageError `key-format`."""
        try:
            return _of(load_der_private_key(der, password=None))
        except (TypeError, ValueError, UnsupportedAlgorithm, ProofError):
            _refuse("does not parse")

    def to_der(self) -> bytes:
        """Return the private key in PKCS #8 DER, in the clear: for a key store that encrypts it at once."""
        return _pkcs8(self._key)

    def sign(self, message: bytes) -> bytes:
        """Return a signature that `public.verify` accepts (formats: `mooring.proofs.keys`)."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        if self._chain is None:
            return self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        signature = self.sign_digest(keccak256(message))
        return signature[:64] + bytes([signature[64] + 27])

    def sign_digest(self, digest: bytes) -> bytes:
        """Return r || s || v (65 bytes, v 0 or 1, low s) over a 32-byte digest; secp256k1 only."""
        if self._chain is None:
            raise StorageError(
                f"key {self.public.keyid} is {self.public.kind} and cannot act on a chain",
                code="key-kind",
                hint="use a secp256k1 key",
            )
        if len(digest) != 32:
            raise StorageError(f"a digest of {len(digest)} bytes", code="digest-size", hint="sign 32 bytes")
        signature: bytes = self._chain.sign_recoverable(digest, hasher=None)
        return signature

    def __repr__(self) -> str:
        return f"SigningKey({self.public.kind}, keyid={self.public.keyid})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key is not pickled")


def is_key_name(name: str) -> bool:
    """Tell whether a key may have this name."""
    return _NAME.fullmatch(name) is not None


def check_key_name(name: str) -> str:
    """Return the name, or raise StorageError `key-name`: it becomes a file's or an environment variable's name."""
    if not is_key_name(name):
        raise StorageError(
            f"key name {name[:80]!r} is not 1 to 64 of a-z, 0-9 and '-'", code="key-name", hint="like 'hospital-a'"
        )
    return name


def key_not_found(name: str, where: str) -> NotFoundError:
    """Return the error for a key that is not there."""
    return NotFoundError(f"there is no key {name!r} in {where}", code="key-not-found", hint="see 'mooring key list'")


def _of(key: object) -> SigningKey:
    if not isinstance(key, Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("unsupported")
    return SigningKey(key)


def _pkcs8(key: _Private) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _refuse(problem: str) -> NoReturn:
    # `from None`: a parser's error may quote what it parsed.
    raise StorageError(
        f"the private key {problem}",
        code="key-format",
        hint="give an Ed25519, P-256 or secp256k1 key as PKCS #8 PEM",
    ) from None
