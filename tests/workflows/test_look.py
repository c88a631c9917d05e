"""Looking back: versions, their history from ledger and log, and their lineage."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.workflows.acts import again, dataset, model
from tests.workflows.stage import DATA, MODEL

from mooring.errors import WorkflowError
from mooring.wiring.session import Session
from mooring.workflows import deploy
from mooring.workflows.approve import approve
from mooring.workflows.look import history, lineage, manifest_of, versions


def test_every_version_is_listed_with_its_status_approvals_and_whether_it_is_served(active: Session) -> None:
    lines = {line.version: line for line in versions(active.deployment)}
    assert set(lines) == {DATA, MODEL}
    assert (lines[DATA].kind, lines[DATA].status, lines[DATA].approvals, lines[DATA].current) == (
        "data set",
        "proposed",
        "0 of 2",
        "",
    )
    assert (lines[MODEL].kind, lines[MODEL].status, lines[MODEL].approvals, lines[MODEL].current) == (
        "model",
        "active",
        "2 of 2",
        "yes",
    )
    assert lines[MODEL].manifest == str(manifest_of(active.deployment, MODEL))


def test_nothing_is_listed_where_nothing_is_registered(founded: Session) -> None:
    assert versions(founded.deployment) == []


def test_history_tells_from_ledger_and_log_who_did_what(active: Session, tmp_path: Path) -> None:
    deployment = active.deployment
    deploy.suspend(deployment, deployment.actor("carol"), MODEL, "bad")
    approve(deployment, deployment.actor("bob"), MODEL, decision="refuse", comment="still bad")
    told = [(line.where.split()[0], line.what, line.who) for line in history(deployment, MODEL)]
    for expected in (
        ("ledger", "Proposed", "alice (hospital)"),
        ("ledger", "Approved", "bob (lab)"),
        ("ledger", "proposed → approved", "carol (auditor)"),
        ("ledger", "approved → active", "alice (hospital)"),
        ("ledger", "served by default", ""),
        ("ledger", "active → suspended", "carol (auditor)"),
        ("ledger", "no longer served by default", ""),
        ("log", "model", "hospital"),
        ("log", "deployment", "hospital"),
        ("log", "approval", "lab"),
    ):
        assert expected in told
    times = [line.time for line in history(deployment, MODEL)]
    assert times == sorted(times)


def test_history_is_of_one_version(active: Session, tmp_path: Path) -> None:
    model(active, tmp_path / "m", "tumour@2", factor=2.0)
    again(active, "tumour@2")
    told = [line.what for line in history(active.deployment, MODEL)]
    assert told.count("served by default") == 1
    assert "no longer served by default" in told
    assert {line.detail for line in history(active.deployment, "tumour@2") if line.where.startswith("log")} == {
        "tumour@2"
    }


def test_history_of_what_is_not_registered_is_refused(active: Session) -> None:
    with pytest.raises(WorkflowError) as caught:
        history(active.deployment, "tumour@3")
    assert (caught.value.code, caught.value.hint) == ("unknown-version", "versions: 1")


def test_lineage_goes_both_ways_and_as_far_as_there_is(active: Session, tmp_path: Path) -> None:
    data = dataset(active, tmp_path / "d", "images@1")
    base = model(active, tmp_path / "a", "lung@1", [data], factor=2.0)
    child = model(active, tmp_path / "b", "lung@2", [data], factor=3.0, parents=[base])
    model(active, tmp_path / "c", "lung@3", [], factor=4.0, parents=[child])
    told = {(line.version, line.relation, line.depth) for line in lineage(active.deployment, "lung@2")}
    assert told == {
        ("lung@2", "itself", 0),
        ("images@1", "made from", 1),
        ("lung@1", "made from", 1),
        ("lung@3", "led to", 1),
    }
    far = {(line.version, line.relation, line.depth) for line in lineage(active.deployment, "images@1")}
    assert ("lung@3", "led to", 3) in far or ("lung@3", "led to", 2) in far
    assert len(lineage(active.deployment, "images@1")) == 4
    assert [line.status for line in lineage(active.deployment, MODEL)] == ["active", "proposed"]
