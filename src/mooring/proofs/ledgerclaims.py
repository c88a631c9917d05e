"""What the ledger proves: final blocks, and the events of the contracts that stand in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from mooring.errors import ProofError
from mooring.proofs.anchor import BlockEvidence, LogEvidence
from mooring.proofs.attestation import Signed, read_attestation
from mooring.proofs.case import Case, Happened
from mooring.proofs.chainproof import verify_receipt
from mooring.proofs.checkpoint import MAX_SKEW_S, SignedCheckpoint
from mooring.proofs.events import EVENTS, decode_event
from mooring.proofs.header import Header
from mooring.proofs.keys import checksum_address
from mooring.proofs.leaves import open_ledger, read_leaf, verify_place
from mooring.proofs.quorum import require_quorum
from mooring.proofs.trust import Trust
from mooring.records.digest import sha256
from mooring.records.instant import format_time
from mooring.records.predicates import Block

__all__ = ["blocks", "leaves", "one_operator", "unused"]


class _Seen(NamedTuple):
    """What identifies a block to those who saw it."""

    number: int
    hash: bytes
    state_root: bytes
    receipts_root: bytes


_Votes = dict[_Seen, dict[str, int]]
"""Block → organisation that saw it → when that organisation's key ended (Unix seconds, 0: it did not)."""


def blocks(case: Case) -> None:
    """Which blocks the observers call final, and which events of the contracts stand in them."""
    votes = _observations(case)
    for encoded in dict.fromkeys(evidence.header for evidence in case.bundle.blocks):
        with case.refuting("final", "block", "the block is final"):
            header = Header(encoded)
            seen = _Seen(header.number, header.hash, header.state_root, header.receipts_root)
            _final(case, encoded, header, votes.pop(seen, {}))
    for seen in votes:
        about = f"{case.trust.ledger.chain} {case.place(seen.number)}"
        case.leave("final", about, "organisations saw it as final", "the bundle does not hold this block; export again")
    _require_one_chain(case)
    for evidence in case.bundle.blocks:
        with case.refuting("event", f"{evidence.address} in {evidence.chain}", "the event happened"):
            case.events.append(_event(case, evidence))


def leaves(case: Case) -> None:
    """What a log that serves as the ledger recorded, by its own key and its witnesses; it stops nobody."""
    opened: dict[bytes, SignedCheckpoint] = {}
    for data in dict.fromkeys(evidence.checkpoint for evidence in case.bundle.leaves):
        with case.refuting("final", case.trust.ledger.chain, "the ledger's log stood at this size and root"):
            opened[data] = _sealed(case, data, list(opened.values()))
    entries: dict[int, bytes] = {}
    for evidence in case.bundle.leaves:
        with case.refuting("event", f"{evidence.origin}#{evidence.index}", "the ledger recorded it"):
            _recorded(case, evidence, opened, entries)


def unused(case: Case) -> None:
    """Which events of the bundle no claim rests on: what they mean is open."""
    for event in case.events:
        if event.order not in case.used:
            hint = "it is about no version or log that the bundle attests; export it again"
            case.leave("event", case.place(event.block), f"the ledger holds {event.name}", hint)


def one_operator(trust: Trust) -> str:
    """Return what an anchor does not prove where one operator produces the ledger; empty where several do."""
    if trust.ledger.operators > 1:
        return ""
    return "one operator produces this ledger: the anchor proves that the operator fixed it, not that others agreed"


def _observations(case: Case) -> _Votes:
    votes: _Votes = defaultdict(dict)
    chosen: dict[tuple[str, int], _Seen] = {}
    for data in case.bundle.observations:
        with case.refuting("final", "observation", "an organisation saw a block as final"):
            signed = read_attestation(data, case.keyring, case.now_s)
            if signed.strangers:
                raise ProofError("a key that nobody trusts signed it too", code="unknown-key", hint="export it again")
            seen = _observed(signed, case.trust)
            for organisation in signed.organisations:
                case.once("observation", organisation, seen)
                if chosen.setdefault((organisation, seen.number), seen) != seen:
                    raise ProofError(
                        f"{organisation} saw two different blocks {seen.number} as final",
                        code="equivocation",
                        hint="one of them is false: keep both as evidence and ask that organisation",
                    )
                votes[seen][organisation] = signed.ends
    return votes


def _observed(signed: Signed, trust: Trust) -> _Seen:
    block, subject = signed.statement.predicate, signed.statement.subject
    if trust.ledger.kind != "evm" or not isinstance(block, Block) or block.chain != trust.ledger.chain:
        raise ProofError(f"it is no block of {trust.ledger.chain}", code="chain-id", hint="export it again")
    parts = (block.block_hash, block.state_root, block.receipts_root)
    seen = _Seen(block.number, *(bytes.fromhex(part[2:]) for part in parts))
    named = (f"{block.chain}/block/{block.number}", sha256(seen.state_root + seen.receipts_root))
    if (subject.name, subject.digest) != named:
        raise ProofError(f"a statement about {subject.name} sees {named[0]}", code="subject", hint="export it again")
    return seen


def _final(case: Case, encoded: bytes, header: Header, votes: Mapping[str, int]) -> None:
    ledger, trust, when = case.trust.ledger, case.trust, format_time(header.timestamp)
    named = require_quorum(votes, {name: name for name in trust.organisations}, ledger.observers_required)
    late = sorted(name for name, ends in votes.items() if 0 < ends < header.timestamp)
    if late:
        raise ProofError(
            f"block {header.number} of {when} is younger than the end of the key by which {late[0]} says it saw it",
            code="key-time",
            hint="the key was used after its end: treat it as stolen",
        )
    if case.now_s is not None and header.timestamp > case.now_s + MAX_SKEW_S:
        raise ProofError(f"block {header.number} is from the future", code="block-future", hint="compare the clocks")
    case.final[encoded] = header
    ended = sorted(name for name, ends in votes.items() if ends)
    case.prove(
        "final",
        f"{ledger.chain} {case.place(header.number)}",
        f"{', '.join(sorted(named))} saw block {header.number} ({when}) as final at depth {ledger.finality_depth}",
        f"{ledger.observers_required} of {len(trust.organisations)} organisations' observer keys",
        one_operator(trust),
        f"the key of {', '.join(ended)} has ended: who holds it now could have dated this back" if ended else "",
    )


def _require_one_chain(case: Case) -> None:
    """Leave no block final if some cannot stand in one chain with others."""
    with case.refuting("final", case.trust.ledger.chain, "the blocks are of one chain"):
        for before, after in pairwise(sorted(case.final.values(), key=lambda header: header.number)):
            apart = after.number - before.number
            broken = apart == 0 or (apart == 1 and after.parent_hash != before.hash)
            if broken or after.timestamp < before.timestamp:
                case.final.clear()
                raise ProofError(
                    f"blocks {before.number} and {after.number} cannot stand in one chain",
                    code="fork",
                    hint="observers saw different chains: keep the bundle as evidence, and ask them",
                )


def _event(case: Case, evidence: BlockEvidence) -> Happened:
    ledger = case.trust.ledger
    if ledger.kind != "evm" or evidence.chain != ledger.chain:
        raise _other_chain(evidence.chain, ledger.chain)
    header = case.final.get(evidence.header)
    if header is None:
        raise ProofError("its block is not proved final", code="block-unproved", hint="see claim 'final'")
    receipt = verify_receipt(header, evidence.transaction_index, evidence.receipt_proof)
    if not receipt.succeeded or not 0 <= evidence.log_index < len(receipt.logs):
        raise ProofError(f"the transaction has no log {evidence.log_index}", code="receipt-log", hint="export it again")
    log = receipt.logs[evidence.log_index]
    shape, args = decode_event(log.topics, log.data)
    expected = ledger.registry if shape.contract == "AssetRegistry" else ledger.anchor
    emitter = checksum_address(log.address)
    if not emitter == evidence.address == expected:
        raise ProofError(
            f"{shape.name} comes from contract {emitter}, the evidence says {evidence.address[:80]!r}, not {expected}",
            code="contract",
            hint="another contract emitted it",
        )
    order = (header.number, evidence.transaction_index, evidence.log_index)
    case.once("event", order)
    return Happened(shape.name, args, header.number, order, header.timestamp)


def _sealed(case: Case, data: bytes, others: list[SignedCheckpoint]) -> SignedCheckpoint:
    trust = case.trust
    if case.keyring.ledger is None:
        raise _other_chain("a log", trust.ledger.chain)
    sealed, named = open_ledger(data, case.keyring.ledger, case.keyring.witnesses, trust.witnesses_required, case.now_s)
    checkpoint = sealed.checkpoint
    if any(other.checkpoint.size == checkpoint.size and other.checkpoint.root != checkpoint.root for other in others):
        raise _fork(f"two roots at size {checkpoint.size}")
    open_question = others and not trust.witnesses_required
    case.prove(
        "final",
        trust.ledger.chain,
        f"the ledger's log held {checkpoint.size} entries under one root; cosigned by {', '.join(named) or 'nobody'}",
        f"the ledger log's key and {trust.witnesses_required} of {len(trust.witnessing)} witnesses",
        one_operator(trust),
        "" if named else "no witness cosigned: the operator could show others another ledger of this size",
        "no witness is required: the bundle's checkpoints of this ledger may be of two" if open_question else "",
    )
    return sealed


def _recorded(
    case: Case, evidence: LogEvidence, opened: Mapping[bytes, SignedCheckpoint], entries: dict[int, bytes]
) -> None:
    chain = case.trust.ledger.chain
    if evidence.chain != chain:
        raise _other_chain(evidence.chain, chain)
    sealed = opened.get(evidence.checkpoint)
    if sealed is None:
        raise ProofError("its checkpoint is not proved", code="block-unproved", hint="see claim 'final'")
    verify_place(evidence, sealed)
    case.once("leaf", evidence.index, evidence.checkpoint)
    known = entries.setdefault(evidence.index, evidence.entry)
    if known != evidence.entry:
        raise _fork(f"two entries {evidence.index}")
    if known is evidence.entry:
        _read(case, evidence)


def _read(case: Case, evidence: LogEvidence) -> None:
    leaf = read_leaf(evidence.entry, evidence.chain)
    format_time(leaf.time)  # a time that nobody could read is refused here, not where it is first shown
    if case.now_s is not None and leaf.time > case.now_s + MAX_SKEW_S:
        raise ProofError(f"entry {evidence.index} is from the future", code="block-future", hint="compare the clocks")
    known = [(place, name, args) for place, (name, args) in enumerate(leaf.events) if name in EVENTS]
    for place, name, args in known:
        order = (evidence.index, 0, place)
        case.events.append(Happened(name, dict(args), evidence.index, order, leaf.time))
    if not known:
        hint = "it is about no version or log; export it again"
        case.leave("event", case.place(evidence.index), "the ledger holds this call", hint)


def _fork(what: str) -> ProofError:
    return ProofError(
        f"the ledger's log has {what}", code="fork", hint="it shows two histories: keep the bundle as evidence"
    )


def _other_chain(named: str, trusted: str) -> ProofError:
    return ProofError(
        f"the evidence is of {named[:80]!r}, the trust root of {trusted}",
        code="chain-id",
        hint="use the trust root of that ledger",
    )
