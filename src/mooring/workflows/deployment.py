"""What every workflow works on: the ports of one deployment, and who acts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from mooring.errors import WorkflowError
from mooring.ledger.port import Event, Ledger
from mooring.ledger.registry import RegistryState
from mooring.records.instant import format_time
from mooring.storage.index import Index
from mooring.storage.log import LogStore
from mooring.storage.port import BlobStore, KeyManagement, NoteStore, SecretStore

__all__ = ["Actor", "Deployment", "Witness"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A member who acts: the key `name` is their chain account; `<organisation>-attest` signs for the organisation."""

    name: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of our own organisations: its name in cosignatures, its key, and where it remembers what it saw.

    `remember` replaces the last seen (size, root) of an origin; `last` returns it.
    """

    organisation: str
    key: str
    last: Callable[[str], tuple[int, bytes] | None]
    remember: Callable[[str, int, bytes], None]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment's ports.

    `records` opens the log of attestations for writing, waiting for its lock; `read_log` opens a log by origin for
    reading. `follow` brings the view of the ledger up to date, persists it in the index, and returns it; `events` are
    what it was folded from, in order, and `final` is the last block that is final by now. `notes` keeps the cosigned
    checkpoints that were anchored.
    """

    name: str
    actors: Mapping[str, Actor]
    threshold: int
    ledger: Ledger
    follow: Callable[[], RegistryState]
    events: Callable[[], Sequence[Event]]
    final: Callable[[], int]
    blobs: BlobStore
    keys: KeyManagement
    secrets: SecretStore
    index: Index
    records: Callable[[], AbstractContextManager[LogStore]]
    read_log: Callable[[str], AbstractContextManager[LogStore]]
    notes: NoteStore
    witnesses: tuple[Witness, ...]
    anchorer: str
    confirm_timeout_s: float
    clock_ns: Callable[[], int]
    random: Callable[[int], bytes]

    @property
    def records_origin(self) -> str:
        """The origin of the log of attestations."""
        return f"{self.name}/records"

    @property
    def receipts_origin(self) -> str:
        """The origin of the log of receipts."""
        return f"{self.name}/receipts"

    def actor(self, name: str) -> Actor:
        """Return the member of that name; raises WorkflowError `unknown-member`."""
        actor = self.actors.get(name)
        if actor is None:
            raise WorkflowError(
                f"there is no member {name!r}", code="unknown-member", hint=f"act as one of: {', '.join(self.actors)}"
            )
        return actor

    def now(self) -> str:
        """The time now as records state it."""
        return format_time(self.clock_ns() // 1_000_000_000)
