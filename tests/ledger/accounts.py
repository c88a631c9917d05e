"""Accounts for tests: the port's `Signer` over keys made from their names."""

from __future__ import annotations

from hashlib import sha256

from coincurve import PrivateKey

from mooring.ledger.registry import Role, org_id
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import checksum_address

__all__ = ["ALL_ROLES", "Accounts", "founders"]

ALL_ROLES = Role.PUBLISHER | Role.APPROVER | Role.OPERATOR | Role.GUARDIAN


class Accounts:
    """Any name is an account; `calls` counts signatures."""

    def __init__(self) -> None:
        self._keys: dict[str, PrivateKey] = {}
        self.calls = 0

    def key(self, account: str) -> PrivateKey:
        if account not in self._keys:
            self._keys[account] = PrivateKey(sha256(b"mooring test account " + account.encode()).digest())
        return self._keys[account]

    def address(self, account: str) -> str:
        return checksum_address(keccak256(self.key(account).public_key.format(compressed=False)[1:])[12:])

    def sign_digest(self, account: str, digest: bytes) -> bytes:
        self.calls += 1
        return self.key(account).sign_recoverable(digest, hasher=None)


def founders(accounts: Accounts, orgs: int = 3) -> list[tuple[str, bytes, int]]:
    """One member with every role in each of several organisations: accounts a0, b0, c0 …"""
    letters = "abcdefgh"[:orgs]
    return [(accounts.address(f"{x}0"), org_id(f"org {x}"), int(ALL_ROLES)) for x in letters]
