"""Entries of the log that serves as a ledger, read as the events that they record.

An entry is canonical JSON: a call, the account that signed it (EIP-191), and the events that the log's writer made of
it. That the events follow from the call by the registry's rules is the writer's word: whoever holds the whole log can
replay it, one entry cannot show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from mooring.errors import ProofError, RecordError
from mooring.proofs import merkle
from mooring.proofs.anchor import LogEvidence
from mooring.proofs.checkpoint import open_checkpoint
from mooring.proofs.eip import eip191_digest
from mooring.proofs.events import Field
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import parse_vkey
from mooring.proofs.quorum import require_quorum
from mooring.proofs.trust import Trust
from mooring.records import canonical
from mooring.records.canonical import Json

__all__ = ["LEAF_TYPE", "Leaf", "read_leaf", "verify_leaf"]

LEAF_TYPE = "urn:mooring:tlog-call:v1"
_LIMIT = 65_535


@dataclass(frozen=True, slots=True)
class Leaf:
    """What an entry says: which account called what, when by the writer's clock, and the events that it caused."""

    ledger: str
    sender: str
    time: int
    events: tuple[tuple[str, Mapping[str, Field]], ...]


def verify_leaf(evidence: LogEvidence, trust: Trust, now_s: int | None) -> Leaf:
    """Return the entry if it stands in the trusted ledger log under a checkpoint that enough witnesses cosigned.

    Raises ProofError: those of `open_checkpoint`, `inclusion-proof`, `quorum`, `leaf`.
    """
    if trust.ledger.kind != "tlog" or evidence.chain != trust.ledger.chain:
        raise ProofError(
            f"the evidence is of ledger {evidence.chain!r:.80}, the trust root of {trust.ledger.chain}",
            code="chain-id",
            hint="use the trust root of that ledger",
        )
    witnesses = trust.witness_keys
    key = parse_vkey(trust.ledger.log)
    opened = open_checkpoint(evidence.checkpoint, key, tuple(witnesses), 0, now_s, origin=key.name)
    if trust.witnesses_required:
        members = {organisation: organisation for organisation in witnesses.values()}
        signers = [witnesses[cosignature.witness] for cosignature in opened.cosignatures]
        require_quorum(signers, members, trust.witnesses_required)
    checkpoint = opened.checkpoint
    leaf = merkle.leaf_hash(evidence.entry)
    merkle.verify_inclusion(leaf, evidence.index, checkpoint.size, evidence.path, checkpoint.root)
    return read_leaf(evidence.entry, trust.ledger.chain)


def read_leaf(entry: bytes, ledger: str) -> Leaf:
    """Return what an entry of this ledger says, if its call is signed; raises ProofError `leaf` or `signature`."""
    try:
        value = canonical.decode(entry, limit=_LIMIT)
        if canonical.encode(value) != entry:
            raise _refuse("it is not canonical")
        return _leaf(value, ledger)
    except (RecordError, ValueError) as error:
        raise _refuse(str(error)) from error


def _leaf(value: Json, ledger: str) -> Leaf:
    match value:
        case {
            "type": str(kind),
            "call": {"ledger": str(named)} as call,
            "sender": str(sender),
            "publicKey": str(key),
            "signature": str(signature),
            "time": int(time),
            "events": list(events),
            **rest,
        } if not rest and kind == LEAF_TYPE:
            if named != ledger:
                raise _refuse(f"it was signed for ledger {named[:80]!r}")
            _check_signature(call, sender, bytes.fromhex(key), bytes.fromhex(signature))
            return Leaf(ledger, sender, time, tuple(_event(event) for event in events))
    raise _refuse("its fields or its type are not those of a signed call")


def _check_signature(call: Json, sender: str, point: bytes, signature: bytes) -> None:
    key = PublicKey.from_raw("secp256k1", point)
    if key.address != sender:
        raise _refuse(f"its key is that of {key.address}, not of {sender[:80]!r}")
    key.verify_digest(signature, eip191_digest(canonical.encode(call)))


def _event(event: Json) -> tuple[str, Mapping[str, Field]]:
    match event:
        case {"name": str(name), "args": Mapping() as args}:
            return name, {field: _value(value) for field, value in args.items()}
    raise _refuse("an event has no name or no arguments")


def _value(value: Json) -> Field:
    match value:
        case str():
            return value
        case {"hex": str(text), **rest} if not rest:
            return bytes.fromhex(text)
        case {"int": str(text), **rest} if not rest and text.isascii() and text.isdecimal() and len(text) <= 78:
            return int(text)
        case list() as items:
            return tuple(cast(bytes, _value(item)) for item in items)
    raise _refuse(f"a value is {value!r:.80}")


def _refuse(what: str) -> ProofError:
    return ProofError(
        f"ledger entry: {what}", code="leaf", hint="it is no entry of the trusted ledger; export it again"
    )
