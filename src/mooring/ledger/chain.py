"""An EVM chain as a node tells it: every answer parsed strictly, and hashed where the chain commits to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mooring.errors import ConfigError, LedgerError, LedgerLied
from mooring.ledger.header import (
    Header,
    LogEntry,
    Receipt,
    ReceiptTrie,
    hex_bytes,
    parse_header,
    parse_log,
    parse_receipt,
    quantity,
)
from mooring.ledger.jsonrpc import Call, RpcError, Transport, ask_all
from mooring.ledger.transaction import Fees

__all__ = ["Chain", "Message", "failure", "revert_data"]

_METHOD_NOT_FOUND = -32601
_UNSUPPORTED = (_METHOD_NOT_FOUND, -32004)  # EIP-1474
_REVERTED = 3
_MAX_LOGS = 200_000
Message = tuple[bytes, bytes, bytes]
"""A call that is only simulated: sender and recipient (20 bytes; none to create a contract) and calldata."""


class Chain:
    """Reads and sends over one transport.

    Raises LedgerError where the node fails, LedgerLied where it contradicts itself.
    """

    def __init__(self, transport: Transport, *, verify_headers: bool = True) -> None:
        self._transport = transport
        self._verify_headers = verify_headers
        self._block_receipts = self._simulates = True

    def chain_id(self) -> int:
        """Return the chain's id (EIP-155)."""
        return quantity(self._ask("eth_chainId"), "chain id")

    def header(self, block: int | str) -> Header | None:
        """Return the header at a number or tag, or None if there is none."""
        return self.headers([block])[0]

    def need_header(self, block: int | str) -> Header:
        """Return the header at a number or tag; raises LedgerError `block-missing`."""
        header = self.header(block)
        if header is None:
            raise LedgerError(
                f"the node has no block {block}",
                code="block-missing",
                hint="it is still synchronising, was reset, or has pruned its history; wait or ask another node",
            )
        return header

    def headers(self, blocks: Sequence[int | str]) -> list[Header | None]:
        """Return headers, in one round trip."""
        asked: list[Call] = [("eth_getBlockByNumber", [_block(block), False]) for block in blocks]
        headers = [self._header(answer) for answer in self._all(asked)]
        for block, header in zip(blocks, headers, strict=True):
            if header is not None and isinstance(block, int) and header.number != block:
                raise _contradiction(f"asked for block {block}, it returned block {header.number}", "block-number")
        return headers

    def logs(self, addresses: Sequence[bytes], first: int, last: int) -> list[LogEntry]:
        """Return the contracts' logs of a range of blocks, in order; raises RpcError if the range is too large."""
        wanted = {
            "address": [f"0x{address.hex()}" for address in addresses],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        answer = self._transport.request("eth_getLogs", [wanted])
        if not isinstance(answer, list) or len(answer) > _MAX_LOGS:
            raise _malformed("eth_getLogs")
        # A log marked `removed` belongs to a fork that the node has left.
        logs = [parse_log(entry) for entry in answer if not (isinstance(entry, dict) and entry.get("removed"))]
        if any(log.address not in addresses or not first <= log.block <= last for log in logs):
            raise _contradiction("a log lies outside of the range or the contracts asked for", "log-filter")
        return sorted(logs, key=lambda log: (log.block, log.index))

    def receipts(self, transactions: Sequence[bytes]) -> list[Receipt | None]:
        """Return each transaction's receipt, or None where it is in no block; not checked against the header."""
        asked: list[Call] = [("eth_getTransactionReceipt", [f"0x{tx.hex()}"]) for tx in transactions]
        receipts = [None if answer is None else parse_receipt(answer) for answer in self._all(asked)]
        for wanted, receipt in zip(transactions, receipts, strict=True):
            if receipt is not None and receipt.transaction != wanted:
                raise _contradiction(f"asked for 0x{wanted.hex()}, it returned another's receipt", "receipt-hash")
        return receipts

    def block_receipts(self, headers: Sequence[Header]) -> list[ReceiptTrie]:
        """Return all receipts of each block, checked against its header; raises LedgerLied `receipts-root`."""
        answers = zip(headers, self._receipts_of(headers), strict=True)
        return [
            ReceiptTrie(header, [parse_receipt(item) for item in _whole(header, answer)]) for header, answer in answers
        ]

    def known(self, transactions: Sequence[bytes]) -> list[bool]:
        """Tell which transactions the node has, in its pool or in a block."""
        return [answer is not None for answer in self._all([_by_hash(tx) for tx in transactions])]

    def nonce(self, address: bytes, block: int | str) -> int:
        """Return how many transactions the account has made."""
        return quantity(self._ask("eth_getTransactionCount", f"0x{address.hex()}", _block(block)), "nonce")

    def balance(self, address: bytes) -> int:
        """Return the account's balance in wei."""
        return quantity(self._ask("eth_getBalance", f"0x{address.hex()}", "latest"), "balance")

    def code(self, address: bytes) -> bytes:
        """Return the code at an address."""
        return hex_bytes(self._ask("eth_getCode", f"0x{address.hex()}", "latest"), "code")

    def call(self, to: bytes, data: bytes, block: int | str) -> bytes:
        """Return what a contract answers; raises RpcError where it reverts."""
        request = {"to": f"0x{to.hex()}", "data": f"0x{data.hex()}"}
        return hex_bytes(self._transport.request("eth_call", [request, _block(block)]), "result")

    def replay(self, message: Message, gas: int, block: int) -> RpcError | None:
        """Run a past transaction again on the state after `block`; return its error, or None if it has none."""
        request = {**_request(message), "gas": hex(gas)}
        try:
            self._transport.request("eth_call", [request, _block(block)])
        except RpcError as error:
            return error
        return None

    def estimate(self, messages: Sequence[Message]) -> list[int | RpcError]:
        """Return the gas that each call needs on the newest state by itself, or why it fails."""
        asked: list[Call] = [("eth_estimateGas", [_request(message)]) for message in messages]
        answers = ask_all(self._transport, asked)
        return [answer if isinstance(answer, RpcError) else quantity(answer, "gas estimate") for answer in answers]

    def rehearse(self, messages: Sequence[Message]) -> list[int | RpcError] | None:
        """Return the gas that each call uses on the state that those before it leave, up to the first that fails.

        None if the node has no eth_simulateV1 (ethereum/execution-apis), or one that cannot create contracts.
        """
        if not self._simulates or not all(to for _, to, _ in messages):
            return None
        calls = [_request(message) for message in messages]
        try:
            answer = self._transport.request("eth_simulateV1", [{"blockStateCalls": [{"calls": calls}]}, "latest"])
        except RpcError as error:
            if error.code not in _UNSUPPORTED:
                raise failure("eth_simulateV1", error) from error
            self._simulates = False
            return None
        results: list[int | RpcError] = []
        for result in _simulated(answer, len(messages)):
            results.append(result)
            if isinstance(result, RpcError):
                break
        return results

    def fees(self) -> Fees:
        """Return fees that get a transaction into the next blocks; raises ConfigError `no-eip1559`."""
        asked: list[Call] = [("eth_getBlockByNumber", ["latest", False]), ("eth_maxPriorityFeePerGas", [])]
        block, tip = ask_all(self._transport, asked)
        if isinstance(block, RpcError):
            raise failure("eth_getBlockByNumber", block) from block
        base_fee = parse_header(block, verified=self._verify_headers).base_fee
        if base_fee is None:
            raise ConfigError(
                "the chain has no base fee, so it does not take EIP-1559 transactions",
                code="no-eip1559",
                hint="enable its London fork (it may keep the base fee at 0)",
            )
        if not isinstance(tip, RpcError):
            wanted = quantity(tip, "tip")
        elif tip.code in _UNSUPPORTED:
            wanted = max(0, quantity(self._ask("eth_gasPrice"), "gas price") - base_fee)
        else:
            raise failure("eth_maxPriorityFeePerGas", tip) from tip
        return Fees(2 * base_fee + wanted, wanted)

    def send(self, raws: Sequence[bytes]) -> list[Any]:
        """Send signed transactions; return what the node said of each: its answer, or an RpcError."""
        return ask_all(self._transport, [("eth_sendRawTransaction", [f"0x{raw.hex()}"]) for raw in raws])

    def proof(self, address: bytes, slots: Sequence[bytes], block: int) -> Any:
        """Return the node's EIP-1186 answer as it is."""
        keys = [f"0x{slot.hex()}" for slot in slots]
        return self._ask("eth_getProof", f"0x{address.hex()}", keys, _block(block))

    def _receipts_of(self, headers: Sequence[Header]) -> list[Any]:
        """Return each block's receipts as the node gives them; one by one from a node that cannot give them whole."""
        if self._block_receipts:
            answers = ask_all(self._transport, [("eth_getBlockReceipts", [header.name]) for header in headers])
            errors = [answer for answer in answers if isinstance(answer, RpcError)]
            if not errors:
                return answers
            if errors[0].code not in _UNSUPPORTED:
                raise failure("eth_getBlockReceipts", errors[0]) from errors[0]
            self._block_receipts = False
        wanted = [("eth_getTransactionReceipt", [f"0x{tx.hex()}"]) for header in headers for tx in header.transactions]
        singles = iter(self._all(wanted))
        return [[next(singles) for _ in header.transactions] for header in headers]

    def _header(self, answer: Any) -> Header | None:
        return None if answer is None else parse_header(answer, verified=self._verify_headers)

    def _ask(self, method: str, *params: Any) -> Any:
        return self._all([(method, list(params))])[0]

    def _all(self, calls: list[Call]) -> list[Any]:
        answers = ask_all(self._transport, calls)
        for (method, _), answer in zip(calls, answers, strict=True):
            if isinstance(answer, RpcError):
                raise failure(method, answer) from answer
        return answers


def revert_data(error: RpcError) -> bytes | None:
    """Return the data with which a contract reverted, or None if the error is another.

    geth, Besu, anvil and reth give it as a string; some nodes nest it in an object.
    """
    data = error.data.get("data") if isinstance(error.data, dict) else error.data
    if isinstance(data, str) and data.startswith("0x"):
        try:
            return bytes.fromhex(data[2:])
        except ValueError:
            return b""
    reverted = error.code == _REVERTED or "revert" in error.message.lower()
    return b"" if reverted else None


def failure(method: str, error: RpcError) -> LedgerError:
    """Return the error for a call that the node could not answer."""
    return LedgerError(
        f"the node could not answer {method}: {error.message} ({error.code})",
        code="rpc-error",
        hint="look at the node's own log; a method that is missing may have to be enabled there",
    )


def _simulated(answer: Any, count: int) -> list[int | RpcError]:
    """Read the calls of the one block that eth_simulateV1 was asked for."""
    try:
        calls = answer[0]["calls"]
        if len(calls) != count:
            raise _malformed("eth_simulateV1")
        return [
            quantity(call["gasUsed"], "gas used")
            if quantity(call["status"], "status")
            else RpcError(_REVERTED, str(call.get("error")), call.get("returnData"))
            for call in calls
        ]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise _malformed("eth_simulateV1") from error


def _block(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _by_hash(transaction: bytes) -> Call:
    return ("eth_getTransactionByHash", [f"0x{transaction.hex()}"])


def _request(message: Message) -> dict[str, str]:
    sender, to, data = message
    request = {"from": f"0x{sender.hex()}", "data": f"0x{data.hex()}"}
    return {**request, "to": f"0x{to.hex()}"} if to else request


def _whole(header: Header, answer: Any) -> list[Any]:
    """Return a block's receipts; a node that left that block a moment ago has none, or null for each."""
    if answer is None or (isinstance(answer, list) and None in answer):
        raise LedgerError(
            f"the node no longer has block {header.number} ({header.name})",
            code="block-missing",
            hint="the chain reorganised while it was read: ask again",
        )
    if not isinstance(answer, list):
        raise _malformed("eth_getBlockReceipts")
    return answer


def _malformed(method: str) -> LedgerError:
    return LedgerError(
        f"the node's answer to {method} is not well-formed",
        code="rpc-malformed",
        hint="the endpoint must speak Ethereum's JSON-RPC; ask another node",
    )


def _contradiction(what: str, code: str) -> LedgerLied:
    return LedgerLied(f"the node contradicts itself: {what}", code=code, hint="ask another node: this one is broken")
