"""What the ledger proves: final blocks, and the events of the contracts that stand in them."""

from __future__ import annotations

from collections import defaultdict

from mooring.errors import ProofError
from mooring.proofs.anchor import BlockEvidence
from mooring.proofs.attestation import read_attestation
from mooring.proofs.case import Case, Happened
from mooring.proofs.chainproof import verify_receipt
from mooring.proofs.events import decode_event
from mooring.proofs.header import Header
from mooring.proofs.keys import checksum_address
from mooring.proofs.leaves import verify_leaf
from mooring.proofs.quorum import require_quorum
from mooring.proofs.trust import Trust
from mooring.records.instant import format_time
from mooring.records.predicates import Block

__all__ = ["blocks", "leaves", "members", "one_operator"]


def blocks(case: Case) -> None:
    """Which blocks the observers call final, and which events of the contracts stand in them."""
    votes = _observations(case)
    for encoded in dict.fromkeys(evidence.header for evidence in case.bundle.blocks):
        with case.refuting("final", "block", "the block is final"):
            _final(case, Header(encoded), votes)
    for evidence in case.bundle.blocks:
        with case.refuting("event", f"{evidence.address} in {evidence.chain}", "the event happened"):
            case.events.append(_event(case, evidence))
    case.events.sort(key=lambda event: event.order)


def leaves(case: Case) -> None:
    """What a log that serves as the ledger recorded, by its own key and its witnesses; it stops nobody."""
    for evidence in case.bundle.leaves:
        with case.refuting("event", f"{evidence.origin}#{evidence.index}", "the ledger recorded it"):
            leaf = verify_leaf(evidence, case.trust, case.now_s)
            for place, (name, args) in enumerate(leaf.events):
                order = (evidence.index, 0, place)
                case.events.append(Happened(name, dict(args), evidence.index, order, leaf.time))
    case.events.sort(key=lambda event: event.order)


def _observations(case: Case) -> dict[bytes, set[str]]:
    votes: dict[bytes, set[str]] = defaultdict(set)
    for data in case.bundle.observations:
        with case.refuting("final", "observation", "an organisation saw a block as final"):
            signed = read_attestation(data, case.trust)
            predicate = signed.statement.predicate
            if not isinstance(predicate, Block) or predicate.chain != case.trust.ledger.chain:
                raise ProofError(
                    f"the observation is no block of {case.trust.ledger.chain}", code="chain-id", hint="export it again"
                )
            votes[_roots(predicate)] |= signed.organisations
    return votes


def _roots(block: Block) -> bytes:
    parts = (block.block_hash, block.state_root, block.receipts_root)
    return b"".join(bytes.fromhex(part[2:]) for part in parts) + block.number.to_bytes(8, "big")


def _final(case: Case, header: Header, votes: dict[bytes, set[str]]) -> None:
    key = header.hash + header.state_root + header.receipts_root + header.number.to_bytes(8, "big")
    organisations = votes.get(key, set())
    ledger = case.trust.ledger
    named = require_quorum(organisations, {name: name for name in members(case.trust)}, ledger.observers_required)
    if case.now_s is not None and header.timestamp > case.now_s + 300:
        raise ProofError(f"block {header.number} is from the future", code="block-future", hint="compare the clocks")
    case.final[header.hash] = header
    case.prove(
        "final",
        f"{ledger.chain} block {header.number}",
        f"{', '.join(sorted(named))} saw block {header.number} ({format_time(header.timestamp)}) as final",
        f"{ledger.observers_required} of {len(members(case.trust))} organisations' observer keys",
        one_operator(case.trust),
    )


def members(trust: Trust) -> frozenset[str]:
    """Return the organisations that the trust root has keys of."""
    return frozenset(key.organisation for key in trust.keys)


def one_operator(trust: Trust) -> str:
    """Return what an anchor does not prove where one operator produces the ledger; empty where several do."""
    count = trust.ledger.operators
    if count > 1:
        return ""
    return "one operator produces this ledger: the anchor proves that the operator fixed it, not that others agreed"


def _event(case: Case, evidence: BlockEvidence) -> Happened:
    header = Header(evidence.header)
    if header.hash not in case.final:
        raise ProofError(f"block {header.number} is not proved final", code="block-unproved", hint="see claim 'final'")
    if evidence.chain != case.trust.ledger.chain:
        raise ProofError(
            f"the evidence is of chain {evidence.chain}, the trust root of {case.trust.ledger.chain}",
            code="chain-id",
            hint="use the trust root of that chain",
        )
    receipt = verify_receipt(header, evidence.transaction_index, evidence.receipt_proof)
    if not receipt.succeeded or not 0 <= evidence.log_index < len(receipt.logs):
        raise ProofError(f"the transaction has no log {evidence.log_index}", code="receipt-log", hint="export it again")
    log = receipt.logs[evidence.log_index]
    emitter = checksum_address(log.address)
    name, args = decode_event(log.topics, log.data)
    expected = case.trust.ledger.anchor if name == "Anchored" else case.trust.ledger.registry
    if emitter.lower() != expected.lower() or evidence.address.lower() != expected.lower():
        raise ProofError(
            f"{name} comes from contract {emitter}, not {expected}", code="contract", hint="another contract emitted it"
        )
    order = (header.number, evidence.transaction_index, evidence.log_index)
    return Happened(name, dict(args), header.number, order, header.timestamp)
