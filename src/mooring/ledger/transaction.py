"""EIP-1559 transactions: signed through the port's `Signer`, hashed where they are made."""

from __future__ import annotations

from dataclasses import dataclass

import rlp

from mooring.errors import ConfigError
from mooring.ledger.port import Signer
from mooring.proofs.keccak import keccak256

__all__ = ["Draft", "Fees", "Signed", "created_address", "sign"]

_TYPE = b"\x02"  # EIP-1559, EIP-2718


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers, in wei per gas."""

    max_fee: int
    max_tip: int

    def raised(self) -> Fees:
        """Return fees 12.5 % higher, which every client accepts as a replacement (geth asks for 10 %)."""
        return Fees(_raise(self.max_fee), _raise(self.max_tip))

    def at_least(self, other: Fees) -> Fees:
        """Return the higher of each part."""
        return Fees(max(self.max_fee, other.max_fee), max(self.max_tip, other.max_tip))


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction before it has a nonce and fees; `to` is 20 bytes, or none to create a contract."""

    to: bytes
    data: bytes
    gas: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction: the bytes to send, and the hash by which every node knows it."""

    hash: bytes
    raw: bytes


def sign(signer: Signer, account: str, chain_id: int, nonce: int, draft: Draft, fees: Fees) -> Signed:
    """Return the signed transaction; raises ConfigError `signer` if the signer's answer is not of the port's form."""
    fields: list[object] = [chain_id, nonce, fees.max_tip, fees.max_fee, draft.gas, draft.to, 0, draft.data, []]
    signature = signer.sign_digest(account, keccak256(_TYPE + rlp.encode(fields)))
    if len(signature) != 65 or signature[64] > 1:
        raise ConfigError(
            f"the signer of account {account!r} returned {len(signature)} bytes that are no r || s || v with v 0 or 1",
            code="signer",
            hint="repair the key store's signer; nothing was sent",
        )
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    raw = _TYPE + bytes(rlp.encode([*fields, signature[64], r, s]))
    return Signed(keccak256(raw), raw)


def created_address(sender: bytes, nonce: int) -> bytes:
    """Return the address at which this sender's transaction creates a contract (Yellow Paper §7)."""
    return keccak256(rlp.encode([sender, nonce]))[12:]


def _raise(fee: int) -> int:
    return max(fee + 1, -(-fee * 9 // 8))
