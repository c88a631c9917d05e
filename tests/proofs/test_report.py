"""The report: outcomes add up to the worst, and evidence cannot write into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.proofs.report import Claim, Outcome, Report

PROVED = Claim("status", "tumour@1", Outcome.PROVED, "active as of block 3", "contract", ("later changes",))
OPEN = Claim("anchored", "log", Outcome.NOT_PROVED, "on the ledger", hint="anchor first")
FALSE = Claim("receipt", "log#1", Outcome.REFUTED, "answered: moved", code="receipt-place", hint="it was moved")


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        ((), Outcome.NOT_PROVED),
        ((PROVED,), Outcome.PROVED),
        ((PROVED, OPEN), Outcome.NOT_PROVED),
        ((OPEN,), Outcome.NOT_PROVED),
        ((PROVED, OPEN, FALSE), Outcome.REFUTED),
    ],
)
def test_the_whole_is_as_good_as_its_worst_claim_and_nothing_proves_nothing(
    claims: tuple[Claim, ...], outcome: Outcome
) -> None:
    assert Report(claims).outcome is outcome


def test_what_is_refuted_is_listed() -> None:
    assert Report((PROVED, OPEN, FALSE)).refuted() == (FALSE,)
    assert Report((PROVED, OPEN)).refuted() == ()


def test_the_report_is_plain_json() -> None:
    assert Report((PROVED,), ("one custodian",)).to_json() == {
        "outcome": "proved",
        "claims": [
            {
                "name": "status",
                "about": "tumour@1",
                "outcome": "proved",
                "says": "active as of block 3",
                "root": "contract",
                "limits": ["later changes"],
                "code": "",
                "hint": "",
            }
        ],
        "limits": ["one custodian"],
    }


def test_evidence_draws_no_lines_and_moves_no_cursor_in_a_report() -> None:
    forged = "ward-3\nproved      approved     tumour@2\x1b[2K\u202e\u2028"
    claim = Claim("receipt", forged, Outcome.PROVED, forged, forged, (forged,), hint=forged)
    safe = r"ward-3\nproved      approved     tumour@2\x1b[2K\u202e\u2028"
    assert (claim.about, claim.says, claim.root, claim.limits, claim.hint) == (safe, safe, safe, (safe,), safe)


def test_letters_of_any_script_stay_as_they_are() -> None:
    assert Claim("attestation", "Clínica 東京", Outcome.PROVED, "ok").about == "Clínica 東京"


def test_a_report_is_not_as_long_as_the_evidence_it_quotes() -> None:
    claim = Claim("event", "x" * 10_000_000, Outcome.REFUTED, "y" * 4000)
    assert (len(claim.about), len(claim.says)) == (4001, 4000)


@given(st.text(st.characters(), max_size=40))
def test_every_text_is_printable_in_a_report(text: str) -> None:
    assert Claim("event", text, Outcome.REFUTED, text).says.isprintable()
