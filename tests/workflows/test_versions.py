"""Versions by name, as people write them."""

from __future__ import annotations

import pytest
from tests.workflows.acts import agree, logged
from tests.workflows.stage import MODEL

from mooring.errors import WorkflowError
from mooring.wiring.session import Session
from mooring.workflows import deploy
from mooring.workflows.versions import find, last_change, occasion, split, subject


@pytest.mark.parametrize(
    ("name", "parts"), [("a@1", ("a", "1")), ("a.b-c@v1.2", ("a.b-c", "v1.2")), ("a@b@c", ("a", "b@c"))]
)
def test_a_version_is_an_asset_and_a_label(name: str, parts: tuple[str, str]) -> None:
    assert split(name) == parts


@pytest.mark.parametrize("name", ["", "a", "@", "a@", "@1", "a 1"])
def test_what_lacks_either_names_no_version(name: str) -> None:
    with pytest.raises(WorkflowError, match="names no version") as caught:
        split(name)
    assert caught.value.code == "version-name"


def test_what_is_not_there_is_answered_with_what_is(registered: Session) -> None:
    state = registered.deployment.follow()
    assert find(state, MODEL).label == "1"
    for name, code, hint in (
        ("tumour@2", "unknown-version", "versions: 1"),
        ("lung@1", "unknown-asset", "registered: cells, tumour"),
    ):
        with pytest.raises(WorkflowError) as caught:
            find(state, name)
        assert (caught.value.code, caught.value.hint) == (code, hint)


def test_every_point_of_a_life_is_an_occasion_of_its_own(registered: Session) -> None:
    deployment, seen = registered.deployment, []

    def note() -> None:
        seen.append(occasion(find(deployment.follow(), MODEL)))

    note()
    for _ in range(2):
        for member in ("bob", "carol"):
            agree(registered, by=(member,))
            note()
        deploy.suspend(deployment, deployment.actor("bob"), MODEL, "x")
        note()
    assert len(set(seen)) == len(seen) == 7


def test_a_statement_is_about_the_manifest(registered: Session) -> None:
    version = find(registered.deployment.follow(), MODEL)
    assert subject(MODEL, version) == logged(registered)[1].subject


def test_the_last_attested_change_divides_past_from_present(registered: Session) -> None:
    deployment = registered.deployment
    assert last_change(deployment, MODEL) == 0
    deploy.suspend(deployment, deployment.actor("bob"), MODEL, "x")
    assert last_change(deployment, MODEL) == len(logged(registered))
    assert last_change(deployment, "cells@1") == 0
