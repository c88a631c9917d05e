"""Export: one file that proves a version at any point of its life, whatever else the log and the ledger hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.workflows.acts import again, agree, dataset, logged, model
from tests.workflows.stage import DATA, MODEL, onnx_model

from mooring.errors import WorkflowError
from mooring.proofs.bundle import Bundle
from mooring.proofs.checkpoint import read_checkpoint
from mooring.proofs.report import Outcome, Report
from mooring.proofs.verify import verify_bytes
from mooring.records.predicates import Dataset
from mooring.storage.filelog import FileLog
from mooring.wiring.session import Session
from mooring.workflows import deploy, people, register
from mooring.workflows.export import export_version
from mooring.workflows.serve import ReceiptLine, encode_line


def proof(session: Session, name: str = MODEL, receipts: Sequence[int] = ()) -> Report:
    session.anchor()
    bundle = export_version(session.deployment, name, receipts=receipts)
    return verify_bytes(bundle.to_bytes(), session.trust(), now_s=int(time.time()) + 2)


def claim(report: Report, name: str, about: str = MODEL) -> str:
    found = [claim for claim in report.claims if (claim.name, claim.about) == (name, about)]
    assert len(found) == 1, [(claim.name, claim.about) for claim in report.claims]
    return f"{found[0].outcome}: {found[0].says}"


def act(session: Session, verb: Callable[..., object], by: str, why: str = "x") -> None:
    verb(session.deployment, session.deployment.actor(by), MODEL, why)


def test_an_active_version_is_proved_with_its_data_its_approvals_and_its_status(active: Session) -> None:
    report = proof(active)
    assert report.outcome == Outcome.PROVED, report.refuted()
    assert claim(report, "registered").startswith("proved: registered")
    assert claim(report, "registered", DATA).startswith("proved: registered")
    assert claim(report, "approved").startswith("proved: approved by auditor, lab")
    assert claim(report, "status").startswith("proved: active")


def test_a_version_that_nobody_approved_is_not_proved_to_be_approved(registered: Session) -> None:
    report = proof(registered)
    assert report.outcome == Outcome.NOT_PROVED
    assert claim(report, "approved").startswith("not-proved")
    assert claim(report, "registered").startswith("proved")


def test_a_data_set_is_proved_without_approvals(registered: Session) -> None:
    assert proof(registered, DATA).outcome == Outcome.PROVED


def test_a_suspended_version_is_proved_suspended_and_no_longer_approved(active: Session) -> None:
    act(active, deploy.suspend, "bob")
    report = proof(active)
    assert claim(report, "status").startswith("proved: suspended")
    assert claim(report, "approved").startswith("not-proved")
    agree(active)
    assert claim(proof(active), "approved").startswith("proved: approved by auditor, lab")


def test_a_retired_and_a_revoked_version_are_proved_so(active: Session, tmp_path: Path) -> None:
    act(active, deploy.retire, "alice")
    assert claim(proof(active), "status").startswith("proved: retired")
    model(active, tmp_path / "m", "tumour@2", factor=2.0)
    for by in ("bob", "carol"):
        deploy.revoke(active.deployment, active.deployment.actor(by), "tumour@2", "bad")
    assert claim(proof(active, "tumour@2"), "status", "tumour@2").startswith("proved: revoked")


def test_a_bundle_holds_what_was_attested_of_its_family_and_of_nothing_else(active: Session, tmp_path: Path) -> None:
    data = dataset(active, tmp_path / "d", "images@1")
    model(active, tmp_path / "m", "lung@1", [data], factor=2.0, metrics={"auc": 0.9})
    again(active, "lung@1")
    report = proof(active, "lung@1")
    assert report.outcome == Outcome.PROVED, report
    about = {claim.about for claim in report.claims if claim.name in ("registered", "approved", "status")}
    assert about == {"lung@1", "images@1"}


def test_the_same_bytes_under_two_names_do_not_spoil_each_others_bundles(active: Session, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(onnx_model())
    model(active, tmp_path / "m", "copy@1")
    agree(active, "copy@1")
    dataset(active, tmp_path / "d", "images@1")
    dataset(active, tmp_path / "d", "images@2")
    for name in (MODEL, "copy@1", "images@1", "images@2"):
        assert proof(active, name).outcome == Outcome.PROVED, name


def test_an_attempt_to_register_that_was_given_up_does_not_spoil_the_bundle(
    founded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(register, "transact", crash)
        patched.setattr(register, "said_before", lambda deployment, statement, organisation: statement)
        with pytest.raises(KeyboardInterrupt):
            dataset(founded, tmp_path / "d", "images@1", created="2026-01-01T00:00:00Z")
        patched.undo()
        patched.setattr(register, "said_before", lambda deployment, statement, organisation: statement)
        dataset(founded, tmp_path / "d", "images@1")
    assert len([said for said in logged(founded) if isinstance(said.predicate, Dataset)]) == 2
    assert proof(founded, "images@1").outcome == Outcome.PROVED


def test_nothing_is_exported_before_it_is_anchored(active: Session, tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match="the ledger has 0 of its entries") as caught:
        export_version(active.deployment, MODEL)
    assert caught.value.code == "not-anchored"
    active.anchor()
    export_version(active.deployment, MODEL)
    act(active, deploy.suspend, "bob")
    with pytest.raises(WorkflowError, match="is not anchored") as later:
        export_version(active.deployment, MODEL)
    assert later.value.code == "not-anchored"


def test_a_receipt_that_is_not_anchored_or_never_was_is_refused(active: Session) -> None:
    active.anchor()
    for _ in range(2):
        with pytest.raises(WorkflowError) as caught:
            export_version(active.deployment, MODEL, receipts=[0])
        assert caught.value.code == "not-anchored"
        answered(active, MODEL)
    assert proof(active, MODEL, [0]).outcome == Outcome.PROVED


def answered(session: Session, *names: str) -> None:
    """Write a receipt for each version, as the gateway does."""
    deployment = session.deployment
    origin = deployment.receipts_origin
    log = FileLog(session.home.log(origin), origin)
    for name in names:
        model_, _, version = name.partition("@")
        served = session.models().version(model_, version)
        receipt = ReceiptLine(
            batch=1,
            caller="anonymous",
            index=log.size,
            input="ab" * 32,
            manifest=str(served.manifest),
            model=model_,
            origin=origin,
            output="cd" * 32,
            policy=str(served.policy),
            purpose="diagnosis",
            time="2026-11-23T00:00:00Z",
            version=version,
        )
        log.append([encode_line(receipt)])
    log.close()


def test_of_a_range_of_entries_only_the_versions_own_receipts_are_taken(active: Session, tmp_path: Path) -> None:
    model(active, tmp_path / "m", "copy@1")
    again(active, "copy@1")
    active.deployment.follow()
    answered(active, MODEL, "copy@1", MODEL)
    active.anchor()
    bundle = export_version(active.deployment, MODEL, among=range(3))
    assert [entry.index for entry in bundle.entries if entry.origin.endswith("/receipts")] == [0, 2]
    report = verify_bytes(bundle.to_bytes(), active.trust(), now_s=int(time.time()) + 2)
    assert report.outcome == Outcome.PROVED, report
    with pytest.raises(WorkflowError) as caught:
        export_version(active.deployment, MODEL, receipts=[1])
    assert caught.value.code == "not-its-receipt"


def test_what_is_not_final_is_not_exported(active: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    active.anchor()
    from dataclasses import replace

    shallow = replace(active.deployment, final=lambda: 3)
    with pytest.raises(WorkflowError, match="final up to 3") as caught:
        export_version(shallow, MODEL)
    assert caught.value.code == "not-final"


def test_a_version_that_is_not_registered_is_not_exported(active: Session) -> None:
    with pytest.raises(WorkflowError) as caught:
        export_version(active.deployment, "tumour@7")
    assert caught.value.code == "unknown-version"


def test_the_oldest_anchor_that_covers_everything_is_used_and_one_without_its_checkpoint_passed_over(
    active: Session, tmp_path: Path
) -> None:
    sizes = []
    for number in range(3):
        active.anchor()
        sizes.append(read_checkpoint(active.checkpoint("records"))[0].size)
        dataset(active, tmp_path / "d", f"images@{number}")

    def used() -> int:
        return read_checkpoint(export_version(active.deployment, MODEL).checkpoints[0])[0].size

    assert used() == sizes[0]
    for size, after in ((sizes[0], sizes[1]), (sizes[1], sizes[2])):
        (active.home.notes / "records" / str(size)).unlink()
        assert used() == after
    (active.home.notes / "records" / str(sizes[2])).unlink()
    with pytest.raises(WorkflowError) as caught:
        used()
    assert caught.value.code == "not-anchored"
    assert proof(active).outcome == Outcome.PROVED


def test_a_bundle_survives_an_erasure_and_one_made_afterwards_is_proved_too(active: Session) -> None:
    active.anchor()
    before = export_version(active.deployment, MODEL).to_bytes()
    trust, now_s = active.trust(), int(time.time()) + 2
    people.erase_person(active.deployment, active.deployment.actor("alice"), "person-03", "asked for it")
    assert verify_bytes(before, trust, now_s=now_s).outcome == Outcome.PROVED
    assert proof(active).outcome == Outcome.PROVED


def test_a_bundle_is_proved_after_the_attestation_key_was_rotated(active: Session) -> None:
    active.anchor()
    before = export_version(active.deployment, MODEL).to_bytes()
    active.rotate_key(active.deployment.actor("alice"))
    assert verify_bytes(before, active.trust(), now_s=int(time.time()) + 2).outcome == Outcome.PROVED
    report = proof(active)
    assert report.outcome == Outcome.PROVED, report


def test_a_bundle_reads_back_as_it_was_written(active: Session) -> None:
    active.anchor()
    bundle = export_version(active.deployment, MODEL)
    assert Bundle.from_bytes(bundle.to_bytes()) == bundle
