"""The table of JSON-RPC methods (ethereum/execution-apis, EIP-1474, EIP-1186)."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from mooring.errors import MooringError
from mooring.ledger.embedded import execution, logs, params
from mooring.ledger.embedded.evm import MISSING
from mooring.ledger.embedded.execution import Outcome
from mooring.ledger.embedded.fees import fee_history
from mooring.ledger.embedded.history import Place
from mooring.ledger.embedded.logs import LogFilter, LogRow
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.proof import get_proof
from mooring.ledger.embedded.rpc import LIMIT_EXCEEDED, REVERTED, SERVER_ERROR, RpcError
from mooring.ledger.embedded.values import address, data, fixed, invalid, quantity, to_data, to_quantity
from mooring.ledger.embedded.views import block_view, log_view, receipt_view, transaction_view

__all__ = ["MAX_LOGS", "Method", "table"]

Method = Callable[..., Any]

MAX_LOGS = 10_000
_MAX_SLOTS = 1_024
_ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string), Solidity's `require`
_TABLE: dict[str, Method] = {}


def table(node: EmbeddedNode) -> dict[str, Method]:
    """Every method by name; call it with the parameters in order. It raises `RpcError`."""
    return {name: functools.partial(_answered, method, node) for name, method in _TABLE.items()}


def _answered(method: Method, node: EmbeddedNode, *arguments: Any) -> Any:
    """Run a method and say a refusal of the chain in JSON-RPC's terms."""
    try:
        return method(node, arguments)
    except MooringError as error:
        raise as_rpc(error) from error
    except MISSING as error:
        raise as_rpc(node.database.corrupt(f"has lost part of the state: {error}")) from error


def as_rpc(error: MooringError) -> RpcError:
    """The chain's own errors: the message as Ethereum's clients word it, with our code and hint as data."""
    return RpcError(SERVER_ERROR, error.message, {"code": error.code, "hint": error.hint, "definite": error.definite})


def _method(name: str) -> Callable[[Method], Method]:
    def enter(function: Method) -> Method:
        _TABLE[name] = function
        return function

    return enter


@_method("web3_clientVersion")
def _client_version(node: EmbeddedNode, given: Sequence[Any]) -> str:
    params.take(given, 0)
    version = importlib.metadata.version
    return f"mooring/v{version('mooring')}/py-evm-{version('py-evm')}/prague"


@_method("net_version")
def _net_version(node: EmbeddedNode, given: Sequence[Any]) -> str:
    params.take(given, 0)
    return str(node.chain_id)


@_method("eth_chainId")
def _chain_id(node: EmbeddedNode, given: Sequence[Any]) -> str:
    params.take(given, 0)
    return to_quantity(node.chain_id)


@_method("eth_blockNumber")
def _block_number(node: EmbeddedNode, given: Sequence[Any]) -> str:
    params.take(given, 0)
    return to_quantity(node.head.block_number)


@_method("eth_syncing")
def _syncing(node: EmbeddedNode, given: Sequence[Any]) -> bool:
    params.take(given, 0)
    return False


@_method("eth_accounts")
def _accounts(node: EmbeddedNode, given: Sequence[Any]) -> list[str]:
    params.take(given, 0)
    return []  # the node holds no keys


@_method("eth_gasPrice")
def _gas_price(node: EmbeddedNode, given: Sequence[Any]) -> str:
    params.take(given, 0)
    return to_quantity(node.head.base_fee_per_gas)


@_method("eth_maxPriorityFeePerGas")
def _tip(node: EmbeddedNode, given: Sequence[Any]) -> str:
    params.take(given, 0)
    return to_quantity(0)


@_method("eth_feeHistory")
def _fee_history(node: EmbeddedNode, given: Sequence[Any]) -> dict[str, Any]:
    count, newest, wanted = params.take(given, 2, 3)
    count = quantity(count, "blockCount", 1_025) if isinstance(count, str) else count
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 1_024:
        raise invalid("blockCount", count, "a number of blocks from 1 to 1024")
    return fee_history(node.history, count, params.header_at(node, newest), params.percentiles(wanted))


@_method("eth_getBalance")
def _balance(node: EmbeddedNode, given: Sequence[Any]) -> str:
    account, block = params.take(given, 1, 2)
    account = address(account, "address")
    return to_quantity(execution.accounts(node.database, params.header_at(node, block)).get_balance(account))


@_method("eth_getTransactionCount")
def _transaction_count(node: EmbeddedNode, given: Sequence[Any]) -> str:
    account, block = params.take(given, 1, 2)
    account = address(account, "address")
    if block == "pending":
        return to_quantity(node.next_nonce(account))
    return to_quantity(execution.accounts(node.database, params.header_at(node, block)).get_nonce(account))


@_method("eth_getCode")
def _code(node: EmbeddedNode, given: Sequence[Any]) -> str:
    account, block = params.take(given, 1, 2)
    account = address(account, "address")
    return to_data(execution.accounts(node.database, params.header_at(node, block)).get_code(account))


@_method("eth_getStorageAt")
def _storage(node: EmbeddedNode, given: Sequence[Any]) -> str:
    account, slot, block = params.take(given, 2, 3)
    account, place = address(account, "address"), _slot(slot)
    state = execution.accounts(node.database, params.header_at(node, block))
    return to_data(state.get_storage(account, place).to_bytes(32, "big"))


@_method("eth_call")
def _call(node: EmbeddedNode, given: Sequence[Any]) -> str:
    request, block = params.take(given, 1, 2)
    header = params.header_at(node, block)
    return to_data(
        _succeeded(execution.call(node.database, header, node.chain_id, params.call_request(request))).output
    )


@_method("eth_estimateGas")
def _estimate(node: EmbeddedNode, given: Sequence[Any]) -> str:
    request, block = params.take(given, 1, 2)
    header, wanted = params.header_at(node, block), params.call_request(request)
    outcome = execution.estimate(node.database, header, node.chain_id, wanted)
    if outcome.starved:
        raise RpcError(SERVER_ERROR, f"gas required exceeds allowance ({wanted.gas})")
    return to_quantity(_succeeded(outcome).gas_used)


@_method("eth_sendRawTransaction")
def _send(node: EmbeddedNode, given: Sequence[Any]) -> str:
    (raw,) = params.take(given, 1)
    return to_data(node.send_raw_transaction(data(raw, "transaction")))


@_method("eth_getTransactionByHash")
def _transaction(node: EmbeddedNode, given: Sequence[Any]) -> dict[str, Any] | None:
    (tx_hash,) = params.take(given, 1)
    tx_hash = fixed(tx_hash, "hash", 32)
    pooled = node.pooled(tx_hash)
    place = node.history.find(tx_hash)  # asked last: a transaction moves from the pool to a block
    if place is not None:
        return transaction_view(node.history.transaction(place), place)
    return transaction_view(pooled.body, None) if pooled else None


@_method("eth_getTransactionReceipt")
def _receipt(node: EmbeddedNode, given: Sequence[Any]) -> dict[str, Any] | None:
    (tx_hash,) = params.take(given, 1)
    place = node.history.find(fixed(tx_hash, "hash", 32))
    if place is None:
        return None
    receipt, gas_used = node.history.receipt(place)
    rows = _logs_of(node, place.header.block_number) if receipt.logs else []
    mine = [row for row in rows if row[2] == place.index]
    return receipt_view(node.history.transaction(place), receipt, gas_used, place, mine)


@_method("eth_getBlockReceipts")
def _block_receipts(node: EmbeddedNode, given: Sequence[Any]) -> list[dict[str, Any]] | None:
    (block,) = params.take(given, 1)
    header = params.block_or_none(node, _hash_or_block(block))
    if header is None:
        return None
    rows = _logs_of(node, header.block_number)
    views, before = [], 0
    pairs = zip(node.history.transactions(header), node.history.receipts(header), strict=True)
    for index, (transaction, receipt) in enumerate(pairs):
        mine = [row for row in rows if row[2] == index]
        views.append(receipt_view(transaction, receipt, receipt.gas_used - before, Place(header, index), mine))
        before = receipt.gas_used
    return views


@_method("eth_getBlockByNumber")
def _block_by_number(node: EmbeddedNode, given: Sequence[Any]) -> dict[str, Any] | None:
    block, full = params.take(given, 1, 2)
    if isinstance(block, dict):
        raise invalid("block", block, 'a number or a tag such as "latest"')
    return _block(node, block, full)


@_method("eth_getBlockByHash")
def _block_by_hash(node: EmbeddedNode, given: Sequence[Any]) -> dict[str, Any] | None:
    block_hash, full = params.take(given, 1, 2)
    return _block(node, {"blockHash": block_hash}, full)


@_method("eth_getLogs")
def _logs(node: EmbeddedNode, given: Sequence[Any]) -> list[dict[str, Any]]:
    (wanted,) = params.take(given, 1)
    rows = logs.select(node.database, params.log_filter(node, wanted), MAX_LOGS + 1)
    if len(rows) > MAX_LOGS:
        raise RpcError(LIMIT_EXCEEDED, f"query returned more than {MAX_LOGS} results: ask for fewer blocks")
    headers = {number: node.history.header(number) for number in {row[0] for row in rows}}
    return [log_view(row, headers[row[0]]) for row in rows]


@_method("eth_getProof")
def _proof(node: EmbeddedNode, given: Sequence[Any]) -> dict[str, Any]:
    account, slots, block = params.take(given, 2, 3)
    if not isinstance(slots, list) or len(slots) > _MAX_SLOTS:
        raise invalid("storageKeys", slots, f"a list of at most {_MAX_SLOTS}")
    places = [_slot(slot) for slot in slots]
    found = get_proof(node.database, params.header_at(node, block), address(account, "address"), places)
    return {
        "address": to_data(found.address),
        "balance": to_quantity(found.balance),
        "nonce": to_quantity(found.nonce),
        "codeHash": to_data(found.code_hash),
        "storageHash": to_data(found.storage_root),
        "accountProof": [to_data(one) for one in found.nodes],
        "storageProof": [
            {"key": key, "value": to_quantity(slot.value), "proof": [to_data(one) for one in slot.nodes]}
            for key, slot in zip(slots, found.slots, strict=True)
        ],
    }


def _block(node: EmbeddedNode, block: Any, full: Any) -> dict[str, Any] | None:
    if full is not None and not isinstance(full, bool):
        raise invalid("full", full, "true or false")
    header = params.block_or_none(node, block)
    return None if header is None else block_view(header, node.history.transactions(header), full=bool(full))


def _hash_or_block(block: Any) -> Any:
    """eth_getBlockReceipts takes a bare hash too."""
    return {"blockHash": block} if isinstance(block, str) and len(block) == 66 else block


def _logs_of(node: EmbeddedNode, number: int) -> list[LogRow]:
    """Every event of a block: as many as its gas allows."""
    return logs.select(node.database, LogFilter(number, number), -1)


def _slot(value: Any) -> int:
    """A storage slot, as a number or as 32 bytes; both are in use."""
    if isinstance(value, str) and len(value) == 66:
        return int.from_bytes(fixed(value, "slot", 32), "big")
    return quantity(value, "slot")


def _succeeded(outcome: Outcome) -> Outcome:
    """The outcome, or the error that says why there is none."""
    if outcome.reverted:
        raise RpcError(REVERTED, f"execution reverted{_reason(outcome.output)}", to_data(outcome.output))
    if outcome.failure:
        raise RpcError(SERVER_ERROR, outcome.failure)
    return outcome


def _reason(output: bytes) -> str:
    """The text that `require` was given, if it was."""
    if output[:4] != _ERROR_STRING:
        return ""
    try:
        (text,) = decode(["string"], output[4:])
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return ""  # some other contract's bytes under the same selector: the data shows them
    return f": {text}"
