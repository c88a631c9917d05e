"""What the contracts say of members, assets, versions, keys and logs: one immutable record each, and their ids."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from hashlib import sha256

from mooring.proofs.events import origin_id
from mooring.proofs.keccak import keccak256

__all__ = [
    "NOBODY",
    "NO_WORD",
    "Approval",
    "Asset",
    "Ballot",
    "Key",
    "Member",
    "Origin",
    "Role",
    "Status",
    "Version",
    "asset_id",
    "ballot_id",
    "ballot_subject",
    "org_id",
    "origin_id",
    "version_id",
]

NOBODY = "0x0000000000000000000000000000000000000000"
NO_WORD = bytes(32)
_SET_THRESHOLD = keccak256(b"setThreshold(uint8)")[:4]


class Role(enum.IntFlag):
    """What a member may do."""

    PUBLISHER = 1
    APPROVER = 2
    OPERATOR = 4
    GUARDIAN = 8


class Status(enum.IntEnum):
    """Where a version stands; REVOKED and RETIRED are final."""

    NONE = 0
    PROPOSED = 1
    APPROVED = 2
    ACTIVE = 3
    SUSPENDED = 4
    REVOKED = 5
    RETIRED = 6

    @property
    def collecting(self) -> bool:
        """Whether approvals are being collected."""
        return self in (Status.PROPOSED, Status.SUSPENDED)


def org_id(name: str) -> bytes:
    """Return an organisation's identity: SHA-256 of its name."""
    return sha256(name.encode()).digest()


def asset_id(name: str) -> int:
    """Return an asset's id: keccak256 of its name, as a number."""
    return int.from_bytes(keccak256(name.encode()), "big")


def version_id(asset: int, label: str) -> bytes:
    """Return a version's id: keccak256(abi.encode(uint256 asset, string label))."""
    text = label.encode()
    head = asset.to_bytes(32, "big") + (64).to_bytes(32, "big") + len(text).to_bytes(32, "big")
    return keccak256(head + text + bytes(-len(text) % 32))


def ballot_subject(call: bytes) -> bytes:
    """Return what a governance call (its calldata) is about: ballots about one subject exclude each other.

    Every governance call names its subject first, except `setThreshold`, which has only one.
    """
    chosen = call[:4] + bytes(28)
    return keccak256(chosen if call[:4] == _SET_THRESHOLD else chosen + call[4:36])


def ballot_id(call: bytes, nonce: int, epoch: int) -> bytes:
    """Return the id of a ballot: keccak256(abi.encode(keccak256(call), uint64 nonce, uint32 epoch))."""
    return keccak256(keccak256(call) + nonce.to_bytes(32, "big") + epoch.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class Member:
    """An account's seat; `roles` 0 means removed, and `org` is then its last organisation."""

    org: bytes
    roles: Role


@dataclass(frozen=True, slots=True)
class Asset:
    """A data set (kind 1) or model (kind 2); `approved` may act for the owner on this token (ERC-721)."""

    id: int
    kind: int
    name: str
    owner: str
    approved: str = NOBODY
    versions: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """One organisation's approval, in the round in which it was given."""

    org: bytes
    approver: str
    evidence: bytes
    round: int


@dataclass(frozen=True, slots=True)
class Version:
    """A version of an asset.

    `counted` holds the organisations whose approvals count now, or counted when it was approved; `approvals` all of
    every round. `actor` and `reason` are those of the last change of status.
    """

    id: bytes
    asset: int
    label: str
    manifest: bytes
    attestation: bytes
    proposer: str
    parents: tuple[bytes, ...]
    status: Status = Status.PROPOSED
    round: int = 1
    counted: frozenset[bytes] = frozenset()
    approvals: tuple[Approval, ...] = ()
    actor: str = NOBODY
    reason: bytes = NO_WORD


@dataclass(frozen=True, slots=True)
class Ballot:
    """The organisations that voted for one governance call, given as its calldata."""

    call: bytes
    votes: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Key:
    """An organisation's attestation key: valid from `not_before` to `not_after`, and before `revoked_from`."""

    org: bytes
    not_before: int
    not_after: int
    revoked_from: int | None = None

    def valid(self, at: int) -> bool:
        """Tell whether a signature made at this Unix second counts."""
        return self.not_before <= at <= self.not_after and (self.revoked_from is None or at < self.revoked_from)


@dataclass(frozen=True, slots=True)
class Origin:
    """A log's writer and its latest anchored checkpoint."""

    writer: str
    origin: str
    size: int = 0
    root: bytes = NO_WORD
