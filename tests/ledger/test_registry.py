"""The fold and the way back: exact, whatever order of steps and reorganisations led there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ledger.accounts import Accounts, founders
from tests.ledger.calls import OPENING, members, moves

from mooring.errors import LedgerError, LedgerLied, LedgerRefused
from mooring.ledger.history import RegistryHistory
from mooring.ledger.port import Call, Cursor, Event, Step
from mooring.ledger.registry import NO_WORD, NOBODY, RegistryState, Role, Status, asset_id, org_id, version_id
from mooring.ledger.rules import decide, found

ACCOUNTS = Accounts()


def _event(contract: str, name: str, args: object, block: int = 0, position: int = 0) -> Event:
    return Event(contract, name, args, block, f"0x{block:064x}", position, "", 0)  # type: ignore[arg-type]  # a mapping


def _founded() -> list[Event]:
    return [_event("AssetRegistry", name, args) for name, args in found(members(ACCOUNTS), 2)]


@st.composite
def histories(draw: st.DrawFn) -> list[list[Event]]:
    """Blocks of events that the contracts could have emitted: the founding, then some calls a block."""
    blocks, state = [_founded()], RegistryState()
    for event in blocks[0]:
        state.apply(event)
    calls = list(OPENING) + draw(st.lists(moves(ACCOUNTS, list), max_size=25))
    for number, (contract, method, args, sender) in enumerate(calls, 1):
        blocks.append([])
        try:
            effects = decide(state, Call(contract, method, args, sender, ""), ACCOUNTS.address(sender))
        except LedgerRefused:
            continue
        for position, (name, said) in enumerate(effects):
            event = _event(contract, name, said, number, position)
            state.apply(event)
            blocks[-1].append(event)
    return blocks


def _folded(blocks: list[list[Event]]) -> RegistryState:
    state = RegistryState()
    for block in blocks:
        for event in block:
            state.apply(event)
    return state


def _step(blocks: list[list[Event]], first: int, last: int, depth: int, unwound_to: int | None = None) -> Step:
    events = tuple(event for block in blocks[first : last + 1] for event in block)
    head = len(blocks) - 1
    return Step(events, unwound_to, Cursor(((last, f"0x{last:064x}"),)), head, head - depth, 0, last == head)


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_going_back_and_on_ends_where_going_straight_ends(blocks: list[list[Event]], data: st.DataObject) -> None:
    depth, history, at = 4, RegistryHistory(), -1
    while at < len(blocks) - 1:
        unwound_to = None
        if at >= 0 and data.draw(st.booleans()):
            unwound_to = data.draw(st.integers(max(history.final_block, at - depth), at))
        first = (at if unwound_to is None else unwound_to) + 1
        at = data.draw(st.integers(first, len(blocks) - 1)) if first < len(blocks) else len(blocks) - 1
        history.apply(_step(blocks[: at + 1], first, at, depth, unwound_to))
        assert history.tip == _folded(blocks[: at + 1])
        assert history.final == _folded(blocks[: history.final_block + 1])
    kept = RegistryHistory([event for block in blocks for event in block], history.final_block)
    assert (kept.tip, kept.final, kept.recent) == (history.tip, history.final, history.recent)


@settings(max_examples=30, deadline=None)
@given(histories())
def test_a_copy_changes_independently(blocks: list[list[Event]]) -> None:
    state = _folded(blocks[:2])
    twin = state.copy()
    for block in blocks[2:]:
        for event in block:
            twin.apply(event)
    assert state == _folded(blocks[:2])
    assert twin == _folded(blocks)


def test_a_history_never_goes_below_what_was_final() -> None:
    blocks = [_founded(), *[[] for _ in range(10)]]
    history = RegistryHistory()
    history.apply(_step(blocks, 0, 10, 4))
    assert history.final_block == 6
    with pytest.raises(LedgerLied) as caught:
        history.apply(_step(blocks, 6, 10, 4, unwound_to=5))
    assert caught.value.code == "finality-broken"
    history.apply(_step(blocks, 7, 10, 4, unwound_to=6))


def test_a_step_that_cannot_be_folded_changes_nothing() -> None:
    blocks = [_founded(), []]
    history = RegistryHistory()
    history.apply(_step(blocks, 0, 1, 0))
    before = history.tip.copy()
    odd = _event("AssetRegistry", "Approved", {"version": NO_WORD, "org": NO_WORD, "approvals": 1}, 2)
    step = replace(_step([*blocks, []], 2, 2, 0), events=(*_founded()[:1], odd))
    with pytest.raises(LedgerError) as caught:
        history.apply(step)
    assert caught.value.code == "event-out-of-place"
    assert history.tip == before


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("Approved", {"version": NO_WORD, "org": NO_WORD, "approver": NOBODY, "evidence": NO_WORD, "approvals": 1}),
        ("StatusChanged", {"version": NO_WORD, "from": 1, "to": 2, "actor": NOBODY, "reason": NO_WORD}),
        ("Transfer", {"from": "0x1", "to": "0x2", "tokenId": 1}),
        ("KeyRevoked", {"keyid": NO_WORD, "org": NO_WORD, "from": 1}),
        ("Retracted", {"action": NO_WORD, "org": NO_WORD, "voter": NOBODY}),
        ("Voted", {"action": NO_WORD, "org": NO_WORD, "voter": NOBODY, "votes": 2, "call": b"\x00" * 36}),
        ("MemberSet", {"account": NOBODY, "org": NO_WORD}),
    ],
)
def test_an_event_that_does_not_follow_is_refused_so_that_a_gap_is_noticed(name: str, args: dict[str, object]) -> None:
    state = _folded([_founded()])
    before = state.copy()
    with pytest.raises(LedgerError, match="does not follow") as caught:
        state.apply(_event("AssetRegistry", name, args))
    assert caught.value.code == "event-out-of-place"
    assert state == before


def test_a_lost_approval_or_status_is_noticed_at_the_next() -> None:
    state = _folded([_founded()])
    model = asset_id("model")
    version = version_id(model, "1")
    for event in (
        _event("AssetRegistry", "AssetCreated", {"asset": model, "kind": 2, "name": "model", "owner": NOBODY}),
        _event(
            "AssetRegistry",
            "Proposed",
            {
                "version": version,
                "asset": model,
                "label": "1",
                "manifest": NO_WORD,
                "attestation": NO_WORD,
                "proposer": NOBODY,
                "parents": (),
            },
        ),
    ):
        state.apply(event)
    second = {"version": version, "org": org_id("org b"), "approver": NOBODY, "evidence": NO_WORD, "approvals": 2}
    moved = {"version": version, "from": 2, "to": 3, "actor": NOBODY, "reason": NO_WORD}
    for name, args in (("Approved", second), ("StatusChanged", moved)):
        with pytest.raises(LedgerError) as caught:
            state.apply(_event("AssetRegistry", name, args))
        assert caught.value.code == "event-out-of-place"


def test_an_event_of_a_newer_contract_is_not_passed_over() -> None:
    with pytest.raises(LedgerError) as caught:
        RegistryState().apply(_event("AssetRegistry", "Merged", {}))
    assert caught.value.code == "event-unknown"


def test_questions_are_answered_from_the_state() -> None:
    state = _folded([_founded()])
    assert state.seated() == {org_id(f"org {letter}") for letter in "abc"}
    assert state.seated(Role.APPROVER) == state.seated()
    assert state.policy(1) is None
    state.apply(_event("AssetRegistry", "PolicySet", {"asset": 0, "digest": b"\x01" * 32}))
    assert state.policy(1) == b"\x01" * 32
    state.apply(_event("AssetRegistry", "PolicySet", {"asset": 1, "digest": b"\x02" * 32}))
    assert (state.policy(1), state.policy(2)) == (b"\x02" * 32, b"\x01" * 32)
    state.apply(_event("AssetRegistry", "PolicySet", {"asset": 1, "digest": NO_WORD}))
    assert state.policy(1) == b"\x01" * 32
    assert not state.key_valid(b"\x01" * 32, 0)


@pytest.mark.parametrize(
    ("members_given", "threshold", "code"),
    [
        ([], 1, "quorum-unreachable"),
        (founders(ACCOUNTS), 0, "zero-value"),
        (founders(ACCOUNTS), 4, "quorum-unreachable"),
        (founders(ACCOUNTS) + founders(ACCOUNTS)[:1], 2, "member-exists"),
        ([(ACCOUNTS.address("a0"), org_id("org a"), 0)], 1, "bad-roles"),
        ([(ACCOUNTS.address("a0"), org_id("org a"), 16)], 1, "bad-roles"),
        ([(NOBODY, org_id("org a"), 1)], 1, "zero-value"),
        ([(ACCOUNTS.address("a0"), NO_WORD, 1)], 1, "zero-value"),
        ([(ACCOUNTS.address("a0"), org_id("org a"), 1)], 1, "quorum-unreachable"),
        ([(ACCOUNTS.address(f"x{n}"), org_id(f"org {n}"), 15) for n in range(65)], 1, "too-many-organisations"),
    ],
)
def test_a_founding_that_could_not_govern_itself_is_refused(
    members_given: list[tuple[str, bytes, int]], threshold: int, code: str
) -> None:
    with pytest.raises(LedgerRefused) as caught:
        found(members_given, threshold)
    assert caught.value.code == code


def test_statuses_that_collect_approvals_are_proposed_and_suspended() -> None:
    assert [status.name for status in Status if status.collecting] == ["PROPOSED", "SUSPENDED"]
