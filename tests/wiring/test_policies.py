"""Policies as they are met outside: files that may be anything, and the one that the ledger names."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import CorruptError, PolicyError
from mooring.policy import DEFAULT_POLICY
from mooring.wiring.home import Home
from mooring.wiring.policies import policy_in_force, read_policy
from mooring.wiring.session import open_session


def test_a_policy_is_read_with_its_rules() -> None:
    assert "only-active-versions-serve" in read_policy(DEFAULT_POLICY.encode()).rules


@pytest.mark.parametrize("data", [b"\xff", b"permit", b"", b"permit (principal, action, resource);"])
def test_what_is_no_policy_is_refused(data: bytes) -> None:
    with pytest.raises(PolicyError):
        read_policy(data)


def test_the_policy_in_force_is_checked_by_its_digest(home: Path) -> None:
    with open_session(Home(home)) as session:
        policy = policy_in_force(session.deployment, "")
        assert policy.text == (home / "policy.cedar").read_text()
        path = session.blob_path(policy.digest)
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b"\n")
        with pytest.raises(CorruptError):
            policy_in_force(session.deployment, "")
