"""Evidence that something stands on a ledger, as it travels in a bundle."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BlockEvidence", "LedgerEvidence", "LogEvidence"]


@dataclass(frozen=True, slots=True)
class BlockEvidence:
    """An event of an EVM chain: header, receipt and where the event stands in it.

    `header` is the RLP of the block header; `receipt_proof` the Merkle-Patricia nodes from its receiptsRoot to the
    receipt at `transaction_index`; `log_index` counts inside that receipt. Source: Ethereum Yellow Paper §4.3.
    """

    chain: str
    address: str
    header: bytes
    transaction_index: int
    log_index: int
    receipt_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """An entry of a witnessed transparency log: the entry, its place, the path and the cosigned checkpoint."""

    chain: str
    origin: str
    entry: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes


LedgerEvidence = BlockEvidence | LogEvidence
