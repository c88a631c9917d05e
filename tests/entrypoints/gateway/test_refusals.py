"""Every refusal is in the log, alone or summed with others of its kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mooring.entrypoints.gateway import GatewaySettings
from mooring.errors import StorageError
from mooring.workflows.serve import Refusal, parse_entry

ADS = {"mooring_purpose": "advertising"}


def refusals(world: Any) -> list[Refusal]:
    entries = [parse_entry(entry) for entry in world.log.entries(0, world.log.size)]
    return [entry for entry in entries if isinstance(entry, Refusal)]


def until(condition: Callable[[], bool]) -> None:
    last = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.05)


def test_the_first_refusal_is_in_the_log_before_its_answer_leaves(world: Any) -> None:
    world.problem(world.infer(**ADS), 403, "denied")
    assert [(entry.count, entry.rule, entry.index) for entry in refusals(world)] == [
        (1, "purpose-of-the-deployment", 0)
    ]


def test_a_flood_is_summed_and_none_is_lost(world: Any) -> None:
    for _ in range(200):
        world.problem(world.infer(**ADS), 403, "denied")
    until(lambda: sum(entry.count for entry in refusals(world)) == 200)
    assert len(refusals(world)) < 50
    assert world.metric("policy_denied_total", reason="purpose-of-the-deployment") == 200


def test_purposes_made_up_by_the_caller_do_not_multiply_the_entries(world: Any) -> None:
    for n in range(50):
        world.problem(world.infer(mooring_purpose=f"made-up-{n}"), 403, "denied")
    until(lambda: sum(entry.count for entry in refusals(world)) == 50)
    assert len(refusals(world)) < 20
    assert refusals(world)[0].purpose == "made-up-0"
    assert refusals(world)[-1].purpose == "made-up-49"


def test_other_kinds_are_not_summed_with_it(world: Any, onnx: bytes) -> None:
    world.site.add("triage", "v2", onnx, status="suspended")
    world.infer(**ADS)
    world.infer(path="/v2/models/triage/versions/v2/infer")
    assert [(entry.version, entry.rule) for entry in refusals(world)] == [
        ("v1", "purpose-of-the-deployment"),
        ("v2", "only-active-versions-serve"),
    ]


def test_what_was_summed_is_logged_when_the_gateway_stops(world: Any) -> None:
    for _ in range(7):
        world.infer(**ADS)
    world.server.stop()
    assert sum(entry.count for entry in refusals(world)) == 7


def test_what_was_summed_while_the_log_could_not_be_written_is_logged_later(make_world: Any) -> None:
    world = make_world(GatewaySettings(probe_interval_s=0.1))
    for _ in range(5):
        world.problem(world.infer(**ADS), 403, "denied")
    world.tap.error = StorageError("no space left", code="disk-full", hint="")
    until(lambda: bool(world.client.get("/v2/health/ready").status_code == 503))
    world.problem(world.infer(**ADS), 503, "receipt-log")
    world.tap.error = None
    until(lambda: bool(world.client.get("/v2/health/ready").status_code == 200))
    until(lambda: sum(entry.count for entry in refusals(world)) == 5)
    time.sleep(1.1)
    world.problem(world.infer(**ADS), 403, "denied")
    assert sum(entry.count for entry in refusals(world)) == 6


def test_kinds_that_no_longer_come_are_forgotten(world: Any, monkeypatch: Any) -> None:
    from mooring.entrypoints.gateway import refusals as module

    monkeypatch.setattr(module, "_FORGET_S", 0.0)
    world.infer(**ADS)
    kept = world.server.app.door._refusals._kinds
    until(lambda: not kept)
    assert sum(entry.count for entry in refusals(world)) == 1
