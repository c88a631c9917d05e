"""What every ledger must do, whatever it is made of: run over each adapter by test_conformance.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from tests.ledger.accounts import Accounts

from mooring.errors import ConfigError, LedgerError, LedgerRefused, MooringError
from mooring.ledger.port import Call, Cursor, Event, Finality, Ledger, Outcome, Query, State, Submission, Value
from mooring.ledger.registry import NO_WORD, NOBODY, RegistryState, asset_id, org_id, origin_id, version_id
from mooring.proofs.anchor import BlockEvidence, LedgerEvidence, LogEvidence
from mooring.proofs.chainproof import verify_receipt
from mooring.proofs.checkpoint import read_checkpoint
from mooring.proofs.header import Header
from mooring.proofs.leaves import read_leaf
from mooring.proofs.merkle import leaf_hash, verify_inclusion

__all__ = ["PROMISES", "Subject", "life"]

MODEL = asset_id("model")
ONE, TWO = version_id(MODEL, "1"), version_id(MODEL, "2")
WORD, OTHER = b"\x01" * 32, b"\x02" * 32
_numbers = itertools.count()


@dataclass
class Subject:
    """A ledger under test, founded by a0, b0 and c0 with threshold 2; `again` opens it as another process would."""

    ledger: Ledger
    accounts: Accounts
    again: Callable[[], Ledger]

    def call(self, sender: str, method: str, *args: Value, contract: str = "AssetRegistry", key: str = "") -> Call:
        return Call(contract, method, args, sender, key or f"call {next(_numbers)}")

    def do(self, sender: str, method: str, *args: Value, contract: str = "AssetRegistry") -> Outcome:
        (submission,) = self.ledger.submit([self.call(sender, method, *args, contract=contract)])
        outcome = self.ledger.confirm(submission, Finality.FINAL, 30)
        assert outcome.state == State.FINAL, outcome
        return outcome

    def refused(self, sender: str, method: str, *args: Value, contract: str = "AssetRegistry") -> str:
        with pytest.raises(LedgerRefused) as caught:
            self.ledger.submit([self.call(sender, method, *args, contract=contract)])
        assert caught.value.definite
        assert caught.value.hint
        return caught.value.code

    def ask(
        self, method: str, *args: Value, contract: str = "AssetRegistry", level: Finality = Finality.FINAL
    ) -> Value:
        return self.ledger.read(Query(contract, method, args), level)[0]

    def events(self, limit: int = 1000) -> list[Event]:
        cursor, events = None, list[Event]()
        while True:
            step = self.ledger.follow(cursor, limit)
            assert step.unwound_to is None
            events += step.events
            cursor = step.cursor
            if step.caught_up:
                return events

    def state(self) -> RegistryState:
        state = RegistryState()
        for event in self.events():
            state.apply(event)
        return state


def life(subject: Subject) -> None:
    """A model's life: created, proposed, approved, served, suspended, replaced; its log anchored, a key rotated."""
    c0 = subject.accounts.address("c0")
    subject.do("a0", "createAsset", 2, "model", NOBODY, 0)
    subject.do("a0", "propose", MODEL, "1", WORD, OTHER, ())
    subject.do("b0", "approve", ONE, WORD)
    subject.do("c0", "approve", ONE, WORD)
    subject.do("a0", "activate", ONE)
    subject.do("a0", "propose", MODEL, "2", OTHER, WORD, (ONE,))
    subject.do("c0", "approve", TWO, NO_WORD)
    subject.do("b0", "approve", TWO, NO_WORD)
    subject.do("b0", "activate", TWO)
    subject.do("c0", "suspend", TWO, WORD)
    subject.do("a0", "rollback", MODEL, ONE, WORD)
    subject.do("b0", "setPolicy", MODEL, WORD)
    subject.do("a0", "setPolicy", MODEL, WORD)
    subject.do("a0", "registerKey", WORD, 10, 20)
    subject.do("b0", "revokeKey", WORD, 15)
    subject.do("a0", "setMember", c0, org_id("org c"), 2)
    subject.do("b0", "setMember", c0, org_id("org c"), 2)
    subject.do("a0", "open", "log.example/records", 3, WORD, contract="CheckpointAnchor")
    log = origin_id(subject.accounts.address("a0"), "log.example/records")
    subject.do("a0", "anchor", log, 5, OTHER, contract="CheckpointAnchor")


def a_life_ends_in_the_state_that_its_events_and_its_views_both_tell(subject: Subject) -> None:
    life(subject)
    state = subject.state()
    assert state.current == {MODEL: ONE}
    assert (state.versions[TWO].status.name, state.versions[TWO].round) == ("SUSPENDED", 2)
    assert (state.epoch, state.policy(MODEL), state.key_valid(WORD, 14), state.key_valid(WORD, 15)) == (
        1,
        WORD,
        True,
        False,
    )
    assert subject.ask("current", MODEL) == ONE
    assert subject.ask("policy", MODEL) == WORD
    assert subject.ledger.read(Query("AssetRegistry", "versionOf", (ONE,)))[4:] == (3, 0b110, 1)
    log = origin_id(subject.accounts.address("a0"), "log.example/records")
    assert subject.ledger.read(Query("CheckpointAnchor", "latest", (log,)))[1:] == (5, OTHER)
    assert (state.origins[log].size, state.origins[log].root) == (5, OTHER)


def a_call_that_breaks_a_rule_is_refused_with_the_rules_own_code_and_leaves_nothing(subject: Subject) -> None:
    subject.do("a0", "createAsset", 2, "model", NOBODY, 0)
    before = subject.state()
    assert subject.refused("a0", "createAsset", 2, "model", NOBODY, 0) == "asset-exists"
    assert subject.refused("stranger", "createAsset", 2, "other", NOBODY, 0) == "not-member"
    assert subject.refused("a0", "propose", MODEL, "1", NO_WORD, WORD, ()) == "zero-value"
    assert subject.refused("a0", "propose", MODEL, "1", WORD, WORD, (WORD,)) == "unknown-version"
    assert subject.refused("a0", "approve", ONE, WORD) == "unknown-version"
    assert subject.refused("a0", "anchor", WORD, 1, WORD, contract="CheckpointAnchor") == "unknown-origin"
    assert subject.state() == before


def one_organisation_counts_once_and_nobody_approves_their_own_proposal(subject: Subject) -> None:
    subject.do("a0", "createAsset", 2, "model", NOBODY, 0)
    subject.do("a0", "propose", MODEL, "1", WORD, OTHER, ())
    assert subject.refused("a0", "approve", ONE, WORD) == "own-proposal"
    subject.do("b0", "approve", ONE, WORD)
    assert subject.refused("b0", "approve", ONE, WORD) == "already-approved"
    assert subject.refused("b0", "activate", ONE) == "wrong-status"
    subject.do("c0", "approve", ONE, WORD)
    subject.do("b0", "activate", ONE)


def values_that_do_not_fit_and_names_that_do_not_exist_are_refused_before_anything_is_sent(subject: Subject) -> None:
    assert subject.refused("a0", "activate", WORD[:31]) == "arguments"
    assert subject.refused("a0", "setThreshold", 256) == "arguments"
    assert subject.refused("a0", "setMember", "0x12", WORD, 1) == "arguments"
    for contract, method in (("AssetRegistry", "mint"), ("Elsewhere", "open")):
        with pytest.raises(ConfigError) as caught:
            subject.ledger.submit([subject.call("a0", method, contract=contract)])
        assert caught.value.code in ("no-such-method", "no-such-contract")


def the_same_key_is_the_same_submission_and_never_another_one(subject: Subject) -> None:
    call = subject.call("a0", "createAsset", 2, "model", NOBODY, 0, key="once")
    (first,) = subject.ledger.submit([call])
    assert subject.ledger.submit([call]) == (first,)
    subject.ledger.confirm(first, Finality.FINAL, 30)
    assert subject.ledger.submit([call]) == (first,)
    assert subject.again().submit([call]) == (first,)
    for other in (
        subject.call("a0", "createAsset", 2, "another", NOBODY, 0, key="once"),
        subject.call("b0", "createAsset", 2, "model", NOBODY, 0, key="once"),
    ):
        with pytest.raises(LedgerRefused) as caught:
            subject.ledger.submit([other])
        assert caught.value.code == "key-reused"
    assert [event.name for event in subject.events()].count("AssetCreated") == 1


def calls_of_one_submission_happen_in_order_and_stop_at_the_first_that_is_refused(subject: Subject) -> None:
    calls = [
        subject.call("a0", "createAsset", 2, "model", NOBODY, 0, key="1"),
        subject.call("a0", "propose", MODEL, "1", WORD, OTHER, (), key="2"),
        subject.call("b0", "approve", ONE, WORD, key="3"),
        subject.call("b0", "approve", ONE, WORD, key="4"),
        subject.call("c0", "approve", ONE, WORD, key="5"),
    ]
    with pytest.raises(LedgerRefused) as caught:
        subject.ledger.submit(calls)
    assert caught.value.code == "already-approved"
    for submission in subject.ledger.submit(calls[:3]):
        assert subject.ledger.confirm(submission, Finality.FINAL, 30).state == State.FINAL
    assert [event.name for event in subject.events()][-4:] == ["Transfer", "AssetCreated", "Proposed", "Approved"]
    subject.ledger.confirm(subject.ledger.submit(calls[4:])[0], Finality.FINAL, 30)
    assert subject.state().versions[ONE].status.name == "APPROVED"


def an_outcome_says_what_happened_where_and_at_what_cost(subject: Subject) -> None:
    (submission,) = subject.ledger.submit([subject.call("a0", "createAsset", 2, "model", NOBODY, 0)])
    outcome = subject.ledger.confirm(submission, Finality.FINAL, 30)
    assert outcome.state == State.FINAL
    assert outcome.reference == submission.reference
    assert outcome.cost > 0
    assert outcome.events == tuple(e for e in subject.events() if e.reference == outcome.reference)
    assert [event.args.get("name") for event in outcome.events] == [None, "model"]
    assert {(event.block, event.block_hash) for event in outcome.events} == {(outcome.block, outcome.block_hash)}


def another_process_finds_out_by_key_alone_and_knows_nothing_of_a_key_never_used(subject: Subject) -> None:
    subject.ledger.submit([subject.call("a0", "createAsset", 2, "model", NOBODY, 0, key="mine")])
    other = subject.again()
    assert other.confirm(Submission("mine", ""), Finality.FINAL, 30).state == State.FINAL
    with pytest.raises(LedgerError) as caught:
        other.confirm(Submission("never", ""), Finality.ACCEPTED, 0)
    assert caught.value.code == "unknown-submission"


def following_in_small_steps_and_from_any_cursor_gives_every_event_once(subject: Subject) -> None:
    life(subject)
    whole = subject.events()
    assert len({event.id for event in whole}) == len(whole)
    assert whole == sorted(whole, key=lambda event: (event.block, event.position))
    assert subject.events(limit=1) == whole
    cursor, seen = None, list[Event]()
    for _ in range(200):
        step = subject.again().follow(cursor, 3)
        seen += step.events
        cursor = Cursor(tuple(step.cursor.trail))
        if step.caught_up:
            break
    assert seen == whole
    assert subject.ledger.follow(cursor).events == ()


def events_tell_the_founding_too(subject: Subject) -> None:
    state = subject.state()
    assert [state.seat(subject.accounts.address(name)).org for name in ("a0", "b0", "c0")] == [  # type: ignore[union-attr]
        org_id(f"org {letter}") for letter in "abc"
    ]
    assert state.threshold == 2
    assert state.seat(subject.accounts.address("stranger")) is None


def every_event_is_proved_and_an_altered_one_is_not(subject: Subject) -> None:
    life(subject)
    for event in subject.events():
        _check_evidence(subject.ledger.prove(event), event)
    altered = Event(event.contract, event.name, event.args, event.block, "0x" + "00" * 32, 0, event.reference, 0)
    with pytest.raises(MooringError) as caught:
        subject.ledger.prove(altered)
    assert caught.value.code == "event-gone"


def many_callers_at_once_each_get_their_own_call_through(subject: Subject) -> None:
    def work(number: int) -> Outcome:
        sender = ("a0", "b0", "c0")[number % 3]
        call = subject.call(sender, "createAsset", 1, f"data {number}", NOBODY, 0, key=f"data {number}")
        (submission,) = subject.ledger.submit([call])
        return subject.ledger.confirm(submission, Finality.FINAL, 60)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(24)))
    assert {outcome.state for outcome in outcomes} == {State.FINAL}
    assert len({outcome.reference for outcome in outcomes}) == 24
    assert len(subject.state().assets) == 24


def a_time_out_of_zero_still_tells_what_is_known(subject: Subject) -> None:
    (submission,) = subject.ledger.submit([subject.call("a0", "createAsset", 2, "model", NOBODY, 0)])
    outcome = subject.ledger.confirm(submission, Finality.FINAL, 0)
    assert outcome.state in (State.UNKNOWN, State.PENDING, State.INCLUDED, State.FINAL)
    assert subject.ledger.confirm(submission, Finality.FINAL, 30).state == State.FINAL


def _check_evidence(evidence: LedgerEvidence, event: Event) -> None:
    if isinstance(evidence, LogEvidence):
        checkpoint, _ = read_checkpoint(evidence.checkpoint)
        leaf = leaf_hash(evidence.entry)
        verify_inclusion(leaf, evidence.index, checkpoint.size, evidence.path, checkpoint.root)
        assert read_leaf(evidence.entry, evidence.chain).events[event.position][0] == event.name
        return
    assert isinstance(evidence, BlockEvidence)
    header = Header(evidence.header)
    assert f"0x{header.hash.hex()}" == event.block_hash
    receipt = verify_receipt(header, evidence.transaction_index, evidence.receipt_proof)
    assert receipt.logs[evidence.log_index].address.hex() == evidence.address[2:].lower()


PROMISES: tuple[Callable[[Subject], None], ...] = (
    a_life_ends_in_the_state_that_its_events_and_its_views_both_tell,
    a_call_that_breaks_a_rule_is_refused_with_the_rules_own_code_and_leaves_nothing,
    one_organisation_counts_once_and_nobody_approves_their_own_proposal,
    values_that_do_not_fit_and_names_that_do_not_exist_are_refused_before_anything_is_sent,
    the_same_key_is_the_same_submission_and_never_another_one,
    calls_of_one_submission_happen_in_order_and_stop_at_the_first_that_is_refused,
    an_outcome_says_what_happened_where_and_at_what_cost,
    another_process_finds_out_by_key_alone_and_knows_nothing_of_a_key_never_used,
    following_in_small_steps_and_from_any_cursor_gives_every_event_once,
    events_tell_the_founding_too,
    every_event_is_proved_and_an_altered_one_is_not,
    many_callers_at_once_each_get_their_own_call_through,
    a_time_out_of_zero_still_tells_what_is_known,
)
