"""What is proved of answers: the receipt at its place, the model that gave it, and the bytes that went in and out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.proofs.scene import (
    ACTIVE,
    APPROVED,
    DATASET,
    NOW,
    POLICY,
    PROPOSED,
    RECEIPTS,
    SUSPENDED,
    T0,
    Happening,
    Story,
    answer,
    approved,
    life,
    manifest,
    moved,
    opened,
    opening,
    refusals,
    shown,
    verified,
)

from mooring.proofs.bundle import Opening
from mooring.proofs.report import Claim, Outcome, Report
from mooring.proofs.verify import verify

STORY = Story()
BUNDLE, TRUST = STORY.bundle(), STORY.trust()


def answered(*answers: bytes, shown_: tuple[int, ...] = (0,), **changes: Any) -> Report:
    """The report if the receipts' log holds these."""
    return verified(replace(STORY, answers=list(answers), shown=shown_, openings=(), **changes))


def limits_at(minutes: float, **changes: Any) -> tuple[str, ...]:
    """What is not proved of an answer at that time, besides what never is."""
    (claim,) = shown(answered(answer(0, minutes), **changes), "receipt")
    assert claim.outcome is Outcome.PROVED
    assert "not that the computation was right; time and policy are what the gateway states" in claim.limits[0]
    return claim.limits[1:]


def with_opening(**changes: Any) -> Report:
    return verify(replace(BUNDLE, openings=(replace(opening(3), **changes),)), TRUST, now_s=NOW)


# receipt


def test_a_receipt_says_who_asked_which_version_for_what_under_which_policy() -> None:
    one, three = shown(verify(BUNDLE, TRUST, now_s=NOW), "receipt")
    assert (one.outcome, one.about, three.about) == (Outcome.PROVED, f"{RECEIPTS}#1", f"{RECEIPTS}#3")
    assert one.says == f"tumour@1 answered ward-3 for diagnosis at 2026-05-28T20:41:40Z under policy {POLICY}"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (answer(1), "receipt-place"),
        (answer(0, origin="mooring.test/ward2/receipts"), "receipt-place"),
        (answer(0)[:-1], "json"),
        (answer(0) + b" ", "not-canonical"),
        (b"{}", "record-shape"),
    ],
    ids=["another index", "another log", "cut", "spaced", "none"],
)
def test_a_receipt_that_was_moved_or_is_none_is_refused(data: bytes, code: str) -> None:
    assert refusals(answered(data)) == {("receipt", code)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"index": 2}, "inclusion-proof"),
        ({"data": answer(2)}, "inclusion-proof"),
        ({"data": answer(1, caller="ward-4")}, "inclusion-proof"),
        ({"path": BUNDLE.entries[7].path}, "inclusion-proof"),
        ({"origin": "mooring.test/other/receipts"}, "checkpoint-missing"),
    ],
    ids=str,
)
def test_a_receipt_of_another_place_log_or_content_is_refused(changes: dict[str, Any], code: str) -> None:
    entries = (*BUNDLE.entries[:6], replace(BUNDLE.entries[6], **changes), BUNDLE.entries[7])
    assert ("receipt", code) in refusals(verify(replace(BUNDLE, entries=entries), TRUST, now_s=NOW))


def test_a_receipt_given_twice_is_refused() -> None:
    bundle = replace(BUNDLE, entries=(*BUNDLE.entries, BUNDLE.entries[7]))
    assert refusals(verify(bundle, TRUST, now_s=NOW)) == {("receipt", "duplicate")}


@pytest.mark.parametrize(
    "changes",
    [{"model": "other"}, {"version": "2"}, {"manifest": manifest("other weights").digest}],
    ids=lambda changes: "".join(changes),
)
def test_an_answer_of_a_model_that_nobody_attested_is_left_open(changes: dict[str, Any]) -> None:
    found = answered(answer(0, **changes))
    (claim,) = shown(found, "receipt")
    assert (claim.outcome, found.outcome) == (Outcome.NOT_PROVED, Outcome.NOT_PROVED)


@pytest.mark.parametrize("kind", ["refusal", "recovery"])
def test_an_entry_of_the_receipts_log_that_is_no_answer_is_called_what_it_is(kind: str) -> None:
    entry = b'{"index":0,"kind":"%b"}' % kind.encode()
    found = answered(entry)
    assert refusals(found) == {("receipt", "receipt-kind")}
    assert f"entry 0 is a {kind}" in shown(found, "receipt")[0].says


def test_a_data_set_answers_nothing() -> None:
    as_data = {"model": "biopsies", "manifest": DATASET.subject.digest}
    assert shown(answered(answer(0, **as_data)), "receipt")[0].outcome is Outcome.NOT_PROVED


def test_a_receipt_from_the_future_is_refused_if_there_is_a_clock() -> None:
    story = replace(STORY, answers=[answer(0, minutes=1500)], shown=(0,), openings=())
    edge = T0 + 60 * 1500 - 300
    assert refusals(verify(story.bundle(), TRUST, now_s=edge - 1)) == {("receipt", "receipt-future")}
    assert verify(story.bundle(), TRUST, now_s=edge).outcome is Outcome.PROVED
    assert verify(story.bundle(), TRUST).outcome is Outcome.PROVED


def test_an_answer_while_the_version_was_active_needs_no_remark() -> None:
    assert limits_at(15) == ()


@pytest.mark.parametrize(
    ("minutes", "status"), [(19, "approved"), (12, "proposed"), (5.5, "not registered yet")], ids=["19", "12", "5.5"]
)
def test_an_answer_before_the_activation_is_remarked(minutes: float, status: str) -> None:
    """Proposed in block 6, approved in 13 and active in 25; the anchor is later still."""
    late = [moved(13, PROPOSED, APPROVED, "auditor"), moved(25, APPROVED, ACTIVE)]
    happenings = [*life()[:3], replace(life()[3], block=13), *late]
    remark = f"by the ledger's clock the version was not active then, but {status}"
    assert limits_at(minutes, happenings=happenings, anchor_block=30) == (remark,)
    assert limits_at(20, happenings=happenings, anchor_block=30) == ()  # five minutes of clocks that differ


def test_a_clock_that_runs_ahead_does_not_excuse_an_answer_while_suspended() -> None:
    back = [moved(14, ACTIVE, SUSPENDED, "auditor"), anew("lab", 1), anew("auditor", 2)]
    back += [moved(15, SUSPENDED, APPROVED, "auditor"), moved(16, APPROVED, ACTIVE)]
    happenings = [*life(), *back]
    suspended = "by the ledger's clock the version was not active then, but suspended"
    assert limits_at(14.5, happenings=happenings) == (suspended,)
    assert limits_at(15.5, happenings=happenings) == limits_at(16.5, happenings=happenings) == ()


def anew(organisation: str, count: int) -> Happening:
    return approved(15, organisation, count, bytes([count]) * 32)


def test_an_answer_after_a_suspension_is_remarked_and_one_before_it_is_not() -> None:
    happenings = [*life(), moved(14, ACTIVE, SUSPENDED, "auditor")]
    assert limits_at(13, happenings=happenings) == ()
    suspended = "by the ledger's clock the version was not active then, but suspended"
    assert limits_at(15, happenings=happenings) == (suspended,)


def test_an_answer_of_a_version_whose_registration_is_not_shown_is_remarked() -> None:
    remark = "the bundle does not show that the version is registered"
    assert limits_at(15, happenings=life()[:1]) == (remark,)


def test_an_answer_dated_after_the_ledger_held_it_is_remarked() -> None:
    assert limits_at(25) == ()  # anchored at 20 minutes; five are allowed
    (remark,) = limits_at(25.1)
    assert remark == "it is dated later than 2026-05-28T20:46:40Z, when the ledger already held it: a clock was wrong"


def test_a_caller_cannot_write_claims_of_its_own_into_the_report() -> None:
    (claim,) = shown(answered(answer(0, caller="x\nproved      approved")), "receipt")
    assert r"x\nproved      approved" in claim.says


# answer


def test_the_bytes_that_a_client_held_are_those_of_the_receipt() -> None:
    assert shown(verify(BUNDLE, TRUST, now_s=NOW), "answer") == [
        Claim(
            "answer",
            f"{RECEIPTS}#3",
            Outcome.PROVED,
            "request and response are the ones of this receipt",
            "the receipt's commitments",
        )
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"request": b'{"inputs":[4]}'}, "request-commitment"),
        ({"response": b'{"outputs":[0]}'}, "response-commitment"),
        ({"request": opened(3)[2], "response": opened(3)[1]}, "request-commitment"),
        ({"salt": opened(1)[0]}, "request-commitment"),
        ({"salt": opened(3)[0][:-1]}, "salt"),
        ({"salt": opened(3)[0] + opened(3)[1][:1], "request": opened(3)[1][1:]}, "salt"),
        ({"index": 1}, "request-commitment"),
        ({"index": 2}, "receipt-missing"),
        ({"origin": "mooring.test/other/receipts"}, "receipt-missing"),
    ],
    ids=["request", "response", "swapped", "other salt", "short salt", "long salt", "moved", "not shown", "other log"],
)
def test_other_bytes_or_another_receipts_salt_are_refused(changes: dict[str, Any], code: str) -> None:
    assert refusals(with_opening(**changes)) == {("answer", code)}
    assert with_opening().outcome is Outcome.PROVED


def test_an_answer_whose_receipt_is_not_proved_proves_nothing() -> None:
    story = replace(STORY, answers=[answer(0, model="other")], shown=(0,), openings=(0,))
    assert refusals(verified(story)) == {("answer", "receipt-missing")}


def test_an_opening_given_twice_is_refused() -> None:
    bundle = replace(BUNDLE, openings=(opening(3), Opening(*_fields(opening(3)))))
    assert refusals(verify(bundle, TRUST, now_s=NOW)) == {("answer", "duplicate")}


def _fields(given: Opening) -> tuple[Any, ...]:
    return given.origin, given.index, given.salt, given.request, given.response
