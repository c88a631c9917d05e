"""A state change is asked for once, refused with the ledger's reason, and never called failed while it is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mooring.errors import LedgerRefused, LedgerUnknown
from mooring.ledger.port import Outcome, State
from mooring.wiring.session import Session
from mooring.workflows.transact import call_key, check_call, transact

ASSET = (1, "cells", "0x0000000000000000000000000000000000000000", 0)


def test_the_same_call_on_the_same_occasion_is_made_once(founded: Session) -> None:
    deployment = founded.deployment
    first = transact(deployment, "alice", "AssetRegistry", "createAsset", ASSET)
    assert transact(deployment, "alice", "AssetRegistry", "createAsset", ASSET).reference == first.reference
    with pytest.raises(LedgerRefused) as caught:
        transact(deployment, "alice", "AssetRegistry", "createAsset", ASSET, "another occasion")
    assert caught.value.code == "asset-exists"


def test_a_call_that_the_rules_refuse_is_refused_without_being_sent(founded: Session) -> None:
    deployment = founded.deployment
    state = deployment.follow()
    check_call(deployment, state, deployment.actor("alice"), "createAsset", ASSET)
    with pytest.raises(LedgerRefused) as caught:
        check_call(deployment, state, deployment.actor("bob"), "createAsset", ASSET)
    assert caught.value.code == "missing-role"


@pytest.mark.parametrize("state", [State.UNKNOWN, State.PENDING])
def test_what_is_not_known_in_time_is_unknown_and_not_failed(founded: Session, state: State) -> None:
    class Slow:
        """The real ledger, which includes everything after the time is up."""

        def submit(self, calls):  # type: ignore[no-untyped-def]
            return founded.deployment.ledger.submit(calls)

        def confirm(self, submission, level, timeout_s):  # type: ignore[no-untyped-def]
            return Outcome(state, submission.reference)

    slow = replace(founded.deployment, ledger=Slow())  # type: ignore[arg-type]  # two methods are all that is asked
    with pytest.raises(LedgerUnknown, match=f"is {state} after 60 s") as caught:
        transact(slow, "alice", "AssetRegistry", "createAsset", ASSET)
    assert (caught.value.code, caught.value.definite) == ("unconfirmed", False)
    assert transact(founded.deployment, "alice", "AssetRegistry", "createAsset", ASSET).block is not None


def test_what_the_ledger_refused_after_all_is_refused_with_its_reason(founded: Session) -> None:
    class Late:
        """A ledger that takes a call, and refuses it when its turn comes."""

        def submit(self, calls):  # type: ignore[no-untyped-def]
            return founded.deployment.ledger.submit(calls)

        def confirm(self, submission, level, timeout_s):  # type: ignore[no-untyped-def]
            return Outcome(State.REFUSED, submission.reference, reason="AssetExists(asset=1)")

    late = replace(founded.deployment, ledger=Late())  # type: ignore[arg-type]  # two methods are all that is asked
    with pytest.raises(LedgerRefused, match=r"AssetExists\(asset=1\)"):
        transact(late, "alice", "AssetRegistry", "createAsset", ASSET)


def test_keys_of_calls_differ_in_everything_that_makes_another_call() -> None:
    base = ("AssetRegistry", "approve", (b"1",), "alice", "")
    variants = [
        base,
        ("CheckpointAnchor", *base[1:]),
        (base[0], "suspend", *base[2:]),
        (*base[:2], (b"2",), *base[3:]),
        (*base[:3], "bob", ""),
        (*base[:4], "again"),
    ]
    assert len({call_key(*variant) for variant in variants}) == len(variants)
