"""The EVM in memory (py-evm, Prague rules) with our contracts' ABI spoken by name: no node, no network, no blocks.

Every transaction is signed, decoded and charged as on a real chain; only blocks are left out: no contract reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.state import PragueState
from eth_abi import decode, encode
from eth_account import Account
from eth_utils import keccak, to_canonical_address, to_checksum_address

from mooring.ledger.contracts import Artifact, artifact

__all__ = ["Chain", "Contract", "Outcome", "Refused", "account", "address", "signature_of"]

CHAIN_ID = 1337
GAS_PRICE = 2_000_000_000
GENESIS = {
    "difficulty": 0,
    "gas_limit": 1_000_000_000,
    "timestamp": 1_700_000_000,
    "nonce": bytes(8),
    "extra_data": b"",
}


class Refused(Exception):
    """The contract said no: the error's name and arguments; the name is "" for a revert that says nothing."""

    def __init__(self, name: str, values: tuple[Any, ...]) -> None:
        super().__init__(f"{name}{values}")
        self.name = name
        self.values = values


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transaction did; `written` maps (contract, slot) to the value before and after it."""

    gas: int
    data: bytes
    result: Any
    events: tuple[tuple[str, dict[str, Any]], ...]
    logs: tuple[Any, ...]
    written: Mapping[tuple[bytes, int], tuple[int, int]]

    def event(self, name: str) -> dict[str, Any]:
        """Return the arguments of the one event of this name."""
        (found,) = [values for event, values in self.events if event == name]
        return found

    def names(self) -> list[str]:
        """Return the events' names in order."""
        return [name for name, _ in self.events]


@cache
def account(name: str) -> Any:
    """Return the account whose private key is the hash of `name`."""
    return Account.from_key(keccak(text=name))


def address(name: str) -> bytes:
    """Return the 20 bytes of the account of this name."""
    return to_canonical_address(account(name).address)


def type_of(item: Mapping[str, Any]) -> str:
    """Return the canonical type of an ABI parameter, tuples spelled out."""
    if not item["type"].startswith("tuple"):
        return str(item["type"])
    return f"({','.join(type_of(part) for part in item['components'])}){item['type'][5:]}"


def signature_of(item: Mapping[str, Any]) -> str:
    """Return the canonical signature of a function, event or error."""
    return f"{item['name']}({','.join(type_of(part) for part in item['inputs'])})"


@dataclass(frozen=True, slots=True)
class Interface:
    """One ABI, looked up by what the wire carries."""

    functions: Mapping[str, Mapping[str, Any]]
    events: Mapping[bytes, Mapping[str, Any]]
    errors: Mapping[bytes, Mapping[str, Any]]

    @staticmethod
    def of(found: Artifact) -> Interface:
        """Return the interface of an artifact."""
        named: dict[str, list[Any]] = {"function": [], "event": [], "error": []}
        for item in found.abi:
            named.get(str(item["type"]), []).append(item)
        return Interface(
            {signature_of(item): item for item in named["function"]},
            {keccak(text=signature_of(item)): item for item in named["event"]},
            {keccak(text=signature_of(item))[:4]: item for item in named["error"]},
        )

    def function(self, name: str) -> Mapping[str, Any]:
        """Return the function of this name, or of this signature if the name is overloaded."""
        (found,) = [item for key, item in self.functions.items() if name in (key, item["name"])]
        return found

    def encode(self, name: str, args: tuple[Any, ...]) -> bytes:
        """Return the calldata of a call."""
        item = self.function(name)
        return keccak(text=signature_of(item))[:4] + encode([type_of(part) for part in item["inputs"]], args)

    def result(self, name: str, output: bytes) -> Any:
        """Return what a call returned: nothing, one value, or a tuple."""
        values = decode([type_of(part) for part in self.function(name)["outputs"]], output)
        return values[0] if len(values) == 1 else values or None

    def event(self, topics: tuple[int, ...], data: bytes) -> tuple[str, dict[str, Any]]:
        """Return the name and arguments of a log entry."""
        words = [topic.to_bytes(32, "big") for topic in topics]
        item = self.events[words[0]]
        plain = [part for part in item["inputs"] if not part["indexed"]]
        values = dict(zip([part["name"] for part in plain], decode([type_of(p) for p in plain], data), strict=True))
        indexed = [part for part in item["inputs"] if part["indexed"]]
        for part, word in zip(indexed, words[1:], strict=True):
            (values[part["name"]],) = decode([part["type"]], word)
        return item["name"], values

    def refusal(self, output: bytes) -> Refused:
        """Return the error that a revert carries."""
        if not output:
            return Refused("", ())
        item = self.errors[output[:4]]
        return Refused(item["name"], decode([type_of(part) for part in item["inputs"]], output[4:]))


class RecordingState(PragueState):
    """The EVM's state; it remembers which slots a transaction wrote."""

    writes: dict[tuple[bytes, int], int]

    def set_storage(self, address: Any, slot: int, value: int) -> None:
        self.writes.setdefault((address, slot), self.get_storage(address, slot))
        super().set_storage(address, slot, value)


class Chain:
    """One EVM state; `people` are funded accounts."""

    def __init__(self, *people: str) -> None:
        rules = PragueVM.configure(_state_class=RecordingState)
        kind = MiningChain.configure(__name__="Local", vm_configuration=((0, rules),), chain_id=CHAIN_ID)
        wealth = {"balance": 10**24, "nonce": 0, "code": b"", "storage": {}}
        self._vm: Any = kind.from_genesis(
            AtomicDB(), GENESIS, {address(n): wealth for n in (*people, "deployer")}
        ).get_vm()
        self._header = self._vm.get_header()

    def deploy(self, name: str, *args: Any) -> Contract:
        """Deploy one of our contracts and return it, or raise `Refused`."""
        found = artifact(name)
        inputs: Any = [item["inputs"] for item in found.abi if item["type"] == "constructor"] or [[]]
        data = found.bytecode + encode([type_of(part) for part in inputs[0]], args)
        receipt, computation, written = self.transact("deployer", b"", data)
        interface = Interface.of(found)
        if computation.is_error:
            raise interface.refusal(computation.output)
        outcome = _outcome(interface, receipt, data, None, written)
        return Contract(self, interface, computation.msg.storage_address, outcome)

    def transact(self, sender: str, to: bytes, data: bytes) -> tuple[Any, Any, dict[Any, Any]]:
        """Apply a signed transaction; return its receipt, its computation and the slots that it changed."""
        state = self._vm.state
        fields = {"chainId": CHAIN_ID, "nonce": state.get_nonce(address(sender)), "gas": 20_000_000}
        fields |= {"gasPrice": GAS_PRICE, "value": 0, "data": data} | ({"to": to_checksum_address(to)} if to else {})
        raw = bytes(account(sender).sign_transaction(fields).raw_transaction)
        state.writes = {}
        receipt, computation = self._vm.apply_transaction(self._header, self._vm.get_transaction_builder().decode(raw))
        now = {key: (before, state.get_storage(*key)) for key, before in state.writes.items()}
        return receipt, computation, {key: pair for key, pair in now.items() if pair[0] != pair[1]}

    def call(self, sender: str, to: bytes, data: bytes) -> Any:
        """Execute a call without changing anything; return its computation."""
        who, code = address(sender), self._vm.state.get_code(to)
        self._vm.state.writes = {}
        return self._vm.execute_bytecode(who, GAS_PRICE, 100_000_000, to, who, 0, data, code)


@dataclass(frozen=True, slots=True)
class Contract:
    """A deployed contract."""

    chain: Chain
    interface: Interface
    address: bytes
    deployment: Outcome = field(repr=False)

    def send(self, sender: str, name: str, *args: Any) -> Outcome:
        """Transact as `sender`; raise `Refused` if the contract says no."""
        data = self.interface.encode(name, args)
        receipt, computation, written = self.chain.transact(sender, self.address, data)
        if computation.is_error:
            raise self.interface.refusal(computation.output)
        return _outcome(self.interface, receipt, data, self.interface.result(name, computation.output), written)

    def call(self, name: str, *args: Any) -> Any:
        """Read a view."""
        computation = self.chain.call("deployer", self.address, self.interface.encode(name, args))
        if computation.is_error:
            raise self.interface.refusal(computation.output)
        return self.interface.result(name, computation.output)


def _outcome(interface: Interface, receipt: Any, data: bytes, result: Any, written: dict[Any, Any]) -> Outcome:
    events = tuple(interface.event(log.topics, log.data) for log in receipt.logs)
    return Outcome(receipt.gas_used, data, result, events, tuple(receipt.logs), written)
