"""Attestation envelopes: DSSE v1 (secure-systems-lab/dsse, protocol 1.0.0 and envelope 1.0.0).

A chain account cannot sign bare bytes, so its signature names a scheme in a field that DSSE tells others to ignore:

    {"keyid": …, "sig": …}                              ed25519, p256: over PAE(payloadType, payload), as DSSE says
    {"keyid": …, "scheme": "eip191", "sig": …}          secp256k1: personal_sign of the PAE (EIP-191)
    {"keyid": …, "scheme": "eip712:<chain id>", "sig": …}  secp256k1: typed data bound to that chain (EIP-712)

A verifier that knows DSSE alone verifies the first form, and fails on the others: it checks them over other bytes.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from mooring.errors import ProofError
from mooring.proofs.eip import eip191_digest, eip712_digest
from mooring.proofs.keys import PublicKey

__all__ = ["EIP191", "MAX_ENVELOPE", "Envelope", "Signature", "eip712_scheme", "pae", "verify"]

EIP191 = "eip191"
MAX_ENVELOPE = 16 << 20
_EIP712 = "eip712:"
_MAX_SIGNATURES = 64
_MAX_SIGNATURE = 8192
_MAX_NAME = 256
_MAX_BRACKETS = 512  # four or five times what 64 signatures need


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes a DSSE signature covers (DSSE protocol, "PAE")."""
    encoded = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(encoded), encoded, len(payload), payload)


def eip712_scheme(chain_id: int) -> str:
    """Return the `scheme` of a typed-data signature made for chain `chain_id`."""
    return f"{_EIP712}{chain_id}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature; `keyid` is a hint, "" if absent; `scheme` is "" for plain DSSE."""

    sig: bytes
    keyid: str = ""
    scheme: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.sig) <= _MAX_SIGNATURE:
            raise _malformed(f"a signature has {len(self.sig)} bytes, not 1 to {_MAX_SIGNATURE}")
        _check_name("keyid", self.keyid)
        _check_name("scheme", self.scheme)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its type and 1 to 64 signatures, no two of them under one keyid."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        _check_name("payloadType", self.payload_type)
        if not self.payload_type:
            raise _malformed("payloadType is empty, so nothing says how to read the payload")
        if not 0 < len(self.signatures) <= _MAX_SIGNATURES:
            raise _malformed(f"there are {len(self.signatures)} signatures, not 1 to {_MAX_SIGNATURES}")
        named = [signature.keyid for signature in self.signatures if signature.keyid]
        if len(named) != len(set(named)):
            raise _malformed("one keyid signs twice")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read any valid DSSE envelope; fields that DSSE does not define are ignored, as it demands.

        Base64 may be standard or URL-safe, with padding and no spare bits. Raises ProofError "dsse-format".
        """
        outer = _parse_object(data)
        signatures = outer.get("signatures")
        if not isinstance(signatures, list):
            raise _malformed("signatures is not a list")
        return cls(_text(outer, "payloadType"), _base64(outer, "payload"), tuple(_signature(s) for s in signatures))

    @classmethod
    def from_canonical(cls, data: bytes) -> Self:
        """Read an envelope that must be byte for byte what `to_bytes` writes; raises "dsse-canonical" if not."""
        envelope = cls.from_bytes(data)
        if envelope.to_bytes() != data:
            raise ProofError(
                "envelope is not in canonical form (sorted keys, no spaces, standard base64, no other fields)",
                code="dsse-canonical",
                hint="Ask for the record as it was logged.",
            )
        return envelope

    def to_bytes(self) -> bytes:
        """Return canonical JSON: sorted keys, no spaces, UTF-8, standard base64, empty hints left out."""
        signatures = []
        for signature in self.signatures:
            fields = {"keyid": signature.keyid, "scheme": signature.scheme, "sig": _encode(signature.sig)}
            signatures.append({name: value for name, value in fields.items() if value})
        outer = {"payload": _encode(self.payload), "payloadType": self.payload_type, "signatures": signatures}
        return json.dumps(outer, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def verify(
    envelope: Envelope, keys: Mapping[str, PublicKey], *, chain_ids: Collection[int] = ()
) -> tuple[PublicKey, ...]:
    """Return the keys that signed `envelope`, each once; `keys` maps the keyids that may appear to trusted keys.

    Typed-data signatures count only for a chain in `chain_ids`. A signature under an unknown keyid is passed over,
    one without keyid is tried against every key. Raises ProofError: "signature" if one under a known keyid is bad
    (no majority of good ones outvotes it), "scheme" or "chain-id" if it is of the wrong form, "unknown-key" if
    no known key signed.
    """
    accepted: dict[str, PublicKey] = {}
    for signature in envelope.signatures:
        key = _signer(envelope, signature, keys, chain_ids)
        if key is not None:
            accepted[key.keyid] = key
    if not accepted:
        raise ProofError(
            "no signature of the envelope is by a known key",
            code="unknown-key",
            hint="Add the signer's key to the trust root, if you do trust it.",
        )
    return tuple(accepted.values())


def _signer(
    envelope: Envelope, signature: Signature, keys: Mapping[str, PublicKey], chain_ids: Collection[int]
) -> PublicKey | None:
    if signature.keyid:
        key = keys.get(signature.keyid)
        if key is not None:
            _check(envelope, signature, key, chain_ids)
        return key
    for key in keys.values():
        try:
            _check(envelope, signature, key, chain_ids)
        except ProofError:
            continue  # an anonymous signature makes no claim about this key
        return key
    return None


def _check(envelope: Envelope, signature: Signature, key: PublicKey, chain_ids: Collection[int]) -> None:
    if key.kind != "secp256k1" and not signature.scheme:
        key.verify(signature.sig, pae(envelope.payload_type, envelope.payload))
    elif key.kind == "secp256k1" and signature.scheme == EIP191:
        key.verify_digest(signature.sig, eip191_digest(pae(envelope.payload_type, envelope.payload)))
    elif key.kind == "secp256k1" and signature.scheme.startswith(_EIP712):
        chain_id = _chain_id(signature.scheme, chain_ids)
        key.verify_digest(signature.sig, eip712_digest(envelope.payload_type, envelope.payload, chain_id))
    else:
        raise ProofError(
            f"{key.kind} key {key.keyid} cannot sign under scheme {signature.scheme!r}",
            code="scheme",
            hint="Chain accounts sign under eip191 or eip712:<chain id>, other keys under no scheme.",
        )


def _chain_id(scheme: str, chain_ids: Collection[int]) -> int:
    for chain_id in chain_ids:
        if scheme == eip712_scheme(chain_id):
            return chain_id
    raise ProofError(
        f"the signature is bound by {scheme!r} to a chain that is not accepted here",
        code="chain-id",
        hint="Verify against the trust root of the chain it was signed for.",
    )


def _parse_object(data: bytes) -> dict[str, object]:
    if len(data) > MAX_ENVELOPE:
        raise _malformed(f"it has {len(data)} bytes, more than {MAX_ENVELOPE}")
    # Python's parser recurses in C: where a library has raised the recursion limit, deep nesting would end the process.
    if data.count(b"[") + data.count(b"{") > _MAX_BRACKETS:
        raise _malformed(f"it is no JSON of at most {_MAX_BRACKETS} lists and objects")
    try:
        parsed = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"it is no JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise _malformed("it is no JSON object")
    return parsed


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field appears twice")
    return fields


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _signature(fields: object) -> Signature:
    if not isinstance(fields, dict):
        raise _malformed("a signature is no object")
    return Signature(_base64(fields, "sig"), _text(fields, "keyid", ""), _text(fields, "scheme", ""))


def _text(fields: Mapping[str, object], name: str, absent: str | None = None) -> str:
    value = fields.get(name, absent)
    if not isinstance(value, str):
        raise _malformed(f"{name} is missing or no string")
    return value


def _base64(fields: Mapping[str, object], name: str) -> bytes:
    text = _text(fields, name)
    try:
        standard = text if "+" in text or "/" in text else text.replace("-", "+").replace("_", "/")
        decoded = b64decode(standard, validate=True)
    except ValueError as error:
        raise _malformed(f"{name} is not base64 ({error})") from error
    if _encode(decoded) != standard:
        raise _malformed(f"{name} is not canonical base64 (spare bits)")
    return decoded


def _encode(data: bytes) -> str:
    return b64encode(data).decode()


def _check_name(field: str, value: str) -> None:
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise _malformed(f"{field} is not Unicode text ({error})") from error
    if size > _MAX_NAME:
        raise _malformed(f"{field} has {size} bytes, more than {_MAX_NAME}")


def _malformed(what: str) -> ProofError:
    return ProofError(
        f"DSSE envelope: {what}",
        code="dsse-format",
        hint="Give a DSSE v1 envelope: payloadType, payload, signatures[{keyid, sig}].",
    )
