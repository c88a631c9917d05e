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
from mooring.proofs.report import Claim, Outcome
from mooring.proofs.trust import Trust
from mooring.records.receipt import Receipt

__all__ = ["Case", "Happened"]


@dataclass(frozen=True, slots=True)
class Happened:
    """An event that the ledger is proved to hold, and where."""

    name: str
    args: dict[str, Field]
    block: int
    order: tuple[int, int, int]
    time: int


@dataclass(slots=True)
class Case:
    """The verification of one bundle: what it is checked against, and what has been proved so far.

    `anchored` gives for an origin the ledger's time (Unix seconds) of the anchor of its checkpoint.
    """

    bundle: Bundle
    trust: Trust
    now_s: int | None
    claims: list[Claim] = field(default_factory=list)
    checkpoints: dict[str, SignedCheckpoint] = field(default_factory=dict)
    anchored: dict[str, int] = field(default_factory=dict)
    final: dict[bytes, Header] = field(default_factory=dict)
    events: list[Happened] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)
    receipts: dict[tuple[str, int], Receipt] = field(default_factory=dict)

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
