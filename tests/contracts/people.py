"""Who acts in the contract tests, and the steps that most of them begin with."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from localchain import Contract, Outcome, Refused, address

__all__ = [
    "ACCOUNTS", "ACTIVE", "ALL", "APPROVED", "APPROVER", "GUARDIAN", "MEMBERS", "OPERATOR", "PROPOSED", "PUBLISHER",
    "RETIRED", "REVOKED", "SUSPENDED", "Registry", "digest",
]  # fmt: skip

PUBLISHER, APPROVER, OPERATOR, GUARDIAN, ALL = 1, 2, 4, 8, 15
PROPOSED, APPROVED, ACTIVE, SUSPENDED, REVOKED, RETIRED = 1, 2, 3, 4, 5, 6

ORGANISATIONS = {"ann": "alpha", "amy": "alpha", "ada": "alpha", "ben": "beta", "bob": "beta", "cem": "gamma"}
ROLES = {"ann": ALL, "amy": ALL, "ada": OPERATOR, "ben": ALL, "bob": PUBLISHER, "cem": ALL}
ACCOUNTS = (*ORGANISATIONS, "dan", "eve")


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text; organisations are identified by that of their name."""
    return hashlib.sha256(text.encode()).digest()


MEMBERS = [(address(who), digest(org), ROLES[who]) for who, org in ORGANISATIONS.items()]


class Registry:
    """A deployed registry, with the steps that tests repeat. `eve` is no member; `dan` may become one."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.call = contract.call
        self.send = contract.send

    def asset(self, name: str = "model", by: str = "ann", kind: int = 2) -> int:
        """Create an asset and return its id."""
        return int(self.send(by, "createAsset", kind, name, address(by), 250).result)

    def version(
        self, asset: int | None = None, label: str = "1", by: str = "ann", parents: tuple[bytes, ...] = ()
    ) -> bytes:
        """Propose a version, of a new asset if none is given, and return its id."""
        where = self.asset(by=by) if asset is None else asset
        version: bytes = self.send(by, "propose", where, label, digest("m"), digest("a"), list(parents)).result
        return version

    def approve(self, version: bytes, *voters: str) -> Outcome:
        """Approve a version as each of the voters; return the last outcome."""
        outcomes = [self.send(who, "approve(bytes32,bytes32)", version, digest("evidence")) for who in voters]
        return outcomes[-1]

    def active(self, asset: int | None = None, label: str = "1") -> bytes:
        """Bring a version of ann's to active and return its id."""
        version = self.version(asset, label)
        self.approve(version, "ben", "cem")
        self.send("ada", "activate", version)
        return version

    def state(self, version: bytes) -> tuple[int, int, int]:
        """Return status, bitmap of approvals and round."""
        _, _, _, _, status, approvals, round_ = self.call("versionOf", version)
        return status, approvals, round_

    def vote(self, name: str, *args: Any, by: tuple[str, ...] = ("ann", "ben")) -> Outcome:
        """Vote as each of `by`; return the last outcome."""
        return [self.send(who, name, *args) for who in by][-1]

    def seat(self, who: str, org: str, roles: int, by: tuple[str, ...] = ("ann", "ben")) -> Outcome:
        """Have a seat given or taken by vote."""
        return self.vote("setMember", address(who), digest(org), roles, by=by)

    def refuses(self, error: str, who: str, name: str, *args: Any) -> tuple[Any, ...]:
        """Assert that the contract refuses with this error, and return its arguments."""
        with pytest.raises(Refused) as caught:
            self.send(who, name, *args)
        assert caught.value.name == error
        return caught.value.values
