"""The whole verifier: a real bundle is proved, nothing in it can be left without effect, and no input ends it."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import fields, replace

import pytest
from tests.proofs.scene import NOW, Story, answer, evm_ledger, log_ledger, refusals, shown

from mooring.proofs.bundle import MAX_BUNDLE, MEDIA_TYPE, Bundle
from mooring.proofs.report import Outcome
from mooring.proofs.trust import Trust
from mooring.proofs.verify import verify, verify_bytes

STORIES = {"evm": Story(), "tlog": Story(tlog=True)}
KINDS = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
CLAIMS = (
    "final",
    "checkpoint",
    "anchored",
    "attestation",
    "manifest",
    "registered",
    "approved",
    "status",
    "receipt",
    "answer",
)

LIBRARIES = {"Crypto", "cryptography", "_openssl", "cffi", "_cffi_backend", "pycparser"}


@KINDS
def test_a_bundle_and_a_trust_root_from_files_prove_every_kind_of_claim(story: Story) -> None:
    trust = Trust.from_bytes(story.trust().to_bytes())
    report = verify_bytes(story.bundle().to_bytes(), trust, now_s=NOW)
    assert report.outcome is Outcome.PROVED
    assert {claim.name for claim in report.claims} == set(CLAIMS)
    assert report == verify(story.bundle(), trust, now_s=NOW)


@KINDS
def test_each_proved_claim_names_what_it_rests_on(story: Story) -> None:
    for claim in verify(story.bundle(), story.trust(), now_s=NOW).claims:
        assert claim.root
        assert (claim.code, claim.hint) == ("", "")


@KINDS
def test_what_is_refused_or_open_says_what_to_do(story: Story) -> None:
    report = verify(replace(story.bundle(), checkpoints=(), observations=(), manifests=(b"",)), story.trust())
    assert report.outcome is Outcome.REFUTED
    assert all(claim.hint for claim in report.claims if claim.outcome is not Outcome.PROVED)
    assert all(claim.code for claim in report.refuted())


def test_an_empty_bundle_proves_nothing() -> None:
    report = verify(Bundle(MEDIA_TYPE), STORIES["evm"].trust(), now_s=NOW)
    assert (report.claims, report.outcome) == ((), Outcome.NOT_PROVED)


@pytest.mark.parametrize("data", [b"", b"null", b"{}", b"\xff", b"[" * 100_000, bytes(MAX_BUNDLE + 1)], ids=len)
def test_what_is_no_bundle_is_one_refuted_claim(data: bytes) -> None:
    report = verify_bytes(data, STORIES["evm"].trust(), now_s=NOW)
    assert refusals(report) == {("format", "bundle-format")}
    assert report.outcome is Outcome.REFUTED
    assert report.claims[0].hint


@KINDS
def test_no_part_of_a_bundle_can_be_left_out_unnoticed(story: Story) -> None:
    whole = story.bundle()
    report = verify(whole, story.trust(), now_s=NOW)
    for field in fields(Bundle)[1:]:
        items = getattr(whole, field.name)
        for place in range(len(items)):
            less = replace(whole, **{field.name: items[:place] + items[place + 1 :]})  # type: ignore[arg-type]  # by name
            assert verify(less, story.trust(), now_s=NOW).claims != report.claims, (field.name, place)


@KINDS
def test_no_part_of_a_bundle_can_be_there_twice_unnoticed(story: Story) -> None:
    whole = story.bundle()
    for field in fields(Bundle)[1:]:
        items = getattr(whole, field.name)
        for item in items:
            more = replace(whole, **{field.name: (*items, item)})  # type: ignore[arg-type]  # by name
            assert {code for _, code in refusals(verify(more, story.trust(), now_s=NOW))} == {"duplicate"}, field.name


def test_the_evidence_of_one_deployment_proves_nothing_in_another() -> None:
    """Same organisations, same names, other contracts, logs or chain."""
    bundle = STORIES["evm"].bundle()
    trust = STORIES["evm"].trust()
    registry = replace(trust, ledger=evm_ledger(registry=trust.ledger.anchor, anchor=trust.ledger.registry))
    chain = replace(trust, ledger=evm_ledger(chain="eip155:1"))
    origins = replace(
        trust,
        deployment="mooring.test/other",
        logs=tuple(replace(log, origin=log.origin.replace("ward", "other")) for log in trust.logs),
    )
    for other in (registry, chain, origins):
        report = verify(bundle, other, now_s=NOW)
        assert report.outcome is Outcome.REFUTED
        assert not any(claim.outcome is Outcome.PROVED for name in CLAIMS[5:8] for claim in shown(report, name))
    assert verify(bundle, trust, now_s=NOW).outcome is Outcome.PROVED


def test_the_report_says_what_no_bundle_can_prove() -> None:
    story = STORIES["evm"]
    limits = verify(story.bundle(), story.trust(), now_s=NOW).limits
    assert any("may have left things out" in limit for limit in limits)
    assert any("names no deployment" in limit for limit in limits)
    assert len(limits) == 2


def test_the_report_says_what_this_trust_root_and_call_leave_open() -> None:
    story = STORIES["evm"]
    one_hand = verify(story.bundle(), story.trust(custodians=1), now_s=NOW).limits
    assert any("one party holds all keys" in limit for limit in one_hand)
    log = STORIES["tlog"]
    assert any("stops nobody" in limit for limit in verify(log.bundle(), log.trust(), now_s=NOW).limits)
    assert any("no clock was given" in limit for limit in verify(story.bundle(), story.trust()).limits)


def test_a_log_ledger_s_trust_root_may_ask_for_more_operators_than_one() -> None:
    log = STORIES["tlog"]
    lone = verify(log.bundle(), log.trust(ledger=log_ledger(operators=1)), now_s=NOW)
    assert any("one operator" in limit for claim in lone.claims for limit in claim.limits)
    assert not any(
        "one operator" in limit for claim in verify(log.bundle(), log.trust()).claims for limit in claim.limits
    )


def test_a_thousand_receipts_are_verified_in_reasonable_time() -> None:
    story = replace(
        STORIES["evm"],
        answers=[answer(i) for i in range(1000)],
        shown=tuple(range(1000)),
        openings=tuple(range(0, 1000, 10)),
    )
    data, trust = story.bundle().to_bytes(), story.trust()
    begun = time.process_time()
    report = verify_bytes(data, trust, now_s=NOW)
    assert time.process_time() - begun < 3  # about 0.15 s on a quiet machine; see benchmarks/verify.py
    assert report.outcome is Outcome.PROVED
    assert (len(shown(report, "receipt")), len(shown(report, "answer"))) == (1000, 100)


def test_the_verifier_loads_two_libraries_and_no_network() -> None:
    """What it loads it must wait for, and an auditor must trust; `cffi` is how they call their C code."""
    script = (
        "import sys; old = {*sys.modules}; import mooring.proofs, mooring.proofs.verify; print(*{*sys.modules} - old)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded - sys.stdlib_module_names - {"mooring"} <= LIBRARIES
    assert {"Crypto", "cryptography"} <= loaded
    assert not {"asyncio", "http", "socket", "sqlite3", "ssl"} & loaded
