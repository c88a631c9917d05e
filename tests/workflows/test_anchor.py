"""Anchoring: what is sealed stands on the ledger once, grows only, and a fork is refused by every witness."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workflows.acts import dataset, logged

from mooring.errors import NotFoundError, ProofError, WorkflowError
from mooring.ledger.registry import origin_id
from mooring.proofs.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from mooring.proofs.note import sign
from mooring.records.predicates import ReceiptBatch
from mooring.storage.filelog import FileLog
from mooring.wiring.session import Session
from mooring.workflows import anchor as anchoring
from mooring.workflows.anchor import anchor, anchored_size, attest_batch, cosigned, log_key, seal
from mooring.workflows.witness import cosignature, witness_key


def sealed(session: Session, which: str = "records") -> bytes:
    origin = f"{session.deployment.name}/{which}"
    log = FileLog(session.home.log(origin), origin)
    try:
        return seal(session.deployment, log)
    finally:
        log.close()


def append(session: Session, *entries: bytes) -> None:
    origin = session.deployment.receipts_origin
    log = FileLog(session.home.log(origin), origin)
    try:
        log.append(entries)
    finally:
        log.close()


def test_a_sealed_log_is_anchored_once(registered: Session) -> None:
    note = sealed(registered)
    first = anchor(registered.deployment, note)
    assert (first.size, first.new, first.cost > 0) == (2, True, True)
    second = anchor(registered.deployment, note)
    assert (second.size, second.root, second.new, second.cost) == (2, first.root, False, 0)
    writer = registered.deployment.keys.address("anchorer")
    known = registered.deployment.follow().origins[origin_id(writer, registered.deployment.records_origin)]
    assert (known.size, known.root.hex()) == (first.size, first.root)


def test_an_older_checkpoint_changes_nothing(registered: Session, tmp_path: Path) -> None:
    old = sealed(registered)
    dataset(registered, tmp_path / "d", "images@1")
    newest = anchor(registered.deployment, sealed(registered))
    again = anchor(registered.deployment, old)
    assert (again.new, again.size, again.root) == (False, newest.size, newest.root)


def test_every_anchor_after_the_first_grows(registered: Session, tmp_path: Path) -> None:
    sizes = [anchor(registered.deployment, sealed(registered)).size]
    for number in range(2):
        dataset(registered, tmp_path / "d", f"images@{number}")
        sizes.append(anchor(registered.deployment, sealed(registered)).size)
    assert sizes == [2, 3, 4]
    assert anchored_size(registered.deployment, registered.deployment.records_origin) == 4


def test_every_witness_of_ours_cosigns_a_seal(registered: Session) -> None:
    deployment, note = registered.deployment, sealed(registered)
    keys = [witness_key(deployment.name, deployment.keys, witness) for witness in deployment.witnesses]
    opened = open_checkpoint(note, log_key(deployment, deployment.records_origin), origin=deployment.records_origin)
    assert opened is not None
    names = {line.name for line in read_checkpoint(note)[1].signatures}
    assert {key.name for key in keys} <= names
    assert len(keys) == 3
    assert sealed(registered) == note


def test_a_checkpoint_that_another_key_signed_is_not_anchored(registered: Session) -> None:
    deployment = registered.deployment
    key = log_key(deployment, deployment.receipts_origin)
    forged = Checkpoint(deployment.records_origin, 9, bytes(32)).text
    line = sign(forged, key, lambda message: deployment.keys.sign("log-receipts", message))
    with pytest.raises(ProofError):
        anchor(deployment, f"{forged}\n{line}".encode())
    assert anchored_size(deployment, deployment.records_origin) == 0


def test_a_log_that_was_rolled_back_is_sealed_by_no_witness(registered: Session, tmp_path: Path) -> None:
    deployment = registered.deployment
    folder = registered.home.log(deployment.records_origin)
    shutil.copytree(folder, tmp_path / "earlier")
    dataset(registered, tmp_path / "d", "images@1")
    sealed(registered)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "earlier", folder)
    with pytest.raises(WorkflowError, match="refuses") as caught:
        sealed(registered)
    assert caught.value.code == "log-forked"


def test_a_log_that_was_edited_is_sealed_by_no_witness(registered: Session, tmp_path: Path) -> None:
    deployment = registered.deployment
    folder = registered.home.log(deployment.records_origin)
    shutil.copytree(folder, tmp_path / "earlier")
    dataset(registered, tmp_path / "d", "images@1")
    anchor(deployment, sealed(registered))
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "earlier", folder)
    other = FileLog(folder, deployment.records_origin)
    other.append([b"another past", b"and more of it"])
    with pytest.raises(WorkflowError) as caught:
        seal(deployment, other)
    other.close()
    assert caught.value.code == "log-forked"


def test_a_fork_of_equal_size_is_evidence_and_not_anchored(registered: Session) -> None:
    deployment = registered.deployment
    anchor(deployment, sealed(registered))
    key = log_key(deployment, deployment.records_origin)
    fork = Checkpoint(deployment.records_origin, 2, b"\7" * 32).text
    line = sign(fork, key, lambda message: deployment.keys.sign("log-records", message))
    note = f"{fork}\n{line}".encode()
    with pytest.raises(WorkflowError, match="another root") as caught:
        anchor(replace(deployment, witnesses=()), note)
    assert caught.value.code == "log-forked"


def test_a_witness_remembers_before_it_signs(registered: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment, witness, note = registered.deployment, registered.deployment.witnesses[0], sealed(registered)
    checkpoint = read_checkpoint(note)[0]

    def crash(*_: object) -> bytes:
        raise KeyboardInterrupt

    grown = Checkpoint(checkpoint.origin, 3, b"\7" * 32)
    line = sign(
        grown.text,
        log_key(deployment, checkpoint.origin),
        lambda message: deployment.keys.sign("log-records", message),
    )
    with monkeypatch.context() as patched:
        patched.setattr(type(deployment.keys), "sign", crash)
        patched.setattr("mooring.workflows.witness.merkle.verify_consistency", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            cosignature(deployment.name, deployment.keys, witness, f"{grown.text}\n{line}".encode(), lambda a, b: [], 1)
    assert witness.last(checkpoint.origin) == (3, grown.root)


def test_the_receipts_that_a_new_anchor_covers_are_attested(registered: Session) -> None:
    append(registered, b"one", b"two")
    made = registered.anchor()
    batches = [said.predicate for said in logged(registered) if isinstance(said.predicate, ReceiptBatch)]
    assert [(batch.start, batch.stop) for batch in batches] == [(0, 2)]
    assert [item.size for item in made] == [2, 3]
    append(registered, b"three")
    registered.anchor()
    batches = [said.predicate for said in logged(registered) if isinstance(said.predicate, ReceiptBatch)]
    assert [(batch.start, batch.stop) for batch in batches] == [(0, 2), (2, 3)]


def test_an_anchor_that_covers_nothing_new_attests_nothing(registered: Session) -> None:
    append(registered, b"one")
    registered.anchor()
    count = len(logged(registered))
    (receipts, _) = registered.anchor()
    assert not receipts.new
    assert attest_batch(registered.deployment, "hospital", receipts, 0) is None
    assert len(logged(registered)) == count


def test_an_anchor_that_broke_off_after_the_ledger_is_found_and_not_repeated(
    registered: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, whole = sealed(registered), anchoring.transact

    def crash(*args: object) -> None:
        whole(*args)  # type: ignore[arg-type]  # passed on as they came
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(anchoring, "transact", crash)
        with pytest.raises(KeyboardInterrupt):
            anchor(registered.deployment, note)
    assert not anchor(registered.deployment, note).new
    origin = registered.deployment.records_origin
    assert registered.deployment.notes.find(origin, 2) == note
    with pytest.raises(NotFoundError):
        registered.deployment.notes.find(origin, 1)


def test_a_checkpoint_that_our_witnesses_have_not_signed_is_not_anchored(registered: Session) -> None:
    deployment = registered.deployment
    origin, key = deployment.records_origin, log_key(deployment, deployment.records_origin)
    log = FileLog(registered.home.log(origin), origin)
    note = log.seal(lambda text: [sign(text, key, lambda message: deployment.keys.sign("log-records", message))])
    assert not cosigned(deployment, note)
    with pytest.raises(WorkflowError) as caught:
        anchor(deployment, note)
    assert (caught.value.code, anchored_size(deployment, origin)) == ("not-cosigned", 0)
    whole = seal(deployment, log)
    log.close()
    assert cosigned(deployment, whole)
    assert anchor(deployment, whole).new
