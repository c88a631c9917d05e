"""A verification in progress: refusals become claims, and nothing is counted twice."""

from __future__ import annotations

import pytest
from tests.proofs.scene import NOW, Story

from mooring.errors import ProofError, RecordError, StorageError
from mooring.proofs.bundle import MEDIA_TYPE, Bundle
from mooring.proofs.case import Case, Life
from mooring.proofs.report import Claim, Outcome


def case(story: Story | None = None) -> Case:
    trust = (story or Story()).trust()
    return Case(Bundle(MEDIA_TYPE), trust, trust.keyring(), NOW)


@pytest.mark.parametrize("kind", [ProofError, RecordError])
def test_evidence_that_does_not_hold_becomes_a_refuted_claim(kind: type[ProofError]) -> None:
    found = case()
    with found.refuting("receipt", "log#1", "it was logged"):
        raise kind("it was not", code="why", hint="look again")
    assert found.claims == [
        Claim("receipt", "log#1", Outcome.REFUTED, "it was logged: it was not", code="why", hint="look again")
    ]


def test_other_errors_are_not_taken_for_bad_evidence() -> None:
    found = case()
    with pytest.raises(StorageError), found.refuting("receipt", "log#1", "it was logged"):
        raise StorageError("disk", code="disk")
    assert found.claims == []


def test_a_proved_claim_carries_the_limits_that_apply() -> None:
    found = case()
    found.prove("status", "m@1", "active", "contract", "", "later changes", "")
    assert found.claims == [Claim("status", "m@1", Outcome.PROVED, "active", "contract", ("later changes",))]


def test_an_open_claim_says_what_would_prove_it() -> None:
    found = case()
    found.leave("anchored", "log", "it is anchored", "anchor first")
    assert found.claims == [Claim("anchored", "log", Outcome.NOT_PROVED, "it is anchored", hint="anchor first")]


def test_the_second_piece_of_evidence_for_one_thing_is_refused() -> None:
    found = case()
    found.once("entry", "log", 1)
    found.once("entry", "log", 2)
    with pytest.raises(ProofError) as caught:
        found.once("entry", "log", 1)
    assert caught.value.code == "duplicate"


def test_places_are_blocks_on_a_chain_and_entries_of_a_log() -> None:
    assert (case().place(3), case(Story(tlog=True)).place(3)) == ("block 3", "entry 3")


def test_a_version_is_activated_between_two_times_or_not() -> None:
    life = Life(((10, "proposed"), (20, "active"), (30, "suspended")))
    assert [life.activated(after, after + 5) for after in (10, 14, 15, 19, 20, 28)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_a_versions_status_at_a_time_is_the_last_that_began_before() -> None:
    life = Life(((10, "proposed"), (20, "approved"), (20, "active"), (30, "suspended")))
    assert [life.at(time_s) for time_s in (9, 10, 19, 20, 29, 30, 99)] == [
        "",
        "proposed",
        "proposed",
        "active",
        "active",
        "suspended",
        "suspended",
    ]
