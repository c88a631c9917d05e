"""The ledger port: five methods over anything that we cannot edit alone.

Values that cross the port are plain: `int`, `bool`, `str`, `bytes` (32-byte words, raw bytes) and tuples of them;
addresses are EIP-55 strings, or `tlog:<keyid>` where a ledger has no accounts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from mooring.proofs.anchor import LedgerEvidence

__all__ = [
    "Call",
    "Cursor",
    "Event",
    "Finality",
    "Ledger",
    "LedgerProfile",
    "Outcome",
    "Query",
    "Signer",
    "State",
    "Step",
    "Submission",
    "Value",
]

Value: TypeAlias = "int | bool | str | bytes | tuple[Value, ...]"


class Finality(enum.IntEnum):
    """How settled a record is on the ledger; the order is the order of strength."""

    ACCEPTED = 0
    INCLUDED = 1
    FINAL = 2


class State(enum.StrEnum):
    """What became of a submission."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    INCLUDED = "included"
    FINAL = "final"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LedgerProfile:
    """What a ledger is and what it can promise.

    `chain` is a CAIP-2 id. `operators` is how many independent parties produce it, as configured. `enforces` says
    whether a stranger is *stopped* by it (contracts) or only caught (a log). `finality_depth` is in blocks: a block is
    final when that many blocks stand on it (0: at once).
    """

    chain: str
    kind: str
    operators: int
    enforces: bool
    finality_depth: int
    contracts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One state change that is asked of the ledger.

    `sender` names an account of the key store. `key` makes the call idempotent: the same key is submitted once, ever;
    the same key with another content is refused.
    """

    contract: str
    method: str
    args: tuple[Value, ...]
    sender: str
    key: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question about the ledger's state."""

    contract: str
    method: str
    args: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """A call that the ledger has, or may have; `reference` is its transaction hash or log leaf, in hex."""

    key: str
    reference: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the ledger says happened, at one place in its history.

    `time` is the ledger's clock in Unix seconds and never provenance time. `position` orders events inside a block.
    """

    contract: str
    name: str
    args: Mapping[str, Value]
    block: int
    block_hash: str
    position: int
    reference: str
    time: int

    @property
    def id(self) -> str:
        """The event's identity: it survives a restart and differs on another fork."""
        return f"{self.block_hash}/{self.position}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a submission now.

    `cost` is in gas (EVM) or bytes (log). `reason` is the ledger's refusal: the contract's error name and arguments.
    """

    state: State
    reference: str
    block: int | None = None
    block_hash: str = ""
    cost: int = 0
    reason: str = ""
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a follower stands: the last block it has, and enough ancestors to find a fork point.

    `trail` holds (number, hash) of recent blocks, oldest first; its last item is where the follower stands.
    """

    trail: tuple[tuple[int, str], ...] = ()

    @property
    def block(self) -> int:
        """The last followed block's number, or -1 before the first."""
        return self.trail[-1][0] if self.trail else -1


@dataclass(frozen=True, slots=True)
class Step:
    """One step of following.

    Apply in this order, atomically: drop everything above block `unwound_to` (None: nothing was unwound), add `events`
    (each exactly once, in order), keep `cursor`. `head` and `final` are block numbers as the ledger states them now;
    `head_time` is the head's clock in Unix seconds. `caught_up` is false while more is waiting.
    """

    events: tuple[Event, ...]
    unwound_to: int | None
    cursor: Cursor
    head: int
    final: int
    head_time: int
    caught_up: bool


class Signer(Protocol):
    """Signs for the named accounts of the key store (secp256k1)."""

    def address(self, account: str) -> str:
        """Return the account's EIP-55 address."""
        ...

    def sign_digest(self, account: str, digest: bytes) -> bytes:
        """Return r || s || v (65 bytes, v 0 or 1, low s) over a 32-byte digest."""
        ...


class Ledger(Protocol):
    """A chain or log that we cannot edit alone."""

    @property
    def profile(self) -> LedgerProfile:
        """What this ledger is and what it can promise."""
        ...

    def submit(self, calls: Sequence[Call]) -> tuple[Submission, ...]:
        """Hand calls to the ledger, each at most once per key, in order.

        Raises LedgerRefused if the ledger's rules refuse one (definite: nothing of that call or those after it
        happened), LedgerUnknown if a call may or may not have arrived: ask `confirm`.
        """
        ...

    def confirm(self, submission: Submission, level: Finality, timeout_s: float) -> Outcome:
        """Wait until the submission reaches `level` or time is up; never call an unknown outcome failed.

        A stuck transaction is replaced meanwhile. Returns state UNKNOWN or PENDING when time is up.
        """
        ...

    def read(self, query: Query, level: Finality = Finality.INCLUDED) -> tuple[Value, ...]:
        """Answer a question from the state at the given finality."""
        ...

    def follow(self, cursor: Cursor | None, limit: int = 1000) -> Step:
        """Return what happened after the cursor, at most about `limit` blocks of it."""
        ...

    def prove(self, event: Event) -> LedgerEvidence:
        """Return offline evidence that the event happened on this ledger."""
        ...
