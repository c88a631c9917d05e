"""One verification in progress: evidence, trust root, and the claims made so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mooring.errors import ProofError, RecordError
from mooring.proofs.attestation import Signed
from mooring.proofs.bundle import Bundle
from mooring.proofs.checkpoint import SignedCheckpoint
from mooring.proofs.events import Field
from mooring.proofs.header import Header
from mooring.proofs.receiptline import ReceiptLine
from mooring.proofs.report import Claim, Outcome
from mooring.proofs.trust import Keyring, Trust

__all__ = ["Case", "Happened", "Life"]


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that the ledger is proved to hold, and where.

    `order` is its place, and sorts events as the ledger has them; `time` is the ledger's clock (Unix seconds).
    """

    name: str
    args: dict[str, Field]
    block: int
    order: tuple[int, int, int]
    time: int


@dataclass(frozen=True, slots=True)
class Life:
    """A registered version's statuses in order: since when by the ledger's clock (Unix seconds), and which."""

    statuses: tuple[tuple[int, str], ...]

    def at(self, time_s: int) -> str:
        """The status at that time, as far as the bundle shows; empty before the registration."""
        return next((status for begun, status in reversed(self.statuses) if begun <= time_s), "")

    def activated(self, after_s: int, until_s: int) -> bool:
        """Whether it became active between these times."""
        return any(after_s < begun <= until_s and status == "active" for begun, status in self.statuses)


@dataclass(slots=True)
class Case:
    """The verification of one bundle: what it is checked against, and what has been proved so far.

    `anchored` gives for an origin the ledger's time (Unix seconds) of the anchor of its checkpoint. `used` holds the
    places of the events that some claim rests on, `lives` the registered versions by `name@label`.
    """

    bundle: Bundle
    trust: Trust
    keyring: Keyring
    now_s: int | None
    claims: list[Claim] = field(default_factory=list)
    checkpoints: dict[str, SignedCheckpoint] = field(default_factory=dict)
    anchored: dict[str, int] = field(default_factory=dict)
    final: dict[bytes, Header] = field(default_factory=dict)
    events: list[Happened] = field(default_factory=list)
    used: set[tuple[int, int, int]] = field(default_factory=set)
    signed: list[Signed] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    receipts: dict[tuple[str, int], ReceiptLine] = field(default_factory=dict)
    seen: set[tuple[object, ...]] = field(default_factory=set)

    def place(self, block: int) -> str:
        """Name a place on the ledger."""
        return f"{'block' if self.trust.ledger.kind == 'evm' else 'entry'} {block}"

    @contextmanager
    def refuting(self, name: str, about: str, says: str) -> Iterator[None]:
        """Turn evidence that does not hold into a refuted claim."""
        try:
            yield
        except (ProofError, RecordError) as error:
            claim = Claim(name, about, Outcome.REFUTED, f"{says}: {error.message}", code=error.code, hint=error.hint)
            self.claims.append(claim)

    def prove(self, name: str, about: str, says: str, root: str, *limits: str) -> None:
        """Claim what the evidence shows, with what it does not show."""
        self.claims.append(Claim(name, about, Outcome.PROVED, says, root, tuple(filter(None, limits))))

    def leave(self, name: str, about: str, says: str, hint: str) -> None:
        """Leave a claim open: nothing in the bundle speaks for it."""
        self.claims.append(Claim(name, about, Outcome.NOT_PROVED, says, hint=hint))

    def once(self, *what: object) -> None:
        """Refuse a second piece of evidence for the same thing: raises ProofError `duplicate`."""
        if what in self.seen:
            raise ProofError("the bundle holds it twice", code="duplicate", hint="export it again: each thing is once")
        self.seen.add(what)
