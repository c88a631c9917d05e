"""Models on the command line: the whole life, each success beside its nearest refusal, for people and for programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli
from tests.workflows.stage import DATA, MODEL, onnx_model


def files(folder: Path, factor: float = 2.0) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx_model(factor))
    return folder


def register(cli: Cli, name: str, *more: object, as_: str = "alice", factor: float = 2.0):  # type: ignore[no-untyped-def]
    path = files(Path("m"), factor)
    words = ("model", "register", path, "--name", name, "--dataset", DATA, "--code-commit", "c0ffee", *more)
    return cli.json(*words, as_=as_)


def test_a_model_is_registered_with_its_provenance_and_again_the_same(registered: Cli) -> None:
    more = (
        *("--metric", "auc=0.99", "--metric", "accuracy=1"),
        *("--parameter", "C=1.5", "--parameter", "penalty=l2", "--parameter", "seed=7", "--parameter", "bias=true"),
        *("--parent", MODEL, "--description", "a second try", "--method", "held out"),
    )
    made = register(registered, "tumour@2", *more).value
    assert made["new"]
    assert made["cost"] > 0
    said = registered.ok("log", "entry", "records", made["log_index"])
    assert said["payloadType"] == "application/vnd.in-toto+json"
    again = register(registered, "tumour@2", *more).value
    assert again == {**made, "new": False, "cost": 0}
    lineage = registered.ok("model", "lineage", "tumour@2")
    assert {(row["version"], row["relation"]) for row in lineage} == {
        ("tumour@2", "itself"),
        (DATA, "made from"),
        (MODEL, "made from"),
    }


def test_a_registration_for_people_shows_what_was_made(registered: Cli) -> None:
    path = files(Path("m"))
    words = ("model", "register", path, "--name", "tumour@2", "--dataset", DATA, "--code-commit", "c0ffee")
    done = registered(*words, as_="alice")
    assert done.code == 0
    shown = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert shown["manifest"].startswith("sha256:")
    assert (shown["name"], shown["version"], shown["new"]) == ("tumour", "2", "yes")


@pytest.mark.parametrize(
    ("name", "more", "as_", "code", "slug"),
    [
        ("tumour@1", (), "alice", 3, "version-exists"),
        ("tumour@2", (), "bob", 3, "missing-role"),
        ("tumour", (), "alice", 3, "version-name"),
        ("Tumour@2", (), "alice", 2, "label"),
        ("tumour@v 2", (), "alice", 2, "label"),
        ("cells@2", (), "alice", 3, "asset-kind"),
        ("tumour@2", ("--dataset", "cells@9"), "alice", 4, "unknown-version"),
        ("tumour@2", ("--dataset", "lung@1"), "alice", 4, "unknown-asset"),
        ("tumour@2", ("--parent", "tumour@9"), "alice", 4, "unknown-version"),
        ("tumour@2", ("--metric", "auc"), "alice", 2, "pair"),
        ("tumour@2", ("--metric", "auc=good"), "alice", 2, "metric"),
        ("tumour@2", ("--metric", "auc=nan"), "alice", 2, "metric"),
        ("tumour@2", ("--metric", "auc=inf"), "alice", 2, "metric"),
        ("tumour@2", ("--parameter", "=1"), "alice", 2, "pair"),
    ],
)
def test_a_registration_that_cannot_be_is_refused_and_nothing_is_logged(
    registered: Cli, name: str, more: tuple[str, ...], as_: str, code: int, slug: str
) -> None:
    problem = register(registered, name, *more, as_=as_).problem
    assert (problem["exit"], problem["error"]) == (code, slug)
    assert registered.ok("log", "show")[0]["sequenced"] == 2


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
def test_a_parameter_that_no_record_can_hold_is_kept_as_it_was_written(registered: Cli, value: str) -> None:
    made = register(registered, "tumour@2", "--parameter", f"x={value}").value
    assert made["new"]


def test_a_model_goes_through_its_whole_life(registered: Cli) -> None:
    act = registered
    assert act.refused("model", "activate", MODEL, "--purpose", "diagnosis", as_="alice") == (3, "policy-denied")
    assert act.refused("model", "approve", MODEL, as_="alice") == (3, "own-proposal")
    assert act.ok("model", "approve", MODEL, "--comment", "reproduced", as_="bob")["approvals"] == 1
    assert act.refused("model", "approve", MODEL, as_="bob") == (3, "already-approved")
    refusal = act.ok("model", "approve", MODEL, "--refuse", "--comment", "not convinced", as_="carol")
    assert (refusal["decision"], refusal["approvals"], refusal["cost"]) == ("refuse", 1, 0)
    second = act.ok("model", "approve", MODEL, as_="carol")
    assert (second["approvals"], second["status"]) == (2, "approved")
    assert act.refused("model", "approve", MODEL, as_="bob") == (3, "wrong-status")
    assert act.refused("model", "activate", MODEL, "--purpose", "diagnosis", as_="bob") == (3, "missing-role")
    active = act.ok("model", "activate", MODEL, "--purpose", "diagnosis", "--purpose", "teaching", as_="alice")
    assert (active["before"], active["after"]) == ("approved", "active")

    assert act.refused("model", "suspend", MODEL, "--reason", "odd", as_="alice") == (3, "missing-role")
    assert act.ok("model", "suspend", MODEL, "--reason", "odd answers", as_="carol")["after"] == "suspended"
    incident = act.ok("model", "incident", MODEL, "--summary", "odd", "--action", "suspended", as_="carol")
    assert incident["log_index"] > 0
    assert act.refused("model", "activate", MODEL, "--purpose", "x", as_="alice") == (3, "policy-denied")
    for member in ("bob", "carol"):
        act.ok("model", "approve", MODEL, as_=member)
    act.ok("model", "activate", MODEL, "--purpose", "diagnosis", as_="alice")

    assert register(act, "tumour@2").value["new"]
    for member in ("bob", "carol"):
        act.ok("model", "approve", "tumour@2", as_=member)
    act.ok("model", "activate", "tumour@2", "--purpose", "diagnosis", as_="alice")
    assert act.refused("model", "rollback", MODEL, "--reason", "x", as_="bob") == (3, "missing-role")
    assert act.ok("model", "rollback", MODEL, "--reason", "two is bad", as_="alice")["after"] == "active"
    current = {row["version"]: row["current"] for row in act.ok("model", "list")}
    assert (current[MODEL], current["tumour@2"]) == ("yes", "")
    assert act.ok("model", "retire", "tumour@2", "--reason", "bad", as_="alice")["after"] == "retired"
    assert act.refused("model", "rollback", "tumour@2", "--reason", "x", as_="alice") == (3, "wrong-status")
    assert act.ok("model", "revoke", MODEL, "--reason", "stolen", as_="bob")["after"] == "active"
    assert act.refused("model", "revoke", MODEL, "--reason", "stolen", as_="bob") == (3, "already-voted")
    assert act.ok("model", "revoke", MODEL, "--reason", "stolen", as_="carol")["after"] == "revoked"
    assert act.refused("model", "suspend", MODEL, "--reason", "x", as_="bob") == (3, "wrong-status")

    told = [row["what"] for row in act.ok("model", "history", MODEL)]
    for what in ("Proposed", "proposed → approved", "approved → active", "active → suspended", "active → revoked"):
        assert what in told
    assert act.ok("doctor")[4]["state"] == "ok"
    assert {row["what"]: row["state"] for row in act.ok("doctor")}["index"] == "ok"


def test_lists_and_histories_are_tables_for_people(active: Cli) -> None:
    done = active("model", "list")
    header, *rows = done.out.splitlines()
    assert header.split() == ["VERSION", "KIND", "STATUS", "APPROVALS", "CURRENT", "MANIFEST"]
    assert [row.split()[0] for row in rows] == [DATA, MODEL]
    history = active("model", "history", MODEL).out
    assert "approved → active" in history
    assert "alice (hospital)" in history
    lineage = active("model", "lineage", MODEL).out.splitlines()
    assert lineage == [f"itself    {MODEL} (active)", f"  made from {DATA} (proposed)"]


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "NAME"),
        ("activate", "NAME", "--purpose", "x"),
        ("suspend", "NAME", "--reason", "x"),
        ("rollback", "NAME", "--reason", "x"),
        ("retire", "NAME", "--reason", "x"),
        ("revoke", "NAME", "--reason", "x"),
        ("incident", "NAME", "--summary", "x"),
        ("history", "NAME"),
        ("lineage", "NAME"),
    ],
    ids=lambda words: words[0],
)
def test_a_version_that_is_not_there_is_answered_with_those_that_are(active: Cli, words: tuple[str, ...]) -> None:
    def named(name: str) -> tuple[int, str]:
        return active.refused("model", *(name if word == "NAME" else word for word in words), as_="bob")

    assert named("tumour@9") == (4, "unknown-version")
    assert named("lung@1") == (4, "unknown-asset")
    assert named("tumour") == (3, "version-name")


def test_an_incident_has_a_known_severity(active: Cli) -> None:
    words = ("model", "incident", MODEL, "--summary", "x", "--severity")
    assert active.refused(*words, "funny", as_="bob") == (2, "severity")
    assert active.ok(*words, "critical", as_="bob")["attestation"].startswith("sha256:")


def test_an_asset_without_a_policy_of_its_own_is_activated_under_that_of_all(approved: Cli) -> None:
    shown = approved.ok("policy", "show", "tumour")
    changed = approved.ok("model", "activate", MODEL, "--purpose", "diagnosis", as_="alice")
    assert changed["after"] == "active"
    assert shown["digest"] == approved.ok("policy", "show")["digest"]
