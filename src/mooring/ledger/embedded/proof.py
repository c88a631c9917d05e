"""What the chain's state says of an account, with a proof against the block's state root (EIP-1186)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp
from eth_hash.auto import keccak
from trie.hexary import HexaryTrie

from mooring.ledger.embedded.database import ChainDatabase
from mooring.ledger.embedded.evm import BLANK_ROOT_HASH, MISSING, Account, Header

__all__ = ["AccountProof", "SlotProof", "get_proof"]


@dataclass(frozen=True, slots=True)
class SlotProof:
    """A storage slot's value and the trie nodes from the account's storage root to it, or to where it would be."""

    slot: int
    value: int
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AccountProof:
    """An account's four fields and the trie nodes from the state root to it, or to where it would be."""

    address: bytes
    balance: int
    nonce: int
    storage_root: bytes
    code_hash: bytes
    nodes: tuple[bytes, ...]
    slots: tuple[SlotProof, ...]


def get_proof(database: ChainDatabase, header: Header, address: bytes, slots: Sequence[int]) -> AccountProof:
    """Prove an account and some of its storage slots as the block left them; what is absent is proved absent."""
    try:
        nodes, encoded = _walk(database, header.state_root, address)
        account = rlp.decode(encoded, Account) if encoded else Account()
        proved = tuple(_slot(database, account.storage_root, slot) for slot in slots)
    except (*MISSING, KeyError) as error:
        raise database.corrupt(f"has lost part of the state of block {header.block_number}") from error
    return AccountProof(address, account.balance, account.nonce, account.storage_root, account.code_hash, nodes, proved)


def _slot(database: ChainDatabase, root: bytes, slot: int) -> SlotProof:
    nodes, encoded = _walk(database, root, slot.to_bytes(32, "big"))
    value = rlp.decode(encoded, rlp.sedes.big_endian_int) if encoded else 0
    return SlotProof(slot, value, nodes)


def _walk(database: ChainDatabase, root: bytes, key: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The encoded nodes on the way to a key, and its value, empty if the trie has none.

    A node shorter than 32 bytes stands inside its parent (Yellow Paper, appendix D) and is not listed.
    """
    if root == BLANK_ROOT_HASH:
        return (), b""
    trie: Any = HexaryTrie(database, root)
    hashed = keccak(key)
    encoded = [rlp.encode(node) for node in trie.get_proof(hashed)]
    return tuple(node for place, node in enumerate(encoded) if place == 0 or len(node) >= 32), trie[hashed]
