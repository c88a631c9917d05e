"""What the ledger proves: enough observers, one chain, the right contracts; each with what falls just short of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import rlp
from tests.proofs.scene import (
    ACCOUNTS,
    ANCHOR,
    CHAIN,
    DATASET,
    LOG_CHAIN,
    NOW,
    ORGS,
    RECORDS,
    REGISTRY,
    T0,
    TRAINED,
    Happening,
    Story,
    Tree,
    approved,
    envelope,
    evidence_of,
    evm_ledger,
    left,
    log_entry,
    log_ledger,
    moved,
    observation,
    proposed,
    public,
    refusals,
    seal,
    shown,
    verified,
)
from trie import HexaryTrie

from mooring.ledger.entry import sign, write
from mooring.ledger.port import Call
from mooring.proofs.anchor import BlockEvidence, LogEvidence
from mooring.proofs.bundle import MEDIA_TYPE, Bundle
from mooring.proofs.header import Header
from mooring.proofs.report import Outcome, Report
from mooring.proofs.trust import TrustedKey
from mooring.proofs.verify import verify
from mooring.records.digest import sha256
from mooring.records.predicates import Block
from mooring.records.statement import Statement, Subject

STORY, LOGGED = Story(), Story(tlog=True)
BUNDLE, LEAVES = STORY.bundle(), LOGGED.bundle()
TRUST, LOG_TRUST = STORY.trust(), LOGGED.trust()
HEADERS = list(dict.fromkeys(evidence.header for evidence in BUNDLE.blocks))


def report(now_s: int | None = NOW, **changes: Any) -> Report:
    return verify(replace(BUNDLE, **changes), TRUST, now_s=now_s)


def log_report(**changes: Any) -> Report:
    return verify(replace(LEAVES, **changes), LOG_TRUST, now_s=NOW)


def seen_by(observers: tuple[str, ...]) -> Report:
    return report(observations=replace(STORY, observers=observers).observations(BUNDLE.blocks))


def with_block(place: int, **changes: Any) -> Report:
    """The report if one piece of evidence is changed."""
    blocks = list(BUNDLE.blocks)
    blocks[place] = replace(blocks[place], **changes)
    return report(blocks=tuple(blocks))


def with_leaf(place: int, **changes: Any) -> Report:
    leaves = list(LEAVES.leaves)
    leaves[place] = replace(leaves[place], **changes)
    return log_report(leaves=tuple(leaves))


# final


def test_a_block_is_final_if_enough_organisations_saw_it() -> None:
    claims = shown(report(), "final")
    assert [claim.about for claim in claims] == [f"{CHAIN} block {number}" for number in (5, 6, 8, 9, 11, 20)]
    assert {claim.outcome for claim in claims} == {Outcome.PROVED}
    assert claims[0].says.startswith("auditor, hospital, lab saw block 5 (2026-05-28T20:31:40Z) as final at depth 2")
    assert claims[0].root == "2 of 3 organisations' observer keys"
    assert claims[0].limits == ()


def test_two_of_three_observers_suffice_and_one_does_not() -> None:
    assert seen_by(("lab", "auditor")).outcome is Outcome.PROVED
    assert ("final", "quorum") in refusals(seen_by(("lab",)))
    assert ("final", "quorum") in refusals(seen_by(()))


def test_no_event_of_a_block_that_is_not_final_happened() -> None:
    found = refusals(seen_by(("lab",)))
    assert found >= {("event", "block-unproved"), ("final", "quorum")}
    assert not shown(seen_by(("lab",)), "approved")


def test_two_keys_of_one_organisation_count_once() -> None:
    keys = (*TRUST.keys, TrustedKey(public("lab 2").to_text(), "lab"))
    trust = replace(TRUST, keys=keys)
    twice = tuple(observation(header, "lab", "lab 2") for header in HEADERS)
    assert ("final", "quorum") in refusals(verify(replace(BUNDLE, observations=twice), trust, now_s=NOW))
    both = tuple(observation(header, "lab", "auditor") for header in HEADERS)
    assert verify(replace(BUNDLE, observations=both), trust, now_s=NOW).outcome is Outcome.PROVED


def test_an_observation_given_twice_is_refused() -> None:
    found = report(
        observations=(*BUNDLE.observations, observation(HEADERS[0], "lab", created=TRAINED.predicate.created))
    )
    assert refusals(found) == {("final", "duplicate")}


def test_an_observation_by_a_stranger_is_refused() -> None:
    assert refusals(report(observations=(*BUNDLE.observations, observation(HEADERS[0], "stranger")))) == {
        ("final", "unknown-key")
    }
    beside = tuple(observation(header, org, "stranger") for header in HEADERS[:1] for org in ORGS)
    later = tuple(seen for seen in BUNDLE.observations if seen not in STORY.observations(BUNDLE.blocks[:1]))
    assert ("final", "unknown-key") in refusals(report(observations=(*beside, *later)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain": "eip155:1"}, "chain-id"),
        ({"chain": LOG_CHAIN}, "chain-id"),
        ({"state_root": "0x" + "00" * 32}, "quorum"),
        ({"receipts_root": "0x" + "00" * 32}, "quorum"),
        ({"block_hash": "0x" + "00" * 32}, "quorum"),
        ({"number": 6}, "quorum"),
    ],
    ids=str,
)
def test_observers_of_another_chain_number_hash_or_root_did_not_see_this_block(
    changes: dict[str, Any], code: str
) -> None:
    for wrong in (ORGS, ORGS[1:]):
        right = tuple(observation(header, org) for header in HEADERS for org in ORGS if header != HEADERS[0])
        first = tuple(observation(HEADERS[0], org, **(changes if org in wrong else {})) for org in ORGS)
        assert ("final", code) in refusals(report(observations=(*first, *right)))


def test_an_observation_that_names_another_subject_is_refused() -> None:
    header = HEADERS[0]
    block = Statement(Subject("x", sha256(b"roots")), _block(header))
    assert ("final", "subject") in refusals(report(observations=(*BUNDLE.observations, envelope(block, "lab"))))


def _block(header: bytes) -> Block:
    read = Header(header)
    words = (read.hash, read.state_root, read.receipts_root)
    return Block(CHAIN, read.number, *("0x" + word.hex() for word in words), "2026-05-28T21:00:00Z")


def test_a_statement_about_something_else_is_no_observation() -> None:
    assert refusals(report(observations=(*BUNDLE.observations, envelope(DATASET, "lab")))) == {("final", "chain-id")}


def test_observations_of_blocks_that_are_not_there_are_not_passed_over() -> None:
    kept = tuple(block for block in BUNDLE.blocks if block.header != HEADERS[-1])
    found = shown(report(blocks=kept), "final", "block 20")
    assert [claim.outcome for claim in found] == [Outcome.NOT_PROVED]


def test_an_organisation_that_saw_two_blocks_of_one_number_is_caught() -> None:
    other = Story(seed=b"another chain").chain().headers[5]
    assert refusals(report(observations=(*BUNDLE.observations, observation(other, "lab")))) == {
        ("final", "equivocation")
    }


def test_blocks_of_two_chains_do_not_mix_even_if_each_has_its_observers() -> None:
    """One observer suffices here, so that no organisation has to contradict itself."""
    trust = replace(TRUST, ledger=evm_ledger(observers_required=1))
    other = Story(seed=b"another chain")
    activated = other.chain().evidence(other.happenings[-1])
    mixes = {
        "same number": (*BUNDLE.blocks, activated),
        "same number, other order": (activated, *BUNDLE.blocks),
        "not its parent": (*(block for block in BUNDLE.blocks if block.header != HEADERS[1]), _sixth(other)),
    }
    for blocks in mixes.values():
        mixed = [observation(block, "lab") for block in dict.fromkeys(evidence.header for evidence in blocks)]
        mine = [observation(header, "auditor") for header in HEADERS]
        split = [seen for seen in mixed if seen not in [observation(header, "lab") for header in HEADERS]]
        bundle = replace(BUNDLE, blocks=blocks, observations=(*mine, *split))
        found = verify(bundle, trust, now_s=NOW)
        assert refusals(found) >= {("final", "fork"), ("event", "block-unproved")}
        assert {claim.outcome for claim in shown(found, "registered")} == {Outcome.NOT_PROVED}


def _sixth(story: Story) -> BlockEvidence:
    return story.chain().evidence(story.happenings[1])


def test_time_does_not_run_backwards_in_one_chain() -> None:
    chain = STORY.chain(times={8: T0 + 60})
    blocks = tuple(chain.evidence(item) for item in (*STORY.happenings, *STORY.anchors()))
    found = report(blocks=blocks, observations=STORY.observations(blocks))
    assert ("final", "fork") in refusals(found)


def test_two_blocks_of_one_second_can_stand_in_one_chain() -> None:
    chain = STORY.chain(times={9: T0 + 480})
    blocks = tuple(chain.evidence(item) for item in (*STORY.happenings, *STORY.anchors()))
    assert report(blocks=blocks, observations=STORY.observations(blocks)).outcome is Outcome.PROVED


def test_a_block_from_the_future_is_refused_if_there_is_a_clock() -> None:
    last = T0 + 60 * 20
    assert report(now_s=last + 10_000).outcome is Outcome.PROVED
    late = replace(STORY, anchor_block=600)
    found = verify(late.bundle(), TRUST, now_s=T0 + 60 * 595 - 1)
    assert refusals(found) == {("final", "block-future"), ("event", "block-unproved")}
    assert verify(late.bundle(), TRUST, now_s=T0 + 60 * 595).outcome is Outcome.PROVED
    assert verify(late.bundle(), TRUST).outcome is Outcome.PROVED


def test_a_block_whose_time_nobody_could_write_is_refused() -> None:
    chain = STORY.chain(times={20: 2**60})
    blocks = tuple(chain.evidence(item) for item in (*STORY.happenings, *STORY.anchors()))
    found = verify(replace(BUNDLE, blocks=blocks, observations=STORY.observations(blocks)), TRUST)
    assert refusals(found) == {("final", "time"), ("event", "block-unproved")}


def test_a_block_number_beyond_all_blocks_is_refused_and_ends_nothing() -> None:
    fields = list(rlp.decode(HEADERS[0]))
    fields[8] = b"\xff" * 32
    assert refusals(with_block(0, header=rlp.encode(fields))) == {("final", "quorum"), ("event", "block-unproved")}
    assert refusals(with_block(0, header=b"")) == {("final", "rlp"), ("event", "block-unproved")}


def test_an_observers_key_that_has_ended_is_said_to_have_ended() -> None:
    keys = tuple(replace(key, not_after=T0 + 7200) if key.organisation == "lab" else key for key in TRUST.keys)
    (limit,) = shown(verify(BUNDLE, replace(TRUST, keys=keys), now_s=NOW), "final", "block 5")[0].limits
    assert limit == "the key of lab has ended: who holds it now could have dated this back"


def test_a_key_that_ended_before_the_block_cannot_have_seen_it() -> None:
    """Only a thief signs a block with a key that ended before the block was made."""
    created = "2026-05-28T20:28:00Z"
    keys = tuple(replace(key, not_after=T0 + 120) if key.organisation == "lab" else key for key in TRUST.keys)
    seen = tuple(observation(header, org, created=created) for header in HEADERS for org in ORGS)
    found = verify(replace(BUNDLE, observations=seen), replace(TRUST, keys=keys), now_s=NOW)
    assert ("final", "key-time") in refusals(found)


def test_one_operator_is_named_wherever_the_ledger_is_believed() -> None:
    trust = replace(TRUST, ledger=evm_ledger(operators=1))
    for name in ("final", "anchored"):
        for claim in shown(verify(BUNDLE, trust, now_s=NOW), name):
            assert any("one operator produces this ledger" in limit for limit in claim.limits)
        assert not any("one operator" in limit for claim in shown(report(), name) for limit in claim.limits)


# event


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"chain": "eip155:1"}, {"chain-id"}),
        ({"chain": CHAIN.upper()}, {"chain-id"}),
        ({"address": ANCHOR}, {"contract"}),
        ({"address": REGISTRY.lower()}, {"contract"}),
        ({"transaction_index": 0}, {"trie-proof"}),
        ({"transaction_index": -1}, {"receipt"}),
        ({"transaction_index": 7}, {"trie-proof", "receipt"}),
        ({"log_index": 1}, {"receipt-log"}),
        ({"log_index": -1}, {"receipt-log"}),
        ({"receipt_proof": ()}, {"trie-proof"}),
        ({"receipt_proof": BUNDLE.blocks[1].receipt_proof}, {"trie-proof"}),
        ({"receipt_proof": (*BUNDLE.blocks[0].receipt_proof, b"\x80")}, {"trie-proof"}),
    ],
    ids=str,
)
def test_evidence_of_another_chain_contract_place_or_proof_is_refused(changes: dict[str, Any], codes: set[str]) -> None:
    found = refusals(with_block(0, **changes))
    assert {code for name, code in found if name == "event"} & codes
    assert shown(with_block(0, **changes), "registered", "biopsies@1")[0].outcome is not Outcome.PROVED


def story_with(*happenings: Happening) -> Report:
    return verified(replace(STORY, happenings=[*STORY.happenings, *happenings]))


def test_the_same_event_by_another_contract_is_refused() -> None:
    stranger = "0x" + "0" * 40
    fake = moved(12, 3, 4, "auditor")
    assert refusals(story_with(replace(fake, by=stranger))) == {("event", "contract")}
    assert refusals(story_with(replace(fake, by=ANCHOR))) == {("event", "contract")}
    anchor = replace(STORY.anchors()[0], block=12, by=REGISTRY)
    assert refusals(story_with(anchor)) == {("event", "contract")}
    assert story_with(fake).outcome is not Outcome.PROVED  # suspended: the approvals count no longer
    assert not refusals(story_with(fake))


def test_an_event_that_bundles_do_not_carry_is_refused() -> None:
    current = Happening(12, "CurrentChanged", {"asset": 1, "from": bytes(32), "to": bytes(32)})
    assert refusals(story_with(current)) == {("event", "event")}


def test_a_failed_transaction_has_no_events() -> None:
    chain = STORY.chain()
    failed = HexaryTrie({})
    logs = [happening.log for happening in STORY.happenings[-1:]]
    failed[rlp.encode(1)] = b"\x02" + rlp.encode([b"", 21_000, bytes(256), logs])
    fields = list(rlp.decode(chain.headers[11]))
    fields[5] = failed.root_hash
    header = rlp.encode(fields)
    proof = tuple(rlp.encode(node) for node in failed.get_proof(rlp.encode(1)))
    blocks = (*BUNDLE.blocks[:5], replace(BUNDLE.blocks[5], header=header, receipt_proof=proof), *BUNDLE.blocks[6:])
    found = report(blocks=blocks, observations=STORY.observations(blocks))
    assert refusals(found) == {("event", "receipt-log")}


def test_an_event_given_twice_is_refused() -> None:
    assert refusals(report(blocks=(*BUNDLE.blocks, BUNDLE.blocks[2]))) == {("event", "duplicate")}


def test_an_event_about_nothing_that_is_attested_is_left_open() -> None:
    stranger = story_with(proposed(12, TRAINED, label="9", version=b"\x09" * 32, attestation=b"\1" * 32))
    assert (stranger.outcome, left(stranger)) == (Outcome.NOT_PROVED, {"event"})
    (claim,) = shown(stranger, "event")
    assert (claim.about, claim.says) == ("block 12", "the ledger holds Proposed")


def test_the_order_of_evidence_in_the_bundle_means_nothing() -> None:
    found = report(blocks=BUNDLE.blocks[::-1], observations=BUNDLE.observations[::-1], entries=BUNDLE.entries[::-1])
    assert {str(claim) for claim in found.claims} == {str(claim) for claim in report().claims}
    found = log_report(leaves=LEAVES.leaves[::-1])
    assert {str(claim) for claim in found.claims} == {str(claim) for claim in log_report().claims}


def test_a_chain_s_evidence_proves_nothing_on_a_log_and_the_other_way_round() -> None:
    assert refusals(verify(BUNDLE, LOG_TRUST, now_s=NOW)) >= {("final", "chain-id"), ("event", "chain-id")}
    assert refusals(verify(LEAVES, TRUST, now_s=NOW)) >= {("final", "chain-id"), ("event", "chain-id")}
    watched = replace(LOG_TRUST, ledger=log_ledger(observers_required=2))
    seen = tuple(observation(header, org, chain=LOG_CHAIN) for header in HEADERS for org in ORGS)
    foreign = tuple(replace(block, chain=LOG_CHAIN) for block in BUNDLE.blocks)
    bundle = Bundle(MEDIA_TYPE, blocks=foreign, observations=seen)
    assert refusals(verify(bundle, watched, now_s=NOW)) >= {("final", "chain-id"), ("event", "chain-id")}


# a log as the ledger


def test_a_ledger_log_is_believed_under_its_key_and_enough_witnesses() -> None:
    (claim,) = shown(log_report(), "final")
    assert (claim.outcome, claim.about) == (Outcome.PROVED, LOG_CHAIN)
    assert claim.says == "the ledger's log held 7 entries under one root; cosigned by auditor, hospital, lab"
    assert claim.root == "the ledger log's key and 2 of 3 witnesses"


def test_a_ledger_log_with_too_few_witnesses_is_refused() -> None:
    assert verified(replace(LOGGED, witnesses=("lab", "auditor"))).outcome is Outcome.PROVED
    found = refusals(verified(replace(LOGGED, witnesses=("lab",))))
    assert found >= {("final", "quorum"), ("event", "block-unproved")}


def test_an_unwitnessed_ledger_log_says_so() -> None:
    trust = LOGGED.trust(witnesses_required=0)
    found = verify(replace(LOGGED, witnesses=()).bundle(), trust, now_s=NOW)
    (claim,) = shown(found, "final")
    assert claim.outcome is Outcome.PROVED
    assert any("no witness cosigned" in limit for limit in claim.limits)
    assert claim.says.endswith("cosigned by nobody")
    assert "the unwitnessed log" in shown(found, "registered")[0].root
    assert "the witnessed log" in shown(log_report(), "registered")[0].root


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain": CHAIN}, "chain-id"),
        ({"origin": RECORDS}, "leaf"),
        ({"index": 1}, "inclusion-proof"),
        ({"index": 7}, "inclusion-proof"),
        ({"path": ()}, "inclusion-proof"),
        ({"entry": LEAVES.leaves[1].entry}, "inclusion-proof"),
    ],
    ids=str,
)
def test_an_entry_of_another_ledger_place_or_proof_is_refused(changes: dict[str, Any], code: str) -> None:
    assert refusals(with_leaf(0, **changes)) == {("event", code)}


def test_a_checkpoint_of_another_log_is_no_checkpoint_of_the_ledger() -> None:
    tree = Tree([leaf.entry for leaf in LEAVES.leaves])
    assert refusals(with_leaf(0, checkpoint=seal(RECORDS, tree))) == {
        ("final", "checkpoint-signature"),
        ("event", "block-unproved"),
    }


def test_an_entry_that_is_no_call_is_refused() -> None:
    entries = [*LOGGED.ledger_entries(), b"{}"]
    assert refusals(log_report(leaves=evidence_of(entries))) == {("event", "leaf")}


def test_an_entry_from_the_future_or_of_no_readable_time_is_refused() -> None:
    for time_s, code in ((NOW + 301, "block-future"), (-1, "time"), (2**50, "time")):
        entries = [*LOGGED.ledger_entries(), log_entry([moved(1, 3, 4, "auditor")], "k", time_s)]
        assert refusals(log_report(leaves=evidence_of(entries))) == {("event", code)}
    story = replace(LOGGED, happenings=[*LOGGED.happenings, moved(12, 3, 6)])
    for time_s, now_s in ((NOW + 301, None), (NOW + 300, NOW)):
        entries = [*LOGGED.ledger_entries(), log_entry([moved(1, 3, 6)], "k", time_s)]
        bundle = replace(story.bundle(), leaves=evidence_of(entries))
        assert verify(bundle, LOG_TRUST, now_s=now_s).outcome is Outcome.PROVED


def test_an_entry_given_twice_is_refused() -> None:
    assert refusals(log_report(leaves=(*LEAVES.leaves, LEAVES.leaves[0]))) == {("event", "duplicate")}


def longer(*more: bytes, witnesses: tuple[str, ...] = ORGS) -> tuple[LogEvidence, ...]:
    """The ledger's entries under a checkpoint that covers these too."""
    return evidence_of([*LOGGED.ledger_entries(), *more], witnesses)


def test_one_entry_under_two_checkpoints_of_one_history_counts_once() -> None:
    again = longer(log_entry([moved(12, 3, 6)], "k", T0 + 900))
    found = log_report(leaves=(*LEAVES.leaves, *again))
    assert found.outcome is Outcome.PROVED
    assert [len(claim.limits) for claim in shown(found, "final")] == [0, 0]
    assert "retired" in shown(found, "status", "tumour@1")[0].says


def test_two_checkpoints_of_an_unwitnessed_ledger_may_be_of_two() -> None:
    again = longer(log_entry([moved(12, 3, 6)], "k", T0 + 900), witnesses=())
    bundle = replace(LEAVES, leaves=(*LEAVES.leaves, again[-1]))
    first, second = shown(verify(bundle, LOGGED.trust(witnesses_required=0), now_s=NOW), "final")
    assert not any("may be of two" in limit for limit in first.limits)
    assert any("may be of two" in limit for limit in second.limits)


def test_one_tree_under_checkpoints_of_different_witnesses_is_one() -> None:
    again = evidence_of(LOGGED.ledger_entries(), ("lab", "auditor"))
    assert log_report(leaves=(*LEAVES.leaves[:3], *again[3:])).outcome is Outcome.PROVED


def test_two_roots_of_one_size_or_two_entries_of_one_place_are_a_fork() -> None:
    entries = LOGGED.ledger_entries()
    twisted = evidence_of([*entries[:-1], log_entry([moved(12, 3, 6)], "k", T0 + 900)])
    assert refusals(log_report(leaves=(*LEAVES.leaves, twisted[-1]))) == {
        ("final", "fork"),
        ("event", "block-unproved"),
    }
    other = evidence_of([*entries[:-1], log_entry([moved(12, 3, 6)], "k", T0 + 900), entries[-1]])
    assert refusals(log_report(leaves=(*LEAVES.leaves, other[-2]))) == {("event", "fork")}


def test_a_call_that_no_claim_could_rest_on_is_left_open() -> None:
    call = sign(ACCOUNTS, LOG_CHAIN, Call("AssetRegistry", "createAsset", (), "hospital", "k"))
    found = log_report(leaves=longer(write(call, T0, "AssetRegistry", (("AssetCreated", {}),))))
    assert (found.outcome, left(found)) == (Outcome.NOT_PROVED, {"event"})


def test_events_that_a_writer_slips_into_an_entry_are_not_passed_over() -> None:
    """An entry of this version's approval that also approves another version."""
    other = approved(9, "auditor", 1, version=b"\7" * 32)
    entries = LOGGED.ledger_entries()
    entries[3] = log_entry([*LOGGED.happenings[3:5], other], "call-3", T0 + 540)
    found = log_report(leaves=evidence_of(entries))
    assert (found.outcome, left(found)) == (Outcome.NOT_PROVED, {"event"})
