"""Block headers and receipts as the chain commits to them: re-encoded and hashed, so that a node cannot invent them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import rlp
from trie.hexary import HexaryTrie

from mooring.errors import LedgerError, LedgerLied
from mooring.proofs.keccak import keccak256

__all__ = [
    "Header",
    "LogEntry",
    "Receipt",
    "ReceiptTrie",
    "bloom_has",
    "hex_bytes",
    "parse_header",
    "parse_log",
    "parse_receipt",
    "quantity",
]

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_INT = frozenset(
    {
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
    }
)
_FIELDS = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
)
_LATER_FIELDS = (
    "baseFeePerGas",  # EIP-1559
    "withdrawalsRoot",  # EIP-4895
    "blobGasUsed",  # EIP-4844
    "excessBlobGas",
    "parentBeaconBlockRoot",  # EIP-4788
    "requestsHash",  # EIP-7685
)
_DEPOSIT = 0x7E  # OP Stack deposit transactions have receipts with two more fields


@dataclass(frozen=True, slots=True)
class Header:
    """A block header whose hash was recomputed (unless the chain is configured to be believed)."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    state_root: bytes
    receipts_root: bytes
    bloom: bytes
    base_fee: int | None
    gas_limit: int
    rlp: bytes
    transactions: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """The hash as the port writes it."""
        return f"0x{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log as `eth_getLogs` and receipts give it; `index` counts inside the block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    index: int

    @property
    def fields(self) -> list[Any]:
        """What the receipts trie holds of it."""
        return [self.address, list(self.topics), self.data]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one transaction."""

    transaction: bytes
    index: int
    block: int
    block_hash: bytes
    ok: bool
    gas_used: int
    created: bytes | None
    logs: tuple[LogEntry, ...]
    encoded: bytes


def parse_header(block: Any, *, verified: bool = True) -> Header:
    """Read a block; raises LedgerError `rpc-malformed`, or LedgerLied `header-hash` if it does not hash to its name."""
    fields = _mapping(block, "a block")
    encoded = bytes(rlp.encode([_field(fields, name) for name in _present(fields)]))
    claimed = hex_bytes(fields.get("hash"), "block hash", 32)
    if verified and keccak256(encoded) != claimed:
        raise LedgerLied(
            f"the header of block {fields.get('number')} does not hash to its name 0x{claimed.hex()}",
            code="header-hash",
            hint="ask another node; if this chain hashes headers in a way of its own (Besu QBFT, Kaia), set "
            "`verify_headers = false` and do without proofs",
        )
    return Header(
        quantity(fields.get("number"), "block number"),
        claimed,
        hex_bytes(fields.get("parentHash"), "parent hash", 32),
        quantity(fields.get("timestamp"), "timestamp"),
        hex_bytes(fields.get("stateRoot"), "state root", 32),
        hex_bytes(fields.get("receiptsRoot"), "receipts root", 32),
        hex_bytes(fields.get("logsBloom"), "bloom", 256),
        quantity(fields["baseFeePerGas"], "base fee") if fields.get("baseFeePerGas") is not None else None,
        quantity(fields.get("gasLimit"), "gas limit"),
        encoded,
        tuple(hex_bytes(_transaction_hash(item), "transaction hash", 32) for item in fields.get("transactions") or ()),
    )


def parse_log(entry: Any) -> LogEntry:
    """Read a log; raises LedgerError `rpc-malformed`."""
    fields = _mapping(entry, "a log")
    topics = fields.get("topics")
    if not isinstance(topics, list) or len(topics) > 4:
        raise _malformed("a log's topics")
    return LogEntry(
        hex_bytes(fields.get("address"), "log address", 20),
        tuple(hex_bytes(topic, "topic", 32) for topic in topics),
        hex_bytes(fields.get("data"), "log data"),
        quantity(fields.get("blockNumber"), "log block"),
        hex_bytes(fields.get("blockHash"), "log block hash", 32),
        hex_bytes(fields.get("transactionHash"), "log transaction", 32),
        quantity(fields.get("logIndex"), "log index"),
    )


def parse_receipt(entry: Any) -> Receipt:
    """Read a receipt, and re-encode it as its trie holds it (EIP-2718, EIP-658); raises LedgerError `rpc-malformed`."""
    fields = _mapping(entry, "a receipt")
    logs = fields.get("logs")
    if not isinstance(logs, list):
        raise _malformed("a receipt's logs")
    parsed = tuple(parse_log(log) for log in logs)
    status = quantity(fields.get("status"), "status")
    created = fields.get("contractAddress")
    return Receipt(
        hex_bytes(fields.get("transactionHash"), "transaction hash", 32),
        quantity(fields.get("transactionIndex"), "transaction index"),
        quantity(fields.get("blockNumber"), "receipt block"),
        hex_bytes(fields.get("blockHash"), "receipt block hash", 32),
        status == 1,
        quantity(fields.get("gasUsed"), "gas used"),
        hex_bytes(created, "contract address", 20) if created else None,
        parsed,
        _encode_receipt(fields, status, parsed),
    )


class ReceiptTrie:
    """The receipts of one block in their Merkle-Patricia trie, checked against the header's root."""

    def __init__(self, header: Header, receipts: Sequence[Receipt]) -> None:
        self.header = header
        self.receipts = {receipt.transaction: receipt for receipt in receipts}
        self._trie: Any = HexaryTrie({})  # the library carries no types
        for receipt in receipts:
            self._trie[rlp.encode(receipt.index)] = receipt.encoded
        if self._trie.root_hash != header.receipts_root:
            raise LedgerLied(
                f"the {len(receipts)} receipts of block {header.number} are not those that its header commits to",
                code="receipts-root",
                hint="ask another node: this one invents, changes or hides receipts",
            )

    def logs(self, addresses: Collection[bytes]) -> list[LogEntry]:
        """Return the logs of these contracts, in the block's order and counted anew: receipts do not commit to it."""
        ordered = sorted(self.receipts.values(), key=lambda receipt: receipt.index)
        logs = enumerate(log for receipt in ordered for log in receipt.logs)
        return [
            replace(log, index=index, block=self.header.number, block_hash=self.header.hash)
            for index, log in logs
            if log.address in addresses
        ]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """Return the trie's nodes from the root to the receipt at this index."""
        return tuple(bytes(rlp.encode(node)) for node in self._trie.get_proof(rlp.encode(index)))


def bloom_has(bloom: bytes, item: bytes) -> bool:
    """Tell whether a 256-byte bloom may hold an address or topic (Yellow Paper §4.3.1)."""
    digest = keccak256(item)
    bits = (int.from_bytes(digest[i : i + 2], "big") & 2047 for i in (0, 2, 4))
    return all(bloom[255 - bit // 8] >> (bit % 8) & 1 for bit in bits)


def quantity(value: Any, what: str) -> int:
    """Read a JSON-RPC quantity; raises LedgerError `rpc-malformed`."""
    if isinstance(value, str) and _QUANTITY.fullmatch(value):
        return int(value, 16)
    raise _malformed(f"{what} {str(value)[:80]!r}")


def hex_bytes(value: Any, what: str, size: int | None = None) -> bytes:
    """Read JSON-RPC data of a known size; raises LedgerError `rpc-malformed`."""
    try:
        if isinstance(value, str) and value.startswith("0x"):
            data = bytes.fromhex(value[2:])
            # `fromhex` passes over white space, which must not be there.
            if len(value) == 2 + 2 * len(data) and size in (None, len(data)):
                return data
    except ValueError:
        pass
    raise _malformed(f"{what} {str(value)[:80]!r}")


def _present(fields: Mapping[str, Any]) -> tuple[str, ...]:
    return _FIELDS + tuple(name for name in _LATER_FIELDS if fields.get(name) is not None)


def _field(fields: Mapping[str, Any], name: str) -> Any:
    value = fields.get(name)
    return quantity(value, name) if name in _INT else hex_bytes(value, name)


def _transaction_hash(item: Any) -> Any:
    return item.get("hash") if isinstance(item, dict) else item


def _encode_receipt(fields: Mapping[str, Any], status: int, logs: Sequence[LogEntry]) -> bytes:
    kind = quantity(fields.get("type", "0x0"), "receipt type")
    body: list[Any] = [
        status,
        quantity(fields.get("cumulativeGasUsed"), "cumulative gas"),
        hex_bytes(fields.get("logsBloom"), "receipt bloom", 256),
        [log.fields for log in logs],
    ]
    if kind == _DEPOSIT:
        extra = (fields.get("depositNonce"), fields.get("depositReceiptVersion"))
        body += [quantity(value, "deposit field") for value in extra if value is not None]
    return (bytes([kind]) if kind else b"") + bytes(rlp.encode(body))


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _malformed(what)
    return value


def _malformed(what: str) -> LedgerError:
    return LedgerError(
        f"the node's answer holds {what} that is not well-formed",
        code="rpc-malformed",
        hint="the endpoint must speak Ethereum's JSON-RPC; ask another node",
    )
