"""Quorums of organisations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.quorum import require_quorum

MEMBERS = {"a1": "acme", "a2": "acme", "b1": "bolt", "c1": "city"}


def test_two_different_organisations_meet_a_threshold_of_two() -> None:
    assert require_quorum(["a1", "b1"], MEMBERS, 2) == {"acme", "bolt"}


@pytest.mark.parametrize("signers", [["a1", "a2"], ["a1", "a1"], ["a1", "stranger"], ["a1"], []])
def test_one_organisation_counts_once_and_strangers_never(signers: list[str]) -> None:
    with pytest.raises(ProofError, match="of 2 organisations") as caught:
        require_quorum(signers, MEMBERS, 2)
    assert caught.value.code == "quorum"


def test_more_than_enough_organisations_are_all_named() -> None:
    assert require_quorum(["c1", "a2", "b1", "stranger"], MEMBERS, 2) == {"acme", "bolt", "city"}


@pytest.mark.parametrize("threshold", [-1, 0, 4])
def test_a_threshold_that_nobody_need_meet_or_nobody_can_is_refused(threshold: int) -> None:
    with pytest.raises(ProofError, match="decides nothing") as caught:
        require_quorum(["a1", "b1", "c1"], MEMBERS, threshold)
    assert caught.value.code == "quorum-threshold"
    assert require_quorum(["a1", "b1", "c1"], MEMBERS, 3)


def test_without_members_no_quorum_exists() -> None:
    with pytest.raises(ProofError) as caught:
        require_quorum(["a1"], {}, 1)
    assert caught.value.code == "quorum-threshold"


@given(
    st.dictionaries(st.integers(0, 20).map(str), st.sampled_from("abcdef"), min_size=1),
    st.lists(st.integers(0, 20).map(str)),
    st.integers(1, 6),
)
def test_a_quorum_is_met_exactly_when_enough_organisations_are_among_the_signers(
    members: dict[str, str], signers: list[str], threshold: int
) -> None:
    present = {organisation for identity, organisation in members.items() if identity in signers}
    if len(present) >= threshold:
        assert require_quorum(signers, members, threshold) == present
    else:
        with pytest.raises(ProofError):
            require_quorum(signers, members, threshold)
