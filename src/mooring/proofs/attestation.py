"""Attestations: which trusted organisations signed a statement."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from mooring.errors import ProofError
from mooring.proofs import dsse
from mooring.proofs.trust import Trust
from mooring.records.instant import parse_time
from mooring.records.predicates import Approval
from mooring.records.statement import PAYLOAD_TYPE, Statement

__all__ = ["Signed", "organisation_id", "read_attestation"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement whose signatures hold, and the organisations that made them.

    `ends` is when the first of their keys ended (Unix seconds, 0: none did): after that, a thief could backdate.
    """

    statement: Statement
    organisations: frozenset[str]
    digest: bytes
    ends: int = 0


def read_attestation(data: bytes, trust: Trust) -> Signed:
    """Return the statement of a logged envelope if trusted keys, valid when it was made, signed it.

    Raises ProofError `dsse-format`, `signature`, `unknown-key`, `key-time`, `organisation`, or RecordError.
    """
    envelope = dsse.Envelope.from_canonical(data)
    signers = dsse.verify(envelope, trust.public_keys, chain_ids=_chain_ids(trust))
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ProofError(f"payloadType {envelope.payload_type[:80]!r}", code="payload-type", hint=PAYLOAD_TYPE)
    statement = Statement.from_bytes(envelope.payload)
    made = parse_time(statement.predicate.created)
    keys = [trust.key(signer.keyid) for signer in signers]
    for signer, trusted in zip(signers, keys, strict=True):
        if not trusted.covers(made):
            raise ProofError(
                f"key {signer.keyid[:16]} of {trusted.organisation} was not valid at {statement.predicate.created}",
                code="key-time",
                hint="it was not yet valid, had expired, or was rotated; sign with the current key",
            )
    organisations = frozenset(trusted.organisation for trusted in keys)
    if isinstance(statement.predicate, Approval) and statement.predicate.organisation not in organisations:
        raise ProofError(
            f"an approval for {statement.predicate.organisation!r} is signed by {', '.join(sorted(organisations))}",
            code="organisation",
            hint="each organisation signs its own approvals",
        )
    ends = min((trusted.not_after for trusted in keys if trusted.not_after), default=0)
    return Signed(statement, organisations, sha256(envelope.payload).digest(), ends)


def organisation_id(name: str) -> bytes:
    """Return an organisation's id in the registry: SHA-256 of its name."""
    return sha256(name.encode()).digest()


def _chain_ids(trust: Trust) -> tuple[int, ...]:
    namespace, _, reference = trust.ledger.chain.partition(":")
    return (int(reference),) if namespace == "eip155" and reference.isdecimal() else ()
