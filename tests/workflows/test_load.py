"""Loading: what is served is what the followed ledger names, and its bytes are the registered ones or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workflows.acts import activate, again, agree, dataset, files, model
from tests.workflows.stage import MODEL, onnx_model

from mooring.errors import CorruptError, MooringError, NotFoundError
from mooring.ledger.registry import asset_id, version_id
from mooring.wiring.session import Session
from mooring.workflows import deploy
from mooring.workflows.load import load_model, model_file, purposes_of
from mooring.workflows.register import manifest_at


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(MooringError) as caught:
        act()
    return caught.value.code


def test_the_current_version_is_listed_with_its_status_purposes_policy_and_bytes(active: Session) -> None:
    active.deployment.follow()
    models = active.models()
    assert (list(models.models()), list(models.versions("tumour")), models.current("tumour")) == (
        ["tumour"],
        ["1"],
        "1",
    )
    found = models.version("tumour", "1")
    assert (found.status, found.purposes) == ("active", ("diagnosis",))
    assert found.policy == active.policy("").digest
    assert models.load("tumour", "1") == onnx_model()
    assert models.version("tumour", "1") is found


def test_data_sets_and_what_is_not_registered_are_no_models(active: Session) -> None:
    active.deployment.follow()
    models = active.models()
    assert models.versions("cells") == models.versions("lung") == ()
    assert models.current("lung") is None
    for model_, version in (("tumour", "2"), ("lung", "1"), ("cells", "1")):
        with pytest.raises(NotFoundError) as caught:
            models.version(model_, version)
        assert caught.value.code == "unknown-version"
        assert refusal(lambda m=model_, v=version: models.load(m, v)) == "unknown-version"  # type: ignore[misc]


def test_a_suspension_changes_the_state_that_is_served_from(active: Session) -> None:
    active.deployment.follow()
    models = active.models()
    before = models.state_id
    assert models.state_id == before
    deploy.suspend(active.deployment, active.deployment.actor("bob"), MODEL, "bad")
    assert models.state_id != before
    assert (models.version("tumour", "1").status, models.current("tumour")) == ("suspended", None)


def test_freshness_is_that_of_the_follower(active: Session) -> None:
    models = active.models()
    active.deployment.follow()
    assert models.fresh()
    assert models.lag_s < active.config.ledger.max_staleness_s


def test_changed_weights_are_not_loaded(active: Session) -> None:
    deployment = active.deployment
    version = deployment.follow().versions[version_id(asset_id("tumour"), "1")]
    path = active.blob_path(model_file(manifest_at(deployment, version)).digest)
    path.chmod(0o644)
    path.write_bytes(onnx_model(2.0))
    with pytest.raises(CorruptError):
        load_model(deployment.blobs, version)


def test_lost_weights_are_not_found(active: Session) -> None:
    deployment = active.deployment
    version = deployment.follow().versions[version_id(asset_id("tumour"), "1")]
    active.blob_path(model_file(manifest_at(deployment, version)).digest).unlink()
    with pytest.raises(NotFoundError):
        load_model(deployment.blobs, version)


def test_an_artifact_needs_exactly_one_onnx_file_to_be_served(founded: Session, tmp_path: Path) -> None:
    two = files(founded, tmp_path / "two", a_onnx=b"a", b_onnx=b"b")
    none = files(founded, tmp_path / "none", a_txt=b"a")
    assert [refusal(lambda m=m: model_file(m)) for m in (two, none)] == ["model-file"] * 2  # type: ignore[misc]
    one = files(founded, tmp_path / "one", a_onnx=b"a", readme_md=b"b")
    assert model_file(one).name == "a.onnx"


def test_purposes_are_those_of_the_newest_deployment(active: Session) -> None:
    deployment = active.deployment
    manifest = active.models().version("tumour", "1").manifest
    assert purposes_of(deployment, MODEL, manifest) == ("diagnosis",)
    deploy.suspend(deployment, deployment.actor("bob"), MODEL, "bad")
    agree(active)
    activate(active, purposes=("teaching", "research"))
    assert purposes_of(deployment, MODEL, manifest) == ("teaching", "research")


def test_purposes_of_one_name_are_not_those_of_another_with_the_same_bytes(active: Session, tmp_path: Path) -> None:
    data = dataset(active, tmp_path / "d", "images@1")
    folder = tmp_path / "m"
    folder.mkdir()
    made = model(active, folder, "copy@1", [data])
    again(active, "copy@1")
    activate_copy = active.models()
    assert activate_copy.version("copy", "1").purposes == ("diagnosis",)
    deploy.suspend(active.deployment, active.deployment.actor("bob"), "copy@1", "x")
    agree(active, "copy@1")
    activate(active, "copy@1", purposes=("teaching",))
    assert purposes_of(active.deployment, "copy@1", made.manifest) == ("teaching",)
    assert purposes_of(active.deployment, "other@1", made.manifest) == ()
    assert active.models().version("tumour", "1").purposes == ("diagnosis",)
