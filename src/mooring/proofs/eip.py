"""What a chain account signs: EIP-191 personal messages, and EIP-712 typed data for attestations."""

from __future__ import annotations

from hashlib import sha256

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256

__all__ = ["domain_separator", "eip191_digest", "eip712_digest", "typed_data_digest"]


def eip191_digest(message: bytes) -> bytes:
    """Return the digest that `personal_sign` signs for `message` (EIP-191, version 0x45)."""
    return keccak256(b"\x19Ethereum Signed Message:\n%d" % len(message) + message)


def eip712_digest(payload_type: str, payload: bytes, chain_id: int) -> bytes:
    """Return the digest that `eth_signTypedData_v4` signs for an attestation on chain `chain_id` (EIP-712).

    Domain: name "Mooring", version "1", chainId. Primary type: Attestation(string payloadType,bytes32 payloadDigest)
    where payloadDigest is the SHA-256 of the payload.
    """
    struct_hash = keccak256(
        keccak256(b"Attestation(string payloadType,bytes32 payloadDigest)")
        + keccak256(payload_type.encode())
        + sha256(payload).digest()
    )
    return typed_data_digest(domain_separator("Mooring", "1", chain_id), struct_hash)


def domain_separator(name: str, version: str, chain_id: int) -> bytes:
    """Return hashStruct(eip712Domain) of the domain with these three fields (EIP-712)."""
    if not 0 < chain_id < 1 << 256:
        raise ProofError(
            f"chain id {chain_id} is not a positive 256-bit number",
            code="chain-id",
            hint="Name the chain by its EIP-155 id.",
        )
    return keccak256(
        keccak256(b"EIP712Domain(string name,string version,uint256 chainId)")
        + keccak256(name.encode())
        + keccak256(version.encode())
        + chain_id.to_bytes(32, "big")
    )


def typed_data_digest(separator: bytes, struct_hash: bytes) -> bytes:
    """Return keccak256(0x19 || 0x01 || domain separator || hashStruct(message)) (EIP-712)."""
    return keccak256(b"\x19\x01" + separator + struct_hash)
