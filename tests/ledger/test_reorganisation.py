"""Chains that go back, and transactions that get stuck: on a real anvil."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ledger.accounts import Accounts
from tests.ledger.places import CHAIN_ID, Place, anvil_place

from mooring.errors import ConfigError, LedgerLied, LedgerRefused
from mooring.ledger.deployment import interface
from mooring.ledger.dispatch import Pace
from mooring.ledger.evm import EvmLedger
from mooring.ledger.history import RegistryHistory
from mooring.ledger.port import Call, Cursor, Finality, State, Step, Submission
from mooring.ledger.registry import NOBODY, asset_id
from mooring.ledger.transaction import Draft, Fees, sign

pytestmark = pytest.mark.node

FAST = Pace(resend_s=0.1, stuck_s=0.4, settle_s=5.0)
DEPTH = 4


@pytest.fixture
def ledger(anvil: Place) -> Iterator[EvmLedger]:
    """Blocks come with transactions, and when a test mines; four of them make one final."""
    ledger = anvil.ledger(replace(anvil.found()[0], pace=FAST))
    yield ledger
    ledger.close()


def create(name: str, sender: str = "a0") -> Call:
    return Call("AssetRegistry", "createAsset", (1, name, NOBODY, 0), sender, f"create {name}")


def follow(ledger: EvmLedger, history: RegistryHistory, cursor: Cursor | None) -> Step:
    while True:
        step = ledger.follow(cursor, 3)
        history.apply(step)
        cursor = step.cursor
        if step.caught_up:
            return step


def names(history: RegistryHistory) -> set[str]:
    return {asset.name for asset in history.tip.assets.values()}


def included(ledger: EvmLedger, *wanted: str) -> list[Submission]:
    submissions = list(ledger.submit([create(name) for name in wanted]))
    for submission in submissions:
        assert ledger.confirm(submission, Finality.INCLUDED, 10).state == State.INCLUDED
    return submissions


def test_a_follower_goes_back_to_the_fork_and_the_lost_call_is_sent_again(anvil: Place, ledger: EvmLedger) -> None:
    history = RegistryHistory()
    included(ledger, "kept")
    anvil.rpc("anvil_mine", "0x6")
    first = follow(ledger, history, None)
    (lost,) = included(ledger, "lost")
    second = follow(ledger, history, first.cursor)
    assert names(history) == {"kept", "lost"}
    anvil.rpc("anvil_reorg", 2, [])
    third = ledger.follow(second.cursor)
    assert third.unwound_to is not None
    history.apply(third)
    assert names(history) == {"kept"}
    assert ledger.confirm(lost, Finality.INCLUDED, 10).state == State.INCLUDED
    anvil.rpc("anvil_mine", hex(DEPTH))
    assert ledger.confirm(lost, Finality.FINAL, 10).state == State.FINAL
    follow(ledger, history, third.cursor)
    assert names(history) == {"kept", "lost"}
    fresh = RegistryHistory()
    follow(ledger, fresh, None)
    assert fresh.tip == history.tip


def test_inclusion_is_not_finality_until_enough_blocks_stand_on_it(anvil: Place, ledger: EvmLedger) -> None:
    (submission,) = included(ledger, "young")
    assert ledger.confirm(submission, Finality.FINAL, 0.2).state == State.INCLUDED
    anvil.rpc("anvil_mine", hex(DEPTH - 1))
    assert ledger.confirm(submission, Finality.FINAL, 0.2).state == State.INCLUDED
    anvil.rpc("anvil_mine", "0x1")
    assert ledger.confirm(submission, Finality.FINAL, 5).state == State.FINAL


def test_a_shorter_chain_is_waited_for_and_unwound_when_it_differs(anvil: Place, ledger: EvmLedger) -> None:
    history = RegistryHistory()
    anvil.rpc("anvil_mine", "0x6")
    first = follow(ledger, history, None)
    included(ledger, "undone")
    second = follow(ledger, history, first.cursor)
    anvil.rpc("anvil_rollback", 1)
    waiting = ledger.follow(second.cursor)
    assert (waiting.unwound_to, waiting.caught_up, waiting.events) == (None, False, ())
    anvil.rpc("evm_increaseTime", "0x64")
    anvil.rpc("anvil_mine", "0x2")
    step = ledger.follow(second.cursor)
    assert step.unwound_to == first.cursor.block
    history.apply(step)
    assert names(history) == set()


@pytest.mark.parametrize("memory", [True, False])
def test_a_final_block_that_disappears_is_never_passed_over(anvil: Place, ledger: EvmLedger, memory: bool) -> None:
    included(ledger, "final")
    anvil.rpc("anvil_mine", "0x6")
    step = follow(ledger, RegistryHistory(), None)
    anvil.rpc("anvil_reorg", DEPTH + 2, [])
    follower = ledger if memory else anvil.ledger(replace(anvil.settings(), contracts=ledger.profile.contracts))
    with pytest.raises(LedgerLied) as caught:
        follower.follow(step.cursor)
    assert caught.value.code == "finality-broken"


def test_a_history_refuses_to_unwind_what_is_final(anvil: Place, ledger: EvmLedger) -> None:
    history = RegistryHistory()
    included(ledger, "final")
    anvil.rpc("anvil_mine", "0x6")
    step = follow(ledger, history, None)
    before = history.tip
    with pytest.raises(LedgerLied) as caught:
        history.apply(replace(step, events=(), unwound_to=history.final_block - 1))
    assert caught.value.code == "finality-broken"
    history.apply(replace(step, events=(), unwound_to=history.final_block))
    assert (history.tip, names(history)) == (before, {"final"})


def test_a_stuck_transaction_is_replaced_under_its_own_nonce(anvil: Place, ledger: EvmLedger) -> None:
    anvil.rpc("evm_setAutomine", False)
    calls = [create("stuck"), create("behind it")]
    stuck, behind = ledger.submit(calls)
    # From now on, what they offer is too little.
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
    anvil.rpc("evm_mine")
    assert ledger.confirm(stuck, Finality.INCLUDED, 0.1).state in (State.PENDING, State.UNKNOWN)
    anvil.rpc("evm_setIntervalMining", 1)
    outcome = ledger.confirm(stuck, Finality.INCLUDED, 30)
    assert outcome.state == State.INCLUDED
    assert outcome.reference != stuck.reference
    assert ledger.confirm(behind, Finality.INCLUDED, 30).state == State.INCLUDED
    history = RegistryHistory()
    follow(ledger, history, None)
    assert names(history) == {"stuck", "behind it"}
    assert ledger.submit(calls) == (stuck, behind)


def test_fees_are_never_raised_above_the_cap(anvil: Place) -> None:
    base = int(anvil.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    settings = anvil.found()[0]
    ledger = anvil.ledger(replace(settings, pace=replace(FAST, fee_cap=base)))
    with pytest.raises(LedgerRefused) as caught:
        ledger.submit([create("dear")])
    assert caught.value.code == "fee-cap"
    ledger.close()


def test_an_account_without_funds_is_refused_before_anything_is_kept(anvil: Place) -> None:
    settings, _ = anvil.found()
    anvil.rpc("anvil_setBalance", anvil.accounts.address("a0"), "0x1")
    ledger = anvil.ledger(settings)
    with pytest.raises(LedgerRefused, match="holds 1 wei") as caught:
        ledger.submit([create("poor")])
    assert caught.value.code == "insufficient-funds"
    anvil.rpc("anvil_setBalance", anvil.accounts.address("a0"), hex(10**20))
    assert ledger.submit([create("poor")])
    ledger.close()


def test_a_call_that_loses_a_race_is_refused_with_the_reason(anvil: Place, ledger: EvmLedger) -> None:
    anvil.rpc("evm_setAutomine", False)
    (submission,) = ledger.submit([create("wanted")])
    # Somebody else creates the same asset, from an account that is not ours to order, and pays more to be first.
    to = bytes.fromhex(ledger.profile.contracts["AssetRegistry"][2:])
    data = interface("AssetRegistry").encode_call("createAsset", (1, "wanted", NOBODY, 0))
    fees = Fees(100 * 10**9, 50 * 10**9)
    rival = sign(anvil.accounts, "b0", CHAIN_ID, 0, Draft(to, data, 500_000), fees)
    anvil.rpc("eth_sendRawTransaction", f"0x{rival.raw.hex()}")
    anvil.rpc("evm_mine")
    outcome = ledger.confirm(submission, Finality.INCLUDED, 10)
    assert outcome.state == State.REFUSED
    assert outcome.reason == f"AssetExists(asset={asset_id('wanted')})"
    assert ledger.confirm(submission, Finality.FINAL, 0.1).state == State.PENDING
    anvil.rpc("anvil_mine", hex(DEPTH))
    assert ledger.confirm(submission, Finality.FINAL, 10).state == State.REFUSED
    assert ledger.submit([create("wanted")]) == (submission,)


def test_a_chain_that_says_itself_what_is_final_is_believed_about_it(tmp_path: Path, accounts: Accounts) -> None:
    with anvil_place(tmp_path, accounts, "--slots-in-an-epoch", "1") as place:
        settings, _ = place.found()
        ledger = place.ledger(replace(settings, finality_depth=None))
        (submission,) = ledger.submit([create("tagged")])
        assert ledger.confirm(submission, Finality.FINAL, 0.2).state == State.INCLUDED
        place.rpc("anvil_mine", "0x4")
        assert ledger.confirm(submission, Finality.FINAL, 5).state == State.FINAL
        step = ledger.follow(None)
        assert step.final == int(place.rpc("eth_getBlockByNumber", "finalized", False)["number"], 16)
        ledger.close()
        with pytest.raises(ConfigError):
            place.ledger(replace(settings, finality_depth=-1))
