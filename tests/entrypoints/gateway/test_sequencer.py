"""No answer without a durable receipt: full disks, slow disks, second writers, and how the gateway comes back."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from mooring.entrypoints.gateway import GatewaySettings
from mooring.errors import StorageError
from mooring.records.receipt import Receipt
from mooring.workflows.serve import Recovery, parse_entry

QUICK = GatewaySettings(probe_interval_s=0.1)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """A disk that is full beyond `size` bytes of any file: writes fail as the kernel makes them fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def until_ready(world: Any, seconds: float = 10.0) -> None:
    last = time.monotonic() + seconds
    while world.client.get("/v2/health/ready").status_code != 200:
        assert time.monotonic() < last
        time.sleep(0.05)


def test_a_full_disk_stops_answers_and_readiness_and_a_recovery_is_logged(make_world: Any, deployment: Any) -> None:
    def reopen() -> Any:
        world.log.close()
        world.log = deployment.open_log(world.folder)
        return world.log

    world = make_world(QUICK, reopen=reopen)
    before = world.receipt(world.infer())
    with file_size_limit(256):
        answers = [world.infer() for _ in range(20)]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        problem = world.problem(refused[0], 503, "receipt-log")
        assert "append to the log" in problem["detail"]
        assert "no answer leaves without a receipt" in problem["hint"]
        assert refused[0].headers["retry-after"] == "2"
        assert world.client.get("/v2/health/ready").status_code == 503
        assert world.client.get("/v2/health/live").status_code == 200
        time.sleep(0.5)
        assert world.client.get("/v2/health/ready").status_code == 503
    until_ready(world)
    after = world.receipt(world.infer())
    kept = [parse_entry(entry) for entry in world.log.entries(0, world.log.size)]
    held = [world.receipt(answer) for answer in answers if answer.status_code == 200]
    assert [before, *held, after] == [entry for entry in kept if isinstance(entry, Receipt)]
    recoveries = [entry for entry in kept if isinstance(entry, Recovery)]
    assert len(recoveries) == 1
    assert recoveries[0].refused >= 1
    assert before.time < recoveries[0].since < recoveries[0].time < after.time


def test_a_log_that_refuses_gives_no_receipts_and_reuses_no_index(make_world: Any) -> None:
    world = make_world(QUICK)
    world.infer()
    world.tap.error = StorageError("no space left", code="disk-full", hint="free some")
    problem = world.problem(world.infer(), 503, "receipt-log")
    assert "no space left" in problem["detail"]
    assert problem["hint"].startswith("free some")
    world.problem(world.infer(), 503, "receipt-log")
    assert world.metric("gateway_refused_total", code="receipt-log") == 2
    world.tap.error = None
    until_ready(world)
    receipt = world.receipt(world.infer())
    assert receipt.index == world.log.size - 1
    assert isinstance(parse_entry(world.log.entry(1)), Recovery)


def test_an_error_that_nobody_foresaw_stops_answers_too(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(world.tap.log, "append", lambda entries: 1 / 0)
        world.problem(world.infer(), 503, "receipt-log")
    until_ready(world)
    assert world.infer().status_code == 200


def test_a_second_writer_is_noticed_by_the_index(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(QUICK)
    append = world.tap.log.append
    with monkeypatch.context() as patch:
        patch.setattr(world.tap.log, "append", lambda entries: append([b"{}", *entries]) and range(7, 8))
        problem = world.problem(world.infer(), 503, "receipt-log")
    assert "another index" in problem["detail"]
    assert "second writer" not in problem["detail"]


def test_what_arrives_during_a_commit_shares_the_next_one(make_world: Any) -> None:
    world = make_world(GatewaySettings(batching=False))
    world.infer()
    world.tap.flows.clear()
    world.tap.reached.clear()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(world.infer)
        assert world.tap.reached.wait(5)
        others = [pool.submit(world.infer) for _ in range(8)]
        while world.metric("gateway_requests_in_flight") < 9:
            time.sleep(0.02)
        world.tap.flows.set()
        answers = [future.result() for future in (first, *others)]
    assert world.tap.batches == [1, 1, 8]
    indexes = sorted(world.receipt(answer).index for answer in answers)
    assert indexes == list(range(1, 10))
    for answer in answers:
        assert world.log.entry(world.receipt(answer).index) == world.evidence(answer)[0]
    assert world.metric("receipt_batch_size_sum") == 10
    assert world.metric("receipt_commit_seconds_count") == 3


def test_a_disk_that_hangs_is_answered_in_time_and_nothing_is_answered_twice(make_world: Any) -> None:
    world = make_world(GatewaySettings(request_timeout_s=0.3))
    world.infer()
    world.tap.flows.clear()
    begun = time.monotonic()
    problem = world.problem(world.infer(), 503, "timeout")
    assert 0.3 <= time.monotonic() - begun < 3
    assert "may be in the log" in problem["hint"]
    world.tap.flows.set()
    assert world.receipt(world.infer()).index == 2


def test_more_requests_than_the_bound_are_turned_away_with_a_time_to_retry(make_world: Any) -> None:
    world = make_world(GatewaySettings(max_in_flight=3))
    world.infer()
    world.tap.flows.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(world.infer) for _ in range(3)]
        while world.metric("gateway_requests_in_flight") < 3:
            time.sleep(0.02)
        turned_away = world.infer()
        world.problem(turned_away, 503, "overload")
        assert turned_away.headers["retry-after"] == "1"
        world.tap.flows.set()
        answers = [future.result() for future in waiting]
    assert sorted(world.receipt(answer).index for answer in answers) == [1, 2, 3]
    assert world.infer().status_code == 200


def test_a_refusal_that_cannot_be_logged_is_answered_503(make_world: Any) -> None:
    world = make_world(QUICK)
    world.tap.error = StorageError("no space left", code="disk-full", hint="")
    world.problem(world.infer(mooring_purpose="advertising"), 503, "receipt-log")
    assert world.log.size == 0


def test_stopping_answers_what_is_in_flight(make_world: Any) -> None:
    world = make_world()
    world.infer()
    world.tap.flows.clear()
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(world.infer) for _ in range(4)]
        while world.metric("gateway_requests_in_flight") < 4:
            time.sleep(0.02)
        stopping = pool.submit(world.server.stop)
        time.sleep(0.3)
        assert not stopping.done()
        world.tap.flows.set()
        answers = [future.result() for future in waiting]
        stopping.result()
    assert sorted(world.receipt(answer).index for answer in answers) == [1, 2, 3, 4]
    assert world.log.size == 5
