"""Registration: the same bytes are the same record, other bytes are refused, and nothing refused is attested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.workflows.acts import agree, dataset, files, logged, model, versions

from mooring.errors import LedgerRefused, NotFoundError, WorkflowError
from mooring.ledger.registry import asset_id, version_id
from mooring.records.digest import sha256
from mooring.records.manifest import Manifest, Resource
from mooring.records.predicates import Dataset, Evaluation, Model
from mooring.wiring.session import Session
from mooring.workflows import deploy, register
from mooring.workflows.register import manifest_at, registered


def test_a_registered_data_set_is_on_the_ledger_in_the_log_and_among_the_blobs(
    founded: Session, tmp_path: Path
) -> None:
    made = dataset(founded, tmp_path / "d", "cells@1")
    version = registered(founded.deployment, "cells", "1")
    assert version is not None
    assert (version.id.hex(), version.manifest, version.attestation) == (
        made.id,
        made.manifest.value,
        made.attestation.value,
    )
    assert version.id == version_id(asset_id("cells"), "1")
    assert (made.new, made.log_index) == (True, 0)
    assert made.cost > 0
    (statement,) = logged(founded)
    assert statement.digest == made.attestation
    assert statement.subject.digest == made.manifest
    manifest = manifest_at(founded.deployment, version)
    assert founded.deployment.blobs.read_all(manifest.resources[0].digest) == b"1,2\n"


def test_the_same_bytes_again_give_the_same_record_and_cost_nothing(founded: Session, tmp_path: Path) -> None:
    first = dataset(founded, tmp_path / "d", "cells@1")
    second = dataset(founded, tmp_path / "d", "cells@1", created="2020-01-01T00:00:00Z")
    assert second == replace(first, new=False, cost=0)
    assert len(logged(founded)) == 1


def test_other_bytes_under_one_version_are_refused(founded: Session, tmp_path: Path) -> None:
    first = dataset(founded, tmp_path / "d", "cells@1")
    with pytest.raises(WorkflowError, match="registered with manifest") as caught:
        dataset(founded, tmp_path / "e", "cells@1", data=b"3,4\n")
    assert caught.value.code == "version-exists"
    assert len(logged(founded)) == 1
    assert dataset(founded, tmp_path / "e", "cells@2", data=b"3,4\n").manifest != first.manifest


def test_the_same_bytes_under_another_version_are_another_record(founded: Session, tmp_path: Path) -> None:
    first = dataset(founded, tmp_path / "d", "cells@1")
    second = dataset(founded, tmp_path / "d", "cells@2")
    assert second.new
    assert (second.manifest, second.id == first.id) == (first.manifest, False)


def test_a_member_who_does_not_publish_is_refused_and_nothing_is_attested(founded: Session, tmp_path: Path) -> None:
    with pytest.raises(LedgerRefused) as caught:
        dataset(founded, tmp_path / "d", "cells@1", by="bob")
    assert caught.value.code == "missing-role"
    assert logged(founded) == []
    assert dataset(founded, tmp_path / "d", "cells@1", by="alice").new


def test_a_new_version_by_a_stranger_to_the_asset_is_refused_and_not_attested(founded: Session, tmp_path: Path) -> None:
    dataset(founded, tmp_path / "d", "cells@1")
    with pytest.raises(LedgerRefused) as caught:
        dataset(founded, tmp_path / "e", "cells@2", by="carol", data=b"5\n")
    assert caught.value.code == "missing-role"
    assert len(logged(founded)) == 1


def test_a_model_names_its_data_set_as_parent_on_the_ledger(founded: Session, tmp_path: Path) -> None:
    data = dataset(founded, tmp_path / "d", "cells@1")
    made = model(founded, tmp_path / "m", "tumour@1", [data])
    version = registered(founded.deployment, "tumour", "1")
    assert version is not None
    assert [parent.hex() for parent in version.parents] == [data.id]
    child = model(founded, tmp_path / "n", "tumour@2", [data], factor=2.0, parents=[made])
    version = registered(founded.deployment, "tumour", "2")
    assert version is not None
    assert [parent.hex() for parent in version.parents] == [data.id, made.id]
    assert child.new


def test_a_model_whose_data_set_is_not_registered_is_refused(founded: Session, tmp_path: Path) -> None:
    manifest = files(founded, tmp_path / "m", model_onnx=b"x")
    data = files(founded, tmp_path / "d", rows_csv=b"unregistered\n")
    deployment = founded.deployment
    said = Model("tumour", "1", deployment.now(), "onnx", (data.digest,), "c0ffee")
    with pytest.raises(WorkflowError) as caught:
        register.register_model(deployment, deployment.actor("alice"), manifest, said)
    assert caught.value.code == "parent-unknown"


def test_a_model_from_revoked_data_is_refused_and_not_attested(founded: Session, tmp_path: Path) -> None:
    data = dataset(founded, tmp_path / "d", "cells@1")
    for name in ("bob", "carol"):
        deploy.revoke(founded.deployment, founded.deployment.actor(name), "cells@1", "consent was withdrawn")
    before = len(logged(founded))
    with pytest.raises(WorkflowError, match="cells@1 is revoked") as caught:
        model(founded, tmp_path / "m", "tumour@1", [data])
    assert caught.value.code == "parent-revoked"
    assert len(logged(founded)) == before


def test_a_model_may_use_data_of_which_another_registration_is_in_good_standing(
    founded: Session, tmp_path: Path
) -> None:
    data = dataset(founded, tmp_path / "d", "cells@1")
    dataset(founded, tmp_path / "d", "cells@2")
    for name in ("bob", "carol"):
        deploy.revoke(founded.deployment, founded.deployment.actor(name), "cells@1", "label was wrong")
    assert model(founded, tmp_path / "m", "tumour@1", [data]).new


def test_a_model_cannot_take_the_name_of_a_data_set(founded: Session, tmp_path: Path) -> None:
    data = dataset(founded, tmp_path / "d", "cells@1")
    with pytest.raises(WorkflowError) as caught:
        model(founded, tmp_path / "m", "cells@2", [data])
    assert caught.value.code == "asset-kind"
    assert versions(founded) == {"cells@1": "proposed"}


def test_an_evaluation_is_attested_before_its_model_which_names_it(founded: Session, tmp_path: Path) -> None:
    data = dataset(founded, tmp_path / "d", "cells@1")
    model(founded, tmp_path / "m", "tumour@1", [data], metrics={"auc": 0.99})
    _, evaluation, said = logged(founded)
    assert isinstance(evaluation.predicate, Evaluation)
    assert isinstance(said.predicate, Model)
    assert said.predicate.evaluation == evaluation.digest
    again = model(founded, tmp_path / "m", "tumour@1", [data], metrics={"auc": 0.99})
    assert not again.new
    assert len(logged(founded)) == 3


def test_a_manifest_whose_files_are_not_kept_is_refused(founded: Session) -> None:
    deployment = founded.deployment
    resource = Resource("rows.csv", sha256(b"never kept"), 10)
    said = Dataset("cells", "1", deployment.now(), "made up", "CC0-1.0")
    with pytest.raises(NotFoundError):
        register.register_dataset(deployment, deployment.actor("alice"), Manifest.of([resource]), said)
    assert logged(founded) == []


def test_a_registration_that_broke_off_after_the_log_goes_on_with_its_attestation(
    founded: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(register, "transact", crash)
        with pytest.raises(KeyboardInterrupt):
            dataset(founded, tmp_path / "d", "cells@1", created="2026-01-01T00:00:00Z")
    assert len(logged(founded)) == 1
    made = dataset(founded, tmp_path / "d", "cells@1", created="2026-01-02T00:00:00Z")
    (only,) = logged(founded)
    assert only.digest == made.attestation
    assert only.predicate.created == "2026-01-01T00:00:00Z"


def test_an_approved_version_does_not_take_other_bytes_either(registered: Session, tmp_path: Path) -> None:
    agree(registered)
    with pytest.raises(WorkflowError) as caught:
        model(registered, tmp_path / "m", "tumour@1", factor=3.0)
    assert caught.value.code == "version-exists"
