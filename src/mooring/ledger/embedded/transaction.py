"""One signed transaction as it comes in: decoded strictly, its sender recovered, its static rules checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp
from eth_keys.exceptions import BadSignature

from mooring.errors import LedgerRefused
from mooring.ledger.embedded.evm import Body, PragueTransactionBuilder, ValidationError

__all__ = ["MAX_GAS", "MAX_TRANSACTION_BYTES", "Transaction", "call_gas_floor", "decode", "intrinsic_gas"]

MAX_TRANSACTION_BYTES = 128 * 1024
"""The size at which Ethereum's clients stop relaying a transaction."""

MAX_GAS = 30_000_000
"""The gas that one transaction may ask for: the block's target, half its limit (see `genesis`)."""

_MAX_INITCODE = 49_152  # EIP-3860
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # EIP-2
_MAX_NONCE = 2**64 - 2  # EIP-2681


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that satisfies every rule that does not depend on the state; fees are in wei per gas."""

    raw: bytes
    hash: bytes
    sender: bytes
    nonce: int
    gas: int
    max_fee: int
    max_tip: int
    cost: int  # the most that it can take from its sender's balance, in wei
    body: Body  # py-evm's own object


def decode(raw: bytes, chain_id: int) -> Transaction:
    """Read the bytes of a signed transaction of type 0, 1 or 2 (EIP-2718, 2930, 1559) for this chain.

    Raises `LedgerRefused`, in the words of Ethereum's clients, for anything that could never be included.
    """
    if len(raw) > MAX_TRANSACTION_BYTES:
        raise _refused("oversized data", f"{len(raw)} bytes, at most {MAX_TRANSACTION_BYTES}", "transaction-size")
    body = _parse(raw)
    _check_signature(body, chain_id)
    _check_gas(body)
    try:
        sender = bytes(body.sender)
    except (BadSignature, ValidationError) as error:
        raise _refused("invalid sender", f"the signature does not fit: {error}", "transaction-signature") from error
    return Transaction(
        raw=raw,
        hash=bytes(body.hash),
        sender=sender,
        nonce=body.nonce,
        gas=body.gas,
        max_fee=body.max_fee_per_gas,
        max_tip=body.max_priority_fee_per_gas,
        cost=body.gas * body.max_fee_per_gas + body.value,
        body=body,
    )


def intrinsic_gas(data: bytes, *, create: bool, access_list: Any = ()) -> int:
    """Gas that a transaction pays before it runs (EIP-2028, 2930, 3860)."""
    zeros = data.count(0)
    gas = 21_000 + 4 * zeros + 16 * (len(data) - zeros)
    if create:
        gas += 32_000 + 2 * ((len(data) + 31) // 32)
    return gas + sum(2_400 + 1_900 * len(slots) for _, slots in access_list)


def call_gas_floor(data: bytes) -> int:
    """The least gas that a transaction with this data pays (EIP-7623)."""
    zeros = data.count(0)
    return 21_000 + 10 * (zeros + 4 * (len(data) - zeros))


def _parse(raw: bytes) -> Body:
    """Decode the envelope and refuse any encoding but the canonical one."""
    if not raw:
        raise _refused("rlp: empty transaction", "send the signed bytes", "transaction-encoding")
    if raw[0] < 0x80 and raw[0] not in (1, 2):
        raise _refused("transaction type not supported", f"type {raw[0]}; use 0, 1 or 2", "transaction-type")
    try:
        body = PragueTransactionBuilder.decode(raw)
        if _encoded(body) != raw:
            raise ValidationError("not the canonical encoding")
    except (rlp.exceptions.RLPException, ValidationError, TypeError, ValueError, IndexError) as error:
        raise _refused("rlp: transaction cannot be decoded", str(error), "transaction-encoding") from error
    return body


def _encoded(body: Body) -> bytes:
    """Encode from the fields: `encode` would return the bytes that were decoded, and rlp reads an empty list as 0."""
    inner = getattr(body, "_inner", body)
    prefix = b"" if inner is body else bytes([body.type_id])
    return prefix + bytes(rlp.encode(inner, type(inner)))


def _check_signature(body: Body, chain_id: int) -> None:
    """Bind the transaction to this chain (EIP-155, 2718) and to one form of signature (EIP-2)."""
    if body.chain_id != chain_id:
        detail = "unprotected by EIP-155" if body.chain_id is None else f"for chain {body.chain_id}"
        raise _refused("invalid chain id for signer", f"{detail}; this is chain {chain_id}", "transaction-chain")
    if not 0 < body.s <= _HALF_ORDER or body.r == 0 or body.y_parity not in (0, 1):
        raise _refused("invalid sender", "r, s or parity is out of range", "transaction-signature")


def _check_gas(body: Body) -> None:
    """Check amounts, fees, gas and the size of init code."""
    create = not body.to
    needed = max(intrinsic_gas(body.data, create=create, access_list=body.access_list), call_gas_floor(body.data))
    largest = max(body.value, body.max_fee_per_gas, body.max_priority_fee_per_gas)
    if largest >= 2**256 or body.nonce > _MAX_NONCE:
        raise _refused("value or nonce out of range", "values are below 2^256", "transaction-range")
    if body.max_priority_fee_per_gas > body.max_fee_per_gas:
        detail = f"tip {body.max_priority_fee_per_gas} > fee {body.max_fee_per_gas}"
        raise _refused("max priority fee per gas higher than max fee per gas", detail, "transaction-fee")
    if create and len(body.data) > _MAX_INITCODE:
        raise _refused("max initcode size exceeded", f"{len(body.data)} > {_MAX_INITCODE}", "transaction-initcode")
    if body.gas > MAX_GAS:
        raise _refused("exceeds block gas limit", f"gas {body.gas} > {MAX_GAS}", "transaction-gas")
    if body.gas < needed:
        raise _refused("intrinsic gas too low", f"have {body.gas}, want {needed}", "transaction-gas")


def _refused(said: str, detail: str, code: str) -> LedgerRefused:
    """A refusal in the words that Ethereum's clients use, so that programs which match them go on working."""
    return LedgerRefused(f"{said}: {detail}", code=code, hint="Correct the transaction and sign it again.")
