"""The chain's constants and its first block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooring.errors import ConfigError
from mooring.ledger.embedded.database import ChainDatabase, Overlay
from mooring.ledger.embedded.evm import (
    BLANK_ROOT_HASH,
    AccountDB,
    Accounts,
    ChainDB,
    Header,
    PragueBlockHeader,
    PragueVM,
)

__all__ = ["COINBASE", "GAS_LIMIT", "GAS_TARGET", "create", "next_header", "recorded_chain_id"]

GAS_LIMIT = 60_000_000
GAS_TARGET = GAS_LIMIT // 2
"""The most gas that is put in a block.

The base fee starts at 0 and rises only when a block uses more than half its limit (EIP-1559). No block does, so the
base fee stays 0: nobody needs funds to act, nothing is ever priced out, and a client's fee estimate never goes stale.
"""

COINBASE = bytes(20)
_EXTRA = b"mooring"
_CHAIN_KEY = b"mooring:chain-id"


def create(database: ChainDatabase, chain_id: int, accounts: Mapping[bytes, int], timestamp: int) -> None:
    """Write block 0 with these balances, in one durable transaction."""
    if not 0 < chain_id < 2**63:
        raise ConfigError(f"chain id {chain_id} is out of range", code="chain-id", hint="Use 1 to 2^63 - 1.")
    overlay = Overlay(database)
    state: Accounts = AccountDB(overlay, BLANK_ROOT_HASH)
    for address, balance in accounts.items():
        _check_account(address, balance)
        state.set_balance(address, balance)
    state.persist()
    make: Any = PragueBlockHeader
    header: Header = make(
        difficulty=0,
        block_number=0,
        gas_limit=GAS_LIMIT,
        timestamp=timestamp,
        coinbase=COINBASE,
        state_root=state.state_root,
        extra_data=_EXTRA,
        nonce=bytes(8),
        base_fee_per_gas=0,
    )
    ChainDB(overlay).persist_header(header)
    overlay[_CHAIN_KEY] = chain_id.to_bytes(8, "big")
    database.write(overlay.changes)


def recorded_chain_id(database: ChainDatabase) -> int | None:
    """The id that the chain in this file was made with; None if there is no chain yet."""
    try:
        return int.from_bytes(database[_CHAIN_KEY], "big")
    except KeyError:
        return None


def next_header(parent: Header, now_s: int) -> Header:
    """The header of the block after `parent`, still empty; its time is at least one second later."""
    header: Header = PragueVM.create_header_from_parent(
        parent,
        timestamp=max(now_s, parent.timestamp + 1),
        gas_limit=GAS_LIMIT,
        coinbase=COINBASE,
        extra_data=_EXTRA,
    )
    assert header.base_fee_per_gas == 0, "a block exceeded the gas target"
    return header


def _check_account(address: bytes, balance: int) -> None:
    if len(address) != 20 or not 0 <= balance < 2**256:
        raise ConfigError(
            f"genesis account 0x{address.hex()} with {balance} wei is not usable",
            code="genesis-account",
            hint="Give 20-byte addresses and balances from 0 to 2^256 - 1.",
        )
