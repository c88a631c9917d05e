"""The few ABI encodings that the rules themselves hash: governance calls (Solidity ABI specification)."""

from __future__ import annotations

from mooring.ledger.port import Value
from mooring.proofs.keccak import keccak256

__all__ = ["governance_call"]

_SIGNATURES = {
    "setMember": "setMember(address,bytes32,uint8)",
    "setThreshold": "setThreshold(uint8)",
    "setPolicy": "setPolicy(uint256,bytes32)",
    "revoke": "revoke(bytes32,bytes32)",
}
_SELECTORS = {name: keccak256(signature.encode())[:4] for name, signature in _SIGNATURES.items()}


def governance_call(method: str, *args: Value) -> bytes:
    """Return the calldata of a governance method; its arguments are all one word each."""
    return _SELECTORS[method] + b"".join(_word(value) for value in args)


def _word(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return bytes(12) + bytes.fromhex(value[2:])
    assert isinstance(value, int)
    return value.to_bytes(32, "big")
