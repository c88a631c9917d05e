"""What a block proves: a log that a transaction emitted, or a value in a contract's storage.

Each function starts from a root that the caller trusts already, and says nothing about why that block is to be
believed: a block hash, a quorum of signers, or the chain's own consensus must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mooring.errors import ProofError
from mooring.proofs import trie
from mooring.proofs.header import Header
from mooring.proofs.keccak import keccak256
from mooring.proofs.rlp import Item, decode, decode_scalar, encode, encode_scalar

__all__ = [
    "Account",
    "Log",
    "TransactionReceipt",
    "decode_receipt",
    "verify_account",
    "verify_receipt",
    "verify_receipt_log",
    "verify_storage",
]


@dataclass(frozen=True, slots=True)
class Log:
    """One event: the emitting contract (20 bytes), up to four topics (32 bytes each) and its data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """The outcome of one transaction: its EIP-2718 type (0 = legacy), whether it succeeded, and its logs in order."""

    type: int
    succeeded: bool
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """The state of one account (Yellow Paper §4.1)."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


def verify_receipt_log(
    header: Header,
    index: int,
    nodes: Sequence[bytes],
    position: int,
    *,
    address: bytes,
    topics: Sequence[bytes],
    data: bytes | None = None,
) -> Log:
    """Return log `position` of transaction `index` in the block, if it is the expected one.

    `position` counts within the transaction (JSON-RPC's logIndex counts within the block). The log must come from
    contract `address`, its topics must begin with `topics`, and its data must be `data` unless that is None. Raises
    ProofError "receipt-log" if not, "receipt" or "trie-proof" if the proof does not hold.
    """
    receipt = verify_receipt(header, index, nodes)
    if not receipt.succeeded or not 0 <= position < len(receipt.logs):
        raise _mismatch(f"transaction {index} of block {header.number} failed or has no log {position}")
    log = receipt.logs[position]
    if log.address != address:
        raise _mismatch(f"the log is by contract 0x{log.address.hex()}, not 0x{address.hex()}")
    if log.topics[: len(topics)] != tuple(topics):
        raise _mismatch("the log is another event, or about something else (topics differ)")
    if data is not None and log.data != data:
        raise _mismatch("the log says something else (data differs)")
    return log


def verify_receipt(header: Header, index: int, nodes: Sequence[bytes]) -> TransactionReceipt:
    """Return the receipt of transaction `index` in the block; raises ProofError "trie-proof" or "receipt"."""
    if index < 0:
        raise _malformed(f"there is no transaction {index}")
    value = trie.verify(header.receipts_root, encode(encode_scalar(index)), nodes)
    if value is None:
        raise _malformed(f"block {header.number} has no transaction {index}")
    return decode_receipt(value)


def verify_storage(
    state_root: bytes, address: bytes, slot: bytes, account_nodes: Sequence[bytes], storage_nodes: Sequence[bytes]
) -> int:
    """Return the word that contract `address` (20 bytes) holds in `slot` (32 bytes); 0 if it is proved to hold none.

    Raises ProofError "account" if there is no such account, "storage" or "trie-proof" if the proof does not hold.
    """
    account = verify_account(state_root, address, account_nodes)
    if account is None:
        raise _malformed(f"account 0x{address.hex()} does not exist in this state", "account")
    value = trie.verify(account.storage_root, keccak256(_sized("slot", slot, 32, "storage")), storage_nodes)
    if value is None:
        return 0
    word = decode_scalar(decode(value))
    if word == 0:
        raise _malformed("the storage trie holds a zero, which Ethereum never stores", "storage")
    return word


def verify_account(state_root: bytes, address: bytes, nodes: Sequence[bytes]) -> Account | None:
    """Return the account at `address` (20 bytes), or None if it is proved not to exist; raises "account"."""
    value = trie.verify(state_root, keccak256(_sized("address", address, 20, "account")), nodes)
    if value is None:
        return None
    fields = _items("account", decode(value), "account")
    if len(fields) != 4:
        raise _malformed(f"an account has {len(fields)} fields, not 4", "account")
    nonce, balance, storage_root, code_hash = fields
    return Account(
        decode_scalar(nonce, size=8),
        decode_scalar(balance),
        _sized("storageRoot", storage_root, 32, "account"),
        _sized("codeHash", code_hash, 32, "account"),
    )


def decode_receipt(encoded: bytes) -> TransactionReceipt:
    """Read a receipt as the receipt trie holds it (EIP-2718, EIP-658).

    Typed receipts may carry fields after the logs (rollups add some); they are ignored. Raises ProofError "receipt",
    also for receipts from before Byzantium, which do not say whether the transaction succeeded.
    """
    kind = encoded[0] if encoded and encoded[0] < 0x80 else 0
    fields = _items("a receipt", decode(encoded[1:] if kind else encoded))
    if len(fields) < 4 or (kind == 0 and len(fields) != 4):
        raise _malformed(f"a receipt has {len(fields)} fields, not status, gas, bloom and logs")
    status, gas, bloom, logs = fields[:4]
    if status not in (b"", b"\x01"):
        raise _malformed("a receipt's status is neither 0 nor 1 (it may be from before Byzantium)")
    decode_scalar(gas)
    _sized("logsBloom", bloom, 256)
    return TransactionReceipt(kind, status == b"\x01", tuple(_log(item) for item in _items("logs", logs)))


def _log(item: Item) -> Log:
    fields = _items("a log", item)
    if len(fields) != 3:
        raise _malformed(f"a log has {len(fields)} fields, not address, topics and data")
    address, topics, data = fields
    topics = _items("topics", topics)
    if len(topics) > 4 or not isinstance(data, bytes):
        raise _malformed("a log has more than four topics, or a list for its data")
    return Log(_sized("address", address, 20), tuple(_sized("topic", topic, 32) for topic in topics), data)


def _items(name: str, item: Item, code: str = "receipt") -> tuple[Item, ...]:
    if isinstance(item, bytes):
        raise _malformed(f"{name} is no list", code)
    return item


def _sized(name: str, item: Item, size: int, code: str = "receipt") -> bytes:
    if not isinstance(item, bytes) or len(item) != size:
        raise _malformed(f"{name} is not {size} bytes", code)
    return item


def _malformed(what: str, code: str = "receipt") -> ProofError:
    return ProofError(
        f"chain proof: {what}",
        code=code,
        hint="Check chain, contract and block, and fetch the proof again.",
    )


def _mismatch(what: str) -> ProofError:
    return ProofError(
        f"chain proof: {what}",
        code="receipt-log",
        hint="Check the transaction, the log's position, the contract and the chain.",
    )
