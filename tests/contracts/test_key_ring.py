"""Attestation keys: whose they are, when they count, how they end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from localchain import Chain
from people import ACCOUNTS, MEMBERS, Registry, digest

KEY = digest("key")
MAX = 2**64 - 1


def test_any_member_registers_a_key_for_its_own_organisation(registry: Registry) -> None:
    outcome = registry.send("bob", "registerKey", KEY, 100, 200)
    expected = {"keyid": KEY, "org": digest("beta"), "notBefore": 100, "notAfter": 200}
    assert outcome.event("KeyRegistered") == expected
    assert registry.call("keyOf", KEY) == (digest("beta"), 100, 200, False, 0)


def test_a_key_counts_within_its_window_only(registry: Registry) -> None:
    registry.send("bob", "registerKey", KEY, 100, 200)
    assert [registry.call("keyValid", KEY, time) for time in (0, 99, 100, 150, 200, 201, MAX)] == [
        False, False, True, True, True, False, False,
    ]  # fmt: skip


def test_an_unknown_key_never_counts(registry: Registry) -> None:
    assert not registry.call("keyValid", KEY, 0)
    assert registry.call("keyOf", KEY) == (bytes(32), 0, 0, False, 0)


def test_a_window_may_be_one_second_or_all_time_but_not_empty(registry: Registry) -> None:
    registry.send("ann", "registerKey", digest("second"), 5, 5)
    registry.send("ann", "registerKey", digest("ever"), 0, MAX)
    assert registry.call("keyValid", digest("second"), 5)
    assert registry.call("keyValid", digest("ever"), MAX)
    assert registry.refuses("BadWindow", "ann", "registerKey", KEY, 6, 5) == (6, 5)


def test_a_key_belongs_to_one_organisation_for_ever(registry: Registry) -> None:
    registry.send("ann", "registerKey", KEY, 100, 200)
    assert registry.refuses("KeyExists", "ben", "registerKey", KEY, 100, 200) == (KEY,)
    registry.send("ann", "revokeKey", KEY, 0)
    for who in ("ann", "ben"):
        registry.refuses("KeyExists", who, "registerKey", KEY, 300, 400)


def test_a_stranger_registers_and_revokes_no_key(registry: Registry) -> None:
    registry.refuses("NotMember", "eve", "registerKey", KEY, 100, 200)
    registry.send("ann", "registerKey", KEY, 100, 200)
    registry.refuses("NotMember", "eve", "revokeKey", KEY, 150)


def test_the_zero_key_is_refused(registry: Registry) -> None:
    assert registry.refuses("ZeroValue", "ann", "registerKey", bytes(32), 100, 200) == ("keyid",)


@pytest.mark.parametrize("who", ["ada", "ben"], ids=["a colleague without the role", "a guardian elsewhere"])
def test_a_key_is_revoked_from_a_time_on(registry: Registry, who: str) -> None:
    registry.send("ann", "registerKey", KEY, 100, 200)
    outcome = registry.send(who, "revokeKey", KEY, 150)
    assert outcome.event("KeyRevoked") == {"keyid": KEY, "org": digest("alpha"), "from": 150}
    assert [registry.call("keyValid", KEY, time) for time in (99, 100, 149, 150, 200)] == [
        False, True, True, False, False,
    ]  # fmt: skip
    assert registry.call("keyOf", KEY) == (digest("alpha"), 100, 200, True, 150)


def test_a_member_elsewhere_who_is_no_guardian_revokes_no_key(registry: Registry) -> None:
    registry.send("ann", "registerKey", KEY, 100, 200)
    (_, org) = registry.refuses("NotOfOrganisation", "bob", "revokeKey", KEY, 150)
    assert org == digest("alpha")


def test_an_unknown_key_is_not_revoked(registry: Registry) -> None:
    assert registry.refuses("UnknownKey", "ann", "revokeKey", KEY, 150) == (KEY,)


def test_a_revocation_moves_only_to_an_earlier_time(registry: Registry) -> None:
    registry.send("ann", "registerKey", KEY, 100, 200)
    registry.send("ann", "revokeKey", KEY, 150)
    for later in (150, 151, MAX):
        registry.refuses("Unchanged", "ann", "revokeKey", KEY, later)
    registry.send("ben", "revokeKey", KEY, 0)
    assert not registry.call("keyValid", KEY, 100)


def test_the_keys_of_an_organisation_outlive_its_seats(registry: Registry) -> None:
    registry.send("cem", "registerKey", KEY, 100, 200)
    registry.seat("cem", "gamma", 0)
    assert registry.call("keyValid", KEY, 150)
    registry.refuses("NotMember", "cem", "revokeKey", KEY, 150)
    registry.send("ben", "revokeKey", KEY, 150)
    assert not registry.call("keyValid", KEY, 150)


seconds = st.integers(0, MAX)


@settings(max_examples=30, deadline=None)
@given(window=st.tuples(seconds, seconds), revoked=st.none() | seconds, time=seconds)
def test_validity_is_the_window_cut_off_at_the_revocation(
    window: tuple[int, int], revoked: int | None, time: int
) -> None:
    registry = Registry(Chain(*ACCOUNTS).deploy("AssetRegistry", "Test", MEMBERS, 2))
    first, last = sorted(window)
    registry.send("ann", "registerKey", KEY, first, last)
    if revoked is not None:
        registry.send("ann", "revokeKey", KEY, revoked)
    for at in {time, first, last, max(first - 1, 0), min(last + 1, MAX), revoked or 0}:
        expected = first <= at <= last and (revoked is None or at < revoked)
        assert registry.call("keyValid", KEY, at) is expected
