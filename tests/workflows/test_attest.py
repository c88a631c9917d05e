"""Attestation: signed with a key that the ledger has, logged once, found again."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from tests.workflows.acts import logged

from mooring.errors import WorkflowError
from mooring.proofs import dsse, merkle
from mooring.records.digest import sha256
from mooring.records.predicates import Erasure
from mooring.records.statement import Statement, Subject
from mooring.wiring.session import Session
from mooring.workflows.attest import attest, said_before, statement_of
from mooring.workflows.govern import revoke_key

SAID = Statement(Subject("x", sha256(b"x")), Erasure("because", 1, "2026-11-23T00:00:00Z"))
LATER = Statement(Subject("x", sha256(b"x")), Erasure("because", 1, "2026-11-24T00:00:00Z"))
OTHER = Statement(Subject("x", sha256(b"x")), Erasure("otherwise", 1, "2026-11-23T00:00:00Z"))


def refusal(session: Session) -> str:
    with pytest.raises(WorkflowError, match="hospital") as caught:
        attest(session.deployment, SAID, "hospital")
    assert "mooring key register" in caught.value.hint or "mooring key rotate" in caught.value.hint
    assert logged(session) == []
    return caught.value.code


def test_the_same_statement_is_logged_and_indexed_once(founded: Session) -> None:
    deployment = founded.deployment
    first, second = (attest(deployment, SAID, "hospital") for _ in range(2))
    assert first == second
    assert attest(deployment, OTHER, "hospital").index == 1
    row = deployment.index.attestation(first.digest.hex)
    assert row is not None
    assert (row.index, row.leaf, row.subject) == (0, merkle.leaf_hash(first.entry).hex(), "x")
    assert statement_of(deployment, row) == SAID


def test_the_signature_is_the_organisations(founded: Session) -> None:
    entry = attest(founded.deployment, SAID, "lab").entry
    key = founded.deployment.keys.public("lab-attest")
    (signer,) = dsse.verify(dsse.Envelope.from_canonical(entry), {key.keyid: key}, chain_ids=())
    assert signer.keyid == key.keyid


def test_a_key_that_is_not_registered_attests_nothing(founded: Session) -> None:
    founded.deployment.keys.rotate("hospital-attest")  # type: ignore[attr-defined]  # a key store of our own
    assert refusal(founded) == "key-unregistered"
    attest(founded.deployment, SAID, "lab")


def test_a_revoked_key_attests_nothing(founded: Session) -> None:
    keyid = founded.deployment.keys.public("hospital-attest").keyid
    revoke_key(founded.deployment, founded.deployment.actor("carol"), keyid, from_s=int(time.time()) - 1)
    assert refusal(founded) == "key-time"


def test_an_expired_and_a_future_key_attest_nothing(founded: Session) -> None:
    deployment = founded.deployment
    key = deployment.follow().keys[bytes.fromhex(deployment.keys.public("hospital-attest").keyid)]
    early = replace(deployment, clock_ns=lambda: (key.not_before - 1) * 10**9)
    with pytest.raises(WorkflowError) as caught:
        attest(early, SAID, "hospital")
    assert caught.value.code == "key-time"
    assert attest(replace(deployment, clock_ns=lambda: key.not_before * 10**9), SAID, "hospital").index == 0


def test_what_was_said_before_is_found_whatever_its_time(founded: Session) -> None:
    deployment = founded.deployment
    assert said_before(deployment, LATER, "hospital") == LATER
    attest(deployment, SAID, "hospital")
    assert said_before(deployment, LATER, "hospital") == SAID
    assert said_before(deployment, LATER, "hospital", since=1) == LATER
    assert said_before(deployment, LATER, "lab") == LATER
    assert said_before(deployment, OTHER, "hospital") == OTHER
