"""Blocks, transactions, receipts and logs as Ethereum's JSON-RPC shows them (execution-apis, Prague)."""

from __future__ import annotations

from typing import Any

import rlp

from mooring.ledger.embedded.evm import Body, Header, PragueBlock, Receipt, generate_contract_address
from mooring.ledger.embedded.history import Place
from mooring.ledger.embedded.logs import LogRow
from mooring.ledger.embedded.values import hexed, to_data, to_quantity

__all__ = ["block_view", "log_view", "receipt_view", "transaction_view"]

Json = dict[str, Any]


def block_view(header: Header, transactions: tuple[Body, ...], *, full: bool) -> Json:
    """A block with every header field, so that its hash can be computed again from it."""
    block = PragueBlock(header, transactions, (), ())
    return {
        "number": to_quantity(header.block_number),
        "hash": to_data(header.hash),
        "parentHash": to_data(header.parent_hash),
        "sha3Uncles": to_data(header.uncles_hash),
        "miner": to_data(header.coinbase),
        "stateRoot": to_data(header.state_root),
        "transactionsRoot": to_data(header.transaction_root),
        "receiptsRoot": to_data(header.receipt_root),
        "logsBloom": to_data(header.bloom.to_bytes(256, "big")),
        "difficulty": to_quantity(header.difficulty),
        "gasLimit": to_quantity(header.gas_limit),
        "gasUsed": to_quantity(header.gas_used),
        "timestamp": to_quantity(header.timestamp),
        "extraData": to_data(header.extra_data),
        "mixHash": to_data(header.mix_hash),
        "nonce": to_data(header.nonce),
        "baseFeePerGas": to_quantity(header.base_fee_per_gas),
        "withdrawalsRoot": to_data(header.withdrawals_root),
        "blobGasUsed": to_quantity(header.blob_gas_used),
        "excessBlobGas": to_quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": to_data(header.parent_beacon_block_root),
        "requestsHash": to_data(header.requests_hash),
        "size": to_quantity(len(rlp.encode(block))),
        "uncles": [],
        "withdrawals": [],
        "transactions": [
            transaction_view(transaction, Place(header, index)) if full else to_data(transaction.hash)
            for index, transaction in enumerate(transactions)
        ],
    }


def transaction_view(transaction: Body, place: Place | None) -> Json:
    """A transaction; `place` is None while it is pending."""
    kind = transaction.type_id or 0
    header = place.header if place else None
    view: Json = {
        "hash": to_data(transaction.hash),
        "blockHash": hexed(header.hash) if header else None,
        "blockNumber": to_quantity(header.block_number) if header else None,
        "transactionIndex": to_quantity(place.index) if place else None,
        "type": to_quantity(kind),
        "chainId": to_quantity(transaction.chain_id or 0),
        "from": to_data(transaction.sender),
        "to": hexed(transaction.to or None),
        "nonce": to_quantity(transaction.nonce),
        "gas": to_quantity(transaction.gas),
        "value": to_quantity(transaction.value),
        "input": to_data(transaction.data),
        "r": to_quantity(transaction.r),
        "s": to_quantity(transaction.s),
        "gasPrice": to_quantity(_price(transaction, header)),
    }
    if kind == 0:
        return {**view, "v": to_quantity(transaction.v)}
    parity = to_quantity(transaction.y_parity)
    view |= {"v": parity, "yParity": parity, "accessList": _access_list(transaction)}
    if kind == 2:
        view["maxFeePerGas"] = to_quantity(transaction.max_fee_per_gas)
        view["maxPriorityFeePerGas"] = to_quantity(transaction.max_priority_fee_per_gas)
    return view


def receipt_view(transaction: Body, receipt: Receipt, gas_used: int, place: Place, logs: list[LogRow]) -> Json:
    """A receipt; `gas_used` is the transaction's own, `logs` its rows of the index."""
    contract = None if transaction.to else generate_contract_address(transaction.sender, transaction.nonce)
    return {
        "transactionHash": to_data(transaction.hash),
        "transactionIndex": to_quantity(place.index),
        "blockHash": to_data(place.header.hash),
        "blockNumber": to_quantity(place.header.block_number),
        "from": to_data(transaction.sender),
        "to": hexed(transaction.to or None),
        "contractAddress": hexed(contract),
        "type": to_quantity(transaction.type_id or 0),
        "status": to_quantity(int.from_bytes(receipt.state_root, "big")),
        "gasUsed": to_quantity(gas_used),
        "cumulativeGasUsed": to_quantity(receipt.gas_used),
        "effectiveGasPrice": to_quantity(_price(transaction, place.header)),
        "logsBloom": to_data(receipt.bloom.to_bytes(256, "big")),
        "logs": [log_view(row, place.header) for row in logs],
    }


def log_view(row: LogRow, header: Header) -> Json:
    """An event and its place."""
    block, position, tx_index, tx_hash, address, *topics, data = row
    return {
        "address": to_data(address),
        "topics": [to_data(topic) for topic in topics if topic is not None],
        "data": to_data(data),
        "blockNumber": to_quantity(block),
        "blockHash": to_data(header.hash),
        "blockTimestamp": to_quantity(header.timestamp),
        "transactionHash": to_data(tx_hash),
        "transactionIndex": to_quantity(tx_index),
        "logIndex": to_quantity(position),
        "removed": False,
    }


def _price(transaction: Body, header: Header | None) -> int:
    """What a unit of gas costs in wei; while pending, the most that it may cost (EIP-1559)."""
    if header is None:
        return int(transaction.max_fee_per_gas)
    return int(min(transaction.max_fee_per_gas, header.base_fee_per_gas + transaction.max_priority_fee_per_gas))


def _access_list(transaction: Body) -> list[Json]:
    return [
        {"address": to_data(address), "storageKeys": [to_data(slot.to_bytes(32, "big")) for slot in slots]}
        for address, slots in transaction.access_list
    ]
