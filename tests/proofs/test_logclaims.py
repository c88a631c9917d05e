"""What the logs prove: checkpoints, anchors, attestations and manifests, each with what falls just short of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.proofs.scene import (
    APPROVED,
    CHAIN,
    DATA_MANIFEST,
    DEPLOYED,
    EVALUATION,
    MODEL_MANIFEST,
    NOW,
    ORGS,
    PROPOSED,
    RECEIPTS,
    RECORDS,
    T0,
    TRAINED,
    Happening,
    Story,
    Tree,
    anchored_id,
    approval,
    approved,
    at,
    envelope,
    evm_ledger,
    left,
    log_key,
    log_ledger,
    manifest,
    moved,
    private,
    refusals,
    seal,
    shown,
    statement,
    verified,
    witness_key,
)

from mooring.proofs.bundle import Entry
from mooring.proofs.checkpoint import Checkpoint, cosign, sign_checkpoint
from mooring.proofs.note import Note, VerifierKey, parse_note
from mooring.proofs.report import Outcome, Report
from mooring.proofs.trust import Trust, TrustedWitness
from mooring.proofs.verify import verify
from mooring.records.digest import sha256
from mooring.records.predicates import Incident
from mooring.records.statement import Statement, Subject

STORY = Story()
BUNDLE, TRUST = STORY.bundle(), STORY.trust()
LOGS = STORY.logs
NOTE = BUNDLE.checkpoints[0]
KEY_END = T0 + 60 * 10  # after the statements, before the anchor in block 20


def report(trust: Trust = TRUST, now_s: int | None = NOW, **changes: Any) -> Report:
    return verify(replace(BUNDLE, **changes), trust, now_s=now_s)


def sealed(note: bytes) -> Report:
    """The report if the records' checkpoint is this note."""
    return report(checkpoints=(note, BUNDLE.checkpoints[1]))


def with_entry(place: int, **changes: Any) -> Report:
    entries = list(BUNDLE.entries)
    entries[place] = replace(entries[place], **changes)
    return report(entries=tuple(entries))


# checkpoint


def test_a_checkpoint_is_proved_by_the_log_and_enough_witnesses() -> None:
    for claim, (origin, tree) in zip(shown(report(), "checkpoint"), LOGS.items(), strict=True):
        assert (claim.outcome, claim.about, claim.limits) == (Outcome.PROVED, origin, ())
        cosigned = f"the log held {len(tree.entries)} entries under one root; cosigned by auditor, hospital, lab"
        assert (claim.says, claim.root) == (cosigned, "the log's key and 2 of 3 witnesses")


def test_two_of_three_witnesses_suffice_and_one_does_not() -> None:
    assert verified(replace(STORY, witnesses=("lab", "auditor"))).outcome is Outcome.PROVED
    found = verified(replace(STORY, witnesses=("lab",)))
    assert refusals(found) >= {("checkpoint", "quorum"), ("attestation", "checkpoint-missing")}


def test_two_witness_keys_of_one_organisation_count_once() -> None:
    second = VerifierKey("second.test/witness", witness_key("lab").public_key, 0x04)
    key = private("lab second witness")
    second = replace(second, public_key=key.public_key().public_bytes_raw())
    witnesses = (*TRUST.witnesses, TrustedWitness(str(second), "lab"))
    note = parse_note(seal(RECORDS, LOGS[RECORDS], ("lab",)))
    more = cosign(str(note).encode(), second, key.sign, T0 + 1200)
    twice = str(Note(note.text, (*note.signatures, more))).encode()
    found = report(replace(TRUST, witnesses=witnesses), checkpoints=(twice, BUNDLE.checkpoints[1]))
    assert ("checkpoint", "quorum") in refusals(found)


def test_without_witnesses_the_claim_says_what_that_leaves_open() -> None:
    found = verify(replace(STORY, witnesses=()).bundle(), STORY.trust(witnesses_required=0), now_s=NOW)
    claim = shown(found, "checkpoint")[0]
    assert claim.outcome is Outcome.PROVED
    assert claim.limits == ("no witness cosigned: the operator could show others another tree of this size",)
    assert claim.says.endswith("cosigned by nobody")


def test_signatures_of_strangers_on_a_checkpoint_are_counted_and_count_for_nothing() -> None:
    note = parse_note(NOTE)
    stranger = parse_note(seal(RECORDS, LOGS[RECORDS], ("stranger",))).signatures[-1]
    found = sealed(str(Note(note.text, (*note.signatures, stranger))).encode())
    assert found.outcome is Outcome.PROVED
    assert (
        "1 signatures by keys that the trust root does not name count for nothing"
        in shown(found, "checkpoint")[0].limits
    )


def test_a_cosignature_of_another_checkpoint_cannot_be_used_again() -> None:
    """The operator signs a second tree and glues the witnesses' lines of the first one to it."""
    forged = seal(RECORDS, Tree([*LOGS[RECORDS].entries[:-1], b"forged"]), ())
    glued = Note(parse_note(forged).text, (*parse_note(forged).signatures, *parse_note(NOTE).signatures[1:]))
    assert ("checkpoint", "note-signature") in refusals(sealed(str(glued).encode()))


def test_a_checkpoint_signed_by_another_log_or_of_an_unknown_one_is_refused() -> None:
    tree = LOGS[RECORDS]
    by_other = sign_checkpoint(
        Checkpoint(RECORDS, len(tree.entries), tree.root), log_key(RECEIPTS), private(f"log {RECEIPTS}").sign
    )
    assert ("checkpoint", "note-unsigned") in refusals(sealed(by_other))
    witnessed = parse_note(by_other)
    cosigned = [cosign(by_other, witness_key(org), private(f"{org} witness").sign, T0) for org in ORGS]
    note = str(Note(witnessed.text, (*witnessed.signatures, *cosigned))).encode()
    assert ("checkpoint", "checkpoint-signature") in refusals(sealed(note))
    assert ("checkpoint", "unknown-log") in refusals(sealed(seal("mooring.test/other/records", tree)))


@pytest.mark.parametrize(
    "note",
    [
        b"",
        NOTE[:-1],
        NOTE[: len(NOTE) // 2],
        NOTE.replace(b"\n6\n", b"\n06\n"),
        b"\n".join(NOTE.split(b"\n")[1:]),
        b"\n".join([NOTE.split(b"\n")[1], NOTE.split(b"\n")[0], *NOTE.split(b"\n")[2:]]),
    ],
    ids=["empty", "no last line end", "half", "size 06", "no origin", "reordered"],
)
def test_a_truncated_or_reordered_checkpoint_is_refused(note: bytes) -> None:
    found = refusals(sealed(note))
    assert {code for name, code in found if name == "checkpoint"} <= {"note-format", "checkpoint", "unknown-log"}
    assert ("attestation", "checkpoint-missing") in found


@pytest.mark.parametrize("line", [b"\n6\n", b"\n7\n"])
def test_another_size_under_the_same_signatures_is_refused(line: bytes) -> None:
    found = sealed(NOTE.replace(b"\n6\n", line))
    assert (found.outcome is Outcome.PROVED) == (line == b"\n6\n")
    assert refusals(found) >= ({("checkpoint", "note-signature")} if line == b"\n7\n" else set())


def test_the_order_of_signature_lines_means_nothing() -> None:
    note = parse_note(NOTE)
    assert sealed(str(Note(note.text, note.signatures[::-1])).encode()).outcome is Outcome.PROVED


def test_a_cosignature_from_the_future_is_refused_if_there_is_a_clock() -> None:
    late = seal(RECORDS, LOGS[RECORDS], time_s=NOW + 301)
    assert ("checkpoint", "cosignature-future") in refusals(sealed(late))
    assert sealed(seal(RECORDS, LOGS[RECORDS], time_s=NOW + 300)).outcome is Outcome.PROVED
    assert report(now_s=None, checkpoints=(late, BUNDLE.checkpoints[1])).outcome is Outcome.PROVED


def test_a_second_checkpoint_of_one_log_is_refused() -> None:
    found = report(checkpoints=(*BUNDLE.checkpoints, seal(RECORDS, LOGS[RECORDS], ("lab", "auditor"))))
    assert refusals(found) == {("checkpoint", "duplicate")}


# anchored


def anchors(*, size: int = 6, root: bytes = LOGS[RECORDS].root, origin: str = RECORDS) -> Report:
    """The report if the records' anchor says this."""
    story = replace(STORY)
    first = Happening(20, "Anchored", {"originId": anchored_id(origin), "size": size, "root": root}, 0)
    story.anchors = lambda: [first, *Story.anchors(STORY)[1:]]  # type: ignore[method-assign]  # another history
    return verify(story.bundle(), TRUST, now_s=NOW)


def test_an_anchor_fixes_the_checkpoint_of_its_log() -> None:
    records, receipts = shown(report(), "anchored")
    where = f"are fixed in {CHAIN} at block 20, by the ledger's clock 2026-05-28T20:46:40Z"
    assert (records.about, records.says) == (RECORDS, f"6 entries {where}")
    assert (receipts.about, receipts.says) == (RECEIPTS, f"5 entries {where}")
    assert anchors().outcome is Outcome.PROVED


@pytest.mark.parametrize(("size", "root"), [(5, LOGS[RECORDS].root), (7, LOGS[RECORDS].root), (6, LOGS[RECEIPTS].root)])
def test_an_anchor_of_another_size_or_root_refutes_the_checkpoint(size: int, root: bytes) -> None:
    found = anchors(size=size, root=root)
    assert refusals(found) == {("anchored", "anchor-mismatch")}
    assert left(found) == {"anchored"}


def test_an_anchor_of_another_origin_proves_nothing_here() -> None:
    found = anchors(origin="mooring.test/elsewhere/records")
    assert refusals(found) == {("anchored", "anchor-origin")}


def test_an_anchor_of_a_log_whose_checkpoint_is_missing_is_refused() -> None:
    found = report(checkpoints=BUNDLE.checkpoints[:1], entries=BUNDLE.entries[:6], openings=())
    assert refusals(found) == {("anchored", "anchor-origin")}


def test_an_anchor_of_a_log_without_anchor_id_is_of_an_unknown_origin() -> None:
    trust = replace(TRUST, logs=tuple(replace(log, origin_id="") for log in TRUST.logs))
    assert refusals(report(trust)) == {("anchored", "anchor-origin")}


def test_a_checkpoint_that_is_not_anchored_is_not_called_anchored() -> None:
    blocks = tuple(block for block in BUNDLE.blocks if block.header != BUNDLE.blocks[-1].header)
    found = report(blocks=blocks, observations=STORY.observations(blocks))
    assert (found.outcome, left(found)) == (Outcome.NOT_PROVED, {"anchored"})
    assert [claim.about for claim in shown(found, "anchored")] == [RECORDS, RECEIPTS]


def test_the_same_anchor_twice_on_the_ledger_is_refused() -> None:
    again = [replace(anchor, block=19) for anchor in STORY.anchors()]
    assert refusals(verified(replace(STORY, happenings=[*STORY.happenings, *again]))) == {("anchored", "duplicate")}


def test_the_order_of_checkpoints_and_anchors_means_nothing() -> None:
    assert report(checkpoints=BUNDLE.checkpoints[::-1]).outcome is Outcome.PROVED


# attestation


def test_an_attestation_is_proved_by_its_place_and_its_signature() -> None:
    claims = shown(report(), "attestation")
    assert [claim.about for claim in claims] == [f"{RECORDS}#{index}" for index in range(6)]
    assert claims[2].says == "hospital attested model of tumour@1"
    assert claims[2].limits == ("its time is what the signer states; the ledger only bounds it from above",)


def test_a_refusal_does_not_look_like_an_approval() -> None:
    refused = (approval("hospital", decision="refuse"), ("hospital",))
    found = verified(replace(STORY, statements=[*STORY.statements, refused]))
    assert shown(found, "attestation")[3].says == "lab attested approval (approve) of tumour@1"
    assert shown(found, "attestation")[6].says == "hospital attested approval (refuse) of tumour@1"
    assert shown(found, "approved")[0].says == "approved by auditor, lab (2 needed)"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"index": 3}, "inclusion-proof"),
        ({"index": -1}, "inclusion-proof"),
        ({"index": 6}, "inclusion-proof"),
        ({"path": ()}, "inclusion-proof"),
        ({"path": BUNDLE.entries[3].path}, "inclusion-proof"),
        ({"path": (*BUNDLE.entries[2].path, bytes(32))}, "inclusion-proof"),
        ({"data": BUNDLE.entries[3].data}, "inclusion-proof"),
        ({"data": envelope(TRAINED, "lab")}, "inclusion-proof"),
        ({"origin": "mooring.test/ward/other"}, "checkpoint-missing"),
    ],
    ids=str,
)
def test_an_entry_of_another_log_place_or_proof_is_refused(changes: dict[str, Any], code: str) -> None:
    assert ("attestation", code) in refusals(with_entry(2, **changes))


def test_an_entry_given_twice_is_refused() -> None:
    found = report(entries=(*BUNDLE.entries, BUNDLE.entries[2]))
    assert refusals(found) == {("attestation", "duplicate")}


def told(*more: tuple[Any, tuple[str, ...]]) -> Report:
    return verified(replace(STORY, statements=[*STORY.statements, *more]))


def test_an_attestation_by_a_stranger_in_the_log_is_refused() -> None:
    incident = statement(Incident("tumour", "1", at(8), "high", "wrong unit", at(7)))
    assert told((incident, ("lab",))).outcome is Outcome.PROVED
    assert refusals(told((incident, ("stranger",)))) == {("attestation", "unknown-key")}
    assert refusals(told((approval("lab", 8), ("hospital",)))) == {("attestation", "organisation")}


def test_a_receipt_among_the_records_is_no_attestation() -> None:
    story = replace(STORY)
    entries = [*STORY.entries, STORY.answers[0]]
    tree = Tree(entries)
    more = Entry(RECORDS, 6, STORY.answers[0], tree.path(6))
    paths = tuple(replace(entry, path=tree.path(i)) for i, entry in enumerate(BUNDLE.entries[:6]))
    bundle = replace(
        story.bundle(),
        entries=(*paths, more, *BUNDLE.entries[6:]),
        checkpoints=(seal(RECORDS, tree), BUNDLE.checkpoints[1]),
    )
    assert ("attestation", "dsse-format") in refusals(verify(bundle, TRUST, now_s=NOW))


def test_strangers_signatures_on_an_attestation_are_counted_and_count_for_nothing() -> None:
    incident = statement(Incident("tumour", "1", at(8), "high", "wrong unit", at(7)))
    claim = shown(told((incident, ("lab", "stranger"))), "attestation")[-1]
    assert claim.outcome is Outcome.PROVED
    assert claim.limits[-1] == "1 signatures by keys that the trust root does not name count for nothing"


def test_a_statement_dated_after_the_ledger_held_it_is_said_to_be() -> None:
    for minutes, late in ((25, False), (25.1, True)):  # anchored at 20 minutes; five are allowed
        incident = statement(Incident("tumour", "1", at(minutes), "high", "wrong unit", at(7)))
        claim = shown(told((incident, ("lab",))), "attestation")[-1]
        assert claim.outcome is Outcome.PROVED
        assert any("a clock was wrong" in limit for limit in claim.limits) is late


def ending(time_s: int, **ledger: Any) -> Trust:
    """A trust root in which the hospital's key ended then."""
    keys = tuple(replace(key, not_after=time_s) if key.organisation == "hospital" else key for key in TRUST.keys)
    return replace(TRUST, keys=keys, ledger=evm_ledger(**ledger))


def test_what_an_ended_key_signed_is_proved_as_far_as_the_ledger_dates_it() -> None:
    """Registered in block 6, anchored in block 20: between them the key ended."""
    claims = shown(report(ending(KEY_END)), "attestation")
    outcomes = [claim.outcome for claim in claims]
    dated, undated = Outcome.PROVED, Outcome.NOT_PROVED
    assert outcomes == [dated, dated, dated, dated, dated, undated]  # the last, a deployment, is named nowhere
    for claim in claims[:3]:
        assert "the ledger shows that the statement is older, not that the signature is" in claim.limits[-1]
    assert len(claims[3].limits) == 1  # the lab's key has not ended
    assert "ended at 2026-05-28T20:36:40Z" in claims[5].hint


def test_what_the_ledger_names_and_no_anchor_holds_is_dated_by_its_name() -> None:
    blocks = tuple(block for block in BUNDLE.blocks if block.header != BUNDLE.blocks[-1].header)
    found = report(ending(KEY_END), blocks=blocks, observations=STORY.observations(blocks))
    model, deployment = shown(found, "attestation")[2], shown(found, "attestation")[5]
    assert (model.outcome, deployment.outcome) == (Outcome.PROVED, Outcome.NOT_PROVED)
    assert "not that the signature is" in model.limits[-1]


def test_what_was_anchored_before_the_key_ended_needs_no_excuse() -> None:
    found = report(ending(T0 + 60 * 20))
    assert {claim.outcome for claim in shown(found, "attestation")} == {Outcome.PROVED}
    assert [len(claim.limits) for claim in shown(found, "attestation")] == [1] * 6


def test_where_one_operator_keeps_the_clock_an_ended_key_is_dated_by_that_alone() -> None:
    for claim in shown(report(ending(T0 + 60 * 20, operators=1)), "attestation")[:3]:
        assert claim.limits[-1].endswith("is shown by the clock of the ledger's one operator alone")


def test_an_ended_key_proves_nothing_that_the_ledger_does_not_date() -> None:
    blocks = tuple(block for block in BUNDLE.blocks if block.header == BUNDLE.blocks[2].header)
    found = report(ending(KEY_END), blocks=blocks, observations=STORY.observations(blocks))
    assert [claim.outcome for claim in shown(found, "attestation")] == [
        *[Outcome.NOT_PROVED] * 3,
        *[Outcome.PROVED] * 2,
        Outcome.NOT_PROVED,
    ]
    assert not shown(found, "registered")
    assert left(found) >= {"event", "receipt"}


def test_nothing_rests_on_an_attestation_that_is_not_proved() -> None:
    """The key ended before the registration: manifest, registration and receipts fall with the attestation."""
    found = report(ending(T0 + 60 * 4))
    assert not shown(found, "registered", "tumour@1")
    assert {claim.outcome for claim in shown(found, "receipt")} == {Outcome.NOT_PROVED}
    assert ("manifest", "manifest-digest") not in refusals(found)  # the approvals name it too
    assert found.outcome is not Outcome.PROVED


def test_an_evaluation_is_as_old_as_the_model_that_names_it() -> None:
    without = statement(replace(TRAINED.predicate, evaluation=None))  # type: ignore[arg-type]  # a model
    story = replace(
        STORY,
        statements=[(without, ("hospital",)) if said == TRAINED else (said, by) for said, by in STORY.statements],
        happenings=[
            replace(item, args=item.args | {"attestation": without.digest.value})
            if item.args.get("attestation") == TRAINED.digest.value
            else item
            for item in STORY.happenings
        ],
    )
    outcomes = {
        name: shown(verify(given.bundle(), ending(KEY_END), now_s=NOW), "attestation")[1].outcome
        for name, given in (("named", STORY), ("not named", story))
    }
    assert outcomes == {"named": Outcome.PROVED, "not named": Outcome.NOT_PROVED}
    assert EVALUATION in [said for said, _ in story.statements]


def test_the_earliest_naming_of_a_statement_dates_it() -> None:
    """Approved twice with one statement: the ledger held it at the first time."""
    again = [approved(8, "lab", 1), approved(12, "auditor", 2), moved(12, PROPOSED, APPROVED, "auditor")]
    story = replace(STORY, happenings=[*STORY.happenings[:2], *again, replace(again[0], block=7)])
    keys = tuple(replace(key, not_after=T0 + 60 * 7) if key.organisation == "lab" else key for key in TRUST.keys)
    found = verify(story.bundle(), replace(TRUST, keys=keys), now_s=NOW)
    assert shown(found, "attestation")[3].outcome is Outcome.PROVED
    assert DEPLOYED in [said for said, _ in story.statements]


# manifest


def test_a_manifest_is_the_one_that_an_attestation_names() -> None:
    (claim,) = shown(report(), "manifest")
    assert (claim.about, claim.says) == ("tumour@1", "it consists of 1 resources")
    both = shown(report(manifests=(MODEL_MANIFEST.to_bytes(), DATA_MANIFEST.to_bytes())), "manifest")
    assert [claim.about for claim in both] == ["tumour@1", "biopsies@1"]


def test_a_manifest_of_two_versions_is_said_to_be_of_both() -> None:
    second = statement(Incident("tumour", "2", at(8), "low", "same weights", at(7)))
    assert shown(told((second, ("lab",))), "manifest")[0].about == "tumour@1, tumour@2"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (manifest("other weights").to_bytes(), "manifest-digest"),
        (MODEL_MANIFEST.to_bytes() + b" ", "manifest-digest"),
        (b"", "manifest-digest"),
    ],
)
def test_a_manifest_of_another_artifact_is_refused(data: bytes, code: str) -> None:
    assert refusals(report(manifests=(data,))) == {("manifest", code)}


def test_bytes_that_were_attested_and_are_no_manifest_are_refused() -> None:
    nothing = b'{"resources":[]}'
    said = Statement(Subject("tumour@2", sha256(nothing)), replace(TRAINED.predicate, version="2"))  # type: ignore[type-var]  # a model
    story = replace(STORY, statements=[*STORY.statements, (said, ("hospital",))])
    assert ("manifest", "manifest-empty") in refusals(verified(story, manifests=(nothing,)))


def test_a_manifest_given_twice_is_refused() -> None:
    assert refusals(report(manifests=BUNDLE.manifests * 2)) == {("manifest", "duplicate")}


def test_a_log_ledger_anchors_checkpoints_too() -> None:
    story = Story(tlog=True)
    records, _ = shown(verified(story), "anchored")
    assert records.root == f"the ledger log on {story.trust().ledger.chain}"
    assert "at entry 5, by the ledger's clock" in records.says
    assert any(
        "one operator" in limit
        for limit in shown(verify(story.bundle(), story.trust(ledger=log_ledger(operators=1)), now_s=NOW), "anchored")[
            0
        ].limits
    )
