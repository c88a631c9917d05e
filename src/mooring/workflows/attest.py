"""Attest: sign a statement for an organisation and append it to the log, once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mooring.errors import WorkflowError
from mooring.ledger.registry import RegistryState, org_id
from mooring.proofs import dsse, merkle
from mooring.proofs.keys import PublicKey
from mooring.records.digest import Digest
from mooring.records.predicates import predicate_type
from mooring.records.statement import PAYLOAD_TYPE, Statement
from mooring.storage.index import AttestationRow
from mooring.workflows.deployment import Deployment

__all__ = ["Attested", "attest", "envelope_of", "row_of", "said_before", "statement_of"]


@dataclass(frozen=True, slots=True)
class Attested:
    """A logged attestation: its place in the log of records and the SHA-256 of its signed statement."""

    index: int
    digest: Digest
    entry: bytes


def attest(deployment: Deployment, statement: Statement, organisation: str) -> Attested:
    """Sign, append durably, index; the same statement again gives the same record.

    Raises WorkflowError `key-unregistered` if the organisation's key is not valid on the ledger now.
    """
    public = deployment.keys.public(f"{organisation}-attest")
    _check_key(deployment, deployment.follow(), public, organisation)
    entry = envelope_of(deployment, statement, organisation).to_bytes()
    with deployment.records() as log:
        known = log.leaf_index(merkle.leaf_hash(entry))
        index = log.append([entry])[0] if known is None else known
    deployment.index.add_attestations([row_of(deployment.records_origin, index, entry)])
    return Attested(index, statement.digest, entry)


def said_before(deployment: Deployment, statement: Statement, organisation: str, *, since: int = 0) -> Statement:
    """Return what the organisation has attested from log index `since` on that differs in its time alone.

    A workflow that broke off between log and ledger goes on with that attestation and makes no second one; if there is
    none, the statement itself is returned.
    """
    keyid = deployment.keys.public(f"{organisation}-attest").keyid
    rows = deployment.index.attestations(
        origin=deployment.records_origin,
        subject=statement.subject.name,
        digest=str(statement.subject.digest),
        predicate_type=predicate_type(statement.predicate),
        keyid=keyid,
    )
    for row in reversed(rows):
        earlier = statement_of(deployment, row)
        now = replace(earlier.predicate, created=statement.predicate.created)
        if row.index >= since and now == statement.predicate:
            return earlier
    return statement


def statement_of(deployment: Deployment, row: AttestationRow) -> Statement:
    """Return an indexed attestation's statement, from the log."""
    with deployment.read_log(row.origin) as log:
        return Statement.from_bytes(dsse.Envelope.from_canonical(log.entry(row.index)).payload)


def envelope_of(deployment: Deployment, statement: Statement, organisation: str) -> dsse.Envelope:
    """Return the statement signed with the organisation's attestation key."""
    name = f"{organisation}-attest"
    payload = statement.to_bytes()
    signature = deployment.keys.sign(name, dsse.pae(PAYLOAD_TYPE, payload))
    keyid = deployment.keys.public(name).keyid
    return dsse.Envelope(PAYLOAD_TYPE, payload, (dsse.Signature(signature, keyid),))


def row_of(origin: str, index: int, entry: bytes) -> AttestationRow:
    """Return the index row of a logged attestation."""
    envelope = dsse.Envelope.from_canonical(entry)
    statement = Statement.from_bytes(envelope.payload)
    return AttestationRow(
        origin=origin,
        index=index,
        leaf=merkle.leaf_hash(entry).hex(),
        predicate_type=statement.predicate_type,
        subject=statement.subject.name,
        digest=str(statement.subject.digest),
        keyid=envelope.signatures[0].keyid,
        time=statement.predicate.created,
        payload_digest=statement.digest.hex,
    )


def _check_key(deployment: Deployment, state: RegistryState, public: PublicKey, organisation: str) -> None:
    now_s = deployment.clock_ns() // 1_000_000_000
    key = state.keys.get(bytes.fromhex(public.keyid))
    if key is None or key.org != org_id(organisation):
        problem, code = "is not registered on the ledger", "key-unregistered"
    elif not key.valid(now_s):
        problem, code = "is registered but not valid now", "key-time"
    else:
        return
    raise WorkflowError(
        f"attestation key {public.keyid[:16]} of {organisation} {problem}",
        code=code,
        hint=f"run: mooring key register {organisation}-attest",
    )
