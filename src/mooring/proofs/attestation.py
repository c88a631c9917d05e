"""Attestations: which trusted organisations signed a statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from mooring.errors import ProofError
from mooring.proofs import dsse
from mooring.proofs.checkpoint import MAX_SKEW_S
from mooring.proofs.trust import Keyring, TrustedKey
from mooring.records.instant import parse_time
from mooring.records.predicates import Approval, Block, Erasure, ReceiptBatch
from mooring.records.statement import PAYLOAD_TYPE, Statement

__all__ = ["Signed", "organisation_id", "read_attestation"]


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement whose signatures hold, and the organisations that made them.

    `made` is when it says it was made (Unix seconds), `ends` when the first of its keys ended (0: none did): after
    that, a thief could backdate. `strangers` counts the signatures by keys that the trust root does not name.
    """

    statement: Statement
    organisations: frozenset[str]
    digest: bytes
    made: int
    ends: int = 0
    strangers: int = 0


def read_attestation(data: bytes, keyring: Keyring, now_s: int | None) -> Signed:
    """Return the statement of a logged envelope if trusted keys, valid when it was made, signed it.

    Raises ProofError `dsse-format`, `dsse-canonical`, `dsse-keyid`, `signature`, `scheme`, `chain-id`, `unknown-key`,
    `payload-type`, `key-time`, `attestation-future`, `organisation`, `subject`, or RecordError.
    """
    envelope = dsse.Envelope.from_canonical(data)
    if not all(signature.keyid for signature in envelope.signatures):  # it would be tried against every key
        raise ProofError("a signature does not name its key", code="dsse-keyid", hint="sign with a keyid")
    signers = dsse.verify(envelope, keyring.keys, chain_ids=keyring.chain_ids)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ProofError(f"payloadType {envelope.payload_type[:80]!r}", code="payload-type", hint=PAYLOAD_TYPE)
    statement = Statement.from_bytes(envelope.payload)
    holders = {signer.keyid: keyring.holders[signer.keyid] for signer in signers}
    organisations = frozenset(holder.organisation for holder in holders.values())
    made = _check_time(holders, statement.predicate.created, now_s)
    _check_statement(statement, organisations)
    ends = min((holder.not_after for holder in holders.values() if holder.not_after), default=0)
    strangers = len(envelope.signatures) - len(signers)
    return Signed(statement, organisations, sha256(envelope.payload).digest(), made, ends, strangers)


def organisation_id(name: str) -> bytes:
    """Return an organisation's id in the registry: SHA-256 of its name."""
    return sha256(name.encode()).digest()


def _check_time(holders: Mapping[str, TrustedKey], created: str, now_s: int | None) -> int:
    made = parse_time(created)
    if now_s is not None and made > now_s + MAX_SKEW_S:
        raise ProofError(
            f"the statement is dated {made - now_s} s in the future",
            code="attestation-future",
            hint=f"compare the clocks; up to {MAX_SKEW_S} s are allowed",
        )
    for keyid, holder in holders.items():
        if not holder.covers(made):
            raise ProofError(
                f"key {keyid[:16]} of {holder.organisation} was not valid at {created}, the statement's own time",
                code="key-time",
                hint="it was not yet valid, had expired, or was rotated; sign with the current key",
            )
    return made


def _check_statement(statement: Statement, organisations: frozenset[str]) -> None:
    predicate, subject = statement.predicate, statement.subject
    if isinstance(predicate, Approval) and predicate.organisation not in organisations:
        raise ProofError(
            f"an approval for {predicate.organisation!r} is signed by {', '.join(sorted(organisations))}",
            code="organisation",
            hint="each organisation signs its own approvals",
        )
    if isinstance(predicate, Block | Erasure | ReceiptBatch):
        return
    if subject.name != f"{predicate.name}@{predicate.version}":
        raise ProofError(
            f"a statement about {subject.name[:80]!r} speaks of {predicate.name}@{predicate.version}",
            code="subject",
            hint="it was made wrongly: ask its signer",
        )
