"""The follower over real ledgers: fresh or not, but never wrong, and never dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ledger.accounts import Accounts
from tests.ledger.places import Place, anvil_place, served_place
from tests.ledger.proxy import Proxy, html, proxy, unheard

from mooring.errors import LedgerError, LedgerLied, StorageError
from mooring.ledger.evm import EvmLedger
from mooring.ledger.follower import Follower, MemorySink
from mooring.ledger.jsonrpc import HttpTransport
from mooring.ledger.port import Call, Cursor, Event, Finality, Step
from mooring.ledger.registry import NOBODY, asset_id


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class KeptSink:
    """Keeps what it was given as a database would: by block, all or nothing."""

    def __init__(self) -> None:
        self.cursor: Cursor | None = None
        self.events: list[Event] = []
        self.broken = False

    def load(self) -> tuple[Cursor | None, Sequence[Event]]:
        return self.cursor, tuple(self.events)

    def keep(self, step: Step) -> None:
        if self.broken:
            raise StorageError("the disk is full", code="index-full")
        kept = self.events if step.unwound_to is None else [e for e in self.events if e.block <= step.unwound_to]
        self.events, self.cursor = [*kept, *step.events], step.cursor
        assert len({event.id for event in self.events}) == len(self.events)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[Place]:
    with served_place(tmp_path_factory.mktemp("followed"), accounts) as place:
        yield place


@pytest.fixture
def between(served: Place) -> Iterator[Proxy]:
    with proxy(served.url) as running:
        yield running


@pytest.fixture
def ledger(served: Place, between: Proxy, accounts: Accounts) -> Iterator[EvmLedger]:
    transport = HttpTransport([between.url], read_timeout_s=2.0, pause=lambda seconds: None)
    with closing(transport), closing(EvmLedger(transport, served.found()[0], accounts)) as ledger:
        yield ledger


def create(ledger: EvmLedger, *names: str) -> None:
    for name in names:
        call = Call("AssetRegistry", "createAsset", (1, name, NOBODY, 0), "a0", f"create {name}")
        ledger.confirm(ledger.submit([call])[0], Finality.INCLUDED, 20)


def names(follower: Follower) -> set[str]:
    return {asset.name for asset in follower.state.assets.values()}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_it_is_fresh_after_catching_up_and_stale_when_it_has_not_asked_for_too_long(ledger: EvmLedger) -> None:
    clock = Clock()
    follower = Follower(ledger, MemorySink(), clock, max_staleness_s=5.0)
    assert (follower.fresh(), follower.lag_s) == (False, float("inf"))
    create(ledger, "one")
    follower.catch_up()
    assert (follower.fresh(), follower.lag_s, names(follower)) == (True, 0.0, {"one"})
    clock.now += 5.0
    assert follower.fresh()
    clock.now += 0.1
    assert not follower.fresh()
    follower.step()
    assert follower.fresh()


def test_the_time_that_an_answer_took_counts_as_age(ledger: EvmLedger, between: Proxy) -> None:
    clock = Clock()

    def slow(calls: object, ask: Callable[[], bytes]) -> bytes:
        clock.now += 3.0
        return ask()

    between.fault = slow  # type: ignore[assignment]  # the shape of a fault
    follower = Follower(ledger, MemorySink(), clock, max_staleness_s=1.0)
    follower.catch_up()
    assert not follower.fresh()


def test_an_old_head_is_stale_where_blocks_come_at_a_known_pace(ledger: EvmLedger) -> None:
    clock, wall = Clock(), Clock()
    follower = Follower(ledger, MemorySink(), clock, max_staleness_s=5.0, block_time_s=2.0, wall=wall)
    follower.catch_up()
    assert follower.last is not None
    wall.now = follower.last.head_time + 6.9
    assert follower.fresh()
    wall.now += 0.2
    assert not follower.fresh()
    unpaced = Follower(ledger, MemorySink(), clock, max_staleness_s=5.0, wall=wall)
    unpaced.catch_up()
    assert unpaced.fresh()


def test_an_outage_makes_it_stale_and_its_end_makes_it_fresh_again(ledger: EvmLedger, between: Proxy) -> None:
    clock = Clock()
    follower = Follower(ledger, MemorySink(), clock, max_staleness_s=5.0)
    create(ledger, "before")
    follower.catch_up()
    for fault, code in ((unheard, "rpc-broken"), (html, "rpc-malformed")):
        between.fault = fault
        clock.now += 10
        with pytest.raises(LedgerError):
            follower.step()
        assert (follower.fresh(), follower.error.code if follower.error else "") == (False, code)
        assert names(follower) == {"before"}
    between.fault = lambda calls, ask: ask()
    create(ledger, "after")
    follower.catch_up()
    assert (follower.fresh(), follower.error, names(follower)) == (True, None, {"before", "after"})


def test_a_sink_that_fails_leaves_it_where_it_was(ledger: EvmLedger) -> None:
    sink = KeptSink()
    follower = Follower(ledger, sink)
    follower.catch_up()
    create(ledger, "one")
    sink.broken = True
    with pytest.raises(StorageError):
        follower.step()
    assert (names(follower), follower.cursor) == (set(), sink.cursor)
    sink.broken = False
    follower.step()
    assert (names(follower), follower.cursor) == ({"one"}, sink.cursor)


def test_a_restart_goes_on_from_what_was_kept_without_asking_for_it_again(ledger: EvmLedger, between: Proxy) -> None:
    sink = KeptSink()
    create(ledger, "one", "two")
    Follower(ledger, sink).catch_up()
    create(ledger, "three")
    starts: list[int] = []

    def watched(calls: list[dict[str, object]], ask: Callable[[], bytes]) -> bytes:
        starts.extend(
            int(call["params"][0]["fromBlock"], 16)  # type: ignore[index]  # the parameters of eth_getLogs
            for call in calls
            if call["method"] == "eth_getLogs"
        )
        return ask()

    between.fault = watched
    kept = sink.cursor
    again = Follower(ledger, sink)
    assert names(again) == {"one", "two"}
    again.catch_up()
    assert names(again) == {"one", "two", "three"}
    assert kept is not None
    assert starts == [kept.block + 1]


def test_a_reader_keeps_the_state_it_took_while_the_follower_moves_on(ledger: EvmLedger) -> None:
    follower = Follower(ledger, MemorySink())
    follower.catch_up()
    taken = follower.state
    create(ledger, "later")
    follower.catch_up()
    assert taken.assets == {}
    assert asset_id("later") in follower.state.assets


def test_it_runs_in_a_thread_through_outages_and_stops_when_it_is_told(ledger: EvmLedger, between: Proxy) -> None:
    steps: list[Step] = []
    follower = Follower(ledger, MemorySink(), interval_s=0.01, max_staleness_s=1.0, on_step=steps.append)
    follower.start()
    with pytest.raises(LedgerError, match="runs already"):
        follower.start()
    create(ledger, "one")
    until(lambda: names(follower) == {"one"} and follower.fresh())
    between.fault = unheard
    until(lambda: follower.error is not None)
    between.fault = lambda calls, ask: ask()
    create(ledger, "two")
    until(lambda: names(follower) == {"one", "two"} and follower.error is None)
    assert any(step.events for step in steps)
    assert follower.stop()
    assert not any(thread.name == "mooring-follower" and thread.is_alive() for thread in threading.enumerate())


def test_a_defect_in_what_it_calls_does_not_end_its_thread(ledger: EvmLedger) -> None:
    failures = iter([ValueError("a defect")])

    def on_step(step: Step) -> None:
        for failure in failures:
            raise failure

    follower = Follower(ledger, MemorySink(), interval_s=0.01, on_step=on_step)
    follower.start()
    until(lambda: follower.error is not None or follower.fresh())
    create(ledger, "one")
    until(lambda: names(follower) == {"one"} and follower.error is None)
    assert follower.stop()


@pytest.mark.node
def test_it_unwinds_with_the_chain_and_its_sink_with_it(anvil: Place) -> None:
    settings, _ = anvil.found()
    ledger, sink = anvil.ledger(settings), KeptSink()
    create(ledger, "kept")
    anvil.rpc("anvil_mine", "0x6")
    follower = Follower(ledger, sink)
    follower.catch_up()
    create(ledger, "lost")
    follower.catch_up()
    assert names(follower) == {"kept", "lost"}
    assert {asset.name for asset in follower.final_state.assets.values()} == {"kept"}
    anvil.rpc("anvil_reorg", 2, [])
    follower.catch_up()
    assert names(follower) == {"kept"}
    restarted = Follower(ledger, sink)
    assert restarted.state == follower.state
    anvil.rpc("anvil_mine", "0x6")
    restarted.catch_up()
    anvil.rpc("anvil_reorg", 6, [])
    with pytest.raises(LedgerLied) as caught:
        restarted.step()
    assert caught.value.code == "finality-broken"
    assert restarted.error is caught.value
    ledger.close()


@pytest.mark.node
@pytest.mark.slow
def test_a_busy_chain_that_reorganises_all_the_time_is_followed_exactly(tmp_path: Path, accounts: Accounts) -> None:
    with anvil_place(tmp_path, accounts, depth=8) as place:
        ledger, sink = place.ledger(replace(place.found()[0])), KeptSink()
        follower = Follower(ledger, sink)
        for turn in range(12):
            create(ledger, f"asset {turn}")
            if turn % 3 != 2:
                follower.catch_up()
            if turn % 2:
                place.rpc("anvil_reorg", 1 + turn % 4, [])
        follower.catch_up()
        fresh = Follower(ledger, MemorySink())
        fresh.catch_up()
        assert follower.state == fresh.state
        assert Follower(ledger, sink).state == fresh.state
        ledger.close()
