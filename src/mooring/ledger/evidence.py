"""Offline evidence from a chain: made from what the node says, and verified before it is handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mooring.errors import LedgerError, LedgerLied, ProofError
from mooring.ledger.chain import Chain
from mooring.ledger.header import Header, Receipt, hex_bytes
from mooring.ledger.port import Event
from mooring.proofs import header as proofs_header
from mooring.proofs.anchor import BlockEvidence
from mooring.proofs.chainproof import verify_receipt_log, verify_storage

__all__ = ["StateEvidence", "block_evidence", "state_evidence"]


@dataclass(frozen=True, slots=True)
class StateEvidence:
    """Words in a contract's storage at one block: header, account proof and one proof for each slot (EIP-1186)."""

    chain: str
    address: str
    header: bytes
    account_proof: tuple[bytes, ...]
    slots: tuple[bytes, ...]
    values: tuple[int, ...]
    storage_proofs: tuple[tuple[bytes, ...], ...]


def block_evidence(chain: Chain, chain_name: str, address: str, event: Event) -> BlockEvidence:
    """Return evidence of an event; raises LedgerError `event-gone` if the chain no longer holds it.

    The evidence proves the event from the header; that the header is the chain's own is for the verifier's trust root.
    """
    header = _standing(chain, event)
    (trie,) = chain.block_receipts([header])
    receipt = trie.receipts.get(hex_bytes(event.reference, "event's transaction", 32))
    position = _position(receipt, event)
    if receipt is None or position is None:
        raise _gone(event, "its block holds no such event")
    log = receipt.logs[position]
    evidence = BlockEvidence(chain_name, address, header.rlp, receipt.index, position, trie.proof(receipt.index))
    try:
        verify_receipt_log(
            proofs_header.Header(evidence.header),
            evidence.transaction_index,
            evidence.receipt_proof,
            evidence.log_index,
            address=bytes.fromhex(address[2:]),
            topics=log.topics,
            data=log.data,
        )
    except ProofError as error:
        raise _unproven(error) from error
    return evidence


def state_evidence(chain: Chain, chain_name: str, address: str, slots: Sequence[bytes], block: int) -> StateEvidence:
    """Return evidence of what a contract holds in these 32-byte slots at a block."""
    header = chain.need_header(block)
    answer = chain.proof(bytes.fromhex(address[2:]), slots, block)
    try:
        account = _nodes(answer["accountProof"])
        storage = tuple(_nodes(item["proof"]) for item in answer["storageProof"])
    except (KeyError, TypeError) as error:
        raise LedgerError(
            f"the node's answer to eth_getProof is not well-formed: {error!r}",
            code="rpc-malformed",
            hint="ask another node",
        ) from error
    target = bytes.fromhex(address[2:])
    try:
        values = tuple(
            verify_storage(header.state_root, target, slot, account, nodes)
            for slot, nodes in zip(slots, storage, strict=True)
        )
    except (ProofError, ValueError) as error:
        raise _unproven(error) from error
    return StateEvidence(chain_name, address, header.rlp, account, tuple(slots), values, storage)


def _standing(chain: Chain, event: Event) -> Header:
    """Return the header of the event's block, if the chain still holds that block."""
    header = chain.header(event.block)
    if header is None or header.name != event.block_hash:
        raise _gone(event, "another block stands at its height")
    return header


def _position(receipt: Receipt | None, event: Event) -> int | None:
    """Return where in its receipt the event stands: the port counts inside the block."""
    if receipt is None:
        return None
    return next((n for n, log in enumerate(receipt.logs) if log.index == event.position), None)


def _nodes(answer: Any) -> tuple[bytes, ...]:
    return tuple(hex_bytes(node, "proof node") for node in answer)


def _gone(event: Event, why: str) -> LedgerError:
    return LedgerError(
        f"event {event.name} of block {event.block} is not on the chain: {why}",
        code="event-gone",
        hint="the chain reorganised: follow it again, and prove what is final",
    )


def _unproven(error: Exception) -> LedgerLied:
    return LedgerLied(
        f"the node's answers do not prove what it says: {error}",
        code="unproven",
        hint="ask another node; if this chain hashes headers in a way of its own, it offers no proofs",
    )
