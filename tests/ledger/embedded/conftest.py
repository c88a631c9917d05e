"""What the embedded chain's tests share: keys, signed transactions, a small contract, and a chain to use them on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils import to_checksum_address

from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.transport import LocalTransport

CHAIN_ID = 31_337
NOW_S = 1_800_000_000.0

_REVERT_EMPTY = (
    "6308c379a060e01b600052"  # Error(string) …
    "6020600452600560245264656d70747960d81b604452"  # … "empty"
    "60646000fd"
)
_STORE_AND_LOG = (
    "5b60003580600055"  # slot 0 := the word
    "8060005233906020600"  # topics: the word, the caller; data: the word
    "0a2"
    "60206000f3"  # return the word
)
KEEPER = bytes.fromhex(f"3661{5 + len(_REVERT_EMPTY) // 2:04x}57{_REVERT_EMPTY}{_STORE_AND_LOG}")
"""Given a word: keep it in slot 0, log it, return it. Given nothing: revert with "empty"."""


def creation(runtime: bytes) -> bytes:
    """Init code that leaves this runtime code."""
    return bytes.fromhex(f"61{len(runtime):04x}80600a3d393df3") + runtime


@dataclass
class Chain:
    """A node with keys: what a test sends and asks."""

    node: EmbeddedNode
    keys: list[Any]
    nonces: dict[int, int] = field(default_factory=dict)

    @property
    def rpc(self) -> LocalTransport:
        return LocalTransport(self.node)

    def address(self, key: int = 0) -> bytes:
        return bytes.fromhex(self.keys[key].address[2:])

    def sign(self, *, key: int = 0, nonce: int | None = None, **fields: Any) -> bytes:
        """A signed transaction with the key's next nonce unless another is given."""
        if nonce is None:
            nonce = self.nonces.get(key, 0)
            self.nonces[key] = nonce + 1
        return signed(self.keys[key], nonce=nonce, **fields)

    def send(self, **fields: Any) -> bytes:
        return self.node.send_raw_transaction(self.sign(**fields))

    def mined(self, tx_hash: bytes) -> dict[str, Any]:
        """The receipt, once a block holds the transaction."""
        assert self.node.wait_mined(tx_hash, 20), self.node.refusal(tx_hash)
        return self.rpc.request("eth_getTransactionReceipt", ["0x" + tx_hash.hex()])

    def deploy(self, runtime: bytes = KEEPER, **fields: Any) -> str:
        receipt = self.mined(self.send(data=creation(runtime), gas=1_000_000, **fields))
        assert receipt["status"] == "0x1"
        return receipt["contractAddress"]


def signed(key: Any, *, nonce: int, to: str | None = None, data: bytes = b"", **fields: Any) -> bytes:
    """A transaction signed by eth-account: type 2 unless a gas price makes it an older one."""
    transaction = {"chainId": CHAIN_ID, "nonce": nonce, "gas": 200_000, "value": 0, "data": data, **fields}
    if to is not None:
        transaction["to"] = to_checksum_address(to)
    if "gasPrice" not in transaction:
        transaction.setdefault("maxFeePerGas", 0)
        transaction.setdefault("maxPriorityFeePerGas", 0)
    unset = [name for name, value in transaction.items() if value is None]
    for name in unset:
        del transaction[name]
    return bytes(Account.sign_transaction(transaction, key.key).raw_transaction)


@pytest.fixture(scope="session")
def keys() -> list[Any]:
    return [Account.from_key(bytes([0] * 30 + [1, number])) for number in range(1, 9)]


@pytest.fixture(scope="session")
def sign() -> Callable[..., bytes]:
    return signed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "chain"


@pytest.fixture
def open_chain(folder: Path, keys: list[Any]) -> Iterator[Callable[..., Chain]]:
    """Open the chain in `folder`, as often as the test likes; what is still open at its end is closed."""
    opened: list[EmbeddedNode] = []

    def make(**options: Any) -> Chain:
        chosen = {"chain_id": CHAIN_ID, "genesis_accounts": {}, "clock": lambda: NOW_S, "block_interval_s": 0.0}
        opened.append(EmbeddedNode.open(folder, **(chosen | options)))
        return Chain(opened[-1], keys)

    yield make
    for node in opened:
        node.close()


@pytest.fixture(scope="session")
def make_chain(keys: list[Any]) -> Callable[[Path], Chain]:
    """Open a chain in any folder; the caller closes its node."""

    def make(folder: Path) -> Chain:
        rich = {bytes.fromhex(key.address[2:]): 10**18 for key in keys[:2]}
        node = EmbeddedNode.open(
            folder, chain_id=CHAIN_ID, genesis_accounts=rich, clock=lambda: NOW_S, block_interval_s=0.0
        )
        return Chain(node, keys)

    return make


@pytest.fixture
def chain(open_chain: Callable[..., Chain], keys: list[Any]) -> Chain:
    """A new chain on which the first two keys own one ether each."""
    rich = {bytes.fromhex(key.address[2:]): 10**18 for key in keys[:2]}
    return open_chain(genesis_accounts=rich)


@pytest.fixture(scope="session")
def keeper() -> bytes:
    return KEEPER
