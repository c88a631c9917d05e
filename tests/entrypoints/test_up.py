"""`mooring up`: others find its chain, its gateway answers with receipts, and it stops and dies without losing any."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.entrypoints.commandline import Cli, process
from tests.entrypoints.running import BODY, Running, ask, decode, up
from tests.workflows.stage import MODEL, Stages

from mooring.records.receipt import Receipt, commit_input, commit_output
from mooring.wiring.home import Home
from mooring.wiring.session import open_session


def ran(*words: object) -> dict:  # type: ignore[type-arg]  # whatever was printed
    """Run a command in a process of its own, and return what it printed."""
    child = process("--json", *words)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    value: dict = json.loads(out)  # type: ignore[type-arg]  # whatever was printed
    return value


def failed(*words: object) -> dict:  # type: ignore[type-arg]  # an error as a value
    child = process("--json", *words)
    out, err = child.communicate(timeout=120)
    assert child.returncode != 0, out
    value: dict = json.loads(err)  # type: ignore[type-arg]  # an error as a value
    assert value["exit"] == child.returncode
    return value


def until(true, timeout_s: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < timeout_s
        time.sleep(0.02)


@pytest.fixture(scope="module")
def served(stages: Stages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Running]]:
    """A service over a deployment whose model waits for approval; tests move it on, in order."""
    home = stages.copy("registered", tmp_path_factory.mktemp("served") / "home")
    config = home / "mooring.toml"
    text = config.read_text().replace("[ledger]", "[partition]\nseal_interval_s = 0.2\nanchor_interval_s = 1\n[ledger]")
    config.write_text(text)
    with up(home) as running:
        yield home, running


def test_a_process_of_its_own_approves_and_activates_on_the_same_chain_without_being_told(
    served: tuple[Path, Running],
) -> None:
    home, running = served
    assert ask(running.gateway).status_code in (403, 404, 409)
    for member in ("bob", "carol"):
        ran("--home", home, "--as", member, "model", "approve", MODEL)
    changed = ran("--home", home, "--as", "alice", "model", "activate", MODEL, "--purpose", "diagnosis")
    assert changed["after"] == "active"
    until(lambda: ask(running.gateway).status_code == 200)


def test_the_gateway_answers_with_a_receipt_that_commits_to_the_answer(served: tuple[Path, Running]) -> None:
    home, running = served
    response = ask(running.gateway)
    assert response.status_code == 200, response.text
    assert response.json()["outputs"][0]["data"] == [4.0]
    receipt = Receipt.from_bytes(decode(response.headers["mooring-receipt"]))
    salt = decode(response.headers["mooring-salt"])
    assert receipt.input == commit_input(salt, BODY).hex()
    assert receipt.output == commit_output(salt, response.content).hex()
    assert ran("--home", home, "log", "entry", "receipts", receipt.index)["index"] == receipt.index
    assert ask(running.gateway, purpose="marketing").status_code == 403


def test_what_is_sealed_and_anchored_grows_by_itself(served: tuple[Path, Running]) -> None:
    home, running = served
    receipt = Receipt.from_bytes(decode(ask(running.gateway).headers["mooring-receipt"]))
    until(lambda: ran("--home", home, "log", "show")[1]["anchored"] > receipt.index)
    with httpx.Client(trust_env=False) as http:
        metrics = http.get(f"{running.gateway}/metrics").text
    assert "ledger_lag_seconds" in metrics
    assert "anchor_lag_seconds" in metrics
    made = ran(
        *("--home", home, "export", MODEL, "--receipt", receipt.index),
        *("--out", home / "bundle.json", "--trust", home / "trust.out"),
    )
    assert made["entries"] > 1
    assert ran("verify", home / "bundle.json", "--trust", home / "trust.out")["outcome"] == "proved"


def test_a_suspension_by_another_process_reaches_the_gateway_within_its_interval(served: tuple[Path, Running]) -> None:
    home, running = served
    done = threading.Event()
    answered: list[tuple[float, int]] = []

    def keep_asking() -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not done.is_set():
                answered.append((time.monotonic(), ask(running.gateway, client=client).status_code))
                time.sleep(0.01)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        ran("--home", home, "--as", "carol", "model", "suspend", MODEL, "--reason", "odd")
        suspended = time.monotonic()
        until(lambda: answered[-1][1] != 200)
    finally:
        done.set()
        asking.join()
    late = [at for at, status in answered if status == 200 and at > suspended + 2.0]
    assert late == []


@pytest.mark.slow
def test_a_second_service_is_refused_and_told_which_process_to_stop(served: tuple[Path, Running]) -> None:
    home, running = served
    for words in (("up", "--port", "0"), ("up", "--no-gateway")):
        error = failed("--home", home, *words)
        assert (error["error"], error["exit"]) == ("chain-busy", 6)
        assert f"process {running.child.pid}" in error["message"]
    error = failed("--home", home, "serve", "--port", "0")
    assert (error["error"], error["exit"]) == ("log-busy", 6)
    assert f"process {running.child.pid}" in error["message"]
    assert running.child.poll() is None


def test_a_port_that_is_taken_is_named(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("active", tmp_path / "home")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = failed("--home", home, "up", "--port", port)
        assert str(port) in error["message"]
        assert error["hint"]
        rpc = failed("--home", home, "up", "--no-gateway", "--rpc-port", port)
        assert str(port) in rpc["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_told_to_stop_seals_what_it_answered_and_goes_on_when_it_is_started_again(
    stages: Stages, tmp_path: Path, number: int
) -> None:
    home = stages.copy("active", tmp_path / "home")
    with up(home) as running:
        until(lambda: ask(running.gateway).status_code == 200)
        last = Receipt.from_bytes(decode(ask(running.gateway).headers["mooring-receipt"])).index
        assert running.stop(number) == 0
        assert "stopping" in running.hear("stopping")
    receipts = Cli(home).ok("log", "show")[1]
    assert receipts["sequenced"] == receipts["sealed"] == last + 1
    assert receipts["witnesses"] == 3
    with up(home) as running:
        until(lambda: ask(running.gateway).status_code == 200)
        index = Receipt.from_bytes(decode(ask(running.gateway).headers["mooring-receipt"])).index
    assert index > last


@pytest.mark.slow
def test_every_receipt_that_a_client_holds_is_in_the_log_after_kill_9_under_load(
    stages: Stages, tmp_path: Path
) -> None:
    home, held, served = stages.copy("active", tmp_path / "home"), [], 0
    for _ in range(3):
        with up(home) as running:
            url = running.gateway
            until(lambda: ask(url).status_code == 200)  # noqa: B023  # called before the loop goes on
            kept: list[bytes] = []
            threads = [threading.Thread(target=flood, args=(url, kept)) for _ in range(4)]
            for thread in threads:
                thread.start()
            until(lambda: len(kept) > 100)  # noqa: B023  # called before the loop goes on
            os.kill(running.child.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
            held += kept
            served += 1
    with open_session(Home(home)) as session, session.read("receipts") as log:
        for data in held:
            assert log.entry(Receipt.from_bytes(data).index) == data
        assert log.scrub()
        assert log.size >= len({Receipt.from_bytes(data).index for data in held}) == len(held) > 300
    assert {row["what"]: row["state"] for row in Cli(home).ok("doctor")}["ledger"] == "ok"


def flood(url: str, kept: list[bytes]) -> None:
    with httpx.Client(timeout=10, trust_env=False) as client:
        while True:
            try:
                response = ask(url, client=client)
            except httpx.TransportError:
                return
            if response.status_code == 200:
                kept.append(decode(response.headers["mooring-receipt"]))


def test_commands_survive_the_death_of_the_process_that_held_the_chain(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("registered", tmp_path / "home")
    with up(home, "--no-gateway") as running:
        ran("--home", home, "--as", "bob", "model", "approve", MODEL)
        os.kill(running.child.pid, signal.SIGKILL)
        running.child.wait()
        # the lock's note still names it, and nobody answers there
        assert Cli(home).ok("model", "approve", MODEL, as_="carol")["approvals"] == 2
    assert Cli(home).ok("model", "list")[1]["status"] == "approved"


def test_two_commands_at_the_same_time_both_do_what_they_were_asked_for(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("registered", tmp_path / "home")
    children = [process("--json", "--home", home, "--as", name, "model", "approve", MODEL) for name in ("bob", "carol")]
    for child in children:
        _, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
    assert Cli(home).ok("model", "list")[1]["approvals"] == "2 of 2"


def test_the_chain_and_the_gateway_can_be_two_processes(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("active", tmp_path / "home")
    with up(home, "--no-gateway") as chain, up(home, verb="serve") as gateway:
        assert not any("gateway" in line for line in chain.lines)
        until(lambda: ask(gateway.gateway).status_code == 200)
        Cli(home).ok("model", "suspend", MODEL, "--reason", "x", as_="bob")
        until(lambda: ask(gateway.gateway).status_code != 200)
        with httpx.Client(trust_env=False) as http:
            call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
            assert http.post(chain.chain, json=call).json()["result"] == hex(20231)


@pytest.mark.slow
def test_a_gateway_whose_chain_is_gone_fails_closed(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("active", tmp_path / "home")
    config = home / "mooring.toml"
    config.write_text(config.read_text().replace("operators = 1", "operators = 1\nmax_staleness_s = 1.0"))
    with up(home, "--no-gateway") as chain, up(home, verb="serve") as gateway:
        until(lambda: ask(gateway.gateway).status_code == 200)
        chain.child.kill()
        chain.child.wait()
        until(lambda: ask(gateway.gateway).status_code == 503)
        problem = ask(gateway.gateway).json()
        assert "stale" in json.dumps(problem)


def test_a_model_that_does_not_load_is_refused_with_its_reason(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("registered", tmp_path / "home")
    cli = Cli(home)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"this is no ONNX")
    words = ("model", "register", path, "--name", "broken@1", "--dataset", "cells@1", "--code-commit", "c0ffee")
    cli.ok(*words, as_="alice")
    for member in ("bob", "carol"):
        cli.ok("model", "approve", "broken@1", as_=member)
    cli.ok("model", "activate", "broken@1", "--purpose", "diagnosis", as_="alice")
    with up(home) as running:
        until(lambda: ask(running.gateway, "broken").json()["code"] == "model-load")
        response = ask(running.gateway, "broken")
        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert "broken 1 cannot be served: the model does not load" in response.json()["detail"]
        assert response.json()["hint"]
        assert running.child.poll() is None
