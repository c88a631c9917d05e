"""The contracts as they stand on a chain: where each is, that it is ours, and how its events and errors read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mooring.errors import ConfigError
from mooring.ledger.abi import Interface
from mooring.ledger.chain import Chain
from mooring.ledger.contracts import NAMES, Artifact, artifact
from mooring.ledger.header import LogEntry
from mooring.ledger.port import Event
from mooring.ledger.refusal import Refusal
from mooring.proofs.keys import checksum_address

__all__ = ["Deployment", "creation_code", "interface", "shipped"]


@cache
def shipped(name: str) -> Artifact:
    """Return a contract that ships with Mooring."""
    return artifact(name)


@cache
def interface(name: str) -> Interface:
    """Return a shipped contract's interface."""
    return Interface(name, shipped(name).abi)


def creation_code(name: str, *args: object) -> bytes:
    """Return the data of the transaction that creates a contract with these constructor arguments."""
    return shipped(name).bytecode + interface(name).encode_constructor(args)  # type: ignore[arg-type]  # plain values


class Deployment:
    """Contracts by name and address; raises ConfigError where one is not what the configuration says."""

    def __init__(self, contracts: Mapping[str, str]) -> None:
        unknown = sorted(set(contracts) - set(NAMES))
        missing = sorted(set(NAMES) - set(contracts))
        if unknown or missing:
            raise ConfigError(
                f"`contracts` must give the addresses of {', '.join(NAMES)}; it lacks {missing} and has {unknown}",
                code="contracts",
                hint="deploy the contracts, or copy the addresses from the deployment",
            )
        self._by_name = {name: _parse(name, text) for name, text in contracts.items()}
        self._by_address = {address: name for name, address in self._by_name.items()}

    @property
    def contracts(self) -> Mapping[str, str]:
        """The addresses, as EIP-55 strings."""
        return {name: checksum_address(address) for name, address in self._by_name.items()}

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The addresses, 20 bytes each."""
        return tuple(self._by_address)

    def address(self, name: str) -> bytes:
        """Return a contract's address; raises ConfigError `no-such-contract`."""
        if name not in self._by_name:
            raise ConfigError(
                f"contract {name!r} is not deployed here",
                code="no-such-contract",
                hint=f"there are {', '.join(self._by_name)}",
            )
        return self._by_name[name]

    def check_code(self, chain: Chain) -> None:
        """Return if each address holds the code that ships with Mooring; raises `no-contract`, `wrong-contract`."""
        for name, address in self._by_name.items():
            code = chain.code(address)
            if not code:
                raise _mismatch(name, address, "holds no contract", "no-contract")
            if code != shipped(name).deployed_bytecode:
                raise _mismatch(name, address, "holds another contract, or another version of it", "wrong-contract")

    def refusal(self, address: bytes, data: bytes) -> Refusal:
        """Return what a contract's revert data say."""
        name = self._by_address.get(address)
        return interface(name).decode_revert(data) if name else Refusal("")

    def event(self, log: LogEntry, time: int) -> Event | None:
        """Return a log as an event, or None if no contract of ours emitted it or its interface does not know it."""
        name = self._by_address.get(log.address)
        decoded = interface(name).decode_log(log.topics, log.data) if name else None
        if name is None or decoded is None:
            return None
        block_hash, reference = f"0x{log.block_hash.hex()}", f"0x{log.transaction.hex()}"
        return Event(name, decoded.name, decoded.args, log.block, block_hash, log.index, reference, time)


def _parse(name: str, text: str) -> bytes:
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != 20 or not any(address):
        raise ConfigError(
            f"`contracts.{name}` = {text[:60]!r} is no address",
            code="contracts",
            hint="write 0x and 40 hex digits, as the deployment printed it",
        )
    if text not in (checksum_address(address), text.lower()):
        raise ConfigError(
            f"`contracts.{name}` = {text} has a wrong EIP-55 checksum",
            code="contracts",
            hint="a digit is mistyped: copy the address from the deployment again",
        )
    return address


def _mismatch(name: str, address: bytes, what: str, code: str) -> ConfigError:
    return ConfigError(
        f"`contracts.{name}` = {checksum_address(address)} {what}",
        code=code,
        hint="check the chain and the address against the deployment, or deploy the contracts on this chain",
    )
