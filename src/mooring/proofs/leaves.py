"""Entries of the log that serves as a ledger, read as the events that they record.

An entry is canonical JSON: a call, the account that signed it (EIP-191), and the events that the log's writer made of
it. That the events follow from the call by the registry's rules is the writer's word: whoever holds the whole log can
replay it, one entry cannot show it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mooring.errors import ProofError, RecordError
from mooring.proofs import merkle
from mooring.proofs.anchor import LogEvidence
from mooring.proofs.checkpoint import SignedCheckpoint, open_checkpoint
from mooring.proofs.eip import eip191_digest
from mooring.proofs.events import EVENTS, Field, Shape, check_event
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import VerifierKey
from mooring.proofs.quorum import require_quorum
from mooring.records import canonical
from mooring.records.canonical import Json

__all__ = ["LEAF_TYPE", "Leaf", "open_ledger", "read_leaf", "verify_place"]

LEAF_TYPE = "urn:mooring:tlog-call:v1"
_LIMIT = 65_535
_SPEAKERS = ("proposer", "approver", "actor")
_HEX = re.compile("([0-9a-f]{2})*")
_INT = re.compile("0|[1-9][0-9]{0,77}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """What an entry says: which account called what, when by the writer's clock, and the events that it caused.

    Events that no bundle carries stand in their places with no arguments.
    """

    ledger: str
    sender: str
    time: int
    events: tuple[tuple[str, Mapping[str, Field]], ...]


def open_ledger(
    data: bytes, key: VerifierKey, witnesses: Mapping[VerifierKey, str], required: int, now_s: int | None
) -> tuple[SignedCheckpoint, list[str]]:
    """Return the ledger log's checkpoint, and the organisations that cosigned it.

    Raises ProofError: those of `open_checkpoint`, and `quorum` if fewer than `required` organisations did.
    """
    opened = open_checkpoint(data, key, tuple(witnesses), 0, now_s)
    signers = [witnesses[cosignature.witness] for cosignature in opened.cosignatures]
    if required:
        require_quorum(signers, {name: name for name in witnesses.values()}, required)
    return opened, sorted(set(signers))


def verify_place(evidence: LogEvidence, sealed: SignedCheckpoint) -> None:
    """Return if the entry stands under this checkpoint of this log; raises ProofError `inclusion-proof`, `leaf`."""
    checkpoint = sealed.checkpoint
    if evidence.origin != checkpoint.origin:
        raise _refuse(f"it is said to be of log {evidence.origin[:80]!r}, not of {checkpoint.origin}")
    leaf = merkle.leaf_hash(evidence.entry)
    merkle.verify_inclusion(leaf, evidence.index, checkpoint.size, evidence.path, checkpoint.root)


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
            "call": {"ledger": str(named), "contract": str(contract), "method": _, "args": _, "key": _, **more} as call,
            "sender": str(sender),
            "publicKey": str(key),
            "signature": str(signature),
            "time": int(time),
            "events": list(events),
            **rest,
        } if not more and not rest and kind == LEAF_TYPE and type(time) is int:
            if named != ledger:
                raise _refuse(f"it was signed for ledger {named[:80]!r}")
            _check_signature(call, sender, _unhex(key), _unhex(signature))
            return Leaf(ledger, sender, time, tuple(_event(event, contract, sender) for event in events))
    raise _refuse("its fields or its type are not those of a signed call")


def _check_signature(call: Json, sender: str, point: bytes, signature: bytes) -> None:
    key = PublicKey.from_raw("secp256k1", point)
    if key.address != sender:
        raise _refuse(f"its key is that of {key.address}, not of {sender[:80]!r}")
    key.verify_digest(signature, eip191_digest(canonical.encode(call)))


def _event(event: Json, contract: str, sender: str) -> tuple[str, Mapping[str, Field]]:
    match event:
        case {"contract": str(emitter), "name": str(name), "args": Mapping() as args, **rest} if not rest:
            if emitter != contract:
                raise _refuse(f"an event is of {emitter[:80]!r}, and the call was to {contract[:80]!r}")
            shape = EVENTS.get(name)
            return name, {} if shape is None else _arguments(shape, args, contract, sender)
    raise _refuse("an event has other fields than contract, name and args")


def _arguments(shape: Shape, args: Mapping[str, Json], contract: str, sender: str) -> Mapping[str, Field]:
    values = {field: _value(value) for field, value in args.items()}
    check_event(shape, values)
    if contract != shape.contract:
        raise _refuse(f"{shape.name} is no event of {contract[:80]!r}")
    if any(values[field] != sender for field in _SPEAKERS if field in values):
        raise _refuse(f"in {shape.name} another account speaks than the one that signed")
    return values


def _value(value: Json) -> Field:
    match value:
        case str():
            return value
        case {"hex": _}:
            return _word(value)
        case {"int": str(text), **rest} if not rest and _INT.fullmatch(text) is not None:
            return int(text)
        case list() as items:
            return tuple(_word(item) for item in items)
    raise _refuse(f"a value is {value!r:.80}")


def _word(item: Json) -> bytes:
    match item:
        case {"hex": str(text), **rest} if not rest:
            return _unhex(text)
    raise _refuse(f"a value in a list is {item!r:.80}")


def _unhex(text: str) -> bytes:
    if _HEX.fullmatch(text) is None:
        raise _refuse(f"{text[:80]!r} is not hex")
    return bytes.fromhex(text)


def _refuse(what: str) -> ProofError:
    return ProofError(
        f"ledger entry: {what}", code="leaf", hint="it is no entry of the trusted ledger; export it again"
    )
