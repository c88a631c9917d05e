"""The parts of py-evm that are used here, and no other: the one place to look at when it changes.

py-evm and py-ecc set the interpreter's recursion limit to 100,000 when they are imported; a body of that many brackets
would then make any JSON parser of this process overrun its thread's stack (8 MiB hold some 20,000 levels). It is set
back here to what the deepest call needs: 1,024 levels (Yellow Paper §9.4.1) of nine frames each at most.

Its annotations describe every fork at once (a header's base fee "may be None"), so its objects are `Any` to the rest.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

from eth._utils.address import generate_contract_address
from eth.consensus.context import ConsensusContext
from eth.constants import BLANK_ROOT_HASH
from eth.db.account import AccountDB
from eth.db.backends.base import BaseAtomicDB
from eth.db.batch import BatchDB
from eth.db.chain import ChainDB
from eth.db.trie import make_trie_root_and_nodes
from eth.exceptions import CanonicalHeadNotFound, HeaderNotFound, OutOfGas, Revert, TransactionNotFound
from eth.rlp.accounts import Account
from eth.vm.chain_context import ChainContext
from eth.vm.forks.london.headers import calculate_expected_base_fee_per_gas
from eth.vm.forks.london.transactions import UnsignedDynamicFeeTransaction
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlock, PragueBlockHeader
from eth.vm.forks.prague.receipts import PragueReceiptBuilder
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth.vm.interrupt import EVMMissingData
from eth.vm.spoof import SpoofTransaction
from eth_utils.exceptions import ValidationError
from trie.exceptions import MissingTrieNode

__all__ = [
    "BLANK_ROOT_HASH",
    "MISSING",
    "Account",
    "AccountDB",
    "Accounts",
    "BaseAtomicDB",
    "BatchDB",
    "Body",
    "CanonicalHeadNotFound",
    "ChainDB",
    "Computation",
    "Header",
    "HeaderNotFound",
    "Machine",
    "OutOfGas",
    "PragueBlock",
    "PragueBlockHeader",
    "PragueReceiptBuilder",
    "PragueTransactionBuilder",
    "PragueVM",
    "Receipt",
    "Revert",
    "SpoofTransaction",
    "TransactionNotFound",
    "UnsignedDynamicFeeTransaction",
    "ValidationError",
    "calculate_expected_base_fee_per_gas",
    "generate_contract_address",
    "machine",
    "make_trie_root_and_nodes",
]

_RECURSION_LIMIT = 12_000

sys.setrecursionlimit(_RECURSION_LIMIT)

Header: TypeAlias = Any
"""A block header of Prague."""

Body: TypeAlias = Any
"""A signed transaction."""

Receipt: TypeAlias = Any
"""A transaction's receipt; `state_root` is its status."""

Accounts: TypeAlias = Any
"""The state under one root: balances, nonces, code, storage."""

Machine: TypeAlias = Any
"""A virtual machine at work on one block."""

Computation: TypeAlias = Any
"""What an execution did."""


MISSING = (EVMMissingData, MissingTrieNode)
"""What py-evm raises when the database lacks a node or a code that the state refers to: the file is damaged."""


def machine(database: BaseAtomicDB, header: Header, chain_id: int) -> Machine:
    """The virtual machine, with Prague's rules, at work on this header."""
    return PragueVM(header, ChainDB(database), ChainContext(chain_id), ConsensusContext(database))
