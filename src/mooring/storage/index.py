"""The index: search over log and ledger. Everything in it is derived, so it can be dropped and filled again.

Rows hold 32-byte words as lower-case hex, accounts as EIP-55 strings, digests as `algorithm:hex`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = [
    "AnchorRow",
    "ApprovalRow",
    "AssetRow",
    "AttestationRow",
    "CurrentRow",
    "DerivedRow",
    "EventRow",
    "Index",
    "IndexStep",
    "KeyRow",
    "LineageRow",
    "OriginRow",
    "Standing",
    "StatusRow",
    "Value",
    "VersionRow",
]

Value: TypeAlias = "int | bool | str | bytes | tuple[Value, ...]"
Trail: TypeAlias = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class AttestationRow:
    """An attestation, by its place in a log; `leaf` and `payload_digest` are SHA-256 in hex."""

    origin: str
    index: int
    leaf: str
    predicate_type: str
    subject: str
    digest: str
    keyid: str
    time: str
    payload_digest: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as the ledger tells it; one block's events are in the order of `position`. `time` is in Unix seconds."""

    contract: str
    name: str
    args: Mapping[str, Value]
    block: int
    block_hash: str
    position: int
    reference: str
    time: int


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row that one event brought about."""

    block: int
    position: int


@dataclass(frozen=True, slots=True)
class AssetRow(_Placed):
    """A data set (kind 1) or model (kind 2) came to be."""

    asset: str
    kind: int
    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class VersionRow(_Placed):
    """A version was proposed; `manifest` and `attestation` are SHA-256 in hex."""

    version: str
    asset: str
    label: str
    manifest: str
    attestation: str
    proposer: str


@dataclass(frozen=True, slots=True)
class LineageRow(_Placed):
    """A version was made from another one, the `ordinal`-th that it names."""

    ordinal: int
    version: str
    parent: str


@dataclass(frozen=True, slots=True)
class ApprovalRow(_Placed):
    """An organisation approved a version; `approvals` is how many count after it."""

    version: str
    org: str
    approver: str
    evidence: str
    approvals: int


@dataclass(frozen=True, slots=True)
class StatusRow(_Placed):
    """A version went from one status to another."""

    version: str
    before: int
    after: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class CurrentRow(_Placed):
    """Another version of an asset is served by default; zeros stand for none."""

    asset: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class KeyRow(_Placed):
    """An attestation key was registered, or revoked from a time on: then `not_before` and `not_after` are None."""

    keyid: str
    org: str
    not_before: int | None
    not_after: int | None
    revoked_from: int | None


@dataclass(frozen=True, slots=True)
class OriginRow(_Placed):
    """A log was opened for anchoring, or handed to another writer: then `origin` is ""."""

    origin_id: str
    origin: str
    writer: str


@dataclass(frozen=True, slots=True)
class AnchorRow(_Placed):
    """A log's checkpoint was anchored; `root` is in hex."""

    origin_id: str
    size: int
    root: str


DerivedRow: TypeAlias = (
    AssetRow | VersionRow | LineageRow | ApprovalRow | StatusRow | CurrentRow | KeyRow | OriginRow | AnchorRow
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the ledger was followed: recent blocks (number, hash), oldest first, and what it said of itself then."""

    trail: Trail = ()
    head: int = -1
    final: int = -1
    head_time: int = 0

    @property
    def tip(self) -> tuple[int, str] | None:
        """The last followed block, None before the first."""
        return self.trail[-1] if self.trail else None


@dataclass(frozen=True, slots=True)
class IndexStep:
    """One step of following the ledger.

    It goes on from block `after` (None: from the beginning). Everything above block `unwound_to` is dropped (None:
    nothing), `events` are added in order, and `standing` replaces what was kept.
    """

    after: tuple[int, str] | None
    unwound_to: int | None
    events: tuple[EventRow, ...]
    standing: Standing


class Index(Protocol):
    """Search over log and ledger. Every method raises StorageError; CorruptError `index-corrupt` means: rebuild it."""

    def add_attestations(self, rows: Sequence[AttestationRow]) -> None:
        """Keep rows of logged attestations; the same row again changes nothing, another in its place is refused."""
        ...

    def attested(self, origin: str) -> int:
        """Return how many entries of a log are indexed without a gap from its first."""
        ...

    def attestation(self, payload_digest: str) -> AttestationRow | None:
        """Return the first attestation of a statement, by the SHA-256 of its bytes in hex."""
        ...

    def attestations(
        self,
        *,
        origin: str | None = None,
        subject: str | None = None,
        digest: str | None = None,
        predicate_type: str | None = None,
        keyid: str | None = None,
    ) -> tuple[AttestationRow, ...]:
        """Return the attestations that have every given property, in the order of origin and place."""
        ...

    def apply(self, step: IndexStep) -> None:
        """Take one step, all of it or nothing.

        What another follower has taken already changes nothing. Raises BusyError `index-moved` if another one is on
        a different fork: load again and follow from there.
        """
        ...

    def standing(self) -> Standing:
        """Return how far the ledger was followed."""
        ...

    def events(self, name: str | None = None) -> tuple[EventRow, ...]:
        """Return the ledger's events in order, or those of one name."""
        ...

    def assets(self) -> tuple[AssetRow, ...]:
        """Return every asset, in the order of creation."""
        ...

    def versions(self, asset: str) -> tuple[VersionRow, ...]:
        """Return an asset's versions, in the order in which they were proposed."""
        ...

    def version(self, version: str) -> VersionRow | None:
        """Return a version by its id."""
        ...

    def current(self, asset: str) -> str | None:
        """Return the id of the version that is served by default."""
        ...

    def history(self, version: str) -> tuple[DerivedRow, ...]:
        """Return what happened to a version, in order: proposed, approved, its status changed, it became current."""
        ...

    def ancestors(self, version: str) -> tuple[LineageRow, ...]:
        """Return the edges from a version to all that it was made from, however far."""
        ...

    def descendants(self, version: str) -> tuple[LineageRow, ...]:
        """Return the edges to a version from all that was made from it, however far."""
        ...

    def keys(self, keyid: str | None = None) -> tuple[KeyRow, ...]:
        """Return what was registered and revoked, in order, of all keys or of one."""
        ...

    def origins(self, origin: str) -> tuple[OriginRow, ...]:
        """Return who opened a log of that name, in order; anybody may open one for themselves, so look at `writer`."""
        ...

    def anchors(self, origin_id: str) -> tuple[AnchorRow, ...]:
        """Return the anchors of a log, in order."""
        ...

    def digest(self) -> str:
        """Return the SHA-256, in hex, of all rows in order: the same for the same log and ledger.

        Where the follower stands is left out: a rebuilt index may have come there in other steps.
        """
        ...

    def check(self) -> None:
        """Read everything and return if it is sound, else raise CorruptError."""
        ...

    def clear(self) -> None:
        """Drop every row, to fill the index again."""
        ...
