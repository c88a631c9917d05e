"""What recent blocks charged (eth_feeHistory, EIP-1559)."""

from __future__ import annotations

from typing import Any

from mooring.ledger.embedded.evm import Header, calculate_expected_base_fee_per_gas
from mooring.ledger.embedded.history import History
from mooring.ledger.embedded.values import to_quantity

__all__ = ["fee_history"]

_BLOB_FEE = 1  # wei: the least, and no blob is ever carried (EIP-4844)


def fee_history(history: History, count: int, newest: Header, percentiles: list[float]) -> dict[str, Any]:
    """Base fees of up to `count` blocks ending with `newest` and of the next one, their fullness and tips."""
    first = max(0, newest.block_number - count + 1)
    headers = [history.header(number) for number in range(first, newest.block_number + 1)]
    base_fees = [header.base_fee_per_gas for header in headers]
    answer = {
        "oldestBlock": to_quantity(first),
        "baseFeePerGas": [to_quantity(fee) for fee in (*base_fees, calculate_expected_base_fee_per_gas(newest))],
        "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
        "baseFeePerBlobGas": [to_quantity(_BLOB_FEE)] * (len(headers) + 1),
        "blobGasUsedRatio": [0.0] * len(headers),
    }
    if percentiles:
        answer["reward"] = [[to_quantity(tip) for tip in _tips(history, header, percentiles)] for header in headers]
    return answer


def _tips(history: History, header: Header, percentiles: list[float]) -> list[int]:
    """The tips that these shares of the block's gas paid at most, in wei per gas."""
    paid, before = [], 0
    for transaction, receipt in zip(history.transactions(header), history.receipts(header), strict=True):
        tip = min(transaction.max_priority_fee_per_gas, transaction.max_fee_per_gas - header.base_fee_per_gas)
        paid.append((tip, receipt.gas_used - before))
        before = receipt.gas_used
    paid.sort()
    return [_at(paid, header.gas_used * percentile / 100) for percentile in percentiles]


def _at(paid: list[tuple[int, int]], threshold: float) -> int:
    """The tip of the transaction with which the gas used reaches the threshold; 0 in an empty block."""
    total = 0
    for tip, gas in paid:
        total += gas
        if total >= threshold:
            return tip
    return paid[-1][0] if paid else 0
