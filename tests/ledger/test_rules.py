"""The Python rules against the contracts themselves: same answer, same error, same state."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.ledger.accounts import Accounts, founders
from tests.ledger.calls import ACCOUNTS, OPENING, Move, members, moves, questions
from tests.ledger.places import Place
from tests.ledger.tour import UNREACHABLE, tour

from mooring.errors import ConfigError, LedgerRefused
from mooring.ledger.answers import answer
from mooring.ledger.deployment import shipped
from mooring.ledger.evm import EvmLedger
from mooring.ledger.governance import Effects
from mooring.ledger.port import Call, Event, Finality, Query, State
from mooring.ledger.registry import NO_WORD, NOBODY, RegistryState, asset_id, org_id, version_id
from mooring.ledger.rules import decide, found

_keys = itertools.count()


def _event(contract: str, name: str, args: object) -> Event:
    return Event(contract, name, args, 0, "", 0, "", 0)  # type: ignore[arg-type]  # a mapping


def _apply(state: RegistryState, contract: str, effects: Effects) -> None:
    for name, args in effects:
        state.apply(_event(contract, name, args))


def _predicted(state: RegistryState, call: Call, sender: str) -> Effects | str:
    try:
        return decide(state, call, sender)
    except LedgerRefused as error:
        return f"{error.code}: {error.message.partition(' refused: ')[2]}"


def _happened(ledger: EvmLedger, call: Call) -> Effects | str:
    try:
        (submission,) = ledger.submit([call])
    except LedgerRefused as error:
        return f"{error.code}: {error.message.partition(' refused: ')[2]}"
    outcome = ledger.confirm(submission, Finality.FINAL, 20)
    assert outcome.state == State.FINAL, outcome
    return tuple((event.name, event.args) for event in outcome.events)


def _asked(state: RegistryState, ledger: EvmLedger, query: Query) -> tuple[object, object]:
    answers = []
    for source in (lambda: answer(state, query), lambda: ledger.read(query)):
        try:
            answers.append(source())
        except LedgerRefused as error:
            answers.append(error.code)
    return answers[0], answers[1]


def test_every_rule_is_met_and_rules_and_contracts_agree_on_it(embedded: Place, accounts: Accounts) -> None:
    state, seen = RegistryState(), set[str]()
    _apply(state, "AssetRegistry", found(members(accounts), 2))
    ledger = embedded.ledger(embedded.found(members(accounts), 2)[0])
    for contract, method, args, sender in tour(accounts):
        call = Call(contract, method, args, sender, f"tour {next(_keys)}")
        predicted = _predicted(state, call, accounts.address(sender))
        assert _happened(ledger, call) == predicted, (method, args, sender)
        if isinstance(predicted, str):
            seen.add(predicted.partition(": ")[2].partition("(")[0])
        else:
            _apply(state, contract, predicted)
            seen |= {name for name, _ in predicted}
    declared = {
        str(item["name"])
        for name in ("AssetRegistry", "CheckpointAnchor")
        for item in shipped(name).abi
        if item["type"] in ("error", "event")
    }
    assert declared - seen == UNREACHABLE
    for query in questions(accounts, sorted(state.ballots)):
        mine, theirs = _asked(state, ledger, query)
        assert mine == theirs, query
    ledger.close()


@st.composite
def _next_move(draw: st.DrawFn, draws: st.SearchStrategy[Move], state: RegistryState, made: list[Move]) -> Move:
    """Any call, or one that the rules allow, or one that was made before, perhaps by somebody else."""
    kind = draw(st.sampled_from(("any", "allowed", "allowed", "again")))
    if kind == "again" and made:
        contract, method, args, sender = draw(st.sampled_from(made))
        return contract, method, args, draw(st.sampled_from((sender, *ACCOUNTS)))
    tries = draw(st.lists(draws, min_size=1, max_size=1 if kind == "any" else 12))
    for contract, method, args, sender in tries:
        call = Call(contract, method, args, sender, "")
        if not isinstance(_predicted(state, call, Accounts().address(sender)), str):
            return contract, method, args, sender
    return tries[-1]


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_rules_and_contracts_agree_on_every_call_and_on_the_state_after_it(
    data: st.DataObject, embedded: Place, accounts: Accounts
) -> None:
    state = RegistryState()
    threshold = data.draw(st.sampled_from((1, 2, 2, 3)))
    _apply(state, "AssetRegistry", found(members(accounts), threshold))
    ledger = embedded.ledger(embedded.found(members(accounts), threshold)[0])
    draws = moves(accounts, lambda: sorted(state.ballots))
    made: list[Move] = []
    for number in range(32):
        move = OPENING[number] if number < len(OPENING) else data.draw(_next_move(draws, state, made))
        made.append(move)
        contract, method, args, sender = move
        call = Call(contract, method, args, sender, f"call {next(_keys)}")
        predicted = _predicted(state, call, accounts.address(sender))
        assert _happened(ledger, call) == predicted
        if not isinstance(predicted, str):
            _apply(state, contract, predicted)
    for query in questions(accounts, sorted(state.ballots)):
        mine, theirs = _asked(state, ledger, query)
        assert mine == theirs, query
    followed = RegistryState()
    for event in ledger.follow(None).events:
        followed.apply(event)
    assert followed == state
    ledger.close()


@pytest.fixture
def state(accounts: Accounts) -> RegistryState:
    """Three organisations, of which two must agree, and a model with a proposed version."""
    state = RegistryState()
    _apply(state, "AssetRegistry", found(founders(accounts), 2))
    for method, args in (
        ("createAsset", (2, "model", NOBODY, 0)),
        ("propose", (asset_id("model"), "1", b"\x01" * 32, b"\x02" * 32, ())),
    ):
        _do(state, accounts, "a0", method, *args)
    return state


def _do(state: RegistryState, accounts: Accounts, sender: str, method: str, *args: object) -> None:
    call = Call("AssetRegistry", method, args, sender, "")  # type: ignore[arg-type]  # plain values
    _apply(state, "AssetRegistry", decide(state, call, accounts.address(sender)))


def _refused(state: RegistryState, accounts: Accounts, sender: str, method: str, *args: object) -> str:
    with pytest.raises(LedgerRefused) as caught:
        _do(state, accounts, sender, method, *args)
    assert caught.value.definite
    return caught.value.code


VERSION = version_id(asset_id("model"), "1")


def test_two_organisations_approve_and_one_alone_does_not(state: RegistryState, accounts: Accounts) -> None:
    _do(state, accounts, "b0", "approve", VERSION, NO_WORD)
    assert state.versions[VERSION].status.name == "PROPOSED"
    assert _refused(state, accounts, "b0", "approve", VERSION, NO_WORD) == "already-approved"
    _do(state, accounts, "c0", "approve", VERSION, NO_WORD)
    assert state.versions[VERSION].status.name == "APPROVED"


def test_nobody_approves_what_they_proposed(state: RegistryState, accounts: Accounts) -> None:
    assert _refused(state, accounts, "a0", "approve", VERSION, NO_WORD) == "own-proposal"


def test_a_stranger_is_refused_by_name(state: RegistryState, accounts: Accounts) -> None:
    assert _refused(state, accounts, "stranger", "approve", VERSION, NO_WORD) == "not-member"


def test_a_suspended_version_needs_the_whole_quorum_again(state: RegistryState, accounts: Accounts) -> None:
    for sender in ("b0", "c0"):
        _do(state, accounts, sender, "approve", VERSION, NO_WORD)
    _do(state, accounts, "a0", "activate", VERSION)
    assert state.current == {asset_id("model"): VERSION}
    _do(state, accounts, "c0", "suspend", VERSION, NO_WORD)
    assert state.current == {}
    assert _refused(state, accounts, "a0", "activate", VERSION) == "wrong-status"
    _do(state, accounts, "b0", "approveRound", VERSION, 2, NO_WORD)
    assert _refused(state, accounts, "c0", "approveRound", VERSION, 1, NO_WORD) == "wrong-round"
    _do(state, accounts, "c0", "approveRound", VERSION, 2, NO_WORD)
    assert state.versions[VERSION].status.name == "APPROVED"


def test_governance_passes_with_the_second_organisation_and_ends_unfinished_rounds(
    state: RegistryState, accounts: Accounts
) -> None:
    _do(state, accounts, "b0", "approve", VERSION, NO_WORD)
    removal = (accounts.address("c0"), org_id("org c"), 0)
    _do(state, accounts, "a0", "setMember", *removal)
    assert len(state.open_ballots()) == 1
    assert _refused(state, accounts, "a0", "setMember", *removal) == "already-voted"
    _do(state, accounts, "b0", "setMember", *removal)
    assert state.seat(accounts.address("c0")) is None
    assert (state.epoch, state.versions[VERSION].round, state.versions[VERSION].counted) == (1, 2, frozenset())
    another = (accounts.address("b0"), org_id("org b"), 0)
    assert _refused(state, accounts, "a0", "setMember", *another) == "quorum-unreachable"


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("activate", (b"\x01" * 31,)),
        ("setThreshold", (256,)),
        ("setThreshold", (True,)),
        ("setThreshold", (-1,)),
        ("setMember", ("0x12", org_id("org a"), 1)),
        ("createAsset", (2, "\ud800", NOBODY, 0)),
        ("propose", (1, "1", NO_WORD, NO_WORD, [NO_WORD])),
    ],
)
def test_values_that_do_not_fit_are_refused_before_any_rule(
    state: RegistryState, accounts: Accounts, method: str, args: tuple[object, ...]
) -> None:
    assert _refused(state, accounts, "a0", method, *args) == "arguments"


@pytest.mark.parametrize(
    "call", [("AssetRegistry", "mint", ()), ("Elsewhere", "open", ()), ("AssetRegistry", "activate", ())]
)
def test_a_method_that_does_not_exist_is_a_mistake_in_the_program(
    state: RegistryState, accounts: Accounts, call: tuple[str, str, tuple[()]]
) -> None:
    with pytest.raises(ConfigError, match="has no method") as caught:
        decide(state, Call(*call, "a0", ""), accounts.address("a0"))
    assert caught.value.code == "no-such-method"


def test_a_view_that_does_not_exist_is_a_mistake_in_the_program(state: RegistryState) -> None:
    with pytest.raises(ConfigError) as caught:
        answer(state, Query("AssetRegistry", "royaltyInfo", (1, 1)))
    assert caught.value.code == "no-such-view"


def test_an_address_means_the_same_in_any_case(state: RegistryState, accounts: Accounts) -> None:
    lower = accounts.address("b0").lower()
    assert answer(state, Query("AssetRegistry", "memberOf", (lower,)))[0] == org_id("org b")


def _foundings(accounts: Accounts) -> list[tuple[list[tuple[str, bytes, int]], int]]:
    three, one = founders(accounts), accounts.address("a0")
    return [
        (three, 0),
        (three, 4),
        ([*three, three[0]], 2),
        ([(one, org_id("org a"), 0)], 1),
        ([(one, org_id("org a"), 16)], 1),
        ([(one, org_id("org a"), 1)], 1),
        ([(NOBODY, org_id("org a"), 15)], 1),
        ([(one, NO_WORD, 15)], 1),
        ([(accounts.address(f"x{number}"), org_id(f"org {number}"), 15) for number in range(65)], 1),
        ([], 1),
    ]


@pytest.mark.parametrize("number", range(10))
def test_a_founding_is_refused_by_the_contract_as_by_the_rules(
    embedded: Place, accounts: Accounts, number: int
) -> None:
    given_members, threshold = _foundings(accounts)[number]
    with pytest.raises(LedgerRefused) as mine:
        found(given_members, threshold)
    with pytest.raises(LedgerRefused) as theirs:
        embedded.found(given_members, threshold)
    assert mine.value.code == theirs.value.code
