"""What is proved of versions: registration, approvals, status; each with the nearest story in which it is not so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.proofs.scene import (
    ACTIVE,
    APPROVED,
    DATA_MANIFEST,
    DATA_VERSION,
    DATASET,
    EVALUATION,
    EVENTS,
    LOG_CHAIN,
    MODEL_VERSION,
    NOW,
    PROPOSED,
    REGISTRY,
    RETIRED,
    REVOKED,
    SUSPENDED,
    T0,
    TRAINED,
    Happening,
    Story,
    account,
    approval,
    approved,
    at,
    left,
    life,
    manifest,
    moved,
    proposed,
    refusals,
    shown,
    statement,
    verified,
)

from mooring.errors import LedgerRefused
from mooring.ledger.facts import org_id
from mooring.ledger.governance import Effects
from mooring.ledger.port import Call, Event
from mooring.ledger.registry import RegistryState
from mooring.ledger.rules import decide, found
from mooring.proofs.attestation import Signed
from mooring.proofs.bundle import MEDIA_TYPE, Bundle
from mooring.proofs.case import Case, Happened
from mooring.proofs.report import Claim, Outcome, Report
from mooring.proofs.trust import Trust
from mooring.proofs.verify import verify
from mooring.proofs.versionclaims import versions
from mooring.records.predicates import Approval, Dataset, Model
from mooring.records.statement import Statement

STORY, LOGGED = Story(), Story(tlog=True)
TRUST = STORY.trust()
KINDS = pytest.mark.parametrize("story", [STORY, LOGGED], ids=["evm", "tlog"])


def told(
    happenings: list[Happening],
    statements: list[tuple[Statement, tuple[str, ...]]] | None = None,
    story: Story = STORY,
    **trust: Any,
) -> Report:
    """The report on a story in which this happened instead."""
    other = replace(story, happenings=happenings, statements=statements or story.statements)
    return verify(other.bundle(), other.trust(**trust), now_s=NOW)


def after(*more: Happening, story: Story = STORY, **trust: Any) -> Report:
    """The report if this happened afterwards."""
    return told([*story.happenings, *more], story=story, **trust)


def one(report: Report, name: str, about: str = "tumour@1") -> Claim:
    (claim,) = shown(report, name, about)
    return claim


def without(name: str, number: int = 0) -> list[Happening]:
    """The story without the n-th event of this name."""
    found = [item for item in life() if item.name == name][number]
    return [item for item in life() if item != found]


# registered


@KINDS
def test_a_version_is_registered_with_what_was_attested(story: Story) -> None:
    claim = one(verified(story), "registered")
    place = "entry 1" if story.tlog else "block 6"
    assert (claim.outcome, claim.limits) == (Outcome.PROVED, ())
    assert claim.says == f"registered at {place} with this manifest and attestation"
    assert (LOG_CHAIN if story.tlog else REGISTRY) in claim.root


@KINDS
def test_an_attested_version_that_the_ledger_does_not_show_is_left_open(story: Story) -> None:
    found = told(life()[:1], story=story)
    assert one(found, "registered").outcome is Outcome.NOT_PROVED
    assert not shown(found, "status", "tumour@1")
    assert left(found) == {"registered"}


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": b"\1" * 32},
        {"attestation": b"\1" * 32},
        {"asset": 1},
        {"label": "2"},
        {"parents": ()},
        {"parents": (DATA_VERSION, MODEL_VERSION)},
        {"parents": (MODEL_VERSION,)},
    ],
    ids=lambda changes: " ".join(changes),
)
@KINDS
def test_a_registration_of_something_else_refutes_the_attestation(story: Story, changes: dict[str, Any]) -> None:
    events = life()
    events[1] = replace(events[1], args=events[1].args | changes)
    found = told(events, story=story)
    assert refusals(found) == {("registered", "registration-mismatch")}
    assert not shown(found, "approved")
    assert not shown(found, "status", "tumour@1")


@KINDS
def test_the_attestation_of_one_version_registered_as_another_is_refused(story: Story) -> None:
    """The publisher proposes another asset with the attestation, and thus the approvals, of this one."""
    other = proposed(6, statement(replace(TRAINED.predicate, name="evil")), [DATA_VERSION])  # type: ignore[type-var]  # a model
    evil = replace(other, args=other.args | {"attestation": TRAINED.digest.value})
    stolen = [replace(item, args=item.args | {"version": other.args["version"]}) for item in life()[2:]]
    found = told([life()[0], evil, *stolen], story=story)
    assert refusals(found) == {("registered", "registration-mismatch")}
    beside = told([*life(), replace(evil, block=12)], story=story)
    assert (beside.outcome, left(beside)) == (Outcome.NOT_PROVED, {"event"})


def test_a_version_registered_twice_is_refused() -> None:
    assert refusals(after(replace(life()[1], block=12))) == {("status", "registered-twice")}


@KINDS
def test_a_second_attestation_of_the_same_bytes_is_said_not_to_be_the_registered_one(story: Story) -> None:
    again = statement(replace(TRAINED.predicate, created=at(2.5)))  # type: ignore[type-var]  # a model
    for more in ([(again, ("hospital",)), *story.statements], [*story.statements, (again, ("hospital",))]):
        found = told(life(), more, story)
        assert found.outcome is Outcome.PROVED
        assert one(found, "registered").limits == ("1 more attestations of it are not the registered one",)


def test_a_second_attestation_of_other_bytes_refutes_the_version() -> None:
    other = statement(TRAINED.predicate, manifest("other weights"))
    found = told(life(), [*STORY.statements, (other, ("lab",))])
    assert refusals(found) == {("registered", "registration-mismatch")}


def test_the_same_statement_signed_apart_by_two_organisations_is_one() -> None:
    found = told(life(), [*STORY.statements, (TRAINED, ("lab",))])
    assert found.outcome is Outcome.PROVED
    assert len(shown(found, "attestation")) == 7
    assert one(found, "registered").limits == ()


def test_what_a_version_was_made_from_is_compared_as_far_as_the_bundle_shows_it() -> None:
    claim = one(told(without("Proposed"), STORY.statements[1:]), "registered")
    assert claim.outcome is Outcome.PROVED
    assert claim.limits == ("1 of the versions that it was made from are not in this bundle",)


def test_a_model_whose_evaluation_is_left_out_or_exchanged_says_so() -> None:
    measured: Any = EVALUATION.predicate
    better = statement(replace(measured, metrics={"accuracy": 1.0}))
    for others in ([], [(better, ("hospital",))]):
        kept = [(said, by) for said, by in STORY.statements if said != EVALUATION]
        claim = one(told(life(), [*kept, *others]), "registered")
        assert claim.outcome is Outcome.PROVED
        (limit,) = claim.limits
        assert "the evaluation that its attestation names is not in this bundle" in limit


def test_a_model_that_names_no_evaluation_misses_none() -> None:
    plain: Any = TRAINED.predicate
    said = statement(replace(plain, evaluation=None))
    found = told(
        [life()[0], proposed(6, said, [DATA_VERSION]), *life()[2:]],
        [(said if old == TRAINED else old, by) for old, by in STORY.statements],
    )
    assert one(found, "registered").limits == ()


def made_from(*manifests: Any, parents: tuple[bytes, ...] = (DATA_VERSION,)) -> Report:
    """The report if the model was attested to be made from these, and registered with these parents."""
    model = replace(TRAINED.predicate, datasets=tuple(item.digest for item in manifests))  # type: ignore[type-var]  # a model
    said = statement(model)
    statements = [(said if old == TRAINED else old, by) for old, by in STORY.statements]
    return told([life()[0], proposed(6, said, parents), *life()[2:]], statements)


def test_the_ledger_names_as_many_parents_as_were_attested() -> None:
    assert made_from(DATA_MANIFEST).outcome is Outcome.PROVED
    assert made_from(DATA_MANIFEST, DATA_MANIFEST).outcome is Outcome.PROVED
    elsewhere = made_from(DATA_MANIFEST, manifest("more rows"), parents=(DATA_VERSION, b"\5" * 32))
    assert elsewhere.outcome is Outcome.PROVED
    assert "1 of the versions" in one(elsewhere, "registered").limits[0]
    for wrong in (
        made_from(),
        made_from(manifest("more rows")),
        made_from(DATA_MANIFEST, manifest("more rows")),
        made_from(DATA_MANIFEST, parents=(DATA_VERSION, b"\5" * 32)),
    ):
        assert ("registered", "registration-mismatch") in refusals(wrong)


def test_a_model_made_from_a_model_names_it_among_its_parents() -> None:
    second = statement(
        Model("tumour", "2", at(5), "onnx", (), "1" * 40, parents=(TRAINED.subject.digest,)), manifest("v2")
    )
    statements = [*STORY.statements, (second, ("hospital",))]
    found = told([*life(), proposed(12, second, [MODEL_VERSION])], statements)
    assert one(found, "registered", "tumour@2").outcome is Outcome.PROVED
    assert one(found, "approved", "tumour@2").outcome is Outcome.NOT_PROVED
    wrong = told([*life(), proposed(12, second, [DATA_VERSION])], statements)
    assert refusals(wrong) == {("registered", "registration-mismatch")}


# approved


@KINDS
def test_enough_organisations_approved(story: Story) -> None:
    claim = one(verified(story), "approved")
    assert (claim.outcome, claim.says) == (Outcome.PROVED, "approved by auditor, lab (2 needed)")
    assert claim.limits == ()
    assert ("attestation keys" in claim.root) == story.tlog


@KINDS
def test_one_approval_fewer_is_not_enough(story: Story) -> None:
    found = told(life()[:3], story=story)
    assert refusals(found) == {("approved", "quorum")}
    assert refusals(after(story=story, approvals_required=3)) == {("approved", "quorum")}
    assert after(story=story, approvals_required=1).outcome is Outcome.PROVED


@KINDS
def test_approvals_that_the_registry_does_not_find_enough_are_left_open(story: Story) -> None:
    """Its threshold is higher than the trust root's: as long as it collects, a lost seat voids what it has."""
    found = told(life()[:4], story=story)
    assert (found.outcome, left(found)) == (Outcome.NOT_PROVED, {"approved"})
    assert one(found, "approved").says == "approved by auditor, lab (2 needed)"
    revoked = told([*life()[:4], moved(10, PROPOSED, REVOKED)], story=story)
    assert left(revoked) == {"approved"}


@KINDS
def test_a_version_that_nobody_approved_is_left_open(story: Story) -> None:
    found = told(life()[:2], story=story)
    assert one(found, "approved").outcome is Outcome.NOT_PROVED
    assert one(found, "status").says.startswith("proposed as of")


def test_a_data_set_needs_no_approval_and_an_approved_one_says_so() -> None:
    assert not shown(verified(STORY), "approved", "biopsies@1")
    said = statement(Approval("biopsies", "1", at(4), "lab", "approve"), DATA_MANIFEST)
    event = approved(7, "lab", 1, said.digest.value, version=DATA_VERSION)
    done = moved(7, PROPOSED, APPROVED, "lab", version=DATA_VERSION)
    found = told([*life(), event, done], [*STORY.statements, (said, ("lab",))], approvals_required=1)
    assert one(found, "approved", "biopsies@1").says == "approved by lab (1 needed)"


def test_two_approvals_of_one_organisation_count_once() -> None:
    """The registry refuses the second; if one were shown all the same, it would not help."""
    again = approved(9, "lab", 2, approval("lab", 4.5).digest.value)
    events = [*life()[:3], again, *life()[4:]]
    found = told(events, [*STORY.statements, (approval("lab", 4.5), ("lab",))])
    assert ("approved", "quorum") in refusals(found)


def test_organisations_that_the_trust_root_does_not_name_count_for_nothing() -> None:
    stranger = approved(8, "stranger", 1)
    events = [*life()[:2], stranger, approved(8, "lab", 2), approved(9, "auditor", 3), *life()[4:]]
    claim = one(told(events), "approved")
    assert (claim.outcome, claim.says) == (Outcome.PROVED, "approved by auditor, lab (2 needed)")
    assert claim.limits == ("1 approvals by organisations that the trust root does not name count for nothing",)
    fewer = [*life()[:2], stranger, approved(9, "auditor", 2), *life()[4:]]
    assert refusals(told(fewer)) == {("approved", "quorum")}


def unsigned(*organisations: str) -> list[tuple[Statement, tuple[str, ...]]]:
    """The statements without the approvals of these organisations."""
    dropped = [approval(organisation) for organisation in organisations]
    return [(said, by) for said, by in STORY.statements if said not in dropped]


def test_on_a_chain_the_contract_vouches_for_an_approval_whose_statement_is_missing() -> None:
    claim = one(told(life(), unsigned("lab", "auditor")), "approved")
    assert claim.outcome is Outcome.PROVED
    missing = "the signed approvals of auditor, lab are not in the bundle: the contract alone says so"
    assert claim.limits == (missing,)


def test_on_a_log_an_approval_without_its_signed_statement_counts_for_nothing() -> None:
    """Who writes the log could invent it."""
    assert refusals(told(life(), unsigned("lab"), LOGGED)) == {("approved", "quorum")}
    claim = one(told(life(), unsigned("lab"), LOGGED, approvals_required=1), "approved")
    assert claim.says == "approved by auditor (1 needed)"
    assert claim.limits == ("the signed approvals of lab are not in the bundle: they count for nothing",)


def replaced(said: Statement, signers: tuple[str, ...] = ("lab",), story: Story = STORY) -> Report:
    """The report if the lab's approval on the ledger names this statement."""
    events = [replace(e, args=e.args | {"evidence": said.digest.value}) if e == life()[2] else e for e in life()]
    return told(events, [*unsigned("lab"), (said, signers)], story)


@KINDS
def test_an_approval_on_the_ledger_is_what_its_statement_says(story: Story) -> None:
    assert replaced(approval("lab", 4.5), story=story).outcome is Outcome.PROVED
    other = statement(Approval("tumour", "1", at(4), "lab", "approve"), manifest("other weights"))
    second = statement(Approval("tumour", "2", at(4), "lab", "approve"))
    for wrong in (
        replaced(approval("lab", decision="refuse"), story=story),
        replaced(approval("hospital"), ("hospital",), story=story),
        replaced(other, story=story),
        replaced(second, story=story),
    ):
        assert refusals(wrong) == {("approved", "approval-mismatch")}


def test_a_statement_that_is_no_approval_is_no_evidence_of_one() -> None:
    claim = one(replaced(statement(replace(TRAINED.predicate, version="7")), ("hospital",)), "approved")  # type: ignore[type-var]  # a model
    assert claim.limits == ("the signed approvals of lab are not in the bundle: the contract alone says so",)


# rounds


@KINDS
def test_a_suspension_voids_the_approvals_before_it(story: Story) -> None:
    found = after(moved(12, ACTIVE, SUSPENDED, "auditor"), story=story)
    assert (found.outcome, left(found)) == (Outcome.NOT_PROVED, {"approved"})
    assert one(found, "status").says.startswith(f"suspended as of {'entry 5' if story.tlog else 'block 12'}")


def again(*organisations: str) -> list[tuple[Statement, tuple[str, ...]]]:
    """The statements, and a new approval by each of these organisations."""
    return [*STORY.statements, *((approval(name, 10), (name,)) for name in organisations)]


def anew(block: int, organisation: str, count: int) -> Happening:
    return approved(block, organisation, count, approval(organisation, 10).digest.value)


@KINDS
def test_after_a_suspension_the_full_quorum_approves_again(story: Story) -> None:
    back = [moved(12, ACTIVE, SUSPENDED, "auditor"), anew(13, "lab", 1)]
    half = told([*life(), *back], again("lab"), story)
    assert refusals(half) == {("approved", "quorum")}
    back += [anew(14, "auditor", 2), moved(14, SUSPENDED, APPROVED, "auditor"), moved(15, APPROVED, ACTIVE)]
    found = told([*life(), *back], again("lab", "auditor"), story)
    assert found.outcome is Outcome.PROVED
    assert one(found, "status").says.startswith("active as of")


def test_on_a_log_the_statements_of_an_ended_round_cannot_be_used_again() -> None:
    """Who writes the log lets the lab approve a second time, with what it signed the first time."""
    replayed = [approved(13, "lab", 1), approved(14, "auditor", 2), moved(14, SUSPENDED, APPROVED, "auditor")]
    events = [*life(), moved(12, ACTIVE, SUSPENDED, "auditor"), *replayed]
    assert refusals(told(events, story=LOGGED)) == {("approved", "quorum")}
    assert told(events).outcome is Outcome.PROVED  # a chain's contract knows who called it


def test_a_round_that_ended_because_a_seat_was_lost_does_not_add_up_with_the_next() -> None:
    """The registry begins to count at 1 again; no event that a bundle carries says so."""
    events = [*life()[:3], approved(9, "auditor", 1)]
    found = told(events)
    assert refusals(found) == {("approved", "quorum")}
    assert "1 of 2 organisations" in one(found, "approved").says
    whole = told([*events, anew(10, "lab", 2), moved(10, PROPOSED, APPROVED, "lab")], again("lab"))
    assert whole.outcome is Outcome.PROVED


# status


@KINDS
def test_a_status_is_as_of_a_place_and_does_not_exclude_later_ones(story: Story) -> None:
    claim = one(verified(story), "status")
    place = "entry 4" if story.tlog else "block 11"
    assert claim.says == f"active as of {place} (2026-05-28T20:37:40Z)"
    assert claim.limits == (f"later changes are not excluded: ask the ledger what holds after {place}",)


def test_an_omitted_suspension_shows_the_old_status_as_of_the_old_block() -> None:
    suspended = replace(STORY, happenings=[*life(), moved(12, ACTIVE, SUSPENDED, "auditor")])
    whole = suspended.bundle()
    place = len(life())
    told_less = replace(whole, blocks=whole.blocks[:place] + whole.blocks[place + 1 :])
    kept = {block.header for block in told_less.blocks}
    told_less = replace(told_less, observations=suspended.observations(b for b in whole.blocks if b.header in kept))
    report = verify(told_less, TRUST, now_s=NOW)
    assert report.outcome is Outcome.PROVED
    assert one(report, "status").says.startswith("active as of block 11 ")
    assert "ask the ledger what holds after block 11" in one(report, "status").limits[0]
    assert "a bundle shows what was, never that nothing else was: who made it may have left things out" in report.limits


@pytest.mark.parametrize(
    ("before", "to", "name"),
    [(ACTIVE, SUSPENDED, "suspended"), (ACTIVE, REVOKED, "revoked"), (ACTIVE, RETIRED, "retired")],
)
@KINDS
def test_every_status_has_its_name(story: Story, before: int, to: int, name: str) -> None:
    assert one(after(moved(12, before, to), story=story), "status").says.startswith(f"{name} as of")


def test_a_revoked_version_is_not_hidden_behind_its_approvals() -> None:
    found = after(moved(12, ACTIVE, REVOKED))
    assert one(found, "approved").outcome is Outcome.PROVED
    assert one(found, "status").says.startswith("revoked as of block 12")


@pytest.mark.parametrize(
    "events",
    [
        without("StatusChanged"),
        without("Approved"),
        [*life(), moved(13, SUSPENDED, APPROVED)],
        [*life(), moved(13, PROPOSED, APPROVED)],
        [*life(), anew(13, "lab", 1)],
        [*life(), moved(12, ACTIVE, SUSPENDED), anew(13, "auditor", 2)],
        [*life()[:2], approved(8, "lab", 0)],
        [life()[0], *life()[2:], replace(life()[1], block=13)],
    ],
    ids=[
        "approved without its change",
        "an approval left out",
        "a suspension left out",
        "an old change again",
        "approved while active",
        "an approval of the new round left out",
        "approval number 0",
        "approved before registered",
    ],
)
@KINDS
def test_a_history_with_something_left_out_of_its_middle_is_refused(story: Story, events: list[Happening]) -> None:
    found = told(events, again("lab", "auditor"), story)
    assert refusals(found) == {("status", "history-gap")}
    assert not shown(found, "approved")


@pytest.mark.parametrize("status", [0, 7, 255])
def test_a_status_that_the_registry_does_not_have_is_refused(status: int) -> None:
    assert refusals(after(moved(12, ACTIVE, status))) == {("status", "event")}


def test_two_versions_of_one_asset_do_not_share_approvals() -> None:
    second = statement(Model("tumour", "2", at(5), "onnx", (DATA_MANIFEST.digest,), "1" * 40), manifest("v2"))
    statements = [*STORY.statements, (second, ("hospital",))]
    found = told([*life(), proposed(12, second, [DATA_VERSION])], statements)
    assert one(found, "approved", "tumour@1").outcome is Outcome.PROVED
    assert one(found, "approved", "tumour@2").outcome is Outcome.NOT_PROVED
    assert one(found, "status", "tumour@2").says.startswith("proposed")
    other = proposed(12, second).args["version"]
    borrowed = approved(13, "lab", 1, version=other)
    wrong = told([*life(), proposed(12, second, [DATA_VERSION]), borrowed], statements, approvals_required=1)
    assert refusals(wrong) == {("approved", "approval-mismatch")}


def test_a_data_set_registered_with_parents_contradicts_its_attestation() -> None:
    events = [replace(life()[0], args=life()[0].args | {"parents": (b"\5" * 32,)}), *life()[1:]]
    assert ("registered", "registration-mismatch") in refusals(told(events))
    assert isinstance(DATASET.predicate, Dataset)


def test_an_approval_by_an_unknown_account_of_a_known_organisation_is_the_contract_s_to_judge() -> None:
    events = [replace(e, args=e.args | {"approver": "0x" + "1" * 40}) if e == life()[2] else e for e in life()]
    assert told(events).outcome is Outcome.PROVED
    assert org_id("lab") == life()[2].args["org"]
    assert isinstance(TRUST, Trust)


# against the registry's own rules

SEATS = ("auditor", "hospital", "lab", "vendor")
STEPS = ("approve", "approve", "suspend", "activate", "retire", "revoke", "unseat", "seat")


def lived(threshold: int, steps: list[tuple[str, str]]) -> tuple[RegistryState, list[Happening]]:
    """What the registry's rules make of these calls (refused ones change nothing), and the events a bundle carries."""
    state, happenings = RegistryState(), list[Happening]()
    members = [(account(org), org_id(org), 15) for org in SEATS]

    def happen(block: int, contract: str, effects: Effects) -> None:
        for place, (name, args) in enumerate(effects):
            state.apply(Event(contract, name, args, block, f"{block}", place, "", 0))
            if name in EVENTS:
                happenings.append(Happening(block, name, args))

    happen(0, "AssetRegistry", found(members, threshold))
    for block, (method, org, args) in enumerate(calls(steps), 1):
        call = Call("AssetRegistry", method, args, org, f"{block}")
        try:
            happen(block, "AssetRegistry", decide(state, call, account(org)))
        except LedgerRefused:
            continue
    return state, happenings


def calls(steps: list[tuple[str, str]]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Registration of the model, then each step as the calls that it takes."""
    yield "createAsset", "hospital", (2, "tumour", "0x" + "0" * 40, 0)
    args = life()[1].args
    yield "propose", "hospital", (args["asset"], "1", args["manifest"], args["attestation"], ())
    for number, (step, org) in enumerate(steps):
        reason = (MODEL_VERSION, bytes([number]) * 32)
        if step in ("unseat", "seat"):
            seat = (account("vendor"), org_id("vendor"), 15 if step == "seat" else 0)
            yield from (("setMember", voter, seat) for voter in SEATS)
        elif step in ("approve", "suspend", "retire"):
            yield step, org, reason
        elif step == "revoke":
            yield from ((step, voter, (MODEL_VERSION, b"\1" * 32)) for voter in SEATS[:3])
        else:
            yield step, org, (MODEL_VERSION,)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 3), st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(SEATS)), max_size=14))
@example(3, [("approve", "lab"), ("approve", "vendor"), ("unseat", "lab"), ("approve", "auditor")])
@example(2, [("approve", "lab"), ("approve", "auditor"), ("activate", "lab"), ("suspend", "lab"), ("approve", "lab")])
def test_whatever_the_registry_s_rules_allow_the_claims_say_what_its_state_says(
    threshold: int, steps: list[tuple[str, str]]
) -> None:
    state, happenings = lived(threshold, steps)
    version = state.versions[MODEL_VERSION]
    case = Case(Bundle(MEDIA_TYPE), TRUST, TRUST.keyring(), NOW)
    model = replace(TRAINED.predicate, datasets=())  # type: ignore[type-var]  # a model
    case.signed.append(Signed(statement(model), frozenset({"hospital"}), TRAINED.digest.value, T0))
    case.events += [
        Happened(item.name, dict(item.args), item.block, (item.block, 0, place), T0)
        for place, item in enumerate(happenings)
    ]
    versions(case)
    report = Report(tuple(case.claims))
    assert one(report, "status").says.startswith(f"{version.status.name.lower()} as of")
    names = {org_id(org): org for org in TRUST.organisations}
    counted = {names[org] for org in version.counted if org in names}
    complete = version.counted and len(version.counted) >= threshold
    approved_ = one(report, "approved")
    assert (approved_.outcome is Outcome.PROVED) == bool(complete and len(counted) >= 2)
    if approved_.outcome is Outcome.PROVED:
        assert approved_.says == f"approved by {', '.join(sorted(counted))} (2 needed)"
