"""The EVM adapter behind a node, or a network, that fails and lies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.ledger.accounts import Accounts
from tests.ledger.places import CHAIN_ID, Place, served_place
from tests.ledger.proxy import Proxy, altered, delayed, doubled, html, lost, proxy, refused, unheard

from mooring.errors import ConfigError, LedgerError, LedgerLied, LedgerUnknown
from mooring.ledger.dispatch import Pace
from mooring.ledger.evm import EvmLedger, EvmSettings
from mooring.ledger.jsonrpc import HttpTransport
from mooring.ledger.port import Call, Finality, Query, State, Submission
from mooring.ledger.registry import NOBODY, asset_id
from mooring.ledger.transaction import Draft, Fees, sign

SEND = "eth_sendRawTransaction"
RECEIPT = "eth_getTransactionReceipt"
FAST = Pace(resend_s=0.1, stuck_s=0.3, settle_s=5.0)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[Place]:
    with served_place(tmp_path_factory.mktemp("served"), accounts) as place:
        yield place


@pytest.fixture
def settings(served: Place) -> EvmSettings:
    return replace(served.found(threshold=2)[0], pace=FAST)


@pytest.fixture
def between(served: Place) -> Iterator[Proxy]:
    with proxy(served.url) as running:
        yield running


@contextmanager
def ledger_at(url: str, settings: EvmSettings, accounts: Accounts, **options: Any) -> Iterator[EvmLedger]:
    transport = HttpTransport([url], **({"read_timeout_s": 2.0, "pause": lambda seconds: None} | options))
    with closing(transport), closing(EvmLedger(transport, settings, accounts)) as ledger:
        yield ledger


@pytest.fixture
def ledger(between: Proxy, settings: EvmSettings, accounts: Accounts) -> Iterator[EvmLedger]:
    with ledger_at(between.url, settings, accounts) as ledger:
        yield ledger


def create(name: str, key: str = "", sender: str = "a0") -> Call:
    return Call("AssetRegistry", "createAsset", (1, name, NOBODY, 0), sender, key or f"create {name}")


def created(ledger: EvmLedger) -> list[str]:
    return [str(event.args["name"]) for event in ledger.follow(None).events if event.name == "AssetCreated"]


def lied(action: Callable[[], object]) -> str:
    with pytest.raises(LedgerLied) as caught:
        action()
    assert caught.value.hint
    return caught.value.code


# a network that fails


def test_a_send_whose_answers_are_all_lost_is_unknown_and_found_out_later(between: Proxy, ledger: EvmLedger) -> None:
    between.fault = lost(SEND)
    with pytest.raises(LedgerUnknown) as caught:
        ledger.submit([create("lost")])
    assert (caught.value.definite, caught.value.code) == (False, "send-unanswered")
    between.fault = doubled
    outcome = ledger.confirm(Submission("create lost", ""), Finality.FINAL, 10)
    assert outcome.state == State.FINAL
    assert ledger.submit([create("lost")])[0].reference == outcome.reference
    assert created(ledger) == ["lost"]


def test_a_send_that_never_arrived_is_sent_again_by_confirm(between: Proxy, ledger: EvmLedger) -> None:
    between.fault = lambda calls, ask: unheard(calls, ask) if calls[0]["method"] == SEND else ask()
    with pytest.raises(LedgerUnknown):
        ledger.submit([create("unsent")])
    waiting = ledger.confirm(Submission("create unsent", ""), Finality.INCLUDED, 0.2)
    assert waiting.state == State.UNKNOWN
    between.fault = doubled
    assert ledger.confirm(Submission("create unsent", ""), Finality.FINAL, 10).state == State.FINAL
    assert created(ledger) == ["unsent"]


def test_requests_that_arrive_twice_happen_once(between: Proxy, ledger: EvmLedger) -> None:
    between.fault = doubled
    for submission in ledger.submit([create("one"), create("two")]):
        assert ledger.confirm(submission, Finality.FINAL, 10).state == State.FINAL
    assert created(ledger) == ["one", "two"]


def test_an_outage_makes_an_outcome_unknown_and_never_failed(between: Proxy, ledger: EvmLedger) -> None:
    (submission,) = ledger.submit([create("outage")])
    for fault, code in (
        (html, "rpc-malformed"),
        (unheard, "rpc-broken"),
        (refused(RECEIPT, -32000, "no"), "rpc-error"),
    ):
        between.fault = fault
        outcome = ledger.confirm(submission, Finality.FINAL, 0.1)
        assert (outcome.state, outcome.reason.partition(":")[0]) == (State.UNKNOWN, code)
    between.fault = doubled
    assert ledger.confirm(submission, Finality.FINAL, 10).state == State.FINAL


def test_a_slow_node_is_waited_for_and_a_hanging_one_is_not(
    between: Proxy, settings: EvmSettings, accounts: Accounts
) -> None:
    with ledger_at(between.url, settings, accounts, read_timeout_s=1.0, attempts=1) as ledger:
        between.fault = delayed(0.2)
        (submission,) = ledger.submit([create("slow")])
        between.fault = delayed(3.0, RECEIPT)
        outcome = ledger.confirm(submission, Finality.FINAL, 0.1)
        assert (outcome.state, outcome.reason.partition(":")[0]) == (State.UNKNOWN, "rpc-timeout")


def test_a_web_page_instead_of_a_node_is_a_clear_error(between: Proxy, ledger: EvmLedger) -> None:
    between.fault = html
    for action in (
        lambda: ledger.follow(None),
        lambda: ledger.read(Query("AssetRegistry", "governance")),
        lambda: ledger.submit([create("page")]),
    ):
        with pytest.raises(LedgerError) as caught:
            action()
        assert caught.value.code == "rpc-malformed"
        assert "secret" not in caught.value.message


def test_a_node_that_limits_ranges_is_asked_for_less(between: Proxy, ledger: EvmLedger) -> None:
    for number in range(6):
        ledger.confirm(ledger.submit([create(f"range {number}")])[0], Finality.FINAL, 10)

    def too_wide(params: list[Any]) -> bool:
        return int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 3

    between.fault = refused("eth_getLogs", -32005, "query returned more than 10000 results", too_wide)
    cursor, names = None, []
    for _ in range(100):
        step = ledger.follow(cursor)
        names += [event.args["name"] for event in step.events if event.name == "AssetCreated"]
        cursor = step.cursor
        if step.caught_up:
            break
    assert names == [f"range {number}" for number in range(6)]
    between.fault = refused("eth_getLogs", -32005, "no logs today")
    with pytest.raises(LedgerError, match="no logs today"):
        ledger.follow(None)


def test_a_node_without_whole_block_receipts_is_asked_for_each(between: Proxy, ledger: EvmLedger) -> None:
    between.fault = refused("eth_getBlockReceipts", -32601, "the method does not exist")
    outcome = ledger.confirm(ledger.submit([create("single")])[0], Finality.FINAL, 10)
    assert outcome.state == State.FINAL
    assert ledger.prove(outcome.events[0])


# a node that lies


def _paint(call: dict[str, Any], receipt: Any) -> Any:
    """Say that a transaction failed which succeeded."""
    return receipt and {**receipt, "status": "0x0"}


def test_a_receipt_that_its_block_does_not_commit_to_is_a_lie(between: Proxy, ledger: EvmLedger) -> None:
    (submission,) = ledger.submit([create("honest")])
    assert ledger.confirm(submission, Finality.FINAL, 10).state == State.FINAL
    between.fault = altered(RECEIPT, _paint)
    assert lied(lambda: ledger.confirm(submission, Finality.FINAL, 1)) == "receipt-invented"
    paint_all = altered("eth_getBlockReceipts", lambda call, all_: [_paint(call, one) for one in all_])
    paint_one = altered(RECEIPT, _paint)
    between.fault = lambda calls, ask: paint_all(calls, lambda: paint_one(calls, ask))
    assert lied(lambda: ledger.confirm(submission, Finality.FINAL, 1)) == "receipts-root"


def test_a_header_that_does_not_hash_to_its_name_is_a_lie(between: Proxy, ledger: EvmLedger) -> None:
    (submission,) = ledger.submit([create("header")])
    between.fault = altered(
        "eth_getBlockByNumber", lambda call, block: block and {**block, "receiptsRoot": "0x" + "11" * 32}
    )
    assert lied(lambda: ledger.follow(None)) == "header-hash"
    between.fault = doubled
    assert ledger.confirm(submission, Finality.FINAL, 10).state == State.FINAL


def test_a_receipt_of_another_transaction_is_a_lie(between: Proxy, ledger: EvmLedger) -> None:
    (submission,) = ledger.submit([create("relabelled")])
    between.fault = altered(RECEIPT, lambda call, receipt: receipt and {**receipt, "transactionHash": "0x" + "22" * 32})
    assert lied(lambda: ledger.confirm(submission, Finality.INCLUDED, 5)) == "receipt-hash"


def test_logs_that_are_hidden_invented_or_changed_are_lies(between: Proxy, ledger: EvmLedger) -> None:
    ledger.confirm(ledger.submit([create("shown")])[0], Finality.FINAL, 10)

    def changed(call: dict[str, Any], logs: Any) -> Any:
        return [*logs[:-1], {**logs[-1], "data": "0x" + "00" * 128}]

    for change in (
        lambda call, logs: logs[:-1],
        lambda call, logs: [],
        changed,
        lambda call, logs: [*logs, {**logs[-1], "logIndex": "0x7"}],
        lambda call, logs: [{**log, "logIndex": hex(int(log["logIndex"], 16) + 1)} for log in logs],
    ):
        between.fault = altered("eth_getLogs", change)
        assert lied(lambda: ledger.follow(None)) == "logs-altered"
    between.fault = altered("eth_getLogs", lambda call, logs: [*logs, {**logs[-1], "address": "0x" + "33" * 20}])
    assert lied(lambda: ledger.follow(None)) == "log-filter"
    between.fault = doubled
    assert created(ledger) == ["shown"]


def test_evidence_is_not_handed_out_for_what_a_node_invents(between: Proxy, ledger: EvmLedger) -> None:
    event = ledger.confirm(ledger.submit([create("proved")])[0], Finality.FINAL, 10).events[-1]
    assert ledger.prove(event)
    between.fault = altered("eth_getBlockReceipts", lambda call, receipts: [_paint(call, one) for one in receipts])
    assert lied(lambda: ledger.prove(event)) == "receipts-root"
    with pytest.raises(LedgerError) as caught:
        ledger.prove(replace(event, position=99))
    between.fault = doubled
    with pytest.raises(LedgerError) as caught:
        ledger.prove(replace(event, position=99))
    assert caught.value.code == "event-gone"


def test_a_storage_proof_is_verified_before_it_is_returned(
    between: Proxy, ledger: EvmLedger, settings: EvmSettings
) -> None:
    slots = [number.to_bytes(32, "big") for number in range(12)]
    evidence = ledger.state_proof(settings.contracts["AssetRegistry"], slots, settings.start_block)
    assert any(evidence.values)

    def shifted(call: dict[str, Any], proof: Any) -> Any:
        return {**proof, "storageProof": proof["storageProof"][1:] + proof["storageProof"][:1]}

    between.fault = altered("eth_getProof", shifted)
    assert (
        lied(lambda: ledger.state_proof(settings.contracts["AssetRegistry"], slots, settings.start_block)) == "unproven"
    )


def test_a_hash_that_is_not_the_transactions_is_a_lie(between: Proxy, ledger: EvmLedger) -> None:
    between.fault = altered(SEND, lambda call, name: "0x" + "44" * 32)
    assert lied(lambda: ledger.submit([create("renamed")])) == "send-hash"


def test_a_node_that_lags_is_not_taken_for_a_chain_that_went_back(between: Proxy, ledger: EvmLedger) -> None:
    for name in ("before", "after"):
        ledger.confirm(ledger.submit([create(name)])[0], Finality.FINAL, 10)
    step = ledger.follow(None)
    behind = step.cursor.block - 1

    def lagging(calls: list[dict[str, Any]], ask: Callable[[], bytes]) -> Any:
        def older(call: dict[str, Any], block: Any) -> Any:
            tag = call["params"][0]
            return None if tag.startswith("0x") and int(tag, 16) > behind else block

        for call in calls:
            if call["method"] == "eth_getBlockByNumber" and call["params"][0] == "latest":
                call["params"][0] = hex(behind)
        import json

        body = json.dumps(calls if len(calls) > 1 else calls[0]).encode()
        return altered("eth_getBlockByNumber", older)(calls, lambda: between.ask(body))

    between.fault = lagging
    with pytest.raises(LedgerError) as caught:
        ledger.follow(step.cursor)
    assert caught.value.code == "node-behind"
    between.fault = doubled
    assert ledger.follow(step.cursor).caught_up


# a wrong configuration


def test_another_chain_is_refused_on_opening(between: Proxy, settings: EvmSettings, accounts: Accounts) -> None:
    between.fault = altered("eth_chainId", lambda call, number: "0x1")
    with pytest.raises(ConfigError, match="`chain_id` is 31337, and the node is on chain 1") as caught:  # noqa: SIM117
        with ledger_at(between.url, settings, accounts):
            pass
    assert caught.value.code == "chain-id"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c: {**c, "AssetRegistry": "0x" + "11" * 20}, "no-contract"),
        (lambda c: {"AssetRegistry": c["CheckpointAnchor"], "CheckpointAnchor": c["AssetRegistry"]}, "wrong-contract"),
        (lambda c: {**c, "AssetRegistry": "0x12"}, "contracts"),
        (lambda c: {**c, "AssetRegistry": c["AssetRegistry"].swapcase().replace("0X", "0x")}, "contracts"),
        (lambda c: {"AssetRegistry": c["AssetRegistry"]}, "contracts"),
        (lambda c: {**c, "Other": c["AssetRegistry"]}, "contracts"),
    ],
)
def test_a_wrong_contract_address_is_refused_on_opening(
    served: Place, settings: EvmSettings, change: Callable[[Any], Any], code: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        served.ledger(replace(settings, contracts=change(dict(settings.contracts))))
    assert caught.value.code == code
    assert "contracts" in caught.value.message
    served.ledger(replace(settings, contracts={n: a.lower() for n, a in settings.contracts.items()})).close()


def test_deploying_again_gives_the_same_contracts(served: Place) -> None:
    from tests.ledger.accounts import founders

    from mooring.ledger.founding import deploy

    settings, members = served.settings(), founders(served.accounts)
    first, again = (
        deploy(served.transport, settings, served.accounts, "deployer", "Twice", members, 2) for _ in range(2)
    )
    assert first == again
    other = deploy(served.transport, settings, served.accounts, "deployer", "Twice", members, 3)
    assert other.contracts["AssetRegistry"] != first.contracts["AssetRegistry"]


# nonces and crashes


def _foreign(served: Place, nonce: int, account: str = "a0") -> None:
    """A transaction from elsewhere, by an account of ours, that this outbox knows nothing of."""
    to = bytes.fromhex(served.accounts.address(account)[2:])
    signed = sign(served.accounts, account, CHAIN_ID, nonce, Draft(to, b"", 50_000), Fees(0, 0))
    served.rpc(SEND, f"0x{signed.raw.hex()}")


def test_a_nonce_that_was_taken_elsewhere_is_given_up_for_another(
    served: Place, between: Proxy, ledger: EvmLedger, accounts: Accounts
) -> None:
    ledger.confirm(ledger.submit([create("first")])[0], Finality.FINAL, 10)
    between.fault = lambda calls, ask: unheard(calls, ask) if calls[0]["method"] == SEND else ask()
    with pytest.raises(LedgerUnknown):
        ledger.submit([create("taken")])
    _foreign(served, int(served.rpc("eth_getTransactionCount", accounts.address("a0"), "latest"), 16))
    between.fault = doubled
    assert ledger.confirm(Submission("create taken", ""), Finality.FINAL, 15).state == State.FINAL
    assert created(ledger) == ["first", "taken"]


def _forgetful(calls: list[dict[str, Any]], ask: Callable[[], bytes]) -> Any:
    """A node that has dropped its index of old transactions."""
    receipts = altered(RECEIPT, lambda call, receipt: None)
    return altered("eth_getTransactionByHash", lambda call, tx: None)(calls, lambda: receipts(calls, ask))


@pytest.mark.parametrize(("seen", "reason"), [(False, "nonce-taken"), (True, "seen-final")])
def test_a_call_whose_receipt_the_node_may_have_forgotten_is_not_sent_again(
    served: Place, between: Proxy, settings: EvmSettings, accounts: Accounts, seen: bool, reason: str
) -> None:
    before = int(served.rpc("eth_getTransactionCount", accounts.address("a0"), "latest"), 16)
    with ledger_at(between.url, settings, accounts) as ledger:
        (submission,) = ledger.submit([create("old")])
        while int(served.rpc("eth_getTransactionCount", accounts.address("a0"), "latest"), 16) == before:
            time.sleep(0.01)
        if seen:
            assert ledger.confirm(submission, Finality.FINAL, 10).state == State.FINAL
    between.fault = _forgetful
    with closing(HttpTransport([between.url])) as transport:
        later = EvmLedger(transport, settings, accounts, clock=lambda: time.time() + 4 * 86_400)
        outcome = later.confirm(submission, Finality.FINAL, 3)
        assert (outcome.state, outcome.reason.partition(":")[0]) == (State.UNKNOWN, reason)
        assert between.seen[SEND] == 1
        later.close()


def test_a_gap_of_nonces_is_closed(served: Place, between: Proxy, settings: EvmSettings, accounts: Accounts) -> None:
    with ledger_at(between.url, settings, accounts) as ledger:
        # A node that counts a transaction which nobody holds any more makes this one skip a nonce.
        between.fault = altered(
            "eth_getTransactionCount", lambda call, count: hex(int(count, 16) + (call["params"][1] == "pending"))
        )
        ledger.submit([create("after the gap")])
        between.fault = doubled
        assert ledger.confirm(Submission("create after the gap", ""), Finality.FINAL, 15).state == State.FINAL
        assert created(ledger) == ["after the gap"]


CHILD = """
import os, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from mooring.ledger.evm import EvmLedger, EvmSettings
from mooring.ledger.jsonrpc import HttpTransport
from mooring.ledger.port import Call, Finality, State
from mooring.ledger.registry import NOBODY
from tests.ledger.accounts import Accounts

class Dying(HttpTransport):
    def request(self, method, params):
        if method == "eth_sendRawTransaction" and {when!r} == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super().request(method, params)
        if method == "eth_sendRawTransaction" and {when!r} == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

settings = EvmSettings(Path({outbox!r}), {contracts!r}, chain_id=31337, finality_depth=0, start_block={start!r})
ledger = EvmLedger(Dying([{url!r}]), settings, Accounts())
for name in {names!r}:
    call = Call("AssetRegistry", "createAsset", (1, name, NOBODY, 0), "a0", "create " + name)
    (submission,) = ledger.submit([call])
    outcome = ledger.confirm(submission, Finality.FINAL, 60)
    assert outcome.state == State.FINAL, outcome
"""


def _child(settings: EvmSettings, url: str, names: list[str], when: str = "never") -> subprocess.Popen[bytes]:
    script = CHILD.format(
        root=str(Path(__file__).parents[2]),
        outbox=str(settings.outbox),
        contracts=dict(settings.contracts),
        start=settings.start_block,
        url=url,
        names=names,
        when=when,
    )
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_while_it_sends_leaves_its_call_to_be_done_once(
    served: Place, settings: EvmSettings, accounts: Accounts, when: str
) -> None:
    child = _child(settings, served.url, ["killed"], when)
    assert child.wait(60) == -signal.SIGKILL
    with ledger_at(served.url, settings, accounts) as ledger:
        assert ledger.confirm(Submission("create killed", ""), Finality.FINAL, 15).state == State.FINAL
        assert ledger.submit([create("killed")])
        assert created(ledger) == ["killed"]


@pytest.mark.slow
def test_two_processes_and_several_threads_share_one_account_without_a_clash(
    served: Place, settings: EvmSettings, accounts: Accounts
) -> None:
    names = {process: [f"{process} {number}" for number in range(8)] for process in ("one", "two")}
    children = [_child(settings, served.url, mine) for mine in names.values()]
    with ledger_at(served.url, settings, accounts, read_timeout_s=30.0) as ledger:

        def work(number: int) -> State:
            (submission,) = ledger.submit([create(f"thread {number}")])
            return ledger.confirm(submission, Finality.FINAL, 60).state

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(work, range(18))) == {State.FINAL}
        for child in children:
            _, errors = child.communicate(timeout=120)
            assert child.returncode == 0, errors.decode()
        expected = [*names["one"], *names["two"], *(f"thread {number}" for number in range(18))]
        assert sorted(created(ledger)) == sorted(expected)
        assert asset_id("one 0") in {event.args.get("asset") for event in ledger.follow(None).events}
    assert os.path.exists(settings.outbox)
