"""Ether for our accounts on an EVM chain that takes fees: given by a development node, else asked of people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mooring.errors import LedgerError, LedgerRefused, LedgerUnknown
from mooring.ledger.chain import Chain, failure
from mooring.ledger.header import quantity
from mooring.ledger.jsonrpc import HttpTransport, RpcError, Transport

__all__ = ["Need", "fund", "is_development", "is_development_at"]

_CLIENTS = ("anvil", "hardhat", "ganache", "testrpc", "ethereumjs")
_CHAINS = (1337, 31337)
"""The chain ids of `geth --dev` and of Hardhat and anvil: no public chain has them."""

_GIFT = 10**19
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Need:
    """An account of ours: its address, and for how much gas it must be able to pay."""

    address: str
    gas: int


def fund(transport: Transport, needs: Mapping[str, Need]) -> str:
    """Return once every account can pay for its gas, and who paid: "" if nobody had to.

    On a development node, an account that the node itself holds the key of pays. On any other node, raises
    LedgerRefused `accounts-unfunded`, which lists what to send where; nothing was sent then.
    """
    short = _short(transport, needs)
    if not short:
        return ""
    giver = _giver(transport)
    if not giver:
        raise _unfunded(short)
    for address, (_, lacking) in short.items():
        _give(transport, giver, address, max(_GIFT, 2 * lacking))
    until = time.monotonic() + _WAIT_S
    while _short(transport, needs):
        if time.monotonic() >= until:
            raise LedgerUnknown(
                f"ether from {giver} has not arrived after {_WAIT_S:g} s",
                code="funding-pending",
                hint="run the same command again; does the node make blocks?",
            )
        time.sleep(0.1)
    return giver


def is_development(transport: Transport) -> bool:
    """Tell whether a node is one for development: its money is worth nothing, and its blocks are never undone."""
    if quantity(_asked(transport, "eth_chainId"), "chain id") in _CHAINS:
        return True
    try:
        version = transport.request("web3_clientVersion", [])
    except RpcError:
        return False  # a node that does not say what it is
    return isinstance(version, str) and version.lower().startswith(_CLIENTS)


def is_development_at(url: str) -> bool:
    """Tell whether the node at a URL is one for development; raises LedgerError if nothing answers there."""
    transport = HttpTransport([url])
    try:
        return is_development(transport)
    finally:
        transport.close()


def _short(transport: Transport, needs: Mapping[str, Need]) -> dict[str, tuple[str, int]]:
    """Return, by address, the name of each account that cannot pay for its gas and how many wei it lacks."""
    chain = Chain(transport)
    price = chain.fees().max_fee
    short = {}
    for name, need in needs.items() if price else ():
        lacking = price * need.gas - chain.balance(bytes.fromhex(need.address[2:]))
        if lacking > 0:
            short[need.address] = (name, lacking)
    return short


def _giver(transport: Transport) -> str:
    """Return an account whose key a development node holds itself; "" if there is none."""
    if not is_development(transport):
        return ""
    held = _asked(transport, "eth_accounts")
    return str(held[0]) if isinstance(held, list) and held else ""


def _give(transport: Transport, giver: str, address: str, wei: int) -> None:
    try:
        transport.request("eth_sendTransaction", [{"from": giver, "to": address, "value": hex(wei)}])
    except RpcError as error:
        raise failure("eth_sendTransaction", error) from error


def _asked(transport: Transport, method: str) -> Any:
    try:
        return transport.request(method, [])
    except RpcError as error:
        raise failure(method, error) from error


def _unfunded(short: Mapping[str, tuple[str, int]]) -> LedgerError:
    lines = ", ".join(f"{name} {address} lacks {lacking} wei" for address, (name, lacking) in short.items())
    return LedgerRefused(
        f"accounts of this deployment cannot pay the chain's fees: {lines}",
        code="accounts-unfunded",
        hint="send each of them that much of the chain's currency, then run the same command again: it goes on",
    )
