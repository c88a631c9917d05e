"""The verifier's report: for each claim what was proved, from which root of trust, and what was not."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mooring.records.canonical import Json
from mooring.records.shape import to_json

__all__ = ["Claim", "Outcome", "Report"]

_LONGEST = 4000


class Outcome(enum.StrEnum):
    """What became of a claim; a claim that nothing speaks for is not proved, never proved."""

    PROVED = "proved"
    NOT_PROVED = "not-proved"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim.

    `name` is its kind (`final`, `event`, `checkpoint`, `anchored`, `attestation`, `manifest`, `registered`, `approved`,
    `status`, `receipt`, `answer`, `format`), `about` its subject, `says` the claim in words, `root` what of the trust
    root it rests on, `limits` what is *not* proved by it, `code` and `hint` the reason when it was refuted.

    Evidence is quoted in the texts, so that they are made printable: they cannot draw lines of their own.
    """

    name: str
    about: str
    outcome: Outcome
    says: str
    root: str = ""
    limits: tuple[str, ...] = ()
    code: str = ""
    hint: str = ""

    def __post_init__(self) -> None:
        for field in ("about", "says", "root", "hint"):
            object.__setattr__(self, field, _printable(getattr(self, field)))
        object.__setattr__(self, "limits", tuple(map(_printable, self.limits)))


@dataclass(frozen=True, slots=True)
class Report:
    """All claims of a bundle, and what the whole does not prove."""

    claims: tuple[Claim, ...]
    limits: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """REFUTED if any claim was, PROVED if every claim was, NOT_PROVED otherwise or if there are none."""
        outcomes = {claim.outcome for claim in self.claims}
        if Outcome.REFUTED in outcomes:
            return Outcome.REFUTED
        return Outcome.PROVED if outcomes == {Outcome.PROVED} else Outcome.NOT_PROVED

    def refuted(self) -> tuple[Claim, ...]:
        """The claims that the evidence contradicts."""
        return tuple(claim for claim in self.claims if claim.outcome is Outcome.REFUTED)

    def to_json(self) -> Json:
        """Return the report as a JSON value."""
        return {"outcome": str(self.outcome), "claims": to_json(self.claims), "limits": list(self.limits)}


def _printable(text: str) -> str:
    """Escape what a terminal would obey or not show (control characters, reordering marks), and cut what is endless."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
