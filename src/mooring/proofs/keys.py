"""Public keys: who may have signed, and whether they did.

Signature formats, one per kind, nothing else accepted:

    ed25519    64 bytes (RFC 8032)
    p256       ECDSA with SHA-256, ASN.1 DER, as DSSE and Sigstore verifiers expect (RFC 3279 §2.2.3)
    secp256k1  ECDSA over Keccak-256, 65 bytes r || s || v with v 27 or 28 and s in the lower half (EIP-2): accepted
               exactly when the EVM's ecrecover would return this key's address
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256K1,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256

__all__ = ["Kind", "PublicKey", "checksum_address"]

Kind = Literal["ed25519", "p256", "secp256k1"]
_Key = Ed25519PublicKey | EllipticCurvePublicKey

_CURVES: dict[str, Kind] = {"secp256r1": "p256", "secp256k1": "secp256k1"}
_MAX_ENCODED = 4096
_SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # SEC 2 §2.4.1
_PREHASHED = ECDSA(Prehashed(hashes.SHA256()))  # names only the length: 32 bytes that are hashed already


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that parses, in the one DER encoding its `keyid` stands for; two are equal when their DER is.

    Raises ProofError "key-format" for anything else.
    """

    spki: bytes
    kind: Kind = field(init=False, compare=False)
    _key: _Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            if len(self.spki) > _MAX_ENCODED:
                raise ValueError(f"{len(self.spki)} bytes")
            key = load_der_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _malformed(f"does not parse ({error})") from error
        kind, supported = _recognise(key)
        if _der(supported) != self.spki:
            raise _malformed("is not in its canonical DER encoding (uncompressed point, named curve)")
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "_key", supported)

    @classmethod
    def from_spki(cls, der: bytes) -> Self:
        """Read a SubjectPublicKeyInfo in DER (RFC 5280 §4.1, RFC 5480, RFC 8410)."""
        return cls(der)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read a `PUBLIC KEY` PEM block (RFC 7468 §13)."""
        try:
            if len(pem) > _MAX_ENCODED:
                raise ValueError(f"{len(pem)} bytes")
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _malformed(f"does not parse as PEM ({error})") from error
        return cls(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @classmethod
    def from_raw(cls, kind: Kind, raw: bytes) -> Self:
        """Read 32 bytes of Ed25519, or a SEC 1 point (33 or 65 bytes) on the curve that `kind` names."""
        try:
            if kind == "ed25519":
                return cls(_der(Ed25519PublicKey.from_public_bytes(raw)))
            curve = SECP256R1() if kind == "p256" else SECP256K1()
            return cls(_der(EllipticCurvePublicKey.from_encoded_point(curve, raw)))
        except ValueError as error:
            raise _malformed(f"is no {kind} point ({error})") from error

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` wrote; raises if the kind named is not the kind held."""
        named, _, encoded = text.partition(":")
        try:
            key = cls(b64decode(encoded, validate=True))
        except ValueError as error:
            raise _malformed(f"is not `kind:base64` ({error})") from error
        if key.to_text() != text:
            raise _malformed(f"is written as {named!r} but holds {key.kind}, or its base64 is not canonical")
        return key

    def to_text(self) -> str:
        """Return the key on one line: `kind:base64(SPKI DER)`."""
        return f"{self.kind}:{b64encode(self.spki).decode()}"

    @property
    def keyid(self) -> str:
        """Lower-case hex SHA-256 of the SPKI DER."""
        return sha256(self.spki).hexdigest()

    @property
    def address(self) -> str:
        """The chain account of a secp256k1 key, with its EIP-55 checksum; raises "key-kind" for other kinds."""
        self._require("secp256k1")
        return checksum_address(keccak256(self._point())[12:])

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if this key signed `message`; raise ProofError "signature" if not. Formats: see the module."""
        if self.kind == "secp256k1":
            return self.verify_digest(signature, keccak256(message))
        try:
            if isinstance(self._key, Ed25519PublicKey):
                self._key.verify(signature, message)
            else:
                self._key.verify(signature, message, ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise _refused(self, "is not by this key over these bytes") from error
        return None

    def verify_digest(self, signature: bytes, digest: bytes) -> None:
        """Return if this secp256k1 key signed the 32-byte Keccak `digest`; raise ProofError "signature" if not."""
        self._require("secp256k1")
        if len(signature) != 65 or len(digest) != 32:
            raise _refused(self, f"has {len(signature)} bytes, not 65 (r || s || v), or its digest not 32")
        r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
        if not (0 < r < _SECP256K1_N and 0 < s <= _SECP256K1_N // 2 and v in (27, 28)):
            raise _refused(self, "has r or s out of range, s in the upper half (EIP-2), or v other than 27 and 28")
        try:
            _check(self._key, r, s, digest)
            self._check_recovery(r, s, v, digest)
        except (InvalidSignature, ValueError) as error:
            raise _refused(self, "is not by this key over this digest") from error

    def _check_recovery(self, r: int, s: int, v: int, digest: bytes) -> None:
        # ecrecover gives (s/r)R - (z/r)G for the point R with abscissa r and the parity v names (SEC 1 §4.1.6). ECDSA
        # verification under R *as public key* computes that very point from the numbers below and compares its
        # abscissa with x, this key's own. Without it v would be free to flip under a signature that still verifies.
        ephemeral = EllipticCurvePublicKey.from_encoded_point(SECP256K1(), bytes([v - 25]) + r.to_bytes(32, "big"))
        n, x, z = _SECP256K1_N, int.from_bytes(self._point()[:32], "big"), int.from_bytes(digest, "big")
        ratio = x * pow(s, -1, n) % n
        _check(ephemeral, x % n, ratio * r % n, (-z * ratio % n).to_bytes(32, "big"))

    def _point(self) -> bytes:
        """The uncompressed point without its 0x04 prefix: x || y, 64 bytes."""
        return self._key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]

    def _require(self, kind: Kind) -> None:
        if self.kind != kind:
            raise ProofError(
                f"key {self.keyid} is {self.kind}, and only {kind} keys can do this",
                code="key-kind",
                hint=f"Use the {kind} key of the chain account.",
            )


def checksum_address(account: bytes) -> str:
    """Write a 20-byte account as `0x…` with the mixed-case checksum of EIP-55."""
    digits = account.hex()
    mask = keccak256(digits.encode()).hex()
    return "0x" + "".join(d.upper() if m >= "8" else d for d, m in zip(digits, mask[: len(digits)], strict=True))


def _recognise(key: object) -> tuple[Kind, _Key]:
    if isinstance(key, Ed25519PublicKey):
        return "ed25519", key
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name], key
    raise _malformed("is of a kind that is not supported")


def _der(key: _Key) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check(key: _Key, r: int, s: int, digest: bytes) -> None:
    assert isinstance(key, EllipticCurvePublicKey)
    key.verify(encode_dss_signature(r, s), digest, _PREHASHED)


def _malformed(what: str) -> ProofError:
    return ProofError(
        f"public key {what}",
        code="key-format",
        hint="Give an Ed25519, P-256 or secp256k1 key as SubjectPublicKeyInfo.",
    )


def _refused(key: PublicKey, what: str) -> ProofError:
    return ProofError(
        f"signature by {key.kind} key {key.keyid} {what}",
        code="signature",
        hint="Do not use what was signed: it was changed, or another key signed it.",
    )
